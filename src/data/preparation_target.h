/*
 * preparation_target.h
 *    What the target says of the levels of embedded categories: smoothed means, and how
 *    many rows there are, as continuous inputs beside the embedding.
 *
 * The mean of a level is (sum w y + a prior) / (sum w + a), with weights of mean 1, the prior being the
 * mean of all training rows, and a the variance of y within levels over that of the levels' true
 * means (the best linear guess of a true mean), within 1 and 1,000.  Beside the means stands log(1 + rows).
 *
 * A training row must not see its own target: training rows are dealt into folds by their
 * hash, so that equal rows share one, and take mean and count from the rows of the other
 * folds.  All other rows take them from all training rows; a missing or unseen level has
 * the prior and no rows.  (The mean of all rows but one would give that one's target away.)
 *
 * A category has these inputs when a level has 1.5 training rows or more on average, and the
 * levels explain a mean better than chance: F of the analysis of variance is above
 * 1 + 3 sqrt(2 / (levels - 1)), three standard deviations of what chance gives.
 */
#ifndef DL_DATA_PREPARATION_TARGET_H
#define DL_DATA_PREPARATION_TARGET_H

#include "data/preparation.h"

#define DL_TARGET_FOLDS 5

typedef struct DlTargetMeans DlTargetMeans;

/*
 * Sums of so many means for the embedded categories of preparation with least_levels or more; a category whose sums do not fit into
 * what is left of memory bytes goes without.  wanted: which categories have them, whatever the rows say; NULL: those to which all of the above applies.  arena is needed until dl_target_means_finish() is done.
 */
extern DlStatus dl_target_means_create(DlArena *arena, const DlPreparation *preparation, int32_t means,
									   int32_t least_levels, const bool *wanted, size_t memory, DlTargetMeans **result,
									   DlError *error);

/* One training row: its features, its fold, its means' values. */
extern void dl_target_means_add(DlTargetMeans *means, const uint32_t *features, int fold, const double *values,
								double weight);

/*
 * Adds the inputs to preparation, which is the one of create, and finishes it again; scaled as numbers of
 * this scaling are (robust, also for quantile; else standard).  folds[DL_TARGET_FOLDS]: what prepares a training row
 * of each fold, in fold_arena; *found tells whether there are such inputs, and folds are filled.
 * cancel may be NULL.
 */
extern DlStatus dl_target_means_finish(DlTargetMeans *means, DlArena *arena, DlArena *fold_arena, DlScaling scaling,
									   const atomic_int *cancel, DlPreparation *preparation, DlPreparation *folds,
									   bool *found, DlError *error);

#endif							/* DL_DATA_PREPARATION_TARGET_H */
