/*
 * model.h
 *    A trained network with all that scoring needs, decoded.
 *
 * Its bytes are a safetensors file (model_encode.c, model_decode.c): weights as tensors,
 * named "<member>.<parameter>", dense weights stored [out, in] as PyTorch's
 * nn.Linear has them (in memory they are [in, out]), batch statistics too; everything else is one JSON
 * document.  No clock time, duration, machine or model name is in it: the same training gives the same bytes.
 *
 * A decoded model is read-only and may be used by several threads, each with a DlScorer of its own.
 */
#ifndef DL_MODEL_MODEL_H
#define DL_MODEL_MODEL_H

#include "core/graph.h"
#include "data/column.h"
#include "data/distribution.h"
#include "data/preparation.h"
#include "nn/network.h"
#include "nn/trainer.h"

#define DL_MODEL_FORMAT_VERSION 1
#define DL_MODEL_MAX_MEMBERS 64
#define DL_MODEL_MAX_TRIALS 128

typedef enum DlTask
{
	DL_TASK_REGRESSION,			/* one value, or several (an array) */
	DL_TASK_BINARY,				/* two classes, one logit */
	DL_TASK_MULTICLASS,			/* softmax over the classes */
	DL_TASK_MULTILABEL			/* an array of yes/no: one logit each */
} DlTask;

extern const char *dl_task_name(DlTask task);	/* "regression", "binary", "multiclass", "multilabel" */
extern bool dl_task_by_name(const char *name, DlTask *result);

/* A text that need not end in a zero byte (class labels may be any bytes PostgreSQL allows). */
typedef struct DlMetricValue
{
	const char *name;			/* "rmse", ... */
	double		value;			/* may be NaN: stored as null */
} DlMetricValue;

/* One network that was trained, whether it became a member or not. */
typedef struct DlTrialRecord
{
	const char *network;
	const char *state;			/* "member", "not kept", "diverged", "no time" */
	int			fold;			/* 1-based, left out in training; 0: none */
	bool		log_target;
	double		learning_rate;
	double		weight_decay;
	double		label_smoothing;
	int			epochs;			/* run */
	int			best_epoch;
	double		measure;		/* of the deciding metric on the validation part (without: the loss), alone */
	double		weight;
} DlTrialRecord;

/* What training leaves behind for a reader. */
typedef struct DlTrainRecord
{
	const char *query;			/* as given; "" for dl.fit */
	const char *options_given;	/* a JSON object of the options that training was asked for */
	const char *search_path;	/* the settings that the query was trained under */
	const char *timezone;
	const char *datestyle;
	const char *matmul_precision;	/* "highest", ... */
	int64_t		rows;			/* with a target */
	int64_t		skipped;		/* without */
	int64_t		part_rows[3];	/* by DlPart */
	const char *split;			/* "hash", "key <column>", "column <column>" */
	double		validation;		/* the shares asked for */
	double		test;
	const char *weight_column;	/* "" when none */
	const char *left_out;		/* columns left out, and why; one line each; "" when none */
	const char *choices;		/* what was chosen from the data, and why; one line each */
	DlTrainSettings settings;
	int			threads;
	int			best_epoch;		/* of the member with the greatest weight */
	int			epoch_count;	/* of its learning curve, the last one among them; see dl_record_epochs() */
	DlEpoch    *epochs;			/* of very many only some */
	int			trial_count;
	DlTrialRecord *trials;		/* in the order of training */
	const char *metric;			/* the one that decides deployment: "rmse", "log_loss" */
	const char *metric_part;	/* the part it was measured on: "test", "validation", "train" */
	int			metric_count;
	DlMetricValue *metrics;		/* on metric_part */
	uint64_t	held_out;		/* hash of the rows of metric_part: equal means comparable */
} DlTrainRecord;

/* How many epochs were trained, whether or not the record has all of them. */
static inline int
dl_record_epochs(const DlTrainRecord *record)
{
	return record->epoch_count == 0 ? 0 : record->epochs[record->epoch_count - 1].epoch;
}

/*
 * How the rows of training were distributed, for dl.drift (statistics.h): each column and the target in the training part,
 * and what the model predicted for the rows that it was measured on.
 */
typedef struct DlModelStatistics
{
	DlDistribution *columns;	/* one each; NULL: the model has no statistics */
	DlDistribution target;
	DlDistribution predictions;
} DlModelStatistics;

/* One network, built for the inputs of its model; several members may share it. */
typedef struct DlModelNetwork
{
	const char *text;			/* canonical */
	DlNetwork  *network;
	DlGraph    *graph;
	DlNetworkNodes nodes;
} DlModelNetwork;

/*
 * How a regression's output z becomes a value: center + scale z, or
 * exp(center + scale z) - shift; arrays of outputs, shift only for the latter.
 */
typedef struct DlTargetScaling
{
	bool		log;
	double	   *center;
	double	   *scale;
	double	   *shift;
} DlTargetScaling;

/* One trained network: its results (values or probabilities) count with its weight. */
typedef struct DlModelMember
{
	int32_t		network;		/* index in networks */
	double		weight;			/* above 0; those of all members sum to 1 */
	DlTargetScaling target;		/* regression only */
	float	   *parameters;		/* a vector of the network's graph */
} DlModelMember;

typedef struct DlModel
{
	DlArena    *arena;			/* owns everything here */
	DlTask		task;
	const char *target;			/* name of the target's column */
	const char *target_type;
	int32_t		outputs;		/* columns of the network's output */

	/* regression: a value is limited to [low, high]; arrays of outputs */
	double	   *target_low;
	double	   *target_high;

	/* classes: codes 0.. ; binary: output is the logit of class 1 */
	DlVocabulary *labels;		/* NULL for regression and multilabel */

	double		threshold;		/* binary: class 1 from a probability above it on; 0.5 */

	/*
	 * Prediction intervals of a regression of one value (conformal: Lei et al., 2018, with residuals by
	 * predicted value): low and high added to a prediction are linear between the knots at[], constant beyond.
	 */
	double		interval_level; /* share of values within; 0: none */
	int32_t		interval_count; /* of knots, ascending */
	double	   *interval_at;
	double	   *interval_low;
	double	   *interval_high;

	double		temperature;	/* logits of the averaged probabilities are divided by it; 1: as they are */

	int32_t		column_count;	/* in the order of training */
	DlColumn   *columns;		/* features only */
	int32_t		feature_words;
	DlPreparation preparation;

	int32_t		network_count;
	DlModelNetwork *networks;
	int32_t		member_count;
	DlModelMember *members;		/* their weighted mean is the result */

	/* weights in the form that dl_model_backend() reads (DlWorkspace); none: they are packed as they are used */
	int32_t		packed_count;
	DlPackedWeight *packed;

	DlTrainRecord record;
	DlModelStatistics statistics;
} DlModel;

/*
 * Builds the network of a text for the model's preparation (network.h), in the model's arena;
 * used by training and decoding alike.
 */
extern DlStatus dl_model_build_network(const DlModel *model, const char *text, DlModelNetwork *result, DlError *error);

/* The graph of a member. */
extern const DlGraph *dl_model_graph(const DlModel *model, int member);

/* Training rows that members of a network have room for, to look at as neighbours; 0: none. */
extern int64_t dl_model_kept_rows(const DlModelNetwork *network);

/* Value of output k, not limited, of a member whose network gave z. */
extern double dl_target_value(const DlTargetScaling *target, int32_t k, double z);

/* The interval about a prediction; false: the model has none. */
extern bool dl_model_interval(const DlModel *model, double prediction, double *low, double *high);

/* value within what the target's training values span; for output k. */
extern double dl_model_limit(const DlModel *model, int32_t k, double value);

/* The inverse: what the network should give for a value. */
extern double dl_target_output(const DlTargetScaling *target, int32_t k, double value);

/*
 * DL_ERROR_LIMIT when the parameters or the texts of a model that is built would not fit
 * its bytes: asked before training, which nobody should wait for in vain.
 */
extern DlStatus dl_model_check_size(const DlModel *model, DlError *error);

/* Bytes in model->arena.  DL_ERROR_LIMIT above DL_SAFETENSORS_MAX_BYTES. */
extern DlStatus dl_model_encode(const DlModel *model, DlArena *arena, void **bytes, size_t *length, DlError *error);

/*
 * Validates bytes whole (safetensors, document, and that both agree: every
 * tensor there, shapes as the network asks, finite weights, words, maps and vocabularies in
 * range) and decodes into a new arena of at most budget bytes (0: no limit)
 * that the caller destroys by dl_model_destroy.  Copies what it keeps.
 */
extern DlStatus dl_model_decode(const void *bytes, size_t length, size_t budget, DlModel **result, DlError *error);
extern void dl_model_destroy(DlModel *model);	/* NULL is allowed */

/* The document alone, for dl.metadata: JSON text in arena.  Validates the safetensors layer only. */
extern DlStatus dl_model_document(DlArena *arena, const void *bytes, size_t length, const char **json, DlError *error);

/*
 * What scoring computes with on this processor, and in which precision:
 * "medium" (bfloat16 products, float32 sums) for models that were trained with that matmul_precision
 * and have a layer wide enough, where there are instructions for it; else "highest".  model_precision.c
 */
extern const DlBackend *dl_model_backend(const DlModel *model);
extern const char *dl_model_precision(const DlModel *model);

/*
 * Scoring.  A scorer holds the scratch memory of one thread for up to
 * capacity rows at a time.
 */
typedef struct DlScorer DlScorer;

extern DlStatus dl_scorer_create(DlArena *arena, const DlModel *model, int64_t capacity, DlScorer **result, DlError *error);

/* Width of a result: regression and multilabel: outputs; binary: 1 (probability of class 1); multiclass: classes. */
extern int32_t dl_model_result_width(const DlModel *model);

/*
 * features [rows, stride words] as records have them (column.h), to results
 * [rows, result width] in units of the target or probabilities.  Equal to the bit for any
 * rows, one included, in either precision.
 */
extern DlStatus dl_scorer_run(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride,
							  double *results, DlError *error);

/* The hidden layer before the output, of the first member: [rows, width]. */
extern int32_t dl_model_hidden_width(const DlModel *model);
extern DlStatus dl_scorer_embed(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride,
								float *hidden, DlError *error);

#endif							/* DL_MODEL_MODEL_H */
