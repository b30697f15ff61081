/*
 * job_submit.c
 *    dl.submit and dl.retry, and how a scheduler comes to look at the queue.
 *
 * Whoever puts a job into the queue holds a lock of the queue to the end of his transaction, under which no
 * scheduler leaves.  So when the transaction is about to commit, either there is a scheduler, which will
 * be there after the commit too and is woken then; or a new one is started, which waits for the transaction's end.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/pg_authid.h"
#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/job.h"
#include "pg/query.h"
#include "pg/train_arguments.h"

PG_FUNCTION_INFO_V1(dl_sql_submit);
PG_FUNCTION_INFO_V1(dl_sql_retry);

#define ARGUMENT_PRIORITY DL_TRAIN_ARGUMENTS
#define ARGUMENT_NOT_BEFORE (DL_TRAIN_ARGUMENTS + 1)

/* What the answers of a query may depend on, and what limits a training. */
static const char *const job_settings[] = {
	"search_path", "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "row_security", "work_mem",
	"temp_tablespaces", "default_text_search_config", "deep_learning.threads", "deep_learning.training_memory",
	"deep_learning.checkpoint_interval",
};

static bool pending;			/* this transaction may have put jobs into the queue */
static Latch *wake;				/* of the scheduler that is there */

bool
dl_scheduler_start_in(Oid database, TransactionId after, int notify, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		/* after an error, and when a crash has restarted the server: then there are jobs to start again */
		.bgw_restart_time = 1,
		.bgw_main_arg = TransactionIdGetDatum(after),
		.bgw_notify_pid = notify,
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "deep_learning scheduler of database %u", database);
	snprintf(worker.bgw_type, BGW_MAXLEN, "deep_learning scheduler");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "deep_learning");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "dl_scheduler_main");
	memcpy(worker.bgw_extra, &database, sizeof(database));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* In this database.  Where no worker is free, the launcher tries again. */
static bool
start_scheduler(TransactionId after)
{
	if (dl_scheduler_start_in(MyDatabaseId, after, 0, NULL))
		return true;
	(void) dl_launcher_ask(MyDatabaseId);
	return false;
}

bool
dl_scheduler_ensure(void)
{
	DlJobHolders holders;

	if (RecoveryInProgress())
		return false;
	dl_job_holders(&holders);
	return dl_scheduler_pid(&holders) != 0 || start_scheduler(InvalidTransactionId);
}

static void
before_commit(void)
{
	DlJobHolders holders;
	int			pid;
	PGPROC	   *process;

	dl_job_holders(&holders);
	pid = dl_scheduler_pid(&holders);
	process = pid == 0 ? NULL : BackendPidGetProc(pid);
	if (process != NULL)
		wake = &process->procLatch;
	else if (!start_scheduler(GetTopTransactionIdIfAny()))
		ereport(NOTICE,
				(errmsg("no background worker is free, so the job waits"),
				 errhint("See the setting max_worker_processes.")));
}

static void
on_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (pending)
				before_commit();
			break;
		case XACT_EVENT_COMMIT:
			if (wake != NULL)
				SetLatch(wake);
			pending = false;
			wake = NULL;
			break;
		case XACT_EVENT_ABORT:
			pending = false;
			wake = NULL;
			break;
		default:
			break;
	}
}

void
dl_scheduler_wake_at_commit(void)
{
	static bool listening = false;

	if (!listening)
		RegisterXactCallback(on_transaction, NULL);
	listening = true;
	dl_queue_lock();
	pending = true;
}

const char *
dl_job_role_problem(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		login;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		return "the role of the job does not exist";
	login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	name = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	ReleaseSysCache(tuple);
	if (!login)
		return psprintf("role \"%s\" cannot log in, so no worker can run its jobs", name);
	if (!DatumGetBool(DirectFunctionCall3(has_database_privilege_id_id, ObjectIdGetDatum(role), ObjectIdGetDatum(MyDatabaseId),
										  CStringGetTextDatum("CONNECT"))))
		return psprintf("role \"%s\" may not connect to this database, so no worker can run its jobs", name);
	return NULL;
}

static Jsonb *
jsonb_of(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

Jsonb *
dl_job_settings(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(job_settings); i++)
	{
		appendStringInfo(&text, "%s\"%s\": ", i == 0 ? "{" : ", ", job_settings[i]);
		escape_json(&text, GetConfigOption(job_settings[i], false, false));
	}
	appendStringInfoChar(&text, '}');
	return jsonb_of(text.data);
}

void
dl_job_apply_settings(Jsonb *settings)
{
	for (int i = 0; i < (int) lengthof(job_settings); i++)
	{
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&settings->root, job_settings[i], (int) strlen(job_settings[i]), &buffer);

		if (value != NULL && value->type == jbvString)
			(void) set_config_option(job_settings[i], pnstrdup(value->val.string.val, value->val.string.len),
									 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, WARNING, false);
	}
}

static Jsonb *
arguments_of(const DlTrainRun *run)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"query\": ");
	escape_json(&text, run->query);
	appendStringInfoString(&text, ", \"target\": ");
	escape_json(&text, run->target);
	appendStringInfo(&text, ", \"quiet\": %s, \"model_id\": " INT64_FORMAT ", \"options\": %s}", run->quiet ? "true" : "false",
					 run->model_id, dl_train_options_json(&run->options));
	return jsonb_of(text.data);
}

static int64
submit(FunctionCallInfo fcinfo)
{
	DlTrainRun	run = {0};
	const char *problem = dl_job_role_problem(GetUserId());
	DlJobNew	job = {.kind = "train", .not_before = DT_NOBEGIN};

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROLE_SPECIFICATION),
				 errmsg("%s", problem),
				 errhint("Submit the job as a role that can, or train in this session, with dl.train.")));
	dl_train_arguments(fcinfo, &run);
	dl_train_run_begin(&run);
	dl_query_check(dl_train_run_query(&run));
	job.model = run.name;
	job.arguments = arguments_of(&run);
	job.settings = dl_job_settings();
	job.requested_by = GetUserNameFromId(GetSessionUserId(), false);
	job.priority = PG_ARGISNULL(ARGUMENT_PRIORITY) ? 0 : PG_GETARG_INT32(ARGUMENT_PRIORITY);
	if (!PG_ARGISNULL(ARGUMENT_NOT_BEFORE))
		job.not_before = PG_GETARG_TIMESTAMPTZ(ARGUMENT_NOT_BEFORE);
	dl_scheduler_wake_at_commit();
	return dl_job_add(&job);
}

Datum
dl_sql_submit(PG_FUNCTION_ARGS)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dl submit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	int64		id;

	PreventCommandIfReadOnly("dl.submit()");
	PreventCommandIfParallelMode("dl.submit()");
	old = MemoryContextSwitchTo(context);
	id = submit(fcinfo);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	PG_RETURN_INT64(id);
}

Datum
dl_sql_retry(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DlJob		job;

	PreventCommandIfReadOnly("dl.retry()");
	if (!dl_job_get(id, &job))
		dl_job_unknown(id);
	if (strcmp(job.state, "failed") != 0 && strcmp(job.state, "cancelled") != 0 && strcmp(job.state, "interrupted") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is %s", id, job.state),
				 errhint("A job that has failed, was cancelled or interrupted can be tried again.")));
	dl_scheduler_wake_at_commit();
	dl_job_requeue(id);
	PG_RETURN_VOID();
}
