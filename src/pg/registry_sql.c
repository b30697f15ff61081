/*
 * registry_sql.c
 *    The functions of SQL that change models of the registry: deploy, put,
 *    drop, rename, ownership and grants.
 *
 * Each checks the caller's right on the model while it holds the model's row, so two
 * of them never work on one model at once.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/registry_internal.h"

PG_FUNCTION_INFO_V1(dl_sql_deploy);
PG_FUNCTION_INFO_V1(dl_sql_rollback);
PG_FUNCTION_INFO_V1(dl_sql_get);
PG_FUNCTION_INFO_V1(dl_sql_put);
PG_FUNCTION_INFO_V1(dl_sql_drop_model);
PG_FUNCTION_INFO_V1(dl_sql_rename_model);
PG_FUNCTION_INFO_V1(dl_sql_set_owner);
PG_FUNCTION_INFO_V1(dl_sql_grant_model);
PG_FUNCTION_INFO_V1(dl_sql_revoke_model);

static bool
has_version(const DlRegistryRow *row, int version)
{
	return DL_REGISTRY_RUN("SELECT version FROM dl.registry_version WHERE model_id = $1 AND version = $2",
						   SPI_OK_SELECT, DL_ARG_INT8(row->id), DL_ARG_INT4(version)) == 1;
}

Datum
dl_sql_deploy(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	int			version;
	DlRegistrySection section;
	DlRegistryRow row;

	dl_argument_not_null(fcinfo, 1, "version");
	version = dl_argument_version(fcinfo, 1);
	dl_registry_enter(&section, "dl.deploy()");
	dl_registry_lock(&section, name, DL_RIGHT_ADMIN, &row);
	if (!has_version(&row, version))
		dl_registry_no_version(name, version);
	if (version != row.deployed)
	{
		dl_registry_set_deployed(&section, row.id, version);
		dl_registry_changed();
	}
	dl_registry_leave(&section);
	PG_RETURN_INT32(version);
}

/* The deployments are a stack: what is above the last other version goes. */
Datum
dl_sql_rollback(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	DlRegistrySection section;
	DlRegistryRow row;
	int			position;
	int			version;
	bool		null;

	dl_registry_enter(&section, "dl.rollback()");
	dl_registry_lock(&section, name, DL_RIGHT_ADMIN, &row);
	if (DL_REGISTRY_RUN("SELECT position, version FROM dl.registry_deployment "
						"WHERE model_id = $1 AND version <> $2 ORDER BY position DESC LIMIT 1",
						SPI_OK_SELECT, DL_ARG_INT8(row.id), DL_ARG_INT4(row.deployed)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no version that was deployed before version %d", name, row.deployed)));
	position = dl_registry_int4(1, &null);
	version = dl_registry_int4(2, &null);
	DL_REGISTRY_RUN("DELETE FROM dl.registry_deployment WHERE model_id = $1 AND position > $2",
					SPI_OK_DELETE, DL_ARG_INT8(row.id), DL_ARG_INT4(position));
	DL_REGISTRY_RUN("UPDATE dl.registry_model SET deployed = $2 WHERE id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(row.id), DL_ARG_INT4(version));
	dl_registry_changed();
	dl_registry_leave(&section);
	PG_RETURN_INT32(version);
}

Datum
dl_sql_get(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");

	PG_RETURN_POINTER(dl_registry_bytes(name, dl_argument_version(fcinfo, 1), DL_RIGHT_READ));
}

Datum
dl_sql_put(PG_FUNCTION_ARGS)
{
	DlModelArgument argument = {0};
	DlRegistryNew new_version = {0};
	DlRegistryStored stored;
	bytea	   *bytes;

	PreventCommandIfReadOnly("dl.put()");
	new_version.name = dl_argument_text(fcinfo, 0, "name");
	dl_argument_not_null(fcinfo, 1, "model");
	new_version.model_id = dl_registry_check_store(new_version.name);
	bytes = PG_GETARG_BYTEA_PP(1);
	new_version.model = dl_model_argument(&argument, PointerGetDatum(bytes), true, CurrentMemoryContext);
	new_version.bytes = VARDATA_ANY(bytes);
	new_version.length = VARSIZE_ANY_EXHDR(bytes);
	new_version.seconds = NAN;
	new_version.trained_on = "import";
	dl_registry_store(&new_version, &stored);
	if (!stored.deployed)
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" is stored, version %d stays deployed: %s",
						stored.version, new_version.name, stored.deployed_version, stored.reason)));
	PG_RETURN_INT32(stored.version);
}

static void
delete_version(int64 id, int version)
{
	DL_REGISTRY_RUN("DELETE FROM dl.registry_chunk WHERE model_id = $1 AND version = $2",
					SPI_OK_DELETE, DL_ARG_INT8(id), DL_ARG_INT4(version));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_deployment WHERE model_id = $1 AND version = $2",
					SPI_OK_DELETE, DL_ARG_INT8(id), DL_ARG_INT4(version));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_version WHERE model_id = $1 AND version = $2",
					SPI_OK_DELETE, DL_ARG_INT8(id), DL_ARG_INT4(version));
}

static void
delete_model(int64 id)
{
	DL_REGISTRY_RUN("DELETE FROM dl.registry_chunk WHERE model_id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_deployment WHERE model_id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_version WHERE model_id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_grant WHERE model_id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
	DL_REGISTRY_RUN("DELETE FROM dl.retraining WHERE model_id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
	DL_REGISTRY_RUN("DELETE FROM dl.registry_model WHERE id = $1", SPI_OK_DELETE, DL_ARG_INT8(id));
}

static void
drop_version(const DlRegistrySection *section, const char *name, int version)
{
	DlRegistryRow row;

	dl_registry_lock(section, name, DL_RIGHT_ADMIN, &row);
	if (!has_version(&row, version))
		dl_registry_no_version(name, version);
	if (version == row.deployed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot drop version %d of model \"%s\" because it is deployed", version, name),
				 errhint("Deploy another version first, or drop the whole model with dl.drop_model(name).")));
	delete_version(row.id, version);
}

void
dl_registry_drop_old(const DlRegistryRow *row, int keep)
{
	int			count = (int) DL_REGISTRY_RUN("SELECT version FROM dl.registry_version WHERE model_id = $1 ORDER BY version DESC OFFSET $2",
											  SPI_OK_SELECT, DL_ARG_INT8(row->id), DL_ARG_INT4(keep));
	int		   *versions = palloc(sizeof(int) * (Size) Max(count, 1));
	bool		null;

	for (int i = 0; i < count; i++)
		versions[i] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
	for (int i = 0; i < count; i++)
		if (versions[i] != row->deployed)
			delete_version(row->id, versions[i]);
	if (count > 0)
		dl_registry_changed();
}

Datum
dl_sql_drop_model(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	int			version = dl_argument_version(fcinfo, 1);
	DlRegistrySection section;
	DlRegistryRow row;

	dl_registry_enter(&section, "dl.drop_model()");
	if (version > 0)
		drop_version(&section, name, version);
	else
	{
		dl_registry_lock(&section, name, DL_RIGHT_OWNER, &row);
		delete_model(row.id);
	}
	dl_registry_changed();
	dl_registry_leave(&section);
	PG_RETURN_VOID();
}

Datum
dl_sql_rename_model(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	char	   *new_name = dl_argument_text(fcinfo, 1, "new_name");
	DlRegistrySection section;
	DlRegistryRow row;

	dl_registry_check_name(new_name);
	dl_registry_enter(&section, "dl.rename_model()");
	dl_registry_lock(&section, name, DL_RIGHT_OWNER, &row);
	if (DL_REGISTRY_RUN("SELECT id FROM dl.registry_model WHERE name = $1",
						SPI_OK_SELECT, DL_ARG_TEXT(new_name)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("model \"%s\" already exists", new_name)));
	DL_REGISTRY_RUN("UPDATE dl.registry_model SET name = $2 WHERE id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(row.id), DL_ARG_TEXT(new_name));
	dl_registry_changed();
	dl_registry_leave(&section);
	PG_RETURN_VOID();
}

Datum
dl_sql_set_owner(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	char	   *role_name = dl_argument_text(fcinfo, 1, "role");
	Oid			role = get_role_oid(role_name, false);
	DlRegistrySection section;
	DlRegistryRow row;

	dl_registry_enter(&section, "dl.set_owner()");
	dl_registry_lock(&section, name, DL_RIGHT_OWNER, &row);
	check_can_set_role(section.user, role);
	DL_REGISTRY_RUN("UPDATE dl.registry_model SET owner = $2, owner_name = $3::pg_catalog.name, cluster = $4 WHERE id = $1",
					SPI_OK_UPDATE, DL_ARG_INT8(row.id), DL_ARG_OID(role), DL_ARG_TEXT(role_name),
					DL_ARG_INT8(dl_registry_cluster()));
	dl_registry_changed();
	dl_registry_leave(&section);
	PG_RETURN_VOID();
}

static Oid
grantee(const char *role_name)
{
	return strcmp(role_name, "public") == 0 ? InvalidOid : get_role_oid(role_name, false);
}

static DlRegistryRight
right_argument(FunctionCallInfo fcinfo, int number)
{
	char	   *name = dl_argument_text(fcinfo, number, "privilege");
	DlRegistryRight right;

	if (!dl_registry_right_by_name(name, &right))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized privilege \"%s\" of a model", name),
				 errhint("The privileges are \"use\", \"read\" and \"admin\".")));
	return right;
}

/*
 * Takes the grants of role that lie within [least, most] away, wherever they
 * were stored, and gives the greatest.
 */
static DlRegistryRight
take_grants(const DlRegistryRow *row, Oid role, const char *role_name, DlRegistryRight least, DlRegistryRight most)
{
	DlRegistryRight right = DL_RIGHT_NONE;
	uint64		count = DL_REGISTRY_RUN("DELETE FROM dl.registry_grant WHERE model_id = $1 AND "
										"CASE WHEN cluster = $2 OR role = 0 THEN role = $3 ELSE role_name = $4::pg_catalog.name END "
										"AND privilege BETWEEN $5 AND $6 RETURNING privilege",
										SPI_OK_DELETE_RETURNING, DL_ARG_INT8(row->id),
										DL_ARG_INT8(dl_registry_cluster()), DL_ARG_OID(role), DL_ARG_TEXT(role_name),
										DL_ARG_INT4(least), DL_ARG_INT4(most));

	for (uint64 i = 0; i < count; i++)
	{
		bool		null;
		int			privilege = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));

		right = Max(right, (DlRegistryRight) privilege);
	}
	return right;
}

/* A greater grant that is there stays as it is. */
static void
put_grant(const DlRegistrySection *section, const DlRegistryRow *row, Oid role, const char *role_name, DlRegistryRight right)
{
	DL_REGISTRY_RUN("INSERT INTO dl.registry_grant (model_id, cluster, role, role_name, privilege, grantor) "
					"VALUES ($1, $2, $3, $4::pg_catalog.name, $5, $6::pg_catalog.name) "
					"ON CONFLICT (model_id, cluster, role) DO NOTHING",
					SPI_OK_INSERT, DL_ARG_INT8(row->id), DL_ARG_INT8(dl_registry_cluster()), DL_ARG_OID(role),
					DL_ARG_TEXT(role_name), DL_ARG_INT4(right), DL_ARG_TEXT(GetUserNameFromId(section->user, false)));
}

Datum
dl_sql_grant_model(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	char	   *role_name = dl_argument_text(fcinfo, 1, "role");
	DlRegistryRight right = right_argument(fcinfo, 2);
	Oid			role = grantee(role_name);
	DlRegistrySection section;
	DlRegistryRow row;

	dl_registry_enter(&section, "dl.grant_model()");
	dl_registry_lock(&section, name, right == DL_RIGHT_ADMIN ? DL_RIGHT_OWNER : DL_RIGHT_ADMIN, &row);
	take_grants(&row, role, role_name, DL_RIGHT_USE, right - 1);
	put_grant(&section, &row, role, role_name, right);
	dl_registry_changed();
	dl_registry_leave(&section);
	PG_RETURN_VOID();
}

/* A right that is taken away takes the greater ones along; the smaller ones stay. */
Datum
dl_sql_revoke_model(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");
	char	   *role_name = dl_argument_text(fcinfo, 1, "role");
	DlRegistryRight right = PG_ARGISNULL(2) ? DL_RIGHT_USE : right_argument(fcinfo, 2);
	Oid			role = grantee(role_name);
	DlRegistrySection section;
	DlRegistryRow row;
	DlRegistryRight taken;

	dl_registry_enter(&section, "dl.revoke_model()");
	dl_registry_lock(&section, name, DL_RIGHT_ADMIN, &row);
	taken = take_grants(&row, role, role_name, right, DL_RIGHT_ADMIN);
	if (taken == DL_RIGHT_ADMIN)
		dl_registry_lock(&section, name, DL_RIGHT_OWNER, &row);
	if (taken != DL_RIGHT_NONE && right > DL_RIGHT_USE)
		put_grant(&section, &row, role, role_name, right - 1);
	dl_registry_changed();
	dl_registry_leave(&section);
	if (taken == DL_RIGHT_NONE)
		ereport(NOTICE,
				(errmsg("role \"%s\" had no such right on model \"%s\"", role_name, name)));
	PG_RETURN_VOID();
}
