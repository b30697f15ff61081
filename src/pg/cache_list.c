/*
 * cache_list.c
 *    The function behind the view dl.cache.
 *
 * A row is for whoever may use a model with this content in this database, for the session that
 * has it, and for members of pg_read_all_stats.  Names are only shown of models that the user may use.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"
#include "pg/rows.h"

PG_FUNCTION_INFO_V1(dl_sql_list_cache);

enum
{
	CACHE_MODELS,
	CACHE_DIGEST,
	CACHE_SHARED,
	CACHE_BYTES,
	CACHE_SESSIONS,
	CACHE_HITS,
	CACHE_CREATED_AT,
	CACHE_COLUMNS
};

/* Columns of the query. */
enum
{
	VERSION_ID = 1,
	VERSION_OWNER,
	VERSION_OWNER_NAME,
	VERSION_CLUSTER,
	VERSION_NAME,
	VERSION_DIGEST
};

static Datum
digest_array(const DlCacheRow *cached, int count)
{
	Datum	   *values = palloc(sizeof(Datum) * (Size) Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		bytea	   *digest = palloc(VARHDRSZ + sizeof(DlModelDigest));

		SET_VARSIZE(digest, VARHDRSZ + sizeof(DlModelDigest));
		memcpy(VARDATA(digest), &cached[i].digest, sizeof(DlModelDigest));
		values[i] = PointerGetDatum(digest);
	}
	return PointerGetDatum(construct_array(values, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

static Datum
stored(HeapTuple tuple, int column)
{
	bool		null;

	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &null);
}

/* Adds the name of a version to the row of its content, where user may use it. */
static void
add_name(HeapTuple tuple, Snapshot snapshot, Oid user, const DlCacheRow *cached, StringInfo *names, int count)
{
	bytea	   *digest = DatumGetByteaPP(stored(tuple, VERSION_DIGEST));
	DlRegistryRow row = {0};

	row.id = DatumGetInt64(stored(tuple, VERSION_ID));
	row.owner = dl_registry_role(DatumGetObjectId(stored(tuple, VERSION_OWNER)),
								 NameStr(*DatumGetName(stored(tuple, VERSION_OWNER_NAME))),
								 DatumGetInt64(stored(tuple, VERSION_CLUSTER)));
	if (dl_registry_right_of(snapshot, &row, user) < DL_RIGHT_USE ||
		VARSIZE_ANY_EXHDR(digest) != sizeof(DlModelDigest))
		return;
	for (int i = 0; i < count; i++)
		if (memcmp(&cached[i].digest, VARDATA_ANY(digest), sizeof(DlModelDigest)) == 0)
			appendStringInfo(names[i], "%s%s", names[i]->len > 0 ? ", " : "",
							 TextDatumGetCString(stored(tuple, VERSION_NAME)));
}

static void
find_names(const DlRegistrySection *section, const DlCacheRow *cached, StringInfo *names, int count)
{
	Oid			types[] = {BYTEAARRAYOID};
	Datum		digests[] = {digest_array(cached, count)};
	Snapshot	snapshot = dl_registry_snapshot();

	if (SPI_execute_with_args("SELECT m.id, m.owner, m.owner_name, m.cluster, m.name || ' ' || v.version, v.digest "
							  "FROM dl.registry_model m JOIN dl.registry_version v ON v.model_id = m.id "
							  "WHERE v.digest = ANY ($1) ORDER BY m.name, v.version",
							  1, types, digests, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the registry");
	for (uint64 i = 0; i < SPI_processed; i++)
		add_name(SPI_tuptable->vals[i], snapshot, section->user, cached, names, count);
	UnregisterSnapshot(snapshot);
}

static Datum
digest_text(const DlModelDigest *digest)
{
	StringInfoData text;

	initStringInfo(&text);
	for (Size i = 0; i < sizeof(DlModelDigest); i++)
		appendStringInfo(&text, "%02x", digest->bytes[i]);
	return CStringGetTextDatum(text.data);
}

static void
put(DlRows *rows, const DlCacheRow *cached, const StringInfoData *names)
{
	Datum		values[CACHE_COLUMNS];
	bool		nulls[CACHE_COLUMNS] = {false};

	nulls[CACHE_MODELS] = names->len == 0;
	values[CACHE_MODELS] = CStringGetTextDatum(names->data);
	values[CACHE_DIGEST] = digest_text(&cached->digest);
	values[CACHE_SHARED] = BoolGetDatum(cached->shared);
	values[CACHE_BYTES] = Int64GetDatum((int64) cached->bytes);
	values[CACHE_SESSIONS] = Int32GetDatum(cached->sessions);
	values[CACHE_HITS] = Int64GetDatum((int64) cached->hits);
	values[CACHE_CREATED_AT] = TimestampTzGetDatum(cached->created_at);
	dl_rows_put(rows, values, nulls);
}

Datum
dl_sql_list_cache(PG_FUNCTION_ARGS)
{
	DlRegistrySection section;
	DlRows		rows;
	DlCacheRow *cached;
	StringInfo *names;
	bool		all;
	int			count;

	dl_rows_begin(fcinfo, &rows);
	dl_registry_enter(&section, NULL);
	cached = dl_model_cache_list(&count);
	names = palloc(sizeof(StringInfo) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		names[i] = makeStringInfo();
	find_names(&section, cached, names, count);
	all = has_privs_of_role(section.user, ROLE_PG_READ_ALL_STATS);
	for (int i = 0; i < count; i++)
		if (all || cached[i].mine || names[i]->len > 0)
			put(&rows, &cached[i], names[i]);
	dl_registry_leave(&section);
	return (Datum) 0;
}
