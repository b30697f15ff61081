/*
 * evaluation.h
 *    The rows of a query that have a target, scored, and measured: what dl.evaluate
 *    and dl.performance share.
 *
 * Results and targets of all rows are kept, for some metrics need them at once: 8 bytes a
 * number.  Everything lives in the memory context that is current at dl_evaluation_init().
 */
#ifndef DL_PG_EVALUATION_H
#define DL_PG_EVALUATION_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "model/model.h"
#include "pg/column_source.h"
#include "pg/compat.h"

typedef struct DlEvaluation
{
	const DlModel *model;
	MemoryContext context;
	MemoryContext row_context;
	DlArena    *arena;
	DlScorer   *scorer;
	DlColumnSource *sources;
	int			target;			/* attribute */
	DlInputType target_type;
	int32_t		target_width;
	int32_t		width;			/* of a result */

	int64		rows;			/* scored, or waiting in the slice */
	int64		capacity;
	int			slice_rows;		/* scored at a time */
	int			slice;			/* rows waiting */
	uint32_t   *features;		/* of the slice */
	double	   *results;		/* [rows, width] */
	double	   *values;			/* [rows, target_width], of targets that are numbers */
	int32_t    *codes;			/* [rows], of targets that are classes */
} DlEvaluation;

extern void dl_evaluation_init(DlEvaluation *evaluation, const DlModel *model);

/* Finds the columns of the model and its target in the query's. */
extern void dl_evaluation_begin(DlEvaluation *evaluation, TupleDesc tupdesc);

/* One row; false when it has no target, and is passed over. */
extern bool dl_evaluation_add(DlEvaluation *evaluation, const Datum *values, const bool *nulls);

/* After the last row; raises the error for none. */
extern void dl_evaluation_finish(DlEvaluation *evaluation);

/* The metrics of count rows; in arena. */
extern int	dl_evaluation_measure(const DlEvaluation *evaluation, DlArena *arena, int64 count, const double *results,
								  const double *values, const int32_t *codes, DlMetricValue **metrics);

/* Rows that are scored at a time, so few that a cancel waits no longer than a tenth of a second. */
extern int	dl_evaluation_slice(const DlModel *model);

/* The attribute of the model's target, whose type can be one; -1: there is none. */
extern int	dl_evaluation_target(const DlModel *model, TupleDesc tupdesc, DlInputType *type);

/* A target of numbers, checked. */
extern void dl_evaluation_target_values(const DlModel *model, DlInputType *type, Datum value, int32_t width, double *values);

#endif							/* DL_PG_EVALUATION_H */
