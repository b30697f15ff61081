/*
 * test_metrics.c
 *    Measures against values worked out by hand, ties, weights, and rows for
 *    which a measure is not defined.
 */
#include "tap.h"

#include <stdlib.h>

#include "core/random.h"
#include "nn/metrics.h"

static void
test_regression(void)
{
	float		predicted[] = {1, 2, 3, 6};
	float		target[] = {1, 4, 3, 2};
	float		weight[] = {1, 2, 0, 1};

	is_close(dl_metric_rmse(4, 1, predicted, target, NULL), sqrt(5), 1e-12, "rmse");
	is_close(dl_metric_mae(4, 1, predicted, target, NULL), 1.5, 1e-12, "mae");
	is_close(dl_metric_rmse(4, 1, predicted, target, weight), sqrt(6), 1e-12, "rmse with weights");
	is_close(dl_metric_mae(4, 1, predicted, target, weight), 2, 1e-12, "mae with weights");
	is_close(dl_metric_rmse(2, 2, predicted, target, NULL), sqrt(5), 1e-12, "rmse of two columns is over all values");
	is_close(dl_metric_mae(2, 2, predicted, target, weight), (1 * 1.0 + 2 * 2.0) / 3, 1e-12, "mae of two columns with weights");

	/* mean 2.5, total 1.5^2 + 1.5^2 + .5^2 + .5^2 = 5, residual 20 */
	is_close(dl_metric_r2(4, 1, predicted, target, NULL), -3, 1e-12, "r2");
	/* weights 1 2 0 1: mean 11/4, total 12.25/4*... = 1*3.0625 + 2*1.5625 + .5625 = 6.75, residual 24 */
	is_close(dl_metric_r2(4, 1, predicted, target, weight), 1 - 24 / 6.75, 1e-12, "r2 with weights");
	is_close(dl_metric_r2(4, 1, target, target, NULL), 1, 1e-12, "r2 of a perfect prediction");

	/* differences t - p: 0 2 0 -4 */
	is_close(dl_metric_quantile_loss(4, 1, 0.9, predicted, target, NULL), (0.9 * 2 + 0.1 * 4) / 4, 1e-12, "quantile loss");
	is_close(dl_metric_quantile_loss(4, 1, 0.9, predicted, target, weight), (2 * 0.9 * 2 + 0.1 * 4) / 4, 1e-12,
			 "quantile loss with weights");
}

static void
test_regression_undefined(void)
{
	float		constant[] = {0.1f, 0.1f, 0.1f};
	float		predicted[] = {1, 2, 3};
	float		none[] = {0, 0, 0};

	ok(isnan(dl_metric_r2(3, 1, predicted, constant, NULL)), "r2 of a constant target is not defined");
	ok(isnan(dl_metric_rmse(0, 1, predicted, constant, NULL)), "rmse of no rows is not defined");
	ok(isnan(dl_metric_mae(3, 1, predicted, constant, none)), "mae of rows without weight is not defined");
	ok(isnan(dl_metric_r2(3, 1, constant, predicted, none)), "r2 of rows without weight is not defined");
}

static void
test_classes(void)
{
	float		probability[] = {
		0.5f, 0.25f, 0.25f,
		0.25f, 0.5f, 0.25f,
		0.25f, 0.25f, 0.5f,
		0.4f, 0.4f, 0.2f,
		0.0f, 1.0f, 0.0f
	};
	int32_t		target[] = {0, 1, 1, 1, 0};
	float		weight[] = {1, 1, 1, 1, 4};
	DlConfusion confusion;
	DlError		error;

	is_close(dl_metric_accuracy(5, 3, probability, target, NULL), 0.4, 1e-12, "accuracy: a tie goes to the first class");
	is_close(dl_metric_accuracy(5, 3, probability, target, weight), 0.25, 1e-12, "accuracy with weights");
	is_close(dl_metric_log_loss(4, 3, probability, target, NULL),
			 -(log(0.5) + log(0.5) + log(0.25) + log((double) 0.4f)) / 4, 1e-12, "log loss");
	is_close(dl_metric_log_loss(4, 3, probability, target, weight),
			 dl_metric_log_loss(4, 3, probability, target, NULL), 1e-12, "log loss with equal weights");
	is_close(dl_metric_log_loss(1, 3, probability + 12, target + 4, NULL), 23 * log(2), 1e-12,
			 "log loss of probability 0 is cut off");

	/*
	 * predicted 0 1 2 0 1.  class 0: predicted 2, actual 2, both 1; class 1: 2,
	 * 3, 1; class 2: 1, 0, 0.
	 */
	ok(dl_metric_confusion(5, 3, probability, target, NULL, &confusion, &error) == DL_OK, "confusion of three classes");
	is_close(confusion.precision, (0.5 + 0.5 + 0) / 3, 1e-12, "macro precision");
	is_close(confusion.recall, (0.5 + 1.0 / 3 + 0) / 3, 1e-12, "macro recall");
	is_close(confusion.f1, (0.5 + 0.4 + 0) / 3, 1e-12, "macro f1");

	/* the first two rows: class 2 does not occur at all */
	ok(dl_metric_confusion(2, 3, probability, target, NULL, &confusion, &error) == DL_OK, "confusion of two rows");
	is_close(confusion.f1, 1, 1e-12, "a class that does not occur is left out of the average");
}

static void
test_two_classes(void)
{
	float		probability[] = {0.1f, 0.9f, 0.2f, 0.8f, 0.3f, 0.7f, 0.6f, 0.4f, 0.9f, 0.1f};
	int32_t		target[] = {1, 0, 1, 1, 0};
	int32_t		negative[] = {0, 0, 0, 0, 0};
	float		weight[] = {2, 1, 1, 1, 1};
	float		low[] = {0.9f, 0.1f, 0.8f, 0.2f};
	DlConfusion confusion;
	DlError		error;

	dl_metric_confusion(5, 2, probability, target, NULL, &confusion, &error);
	is_close(confusion.precision, 2.0 / 3, 1e-12, "precision is that of class 1");
	is_close(confusion.recall, 2.0 / 3, 1e-12, "recall is that of class 1");
	is_close(confusion.f1, 2.0 / 3, 1e-12, "f1 is that of class 1");
	dl_metric_confusion(5, 2, probability, target, weight, &confusion, &error);
	is_close(confusion.precision, 3.0 / 4, 1e-12, "precision with weights");
	dl_metric_confusion(5, 2, probability, negative, NULL, &confusion, &error);
	is_close(confusion.precision, 0, 0, "precision without a positive row is 0");
	dl_metric_confusion(2, 2, low, negative, NULL, &confusion, &error);
	ok(isnan(confusion.f1), "f1 is not defined where class 1 is neither there nor predicted");
	dl_metric_confusion(0, 2, low, negative, NULL, &confusion, &error);
	ok(isnan(confusion.recall), "recall of no rows is not defined");
}

static double
auc(int64_t n, const float *score, const int32_t *positive, const float *weight)
{
	double		result = -1;
	DlError		error;

	if (dl_metric_roc_auc(n, score, positive, weight, (DlStop) {0}, &result, &error) != DL_OK)
		return -1;
	return result;
}

static void
test_roc_auc(void)
{
	float		score[] = {0.1f, 0.4f, 0.35f, 0.8f};
	int32_t		positive[] = {0, 0, 1, 1};
	int32_t		one_class[] = {1, 1, 1, 1};
	float		tied[] = {0.5f, 0.5f, 0.5f, 0.5f};
	float		weight[] = {1, 3, 1, 1};
	float		broken[] = {0.1f, NAN, 0.2f, 0.3f};
	float		none[] = {0, 0, 1, 1};

	is_close(auc(4, score, positive, NULL), 0.75, 1e-12, "roc_auc: 3 of 4 pairs");
	is_close(auc(4, tied, positive, NULL), 0.5, 1e-12, "roc_auc: ties count half");
	/* pairs: weights of negatives 1 and 3; .35 is above the first only */
	is_close(auc(4, score, positive, weight), (1.0 + 4) / 8, 1e-12, "roc_auc with weights");
	ok(isnan(auc(4, score, one_class, NULL)), "roc_auc of one class is not defined");
	ok(isnan(auc(4, broken, positive, NULL)), "roc_auc of a score that is no number is not defined");
	ok(isnan(auc(0, score, positive, NULL)), "roc_auc of no rows is not defined");
	ok(isnan(auc(4, score, positive, none)), "roc_auc is not defined where one class has no weight");
}

/* The same by counting pairs, on scores with many ties. */
static void
test_roc_auc_random(void)
{
	enum {N = 300};
	float		score[N];
	float		weight[N];
	int32_t		positive[N];
	double		pairs = 0;
	double		all = 0;
	DlRandom	random;

	dl_random_seed(&random, 5, 0);
	for (int i = 0; i < N; i++)
	{
		positive[i] = dl_random_uniform(&random) < 0.3;
		score[i] = (float) dl_random_below(&random, 12) + (float) (2 * positive[i]);
		weight[i] = (float) dl_random_uniform(&random);
	}
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			if (positive[i] && !positive[j])
			{
				double		w = (double) weight[i] * (double) weight[j];

				all += w;
				pairs += w * (score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0);
			}
	is_close(auc(N, score, positive, weight), pairs / all, 1e-9, "roc_auc equals the count of all pairs");
}

static bool
stop_soon(void *context)
{
	int		   *left = context;

	return --*left < 0;
}

/* So many rows that they are sorted in pieces; every level of the score has as many negatives as positives. */
static void
test_roc_auc_many(void)
{
	enum {N = 200002, LEVELS = 500};
	float	   *score = malloc(N * sizeof(float));
	int32_t    *positive = malloc(N * sizeof(int32_t));
	double		result;
	int			left = 0;
	int			asked = 0;
	DlError		error;

	for (int i = 0; i < N; i++)
	{
		score[i] = (float) ((i / 2) * 7919L % LEVELS);
		positive[i] = i % 2;
	}
	is_close(auc(N, score, positive, NULL), 0.5, 1e-9, "roc_auc of many rows: one half");
	for (int i = 0; i < N; i++)
		score[i] = (float) ((i * 7919L) % N);
	for (int i = 0; i < N; i++)
		positive[i] = score[i] >= N / 3;
	is_close(auc(N, score, positive, NULL), 1, 1e-12, "roc_auc of many rows: all right");
	for (; dl_metric_roc_auc(N, score, positive, NULL, (DlStop) {stop_soon, &left}, &result, &error) != DL_OK; left = ++asked)
		if (error.status != DL_ERROR_CANCELLED || !isnan(result))
			break;
	ok(asked > 15 && dl_metric_roc_auc(N, score, positive, NULL, (DlStop) {NULL, NULL}, &result, &error) == DL_OK,
	   "roc_auc can be stopped at %d places", asked);
	free(score);
	free(positive);
}

int
main(void)
{
	test_regression();
	test_regression_undefined();
	test_classes();
	test_two_classes();
	test_roc_auc();
	test_roc_auc_random();
	test_roc_auc_many();
	return done_testing();
}
