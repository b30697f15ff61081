/*
 * registry_list.c
 *    The functions behind the views dl.models, dl.versions and dl.grants.
 *
 * They read as the extension's owner, under the caller's snapshot, and give only the rows that the
 * current user has a right on.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"
#include "pg/rows.h"

#define MOST_COLUMNS 20

PG_FUNCTION_INFO_V1(dl_sql_list_models);
PG_FUNCTION_INFO_V1(dl_sql_list_versions);
PG_FUNCTION_INFO_V1(dl_sql_list_grants);

/*
 * A statement may use $1, the identifier of the cluster.  Its columns: first those that say whose model it is, then the
 * columns of the result.
 */
enum
{
	LIST_ID = 1,
	LIST_OWNER,
	LIST_OWNER_NAME,
	LIST_CLUSTER,
	LIST_FIRST
};

/* Replaces value (number within the result, from 0) by what depends on the user. */
typedef void (*Complete) (const DlRegistryRow *row, DlRegistryRight right, Datum *values, bool *nulls);

static void
set_name(Oid role, Datum *value, bool *null)
{
	*null = !OidIsValid(role);
	if (!*null)
		*value = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(role, false)));
}

static Datum
stored(HeapTuple tuple, int column, bool *null)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, null);
}

static void
list_row(const DlRegistrySection *section, Snapshot snapshot, HeapTuple tuple, DlRegistryRight least,
		 Complete complete, DlRows *rows)
{
	DlRegistryRow row = {0};
	DlRegistryRight right;
	Datum		values[MOST_COLUMNS];
	bool		nulls[MOST_COLUMNS];
	bool		null;

	row.id = DatumGetInt64(stored(tuple, LIST_ID, &null));
	row.owner = dl_registry_role(DatumGetObjectId(stored(tuple, LIST_OWNER, &null)),
								 NameStr(*DatumGetName(stored(tuple, LIST_OWNER_NAME, &null))),
								 DatumGetInt64(stored(tuple, LIST_CLUSTER, &null)));
	right = dl_registry_right_of(snapshot, &row, section->user);
	if (right < least)
		return;
	for (int i = 0; i < rows->descriptor->natts; i++)
		values[i] = stored(tuple, LIST_FIRST + i, &nulls[i]);
	if (complete != NULL)
		complete(&row, right, values, nulls);
	dl_rows_put(rows, values, nulls);
}

static Datum
list(FunctionCallInfo fcinfo, const char *sql, DlRegistryRight least, Complete complete)
{
	DlRegistrySection section;
	DlRows		rows;
	Snapshot	snapshot;
	Oid			types[] = {INT8OID};
	Datum		cluster[] = {Int64GetDatum(dl_registry_cluster())};

	dl_rows_begin(fcinfo, &rows);
	Assert(rows.descriptor->natts <= MOST_COLUMNS);
	dl_registry_enter(&section, NULL);
	snapshot = dl_registry_snapshot();
	if (SPI_execute_with_args(sql, 1, types, cluster, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the registry");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list_row(&section, snapshot, SPI_tuptable->vals[i], least, complete, &rows);
	}
	UnregisterSnapshot(snapshot);
	dl_registry_leave(&section);
	return (Datum) 0;
}

enum
{
	MODELS_OWNER = 1,
	MODELS_PRIVILEGE = 11
};

static void
complete_model(const DlRegistryRow *row, DlRegistryRight right, Datum *values, bool *nulls)
{
	set_name(row->owner, &values[MODELS_OWNER], &nulls[MODELS_OWNER]);
	values[MODELS_PRIVILEGE] = CStringGetTextDatum(dl_registry_right_name(right));
	nulls[MODELS_PRIVILEGE] = false;
}

Datum
dl_sql_list_models(PG_FUNCTION_ARGS)
{
	return list(fcinfo,
				"SELECT m.id, m.owner, m.owner_name, m.cluster, m.name, m.owner_name, v.task, v.target, m.deployed, "
				"(SELECT count(*)::integer FROM dl.registry_version c WHERE c.model_id = m.id), "
				"v.metric, v.value, v.rows, v.bytes, m.created_at, NULL::text "
				"FROM dl.registry_model m JOIN dl.registry_version v ON v.model_id = m.id AND v.version = m.deployed "
				"ORDER BY m.name",
				DL_RIGHT_USE, complete_model);
}

Datum
dl_sql_list_versions(PG_FUNCTION_ARGS)
{
	return list(fcinfo,
				"SELECT m.id, m.owner, m.owner_name, m.cluster, m.name, v.version, v.version = m.deployed, v.task, v.target, "
				"v.rows, v.skipped, v.epochs, v.metric, v.metric_part, v.value, v.bytes, v.seconds, v.trained_on, "
				"v.created_at, v.created_by "
				"FROM dl.registry_model m JOIN dl.registry_version v ON v.model_id = m.id "
				"ORDER BY m.name, v.version",
				DL_RIGHT_USE, NULL);
}

enum
{
	GRANTS_PRIVILEGE = 2
};

static void
complete_grant(const DlRegistryRow *row, DlRegistryRight right, Datum *values, bool *nulls)
{
	values[GRANTS_PRIVILEGE] = CStringGetTextDatum(dl_registry_right_name(DatumGetInt32(values[GRANTS_PRIVILEGE])));
}

Datum
dl_sql_list_grants(PG_FUNCTION_ARGS)
{
	return list(fcinfo,
				"SELECT m.id, m.owner, m.owner_name, m.cluster, m.name, "
				"CASE WHEN g.role = 0 THEN g.role_name "
				"WHEN g.cluster = $1 "
				"THEN (SELECT rolname FROM pg_roles WHERE oid = g.role) "
				"ELSE (SELECT rolname FROM pg_roles WHERE rolname = g.role_name) END, g.privilege, g.grantor "
				"FROM dl.registry_model m JOIN dl.registry_grant g ON g.model_id = m.id "
				"ORDER BY m.name, g.role_name",
				DL_RIGHT_ADMIN, complete_grant);
}
