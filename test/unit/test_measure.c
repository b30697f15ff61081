/*
 * test_measure.c
 *    The metrics of a model in units of the target, against values by hand.
 */
#include "tap.h"

#include "model/fit.h"

static DlArena *arena;

static double
value_of(int count, const DlMetricValue *metrics, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return metrics[i].value;
	printf("#   there is no metric \"%s\"\n", name);
	return -1e300;
}

static DlTrainSettings settings;	/* mse */

static void
test_values(void)
{
	double		results[] = {1, 2, 3, 6};
	double		target[] = {1, 2, 5, 4};
	float		weight[] = {1, 1, 3, 0};
	double		far[4];
	double		far_target[4];
	DlMetricValue *m;
	int			count;

	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 4, 1, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_text(m[0].name, dl_deciding_metric(DL_TASK_REGRESSION, &settings), "the deciding metric comes first");
	is_close(value_of(count, m, "rmse"), sqrt(2), 1e-6, "rmse");
	is_close(value_of(count, m, "mae"), 1, 1e-6, "mae");
	is_close(value_of(count, m, "r2"), 1 - 8.0 / 10, 1e-6, "r2");
	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 4, 1, results, target, NULL, weight, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "rmse"), sqrt(12.0 / 5), 1e-6, "weighted rmse");
	is_close(value_of(count, m, "mae"), 6.0 / 5, 1e-6, "weighted mae");

	/* the loss decides what decides */
	settings.loss = DL_TRAIN_MAE;
	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 4, 1, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_text(m[0].name, "mae", "mae decides where it is the loss");
	ok(count == 3, "and comes once");
	settings.loss = DL_TRAIN_QUANTILE;
	settings.loss_parameter = 0.9;
	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 4, 1, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_text(m[0].name, "quantile_loss(0.9)", "the loss of a quantile, too");
	is_close(m[0].value, (0.9 * 2 + 0.1 * 2) / 4, 1e-6, "... its value");
	settings.loss_parameter = 0;
	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 2, 2, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_text(m[0].name, "quantile_loss(0.5)", "the median by default");
	is_close(m[0].value, 0.5, 1e-6, "... a mean over several values");
	settings.loss = DL_TRAIN_MSE;

	/* float32 has no digits left for the differences of such numbers */
	for (int i = 0; i < 4; i++)
	{
		far[i] = 1e9 + results[i] / 16;
		far_target[i] = 1e9 + target[i] / 16;
	}
	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 4, 1, far, far_target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "rmse"), sqrt(2) / 16, 1e-7, "rmse far from zero");
	is_close(value_of(count, m, "r2"), 1 - 8.0 / 10, 1e-6, "r2 far from zero");
}

/* Columns of different sizes: each must keep its digits. */
static void
test_several_values(void)
{
	double		results[] = {1, 1e9 + 0.25, 2, 1e9 + 0.5};
	double		target[] = {1, 1e9, 2, 1e9 + 0.5};
	DlMetricValue *m;
	int			count;

	dl_model_measure(arena, DL_TASK_REGRESSION, &settings, 0.5, 2, 2, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "rmse"), sqrt(0.0625 / 4), 1e-6, "rmse over columns of different sizes");
	is_close(value_of(count, m, "mae"), 0.25 / 4, 1e-6, "mae over columns of different sizes");
}

static void
test_binary(void)
{
	double		results[] = {0.9, 0.2, 0.6, 0.4};
	int32_t		codes[] = {1, 0, 0, 1};
	double		one_class[] = {0.3};
	DlMetricValue *m;
	int			count;

	dl_model_measure(arena, DL_TASK_BINARY, &settings, 0.5, 4, 1, results, NULL, codes, NULL, (DlStop) {0}, &count, &m, NULL);
	is_text(m[0].name, dl_deciding_metric(DL_TASK_BINARY, &settings), "the deciding metric comes first");
	is_close(value_of(count, m, "log_loss"), -(log(0.9) + log(0.8) + log(0.4) + log(0.4)) / 4, 1e-6, "log_loss");
	is_close(value_of(count, m, "accuracy"), 0.5, 1e-9, "accuracy");
	is_close(value_of(count, m, "roc_auc"), 0.75, 1e-9, "roc_auc");
	is_close(value_of(count, m, "precision"), 0.5, 1e-9, "precision");
	is_close(value_of(count, m, "recall"), 0.5, 1e-9, "recall");
	is_close(value_of(count, m, "f1"), 0.5, 1e-9, "f1");
	/* the probabilities are 0.1, 0.8, ... : a higher threshold leaves fewer of class 1, and the others as they are */
	dl_model_measure(arena, DL_TASK_BINARY, &settings, 0.99, 4, 1, results, NULL, codes, NULL, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "recall"), 0, 1e-9, "recall of a threshold above all probabilities");
	is_close(value_of(count, m, "roc_auc"), 0.75, 1e-9, "and the same roc_auc");
	ok(dl_model_measure(arena, DL_TASK_BINARY, &settings, 0.5, 1, 1, one_class, NULL, codes, NULL, (DlStop) {0}, &count, &m, NULL) == DL_OK &&
	   isnan(value_of(count, m, "roc_auc")), "roc_auc of one class is not a number");
}

static void
test_multiclass(void)
{
	double		results[] = {0.7, 0.2, 0.1, 0.1, 0.3, 0.6, 0.2, 0.5, 0.3};
	int32_t		codes[] = {0, 2, 0};
	DlMetricValue *m;
	int			count;

	dl_model_measure(arena, DL_TASK_MULTICLASS, &settings, 0.5, 3, 3, results, NULL, codes, NULL, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "log_loss"), -(log(0.7) + log(0.6) + log(0.2)) / 3, 1e-6, "log_loss of three classes");
	is_close(value_of(count, m, "accuracy"), 2.0 / 3, 1e-9, "accuracy of three classes");
}

static void
test_multilabel(void)
{
	double		results[] = {0.9, 0.6, 0.2, 0.4};
	double		target[] = {1, 0, 0, 1};
	DlMetricValue *m;
	int			count;

	dl_model_measure(arena, DL_TASK_MULTILABEL, &settings, 0.5, 2, 2, results, target, NULL, NULL, (DlStop) {0}, &count, &m, NULL);
	is_close(value_of(count, m, "log_loss"), -(log(0.9) + log(0.8) + log(0.4) + log(0.4)) / 4, 1e-6, "log_loss of labels");
	is_close(value_of(count, m, "accuracy"), 0.5, 1e-9, "accuracy of labels");
}

int
main(void)
{
	dl_arena_create(0, &arena, NULL);
	test_values();
	test_several_values();
	test_binary();
	test_multiclass();
	test_multilabel();
	dl_arena_destroy(arena);
	return done_testing();
}
