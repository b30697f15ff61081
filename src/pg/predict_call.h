/*
 * predict_call.h
 *    One call site of a scoring function, over many rows: which model, how its
 *    columns are found among the arguments, and the memory to score in.
 */
#ifndef DL_PG_PREDICT_CALL_H
#define DL_PG_PREDICT_CALL_H

#include "postgres.h"

#include "fmgr.h"
#include "model/model.h"
#include "pg/column_source.h"
#include "pg/model_use.h"
#include "pg/row_reader.h"

typedef enum DlArguments
{
	DL_ARGUMENTS_POSITION,		/* one argument a column, in the order of training */
	DL_ARGUMENTS_ROW,			/* one composite argument */
	DL_ARGUMENTS_ARRAY			/* VARIADIC array: one element a column */
} DlArguments;

typedef struct DlPredictCall
{
	MemoryContext row_context;	/* reset for each row that allocates; NULL: none did */
	DlModelUse	use;
	const DlModel *model;		/* of use */

	/* where its columns are */
	DlArguments arguments;
	int			count;			/* of arguments after the model */
	DlColumnRuns runs;
	DlRowReader row;			/* of a composite argument */
	bool		may_allocate;

	DlScorer   *scorer;
	uint32_t   *features;
	double	   *results;
	int32_t		width;
} DlPredictCall;

/*
 * Gets ready for the row in fcinfo: finds the model, encodes its columns.
 * NULL when the row as a whole is NULL (an outer join's), then the answer is NULL.
 */
extern DlPredictCall *dl_predict_call(FunctionCallInfo fcinfo);

/* Scores the row; results[width] is filled. */
extern void dl_predict_score(DlPredictCall *call);

/* True when the first argument of a call is a constant. */
extern bool dl_predict_model_is_constant(const Node *expression);

#endif							/* DL_PG_PREDICT_CALL_H */
