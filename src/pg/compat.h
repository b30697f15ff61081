/*
 * compat.h
 *    What differs between PostgreSQL 13 and 18, and the only place that asks
 *    which one this is.
 *
 * Every file of src/pg includes it after postgres.h.  A name that is merely
 * missing in an old version is defined here under its new name; one whose
 * behaviour is wrapped ends in _compat.
 */
#ifndef DL_PG_COMPAT_H
#define DL_PG_COMPAT_H

#include <limits.h>				/* guc.h uses INT_MAX without it */

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif

#if PG_VERSION_NUM < 130000 || PG_VERSION_NUM >= 190000
#error "deep_learning is made for PostgreSQL 13 to 18"
#endif

/*
 * Symbols are hidden unless marked.  The macros below mark what the server
 * looks up by name only since version 16.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname) (void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_, funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = {1}; \
	return &my_finfo; \
} \
extern int no_such_variable

extern PGDLLEXPORT void _PG_init(void);
#endif

/* Version 18 has pg_noreturn in its place, before the declaration. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* Before version 16 every member may SET ROLE. */
#if PG_VERSION_NUM < 160000
#define check_can_set_role(member, role) check_is_member_of_role(member, role)
#endif

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#if PG_VERSION_NUM >= 150000
#define dl_shm_mq_sendv_compat(queue, parts, count, nowait) shm_mq_sendv(queue, parts, count, nowait, true)
#else
#define dl_shm_mq_sendv_compat(queue, parts, count, nowait) shm_mq_sendv(queue, parts, count, nowait)
#endif

/*
 * Whether the client of this session has gone away.  libpq/libpq.h cannot be
 * included without the headers of GSSAPI, so its function is declared here.
 */
#if PG_VERSION_NUM >= 140000
extern bool pq_check_connection(void);
#define dl_client_is_gone() (MyProcPort != NULL && !pq_check_connection())
#else
#define dl_client_is_gone() false
#endif

#if PG_VERSION_NUM >= 150000
#define dl_analyze_and_rewrite_compat(raw, text) pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL)
#else
#define dl_analyze_and_rewrite_compat(raw, text) pg_analyze_and_rewrite(raw, text, NULL, 0, NULL)
#endif

#if PG_VERSION_NUM >= 180000
#define dl_executor_run_compat(desc) ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define dl_executor_run_compat(desc) ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/* The body of a function of SQL that is one expression; since version 14 what it calls is known to depend on. */
#if PG_VERSION_NUM >= 140000
#define dl_sql_body_compat(expression) psprintf("RETURN %s", expression)
#else
#define dl_sql_body_compat(expression) psprintf("AS %s", quote_literal_cstr(psprintf("SELECT %s", expression)))
#endif

#if PG_VERSION_NUM >= 160000
#define dl_type_name_compat(text) typeStringToTypeName(text, NULL)
#else
#define dl_type_name_compat(text) typeStringToTypeName(text)
#endif

/* Up to version 13 ModifyTable has a list of plans. */
#if PG_VERSION_NUM >= 140000
#define dl_each_modify_table_plan_compat(each, node, visit, context) ((void) 0)
#define dl_is_tid_range_scan_compat(plan) IsA(plan, TidRangeScan)
#define dl_set_plan_synchronous_compat(plan) ((plan)->async_capable = false)
#else
#define dl_each_modify_table_plan_compat(each, node, visit, context) each((node)->plans, visit, context)
#define dl_is_tid_range_scan_compat(plan) false
#define dl_set_plan_synchronous_compat(plan) ((void) 0)
#endif

/* commands/explain.h had all of it before. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#if PG_VERSION_NUM >= 180000
#define DL_EXECUTOR_RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 count
#define DL_EXECUTOR_RUN_PASSED query, direction, count
#else
#define DL_EXECUTOR_RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define DL_EXECUTOR_RUN_PASSED query, direction, count, once
#endif

#if PG_VERSION_NUM >= 140000
#define DL_PROCESS_UTILITY_ARGUMENTS PlannedStmt *statement, const char *query, bool read_only, ProcessUtilityContext context, \
	ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion
#define DL_PROCESS_UTILITY_PASSED statement, query, read_only, context, parameters, environment, receiver, completion
#else
#define DL_PROCESS_UTILITY_ARGUMENTS PlannedStmt *statement, const char *query, ProcessUtilityContext context, \
	ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion
#define DL_PROCESS_UTILITY_PASSED statement, query, context, parameters, environment, receiver, completion
#endif

#if PG_VERSION_NUM >= 150000
#define dl_has_run_condition_compat(window) ((window)->runCondition != NIL || (window)->plan.qual != NIL)
#else
#define dl_has_run_condition_compat(window) false
#endif

#if PG_VERSION_NUM >= 160000
#define dl_may_execute_compat(function) \
	object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE)
#else
#define dl_may_execute_compat(function) pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE)
#endif

#if PG_VERSION_NUM >= 150000
#define dl_heap_fetch_compat(relation, snapshot, tuple, buffer) heap_fetch(relation, snapshot, tuple, buffer, false)
#else
#define dl_heap_fetch_compat(relation, snapshot, tuple, buffer) heap_fetch(relation, snapshot, tuple, buffer)
#endif

/*
 * Memory of a fixed size that all processes share, found by name; whoever asks first sets it
 * up.  Before version 17 it must be requested while the server preloads libraries; NULL where it
 * was not.  request is a function that calls RequestAddinShmemSpace(), previous a variable for the hook before.
 */
#if PG_VERSION_NUM >= 170000
#define dl_request_shared_memory_compat(request, previous) ((void) (request), (void) (previous))
#elif PG_VERSION_NUM >= 150000
#define dl_request_shared_memory_compat(request, previous) \
	((previous) = shmem_request_hook, shmem_request_hook = (request))
#else
#define dl_request_shared_memory_compat(request, previous) ((void) (previous), (request) ())
#endif

static inline void *
dl_named_shared_memory_compat(const char *name, Size size, void (*initialise) (void *memory), bool requested)
{
	bool		found;
#if PG_VERSION_NUM >= 170000
	return GetNamedDSMSegment(name, size, initialise, &found);
#else
	void	   *memory;

	if (!requested)
		return NULL;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct(name, size, &found);
	if (!found)
		initialise(memory);
	LWLockRelease(AddinShmemInitLock);
	return memory;
#endif
}

/*
 * What a process waits for, as pg_stat_activity shows it: by name since version 17, "Extension" before.  number
 * is a static variable of the caller's, 0 at first.
 */
static inline uint32
dl_wait_event_compat(uint32 *number, const char *name)
{
#if PG_VERSION_NUM >= 170000
	if (*number == 0)
		*number = WaitEventExtensionNew(name);
#else
	*number = PG_WAIT_EXTENSION;
#endif
	return *number;
}

#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_ALL_STATS DEFAULT_ROLE_READ_ALL_STATS
#endif

#endif							/* DL_PG_COMPAT_H */
