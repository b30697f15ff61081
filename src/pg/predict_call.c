/*
 * predict_call.c
 *    One call site of a scoring function, over many rows.
 *
 * What does not change from row to row (the model, its columns, the types of the
 * arguments) is found out once and kept in fn_extra.
 */
#include "pg/predict_call.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* Reads the argument types once; rows and arrays are taken apart later. */
static void
set_arguments(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	Oid			first = call->count > 0 ? get_fn_expr_argtype(fcinfo->flinfo, 1) : InvalidOid;

	if (call->count == 1 && get_fn_expr_variadic(fcinfo->flinfo))
		call->arguments = DL_ARGUMENTS_ARRAY;
	else if (call->count == 1 && type_is_rowtype(first))
		call->arguments = DL_ARGUMENTS_ROW;
	else
		call->arguments = DL_ARGUMENTS_POSITION;
}

static void
set_positions(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	int			columns = call->model->column_count;

	if (call->arguments == DL_ARGUMENTS_ROW)
		return;
	if (call->arguments == DL_ARGUMENTS_ARRAY)
	{
		Oid			element = get_element_type(getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1)));

		for (int i = 0; i < columns; i++)
			dl_column_source_set(&call->sources[i], &call->model->columns[i], element, i);
		return;
	}
	if (call->count != columns)
		dl_column_sources_wrong_count(call->model, call->count);
	for (int i = 0; i < columns; i++)
		dl_column_source_set(&call->sources[i], &call->model->columns[i], get_fn_expr_argtype(fcinfo->flinfo, i + 1), i);
}

/* Everything that depends on the model. */
static void
use_model(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	const DlModel *model = call->use.model;
	MemoryContext old = MemoryContextSwitchTo(call->use.context);
	DlError		error;

	call->model = model;
	call->row_type = InvalidOid;
	call->sources = palloc0(sizeof(DlColumnSource) * (Size) Max(model->column_count, 1));
	set_positions(call, fcinfo);
	if (call->arguments != DL_ARGUMENTS_ROW)
		dl_column_runs_set(&call->runs, call->sources, model->column_count);
	call->may_allocate = call->arguments != DL_ARGUMENTS_POSITION;
	for (int i = 0; i < model->column_count; i++)
		call->may_allocate = call->may_allocate || call->sources[i].allocates;
	call->width = dl_model_result_width(model);
	call->results = palloc0(sizeof(double) * (Size) call->width);
	call->features = palloc0(sizeof(uint32_t) * (Size) Max(model->feature_words, 1));
	DL_CHECK(dl_scorer_create(dl_arena_for_context(call->use.context, 0), model, 1, &call->scorer, &error), &error);
	MemoryContextSwitchTo(old);
	call->use.ready = true;
}

/*
 * Only a constant is.  A parameter is not: PL/pgSQL keeps an expression for the whole
 * transaction, while its variables, which are the parameters, change.
 */
bool
dl_predict_model_is_constant(const Node *expression)
{
	List	   *arguments = NIL;

	if (expression != NULL && IsA(expression, FuncExpr))
		arguments = ((const FuncExpr *) expression)->args;
	else if (expression != NULL && IsA(expression, OpExpr))
		arguments = ((const OpExpr *) expression)->args;
	return arguments != NIL && IsA(linitial(arguments), Const);
}

static DlPredictCall *
create_call(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);
	DlPredictCall *call = palloc0(sizeof(DlPredictCall));

	dl_model_use_init(&call->use, flinfo->fn_mcxt, get_fn_expr_argtype(flinfo, 0),
					  dl_predict_model_is_constant(flinfo->fn_expr));
	call->row_type_context = AllocSetContextCreate(flinfo->fn_mcxt, "dl predict row type", ALLOCSET_SMALL_SIZES);
	call->row_context = AllocSetContextCreate(flinfo->fn_mcxt, "dl predict row", ALLOCSET_DEFAULT_SIZES);
	call->count = fcinfo->nargs - 1;
	set_arguments(call, fcinfo);
	flinfo->fn_extra = call;
	MemoryContextSwitchTo(old);
	return call;
}

/* A table's type may be altered between two rows; its entry in the type cache tells.  Types of records never change. */
static bool
same_row_type(const DlPredictCall *call, Oid type, int32 typmod)
{
	return type == call->row_type && typmod == call->row_typmod &&
		(call->row_entry == NULL || call->row_entry->tupDesc_identifier == call->row_identifier);
}

static void
set_row_type(DlPredictCall *call, Oid type, int32 typmod)
{
	MemoryContext old = MemoryContextSwitchTo(call->row_type_context);

	call->row_type = InvalidOid;
	MemoryContextReset(call->row_type_context);
	call->tupdesc = lookup_rowtype_tupdesc_copy(type, typmod);
	call->row_entry = type == RECORDOID ? NULL : lookup_type_cache(type, TYPECACHE_TUPDESC);
	call->row_identifier = call->row_entry == NULL ? 0 : call->row_entry->tupDesc_identifier;
	call->values = palloc(sizeof(Datum) * (Size) Max(call->tupdesc->natts, 1));
	call->nulls = palloc(sizeof(bool) * (Size) Max(call->tupdesc->natts, 1));
	dl_column_sources_match(call->model, call->tupdesc, call->sources);
	dl_column_runs_set(&call->runs, call->sources, call->model->column_count);
	MemoryContextSwitchTo(old);
	call->row_type = type;
	call->row_typmod = typmod;
}

static void
encode_row(DlPredictCall *call, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	HeapTupleData tuple;

	if (unlikely(!same_row_type(call, type, typmod)))
		set_row_type(call, type, typmod);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, call->tupdesc, call->values, call->nulls);
	dl_column_runs_encode_values(&call->runs, call->values, call->nulls, call->features);
}

static void
encode_array(DlPredictCall *call, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			element = ARR_ELEMTYPE(array);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (element == FLOAT4OID && ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == call->model->column_count &&
		!ARR_HASNULL(array) && dl_column_runs_encode_floats(&call->runs, (float4 *) ARR_DATA_PTR(array), call->features))
		return;
	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(array, element, length, by_value, align, &values, &nulls, &count);
	if (count != call->model->column_count)
		dl_column_sources_wrong_count(call->model, count);
	dl_column_runs_encode_values(&call->runs, values, nulls, call->features);
}

static void
encode_arguments(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	switch (call->arguments)
	{
		case DL_ARGUMENTS_ROW:
			encode_row(call, PG_GETARG_DATUM(1));
			break;
		case DL_ARGUMENTS_ARRAY:
			encode_array(call, PG_GETARG_DATUM(1));
			break;
		case DL_ARGUMENTS_POSITION:
			dl_column_runs_encode_arguments(&call->runs, fcinfo->args + 1, call->features);
			break;
	}
}

DlPredictCall *
dl_predict_call(FunctionCallInfo fcinfo)
{
	DlPredictCall *call = fcinfo->flinfo->fn_extra;

	if (unlikely(call == NULL))
		call = create_call(fcinfo);
	if (unlikely(PG_ARGISNULL(0)))
		dl_model_use_null();
	if (unlikely(dl_model_use_find(&call->use, PG_GETARG_DATUM(0))))
		use_model(call, fcinfo);
	if (call->arguments != DL_ARGUMENTS_POSITION && PG_ARGISNULL(1))
		return NULL;

	if (call->may_allocate)
	{
		MemoryContext old = MemoryContextSwitchTo(call->row_context);

		encode_arguments(call, fcinfo);
		MemoryContextSwitchTo(old);
		MemoryContextReset(call->row_context);
	}
	else
		encode_arguments(call, fcinfo);
	return call;
}

void
dl_predict_score(DlPredictCall *call)
{
	DlError		error;

	DL_CHECK(dl_scorer_run(call->scorer, 1, call->features, call->model->feature_words, call->results, &error), &error);
}
