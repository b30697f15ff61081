/*
 * fit_ensemble.c
 *    From trained networks to the members of a model: their weights, by the
 *    validation rows.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/size.h"
#include "model/fit_internal.h"
#include "model/model_internal.h"

/* Members picked, with replacement (Caruana et al. use as many). */
#define PICKS 40

/*
 * So many validation rows' worth of equal weights are mixed into the picked ones: few rows tell
 * good members from lucky ones badly.
 */
#define EQUAL_ROWS 1000.0

/* Of an equal weight: a member with less costs more in scoring than it gives. */
#define LEAST_SHARE 0.25

/* A smearing correction beyond a factor of exp(0.3) says more of outliers than of the mean. */
#define SMEAR_LIMIT 0.3

/* What each trial says of each kept row: a value, or the probability of what is true. */
typedef struct Vote
{
	const DlFitSelection *selection;
	int			count;			/* trials */
	DlFitTrial **trials;		/* those that ran */
	int64_t		rows;
	int64_t		columns;
	float	  **values;			/* of each trial [rows, columns] */
	double	   *sum;			/* of the picks so far */
	int		   *picks;			/* of each trial */
} Vote;

/* Results of one member alone for a kept row. */
static void
member_result(const DlModel *model, const DlFitTrial *trial, int64_t row, double *result)
{
	DlModelMember member = {.network = trial->network, .weight = 1, .target = trial->target};

	memset(result, 0, (size_t) model->outputs * sizeof(double));
	dl_model_add_results(model, &member, 1, trial->outputs + row * model->outputs, result);
}

static DlStatus
fill_values(const DlFitSelection *s, const DlFitTrial *trial, int64_t rows, int64_t columns, double *result,
			float *values, DlError *error)
{
	for (int64_t row = 0; row < rows; row++)
	{
		DL_TRY(dl_fit_selection_check(s, error));
		member_result(s->model, trial, row, result);
		if (s->codes != NULL)
			values[row] = (float) result[s->codes[row * s->kept_step]];
		else
			for (int64_t k = 0; k < columns; k++)
			{
				double		target = dl_kept_target(s, row, k);

				if (s->model->task == DL_TASK_REGRESSION)
					values[row * columns + k] = (float) (result[k] - target);
				else
					values[row * columns + k] = (float) (target > 0.5 ? result[k] : 1 - result[k]);
			}
	}
	return DL_OK;
}

/* Loss of the mean of the picks and one more; a regression's values are errors: predicted less target. */
static DlStatus
loss_with(const Vote *vote, const float *values, double *result, DlError *error)
{
	const DlFitSelection *s = vote->selection;
	bool		numbers = s->model->task == DL_TASK_REGRESSION;
	double		picked = 1;
	double		loss = 0;

	for (int i = 0; i < vote->count; i++)
		picked += vote->picks[i];
	for (int64_t row = 0; row < vote->rows; row++)
	{
		double		sum = 0;

		DL_TRY(dl_fit_selection_check(s, error));
		for (int64_t k = row * vote->columns; k < (row + 1) * vote->columns; k++)
		{
			double		mean = (vote->sum[k] + (double) values[k]) / picked;

			sum += numbers ? dl_fit_number_loss(s->settings, -mean) : -log(fmax(mean, (double) FLT_EPSILON));
		}
		loss += dl_kept_weight(s, row) * sum;
	}
	*result = loss;
	return DL_OK;
}

static DlStatus
pick(Vote *vote, DlError *error)
{
	double		least = INFINITY;
	int			best = 0;

	for (int i = 0; i < vote->count; i++)
	{
		double		loss;

		DL_TRY(loss_with(vote, vote->values[i], &loss, error));
		if (loss < least)
		{
			least = loss;
			best = i;
		}
	}
	for (int64_t k = 0; k < vote->rows * vote->columns; k++)
		vote->sum[k] += (double) vote->values[best][k];
	vote->picks[best]++;
	return DL_OK;
}

static DlStatus
create_vote(DlArena *scratch, Vote *vote, DlError *error)
{
	const DlFitSelection *s = vote->selection;
	size_t		cells;
	double	   *result;

	vote->rows = s->kept_count;
	vote->columns = s->codes != NULL ? 1 : s->model->outputs;
	cells = (size_t) (vote->rows * vote->columns);
	DL_TRY(dl_arena_calloc(scratch, (size_t) vote->count, sizeof(float *), &vote->values, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) vote->count, sizeof(int), &vote->picks, error));
	DL_TRY(dl_arena_calloc(scratch, cells, sizeof(double), &vote->sum, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) s->model->outputs, sizeof(double), &result, error));
	for (int i = 0; i < vote->count; i++)
	{
		DL_TRY(dl_arena_calloc(scratch, cells, sizeof(float), &vote->values[i], error));
		DL_TRY(fill_values(s, vote->trials[i], vote->rows, vote->columns, result, vote->values[i], error));
	}
	return DL_OK;
}

/* A member that keeps rows costs so much in scoring that it must have been picked: an equal share alone is not enough. */
static void
drop_idle(const Vote *vote)
{
	const DlModel *model = vote->selection->model;

	for (int i = 0; i < vote->count; i++)
		if (vote->picks[i] == 0 && dl_model_kept_rows(&model->networks[vote->trials[i]->network]) > 0)
			vote->trials[i]->weight = 0;
}

/* Only the greatest most weights stay, and of these none that hardly counts; they sum to 1. */
static void
limit_weights(DlFitTrial **trials, int count, int most)
{
	double		sum = 0;
	int			left = 0;

	for (int i = 0; i < count; i++)
	{
		if (trials[i]->weight < LEAST_SHARE / count)
			trials[i]->weight = 0;
		left += trials[i]->weight > 0;
	}
	for (; left > most; left--)
	{
		DlFitTrial *least = NULL;

		for (int i = 0; i < count; i++)
			if (trials[i]->weight > 0 && (least == NULL || trials[i]->weight <= least->weight))
				least = trials[i];
		if (least == NULL)
			break;
		least->weight = 0;
	}
	for (int i = 0; i < count; i++)
		sum += trials[i]->weight;
	for (int i = 0; i < count; i++)
		trials[i]->weight /= sum;
}

DlStatus
dl_fit_weigh(DlArena *scratch, const DlFitSelection *selection, DlFitTrial *trials, int count, int most,
			 DlError *error)
{
	Vote		vote = {.selection = selection};
	double		equal;

	DL_TRY(dl_arena_calloc(scratch, (size_t) count, sizeof(DlFitTrial *), &vote.trials, error));
	for (int i = 0; i < count; i++)
		if (trials[i].run)
			vote.trials[vote.count++] = &trials[i];
	for (int i = 0; i < vote.count; i++)
		vote.trials[i]->weight = 1.0 / vote.count;
	if (selection != NULL && vote.count > 1)
	{
		DL_TRY(create_vote(scratch, &vote, error));
		for (int i = 0; i < PICKS; i++)
			DL_TRY(pick(&vote, error));
		equal = EQUAL_ROWS / (EQUAL_ROWS + (double) selection->row_count);
		for (int i = 0; i < vote.count; i++)
			vote.trials[i]->weight = equal / vote.count + (1 - equal) * vote.picks[i] / PICKS;
		drop_idle(&vote);
	}
	limit_weights(vote.trials, vote.count, most);
	return DL_OK;
}

void
dl_fit_smear(const DlFitSelection *s, DlFitTrial *trial)
{
	DlTargetScaling *target = &trial->target;

	if (!target->log || !trial->run || s->settings->loss != DL_TRAIN_MSE)
		return;
	for (int32_t k = 0; k < s->model->outputs; k++)
	{
		double		products = 0;
		double		squares = 0;

		for (int64_t row = 0; row < s->kept_count; row++)
		{
			double		z = (double) trial->outputs[row * s->model->outputs + k];
			double		value = dl_model_limit(s->model, k, dl_target_value(target, k, z)) + target->shift[k];

			products += dl_kept_weight(s, row) * value * (dl_kept_target(s, row, k) + target->shift[k]);
			squares += dl_kept_weight(s, row) * value * value;
		}
		if (products > 0 && squares > 0)
			target->center[k] += fmin(fmax(log(products / squares), -SMEAR_LIMIT), SMEAR_LIMIT);
	}
}

DlStatus
dl_fit_average(DlArena *scratch, const DlFitSelection *s, const DlFitTrial *trials, int count, double **result,
			   DlError *error)
{
	int32_t		n = s->model->outputs;
	double	   *row_result;

	DL_TRY(dl_arena_calloc(scratch, (size_t) s->kept_count, (size_t) n * sizeof(double), result, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) n, sizeof(double), &row_result, error));
	for (int i = 0; i < count; i++)
		for (int64_t row = 0; row < s->kept_count && trials[i].weight > 0; row++)
		{
			DL_TRY(dl_fit_selection_check(s, error));
			member_result(s->model, &trials[i], row, row_result);
			for (int32_t k = 0; k < n; k++)
				(*result)[row * n + k] += trials[i].weight * row_result[k];
		}
	return DL_OK;
}
