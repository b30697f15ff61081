/*
 * model_cache.c
 *    The session's decoded models: a hash table by digest, a list by last
 *    use, a count of pins.
 *
 * A pin is a reset callback of the memory context that uses the model, so it
 * ends on every way out, errors included.  Only entries without a pin are
 * evicted; the cap may be exceeded while more than that is in use.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/model_cache.h"

#define DIGEST_PIECE ((Size) 1 << 20)

/*
 * Decoding takes about as much as the tensors, and many times the document
 * where that is a long list of short texts.  The document has at most 16 MiB.
 */
#define DECODE_FACTOR 4
#define DECODE_EXTRA ((Size) 512 << 20)

typedef struct CacheEntry
{
	DlModelDigest digest;		/* the key: first */
	DlModel    *model;
	Size		bytes;
	int			pins;
	dlist_node	recent;
} CacheEntry;

typedef struct CachePin
{
	MemoryContextCallback callback;
	CacheEntry *entry;
} CachePin;

static int	cache_kilobytes;
static HTAB *cache_table;
static dlist_head cache_recent = DLIST_STATIC_INIT(cache_recent);	/* last used first */
static Size cache_used;

void
dl_model_cache_init(void)
{
	DefineCustomIntVariable("deep_learning.model_cache",
							"Sets the memory of a session for models that are decoded and not in use.",
							"Models that a running query uses are always kept.",
							&cache_kilobytes,
							256 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

Size
dl_model_decode_budget(Size length)
{
	return length * DECODE_FACTOR + DECODE_EXTRA;
}

static void
sha256(bytea *input, uint8 *result)
{
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(input)));

	memcpy(result, VARDATA_ANY(digest), sizeof(DlModelDigest));
	pfree(digest);
}

void
dl_model_digest(const void *bytes, Size length, DlModelDigest *result)
{
	Size		pieces = length / DIGEST_PIECE + 1;
	bytea	   *piece = palloc(VARHDRSZ + Min(length, DIGEST_PIECE));
	bytea	   *list = palloc(VARHDRSZ + pieces * sizeof(DlModelDigest) + sizeof(uint64));
	uint8	   *end = (uint8 *) VARDATA(list);
	uint64		total = length;

	for (Size i = 0; i < pieces; i++)
	{
		Size		count = Min(length - i * DIGEST_PIECE, DIGEST_PIECE);

		memcpy(VARDATA(piece), (const char *) bytes + i * DIGEST_PIECE, count);
		SET_VARSIZE(piece, VARHDRSZ + count);
		sha256(piece, end);
		end += sizeof(DlModelDigest);
	}
	/* The lowest byte first, on any machine. */
	for (int i = 0; i < (int) sizeof(uint64); i++)
		*end++ = (uint8) (total >> (8 * i));
	SET_VARSIZE(list, end - (uint8 *) list);
	sha256(list, result->bytes);
	pfree(piece);
	pfree(list);
}

static void
create_table(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(DlModelDigest);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = AllocSetContextCreate(TopMemoryContext, "deep_learning models", ALLOCSET_SMALL_SIZES);
	cache_table = hash_create("deep_learning models", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
forget(CacheEntry *entry)
{
	dl_model_destroy(entry->model);
	cache_used -= entry->bytes;
	dlist_delete(&entry->recent);
	hash_search(cache_table, &entry->digest, HASH_REMOVE, NULL);
}

/* From the least recently used on, until the rest fits. */
static void
evict(void)
{
	Size		cap = (Size) cache_kilobytes * 1024;
	dlist_node *node = dlist_is_empty(&cache_recent) ? NULL : dlist_tail_node(&cache_recent);

	while (node != NULL && cache_used > cap)
	{
		CacheEntry *entry = dlist_container(CacheEntry, recent, node);

		node = dlist_has_prev(&cache_recent, node) ? dlist_prev_node(&cache_recent, node) : NULL;
		if (entry->pins == 0)
			forget(entry);
	}
}

static void
unpin(void *argument)
{
	CachePin   *pin = argument;

	if (--pin->entry->pins == 0)
		evict();
}

/* pin is allocated in owner; from here on nothing can fail. */
static const DlModel *
pin_entry(CacheEntry *entry, CachePin *pin, MemoryContext owner)
{
	dlist_move_head(&cache_recent, &entry->recent);
	entry->pins++;
	pin->entry = entry;
	pin->callback.func = unpin;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(owner, &pin->callback);
	return entry->model;
}

const DlModel *
dl_model_cache_find(const DlModelDigest *digest, MemoryContext owner)
{
	CacheEntry *entry = cache_table == NULL ? NULL : hash_search(cache_table, digest, HASH_FIND, NULL);

	if (entry == NULL)
		return NULL;
	return pin_entry(entry, MemoryContextAlloc(owner, sizeof(CachePin)), owner);
}

const DlModel *
dl_model_cache_get(const void *bytes, Size length, MemoryContext owner)
{
	CachePin   *pin = MemoryContextAlloc(owner, sizeof(CachePin));
	CacheEntry *entry;
	DlModelDigest digest;
	DlError		error;
	bool		found;

	dl_model_digest(bytes, length, &digest);
	if (cache_table == NULL)
		create_table();
	entry = hash_search(cache_table, &digest, HASH_ENTER, &found);
	if (!found)
	{
		/* Nothing between here and the end can raise an error but the failure itself. */
		if (dl_model_decode(bytes, length, dl_model_decode_budget(length), &entry->model, &error) != DL_OK)
		{
			hash_search(cache_table, &digest, HASH_REMOVE, NULL);
			dl_ereport(&error);
		}
		entry->bytes = dl_arena_used(entry->model->arena);
		entry->pins = 0;
		dlist_push_head(&cache_recent, &entry->recent);
		cache_used += entry->bytes;
	}
	pin_entry(entry, pin, owner);
	evict();
	return entry->model;
}

void
dl_model_validate(const void *bytes, Size length)
{
	DlModel    *model;
	DlError		error;

	DL_CHECK(dl_model_decode(bytes, length, dl_model_decode_budget(length), &model, &error), &error);
	dl_model_destroy(model);
}
