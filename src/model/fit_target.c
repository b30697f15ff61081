/*
 * fit_target.c
 *    The targets of a regression: their range, how they are standardised, and
 *    whether their logarithm may be what a network should learn.
 */
#include <math.h>
#include <string.h>

#include "model/fit_internal.h"

/* A target this skewed has a long tail upwards. */
#define SKEWED 1.0

/* Moments of one target, updated row by row (Welford, 1962; Pebay, 2008, for the third). */
typedef struct Moments
{
	double		mean;
	double		squares;
	double		cubes;
} Moments;

typedef struct TargetPass
{
	const DlFitSource *source;
	DlModel    *model;
	const double *shift;		/* of the logarithms, NULL in the first pass */
	Moments    *moments;		/* of each target */
} TargetPass;

static void
add_moment(Moments *m, double value, double n)
{
	double		delta = value - m->mean;
	double		step = delta / n;
	double		term = delta * step * (n - 1);

	m->mean += step;
	m->cubes += term * step * (n - 2) - 3 * step * m->squares;
	m->squares += term;
}

static DlStatus
add_target(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	const TargetPass *pass = context;
	DlModel    *model = pass->model;

	(void) error;
	for (int32_t k = 0; k < model->outputs; k++)
	{
		double		value = dl_fit_target(pass->source, record, k);

		if (pass->shift != NULL)
			value = log(value + pass->shift[k]);
		else
		{
			model->target_low[k] = fmin(model->target_low[k], value);
			model->target_high[k] = fmax(model->target_high[k], value);
		}
		add_moment(&pass->moments[k], value, (double) (position + 1));
	}
	return DL_OK;
}

static double
skewness(const Moments *m, double n)
{
	return m->squares > 0 ? sqrt(n) * m->cubes / pow(m->squares, 1.5) : 0;
}

static DlStatus
fill_scaling(DlArena *arena, const Moments *moments, int32_t outputs, double n, DlTargetScaling *result, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) outputs, sizeof(double), &result->center, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) outputs, sizeof(double), &result->scale, error));
	for (int32_t k = 0; k < outputs; k++)
	{
		double		deviation = sqrt(moments[k].squares / n);

		result->center[k] = moments[k].mean;
		result->scale[k] = deviation > 0 ? deviation : 1;
	}
	return DL_OK;
}

/*
 * Logarithms of targets that reach down to 0 are taken of a tenth of the mean more, so that no value
 * near 0 counts more than the rest.
 */
static DlStatus
fit_log(DlArena *arena, TargetPass *pass, const atomic_int *cancel, DlTargetScaling *result, DlError *error)
{
	DlModel    *model = pass->model;
	double		n = (double) pass->source->row_count;
	bool		suits = true;
	Moments    *plain = pass->moments;

	for (int32_t k = 0; k < model->outputs; k++)
		suits = suits && model->target_low[k] >= 0 && skewness(&plain[k], n) > SKEWED;
	if (!suits)
		return DL_OK;
	DL_TRY(dl_arena_calloc(arena, (size_t) model->outputs, sizeof(double), &result->shift, error));
	for (int32_t k = 0; k < model->outputs; k++)
		result->shift[k] = model->target_low[k] > 0 ? 0 : plain[k].mean / 10;
	pass->shift = result->shift;
	DL_TRY(dl_arena_calloc(arena, (size_t) model->outputs, sizeof(Moments), &pass->moments, error));
	DL_TRY(dl_fit_visit(pass->source, cancel, add_target, pass, error));
	for (int32_t k = 0; k < model->outputs; k++)
		suits = suits && fabs(skewness(&pass->moments[k], n)) < skewness(&plain[k], n) / 2;
	result->log = suits;
	return suits ? fill_scaling(arena, pass->moments, model->outputs, n, result, error) : DL_OK;
}

DlStatus
dl_fit_targets(DlArena *arena, const DlFitSource *source, DlModel *model, const atomic_int *cancel,
			   DlTargetScaling *plain, DlTargetScaling *log_target, DlError *error)
{
	TargetPass	pass = {source, model, NULL, NULL};
	size_t		outputs = (size_t) model->outputs;
	bool		varies = false;

	DL_TRY(dl_arena_calloc(arena, outputs, sizeof(double), &model->target_low, error));
	DL_TRY(dl_arena_calloc(arena, outputs, sizeof(double), &model->target_high, error));
	DL_TRY(dl_arena_calloc(arena, outputs, sizeof(Moments), &pass.moments, error));
	for (size_t k = 0; k < outputs; k++)
	{
		model->target_low[k] = INFINITY;
		model->target_high[k] = -INFINITY;
	}
	DL_TRY(dl_fit_visit(source, cancel, add_target, &pass, error));
	for (size_t k = 0; k < outputs; k++)
		varies = varies || model->target_low[k] < model->target_high[k];
	if (!varies)
	{
		dl_error_set(error, DL_ERROR_DATA, "target \"%s\" has only one value in the training rows", source->request->target);
		dl_error_hint(error, "There is nothing to learn; check the query's WHERE clause, or choose another target.");
		return DL_ERROR_DATA;
	}
	DL_TRY(fill_scaling(arena, pass.moments, model->outputs, (double) source->row_count, plain, error));
	return fit_log(arena, &pass, cancel, log_target, error);
}
