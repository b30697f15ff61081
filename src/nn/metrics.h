/*
 * metrics.h
 *    Measures of quality, in double precision, with row weights.
 *
 * All take n rows; weight may be NULL (all 1).  A measure that is not defined
 * for the rows given (roc_auc with one class, r2 of a constant) is NaN.
 */
#ifndef DL_NN_METRICS_H
#define DL_NN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* Regression; columns values a row, averaged over columns (rmse: root of the mean over all). */
extern double dl_metric_rmse(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight);
extern double dl_metric_mae(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight);
extern double dl_metric_r2(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight);
extern double dl_metric_quantile_loss(int64_t n, int64_t columns, double q, const float *predicted, const float *target,
									  const float *weight);

/* Classes: probability [n, classes], target codes in [0, classes). Ties go to the first class. */
extern double dl_metric_accuracy(int64_t n, int64_t classes, const float *probability, const int32_t *target, const float *weight);
extern double dl_metric_log_loss(int64_t n, int64_t classes, const float *probability, const int32_t *target, const float *weight);

typedef struct DlConfusion
{
	double		precision;		/* two classes: of class 1; more: macro average */
	double		recall;
	double		f1;
} DlConfusion;

extern DlStatus dl_metric_confusion(int64_t n, int64_t classes, const float *probability, const int32_t *target,
									const float *weight, DlConfusion *result, DlError *error);

/* Asked now and then by what may take long; true: end with DL_ERROR_CANCELLED.  asked NULL: never. */
typedef struct DlStop
{
	bool		(*asked) (void *context);
	void	   *context;
} DlStop;

extern DlStatus dl_stop_check(DlStop stop, DlError *error);

/* Area under the ROC curve; ties count half.  score: of class 1; positive: 0/1. */
extern DlStatus dl_metric_roc_auc(int64_t n, const float *score, const int32_t *positive, const float *weight,
								  DlStop stop, double *result, DlError *error);

#endif							/* DL_NN_METRICS_H */
