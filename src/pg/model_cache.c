/*
 * model_cache.c
 *    The session's decoded models: a hash table by digest, a list by last
 *    use, a count of pins.
 *
 * A pin is a reset callback of the memory context that uses the model, so it
 * ends on every way out, errors included.  Only entries without a pin are
 * evicted; the cap may be exceeded while more than that is in use.
 *
 * A shared model stays mapped as long as its entry is here, and cannot leave shared memory
 * so long.  When another session found no room there, entries that have not been
 * used for a while go, at the next use of the cache or the end of a transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "model/model_image.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/shared_cache.h"

#define IDLE_MS 10000			/* unused for so long, a shared model makes room for others */
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
	DlSharedModel shared;		/* where the weights are, if there */
	Size		length;			/* of the model's bytes */
	Size		bytes;			/* of this session's memory */
	uint64		hits;			/* without shared */
	TimestampTz created_at;
	TimestampTz used_at;		/* when the last pin went */
	int			pins;
	dlist_node	recent;
	DlArena    *scratch;		/* of the scorers; NULL: none yet */
	DlScorer   *scorers[2];		/* for one row, for few */
	DlModelKeep keep;
} CacheEntry;

/* Where the bytes of a model come from: they are there, or load gives them. */
typedef struct ModelSource
{
	DlModelDigest digest;
	const void *bytes;
	Size		length;
	DlModelLoad load;
	void	   *context;
} ModelSource;

typedef struct CachePin
{
	MemoryContextCallback callback;
	CacheEntry *entry;
} CachePin;

static int	cache_kilobytes;
static HTAB *cache_table;
static dlist_head cache_recent = DLIST_STATIC_INIT(cache_recent);	/* last used first */
static Size cache_used;
static uint64 seen_pressure;

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

static void let_go_idle(void);

static void
at_end_of_transaction(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		let_go_idle();
}

static void
create_table(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(DlModelDigest);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = AllocSetContextCreate(TopMemoryContext, "deep_learning models", ALLOCSET_SMALL_SIZES);
	cache_table = hash_create("deep_learning models", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	RegisterXactCallback(at_end_of_transaction, NULL);
}

static void
forget(CacheEntry *entry)
{
	if (entry->keep.context != NULL)
		MemoryContextDelete(entry->keep.context);
	dl_arena_destroy(entry->scratch);
	dl_model_destroy(entry->model);
	dl_shared_cache_release(&entry->shared);
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

/* Releases shared models that nobody here used lately; true when there were any. */
static bool
release_idle(void)
{
	TimestampTz now = GetCurrentTimestamp();
	dlist_mutable_iter iterator;
	bool		any = false;

	dlist_foreach_modify(iterator, &cache_recent)
	{
		CacheEntry *entry = dlist_container(CacheEntry, recent, iterator.cur);

		if (entry->pins == 0 && entry->shared.number != 0 && TimestampDifferenceExceeds(entry->used_at, now, IDLE_MS))
		{
			forget(entry);
			any = true;
		}
	}
	return any;
}

/* Cheap while nothing happens. */
static void
let_go_idle(void)
{
	uint64		pressure = dl_shared_cache_pressure();

	if (unlikely(pressure != seen_pressure))
	{
		seen_pressure = pressure;
		(void) release_idle();
	}
}

static void
unpin(void *argument)
{
	CachePin   *pin = argument;

	if (--pin->entry->pins > 0)
		return;
	pin->entry->used_at = GetCurrentTimestamp();
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

/* NULL: it cannot be shared. */
static void *
image_memory(DlSharedModel *shared, DlModelDecoding *decoding)
{
	size_t		size;

	if (dl_model_image_bytes(decoding, &size, NULL) == DL_OK)
		return dl_shared_cache_memory(shared, size);
	dl_shared_cache_release(shared);
	return NULL;
}

/* Into shared memory where the claim is to build, otherwise as a copy of this session's. */
static void
decode(CacheEntry *made, const ModelSource *source)
{
	struct varlena *loaded = source->load == NULL ? NULL : source->load(source->context);
	const void *bytes = loaded == NULL ? source->bytes : VARDATA(loaded);
	DlModelDecoding *decoding;
	void	   *image = NULL;
	DlError		error;

	DL_CHECK(dl_model_decode_begin(bytes, source->length, dl_model_decode_budget(source->length), &decoding, &error), &error);
	/* Between here and finish nothing can raise an error. */
	if (made->shared.building)
		image = image_memory(&made->shared, decoding);
	DL_CHECK(dl_model_decode_finish(decoding, image, &made->model, &error), &error);
	if (image != NULL)
		dl_shared_cache_publish(&made->shared);
	if (loaded != NULL)
		pfree(loaded);
}

static void
read_image(CacheEntry *made)
{
	Size		size = dsm_segment_map_length(made->shared.segment);
	DlError		error;

	DL_CHECK(dl_model_from_image(dsm_segment_address(made->shared.segment), size, dl_model_decode_budget(size),
								 &made->model, &error), &error);
}

static DlSharedClaim
claim(const ModelSource *source, DlSharedModel *shared)
{
	DlSharedClaim result = dl_shared_cache_claim(&source->digest, source->length, shared);

	if (result == DL_SHARED_FULL && release_idle())
		result = dl_shared_cache_claim(&source->digest, source->length, shared);
	return result;
}

/* made: zeros; it becomes what the entry will be. */
static CacheEntry *
add_entry(CacheEntry *made, const ModelSource *source)
{
	CacheEntry *volatile entry = NULL;

	PG_TRY();
	{
		if (claim(source, &made->shared) == DL_SHARED_FOUND)
			read_image(made);
		else
			decode(made, source);
		entry = hash_search(cache_table, &source->digest, HASH_ENTER, NULL);
	}
	PG_CATCH();
	{
		dl_model_destroy(made->model);
		dl_shared_cache_release(&made->shared);
		PG_RE_THROW();
	}
	PG_END_TRY();
	made->digest = source->digest;
	made->length = source->length;
	made->bytes = dl_arena_used(made->model->arena);
	made->created_at = GetCurrentTimestamp();
	*entry = *made;
	dlist_push_head(&cache_recent, &entry->recent);
	cache_used += entry->bytes;
	return entry;
}

/* Statement after statement it is the one that was used last. */
static CacheEntry *
look_up(const DlModelDigest *digest)
{
	if (!dlist_is_empty(&cache_recent))
	{
		CacheEntry *last = dlist_head_element(CacheEntry, recent, &cache_recent);

		if (memcmp(&last->digest, digest, sizeof(*digest)) == 0)
			return last;
	}
	return hash_search(cache_table, digest, HASH_FIND, NULL);
}

/* An entry that serves; a copy goes when all can share the model by now. */
static CacheEntry *
find_entry(const ModelSource *source)
{
	CacheEntry *entry = look_up(&source->digest);

	if (entry == NULL)
		return NULL;
	if (entry->shared.number != 0)
		dl_shared_cache_hit(&entry->shared);
	else if (entry->pins == 0 && dl_shared_cache_has(&source->digest, source->length))
	{
		forget(entry);
		return NULL;
	}
	entry->hits++;
	return entry;
}

static const DlModel *
find_or_add(const ModelSource *source, MemoryContext owner)
{
	CachePin   *pin = MemoryContextAlloc(owner, sizeof(CachePin));
	CacheEntry	made = {.model = NULL};
	CacheEntry *entry;

	if (cache_table == NULL)
		create_table();
	let_go_idle();
	entry = find_entry(source);
	if (entry == NULL)
		entry = add_entry(&made, source);
	pin_entry(entry, pin, owner);
	evict();
	return entry->model;
}

const DlModel *
dl_model_cache_find(const DlModelDigest *digest, Size length, DlModelLoad load, void *context, MemoryContext owner)
{
	ModelSource source = {.digest = *digest,.length = length,.load = load,.context = context};

	return find_or_add(&source, owner);
}

const DlModel *
dl_model_cache_get(const void *bytes, Size length, MemoryContext owner)
{
	ModelSource source = {.bytes = bytes,.length = length};

	dl_model_digest(bytes, length, &source.digest);
	return find_or_add(&source, owner);
}

static CacheEntry *
entry_of(const DlModel *model)
{
	dlist_iter	iterator;

	dlist_foreach(iterator, &cache_recent)
	{
		CacheEntry *entry = dlist_container(CacheEntry, recent, iterator.cur);

		if (entry->model == model)
			return entry;
	}
	elog(ERROR, "a model is scored that is not in the cache");
	return NULL;
}

DlScorer *
dl_model_cache_scorer(const DlModel *model, int rows)
{
	CacheEntry *entry = entry_of(model);
	DlScorer  **scorer = &entry->scorers[rows > 1];
	DlError		error;

	if (*scorer == NULL)
	{
		Size		before = entry->scratch == NULL ? 0 : dl_arena_used(entry->scratch);

		if (entry->scratch == NULL)
			DL_CHECK(dl_arena_create(0, &entry->scratch, &error), &error);
		DL_CHECK(dl_scorer_create(entry->scratch, model, rows > 1 ? DL_FEW_ROWS : 1, scorer, &error), &error);
		entry->bytes += dl_arena_used(entry->scratch) - before;
		cache_used += dl_arena_used(entry->scratch) - before;
	}
	return *scorer;
}

DlModelKeep *
dl_model_cache_keep(const DlModel *model)
{
	return &entry_of(model)->keep;
}

MemoryContext
dl_model_cache_keep_context(const DlModel *model)
{
	DlModelKeep *keep = dl_model_cache_keep(model);

	if (keep->context == NULL)
		keep->context = AllocSetContextCreate(TopMemoryContext, "deep_learning model", ALLOCSET_SMALL_SIZES);
	return keep->context;
}

void
dl_model_cache_keep_grew(const DlModel *model)
{
	CacheEntry *entry = entry_of(model);
	Size		bytes = MemoryContextMemAllocated(entry->keep.context, true);

	entry->bytes += bytes - entry->keep.bytes;
	cache_used += bytes - entry->keep.bytes;
	entry->keep.bytes = bytes;
}

DlCacheRow *
dl_model_cache_list(int *count)
{
	Size		copies = cache_table == NULL ? 0 : (Size) hash_get_num_entries(cache_table);
	DlCacheRow *rows = palloc0((DL_SHARED_ENTRIES + copies) * sizeof(DlCacheRow));
	dlist_iter	iterator;

	*count = dl_shared_cache_list(rows);
	for (int i = 0; i < *count; i++)
		rows[i].mine = cache_table != NULL && hash_search(cache_table, &rows[i].digest, HASH_FIND, NULL) != NULL;
	dlist_foreach(iterator, &cache_recent)
	{
		CacheEntry *entry = dlist_container(CacheEntry, recent, iterator.cur);

		if (entry->shared.number == 0)
			rows[(*count)++] = (DlCacheRow) {
				.digest = entry->digest,
				.mine = true,
				.bytes = entry->bytes,
				.sessions = 1,
				.hits = entry->hits,
				.created_at = entry->created_at
			};
	}
	return rows;
}

void
dl_model_validate(const void *bytes, Size length)
{
	DlModel    *model;
	DlError		error;

	DL_CHECK(dl_model_decode(bytes, length, dl_model_decode_budget(length), &model, &error), &error);
	dl_model_destroy(model);
}
