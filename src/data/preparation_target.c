/*
 * preparation_target.c
 *    Target means and counts of the levels of embedded categories.
 *
 * Sums by fold and level are taken in one pass; the values of every fold and of all rows
 * together, and their distribution over the training rows, follow from these sums
 * without another.  What enters the network is kept scaled, so that applying is a lookup.
 */
#include "data/preparation_target.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"
#include "data/preparation_internal.h"

#define LEAST_ROWS 1.5			/* of a level, on average */
#define LEAST_PRIOR 1
#define MOST_PRIOR 1000

/* Of one category; index 0 of levels is missing or unseen. */
typedef struct Table
{
	int32_t		category;
	int64_t		levels;			/* the 0 included */
	double	   *sums;			/* [folds, levels, means] of weight * value */
	double	   *weights;		/* [folds, levels] */
	uint32_t   *counts;			/* [folds, levels] */
	double	   *squares;		/* [means] of weight * value^2, without level 0 */
} Table;

struct DlTargetMeans
{
	DlArena    *arena;
	const DlPreparation *preparation;
	int32_t		means;
	bool		wanted;			/* whatever the rows say */
	int32_t		table_count;
	Table	   *tables;
	int64_t		rows;
	double		weight;
	double	   *sums;			/* [means], of all rows */
};

/* A value and the training rows that have it. */
typedef struct Share
{
	double		value;
	double		rows;
} Share;

/* Bytes of a table's sums; false when they cannot be counted. */
static bool
table_bytes(int64_t levels, int32_t means, size_t *bytes)
{
	return dl_size_mul((size_t) levels, DL_TARGET_FOLDS * (((size_t) means + 1) * sizeof(double) + sizeof(uint32_t)),
					   bytes);
}

DlStatus
dl_target_means_create(DlArena *arena, const DlPreparation *preparation, int32_t means, int32_t least_levels,
					   const bool *wanted, size_t memory, DlTargetMeans **result, DlError *error)
{
	DlTargetMeans *m;

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlTargetMeans), &m, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) preparation->category_count, sizeof(Table), &m->tables, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) means, sizeof(double), &m->sums, error));
	m->arena = arena;
	m->preparation = preparation;
	m->means = means;
	m->wanted = wanted != NULL;
	for (int32_t i = 0; i < preparation->category_count && means > 0; i++)
	{
		Table	   *table = &m->tables[m->table_count];
		size_t		cells = DL_TARGET_FOLDS * ((size_t) preparation->categories[i].levels + 1);
		size_t		bytes;

		table->category = i;
		table->levels = (int64_t) preparation->categories[i].levels + 1;
		if (preparation->categories[i].one_hot ||
			(wanted != NULL ? !wanted[i] : preparation->categories[i].levels < least_levels) ||
			!table_bytes(table->levels, means, &bytes) || bytes > memory)
			continue;
		memory -= bytes;
		DL_TRY(dl_arena_calloc(arena, cells * (size_t) means, sizeof(double), &table->sums, error));
		DL_TRY(dl_arena_calloc(arena, cells, sizeof(double), &table->weights, error));
		DL_TRY(dl_arena_calloc(arena, cells, sizeof(uint32_t), &table->counts, error));
		DL_TRY(dl_arena_calloc(arena, (size_t) means, sizeof(double), &table->squares, error));
		m->table_count++;
	}
	*result = m;
	return DL_OK;
}

void
dl_target_means_add(DlTargetMeans *m, const uint32_t *features, int fold, const double *values, double weight)
{
	m->rows++;
	m->weight += weight;
	for (int32_t k = 0; k < m->means; k++)
		m->sums[k] += weight * values[k];
	for (int32_t t = 0; t < m->table_count; t++)
	{
		Table	   *table = &m->tables[t];
		const DlCategoryInput *category = &m->preparation->categories[table->category];
		int32_t		level = dl_category_level(category, features[category->word]) + 1;
		int64_t		cell = fold * table->levels + level;

		table->counts[cell]++;
		table->weights[cell] += weight;
		for (int32_t k = 0; k < m->means; k++)
		{
			table->sums[cell * m->means + k] += weight * values[k];
			if (level > 0)
				table->squares[k] += weight * values[k] * values[k];
		}
	}
}

/* Rows, weight and sum of mean k of a level in all folds but one; -1: in all. */
static void
level_sums(const DlTargetMeans *m, const Table *table, int64_t level, int without, int32_t k, double *rows,
		   double *weight, double *sum)
{
	*rows = *weight = *sum = 0;
	for (int fold = 0; fold < DL_TARGET_FOLDS; fold++)
	{
		int64_t		cell = fold * table->levels + level;

		if (fold == without)
			continue;
		*rows += table->counts[cell];
		*weight += table->weights[cell];
		*sum += table->sums[cell * m->means + k];
	}
}

/* Analysis of variance of mean k by level; *prior: rows that the prior counts.  False when chance explains it. */
static bool
explains(const DlTargetMeans *m, const Table *table, int32_t k, double *prior)
{
	double		unit = (double) m->rows / m->weight;
	double		total_rows = 0;
	double		total_weight = 0;
	double		total_sum = 0;
	double		row_squares = 0;
	double		of_levels = 0;	/* sum of sum^2 / weight */
	double		levels = 0;
	double		between;
	double		within;
	double		true_variance;

	for (int64_t level = 1; level < table->levels; level++)
	{
		double		rows;
		double		weight;
		double		sum;

		level_sums(m, table, level, -1, k, &rows, &weight, &sum);
		if (weight <= 0)
			continue;
		levels++;
		total_rows += rows;
		row_squares += rows * rows;
		total_weight += weight;
		total_sum += sum;
		of_levels += sum * (sum / weight);
	}
	*prior = MOST_PRIOR;
	if (levels < 2 || total_rows < LEAST_ROWS * levels)
		return false;
	between = unit * (of_levels - total_sum * (total_sum / total_weight)) / (levels - 1);
	within = fmax(unit * (table->squares[k] - of_levels) / (total_rows - levels), 0);
	true_variance = (between - within) * (levels - 1) / (total_rows - row_squares / total_rows);
	if (true_variance > 0)
		*prior = fmin(fmax(within / true_variance, LEAST_PRIOR), MOST_PRIOR);
	return between > within * (1 + 3 * sqrt(2 / (levels - 1)));
}

/* Number k of a level before scaling, from all folds but one: a mean, or after the means the count. */
static double
level_number(const DlTargetMeans *m, const Table *table, int64_t level, int without, int32_t k, double prior)
{
	double		unit = (double) m->rows / m->weight;
	double		rows;
	double		weight;
	double		sum;

	if (level == 0)
		rows = weight = sum = 0;
	else
		level_sums(m, table, level, without, k < m->means ? k : 0, &rows, &weight, &sum);
	if (k == m->means)
		return log1p(rows);
	return (unit * sum + prior * m->sums[k] / m->weight) / (unit * weight + prior);
}

static int
compare_shares(const void *a, const void *b)
{
	const Share *x = a;
	const Share *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

/* The value at or below which a part p of the rows is. */
static double
share_quantile(const Share *shares, int64_t count, double rows, double p)
{
	double		below = 0;
	int64_t		i = 0;

	while (i < count - 1 && (below += shares[i].rows) < p * rows)
		i++;
	return shares[i].value;
}

/* Both keep what outliers there are within 3 or so. */
static bool
is_robust(DlScaling scaling)
{
	return scaling == DL_SCALING_ROBUST || scaling == DL_SCALING_QUANTILE;
}

/* As dl_preparation_fit() scales numbers, from the distribution over the training rows. */
static void
fit_scale(Share *shares, int64_t count, DlScaling scaling, double *center, double *scale)
{
	double		rows = 0;
	double		sum = 0;
	double		squares = 0;
	double		range;
	double		spread;

	qsort(shares, (size_t) count, sizeof(Share), compare_shares);
	for (int64_t i = 0; i < count; i++)
	{
		rows += shares[i].rows;
		sum += shares[i].rows * shares[i].value;
	}
	*center = sum / rows;
	for (int64_t i = 0; i < count; i++)
		squares += shares[i].rows * (shares[i].value - *center) * (shares[i].value - *center);
	range = shares[count - 1].value - shares[0].value;
	spread = sqrt(squares / rows);
	if (is_robust(scaling))
	{
		*center = share_quantile(shares, count, rows, 0.5);
		spread = share_quantile(shares, count, rows, 0.75) - share_quantile(shares, count, rows, 0.25);
		spread = spread > 0 ? spread : range / 2;
	}

	/* what differs by rounding alone does not vary */
	*scale = range > 1e-9 * fmax(fabs(*center), 1e-30) && spread > 0 ? 1 / spread : 0;
}

static float
scaled(double value, double center, double scale, DlScaling scaling)
{
	double		y = fmin(fmax((value - center) * scale, -1e6), 1e6);

	return (float) (is_robust(scaling) ? y / sqrt(1 + (y / 3) * (y / 3)) : y);
}

/* values[DL_TARGET_FOLDS + 1]: of each fold, then of all rows; each [levels, means + 1]. */
static void
fill_number(const DlTargetMeans *m, const Table *table, int32_t k, double prior, DlScaling scaling, float **values,
			Share *shares)
{
	int64_t		numbers = (int64_t) m->means + 1;
	int64_t		count = 0;
	double		center;
	double		scale;

	for (int fold = 0; fold < DL_TARGET_FOLDS; fold++)
		for (int64_t level = 0; level < table->levels; level++)
			if (table->counts[fold * table->levels + level] > 0)
				shares[count++] = (Share) {level_number(m, table, level, fold, k, prior),
					table->counts[fold * table->levels + level]};
	fit_scale(shares, count, scaling, &center, &scale);
	for (int fold = 0; fold <= DL_TARGET_FOLDS; fold++)
		for (int64_t level = 0; level < table->levels; level++)
			values[fold][level * numbers + k] =
				scaled(level_number(m, table, level, fold < DL_TARGET_FOLDS ? fold : -1, k, prior), center, scale, scaling);
}

static DlStatus
check_cancel(const atomic_int *cancel, DlError *error)
{
	if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return DL_OK;
}

/* The inputs of one category, if it is to have them; fold_values[DL_TARGET_FOLDS]. */
static DlStatus
finish_table(const DlTargetMeans *m, const Table *table, DlArena *arena, DlArena *fold_arena, DlScaling scaling,
			 const atomic_int *cancel, DlCategoryInput *category, float **fold_values, DlError *error)
{
	size_t		cells = (size_t) table->levels * ((size_t) m->means + 1);
	bool		explained = m->wanted;
	double	   *priors;
	float	   *values[DL_TARGET_FOLDS + 1];
	Share	   *shares;

	DL_TRY(dl_arena_calloc(m->arena, (size_t) m->means + 1, sizeof(double), &priors, error));
	for (int32_t k = 0; k < m->means; k++)
		explained |= explains(m, table, k, &priors[k]);
	if (!explained)
		return DL_OK;
	DL_TRY(dl_arena_calloc(arena, cells, sizeof(float), &values[DL_TARGET_FOLDS], error));
	for (int fold = 0; fold < DL_TARGET_FOLDS; fold++)
	{
		DL_TRY(dl_arena_calloc(fold_arena, cells, sizeof(float), &values[fold], error));
		fold_values[fold] = values[fold];
	}
	DL_TRY(dl_arena_calloc(m->arena, DL_TARGET_FOLDS * (size_t) table->levels, sizeof(Share), &shares, error));
	for (int32_t k = 0; k <= m->means; k++)
	{
		DL_TRY(check_cancel(cancel, error));
		fill_number(m, table, k, priors[k], scaling, values, shares);
	}
	category->level_numbers = m->means + 1;
	category->level_values = values[DL_TARGET_FOLDS];
	return DL_OK;
}

DlStatus
dl_target_means_finish(DlTargetMeans *m, DlArena *arena, DlArena *fold_arena, DlScaling scaling,
					   const atomic_int *cancel, DlPreparation *preparation, DlPreparation *folds, bool *found,
					   DlError *error)
{
	float	 *(*values)[DL_TARGET_FOLDS];
	size_t		count = (size_t) preparation->category_count;

	*found = false;
	DL_TRY(dl_arena_calloc(m->arena, count, sizeof(*values), &values, error));
	for (int32_t t = 0; t < m->table_count && m->weight > 0; t++)
	{
		int32_t		i = m->tables[t].category;

		DL_TRY(finish_table(m, &m->tables[t], arena, fold_arena, scaling, cancel, &preparation->categories[i], values[i],
							error));
		*found |= preparation->categories[i].level_numbers > 0;
	}
	if (!*found)
		return DL_OK;
	DL_TRY(dl_preparation_finish(arena, preparation, error));
	for (int fold = 0; fold < DL_TARGET_FOLDS; fold++)
	{
		folds[fold] = *preparation;
		DL_TRY(dl_arena_calloc(fold_arena, count, sizeof(DlCategoryInput), &folds[fold].categories, error));
		for (size_t i = 0; i < count; i++)
		{
			folds[fold].categories[i] = preparation->categories[i];
			if (preparation->categories[i].level_numbers > 0)
				folds[fold].categories[i].level_values = values[i][fold];
		}
	}
	return DL_OK;
}
