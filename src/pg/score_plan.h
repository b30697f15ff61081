/*
 * score_plan.h
 *    Scoring in the executor: how the planner tells the node what to do.
 *
 * The node is a CustomScan without a relation.  Its scan tuple
 * (custom_scan_tlist) has columns of the child, which are Vars of OUTER_VAR, and calls of
 * scoring functions on such; target list and quals refer to it by INDEX_VAR, as
 * those of every CustomScan do.
 */
#ifndef DL_PG_SCORE_PLAN_H
#define DL_PG_SCORE_PLAN_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

/* What custom_private holds, in this order. */
typedef enum DlScorePrivate
{
	DL_SCORE_FORWARDED,			/* list of int: columns of the scan tuple, from 1, that are needed above; the others are NULL */
	DL_SCORE_GUARDS,			/* a list for each column of the scan tuple: where one of its expressions, on the child's
								 * columns, is not true, the call is not made; NIL: it always is */
	DL_SCORE_LIMIT,				/* expressions whose sum is how many rows are asked for at most; NIL: not known */
	DL_SCORE_FLAGS				/* one integer of bits */
} DlScorePrivate;

/* Rows may be read that nobody asks for. */
#define DL_SCORE_EARLY_STOP 0x01

/* So they are where the caller of the executor asks for some rows only, as FETCH and SELECT INTO do. */
#define DL_SCORE_STREAMS 0x02

/* An argument or guard may raise an error: then such a caller has rows read one by one. */
#define DL_SCORE_MAY_RAISE 0x04

/* One of many below an Append, which run in turn: memory for batches goes when the rows have ended. */
#define DL_SCORE_ONE_OF_MANY 0x08

extern const CustomScanMethods dl_score_scan_methods;

/* Installs the planner's hook and makes the node known; called once per process. */
extern void dl_score_plan_init(void);
extern void dl_score_node_init(void);

/* Moving scoring calls out of expressions: score_hoist.c. */
typedef struct DlHoist
{
	/* how the expressions see the child, and what becomes of that */
	bool		above;			/* the node comes above: leaves become columns of the child; else they are such already */
	Index		input;			/* not above: OUTER_VAR or INNER_VAR, which the child's columns are for */
	bool		whole;			/* calls are moved from anywhere; else only from the arguments of aggregates */
	bool		early_stop;
	List	   *child_tlist;	/* of the child: above, it grows by what is needed */
	List	   *columns;		/* TargetEntry: the scan tuple of the node */
	List	   *guards;			/* of each column */
	Index		scanrelid;		/* of the child; 0 when it is no scan */
	List	   *rtable;

	/* in the course of an expression */
	int			frozen;			/* above 0: no call is moved here, but for what is a column already */
	bool		in_aggregate;
	List	   *guard;			/* expressions that must be true here, on the child's columns */
	int			moved;			/* calls */
} DlHoist;

/* The expression with calls replaced by columns of the node. */
extern Node *dl_hoist(Node *node, DlHoist *hoist);

/* Whether an expression has a call that dl_hoist() would move. */
extern bool dl_hoist_would_move(Node *node, const DlHoist *hoist);

#endif							/* DL_PG_SCORE_PLAN_H */
