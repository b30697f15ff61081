/*
 * schedule_table.c
 *    The statements on the table of schedules, and what is due.
 *
 * All run as the extension's owner, in a section of the registry (registry_internal.h), as fixed text.  A scheduler
 * skips what is locked, so it waits for no user's transaction; users wait for it, and for each other.
 *
 * A schedule has its regular slot, and the time of its next run.  After a job that failed the run is tried again sooner, the later
 * the more often it failed in a row, but no later than one whole round: so a passing trouble costs
 * minutes, and a lasting one a job now and then.
 */
#include "pg/schedule.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/job.h"
#include "pg/registry_internal.h"

/* A run that comes later than this was missed. */
#define MISSED_AFTER (5 * USECS_PER_MINUTE)

#define ARG_TIME(t) {TIMESTAMPTZOID, TimestampTzGetDatum(t), false}
#define ARG_JSONB(p) {JSONBOID, PointerGetDatum(p), false}

/* A schedule whose time has come. */
typedef struct Due
{
	DlRetraining	schedule;
	char	   *model;
	bool		busy;			/* its last job has not ended */
} Due;

void
dl_retraining_put(const DlRetraining *s)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "dl.schedule()");
	DL_REGISTRY_RUN("INSERT INTO dl.retraining (model_id, owner, owner_name, cluster, every, at, time_zone, catch_up, first_run, slot, next_run, "
					"arguments, settings) VALUES ($1, $2, $3::pg_catalog.name, $4, $5, $6, $7, $8, $9, $9, $9, $10, $11) "
					"ON CONFLICT (model_id) DO UPDATE SET owner = EXCLUDED.owner, owner_name = EXCLUDED.owner_name, "
					"cluster = EXCLUDED.cluster, every = EXCLUDED.every, at = EXCLUDED.at, time_zone = EXCLUDED.time_zone, "
					"catch_up = EXCLUDED.catch_up, first_run = EXCLUDED.first_run, slot = EXCLUDED.slot, next_run = EXCLUDED.next_run, "
					"arguments = EXCLUDED.arguments, settings = EXCLUDED.settings, failures = 0",
					SPI_OK_INSERT, DL_ARG_INT8(s->model_id), DL_ARG_OID(section.user),
					DL_ARG_TEXT(GetUserNameFromId(section.user, false)), DL_ARG_INT8(dl_registry_cluster()),
					{INTERVALOID, IntervalPGetDatum(&s->slots.every), false},
					{TIMEOID, TimeADTGetDatum(s->slots.at), !s->slots.has_at}, DL_ARG_TEXT(s->slots.time_zone),
					{BOOLOID, BoolGetDatum(s->catch_up), false}, ARG_TIME(s->slots.first), ARG_JSONB(s->arguments), ARG_JSONB(s->settings));
	dl_registry_leave(&section);
}

bool
dl_retraining_drop(int64 model_id)
{
	DlRegistrySection section;
	bool		found;

	dl_registry_enter(&section, "dl.unschedule()");
	found = DL_REGISTRY_RUN("DELETE FROM dl.retraining WHERE model_id = $1 RETURNING model_id", SPI_OK_DELETE_RETURNING,
							DL_ARG_INT8(model_id)) == 1;
	dl_registry_leave(&section);
	return found;
}

static Datum
column(HeapTuple tuple, int number, bool *null)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, number, null);
}

static Jsonb *
jsonb_column(HeapTuple tuple, int number)
{
	bool		null;

	return DatumGetJsonbPCopy(column(tuple, number, &null));
}

#define SCHEDULE_COLUMNS "s.model_id, s.every, s.at, s.time_zone, s.catch_up, s.first_run, s.next_run, s.arguments, s.settings, " \
	"s.owner, s.owner_name, s.cluster"
#define SCHEDULE_COLUMN_COUNT 12

/* SCHEDULE_COLUMNS, into the current context. */
static void
take_schedule(HeapTuple tuple, DlRetraining *s)
{
	bool		null;
	Datum		at;

	memset(s, 0, sizeof(*s));
	s->model_id = DatumGetInt64(column(tuple, 1, &null));
	s->slots.every = *DatumGetIntervalP(column(tuple, 2, &null));
	at = column(tuple, 3, &null);
	s->slots.has_at = !null;
	s->slots.at = null ? 0 : DatumGetTimeADT(at);
	s->slots.time_zone = TextDatumGetCString(column(tuple, 4, &null));
	s->catch_up = DatumGetBool(column(tuple, 5, &null));
	s->slots.first = DatumGetTimestampTz(column(tuple, 6, &null));
	s->next_run = DatumGetTimestampTz(column(tuple, 7, &null));
	s->arguments = jsonb_column(tuple, 8);
	s->settings = jsonb_column(tuple, 9);
	s->owner = dl_registry_role(DatumGetObjectId(column(tuple, 10, &null)), SPI_getvalue(tuple, SPI_tuptable->tupdesc, 11),
								DatumGetInt64(column(tuple, 12, &null)));
}

bool
dl_retraining_get(int64 model_id, DlRetraining *result)
{
	DlRegistrySection section;
	MemoryContext old;
	bool		found;

	dl_registry_enter(&section, NULL);
	found = DL_REGISTRY_RUN("SELECT " SCHEDULE_COLUMNS " FROM dl.retraining s WHERE s.model_id = $1", SPI_OK_SELECT,
							DL_ARG_INT8(model_id)) == 1;
	if (found)
	{
		old = MemoryContextSwitchTo(section.memory);
		take_schedule(SPI_tuptable->vals[0], result);
		MemoryContextSwitchTo(old);
	}
	dl_registry_leave(&section);
	return found;
}

void
dl_retraining_ran(int64 model_id, int64 job, TimestampTz now)
{
	DlRegistrySection section;

	dl_registry_enter(&section, "dl.schedule()");
	DL_REGISTRY_RUN("UPDATE dl.retraining SET last_job = $2, last_run = $3, counted = false WHERE model_id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(model_id), DL_ARG_INT8(job), ARG_TIME(now));
	dl_registry_leave(&section);
}

/* Of schedules s: those of roles that $2 is a member of, here, where $3 is the cluster; all for 0. */
#define OF_ROLE "($2 = 0::oid OR (s.cluster = $3 AND pg_catalog.pg_has_role($2, s.owner, 'USAGE')))"
#define OF_ROLE_ARGS(role) DL_ARG_OID(role), DL_ARG_INT8(dl_registry_cluster())

/* Jobs that have ended since: a failure brings another try so long after its end, success ends a row of failures. */
#define COUNT_FAILURES(lock) \
	"UPDATE dl.retraining s SET counted = true, " \
	"failures = CASE WHEN j.state IN ('failed', 'interrupted') THEN s.failures + 1 WHEN j.state = 'succeeded' THEN 0 ELSE s.failures END, " \
	"next_run = CASE WHEN j.state IN ('failed', 'interrupted') THEN s.last_run + (j.ended_at - j.submitted_at) + " \
	"LEAST(interval '5 minutes' * 2 ^ LEAST(s.failures, 20), GREATEST(s.every, interval '5 minutes')) ELSE s.slot END " \
	"FROM dl.job j WHERE j.id = s.last_job AND j.state NOT IN ('queued', 'running') AND s.model_id IN " \
	"(SELECT s.model_id FROM dl.retraining s WHERE s.counted = $1 AND " OF_ROLE " FOR UPDATE " lock ")"

static void
count_failures(Oid role, bool wait)
{
	DL_REGISTRY_RUN(wait ? COUNT_FAILURES("") : COUNT_FAILURES("SKIP LOCKED"),
					SPI_OK_UPDATE, {BOOLOID, BoolGetDatum(false), false}, OF_ROLE_ARGS(role));
}

#define FIND_DUE(lock) \
	"SELECT " SCHEDULE_COLUMNS ", m.name, " \
	"EXISTS (SELECT FROM dl.job j WHERE j.id = s.last_job AND j.state IN ('queued', 'running')) " \
	"FROM dl.retraining s JOIN dl.registry_model m ON m.id = s.model_id " \
	"WHERE s.next_run <= $1 AND " OF_ROLE " ORDER BY s.next_run, s.model_id FOR UPDATE OF s " lock

/* Locked until the transaction ends. */
static Due *
find_due(const DlRegistrySection *section, Oid role, bool wait, TimestampTz now, int *count)
{
	MemoryContext old;
	Due		   *due;

	*count = (int) DL_REGISTRY_RUN(wait ? FIND_DUE("") : FIND_DUE("SKIP LOCKED"), SPI_OK_SELECT, ARG_TIME(now), OF_ROLE_ARGS(role));
	old = MemoryContextSwitchTo(section->memory);
	due = palloc0(sizeof(Due) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		null;

		take_schedule(tuple, &due[i].schedule);
		due[i].model = TextDatumGetCString(column(tuple, SCHEDULE_COLUMN_COUNT + 1, &null));
		due[i].busy = DatumGetBool(column(tuple, SCHEDULE_COLUMN_COUNT + 2, &null));
	}
	MemoryContextSwitchTo(old);
	return due;
}

static void
advance(const DlRetraining *s, TimestampTz now)
{
	TimestampTz slot = dl_next_slot(&s->slots, now);

	DL_REGISTRY_RUN("UPDATE dl.retraining SET slot = $2, next_run = $2 WHERE model_id = $1", SPI_OK_UPDATE,
					DL_ARG_INT8(s->model_id), ARG_TIME(slot));
}

static TimestampTz
next_of_all(void)
{
	bool		null = true;
	Datum		next = 0;

	if (DL_REGISTRY_RUN("SELECT pg_catalog.min(s.next_run) FROM dl.retraining s JOIN dl.registry_model m ON m.id = s.model_id WHERE $1",
						SPI_OK_SELECT, {BOOLOID, BoolGetDatum(true), false}) == 1)
		next = column(SPI_tuptable->vals[0], 1, &null);
	return null ? DT_NOEND : DatumGetTimestampTz(next);
}

static int64
submit(const Due *due, TimestampTz now)
{
	DlJobNew	job = {
		.kind = DL_JOB_RETRAIN, .model = due->model, .arguments = due->schedule.arguments, .settings = due->schedule.settings,
		.requested_by = "schedule", .owner = due->schedule.owner, .not_before = DT_NOBEGIN,
	};
	int64		id = dl_job_add(&job);

	dl_retraining_ran(due->schedule.model_id, id, now);
	return id;
}

/* 0: there is nothing to submit this time. */
static int64
take_turn(const Due *due, TimestampTz now)
{
	const DlRetraining *s = &due->schedule;
	bool		missed = !s->catch_up && now - s->next_run > MISSED_AFTER;

	advance(s, now);
	return due->busy || missed || !OidIsValid(s->owner) ? 0 : submit(due, now);
}

static void
put_off(const Due *due, const ErrorData *error, TimestampTz now)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(unconstify(ErrorData *, error));
	DL_REGISTRY_RUN("UPDATE dl.retraining SET next_run = $2::pg_catalog.timestamptz + interval '1 hour', failures = failures + 1 "
					"WHERE model_id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(due->schedule.model_id), ARG_TIME(now));
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("the schedule of model \"%s\" is put off for an hour: %s", due->model, error->message)));
}

/* A schedule that fails, as one whose time zone is not known here, does not keep others from their turn. */
static int64
take_turn_apart(const Due *due, TimestampTz now)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	volatile int64 id = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		id = take_turn(due, now);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
		put_off(due, error, now);
	return id;
}

DlScheduledJob *
dl_schedules_submit(Oid role, bool wait, TimestampTz now, int *count, TimestampTz *next)
{
	DlRegistrySection section;
	Due		   *due;
	DlScheduledJob *jobs;
	int			due_count;

	dl_registry_enter(&section, "a schedule");
	count_failures(role, wait);
	due = find_due(&section, role, wait, now, &due_count);
	jobs = MemoryContextAlloc(section.memory, sizeof(DlScheduledJob) * (Size) Max(due_count, 1));
	*count = 0;
	for (int i = 0; i < due_count; i++)
	{
		int64		id = take_turn_apart(&due[i], now);

		if (id == 0)
			continue;
		jobs[*count].model = due[i].model;
		jobs[(*count)++].id = id;
	}
	*next = next_of_all();
	dl_registry_leave(&section);
	return jobs;
}
