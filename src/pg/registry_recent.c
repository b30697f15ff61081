/*
 * registry_recent.c
 *    Names that this session looked up lately, so that statement after statement need
 *    not search the registry by index.
 *
 * An entry holds while the registry's generation is the same, for the same user and right, and while
 * the row of the model that was found is the one that the query's snapshot sees.  That is looked at
 * where it lies, for of all versions of a row a snapshot sees one; and not again by a snapshot that sees the same
 * transactions.  What this transaction changed itself is another generation.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

#define RECENT 8

/* Of all snapshots with the same xmax, those with as many transactions running below it see the same. */
typedef struct Seen
{
	TransactionId xmax;			/* invalid: nothing */
	uint32		running;
	int32		running_below;	/* subtransactions; on a standby, all that run */
} Seen;

typedef struct Recent
{
	char		name[DL_REGISTRY_MAX_NAME + 1];
	uint64		generation;		/* 0: none */
	Oid			user;
	DlRegistryRight right;
	DlRegistryRow row;			/* its name is not set */
	DlRegistryVersion version;
	Seen		seen;			/* by what kind of snapshot the row was seen last */
} Recent;

static Recent recent[RECENT];
static int	next;				/* the oldest one */

static Recent *
find(const char *name, DlRegistryRight right)
{
	for (int i = 0; i < RECENT; i++)
		if (recent[i].generation != 0 && strcmp(recent[i].name, name) == 0 && recent[i].right == right &&
			recent[i].user == GetUserId())
			return &recent[i];
	return NULL;
}

/* Whether snapshot sees this very version of the row. */
static bool
sees_row(Relation relation, Snapshot snapshot, const DlRegistryRow *row)
{
	HeapTupleData tuple;
	Buffer		buffer;
	bool		same;

	tuple.t_self = row->place;
	if (!dl_heap_fetch_compat(relation, snapshot, &tuple, &buffer))
		return false;
	same = HeapTupleHeaderGetRawXmin(tuple.t_data) == row->xmin;
	ReleaseBuffer(buffer);
	return same;
}

static bool
sees_the_same(const Seen *seen, Snapshot snapshot)
{
	return TransactionIdIsValid(seen->xmax) && seen->xmax == snapshot->xmax && seen->running == snapshot->xcnt &&
		seen->running_below == snapshot->subxcnt;
}

static bool
still_sees(Recent *entry, Snapshot snapshot)
{
	Relation	relation;
	bool		valid;

	/* Takes in what other sessions have said, as the lock does. */
	AcceptInvalidationMessages();
	if (entry->generation == dl_registry_generation() && sees_the_same(&entry->seen, snapshot))
		return true;
	relation = table_open(dl_registry_relation(), AccessShareLock);
	valid = entry->generation == dl_registry_generation() && sees_row(relation, snapshot, &entry->row);
	table_close(relation, AccessShareLock);
	entry->seen = (Seen) {snapshot->xmax, snapshot->xcnt, snapshot->subxcnt};
	return valid;
}

/* A serializable transaction reads the registry as any table, so that conflicts are found. */
bool
dl_registry_recall(const char *name, DlRegistryRight right, DlRegistryRow *row, DlRegistryVersion *version)
{
	Recent	   *entry = find(name, right);

	if (entry == NULL || !ActiveSnapshotSet() || IsolationIsSerializable())
		return false;
	if (!still_sees(entry, GetActiveSnapshot()))
	{
		entry->generation = 0;
		return false;
	}
	*row = entry->row;
	*version = entry->version;
	return true;
}

void
dl_registry_remember(const char *name, DlRegistryRight right, uint64 generation, const DlRegistryRow *row,
					 const DlRegistryVersion *version)
{
	Recent	   *entry = find(name, right);

	if (entry == NULL)
	{
		entry = &recent[next];
		next = (next + 1) % RECENT;
	}
	strlcpy(entry->name, name, sizeof(entry->name));
	entry->generation = generation;
	entry->user = GetUserId();
	entry->right = right;
	entry->row = *row;
	entry->row.name = NULL;
	entry->version = *version;
	entry->seen.xmax = InvalidTransactionId;
}
