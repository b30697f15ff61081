/*
 * trainer_range.c
 *    The learning-rate range test (Smith, 2017): the rate rises exponentially
 *    over some steps, and the curve of the loss tells which rate to use.
 *
 * It trains on the trainer's own parameters, whose initial values wait in
 * best_parameters and are put back at the end together with a fresh optimiser.
 */
#include "nn/trainer_internal.h"

#include <math.h>
#include <string.h>

#define RANGE_STEPS 100
#define RANGE_LOW 1e-5
#define RANGE_HIGH 1.0
#define SMOOTHING 0.9			/* share of the old mean of losses */
#define BLOW_UP 4.0				/* of the best smoothed loss: the end of the test */
#define BELOW_BLOW_UP 10.0		/* the rate is at most the end's over this */
#define SLOPE_WIDTH 3			/* points on either side of a slope */

struct RangeTest
{
	int			step;
	double		mean;			/* decaying; to be divided by share */
	double		share;			/* of the mean that losses have filled */
	double		best;
	double		smoothed[RANGE_STEPS];
};

DlStatus
dl_range_test_create(DlTrainer *trainer, DlArena *arena, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(RangeTest), &trainer->range_test, error));
	trainer->range_test->best = INFINITY;
	return DL_OK;
}

static double
rate_at(int step)
{
	return RANGE_LOW * pow(RANGE_HIGH / RANGE_LOW, (double) step / (RANGE_STEPS - 1));
}

/*
 * The rate where the smoothed loss falls most for a step of the exponent, but
 * no more than a tenth of where the test ended.
 */
static double
choose_rate(const RangeTest *test)
{
	double		limit = rate_at(test->step < RANGE_STEPS ? test->step : RANGE_STEPS - 1) / BELOW_BLOW_UP;
	double		steepest = 0;
	double		rate = limit;

	for (int i = SLOPE_WIDTH; i + SLOPE_WIDTH < test->step; i++)
	{
		double		slope = test->smoothed[i + SLOPE_WIDTH] - test->smoothed[i - SLOPE_WIDTH];

		if (slope < steepest)
		{
			steepest = slope;
			rate = rate_at(i);
		}
	}
	return rate < limit ? rate : limit;
}

static void
finish(DlTrainer *trainer)
{
	trainer->learning_rate = choose_rate(trainer->range_test);
	memcpy(trainer->parameters, trainer->best_parameters, (size_t) trainer->length * sizeof(float));
	dl_updater_reset(trainer->updater);
}

/* Adds the mean loss of a batch to the curve; false: it blew up. */
static bool
add_loss(RangeTest *test, const StepResult *result)
{
	double		corrected;

	/* a batch whose rows all have weight 0 tells nothing new */
	if (result->weight_sum > 0)
	{
		test->mean = SMOOTHING * test->mean + (1 - SMOOTHING) * result->loss_sum / result->weight_sum;
		test->share = SMOOTHING * test->share + (1 - SMOOTHING);
	}
	corrected = test->share > 0 ? test->mean / test->share : 0;
	if (corrected > BLOW_UP * test->best)
		return false;
	if (test->share > 0 && corrected < test->best)
		test->best = corrected;
	test->smoothed[test->step] = corrected;
	return true;
}

DlStatus
dl_range_test_step(DlTrainer *trainer, bool *done, DlError *error)
{
	RangeTest  *test = trainer->range_test;
	StepResult	result;
	int64_t		begin;
	int64_t		count;
	double		rate = rate_at(test->step);

	if (test->step == 0)
		DL_TRY(dl_trainer_shuffle(trainer, STREAM_RANGE_ORDER, error));
	dl_trainer_batch_bounds(trainer->training.row_count, trainer->batch_size,
							test->step % trainer->steps_per_epoch, &begin, &count);
	DL_TRY(dl_trainer_optimise(trainer, trainer->order + begin, count, STREAM_RANGE_STEP + (uint64_t) test->step,
							   rate, 1, &result, error));
	if (!result.finite && test->step == 0)
	{
		dl_error_set(error, DL_ERROR_NUMERIC, "the loss is not finite before any training");
		dl_error_hint(error, "Look for very large numbers in the inputs and the target.");
		return DL_ERROR_NUMERIC;
	}
	*done = !result.finite || !add_loss(test, &result);
	if (!*done)
		test->step++;
	*done = *done || test->step == RANGE_STEPS;
	if (*done)
		finish(trainer);
	return DL_OK;
}
