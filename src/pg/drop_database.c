/*
 * drop_database.c
 *    What to do where DROP DATABASE is refused because of our jobs: its own message speaks of sessions, and psql
 *    shows nobody who could log out.
 *
 * Only adds the hint, and only in a server that preloads the library.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "pg/compat.h"
#include "pg/drop_database.h"
#include "pg/job.h"

static ProcessUtility_hook_type previous_hook;

static bool
has_jobs(const char *database)
{
	Oid			id = get_database_oid(database, true);
	DlJobHolders holders;
	bool		found = false;

	dl_job_holders(&holders);
	for (int i = 0; OidIsValid(id) && i < holders.count; i++)
		found = found || holders.holders[i].database == id;
	pfree(holders.holders);
	return found;
}

static void
add_hint(void *argument)
{
	(void) argument;
	if (geterrcode() == ERRCODE_OBJECT_IN_USE)
		errhint("Background jobs of deep_learning are among them: end them there with dl.cancel, and schedules with dl.unschedule, or use DROP DATABASE ... WITH (FORCE).");
}

static void
pass_on(DL_PROCESS_UTILITY_ARGUMENTS)
{
	if (previous_hook != NULL)
		previous_hook(DL_PROCESS_UTILITY_PASSED);
	else
		standard_ProcessUtility(DL_PROCESS_UTILITY_PASSED);
}

static void
process_utility(DL_PROCESS_UTILITY_ARGUMENTS)
{
	ErrorContextCallback callback = {.callback = add_hint};

	if (!IsA(statement->utilityStmt, DropdbStmt) || !has_jobs(castNode(DropdbStmt, statement->utilityStmt)->dbname))
	{
		pass_on(DL_PROCESS_UTILITY_PASSED);
		return;
	}
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	pass_on(DL_PROCESS_UTILITY_PASSED);
	error_context_stack = callback.previous;
}

void
dl_drop_database_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
