/*
 * job_list.c
 *    The functions behind dl.jobs and dl.job_log, and dl.history of a job.
 *
 * They read as the extension's owner, under the caller's snapshot, and give only the rows of roles that the current
 * user is a member of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/job.h"
#include "pg/registry_internal.h"
#include "pg/rows.h"

#define MOST_COLUMNS 24

PG_FUNCTION_INFO_V1(dl_sql_list_jobs);
PG_FUNCTION_INFO_V1(dl_sql_list_job_log);
PG_FUNCTION_INFO_V1(dl_sql_job_history);

/* The columns of a statement: first those that say whose job it is, then those of the result. */
enum
{
	LIST_OWNER = 1,
	LIST_OWNER_NAME,
	LIST_CLUSTER,
	LIST_XMIN,
	LIST_FIRST
};

/* Changes the values of a row of the result.  mine: this transaction wrote it. */
typedef void (*Complete) (Oid owner, bool mine, Datum *values, bool *nulls, void *context);

static bool
is_mine(HeapTuple tuple)
{
	bool		null;

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, LIST_XMIN, &null)));
}

static void
list_row(const DlRegistrySection *section, HeapTuple tuple, Complete complete, void *context, DlRows *rows)
{
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	Datum		values[MOST_COLUMNS];
	bool		nulls[MOST_COLUMNS];
	bool		null;
	char	   *owner_name = SPI_getvalue(tuple, descriptor, LIST_OWNER_NAME);
	Oid			owner = dl_registry_role(DatumGetObjectId(SPI_getbinval(tuple, descriptor, LIST_OWNER, &null)), owner_name,
										 DatumGetInt64(SPI_getbinval(tuple, descriptor, LIST_CLUSTER, &null)));

	if (!superuser_arg(section->user) && !(OidIsValid(owner) && has_privs_of_role(section->user, owner)))
		return;
	for (int i = 0; i < rows->descriptor->natts; i++)
		values[i] = SPI_getbinval(tuple, descriptor, LIST_FIRST + i, &nulls[i]);
	if (complete != NULL)
		complete(owner, is_mine(tuple), values, nulls, context);
	dl_rows_put(rows, values, nulls);
}

static Datum
list(FunctionCallInfo fcinfo, const char *sql, int64 id, Complete complete, void *context)
{
	DlRegistrySection section;
	DlRows		rows;
	Oid			types[] = {INT8OID};
	Datum		arguments[] = {Int64GetDatum(id)};

	dl_rows_begin(fcinfo, &rows);
	Assert(rows.descriptor->natts <= MOST_COLUMNS);
	dl_registry_enter(&section, NULL);
	if (SPI_execute_with_args(sql, 1, types, arguments, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the jobs");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list_row(&section, SPI_tuptable->vals[i], complete, context, &rows);
	}
	dl_registry_leave(&section);
	return (Datum) 0;
}

/* context: the number of the column for the owner. */
static void
complete_owner(Oid owner, bool mine, Datum *values, bool *nulls, void *context)
{
	int			column = *(int *) context;

	nulls[column] = !OidIsValid(owner);
	if (OidIsValid(owner))
		values[column] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(owner, false)));
}

Datum
dl_list_of_roles(FunctionCallInfo fcinfo, const char *sql, int owner_column)
{
	return list(fcinfo, sql, 0, complete_owner, &owner_column);
}

enum
{
	JOBS_ID,
	JOBS_STATE,
	JOBS_OWNER = 4,
	JOBS_PID,
	JOBS_WAITING_FOR = 15
};

typedef struct Listing
{
	DlJobHolders holders;
	bool		scheduler;		/* there is one, or it is being started */
	bool		tried;			/* to start it */
} Listing;

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	values[column] = CStringGetTextDatum(text);
	nulls[column] = false;
}

/* Who holds the lock is known now, the row as of the snapshot: where they disagree, the row as it is now decides. */
static bool
is_lost(int64 id)
{
	DlJob		job;

	return dl_job_get(id, &job) && strcmp(job.state, "running") == 0;
}

/* What a job waits for where there is no scheduler that could say so; NULL where there is one. */
static const char *
waits_for(Listing *listing, bool mine)
{
	if (mine)
		return "the end of this transaction";
	if (listing->scheduler && !listing->tried)
		return NULL;
	if (!listing->tried)
		listing->scheduler = dl_scheduler_ensure();
	listing->tried = true;
	return listing->scheduler ? "the scheduler, which is being started" :
		psprintf("a free background worker: max_worker_processes is %d", max_worker_processes);
}

static void
complete_job(Oid owner, bool mine, Datum *values, bool *nulls, void *context)
{
	Listing    *listing = context;
	int64		id = DatumGetInt64(values[JOBS_ID]);
	char	   *state = TextDatumGetCString(values[JOBS_STATE]);
	int			pid = dl_job_holder_pid(&listing->holders, id);
	int			owner_column = JOBS_OWNER;
	const char *reason;

	complete_owner(owner, mine, values, nulls, &owner_column);
	nulls[JOBS_PID] = pid == 0 || strcmp(state, "running") != 0;
	values[JOBS_PID] = Int32GetDatum(pid);
	if (strcmp(state, "running") == 0 && pid == 0 && is_lost(id))
		set_text(values, nulls, JOBS_STATE, "interrupted");
	else if (strcmp(state, "queued") != 0)
		return;
	reason = waits_for(listing, mine);
	if (reason != NULL)
		set_text(values, nulls, JOBS_WAITING_FOR, reason);
}

Datum
dl_sql_list_jobs(PG_FUNCTION_ARGS)
{
	Listing		listing = {0};

	dl_job_holders(&listing.holders);
	listing.scheduler = dl_scheduler_pid(&listing.holders) != 0;
	return list(fcinfo,
				"SELECT j.owner, j.owner_name, j.cluster, j.xmin, j.id, j.state, j.kind, j.model, j.owner_name, NULL::integer, j.priority, "
				"j.submitted_at, j.not_before, j.started_at, j.ended_at, e.epoch, e.epochs, j.attempts, j.version, "
				"j.waiting_for, j.sqlstate, j.message, j.detail, j.hint, j.requested_by "
				"FROM dl.job j LEFT JOIN LATERAL (SELECT epoch, epochs FROM dl.job_epoch "
				"WHERE job = j.id AND attempt = j.attempts ORDER BY number DESC LIMIT 1) AS e ON true "
				"WHERE $1 = 0 ORDER BY j.id",
				0, complete_job, &listing);
}

Datum
dl_sql_list_job_log(PG_FUNCTION_ARGS)
{
	return list(fcinfo,
				"SELECT j.owner, j.owner_name, j.cluster, j.xmin, v.job, v.at, v.level, v.message, v.detail, v.hint, v.context "
				"FROM dl.job_event v JOIN dl.job j ON j.id = v.job WHERE $1 = 0 ORDER BY v.job, v.number",
				0, NULL, NULL);
}

Datum
dl_sql_job_history(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DlJob		job;

	if (!dl_job_get(id, &job))
		dl_job_unknown(id);
	return list(fcinfo,
				"SELECT j.owner, j.owner_name, j.cluster, j.xmin, e.attempt, e.member, e.epoch, e.learning_rate, e.training_loss, "
				"e.validation_loss, e.measure, e.best "
				"FROM dl.job_epoch e JOIN dl.job j ON j.id = e.job WHERE e.job = $1 ORDER BY e.attempt, e.number",
				id, NULL, NULL);
}
