/*
 * fit_select.c
 *    The deciding metric on the validation rows, from raw outputs of a
 *    network: it selects the best epoch.
 *
 * Targets and weights are read once for all epochs.  Members that train side
 * by side measure at the same time, so measuring writes nothing.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/size.h"
#include "model/fit_internal.h"

/* Rows that members are chosen by, however little memory there is. */
#define LEAST_KEPT 1000

/* More say no more about members, temperature and threshold, and cost time. */
#define MOST_KEPT 200000

double
dl_fit_number_loss(const DlTrainSettings *settings, double d)
{
	double		q;

	if (settings->loss == DL_TRAIN_MAE)
		return fabs(d);
	if (settings->loss != DL_TRAIN_QUANTILE)
		return d * d;
	q = dl_train_loss_parameter(settings);
	return d >= 0 ? q * d : (q - 1) * d;
}

static inline bool
is_cancelled(const DlFitSelection *s)
{
	return s->cancel != NULL && atomic_load_explicit(s->cancel, memory_order_relaxed) != 0;
}

DlStatus
dl_fit_selection_check(const DlFitSelection *s, DlError *error)
{
	return is_cancelled(s) ? dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled") : DL_OK;
}

/* The deciding metric of a regression, in units of the target. */
static double
measure_numbers(const DlFitSelection *s, const DlTargetScaling *target, const float *outputs, int64_t rows,
				int64_t columns)
{
	DlLoss		loss = s->settings->loss;
	double		sum = 0;
	double		weight = 0;

	for (int64_t i = 0; i < rows; i++)
	{
		double		w = (double) s->weights[i];

		if (is_cancelled(s))
			return NAN;
		for (int64_t k = 0; k < columns; k++)
		{
			double		value = dl_target_value(target, (int32_t) k, (double) outputs[i * columns + k]);

			value = dl_model_limit(s->model, (int32_t) k, value);
			sum += w * dl_fit_number_loss(s->settings, s->targets[i * columns + k] - value) / (double) columns;
		}
		weight += w;
	}
	return loss == DL_TRAIN_QUANTILE || loss == DL_TRAIN_MAE ? sum / weight : sqrt(sum / weight);
}

/* Log loss: log(sum exp(z)) - z of the class, not above what dl_metric_log_loss() counts. */
static double
measure_classes(const DlFitSelection *s, const float *outputs, int64_t rows, int64_t classes)
{
	double		most = -log((double) FLT_EPSILON);
	double		sum = 0;
	double		weight = 0;

	for (int64_t i = 0; i < rows; i++)
	{
		const float *z = outputs + i * classes;
		double		greatest = (double) z[0];
		double		total = 0;
		double		loss;

		if (is_cancelled(s))
			return NAN;
		for (int64_t k = 1; k < classes; k++)
			greatest = fmax(greatest, (double) z[k]);
		for (int64_t k = 0; k < classes; k++)
			total += exp((double) z[k] - greatest);
		loss = greatest + log(total) - (double) z[s->codes[i]];
		sum += (double) s->weights[i] * (loss > most ? most : loss);
		weight += (double) s->weights[i];
	}
	return sum / weight;
}

/* Log loss of each yes/no: log(1 + exp(-z)) without overflow, for the right sign of z. */
static double
measure_logits(const DlFitSelection *s, const float *outputs, int64_t rows, int64_t columns)
{
	double		sum = 0;
	double		weight = 0;

	for (int64_t i = 0; i < rows; i++)
	{
		double		w = (double) s->weights[i];

		if (is_cancelled(s))
			return NAN;
		for (int64_t k = 0; k < columns; k++)
		{
			double		z = (double) outputs[i * columns + k];

			z = s->targets[i * columns + k] > 0.5 ? z : -z;
			sum += w * (fmax(-z, 0) + log1p(exp(-fabs(z)))) / (double) columns;
		}
		weight += w;
	}
	return sum / weight;
}

double
dl_fit_selection_measure(void *context, const float *outputs, int64_t rows, int64_t columns)
{
	const DlFitMeasure *measure = context;
	const DlFitSelection *s = measure->selection;

	if (s->model->task == DL_TASK_REGRESSION)
		return measure_numbers(s, measure->target, outputs, rows, columns);
	if (s->model->task == DL_TASK_MULTICLASS)
		return measure_classes(s, outputs, rows, columns);
	return measure_logits(s, outputs, rows, columns);
}

typedef struct Loading
{
	const DlFitSource *source;
	DlFitSelection *result;
} Loading;

static DlStatus
load_record(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	const Loading *loading = context;
	const DlFitSource *source = loading->source;
	DlFitSelection *s = loading->result;
	int32_t		outputs = s->model->outputs;

	(void) error;
	memcpy(&s->weights[position], record + DL_RECORD_WEIGHT, sizeof(float));
	if (s->codes != NULL)
		s->codes[position] = dl_fit_class(source->request, record, &source->layout);
	else if (s->model->task == DL_TASK_BINARY)
		s->targets[position] = dl_fit_class(source->request, record, &source->layout);
	else
		for (int32_t k = 0; k < outputs; k++)
			s->targets[position * outputs + k] = dl_fit_target(source, record, k);
	return DL_OK;
}

DlStatus
dl_fit_selection_load(DlArena *arena, const DlModel *model, const DlTrainSettings *settings, const DlFitSource *source,
					  size_t keep_bytes, const atomic_int *cancel, DlFitSelection *result, DlError *error)
{
	size_t		rows = (size_t) source->row_count;
	Loading		loading = {source, result};
	int64_t		most = (int64_t) (keep_bytes / ((size_t) model->outputs * sizeof(float)));

	result->model = model;
	result->settings = settings;
	result->row_count = source->row_count;
	if (most < LEAST_KEPT)
		most = LEAST_KEPT;
	if (most > MOST_KEPT)
		most = MOST_KEPT;
	result->cancel = cancel;
	result->kept_step = (source->row_count + most - 1) / most;
	result->kept_count = (source->row_count + result->kept_step - 1) / result->kept_step;
	DL_TRY(dl_arena_calloc(arena, rows, sizeof(float), &result->weights, error));
	if (model->task == DL_TASK_MULTICLASS)
		DL_TRY(dl_arena_calloc(arena, rows, sizeof(int32_t), &result->codes, error));
	else
		DL_TRY(dl_arena_calloc(arena, rows, (size_t) model->outputs * sizeof(double), &result->targets, error));
	return dl_fit_visit(source, cancel, load_record, &loading, error);
}
