/*
 * score_cost.c
 *    What scoring costs: for the planner, which asks by the functions' support
 *    function, and for EXPLAIN, in the nodes that score in batches.
 *
 * The cost grows with the bytes of the model, which are known without decoding it.  The bytes are
 * those of the weights but for a few thousand, and a network computes about one multiply-add a
 * weight.  How the constants were measured is in docs/scoring.md.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "pg/compat.h"
#include "pg/registry.h"
#include "pg/score_cost.h"
#include "pg/score_function.h"

PG_FUNCTION_INFO_V1(dl_sql_scoring_support);

/*
 * For a row of a batch.  A row by itself costs half as much again, or more; but plans are the same with and without
 * batches, so that their answers are.
 */
#define BYTES_AN_OPERATOR 1000.0	/* of the model: each so many cost as much as one operator of the planner */
#define ROW_OPERATORS 1.0		/* a row, apart from the network */
#define LEAST_OPERATORS 11.0	/* the planner puts off until after LIMIT what costs more than 10 */

/* Bytes of the model that a call means; -1: not known, or not for this user to know. */
static int64
model_bytes(const FuncExpr *call)
{
	const Const *model = call->args == NIL ? NULL : linitial(call->args);

	if (model == NULL || !IsA(model, Const) || model->constisnull)
		return -1;
	if (model->consttype == TEXTOID)
		return dl_registry_size(TextDatumGetCString(model->constvalue), 0, DL_RIGHT_USE);
	return (int64) toast_raw_datum_size(model->constvalue) - VARHDRSZ;
}

/* Where nothing is known the planner takes the cost that CREATE FUNCTION says. */
Datum
dl_sql_scoring_support(PG_FUNCTION_ARGS)
{
	SupportRequestCost *request = (SupportRequestCost *) PG_GETARG_POINTER(0);
	int64		bytes;

	if (!IsA(request, SupportRequestCost) || request->node == NULL || !IsA(request->node, FuncExpr))
		PG_RETURN_POINTER(NULL);
	bytes = model_bytes((FuncExpr *) request->node);
	if (bytes < 0)
		PG_RETURN_POINTER(NULL);
	request->startup = 0;
	request->per_tuple = Max(ROW_OPERATORS + (double) bytes / BYTES_AN_OPERATOR, LEAST_OPERATORS) * cpu_operator_cost;
	PG_RETURN_POINTER(request);
}

/* ---- the nodes ---- */

static bool
cost_walker(Node *node, void *context)
{
	QualCost   *cost = context;

	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && dl_score_function(((FuncExpr *) node)->funcid) != NULL)
		add_function_cost(NULL, ((FuncExpr *) node)->funcid, node, cost);
	return expression_tree_walker(node, cost_walker, context);
}

/* Of the scoring calls in an expression, for one row. */
static Cost
expression_cost(List *expression)
{
	QualCost	cost = {0, 0};

	cost_walker((Node *) expression, &cost);
	return cost.per_tuple;
}

/* What the planner assumes of a comparison with something that it has no statistics of, as an answer of a model. */
static double
comparison_selectivity(const OpExpr *comparison)
{
	switch (get_oprrest(comparison->opno))
	{
		case F_SCALARLTSEL:
		case F_SCALARLESEL:
		case F_SCALARGTSEL:
		case F_SCALARGESEL:
			return DEFAULT_INEQ_SEL;
		case F_EQSEL:
			return 1.0 / DEFAULT_NUM_DISTINCT;
		case F_NEQSEL:
			return 1.0 - 1.0 / DEFAULT_NUM_DISTINCT;
		default:
			return 0.5;
	}
}

/* Whether the second of two comparisons bounds the same thing from the other side. */
static bool
closes_range(const Node *first, const Node *second)
{
	RegProcedure a = IsA(first, OpExpr) ? get_oprrest(((const OpExpr *) first)->opno) : InvalidOid;
	RegProcedure b = IsA(second, OpExpr) ? get_oprrest(((const OpExpr *) second)->opno) : InvalidOid;
	bool		below = a == F_SCALARLTSEL || a == F_SCALARLESEL;
	bool		above = a == F_SCALARGTSEL || a == F_SCALARGESEL;

	if (!(below && (b == F_SCALARGTSEL || b == F_SCALARGESEL)) && !(above && (b == F_SCALARLTSEL || b == F_SCALARLESEL)))
		return false;
	return equal(linitial(((const OpExpr *) first)->args), linitial(((const OpExpr *) second)->args));
}

static double
selectivity(List *filters)
{
	double		result = 1;
	const Node *previous = NULL;
	ListCell   *lc;

	foreach(lc, filters)
	{
		const Node *filter = lfirst(lc);

		if (previous != NULL && closes_range(previous, filter))
			result *= DEFAULT_RANGE_INEQ_SEL / DEFAULT_INEQ_SEL;
		else
			result *= IsA(filter, OpExpr) ? comparison_selectivity((const OpExpr *) filter) : 0.5;
		previous = filter;
	}
	return result;
}

void
dl_score_cost_above(Plan *node, Plan *plan, List *filters, List *targetlist)
{
	double		read = plan->plan_rows <= 1 ? plan->plan_rows : rint(plan->plan_rows / selectivity(filters));
	Cost		charge = expression_cost(filters) * read + expression_cost(targetlist) * plan->plan_rows;

	node->startup_cost = plan->startup_cost;
	node->total_cost = plan->total_cost;
	node->plan_rows = plan->plan_rows;
	plan->total_cost = Max(plan->total_cost - charge, plan->startup_cost);
	plan->plan_rows = read;
}

void
dl_score_cost_below(Plan *node, const Plan *plan, List *columns)
{
	node->startup_cost = plan->startup_cost;
	node->total_cost = plan->total_cost + expression_cost(columns) * plan->plan_rows;
	node->plan_rows = plan->plan_rows;
}
