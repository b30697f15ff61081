/*
 * trainer_internal.h
 *    The inside of a trainer, shared by trainer.c (creation and epochs),
 *    trainer_initialise.c (parameters that start from the data),
 *    trainer_step.c (one optimiser step), trainer_range.c (range test),
 *    trainer_evaluate.c (forward passes over many rows),
 *    trainer_neighbours.c (rows that a network keeps) and trainer_state.c
 *    (a trainer as bytes).
 *
 * Threads: each shard, and each slot of an evaluation, belongs to one part of
 * the job that is running; everything else is written between jobs only.
 */
#ifndef DL_NN_TRAINER_INTERNAL_H
#define DL_NN_TRAINER_INTERNAL_H

#include "nn/optimizer.h"
#include "nn/trainer.h"

/*
 * --- evaluation: trainer_evaluate.c -----------------------------------------
 */

/* What one thread needs to take a slice of rows forward. */
typedef struct EvaluationSlot
{
	DlPlan	   *plan;
	uint32_t   *rows;			/* positions of the slice */
	float	   *numbers;
	int32_t    *codes;
	void	   *target;
	float	   *weight;
	const float *loss;			/* NULL where there is none */
	const float *output;
	double		loss_sum;		/* weighted */
	double		weight_sum;
	DlStatus	status;
	DlError		error;
} EvaluationSlot;

/* The nodes of a graph that an evaluation reads and writes; DL_NO_NODE where there is none. */
typedef struct EvaluationNodes
{
	DlNode		numbers;
	DlNode		codes;
	DlNode		target;
	DlNode		weight;
	DlNode		loss;
	DlNode		output;
} EvaluationNodes;

typedef struct Evaluation
{
	const DlBatchSource *source;
	DlThreads  *threads;
	int64_t		columns;
	int64_t		slice;			/* most rows of one */
	int			slot_count;
	EvaluationSlot **slots;

	/* of the current run */
	void	   *parameters;
	int64_t		from;
	int64_t		until;
	float	   *outputs;
} Evaluation;

extern DlStatus dl_evaluation_create(DlArena *arena, const DlGraph *graph, const EvaluationNodes *nodes,
									 const DlBatchSource *source, const DlBackend *backend, DlThreads *threads,
									 const atomic_int *cancel, bool row_invariant, Evaluation **result, DlError *error);

/*
 * Rows [from, until) of the source: outputs (of all rows) gets theirs, and
 * the sums of losses and weights are added to.
 */
extern DlStatus dl_evaluation_run(Evaluation *evaluation, const float *parameters, int64_t from, int64_t until,
								  float *outputs, double *loss_sum, double *weight_sum, DlError *error);

/* Rows that one round over all threads takes. */
static inline int64_t
dl_evaluation_round(const Evaluation *evaluation)
{
	return evaluation->slice * evaluation->slot_count;
}

/*
 * --- a step: trainer_step.c --------------------------------------------------
 */

/* What one thread needs for its slice of each batch. */
typedef struct TrainShard
{
	DlPlan	   *plan;
	float	   *numbers;
	int32_t    *codes;
	void	   *target;
	float	   *weight;
	const float *loss;
	float	   *neighbours;		/* [rows, outputs]; NULL where the network does not look at any */
	float	   *gradients;
	DlRandom	random;
	int64_t		begin;			/* within the batch */
	int64_t		count;
	double		loss_sum;
	double		weight_sum;
	DlStatus	status;
	DlError		error;
} TrainShard;

/* One part of the work on the whole parameter vector. */
typedef struct UpdatePart
{
	DlWorkspace *workspace;
	int64_t		begin;
	int64_t		end;
	double		sum_squares;
} UpdatePart;

typedef struct StepResult
{
	double		loss_sum;		/* weighted */
	double		weight_sum;
	bool		finite;			/* the loss, and with clipping the gradient's norm */
} StepResult;

typedef enum TrainerPhase
{
	PHASE_RANGE_TEST,
	PHASE_TRAINING,
	PHASE_VALIDATION,
	PHASE_DONE,
	PHASE_FAILED
} TrainerPhase;

typedef struct RangeTest RangeTest;
typedef struct KeptRows KeptRows;

struct DlTrainer
{
	const DlBackend *backend;
	DlThreads  *threads;
	const atomic_int *cancel;
	DlTrainSettings settings;
	DlBatchSource training;
	DlBatchSource validation;	/* row_count 0: none */
	DlSelection selection;		/* measure NULL: none */
	DlGraph    *graph;
	EvaluationNodes nodes;
	DlNode		training_loss;	/* with label smoothing; nodes.loss is without */
	int64_t		outputs;

	/* of a network that looks at neighbours */
	KeptRows   *kept;			/* NULL: it does not */
	int64_t		candidates;		/* rows behind each batch that it looks at as well */

	/* one step */
	int			shard_count;
	TrainShard **shards;
	int			part_count;
	UpdatePart **parts;
	DlUpdater  *updater;
	float	   *parameters;
	int64_t		length;			/* of the vectors */
	const uint32_t *batch;		/* positions of the current batch */
	int64_t		batch_rows;
	uint64_t	step_seed;		/* streams of the shards */

	/* an epoch */
	uint32_t   *order;			/* the first candidates of it follow again */
	int64_t		batch_size;		/* most rows of a batch */
	int64_t		steps_per_epoch;
	int64_t		step;			/* of the epoch, 0-based */
	int			epoch;			/* 0-based */
	double		learning_rate;	/* base: given or found */
	double		step_rate;		/* of the last step */
	double		loss_sum;
	double		weight_sum;

	/* the end of an epoch */
	Evaluation *evaluation;		/* NULL without validation */
	int64_t		evaluated;		/* validation rows so far */
	double		validation_loss_sum;
	double		validation_weight_sum;
	float	   *epoch_outputs;
	float	   *best_outputs;
	float	   *best_parameters;	/* the initial ones before the first epoch's end */
	double		best_measure;
	int			best_epoch;		/* 1-based; 0: none */
	int			improved_epoch; /* the last one that was strictly better */
	DlEpoch		last;

	double		limit_started;	/* monotonic seconds */
	double		limit;			/* seconds; 0: none */
	bool		limit_reached;

	RangeTest  *range_test;		/* NULL where the rate is given */
	TrainerPhase phase;
};

static inline bool
dl_trainer_cancelled(const DlTrainer *trainer)
{
	return trainer->cancel != NULL && atomic_load_explicit(trainer->cancel, memory_order_relaxed) != 0;
}

/*
 * Fits what DL_INIT_DATA asks for, in trainer->parameters, to a sample of the
 * training rows: trainer_initialise.c.  It uses trainer->order.
 */
extern DlStatus dl_trainer_initialise(DlTrainer *trainer, DlError *error);

extern DlStatus dl_trainer_create_shards(DlTrainer *trainer, DlArena *arena, DlError *error);

/*
 * One step on the rows batch[0..rows-1]: number names the step among all of
 * the trainer's, for its random streams.  The parameters are left alone unless
 * result->finite.
 */
extern DlStatus dl_trainer_optimise(DlTrainer *trainer, const uint32_t *batch, int64_t rows, uint64_t number,
									double learning_rate, double anneal, StepResult *result, DlError *error);

/* Bounds of batch number step of an epoch; see trainer_step.c for the last ones. */
extern int64_t dl_trainer_batch_count(int64_t rows, int64_t batch_size);
extern void dl_trainer_batch_bounds(int64_t rows, int64_t batch_size, int64_t step, int64_t *begin, int64_t *count);

/* Fills trainer->order with stream's permutation. */
extern DlStatus dl_trainer_shuffle(DlTrainer *trainer, uint64_t stream, DlError *error);

/*
 * --- the range test: trainer_range.c -----------------------------------------
 */

extern DlStatus dl_range_test_create(DlTrainer *trainer, DlArena *arena, DlError *error);

/* One step of it; *done: trainer->learning_rate is set, and the initial parameters are back. */
extern DlStatus dl_range_test_step(DlTrainer *trainer, bool *done, DlError *error);

/*
 * --- neighbours: trainer_neighbours.c ----------------------------------------
 */

/* Sets kept and candidates, where the network looks at neighbours.  Called once the graph is there. */
extern DlStatus dl_trainer_create_kept(DlTrainer *trainer, const DlNetworkNodes *nodes, DlArena *arena, DlError *error);

/* Memory of a plan for what rows show as neighbours; NULL where the network looks at none. */
extern float *dl_trainer_neighbours_input(const DlTrainer *trainer, DlPlan *plan);

/* What the rows of a filled batch give as neighbours; those behind the count rows of the shard have no loss. */
extern void dl_trainer_fill_neighbours(const DlTrainer *trainer, TrainShard *shard, int64_t rows);

/* The rows that the network keeps, as its parameters see them now, into these. */
extern DlStatus dl_trainer_keep_rows(DlTrainer *trainer, DlError *error);

/* Streams of the seed: which random numbers are drawn for what. */
#define STREAM_PARAMETERS UINT64_C(1)
#define STREAM_RANGE_ORDER UINT64_C(2)
#define STREAM_SAMPLE UINT64_C(3)
#define STREAM_HINGES UINT64_C(4)
#define STREAM_KEPT UINT64_C(5)
#define STREAM_RANGE_STEP (UINT64_C(1) << 62)
#define STREAM_STEP (UINT64_C(1) << 61)
#define STREAM_EPOCH (UINT64_C(1) << 60)

#endif							/* DL_NN_TRAINER_INTERNAL_H */
