/*
 * registry_write.c
 *    The section in which the registry's tables are written, and the
 *    statements that several writers share.
 *
 * All SQL is fixed text, names are qualified, values are parameters.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

static Oid
registry_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(dl_registry_relation()));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", dl_registry_relation());
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
dl_registry_enter(DlRegistrySection *section, const char *command)
{
	Oid			owner = registry_owner();

	if (command != NULL)
		PreventCommandIfReadOnly(command);
	section->memory = CurrentMemoryContext;
	GetUserIdAndSecContext(&section->user, &section->context);
	SetUserIdAndSecContext(owner, section->context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	section->nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
}

void
dl_registry_leave(DlRegistrySection *section)
{
	SPI_finish();
	AtEOXact_GUC(false, section->nest_level);
	SetUserIdAndSecContext(section->user, section->context);
	MemoryContextSwitchTo(section->memory);
}

uint64
dl_registry_run(const char *sql, int expected, const DlRegistryArg *args, int count)
{
	Oid			types[FUNC_MAX_ARGS];
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS] = {0};
	int			code;

	Assert(count <= FUNC_MAX_ARGS);
	for (int i = 0; i < count; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].null ? 'n' : ' ';
	}
	code = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
	if (code != expected)
		elog(ERROR, "SPI gave %s for: %s", SPI_result_code_string(code), sql);
	return SPI_processed;
}

static Datum
first_row(int column, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, null);
}

int64
dl_registry_int8(int column, bool *null)
{
	return DatumGetInt64(first_row(column, null));
}

int32
dl_registry_int4(int column, bool *null)
{
	return DatumGetInt32(first_row(column, null));
}

/* False when name is not there; an error without the right. */
static bool
find(const DlRegistrySection *section, const char *name, DlRegistryRight right, DlRegistryRow *row)
{
	Snapshot	snapshot = dl_registry_snapshot();
	bool		found = dl_registry_find(snapshot, name, row);

	if (found && dl_registry_right_of(snapshot, row, section->user) < right)
		dl_registry_denied(name, right);
	UnregisterSnapshot(snapshot);
	return found;
}

bool
dl_registry_lock_existing(const DlRegistrySection *section, const char *name, DlRegistryRight right, DlRegistryRow *row)
{
	bool		locked;
	int64		id;

	/* The right is checked first, so that nobody locks what is not his, and again after waiting. */
	if (!find(section, name, right, row))
		return false;
	do
	{
		id = row->id;
		locked = DL_REGISTRY_RUN("SELECT id FROM dl.registry_model WHERE id = $1 FOR NO KEY UPDATE",
								 SPI_OK_SELECT, DL_ARG_INT8(id)) == 1;
		if (!locked && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
		if (!find(section, name, right, row))
			return false;
	} while (!locked || row->id != id);
	return true;
}

void
dl_registry_lock(const DlRegistrySection *section, const char *name, DlRegistryRight right, DlRegistryRow *row)
{
	while (!dl_registry_lock_existing(section, name, right, row))
	{
		Snapshot	snapshot = dl_registry_snapshot();

		/* says that the name is unknown, and which one is near */
		dl_registry_require(snapshot, snapshot, name, right, section->user, row);
		UnregisterSnapshot(snapshot);
	}
}

void
dl_registry_set_deployed(const DlRegistrySection *section, int64 id, int version)
{
	DL_REGISTRY_RUN("UPDATE dl.registry_model SET deployed = $2 WHERE id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(id), DL_ARG_INT4(version));
	DL_REGISTRY_RUN("INSERT INTO dl.registry_deployment (model_id, position, version, deployed_by) "
					"SELECT $1, coalesce(max(position), 0) + 1, $2, $3::pg_catalog.name "
					"FROM dl.registry_deployment WHERE model_id = $1",
					SPI_OK_INSERT, DL_ARG_INT8(id), DL_ARG_INT4(version),
					DL_ARG_TEXT(GetUserNameFromId(section->user, false)));
}

void
dl_registry_changed(void)
{
	CacheInvalidateRelcacheByRelid(dl_registry_relation());
	CommandCounterIncrement();
}
