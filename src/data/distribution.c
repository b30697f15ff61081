/*
 * distribution.c
 *    Making a distribution: its edges and levels, and counting.
 */
#include "data/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/preparation_internal.h"

#define BATCH 256				/* values counted at a time */
#define DIGITS 6				/* of means and deviations */

/* x in that many significant digits: the nearest such number, or the next above. */
static double
decimal(double x, int digits, bool up)
{
	int			power = digits - 1 - (int) floor(log10(fabs(x)));
	double		scale = pow(10, abs(power));
	double		scaled = power >= 0 ? x * scale : x / scale;
	double		whole = up ? ceil(scaled) : nearbyint(scaled);

	return power >= 0 ? whole / scale : whole * scale;
}

static double
rounded(double x)
{
	double		result = x == 0 || !isfinite(x) ? x : decimal(x, DIGITS, false);

	return isfinite(result) ? result : x;
}

/* The shortest number that is at least low and below high once it is a float. */
static double
shortest(float low, float high)
{
	if (low == 0)
		return 0;
	for (int digits = 1; digits <= 9; digits++)
		for (int up = 0; up <= 1; up++)
		{
			double		candidate = decimal(low, digits, up == 1);

			if ((float) candidate >= low && (float) candidate < high)
				return candidate;
		}
	return low;
}

/* The first of the sorted values that is above value; count when there is none. */
static int64_t
first_above(const float *sorted, int64_t count, float value)
{
	int64_t		low = 0;

	while (low < count)
	{
		int64_t		middle = low + (count - low) / 2;

		if (sorted[middle] > value)
			count = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Between a decile and the next value above it, so that both sides of an edge have values. */
static void
choose_edges(DlDistribution *d, const float *sorted, int64_t count)
{
	for (int i = 1; i < DL_DISTRIBUTION_BINS && count > 0; i++)
	{
		int64_t		position = (int64_t) ceil((double) count * i / DL_DISTRIBUTION_BINS) - 1;
		float		decile = sorted[position];
		int64_t		next = first_above(sorted, count, decile);

		if (next == count)
			return;
		if (d->count == 0 || decile > (float) d->edges[d->count - 1])
			d->edges[d->count++] = shortest(decile, sorted[next]);
	}
}

DlStatus
dl_distribution_of_numbers(DlArena *arena, const float *sorted, int64_t count, double offset, DlDistribution *result,
						   DlError *error)
{
	*result = (DlDistribution) {.offset = offset, .low = NAN, .high = NAN};
	DL_TRY(dl_arena_calloc(arena, DL_DISTRIBUTION_BINS, sizeof(double), &result->edges, error));
	DL_TRY(dl_arena_calloc(arena, DL_DISTRIBUTION_BINS + 1, sizeof(int64_t), &result->bins, error));
	choose_edges(result, sorted, count);
	return DL_OK;
}

DlStatus
dl_distribution_of_sample(DlArena *arena, float *values, uint32_t *keys, uint32_t *other, int64_t count, double offset,
						  DlDistribution *result, DlError *error)
{
	int64_t		present = 0;

	for (int64_t i = 0; i < count; i++)
	{
		float		x = values[i];

		values[present] = x;
		present += x == x;
	}
	if (present > 0)
		dl_sort_floats(values, keys, other, present);
	return dl_distribution_of_numbers(arena, values, present, offset, result, error);
}

typedef struct Level
{
	int64_t		frequency;
	int32_t		code;
} Level;

/* The most frequent first, then the first code. */
static int
compare_levels(const void *a, const void *b)
{
	const Level *x = a;
	const Level *y = b;

	if (x->frequency != y->frequency)
		return x->frequency > y->frequency ? -1 : 1;
	return (x->code > y->code) - (x->code < y->code);
}

/* Keeps the greatest in a short list, sorted at the end: codes come in ascending order. */
static int32_t
most_frequent(Level *list, int32_t count, Level level)
{
	int32_t		least = 0;

	if (count < DL_DISTRIBUTION_LEVELS)
	{
		list[count] = level;
		return count + 1;
	}
	for (int32_t i = 1; i < count; i++)
		if (compare_levels(&list[i], &list[least]) > 0)
			least = i;
	if (compare_levels(&level, &list[least]) < 0)
		list[least] = level;
	return count;
}

DlStatus
dl_distribution_of_codes(DlArena *arena, const int64_t *frequencies, int32_t codes, int64_t missing, const int32_t *known,
						 int64_t least, DlDistribution *result, DlError *error)
{
	Level		list[DL_DISTRIBUTION_LEVELS];
	int32_t		count = 0;

	*result = (DlDistribution) {.codes = true, .rows = missing, .missing = missing};
	for (int32_t code = 0; code < codes; code++)
	{
		result->rows += frequencies[code];
		if ((known != NULL && known[code] < 0) || frequencies[code] <= least)
			result->unseen += frequencies[code];
		else
			count = most_frequent(list, count, (Level) {frequencies[code], code});
	}
	qsort(list, (size_t) count, sizeof(Level), compare_levels);
	result->count = count;
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(int32_t), &result->levels, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(int64_t), &result->frequencies, error));
	for (int32_t i = 0; i < count; i++)
	{
		result->levels[i] = list[i].code;
		result->frequencies[i] = list[i].frequency;
	}
	return DL_OK;
}

DlStatus
dl_distribution_like(DlArena *arena, const DlDistribution *reference, DlDistribution *result, DlError *error)
{
	*result = (DlDistribution) {
		.codes = reference->codes, .count = reference->count, .offset = reference->offset, .edges = reference->edges,
		.levels = reference->levels, .low = NAN, .high = NAN, .reference = reference
	};
	if (reference->codes)
		return dl_arena_calloc(arena, (size_t) result->count, sizeof(int64_t), &result->frequencies, error);
	return dl_arena_calloc(arena, (size_t) result->count + 1, sizeof(int64_t), &result->bins, error);
}

/* Means of batches are merged by Chan, Golub and LeVeque's rule. */
static void
add_moments(DlDistribution *d, const float *values, int64_t count, int64_t before)
{
	double		sum = 0;
	double		squares = 0;
	double		mean;
	double		shift;
	double		total = (double) (before + count);

	for (int64_t i = 0; i < count; i++)
		sum += values[i];
	mean = sum / (double) count;
	for (int64_t i = 0; i < count; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	shift = mean - d->mean;
	d->squares += squares + shift * shift * ((double) before * (double) count / total);
	d->mean += shift * ((double) count / total);
}

/* How many of the values are at most the edge. */
static int64_t
count_up_to(const float *values, int64_t count, float edge)
{
	int32_t		result = 0;

	for (int64_t i = 0; i < count; i++)
		result += values[i] <= edge;
	return result;
}

static void
add_range(DlDistribution *d, const float *values, int64_t count)
{
	float		low = values[0];
	float		high = values[0];

	for (int64_t i = 1; i < count; i++)
	{
		low = values[i] < low ? values[i] : low;
		high = values[i] > high ? values[i] : high;
	}
	if (!(d->low <= low))
		d->low = low;
	if (!(d->high >= high))
		d->high = high;
	if (d->reference == NULL)
		return;
	if (low < (float) d->reference->low)
		for (int64_t i = 0; i < count; i++)
			d->under += values[i] < (float) d->reference->low;
	if (high > (float) d->reference->high)
		d->over += count - count_up_to(values, count, (float) d->reference->high);
}

static void
add_batch(DlDistribution *d, const float *values, int64_t count)
{
	int64_t		below = 0;

	for (int32_t i = 0; i < d->count; i++)
	{
		int64_t		up_to = count_up_to(values, count, (float) d->edges[i]);

		d->bins[i] += up_to - below;
		below = up_to;
	}
	d->bins[d->count] += count - below;
	add_range(d, values, count);
}

void
dl_distribution_add_numbers(DlDistribution *d, const float *values, int64_t count)
{
	for (int64_t first = 0; first < count; first += BATCH)
	{
		int64_t		n = count - first < BATCH ? count - first : BATCH;
		int64_t		present = 0;
		float		batch[BATCH];

		for (int64_t i = 0; i < n; i++)
		{
			float		x = values[first + i];

			batch[present] = x;
			present += x == x;
		}
		if (present > 0)
		{
			add_moments(d, batch, present, d->rows - d->missing);
			add_batch(d, batch, present);
		}
		d->rows += n;
		d->missing += n - present;
	}
}

void
dl_distribution_add_codes(DlDistribution *d, const int32_t *codes, int64_t count)
{
	d->rows += count;
	for (int64_t i = 0; i < count; i++)
	{
		d->missing += codes[i] == DL_CODE_MISSING;
		d->unseen += codes[i] == DL_CODE_UNSEEN;
		for (int32_t k = 0; k < d->count; k++)
			if (d->levels[k] == codes[i])
			{
				d->frequencies[k]++;
				break;
			}
	}
}

void
dl_distribution_finish(DlDistribution *d)
{
	int64_t		values = d->rows - d->missing;

	if (d->codes)
		return;
	d->mean = values > 0 ? rounded(d->mean) : NAN;
	d->deviation = values > 0 ? rounded(sqrt(d->squares / (double) values)) : NAN;
	if (values > 0)
	{
		d->low = shortest((float) d->low, nextafterf((float) d->low, INFINITY));
		d->high = shortest((float) d->high, nextafterf((float) d->high, INFINITY));
	}
}

static float
element_mean(const uint32_t *words, int32_t count)
{
	double		sum = 0;
	int32_t		present = 0;

	for (int32_t i = 0; i < count; i++)
	{
		float		x;

		memcpy(&x, &words[i], sizeof(x));
		sum += x == x ? x : 0;
		present += x == x;
	}
	return present > 0 ? (float) (sum / present) : NAN;
}

void
dl_column_numbers(const DlColumn *column, const uint32_t *features, int64_t stride, int64_t rows, float *values)
{
	const uint32_t *words = features + column->first_word + dl_column_kind_codes(column->kind);

	if (column->kind == DL_COLUMN_ARRAY)
		for (int64_t i = 0; i < rows; i++)
			values[i] = element_mean(words + i * stride, column->words);
	else
		for (int64_t i = 0; i < rows; i++)
			memcpy(&values[i], &words[i * stride], sizeof(float));
}
