/*
 * score_call.h
 *    One call of a scoring function in a node that scores in batches: reads its
 *    arguments row by row, scores all rows of the batch at once, answers.
 *
 * Rows are encoded as they come, for the child's tuple is there for a moment
 * only.  What a value does to a row by itself, as infinity does, it does to that row only when
 * its turn comes: the batch ends before it.
 */
#ifndef DL_PG_SCORE_CALL_H
#define DL_PG_SCORE_CALL_H

#include "postgres.h"

#include "model/model.h"
#include "nodes/execnodes.h"
#include "pg/column_source.h"
#include "pg/model_use.h"
#include "pg/predict_call.h"
#include "pg/score_function.h"

/* One model, and the rows of the batch that it scores. */
typedef struct DlScoreModel
{
	DlModelUse	use;
	Datum		argument;		/* copied; where it is not the same for all rows */
	DlColumnRuns runs;
	int			first;			/* column of the slot, from 0, that position 0 is, where they are read from there */
	DlRowReader row;			/* of rows that come as one value */
	DlScorer   *scorer;			/* for many rows; made when there are */
	MemoryContext scorer_context;	/* its memory, in use.context */
	int64		capacity;		/* of scorer */
	Size		result_bytes;	/* of a row */
	uint32_t   *features;		/* [room, feature_words] */
	char	   *results;		/* [room, result_bytes] */
	bool		checked;		/* the function can be used with it */
	bool		packed;			/* rows can be read from the data of a table's tuple */
	int			room;
	int			rows;
} DlScoreModel;

typedef struct DlScoreCall
{
	FuncExpr   *expression;		/* on the columns of the slots that it gets */
	const DlScoreFunction *function;
	TupleDesc	answer_type;	/* of a row returned */
	MemoryContext context;		/* of the query */
	ExprState  *guard;			/* NULL: none */

	/* the arguments after the model, taken apart */
	DlArguments arguments;
	bool		whole;			/* a row or an array that comes as one value */
	bool		direct;			/* all are columns of the slot: read from there */
	bool		adjacent;		/* and lie side by side there, in turn */
	int			count;
	Oid		   *types;
	TupleDesc	row;			/* names, where a row was taken apart */
	AttrNumber *columns;		/* of the slot; 0: an expression */
	ExprState **states;
	Datum	   *values;
	bool	   *nulls;
	AttrNumber	last_column;	/* that is read from the slot */
	TupleDesc	table;			/* of the tuples that the slots hold, if it is known; else NULL */

	/* the models */
	ExprState  *model_state;	/* NULL: the argument is constant */
	DlScoreModel **models;		/* the one used last is first */
	int			model_count;

	/* what parallel workers used, for EXPLAIN: see score_explain.c */
	int32		worker_version;
	uint32		worker_precisions;

	/* the rows of the batch */
	bool		plain;			/* all are rows of the first model, in turn */
	int			room;
	int32	   *positions;		/* in the model's results; -1: the answer is NULL */
	DlScoreModel **row_models;
} DlScoreCall;

/* What a node has done; EXPLAIN shows it. */
typedef struct DlScoreCounters
{
	uint64		batches;
	uint64		rows;
	uint64		nanoseconds;	/* in the kernel */
} DlScoreCounters;

/* parent evaluates; guard is a list of expressions.  Checks the right to call the function. */
extern DlScoreCall *dl_score_call_create(FuncExpr *expression, List *guard, PlanState *parent, MemoryContext context);

/* Before the first row of a batch of up to room rows. */
extern void dl_score_call_begin(DlScoreCall *call, int room);

/*
 * Reads row number row from slot, which econtext has too.  False: it cannot be encoded, and is not the first,
 * so it starts the next batch; then the error is raised.
 */
extern bool dl_score_call_read(DlScoreCall *call, TupleTableSlot *slot, ExprContext *econtext, int row);

/*
 * Before row number row: true when it and those after may be read from the data of table tuples without
 * NULLs that have all columns up to last_column.
 */
extern bool dl_score_call_begin_packed(DlScoreCall *call, int row);

/* The same as dl_score_call_read() for such a tuple. */
static inline bool
dl_score_call_read_packed(DlScoreCall *call, const char *data, int row)
{
	DlScoreModel *m = call->models[0];

	if (unlikely(m->rows >= m->room) ||
		!dl_column_runs_try_packed(&m->runs, data, m->features + (Size) row * (Size) m->use.model->feature_words))
		return false;
	m->rows++;
	return true;
}

/* Memory that one more row takes, after the first was read. */
extern Size dl_score_call_row_bytes(const DlScoreCall *call);

/* Gives back the memory for many rows, after the last batch; another one may come. */
extern void dl_score_call_release(DlScoreCall *call);

/* Scores the rows of the batch. */
extern void dl_score_call_run(DlScoreCall *call, DlScoreCounters *counters);

/* The answer of a row, in the current context. */
extern Datum dl_score_call_answer(const DlScoreCall *call, int row, bool *isnull);

/* The results of a batch that is plain, for the values of dl.predict; NULL otherwise. */
extern const double *dl_score_call_values(const DlScoreCall *call);

#endif							/* DL_PG_SCORE_CALL_H */
