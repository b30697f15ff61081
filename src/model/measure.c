/*
 * measure.c
 *    The metrics that each task has, from results and targets in user units.
 */
#include <math.h>
#include <stdio.h>

#include "core/size.h"
#include "model/fit.h"
#include "nn/metrics.h"

#define MOST_METRICS 8

const char *
dl_deciding_metric(DlTask task, const DlTrainSettings *settings)
{
	if (task != DL_TASK_REGRESSION)
		return "log_loss";
	return settings->loss == DL_TRAIN_QUANTILE ? "quantile_loss" : settings->loss == DL_TRAIN_MAE ? "mae" : "rmse";
}

static void
add(DlMetricValue *metrics, int *count, const char *name, double value)
{
	metrics[(*count)++] = (DlMetricValue) {name, value};
}

/*
 * float32 holds differences from a common value better than large numbers
 * themselves: shift, of each column, is taken off.  NULL: none.
 */
static DlStatus
to_floats(DlArena *arena, const double *values, int64_t rows, int32_t width, const double *shift, float **result,
		  DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) rows, (size_t) width * sizeof(float), result, error));
	for (int64_t i = 0; i < rows; i++)
		for (int32_t k = 0; k < width; k++)
			(*result)[i * width + k] = (float) (values[i * width + k] - (shift != NULL ? shift[k] : 0));
	return DL_OK;
}

/* With q in its name: only losses of the same quantile compare. */
static DlStatus
quantile_name(DlArena *arena, double q, const char **result, DlError *error)
{
	char		text[40];
	char	   *copy;

	snprintf(text, sizeof(text), "quantile_loss(%g)", q);
	DL_TRY(dl_arena_strdup(arena, text, &copy, error));
	*result = copy;
	return DL_OK;
}

static DlStatus
measure_values(DlArena *arena, DlArena *scratch, const DlTrainSettings *settings, int64_t rows, int32_t width,
			   const double *results, const double *target, const float *weight, int *count, DlMetricValue *metrics,
			   DlError *error)
{
	bool		mae_first = settings->loss == DL_TRAIN_MAE;
	float	   *predicted;
	float	   *wanted;
	double		mae;

	/* the first row's targets */
	DL_TRY(to_floats(scratch, results, rows, width, target, &predicted, error));
	DL_TRY(to_floats(scratch, target, rows, width, target, &wanted, error));
	mae = dl_metric_mae(rows, width, predicted, wanted, weight);
	if (settings->loss == DL_TRAIN_QUANTILE)
	{
		double		q = dl_train_loss_parameter(settings);
		const char *name;

		DL_TRY(quantile_name(arena, q, &name, error));
		add(metrics, count, name, dl_metric_quantile_loss(rows, width, q, predicted, wanted, weight));
	}
	if (mae_first)
		add(metrics, count, "mae", mae);
	add(metrics, count, "rmse", dl_metric_rmse(rows, width, predicted, wanted, weight));
	if (!mae_first)
		add(metrics, count, "mae", mae);
	add(metrics, count, "r2", dl_metric_r2(rows, width, predicted, wanted, weight));
	return DL_OK;
}

/* With two classes a threshold decides: what it decides becomes the greater of two numbers. */
static DlStatus
decide(DlArena *arena, int64_t rows, const double *results, double threshold, float **result, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) rows, 2 * sizeof(float), result, error));
	for (int64_t i = 0; i < rows; i++)
		(*result)[2 * i + (results[i] > threshold)] = 1;
	return DL_OK;
}

static DlStatus
measure_classes(DlArena *scratch, double threshold, int64_t rows, int32_t width, const double *results,
				const int32_t *target, const float *weight, DlStop stop, int *count, DlMetricValue *metrics,
				DlError *error)
{
	int32_t		classes = width == 1 ? 2 : width;
	DlConfusion confusion;
	float	   *probability;
	float	   *decision;

	DL_TRY(dl_arena_calloc(scratch, (size_t) rows, (size_t) classes * sizeof(float), &probability, error));
	for (int64_t i = 0; i < rows; i++)
		for (int32_t k = 0; k < classes; k++)
		{
			double		p = width == 1 ? (k == 1 ? results[i] : 1 - results[i]) : results[i * width + k];

			probability[i * classes + k] = (float) p;
		}
	DL_TRY(dl_stop_check(stop, error));
	decision = probability;
	if (width == 1)
		DL_TRY(decide(scratch, rows, results, threshold, &decision, error));
	DL_TRY(dl_metric_confusion(rows, classes, decision, target, weight, &confusion, error));
	DL_TRY(dl_stop_check(stop, error));
	add(metrics, count, "log_loss", dl_metric_log_loss(rows, classes, probability, target, weight));
	DL_TRY(dl_stop_check(stop, error));
	add(metrics, count, "accuracy", dl_metric_accuracy(rows, classes, decision, target, weight));
	if (classes == 2)
	{
		double		area;
		float	   *score;

		DL_TRY(to_floats(scratch, results, rows, 1, NULL, &score, error));
		DL_TRY(dl_metric_roc_auc(rows, score, target, weight, stop, &area, error));
		add(metrics, count, "roc_auc", area);
	}
	add(metrics, count, "f1", confusion.f1);
	add(metrics, count, "precision", confusion.precision);
	add(metrics, count, "recall", confusion.recall);
	return DL_OK;
}

/* Several yes/no labels: each one's log loss and accuracy, averaged. */
static DlStatus
measure_labels(DlArena *scratch, int64_t rows, int32_t width, const double *results, const double *target,
			   const float *weight, DlStop stop, int *count, DlMetricValue *metrics, DlError *error)
{
	double		loss = 0;
	double		accuracy = 0;
	float	   *probability;
	int32_t    *codes;

	DL_TRY(dl_arena_calloc(scratch, (size_t) rows, 2 * sizeof(float), &probability, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) rows, sizeof(int32_t), &codes, error));
	for (int32_t k = 0; k < width; k++)
	{
		for (int64_t i = 0; i < rows; i++)
		{
			probability[2 * i + 1] = (float) results[i * width + k];
			probability[2 * i] = 1 - probability[2 * i + 1];
			codes[i] = target[i * width + k] > 0.5;
		}
		DL_TRY(dl_stop_check(stop, error));
		loss += dl_metric_log_loss(rows, 2, probability, codes, weight) / width;
		accuracy += dl_metric_accuracy(rows, 2, probability, codes, weight) / width;
	}
	add(metrics, count, "log_loss", loss);
	add(metrics, count, "accuracy", accuracy);
	return DL_OK;
}

DlStatus
dl_model_measure(DlArena *arena, DlTask task, const DlTrainSettings *settings, double threshold, int64_t rows,
				 int32_t width, const double *results, const double *target_values, const int32_t *target_codes, const float *weight,
				 DlStop stop, int *count, DlMetricValue **metrics, DlError *error)
{
	DlArena    *scratch;
	DlStatus	status;

	*count = 0;
	DL_TRY(dl_arena_calloc(arena, MOST_METRICS, sizeof(DlMetricValue), metrics, error));
	DL_TRY(dl_arena_create(0, &scratch, error));
	if (task == DL_TASK_REGRESSION)
		status = measure_values(arena, scratch, settings, rows, width, results, target_values, weight, count, *metrics,
								error);
	else if (task == DL_TASK_MULTILABEL)
		status = measure_labels(scratch, rows, width, results, target_values, weight, stop, count, *metrics, error);
	else
		status = measure_classes(scratch, threshold, rows, width, results, target_codes, weight, stop, count, *metrics, error);
	dl_arena_destroy(scratch);
	return status;
}
