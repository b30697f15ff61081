/*
 * shared_cache.c
 *    The table of shared models, and their segments of dynamic shared memory.
 *
 * A model has a segment of its own, pinned, so that it outlives the sessions that use it until it is
 * evicted, and its memory goes back to the system then.  Whoever maps one counts as a user of its entry
 * until the segment is unmapped, which a detach callback sees on every way out: error,
 * FATAL, end of the process.  After a crash the server sets up all shared memory anew.
 *
 * What is in the cache can be reached by digest only.  A digest comes from the registry, after the
 * check of the user's right, or from bytes that the user has.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/shared_cache.h"

/* Below so many bytes mapping an image saves nothing over decoding (docs/cache.md). */
#define LEAST_BYTES ((Size) 64 << 10)
#define WAIT_MS 30000			/* for another session's decoding; then the waiter decodes for itself */
#define RETRY_MS 60000			/* after the system had no memory for a segment, or none to map it */

/* Another layout needs another name: from version 17 on two builds of the library may meet. */
#define SHARED_NAME "deep_learning models 1"

typedef enum EntryState
{
	ENTRY_FREE,
	ENTRY_BUILDING,				/* one session decodes, others wait on changed */
	ENTRY_READY
} EntryState;

typedef struct SharedEntry
{
	DlModelDigest digest;
	EntryState	state;
	dsm_handle	handle;			/* when ready */
	int			sessions;		/* that have it mapped, or are about to; while building, the one that does */
	Size		bytes;
	TimestampTz created_at;
	TimestampTz used_at;		/* when the last session came or went */
	pg_atomic_uint64 hits;
} SharedEntry;

/*
 * lock protects all but the atomics; it is held for the table's bookkeeping only, never while a model is
 * read, decoded, mapped or waited for.  Evicting calls dsm_unpin_segment() under it, so
 * the server's DynamicSharedMemoryControlLock comes after it; no other lock is taken under it.
 * An entry without sessions that is ready may be evicted; otherwise only the session that
 * builds it changes its state.
 */
typedef struct SharedCache
{
	LWLock		lock;
	ConditionVariable changed;	/* a building ended, one way or the other */
	Size		used;			/* bytes of all entries */
	Size		failed_bytes;	/* asked for when there was no memory the last time; 0: never */
	TimestampTz failed_at;
	pg_atomic_uint64 pressure;
	SharedEntry entries[DL_SHARED_ENTRIES];
} SharedCache;

static int	shared_kilobytes;
static bool requested;
static void (*previous_request) (void);
static SharedCache *cache;		/* NULL: not looked for yet, or not there */
static DlSharedModel *building; /* by this process */
static TimestampTz unmappable_at;	/* when this process could not map what is there; 0: it always could */

static void
request_memory(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(sizeof(SharedCache));
}

void
dl_shared_cache_init(void)
{
	DefineCustomIntVariable("deep_learning.shared_model_cache",
							"Sets the shared memory for models that all sessions use.",
							"0 turns it off: each session has a copy of its own.",
							&shared_kilobytes,
							1024 * 1024, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	if (process_shared_preload_libraries_in_progress)
	{
		requested = true;
		dl_request_shared_memory_compat(request_memory, previous_request);
	}
}

static void
initialise(void *memory)
{
	SharedCache *new_cache = memory;

	memset(new_cache, 0, sizeof(*new_cache));
	LWLockInitialize(&new_cache->lock, LWLockNewTrancheId());
	ConditionVariableInit(&new_cache->changed);
	pg_atomic_init_u64(&new_cache->pressure, 0);
	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
		pg_atomic_init_u64(&new_cache->entries[i].hits, 0);
}

/*
 * Runs action, whose failure to get shared memory is no error of the user's: true when
 * it went through.  The owner takes back what a failed action leaves behind.
 */
static bool
attempt(void (*action) (void *), void *argument)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner previous = CurrentResourceOwner;
	ResourceOwner volatile owner = NULL;
	volatile bool done = false;

	PG_TRY();
	{
		owner = ResourceOwnerCreate(previous, "deep_learning shared memory");
		CurrentResourceOwner = owner;
		action(argument);
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* The server's functions may fail with locks; who calls us has none. */
		LWLockReleaseAll();
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		ereport(LOG_SERVER_ONLY,
				(errcode(error->sqlerrcode),
				 errmsg("sessions cannot share a model: %s", error->message),
				 errhint("Each session decodes a copy of its own. Dynamic shared memory may be too small; "
						 "\"deep_learning.shared_model_cache\" limits what models take of it.")));
		FreeErrorData(error);
	}
	PG_END_TRY();
	CurrentResourceOwner = previous;
	if (owner != NULL)
	{
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
		ResourceOwnerDelete(owner);
	}
	return done;
}

static void
find_cache(void *argument)
{
	cache = dl_named_shared_memory_compat(SHARED_NAME, sizeof(SharedCache), initialise, requested);
}

/* Before the memory goes away: nobody must wait for a session that ended. */
static void
release_at_exit(int code, Datum argument)
{
	if (building != NULL)
		dl_shared_cache_release(building);
}

static bool
available(void)
{
	static bool looked = false;

	if (!looked && IsUnderPostmaster)
	{
		looked = true;
		if (attempt(find_cache, NULL) && cache != NULL)
		{
			LWLockRegisterTranche(cache->lock.tranche, "deep_learning models");
			before_shmem_exit(release_at_exit, (Datum) 0);
		}
	}
	if (cache == NULL || shared_kilobytes == 0)
		return false;
	return unmappable_at == 0 || TimestampDifferenceExceeds(unmappable_at, GetCurrentTimestamp(), RETRY_MS);
}

static SharedEntry *
held_entry(const DlSharedModel *shared)
{
	return &cache->entries[shared->number - 1];
}

/* The rest is called with the lock, until it says otherwise. */

static SharedEntry *
find_entry(const DlModelDigest *digest)
{
	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
		if (cache->entries[i].state != ENTRY_FREE &&
			memcmp(&cache->entries[i].digest, digest, sizeof(*digest)) == 0)
			return &cache->entries[i];
	return NULL;
}

static void
free_entry(SharedEntry *entry)
{
	cache->used -= entry->bytes;
	entry->bytes = 0;
	entry->state = ENTRY_FREE;
}

static bool
evictable(const SharedEntry *entry)
{
	return entry->state == ENTRY_READY && entry->sessions == 0;
}

/* The least recently used one that may go; NULL: none. */
static SharedEntry *
next_victim(void)
{
	SharedEntry *victim = NULL;

	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
	{
		SharedEntry *entry = &cache->entries[i];

		if (evictable(entry) && (victim == NULL || entry->used_at < victim->used_at))
			victim = entry;
	}
	return victim;
}

/* The segment goes with the last process that is still about to unmap it. */
static void
evict(SharedEntry *entry)
{
	dsm_handle	handle = entry->handle;

	free_entry(entry);
	dsm_unpin_segment(handle);
}

/* Evicts until bytes more fit; nothing where that cannot be reached. */
static bool
make_room(Size bytes)
{
	Size		cap = (Size) shared_kilobytes * 1024;
	Size		kept = cache->used;

	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
		if (evictable(&cache->entries[i]))
			kept -= cache->entries[i].bytes;
	if (bytes > cap || kept > cap - bytes)
		return false;
	while (cache->used > cap - bytes)
		evict(next_victim());
	return true;
}

/* NULL: all are in use. */
static SharedEntry *
take_free_entry(void)
{
	SharedEntry *victim;

	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
		if (cache->entries[i].state == ENTRY_FREE)
			return &cache->entries[i];
	victim = next_victim();
	if (victim != NULL)
		evict(victim);
	return victim;
}

/* The system refused as much a short while ago. */
static bool
refused(Size bytes, TimestampTz now)
{
	return cache->failed_bytes > 0 && bytes >= cache->failed_bytes &&
		!TimestampDifferenceExceeds(cache->failed_at, now, RETRY_MS);
}

static DlSharedClaim
claim_new(const DlModelDigest *digest, Size length, SharedEntry **result)
{
	TimestampTz now = GetCurrentTimestamp();
	SharedEntry *entry;

	if (length > (Size) shared_kilobytes * 1024 || refused(length, now))
		return DL_SHARED_NONE;
	if (!make_room(length) || (entry = take_free_entry()) == NULL)
	{
		pg_atomic_fetch_add_u64(&cache->pressure, 1);
		return DL_SHARED_FULL;
	}
	entry->digest = *digest;
	entry->state = ENTRY_BUILDING;
	entry->sessions = 1;
	entry->bytes = length;
	entry->created_at = now;
	entry->used_at = now;
	pg_atomic_write_u64(&entry->hits, 0);
	cache->used += length;
	*result = entry;
	return DL_SHARED_BUILD;
}

/* From here on without the lock. */

/* True when another session builds the model. */
static bool
try_claim(const DlModelDigest *digest, Size length, SharedEntry **entry, DlSharedClaim *claim)
{
	bool		wait = false;

	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	*entry = find_entry(digest);
	if (*entry == NULL)
		*claim = claim_new(digest, length, entry);
	else if ((*entry)->state == ENTRY_BUILDING)
		wait = true;
	else
	{
		(*entry)->sessions++;
		(*entry)->used_at = GetCurrentTimestamp();
		*claim = DL_SHARED_FOUND;
	}
	LWLockRelease(&cache->lock);
	return wait;
}

/* The detach callback: a session less. */
static void
count_detach(dsm_segment *segment, Datum number)
{
	SharedEntry *entry = &cache->entries[DatumGetInt32(number) - 1];
	SharedEntry *victim;

	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	entry->sessions--;
	entry->used_at = GetCurrentTimestamp();
	/* The cap was lowered while too much was in use. */
	while (cache->used > (Size) shared_kilobytes * 1024 && (victim = next_victim()) != NULL)
		evict(victim);
	LWLockRelease(&cache->lock);
}

typedef struct Mapping
{
	int			number;
	dsm_handle	handle;			/* to attach */
	Size		size;			/* to create, when not 0 */
	dsm_segment *segment;		/* the result; may be NULL */
} Mapping;

static void
map(void *argument)
{
	Mapping    *mapping = argument;
	dsm_segment *segment = mapping->size > 0 ?
		dsm_create(mapping->size, DSM_CREATE_NULL_IF_MAXSEGMENTS) : dsm_attach(mapping->handle);

	if (segment == NULL)
		return;
	on_dsm_detach(segment, count_detach, Int32GetDatum(mapping->number));
	dsm_pin_mapping(segment);
	mapping->segment = segment;
}

/* What count_detach() does for a session that has not come to map. */
static void
count_failure(SharedEntry *entry)
{
	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	entry->sessions--;
	LWLockRelease(&cache->lock);
}

static bool
attach(DlSharedModel *shared)
{
	Mapping		mapping = {.number = shared->number,.handle = held_entry(shared)->handle};

	if (attempt(map, &mapping) && mapping.segment != NULL)
	{
		shared->segment = mapping.segment;
		pg_atomic_fetch_add_u64(&held_entry(shared)->hits, 1);
		return true;
	}
	count_failure(held_entry(shared));
	shared->number = 0;
	unmappable_at = GetCurrentTimestamp();
	return false;
}

DlSharedClaim
dl_shared_cache_claim(const DlModelDigest *digest, Size length, DlSharedModel *shared)
{
	DlSharedClaim claim = DL_SHARED_NONE;
	TimestampTz until = 0;
	SharedEntry *entry = NULL;

	if (length < LEAST_BYTES || !available())
		return DL_SHARED_NONE;
	while (try_claim(digest, length, &entry, &claim))
	{
		if (until == 0)
		{
			until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAIT_MS);
			ConditionVariablePrepareToSleep(&cache->changed);
			continue;
		}
		if (GetCurrentTimestamp() >= until)
			break;
		ConditionVariableTimedSleep(&cache->changed, 1000, PG_WAIT_EXTENSION);
	}
	if (until != 0)
		ConditionVariableCancelSleep();
	if (claim != DL_SHARED_BUILD && claim != DL_SHARED_FOUND)
		return claim;
	shared->number = (int) (entry - cache->entries) + 1;
	shared->building = claim == DL_SHARED_BUILD;
	shared->claimed = length;
	if (shared->building)
		building = shared;
	else if (!attach(shared))
		return DL_SHARED_NONE;
	return claim;
}

/* The size is known exactly now. */
static bool
set_size(SharedEntry *entry, Size size)
{
	bool		fits;

	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	fits = size <= entry->bytes || make_room(size - entry->bytes);
	if (fits)
	{
		cache->used += size;
		cache->used -= entry->bytes;
		entry->bytes = size;
	}
	LWLockRelease(&cache->lock);
	return fits;
}

/* Those who wait for this model must not all try in turn. */
static void
note_refusal(Size length)
{
	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	cache->failed_bytes = length;
	cache->failed_at = GetCurrentTimestamp();
	LWLockRelease(&cache->lock);
}

void *
dl_shared_cache_memory(DlSharedModel *shared, Size size)
{
	Mapping		mapping = {.number = shared->number,.size = size};

	if (set_size(held_entry(shared), size) && attempt(map, &mapping) && mapping.segment != NULL)
	{
		shared->segment = mapping.segment;
		return dsm_segment_address(shared->segment);
	}
	note_refusal(shared->claimed);
	dl_shared_cache_release(shared);
	return NULL;
}

void
dl_shared_cache_publish(DlSharedModel *shared)
{
	SharedEntry *entry = held_entry(shared);

	dsm_pin_segment(shared->segment);
	LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
	entry->handle = dsm_segment_handle(shared->segment);
	entry->state = ENTRY_READY;
	cache->failed_bytes = 0;
	LWLockRelease(&cache->lock);
	shared->building = false;
	building = NULL;
	ConditionVariableBroadcast(&cache->changed);
}

void
dl_shared_cache_release(DlSharedModel *shared)
{
	if (shared->number == 0)
		return;
	if (shared->segment != NULL)
		dsm_detach(shared->segment);
	if (shared->building)
	{
		LWLockAcquire(&cache->lock, LW_EXCLUSIVE);
		free_entry(held_entry(shared));
		LWLockRelease(&cache->lock);
		building = NULL;
		ConditionVariableBroadcast(&cache->changed);
	}
	*shared = (DlSharedModel) {0};
}

bool
dl_shared_cache_has(const DlModelDigest *digest, Size length)
{
	const SharedEntry *entry;
	bool		ready;

	if (length < LEAST_BYTES || !available())
		return false;
	LWLockAcquire(&cache->lock, LW_SHARED);
	entry = find_entry(digest);
	ready = entry != NULL && entry->state == ENTRY_READY;
	LWLockRelease(&cache->lock);
	return ready;
}

void
dl_shared_cache_hit(const DlSharedModel *shared)
{
	pg_atomic_fetch_add_u64(&held_entry(shared)->hits, 1);
}

uint64
dl_shared_cache_pressure(void)
{
	return cache == NULL ? 0 : pg_atomic_read_u64(&cache->pressure);
}

int
dl_shared_cache_list(DlCacheRow *rows)
{
	int			count = 0;

	/* Also what is left of a cache that was turned off. */
	(void) available();
	if (cache == NULL)
		return 0;
	LWLockAcquire(&cache->lock, LW_SHARED);
	for (int i = 0; i < DL_SHARED_ENTRIES; i++)
	{
		SharedEntry *entry = &cache->entries[i];

		if (entry->state != ENTRY_READY)
			continue;
		rows[count++] = (DlCacheRow) {
			.digest = entry->digest,
			.shared = true,
			.bytes = entry->bytes,
			.sessions = entry->sessions,
			.hits = pg_atomic_read_u64(&entry->hits),
			.created_at = entry->created_at
		};
	}
	LWLockRelease(&cache->lock);
	return count;
}
