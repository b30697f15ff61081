/*
 * job_sql.c
 *    dl.wait and dl.cancel.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/job.h"

PG_FUNCTION_INFO_V1(dl_sql_wait);
PG_FUNCTION_INFO_V1(dl_sql_cancel);

/* Between two looks at a job: longer and longer, for each takes time from what is waited for. */
#define LOOK_AGAIN_MS 10L
#define LONGEST_PAUSE_MS 200L
#define SCHEDULER_EVERY 10		/* looks: whether there is a scheduler */

static bool
is_over(const DlJob *job)
{
	return strcmp(job->state, "queued") != 0 && strcmp(job->state, "running") != 0;
}

static uint32
wait_event(void)
{
	static uint32 number;

	return dl_wait_event_compat(&number, "DeepLearningWait");
}

static void
pause_briefly(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, wait_event());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static TimestampTz
deadline(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(1)));
}

Datum
dl_sql_wait(PG_FUNCTION_ARGS)
{
	int64		id;
	DlJob		job;
	TimestampTz end;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dl wait", ALLOCSET_SMALL_SIZES);
	char		state[32];
	bool		over = false;

	dl_argument_not_null(fcinfo, 0, "job");
	id = PG_GETARG_INT64(0);
	end = deadline(fcinfo);
	for (int look = 0; !over; look++)
	{
		MemoryContext old;

		MemoryContextReset(context);
		old = MemoryContextSwitchTo(context);
		if (!dl_job_get(id, &job))
			dl_job_unknown(id);
		if (job.mine && !is_over(&job))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " was put into the queue by this transaction", id),
					 errhint("It starts when the transaction has committed; wait for it after that.")));
		strlcpy(state, job.state, sizeof(state));
		over = is_over(&job) || GetCurrentTimestamp() >= end;
		if (!over && look % SCHEDULER_EVERY == 0)
			(void) dl_scheduler_ensure();
		MemoryContextSwitchTo(old);
		if (!over)
			pause_briefly(Min((look + 1) * LOOK_AGAIN_MS, LONGEST_PAUSE_MS));
	}
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(state));
}

/* The process that holds the job's lock is its worker, and nobody else's. */
static bool
signal_worker(int64 id)
{
	DlJobHolders holders;
	int			pid;

	dl_job_holders(&holders);
	pid = dl_job_holder_pid(&holders, id);
	return pid != 0 && kill(pid, SIGINT) == 0;
}

Datum
dl_sql_cancel(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DlJob		job;
	DlJobEnd	end = {.state = "cancelled"};

	PreventCommandIfReadOnly("dl.cancel()");
	end.message = psprintf("cancelled by %s", GetUserNameFromId(GetUserId(), false));
	for (;;)
	{
		if (!dl_job_get(id, &job))
			dl_job_unknown(id);
		if (is_over(&job))
			PG_RETURN_BOOL(false);
		if (strcmp(job.state, "queued") == 0 && dl_job_end_queued(id, &end))
			PG_RETURN_BOOL(true);
		if (strcmp(job.state, "running") == 0 && signal_worker(id))
			PG_RETURN_BOOL(true);
		/* It is being started, or ended, or its worker was lost: soon its row says so. */
		(void) dl_scheduler_ensure();
		pause_briefly(LOOK_AGAIN_MS);
	}
}
