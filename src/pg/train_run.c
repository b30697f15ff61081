/*
 * train_run.c
 *    From a query to a version in the registry, step by step.
 */
#include "pg/train_run.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/query.h"
#include "pg/row_encoder.h"
#include "pg/settings.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* A mistake in the network should not cost the reading of a million rows. */
static void
check_network(DlTrainRun *run)
{
	DlNetwork  *network;
	DlError		error;
	const char *text = run->options.fit.network;

	if (text != NULL && dl_network_parse(run->arena, text, strlen(text), &network, &error) != DL_OK)
		dl_ereport_in_text(&error, text);
}

static void
begin_rows(void *context, TupleDesc tupdesc)
{
	DlTrainRun *run = context;
	DlRowRoles	roles = {
		.target = run->target, .split_column = run->options.split_column, .split_key = run->options.split_key,
		.weight_column = run->options.weight_column, .task = run->options.task,
	};
	DlRowSink	sink = dl_training_sink(run->training);

	run->encoder = dl_row_encoder_create(tupdesc, &roles, &sink, run->arena);
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	dl_row_encoder_add(((DlTrainRun *) context)->encoder, values, nulls);
}

static void
read_rows(DlTrainRun *run)
{
	DlQueryReceiver receiver = {run, begin_rows, add_row};
	DlFitRequest *r = &run->request;

	r->options = run->options.fit;
	if (r->options.threads <= 0)
		r->options.threads = dl_setting_threads();
	r->options.memory = (int64_t) dl_setting_training_memory();
	r->query = run->query;
	/* copies: the query may change the settings */
	r->search_path = pstrdup(GetConfigOption("search_path", false, false));
	r->timezone = pstrdup(GetConfigOption("TimeZone", false, false));
	r->datestyle = pstrdup(GetConfigOption("DateStyle", false, false));
	r->options_given = dl_train_options_json(&run->options);
	r->matmul_precision = run->options.matmul_precision != NULL ? run->options.matmul_precision : "high";
	dl_query_run(dl_train_run_query(run), &receiver);
	dl_row_encoder_finish(run->encoder, run->quiet, r);
}

const char *
dl_train_run_query(const DlTrainRun *run)
{
	return run->options.training_window == NULL ? run->query : dl_query_window(run->query, run->options.training_window);
}

/* The deployed model goes along, to be measured on the same held-out rows. */
static void
take_incumbent(DlTrainRun *run)
{
	struct varlena *bytes;

	if (!dl_registry_deployed(run->name, CurrentMemoryContext, &run->deployed))
		return;
	bytes = dl_registry_bytes_latest(run->name, run->deployed.version, DL_RIGHT_ADMIN);
	run->request.incumbent = VARDATA_ANY(bytes);
	run->request.incumbent_length = (int64_t) VARSIZE_ANY_EXHDR(bytes);
}

void
dl_train_run_start_with_deployed(DlTrainRun *run)
{
	run->start_version = run->request.start_version = run->deployed.version;
	run->request.start = run->request.incumbent;
	run->request.start_length = run->request.incumbent_length;
}

/* The version whose weights the training begins with. */
static void
take_start(DlTrainRun *run)
{
	struct varlena *bytes;

	if (run->options.fit.warm_start != 1 || run->request.incumbent == NULL)
	{
		run->start_version = 0;
		return;
	}
	if (run->start_version == 0 || run->start_version == run->deployed.version ||
		dl_registry_size(run->name, run->start_version, DL_RIGHT_ADMIN) < 0)
	{
		dl_train_run_start_with_deployed(run);
		return;
	}
	bytes = dl_registry_bytes_latest(run->name, run->start_version, DL_RIGHT_ADMIN);
	run->request.start_version = run->start_version;
	run->request.start = VARDATA_ANY(bytes);
	run->request.start_length = (int64_t) VARSIZE_ANY_EXHDR(bytes);
}

static double
seconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

void
dl_train_run_begin(DlTrainRun *run)
{
	int64		model_id;

	INSTR_TIME_SET_CURRENT(run->started);
	dl_train_options_check(&run->options);
	model_id = dl_registry_check_store(run->name);
	if (!run->asked)
		run->model_id = model_id;
	run->arena = dl_arena_for_context(CurrentMemoryContext, dl_setting_training_memory());
	check_network(run);
}

void
dl_train_run_read(DlTrainRun *run, bool allow_worker)
{
	run->slot = dl_progress_begin(run->name, run->job);
	run->training = dl_training_begin(allow_worker, dl_setting_training_memory());
	dl_training_report(run->training, run->slot);
	read_rows(run);
	take_incumbent(run);
	take_start(run);
}

/* In pieces, for a length is an int there. */
static uint64
hash_bytes_of(const unsigned char *bytes, int64 length, uint64 seed)
{
	const int64 piece = (int64) 1 << 30;

	for (int64 at = 0; at < length; at += piece)
		seed = hash_bytes_extended(bytes + at, (int) Min(length - at, piece), seed);
	return seed;
}

uint64
dl_train_run_fingerprint(DlTrainRun *run)
{
	DlFitRequest request = run->request;
	const char *network = request.options.network != NULL ? request.options.network : "";
	DlError		error;
	void	   *bytes;
	size_t		length;
	uint64		rows = dl_training_hash(run->training);

	/* addresses, what took time, and what the model is only compared with */
	request.options.network = NULL;
	request.options.seconds_before = 0;
	request.incumbent = NULL;
	request.incumbent_length = 0;
	request.start = NULL;
	request.start_length = 0;
	if (run->request.start != NULL)
		rows = hash_bytes_of(run->request.start, run->request.start_length, rows);
	DL_CHECK(dl_fit_request_pack(run->arena, &request, &bytes, &length, &error), &error);
	return hash_bytes_extended((const unsigned char *) network, (int) strlen(network),
							   hash_bytes_extended(bytes, (int) length, rows));
}

void
dl_train_run_compute(DlTrainRun *run, const DlTrainingWatch *watch)
{
	run->request.options.seconds_before = seconds_since(run->started);
	dl_training_run(run->training, &run->request, run->quiet, watch, &run->result);
	dl_training_end(run->training);
	run->seconds = seconds_since(run->started);
}

void
dl_train_run_store(DlTrainRun *run, DlRegistryStored *stored)
{
	DlFitResult *fit = &run->result.fit;
	DlRegistryNew new_version = {
		.name = run->name,
		.model_id = run->model_id,
		.model = dl_model_cache_get(fit->bytes, fit->length, CurrentMemoryContext),
		.bytes = fit->bytes,
		.length = fit->length,
		.seconds = run->seconds,
		.trained_on = run->where != NULL ? run->where : run->result.in_worker ? "worker" : "session",
		.comparison = fit->comparison == DL_COMPARED_NOT ? DL_COMPARISON_NONE :
		fit->comparison == DL_COMPARED_BETTER ? DL_COMPARISON_BETTER : DL_COMPARISON_WORSE,
		.compared_version = run->deployed.version,
		.compared_value = fit->incumbent_value,
	};

	dl_progress_storing(run->slot);
	AcceptInvalidationMessages();
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(GetUserId())))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" is not stored, because the role that trained it was dropped", run->name)));
	dl_registry_store(&new_version, stored);
	if (!run->quiet && stored->version > 1)
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" is %s", stored->version, run->name,
						stored->deployed ? "deployed" : "stored, not deployed"),
				 errdetail("%c%s.", pg_toupper((unsigned char) stored->reason[0]), stored->reason + 1)));
}
