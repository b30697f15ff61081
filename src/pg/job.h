/*
 * job.h
 *    Background jobs: trainings that outlive the session that asked for them.
 *
 * A job is a row of dl.job.  It runs in a background worker of its own, which is connected as the role that
 * submitted it: whatever the job's query calls has that role's rights and no others.  One
 * scheduler for each database, where there is something to do, starts the workers; it ends when all jobs have and no model has a schedule.  Where the server preloads
 * the library, a launcher starts schedulers when nobody else does.
 *
 * Who is alive is told by locks, which the server takes back however a process ends:
 * a worker holds the lock of its job from before the job is running until its process ends, so a job that is
 * running without a holder is interrupted.  The pid of a job is the one that holds its lock, and is stored
 * nowhere.  The scheduler holds one for its database.
 *
 * States: queued -> running -> succeeded, failed, cancelled; running -> queued when its worker is gone, or interrupted when that
 * happened too often.  Every change is committed with a line of dl.job_log and a notification on the channel
 * "deep_learning_jobs"; that a job has succeeded is committed together with the model.
 *
 * job_lock.c       the locks
 * job_table.c      the statements on the tables; job_checkpoint.c: on that of checkpoints
 * job_submit.c     dl.submit, dl.retry, and starting a scheduler when a transaction commits
 * job_sql.c        dl.wait, dl.cancel
 * job_remove.c     dl.drop_job, and what goes with time
 * job_list.c       dl.jobs, dl.job_log, dl.history
 * job_launcher.c   the launcher
 * job_scheduler.c  the scheduler
 * job_worker.c     the worker of a job
 */
#ifndef DL_PG_JOB_H
#define DL_PG_JOB_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "model/fit.h"
#include "pg/compat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/jsonb.h"

#define DL_JOB_CHANNEL "deep_learning_jobs"

/* --- job_lock.c --- */

/* Conditional, until the process ends or release; false when somebody else has it.  In a transaction. */
extern bool dl_job_lock(int64 id);
extern void dl_job_unlock(int64 id);

/* To the end of the transaction, beside the other, by the process that has that: what pg_advisory_unlock_all() does not release. */
extern void dl_job_lock_transaction(int64 id);
extern bool dl_scheduler_lock(void);

/* Held to the end of a transaction by whoever puts jobs into the queue: no scheduler leaves meanwhile. */
extern void dl_queue_lock(void);

/*
 * For a scheduler that wants to leave: true when nobody is putting jobs into the queue; then nobody can
 * until the locks are released, both of them.
 */
extern bool dl_queue_lock_against(void);
extern void dl_queue_unlock_against(void);
extern void dl_scheduler_unlock(void);

/* Held by a worker while it counts the jobs that run, in all databases, and takes the lock of its own. */
extern void dl_start_lock(void);
extern void dl_start_unlock(void);

/* A process that holds the lock of a job, or of a scheduler (id 0). */
typedef struct DlJobHolder
{
	Oid			database;
	int64		id;
	int			pid;
	Oid			role;			/* that it is connected as */
} DlJobHolder;

typedef struct DlJobHolders
{
	int			count;
	DlJobHolder *holders;		/* in the current context */
} DlJobHolders;

extern void dl_job_holders(DlJobHolders *result);

/* Of this database; 0: nobody. */
extern int	dl_job_holder_pid(const DlJobHolders *holders, int64 id);
extern int	dl_scheduler_pid(const DlJobHolders *holders);

/* Jobs that run in all databases; of role only unless InvalidOid. */
extern int	dl_jobs_running(const DlJobHolders *holders, Oid role);

/* --- job_table.c: in a transaction --- */

/*
 * Whether the extension is in this database, and dl.job is its own.  If so, it stays until the transaction's end: what
 * follows locks tables in another order than DROP EXTENSION does, and neither may wait for the other for ever.
 */
extern bool dl_jobs_keep(void);

typedef struct DlJob
{
	int64		id;
	char	   *kind;
	char	   *state;
	char	   *model;
	Jsonb	   *arguments;
	Jsonb	   *settings;
	Oid			owner;			/* resolved; InvalidOid: the role is missing here */
	char	   *owner_name;
	int			attempts;
	int			started_from;	/* version whose weights a warm start begins with; 0: it has not begun */
	bool		mine;			/* this transaction wrote the row */
} DlJob;

/* What a new job is. */
typedef struct DlJobNew
{
	const char *kind;
	const char *model;
	Jsonb	   *arguments;
	Jsonb	   *settings;
	const char *requested_by;
	Oid			owner;			/* InvalidOid: the current user */
	int			priority;
	TimestampTz not_before;		/* DT_NOBEGIN: none */
} DlJobNew;

/* Puts a job into the queue; a scheduler finds it when the transaction has committed. */
extern int64 dl_job_add(const DlJobNew *job);

/* As it is committed now; false when there is none, or the current user may not see it. */
extern bool dl_job_get(int64 id, DlJob *job);

/* Raises 42704 for an unknown job, and one that the user may not see. */
extern void dl_job_unknown(int64 id) pg_attribute_noreturn();

/*
 * queued -> running by the worker that has its lock; false when it is not queued any more, or another
 * transaction is about to change it.
 */
extern bool dl_job_claim(int64 id, DlJob *job);

/* What a job ends with. */
typedef struct DlJobEnd
{
	const char *state;
	const char *level;			/* of the line in the log; NULL: info */
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	const char *context;
	int			version;		/* 0: none */
	Jsonb	   *result;
} DlJobEnd;

/* running -> an end; false when it is not running any more, or not in this attempt. */
extern bool dl_job_end(int64 id, int attempt, const DlJobEnd *end);

/* queued -> an end, where no other transaction is about to change it. */
extern bool dl_job_end_queued(int64 id, const DlJobEnd *end);

/* running -> queued, or interrupted after too many attempts; false where another transaction is about to change it.  The caller has its lock. */
extern bool dl_job_interrupted(int64 id);

/* ended -> queued. */
extern void dl_job_requeue(int64 id);

extern void dl_job_log(int64 id, const char *level, const char *message, const char *detail, const char *hint,
					   const char *context);

/* Why it waits, where that has changed. */
extern void dl_job_waits(int64 id, const char *reason);

/* Whether it runs, in this attempt. */
extern bool dl_job_runs(int64 id, int attempt);

/* It begins with the weights of a version, in the attempts to come as well. */
extern void dl_job_starts_from(int64 id, int version);

/* One epoch of dl.history(job). */
typedef struct DlJobEpoch
{
	int			member;
	int			members;
	int			epoch;
	int			epochs;
	double		learning_rate;
	double		training_loss;
	double		validation_loss;
	double		measure;
	bool		best;
} DlJobEpoch;

/* Adds epochs to those of an attempt; first: how many there are already. */
extern void dl_job_add_epochs(int64 id, int attempt, int first, int count, const DlJobEpoch *epochs);

/* Checkpoints of a job: in place of the one of the same trial, and all of them, in the current context. */
extern void dl_job_keep_checkpoint(int64 id, uint64 fingerprint, int trial, const void *bytes, size_t length);
extern int	dl_job_load_checkpoints(int64 id, uint64 fingerprint, DlFitCheckpoint **checkpoints);

/* Those of other fingerprints; true when there were any. */
extern bool dl_job_drop_checkpoints(int64 id, uint64 fingerprint);

/* What a scheduler has to look after. */
typedef struct DlQueuedJob
{
	int64		id;
	Oid			owner;
	TimestampTz not_before;		/* DT_NOBEGIN: none */
	int			attempts;
	char	   *waiting_for;	/* as the row says; NULL: nothing */
} DlQueuedJob;

typedef struct DlJobQueue
{
	int			count;			/* of queued jobs, in the order that they are to start; of more than DL_QUEUE_LOOK the first of each role */
	DlQueuedJob *queued;
	int			running_count;
	int64	   *running;
} DlJobQueue;

#define DL_QUEUE_LOOK 1000

/* In the current context. */
extern void dl_job_queue(DlJobQueue *queue);

/* --- job_remove.c --- */

/* Removes jobs that ended longer ago than deep_learning.job_retention, some at a time. */
extern void dl_jobs_remove_old(void);

/* --- job_list.c --- */

/*
 * The rows of a statement, read as the extension's owner, whose owner the current user is a member of.  Its first columns are the owner's oid,
 * name and cluster, and xmin; what follows is the result, with the owner's name at owner_column (from 0).  $1 is 0.
 */
extern Datum dl_list_of_roles(FunctionCallInfo fcinfo, const char *sql, int owner_column);

/* --- job_submit.c --- */

/* When this transaction commits, a scheduler looks at the queue. */
extern void dl_scheduler_wake_at_commit(void);

/*
 * Starts a scheduler; after: the transaction that it waits for, or none; notify: the process that is told how it goes on, or 0.
 * False when no worker is free.
 */
extern bool dl_scheduler_start_in(Oid database, TransactionId after, int notify, BackgroundWorkerHandle **handle);

/* Starts one where there is none, as after a restart of a server that does not preload the library; false when none is free. */
extern bool dl_scheduler_ensure(void);

/* The settings of this session that a job needs. */
extern Jsonb *dl_job_settings(void);
extern void dl_job_apply_settings(Jsonb *settings);

/* What keeps a worker from connecting as role to this database, a message; NULL: nothing. */
extern const char *dl_job_role_problem(Oid role);

/* --- job_launcher.c --- */

/* Registers the launcher, where the server preloads the library. */
extern void dl_launcher_init(void);

extern bool dl_launcher_is_there(void);

/* Has it start a scheduler, soon; false where there is no launcher. */
extern bool dl_launcher_ask(Oid database);

/* --- workers --- */

/* What a worker finds in bgw_extra. */
typedef struct DlJobStart
{
	Oid			database;
	Oid			role;
	int64		id;
} DlJobStart;

extern PGDLLEXPORT void dl_launcher_main(Datum argument);
extern PGDLLEXPORT void dl_scheduler_main(Datum argument);
extern PGDLLEXPORT void dl_job_main(Datum argument);

#endif							/* DL_PG_JOB_H */
