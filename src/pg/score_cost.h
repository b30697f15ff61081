/*
 * score_cost.h
 *    What calls of scoring functions cost, in the planner's units.
 */
#ifndef DL_PG_SCORE_COST_H
#define DL_PG_SCORE_COST_H

#include "postgres.h"

#include "nodes/plannodes.h"

/*
 * The planner has charged a plan for the calls in its filters and target list.  When these move to a node right above, so does
 * the charge; plan has its own again, and the rows that come before the filters.
 */
extern void dl_score_cost_above(Plan *node, Plan *plan, List *filters, List *targetlist);

/* The same of calls that the parent is charged for, and that become columns of a node right above plan. */
extern void dl_score_cost_below(Plan *node, const Plan *plan, List *columns);

#endif							/* DL_PG_SCORE_COST_H */
