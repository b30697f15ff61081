/*
 * progress_shared.c
 *    The slots in which trainings say what they are at, and the function behind dl.progress.
 *
 * A row is for the members of the role that trains, and for members of pg_read_all_stats; of this database only, whose
 * models they are.
 */
#include "pg/progress_shared.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/registry.h"
#include "pg/rows.h"

#define SHARED_NAME "deep_learning progress 1"
#define MOST_SLOTS 256

typedef enum Phase
{
	PHASE_READING,
	PHASE_ENCODING,
	PHASE_TRAINING,
	PHASE_EVALUATING,
	PHASE_STORING
} Phase;

static const char *const phase_names[] = {"reading", "encoding", "training", "evaluating", "storing"};

struct DlProgressSlot
{
	int			pid;			/* 0: free */
	Oid			database;
	Oid			role;
	int64		job;
	TimestampTz started;
	Phase		phase;
	int64		rows;
	int64		bytes;
	DlFitProgress fit;			/* metric is not valid here */
	char		metric[32];
	char		model[DL_REGISTRY_MAX_NAME + 1];
};

/* lock protects the slots; it is held while one is written, or all are copied. */
typedef struct Shared
{
	LWLock		lock;
	DlProgressSlot slots[MOST_SLOTS];
} Shared;

typedef struct Release
{
	MemoryContextCallback callback;
	DlProgressSlot *slot;
} Release;

static Shared *shared;			/* NULL: not looked for yet, or not there */
static bool looked;
static bool requested;
static void (*previous_request) (void);

static void
request_memory(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(sizeof(Shared));
}

static void
initialise(void *memory)
{
	Shared	   *s = memory;

	memset(s, 0, sizeof(*s));
	LWLockInitialize(&s->lock, LWLockNewTrancheId());
}

void
dl_progress_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	requested = true;
	dl_request_shared_memory_compat(request_memory, previous_request);
}

static Shared *
find_shared(void)
{
	if (!looked)
	{
		shared = dl_named_shared_memory_compat(SHARED_NAME, sizeof(Shared), initialise, requested);
		if (shared != NULL)
			LWLockRegisterTranche(shared->lock.tranche, "deep_learning_progress");
		looked = true;
	}
	return shared;
}

static void
release(void *argument)
{
	Release    *r = argument;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (r->slot->pid == MyProcPid)
		r->slot->pid = 0;
	LWLockRelease(&shared->lock);
}

/* A process may end with its contexts as they are. */
static void
release_all(int code, Datum argument)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MOST_SLOTS; i++)
		if (shared->slots[i].pid == MyProcPid)
			shared->slots[i].pid = 0;
	LWLockRelease(&shared->lock);
}

static DlProgressSlot *
take_slot(const char *model, int64 job)
{
	DlProgressSlot *slot = NULL;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MOST_SLOTS && slot == NULL; i++)
		if (shared->slots[i].pid == 0)
			slot = &shared->slots[i];
	if (slot != NULL)
	{
		memset(slot, 0, sizeof(*slot));
		slot->pid = MyProcPid;
		slot->database = MyDatabaseId;
		slot->role = GetUserId();
		slot->job = job;
		slot->started = GetCurrentTimestamp();
		strlcpy(slot->model, model, sizeof(slot->model));
	}
	LWLockRelease(&shared->lock);
	return slot;
}

DlProgressSlot *
dl_progress_begin(const char *model, int64 job)
{
	static bool listening = false;
	Release    *r;

	if (find_shared() == NULL)
		return NULL;
	if (!listening)
		before_shmem_exit(release_all, (Datum) 0);
	listening = true;
	r = palloc0(sizeof(Release));
	r->slot = take_slot(model, job);
	if (r->slot == NULL)
		return NULL;
	r->callback.func = release;
	r->callback.arg = r;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &r->callback);
	return r->slot;
}

void
dl_progress_rows(DlProgressSlot *slot, int64 rows, int64 bytes)
{
	if (slot == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	slot->rows = rows;
	slot->bytes = bytes;
	LWLockRelease(&shared->lock);
}

static Phase
phase_of(DlFitPhase phase)
{
	return phase == DL_FIT_PREPARING ? PHASE_ENCODING : phase == DL_FIT_TRAINING ? PHASE_TRAINING : PHASE_EVALUATING;
}

void
dl_progress_fit(DlProgressSlot *slot, const DlFitProgress *progress)
{
	if (slot == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	slot->phase = phase_of(progress->phase);
	/* what was reached stays to be seen */
	if (progress->phase == DL_FIT_TRAINING)
	{
		slot->fit = *progress;
		strlcpy(slot->metric, progress->metric, sizeof(slot->metric));
	}
	LWLockRelease(&shared->lock);
}

void
dl_progress_storing(DlProgressSlot *slot)
{
	if (slot == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	slot->phase = PHASE_STORING;
	LWLockRelease(&shared->lock);
}

/* --- dl.progress --- */

PG_FUNCTION_INFO_V1(dl_sql_list_progress);

enum
{
	PROGRESS_JOB,
	PROGRESS_PID,
	PROGRESS_MODEL,
	PROGRESS_OWNER,
	PROGRESS_PHASE,
	PROGRESS_MEMBER,
	PROGRESS_MEMBERS,
	PROGRESS_EPOCH,
	PROGRESS_EPOCHS,
	PROGRESS_BATCH,
	PROGRESS_BATCHES,
	PROGRESS_ROWS,
	PROGRESS_TRAINING_LOSS,
	PROGRESS_VALIDATION_LOSS,
	PROGRESS_METRIC,
	PROGRESS_VALUE,
	PROGRESS_ROWS_PER_SECOND,
	PROGRESS_DEVICE,
	PROGRESS_MEMORY,
	PROGRESS_ELAPSED,
	PROGRESS_TIME_LEFT,
	PROGRESS_COLUMNS
};

static Datum
interval_of(double seconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	/* whole seconds, as a person reads them */
	interval->time = (TimeOffset) rint(seconds) * USECS_PER_SEC;
	return IntervalPGetDatum(interval);
}

static void
set_real(Datum *values, bool *nulls, int column, double value)
{
	values[column] = Float4GetDatum((float4) value);
	nulls[column] = isnan(value);
}

/* What is known once training has begun. */
static void
fill_fit(const DlProgressSlot *slot, Datum *values, bool *nulls)
{
	const DlFitProgress *p = &slot->fit;

	values[PROGRESS_MEMBER] = Int32GetDatum(p->member);
	values[PROGRESS_MEMBERS] = Int32GetDatum(p->members);
	values[PROGRESS_EPOCH] = Int32GetDatum(p->epoch.epoch);
	values[PROGRESS_EPOCHS] = Int32GetDatum(p->epochs);
	values[PROGRESS_BATCH] = Int64GetDatum(p->batch);
	values[PROGRESS_BATCHES] = Int64GetDatum(p->batches);
	for (int i = PROGRESS_MEMBER; i <= PROGRESS_BATCHES; i++)
		nulls[i] = false;
	values[PROGRESS_ROWS_PER_SECOND] = Int64GetDatum((int64) p->rows_per_second);
	nulls[PROGRESS_ROWS_PER_SECOND] = false;
	values[PROGRESS_METRIC] = CStringGetTextDatum(slot->metric);
	nulls[PROGRESS_METRIC] = false;
	if (isfinite(p->seconds_left) && slot->phase == PHASE_TRAINING)
	{
		values[PROGRESS_TIME_LEFT] = interval_of(p->seconds_left);
		nulls[PROGRESS_TIME_LEFT] = false;
	}
	if (p->epoch.epoch == 0)
		return;
	set_real(values, nulls, PROGRESS_TRAINING_LOSS, p->epoch.training_loss);
	set_real(values, nulls, PROGRESS_VALIDATION_LOSS, p->epoch.validation_loss);
	set_real(values, nulls, PROGRESS_VALUE, p->epoch.measure);
}

static void
put_row(const DlProgressSlot *slot, DlRows *rows)
{
	Datum		values[PROGRESS_COLUMNS] = {0};
	bool		nulls[PROGRESS_COLUMNS];
	char	   *owner = GetUserNameFromId(slot->role, true);

	memset(nulls, true, sizeof(nulls));
	values[PROGRESS_JOB] = Int64GetDatum(slot->job);
	nulls[PROGRESS_JOB] = slot->job == 0;
	values[PROGRESS_PID] = Int32GetDatum(slot->pid);
	values[PROGRESS_MODEL] = CStringGetTextDatum(slot->model);
	nulls[PROGRESS_OWNER] = owner == NULL;
	if (owner != NULL)
		values[PROGRESS_OWNER] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	values[PROGRESS_PHASE] = CStringGetTextDatum(phase_names[slot->phase]);
	values[PROGRESS_ROWS] = Int64GetDatum(slot->rows);
	values[PROGRESS_DEVICE] = CStringGetTextDatum("cpu");
	values[PROGRESS_MEMORY] = Int64GetDatum(slot->bytes);
	values[PROGRESS_ELAPSED] = interval_of((double) (GetCurrentTimestamp() - slot->started) / USECS_PER_SEC);
	nulls[PROGRESS_PID] = nulls[PROGRESS_MODEL] = nulls[PROGRESS_PHASE] = nulls[PROGRESS_ROWS] = nulls[PROGRESS_DEVICE] =
		nulls[PROGRESS_MEMORY] = nulls[PROGRESS_ELAPSED] = false;
	if (slot->fit.members > 0)
		fill_fit(slot, values, nulls);
	dl_rows_put(rows, values, nulls);
}

static bool
may_see(const DlProgressSlot *slot)
{
	return slot->pid != 0 && slot->database == MyDatabaseId &&
		(has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) || has_privs_of_role(GetUserId(), slot->role));
}

Datum
dl_sql_list_progress(PG_FUNCTION_ARGS)
{
	DlRows		rows;
	DlProgressSlot *slots;

	dl_rows_begin(fcinfo, &rows);
	Assert(rows.descriptor->natts == PROGRESS_COLUMNS);
	if (find_shared() == NULL)
		return (Datum) 0;
	slots = palloc(sizeof(shared->slots));
	LWLockAcquire(&shared->lock, LW_SHARED);
	memcpy(slots, shared->slots, sizeof(shared->slots));
	LWLockRelease(&shared->lock);
	for (int i = 0; i < MOST_SLOTS; i++)
		if (may_see(&slots[i]))
			put_row(&slots[i], &rows);
	return (Datum) 0;
}
