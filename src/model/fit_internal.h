/*
 * fit_internal.h
 *    What the files of fit share.
 */
#ifndef DL_MODEL_FIT_INTERNAL_H
#define DL_MODEL_FIT_INTERNAL_H

#include "data/split.h"
#include "model/fit.h"

/* What the request left open, decided (fit_choose.c). */
typedef struct DlFitChoice
{
	const char *network;		/* text */
	DlPreparationSettings preparation;
	DlTrainSettings train;
	DlClassWeight class_weight;
	int			members;
	const char *why;			/* one line each, for the record */
} DlFitChoice;

extern DlStatus dl_fit_choose(DlArena *arena, const DlFitRequest *request, int64_t train_rows, bool has_validation,
							  DlFitChoice *choice, DlError *error);

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
	const float *class_weight;	/* of each class, or NULL */
	float	   *prepared_numbers;	/* [row_count, inputs], or NULL: prepared as they are read */
	int32_t    *prepared_codes;
} DlFitSource;

extern void dl_fit_source_init(DlFitSource *source, DlDataset *dataset, const DlFitRequest *request,
							   const DlModel *model, const uint32_t *rows, int64_t row_count);
extern DlStatus dl_fit_source_prepare(DlFitSource *source, DlArena *arena, const atomic_int *cancel, DlError *error);
extern DlBatchSource dl_fit_batch_source(DlFitSource *source);

/*
 * Calls visit for every record of the part in ascending order; position counts
 * from 0.  Stops at the first failure, and at cancel.
 */
typedef DlStatus (*DlFitVisit) (void *context, int64_t position, const uint32_t *record, DlError *error);
extern DlStatus dl_fit_visit(const DlFitSource *source, const atomic_int *cancel, DlFitVisit visit, void *context,
							 DlError *error);

/* Class of a record's target. */
extern int32_t dl_fit_class(const DlFitRequest *request, const uint32_t *record, const DlRecordLayout *layout);

/* The validation rows' targets, for the selection of the best epoch (fit_select.c). */
typedef struct DlFitSelection
{
	const DlModel *model;
	const DlTrainSettings *settings;
	float	   *targets;		/* [rows, outputs] as the trainer sees them, or NULL */
	int32_t    *codes;			/* [rows], multiclass */
	float	   *weights;
} DlFitSelection;

extern DlStatus dl_fit_selection_load(DlArena *arena, const DlModel *model, const DlTrainSettings *settings,
									  const DlBatchSource *source, const atomic_int *cancel, DlFitSelection *result,
									  DlError *error);

/* DlSelection.measure; context: a DlFitSelection.  Safe for several threads. */
extern double dl_fit_selection_measure(void *context, const float *outputs, int64_t rows, int64_t columns);

/*
 * Scores rows with a model whose features are those of the request, and
 * measures (fit_measure.c) as a model of these settings is.  map tells where another
 * model finds its words; NULL: the request's own layout.
 */
typedef struct DlFeatureMap DlFeatureMap;
extern DlStatus dl_fit_measure(DlArena *arena, const DlModel *model, const DlTrainSettings *settings,
							   const DlFeatureMap *map, DlFitSource *source, const atomic_int *cancel, int *count,
							   DlMetricValue **metrics, DlError *error);

/* *result is NULL when incumbent cannot be scored on the request's columns. */
extern DlStatus dl_fit_feature_map(DlArena *arena, const DlFitRequest *request, const DlModel *incumbent,
								   DlFeatureMap **result, DlError *error);

#endif							/* DL_MODEL_FIT_INTERNAL_H */
