/*
 * test_fit_folds.c
 *    Small tables that are hard to cut into folds: few different rows, and many
 *    classes.
 */
#include "tap.h"

#include <stdio.h>

#include "core/random.h"
#include "fit_rows.h"

/* y = 2 x for groups different rows; the test part has rows of its own. */
static void
begin(FitTable *t, int rows, int groups)
{
	fit_begin(t, DL_TASK_REGRESSION, 1);
	fit_column(t, "x", DL_COLUMN_NUMBER, NULL);
	fit_rows_begin(t, 0);
	for (int i = 0; i < rows; i++)
	{
		bool		test = i % 5 == 0;
		int			group = test ? -1 - i % 3 : i % groups;

		fit_number(t, 0, group);
		fit_target(t, 0, 2 * group);
		fit_row(t, dl_hash_mix(3, (uint64_t) group), 1, test ? DL_PART_TEST : DL_PART_TRAIN);
	}
	t->request.split_by_column = true;
	t->request.options.network = NULL;
	t->request.options.members = DL_UNSET;
	t->request.options.epochs = 2;
	t->request.options.threads = 2;
}

static bool
has_folds(const DlModel *model)
{
	return model != NULL && model->record.trials[0].fold > 0;
}

static void
test_few_groups(void)
{
	for (int groups = 2; groups <= 6; groups++)
	{
		FitTable	t;
		DlModel    *model;

		begin(&t, 60, groups);
		ok(fit_run(&t, NULL) == DL_OK, "%d different rows are dealt into folds", groups);
		model = fit_decode(&t);
		ok(has_folds(model), "of which there are some");
		dl_model_destroy(model);
		fit_free(&t);
	}
}

/* What the trials say of all rows must be kept: with many classes it is too much. */
static void
test_many_classes(void)
{
	enum {CLASSES = 300};
	static char texts[CLASSES][12];
	static const char *labels[CLASSES];
	static int32_t map[CLASSES];

	for (int k = 0; k < CLASSES; k++)
	{
		snprintf(texts[k], sizeof(texts[k]), "%d", k);
		labels[k] = texts[k];
		map[k] = k;
	}
	for (int classes = 3; classes <= CLASSES; classes += CLASSES - 3)
	{
		FitTable	t;
		DlModel    *model;

		fit_begin(&t, DL_TASK_MULTICLASS, 1);
		fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
		fit_labels(&t, labels, classes, map);
		fit_rows_begin(&t, 0);
		for (int i = 0; i < 3000; i++)
		{
			fit_number(&t, 0, i);
			fit_code(&t, i % classes);
			fit_row(&t, dl_hash_mix(3, (uint64_t) i), 1, i % 2 == 0 ? DL_PART_TEST : DL_PART_TRAIN);
		}
		t.request.split_by_column = true;
		t.request.options.network = NULL;
		t.request.options.members = DL_UNSET;
		t.request.options.epochs = 1;
		t.request.options.threads = 2;
		t.request.options.memory = 1;
		ok(fit_run(&t, NULL) == DL_OK, "%d classes of 1500 rows", classes);
		model = fit_decode(&t);
		ok(model != NULL && has_folds(model) == (classes == 3), "%s folds", classes == 3 ? "with" : "without");
		dl_model_destroy(model);
		fit_free(&t);
	}
}

int
main(void)
{
	test_few_groups();
	test_many_classes();
	return done_testing();
}
