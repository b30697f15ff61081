/*
 * preparation_integers.c
 *    Columns of whole numbers with few different values, such as months or codes:
 *    each value becomes a one-hot input beside the number.
 *
 * Two values are not enough: the number itself tells them apart.  Values of fewer than
 * LEAST_ROWS training rows have no input of their own, since little can be learnt about them.
 */
#include <math.h>
#include <string.h>

#include "data/preparation_internal.h"

#define LEAST_ROWS 10

/* The place of x, or where to insert it. */
static int32_t
find_value(const DlFewValues *few, float x)
{
	int32_t		i = 0;

	while (i < few->count && few->values[i] < x)
		i++;
	return i;
}

static void
insert_value(DlFewValues *few, int32_t at, float x)
{
	size_t		after = (size_t) (few->count - at);

	memmove(&few->values[at + 1], &few->values[at], after * sizeof(float));
	memmove(&few->rows[at + 1], &few->rows[at], after * sizeof(int64_t));
	few->values[at] = x;
	few->rows[at] = 0;
	few->count++;
}

void
dl_few_values_add(DlFewValues *few, const uint32_t *words, int64_t stride, int64_t rows, double offset, int32_t most)
{
	for (int64_t i = 0; i < rows && !few->other; i++)
	{
		float		x;
		int32_t		at;

		memcpy(&x, &words[i * stride], sizeof(x));
		if (x != x)
			continue;
		at = find_value(few, x);
		if (at == few->count || few->values[at] != x)
		{
			double		value = (double) x + offset;

			if (few->count == most || !isfinite(value) || value != floor(value))
			{
				few->other = true;
				return;
			}
			insert_value(few, at, x);
		}
		few->rows[at]++;
	}
}

DlStatus
dl_few_values_inputs(DlArena *arena, const DlFewValues *few, int32_t word, DlIntegerInput *result, DlError *error)
{
	float	   *values;

	*result = (DlIntegerInput) {.word = word};
	if (few->other || few->count < 3)
		return DL_OK;
	DL_TRY(dl_arena_calloc(arena, (size_t) few->count, sizeof(float), &values, error));
	for (int32_t i = 0; i < few->count; i++)
		if (few->rows[i] >= LEAST_ROWS)
			values[result->count++] = few->values[i];
	result->values = values;
	return DL_OK;
}
