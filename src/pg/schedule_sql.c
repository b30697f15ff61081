/*
 * schedule_sql.c
 *    dl.schedule, dl.unschedule, dl.run_now, dl.run_due, and the rows of
 *    dl.schedules.
 */
#include "pg/schedule.h"

#include <math.h>

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/job.h"
#include "pg/query.h"
#include "pg/registry_internal.h"
#include "pg/rows.h"

PG_FUNCTION_INFO_V1(dl_sql_schedule);
PG_FUNCTION_INFO_V1(dl_sql_unschedule);
PG_FUNCTION_INFO_V1(dl_sql_run_now);
PG_FUNCTION_INFO_V1(dl_sql_run_due);
PG_FUNCTION_INFO_V1(dl_sql_list_schedules);

#define MOST_VERSIONS 1000000
#define MOST_YEARS 100

enum
{
	ARGUMENT_MODEL,
	ARGUMENT_EVERY,
	ARGUMENT_AT,
	ARGUMENT_WHEN_ROWS,
	ARGUMENT_WHEN_DRIFT,
	ARGUMENT_ONLY_IF_BETTER,
	ARGUMENT_TRAINING_WINDOW,
	ARGUMENT_WARM_START,
	ARGUMENT_KEEP_VERSIONS,
	ARGUMENT_CATCH_UP,
	ARGUMENT_TIME_ZONE,
	ARGUMENT_START
};

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* Where nothing is said: daily at a time of day, hourly to look at a condition. */
static Interval
default_every(FunctionCallInfo fcinfo)
{
	Interval	every = {0};

	if (!PG_ARGISNULL(ARGUMENT_AT))
		every.day = 1;
	else if (!PG_ARGISNULL(ARGUMENT_WHEN_ROWS) || !PG_ARGISNULL(ARGUMENT_WHEN_DRIFT))
		every.time = USECS_PER_HOUR;
	else
		refuse("the schedule does not say when", "Give every, at, when_rows or when_drift; for example every => '1 day'.");
	return every;
}

static void
read_slots(FunctionCallInfo fcinfo, DlSlots *slots)
{
	slots->has_at = !PG_ARGISNULL(ARGUMENT_AT);
	slots->at = slots->has_at ? PG_GETARG_TIMEADT(ARGUMENT_AT) : 0;
	slots->every = PG_ARGISNULL(ARGUMENT_EVERY) ? default_every(fcinfo) : *PG_GETARG_INTERVAL_P(ARGUMENT_EVERY);
	slots->time_zone = PG_ARGISNULL(ARGUMENT_TIME_ZONE) ? pstrdup(GetConfigOption("TimeZone", false, false)) :
		text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_TIME_ZONE));
	if (slots->every.month < 0 || slots->every.day < 0 || slots->every.time < 0 ||
		(slots->every.month == 0 && slots->every.day == 0 && slots->every.time < USECS_PER_MINUTE))
		refuse("every must be at least a minute", "For example every => '6 hours', or every => '1 month'.");
	if (slots->every.month / MONTHS_PER_YEAR + slots->every.day / DAYS_PER_YEAR +
		(double) slots->every.time / (USECS_PER_DAY * DAYS_PER_YEAR) > MOST_YEARS)
		refuse(psprintf("every must be at most %d years", MOST_YEARS), "For example every => '6 hours', or every => '1 month'.");
	if (slots->has_at && slots->every.time != 0)
		refuse("with a time of day, every must be a number of days or months", "Leave at out, or say for example every => '7 days'.");
}

static void
append_number(StringInfo text, const char *key, FunctionCallInfo fcinfo, int number, double value)
{
	if (PG_ARGISNULL(number))
		return;
	if (!(value > 0) || isinf(value))
		refuse(psprintf("%s must be above 0", key), "Leave it out for retraining whatever the rows are.");
	appendStringInfo(text, ", \"%s\": %s", key, float8out_internal(value));
}

/* What the jobs get. */
static Jsonb *
read_arguments(FunctionCallInfo fcinfo)
{
	StringInfoData document;
	int			keep = PG_ARGISNULL(ARGUMENT_KEEP_VERSIONS) ? MOST_VERSIONS : PG_GETARG_INT32(ARGUMENT_KEEP_VERSIONS);

	if (keep < 1 || keep > MOST_VERSIONS)
		refuse(psprintf("keep_versions must be between 1 and %d", MOST_VERSIONS), "NULL keeps all.");
	initStringInfo(&document);
	appendStringInfo(&document, "{\"only_if_better\": %s, \"keep_versions\": %d",
					 PG_ARGISNULL(ARGUMENT_ONLY_IF_BETTER) || PG_GETARG_BOOL(ARGUMENT_ONLY_IF_BETTER) ? "true" : "false", keep);
	append_number(&document, "when_rows", fcinfo, ARGUMENT_WHEN_ROWS,
				  PG_ARGISNULL(ARGUMENT_WHEN_ROWS) ? 0 : (double) PG_GETARG_INT64(ARGUMENT_WHEN_ROWS));
	append_number(&document, "when_drift", fcinfo, ARGUMENT_WHEN_DRIFT,
				  PG_ARGISNULL(ARGUMENT_WHEN_DRIFT) ? 0 : PG_GETARG_FLOAT8(ARGUMENT_WHEN_DRIFT));
	if (!PG_ARGISNULL(ARGUMENT_WARM_START) && PG_GETARG_BOOL(ARGUMENT_WARM_START))
		appendStringInfoString(&document, ", \"warm_start\": true");
	if (!PG_ARGISNULL(ARGUMENT_TRAINING_WINDOW))
	{
		appendStringInfoString(&document, ", \"training_window\": ");
		escape_json(&document, text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_TRAINING_WINDOW)));
	}
	appendStringInfoChar(&document, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(document.data)));
}

/* Raises what a scheduler would stumble over: an unknown time zone, times beyond those that there are. */
static void
check_slots(const DlSlots *slots, TimestampTz now)
{
	if (TIMESTAMP_NOT_FINITE(slots->first))
		refuse("start must be a time", "Leave it out for the next time that every and at name.");
	(void) DirectFunctionCall2(timestamptz_zone, CStringGetTextDatum(slots->time_zone), TimestampTzGetDatum(now));
	(void) dl_next_slot(slots, Max(now, slots->first));
}

/* The model's id, where the current user may train it and can have jobs. */
static int64
require_model(const char *name)
{
	const char *problem = dl_job_role_problem(GetUserId());
	Snapshot	snapshot = dl_registry_snapshot();
	DlRegistryRow row;

	dl_registry_require(snapshot, snapshot, name, DL_RIGHT_ADMIN, GetUserId(), &row);
	UnregisterSnapshot(snapshot);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROLE_SPECIFICATION),
				 errmsg("%s", problem),
				 errhint("Say it as a role that can.")));
	return row.id;
}

/* What a job would find out too late: the options, the window, names in the query; without running it. */
static void
check_retraining(const char *name, Jsonb *arguments)
{
	DlTrainRun	run = {0};
	int			nest_level = NewGUCNestLevel();

	(void) dl_retrain_load(name, arguments, GUC_ACTION_SAVE, &run);
	dl_train_options_check(&run.options);
	dl_query_check(dl_train_run_query(&run));
	AtEOXact_GUC(false, nest_level);
}

static void
warn_unless_preloaded(void)
{
	if (!dl_launcher_is_there())
		ereport(WARNING,
				(errmsg("the schedule ends with the next restart of the server, because it does not preload the library"),
				 errhint("Set shared_preload_libraries = 'deep_learning', or have dl.run_due() called.")));
}

Datum
dl_sql_schedule(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, ARGUMENT_MODEL, "model");
	TimestampTz now = GetCurrentTimestamp();
	DlRetraining	schedule = {0};

	PreventCommandIfReadOnly("dl.schedule()");
	PreventCommandIfParallelMode("dl.schedule()");
	schedule.model_id = require_model(name);
	read_slots(fcinfo, &schedule.slots);
	schedule.slots.first = PG_ARGISNULL(ARGUMENT_START) ? dl_first_slot(&schedule.slots, now) : PG_GETARG_TIMESTAMPTZ(ARGUMENT_START);
	check_slots(&schedule.slots, now);
	schedule.catch_up = PG_ARGISNULL(ARGUMENT_CATCH_UP) || PG_GETARG_BOOL(ARGUMENT_CATCH_UP);
	schedule.arguments = read_arguments(fcinfo);
	schedule.settings = dl_job_settings();
	check_retraining(name, schedule.arguments);
	dl_scheduler_wake_at_commit();
	dl_retraining_put(&schedule);
	warn_unless_preloaded();
	PG_RETURN_TIMESTAMPTZ(schedule.slots.first);
}

Datum
dl_sql_unschedule(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	Snapshot	snapshot;
	DlRegistryRow row;

	PreventCommandIfReadOnly("dl.unschedule()");
	snapshot = dl_registry_snapshot();
	dl_registry_require(snapshot, snapshot, name, DL_RIGHT_ADMIN, GetUserId(), &row);
	UnregisterSnapshot(snapshot);
	if (!dl_retraining_drop(row.id))
		PG_RETURN_BOOL(false);
	/* it may have nothing left to do */
	dl_scheduler_wake_at_commit();
	PG_RETURN_BOOL(true);
}

/* Without conditions: the rest of what the schedule says holds, with none what dl.schedule's defaults say. */
static Jsonb *
unconditional(Jsonb *arguments)
{
	Datum		result = JsonbPGetDatum(arguments);

	result = DirectFunctionCall2(jsonb_delete, result, CStringGetTextDatum("when_rows"));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, result, CStringGetTextDatum("when_drift")));
}

/* A condition runs with the rights of whoever retrains, so it must be his own, or a superuser's. */
static void
check_window(const char *model, const DlRetraining *schedule)
{
	JsonbValue	buffer;

	if (getKeyJsonValueFromContainer(&schedule->arguments->root, "training_window", strlen("training_window"), &buffer) == NULL)
		return;
	if (OidIsValid(schedule->owner) && (schedule->owner == GetUserId() || superuser_arg(schedule->owner)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the training_window of the schedule of model \"%s\" cannot be used with the rights of role \"%s\"", model,
					GetUserNameFromId(GetUserId(), false)),
			 OidIsValid(schedule->owner) ? errdetail("The schedule was made by \"%s\".", GetUserNameFromId(schedule->owner, false)) : 0,
			 errhint("Make the schedule your own with dl.schedule, or end it with dl.unschedule.")));
}

Datum
dl_sql_run_now(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	DlJobNew	job = {.kind = DL_JOB_RETRAIN, .model = name, .not_before = DT_NOBEGIN};
	DlRetraining	schedule;
	int64		model_id;
	bool		scheduled;
	int64		id;

	PreventCommandIfReadOnly("dl.run_now()");
	PreventCommandIfParallelMode("dl.run_now()");
	model_id = require_model(name);
	scheduled = dl_retraining_get(model_id, &schedule);
	if (scheduled)
		check_window(name, &schedule);
	job.arguments = scheduled ? unconditional(schedule.arguments) :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{\"only_if_better\": true}")));
	job.settings = dl_job_settings();
	job.requested_by = GetUserNameFromId(GetSessionUserId(), false);
	check_retraining(name, job.arguments);
	dl_scheduler_wake_at_commit();
	id = dl_job_add(&job);
	if (scheduled)
		dl_retraining_ran(model_id, id, GetCurrentTimestamp());
	PG_RETURN_INT64(id);
}

Datum
dl_sql_run_due(PG_FUNCTION_ARGS)
{
	DlRows		rows;
	DlScheduledJob *jobs;
	TimestampTz next;
	int			count;

	PreventCommandIfReadOnly("dl.run_due()");
	PreventCommandIfParallelMode("dl.run_due()");
	dl_argument_not_null(fcinfo, 0, "at");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		refuse("at must be a time", "Leave it out for now.");
	dl_rows_begin(fcinfo, &rows);
	dl_scheduler_wake_at_commit();
	jobs = dl_schedules_submit(superuser() ? InvalidOid : GetUserId(), true, PG_GETARG_TIMESTAMPTZ(0), &count, &next);
	for (int i = 0; i < count; i++)
	{
		Datum		values[] = {CStringGetTextDatum(jobs[i].model), Int64GetDatum(jobs[i].id)};
		bool		nulls[] = {false, false};

		dl_rows_put(&rows, values, nulls);
	}
	return (Datum) 0;
}

Datum
dl_sql_list_schedules(PG_FUNCTION_ARGS)
{
	return dl_list_of_roles(fcinfo,
							"SELECT s.owner, s.owner_name, s.cluster, s.xmin, m.name, s.owner_name, s.every, s.at, s.time_zone, "
							"(s.arguments ->> 'when_rows')::pg_catalog.int8, (s.arguments ->> 'when_drift')::pg_catalog.float8, "
							"(s.arguments ->> 'only_if_better')::pg_catalog.bool, s.arguments ->> 'training_window', "
							"COALESCE((s.arguments ->> 'warm_start')::pg_catalog.bool, false), "
							"(s.arguments ->> 'keep_versions')::pg_catalog.int4, s.catch_up, s.next_run, s.last_run, s.last_job, j.state, "
							"CASE WHEN j.owner = s.owner AND j.cluster = s.cluster THEN j.message END, s.failures "
							"FROM dl.retraining s JOIN dl.registry_model m ON m.id = s.model_id LEFT JOIN dl.job j ON j.id = s.last_job "
							"WHERE $1 = 0 ORDER BY m.name", 1);
}
