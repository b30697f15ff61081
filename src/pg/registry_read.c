/*
 * registry_read.c
 *    Looks up models, versions and chunks by index, without SQL, in parallel
 *    workers too.
 *
 * The numbers of the columns are those of src/sql/30_registry.sql.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "format/safetensors.h"
#include "pg/compat.h"
#include "pg/registry_internal.h"

enum
{
	MODEL_ID = 1,
	MODEL_NAME,
	MODEL_OWNER,
	MODEL_OWNER_NAME,
	MODEL_CLUSTER,
	MODEL_DEPLOYED,
	MODEL_LAST_VERSION
};

enum
{
	VERSION_MODEL = 1,
	VERSION_VERSION,
	VERSION_BYTES,
	VERSION_DIGEST
};

enum
{
	CHUNK_MODEL = 1,
	CHUNK_VERSION,
	CHUNK_CHUNK,
	CHUNK_DATA
};

enum
{
	GRANT_MODEL = 1,
	GRANT_CLUSTER,
	GRANT_ROLE,
	GRANT_ROLE_NAME,
	GRANT_PRIVILEGE
};

/* A scan of one table by one of its indexes. */
typedef struct TableScan
{
	Relation	relation;
	SysScanDesc scan;
} TableScan;

static uint64 generation = 1;
static uint64 resolved_at;		/* generation when the relation was looked up */
static Oid	model_relation;

static void
relation_changed(Datum argument, Oid relation)
{
	if (relation == InvalidOid || relation == model_relation)
		generation++;
}

static void
role_changed(Datum argument, int cache, uint32 hash)
{
	generation++;
}

static void
listen(void)
{
	static bool listening = false;

	if (listening)
		return;
	listening = true;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
}

uint64
dl_registry_generation(void)
{
	return generation;
}

/* As many transactions are running below the same xmax: they are the same ones. */
static void
note_snapshot(DlRegistryHandle *handle, Snapshot snapshot)
{
	handle->xmin = snapshot->xmin;
	handle->xmax = snapshot->xmax;
	handle->running = snapshot->xcnt;
	handle->command = snapshot->curcid;
}

static bool
same_snapshot(const DlRegistryHandle *handle)
{
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;

	return snapshot != NULL && handle->xmin == snapshot->xmin && handle->xmax == snapshot->xmax &&
		handle->running == snapshot->xcnt && handle->command == snapshot->curcid;
}

bool
dl_registry_current(DlRegistryHandle *handle)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	/* A statement that locks no table would never hear of other sessions otherwise. */
	if (unlikely(handle->statement != statement))
	{
		AcceptInvalidationMessages();
		handle->statement = statement;
	}
	return handle->generation == generation && handle->user == GetUserId() &&
		(likely(!handle->outdated) || same_snapshot(handle));
}

static Oid
relation_named(const char *name)
{
	Oid			schema = get_namespace_oid("dl", true);
	Oid			relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table dl.%s does not exist", name),
				 errhint("The extension is installed by CREATE EXTENSION deep_learning.")));
	return relation;
}

Oid
dl_registry_relation(void)
{
	listen();
	/* a statement that trains for long has not heard of what was dropped and made again meanwhile */
	AcceptInvalidationMessages();
	if (resolved_at != generation || !OidIsValid(model_relation))
	{
		model_relation = relation_named("registry_model");
		resolved_at = generation;
	}
	return model_relation;
}

Snapshot
dl_registry_snapshot(void)
{
	/* The lock also takes in what other sessions have said. */
	Relation	relation = table_open(dl_registry_relation(), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));

	table_close(relation, AccessShareLock);
	return snapshot;
}

/* What the query sees, and what it has changed itself since it began: it may train and score.  Without a query, latest. */
static Snapshot
query_snapshot(Snapshot latest)
{
	Snapshot	snapshot;

	if (!ActiveSnapshotSet())
		return RegisterSnapshot(latest);
	PushCopiedSnapshot(GetActiveSnapshot());
	if (!IsInParallelMode())
		UpdateActiveSnapshotCommandId();
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return snapshot;
}

static void
scan_begin(TableScan *scan, const char *table, const char *index, Snapshot snapshot, int count, ScanKey keys)
{
	scan->relation = table_open(relation_named(table), AccessShareLock);
	scan->scan = systable_beginscan(scan->relation, relation_named(index), true, snapshot, count, keys);
}

static void
scan_end(TableScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->relation, AccessShareLock);
}

/* A column that is NOT NULL. */
static Datum
column(const TableScan *scan, HeapTuple tuple, int number)
{
	bool		null;
	Datum		value = heap_getattr(tuple, number, RelationGetDescr(scan->relation), &null);

	if (null)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unexpected null value in column %d of table dl.%s",
						number, RelationGetRelationName(scan->relation))));
	return value;
}

static void
read_row(const TableScan *scan, HeapTuple tuple, DlRegistryRow *row)
{
	row->id = DatumGetInt64(column(scan, tuple, MODEL_ID));
	row->name = TextDatumGetCString(column(scan, tuple, MODEL_NAME));
	row->owner = dl_registry_role(DatumGetObjectId(column(scan, tuple, MODEL_OWNER)),
								  NameStr(*DatumGetName(column(scan, tuple, MODEL_OWNER_NAME))),
								  DatumGetInt64(column(scan, tuple, MODEL_CLUSTER)));
	row->deployed = DatumGetInt32(column(scan, tuple, MODEL_DEPLOYED));
	row->last_version = DatumGetInt32(column(scan, tuple, MODEL_LAST_VERSION));
	row->place = tuple->t_self;
	row->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
}

bool
dl_registry_find(Snapshot snapshot, const char *name, DlRegistryRow *row)
{
	TableScan	scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, MODEL_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	scan_begin(&scan, "registry_model", "registry_model_name_key", snapshot, 1, &key);
	tuple = systable_getnext(scan.scan);
	if (HeapTupleIsValid(tuple))
		read_row(&scan, tuple, row);
	scan_end(&scan);
	return HeapTupleIsValid(tuple);
}

void
dl_registry_each(Snapshot snapshot, void (*visit) (const DlRegistryRow *row, void *context), void *context)
{
	TableScan	scan;
	HeapTuple	tuple;
	DlRegistryRow row;

	scan_begin(&scan, "registry_model", "registry_model_name_key", snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
	{
		CHECK_FOR_INTERRUPTS();
		read_row(&scan, tuple, &row);
		visit(&row, context);
	}
	scan_end(&scan);
}

bool
dl_registry_find_version(Snapshot snapshot, int64 id, int version, DlRegistryVersion *result)
{
	TableScan	scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], VERSION_MODEL, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	ScanKeyInit(&keys[1], VERSION_VERSION, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	scan_begin(&scan, "registry_version", "registry_version_pkey", snapshot, 2, keys);
	tuple = systable_getnext(scan.scan);
	if (HeapTupleIsValid(tuple))
	{
		bytea	   *digest = DatumGetByteaPP(column(&scan, tuple, VERSION_DIGEST));

		result->version = version;
		result->bytes = DatumGetInt64(column(&scan, tuple, VERSION_BYTES));
		if (VARSIZE_ANY_EXHDR(digest) != sizeof(DlModelDigest))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("version %d of model " INT64_FORMAT " has a digest of %zu bytes",
							version, id, (Size) VARSIZE_ANY_EXHDR(digest))));
		memcpy(&result->digest, VARDATA_ANY(digest), sizeof(DlModelDigest));
	}
	scan_end(&scan);
	return HeapTupleIsValid(tuple);
}

static void
damaged(int64 id, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("version %d of model " INT64_FORMAT " is damaged in table dl.registry_chunk", version, id)));
}

/* The whole of a version; its digest has been checked. */
struct varlena *
dl_registry_load(Snapshot snapshot, int64 id, const DlRegistryVersion *version)
{
	TableScan	scan;
	Relation	index;
	SysScanDesc ordered;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	struct varlena *result;
	DlModelDigest digest;
	Size		done = 0;
	int			chunk = 0;

	if (version->bytes < 0 || version->bytes > (int64) (MaxAllocSize - VARHDRSZ))
		damaged(id, version->version);
	result = palloc(VARHDRSZ + version->bytes);
	SET_VARSIZE(result, VARHDRSZ + version->bytes);

	/* The index gives the chunks in their order. */
	ScanKeyInit(&keys[0], CHUNK_MODEL, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	ScanKeyInit(&keys[1], CHUNK_VERSION, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version->version));
	scan.relation = table_open(relation_named("registry_chunk"), AccessShareLock);
	index = index_open(relation_named("registry_chunk_pkey"), AccessShareLock);
	ordered = systable_beginscan_ordered(scan.relation, index, snapshot, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(ordered, ForwardScanDirection)))
	{
		Datum		stored = column(&scan, tuple, CHUNK_DATA);
		struct varlena *data = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(stored));
		Size		size = VARSIZE_ANY_EXHDR(data);

		if (DatumGetInt32(column(&scan, tuple, CHUNK_CHUNK)) != chunk++ || size > (Size) version->bytes - done)
			damaged(id, version->version);
		memcpy(VARDATA(result) + done, VARDATA_ANY(data), size);
		done += size;
		if ((Pointer) data != DatumGetPointer(stored))
			pfree(data);
		CHECK_FOR_INTERRUPTS();
	}
	systable_endscan_ordered(ordered);
	index_close(index, AccessShareLock);
	table_close(scan.relation, AccessShareLock);

	if (done != (Size) version->bytes)
		damaged(id, version->version);
	dl_model_digest(VARDATA(result), done, &digest);
	if (memcmp(&digest, &version->digest, sizeof(digest)) != 0)
		damaged(id, version->version);
	return result;
}

/* The greatest right that the grants of a model give to user. */
DlRegistryRight
dl_registry_granted(Snapshot snapshot, int64 id, Oid user)
{
	TableScan	scan;
	ScanKeyData key;
	HeapTuple	tuple;
	DlRegistryRight best = DL_RIGHT_NONE;

	ScanKeyInit(&key, GRANT_MODEL, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	scan_begin(&scan, "registry_grant", "registry_grant_pkey", snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
	{
		Oid			role = DatumGetObjectId(column(&scan, tuple, GRANT_ROLE));
		DlRegistryRight right = DatumGetInt32(column(&scan, tuple, GRANT_PRIVILEGE));

		if (right <= best)
			continue;
		if (OidIsValid(role))
		{
			role = dl_registry_role(role, NameStr(*DatumGetName(column(&scan, tuple, GRANT_ROLE_NAME))),
									DatumGetInt64(column(&scan, tuple, GRANT_CLUSTER)));
			if (!OidIsValid(role) || !has_privs_of_role(user, role))
				continue;
		}
		best = right;
	}
	scan_end(&scan);
	return best;
}

/* Version 0 becomes the deployed one.  Rights are those in latest. */
static void
find_version(Snapshot snapshot, Snapshot latest, const char *name, int version, DlRegistryRight right,
			 DlRegistryRow *row, DlRegistryVersion *found)
{
	dl_registry_require(snapshot, latest, name, right, GetUserId(), row);
	if (version == 0)
		version = row->deployed;
	if (!dl_registry_find_version(snapshot, row->id, version, found))
		dl_registry_no_version(name, version);
}

/* What load_version() reads. */
typedef struct StoredVersion
{
	Snapshot	snapshot;
	int64		id;
	const DlRegistryVersion *version;
} StoredVersion;

static struct varlena *
load_version(void *context)
{
	const StoredVersion *stored = context;

	return dl_registry_load(stored->snapshot, stored->id, stored->version);
}

static const DlModel *
find_model(Snapshot snapshot, int64 id, const DlRegistryVersion *version, MemoryContext owner)
{
	StoredVersion stored = {snapshot, id, version};

	return dl_model_cache_find(&version->digest, (Size) version->bytes, load_version, &stored, owner);
}

static void
set_handle(DlRegistryHandle *handle, const DlRegistryRow *row, const DlRegistryVersion *version, uint64 started)
{
	handle->id = row->id;
	handle->version = version->version;
	handle->generation = started;
	handle->user = GetUserId();
	handle->statement = GetCurrentStatementStartTimestamp();
}

static void
open_version(Snapshot snapshot, Snapshot latest, const char *name, int version, DlRegistryRight right, MemoryContext owner,
			 DlRegistryHandle *handle)
{
	uint64		started = generation;
	DlRegistryRow row;
	DlRegistryRow later;
	DlRegistryVersion found;

	find_version(snapshot, latest, name, version, right, &row, &found);
	handle->model = find_model(snapshot, row.id, &found, owner);
	set_handle(handle, &row, &found, started);
	handle->outdated = snapshot != latest &&
		!(dl_registry_find(latest, name, &later) && later.id == row.id && later.deployed == row.deployed);
	if (handle->outdated)
		note_snapshot(handle, GetActiveSnapshot());
	else if (version == 0)
		dl_registry_remember(name, right, started, &row, &found);
}

/* False: not looked up lately, or not with this result. */
static bool
open_recent(const char *name, DlRegistryRight right, MemoryContext owner, DlRegistryHandle *handle)
{
	uint64		started = generation;
	DlRegistryRow row;
	DlRegistryVersion found;

	if (!dl_registry_recall(name, right, &row, &found))
		return false;
	handle->model = find_model(GetActiveSnapshot(), row.id, &found, owner);
	set_handle(handle, &row, &found, started);
	handle->outdated = false;
	return true;
}

void
dl_registry_open(const char *name, int version, DlRegistryRight right, MemoryContext owner, DlRegistryHandle *handle)
{
	Snapshot	latest;
	Snapshot	snapshot;

	if (version == 0 && open_recent(name, right, owner, handle))
		return;
	latest = dl_registry_snapshot();
	snapshot = query_snapshot(latest);
	open_version(snapshot, latest, name, version, right, owner, handle);
	UnregisterSnapshot(snapshot);
	UnregisterSnapshot(latest);
}

void
dl_registry_open_latest(const char *name, DlRegistryRight right, MemoryContext owner, DlRegistryHandle *handle)
{
	Snapshot	latest = dl_registry_snapshot();

	open_version(latest, latest, name, 0, right, owner, handle);
	UnregisterSnapshot(latest);
}

const DlModel *
dl_registry_model(const char *name, int version, DlRegistryRight right, MemoryContext owner)
{
	DlRegistryHandle handle;

	dl_registry_open(name, version, right, owner, &handle);
	return handle.model;
}

static struct varlena *
read_version(Snapshot snapshot, Snapshot latest, const char *name, int version, DlRegistryRight right)
{
	DlRegistryRow row;
	DlRegistryVersion found;

	find_version(snapshot, latest, name, version, right, &row, &found);
	if (found.bytes > (int64) DL_SAFETENSORS_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("version %d of model \"%s\" has " INT64_FORMAT " bytes, a value of type dl.model at most %zu",
						found.version, name, found.bytes, DL_SAFETENSORS_MAX_BYTES)));
	return dl_registry_load(snapshot, row.id, &found);
}

struct varlena *
dl_registry_bytes(const char *name, int version, DlRegistryRight right)
{
	Snapshot	latest = dl_registry_snapshot();
	Snapshot	snapshot = query_snapshot(latest);
	struct varlena *bytes = read_version(snapshot, latest, name, version, right);

	UnregisterSnapshot(snapshot);
	UnregisterSnapshot(latest);
	return bytes;
}

struct varlena *
dl_registry_bytes_latest(const char *name, int version, DlRegistryRight right)
{
	Snapshot	latest = dl_registry_snapshot();
	struct varlena *bytes = read_version(latest, latest, name, version, right);

	UnregisterSnapshot(latest);
	return bytes;
}
