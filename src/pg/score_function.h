/*
 * score_function.h
 *    The functions that score, as SQL has them: one table of what each asks of a
 *    model, and of how its answer is made from a row's results.
 */
#ifndef DL_PG_SCORE_FUNCTION_H
#define DL_PG_SCORE_FUNCTION_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "model/model.h"

typedef struct DlScoreFunction
{
	const char *name;			/* "dl.predict" */
	const char *symbol;			/* of the C function */
	bool		hidden;			/* its results are the hidden layer's floats, else the doubles of dl_scorer_run() */
	bool		composite;		/* its answer is a row */

	/* Raises the error for a model that the function cannot be used with. */
	void		(*check) (const DlModel *model);

	/* The answer for a row's results, in the current context; type is that of the row returned, or NULL. */
	Datum		(*answer) (const DlModel *model, const void *results, TupleDesc type);
} DlScoreFunction;

typedef enum DlScoreKind
{
	DL_SCORE_PREDICT,
	DL_SCORE_CLASSIFY,
	DL_SCORE_PROBABILITIES,
	DL_SCORE_PREDICT_ARRAY,
	DL_SCORE_EMBED,
	DL_SCORE_PREDICT_INTERVAL,
	DL_SCORE_KINDS
} DlScoreKind;

extern const DlScoreFunction dl_score_functions[DL_SCORE_KINDS];

/* The function of pg_proc with that oid, or NULL.  Cheap: what is found out is kept while pg_proc stays as it is. */
extern const DlScoreFunction *dl_score_function(Oid oid);

#endif							/* DL_PG_SCORE_FUNCTION_H */
