/*
 * registry_recent.c
 *    Names that this session looked up lately, so that statement after statement need
 *    not search the registry by index.
 *
 * An entry holds while the registry's generation is the same, for the same user and right, and while
 * the row of the model that was found is the one that the query's snapshot sees, which is looked at
 * where it lies: of all versions of a row a snapshot sees one.  What this
 * transaction changed itself is another generation.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

#define RECENT 8

typedef struct Recent
{
	char		name[DL_REGISTRY_MAX_NAME + 1];
	uint64		generation;		/* 0: none */
	Oid			user;
	DlRegistryRight right;
	DlRegistryRow row;			/* its name is not set */
	DlRegistryVersion version;
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

/* A serializable transaction reads the registry as any table, so that conflicts are found. */
bool
dl_registry_recall(const char *name, DlRegistryRight right, DlRegistryRow *row, DlRegistryVersion *version)
{
	Recent	   *entry = find(name, right);
	Relation	relation;
	bool		valid;

	if (entry == NULL || !ActiveSnapshotSet() || IsolationIsSerializable())
		return false;
	/* The lock takes in what other sessions have said. */
	relation = table_open(dl_registry_relation(), AccessShareLock);
	valid = entry->generation == dl_registry_generation() && sees_row(relation, GetActiveSnapshot(), &entry->row);
	table_close(relation, AccessShareLock);
	if (!valid)
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
}
