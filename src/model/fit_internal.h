/*
 * fit_internal.h
 *    What the files of fit share.
 */
#ifndef DL_MODEL_FIT_INTERNAL_H
#define DL_MODEL_FIT_INTERNAL_H

#include "data/preparation_target.h"
#include "data/split.h"
#include "model/fit.h"

/* A network to train, how, and what came of it. */
typedef struct DlFitTrial
{
	int32_t		network;		/* index in the model's networks */
	int			fold;			/* left out in training; -1: none */
	bool		log_target;
	DlTrainSettings settings;	/* learning_rate becomes the one found, if it was 0 */
	DlTargetScaling target;		/* regression */
	const DlModelMember *start; /* whose weights it begins with (fit_start.h); NULL: with weights of its own */

	/* filled by dl_fit_trials() */
	bool		run;
	double		seconds;		/* that it had taken when it was taken over from a checkpoint */
	DlArena    *arena;			/* owns what follows; NULL: never begun */
	float	   *parameters;		/* of the best epoch */
	float	   *outputs;		/* of the kept validation rows in that epoch [kept_count, outputs] */
	int			best_epoch;
	double		measure;		/* of the best epoch */
	int			epoch_count;
	DlEpoch    *epochs;

	double		weight;			/* in the average, 0: not kept (fit_ensemble.c) */
} DlFitTrial;

/* What the request left open, decided (fit_choose.c). */
typedef struct DlFitChoice
{
	DlPreparationSettings preparation;
	bool		target_means;
	int32_t		target_means_levels;	/* least levels of a category that has them */
	DlTrainSettings train;		/* of all trials, but for learning rates and seeds */
	DlClassWeight class_weight;
	double		repeats;		/* share of training rows whose features another one has, where it was asked for */
	bool		neighbours;		/* some trial is of a network that looks at neighbours */
	bool		drawn;			/* some trial's network and settings are drawn at random (fit_variants.h) */
	bool		folds;			/* DL_FIT_FOLDS trials in a row are of one variant (fit_folds.h) */
	int			trial_count;
	DlFitTrial *trials;
	int			most_members;	/* trials (or variants) that may become members */
	const char *weights;		/* of which the networks begin, in words; NULL: their own */
	const char *why;			/* one line each, for the record */
} DlFitChoice;

/*
 * Those of a small table judge by folds (fit_folds.h), unless the user says which rows are for validation, or there are none
 * for the test (then the validation part is what the model is measured on); *folds: its rows are all in the training
 * part then.  Where a column of parts has none for validation they are taken from the training part.
 */
extern DlStatus dl_fit_choose_judges(DlArena *arena, const DlFitRequest *request, DlDataset *dataset, DlSplit *split,
									 bool *folds, DlError *error);

/* All but the trials. */
extern DlStatus dl_fit_choose(const DlFitRequest *request, int64_t train_rows, bool has_validation, DlFitChoice *choice,
							  DlError *error);

/* Most training rows with which a network of neighbours is tried. */
#define DL_FIT_NEIGHBOURS_ROWS 20000

/*
 * The trials, and the networks of the model, built, whose preparation is known (fit_plan.c).  log_suits:
 * the target's logarithm may be learnt.
 */
extern DlStatus dl_fit_plan(DlArena *arena, const DlFitRequest *request, int64_t rows, bool log_suits, DlModel *model,
							DlFitChoice *choice, DlError *error);

/* choice->why, when all is chosen. */
extern DlStatus dl_fit_explain(DlArena *arena, const DlFitRequest *request, int64_t train_rows, DlFitChoice *choice,
							   DlError *error);

/* Bytes for trainers, and for what is kept of them. */
extern size_t dl_fit_memory(const DlFitRequest *request);

/* With folds. */
extern int dl_fit_most_trials(const DlFitRequest *request);

extern DlEffort dl_fit_effort(const DlFitRequest *request);
extern bool dl_fit_mostly_arrays(const DlFitRequest *request);

/* Multiply-adds of a training for each row: forward, with what else a row costs. */
extern double dl_fit_trial_work(const DlModel *model, const DlFitTrial *trial);

/* Rows of one part as a DlBatchSource (fit_source.c). */
typedef struct DlFitSource
{
	DlDataset  *dataset;
	const DlFitRequest *request;
	const DlModel *model;		/* preparation, target scaling */
	DlRecordLayout layout;
	const uint32_t *rows;		/* of the part, ascending */
	int64_t		row_count;
	bool		codes_target;	/* target as int32 classes */
	const DlTargetScaling *target;	/* regression: what targets become for the network */
	const float *class_weight;	/* of each class, or NULL */
	float	   *prepared_numbers;	/* [row_count, inputs], or NULL: prepared as they are read */
	int32_t    *prepared_codes;
	const DlPreparation *folds; /* [DL_TARGET_FOLDS]: by the row's fold, instead of the model's; or NULL */
} DlFitSource;

extern void dl_fit_source_init(DlFitSource *source, DlDataset *dataset, const DlFitRequest *request,
							   const DlModel *model, const uint32_t *rows, int64_t row_count);
extern DlStatus dl_fit_source_prepare(DlFitSource *source, DlArena *arena, const atomic_int *cancel, DlError *error);
extern DlBatchSource dl_fit_batch_source(DlFitSource *source);

/* Share of the rows of source with features that another row of it has. */
extern DlStatus dl_fit_repeats(DlArena *arena, const DlFitSource *source, const atomic_int *cancel, double *share,
							   DlError *error);

/* The fold of a training row: by its contents, so that equal rows share one. */
extern int dl_fit_fold(const uint32_t *record);

/*
 * Target means of embedded categories (preparation_target.h): adds them to the model's preparation,
 * and to source, the training part, what prepares its rows.  target: of a regression, what means are taken of;
 * class_rows: of each class, or NULL without classes.  start: whose categories have them, and means of the same classes; NULL: as the rows say.
 */
extern DlStatus dl_fit_target_means(DlArena *scratch, DlModel *model, DlFitSource *source, const DlTargetScaling *target,
									const int64_t *class_rows, const DlFitChoice *choice, const DlModel *start,
									const atomic_int *cancel, DlError *error);

/*
 * Calls visit for every record of the part in ascending order; position counts
 * from 0.  Stops at the first failure, and at cancel.
 */
typedef DlStatus (*DlFitVisit) (void *context, int64_t position, const uint32_t *record, DlError *error);
extern DlStatus dl_fit_visit(const DlFitSource *source, const atomic_int *cancel, DlFitVisit visit, void *context,
							 DlError *error);

/* Number k of a record's target, in its units. */
extern double dl_fit_target(const DlFitSource *source, const uint32_t *record, int32_t k);

/* Class of a record's target. */
extern int32_t dl_fit_class(const DlFitRequest *request, const uint32_t *record, const DlRecordLayout *layout);

/*
 * Range and scaling of a regression's targets, by the training rows; model->target_low and target_high.  log_target->log
 * says whether logarithms suit: all targets are positive and skewed (fit_target.c).
 */
extern DlStatus dl_fit_targets(DlArena *arena, const DlFitSource *source, DlModel *model, const atomic_int *cancel,
							   DlTargetScaling *plain, DlTargetScaling *log_target, DlError *error);

/*
 * The validation rows' targets in the units of the target, for the choice of the best epoch
 * (fit_select.c), and of the members (fit_ensemble.c), which looks at kept rows only.
 */
typedef struct DlFitSelection
{
	const DlModel *model;
	const DlTrainSettings *settings;
	int64_t		row_count;
	double	   *targets;		/* [rows, outputs], or NULL */
	int32_t    *codes;			/* [rows], multiclass */
	float	   *weights;
	int64_t		kept_count;		/* rows 0, kept_step, 2 kept_step, ... */
	int64_t		kept_step;
	const atomic_int *cancel;	/* of what is done with the rows; NULL: never */
} DlFitSelection;

/* keep_bytes: what the outputs of one trial may take. */
extern DlStatus dl_fit_selection_load(DlArena *arena, const DlModel *model, const DlTrainSettings *settings,
									  const DlFitSource *source, size_t keep_bytes, const atomic_int *cancel,
									  DlFitSelection *result, DlError *error);

/* DlSelection.measure; context: a DlFitMeasure.  Safe for several threads.  NaN when cancelled. */
typedef struct DlFitMeasure
{
	const DlFitSelection *selection;
	const DlTargetScaling *target;
} DlFitMeasure;
extern double dl_fit_selection_measure(void *context, const float *outputs, int64_t rows, int64_t columns);

/* DL_ERROR_CANCELLED when the host wants no more. */
extern DlStatus dl_fit_selection_check(const DlFitSelection *selection, DlError *error);

/* The deciding metric's loss of one value; target less prediction is d. */
extern double dl_fit_number_loss(const DlTrainSettings *settings, double d);

/*
 * Weights of the trials that ran, by the kept validation rows: greedy selection of members
 * with replacement (Caruana et al., 2004); equal weights without validation rows.  most: of trials kept.
 */
extern DlStatus dl_fit_weigh(DlArena *scratch, const DlFitSelection *selection, DlFitTrial *trials, int count, int most,
							 DlError *error);

/* Corrects the mean of members that learnt the logarithm, which by itself gives less (Duan, 1983, "Smearing"). */
extern void dl_fit_smear(const DlFitSelection *selection, DlFitTrial *trial);

/* Results of the weighted mean of trials for the kept rows, [kept_count, outputs] in scratch. */
extern DlStatus dl_fit_average(DlArena *scratch, const DlFitSelection *selection, const DlFitTrial *trials, int count,
							   double **result, DlError *error);

static inline double
dl_kept_weight(const DlFitSelection *s, int64_t kept_row)
{
	return (double) s->weights[kept_row * s->kept_step];
}

static inline double
dl_kept_target(const DlFitSelection *s, int64_t kept_row, int64_t column)
{
	return s->targets[kept_row * s->kept_step * s->model->outputs + column];
}

/* DL_ERROR_DATA when the kept rows do not tell what options ask of them: asked before training. */
extern DlStatus dl_fit_calibrate_check(const DlFitSelection *selection, const DlFitOptions *options, DlError *error);

/*
 * By the kept validation rows, into model (fit_calibrate.c): the temperature of probabilities; then the
 * threshold between two classes that is best by optimize; the interval about the predictions of one value
 * that holds the share level of the residuals.
 */
extern DlStatus dl_fit_threshold(DlArena *scratch, const DlFitSelection *selection, const DlFitTrial *trials, int count,
								 DlOptimize optimize, DlModel *model, DlError *error);
extern DlStatus dl_fit_interval(DlArena *scratch, const DlFitSelection *selection, const DlFitTrial *trials, int count,
								double level, DlModel *model, DlError *error);
extern DlStatus dl_fit_calibrate(DlArena *scratch, const DlFitSelection *selection, const DlFitTrial *trials, int count,
								 DlModel *model, DlError *error);

/*
 * Scores rows with a model whose features are those of the request, and
 * measures (fit_measure.c) as a model of these settings is.  map tells where another
 * model finds its words; NULL: the request's own layout.  predictions: how the results are distributed; may be NULL.
 */
typedef struct DlFeatureMap DlFeatureMap;
extern DlStatus dl_fit_measure(DlArena *arena, const DlModel *model, const DlTrainSettings *settings,
							   const DlFeatureMap *map, DlFitSource *source, const atomic_int *cancel, int *count,
							   DlMetricValue **metrics, DlDistribution *predictions, DlError *error);

/*
 * How the columns and the target of the training part are distributed, into model->statistics, but for the predictions
 * (fit_statistics.c).  least: rows that a level of a category needs to be known.
 */
extern DlStatus dl_fit_statistics(const DlFitSource *source, int64_t least, const atomic_int *cancel,
								  DlModel *model, DlError *error);

/* The same texts in the same order; NULL: none. */
extern bool dl_fit_same_labels(const DlVocabulary *a, const DlVocabulary *b);

/* *result is NULL when incumbent cannot be scored on the request's columns. */
extern DlStatus dl_fit_feature_map(DlArena *arena, const DlFitRequest *request, const DlModel *incumbent,
								   DlFeatureMap **result, DlError *error);

#endif							/* DL_MODEL_FIT_INTERNAL_H */
