/*
 * job_launcher.c
 *    The background worker that sees to it that every database with jobs has a scheduler.
 *
 * It is there when the server preloads the library, and starts when the server is ready to write: after
 * a start, a crash, or the promotion of a standby.  Then it starts a scheduler in each database in turn; one that finds no
 * jobs leaves at once.  After that it waits to be asked: by whoever could not start a scheduler, because no
 * worker was free, and by a scheduler that is told to terminate while there are jobs.
 *
 * It is connected to no database, so it never stands in the way of DROP DATABASE.
 */
#include "pg/job.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/compat.h"

#define SHARED_NAME "deep_learning launcher 1"
#define MOST_ASKED 256
#define ASK_AGAIN_MS 1000L		/* after a request, and while no worker is free */
#define STAYS_AFTER_MS 500		/* a scheduler that is there so long has something to do */

/* lock protects all; it is held for a few instructions, and nothing else is taken under it. */
typedef struct Shared
{
	LWLock		lock;
	Latch	   *latch;			/* of the launcher; NULL: it is not there */
	bool		all;			/* more databases were asked for than there is room for */
	int			count;
	Oid			asked[MOST_ASKED];
} Shared;

static Shared *shared;			/* NULL: not looked for yet, or not there */
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

static Shared *
find_shared(void)
{
	if (shared == NULL && requested)
	{
		shared = dl_named_shared_memory_compat(SHARED_NAME, sizeof(Shared), initialise, requested);
		LWLockRegisterTranche(shared->lock.tranche, "deep_learning_launcher");
	}
	return shared;
}

void
dl_launcher_init(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 1,
	};

	if (!process_shared_preload_libraries_in_progress)
		return;
	requested = true;
	dl_request_shared_memory_compat(request_memory, previous_request);
	snprintf(worker.bgw_name, BGW_MAXLEN, "deep_learning launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "deep_learning launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "deep_learning");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "dl_launcher_main");
	RegisterBackgroundWorker(&worker);
}

/* Gives the latch of the launcher, or NULL. */
static Latch *
note_asked(Oid database)
{
	bool		known = false;
	Latch	   *latch;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->count; i++)
		known = known || shared->asked[i] == database;
	if (!known && shared->count < MOST_ASKED)
		shared->asked[shared->count++] = database;
	else if (!known)
		shared->all = true;
	latch = shared->latch;
	LWLockRelease(&shared->lock);
	return latch;
}

bool
dl_launcher_is_there(void)
{
	return find_shared() != NULL;
}

bool
dl_launcher_ask(Oid database)
{
	Latch	   *latch;

	if (find_shared() == NULL)
		return false;
	latch = note_asked(database);
	if (latch != NULL)
		SetLatch(latch);
	return true;
}

/* Takes what was asked for: databases, in the current context, or all. */
static List *
take_asked(bool *all)
{
	List	   *result = NIL;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	*all = shared->all;
	for (int i = 0; i < shared->count; i++)
		result = lappend_oid(result, shared->asked[i]);
	shared->all = false;
	shared->count = 0;
	LWLockRelease(&shared->lock);
	return result;
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

static bool
takes_connections(HeapTuple tuple)
{
	Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

	return database->datallowconn && database->datconnlimit >= -1;
}

static List *
all_databases(MemoryContext context)
{
	List	   *result = NIL;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	begin();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		if (takes_connections(tuple))
			result = lappend_oid(result, ((Form_pg_database) GETSTRUCT(tuple))->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	end();
	return result;
}

/* It may have been dropped since it was asked for. */
static bool
is_there(Oid database)
{
	HeapTuple	tuple;
	bool		result;

	begin();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	result = HeapTupleIsValid(tuple) && takes_connections(tuple);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	end();
	return result;
}

static uint32
wait_event(void)
{
	static uint32 number;

	return dl_wait_event_compat(&number, "DeepLearningLauncher");
}

static void
wait_for_latch(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (milliseconds > 0 ? WL_TIMEOUT : 0), milliseconds,
					 wait_event());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Until it has left or has been there long enough, so that databases without jobs take one worker in all. */
static void
wait_for_scheduler(BackgroundWorkerHandle *handle)
{
	TimestampTz since = GetCurrentTimestamp();
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED &&
		   !TimestampDifferenceExceeds(since, GetCurrentTimestamp(), STAYS_AFTER_MS))
		wait_for_latch(STAYS_AFTER_MS / 10);
}

static void
serve(const List *databases)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Oid			database = lfirst_oid(cell);
		BackgroundWorkerHandle *handle;

		if (!is_there(database))
			continue;
		if (dl_scheduler_start_in(database, InvalidTransactionId, MyProcPid, &handle))
			wait_for_scheduler(handle);
		else
			(void) note_asked(database);
	}
}

static void
forget_latch(int code, Datum argument)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->latch = NULL;
	LWLockRelease(&shared->lock);
}

void
dl_launcher_main(Datum argument)
{
	MemoryContext context;
	bool		all = true;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", "deep_learning launcher", PGC_USERSET, PGC_S_SESSION);
	context = AllocSetContextCreate(TopMemoryContext, "deep_learning launcher", ALLOCSET_DEFAULT_SIZES);
	if (find_shared() == NULL)
		elog(ERROR, "shared memory of the launcher is missing");
	before_shmem_exit(forget_latch, (Datum) 0);
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->latch = MyLatch;
	LWLockRelease(&shared->lock);

	for (;;)
	{
		List	   *databases;
		bool		more;

		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		databases = take_asked(&more);
		if (all || more)
			databases = all_databases(context);
		all = false;
		MemoryContextSwitchTo(context);
		serve(databases);
		wait_for_latch(shared->count > 0 ? ASK_AGAIN_MS : 0);
		/* a database that is being dropped is gone then */
		wait_for_latch(ASK_AGAIN_MS);
	}
}
