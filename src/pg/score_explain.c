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

/* Precisions that a call was computed in: bits. */
#define HIGHEST 1
#define MEDIUM 2

/* What workers scored a call with. */
typedef struct SharedUse
{
	pg_atomic_uint32 version;
	pg_atomic_uint32 precisions;
} SharedUse;

typedef struct DlScoreShared
{
	pg_atomic_uint64 batches;
	pg_atomic_uint64 rows;
	pg_atomic_uint64 nanoseconds;
	SharedUse	uses[FLEXIBLE_ARRAY_MEMBER];	/* of the node's calls */
} DlScoreShared;

Size
dl_score_estimate_shared(CustomScanState *node, ParallelContext *context)
{
	return offsetof(DlScoreShared, uses) + sizeof(SharedUse) * (Size) ((DlScoreState *) node)->call_count;
}

void
dl_score_create_shared(CustomScanState *node, ParallelContext *context, void *coordinate)
{
	DlScoreState *state = (DlScoreState *) node;
	DlScoreShared *shared = coordinate;

	pg_atomic_init_u64(&shared->batches, 0);
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u64(&shared->nanoseconds, 0);
	for (int i = 0; i < state->call_count; i++)
	{
		pg_atomic_init_u32(&shared->uses[i].version, 0);
		pg_atomic_init_u32(&shared->uses[i].precisions, 0);
	}
	state->shared = shared;
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

/* The version of the model that a call names; 0: none was used, or it names none. */
static int32
version_of(const DlScoreCall *call)
{
	return call->model_count > 0 && call->models[0]->use.ready ? call->models[0]->use.handle.version : 0;
}

static uint32
precisions_of(const DlScoreCall *call)
{
	uint32		result = 0;

	for (int i = 0; i < call->model_count; i++)
	{
		const DlModel *model = call->models[i]->use.model;

		if (model != NULL)
			result |= strcmp(dl_model_precision(model), "medium") == 0 ? MEDIUM : HIGHEST;
	}
	return result;
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
		for (int i = 0; i < state->call_count; i++)
		{
			if (version_of(state->calls[i]) > 0)
				pg_atomic_write_u32(&state->shared->uses[i].version, (uint32) version_of(state->calls[i]));
			pg_atomic_fetch_or_u32(&state->shared->uses[i].precisions, precisions_of(state->calls[i]));
		}
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
	for (int i = 0; i < state->call_count; i++)
	{
		DlScoreCall *call = state->calls[i];
		int32		version = (int32) pg_atomic_read_u32(&shared->uses[i].version);

		call->worker_version = version > 0 ? version : call->worker_version;
		call->worker_precisions |= pg_atomic_read_u32(&shared->uses[i].precisions);
	}
}

/* "churn", "churn version 3", "of column or value" */
static char *
describe_model(const DlScoreCall *call, bool version)
{
	Node	   *argument = linitial(call->expression->args);
	StringInfoData line;
	int32		number;

	if (!IsA(argument, Const) || ((Const *) argument)->constisnull)
		return pstrdup("of each row");
	if (((Const *) argument)->consttype != TEXTOID)
		return pstrdup("a value");
	initStringInfo(&line);
	appendStringInfoString(&line, TextDatumGetCString(((Const *) argument)->constvalue));
	number = version_of(call) > 0 ? version_of(call) : call->worker_version;
	if (version && number > 0)
		appendStringInfo(&line, " version %d", number);
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
	uint32		precisions = 0;

	for (int i = 0; i < state->call_count; i++)
		precisions |= precisions_of(state->calls[i]) | state->calls[i]->worker_precisions;
	ExplainPropertyText("Device", (precisions == MEDIUM ? dl_backend_cpu_bfloat16() : dl_backend_cpu())->name, es);
	if (precisions != 0)
		ExplainPropertyText("Precision", precisions == MEDIUM ? "medium" : precisions == HIGHEST ? "highest" : "mixed", es);
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
