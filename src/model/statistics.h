/*
 * statistics.h
 *    The variables that a model's statistics are about: what stands for a row's
 *    prediction and target.
 *
 * Predictions are numbers (the value, the probability of class 1, the mean of several of either), or of
 * more than two classes the most likely one; targets are numbers or class codes alike.
 */
#ifndef DL_MODEL_STATISTICS_H
#define DL_MODEL_STATISTICS_H

#include "model/model.h"

extern bool dl_statistics_column_has_codes(const DlModel *model, int32_t column);
extern bool dl_statistics_target_has_codes(const DlModel *model);
extern bool dl_statistics_predictions_have_codes(const DlModel *model);

/* Adds the predictions of results [rows, result width] to a distribution. */
extern void dl_statistics_add_predictions(const DlModel *model, int64_t rows, const double *results,
										  DlDistribution *distribution);

/* The distribution of the predictions of results, in arena; offset: of the target. */
extern DlStatus dl_statistics_of_predictions(DlArena *arena, const DlModel *model, int64_t rows, const double *results,
											 double offset, DlDistribution *distribution, DlError *error);

/* The input that a column of categories is, or NULL where it is none. */
extern const DlCategoryInput *dl_statistics_category(const DlModel *model, int32_t column);

/* Several numbers of a target or a prediction as one. */
extern float dl_statistics_mean(const double *values, int32_t count, double offset);

#endif							/* DL_MODEL_STATISTICS_H */
