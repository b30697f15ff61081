/*
 * job_lock.c
 *    The locks that say which jobs and schedulers are alive.
 *
 * They are locks on objects of classes that no catalog has, so nobody can take one by SQL; pg_locks shows them as locktype
 * "object".  Their method is that of advisory locks, because an abort leaves these alone, and the end of
 * a process releases them.  A job's own query can let go of its worker's lock by pg_advisory_unlock_all(), but not
 * of the same lock that the transaction holds in which the query runs: so it is a job that runs all the while.  Before and after the
 * commit the worker takes its own again; where another worker was faster, the number of the attempt tells them apart.
 *
 * Order: start before job; queue before scheduler's release.  None is waited for but start, which is held for microseconds, and
 * queue, against which a scheduler holds it as briefly.
 */
#include "pg/job.h"

#include "pg/compat.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"

/* Far above any oid that a catalog will ever have. */
#define CLASS_JOB 0xfffffd01U
#define CLASS_SCHEDULER 0xfffffd02U
#define CLASS_QUEUE 0xfffffd03U
#define CLASS_START 0xfffffd04U

static LOCKTAG
tag_of(Oid database, uint32 class, int64 id)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, database, class, (uint32) id, (uint16) (id >> 32));
	tag.locktag_lockmethodid = USER_LOCKMETHOD;
	return tag;
}

/* Until the process ends, or it is released. */
static bool
lock_session(LOCKTAG tag, bool wait)
{
	return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

static void
unlock_session(LOCKTAG tag)
{
	LockRelease(&tag, ExclusiveLock, true);
}

bool
dl_job_lock(int64 id)
{
	return lock_session(tag_of(MyDatabaseId, CLASS_JOB, id), false);
}

void
dl_job_lock_transaction(int64 id)
{
	LOCKTAG		tag = tag_of(MyDatabaseId, CLASS_JOB, id);

	(void) LockAcquire(&tag, ExclusiveLock, false, true);
}

void
dl_job_unlock(int64 id)
{
	unlock_session(tag_of(MyDatabaseId, CLASS_JOB, id));
}

bool
dl_scheduler_lock(void)
{
	return lock_session(tag_of(MyDatabaseId, CLASS_SCHEDULER, 0), false);
}

void
dl_scheduler_unlock(void)
{
	unlock_session(tag_of(MyDatabaseId, CLASS_SCHEDULER, 0));
}

void
dl_queue_lock(void)
{
	LOCKTAG		tag = tag_of(MyDatabaseId, CLASS_QUEUE, 0);

	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
dl_queue_lock_against(void)
{
	return lock_session(tag_of(MyDatabaseId, CLASS_QUEUE, 0), false);
}

void
dl_queue_unlock_against(void)
{
	unlock_session(tag_of(MyDatabaseId, CLASS_QUEUE, 0));
}

void
dl_start_lock(void)
{
	(void) lock_session(tag_of(InvalidOid, CLASS_START, 0), true);
}

void
dl_start_unlock(void)
{
	unlock_session(tag_of(InvalidOid, CLASS_START, 0));
}

static Oid
role_of(int pid)
{
	PGPROC	   *process = BackendPidGetProc(pid);

	return process == NULL ? InvalidOid : process->roleId;
}

static bool
is_scheduler(const DlJobHolders *holders, const DlJobHolder *holder)
{
	for (int i = 0; i < holders->count; i++)
		if (holders->holders[i].id == 0 && holders->holders[i].pid == holder->pid)
			return true;
	return false;
}

/* A scheduler has the lock of a job that it puts back into the queue; it is not the worker of that job, and not to be cancelled for it. */
static void
forget_scheduler_jobs(DlJobHolders *result)
{
	DlJobHolders all = *result;

	result->count = 0;
	result->holders = palloc(sizeof(DlJobHolder) * (Size) Max(all.count, 1));
	for (int i = 0; i < all.count; i++)
		if (all.holders[i].id == 0 || !is_scheduler(&all, &all.holders[i]))
			result->holders[result->count++] = all.holders[i];
	pfree(all.holders);
}

void
dl_job_holders(DlJobHolders *result)
{
	LockData   *all = GetLockStatusData();

	result->count = 0;
	result->holders = palloc(sizeof(DlJobHolder) * (Size) Max(all->nelements, 1));
	for (int i = 0; i < all->nelements; i++)
	{
		const LockInstanceData *lock = &all->locks[i];
		const LOCKTAG *tag = &lock->locktag;
		DlJobHolder *holder = &result->holders[result->count];

		if (tag->locktag_type != LOCKTAG_OBJECT || (lock->holdMask & LOCKBIT_ON(ExclusiveLock)) == 0 ||
			(tag->locktag_field2 != CLASS_JOB && tag->locktag_field2 != CLASS_SCHEDULER))
			continue;
		holder->database = tag->locktag_field1;
		holder->id = (int64) tag->locktag_field4 << 32 | (int64) tag->locktag_field3;
		holder->pid = lock->pid;
		holder->role = role_of(lock->pid);
		result->count++;
	}
	forget_scheduler_jobs(result);
}

int
dl_job_holder_pid(const DlJobHolders *holders, int64 id)
{
	for (int i = 0; i < holders->count; i++)
		if (holders->holders[i].database == MyDatabaseId && holders->holders[i].id == id)
			return holders->holders[i].pid;
	return 0;
}

int
dl_scheduler_pid(const DlJobHolders *holders)
{
	return dl_job_holder_pid(holders, 0);
}

int
dl_jobs_running(const DlJobHolders *holders, Oid role)
{
	int			count = 0;

	for (int i = 0; i < holders->count; i++)
		if (holders->holders[i].id != 0 && (!OidIsValid(role) || holders->holders[i].role == role))
			count++;
	return count;
}
