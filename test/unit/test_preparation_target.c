/*
 * test_preparation_target.c
 *    Target means and counts of levels: against sums taken row by row, with
 *    weights, missing and unseen levels; which categories get them.
 */
#include "tap.h"

#include <math.h>

#include "core/random.h"
#include "data/preparation_target.h"
#include "preparation_table.h"

#define ROWS 400
#define LEVELS 12

/* A table of a category whose levels have effects, and one whose levels have none. */
typedef struct Case
{
	Table		table;
	double		values[ROWS * 2];	/* codes */
	double		target[ROWS][2];
	double		weight[ROWS];
	int			fold[ROWS];
	DlTargetMeans *means;
	DlPreparation folds[DL_TARGET_FOLDS];
	bool		found;
} Case;

static void
begin(Case *c, double effect)
{
	DlRandom	random;

	dl_random_seed(&random, 3, 0);
	table_begin(&c->table);
	table_column(&c->table, "useful", DL_COLUMN_CATEGORY, 1, "abcdefghijkl");
	table_column(&c->table, "useless", DL_COLUMN_CATEGORY, 1, "abcdefghijklm");
	for (int i = 0; i < ROWS; i++)
	{
		int			level = (int) dl_random_below(&random, LEVELS);

		c->values[2 * i] = i % 9 == 0 ? DL_CODE_MISSING : level;
		c->values[2 * i + 1] = (double) dl_random_below(&random, LEVELS + 1);
		for (int k = 0; k < 2; k++)
			c->target[i][k] = effect * ((level + 5 * k) % LEVELS) + dl_random_normal(&random);
		c->weight[i] = 5 + dl_random_uniform(&random);
		c->fold[i] = (int) dl_random_below(&random, DL_TARGET_FOLDS);
	}
	table_rows(&c->table, c->values, ROWS);
	c->table.settings.scaling = DL_SCALING_STANDARD;
}

static DlStatus
finish(Case *c, size_t memory, DlScaling scaling, const atomic_int *cancel)
{
	Table	   *t = &c->table;

	DL_TRY(table_fit(t));
	DL_TRY(dl_target_means_create(t->arena, &t->preparation, 2, 0, NULL, memory, &c->means, &t->error));
	for (int i = 0; i < ROWS; i++)
		dl_target_means_add(c->means, dl_dataset_record(t->dataset, i) + t->layout.feature_word, c->fold[i], c->target[i],
							c->weight[i]);
	return dl_target_means_finish(c->means, t->arena, t->arena, scaling, cancel, &t->preparation, c->folds, &c->found,
								  &t->error);
}

/* Sum, weight (of mean 1) and rows of a level outside of a fold; level -2: of all rows. */
static double
sums(const Case *c, int level, int fold, int k, double *weight, double *rows)
{
	double		total = 0;
	double		sum = 0;

	*weight = *rows = 0;
	for (int i = 0; i < ROWS; i++)
		total += c->weight[i] / ROWS;
	for (int i = 0; i < ROWS; i++)
	{
		if ((level != -2 && (int) c->values[2 * i] != level) || c->fold[i] == fold)
			continue;
		*weight += c->weight[i] / total;
		*rows += 1;
		sum += c->weight[i] / total * c->target[i][k];
	}
	return sum;
}

/* The rows that the prior counts as, by the textbook's sums of squares. */
static double
prior_rows(const Case *c, int k)
{
	double		grand = 0;
	double		all = 0;
	double		rows = 0;
	double		squares = 0;
	double		between = 0;
	double		within = 0;
	double		weight;
	double		n;

	for (int level = 0; level < LEVELS; level++)
	{
		grand += sums(c, level, -1, k, &weight, &n);
		all += weight;
		rows += n;
		squares += n * n;
	}
	for (int level = 0; level < LEVELS; level++)
	{
		double		mean = sums(c, level, -1, k, &weight, &n) / weight;
		double		unit = 0;

		between += weight * (mean - grand / all) * (mean - grand / all);
		for (int i = 0; i < ROWS; i++)
			unit += c->weight[i] / ROWS;
		for (int i = 0; i < ROWS; i++)
			if ((int) c->values[2 * i] == level)
				within += c->weight[i] / unit * (c->target[i][k] - mean) * (c->target[i][k] - mean);
	}
	between /= LEVELS - 1;
	within /= rows - LEVELS;
	return fmin(fmax(within / ((between - within) * (LEVELS - 1) / (rows - squares / rows)), 1), 1000);
}

/* Number k of a level, before scaling. */
static double
expected(const Case *c, int level, int fold, int k)
{
	double		weight;
	double		rows;
	double		a = k < 2 ? prior_rows(c, k) : 0;
	double		all = sums(c, -2, -1, k < 2 ? k : 0, &weight, &rows) / weight;
	double		sum = sums(c, level, fold, k < 2 ? k : 0, &weight, &rows);

	if (level < 0)
		sum = weight = rows = 0;
	return k == 2 ? log(1 + rows) : (sum + a * all) / (weight + a);
}

static void
test_values(void)
{
	static Case c;
	float		numbers[8];
	int32_t		codes[2];
	uint32_t	unseen[2] = {99, 0};
	double		worst = 0;
	double		unlike = 0;
	double		leaks = 0;

	begin(&c, 0.5);
	ok(finish(&c, 1 << 20, DL_SCALING_STANDARD, NULL) == DL_OK && c.found, "two targets");
	ok(c.table.preparation.categories[0].level_numbers == 3, "two means and a count for levels with effects");
	ok(c.table.preparation.categories[1].level_numbers == 0, "none for levels without");
	ok(c.table.preparation.continuous == 3 && c.table.preparation.inputs == 3 && c.table.preparation.embedded == 2,
	   "they are continuous inputs, beside both embeddings");
	for (int k = 0; k < 3; k++)
	{
		double		mean = 0;
		double		squares = 0;
		double		deviation;

		for (int i = 0; i < ROWS; i++)
			mean += expected(&c, (int) c.values[2 * i], c.fold[i], k) / ROWS;
		for (int i = 0; i < ROWS; i++)
			squares += pow(expected(&c, (int) c.values[2 * i], c.fold[i], k) - mean, 2) / ROWS;
		deviation = sqrt(squares);
		for (int i = 0; i < ROWS; i += 7)
		{
			const uint32_t *features = dl_dataset_record(c.table.dataset, i) + c.table.layout.feature_word;
			int			level = (int) c.values[2 * i];

			dl_preparation_apply(&c.folds[c.fold[i]], 1, features, 2, numbers, codes);
			worst = fmax(worst, fabs(numbers[k] - (expected(&c, level, c.fold[i], k) - mean) / deviation));
			leaks += level >= 0 && k < 2 &&
				fabs(numbers[k] - (expected(&c, level, -1, k) - mean) / deviation) < 1e-6;
			table_apply(&c.table, i, numbers, codes);
			worst = fmax(worst, fabs(numbers[k] - (expected(&c, level, -1, k) - mean) / deviation));
		}
		dl_preparation_apply(&c.table.preparation, 1, unseen, 2, numbers, codes);
		unlike = fmax(unlike, fabs(numbers[k] - (expected(&c, -1, -1, k) - mean) / deviation));
	}
	ok(worst < 1e-5, "are those of the other folds in training, of all rows else: off by %g", worst);
	ok(leaks == 0, "no training row has those of all rows");
	ok(unlike < 1e-5 && codes[0] == 0, "an unseen level has the prior and no rows: off by %g", unlike);
	table_end(&c.table);
}

/* Robust values stay within 3; numbers that no training row sees vary are 0 for all. */
static void
test_scaling(void)
{
	static Case c;
	float		numbers[8];
	int32_t		codes[2];
	double		most = 0;

	begin(&c, 0.5);
	ok(finish(&c, 1 << 20, DL_SCALING_ROBUST, NULL) == DL_OK && c.found, "robust scaling");
	for (int i = 0; i < ROWS; i++)
	{
		table_apply(&c.table, i, numbers, codes);
		for (int k = 0; k < 3; k++)
			most = fmax(most, fabs(numbers[k]));
	}
	ok(most > 0.5 && most <= 3, "clips smoothly: the largest is %g", most);
	for (int i = 0; i < ROWS; i++)
		c.fold[i] = ((int) c.values[2 * i] + 1) % DL_TARGET_FOLDS;
	ok(finish(&c, 1 << 20, DL_SCALING_ROBUST, NULL) == DL_OK, "folds that keep levels together, as split_key may");
	most = 0;
	for (int i = 0; i < ROWS && c.found; i++)
	{
		table_apply(&c.table, i, numbers, codes);
		for (int k = 0; k < 3; k++)
			most = fmax(most, fabs(numbers[k]));
	}
	ok(most == 0, "training rows see the prior only, so nobody sees more");
	table_end(&c.table);
}

static void
test_refused(void)
{
	static Case c;
	atomic_int	cancel = 1;

	begin(&c, 0);
	ok(finish(&c, 1 << 20, DL_SCALING_STANDARD, NULL) == DL_OK && !c.found && c.table.preparation.inputs == 0,
	   "no means where no level has an effect");
	table_end(&c.table);
	begin(&c, 0.5);
	ok(finish(&c, 100, DL_SCALING_STANDARD, NULL) == DL_OK && !c.found, "none without the memory for the sums");
	c.table.settings.one_hot = 20;
	ok(finish(&c, 1 << 20, DL_SCALING_STANDARD, NULL) == DL_OK && !c.found, "none for one-hot categories");
	c.table.settings.one_hot = 8;
	ok(finish(&c, 1 << 20, DL_SCALING_STANDARD, &cancel) == DL_ERROR_CANCELLED, "cancel ends it");
	for (int i = 0; i < ROWS; i++)
		c.weight[i] = 0;
	ok(finish(&c, 1 << 20, DL_SCALING_STANDARD, NULL) == DL_OK && !c.found, "none where no row counts");
	table_end(&c.table);
}

int
main(void)
{
	test_values();
	test_scaling();
	test_refused();
	return done_testing();
}
