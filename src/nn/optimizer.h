/*
 * optimizer.h
 *    The optimiser's state beside the parameter vector, and one step over any
 *    part of it.
 *
 * Parameters that lie next to each other and have the same factors are one
 * range, so that a kernel call covers as much as possible.  State parameters
 * (rate 0) are in no range.  Padding between parameters is covered: its
 * gradient is zero and so it stays zero.
 *
 * Disjoint parts of the vector may be updated by several threads at once
 * between two calls of dl_updater_begin().
 */
#ifndef DL_NN_OPTIMIZER_H
#define DL_NN_OPTIMIZER_H

#include "core/graph.h"
#include "nn/trainer.h"

/* Share of the old mean of squares that RMSprop keeps (the lecture has 0.9, PyTorch 0.99). */
#define DL_RMSPROP_ALPHA 0.99

typedef struct DlUpdateRange
{
	int64_t		begin;
	int64_t		end;
	double		rate;			/* factor of the learning rate */
	double		decay;			/* factor of the weight decay; 0 where there is none to factor */
} DlUpdateRange;

typedef struct DlUpdater
{
	DlOptimizer kind;
	double		momentum;
	bool		nesterov;
	double		beta1;
	double		beta2;
	double		epsilon;
	double		weight_decay;

	DlUpdateRange *ranges;		/* ascending */
	int			range_count;
	int64_t		length;			/* of the vectors */
	float	   *first;			/* velocity, or first moment */
	float	   *second;			/* square, or second moment; NULL for sgd */

	/* of the current step */
	double		learning_rate;
	double		decay;
	double		gradient_scale;
	double		beta1_power;	/* beta1^t */
	double		beta2_power;
} DlUpdater;

/* Memory from arena.  The backend's real type is float32. */
extern DlStatus dl_updater_create(DlArena *arena, const DlGraph *graph, const DlTrainSettings *settings,
								  DlUpdater **result, DlError *error);

/* Forgets all state: the next step is the first. */
extern void dl_updater_reset(DlUpdater *updater);

/*
 * Begins a step: learning_rate is the absolute one, decay_factor that of
 * dl_anneal_factor(); every gradient is multiplied by gradient_scale.
 */
extern void dl_updater_begin(DlUpdater *updater, double learning_rate, double decay_factor, double gradient_scale);

/* Updates the elements [begin, end) of the vectors, both multiples of 16 or the end of the vector. */
extern void dl_updater_apply(const DlUpdater *updater, const DlBackend *backend, DlWorkspace *workspace,
							 int64_t begin, int64_t end, float *parameters, const float *gradients);

/* Sum of squares of the trained elements within [begin, end). */
extern double dl_updater_sum_squares(const DlUpdater *updater, const DlBackend *backend, DlWorkspace *workspace,
									 int64_t begin, int64_t end, const float *vector);

/* The factor that brings a gradient of this global norm down to clip; 1 when it is below, or clip is 0. */
extern double dl_clip_factor(double norm, double clip);

#endif							/* DL_NN_OPTIMIZER_H */
