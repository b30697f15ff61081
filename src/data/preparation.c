/*
 * preparation.c
 *    Names of scalings, and what follows from a fitted or decoded preparation.
 */
#include "data/preparation.h"

#include <string.h>

#include "core/size.h"
#include "data/preparation_internal.h"

static const char *const scaling_names[] = {
	[DL_SCALING_STANDARD] = "standard",
	[DL_SCALING_ROBUST] = "robust",
	[DL_SCALING_QUANTILE] = "quantile",
	[DL_SCALING_NONE] = "none",
};

#define SCALING_COUNT ((int) (sizeof(scaling_names) / sizeof(scaling_names[0])))

const char *
dl_scaling_name(DlScaling scaling)
{
	return (int) scaling >= 0 && (int) scaling < SCALING_COUNT ? scaling_names[scaling] : "unknown";
}

bool
dl_scaling_by_name(const char *name, DlScaling *result)
{
	for (int i = 0; i < SCALING_COUNT; i++)
	{
		if (strcmp(name, scaling_names[i]) == 0)
		{
			*result = (DlScaling) i;
			return true;
		}
	}
	return false;
}

static DlStatus
check_category(const DlCategoryInput *category, DlError *error)
{
	if (category->levels < 0 || category->levels > INT32_MAX - 1 || category->code_count < 0)
		return dl_error_set(error, DL_ERROR_CORRUPT, "a category has %d levels and %d codes", category->levels,
							category->code_count);
	for (int32_t i = 0; i < category->code_count; i++)
		if (category->map[i] < -1 || category->map[i] >= category->levels)
			return dl_error_set(error, DL_ERROR_CORRUPT, "level %d of a category of %d levels", category->map[i],
								category->levels);
	if (category->level_numbers < 0 || (category->level_numbers > 0 && category->one_hot))
		return dl_error_set(error, DL_ERROR_CORRUPT, "a category has %d numbers a level", category->level_numbers);
	return DL_OK;
}

/* The vector path serves consecutive words of one kind of scaling. */
static bool
is_contiguous(const DlPreparation *preparation)
{
	const DlNumberInput *numbers = preparation->numbers;

	for (int32_t i = 0; i < preparation->number_count; i++)
		if (numbers[i].word - numbers[0].word != i || numbers[i].scaling != numbers[0].scaling ||
			numbers[i].scaling == DL_SCALING_QUANTILE)
			return false;
	return preparation->plain_count > 0 && preparation->plain_count == preparation->number_count;
}

static DlStatus
derive_numbers(DlArena *arena, DlPreparation *preparation, DlError *error)
{
	size_t		count = (size_t) preparation->number_count;
	float	   *centers;
	float	   *scales;
	int32_t    *indicators;

	DL_TRY(dl_arena_calloc(arena, count, sizeof(float), &centers, error));
	DL_TRY(dl_arena_calloc(arena, count, sizeof(float), &scales, error));
	DL_TRY(dl_arena_calloc(arena, count, sizeof(int32_t), &indicators, error));
	preparation->indicator_count = 0;
	preparation->plain_count = 0;
	for (size_t i = 0; i < count; i++)
	{
		const DlNumberInput *number = &preparation->numbers[i];

		if ((int) number->scaling < 0 || (int) number->scaling >= SCALING_COUNT || number->quantile_count < 0)
			return dl_error_set(error, DL_ERROR_CORRUPT, "number %zu has the scaling %d", i, (int) number->scaling);
		centers[i] = number->center;
		scales[i] = number->scale;
		if (!number->of_text && preparation->plain_count++ < (int32_t) i)
			return dl_error_set(error, DL_ERROR_CORRUPT, "number %zu stands behind words of texts", i);
		if (number->missing_seen)
			indicators[preparation->indicator_count++] = number->word;
	}
	preparation->centers = centers;
	preparation->scales = scales;
	preparation->indicator_words = indicators;
	preparation->contiguous = is_contiguous(preparation);
	return DL_OK;
}

DlStatus
dl_preparation_finish(DlArena *arena, DlPreparation *preparation, DlError *error)
{
	DL_TRY(derive_numbers(arena, preparation, error));
	preparation->continuous = preparation->plain_count;
	preparation->inputs = preparation->number_count - preparation->plain_count + preparation->indicator_count;
	preparation->embedded = 0;
	DL_TRY(dl_arena_calloc(arena, (size_t) preparation->category_count, sizeof(int64_t),
						   &preparation->embedded_levels, error));
	for (int32_t i = 0; i < preparation->category_count; i++)
	{
		const DlCategoryInput *category = &preparation->categories[i];

		DL_TRY(check_category(category, error));
		if (category->one_hot)
			preparation->inputs += one_hot_width(category);
		else
			preparation->embedded_levels[preparation->embedded++] = (int64_t) category->levels + 1;
		preparation->continuous += category->level_numbers;
	}
	preparation->inputs += preparation->continuous;
	for (int32_t i = 0; i < preparation->integer_count; i++)
	{
		if (preparation->integers[i].count < 0)
			return dl_error_set(error, DL_ERROR_CORRUPT, "a number has %d values", preparation->integers[i].count);
		preparation->inputs += preparation->integers[i].count;
	}
	return DL_OK;
}
