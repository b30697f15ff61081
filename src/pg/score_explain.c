/*
 * score_explain.c
 *    What EXPLAIN shows of a node that scores.
 *
 * The counters are those of the calls of the scorer itself.  Parallel workers add
 * theirs to shared memory; the leader takes them over before that memory goes.
 */
#include "pg/score_explain.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"

#include "cpu/cpu.h"
#include "pg/compat.h"
#include "pg/score_node.h"

typedef struct DlScoreShared
{
	pg_atomic_uint64 batches;
	pg_atomic_uint64 rows;
	pg_atomic_uint64 nanoseconds;
} DlScoreShared;

Size
dl_score_estimate_shared(CustomScanState *node, ParallelContext *context)
{
	return sizeof(DlScoreShared);
}

void
dl_score_create_shared(CustomScanState *node, ParallelContext *context, void *coordinate)
{
	DlScoreShared *shared = coordinate;

	pg_atomic_init_u64(&shared->batches, 0);
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u64(&shared->nanoseconds, 0);
	((DlScoreState *) node)->shared = shared;
}

/* Workers add up over all runs of the node. */
void
dl_score_reset_shared(CustomScanState *node, ParallelContext *context, void *coordinate)
{
	((DlScoreState *) node)->shared = coordinate;
}

void
dl_score_attach_shared(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	((DlScoreState *) node)->shared = coordinate;
}

void
dl_score_count(CustomScanState *node, const DlScoreCounters *batch)
{
	DlScoreState *state = (DlScoreState *) node;

	if (IsParallelWorker() && state->shared != NULL)
	{
		pg_atomic_fetch_add_u64(&state->shared->batches, (int64) batch->batches);
		pg_atomic_fetch_add_u64(&state->shared->rows, (int64) batch->rows);
		pg_atomic_fetch_add_u64(&state->shared->nanoseconds, (int64) batch->nanoseconds);
		return;
	}
	state->counters.batches += batch->batches;
	state->counters.rows += batch->rows;
	state->counters.nanoseconds += batch->nanoseconds;
}

/* The shared memory goes soon after: the leader takes over what is in it. */
void
dl_score_shut_down(CustomScanState *node)
{
	DlScoreState *state = (DlScoreState *) node;
	DlScoreShared *shared = state->shared;

	if (shared == NULL || IsParallelWorker())
		return;
	state->shared = NULL;
	state->counters.batches += pg_atomic_exchange_u64(&shared->batches, 0);
	state->counters.rows += pg_atomic_exchange_u64(&shared->rows, 0);
	state->counters.nanoseconds += pg_atomic_exchange_u64(&shared->nanoseconds, 0);
}

/* "churn", "churn version 3", "of column or value" */
static char *
describe_model(const DlScoreCall *call, bool version)
{
	Node	   *argument = linitial(call->expression->args);
	StringInfoData line;

	if (!IsA(argument, Const) || ((Const *) argument)->constisnull)
		return pstrdup("of each row");
	if (((Const *) argument)->consttype != TEXTOID)
		return pstrdup("a value");
	initStringInfo(&line);
	appendStringInfoString(&line, TextDatumGetCString(((Const *) argument)->constvalue));
	if (version && call->model_count > 0 && call->models[0]->use.ready)
		appendStringInfo(&line, " version %d", call->models[0]->use.handle.version);
	return line.data;
}

static List *
models(const DlScoreState *state, bool version)
{
	List	   *result = NIL;

	for (int i = 0; i < state->call_count; i++)
	{
		char	   *model = describe_model(state->calls[i], version);
		ListCell   *lc;
		bool		known = false;

		foreach(lc, result)
			known = known || strcmp(lfirst(lc), model) == 0;
		if (!known)
			result = lappend(result, model);
	}
	return result;
}

/* What the models that were used are computed with, and in which precision; "mixed" where they differ. */
static void
explain_arithmetic(const DlScoreState *state, ExplainState *es)
{
	const char *device = NULL;
	const char *precision = NULL;

	for (int i = 0; i < state->call_count; i++)
		for (int k = 0; k < state->calls[i]->model_count; k++)
		{
			const DlModel *model = state->calls[i]->models[k]->use.model;

			if (model == NULL)
				continue;
			if (precision == NULL)
			{
				device = dl_model_backend(model)->name;
				precision = dl_model_precision(model);
			}
			else if (strcmp(precision, dl_model_precision(model)) != 0)
			{
				device = dl_backend_cpu()->name;
				precision = "mixed";
			}
		}
	ExplainPropertyText("Device", device == NULL ? dl_backend_cpu()->name : device, es);
	if (precision != NULL)
		ExplainPropertyText("Precision", precision, es);
}

void
dl_score_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	DlScoreState *state = (DlScoreState *) node;
	const DlScoreCounters *counters = &state->counters;

	ExplainPropertyList("Models", models(state, es->analyze), es);
	if (state->reads_table && es->verbose)
		ExplainPropertyText("Reads", "the table itself", es);
	if (!es->analyze)
		return;
	if (es->verbose)
		explain_arithmetic(state, es);
	ExplainPropertyInteger("Batches", NULL, (int64) counters->batches, es);
	ExplainPropertyFloat("Rows per Batch", NULL, counters->batches == 0 ? 0 :
						 (double) counters->rows / (double) counters->batches, 1, es);
	if (es->timing)
		ExplainPropertyFloat("Kernel Time", "ms", (double) counters->nanoseconds / 1e6, 3, es);
}
