/*
 * statistics.c
 *    What stands for a row's prediction and target, and how predictions are
 *    distributed.
 */
#include "model/statistics.h"

#define SLICE_ROWS 256

bool
dl_statistics_column_has_codes(const DlModel *model, int32_t column)
{
	return model->columns[column].kind == DL_COLUMN_CATEGORY;
}

bool
dl_statistics_target_has_codes(const DlModel *model)
{
	return model->labels != NULL;
}

bool
dl_statistics_predictions_have_codes(const DlModel *model)
{
	return model->task == DL_TASK_MULTICLASS;
}

const DlCategoryInput *
dl_statistics_category(const DlModel *model, int32_t column)
{
	for (int32_t i = 0; i < model->preparation.category_count; i++)
		if (model->preparation.categories[i].column == column)
			return &model->preparation.categories[i];
	return NULL;
}

float
dl_statistics_mean(const double *values, int32_t count, double offset)
{
	double		sum = 0;

	for (int32_t i = 0; i < count; i++)
		sum += values[i];
	return (float) (sum / count - offset);
}

/* Ties go to the first class. */
static int32_t
likeliest(const double *probabilities, int32_t classes)
{
	int32_t		best = 0;

	for (int32_t i = 1; i < classes; i++)
		if (probabilities[i] > probabilities[best])
			best = i;
	return best;
}

void
dl_statistics_add_predictions(const DlModel *model, int64_t rows, const double *results, DlDistribution *distribution)
{
	int32_t		width = dl_model_result_width(model);

	for (int64_t first = 0; first < rows; first += SLICE_ROWS)
	{
		int64_t		n = rows - first < SLICE_ROWS ? rows - first : SLICE_ROWS;
		int32_t		codes[SLICE_ROWS];
		float		numbers[SLICE_ROWS];

		for (int64_t i = 0; i < n; i++)
		{
			const double *row = results + (first + i) * width;

			if (distribution->codes)
				codes[i] = likeliest(row, width);
			else
				numbers[i] = dl_statistics_mean(row, width, distribution->offset);
		}
		if (distribution->codes)
			dl_distribution_add_codes(distribution, codes, n);
		else
			dl_distribution_add_numbers(distribution, numbers, n);
	}
}

static DlStatus
count_classes(DlArena *arena, const DlModel *model, int64_t rows, const double *results, DlDistribution *distribution,
			  DlError *error)
{
	int32_t		width = dl_model_result_width(model);
	int64_t    *frequencies;

	DL_TRY(dl_arena_calloc(arena, (size_t) width, sizeof(int64_t), &frequencies, error));
	for (int64_t i = 0; i < rows; i++)
		frequencies[likeliest(results + i * width, width)]++;
	return dl_distribution_of_codes(arena, frequencies, width, 0, NULL, 0, distribution, error);
}

DlStatus
dl_statistics_of_predictions(DlArena *arena, const DlModel *model, int64_t rows, const double *results, double offset,
							 DlDistribution *distribution, DlError *error)
{
	int32_t		width = dl_model_result_width(model);
	int64_t		sampled = rows < DL_DISTRIBUTION_SAMPLE ? rows : DL_DISTRIBUTION_SAMPLE;
	float	   *sample;
	uint32_t   *keys;

	if (model->task != DL_TASK_REGRESSION)
		offset = 0;
	if (dl_statistics_predictions_have_codes(model))
		return count_classes(arena, model, rows, results, distribution, error);
	DL_TRY(dl_arena_calloc(arena, (size_t) sampled, sizeof(float), &sample, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) sampled, 2 * sizeof(uint32_t), &keys, error));
	for (int64_t i = 0; i < sampled; i++)
		sample[i] = dl_statistics_mean(results + rows * i / sampled * width, width, offset);
	DL_TRY(dl_distribution_of_sample(arena, sample, keys, keys + sampled, sampled, offset, distribution, error));
	dl_statistics_add_predictions(model, rows, results, distribution);
	dl_distribution_finish(distribution);
	return DL_OK;
}
