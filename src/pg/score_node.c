/*
 * score_node.c
 *    The node of the executor that scores in batches.
 *
 * It reads rows from its child, keeps of each what is needed above, scores all of them in one run of
 * the network, and hands them on.  Batches are small at first and grow with the rows that were read, so that
 * a parent that stops early has read at most as many again as it needed.  Over a plain sequential
 * scan it reads the table itself, in the place of the scan.
 *
 * Each call's answer is a column of the node's scan tuple; score_plan.h says what else is in it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/score_batch.h"
#include "pg/score_call.h"
#include "pg/score_explain.h"
#include "pg/score_node.h"
#include "pg/score_plan.h"
#include "pg/settings.h"

/* How many rows the caller of the executor asks for, as SELECT INTO and FETCH do; 0: all. */
static uint64 rows_run;
static ExecutorRun_hook_type previous_run;

#define FIRST_ROWS 64			/* of the first batch, where all rows will be asked for */
#define BATCH_BYTES ((Size) 16 << 20)	/* that a batch may take; one row always fits */

/* ---- start ---- */

static Node *
create_state(CustomScan *scan)
{
	DlScoreState *state = (DlScoreState *) newNode(sizeof(DlScoreState), T_CustomScanState);

	state->css.methods = &dl_score_exec_methods;
	return (Node *) state;
}

const CustomScanMethods dl_score_scan_methods = {"DeepLearningScore", create_state};

static const CustomScan *
plan_of(const DlScoreState *state)
{
	return (const CustomScan *) state->css.ss.ps.plan;
}

/* The table's column that a column of a plain scan is; 0: none. */
static AttrNumber
table_column(const Plan *scan, AttrNumber number)
{
	const TargetEntry *entry = list_nth(scan->targetlist, number - 1);

	return IsA(entry->expr, Var) ? Max(((const Var *) entry->expr)->varattno, 0) : 0;
}

static bool
not_of_table_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
		return table_column(context, ((Var *) node)->varattno) == 0;
	return expression_tree_walker(node, not_of_table_walker, context);
}

static Node *
of_table_mutator(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
	{
		Var		   *var = copyObject((Var *) node);

		var->varattno = table_column(context, var->varattno);
		return (Node *) var;
	}
	return expression_tree_mutator(node, of_table_mutator, context);
}

/* Whether the table can be read in the place of the scan below: all that is needed are columns of it. */
static bool
can_read_table(const DlScoreState *state, List *forwarded)
{
	const CustomScan *scan = plan_of(state);
	const Plan *child = outerPlan(scan);
	ListCell   *lc;

	if (!IsA(child, SeqScan) || state->css.ss.ps.state->es_epq_active != NULL)
		return false;
	foreach(lc, scan->custom_scan_tlist)
	{
		TargetEntry *entry = lfirst(lc);

		if ((!IsA(entry->expr, Var) || list_member_int(forwarded, entry->resno)) &&
			not_of_table_walker((Node *) entry->expr, unconstify(Plan *, child)))
			return false;
	}
	foreach(lc, list_nth(scan->custom_private, DL_SCORE_GUARDS))
		if (not_of_table_walker(lfirst(lc), unconstify(Plan *, child)))
			return false;
	return true;
}

/* The expression on the slots that are read. */
static void *
on_input(const DlScoreState *state, void *expression)
{
	return state->reads_table ? of_table_mutator(expression, outerPlan(plan_of(state))) : expression;
}

static void
create_columns(DlScoreState *state, List *forwarded)
{
	const CustomScan *scan = plan_of(state);
	TupleDesc	tupdesc = state->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	Bitmapset  *wanted = NULL;
	ListCell   *lc;
	int			used = 0;

	foreach(lc, forwarded)
		wanted = bms_add_member(wanted, lfirst_int(lc));
	dl_score_batch_init(&state->batch, list_length(forwarded), state->context);
	foreach(lc, scan->custom_scan_tlist)
	{
		TargetEntry *entry = lfirst(lc);
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, entry->resno - 1);
		DlForwarded *column = &state->batch.columns[used];

		if (!IsA(entry->expr, Var) || !bms_is_member(entry->resno, wanted))
			continue;
		column->source = ((Var *) on_input(state, entry->expr))->varattno;
		column->target = entry->resno;
		column->length = attribute->attlen;
		column->by_value = attribute->attbyval;
		state->batch.last_column = Max(state->batch.last_column, column->source);
		used++;
	}
	state->batch.count = used;
}

static void
create_calls(DlScoreState *state)
{
	const CustomScan *scan = plan_of(state);
	ListCell   *lc;
	ListCell   *g;

	state->calls = MemoryContextAllocZero(state->context, sizeof(DlScoreCall *) * (Size) list_length(scan->custom_scan_tlist));
	state->targets = MemoryContextAllocZero(state->context, sizeof(AttrNumber) * (Size) list_length(scan->custom_scan_tlist));
	forboth(lc, scan->custom_scan_tlist, g, list_nth(scan->custom_private, DL_SCORE_GUARDS))
	{
		TargetEntry *entry = lfirst(lc);

		if (IsA(entry->expr, Var))
			continue;
		state->targets[state->call_count] = entry->resno;
		state->calls[state->call_count] = dl_score_call_create(on_input(state, entry->expr), on_input(state, lfirst(g)),
															   &state->css.ss.ps, state->context);
		if (state->reads_heap)
			state->calls[state->call_count]->table = RelationGetDescr(((ScanState *) outerPlanState(state))->ss_currentRelation);
		state->call_count++;
	}
}

static void
set_reading(DlScoreState *state, List *forwarded)
{
	ScanState  *scan = (ScanState *) outerPlanState(state);

	state->reads_table = can_read_table(state, forwarded);
	state->reads_heap = state->reads_table && scan->ss_currentRelation->rd_tableam == GetHeapamTableAmRoutine();
}

/*
 * A filter "score op value" is taken out of those that are evaluated row by row:
 * the first that is one.
 */
static void
create_filter(DlScoreState *state)
{
	List	   *quals = plan_of(state)->scan.plan.qual;

	if (!dl_score_filter_create(&state->filter, linitial(quals), state))
		return;
	state->css.ss.ps.qual = ExecInitQual(list_copy_tail(quals, 1), &state->css.ss.ps);
}

static void
create_limit(DlScoreState *state)
{
	ListCell   *lc;

	foreach(lc, list_nth(plan_of(state)->custom_private, DL_SCORE_LIMIT))
		state->limit = lappend(state->limit, ExecInitExpr(lfirst(lc), &state->css.ss.ps));
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	DlScoreState *state = (DlScoreState *) node;
	const CustomScan *scan = plan_of(state);
	List	   *forwarded = list_nth(scan->custom_private, DL_SCORE_FORWARDED);
	int			flags = linitial_int(list_nth(scan->custom_private, DL_SCORE_FLAGS));
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	outerPlanState(node) = ExecInitNode(outerPlan(scan), estate, eflags);
	state->context = AllocSetContextCreate(estate->es_query_cxt, "dl score", ALLOCSET_DEFAULT_SIZES);
	state->input_context = CreateExprContext(estate);
	state->early_stop = (flags & DL_SCORE_EARLY_STOP) != 0;
	state->streams = (flags & DL_SCORE_STREAMS) != 0;
	state->may_raise = (flags & DL_SCORE_MAY_RAISE) != 0;
	state->one_of_many = (flags & DL_SCORE_ONE_OF_MANY) != 0;
	set_reading(state, forwarded);

	/* Expressions on the child's columns get slots of different kinds. */
	node->ss.ps.outeropsset = true;
	node->ss.ps.outeropsfixed = false;
	node->ss.ps.outerops = NULL;
	create_columns(state, forwarded);
	create_calls(state);
	state->bare = state->reads_heap && state->batch.count == 0 && ((PlanState *) outerPlanState(node))->qual == NULL;
	create_limit(state);
	if (scan->scan.plan.qual != NIL)
		create_filter(state);
	memset(slot->tts_isnull, true, sizeof(bool) * (Size) slot->tts_tupleDescriptor->natts);
}

/* ---- reading ---- */

static TupleTableSlot *
next_of_table(DlScoreState *state)
{
	SeqScanState *scan = (SeqScanState *) outerPlanState(state);
	ExprContext *econtext = scan->ss.ps.ps_ExprContext;
	TupleTableSlot *slot = scan->ss.ss_ScanTupleSlot;

	while (table_scan_getnextslot(scan->ss.ss_currentScanDesc, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->ss.ps.qual == NULL)
			return slot;
		ResetExprContext(econtext);
		econtext->ecxt_scantuple = slot;
		if (ExecQual(scan->ss.ps.qual, econtext))
			return slot;
		InstrCountFiltered1(scan, 1);
	}
	return NULL;
}

static TupleTableSlot *
next_of_child(DlScoreState *state)
{
	TupleTableSlot *slot = ExecProcNode(outerPlanState(state));

	return TupIsNull(slot) ? NULL : slot;
}

static void
begin_table(DlScoreState *state)
{
	SeqScanState *scan = (SeqScanState *) outerPlanState(state);

	if (scan->ss.ps.chgParam != NULL)
		ExecReScan(&scan->ss.ps);
	if (scan->ss.ss_currentScanDesc == NULL)
		scan->ss.ss_currentScanDesc = table_beginscan(scan->ss.ss_currentRelation, scan->ss.ps.state->es_snapshot, 0, NULL);
}

/* False: the row starts the next batch. */
static bool
read_row(DlScoreState *state, TupleTableSlot *slot)
{
	ExprContext *econtext = state->input_context;

	ResetExprContext(econtext);
	econtext->ecxt_outertuple = slot;
	for (int i = 0; i < state->call_count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		bool		read = dl_score_call_read(state->calls[i], slot, econtext, state->batch.rows);

		MemoryContextSwitchTo(old);
		if (!read)
			return false;
	}
	dl_score_batch_keep(&state->batch, slot);
	return true;
}

static int64
rows_asked_for(DlScoreState *state)
{
	ListCell   *lc;
	int64		sum = 0;

	foreach(lc, state->limit)
	{
		bool		isnull;
		int64		count = DatumGetInt64(ExecEvalExprSwitchContext(lfirst(lc), state->input_context, &isnull));

		/* no limit, or one that the node above refuses */
		if (isnull ? lc == list_head(state->limit) : count < 0 || count > PG_INT32_MAX)
			return 0;
		sum += isnull ? 0 : count;
	}
	return sum;
}

static int
batch_rows(DlScoreState *state)
{
	int64		most = dl_setting_batch_rows();
	bool		some = rows_run > 0 && state->streams;
	int64		first = state->early_stop || some ? 1 : FIRST_ROWS;
	int64		asked;

	if (some && state->may_raise)
		return 1;
	if (state->rows_read > 0)
		return (int) Min(most, Max(first, state->rows_read));
	asked = state->limit == NIL ? 0 : rows_asked_for(state);
	return (int) Min(most, Max(first, asked));
}

/* How many of room rows there is memory for; the first was read. */
static int
limited_room(const DlScoreState *state, int room)
{
	Size		bytes = 1;

	for (int i = 0; i < state->call_count; i++)
		bytes += dl_score_call_row_bytes(state->calls[i]);
	return (int) Max(1, Min((Size) room, BATCH_BYTES / bytes));
}

static bool
begin_packed(DlScoreState *state)
{
	AttrNumber	last = 0;

	for (int i = 0; i < state->call_count; i++)
	{
		if (!dl_score_call_begin_packed(state->calls[i], state->batch.rows))
			return false;
		last = Max(last, state->calls[i]->last_column);
	}
	state->last_column = last;
	return true;
}

static inline bool
read_packed(DlScoreState *state, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	const char *data = (const char *) header + header->t_hoff;

	if ((header->t_infomask & HEAP_HASNULL) != 0 || HeapTupleHeaderGetNatts(header) < state->last_column)
		return false;
	for (int i = 0; i < state->call_count; i++)
		if (!dl_score_call_read_packed(state->calls[i], data, state->batch.rows))
		{
			/* those before it have read the row */
			while (--i >= 0)
				state->calls[i]->models[0]->rows--;
			return false;
		}
	return true;
}

static inline bool
is_full(const DlScoreState *state, int room)
{
	return state->batch.rows >= room || state->batch.bytes >= BATCH_BYTES;
}

/*
 * Reads table rows without taking them apart, as many as can be read so.  False: the table is at its end.  Else
 * the row in the scan's slot, if there is room for it, has to be read in the general way.
 */
static bool
read_packed_rows(DlScoreState *state, int room)
{
	SeqScanState *scan = (SeqScanState *) outerPlanState(state);
	TupleTableSlot *slot = scan->ss.ss_ScanTupleSlot;

	while (!is_full(state, room))
	{
		HeapTuple	tuple;

		if (state->bare)
		{
			tuple = heap_getnext(scan->ss.ss_currentScanDesc, ForwardScanDirection);
			if (tuple == NULL)
				return false;
			CHECK_FOR_INTERRUPTS();
		}
		else
		{
			if (next_of_table(state) == NULL)
				return false;
			tuple = ((HeapTupleTableSlot *) slot)->tuple;
		}
		if (unlikely(!read_packed(state, tuple)))
		{
			if (state->bare)
				ExecStoreBufferHeapTuple(tuple, slot, ((HeapScanDesc) scan->ss.ss_currentScanDesc)->rs_cbuf);
			return true;
		}
		dl_score_batch_keep(&state->batch, slot);
		state->rows_read++;
	}
	return true;
}

static void
read_rows(DlScoreState *state, int room)
{
	TupleTableSlot *(*next) (DlScoreState *) = state->reads_table ? next_of_table : next_of_child;
	TupleTableSlot *slot = state->pending;

	if (slot == NULL)
		slot = next(state);
	state->pending = NULL;
	while (slot != NULL)
	{
		if (!read_row(state, slot))
		{
			state->pending = slot;
			return;
		}
		state->rows_read++;
		if (state->batch.rows == 1)
			room = limited_room(state, room);
		if (!is_full(state, room) && state->reads_heap && begin_packed(state))
		{
			if (!read_packed_rows(state, room))
				break;
			slot = ((ScanState *) outerPlanState(state))->ss_ScanTupleSlot;
			if (!is_full(state, room))
				continue;
		}
		if (is_full(state, room))
			return;
		slot = next(state);
	}
	state->finished = true;
}

static void
begin_batch(DlScoreState *state, int room)
{
	state->next = 0;
	state->selected_count = 0;
	dl_score_batch_begin(&state->batch, room);
	for (int i = 0; i < state->call_count; i++)
		dl_score_call_begin(state->calls[i], room);
	if (room > state->selected_room)
	{
		if (state->selected != NULL)
			pfree(state->selected);
		state->selected = MemoryContextAlloc(state->context, sizeof(int32) * (Size) room);
		state->selected_room = room;
	}
}

static void
select_rows(DlScoreState *state)
{
	int			rows = state->batch.rows;

	if (state->filter.comparison == NULL)
	{
		state->selected_count = rows;
		return;
	}
	state->selected_count = dl_score_filter_run(&state->filter, state, rows);
	InstrCountFiltered1(&state->css, rows - state->selected_count);
}

static bool
no_more(DlScoreState *state)
{
	for (int i = 0; i < state->call_count && state->one_of_many; i++)
		dl_score_call_release(state->calls[i]);
	return false;
}

/* False: there are no more rows. */
static bool
next_batch(DlScoreState *state)
{
	Instrumentation *instrument = state->reads_table ? outerPlanState(state)->instrument : NULL;
	int			room = batch_rows(state);

	if (state->finished)
		return no_more(state);
	begin_batch(state, room);
	if (state->reads_table)
		begin_table(state);		/* may end the loop that the scan's instruments count */
	if (instrument != NULL)
		InstrStartNode(instrument);
	read_rows(state, room);
	if (instrument != NULL)
		InstrStopNode(instrument, state->batch.rows + (state->pending != NULL) - state->pending_counted);
	state->pending_counted = state->pending != NULL;
	if (state->batch.rows == 0)
		return no_more(state);
	for (int i = 0; i < state->call_count; i++)
	{
		DlScoreCounters counters = {0};

		dl_score_call_run(state->calls[i], &counters);
		dl_score_count(&state->css, &counters);
	}
	select_rows(state);
	state->values = state->batch.count == 0 && state->call_count == 1 ? dl_score_call_values(state->calls[0]) : NULL;
	state->bare_result = state->values != NULL && state->css.ss.ps.qual == NULL && state->css.ss.ps.ps_ProjInfo == NULL;
	return true;
}

/* ---- handing on ---- */

static TupleTableSlot *
store_row(DlScoreState *state, int row)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	MemoryContext old;

	/* The last row's values are simply overwritten, but where somebody made copies of them. */
	if (TTS_EMPTY(slot) || TTS_SHOULDFREE(slot))
	{
		ExecClearTuple(slot);
		ExecStoreVirtualTuple(slot);
	}
	if (state->values != NULL)
	{
		slot->tts_values[state->targets[0] - 1] = Float8GetDatum(state->values[row]);
		slot->tts_isnull[state->targets[0] - 1] = false;
		return slot;
	}
	old = MemoryContextSwitchTo(state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	for (int i = 0; i < state->batch.count; i++)
	{
		const DlForwarded *column = &state->batch.columns[i];

		slot->tts_values[column->target - 1] = column->values[row];
		slot->tts_isnull[column->target - 1] = column->nulls[row];
	}
	for (int i = 0; i < state->call_count; i++)
	{
		int			k = state->targets[i] - 1;

		slot->tts_values[k] = dl_score_call_answer(state->calls[i], row, &slot->tts_isnull[k]);
	}
	MemoryContextSwitchTo(old);
	return slot;
}

static TupleTableSlot *
execute(CustomScanState *node)
{
	DlScoreState *state = (DlScoreState *) node;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	for (;;)
	{
		TupleTableSlot *slot;
		int			row;

		if (state->next >= state->selected_count)
		{
			if (next_batch(state))
				continue;
			return ExecClearTuple(node->ss.ps.ps_ProjInfo != NULL ? node->ss.ps.ps_ResultTupleSlot : node->ss.ss_ScanTupleSlot);
		}
		row = state->next++;
		if (state->filter.comparison != NULL)
			row = state->selected[row];
		if (!state->bare_result)
			ResetExprContext(econtext);
		slot = store_row(state, row);
		econtext->ecxt_scantuple = slot;
		if (node->ss.ps.qual != NULL && !ExecQual(node->ss.ps.qual, econtext))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		return node->ss.ps.ps_ProjInfo != NULL ? ExecProject(node->ss.ps.ps_ProjInfo) : slot;
	}
}

static void
rescan(CustomScanState *node)
{
	DlScoreState *state = (DlScoreState *) node;
	PlanState  *child = outerPlanState(node);

	state->next = 0;
	state->selected_count = 0;
	state->rows_read = 0;
	state->pending = NULL;
	state->pending_counted = false;
	state->finished = false;
	if (child->chgParam == NULL)
		ExecReScan(child);
}

static void
end(CustomScanState *node)
{
	DlScoreState *state = (DlScoreState *) node;

	ExecEndNode(outerPlanState(node));
	if (state->context != NULL)
		MemoryContextDelete(state->context);
}

const CustomExecMethods dl_score_exec_methods = {
	.CustomName = "DeepLearningScore",
	.BeginCustomScan = begin,
	.ExecCustomScan = execute,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = dl_score_estimate_shared,
	.InitializeDSMCustomScan = dl_score_create_shared,
	.ReInitializeDSMCustomScan = dl_score_reset_shared,
	.InitializeWorkerCustomScan = dl_score_attach_shared,
	.ShutdownCustomScan = dl_score_shut_down,
	.ExplainCustomScan = dl_score_explain,
};

static void
run_executor(DL_EXECUTOR_RUN_ARGUMENTS)
{
	uint64		outer = rows_run;

	rows_run = count;
	PG_TRY();
	{
		if (previous_run != NULL)
			previous_run(DL_EXECUTOR_RUN_PASSED);
		else
			standard_ExecutorRun(DL_EXECUTOR_RUN_PASSED);
	}
	PG_FINALLY();
	{
		rows_run = outer;
	}
	PG_END_TRY();
}

void
dl_score_node_init(void)
{
	RegisterCustomScanMethods(&dl_score_scan_methods);
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = run_executor;
}
