/*
 * job_worker.c
 *    The background worker of one job.
 *
 * It is connected as the role that submitted the job, for good: there is no other role to go back to.  In order:
 * take the job's lock and claim it; read the rows and commit; compute on a thread, without a transaction or a snapshot;
 * store the model and the end of the job in one transaction.  So the job has succeeded exactly when the model is there.
 *
 * While it computes, the main thread waits on its latch and on the thread, answers interrupts, and once a second
 * writes down what there is to tell.  It ends by itself when its row or its role is gone, as when the extension is dropped.
 *
 * Cancel (SIGINT) ends the job as cancelled, any other error as failed.  Where the process is terminated, or the
 * server goes down, the row says "running" still, and whoever finds the lock free knows better.
 */
#include "pg/job.h"

#include <math.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/schedule.h"
#include "pg/settings.h"
#include "pg/train_run.h"

#define WRITE_EVERY_MS 1000
#define MOST_EPOCHS 1024		/* that wait to be written */
#define MOST_LINES 100			/* of notices, of one attempt */

typedef struct Line
{
	const char *level;
	char	   *message;
	char	   *detail;
	char	   *hint;
} Line;

typedef struct JobRun
{
	DlJob		job;
	DlTrainRun	train;
	MemoryContext context;
	uint64		fingerprint;	/* of the training, for its checkpoints */
	TimestampTz written_at;
	bool		took;			/* checkpoints, since written_at; they wait for the epochs before them */
	int			taken_count;
	DlFitCheckpoint taken[DL_MODEL_MAX_TRIALS];
	int			epochs_written;
	int			epoch_count;
	DlJobEpoch	epochs[MOST_EPOCHS];
} JobRun;

static JobRun *current;
static emit_log_hook_type previous_log_hook;
static int	log_level;			/* what log_min_messages was */
static int	line_count;
static int	lines_written;
static Line lines[MOST_LINES];

/* Nobody reads this process's notices but the log of the job. */
static void
keep_line(ErrorData *error)
{
	if ((error->elevel == NOTICE || error->elevel == WARNING) && current != NULL)
	{
		if (line_count < MOST_LINES && error->message != NULL)
		{
			Line	   *line = &lines[line_count];

			line->level = error->elevel == NOTICE ? "notice" : "warning";
			line->message = MemoryContextStrdup(current->context, error->message);
			line->detail = error->detail == NULL ? NULL : MemoryContextStrdup(current->context, error->detail);
			line->hint = error->hint == NULL ? NULL : MemoryContextStrdup(current->context, error->hint);
			line_count++;
		}
		error->output_to_server = log_level != LOG && error->elevel >= log_level;
	}
	if (previous_log_hook != NULL)
		previous_log_hook(error);
}

static void
listen_to_notices(void)
{
	log_level = log_min_messages;
	previous_log_hook = emit_log_hook;
	emit_log_hook = keep_line;
	if (log_min_messages > NOTICE || log_min_messages == LOG)
		SetConfigOption("log_min_messages", "notice", PGC_SUSET, PGC_S_OVERRIDE);
}

/* A transaction of ours: whatever the role's defaults are, it writes, and waits for nobody's snapshot. */
static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(current->context);
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(current->context);
	pgstat_report_stat(false);
}

static void
stop_computing(int code, Datum argument)
{
	if (current != NULL && current->train.training != NULL)
		dl_training_end(current->train.training);
}

/* In the transaction that is open. */
static void
write_down(void)
{
	for (; lines_written < line_count; lines_written++)
	{
		const Line *line = &lines[lines_written];

		dl_job_log(current->job.id, line->level, line->message, line->detail, line->hint, NULL);
	}
	dl_job_add_epochs(current->job.id, current->job.attempts, current->epochs_written, current->epoch_count, current->epochs);
}

static void
written(void)
{
	current->epochs_written += current->epoch_count;
	current->epoch_count = 0;
	current->taken_count = 0;
	current->took = false;
	current->written_at = GetCurrentTimestamp();
}

static void
end_as_unwanted(void)
{
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " ends, because it is not wanted any more", current->job.id)));
	proc_exit(0);
}

/* No error, for there is no row that could say so. */
static void
end_unless_wanted(void)
{
	if (!dl_jobs_keep() || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(GetUserId())) ||
		!dl_job_runs(current->job.id, current->job.attempts))
		end_as_unwanted();
}

static void
take_checkpoints(void)
{
	int			trial;
	void	   *bytes;
	size_t		length;

	while (current->taken_count < DL_MODEL_MAX_TRIALS && dl_training_checkpoint(current->train.training, &trial, &bytes, &length))
		current->taken[current->taken_count++] = (DlFitCheckpoint) {trial, bytes, length};
	current->took = true;
}

/* In the transaction that is open. */
static void
write_checkpoints(void)
{
	for (int i = 0; i < current->taken_count; i++)
	{
		const DlFitCheckpoint *c = &current->taken[i];

		dl_job_keep_checkpoint(current->job.id, current->fingerprint, c->trial, c->bytes, c->length);
		free(unconstify(void *, c->bytes));
	}
}

static void
write_while_computing(void)
{
	begin();
	end_unless_wanted();
	write_down();
	/* losing the last second in a crash does no harm, losing a checkpoint does */
	write_checkpoints();
	if (current->taken_count == 0)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	end();
	written();
}

static void
on_progress(void *context, const DlFitProgress *progress)
{
	JobRun	   *run = context;
	DlJobEpoch *e;

	if (run->epoch_count == MOST_EPOCHS)
		return;
	e = &run->epochs[run->epoch_count++];
	e->member = progress->member;
	e->members = progress->members;
	e->epoch = progress->epoch.epoch;
	e->epochs = progress->epochs;
	e->learning_rate = progress->epoch.learning_rate;
	e->training_loss = progress->epoch.training_loss;
	e->validation_loss = progress->epoch.validation_loss;
	e->measure = progress->epoch.measure;
	e->best = progress->epoch.best;
}

static void
on_look(void *context, bool drained)
{
	JobRun	   *run = context;

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (!TimestampDifferenceExceeds(run->written_at, GetCurrentTimestamp(), WRITE_EVERY_MS))
		return;
	/* first those, then the epochs that came before them, then all is written */
	if (!run->took)
		take_checkpoints();
	else if (drained)
		write_while_computing();
}

/* True when the job is ours now. */
static bool
claim(int64 id)
{
	DlJobHolders holders;
	bool		mine;

	begin();
	dl_start_lock();
	dl_job_holders(&holders);
	mine = dl_jobs_running(&holders, InvalidOid) < dl_setting_max_jobs() &&
		dl_jobs_running(&holders, GetUserId()) < dl_setting_max_jobs_per_role() && dl_job_lock(id);
	dl_start_unlock();
	mine = mine && dl_jobs_keep() && dl_job_claim(id, &current->job);
	if (mine && current->job.owner != GetUserId())
		elog(ERROR, "job " INT64_FORMAT " belongs to another role", id);
	end();
	return mine;
}

static char *
argument_text(const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&current->job.arguments->root, key, (int) strlen(key), &buffer);

	if (value == NULL || value->type != jbvString)
		elog(ERROR, "job " INT64_FORMAT " has no argument \"%s\"", current->job.id, key);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
take_arguments(DlTrainRun *train)
{
	Jsonb	   *arguments = current->job.arguments;
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&arguments->root, "quiet", 5, &buffer);

	train->name = current->job.model;
	train->query = argument_text("query");
	train->target = argument_text("target");
	train->quiet = value != NULL && value->type == jbvBool && value->val.boolean;
	value = getKeyJsonValueFromContainer(&arguments->root, "model_id", 8, &buffer);
	train->asked = value != NULL && value->type == jbvNumeric;
	if (train->asked)
		train->model_id = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
	train->job = current->job.id;
	train->where = "job";
	dl_train_options_init(&train->options);
	value = getKeyJsonValueFromContainer(&arguments->root, "options", 7, &buffer);
	if (value != NULL)
		dl_train_options_set_jsonb(&train->options, JsonbValueToJsonb(value));
}

/* False: there is nothing to do, and the job has ended. */
static bool
take_task(DlTrainRun *train)
{
	DlJobEnd	job_end = {.state = "succeeded"};

	if (strcmp(current->job.kind, DL_JOB_RETRAIN) != 0)
	{
		take_arguments(train);
		return true;
	}
	job_end.message = dl_retrain_prepare(current->job.model, current->job.arguments, train);
	if (job_end.message != NULL)
		(void) dl_job_end(current->job.id, current->job.attempts, &job_end);
	return job_end.message == NULL;
}

static bool
read_rows(DlTrainRun *train)
{
	bool		wanted;

	pgstat_report_activity(STATE_RUNNING, psprintf("job " INT64_FORMAT ": reading rows for model \"%s\"", current->job.id,
												   current->job.model));
	begin();
	dl_job_lock_transaction(current->job.id);
	dl_job_apply_settings(current->job.settings);
	wanted = take_task(train);
	if (wanted)
	{
		dl_train_run_begin(train);
		train->start_version = current->job.started_from;
		dl_train_run_read(train, false);
		if (train->start_version != 0 && current->job.started_from == 0)
			dl_job_starts_from(current->job.id, train->start_version);
	}
	/* the query may have let go of it */
	(void) dl_job_lock(current->job.id);
	end();
	if (!wanted)
		return false;

	/* what ran at the commit may have, too */
	begin();
	if (!dl_job_lock(current->job.id))
		end_as_unwanted();
	end();
	return true;
}

/* Nothing is left of an attempt that began with another version than is deployed now, so this one begins with that. */
static void
start_anew(DlTrainRun *train)
{
	dl_train_run_start_with_deployed(train);
	dl_job_starts_from(current->job.id, train->start_version);
	current->fingerprint = dl_train_run_fingerprint(train);
}

static void
log_going_on(const DlTrainRun *train, const DlFitCheckpoint *checkpoints, int count)
{
	double		most = train->options.fit.max_seconds;
	double		spent = 0;
	int			epochs = 0;
	char	   *left = "";

	for (int i = 0; i < count; i++)
	{
		epochs += dl_fit_checkpoint_epochs(&checkpoints[i]);
		spent = Max(spent, dl_fit_checkpoint_seconds(&checkpoints[i]));
	}
	if (!isnan(most))
		left = psprintf(", with %.1f of %g seconds left", Max(most - spent, 0), most);
	dl_job_log(current->job.id, "info", psprintf("the training goes on after %d epochs, of %d networks%s", epochs, count, left), NULL,
			   NULL, NULL);
}

/* What an attempt before this one has left, of the same rows. */
static void
load_checkpoints(DlTrainRun *train)
{
	DlFitCheckpoint *checkpoints;
	int			count;

	begin();
	end_unless_wanted();
	current->fingerprint = dl_train_run_fingerprint(train);
	if (dl_job_drop_checkpoints(current->job.id, current->fingerprint))
		dl_job_log(current->job.id, "warning",
				   current->job.started_from == train->start_version || current->job.started_from == 0 ?
				   "the query gives other rows than it did before, so the training starts over" :
				   psprintf("version %d, with whose weights the training began, is gone, so it starts over", current->job.started_from),
				   NULL, NULL, NULL);
	count = dl_job_load_checkpoints(current->job.id, current->fingerprint, &checkpoints);
	if (count == 0 && train->start_version != train->deployed.version && train->start_version != 0)
		start_anew(train);
	if (count > 0)
		log_going_on(train, checkpoints, count);
	end();
	if (dl_setting_checkpoint_interval() >= 0)
		dl_training_keep(train->training, dl_setting_checkpoint_interval(), count, checkpoints);
}

static void
compute(DlTrainRun *train)
{
	DlTrainingWatch watch = {current, on_progress, on_look};

	pgstat_report_activity(STATE_RUNNING, psprintf("job " INT64_FORMAT ": training model \"%s\"", current->job.id, train->name));
	load_checkpoints(train);
	current->written_at = GetCurrentTimestamp();
	dl_train_run_compute(train, &watch);
}

static void
append_number(StringInfo text, const char *key, double value)
{
	if (isfinite(value))
		appendStringInfo(text, ", \"%s\": %.17g", key, value);
	else
		appendStringInfo(text, ", \"%s\": null", key);
}

/* The row that dl.train gives. */
static Jsonb *
result_of(const DlTrainRun *train, const DlRegistryStored *stored)
{
	const DlFitResult *fit = &train->result.fit;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{\"version\": %d, \"task\": \"%s\", \"rows\": " INT64_FORMAT ", \"skipped\": " INT64_FORMAT
					 ", \"epochs\": %d, \"metric\": ", stored->version, dl_task_name(train->request.task), (int64) fit->rows,
					 (int64) train->request.skipped, fit->epochs);
	escape_json(&text, fit->metric);
	append_number(&text, "value", fit->value);
	append_number(&text, "seconds", rint(train->seconds * 1000) / 1000);
	appendStringInfo(&text, ", \"deployed\": %s, \"reason\": ", stored->deployed ? "true" : "false");
	escape_json(&text, stored->reason);
	appendStringInfoChar(&text, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data)));
}

static void
store(DlTrainRun *train)
{
	DlRegistryStored stored;
	DlJobEnd	job_end = {.state = "succeeded"};

	pgstat_report_activity(STATE_RUNNING, psprintf("job " INT64_FORMAT ": storing model \"%s\"", current->job.id, train->name));
	begin();
	end_unless_wanted();
	dl_train_run_store(train, &stored);
	if (strcmp(current->job.kind, DL_JOB_RETRAIN) == 0)
		dl_retrain_finish(train->name, current->job.arguments, &stored);
	job_end.message = psprintf("version %d of model \"%s\" is %s: %s", stored.version, train->name,
							   stored.deployed ? "deployed" : "stored, not deployed", stored.reason);
	job_end.version = stored.version;
	job_end.result = result_of(train, &stored);
	write_down();
	if (!dl_job_end(current->job.id, current->job.attempts, &job_end))
		elog(ERROR, "job " INT64_FORMAT " is no longer running", current->job.id);
	end();
}

/* Ends the job by the error that was just caught. */
static void
record_error(void)
{
	ErrorData  *error;
	bool		cancelled;
	DlJobEnd	job_end = {0};

	MemoryContextSwitchTo(current->context);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	/* what is to be written now is not to be cancelled once more */
	pqsignal(SIGINT, SIG_IGN);
	QueryCancelPending = false;
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(current->context);
	stop_computing(0, (Datum) 0);
	current->train.training = NULL;

	cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	job_end.state = cancelled ? "cancelled" : "failed";
	job_end.level = cancelled ? "info" : "error";
	job_end.sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	job_end.message = error->message;
	job_end.detail = error->detail;
	job_end.hint = error->hint;
	job_end.context = error->context;
	begin();
	if (dl_jobs_keep())
	{
		write_down();
		(void) dl_job_end(current->job.id, current->job.attempts, &job_end);
	}
	end();
}

static void
add_context(void *argument)
{
	errcontext("background job " INT64_FORMAT, current->job.id);
}

static void
run_job(void)
{
	DlTrainRun *train = &current->train;
	ErrorContextCallback callback = {.previous = error_context_stack, .callback = add_context};

	error_context_stack = &callback;
	PG_TRY();
	{
		/* a cancel that came while the job was claimed is for the job */
		RESUME_CANCEL_INTERRUPTS();
		CHECK_FOR_INTERRUPTS();
		if (strcmp(current->job.kind, "train") != 0 && strcmp(current->job.kind, DL_JOB_RETRAIN) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unknown kind of job: \"%s\"", current->job.kind)));
		if (read_rows(train))
		{
			compute(train);
			train->training = NULL;
			store(train);
		}
	}
	PG_CATCH();
	{
		record_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
}

void
dl_job_main(Datum argument)
{
	DlJobStart	start;
	char		name[NAMEDATALEN];

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	/* until there is a job that can end as cancelled */
	HOLD_CANCEL_INTERRUPTS();
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(start.database, start.role, 0);
	snprintf(name, sizeof(name), "deep_learning job " INT64_FORMAT, start.id);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);

	current = MemoryContextAllocZero(TopMemoryContext, sizeof(JobRun));
	current->context = AllocSetContextCreate(TopMemoryContext, "deep_learning job", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(stop_computing, (Datum) 0);
	if (claim(start.id))
	{
		listen_to_notices();
		run_job();
	}
	proc_exit(0);
}
