/*
 * job_scheduler.c
 *    The background worker that starts the jobs of one database.
 *
 * It is connected to the database without a role, and runs nothing but the statements of job_table.c, which are
 * fixed and run as the extension's owner.  Between its looks at the queue, at least one a second, it is in no transaction
 * and waits for its latch, ready for interrupts.  It ends when no job is queued or running and there is no schedule, and when it is told to
 * terminate, with status 0 then, so that the server does not start it again: its database may be gone.
 *
 * A worker is started for a job without the job's row being touched: the worker itself claims it.  One that ends
 * without having done so, because it could not connect, is tried again a few times.
 */
#include "pg/job.h"

#include "access/transam.h"
#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/compat.h"
#include "pg/schedule.h"
#include "pg/settings.h"

#define LOOK_AGAIN_MS 1000L
#define LONGEST_WAIT_MS 10000L
#define MOST_STRIKES 5

/* A job that a worker was started for, until the worker has ended and the job is no longer queued. */
typedef struct Started
{
	int64		id;
	Oid			owner;
	BackgroundWorkerHandle *handle; /* NULL: it has ended */
	int			attempts;		/* of the job when it was started */
	int			strikes;		/* workers that ended without having claimed the job */
	TimestampTz again;			/* the next is started */
} Started;

static bool connected;
static Started *started;
static int	started_count;
static int	started_capacity;

static Started *
find_started(int64 id)
{
	for (int i = 0; i < started_count; i++)
		if (started[i].id == id)
			return &started[i];
	return NULL;
}

static Started *
add_started(const DlQueuedJob *job)
{
	Started    *s = find_started(job->id);

	if (s == NULL)
	{
		if (started_count == started_capacity)
		{
			started_capacity = Max(16, started_capacity * 2);
			started = started == NULL ? MemoryContextAlloc(TopMemoryContext, sizeof(Started) * (Size) started_capacity) :
				repalloc(started, sizeof(Started) * (Size) started_capacity);
		}
		s = &started[started_count++];
		memset(s, 0, sizeof(*s));
		s->id = job->id;
	}
	s->owner = job->owner;
	s->attempts = job->attempts;
	return s;
}

static const DlQueuedJob *
find_queued(const DlJobQueue *queue, int64 id)
{
	for (int i = 0; i < queue->count; i++)
		if (queue->queued[i].id == id)
			return &queue->queued[i];
	return NULL;
}

static bool
has_ended(Started *s)
{
	pid_t		pid;
	BgwHandleStatus status = GetBackgroundWorkerPid(s->handle, &pid);

	return status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED;
}

static void
give_up(int64 id)
{
	DlJobEnd	end = {
		.state = "failed",
		.level = "error",
		.sqlstate = "08006",
		.message = "no worker could be started for the job",
		.hint = "The server's log says why; dl.retry tries it again.",
	};

	(void) dl_job_end_queued(id, &end);
}

/* Workers that have ended: forgets those that had claimed their job, counts the others.  full: it may have been for want of a place. */
static void
look_at_started(const DlJobQueue *queue, bool full)
{
	int			kept = 0;

	for (int i = 0; i < started_count; i++)
	{
		Started		s = started[i];
		const DlQueuedJob *job = find_queued(queue, s.id);

		if (s.handle != NULL && has_ended(&s))
		{
			pfree(s.handle);
			s.handle = NULL;
			s.again = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), full ? 0 : LOOK_AGAIN_MS);
			s.strikes += full ? 0 : 1;
		}
		if (s.handle == NULL && (job == NULL || job->attempts != s.attempts))
			continue;
		if (s.handle == NULL && s.strikes >= MOST_STRIKES)
		{
			give_up(s.id);
			continue;
		}
		started[kept++] = s;
	}
	started_count = kept;
}

/* A job that is running, but whose lock is free, has lost its worker.  True when one was put back. */
static bool
recover_lost(const DlJobQueue *queue, const DlJobHolders *holders)
{
	bool		any = false;

	for (int i = 0; i < queue->running_count; i++)
	{
		int64		id = queue->running[i];

		if (dl_job_holder_pid(holders, id) != 0 || !dl_job_lock(id))
			continue;
		any = dl_job_interrupted(id) || any;
		dl_job_unlock(id);
	}
	return any;
}

/* Workers that are on their way, but do not hold the lock of their job yet. */
static int
count_starting(const DlJobHolders *holders, Oid role)
{
	int			count = 0;

	for (int i = 0; i < started_count; i++)
		if (started[i].handle != NULL && (!OidIsValid(role) || started[i].owner == role) &&
			dl_job_holder_pid(holders, started[i].id) == 0)
			count++;
	return count;
}

static bool
start_worker(const DlQueuedJob *job)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = MyProcPid,
	};
	DlJobStart	start = {.database = MyDatabaseId, .role = job->owner, .id = job->id};
	BackgroundWorkerHandle *handle;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		done;

	StaticAssertStmt(sizeof(start) <= BGW_EXTRALEN, "a job's start must fit into bgw_extra");
	snprintf(worker.bgw_name, BGW_MAXLEN, "deep_learning job " INT64_FORMAT, job->id);
	snprintf(worker.bgw_type, BGW_MAXLEN, "deep_learning job");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "deep_learning");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "dl_job_main");
	memcpy(worker.bgw_extra, &start, sizeof(start));
	done = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(old);
	if (done)
		add_started(job)->handle = handle;
	return done;
}

static void
refuse(const DlQueuedJob *job, const char *problem)
{
	DlJobEnd	end = {.state = "failed", .level = "error", .sqlstate = "28000", .message = problem};

	(void) dl_job_end_queued(job->id, &end);
}

/* Starts it, or gives what it waits for; NULL: nothing. */
static const char *
start_or_wait(const DlQueuedJob *job, const DlJobHolders *holders)
{
	const Started *s = find_started(job->id);
	const char *problem;

	if (job->not_before > GetCurrentTimestamp())
		return "its time, not_before";
	if (s != NULL && s->handle != NULL)
		return NULL;
	if (s != NULL && s->again > GetCurrentTimestamp())
		return "another attempt to start its worker";
	problem = dl_job_role_problem(job->owner);
	if (problem != NULL)
	{
		refuse(job, problem);
		return NULL;
	}
	if (dl_jobs_running(holders, InvalidOid) + count_starting(holders, InvalidOid) >= dl_setting_max_jobs())
		return psprintf("the end of another job: deep_learning.max_jobs is %d", dl_setting_max_jobs());
	if (dl_jobs_running(holders, job->owner) + count_starting(holders, job->owner) >= dl_setting_max_jobs_per_role())
		return psprintf("the end of another job of its role: deep_learning.max_jobs_per_role is %d", dl_setting_max_jobs_per_role());
	if (!start_worker(job))
		return psprintf("a free background worker: max_worker_processes is %d", max_worker_processes);
	return NULL;
}

/* Milliseconds, but not less than those between two looks; time may be infinite. */
static long
until(TimestampTz time)
{
	TimestampTz now = GetCurrentTimestamp();

	if (time <= now)
		return LOOK_AGAIN_MS;
	if (time >= TimestampTzPlusMilliseconds(now, LONGEST_WAIT_MS))
		return LONGEST_WAIT_MS;
	return Max(LOOK_AGAIN_MS, (long) ((time - now) / 1000));
}

/* Milliseconds until the next look; -1: there is nothing to do. */
static long
look_at_queue(void)
{
	DlJobHolders holders;
	DlJobQueue	queue;
	TimestampTz next_schedule;
	int			submitted;
	long		wait;

	if (!dl_jobs_keep())
		return -1;
	(void) dl_schedules_submit(InvalidOid, false, GetCurrentTimestamp(), &submitted, &next_schedule);
	wait = until(next_schedule);
	dl_jobs_remove_old();
	dl_job_holders(&holders);
	dl_job_queue(&queue);
	/* a worker has to find it in the queue, so this is committed first */
	if (recover_lost(&queue, &holders))
		return 0;
	look_at_started(&queue, dl_jobs_running(&holders, InvalidOid) >= dl_setting_max_jobs());
	for (int i = 0; i < queue.count; i++)
	{
		const DlQueuedJob *job = &queue.queued[i];
		const char *reason = start_or_wait(job, &holders);

		if (reason != NULL && (job->waiting_for == NULL || strcmp(job->waiting_for, reason) != 0))
			dl_job_waits(job->id, reason);
		wait = Min(wait, until(job->not_before));
	}
	if (queue.count + queue.running_count + started_count == 0 && next_schedule == DT_NOEND)
		return -1;
	return queue.running_count + started_count > 0 ? LOOK_AGAIN_MS : wait;
}

/* Whatever the database's defaults are, it writes, and waits for nobody's snapshot. */
static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

static long
look_once(void)
{
	long		wait;

	pgstat_report_activity(STATE_RUNNING, "looking at the queue");
	begin();
	wait = look_at_queue();
	end();
	return wait;
}

/* When nobody can put a job into the queue, and there is none: the locks go with the process. */
static bool
may_leave(void)
{
	bool		leave;

	begin();
	leave = dl_queue_lock_against();
	end();
	if (leave && look_once() >= 0)
	{
		begin();
		dl_queue_unlock_against();
		end();
		leave = false;
	}
	return leave;
}

static uint32
wait_event(void)
{
	static uint32 number;

	return dl_wait_event_compat(&number, "DeepLearningScheduler");
}

static void
wait_for_latch(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, wait_event());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* The transaction that put the first job into the queue is about to commit. */
static void
wait_for_transaction(TransactionId xid)
{
	long		milliseconds = 1;

	while (!ShutdownRequestPending && TransactionIdIsValid(xid) && TransactionIdIsInProgress(xid))
	{
		wait_for_latch(milliseconds);
		milliseconds = Min(milliseconds * 2, 100);
	}
}

/* The database may be gone, or take no connections: with any other status the server would start it again, for ever. */
static void
give_up_unless_connected(int code, Datum argument)
{
	if (!connected)
		proc_exit(0);
}

void
dl_scheduler_main(Datum argument)
{
	Oid			database;
	bool		alone;

	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(database));
	on_proc_exit(give_up_unless_connected, (Datum) 0);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	connected = true;
	SetConfigOption("application_name", "deep_learning scheduler", PGC_USERSET, PGC_S_SESSION);
	/* waiting for parallel workers would reset the latch, and swallow what it was set for */
	SetConfigOption("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION);
	wait_for_transaction(DatumGetTransactionId(argument));

	begin();
	alone = dl_scheduler_lock();
	end();
	while (alone && !ShutdownRequestPending)
	{
		long		wait = look_once();

		if (wait < 0 && may_leave())
			break;
		wait_for_latch(wait < 0 ? LOOK_AGAIN_MS : wait);
	}
	if (alone && ShutdownRequestPending)
	{
		/* before it is asked for: another that came while this one holds the lock would leave again */
		begin();
		dl_scheduler_unlock();
		end();
		(void) dl_launcher_ask(MyDatabaseId);
	}
	proc_exit(0);
}
