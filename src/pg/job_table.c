/*
 * job_table.c
 *    The statements on the tables of jobs.
 *
 * All run as the extension's owner, in a section of the registry (registry_internal.h), as fixed text.  Rows are
 * taken with SKIP LOCKED, so that neither a scheduler nor a worker ever waits for a user's transaction.
 */
#include "pg/job.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/async.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"
#include "pg/settings.h"

#define ARG_JSONB(p) {JSONBOID, PointerGetDatum(p), (p) == NULL}
#define ARG_TIME(t) {TIMESTAMPTZOID, TimestampTzGetDatum(t), (t) == DT_NOBEGIN}
#define ARG_TEXT_OR_NULL(s) {TEXTOID, (s) == NULL ? (Datum) 0 : CStringGetTextDatum(s), (s) == NULL}

#define JOB_COLUMNS "id, kind, state, model, arguments, settings, owner, owner_name, cluster, attempts, started_from"

/* The extension, locked until the transaction's end; InvalidOid: it is not there. */
static Oid
keep_extension(void)
{
	Oid			extension;
	Oid			locked = InvalidOid;

	while ((extension = get_extension_oid("deep_learning", true)) != locked)
	{
		if (OidIsValid(locked))
			UnlockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
		if (OidIsValid(extension))
			LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
		locked = extension;
	}
	return extension;
}

/* Someone could have made a schema of our name where the extension is not; what is read must be the extension's. */
bool
dl_jobs_keep(void)
{
	Oid			extension = keep_extension();
	Oid			schema = get_namespace_oid("dl", true);
	Oid			relation;

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return false;
	relation = get_relname_relid("job", schema);
	return OidIsValid(relation) && getExtensionOfObject(RelationRelationId, relation) == extension;
}

static char *
text_column(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static Jsonb *
jsonb_column(int column, MemoryContext context)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null);
	MemoryContext old = MemoryContextSwitchTo(context);
	Jsonb	   *result = null ? NULL : DatumGetJsonbPCopy(value);

	MemoryContextSwitchTo(old);
	return result;
}

/* The first row of the last statement, which gave JOB_COLUMNS. */
static void
take_job(const DlRegistrySection *section, DlJob *job)
{
	bool		null;
	int64		cluster = dl_registry_int8(9, &null);

	memset(job, 0, sizeof(*job));
	job->id = dl_registry_int8(1, &null);
	job->kind = MemoryContextStrdup(section->memory, text_column(2));
	job->state = MemoryContextStrdup(section->memory, text_column(3));
	job->model = MemoryContextStrdup(section->memory, text_column(4));
	job->arguments = jsonb_column(5, section->memory);
	job->settings = jsonb_column(6, section->memory);
	job->owner_name = MemoryContextStrdup(section->memory, text_column(8));
	job->owner = dl_registry_role(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 7, &null)),
								  job->owner_name, cluster);
	job->attempts = dl_registry_int4(10, &null);
	job->started_from = dl_registry_int4(11, &null);
	if (null)
		job->started_from = 0;
}

static void
notify(int64 id, const char *state)
{
	Async_Notify(DL_JOB_CHANNEL, psprintf("{\"id\": " INT64_FORMAT ", \"state\": \"%s\"}", id, state));
}

static void
write_event(int64 id, const char *level, const char *message, const char *detail, const char *hint, const char *context)
{
	DL_REGISTRY_RUN("INSERT INTO dl.job_event (job, level, message, detail, hint, context) VALUES ($1, $2, $3, $4, $5, $6)",
					SPI_OK_INSERT, DL_ARG_INT8(id), DL_ARG_TEXT(level), DL_ARG_TEXT(message), ARG_TEXT_OR_NULL(detail),
					ARG_TEXT_OR_NULL(hint), ARG_TEXT_OR_NULL(context));
}

void
dl_job_log(int64 id, const char *level, const char *message, const char *detail, const char *hint, const char *context)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "a job");
	write_event(id, level, message, detail, hint, context);
	dl_registry_leave(&section);
}

int64
dl_job_add(const DlJobNew *job)
{
	DlRegistrySection section;
	Oid			owner;
	int64		id;
	bool		null;

	dl_registry_enter(&section, "dl.submit()");
	owner = OidIsValid(job->owner) ? job->owner : section.user;
	DL_REGISTRY_RUN("INSERT INTO dl.job (kind, model, arguments, settings, owner, owner_name, cluster, requested_by, priority, "
					"not_before) VALUES ($1, $2, $3, $4, $5, $6::pg_catalog.name, $7, $8, $9, $10) RETURNING id",
					SPI_OK_INSERT_RETURNING, DL_ARG_TEXT(job->kind), DL_ARG_TEXT(job->model), ARG_JSONB(job->arguments),
					ARG_JSONB(job->settings), DL_ARG_OID(owner), DL_ARG_TEXT(GetUserNameFromId(owner, false)),
					DL_ARG_INT8(dl_registry_cluster()), DL_ARG_TEXT(job->requested_by), DL_ARG_INT4(job->priority),
					ARG_TIME(job->not_before));
	id = dl_registry_int8(1, &null);
	write_event(id, "info", psprintf("submitted by %s", job->requested_by), NULL, NULL, NULL);
	notify(id, "queued");
	dl_registry_leave(&section);
	return id;
}

bool
dl_job_get(int64 id, DlJob *job)
{
	DlRegistrySection section;
	DlRegistryArg argument = DL_ARG_INT8(id);
	TransactionId xmin;
	bool		null;
	bool		found;

	dl_registry_enter(&section, NULL);
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args("SELECT " JOB_COLUMNS ", xmin FROM dl.job WHERE id = $1", 1, &argument.type, &argument.value, NULL,
							  true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the jobs");
	found = SPI_processed == 1;
	if (found)
	{
		take_job(&section, job);
		xmin = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 12, &null));
		job->mine = TransactionIdIsCurrentTransactionId(xmin);
	}
	PopActiveSnapshot();
	dl_registry_leave(&section);
	return found && (superuser() || (OidIsValid(job->owner) && has_privs_of_role(GetUserId(), job->owner)));
}

void
dl_job_unknown(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("job " INT64_FORMAT " does not exist", id),
			 errhint("The view dl.jobs lists the jobs of your roles.")));
	pg_unreachable();
}

bool
dl_job_claim(int64 id, DlJob *job)
{
	DlRegistrySection section;
	bool		found;

	dl_registry_enter(&section, "a job");
	found = DL_REGISTRY_RUN("UPDATE dl.job SET state = 'running', attempts = attempts + 1, started_at = pg_catalog.clock_timestamp(), "
							"waiting_for = NULL, ended_at = NULL, version = NULL, result = NULL, sqlstate = NULL, message = NULL, "
							"detail = NULL, hint = NULL "
							"WHERE id = (SELECT id FROM dl.job WHERE id = $1 AND state = 'queued' FOR UPDATE SKIP LOCKED) "
							"RETURNING " JOB_COLUMNS,
							SPI_OK_UPDATE_RETURNING, DL_ARG_INT8(id)) == 1;
	if (found)
	{
		take_job(&section, job);
		write_event(id, "info", psprintf("attempt %d started, process %d", job->attempts, MyProcPid), NULL, NULL, NULL);
		notify(id, "running");
	}
	dl_registry_leave(&section);
	return found;
}

#define END_JOB "UPDATE dl.job SET state = $3, ended_at = pg_catalog.clock_timestamp(), waiting_for = NULL, version = $4, " \
	"result = $5, sqlstate = $6, message = $7, detail = $8, hint = $9 WHERE id = "

/* from and attempt: what it has to be in. */
static bool
end_job(int64 id, const char *from, int attempt, const char *sql, const DlJobEnd *end)
{
	DlRegistrySection section;
	bool		found;

	dl_registry_enter(&section, "a job");
	found = DL_REGISTRY_RUN(sql,
							SPI_OK_UPDATE_RETURNING, DL_ARG_INT8(id), DL_ARG_TEXT(from), DL_ARG_TEXT(end->state),
							{INT4OID, Int32GetDatum(end->version), end->version == 0}, ARG_JSONB(end->result),
							ARG_TEXT_OR_NULL(end->sqlstate), ARG_TEXT_OR_NULL(end->message), ARG_TEXT_OR_NULL(end->detail),
							ARG_TEXT_OR_NULL(end->hint), DL_ARG_INT4(attempt)) == 1;
	if (found)
	{
		DL_REGISTRY_RUN("DELETE FROM dl.job_checkpoint WHERE job = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
		write_event(id, end->level == NULL ? "info" : end->level, end->message, end->detail, end->hint, end->context);
		notify(id, end->state);
	}
	dl_registry_leave(&section);
	return found;
}

bool
dl_job_end(int64 id, int attempt, const DlJobEnd *end)
{
	return end_job(id, "running", attempt, END_JOB "$1 AND state = $2 AND attempts = $10 RETURNING id", end);
}

bool
dl_job_end_queued(int64 id, const DlJobEnd *end)
{
	return end_job(id, "queued", 0,
				   END_JOB "(SELECT id FROM dl.job WHERE id = $1 AND state = $2 AND attempts >= $10 FOR UPDATE SKIP LOCKED) RETURNING id",
				   end);
}

bool
dl_job_interrupted(int64 id)
{
	DlRegistrySection section;
	int			most = dl_setting_job_restarts();
	bool		found;

	dl_registry_enter(&section, "a job");
	found = DL_REGISTRY_RUN("UPDATE dl.job SET interruptions = interruptions + 1, "
							"state = CASE WHEN interruptions < $2 THEN 'queued' ELSE 'interrupted' END, "
							"ended_at = CASE WHEN interruptions < $2 THEN NULL ELSE pg_catalog.clock_timestamp() END, "
							"message = CASE WHEN interruptions < $2 THEN NULL ELSE 'the worker was lost too often' END, "
							"hint = CASE WHEN interruptions < $2 THEN NULL ELSE 'dl.retry starts the job again.' END "
							"WHERE id = (SELECT id FROM dl.job WHERE id = $1 AND state = 'running' FOR UPDATE SKIP LOCKED) "
							"RETURNING state, interruptions",
							SPI_OK_UPDATE_RETURNING, DL_ARG_INT8(id), DL_ARG_INT4(most)) == 1;
	if (found)
	{
		char	   *state = text_column(1);

		write_event(id, "warning", "the worker of the job was lost",
					strcmp(state, "queued") == 0 ? "The job is started again." : "The job is not started again.", NULL, NULL);
		notify(id, state);
	}
	dl_registry_leave(&section);
	return found;
}

void
dl_job_requeue(int64 id)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "dl.retry()");
	if (DL_REGISTRY_RUN("UPDATE dl.job SET state = 'queued', interruptions = 0, started_from = NULL, ended_at = NULL, version = NULL, result = NULL, "
						"sqlstate = NULL, message = NULL, detail = NULL, hint = NULL "
						"WHERE id = $1 AND state IN ('failed', 'cancelled', 'interrupted') RETURNING id",
						SPI_OK_UPDATE_RETURNING, DL_ARG_INT8(id)) == 1)
	{
		write_event(id, "info", psprintf("put into the queue again by %s", GetUserNameFromId(section.user, false)), NULL, NULL,
					NULL);
		notify(id, "queued");
	}
	dl_registry_leave(&section);
}

void
dl_job_waits(int64 id, const char *reason)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "a job");
	DL_REGISTRY_RUN("UPDATE dl.job SET waiting_for = $2 WHERE id = (SELECT id FROM dl.job WHERE id = $1 AND state = 'queued' "
					"AND waiting_for IS DISTINCT FROM $2 FOR UPDATE SKIP LOCKED)",
					SPI_OK_UPDATE, DL_ARG_INT8(id), DL_ARG_TEXT(reason));
	dl_registry_leave(&section);
}

bool
dl_job_runs(int64 id, int attempt)
{
	DlRegistrySection section;
	bool		found;

	dl_registry_enter(&section, NULL);
	found = DL_REGISTRY_RUN("SELECT id FROM dl.job WHERE id = $1 AND state = 'running' AND attempts = $2",
							SPI_OK_SELECT, DL_ARG_INT8(id), DL_ARG_INT4(attempt)) == 1;
	dl_registry_leave(&section);
	return found;
}

void
dl_job_starts_from(int64 id, int version)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "a job");
	DL_REGISTRY_RUN("UPDATE dl.job SET started_from = $2 WHERE id = $1", SPI_OK_UPDATE, DL_ARG_INT8(id), DL_ARG_INT4(version));
	dl_registry_leave(&section);
}

#define ARG_FLOAT(f) DL_ARG_FLOAT8(f, isnan(f))

void
dl_job_add_epochs(int64 id, int attempt, int first, int count, const DlJobEpoch *epochs)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "a job");
	for (int i = 0; i < count; i++)
	{
		const DlJobEpoch *e = &epochs[i];

		DL_REGISTRY_RUN("INSERT INTO dl.job_epoch (job, attempt, number, member, members, epoch, epochs, learning_rate, "
						"training_loss, validation_loss, measure, best) "
						"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
						SPI_OK_INSERT, DL_ARG_INT8(id), DL_ARG_INT4(attempt), DL_ARG_INT4(first + i + 1), DL_ARG_INT4(e->member),
						DL_ARG_INT4(e->members), DL_ARG_INT4(e->epoch), DL_ARG_INT4(e->epochs), ARG_FLOAT(e->learning_rate),
						ARG_FLOAT(e->training_loss), ARG_FLOAT(e->validation_loss), ARG_FLOAT(e->measure),
						{BOOLOID, BoolGetDatum(e->best), false});
	}
	dl_registry_leave(&section);
}

static void
take_queued(HeapTuple tuple, MemoryContext context, DlQueuedJob *job)
{
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	bool		null;
	Datum		time;
	char	   *reason = SPI_getvalue(tuple, descriptor, 7);
	char	   *owner_name = SPI_getvalue(tuple, descriptor, 3);

	job->id = DatumGetInt64(SPI_getbinval(tuple, descriptor, 1, &null));
	job->owner = dl_registry_role(DatumGetObjectId(SPI_getbinval(tuple, descriptor, 2, &null)), owner_name,
								  DatumGetInt64(SPI_getbinval(tuple, descriptor, 4, &null)));
	time = SPI_getbinval(tuple, descriptor, 5, &null);
	job->not_before = null ? DT_NOBEGIN : DatumGetTimestampTz(time);
	job->attempts = DatumGetInt32(SPI_getbinval(tuple, descriptor, 6, &null));
	job->waiting_for = reason == NULL ? NULL : MemoryContextStrdup(context, reason);
}

#define QUEUE_COLUMNS "id, owner, owner_name, cluster, not_before, attempts, waiting_for"

/*
 * Gives the number of rows.  Where there are more than can be looked at, nobody's jobs, however many and of whatever priority,
 * hide those of other roles; and what waits for its time hides nothing.
 */
static int
select_queued(void)
{
	int			count = (int) DL_REGISTRY_RUN("SELECT " QUEUE_COLUMNS " FROM dl.job WHERE state = 'queued' ORDER BY priority DESC, id LIMIT $1",
											  SPI_OK_SELECT, DL_ARG_INT4(DL_QUEUE_LOOK));

	if (count < DL_QUEUE_LOOK)
		return count;
	return (int) DL_REGISTRY_RUN("SELECT " QUEUE_COLUMNS " FROM (SELECT *, row_number() OVER (PARTITION BY cluster, owner "
								 "ORDER BY COALESCE(not_before > clock_timestamp(), false), priority DESC, id) AS place "
								 "FROM dl.job WHERE state = 'queued' ORDER BY place, priority DESC, id LIMIT $1) AS j "
								 "ORDER BY priority DESC, id",
								 SPI_OK_SELECT, DL_ARG_INT4(DL_QUEUE_LOOK));
}

void
dl_job_queue(DlJobQueue *queue)
{
	DlRegistrySection section;
	MemoryContext memory = CurrentMemoryContext;
	bool		null;

	dl_registry_enter(&section, NULL);
	queue->running_count = (int) DL_REGISTRY_RUN("SELECT id FROM dl.job WHERE state = $1", SPI_OK_SELECT, DL_ARG_TEXT("running"));
	queue->running = MemoryContextAlloc(memory, sizeof(int64) * (Size) Max(queue->running_count, 1));
	for (int i = 0; i < queue->running_count; i++)
		queue->running[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));

	queue->count = select_queued();
	queue->queued = MemoryContextAlloc(memory, sizeof(DlQueuedJob) * (Size) Max(queue->count, 1));
	for (int i = 0; i < queue->count; i++)
		take_queued(SPI_tuptable->vals[i], memory, &queue->queued[i]);
	dl_registry_leave(&section);
}
