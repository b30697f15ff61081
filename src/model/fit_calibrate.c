/*
 * fit_calibrate.c
 *    What is fitted to the validation rows after the members are chosen: the temperature of
 *    probabilities, the threshold between two classes, prediction intervals.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"
#include "model/fit_internal.h"
#include "model/model_internal.h"

#define MOST_TEMPERATURE 5.0

/* Prior of the temperature's logarithm, in rows: few rows do not move it far from 1. */
#define TEMPERATURE_PRIOR 5.0

#define GOLDEN 0.6180339887498949

/* Rows of a knot of intervals, and most knots. */
#define KNOT_ROWS 200
#define MOST_KNOTS 10

/*
 * --- temperature ---------------------------------------------------------------
 */

/* Mean log loss, and the prior, at a temperature; probabilities [rows, outputs] are left alone. */
static double
tempered_loss(const DlFitSelection *s, const double *probabilities, double *row_space, double log_temperature)
{
	int32_t		n = s->model->outputs;
	double		loss = TEMPERATURE_PRIOR * log_temperature * log_temperature;

	for (int64_t row = 0; row < s->kept_count; row++)
	{
		double		w = dl_kept_weight(s, row);

		memcpy(row_space, probabilities + row * n, (size_t) n * sizeof(double));
		dl_probabilities_temper(row_space, n, s->codes != NULL, exp(log_temperature));
		if (s->codes != NULL)
			loss -= w * log(fmax(row_space[s->codes[row * s->kept_step]], (double) FLT_EPSILON));
		else
			for (int32_t k = 0; k < n; k++)
				loss -= w * log(fmax(dl_kept_target(s, row, k) > 0.5 ? row_space[k] : 1 - row_space[k], (double) FLT_EPSILON));
	}
	return loss;
}

/* Golden-section search: the loss is convex in 1/T for softmax, and close to it for averages. */
static double
find_temperature(const DlFitSelection *s, const double *probabilities, double *row_space)
{
	double		low = -log(MOST_TEMPERATURE);
	double		high = log(MOST_TEMPERATURE);
	double		a = high - GOLDEN * (high - low);
	double		b = low + GOLDEN * (high - low);
	double		loss_a = tempered_loss(s, probabilities, row_space, a);
	double		loss_b = tempered_loss(s, probabilities, row_space, b);

	while (high - low > 1e-3)
	{
		if (loss_a < loss_b)
		{
			high = b;
			b = a;
			loss_b = loss_a;
			a = high - GOLDEN * (high - low);
			loss_a = tempered_loss(s, probabilities, row_space, a);
		}
		else
		{
			low = a;
			a = b;
			loss_a = loss_b;
			b = low + GOLDEN * (high - low);
			loss_b = tempered_loss(s, probabilities, row_space, b);
		}
	}
	return exp((low + high) / 2);
}

DlStatus
dl_fit_calibrate(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, DlModel *model,
				 DlError *error)
{
	double	   *probabilities;
	double	   *row_space;

	if (model->task == DL_TASK_REGRESSION)
		return DL_OK;
	DL_TRY(dl_fit_average(scratch, s, trials, count, &probabilities, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) model->outputs, sizeof(double), &row_space, error));
	model->temperature = find_temperature(s, probabilities, row_space);
	return DL_OK;
}

/*
 * --- threshold -----------------------------------------------------------------
 */

typedef struct Scored
{
	double		value;			/* probability, or prediction */
	double		other;			/* 1 where the class is 1, or the residual: target less prediction */
	double		weight;
} Scored;

static int
compare_scored(const void *a, const void *b)
{
	double		x = ((const Scored *) a)->value;
	double		y = ((const Scored *) b)->value;

	return (x > y) - (x < y);
}

/* Counts of a threshold: of class 1 above and below it, of class 0 above and below it. */
typedef struct Counts
{
	double		true_positive;
	double		false_negative;
	double		false_positive;
	double		true_negative;
} Counts;

static double
goodness(DlOptimize optimize, const Counts *c)
{
	double		positive = c->true_positive + c->false_negative;
	double		negative = c->false_positive + c->true_negative;

	if (optimize == DL_OPTIMIZE_F1)
		return c->true_positive > 0 ? 2 * c->true_positive / (2 * c->true_positive + c->false_positive + c->false_negative) : 0;
	return (positive > 0 ? c->true_positive / positive : 0) + (negative > 0 ? c->true_negative / negative : 0);
}

/* The threshold midway between the probabilities of two rows that is best; rows ascend. */
static double
best_threshold(DlOptimize optimize, const Scored *rows, int64_t count)
{
	Counts		c = {0};
	double		best;
	double		result;

	for (int64_t i = 0; i < count; i++)
		*(rows[i].other > 0.5 ? &c.true_positive : &c.false_positive) += rows[i].weight;
	best = goodness(optimize, &c);
	result = rows[0].value / 2;
	for (int64_t i = 0; i < count; i++)
	{
		if (rows[i].other > 0.5)
		{
			c.true_positive -= rows[i].weight;
			c.false_negative += rows[i].weight;
		}
		else
		{
			c.false_positive -= rows[i].weight;
			c.true_negative += rows[i].weight;
		}
		if (i + 1 == count || rows[i + 1].value == rows[i].value || goodness(optimize, &c) <= best)
			continue;
		best = goodness(optimize, &c);
		result = (rows[i].value + rows[i + 1].value) / 2;
	}
	return result;
}

DlStatus
dl_fit_threshold(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, DlOptimize optimize,
				 DlModel *model, DlError *error)
{
	double	   *probabilities;
	Scored	   *rows;

	DL_TRY(dl_fit_average(scratch, s, trials, count, &probabilities, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) s->kept_count, sizeof(Scored), &rows, error));
	for (int64_t i = 0; i < s->kept_count; i++)
	{
		dl_probabilities_temper(&probabilities[i], 1, false, model->temperature);
		rows[i] = (Scored) {probabilities[i], dl_kept_target(s, i, 0), dl_kept_weight(s, i)};
	}
	qsort(rows, (size_t) s->kept_count, sizeof(Scored), compare_scored);
	model->threshold = best_threshold(optimize, rows, s->kept_count);
	return DL_OK;
}

/*
 * --- prediction intervals ------------------------------------------------------
 */

static int
compare_residuals(const void *a, const void *b)
{
	double		x = ((const Scored *) a)->other;
	double		y = ((const Scored *) b)->other;

	return (x > y) - (x < y);
}

/* Rows of a knot: the residuals that leave (1 - level) / 2 outside on each side, of n and one more row. */
static void
fit_knot(Scored *rows, int64_t n, double level, double *at, double *low, double *high)
{
	double		tail = (1 - level) / 2;
	int64_t		rank = (int64_t) ceil((1 - tail) * (double) (n + 1));

	*at = rows[n / 2].value;
	qsort(rows, (size_t) n, sizeof(Scored), compare_residuals);
	if (rank > n)
		rank = n;
	*high = rows[rank - 1].other;
	*low = rows[n - rank].other;
}

static DlStatus
too_few(int64_t rows, double level, DlError *error)
{
	dl_error_set(error, DL_ERROR_DATA, "%lld validation rows are too few for a prediction_interval of %g", (long long) rows,
				 level);
	dl_error_hint(error, "At least %.0f are needed: raise validation, or lower prediction_interval.",
				  ceil(2 / (1 - level)) - 1);
	return DL_ERROR_DATA;
}

DlStatus
dl_fit_interval(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, double level,
				DlModel *model, DlError *error)
{
	int64_t		n = s->kept_count;
	int64_t		knots = n / KNOT_ROWS < 1 ? 1 : n / KNOT_ROWS > MOST_KNOTS ? MOST_KNOTS : n / KNOT_ROWS;
	double	   *predictions;
	Scored	   *rows;

	/* each side's residual must be among the rows' */
	if ((double) (n + 1) * (1 - level) / 2 < 1)
		return too_few(n, level, error);
	DL_TRY(dl_fit_average(scratch, s, trials, count, &predictions, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) n, sizeof(Scored), &rows, error));
	for (int64_t i = 0; i < n; i++)
		rows[i] = (Scored) {predictions[i], dl_kept_target(s, i, 0) - predictions[i], 1};
	qsort(rows, (size_t) n, sizeof(Scored), compare_scored);
	/* enough rows beyond each side of each knot */
	while (knots > 1 && (double) (n / knots) * (1 - level) / 2 < 5)
		knots--;
	DL_TRY(dl_arena_calloc(model->arena, (size_t) knots, sizeof(double), &model->interval_at, error));
	DL_TRY(dl_arena_calloc(model->arena, (size_t) knots, sizeof(double), &model->interval_low, error));
	DL_TRY(dl_arena_calloc(model->arena, (size_t) knots, sizeof(double), &model->interval_high, error));
	model->interval_level = level;
	for (int64_t k = 0; k < knots; k++)
	{
		int32_t		at = model->interval_count;
		int64_t		begin = n * k / knots;

		fit_knot(rows + begin, n * (k + 1) / knots - begin, level, &model->interval_at[at], &model->interval_low[at],
				 &model->interval_high[at]);
		/* many equal predictions make knots at one place: the first stays */
		if (at == 0 || model->interval_at[at] > model->interval_at[at - 1])
			model->interval_count++;
	}
	return DL_OK;
}
