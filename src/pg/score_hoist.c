/*
 * score_hoist.c
 *    Moves calls of scoring functions out of an expression of a finished plan:
 *    each becomes a column of a node that scores in batches.
 *
 * A call is moved from where it is evaluated for certain, and from CASE,
 * COALESCE, AND, OR and FILTER together with a guard: the conditions under which it would
 * be evaluated there.  The node evaluates the guard first, so nothing is computed, and no error
 * raised, that the expression would have skipped.  Calls that the list of kinds of nodes below does
 * not reach, or whose arguments are volatile, stay where they are.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "pg/compat.h"
#include "pg/score_function.h"
#include "pg/score_plan.h"

/* In one guard: the last of n WHENs has n of them, so all guards together would have n * n / 2, for each row. */
#define MOST_CONDITIONS 8

/* What the child of a node above computes. */
static bool
is_leaf(const Node *node)
{
	return IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc);
}

static Var *
make_column(Index varno, AttrNumber number, const Node *expression)
{
	return makeVar(varno, number, exprType(expression), exprTypmod(expression), exprCollation(expression), 0);
}

/* The child's column for a leaf. */
static Var *
child_column(DlHoist *h, Node *leaf)
{
	ListCell   *lc;
	AttrNumber	number = 0;

	foreach(lc, h->child_tlist)
	{
		number++;
		if (equal(((TargetEntry *) lfirst(lc))->expr, leaf))
			return make_column(OUTER_VAR, number, leaf);
	}
	number++;
	h->child_tlist = lappend(h->child_tlist, makeTargetEntry(copyObject((Expr *) leaf), number, NULL, false));
	return make_column(OUTER_VAR, number, leaf);
}

static Node *
on_child_mutator(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (is_leaf(node))
		return (Node *) child_column(context, node);
	return expression_tree_mutator(node, on_child_mutator, context);
}

static Node *
of_outer_mutator(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == INNER_VAR)
	{
		Var		   *var = copyObject((Var *) node);

		var->varno = OUTER_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, of_outer_mutator, context);
}

/* The expression on the columns of the child, which are OUTER_VAR for the node. */
static Node *
on_child(Node *node, DlHoist *h)
{
	if (h->above)
		return on_child_mutator(node, h);
	return h->input == (Index) INNER_VAR ? of_outer_mutator(node, NULL) : node;
}

/* Whether an expression of a join needs its other child, too. */
static bool
other_child_walker(Node *node, void *context)
{
	const DlHoist *h = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return !h->above && (Index) ((Var *) node)->varno != h->input;
	return expression_tree_walker(node, other_child_walker, context);
}

/* The number of the node's column for expression, which is on the child; 0: there is none. */
static AttrNumber
find_column(const DlHoist *h, const Node *expression, const List *guard)
{
	ListCell   *lc;
	ListCell   *g;

	forboth(lc, h->columns, g, h->guards)
	{
		TargetEntry *entry = lfirst(lc);

		if ((lfirst(g) == NIL || equal(lfirst(g), guard)) && equal(entry->expr, expression))
			return entry->resno;
	}
	return 0;
}

static Node *
node_column(DlHoist *h, Node *expression, List *guard)
{
	AttrNumber	number = find_column(h, expression, guard);

	if (number == 0)
	{
		number = list_length(h->columns) + 1;
		h->columns = lappend(h->columns, makeTargetEntry((Expr *) expression, number, NULL, false));
		h->guards = lappend(h->guards, guard);
	}
	return (Node *) make_column(h->above ? INDEX_VAR : h->input, number, expression);
}

/* What cannot be evaluated elsewhere, or scores itself: then that goes first. */
static bool
is_bound_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (dl_score_function(((FuncExpr *) node)->funcid) != NULL)
				return true;
			break;
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_CaseTestExpr:
		case T_CoerceToDomainValue:
		case T_SetToDefault:
		case T_CurrentOfExpr:
			return true;
		default:
			break;
	}
	return expression_tree_walker(node, is_bound_walker, context);
}

/* Whether the node may evaluate an expression on the child, for rows that nobody may ask for too. */
static bool
may_move(Node *expression, const DlHoist *h)
{
	return !is_bound_walker(expression, NULL) && !contain_volatile_functions(expression) &&
		!(h->early_stop && contain_leaked_vars(expression));
}

/* ROW(...) of the columns that a row of the scan has, for a Var of the whole row; NULL: not known. */
static Node *
columns_of_row(DlHoist *h, const Var *row, Oid type)
{
	RangeTblEntry *entry;
	TupleDesc	names;
	TupleDesc	stored;
	RowExpr    *result;

	if (h->scanrelid == 0 || (Index) row->varno != h->scanrelid || row->varattno != 0)
		return NULL;
	entry = rt_fetch(h->scanrelid, h->rtable);
	if (entry->rtekind != RTE_RELATION || row->vartype == RECORDOID || type == RECORDOID)
		return NULL;

	names = lookup_rowtype_tupdesc_copy(type, -1);
	stored = lookup_rowtype_tupdesc_copy(row->vartype, -1);
	result = makeNode(RowExpr);
	result->row_typeid = RECORDOID;
	result->row_format = COERCE_EXPLICIT_CALL;
	result->location = -1;
	for (int i = 0; i < names->natts; i++)
	{
		Form_pg_attribute wanted = TupleDescAttr(names, i);

		for (int k = 0; k < stored->natts && !wanted->attisdropped; k++)
		{
			Form_pg_attribute attribute = TupleDescAttr(stored, k);

			if (attribute->attisdropped || strcmp(NameStr(attribute->attname), NameStr(wanted->attname)) != 0)
				continue;
			result->args = lappend(result->args, child_column(h, (Node *) makeVar(h->scanrelid, k + 1, attribute->atttypid,
																				attribute->atttypmod,
																				attribute->attcollation, 0)));
			result->colnames = lappend(result->colnames, makeString(pstrdup(NameStr(attribute->attname))));
		}
	}
	return (Node *) result;
}

/* A whole row costs as much as its columns when it is taken apart here rather than for each row. */
static Node *
take_apart(DlHoist *h, Node *argument)
{
	Node	   *row = argument;
	Oid			type = exprType(argument);

	if (!h->above && IsA(row, Var))
		row = (Node *) ((TargetEntry *) list_nth(h->child_tlist, ((Var *) row)->varattno - 1))->expr;
	while (IsA(row, ConvertRowtypeExpr))
		row = (Node *) ((ConvertRowtypeExpr *) row)->arg;
	return IsA(row, Var) && type_is_rowtype(type) ? columns_of_row(h, (Var *) row, type) : NULL;
}

static FuncExpr *
call_on_child(FuncExpr *call, DlHoist *h)
{
	FuncExpr   *result = copyObject(call);
	Node	   *row = NULL;

	if (list_length(call->args) == 2 && !call->funcvariadic)
		row = take_apart(h, lsecond(call->args));
	if (row != NULL)
		result->args = list_make2(on_child(linitial(result->args), h), row);
	else
		result->args = (List *) on_child((Node *) result->args, h);
	return result;
}

/* The column for a call, or NULL when it stays. */
static Node *
move_call(FuncExpr *call, DlHoist *h)
{
	List	   *child_tlist = list_copy(h->child_tlist);
	FuncExpr   *moved;

	if (is_bound_walker((Node *) call->args, NULL) || other_child_walker((Node *) call->args, h) ||
		(!h->whole && !h->in_aggregate))
		return NULL;
	moved = call_on_child(call, h);
	if (find_column(h, (Node *) moved, NIL) == 0)
	{
		if (h->frozen > 0 || !may_move((Node *) moved->args, h))
		{
			h->child_tlist = child_tlist;
			return NULL;
		}
		h->moved++;
	}
	return node_column(h, (Node *) moved, list_copy(h->guard));
}

/* The same where the conditions hold, which are those of the expression itself. */
static Node *
hoist_where(Node *node, List *conditions, DlHoist *h)
{
	List	   *guard = h->guard;
	int			frozen = h->frozen;
	ListCell   *lc;
	Node	   *result;

	foreach(lc, conditions)
	{
		Node	   *condition = lfirst(lc);

		if (h->frozen == 0 && !is_bound_walker(condition, NULL) && !other_child_walker(condition, h))
			condition = on_child(condition, h);
		else
			condition = NULL;
		if (condition == NULL || list_length(h->guard) == MOST_CONDITIONS || !may_move(condition, h))
			h->frozen++;
		else
			h->guard = lappend(list_copy(h->guard), condition);
	}
	result = dl_hoist(node, h);
	h->guard = guard;
	h->frozen = frozen;
	return result;
}

static Node *
is_truth(Node *condition, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) condition;
	test->booltesttype = type;
	test->location = -1;
	return (Node *) test;
}

static Node *
is_null(Node *argument)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) argument;
	test->nulltesttype = IS_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

static Node *
case_test_mutator(Node *node, void *argument)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject((Node *) argument);
	if (IsA(node, CaseExpr))
		return copyObject(node);	/* has another test value of its own */
	if (IsA(node, ArrayCoerceExpr))
	{
		ArrayCoerceExpr *result = copyObject((ArrayCoerceExpr *) node);

		/* in elemexpr it stands for an element */
		result->arg = (Expr *) case_test_mutator((Node *) result->arg, argument);
		return (Node *) result;
	}
	return expression_tree_mutator(node, case_test_mutator, argument);
}

static Node *
hoist_case(CaseExpr *node, DlHoist *h)
{
	CaseExpr   *result = makeNode(CaseExpr);
	List	   *before = NIL;	/* what is known when this WHEN is reached */
	ListCell   *lc;

	*result = *node;
	result->arg = (Expr *) dl_hoist((Node *) node->arg, h);
	result->args = NIL;
	foreach(lc, node->args)
	{
		CaseWhen   *when = lfirst(lc);
		CaseWhen   *new_when = makeNode(CaseWhen);
		Node	   *condition = (Node *) when->expr;

		if (node->arg != NULL)
			condition = case_test_mutator(condition, node->arg);
		*new_when = *when;
		new_when->expr = (Expr *) hoist_where((Node *) when->expr, before, h);
		new_when->result = (Expr *) hoist_where((Node *) when->result,
												lappend(list_copy(before), is_truth(condition, IS_TRUE)), h);
		result->args = lappend(result->args, new_when);
		before = lappend(before, is_truth(condition, IS_NOT_TRUE));
	}
	result->defresult = (Expr *) hoist_where((Node *) node->defresult, before, h);
	return (Node *) result;
}

/* Arguments that are evaluated while the ones before are so. */
static List *
hoist_in_turn(List *arguments, Node *(*goes_on) (Node *argument), DlHoist *h)
{
	List	   *result = NIL;
	List	   *before = NIL;
	ListCell   *lc;

	foreach(lc, arguments)
	{
		result = lappend(result, hoist_where(lfirst(lc), before, h));
		before = lappend(before, goes_on(lfirst(lc)));
	}
	return result;
}

static Node *
is_not_false(Node *argument)
{
	return is_truth(argument, IS_NOT_FALSE);
}

static Node *
is_not_true(Node *argument)
{
	return is_truth(argument, IS_NOT_TRUE);
}

static Node *
hoist_bool(BoolExpr *node, DlHoist *h)
{
	BoolExpr   *result = makeNode(BoolExpr);

	*result = *node;
	if (node->boolop == NOT_EXPR)
		result->args = list_make1(dl_hoist(linitial(node->args), h));
	else
		result->args = hoist_in_turn(node->args, node->boolop == AND_EXPR ? is_not_false : is_not_true, h);
	return (Node *) result;
}

static Node *
hoist_coalesce(CoalesceExpr *node, DlHoist *h)
{
	CoalesceExpr *result = makeNode(CoalesceExpr);

	*result = *node;
	result->args = hoist_in_turn(node->args, is_null, h);
	return (Node *) result;
}

/* The arguments of an aggregate are evaluated where its filter is true. */
static List *
hoist_aggregated(List *arguments, Expr *filter, DlHoist *h)
{
	bool		in_aggregate = h->in_aggregate;
	List	   *result;

	h->in_aggregate = true;
	result = (List *) hoist_where((Node *) arguments, filter == NULL ? NIL : list_make1(is_truth((Node *) filter, IS_TRUE)),
								  h);
	h->in_aggregate = in_aggregate;
	return result;
}

static Expr *
hoist_filter(Expr *filter, DlHoist *h)
{
	bool		in_aggregate = h->in_aggregate;
	Expr	   *result;

	h->in_aggregate = true;
	result = (Expr *) dl_hoist((Node *) filter, h);
	h->in_aggregate = in_aggregate;
	return result;
}

static Node *
hoist_aggregate(Aggref *node, DlHoist *h)
{
	Aggref	   *result = makeNode(Aggref);

	*result = *node;
	result->args = hoist_aggregated(node->args, node->aggfilter, h);
	result->aggfilter = hoist_filter(node->aggfilter, h);
	return (Node *) result;
}

static Node *
hoist_window_function(WindowFunc *node, DlHoist *h)
{
	WindowFunc *result = makeNode(WindowFunc);

	*result = *node;
	result->args = hoist_aggregated(node->args, node->aggfilter, h);
	result->aggfilter = hoist_filter(node->aggfilter, h);
	return (Node *) result;
}

static Node *
hoist_mutator(Node *node, void *context)
{
	return dl_hoist(node, context);
}

Node *
dl_hoist(Node *node, DlHoist *h)
{
	Node	   *result;

	if (node == NULL)
		return NULL;
	if (h->above && is_leaf(node))
		return node_column(h, (Node *) child_column(h, node), NIL);
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			result = dl_score_function(((FuncExpr *) node)->funcid) == NULL ? NULL : move_call((FuncExpr *) node, h);
			return result != NULL ? result : expression_tree_mutator(node, hoist_mutator, h);
		case T_CaseExpr:
			return hoist_case((CaseExpr *) node, h);
		case T_BoolExpr:
			return hoist_bool((BoolExpr *) node, h);
		case T_CoalesceExpr:
			return hoist_coalesce((CoalesceExpr *) node, h);
		case T_Aggref:
			return hoist_aggregate((Aggref *) node, h);
		case T_WindowFunc:
			return hoist_window_function((WindowFunc *) node, h);

			/* these evaluate all that is below them */
		case T_List:
		case T_TargetEntry:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_CoerceToDomain:
		case T_ConvertRowtypeExpr:
		case T_FieldSelect:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_ArrayExpr:
		case T_RowExpr:
			return expression_tree_mutator(node, hoist_mutator, h);
		default:
			h->frozen++;
			result = expression_tree_mutator(node, hoist_mutator, h);
			h->frozen--;
			return result;
	}
}

bool
dl_hoist_would_move(Node *node, const DlHoist *hoist)
{
	DlHoist		trial = *hoist;

	trial.child_tlist = list_copy(hoist->child_tlist);
	trial.columns = list_copy(hoist->columns);
	trial.guards = list_copy(hoist->guards);
	trial.moved = 0;
	dl_hoist(node, &trial);
	return trial.moved > 0;
}
