/*
 * predict_call.c
 *    One call site of a scoring function, over many rows.
 *
 * What does not change from row to row (the model, its columns, the types of the
 * arguments) is found out once and kept in fn_extra.
 */
#include "pg/predict_call.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pg/bridge.h"
#include "pg/column_binding.h"
#include "pg/compat.h"
#include "pg/model_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

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

/* Without a call for what nearly all arguments are: a statement that scores one row pays for each. */
static inline Oid
type_of(const Node *argument)
{
	return IsA(argument, Var) ? ((const Var *) argument)->vartype : exprType(argument);
}

/* Types of the arguments after the model. */
static void
set_types(FunctionCallInfo fcinfo, Oid *types, int count)
{
	const FuncExpr *call = (const FuncExpr *) fcinfo->flinfo->fn_expr;

	if (call != NULL && IsA(call, FuncExpr) && list_length(call->args) == count + 1)
	{
		const ListCell *arguments = list_nth_cell(call->args, 0) + 1;

		for (int i = 0; i < count; i++)
			types[i] = type_of(lfirst(&arguments[i]));
		return;
	}
	for (int i = 0; i < count; i++)
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i + 1);
}

static void
set_array_elements(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	int			columns = call->model->column_count;
	Oid			element = get_element_type(getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1)));
	DlColumnSource *sources = palloc0(sizeof(DlColumnSource) * (Size) Max(columns, 1));

	for (int i = 0; i < columns; i++)
		dl_column_source_set(&sources[i], &call->model->columns[i], element, i);
	dl_column_runs_set(&call->runs, sources, columns);
}

static void
set_positions(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	Oid			types[FUNC_MAX_ARGS];
	const DlColumnBinding *binding;

	set_types(fcinfo, types, call->count);
	binding = dl_column_binding(call->model, types, call->count);
	call->runs = binding->runs;
	call->may_allocate = binding->allocates;
}

/* Everything that depends on the model. */
static void
use_model(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	const DlModel *model = call->use.model;
	MemoryContext old = MemoryContextSwitchTo(call->use.context);

	call->model = model;
	call->row.type = InvalidOid;
	call->may_allocate = true;
	if (call->arguments == DL_ARGUMENTS_POSITION)
		set_positions(call, fcinfo);
	else if (call->arguments == DL_ARGUMENTS_ARRAY)
		set_array_elements(call, fcinfo);
	if (call->may_allocate && call->row_context == NULL)
		call->row_context = AllocSetContextCreate(call->use.parent, "dl predict row", ALLOCSET_DEFAULT_SIZES);
	call->width = dl_model_result_width(model);
	call->results = palloc0(sizeof(double) * (Size) call->width + sizeof(uint32_t) * (Size) model->feature_words);
	call->features = (uint32_t *) (call->results + call->width);
	call->scorer = dl_model_cache_scorer(model, 1);
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
	dl_row_reader_init(&call->row, flinfo->fn_mcxt);
	call->count = fcinfo->nargs - 1;
	set_arguments(call, fcinfo);
	flinfo->fn_extra = call;
	MemoryContextSwitchTo(old);
	return call;
}

static void
encode_row(DlPredictCall *call, Datum value)
{
	DlRowReader *row = &call->row;

	if (unlikely(dl_row_reader_read(row, value)))
	{
		MemoryContext old = MemoryContextSwitchTo(row->context);

		call->runs = dl_column_binding_of_row(call->model, row->tupdesc, row->identifier)->runs;
		dl_row_reader_accept(row);
		MemoryContextSwitchTo(old);
	}
	dl_column_runs_encode_values(&call->runs, row->values, row->nulls, call->features);
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
			dl_column_runs_encode_array(&call->runs, call->model, PG_GETARG_DATUM(1), call->features);
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
