/*
 * score_filter.c
 *    Filters that compare a score with a value, on a whole batch.
 *
 * Comparisons are those of float8's operators, NaN included.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/fmgroids.h"

#include "pg/compat.h"
#include "pg/score_node.h"

typedef struct Comparison
{
	Oid			function;
	bool		(*holds) (float8 score, float8 value);
	bool		(*mirrored) (float8 score, float8 value);	/* of value op score */
} Comparison;

static const Comparison comparisons[] = {
	{F_FLOAT8GT, float8_gt, float8_lt},
	{F_FLOAT8GE, float8_ge, float8_le},
	{F_FLOAT8LT, float8_lt, float8_gt},
	{F_FLOAT8LE, float8_le, float8_ge},
	{F_FLOAT8EQ, float8_eq, float8_eq},
	{F_FLOAT8NE, float8_ne, float8_ne},
};

/* Which call of dl.predict a column of the scan tuple is; -1: none. */
static int
call_of(const DlScoreState *state, const Node *node)
{
	if (!IsA(node, Var) || ((const Var *) node)->varno != INDEX_VAR)
		return -1;
	for (int i = 0; i < state->call_count; i++)
		if (state->targets[i] == ((const Var *) node)->varattno &&
			state->calls[i]->function == &dl_score_functions[DL_SCORE_PREDICT])
			return i;
	return -1;
}

/* The same for all rows of a batch. */
static bool
is_fixed(Node *node)
{
	return (IsA(node, Const) || IsA(node, Param)) && exprType(node) == FLOAT8OID;
}

bool
dl_score_filter_create(DlScoreFilter *filter, Node *expression, DlScoreState *state)
{
	OpExpr	   *operator = (OpExpr *) expression;

	if (!IsA(expression, OpExpr) || list_length(operator->args) != 2)
		return false;
	for (Size i = 0; i < lengthof(comparisons); i++)
	{
		Node	   *left = linitial(operator->args);
		Node	   *right = lsecond(operator->args);
		bool		mirrored = is_fixed(left);

		if (comparisons[i].function != operator->opfuncid || !is_fixed(mirrored ? left : right))
			continue;
		filter->call = call_of(state, mirrored ? right : left);
		if (filter->call < 0)
			return false;
		filter->value = ExecInitExpr((Expr *) (mirrored ? left : right), &state->css.ss.ps);
		filter->comparison = mirrored ? comparisons[i].mirrored : comparisons[i].holds;
		return true;
	}
	return false;
}

int
dl_score_filter_run(const DlScoreFilter *filter, DlScoreState *state, int rows)
{
	const DlScoreCall *call = state->calls[filter->call];
	const double *scores = dl_score_call_values(call);
	bool		isnull;
	float8		value = DatumGetFloat8(ExecEvalExprSwitchContext(filter->value, state->input_context, &isnull));
	int			count = 0;

	for (int row = 0; row < rows && !isnull; row++)
	{
		bool		no_score = false;
		float8		score = scores != NULL ? scores[row] : DatumGetFloat8(dl_score_call_answer(call, row, &no_score));

		state->selected[count] = row;
		count += !no_score && filter->comparison(score, value);
	}
	return count;
}
