/*
 * fit_aggregate.c
 *    dl.fit(target, features [, options]): training as an aggregate, one model
 *    a group.
 *
 * Rows are encoded as they come; the final function trains on a thread of the
 * session (there may be thousands of groups, so no worker is started for
 * them).  Groups that grow at the same time share
 * deep_learning.training_memory; what exceeds a share goes to temporary files.
 *
 * A state lives in the aggregate's memory context, what it needs to grow in a
 * context of its own below that.  The final call trains and drops the latter;
 * the state keeps the model, because a hashed aggregate that is scanned again
 * asks for it again.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "format/safetensors.h"
#include "funcapi.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/row_encoder.h"
#include "pg/settings.h"
#include "pg/train_options.h"
#include "pg/training.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(dl_sql_fit_transition);
PG_FUNCTION_INFO_V1(dl_sql_fit_final);

#define LEAST_MEMORY ((Size) 1 << 20)

typedef struct FitState
{
	MemoryContext context;		/* NULL when trained: then only model is valid */
	struct varlena *model;
	MemoryContextCallback callback;
	DlArena    *arena;
	DlTraining *training;
	DlRowEncoder *encoder;
	DlTrainOptions options;
	DlFitRequest request;		/* here, because the computing thread reads it until it is joined */
	TupleDesc	row;			/* of composite features, or NULL */
	Oid			row_type;		/* of the last row of features */
	int32		row_typmod;
	int			columns;		/* of features, without dropped ones */
	int		   *attributes;		/* of each: its place in row */
	Datum	   *values;			/* target, then features */
	bool	   *nulls;
	Datum	   *row_values;		/* of all attributes of row */
	bool	   *row_nulls;
	bool	   *mirrors;		/* features that equal the target in every row so far */
	int64		lost;			/* rows whose features are NULL as a whole */
} FitState;

/* States of this session that may grow now: they share the memory. */
static int	live_states;

static void
on_reset(void *argument)
{
	(void) argument;
	live_states--;
}

/* The type of a row of features, and where its columns are. */
static void
set_row_type(FitState *s, HeapTupleHeader header)
{
	s->row_type = HeapTupleHeaderGetTypeId(header);
	s->row_typmod = HeapTupleHeaderGetTypMod(header);
	s->row = lookup_rowtype_tupdesc_copy(s->row_type, s->row_typmod);
	s->attributes = palloc(sizeof(int) * (Size) Max(s->row->natts, 1));
	s->row_values = palloc(sizeof(Datum) * (Size) Max(s->row->natts, 1));
	s->row_nulls = palloc(sizeof(bool) * (Size) Max(s->row->natts, 1));
	s->columns = 0;
	for (int i = 0; i < s->row->natts; i++)
		if (!TupleDescAttr(s->row, i)->attisdropped)
			s->attributes[s->columns++] = i;
}

static Form_pg_attribute
row_attribute(const FitState *s, int column)
{
	return TupleDescAttr(s->row, s->attributes[column]);
}

/* The columns as the encoder sees them: the target first. */
static TupleDesc
describe(FunctionCallInfo fcinfo, FitState *s, Datum features)
{
	Oid			target = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	const char *target_name = "target";
	TupleDesc	result;

	s->columns = 1;
	if (type_is_rowtype(type))
	{
		set_row_type(s, DatumGetHeapTupleHeader(features));
		for (int i = 0; i < s->columns; i++)
			if (strcmp(NameStr(row_attribute(s, i)->attname), target_name) == 0)
				target_name = "target of dl.fit";
	}
	result = CreateTemplateTupleDesc(s->columns + 1);
	TupleDescInitEntry(result, 1, target_name, target, -1, 0);
	for (int i = 0; i < s->columns; i++)
	{
		if (s->row != NULL)
			TupleDescInitEntry(result, (AttrNumber) (i + 2), NameStr(row_attribute(s, i)->attname),
							   row_attribute(s, i)->atttypid, -1, 0);
		else
			TupleDescInitEntry(result, 2, type_is_array(type) ? "features" : "feature", type, -1, 0);
	}
	return result;
}

/* In the aggregate's context, what grows in one below it. */
static FitState *
create_state(FunctionCallInfo fcinfo, MemoryContext context, Datum features)
{
	FitState   *s = MemoryContextAllocZero(context, sizeof(FitState));
	DlRowRoles	roles;
	DlRowSink	sink;
	TupleDesc	tupdesc;
	MemoryContext old;

	s->context = AllocSetContextCreate(context, "dl fit", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(s->context);
	s->callback.func = on_reset;
	live_states++;
	MemoryContextRegisterResetCallback(s->context, &s->callback);

	dl_train_options_init(&s->options);
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
		dl_train_options_set_jsonb(&s->options, PG_GETARG_JSONB_P(3));
	dl_train_options_check(&s->options);
	if (s->options.training_window != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"training_window\" is for trainings from a query only"),
				 errhint("Say it in the WHERE clause, or with FILTER.")));
	if (s->options.fit.warm_start == 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"warm_start\" is for models that are stored under a name only"),
				 errhint("dl.train begins with the weights of the version that is deployed.")));
	tupdesc = describe(fcinfo, s, features);
	s->arena = dl_arena_for_context(s->context, dl_setting_training_memory());
	s->training = dl_training_begin(false, Max(LEAST_MEMORY, dl_setting_training_memory() / (Size) live_states));
	roles = (DlRowRoles) {
		.target = NameStr(TupleDescAttr(tupdesc, 0)->attname), .split_column = s->options.split_column,
		.split_key = s->options.split_key, .weight_column = s->options.weight_column, .task = s->options.task,
	};
	sink = dl_training_sink(s->training);
	s->encoder = dl_row_encoder_create(tupdesc, &roles, &sink, s->arena);
	s->values = palloc(sizeof(Datum) * (Size) tupdesc->natts);
	s->nulls = palloc(sizeof(bool) * (Size) tupdesc->natts);
	s->mirrors = palloc(sizeof(bool) * (Size) tupdesc->natts);
	for (int i = 1; i < tupdesc->natts; i++)
		s->mirrors[i] = s->row != NULL && TupleDescAttr(tupdesc, i)->atttypid == TupleDescAttr(tupdesc, 0)->atttypid;
	MemoryContextSwitchTo(old);
	return s;
}

/* Another row type will do if its columns are the same. */
static void
check_row_type(FitState *s, HeapTupleHeader header)
{
	TupleDesc	other = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	bool		same = other->natts == s->row->natts;

	for (int i = 0; same && i < other->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(s->row, i);
		Form_pg_attribute b = TupleDescAttr(other, i);

		same = a->attisdropped == b->attisdropped && a->atttypid == b->atttypid && namestrcmp(&a->attname, NameStr(b->attname)) == 0;
	}
	ReleaseTupleDesc(other);
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rows of features have different columns"),
				 errhint("Give every row of features the same columns, of the same types.")));
	s->row_type = HeapTupleHeaderGetTypeId(header);
	s->row_typmod = HeapTupleHeaderGetTypMod(header);
}

static void
take_apart(FitState *s, Datum features)
{
	HeapTupleHeader header;
	HeapTupleData tuple;

	if (s->row == NULL)
	{
		s->values[1] = features;
		s->nulls[1] = false;
		return;
	}
	header = DatumGetHeapTupleHeader(features);
	if (HeapTupleHeaderGetTypeId(header) != s->row_type || HeapTupleHeaderGetTypMod(header) != s->row_typmod)
		check_row_type(s, header);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, s->row, s->row_values, s->row_nulls);
	for (int i = 0; i < s->columns; i++)
	{
		s->values[i + 1] = s->row_values[s->attributes[i]];
		s->nulls[i + 1] = s->row_nulls[s->attributes[i]];
	}
}

/* Compares each feature of the target's type with the target, until one row differs. */
static void
find_mirrors(FitState *s)
{
	for (int i = 1; i <= s->columns; i++)
		if (s->mirrors[i])
		{
			Form_pg_attribute a = row_attribute(s, i - 1);

			s->mirrors[i] = !s->nulls[i] && datum_image_eq(s->values[0], s->values[i], a->attbyval, a->attlen);
		}
}

Datum
dl_sql_fit_transition(PG_FUNCTION_ARGS)
{
	FitState   *s = PG_ARGISNULL(0) ? NULL : (FitState *) PG_GETARG_POINTER(0);
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("dl.fit_transition can only be called as part of dl.fit")));
	if (s == NULL)
	{
		/* without a row of features nothing is known of them */
		if (PG_ARGISNULL(2))
			PG_RETURN_NULL();
		s = create_state(fcinfo, context, PG_GETARG_DATUM(2));
	}
	if (s->context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("dl.fit cannot take more rows after it has trained")));
	if (PG_ARGISNULL(2))
		s->lost++;
	else
	{
		s->values[0] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
		s->nulls[0] = PG_ARGISNULL(1);
		take_apart(s, PG_GETARG_DATUM(2));
		if (!s->nulls[0])
			find_mirrors(s);
		dl_row_encoder_add(s->encoder, s->values, s->nulls);
	}
	PG_RETURN_POINTER(s);
}

/* The record of a model from an aggregate has no query; the settings of the session hold. */
static void
fill_request(FitState *s)
{
	DlFitRequest *request = &s->request;

	request->options = s->options.fit;
	if (request->options.threads <= 0)
		request->options.threads = dl_setting_threads();
	request->options.memory = (int64_t) dl_setting_training_memory();
	request->query = "";
	request->search_path = pstrdup(GetConfigOption("search_path", false, false));
	request->timezone = pstrdup(GetConfigOption("TimeZone", false, false));
	request->datestyle = pstrdup(GetConfigOption("DateStyle", false, false));
	request->options_given = dl_train_options_json(&s->options);
	request->matmul_precision = s->options.matmul_precision != NULL ? s->options.matmul_precision : "high";
	for (int i = 1; i <= s->columns; i++)
		if (s->mirrors[i])
			dl_row_encoder_leave_out(s->encoder, i, "is the target");
	dl_row_encoder_finish(s->encoder, true, request);
	for (int i = 1; i <= s->columns; i++)
		if (s->mirrors[i])
			request->target = NameStr(row_attribute(s, i - 1)->attname);
	request->skipped += s->lost;
}

/* The model goes to the aggregate's context. */
static void
train(FitState *s)
{
	MemoryContext old = MemoryContextSwitchTo(s->context);
	DlTrainingResult result;
	struct varlena *value;

	fill_request(s);
	dl_training_run(s->training, &s->request, true, NULL, &result);
	if (result.fit.length > DL_SAFETENSORS_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model has %zu bytes, more than a value of type dl.model may have", result.fit.length)));
	value = MemoryContextAlloc(MemoryContextGetParent(s->context), result.fit.length + VARHDRSZ);
	SET_VARSIZE(value, result.fit.length + VARHDRSZ);
	memcpy(VARDATA(value), result.fit.bytes, result.fit.length);
	dl_training_end(s->training);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(s->context);
	s->context = NULL;
	s->model = value;
}

Datum
dl_sql_fit_final(PG_FUNCTION_ARGS)
{
	FitState   *s = PG_ARGISNULL(0) ? NULL : (FitState *) PG_GETARG_POINTER(0);

	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("dl.fit_final can only be called as part of dl.fit")));
	if (s == NULL)
		PG_RETURN_NULL();
	if (s->context != NULL)
		train(s);
	PG_RETURN_POINTER(s->model);
}
