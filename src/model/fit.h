/*
 * fit.h
 *    A whole training in plain C: from encoded rows and a request to the bytes
 *    of a model.
 *
 * The host (src/pg, or a program of its own) reads rows into a DlDataset and
 * describes them in a DlFitRequest; dl_fit() splits, prepares, chooses what
 * the request leaves open, trains, and measures.  It runs on one thread of the
 * host's, uses threads of its own besides, and calls the host only through
 * DlFitHost, from the thread it was called on.
 */
#ifndef DL_MODEL_FIT_H
#define DL_MODEL_FIT_H

#include "data/dataset.h"
#include "model/model.h"
#include "nn/metrics.h"

#define DL_UNSET (-1)			/* of an integer option: choose from the data */

typedef enum DlClassWeight
{
	DL_CLASS_WEIGHT_NONE,
	DL_CLASS_WEIGHT_BALANCED	/* rows / (classes * rows of the class) */
} DlClassWeight;

/* How much is trained. */
typedef enum DlEffort
{
	DL_EFFORT_FAST,				/* one network, in seconds */
	DL_EFFORT_DEFAULT,			/* a few different networks, averaged */
	DL_EFFORT_BEST				/* many */
} DlEffort;

/* What dl.classify is best at with two classes. */
typedef enum DlOptimize
{
	DL_OPTIMIZE_ACCURACY,		/* the more likely class: threshold 0.5 */
	DL_OPTIMIZE_F1,
	DL_OPTIMIZE_BALANCED_ACCURACY
} DlOptimize;

/* Their names as SQL has them, and "a, b, c". */
extern bool dl_effort_by_name(const char *name, DlEffort *result);
extern bool dl_optimize_by_name(const char *name, DlOptimize *result);
extern const char *dl_effort_names(void);
extern const char *dl_optimize_names(void);

/* What the user said; DL_UNSET, NaN or NULL where he said nothing. */
typedef struct DlFitOptions
{
	const char *network;
	int32_t		loss;			/* DlLoss */
	int32_t		optimizer;		/* DlOptimizer */
	int32_t		schedule;		/* DlSchedule */
	int32_t		scaling;		/* DlScaling */
	int32_t		class_weight;	/* DlClassWeight */
	int32_t		epochs;
	int32_t		batch_size;
	int32_t		early_stopping;
	int32_t		members;
	int32_t		one_hot;
	int32_t		one_hot_integers;
	int32_t		max_levels;
	int32_t		min_count;
	int32_t		target_means;
	int32_t		anneal;
	int32_t		neighbours;		/* 0: no network of the list keeps training rows */
	int32_t		nesterov;
	int32_t		step_epochs;
	int32_t		effort;			/* DlEffort */
	int32_t		optimize;		/* DlOptimize */
	int32_t		warm_start;		/* 1: begin with the weights of request->start, where that can be */
	int32_t		threads;		/* 0: one a processor */
	double		learning_rate;	/* 0: by a range test */
	double		weight_decay;
	double		gradient_clip;
	double		label_smoothing;
	double		warm_up;
	double		momentum;
	double		beta1;
	double		beta2;
	double		step_factor;
	double		loss_parameter;
	double		max_seconds;	/* for all from the start of the statement */
	double		seconds_before; /* of these, spent before dl_fit(); never unset */
	double		prediction_interval;	/* share of values that the interval is to hold */
	double		validation;		/* never unset */
	double		test;
	int64_t		seed;
	int64_t		memory;			/* bytes that prepared rows may take, and networks (these at least 64 MiB) */
} DlFitOptions;

extern void dl_fit_options_init(DlFitOptions *options);

typedef struct DlFitRequest
{
	DlFitOptions options;

	/* the target */
	const char *target;
	const char *target_type;
	DlTask		task;
	int32_t		target_words;
	bool		target_codes;	/* the word is a code of labels */
	bool		target_two_values;	/* the word is a float; class 1 is where it equals two_value */
	float		two_value;		/* as stored, without the offset */
	double		target_offset;	/* added to stored floats */
	int32_t		label_count;	/* class labels in the order of classes */
	DlVocabulary *labels;
	int32_t		label_map_count;
	const int32_t *label_map;	/* code in the record -> class */

	/* the features */
	int32_t		column_count;
	DlColumn   *columns;
	int32_t		feature_words;

	/* how to split */
	bool		split_by_column;
	const char *split;			/* for the record: "hash", "key <column>", "column <column>" */

	/* for the record */
	const char *query;
	const char *options_given;	/* a JSON object */
	const char *search_path;
	const char *timezone;
	const char *datestyle;
	const char *matmul_precision;
	const char *weight_column;
	const char *left_out;
	int64_t		skipped;

	/* bytes of the model that is deployed under this name; NULL when none */
	const void *incumbent;
	int64_t		incumbent_length;

	/* and of the version whose weights training is to begin with, perhaps the same; NULL: none */
	const void *start;
	int64_t		start_length;
	int32_t		start_version;	/* for the record */
} DlFitRequest;

typedef enum DlFitNoticeLevel
{
	DL_FIT_NOTICE,
	DL_FIT_WARNING
} DlFitNoticeLevel;

/* What dl_fit() is at. */
typedef enum DlFitPhase
{
	DL_FIT_PREPARING,			/* what is done with all rows before the first network */
	DL_FIT_TRAINING,
	DL_FIT_EVALUATING			/* choosing members, and measuring the model */
} DlFitPhase;

/* Only the phase is set before training begins, and when it has ended. */
typedef struct DlFitProgress
{
	DlFitPhase	phase;
	bool		epoch_end;		/* epoch has just become complete */
	int64_t		batch;			/* done of the epoch under way, of batches */
	int64_t		batches;
	int			member;			/* 1-based, of members */
	int			members;
	int			epochs;			/* planned */
	DlEpoch		epoch;
	double		rows_per_second;
	double		seconds_left;	/* if no early stop comes */
	const char *metric;			/* what measure is called, e.g. "rmse" */
} DlFitProgress;

/*
 * What one of the networks that are trained has come to.  Given back to dl_fit() with the same request, the same rows and the
 * same number of threads, it goes on from there to the same model; where the time is limited, with the time that is left.
 */
typedef struct DlFitCheckpoint
{
	int			trial;
	const void *bytes;
	size_t		length;
} DlFitCheckpoint;

/* Epochs of the network that are in it; and how long the whole training had taken then. */
extern int	dl_fit_checkpoint_epochs(const DlFitCheckpoint *checkpoint);
extern double dl_fit_checkpoint_seconds(const DlFitCheckpoint *checkpoint);

typedef struct DlFitHost
{
	void	   *context;
	void		(*progress) (void *context, const DlFitProgress *progress);
	void		(*notice) (void *context, DlFitNoticeLevel level, const char *message, const char *detail);
	const atomic_int *cancel;

	/*
	 * Checkpoints, unless checkpoint is NULL: at the end of the first epoch that ends so many seconds after the last one, and
	 * when a network is complete.  From any thread, several at once; bytes are the host's then, to be freed with free().
	 */
	double		checkpoint_seconds;
	void		(*checkpoint) (void *context, int trial, void *bytes, size_t length);
	int			checkpoint_count;	/* to go on from */
	const DlFitCheckpoint *checkpoints;
} DlFitHost;

typedef enum DlFitComparison
{
	DL_COMPARED_NOT,			/* no incumbent, or it cannot score these rows */
	DL_COMPARED_BETTER,
	DL_COMPARED_NOT_BETTER
} DlFitComparison;

typedef struct DlFitResult
{
	void	   *bytes;			/* the model; in the arena given */
	size_t		length;
	int64_t		rows;
	int			epochs;			/* run by the member with the greatest weight */
	const char *metric;
	const char *metric_part;
	double		value;
	uint64_t	held_out;
	DlFitComparison comparison;
	double		incumbent_value;	/* of the same metric on the same rows */
} DlFitResult;

/* dataset is finished; it may be read only by dl_fit until it returns. */
extern DlStatus dl_fit(DlArena *arena, const DlFitRequest *request, DlDataset *dataset, const DlFitHost *host,
					   DlFitResult *result, DlError *error);

/*
 * A request as bytes and back, for a worker on the same machine (native byte
 * order, not for storage).  unpack copies into arena.
 */
extern DlStatus dl_fit_request_pack(DlArena *arena, const DlFitRequest *request, void **bytes, size_t *length, DlError *error);
extern DlStatus dl_fit_request_unpack(DlArena *arena, const void *bytes, size_t length, DlFitRequest *request, DlError *error);

/*
 * All metrics that a task has, the one that decides deployment first: settings
 * have the loss that says which.  results as dl_scorer_run gives them; target:
 * float values, or codes for classes; threshold: of the probability, with two classes.  In arena.
 */
extern DlStatus dl_model_measure(DlArena *arena, DlTask task, const DlTrainSettings *settings, double threshold,
								 int64_t rows, int32_t width, const double *results, const double *target_values, const int32_t *target_codes,
								 const float *weight, DlStop stop, int *count, DlMetricValue **metrics, DlError *error);

/* What the deciding metric is called, without its parameter; less is better. */
extern const char *dl_deciding_metric(DlTask task, const DlTrainSettings *settings);

#endif							/* DL_MODEL_FIT_H */
