/*
 * test_fit_target_means.c
 *    Target means in a whole training: by task, with rows in memory, prepared as they
 *    are read, and in storage.
 */
#include "tap.h"

#include <math.h>
#include <string.h>

#include "core/random.h"
#include "fit_rows.h"

static const char wide[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Levels that rows have. */
static int levels = 16;

static void
begin(FitTable *t, DlTask task, int32_t targets, int32_t classes, int rows, size_t memory)
{
	static const char *const labels[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
	static const int32_t map[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	DlRandom	random;

	fit_begin(t, task, targets);
	fit_column(t, "x", DL_COLUMN_NUMBER, NULL);
	fit_column(t, "wide", DL_COLUMN_CATEGORY, wide);
	if (classes > 0)
		fit_labels(t, labels, classes, map);
	t->request.options.epochs = 3;
	t->request.options.one_hot = 4;
	t->request.options.target_means = 1;
	fit_rows_begin(t, memory);
	dl_random_seed(&random, 1, 0);
	for (int i = 0; i < rows; i++)
	{
		double		x = dl_random_normal(&random);
		int			level = (int) dl_random_below(&random, (uint64_t) levels);

		fit_number(t, 0, x);
		fit_category(t, 1, level);
		if (classes > 0)
			fit_code(t, level % classes);
		for (int32_t k = 0; k < targets && classes == 0; k++)
			fit_target(t, k, task == DL_TASK_MULTILABEL ? (level + k) % 2 : level + k + x);
		fit_row(t, (uint64_t) i, 1, DL_PART_NONE);
	}
}

static void
test_task(DlTask task, int32_t targets, int32_t classes, int32_t numbers)
{
	FitTable	t;
	DlModel    *model;

	begin(&t, task, targets, classes, 800, 0);
	ok(fit_run(&t, NULL) == DL_OK, "%s of %d targets, %d classes", dl_task_name(task), targets, classes);
	model = fit_decode(&t);
	ok(model != NULL && model->preparation.categories[0].level_numbers == numbers, "has %d numbers a level", numbers);
	ok(model != NULL && model->preparation.continuous == 1 + numbers, "which are inputs");
	ok(model != NULL && strstr(model->record.choices, "target_means: true, as asked for") != NULL, "and says so");
	dl_model_destroy(model);
	fit_free(&t);
}

static bool
same_bytes(const FitTable *a, const FitTable *b)
{
	return a->result.length > 0 && a->result.length == b->result.length &&
		memcmp(a->result.bytes, b->result.bytes, a->result.length) == 0;
}

static void
test_ways(void)
{
	FitTable	prepared;
	FitTable	read;
	FitTable	stored;
	DlModel    *a;
	DlModel    *b;

	begin(&prepared, DL_TASK_REGRESSION, 1, 0, 3000, 0);
	begin(&read, DL_TASK_REGRESSION, 1, 0, 3000, 0);
	begin(&stored, DL_TASK_REGRESSION, 1, 0, 3000, 32768);
	read.request.options.memory = 1;
	ok(!dl_dataset_in_memory(stored.dataset), "rows beyond the memory");
	ok(fit_run(&prepared, NULL) == DL_OK && fit_run(&read, NULL) == DL_OK && fit_run(&stored, NULL) == DL_OK, "train");
	ok(same_bytes(&prepared, &read), "rows prepared once, or each time they are read: the same bytes");
	a = fit_decode(&prepared);
	b = fit_decode(&stored);
	ok(a != NULL && b != NULL && a->preparation.categories[0].level_numbers == 2 &&
	   memcmp(a->preparation.categories[0].level_values, b->preparation.categories[0].level_values,
			  17 * 2 * sizeof(float)) == 0, "in storage they have the same means");
	dl_model_destroy(a);
	dl_model_destroy(b);
	fit_free(&prepared);
	fit_free(&read);
	fit_free(&stored);
}

/* On with the default network only. */
static void
test_default(void)
{
	FitTable	t;
	DlModel    *model;

	begin(&t, DL_TASK_REGRESSION, 1, 0, 800, 0);
	t.request.options.target_means = DL_UNSET;
	ok(fit_run(&t, NULL) == DL_OK, "nothing said, a network of one's own");
	model = fit_decode(&t);
	ok(model != NULL && model->preparation.categories[0].level_numbers == 0, "no target means");
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, DL_TASK_REGRESSION, 1, 0, 800, 0);
	t.request.options.target_means = DL_UNSET;
	t.request.options.network = NULL;
	t.request.options.members = 1;
	ok(fit_run(&t, NULL) == DL_OK, "nothing said, the default network");
	model = fit_decode(&t);
	ok(model != NULL && model->preparation.categories[0].level_numbers == 0, "16 levels have none either");
	dl_model_destroy(model);
	fit_free(&t);

	levels = 48;
	begin(&t, DL_TASK_REGRESSION, 1, 0, 800, 0);
	t.request.options.target_means = DL_UNSET;
	t.request.options.network = NULL;
	t.request.options.members = 1;
	ok(fit_run(&t, NULL) == DL_OK, "with many levels");
	model = fit_decode(&t);
	ok(model != NULL && model->preparation.categories[0].level_numbers == 2, "target means");
	dl_model_destroy(model);
	fit_free(&t);
	levels = 16;
}

int
main(void)
{
	test_task(DL_TASK_REGRESSION, 1, 0, 2);
	test_task(DL_TASK_REGRESSION, 6, 0, 5);
	test_task(DL_TASK_BINARY, 1, 2, 2);
	test_task(DL_TASK_MULTICLASS, 1, 3, 4);
	test_task(DL_TASK_MULTICLASS, 1, 10, 9);
	test_task(DL_TASK_MULTILABEL, 5, 0, 5);
	test_ways();
	test_default();
	return done_testing();
}
