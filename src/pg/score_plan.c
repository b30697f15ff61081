/*
 * score_plan.c
 *    Puts nodes that score in batches into finished plans.
 *
 * A list says which nodes of a plan are taken (score_insert.c); all others, and what score_hoist.c
 * leaves, call the functions row by row.
 *
 * Filters keep their order: what comes after one that scores moves with it, so
 * that a policy of row security is never overtaken.  Each filter that scores, and the target
 * list, get a node each, so that rows that are filtered out are not scored further.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"

#include "pg/compat.h"
#include "pg/score_function.h"
#include "pg/score_insert.h"
#include "pg/score_plan.h"
#include "pg/settings.h"

static planner_hook_type previous_planner;

/* ---- walking a plan ---- */

typedef void (*VisitPlan) (Plan **plan, void *context);

static void
each_of(List *plans, VisitPlan visit, void *context)
{
	ListCell   *lc;

	foreach(lc, plans)
		visit((Plan **) &lfirst(lc), context);
}

static void
each_child(Plan *plan, VisitPlan visit, void *context)
{
	if (plan->lefttree != NULL)
		visit(&plan->lefttree, context);
	if (plan->righttree != NULL)
		visit(&plan->righttree, context);
	switch (nodeTag(plan))
	{
		case T_Append:
			each_of(((Append *) plan)->appendplans, visit, context);
			break;
		case T_MergeAppend:
			each_of(((MergeAppend *) plan)->mergeplans, visit, context);
			break;
		case T_SubqueryScan:
			visit(&((SubqueryScan *) plan)->subplan, context);
			break;
		case T_CustomScan:
			each_of(((CustomScan *) plan)->custom_plans, visit, context);
			break;
		case T_ModifyTable:
			dl_each_modify_table_plan_compat(each_of, (ModifyTable *) plan, visit, context);
			break;
		default:
			break;
	}
}

/* Whether a node may stop before it has read all rows of its children, whatever its parent does. */
static bool
stops_early(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Limit:
		case T_MergeJoin:
			return true;
		case T_NestLoop:
			return ((const Join *) plan)->inner_unique || ((const Join *) plan)->jointype == JOIN_SEMI ||
				((const Join *) plan)->jointype == JOIN_ANTI;
		case T_WindowAgg:
			return dl_has_run_condition_compat((const WindowAgg *) plan);
		default:
			return false;
	}
}

/* What has to be known before anything is changed. */
static void
survey(Plan **plan, void *context)
{
	DlRewrite    *rewrite = context;
	ListCell   *lc;

	check_stack_depth();
	rewrite->last_id = Max(rewrite->last_id, (*plan)->plan_node_id);
	rewrite->may_stop = rewrite->may_stop || stops_early(*plan);
	foreach(lc, (*plan)->initPlan)
	{
		SubPlan    *subplan = lfirst(lc);

		if (subplan->subLinkType == EXPR_SUBLINK || subplan->subLinkType == ARRAY_SUBLINK ||
			subplan->subLinkType == CTE_SUBLINK)
			rewrite->read_whole = bms_add_member(rewrite->read_whole, subplan->plan_id);
	}
	each_child(*plan, survey, context);
}

static bool
calls_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && dl_score_function(((FuncExpr *) node)->funcid) != NULL)
		return true;
	return expression_tree_walker(node, calls_walker, context);
}

/* context: bool */
static void
find_calls(Plan **plan, void *context)
{
	bool	   *found = context;

	check_stack_depth();
	*found = *found || calls_walker((Node *) (*plan)->targetlist, NULL) || calls_walker((Node *) (*plan)->qual, NULL);
	if (!*found && (IsA(*plan, NestLoop) || IsA(*plan, MergeJoin) || IsA(*plan, HashJoin)))
		*found = calls_walker((Node *) ((Join *) *plan)->joinqual, NULL);
	if (!*found && IsA(*plan, HashJoin))
		*found = calls_walker((Node *) ((HashJoin *) *plan)->hashclauses, NULL);
	if (!*found)
		each_child(*plan, find_calls, context);
}

static bool
statement_calls(PlannedStmt *statement)
{
	bool		found = false;

	find_calls(&statement->planTree, &found);
	for (int i = 0; i < list_length(statement->subplans) && !found; i++)
		if (list_nth(statement->subplans, i) != NULL)
			find_calls((Plan **) &lfirst(list_nth_cell(statement->subplans, i)), &found);
	return found;
}

/* context: bool */
static void
find_volatile(Plan **plan, void *context)
{
	bool	   *found = context;

	*found = *found || IsA(*plan, LockRows) || contain_volatile_functions((Node *) (*plan)->targetlist) ||
		contain_volatile_functions((Node *) (*plan)->qual);
	if (!*found && (IsA(*plan, NestLoop) || IsA(*plan, MergeJoin) || IsA(*plan, HashJoin)))
		*found = contain_volatile_functions((Node *) ((Join *) *plan)->joinqual);
	if (!*found)
		each_child(*plan, find_volatile, context);
}

/* Where rows may be read that nobody asks for, computing them must have no effect. */
static bool
may_read_ahead(Plan *plan, bool early_stop)
{
	bool		found = false;

	if (early_stop)
		find_volatile(&plan, &found);
	return !found;
}

/* ---- the whole plan ---- */

typedef struct Place
{
	DlRewrite    *rewrite;
	bool		early_stop;		/* the parent may stop before it has read all rows */
	bool		streams;		/* so does the plan where its caller asks for some rows only */
	bool		marks;			/* the parent goes back to a row that it marked */
} Place;

/* A plain limit right above tells the node how many rows it needs, at least. */
static void
tell_limit(Limit *limit)
{
	Plan	   *child = limit->plan.lefttree;
	CustomScan *node;
	List	   *counts;

	while (child != NULL && IsA(child, Result) && child->qual == NIL)
		child = child->lefttree;
	if (child == NULL || !IsA(child, CustomScan) || ((CustomScan *) child)->methods != &dl_score_scan_methods)
		return;
	node = (CustomScan *) child;
	if (limit->limitCount == NULL ||
		!(IsA(limit->limitCount, Const) || IsA(limit->limitCount, Param)) ||
		!(limit->limitOffset == NULL || IsA(limit->limitOffset, Const) || IsA(limit->limitOffset, Param)))
		return;
	counts = list_make1(copyObject(limit->limitCount));
	if (limit->limitOffset != NULL)
		counts = lappend(counts, copyObject(limit->limitOffset));
	lfirst(list_nth_cell(node->custom_private, DL_SCORE_LIMIT)) = counts;
}

/* Whether a node reads all rows of its child before it gives one. */
static bool
reads_all_first(const Plan *plan)
{
	const Agg  *agg = (const Agg *) plan;

	return IsA(plan, Sort) || IsA(plan, Hash) ||
		(IsA(plan, Agg) && (agg->aggstrategy == AGG_PLAIN || agg->aggstrategy == AGG_HASHED));
}

static void transform(Plan **plan, void *context);

static void
transform_join(Plan *plan, const Place *place)
{
	bool		merge = IsA(plan, MergeJoin);
	Place		outer = {place->rewrite, place->early_stop || merge, place->streams, false};
	Place		inner = {place->rewrite, !IsA(plan, NestLoop) || place->early_stop || stops_early(plan), place->streams, merge};

	transform(&plan->lefttree, &outer);
	transform(&plan->righttree, &inner);
}

static void
transform_children(Plan *plan, const Place *place)
{
	Place		below = {place->rewrite, place->early_stop, place->streams, false};

	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			transform_join(plan, place);
			return;
		case T_Limit:
		case T_WindowAgg:
			below.early_stop = place->early_stop || stops_early(plan);
			break;
		case T_Sort:
		case T_Hash:
		case T_Agg:
			if (reads_all_first(plan))
				below.early_stop = below.streams = false;
			break;
		case T_Result:
			below.marks = place->marks;
			break;
		default:
			break;
	}
	each_child(plan, transform, &below);
}

/* Who asks for batches gets them for one row, too. */
static bool
stands_aside(const Plan *plan, const Plan *caller)
{
	return !dl_setting_require_batched_scoring() && dl_score_single_row(plan, caller);
}

static void
transform(Plan **where, void *context)
{
	const Place *place = context;
	DlRewrite    *rewrite = place->rewrite;
	Plan	   *plan = *where;
	Plan	   *above;
	bool		below_stops = !reads_all_first(plan) && (place->early_stop || stops_early(plan));
	int			gathers = IsA(plan, Gather) || IsA(plan, GatherMerge);

	check_stack_depth();
	rewrite->gathers += gathers;
	transform_children(plan, place);
	rewrite->gathers -= gathers;
	rewrite->streams = place->streams && !reads_all_first(plan);
	if (dl_score_computes_below(plan))
		dl_score_reuse(plan, rewrite);
	if (dl_score_computes_below(plan) && !place->marks && may_read_ahead(plan->lefttree, below_stops) &&
		!stands_aside(plan->lefttree, plan))
		while (dl_score_below(plan, below_stops, rewrite))
			;
	if (IsA(plan, HashJoin) && may_read_ahead(plan, place->early_stop))
	{
		while (dl_score_hashed((HashJoin *) plan, false, place->early_stop, rewrite))
			;
		rewrite->streams = false;
		while (dl_score_hashed((HashJoin *) plan, true, false, rewrite))
			;
	}
	rewrite->streams = place->streams;
	if (IsA(plan, Limit))
		tell_limit((Limit *) plan);
	if (place->marks || !dl_score_computes_above(plan) || !may_read_ahead(plan, place->early_stop) || stands_aside(plan, plan))
		return;
	while ((above = dl_score_above(plan, place->early_stop, rewrite)) != NULL)
		plan = above;
	*where = plan;
}

static void
rewrite_statement(PlannedStmt *statement, bool cursor)
{
	DlRewrite		rewrite = {.statement = statement};
	Place		place = {&rewrite, cursor, true, false};

	survey(&statement->planTree, &rewrite);
	for (int i = 0; i < list_length(statement->subplans); i++)
		if (list_nth(statement->subplans, i) != NULL)
			survey((Plan **) &lfirst(list_nth_cell(statement->subplans, i)), &rewrite);
	/* a subplan that is not read to its end may be what reads a CTE */
	rewrite.may_stop = rewrite.may_stop || bms_num_members(rewrite.read_whole) < list_length(statement->subplans);

	transform(&statement->planTree, &place);
	for (int i = 0; i < list_length(statement->subplans); i++)
	{
		place.early_stop = cursor || rewrite.may_stop || !bms_is_member(i + 1, rewrite.read_whole);
		if (list_nth(statement->subplans, i) != NULL)
			transform((Plan **) &lfirst(list_nth_cell(statement->subplans, i)), &place);
	}
}

/*
 * A cursor that could go backwards, or be updated at its row, still can: it keeps
 * its plan where the new one could not.  A declared NO SCROLL, it never could.
 */
static PlannedStmt *
score_statement(PlannedStmt *statement, int cursor_options)
{
	bool		cursor = (cursor_options & (CURSOR_OPT_FAST_PLAN | CURSOR_OPT_SCROLL | CURSOR_OPT_NO_SCROLL)) != 0;
	bool		backwards = cursor && (cursor_options & CURSOR_OPT_NO_SCROLL) == 0 &&
		statement->commandType == CMD_SELECT && ExecSupportsBackwardScan(statement->planTree);
	PlannedStmt *result = backwards ? copyObject(statement) : statement;

	rewrite_statement(result, cursor);
	return backwards && !ExecSupportsBackwardScan(result->planTree) ? statement : result;
}

static PlannedStmt *
score_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo parameters)
{
	PlannedStmt *statement = previous_planner != NULL ?
		previous_planner(parse, query_string, cursor_options, parameters) :
		standard_planner(parse, query_string, cursor_options, parameters);

	if (dl_setting_batched_scoring() && statement->planTree != NULL && statement_calls(statement))
		statement = score_statement(statement, cursor_options);
	return statement;
}

void
dl_score_plan_init(void)
{
	previous_planner = planner_hook;
	planner_hook = score_planner;
}
