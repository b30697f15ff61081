/*
 * registry_rights.c
 *    Who may do what with a model, and what somebody who may not is told.
 *
 * A role is stored by oid, name and the identifier of the cluster.  In the cluster
 * that stored it the oid counts, so a role may be renamed; in any other, where
 * a dump was restored, the name does.  Where the role is missing, the model is the superuser's alone.
 *
 * Somebody who has no right at all on a model learns that the name is taken, as with
 * any object of PostgreSQL, and nothing else.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

/* How different a name may be and still be offered: a third of its length. */
#define NEAR_SHARE 3

static const char *const right_names[] = {"none", "use", "read", "admin", "owner"};

/* The search for the name that is nearest to wanted. */
typedef struct Nearest
{
	Snapshot	snapshot;
	Oid			user;
	const char *wanted;
	int			distance;
	char	   *name;
} Nearest;

int64
dl_registry_cluster(void)
{
	return (int64) GetSystemIdentifier();
}

Oid
dl_registry_role(Oid role, const char *role_name, int64 cluster)
{
	if (cluster != dl_registry_cluster())
		return get_role_oid(role_name, true);
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) ? role : InvalidOid;
}

const char *
dl_registry_right_name(DlRegistryRight right)
{
	return right_names[right];
}

/* Those that can be granted. */
bool
dl_registry_right_by_name(const char *name, DlRegistryRight *result)
{
	for (int right = DL_RIGHT_USE; right <= DL_RIGHT_ADMIN; right++)
		if (strcmp(name, right_names[right]) == 0)
		{
			*result = right;
			return true;
		}
	return false;
}

void
dl_registry_check_name(const char *name)
{
	Size		length = strlen(name);

	if (length == 0 || length > DL_REGISTRY_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a model has 1 to %d bytes, got %zu", DL_REGISTRY_MAX_NAME, length)));
	for (Size i = 0; i < length; i++)
		if ((unsigned char) name[i] < ' ' || name[i] == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("the name of a model has a control character (byte 0x%02x) at position %zu",
							(unsigned char) name[i], i + 1)));
}

DlRegistryRight
dl_registry_right_of(Snapshot snapshot, const DlRegistryRow *row, Oid user)
{
	if (superuser_arg(user) || (OidIsValid(row->owner) && has_privs_of_role(user, row->owner)))
		return DL_RIGHT_OWNER;
	return dl_registry_granted(snapshot, row->id, user);
}

static void
consider(const DlRegistryRow *row, void *context)
{
	Nearest    *nearest = context;
	int			distance = varstr_levenshtein_less_equal(row->name, (int) strlen(row->name),
														 nearest->wanted, (int) strlen(nearest->wanted),
														 1, 1, 1, nearest->distance, true);

	if (distance < nearest->distance &&
		dl_registry_right_of(nearest->snapshot, row, nearest->user) >= DL_RIGHT_USE)
	{
		nearest->distance = distance;
		nearest->name = row->name;
	}
}

static void
unknown_model(Snapshot snapshot, const char *name, Oid user)
{
	Nearest		nearest = {snapshot, user, name, Min((int) strlen(name) / NEAR_SHARE + 2, (int) strlen(name)), NULL};

	dl_registry_each(snapshot, consider, &nearest);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", name),
			 nearest.name != NULL ? errhint("Perhaps you meant the model \"%s\".", nearest.name) :
			 errhint("The view dl.models lists the models that you may use.")));
}

void
dl_registry_denied(const char *name, DlRegistryRight right)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 right == DL_RIGHT_OWNER ?
			 errmsg("must be owner of model \"%s\"", name) :
			 errmsg("permission denied for model \"%s\"", name),
			 right == DL_RIGHT_OWNER ? 0 :
			 errdetail("The right \"%s\" is needed.", dl_registry_right_name(right))));
	pg_unreachable();
}

void
dl_registry_no_version(const char *name, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %d", name, version),
			 errhint("The view dl.versions lists the versions of the models that you may use.")));
	pg_unreachable();
}

void
dl_registry_require(Snapshot snapshot, Snapshot latest, const char *name, DlRegistryRight right, Oid user,
					DlRegistryRow *row)
{
	if (!dl_registry_find(snapshot, name, row))
		unknown_model(latest, name, user);
	if (dl_registry_right_of(latest, row, user) < right)
		dl_registry_denied(name, right);
}
