/*
 * test_fit.c
 *    Whole trainings: every task, every kind of column, weights and splits.
 */
#include "tap.h"

#include <math.h>

#include "core/random.h"
#include "fit_rows.h"

#define DAY INT64_C(86400000000)

/* Numbers far from zero, dates, a small category (one-hot), a larger one (embedded), missing values. */
static void
test_columns(void)
{
	FitTable	t;
	DlRandom	random;
	DlModel    *model;

	fit_begin(&t, DL_TASK_REGRESSION, 1);
	fit_column(&t, "large", DL_COLUMN_NUMBER, NULL);
	fit_column(&t, "day", DL_COLUMN_DATE, NULL);
	fit_column(&t, "small", DL_COLUMN_CATEGORY, "abc");
	fit_column(&t, "wide", DL_COLUMN_CATEGORY, "abcdefghijklmnop");
	fit_column(&t, "constant", DL_COLUMN_NUMBER, NULL);
	t.columns[0].offset = 1e9;
	t.columns[1].offset = 9000;
	t.request.target_offset = 5e8;
	t.request.options.one_hot = 4;
	t.request.options.epochs = 40;
	fit_rows_begin(&t, 0);
	dl_random_seed(&random, 1, 0);
	for (int i = 0; i < 600; i++)
	{
		double		x = dl_random_uniform(&random);
		int			small = (int) dl_random_below(&random, 3);
		int			wide = (int) dl_random_below(&random, 16);
		bool		missing = i % 10 == 0;

		fit_number(&t, 0, missing ? NAN : 1e9 + 16 * floor(x * 64));
		fit_moment(&t, 1, (9000 + i % 300) * DAY);
		fit_category(&t, 2, missing ? DL_CODE_MISSING : small);
		fit_category(&t, 3, wide);
		fit_number(&t, 4, 3);
		fit_target(&t, 0, 5e8 + (missing ? 5 : 10 * x + 3 * small) + wide % 4 + (i % 300) * 0.01);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	ok(fit_run(&t, NULL) == DL_OK, "numbers, dates and categories train");
	model = fit_decode(&t);
	ok(model != NULL && model->preparation.embedded == 1, "the wide category is embedded, the small one is not");
	ok(fit_metric(model, "r2") > 0.8, "and explain the target: r2 %g", fit_metric(model, "r2"));
	ok(model != NULL && fabs(model->members[0].target.center[0] - 5e8) < 100, "the target's centre keeps its offset");
	ok(t.notice_calls == 1 && strstr(t.notices, "\"constant\"") != NULL, "a constant column is left out with a notice");
	ok(strcmp(t.result.metric, "rmse") == 0 && strcmp(t.result.metric_part, "test") == 0, "measured by rmse on the test part");
	ok(t.result.rows == 600 && model != NULL && model->record.part_rows[0] + model->record.part_rows[1] +
	   model->record.part_rows[2] == 600, "all rows are in one part");
	dl_model_destroy(model);
	fit_free(&t);
}

/* Class 1 is where the float equals two_value. */
static void
test_two_values(void)
{
	FitTable	t;
	DlModel    *model;

	fit_begin(&t, DL_TASK_BINARY, 1);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	fit_labels(&t, (const char *const[]) {"3", "7"}, 2, NULL);
	t.request.target_two_values = true;
	t.request.target_offset = 3;
	t.request.two_value = 4;
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 300; i++)
	{
		fit_number(&t, 0, i % 100);
		/* rare, so that only a stratified split puts some into each part */
		fit_target(&t, 0, i % 100 >= 96 ? 7 : 3);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	ok(fit_run(&t, NULL) == DL_OK, "two values of a number are two classes");
	model = fit_decode(&t);
	ok(model != NULL && model->outputs == 1 && dl_vocabulary_size(model->labels) == 2, "with one output and two labels");
	ok(fit_metric(model, "roc_auc") > 0.95, "the rare class is in the test part, and found: roc_auc %g", fit_metric(model, "roc_auc"));
	dl_model_destroy(model);
	fit_free(&t);
}

/* Codes in the record are in order of appearance, classes in order of labels. */
static void
test_labels(int32_t classes)
{
	static const int32_t maps[2][3] = {{1, 0}, {2, 0, 1}};
	const int32_t *map = maps[classes - 2];
	FitTable	t;
	DlModel    *model;
	DlScorer   *scorer;
	double		results[3];
	uint32_t	word;
	float		x = 0.5f;

	fit_begin(&t, classes == 2 ? DL_TASK_BINARY : DL_TASK_MULTICLASS, 1);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	fit_labels(&t, (const char *const[]) {"high", "low", "middle"}, classes, map);
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 400; i++)
	{
		int			code = i % classes;

		fit_number(&t, 0, 10 * code + (i % 17) * 0.1);
		fit_code(&t, code);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	ok(fit_run(&t, NULL) == DL_OK, "%d labels train", classes);
	model = fit_decode(&t);
	ok(fit_metric(model, "accuracy") == 1, "and are told apart: accuracy %g", fit_metric(model, "accuracy"));
	memcpy(&word, &x, sizeof(word));
	ok(model != NULL && dl_scorer_create(t.arena, model, 1, &scorer, NULL) == DL_OK &&
	   dl_scorer_run(scorer, 1, &word, 1, results, NULL) == DL_OK, "the model scores");
	ok(classes == 2 ? results[0] > 0.5 : results[2] > 0.5, "rows of code 0 are of class %d: the map is followed", map[0]);
	dl_model_destroy(model);
	fit_free(&t);
}

static void
test_arrays(DlTask task)
{
	FitTable	t;
	DlModel    *model;

	fit_begin(&t, task, 2);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	t.request.target_type = task == DL_TASK_MULTILABEL ? "boolean[]" : "real[]";
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 400; i++)
	{
		double		x = i % 50;

		fit_number(&t, 0, x);
		fit_target(&t, 0, task == DL_TASK_MULTILABEL ? x > 25 : 2 * x);
		fit_target(&t, 1, task == DL_TASK_MULTILABEL ? x < 15 : 1000 - x);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	ok(fit_run(&t, NULL) == DL_OK, "%s with two values trains", dl_task_name(task));
	model = fit_decode(&t);
	ok(model != NULL && model->outputs == 2, "two outputs");
	if (task == DL_TASK_MULTILABEL)
		ok(fit_metric(model, "accuracy") > 0.9, "accuracy %g", fit_metric(model, "accuracy"));
	else
		ok(fit_metric(model, "r2") > 0.9 && model != NULL && model->members[0].target.center[1] > 900, "r2 %g, each with its own centre",
		   fit_metric(model, "r2"));
	dl_model_destroy(model);
	fit_free(&t);
}

/* Half of the rows say 0, half say 10, for the same input. */
static double
mean_prediction(float weight_of_ten)
{
	FitTable	t;
	DlModel    *model;
	DlScorer   *scorer;
	double		result = NAN;
	uint32_t	word = 0;

	fit_begin(&t, DL_TASK_REGRESSION, 1);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	t.request.weight_column = "w";
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 400; i++)
	{
		fit_number(&t, 0, i / 2 % 5 - 2);
		fit_target(&t, 0, i % 2 == 0 ? 0 : 10);
		fit_row(&t, (uint64_t) i, i % 2 == 0 ? 1 : weight_of_ten, DL_PART_NONE);
	}
	fit_run(&t, NULL);
	model = fit_decode(&t);
	if (model != NULL && dl_scorer_create(t.arena, model, 1, &scorer, NULL) == DL_OK)
		dl_scorer_run(scorer, 1, &word, 1, &result, NULL);
	dl_model_destroy(model);
	fit_free(&t);
	return result;
}

static void
test_weights(void)
{
	double		even = mean_prediction(1);
	double		heavy = mean_prediction(9);

	ok(fabs(even - 5) < 1.5, "equal weights: the mean, %g", even);
	ok(fabs(heavy - 9) < 1, "nine times the weight: nine tenths of the way, %g", heavy);
	ok(mean_prediction(0) < 1, "weight 0: the row does not count");
}

/* Nine rows of ten are "no", whatever x. */
static double
probability_of_yes(DlClassWeight class_weight)
{
	static const int32_t map[] = {0, 1};
	FitTable	t;
	DlModel    *model;
	DlScorer   *scorer;
	double		result = NAN;
	uint32_t	word = 0;

	fit_begin(&t, DL_TASK_BINARY, 1);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	fit_labels(&t, (const char *const[]) {"no", "yes"}, 2, map);
	t.request.options.class_weight = class_weight;
	t.request.options.validation = 0;
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 400; i++)
	{
		fit_number(&t, 0, i / 10 % 5 - 2);
		fit_code(&t, i % 10 == 0);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	fit_run(&t, NULL);
	model = fit_decode(&t);
	if (model != NULL && dl_scorer_create(t.arena, model, 1, &scorer, NULL) == DL_OK)
		dl_scorer_run(scorer, 1, &word, 1, &result, NULL);
	dl_model_destroy(model);
	fit_free(&t);
	return result;
}

static void
test_class_weight(void)
{
	double		none = probability_of_yes(DL_CLASS_WEIGHT_NONE);
	double		balanced = probability_of_yes(DL_CLASS_WEIGHT_BALANCED);

	ok(none < 0.25, "a rare class is improbable: %g", none);
	ok(fabs(balanced - 0.5) < 0.2, "balanced: as probable as the other, %g", balanced);
}

/* parts: what the rows take turns to say. */
static void
split_by_column(const char *parts, const char *measured, bool selection)
{
	FitTable	t;
	DlModel    *model;
	int			count = (int) strlen(parts);

	fit_begin(&t, DL_TASK_REGRESSION, 1);
	fit_column(&t, "x", DL_COLUMN_NUMBER, NULL);
	t.request.split_by_column = true;
	t.request.split = "column part";
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 240; i++)
	{
		char		part = parts[i % count];

		fit_number(&t, 0, i % 40);
		fit_target(&t, 0, i % 40);
		fit_row(&t, (uint64_t) i, 1, part == 't' ? DL_PART_TEST : part == 'v' ? DL_PART_VALIDATION : DL_PART_TRAIN);
	}
	ok(fit_run(&t, NULL) == DL_OK, "split by column \"%s\"", parts);
	model = fit_decode(&t);
	is_text(t.result.metric_part, measured, "measured on");
	ok(model != NULL && isnan(model->record.epochs[0].validation_loss) == !selection, "%s validation loss",
	   selection ? "with a" : "without");
	dl_model_destroy(model);
	fit_free(&t);
}

int
main(void)
{
	test_columns();
	test_two_values();
	test_labels(2);
	test_labels(3);
	test_arrays(DL_TASK_REGRESSION);
	test_arrays(DL_TASK_MULTILABEL);
	test_weights();
	test_class_weight();
	split_by_column("lvlt", "test", true);
	split_by_column("llv", "validation", true);
	split_by_column("llt", "test", false);
	split_by_column("l", "train", false);
	return done_testing();
}
