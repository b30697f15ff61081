/*
 * score_reuse.c
 *    Calls that a node has scored already for its filter, and that the node above
 *    it makes again: sum(score) of rows WHERE score > 1.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "pg/compat.h"
#include "pg/score_function.h"
#include "pg/score_insert.h"

typedef struct Reuse
{
	CustomScan *node;			/* the child, which scores */
	DlHoist		scored;			/* its columns, as they were found */
	bool		found;
} Reuse;

/* What a column of the node is on what the node's own child computes; NULL: a score. */
static Node *
origin(const CustomScan *node, AttrNumber number)
{
	const TargetEntry *entry = list_nth(node->scan.plan.targetlist, number - 1);
	const Var  *var = (const Var *) entry->expr;

	if (!IsA(var, Var) || var->varno != INDEX_VAR)
		return NULL;
	entry = list_nth(node->custom_scan_tlist, var->varattno - 1);
	var = (const Var *) entry->expr;
	if (!IsA(var, Var))
		return NULL;
	entry = list_nth(outerPlan(node)->targetlist, var->varattno - 1);
	return copyObject((Node *) entry->expr);
}

static Node *
origins_mutator(Node *node, void *context)
{
	Reuse	   *reuse = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
	{
		Node	   *found = origin(reuse->node, ((Var *) node)->varattno);

		return found != NULL ? found : node;
	}
	return expression_tree_mutator(node, origins_mutator, context);
}

/* The node's column for its column number of scores. */
static Node *
hand_on(CustomScan *node, const Var *score)
{
	Plan	   *plan = &node->scan.plan;
	ListCell   *lc;
	AttrNumber	number = 0;

	foreach(lc, plan->targetlist)
	{
		number++;
		if (equal(((TargetEntry *) lfirst(lc))->expr, score))
			break;
	}
	if (lc == NULL)
	{
		number++;
		plan->targetlist = lappend(plan->targetlist, makeTargetEntry((Expr *) copyObject(score), number, NULL, false));
	}
	return (Node *) makeVar(OUTER_VAR, number, score->vartype, score->vartypmod, score->varcollid, 0);
}

static Node *
reuse_mutator(Node *node, void *context)
{
	Reuse	   *reuse = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, FuncExpr) && dl_score_function(((FuncExpr *) node)->funcid) != NULL)
	{
		DlHoist		scored = reuse->scored;
		Node	   *found;

		scored.child_tlist = list_copy(scored.child_tlist);
		found = dl_hoist(origins_mutator(node, reuse), &scored);
		if (IsA(found, Var) && ((Var *) found)->varno == INDEX_VAR)
		{
			reuse->found = true;
			return hand_on(reuse->node, (Var *) found);
		}
	}
	return expression_tree_mutator(node, reuse_mutator, context);
}

void
dl_score_reuse(Plan *plan, const DlRewrite *rewrite)
{
	CustomScan *node = (CustomScan *) plan->lefttree;
	Reuse		reuse = {.node = node};
	List	   *tlist;
	List	   *quals;

	if (!IsA(node, CustomScan) || node->methods != &dl_score_scan_methods)
		return;
	reuse.scored = (DlHoist) {
		.above = true,.whole = true,.frozen = 1,.child_tlist = outerPlan(node)->targetlist,
			.columns = list_copy(node->custom_scan_tlist),
			.guards = list_copy(list_nth(node->custom_private, DL_SCORE_GUARDS)),
			.scanrelid = dl_score_scanned_relation(outerPlan(node)),.rtable = rewrite->statement->rtable
	};
	tlist = (List *) reuse_mutator((Node *) plan->targetlist, &reuse);
	quals = (List *) reuse_mutator((Node *) plan->qual, &reuse);
	if (!reuse.found)
		return;
	plan->targetlist = tlist;
	plan->qual = quals;
}
