/*
 * score_insert.h
 *    Puts one node that scores in batches into a finished plan.
 */
#ifndef DL_PG_SCORE_INSERT_H
#define DL_PG_SCORE_INSERT_H

#include "postgres.h"

#include "pg/score_plan.h"

/* A statement's plan while it is changed. */
typedef struct DlRewrite
{
	PlannedStmt *statement;
	int			last_id;		/* of the plan's nodes */
	bool		may_stop;		/* some node stops before it has read all rows of its children */
	Bitmapset  *read_whole;		/* subplans, from 1, that are read to their end */
	bool		streams;		/* rows of the place in hand come out of the plan as they are read */
	int			gathers;		/* that the plan in hand lies below: parallel workers run it */
	bool		one_of_many;	/* so will be the nodes that are made now */
} DlRewrite;

/* Whether a node may stand above or below a node of such a kind. */
extern bool dl_score_computes_above(const Plan *plan);
extern bool dl_score_computes_below(const Plan *plan);

/*
 * Each puts in one node at most, for some of the calls; NULL or false: there is none left to move.  early_stop: not all
 * rows of plan (above) or of its child need be asked for.  The first gives the node that takes plan's place.
 */
extern Plan *dl_score_above(Plan *plan, bool early_stop, DlRewrite *rewrite);
extern bool dl_score_below(Plan *plan, bool early_stop, DlRewrite *rewrite);

/* Between a hash join, or its hash where inner, and their child. */
extern bool dl_score_hashed(HashJoin *join, bool inner, bool early_stop, DlRewrite *rewrite);

/* Replaces calls that plan makes of what its child, a node that scores, has scored: score_reuse.c. */
extern void dl_score_reuse(Plan *plan, const DlRewrite *rewrite);

/*
 * Whether plan gives one row at most each time it runs, and caller, plan itself or the node above it, calls no scoring
 * function twice with the same arguments: then calling them row by row is cheaper than a node.  score_single.c.
 */
extern bool dl_score_single_row(const Plan *plan, const Plan *caller);

/* The table that a node scans, whose columns it can be asked for; 0: none. */
extern Index dl_score_scanned_relation(const Plan *plan);

#endif							/* DL_PG_SCORE_INSERT_H */
