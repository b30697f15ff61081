/*
 * train.c
 *    dl.train(): from a query to a version in the registry.
 *
 * Order: check what can be checked (rights, options), read the rows into the
 * training, train, store.  Everything happens in the caller's transaction, so
 * ROLLBACK leaves nothing behind.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/query.h"
#include "pg/registry.h"
#include "pg/row_encoder.h"
#include "pg/settings.h"
#include "pg/train_options.h"
#include "pg/training.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(dl_sql_train);

typedef enum ArgumentType
{
	ARGUMENT_TEXT,
	ARGUMENT_INTEGER,
	ARGUMENT_BIGINT,
	ARGUMENT_REAL
} ArgumentType;

typedef struct Argument
{
	int			number;
	ArgumentType type;
	const char *option;
} Argument;

/* The arguments of dl.train after model, query and target that are options by name. */
static const Argument argument_table[] = {
	{3, ARGUMENT_TEXT, "task"},
	{4, ARGUMENT_TEXT, "network"},
	{5, ARGUMENT_INTEGER, "epochs"},
	{6, ARGUMENT_INTEGER, "batch_size"},
	{7, ARGUMENT_REAL, "learning_rate"},
	{8, ARGUMENT_TEXT, "optimizer"},
	{9, ARGUMENT_INTEGER, "early_stopping"},
	{10, ARGUMENT_REAL, "validation"},
	{11, ARGUMENT_REAL, "test"},
	{12, ARGUMENT_TEXT, "split_column"},
	{13, ARGUMENT_TEXT, "split_key"},
	{14, ARGUMENT_TEXT, "weight_column"},
	{15, ARGUMENT_BIGINT, "seed"},
	{16, ARGUMENT_TEXT, "effort"},
	{17, ARGUMENT_REAL, "max_seconds"},
	{18, ARGUMENT_TEXT, "optimize"},
	{19, ARGUMENT_REAL, "prediction_interval"},
	{20, ARGUMENT_TEXT, "device"},
	{21, ARGUMENT_TEXT, "matmul_precision"},
};

#define ARGUMENT_QUIET 22
#define ARGUMENT_OPTIONS 23

typedef struct Training
{
	const char *name;
	const char *query;
	const char *target;
	bool		quiet;
	DlTrainOptions options;
	DlTraining *training;
	DlRowEncoder *encoder;
	DlArena    *arena;
	DlFitRequest request;
	DlTrainingResult result;
} Training;

static char *
argument_text(FunctionCallInfo fcinfo, const Argument *a)
{
	Datum		value = PG_GETARG_DATUM(a->number);

	switch (a->type)
	{
		case ARGUMENT_TEXT:
			return TextDatumGetCString(value);
		case ARGUMENT_INTEGER:
			return psprintf("%d", DatumGetInt32(value));
		case ARGUMENT_BIGINT:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case ARGUMENT_REAL:
			return float8out_internal(DatumGetFloat8(value));
	}
	return NULL;
}

static const char *
required_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/* Options first, arguments after: what is said by name in the call itself wins. */
static void
read_arguments(FunctionCallInfo fcinfo, Training *t)
{
	t->name = required_text(fcinfo, 0, "model");
	t->query = required_text(fcinfo, 1, "query");
	t->target = required_text(fcinfo, 2, "target");
	t->quiet = !PG_ARGISNULL(ARGUMENT_QUIET) && PG_GETARG_BOOL(ARGUMENT_QUIET);
	dl_train_options_init(&t->options);
	if (!PG_ARGISNULL(ARGUMENT_OPTIONS))
		dl_train_options_set_jsonb(&t->options, PG_GETARG_JSONB_P(ARGUMENT_OPTIONS));
	for (int i = 0; i < (int) lengthof(argument_table); i++)
		if (!PG_ARGISNULL(argument_table[i].number))
			dl_train_options_set(&t->options, argument_table[i].option, argument_text(fcinfo, &argument_table[i]));
	dl_train_options_check(&t->options);
}

/* A mistake in the network should not cost the reading of a million rows. */
static void
check_network(Training *t)
{
	DlNetwork  *network;
	DlError		error;
	const char *text = t->options.fit.network;

	if (text != NULL && dl_network_parse(t->arena, text, strlen(text), &network, &error) != DL_OK)
		dl_ereport_in_text(&error, text);
}

static void
begin_rows(void *context, TupleDesc tupdesc)
{
	Training   *t = context;
	DlRowRoles	roles = {
		.target = t->target, .split_column = t->options.split_column, .split_key = t->options.split_key,
		.weight_column = t->options.weight_column, .task = t->options.task,
	};
	DlRowSink	sink = dl_training_sink(t->training);

	t->encoder = dl_row_encoder_create(tupdesc, &roles, &sink, t->arena);
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	dl_row_encoder_add(((Training *) context)->encoder, values, nulls);
}

static void
read_rows(Training *t)
{
	DlQueryReceiver receiver = {t, begin_rows, add_row};
	DlFitRequest *r = &t->request;

	r->options = t->options.fit;
	if (r->options.threads <= 0)
		r->options.threads = dl_setting_threads();
	r->options.memory = (int64_t) dl_setting_training_memory();
	r->query = t->query;
	/* copies: the query may change the settings */
	r->search_path = pstrdup(GetConfigOption("search_path", false, false));
	r->timezone = pstrdup(GetConfigOption("TimeZone", false, false));
	r->datestyle = pstrdup(GetConfigOption("DateStyle", false, false));
	r->options_given = dl_train_options_json(&t->options);
	r->matmul_precision = t->options.matmul_precision != NULL ? t->options.matmul_precision : "high";
	dl_query_run(t->query, &receiver);
	dl_row_encoder_finish(t->encoder, t->quiet, r);
}

/* The deployed model goes along, to be measured on the same held-out rows. */
static void
take_incumbent(Training *t, DlRegistryDeployed *deployed)
{
	struct varlena *bytes;

	if (!dl_registry_deployed(t->name, CurrentMemoryContext, deployed))
		return;
	bytes = dl_registry_bytes_latest(t->name, deployed->version, DL_RIGHT_ADMIN);
	t->request.incumbent = VARDATA_ANY(bytes);
	t->request.incumbent_length = (int64_t) VARSIZE_ANY_EXHDR(bytes);
}

static void
store(Training *t, const DlRegistryDeployed *deployed, double seconds, DlRegistryStored *stored)
{
	DlFitResult *fit = &t->result.fit;
	DlRegistryNew new_version = {
		.name = t->name,
		.model = dl_model_cache_get(fit->bytes, fit->length, CurrentMemoryContext),
		.bytes = fit->bytes,
		.length = fit->length,
		.seconds = seconds,
		.trained_on = t->result.in_worker ? "worker" : "session",
		.comparison = fit->comparison == DL_COMPARED_NOT ? DL_COMPARISON_NONE :
		fit->comparison == DL_COMPARED_BETTER ? DL_COMPARISON_BETTER : DL_COMPARISON_WORSE,
		.compared_version = deployed->version,
		.compared_value = fit->incumbent_value,
	};

	dl_registry_store(&new_version, stored);
	if (!t->quiet && stored->version > 1)
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" is %s", stored->version, t->name,
						stored->deployed ? "deployed" : "stored, not deployed"),
				 errdetail("%c%s.", pg_toupper((unsigned char) stored->reason[0]), stored->reason + 1)));
}

static Datum
result_row(FunctionCallInfo fcinfo, const Training *t, const DlRegistryStored *stored, double seconds)
{
	const DlFitResult *fit = &t->result.fit;
	Datum		values[10];
	bool		nulls[10] = {false};
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dl.train must return a row");
	values[0] = CStringGetTextDatum(t->name);
	values[1] = Int32GetDatum(stored->version);
	values[2] = CStringGetTextDatum(dl_task_name(t->request.task));
	values[3] = Int64GetDatum(fit->rows);
	values[4] = Int64GetDatum(t->request.skipped);
	values[5] = Int32GetDatum(fit->epochs);
	values[6] = CStringGetTextDatum(fit->metric);
	values[7] = Float8GetDatum(fit->value);
	nulls[7] = isnan(fit->value);
	values[8] = BoolGetDatum(stored->deployed);
	values[9] = Float8GetDatum(rint(seconds * 1000) / 1000);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

Datum
dl_sql_train(PG_FUNCTION_ARGS)
{
	Training   *t = palloc0(sizeof(Training));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dl train", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	DlRegistryDeployed deployed = {0};
	DlRegistryStored stored;
	instr_time	started;
	instr_time	ended;
	double		seconds;

	INSTR_TIME_SET_CURRENT(started);
	PreventCommandIfReadOnly("dl.train()");
	PreventCommandIfParallelMode("dl.train()");
	old = MemoryContextSwitchTo(context);
	read_arguments(fcinfo, t);
	dl_registry_check_store(t->name);
	t->arena = dl_arena_for_context(context, dl_setting_training_memory());
	check_network(t);

	t->training = dl_training_begin(true, dl_setting_training_memory());
	read_rows(t);
	take_incumbent(t, &deployed);
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, started);
	t->request.options.seconds_before = INSTR_TIME_GET_DOUBLE(ended);
	dl_training_run(t->training, &t->request, t->quiet, &t->result);
	dl_training_end(t->training);

	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, started);
	seconds = INSTR_TIME_GET_DOUBLE(ended);
	store(t, &deployed, seconds, &stored);
	MemoryContextSwitchTo(old);
	return result_row(fcinfo, t, &stored, seconds);
}
