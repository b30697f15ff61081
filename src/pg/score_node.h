/*
 * score_node.h
 *    The state of a node that scores in batches.
 */
#ifndef DL_PG_SCORE_NODE_H
#define DL_PG_SCORE_NODE_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "pg/score_batch.h"
#include "pg/score_call.h"

struct DlScoreState;
struct DlScoreShared;

/* A filter that compares a score with a value: evaluated on the batch. */
typedef struct DlScoreFilter
{
	bool		(*comparison) (float8 score, float8 value); /* NULL: there is none */
	int			call;			/* whose score it is */
	ExprState  *value;			/* evaluated once for each batch */
} DlScoreFilter;

/* False when the expression is no such filter. */
extern bool dl_score_filter_create(DlScoreFilter *filter, Node *expression, struct DlScoreState *state);

/* Writes the rows that pass to state->selected, and returns how many. */
extern int	dl_score_filter_run(const DlScoreFilter *filter, struct DlScoreState *state, int rows);

typedef struct DlScoreState
{
	CustomScanState css;		/* first */
	MemoryContext context;		/* what lives as long as the node */
	ExprContext *input_context; /* for expressions on the child's columns */
	bool		early_stop;
	bool		streams;		/* rows come out of the plan as they are read */
	bool		may_raise;		/* evaluating an argument may raise an error */
	bool		one_of_many;	/* other nodes come after this one: see score_plan.h */
	bool		reads_table;	/* in the place of the sequential scan below */
	bool		reads_heap;		/* whose tuples are PostgreSQL's own */
	bool		bare;			/* of each row only the calls' arguments are needed */
	bool		bare_result;	/* nothing is evaluated for a row that is handed on */
	const double *values;		/* of the batch, where the only column is one of dl.predict; else NULL */
	List	   *limit;			/* of ExprState */
	int			call_count;
	DlScoreCall **calls;
	AttrNumber *targets;		/* of the calls, in the scan tuple */
	DlScoreFilter filter;

	AttrNumber	last_column;	/* that a tuple must have for all calls to read it as it lies */
	DlScoreBatch batch;
	int			next;			/* row of the batch, or of selected, to hand on */
	int			selected_count;
	int			selected_room;
	int32	   *selected;
	TupleTableSlot *pending;	/* was read, and starts the next batch */
	bool		pending_counted;	/* EXPLAIN counts it as read already */
	bool		finished;		/* the child has no more rows */
	int64		rows_read;		/* since the last rescan */

	DlScoreCounters counters;
	struct DlScoreShared *shared;	/* counters of all processes */
} DlScoreState;

extern const CustomExecMethods dl_score_exec_methods;

#endif							/* DL_PG_SCORE_NODE_H */
