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

#include "core/size.h"
#include "model/fit_internal.h"

/* Rows read at a time, and between looks at cancel. */
#define SLICE_ROWS 256

/* d: target less prediction. */
static double
number_loss(DlLoss loss, double q, double d)
{
	if (loss == DL_TRAIN_QUANTILE)
		return d >= 0 ? q * d : (q - 1) * d;
	return loss == DL_TRAIN_MAE ? fabs(d) : d * d;
}

/* The deciding metric of a regression, in units of the target. */
static double
measure_numbers(const DlFitSelection *s, const float *outputs, int64_t rows, int64_t columns)
{
	DlLoss		loss = s->settings->loss;
	double		q = dl_train_loss_parameter(s->settings);
	double		sum = 0;
	double		weight = 0;

	for (int64_t i = 0; i < rows; i++)
	{
		double		w = (double) s->weights[i];

		for (int64_t k = 0; k < columns; k++)
		{
			double		d = ((double) s->targets[i * columns + k] - (double) outputs[i * columns + k]) *
				s->model->target_scale[k];

			sum += w * number_loss(loss, q, d) / (double) columns;
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

		for (int64_t k = 0; k < columns; k++)
		{
			double		z = (double) outputs[i * columns + k];

			z = s->targets[i * columns + k] > 0.5f ? z : -z;
			sum += w * (fmax(-z, 0) + log1p(exp(-fabs(z)))) / (double) columns;
		}
		weight += w;
	}
	return sum / weight;
}

double
dl_fit_selection_measure(void *context, const float *outputs, int64_t rows, int64_t columns)
{
	const DlFitSelection *s = context;

	if (s->model->task == DL_TASK_REGRESSION)
		return measure_numbers(s, outputs, rows, columns);
	if (s->model->task == DL_TASK_MULTICLASS)
		return measure_classes(s, outputs, rows, columns);
	return measure_logits(s, outputs, rows, columns);
}

DlStatus
dl_fit_selection_load(DlArena *arena, const DlModel *model, const DlTrainSettings *settings, const DlBatchSource *source,
					  const atomic_int *cancel, DlFitSelection *result, DlError *error)
{
	const DlPreparation *p = &model->preparation;
	size_t		rows = (size_t) source->row_count;
	uint32_t	positions[SLICE_ROWS];
	float	   *numbers;
	int32_t    *codes;
	bool		classes = model->task == DL_TASK_MULTICLASS;

	result->model = model;
	result->settings = settings;
	DL_TRY(dl_arena_calloc(arena, rows, sizeof(float), &result->weights, error));
	if (classes)
		DL_TRY(dl_arena_calloc(arena, rows, sizeof(int32_t), &result->codes, error));
	else
		DL_TRY(dl_arena_calloc(arena, rows, (size_t) model->outputs * sizeof(float), &result->targets, error));
	DL_TRY(dl_arena_calloc(arena, SLICE_ROWS, (size_t) (p->inputs + 1) * sizeof(float), &numbers, error));
	DL_TRY(dl_arena_calloc(arena, SLICE_ROWS, ((size_t) p->embedded + 1) * sizeof(int32_t), &codes, error));
	for (size_t first = 0; first < rows; first += SLICE_ROWS)
	{
		size_t		n = rows - first < SLICE_ROWS ? rows - first : SLICE_ROWS;
		void	   *target = classes ? (void *) (result->codes + first) :
			(void *) (result->targets + first * (size_t) model->outputs);

		if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
			return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
		for (size_t i = 0; i < n; i++)
			positions[i] = (uint32_t) (first + i);
		DL_TRY(source->fill(source->context, positions, (int64_t) n, numbers, codes, target, result->weights + first,
							error));
	}
	return DL_OK;
}
