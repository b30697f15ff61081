/*
 * score_call.c
 *    One call of a scoring function in a node that scores in batches.
 */
#include "pg/score_call.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pg/bridge.h"
#include "pg/column_binding.h"
#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/settings.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MOST_MODELS 64			/* that one call keeps ready */
#define SINGLE_ROWS 4			/* so many go one by one */

/*
 * Multiply-adds between two looks for interrupts: some 20 ms where memory is fast,
 * within 100 ms everywhere.
 */
#define CHUNK_WORK 4e8
#define LEAST_CHUNK 16

/* ---- how the arguments come ---- */

static void
check_right(Oid function)
{
	AclResult	result = dl_may_execute_compat(function);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/* The arguments, each by itself, of ROW(...), ARRAY[...] or a list; call->whole: the one value that they come as. */
static List *
arguments_apart(DlScoreCall *call)
{
	List	   *arguments = list_copy_tail(call->expression->args, 1);
	Node	   *only = list_length(arguments) == 1 ? linitial(arguments) : NULL;

	call->arguments = DL_ARGUMENTS_POSITION;
	if (only != NULL && call->expression->funcvariadic)
	{
		call->arguments = DL_ARGUMENTS_ARRAY;
		call->whole = !IsA(only, ArrayExpr) || ((ArrayExpr *) only)->multidims;
		return call->whole ? arguments : ((ArrayExpr *) only)->elements;
	}
	if (only != NULL && type_is_rowtype(exprType(only)))
	{
		call->arguments = DL_ARGUMENTS_ROW;
		call->whole = !IsA(only, RowExpr) || ((RowExpr *) only)->row_typeid != RECORDOID ||
			((RowExpr *) only)->colnames == NIL;
		return call->whole ? arguments : ((RowExpr *) only)->args;
	}
	return arguments;
}

static void
name_columns(DlScoreCall *call)
{
	RowExpr    *row = lsecond(call->expression->args);
	ListCell   *name;
	ListCell   *value;
	AttrNumber	number = 0;

	call->row = CreateTemplateTupleDesc(list_length(row->args));
	forboth(name, row->colnames, value, row->args)
		TupleDescInitEntry(call->row, ++number, strVal(lfirst(name)), exprType(lfirst(value)),
						   exprTypmod(lfirst(value)), 0);
}

/* Where each argument is found; an expression is evaluated by parent. */
static void
set_arguments(DlScoreCall *call, List *arguments, PlanState *parent)
{
	int			i = 0;
	ListCell   *lc;

	call->count = list_length(arguments);
	call->types = palloc0(sizeof(Oid) * (Size) Max(call->count, 1));
	call->columns = palloc0(sizeof(AttrNumber) * (Size) Max(call->count, 1));
	call->states = palloc0(sizeof(ExprState *) * (Size) Max(call->count, 1));
	call->values = palloc0(sizeof(Datum) * (Size) Max(call->count, 1));
	call->nulls = palloc0(sizeof(bool) * (Size) Max(call->count, 1));
	call->direct = call->adjacent = !call->whole;
	foreach(lc, arguments)
	{
		Node	   *argument = lfirst(lc);
		Var		   *var = (Var *) argument;

		call->types[i] = exprType(argument);
		if (IsA(argument, Var) && var->varattno > 0)
		{
			call->columns[i] = var->varattno;
			call->last_column = Max(call->last_column, var->varattno);
		}
		else
		{
			call->states[i] = ExecInitExpr((Expr *) argument, parent);
			call->direct = false;
		}
		if (call->columns[i] != call->columns[0] + i)
			call->adjacent = false;
		i++;
	}
}

DlScoreCall *
dl_score_call_create(FuncExpr *expression, List *guard, PlanState *parent, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DlScoreCall *call = palloc0(sizeof(DlScoreCall));
	List	   *arguments;

	check_right(expression->funcid);
	call->expression = expression;
	call->function = dl_score_function(expression->funcid);
	call->context = context;
	if (call->function->composite && get_expr_result_type((Node *) expression, NULL, &call->answer_type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a scoring function has no row type");
	if (call->answer_type != NULL)
		call->answer_type = BlessTupleDesc(call->answer_type);
	call->guard = guard == NIL ? NULL : ExecInitQual(guard, parent);
	arguments = arguments_apart(call);
	set_arguments(call, arguments, parent);
	if (call->arguments == DL_ARGUMENTS_ROW && !call->whole)
		name_columns(call);
	if (!dl_predict_model_is_constant((Node *) expression))
		call->model_state = ExecInitExpr(linitial(expression->args), parent);
	call->models = palloc0(sizeof(DlScoreModel *) * MOST_MODELS);
	MemoryContextSwitchTo(old);
	return call;
}

/* ---- models ---- */

static int64
chunk_rows(const DlModel *model)
{
	double		work = 1;

	for (int i = 0; i < model->member_count; i++)
		work += (double) dl_graph_vector_length(dl_model_graph(model, i));
	return Min(dl_setting_batch_rows(), Max(LEAST_CHUNK, (int64) (CHUNK_WORK / work)));
}

/* A column of the slot where they are read from there, else the number of the argument. */
static int
place_of(const DlScoreCall *call, int argument)
{
	return call->direct ? call->columns[argument] - 1 : argument;
}

/* The arguments are the columns, in turn. */
static void
set_positions(DlScoreCall *call, DlScoreModel *m)
{
	const DlModel *model = m->use.model;
	DlColumnSource *sources;

	if (call->table == NULL && (!call->direct || call->adjacent))
	{
		m->runs = dl_column_binding(model, call->types, call->count)->runs;
		m->first = call->direct && call->count > 0 ? call->columns[0] - 1 : 0;
		return;
	}
	if (call->count != model->column_count)
		dl_column_sources_wrong_count(model, call->count);
	sources = palloc0(sizeof(DlColumnSource) * (Size) Max(call->count, 1));
	for (int i = 0; i < call->count; i++)
		dl_column_source_set(&sources[i], &model->columns[i], call->types[i], place_of(call, i));
	dl_column_runs_set(&m->runs, sources, call->count);
}

/* They are elements of an array, or columns of a row, which is known where it was taken apart. */
static void
set_others(DlScoreCall *call, DlScoreModel *m)
{
	const DlModel *model = m->use.model;
	int			columns = model->column_count;
	DlColumnSource *sources;

	if (call->arguments == DL_ARGUMENTS_ROW && call->whole)
		return;
	sources = palloc0(sizeof(DlColumnSource) * (Size) Max(columns, 1));
	if (call->arguments == DL_ARGUMENTS_ROW)
	{
		dl_column_sources_match(model, call->row, sources);
		for (int i = 0; i < columns; i++)
			sources[i].position = place_of(call, sources[i].position);
	}
	else
	{
		Oid			element = get_element_type(getBaseType(call->types[0]));

		for (int i = 0; i < columns; i++)
			dl_column_source_set(&sources[i], &model->columns[i], element, i);
	}
	dl_column_runs_set(&m->runs, sources, columns);
}

static void
set_sources(DlScoreCall *call, DlScoreModel *m)
{
	m->row.type = InvalidOid;
	m->first = 0;
	if (call->arguments == DL_ARGUMENTS_ROW || call->whole)
		set_others(call, m);
	else
		set_positions(call, m);
	m->packed = call->direct && call->table != NULL && dl_column_runs_set_layout(&m->runs, call->table);
}

/* All that depends on the model. */
static void
use_model(DlScoreCall *call, DlScoreModel *m)
{
	const DlModel *model = m->use.model;
	MemoryContext old = MemoryContextSwitchTo(m->use.context);

	m->checked = false;
	m->scorer = NULL;
	m->features = NULL;
	m->results = NULL;
	m->room = 0;
	m->capacity = chunk_rows(model);
	m->result_bytes = call->function->hidden ? sizeof(float) * (Size) dl_model_hidden_width(model) :
		sizeof(double) * (Size) dl_model_result_width(model);
	dl_row_reader_init(&m->row, m->use.context);
	set_sources(call, m);
	MemoryContextSwitchTo(old);
	m->use.ready = true;
}

static DlScoreModel *
add_model(DlScoreCall *call)
{
	DlScoreModel *m = MemoryContextAllocZero(call->context, sizeof(DlScoreModel));

	dl_model_use_init(&m->use, call->context, exprType(linitial(call->expression->args)), call->model_state == NULL);
	call->models[call->model_count++] = m;
	return m;
}

static void
put_first(DlScoreCall *call, int i)
{
	DlScoreModel *m = call->models[i];

	memmove(&call->models[1], &call->models[0], sizeof(DlScoreModel *) * (Size) i);
	call->models[0] = m;
}

static bool
same_argument(const DlScoreModel *m, Datum value)
{
	return m->argument != (Datum) 0 && datumIsEqual(m->argument, value, false, -1);
}

/* The model that an argument means; NULL: it has to be looked for, and the row is not the first. */
static DlScoreModel *
model_of(DlScoreCall *call, Datum value, int row)
{
	DlScoreModel *m;
	int			i;

	for (i = 0; i < call->model_count; i++)
		if (same_argument(call->models[i], value))
			break;
	if (i == call->model_count && row > 0)
		return NULL;
	if (i == call->model_count && call->model_count < MOST_MODELS)
		add_model(call);
	else if (i == call->model_count)
		i = MOST_MODELS - 1;
	put_first(call, i);
	m = call->models[0];
	if (!same_argument(m, value))
	{
		Datum		old = m->argument;

		m->argument = (Datum) 0;
		if (dl_model_use_find(&m->use, value))
			use_model(call, m);
		if (old != (Datum) 0)
			pfree(DatumGetPointer(old));
		m->argument = PointerGetDatum(memcpy(MemoryContextAlloc(call->context, VARSIZE_ANY(DatumGetPointer(value))),
											 DatumGetPointer(value), VARSIZE_ANY(DatumGetPointer(value))));
	}
	else if (m->rows == 0 && dl_model_use_find(&m->use, value))
		use_model(call, m);
	return m;
}

static void
make_room(DlScoreCall *call, DlScoreModel *m)
{
	MemoryContext old;
	Size		words = sizeof(uint32_t) * (Size) Max(m->use.model->feature_words, 1);
	int			room = Min(call->room, Max(2 * m->room, DL_FEW_ROWS));

	if (m->rows < m->room)
		return;
	room = Max(room, m->rows + 1);
	old = MemoryContextSwitchTo(m->use.context);
	if (m->features == NULL)
	{
		m->features = MemoryContextAllocHuge(m->use.context, words * (Size) room);
		m->results = MemoryContextAllocHuge(m->use.context, m->result_bytes * (Size) room);
	}
	else
	{
		m->features = repalloc_huge(m->features, words * (Size) room);
		m->results = repalloc_huge(m->results, m->result_bytes * (Size) room);
	}
	m->room = room;
	MemoryContextSwitchTo(old);
}

/* ---- reading rows ---- */

void
dl_score_call_begin(DlScoreCall *call, int room)
{
	if (room > call->room)
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		if (call->positions != NULL)
		{
			pfree(call->positions);
			pfree(call->row_models);
		}
		call->positions = palloc(sizeof(int32) * (Size) room);
		call->row_models = palloc(sizeof(DlScoreModel *) * (Size) room);
		call->room = room;
		MemoryContextSwitchTo(old);
	}
	call->plain = call->guard == NULL && call->model_state == NULL && !call->whole;
	for (int i = 0; i < call->model_count; i++)
		call->models[i]->rows = 0;
}

/* A model that all rows share is looked for at the first of them; NULL: it would be at a later one. */
static DlScoreModel *
shared_model(DlScoreCall *call, int row)
{
	DlScoreModel *m = call->model_count > 0 ? call->models[0] : add_model(call);

	if (row > 0 && !m->use.ready)
		return NULL;
	if (row == 0)
	{
		Const	   *argument = linitial(call->expression->args);

		if (argument->constisnull)
			dl_model_use_null();
		if (dl_model_use_find(&m->use, argument->constvalue))
			use_model(call, m);
	}
	return m;
}

static DlScoreModel *
row_model(DlScoreCall *call, ExprContext *econtext, int row)
{
	bool		isnull;
	Datum		value = ExecEvalExpr(call->model_state, econtext, &isnull);

	if (!isnull)
		return model_of(call, value, row);
	if (row == 0)
		dl_model_use_null();
	return NULL;
}

static void
read_arguments(DlScoreCall *call, TupleTableSlot *slot, ExprContext *econtext)
{
	for (int i = 0; i < call->count; i++)
	{
		if (call->columns[i] > 0)
		{
			call->values[i] = slot->tts_values[call->columns[i] - 1];
			call->nulls[i] = slot->tts_isnull[call->columns[i] - 1];
		}
		else
			call->values[i] = ExecEvalExpr(call->states[i], econtext, &call->nulls[i]);
	}
}

static bool
encode_values(const DlScoreModel *m, const Datum *values, const bool *nulls, bool raise, uint32_t *features)
{
	if (dl_column_runs_try_values(&m->runs, values, nulls, features))
		return true;
	if (raise)
		dl_column_runs_encode_values(&m->runs, values, nulls, features);
	return false;
}

static bool
encode_row(DlScoreModel *m, Datum value, bool raise, uint32_t *features)
{
	if (unlikely(dl_row_reader_read(&m->row, value)))
	{
		MemoryContext old = MemoryContextSwitchTo(m->row.context);

		m->runs = dl_column_binding_of_row(m->use.model, m->row.tupdesc, m->row.identifier)->runs;
		dl_row_reader_accept(&m->row);
		MemoryContextSwitchTo(old);
	}
	return encode_values(m, m->row.values, m->row.nulls, raise, features);
}

static bool
encode_whole(DlScoreCall *call, DlScoreModel *m, bool raise, uint32_t *features)
{
	if (call->arguments == DL_ARGUMENTS_ROW)
		return encode_row(m, call->values[0], raise, features);
	if (raise)
	{
		dl_column_runs_encode_array(&m->runs, m->use.model, call->values[0], features);
		return true;
	}
	return dl_column_runs_try_array(&m->runs, m->use.model, call->values[0], features);
}

bool
dl_score_call_read(DlScoreCall *call, TupleTableSlot *slot, ExprContext *econtext, int row)
{
	DlScoreModel *m;
	uint32_t   *features;
	bool		encoded;

	if (!call->plain)
		call->positions[row] = -1;
	if (call->guard != NULL && !ExecQual(call->guard, econtext))
		return true;
	m = call->model_state == NULL ? shared_model(call, row) : row_model(call, econtext, row);
	if (m == NULL)
		return false;
	make_room(call, m);
	features = m->features + (Size) m->rows * (Size) m->use.model->feature_words;
	slot_getsomeattrs(slot, call->last_column);
	if (call->direct)
		encoded = encode_values(m, slot->tts_values + m->first, slot->tts_isnull + m->first, row == 0, features);
	else
	{
		read_arguments(call, slot, econtext);
		if (call->whole && call->nulls[0])
			return true;
		encoded = call->whole ? encode_whole(call, m, row == 0, features) :
			encode_values(m, call->values, call->nulls, row == 0, features);
	}
	if (!encoded || (!m->checked && row > 0))
		return false;
	if (!m->checked)
		call->function->check(m->use.model);
	m->checked = true;
	if (!call->plain)
	{
		call->row_models[row] = m;
		call->positions[row] = m->rows;
	}
	m->rows++;
	return true;
}

Size
dl_score_call_row_bytes(const DlScoreCall *call)
{
	const DlScoreModel *m = call->model_count > 0 ? call->models[0] : NULL;

	return m == NULL || !m->use.ready ? 0 : m->result_bytes + sizeof(uint32_t) * (Size) m->use.model->feature_words;
}

bool
dl_score_call_begin_packed(DlScoreCall *call, int row)
{
	DlScoreModel *m;

	if (!call->plain || !call->direct || call->table == NULL)
		return false;
	m = shared_model(call, row);
	make_room(call, m);
	return m->packed;
}

/* ---- scoring ---- */

static DlScorer *
scorer_for(DlScoreModel *m, int64 rows)
{
	DlError		error;

	if (rows <= DL_FEW_ROWS && m->scorer == NULL)
		return dl_model_cache_scorer(m->use.model, rows <= SINGLE_ROWS ? 1 : DL_FEW_ROWS);
	if (m->scorer == NULL)
	{
		m->scorer_context = AllocSetContextCreate(m->use.context, "dl scorer", ALLOCSET_DEFAULT_SIZES);
		DL_CHECK(dl_scorer_create(dl_arena_for_context(m->scorer_context, 0), m->use.model, m->capacity, &m->scorer, &error),
				 &error);
	}
	return m->scorer;
}

void
dl_score_call_release(DlScoreCall *call)
{
	for (int i = 0; i < call->model_count; i++)
	{
		DlScoreModel *m = call->models[i];

		if (m->scorer == NULL)
			continue;
		MemoryContextDelete(m->scorer_context);
		pfree(m->features);
		pfree(m->results);
		m->scorer = NULL;
		m->features = NULL;
		m->results = NULL;
		m->room = 0;
		m->rows = 0;
	}
}

static void
score_chunk(const DlScoreCall *call, DlScoreModel *m, int64 from, int64 rows)
{
	int64		words = m->use.model->feature_words;
	const uint32_t *features = m->features + from * words;
	char	   *results = m->results + (Size) from * m->result_bytes;
	DlScorer   *scorer = scorer_for(m, rows);
	DlError		error;

	if (call->function->hidden)
		DL_CHECK(dl_scorer_embed(scorer, rows, features, words, (float *) results, &error), &error);
	else
		DL_CHECK(dl_scorer_run(scorer, rows, features, words, (double *) results, &error), &error);
}

void
dl_score_call_run(DlScoreCall *call, DlScoreCounters *counters)
{
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < call->model_count; i++)
	{
		DlScoreModel *m = call->models[i];

		for (int64 from = 0; from < m->rows; from += m->capacity)
		{
			CHECK_FOR_INTERRUPTS();
			score_chunk(call, m, from, Min(m->capacity, m->rows - from));
		}
		counters->batches += m->rows > 0;
		counters->rows += (uint64) m->rows;
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	counters->nanoseconds += (uint64) (INSTR_TIME_GET_DOUBLE(end) * 1e9);
}

Datum
dl_score_call_answer(const DlScoreCall *call, int row, bool *isnull)
{
	int32		position = call->plain ? row : call->positions[row];
	const DlScoreModel *m;

	*isnull = position < 0;
	if (position < 0)
		return (Datum) 0;
	m = call->plain ? call->models[0] : call->row_models[row];
	return call->function->answer(m->use.model, m->results + (Size) position * m->result_bytes, call->answer_type);
}

const double *
dl_score_call_values(const DlScoreCall *call)
{
	return call->plain && call->function == &dl_score_functions[DL_SCORE_PREDICT] ?
		(const double *) call->models[0]->results : NULL;
}
