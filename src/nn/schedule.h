/*
 * schedule.h
 *    Factors of the learning rate, the weight decay and dropout as functions
 *    of progress.
 *
 * Progress is the share of all steps of training that is done, 0 to 1.
 */
#ifndef DL_NN_SCHEDULE_H
#define DL_NN_SCHEDULE_H

#include <stdint.h>

#include "nn/trainer.h"

/*
 * Factor of settings->learning_rate.  Warm-up: constant, step and coslog4 are
 * multiplied by min(1, progress / warm_up); cosine starts after it; one_cycle
 * has its rise there.
 */
extern double dl_schedule_factor(const DlTrainSettings *settings, double progress);

/* Factor of weight decay and dropout; 1 unless settings->anneal. */
extern double dl_anneal_factor(const DlTrainSettings *settings, double progress);

/*
 * The progress that a step, 0-based, is computed at: the middle of its
 * interval, so that neither the first nor the last step has a rate of zero.
 */
static inline double
dl_step_progress(int64_t step, int64_t steps)
{
	return ((double) step + 0.5) / (double) steps;
}

#endif							/* DL_NN_SCHEDULE_H */
