/*
 * job_remove.c
 *    Jobs that have ended are removed: by dl.drop_job, and by the scheduler after deep_learning.job_retention.
 *
 * With a job go its log and its learning curve; the model that it stored stays.  The scheduler leaves the last job of a
 * schedule, which dl.schedules tells of, and passes over what another transaction has locked.
 */
#include "pg/job.h"

#include "executor/spi.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"
#include "pg/settings.h"

PG_FUNCTION_INFO_V1(dl_sql_drop_job);

/* At a time, so that jobs that wait to be started need not wait long. */
#define MOST_AT_ONCE 100

/* Of the jobs that a query finds, with all that there is of them. */
#define REMOVE_JOBS(found) \
	"WITH gone AS (DELETE FROM dl.job WHERE id IN (" found ") RETURNING id), " \
	"events AS (DELETE FROM dl.job_event v USING gone g WHERE v.job = g.id), " \
	"epochs AS (DELETE FROM dl.job_epoch e USING gone g WHERE e.job = g.id), " \
	"checkpoints AS (DELETE FROM dl.job_checkpoint c USING gone g WHERE c.job = g.id) " \
	"SELECT id FROM gone"

#define HAS_ENDED "j.state NOT IN ('queued', 'running')"

void
dl_jobs_remove_old(void)
{
	DlRegistrySection section;
	int			minutes = dl_setting_job_retention();

	if (minutes < 0)
		return;
	dl_registry_enter(&section, "a job");
	DL_REGISTRY_RUN(REMOVE_JOBS("SELECT j.id FROM dl.job j WHERE " HAS_ENDED " AND j.ended_at < $1 "
								"AND NOT EXISTS (SELECT FROM dl.retraining s WHERE s.last_job = j.id) "
								"ORDER BY j.ended_at LIMIT $2 FOR UPDATE OF j SKIP LOCKED"),
					SPI_OK_SELECT,
					{TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp() - (int64) minutes * USECS_PER_MINUTE), false},
					DL_ARG_INT4(MOST_AT_ONCE));
	dl_registry_leave(&section);
}

/* False: it has not ended. */
static bool
remove_job(int64 id)
{
	DlRegistrySection section;
	bool		found;

	dl_registry_enter(&section, "dl.drop_job()");
	found = DL_REGISTRY_RUN(REMOVE_JOBS("SELECT j.id FROM dl.job j WHERE j.id = $1 AND " HAS_ENDED " FOR UPDATE OF j"), SPI_OK_SELECT,
							DL_ARG_INT8(id)) == 1;
	dl_registry_leave(&section);
	return found;
}

Datum
dl_sql_drop_job(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DlJob		job;

	PreventCommandIfReadOnly("dl.drop_job()");
	if (!dl_job_get(id, &job))
		dl_job_unknown(id);
	if (remove_job(id))
		PG_RETURN_VOID();
	/* somebody may just have removed it, or put it into the queue again */
	if (!dl_job_get(id, &job))
		dl_job_unknown(id);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("job " INT64_FORMAT " is %s", id, job.state),
			 errhint("dl.cancel ends it.")));
}
