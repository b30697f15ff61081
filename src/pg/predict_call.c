/*
 * predict_call.c
 *    One call site of a scoring function, over many rows.
 *
 * What does not change from row to row (the model, its columns, the types of the
 * arguments) is found out once and kept in fn_extra.  A model found by name
 * is looked up again only when the registry says that something changed, or
 * when the user or the name is another.
 */
#include "pg/predict_call.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

static void
describe_columns(const DlModel *model, StringInfo text)
{
	for (int i = 0; i < model->column_count && text->len < 700; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "", model->columns[i].name);
}

static void
wrong_count(const DlPredictCall *call, int got)
{
	StringInfoData names;

	initStringInfo(&names);
	describe_columns(call->model, &names);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the model takes %d columns, got %d", call->model->column_count, got),
			 errdetail("Its columns, in order: %s.", names.data),
			 errhint("Pass the columns in this order, or one whole row, whose columns are matched by name.")));
}

/* Checks that values of a type can become a column, and remembers how. */
static void
set_source(DlPredictCall *call, int index, Oid type, int position)
{
	DlColumnSource *s = &call->sources[index];
	const DlColumn *column = &call->model->columns[index];
	const char *hint;
	bool		fits;

	s->column = column;
	s->position = position;
	if (type == UNKNOWNOID)
	{
		s->literal = true;
		call->may_allocate = true;
		return;
	}
	if (!dl_input_type(type, &s->type, &hint))
		dl_input_type_error(column->name, type, hint);
	switch (column->kind)
	{
		case DL_COLUMN_NUMBER:
			fits = s->type.source <= DL_INPUT_BOOL;
			break;
		case DL_COLUMN_CATEGORY:
			fits = s->type.source <= DL_INPUT_OUTPUT;
			break;
		case DL_COLUMN_DATE:
		case DL_COLUMN_TIMESTAMP:
			fits = s->type.source == DL_INPUT_DATE || s->type.source == DL_INPUT_TIMESTAMP;
			break;
		default:
			fits = s->type.source == DL_INPUT_ARRAY || s->type.source == DL_INPUT_VECTOR;
			break;
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, the model was trained with %s", column->name, format_type_be(type),
						column->type),
				 errhint("Cast it: %s::%s.", quote_identifier(column->name), column->type)));
	if (s->type.source > DL_INPUT_BOOL || s->type.source == DL_INPUT_NUMERIC || column->kind == DL_COLUMN_CATEGORY)
		call->may_allocate = true;
}

static int
find_attribute(TupleDesc tupdesc, const char *name)
{
	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	return -1;
}

/* ROW(...) names its columns f1, f2, ...: they are matched by position. */
static bool
is_anonymous(TupleDesc tupdesc)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "f%d", i + 1);
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) != 0)
			return false;
	}
	return tupdesc->tdtypeid == RECORDOID;
}

static void
match_row(DlPredictCall *call)
{
	TupleDesc	tupdesc = call->tupdesc;
	bool		anonymous = is_anonymous(tupdesc);

	if (anonymous && tupdesc->natts != call->model->column_count)
		wrong_count(call, tupdesc->natts);
	for (int i = 0; i < call->model->column_count; i++)
	{
		const char *name = call->model->columns[i].name;
		int			attribute = anonymous ? i : find_attribute(tupdesc, name);

		if (attribute < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the row has no column \"%s\", which the model was trained with", name),
					 errhint("Select it under this name, or pass the columns one by one in the order of training.")));
		set_source(call, i, TupleDescAttr(tupdesc, attribute)->atttypid, attribute);
	}
}

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
			set_source(call, i, element, i);
		return;
	}
	if (call->count != columns)
		wrong_count(call, call->count);
	for (int i = 0; i < columns; i++)
		set_source(call, i, get_fn_expr_argtype(fcinfo->flinfo, i + 1), i);
}

/* Everything that depends on the model. */
static void
use_model(DlPredictCall *call, FunctionCallInfo fcinfo, const DlModel *model)
{
	MemoryContext old = MemoryContextSwitchTo(call->model_context);
	DlError		error;

	call->model = model;
	call->row_type = InvalidOid;
	call->tupdesc = NULL;
	call->values = NULL;
	call->may_allocate = call->arguments != DL_ARGUMENTS_POSITION;
	call->sources = palloc0(sizeof(DlColumnSource) * (Size) Max(model->column_count, 1));
	set_positions(call, fcinfo);
	call->width = dl_model_result_width(model);
	call->results = palloc0(sizeof(double) * (Size) call->width);
	call->features = palloc0(sizeof(uint32_t) * (Size) Max(model->feature_words, 1));
	DL_CHECK(dl_scorer_create(dl_arena_for_context(call->model_context, 0), model, 1, &call->scorer, &error), &error);
	MemoryContextSwitchTo(old);
}

static bool
same_name(const DlPredictCall *call, Datum name)
{
	text	   *packed = DatumGetTextPP(name);
	Size		length = VARSIZE_ANY_EXHDR(packed);

	return strlen(call->name) == length && memcmp(call->name, VARDATA_ANY(packed), length) == 0;
}

static void
find_by_name(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	if (call->model != NULL && likely(dl_registry_current(&call->handle)) &&
		(call->constant || same_name(call, PG_GETARG_DATUM(0))))
		return;
	call->model = NULL;
	MemoryContextReset(call->model_context);
	call->name = MemoryContextStrdup(call->model_context, TextDatumGetCString(PG_GETARG_DATUM(0)));
	dl_registry_open(call->name, 0, DL_RIGHT_USE, call->model_context, &call->handle);
	use_model(call, fcinfo, call->handle.model);
}

static void
find_by_value(DlPredictCall *call, FunctionCallInfo fcinfo)
{
	const DlModel *model = dl_model_argument(&call->argument, PG_GETARG_DATUM(0), call->constant, call->context);

	if (likely(model == call->model))
		return;
	call->model = NULL;
	MemoryContextReset(call->model_context);
	use_model(call, fcinfo, model);
}

static DlPredictCall *
create_call(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);
	DlPredictCall *call = palloc0(sizeof(DlPredictCall));

	call->context = flinfo->fn_mcxt;
	call->model_context = AllocSetContextCreate(flinfo->fn_mcxt, "dl predict model", ALLOCSET_DEFAULT_SIZES);
	call->row_context = AllocSetContextCreate(flinfo->fn_mcxt, "dl predict row", ALLOCSET_DEFAULT_SIZES);
	call->count = fcinfo->nargs - 1;
	call->by_value = get_fn_expr_argtype(flinfo, 0) != TEXTOID;
	call->constant = get_fn_expr_arg_stable(flinfo, 0);
	set_arguments(call, fcinfo);
	flinfo->fn_extra = call;
	MemoryContextSwitchTo(old);
	return call;
}

/* A literal such as 'gold' or '2026-01-31' has no type of its own: the column's kind gives it one. */
static void
encode_literal(DlColumnSource *s, Datum value, uint32_t *words)
{
	const DlColumn *column = s->column;
	char	   *text = DatumGetCString(value);
	Datum		typed;

	switch (column->kind)
	{
		case DL_COLUMN_CATEGORY:
			words[0] = (uint32_t) dl_vocabulary_find(column->vocabulary, text, strlen(text));
			return;
		case DL_COLUMN_NUMBER:
			typed = DirectFunctionCall1(float8in, value);
			s->type.source = DL_INPUT_FLOAT8;
			break;
		case DL_COLUMN_DATE:
			typed = DirectFunctionCall1(date_in, value);
			s->type.source = DL_INPUT_DATE;
			break;
		case DL_COLUMN_TIMESTAMP:
			typed = DirectFunctionCall3(strstr(column->type, "with time zone") != NULL ? timestamptz_in : timestamp_in,
										value, ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			s->type.source = DL_INPUT_TIMESTAMP;
			break;
		default:
			typed = OidInputFunctionCall(F_ARRAY_IN, text, FLOAT8OID, -1);
			s->type.source = DL_INPUT_ARRAY;
			s->type.element = DL_INPUT_FLOAT8;
			break;
	}
	dl_encode_for_scoring(&s->type, column, typed, false, words);
}

static inline void
encode_column(DlPredictCall *call, DlColumnSource *s, Datum value, bool isnull)
{
	uint32_t   *words = call->features + s->column->first_word;

	/* the common case without a call */
	if (s->column->kind == DL_COLUMN_NUMBER && !isnull && s->type.source == DL_INPUT_FLOAT4 && !s->literal)
	{
		double		number = (double) DatumGetFloat4(value);

		if (likely(isfinite(number)))
		{
			words[0] = dl_encode_number(number, s->column->offset);
			return;
		}
	}
	if (s->literal && !isnull)
		encode_literal(s, value, words);
	else
		dl_encode_for_scoring(&s->type, s->column, value, isnull, words);
}

static void
set_row_type(DlPredictCall *call, Oid type, int32 typmod)
{
	MemoryContext old = MemoryContextSwitchTo(call->model_context);

	call->tupdesc = lookup_rowtype_tupdesc_copy(type, typmod);
	call->values = palloc(sizeof(Datum) * (Size) Max(call->tupdesc->natts, 1));
	call->nulls = palloc(sizeof(bool) * (Size) Max(call->tupdesc->natts, 1));
	match_row(call);
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

	if (type != call->row_type || typmod != call->row_typmod)
		set_row_type(call, type, typmod);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, call->tupdesc, call->values, call->nulls);
	for (int i = 0; i < call->model->column_count; i++)
		encode_column(call, &call->sources[i], call->values[call->sources[i].position],
					  call->nulls[call->sources[i].position]);
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

	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(array, element, length, by_value, align, &values, &nulls, &count);
	if (count != call->model->column_count)
		wrong_count(call, count);
	for (int i = 0; i < count; i++)
		encode_column(call, &call->sources[i], values[i], nulls[i]);
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
			for (int i = 0; i < call->count; i++)
				encode_column(call, &call->sources[i], PG_GETARG_DATUM(i + 1), PG_ARGISNULL(i + 1));
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
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be NULL")));
	if (call->by_value)
		find_by_value(call, fcinfo);
	else
		find_by_name(call, fcinfo);
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
