/*
 * score_single.c
 *    Plans that give one row at most each time they run: there a node that scores in
 *    batches costs more than it saves, and calls stay row by row.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/compat.h"
#include "pg/score_function.h"
#include "pg/score_insert.h"

/* The number, from 0, of the index column that clause says what equals; -1: it is no such clause. */
static int
equal_column(const Node *clause, const oidvector *classes)
{
	const OpExpr *operator = (const OpExpr *) clause;
	const Var  *var;
	Oid			family;

	if (!IsA(clause, OpExpr) || list_length(operator->args) != 2 || !IsA(linitial(operator->args), Var))
		return -1;
	var = linitial(operator->args);
	if (var->varno != INDEX_VAR || var->varattno < 1 || var->varattno > classes->dim1)
		return -1;
	family = get_opclass_family(classes->values[var->varattno - 1]);
	return list_member_oid(get_mergejoin_opfamilies(operator->opno), family) ? var->varattno - 1 : -1;
}

/* Whether an index is unique, and the clauses say what each of its columns equals. */
static bool
finds_one(Oid index, List *clauses)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	Bitmapset  *fixed = NULL;
	bool		result = false;
	bool		isnull;
	ListCell   *lc;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	if (form->indisunique && form->indimmediate)
	{
		Datum		classes = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull);

		foreach(lc, clauses)
		{
			int			column = equal_column(lfirst(lc), (oidvector *) DatumGetPointer(classes));

			if (column >= 0)
				fixed = bms_add_member(fixed, column);
		}
		result = bms_num_members(fixed) == form->indnkeyatts;
	}
	ReleaseSysCache(tuple);
	return result;
}

static bool
gives_one_row(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			return finds_one(((const IndexScan *) plan)->indexid, ((const IndexScan *) plan)->indexqual);
		case T_IndexOnlyScan:
			return finds_one(((const IndexOnlyScan *) plan)->indexid, ((const IndexOnlyScan *) plan)->indexqual);
		case T_SubqueryScan:
			return gives_one_row(((const SubqueryScan *) plan)->subplan);
		case T_NestLoop:
			return gives_one_row(plan->lefttree) && gives_one_row(plan->righttree);
		default:
			return false;
	}
}

typedef struct Calls
{
	List	   *found;
	bool		repeated;
} Calls;

static bool
calls_walker(Node *node, void *context)
{
	Calls	   *calls = context;

	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && dl_score_function(((FuncExpr *) node)->funcid) != NULL)
	{
		calls->repeated = calls->repeated || list_member(calls->found, node);
		calls->found = lappend(calls->found, node);
	}
	return expression_tree_walker(node, calls_walker, context);
}

bool
dl_score_single_row(const Plan *plan, const Plan *caller)
{
	Calls		calls = {NIL, false};

	if (!gives_one_row(plan))
		return false;
	calls_walker((Node *) caller->targetlist, &calls);
	calls_walker((Node *) caller->qual, &calls);
	return !calls.repeated;
}
