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
 * A state belongs to the aggregate's memory context and serves one final call.
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

#define FIT_MAGIC 0x646c6669
#define LEAST_MEMORY ((Size) 1 << 20)

typedef struct FitState
{
	uint32		magic;
	MemoryContext context;
	MemoryContextCallback callback;
	bool		counted;
	DlArena    *arena;
	DlTraining *training;
	DlRowEncoder *encoder;
	DlTrainOptions options;
	TupleDesc	row;			/* of composite features, or NULL */
	Datum	   *values;			/* target, then features */
	bool	   *nulls;
	bool	   *mirrors;		/* features that equal the target in every row so far */
	int64		lost;			/* rows whose features are NULL as a whole */
} FitState;

/* States of this session that may grow now: they share the memory. */
static int	live_states;

static void
on_reset(void *argument)
{
	FitState   *s = argument;

	if (s->counted)
		live_states--;
	s->counted = false;
}

/* The columns as the encoder sees them: the target first. */
static TupleDesc
describe(FunctionCallInfo fcinfo, FitState *s, Datum features)
{
	Oid			target = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	int			count = 1;
	const char *target_name = "target";
	TupleDesc	result;

	if (type_is_rowtype(type))
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(features);

		s->row = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
		count = s->row->natts;
		for (int i = 0; i < count; i++)
			if (strcmp(NameStr(TupleDescAttr(s->row, i)->attname), target_name) == 0)
				target_name = "target of dl.fit";
	}
	result = CreateTemplateTupleDesc(count + 1);
	TupleDescInitEntry(result, 1, target_name, target, -1, 0);
	for (int i = 0; i < count; i++)
	{
		if (s->row != NULL)
			TupleDescInitEntry(result, (AttrNumber) (i + 2), NameStr(TupleDescAttr(s->row, i)->attname),
							   TupleDescAttr(s->row, i)->atttypid, -1, 0);
		else
			TupleDescInitEntry(result, 2, type_is_array(type) ? "features" : "feature", type, -1, 0);
	}
	return result;
}

static FitState *
create_state(FunctionCallInfo fcinfo, MemoryContext context, Datum features)
{
	FitState   *s = palloc0(sizeof(FitState));
	DlRowRoles	roles;
	DlRowSink	sink;
	TupleDesc	tupdesc;

	s->magic = FIT_MAGIC;
	s->context = context;
	s->callback.func = on_reset;
	s->callback.arg = s;
	MemoryContextRegisterResetCallback(context, &s->callback);
	s->counted = true;
	live_states++;

	dl_train_options_init(&s->options);
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
		dl_train_options_set_jsonb(&s->options, PG_GETARG_JSONB_P(3));
	dl_train_options_check(&s->options);
	tupdesc = describe(fcinfo, s, features);
	s->arena = dl_arena_for_context(context, 0);
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
		s->mirrors[i] = TupleDescAttr(tupdesc, i)->atttypid == TupleDescAttr(tupdesc, 0)->atttypid;
	return s;
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
	if (HeapTupleHeaderGetNatts(header) > s->row->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rows of features have different columns")));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, s->row, s->values + 1, s->nulls + 1);
}

/* Compares each feature of the target's type with the target, until one row differs. */
static void
find_mirrors(FitState *s)
{
	int			count = s->row == NULL ? 1 : s->row->natts;

	for (int i = 1; i <= count; i++)
		if (s->mirrors[i])
		{
			Form_pg_attribute a = s->row == NULL ? NULL : TupleDescAttr(s->row, i - 1);

			s->mirrors[i] = a != NULL && !s->nulls[i] &&
				datum_image_eq(s->values[0], s->values[i], a->attbyval, a->attlen);
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
		MemoryContext old;

		/* without a row of features nothing is known of them */
		if (PG_ARGISNULL(2))
			PG_RETURN_NULL();
		context = AllocSetContextCreate(context, "dl fit", ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(context);
		s = create_state(fcinfo, context, PG_GETARG_DATUM(2));
		MemoryContextSwitchTo(old);
	}
	Assert(s->magic == FIT_MAGIC);
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
fill_request(FitState *s, DlFitRequest *request)
{
	int			count = s->row == NULL ? 1 : s->row->natts;

	request->options = s->options.fit;
	if (request->options.threads <= 0)
		request->options.threads = dl_setting_threads();
	request->options.memory = (int64_t) dl_setting_training_memory();
	request->query = "";
	request->search_path = GetConfigOption("search_path", false, false);
	request->timezone = GetConfigOption("TimeZone", false, false);
	request->datestyle = GetConfigOption("DateStyle", false, false);
	request->matmul_precision = s->options.matmul_precision != NULL ? s->options.matmul_precision : "high";
	for (int i = 1; i <= count && s->row != NULL; i++)
		if (s->mirrors[i])
			dl_row_encoder_leave_out(s->encoder, i, "is the target");
	dl_row_encoder_finish(s->encoder, true, request);
	for (int i = 1; i <= count && s->row != NULL; i++)
		if (s->mirrors[i])
			request->target = NameStr(TupleDescAttr(s->row, i - 1)->attname);
	request->skipped += s->lost;
}

Datum
dl_sql_fit_final(PG_FUNCTION_ARGS)
{
	FitState   *s = PG_ARGISNULL(0) ? NULL : (FitState *) PG_GETARG_POINTER(0);
	MemoryContext old;
	DlFitRequest request;
	DlTrainingResult result;
	struct varlena *value;

	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("dl.fit_final can only be called as part of dl.fit")));
	if (s == NULL)
		PG_RETURN_NULL();
	if (s->magic != FIT_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("dl.fit cannot be used as a window function over growing frames")));
	s->magic = 0;
	old = MemoryContextSwitchTo(s->context);
	memset(&request, 0, sizeof(request));
	fill_request(s, &request);
	dl_training_run(s->training, &request, true, &result);
	MemoryContextSwitchTo(old);
	if (result.fit.length > DL_SAFETENSORS_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model has %zu bytes, more than a value of type dl.model may have", result.fit.length)));
	value = palloc(result.fit.length + VARHDRSZ);
	SET_VARSIZE(value, result.fit.length + VARHDRSZ);
	memcpy(VARDATA(value), result.fit.bytes, result.fit.length);
	dl_training_end(s->training);
	MemoryContextDelete(s->context);
	PG_RETURN_POINTER(value);
}
