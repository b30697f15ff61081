/*
 * registry_size.c
 *    How large a model is, for the planner: found without decoding it, and
 *    without an error, for planning a query is not yet using its models.
 *
 * The planner asks many times in one statement, so answers are kept.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

#define MOST_KNOWN 1024			/* answers that are kept */

typedef struct SizeKey
{
	char		name[DL_REGISTRY_MAX_NAME + 1]; /* filled with zeros */
	int			version;		/* 0: the deployed one */
	DlRegistryRight right;
	Oid			user;
} SizeKey;

typedef struct KnownSize
{
	SizeKey		key;
	uint64		generation;
	int64		bytes;
} KnownSize;

static HTAB *known_sizes;

static void
create_known_sizes(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(SizeKey);
	control.entrysize = sizeof(KnownSize);
	control.hcxt = TopMemoryContext;
	known_sizes = hash_create("deep_learning sizes", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* While the extension is being made or dropped its tables may be away. */
static bool
has_registry(void)
{
	static const char *const tables[] = {"registry_model", "registry_version", "registry_grant"};
	Oid			schema = get_namespace_oid("dl", true);

	for (int i = 0; i < (int) lengthof(tables); i++)
		if (!OidIsValid(schema) || !OidIsValid(get_relname_relid(tables[i], schema)))
			return false;
	return true;
}

static int64
find_size(const SizeKey *key)
{
	DlRegistryRow row;
	DlRegistryVersion version;
	Snapshot	snapshot;
	int64		bytes = -1;

	if (!has_registry())
		return -1;
	snapshot = dl_registry_snapshot();
	if (dl_registry_find(snapshot, key->name, &row) &&
		dl_registry_right_of(snapshot, &row, key->user) >= key->right &&
		dl_registry_find_version(snapshot, row.id, key->version == 0 ? row.deployed : key->version, &version))
		bytes = version.bytes;
	UnregisterSnapshot(snapshot);
	return bytes;
}

int64
dl_registry_size(const char *name, int version, DlRegistryRight right)
{
	SizeKey		key;
	KnownSize  *known;
	uint64		generation;
	int64		bytes;

	if (strlen(name) > DL_REGISTRY_MAX_NAME)
		return -1;
	memset(&key, 0, sizeof(key));
	strcpy(key.name, name);
	key.version = version;
	key.right = right;
	key.user = GetUserId();

	if (known_sizes == NULL)
		create_known_sizes();
	known = hash_search(known_sizes, &key, HASH_FIND, NULL);
	if (known != NULL && known->generation == dl_registry_generation())
		return known->bytes;

	generation = dl_registry_generation();
	bytes = find_size(&key);
	if (hash_get_num_entries(known_sizes) >= MOST_KNOWN)
	{
		hash_destroy(known_sizes);
		create_known_sizes();
	}
	known = hash_search(known_sizes, &key, HASH_ENTER, NULL);
	known->generation = generation;
	known->bytes = bytes;
	return bytes;
}
