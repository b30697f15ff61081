/*
 * trainer.h
 *    Training as a step machine: its host calls one step at a time and looks
 *    around in between.
 *
 * A trainer owns its parameters, optimiser state and plans.  It splits each
 * batch over the threads it is given (one plan a thread, gradients summed in a
 * fixed order, so that the result depends on the number of threads only), unless
 * the graph couples rows, and uses fewer threads where a batch is too small to
 * gain.  Rows come through a DlBatchSource; nothing here knows what a column is.
 */
#ifndef DL_NN_TRAINER_H
#define DL_NN_TRAINER_H

#include "core/graph.h"
#include "core/threads.h"
#include "nn/network.h"

typedef enum DlOptimizer
{
	DL_OPTIMIZER_SGD,			/* momentum, nesterov */
	DL_OPTIMIZER_RMSPROP,
	DL_OPTIMIZER_ADAM,			/* weight_decay is added to the gradient */
	DL_OPTIMIZER_ADAMW			/* weight_decay is decoupled */
} DlOptimizer;

typedef enum DlSchedule
{
	DL_SCHEDULE_CONSTANT,
	DL_SCHEDULE_STEP,			/* times step_factor every step_epochs */
	DL_SCHEDULE_COSINE,			/* to zero at the end */
	DL_SCHEDULE_ONE_CYCLE,		/* Smith, 2018: up over warm_up (0.3 if 0) from 1/25, then cosine to 1/10000 of it */
	DL_SCHEDULE_COSLOG4			/* 0.5(1 - cos(2 pi log2(1 + 15 t))), Holzmueller et al., 2024 */
} DlSchedule;

typedef enum DlLoss
{
	DL_TRAIN_MSE,
	DL_TRAIN_MAE,
	DL_TRAIN_HUBER,
	DL_TRAIN_QUANTILE,
	DL_TRAIN_BINARY,			/* logits, targets 0/1 of each column: binary and multi-label */
	DL_TRAIN_CROSS_ENTROPY		/* logits, one class code */
} DlLoss;

/* Names as SQL takes them ("adamw", "one_cycle", "cross_entropy"); false when unknown; *_names lists them: "a, b, c". */
extern bool dl_optimizer_by_name(const char *name, DlOptimizer *result);
extern bool dl_schedule_by_name(const char *name, DlSchedule *result);
extern bool dl_loss_by_name(const char *name, DlLoss *result);
extern const char *dl_optimizer_name(DlOptimizer optimizer);
extern const char *dl_schedule_name(DlSchedule schedule);
extern const char *dl_loss_name(DlLoss loss);
extern const char *dl_optimizer_names(void);
extern const char *dl_schedule_names(void);
extern const char *dl_loss_names(void);

typedef struct DlTrainSettings
{
	DlLoss		loss;
	double		loss_parameter; /* delta of huber, q of quantile; 0: those of dl_train_loss_parameter() */
	double		label_smoothing;
	DlOptimizer optimizer;
	double		learning_rate;	/* 0: found by a range test before the first epoch */
	double		momentum;		/* sgd, rmsprop */
	bool		nesterov;
	double		beta1;
	double		beta2;
	double		epsilon;
	double		weight_decay;
	double		gradient_clip;	/* of the global norm; 0: none */
	DlSchedule	schedule;
	double		warm_up;		/* share of all steps with a linear rise from 0; 0: none */
	double		step_factor;
	int			step_epochs;
	bool		anneal;			/* weight decay and dropout fall to 0 over the second half:
								 * flat_cos, 0.5(1 + cos(pi (max(1, 2t) - 1))) */
	int			epochs;
	int			batch_size;
	int			early_stopping; /* epochs without improvement (a tie is none); 0: run all */
	uint64_t	seed;
} DlTrainSettings;

/* Sensible values for everything: adamw, 1e-3, ... */
extern void dl_train_settings_default(DlTrainSettings *settings);

/* loss_parameter, or 1 for huber and 0.5 for quantile where it is 0. */
extern double dl_train_loss_parameter(const DlTrainSettings *settings);

/* Errors that name setting, value and the allowed range. */
extern DlStatus dl_train_settings_check(const DlTrainSettings *settings, DlError *error);

/*
 * Rows for training or validation.  fill copies count rows, named by their
 * positions rows[] in [0, row_count), into the arrays: numbers [count,
 * inputs.numbers], codes [count, categories], target (float [count, outputs], or
 * int32 [count] for cross entropy), weight [count].  Several threads may call it
 * at once.  order fills an epoch's order of all row_count positions (a
 * shuffle, as good as the storage allows); NULL: a full shuffle.  In
 * dl_network_predict() target and weight are memory that nobody reads.
 */
typedef struct DlBatchSource
{
	void	   *context;
	int64_t		row_count;		/* below 2^32 */
	DlStatus	(*fill) (void *context, const uint32_t *rows, int64_t count, float *numbers, int32_t *codes,
						 void *target, float *weight, DlError *error);
	DlStatus	(*order) (void *context, DlRandom *random, uint32_t *order, DlError *error);
} DlBatchSource;

/*
 * The measure that selects the best epoch: outputs [row_count, columns] are
 * the network's raw outputs for the validation rows in order 0..row_count-1.
 * Lower is better.  NULL: the mean loss of the validation rows.
 */
typedef struct DlSelection
{
	void	   *context;
	double		(*measure) (void *context, const float *outputs, int64_t row_count, int64_t columns);
} DlSelection;

typedef struct DlEpoch
{
	int			epoch;			/* 1-based */
	double		learning_rate;	/* at the epoch's end */
	double		training_loss;	/* weighted mean over the epoch's steps */
	double		validation_loss;	/* NaN without validation rows */
	double		measure;		/* of the selection; validation_loss if none; training_loss without validation */
	bool		best;			/* the best so far (ties: the later one) */
} DlEpoch;

typedef enum DlTrainerEvent
{
	DL_TRAINER_RUNNING,			/* a step is done */
	DL_TRAINER_EPOCH,			/* an epoch is complete, and another follows: dl_trainer_epoch() */
	DL_TRAINER_DONE				/* the last epoch is complete, or early stopping ended it */
} DlTrainerEvent;

typedef struct DlTrainer DlTrainer;

/*
 * Builds network for inputs and outputs in arena.  threads may be NULL; sources
 * and settings are copied (their contexts borrowed); validation may be NULL or
 * have no rows.  cancel may be NULL.  Where the network has parameters that start
 * from the data it reads some training rows, which takes up to about a second.
 */
extern DlStatus dl_trainer_create(DlArena *arena, const DlNetwork *network, const DlNetworkInputs *inputs,
								  int64_t outputs, const DlTrainSettings *settings, const DlBatchSource *training,
								  const DlBatchSource *validation, const DlSelection *selection,
								  const DlBackend *backend, DlThreads *threads, const atomic_int *cancel,
								  DlTrainer **result, DlError *error);

/* Where a network begins with weights that it learnt before: they are put into parameters that are initialised, but for what starts from the data. */
typedef struct DlTrainerStart
{
	void	   *context;
	void		(*fill) (void *context, const DlGraph *graph, float *parameters);
} DlTrainerStart;

/* The same with a start, which is read once; NULL: none. */
extern DlStatus dl_trainer_create_from(DlArena *arena, const DlNetwork *network, const DlNetworkInputs *inputs,
									   int64_t outputs, const DlTrainSettings *settings, const DlBatchSource *training,
									   const DlBatchSource *validation, const DlSelection *selection,
									   const DlBackend *backend, DlThreads *threads, const DlTrainerStart *start,
									   const atomic_int *cancel, DlTrainer **result, DlError *error);

/*
 * Ends training after so many seconds from now at the latest: progress, by which the schedules go, is the share of
 * the time or of the steps that is done, whichever is greater.  The epoch under way then ends early.  Called before the first step.
 * spent: what the training of a state that was taken over had taken, which counts as time that is done.
 */
extern void dl_trainer_limit(DlTrainer *trainer, double spent, double seconds);

/*
 * One optimiser step, of the range test or of an epoch, or one slice of the
 * evaluation that ends an epoch: a few milliseconds.  An epoch has every row in
 * one batch; the last batch has at least half of batch_size rows, for which the
 * last two share their rows evenly where they must.  After a failure no more
 * steps are made.  DL_ERROR_NUMERIC when the loss is no number any more: the hint
 * says to lower the learning rate; the best parameters so far are kept.
 */
extern DlStatus dl_trainer_step(DlTrainer *trainer, DlTrainerEvent *event, DlError *error);

/*
 * The state at the end of an epoch, when DL_TRAINER_EPOCH has come, as bytes for the same program; and back, before the first step of a
 * trainer that was created with the same arguments and rows: it goes on to the same bits.  The state knows of no limit.
 */
extern size_t dl_trainer_state_size(const DlTrainer *trainer);
extern void dl_trainer_save(const DlTrainer *trainer, void *bytes);
extern DlStatus dl_trainer_restore(DlTrainer *trainer, const void *bytes, size_t size, DlError *error);

extern const DlEpoch *dl_trainer_epoch(const DlTrainer *trainer);	/* the last complete one */
extern int	dl_trainer_best_epoch(const DlTrainer *trainer);
extern double dl_trainer_progress(const DlTrainer *trainer);	/* share of the epoch that is done, 0 to 1 */
extern void dl_trainer_batches(const DlTrainer *trainer, int64_t *done, int64_t *all);	/* of the epoch */
extern const DlGraph *dl_trainer_graph(const DlTrainer *trainer);
extern const float *dl_trainer_best_parameters(const DlTrainer *trainer);	/* vector of the graph; float32 */

/* Raw outputs of the best epoch for the validation rows, [row_count, outputs]; NULL without validation. */
extern const float *dl_trainer_best_outputs(const DlTrainer *trainer);
extern double dl_trainer_learning_rate(const DlTrainer *trainer);	/* the one used, found or given */

/*
 * Raw outputs of a trained network for all rows of a source, outputs [row_count,
 * columns]; in slices over the threads; row_invariant.
 */
extern DlStatus dl_network_predict(DlArena *scratch, const DlGraph *graph, const DlNetworkNodes *nodes,
								   const float *parameters, const DlBatchSource *source, const DlBackend *backend,
								   DlThreads *threads, const atomic_int *cancel, float *outputs, DlError *error);

#endif							/* DL_NN_TRAINER_H */
