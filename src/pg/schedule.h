/*
 * schedule.h
 *    Retraining by itself: when, and whether it is due.
 *
 * A schedule is a row of dl.schedule, one for a model.  The scheduler of the database looks at them as it looks at the queue of jobs: where
 * one's time has come, it submits a job of the kind "retrain" for the role of the schedule, with what the schedule says
 * in the job's arguments; so a job that runs does not depend on its schedule any more.  The job finds out itself, with its role's rights,
 * whether retraining is due (retrain.c).
 *
 * schedule_time.c   the slots: when it is time
 * schedule_table.c  the statements on the table; what is due
 * schedule_sql.c    dl.schedule, dl.unschedule, dl.run_now, dl.run_due, dl.schedules
 * retrain.c         what a retraining asks and does beside training
 */
#ifndef DL_PG_SCHEDULE_H
#define DL_PG_SCHEDULE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "pg/train_run.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

/* --- schedule_time.c --- */

/* When: every so often, with days and months by the calendar of a time zone; at a time of day of it, or as it comes. */
typedef struct DlSlots
{
	Interval	every;			/* above 0; of whole days where has_at */
	bool		has_at;
	TimeADT		at;
	const char *time_zone;
	TimestampTz first;
} DlSlots;

/* The first slot after a time. */
extern TimestampTz dl_next_slot(const DlSlots *slots, TimestampTz after);

/* What first should be for a schedule that is made at a time. */
extern TimestampTz dl_first_slot(const DlSlots *slots, TimestampTz now);

/* --- schedule_table.c: in a transaction --- */

typedef struct DlRetraining
{
	int64		model_id;
	Oid			owner;			/* InvalidOid: the role is missing here */
	DlSlots		slots;
	bool		catch_up;
	TimestampTz next_run;		/* the next slot, or earlier or later after a failure */
	Jsonb	   *arguments;		/* of its jobs */
	Jsonb	   *settings;		/* of the session that made it */
} DlRetraining;

/* Of the current user, whatever owner says; takes the place of the one that the model had. */
extern void dl_retraining_put(const DlRetraining *schedule);

/* False when the model has none. */
extern bool dl_retraining_drop(int64 model_id);

/* A model's schedule; false when it has none. */
extern bool dl_retraining_get(int64 model_id, DlRetraining *result);

/* The model's schedule has started this job; it counts as its last. */
extern void dl_retraining_ran(int64 model_id, int64 job, TimestampTz now);

/* A job that was submitted for a schedule. */
typedef struct DlScheduledJob
{
	int64		id;
	char	   *model;
} DlScheduledJob;

/*
 * Submits jobs for the schedules whose time has come, of roles that role is a member of (InvalidOid: all).  *count of them, in the
 * current context.  wait: for schedules that another transaction has locked, which are passed over otherwise.  *next: the time of the schedule that comes next, DT_NOEND where there is none.
 */
extern DlScheduledJob *dl_schedules_submit(Oid role, bool wait, TimestampTz now, int *count, TimestampTz *next);

/* --- retrain.c --- */

#define DL_JOB_RETRAIN "retrain"

/*
 * Fills run with what the deployed version was trained with and the job's arguments, and sets what the
 * query was run under; the record is the model's.  Raises what keeps the current user from training it.
 */
extern const DlTrainRecord *dl_retrain_load(const char *model, Jsonb *arguments, GucAction action, DlTrainRun *run);

/* The same for the rest of the session.  Where retraining is not due, gives why, palloc'd; otherwise NULL. */
extern char *dl_retrain_prepare(const char *model, Jsonb *arguments, DlTrainRun *run);

/* After the new version is stored, in the same transaction: deploys it if that was said, and drops old versions. */
extern void dl_retrain_finish(const char *model, Jsonb *arguments, DlRegistryStored *stored);

#endif							/* DL_PG_SCHEDULE_H */
