/*
 * score_insert.c
 *    Puts one node that scores in batches above or below a node of a finished
 *    plan.
 *
 * Above a node that computes expressions on what it reads, which then only hands on what those need: target list and
 * filter move up.  Below a node whose expressions are on its child's columns (arguments of aggregates,
 * Result, ProjectSet, what is hashed): the child's columns keep their numbers, scores are appended. Where the child is an
 * Append of tables each of them gets a node, which reads it itself.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

#include "pg/compat.h"
#include "pg/score_cost.h"
#include "pg/score_insert.h"

#define FEW_TABLES 8			/* that may keep the memory of their batches until the statement ends */

static CustomScan *
make_node(DlRewrite *rewrite, Plan *child, const DlHoist *h)
{
	CustomScan *node = makeNode(CustomScan);
	Plan	   *plan = &node->scan.plan;

	plan->plan_width = child->plan_width;
	plan->parallel_aware = rewrite->gathers > 0;	/* it gets shared memory, for its counters */
	plan->parallel_safe = child->parallel_safe;
	plan->plan_node_id = ++rewrite->last_id;
	plan->lefttree = child;
	node->custom_scan_tlist = h->columns;
	node->methods = &dl_score_scan_methods;
	return node;
}

/* The child gives rows to the node only, and in its own time: postgres_fdw's asynchronous scans would not. */
static void
adopt(Plan *child)
{
	dl_set_plan_synchronous_compat(child);
}

static bool
may_raise(const DlHoist *h)
{
	ListCell   *lc;

	foreach(lc, h->columns)
	{
		Node	   *expression = (Node *) ((TargetEntry *) lfirst(lc))->expr;

		if (IsA(expression, FuncExpr) && contain_leaked_vars((Node *) ((FuncExpr *) expression)->args))
			return true;
	}
	foreach(lc, h->guards)
		if (contain_leaked_vars(lfirst(lc)))
			return true;
	return false;
}

static List *
private_list(const DlRewrite *rewrite, List *forwarded, const DlHoist *h)
{
	int			flags = (h->early_stop ? DL_SCORE_EARLY_STOP : 0) | (rewrite->streams ? DL_SCORE_STREAMS : 0) |
	(may_raise(h) ? DL_SCORE_MAY_RAISE : 0) | (rewrite->one_of_many ? DL_SCORE_ONE_OF_MANY : 0);

	return list_make4(forwarded, h->guards, NIL, list_make1_int(flags));
}

Index
dl_score_scanned_relation(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_BitmapHeapScan:
		case T_TidScan:
			return ((const Scan *) plan)->scanrelid;
		case T_ForeignScan:
			return ((const ForeignScan *) plan)->fdw_scan_tlist == NIL ? ((const Scan *) plan)->scanrelid : 0;
		default:
			return 0;
	}
}

/* Takes the target list with what replaces its expressions. */
static List *
with_expressions(List *tlist, List *mutated)
{
	List	   *result = NIL;
	ListCell   *lc;
	ListCell   *m;

	forboth(lc, tlist, m, mutated)
	{
		TargetEntry *entry = flatCopyTargetEntry(lfirst(lc));

		entry->expr = ((TargetEntry *) lfirst(m))->expr;
		result = lappend(result, entry);
	}
	return result;
}

/* ---- above ---- */

bool
dl_score_computes_above(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_WorkTableScan:
		case T_NamedTuplestoreScan:
		case T_ForeignScan:
		case T_NestLoop:
		case T_HashJoin:
		case T_MergeJoin:
		case T_Gather:
		case T_GatherMerge:
		case T_Agg:
		case T_Group:
			return true;
		case T_WindowAgg:
			return !dl_has_run_condition_compat((const WindowAgg *) plan);
		case T_CustomScan:
			return ((const CustomScan *) plan)->methods == &dl_score_scan_methods;
		default:
			return dl_is_tid_range_scan_compat(plan);
	}
}

/*
 * The filter of an inner join is as good above it, but where the join stops at
 * the first match because the planner has proved that there is no other.
 */
static List **
movable_join_filter(Plan *plan)
{
	Join	   *join = (Join *) plan;

	if ((IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin)) &&
		join->jointype == JOIN_INNER && !join->inner_unique)
		return &join->joinqual;
	return NULL;
}

/* Which of quals is the first that scores; -1: none. */
static int
first_scoring(List *quals, const DlHoist *h)
{
	for (int i = 0; i < list_length(quals); i++)
		if (dl_hoist_would_move(list_nth(quals, i), h))
			return i;
	return -1;
}

/* Takes the filters from the first that scores on; NIL: none does. */
static List *
take_filters(Plan *plan, const DlHoist *h)
{
	List	  **join_filter = movable_join_filter(plan);
	int			first = join_filter == NULL ? -1 : first_scoring(*join_filter, h);
	List	   *taken;

	if (first >= 0)
	{
		taken = list_concat(list_copy_tail(*join_filter, first), plan->qual);
		*join_filter = list_truncate(list_copy(*join_filter), first);
		plan->qual = NIL;
		return taken;
	}
	first = first_scoring(plan->qual, h);
	if (first < 0)
		return NIL;
	taken = list_copy_tail(plan->qual, first);
	plan->qual = list_truncate(list_copy(plan->qual), first);
	return taken;
}

static List *
all_columns(const DlHoist *h)
{
	List	   *result = NIL;

	for (int i = 1; i <= list_length(h->columns); i++)
		result = lappend_int(result, i);
	return result;
}

/* Puts one node above plan; NULL: nothing there to move. */
Plan *
dl_score_above(Plan *plan, bool early_stop, DlRewrite *rewrite)
{
	DlHoist		h = {.above = true,.whole = true,.early_stop = early_stop,.scanrelid = dl_score_scanned_relation(plan),
	.rtable = rewrite->statement->rtable};
	List	   *filters = take_filters(plan, &h);
	List	   *quals = NIL;
	List	   *tlist;
	CustomScan *node;
	ListCell   *lc;

	if (filters == NIL && !dl_hoist_would_move((Node *) plan->targetlist, &h))
		return NULL;
	foreach(lc, filters)
	{
		quals = lappend(quals, dl_hoist(lfirst(lc), &h));
		h.frozen = 1;
	}
	tlist = with_expressions(plan->targetlist, (List *) dl_hoist((Node *) plan->targetlist, &h));

	node = make_node(rewrite, plan, &h);
	dl_score_cost_above(&node->scan.plan, plan, filters, plan->targetlist);
	node->scan.plan.targetlist = tlist;
	node->scan.plan.qual = quals;
	node->scan.plan.initPlan = plan->initPlan;
	node->scan.plan.extParam = bms_copy(plan->extParam);
	node->scan.plan.allParam = bms_copy(plan->allParam);
	node->custom_private = private_list(rewrite, all_columns(&h), &h);
	plan->initPlan = NIL;
	plan->targetlist = h.child_tlist;
	adopt(plan);
	return (Plan *) node;
}

/* ---- below ---- */

typedef struct UsedColumns
{
	Index		varno;
	Bitmapset  *columns;
} UsedColumns;

static bool
columns_walker(Node *node, void *context)
{
	UsedColumns *used = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && (Index) ((Var *) node)->varno == used->varno)
		used->columns = bms_add_member(used->columns, ((Var *) node)->varattno);
	return expression_tree_walker(node, columns_walker, context);
}

static List *
column_list(const Bitmapset *columns)
{
	List	   *result = NIL;
	int			i = -1;

	while ((i = bms_next_member(columns, i)) >= 0)
		result = lappend_int(result, i);
	return result;
}

static Bitmapset *
add_columns(Bitmapset *columns, const AttrNumber *numbers, int count)
{
	for (int i = 0; i < count; i++)
		columns = bms_add_member(columns, numbers[i]);
	return columns;
}

/* Which of its child's columns a node needs. */
static List *
needed_columns(Plan *plan, const DlHoist *h)
{
	UsedColumns used = {OUTER_VAR, NULL};

	if (IsA(plan, Agg))
	{
		Agg		   *agg = (Agg *) plan;

		if (agg->chain != NIL || agg->groupingSets != NIL)
			return all_columns(h);
		used.columns = add_columns(used.columns, agg->grpColIdx, agg->numCols);
	}
	else if (IsA(plan, WindowAgg))
	{
		WindowAgg  *window = (WindowAgg *) plan;

		used.columns = add_columns(used.columns, window->partColIdx, window->partNumCols);
		used.columns = add_columns(used.columns, window->ordColIdx, window->ordNumCols);
	}
	columns_walker((Node *) plan->targetlist, &used);
	columns_walker((Node *) plan->qual, &used);
	return column_list(used.columns);
}

static void
begin_columns(DlHoist *h, Plan *child)
{
	ListCell   *lc;

	h->child_tlist = list_copy(child->targetlist);
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst(lc);
		Node	   *expression = (Node *) entry->expr;

		h->columns = lappend(h->columns, makeTargetEntry((Expr *) makeVar(OUTER_VAR, entry->resno, exprType(expression),
																		 exprTypmod(expression),
																		 exprCollation(expression), 0),
														 entry->resno, entry->resname, false));
		h->guards = lappend(h->guards, NIL);
	}
}

/* All columns of the node, seen as those of varno. */
static List *
columns_tlist(const DlHoist *h, Index varno)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, h->columns)
	{
		TargetEntry *entry = lfirst(lc);
		Node	   *expression = (Node *) entry->expr;

		result = lappend(result, makeTargetEntry((Expr *) makeVar(varno, entry->resno, exprType(expression),
																 exprTypmod(expression), exprCollation(expression), 0),
												 entry->resno, entry->resname, false));
	}
	return result;
}

/* Whole rows that nobody needs any more, for their columns have taken their place, are not made. */
static void
drop_whole_rows(Plan *child, const CustomScan *node, List *forwarded)
{
	UsedColumns needed = {OUTER_VAR, NULL};
	ListCell   *lc;

	foreach(lc, node->custom_scan_tlist)
	{
		TargetEntry *entry = lfirst(lc);

		if (!IsA(entry->expr, Var) || list_member_int(forwarded, entry->resno))
			columns_walker((Node *) entry->expr, &needed);
	}
	foreach(lc, list_nth(node->custom_private, DL_SCORE_GUARDS))
		columns_walker(lfirst(lc), &needed);
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst(lc);
		Var		   *var = (Var *) entry->expr;

		if (!IsA(var, Var) || var->varattno != 0 || bms_is_member(entry->resno, needed.columns))
			continue;
		entry = flatCopyTargetEntry(entry);
		entry->expr = (Expr *) makeNullConst(var->vartype, var->vartypmod, var->varcollid);
		lfirst(lc) = entry;
	}
}

/* The child gives what the node needs besides. */
static void
take_columns(Plan *child, const DlHoist *h, const CustomScan *node, List *forwarded)
{
	if (list_length(h->child_tlist) > list_length(child->targetlist))
	{
		child->targetlist = h->child_tlist;
		drop_whole_rows(child, node, forwarded);
	}
	adopt(child);
}

/* The node between child and plan, whose expressions need the forwarded columns. */
static Plan *
put_below(const Plan *plan, Plan *child, List *forwarded, const DlHoist *h, DlRewrite *rewrite)
{
	CustomScan *node = make_node(rewrite, child, h);

	dl_score_cost_below(&node->scan.plan, child, h->columns);
	node->scan.plan.targetlist = columns_tlist(h, INDEX_VAR);
	node->scan.plan.extParam = bms_union(child->extParam, plan->allParam);
	node->scan.plan.allParam = bms_union(child->allParam, plan->allParam);
	node->custom_private = private_list(rewrite, forwarded, h);
	take_columns(child, h, node, forwarded);
	return (Plan *) node;
}

static DlHoist
hoist_below(const Plan *plan, Plan *child, bool early_stop, const DlRewrite *rewrite)
{
	DlHoist		h = {.input = OUTER_VAR,.whole = IsA(plan, Result) || IsA(plan, ProjectSet),.early_stop = early_stop,
		.scanrelid = dl_score_scanned_relation(child),.rtable = rewrite->statement->rtable};

	begin_columns(&h, child);
	return h;
}

/* Whether all that an Append reads are tables, each by a scan in whose place a node can read it. */
static bool
appends_tables(const Plan *plan)
{
	ListCell   *lc;

	if (!IsA(plan, Append) || ((const Append *) plan)->appendplans == NIL)
		return false;
	foreach(lc, ((const Append *) plan)->appendplans)
		if (!IsA(lfirst(lc), SeqScan))
			return false;
	return true;
}

/* A node for each table that append reads, with the same columns; plan's expressions become those that hoists[0] left. */
static void
put_below_append(const Plan *plan, Append *append, const DlHoist *hoists, DlRewrite *rewrite)
{
	List	   *forwarded = needed_columns(unconstify(Plan *, plan), &hoists[0]);
	ListCell   *lc;

	rewrite->one_of_many = list_length(append->appendplans) > FEW_TABLES;
	foreach(lc, append->appendplans)
	{
		Plan	   *child = lfirst(lc);
		Plan	   *node = put_below(plan, child, forwarded, hoists++, rewrite);

		append->plan.total_cost += node->total_cost - child->total_cost;
		lfirst(lc) = node;
	}
	rewrite->one_of_many = false;
	append->plan.targetlist = columns_tlist(hoists - 1, OUTER_VAR);
	append->plan.extParam = bms_union(append->plan.extParam, plan->allParam);
	append->plan.allParam = bms_union(append->plan.allParam, plan->allParam);
}

/* The same as dl_score_below() for partitions: false where their rows do not lead to the same columns. */
static bool
below_append(Plan *plan, Append *append, bool early_stop, DlRewrite *rewrite)
{
	int			count = list_length(append->appendplans);
	DlHoist    *hoists = palloc(sizeof(DlHoist) * (Size) count);
	List	   *tlist = NIL;
	List	   *quals = NIL;

	for (int i = 0; i < count; i++)
	{
		List	   *own_tlist;
		List	   *own_quals;

		hoists[i] = hoist_below(plan, list_nth(append->appendplans, i), early_stop, rewrite);
		own_tlist = (List *) dl_hoist((Node *) plan->targetlist, &hoists[i]);
		own_quals = (List *) dl_hoist((Node *) plan->qual, &hoists[i]);
		if (hoists[i].moved == 0 || list_length(hoists[i].columns) != list_length(hoists[0].columns) ||
			(i > 0 && !(equal(own_tlist, tlist) && equal(own_quals, quals))))
			return false;
		tlist = own_tlist;
		quals = own_quals;
	}
	plan->targetlist = with_expressions(plan->targetlist, tlist);
	plan->qual = quals;
	put_below_append(plan, append, hoists, rewrite);
	return true;
}

/* Puts one node below plan, or one for each table of an Append there; false: nothing there to move. */
bool
dl_score_below(Plan *plan, bool early_stop, DlRewrite *rewrite)
{
	Plan	   *child = plan->lefttree;
	DlHoist		h;
	List	   *tlist;
	List	   *quals;

	if (appends_tables(child) && below_append(plan, (Append *) child, early_stop, rewrite))
		return true;
	h = hoist_below(plan, child, early_stop, rewrite);
	tlist = (List *) dl_hoist((Node *) plan->targetlist, &h);
	quals = (List *) dl_hoist((Node *) plan->qual, &h);
	if (h.moved == 0)
		return false;
	plan->targetlist = with_expressions(plan->targetlist, tlist);
	plan->qual = quals;

	plan->lefttree = put_below(plan, child, needed_columns(plan, &h), &h, rewrite);
	return true;
}

/* The same of one child of a hash join. */
static List *
needed_of_child(HashJoin *join, bool inner)
{
	UsedColumns used = {inner ? INNER_VAR : OUTER_VAR, NULL};

	columns_walker((Node *) join->join.plan.targetlist, &used);
	columns_walker((Node *) join->join.plan.qual, &used);
	columns_walker((Node *) join->join.joinqual, &used);
	columns_walker((Node *) join->hashclauses, &used);
	used.varno = OUTER_VAR;
	columns_walker((Node *) (inner ? ((Hash *) join->join.plan.righttree)->hashkeys : join->hashkeys), &used);
	return column_list(used.columns);
}

/*
 * Puts one node between a hash join, or its hash, and their child, for calls in what is hashed. Those are evaluated for
 * every row of the child; what else a join compares is so for rows that meet only, and stays.
 */
bool
dl_score_hashed(HashJoin *join, bool inner, bool early_stop, DlRewrite *rewrite)
{
	Hash	   *hash = (Hash *) join->join.plan.righttree;
	Plan	  **where = inner ? &hash->plan.lefttree : &join->join.plan.lefttree;
	List	  **keys = inner ? &hash->hashkeys : &join->hashkeys;
	Plan	   *child = *where;
	DlHoist		h = {.input = inner ? INNER_VAR : OUTER_VAR,.whole = true,.early_stop = early_stop,
		.scanrelid = dl_score_scanned_relation(child),.rtable = rewrite->statement->rtable};
	List	   *clauses;
	List	   *new_keys;

	begin_columns(&h, child);
	clauses = (List *) dl_hoist((Node *) join->hashclauses, &h);
	h.input = OUTER_VAR;
	new_keys = (List *) dl_hoist((Node *) *keys, &h);
	if (h.moved == 0)
		return false;
	join->hashclauses = clauses;
	*keys = new_keys;

	*where = put_below(&join->join.plan, child, needed_of_child(join, inner), &h, rewrite);
	if (inner)
		hash->plan.targetlist = columns_tlist(&h, OUTER_VAR);
	return true;
}

bool
dl_score_computes_below(const Plan *plan)
{
	if (plan->lefttree == NULL)
		return false;
	/* A filter of Result would have to guard its target list; it has one but rarely. */
	return IsA(plan, Agg) || IsA(plan, WindowAgg) || IsA(plan, ProjectSet) || (IsA(plan, Result) && plan->qual == NIL);
}
