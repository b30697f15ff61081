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

/* Prior of the temperature's logarithm, in rows of the mean weight: few rows do not move it far from 1. */
#define TEMPERATURE_PRIOR 5.0

#define GOLDEN 0.6180339887498949

/* Rows of a knot of intervals, and most knots. */
#define KNOT_ROWS 200
#define MOST_KNOTS 10

/*
 * --- temperature ---------------------------------------------------------------
 */

/* Log loss, and the prior, at a temperature; probabilities [rows, outputs] are left alone. */
static DlStatus
tempered_loss(const DlFitSelection *s, const double *probabilities, double *row_space, double log_temperature,
			  double *result, DlError *error)
{
	int32_t		n = s->model->outputs;
	double		loss = 0;
	double		weight = 0;

	for (int64_t row = 0; row < s->kept_count; row++)
	{
		double		w = dl_kept_weight(s, row);

		DL_TRY(dl_fit_selection_check(s, error));
		weight += w;
		memcpy(row_space, probabilities + row * n, (size_t) n * sizeof(double));
		dl_probabilities_temper(row_space, n, s->codes != NULL, exp(log_temperature));
		if (s->codes != NULL)
			loss -= w * log(fmax(row_space[s->codes[row * s->kept_step]], (double) FLT_EPSILON));
		else
			for (int32_t k = 0; k < n; k++)
				loss -= w * log(fmax(dl_kept_target(s, row, k) > 0.5 ? row_space[k] : 1 - row_space[k], (double) FLT_EPSILON));
	}
	*result = loss + TEMPERATURE_PRIOR * weight / (double) s->kept_count * log_temperature * log_temperature;
	return DL_OK;
}

/* Golden-section search: the loss is convex in 1/T for softmax, and close to it for averages. */
static DlStatus
find_temperature(const DlFitSelection *s, const double *probabilities, double *row_space, double *temperature,
				 DlError *error)
{
	double		low = -log(MOST_TEMPERATURE);
	double		high = log(MOST_TEMPERATURE);
	double		a = high - GOLDEN * (high - low);
	double		b = low + GOLDEN * (high - low);
	double		loss_a;
	double		loss_b;

	DL_TRY(tempered_loss(s, probabilities, row_space, a, &loss_a, error));
	DL_TRY(tempered_loss(s, probabilities, row_space, b, &loss_b, error));
	while (high - low > 1e-3)
	{
		if (loss_a < loss_b)
		{
			high = b;
			b = a;
			loss_b = loss_a;
			a = high - GOLDEN * (high - low);
			DL_TRY(tempered_loss(s, probabilities, row_space, a, &loss_a, error));
		}
		else
		{
			low = a;
			a = b;
			loss_a = loss_b;
			b = low + GOLDEN * (high - low);
			DL_TRY(tempered_loss(s, probabilities, row_space, b, &loss_b, error));
		}
	}
	*temperature = exp((low + high) / 2);
	return DL_OK;
}

/* Kept rows that count are of two classes at least; several yes/no: always true. */
static bool
has_classes(const DlFitSelection *s)
{
	int64_t		first = -1;

	if (s->codes == NULL && s->model->task != DL_TASK_BINARY)
		return true;
	for (int64_t row = 0; row < s->kept_count; row++)
	{
		int32_t		class = s->codes != NULL ? s->codes[row * s->kept_step] : dl_kept_target(s, row, 0) > 0.5;

		if (dl_kept_weight(s, row) <= 0)
			continue;
		if (first >= 0 && class != first)
			return true;
		first = class;
	}
	return false;
}

DlStatus
dl_fit_calibrate(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, DlModel *model,
				 DlError *error)
{
	double	   *probabilities;
	double	   *row_space;

	/* rows of one class would only make it more certain */
	if (model->task == DL_TASK_REGRESSION || !has_classes(s))
		return DL_OK;
	DL_TRY(dl_fit_average(scratch, s, trials, count, &probabilities, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) model->outputs, sizeof(double), &row_space, error));
	return find_temperature(s, probabilities, row_space, &model->temperature, error);
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

/* Each side's residual must be among the rows'. */
static DlStatus
check_interval(int64_t rows, double level, DlError *error)
{
	if ((double) (rows + 1) * (1 - level) / 2 > 1 - 1e-9)
		return DL_OK;
	dl_error_set(error, DL_ERROR_DATA, "%lld validation rows are too few for a prediction_interval of %g", (long long) rows,
				 level);
	dl_error_hint(error, "At least %.0f are needed: raise validation, or lower prediction_interval.",
				  ceil(2 / (1 - level) - 1e-6) - 1);
	return DL_ERROR_DATA;
}

/* Kept rows that count, by their weight. */
static int64_t
rows_that_count(const DlFitSelection *s)
{
	int64_t		rows = 0;

	for (int64_t row = 0; row < s->kept_count; row++)
		rows += dl_kept_weight(s, row) > 0;
	return rows;
}

DlStatus
dl_fit_calibrate_check(const DlFitSelection *s, const DlFitOptions *o, DlError *error)
{
	if (!isnan(o->prediction_interval))
		return check_interval(rows_that_count(s), o->prediction_interval, error);
	if (o->optimize == DL_UNSET || o->optimize == DL_OPTIMIZE_ACCURACY || has_classes(s))
		return DL_OK;
	dl_error_set(error, DL_ERROR_DATA, "optimize needs validation rows of both classes");
	dl_error_hint(error, "Raise validation, or leave optimize out: then dl.classify decides by a probability above 0.5.");
	return DL_ERROR_DATA;
}

DlStatus
dl_fit_interval(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, double level,
				DlModel *model, DlError *error)
{
	int64_t		n = rows_that_count(s);
	int64_t		used = 0;
	int64_t		knots = n / KNOT_ROWS < 1 ? 1 : n / KNOT_ROWS > MOST_KNOTS ? MOST_KNOTS : n / KNOT_ROWS;
	double	   *predictions;
	Scored	   *rows;

	DL_TRY(check_interval(n, level, error));
	DL_TRY(dl_fit_average(scratch, s, trials, count, &predictions, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) n, sizeof(Scored), &rows, error));
	for (int64_t i = 0; i < s->kept_count; i++)
		if (dl_kept_weight(s, i) > 0)
			rows[used++] = (Scored) {predictions[i], dl_kept_target(s, i, 0) - predictions[i], 1};
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
