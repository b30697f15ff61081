/*
 * fit_folds.h
 *    Cross-fitting: every network is trained once for each fold, without
 *    that fold's rows, by which it is then judged; private to fit.
 *
 * Small tables have too few rows to give some away for validation, and too few of these to
 * judge by.  So all rows train, and all judge, though never the networks that they trained
 * (cross-validated bagging, as in Erickson et al., 2020, "AutoGluon-Tabular").
 */
#ifndef DL_MODEL_FIT_FOLDS_H
#define DL_MODEL_FIT_FOLDS_H

#include "model/fit_internal.h"

#define DL_FIT_FOLDS 5

typedef struct DlFitFolds
{
	const DlFitSource *source;	/* all rows */
	uint32_t   *rows[DL_FIT_FOLDS]; /* of each fold: positions in source, ascending */
	int64_t		count[DL_FIT_FOLDS];
	uint32_t   *others[DL_FIT_FOLDS];	/* of all other folds */
	int64_t		other_count[DL_FIT_FOLDS];
	DlFitSelection selections[DL_FIT_FOLDS];	/* by the rows of each fold */
} DlFitFolds;

/*
 * Deals the rows into folds, within each class and by their hash, so that equal rows share a fold.  all: targets
 * of all rows, as dl_fit_selection_load() gives them.
 */
extern DlStatus dl_fit_folds_create(DlArena *arena, const DlFitSource *source, const DlFitSelection *all,
									const atomic_int *cancel, DlFitFolds *result, DlError *error);

/* Some rows of a source as a batch source; context of the result is this structure. */
typedef struct DlFitSubset
{
	DlFitSource source;
	const uint32_t *rows;		/* positions in source */
	int64_t		count;
} DlFitSubset;

extern DlBatchSource dl_fit_subset_source(DlFitSubset *subset);

/*
 * What the trials of each network and its folds say together, each fold's rows by the network that did
 * not learn them: variants, one for DL_FIT_FOLDS trials in a row, with outputs for all rows; run
 * is false where a fold is missing.
 */
extern DlStatus dl_fit_folds_join(DlArena *arena, const DlFitFolds *folds, const DlFitTrial *trials, int variant_count,
								  DlFitTrial **variants, DlError *error);

#endif							/* DL_MODEL_FIT_FOLDS_H */
