/*
 * registry_internal.h
 *    What the files of the registry share: the tables, and the section in
 *    which they are written.
 *
 * registry_read.c    looks up rows by index, without SQL, as a catalog is read
 * registry_size.c    how large a model is, for the planner
 * registry_recent.c  the names that were looked up last
 * registry_rights.c  who may do what; names that are near
 * registry_write.c   sections, locks, and the statements that change rows
 * registry_store.c   new versions, and which one is deployed
 * registry_sql.c     the functions of SQL that change models
 * registry_list.c    the functions behind dl.models, dl.versions, dl.grants
 */
#ifndef DL_PG_REGISTRY_INTERNAL_H
#define DL_PG_REGISTRY_INTERNAL_H

#include "catalog/pg_type_d.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/snapshot.h"

#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/registry.h"

#define DL_REGISTRY_CHUNK ((Size) 8 << 20)	/* bytes of one row of dl.registry_chunk */

/* A row of dl.registry_model. */
typedef struct DlRegistryRow
{
	int64		id;
	char	   *name;
	Oid			owner;			/* resolved; InvalidOid: the role is missing here */
	int			deployed;		/* 0 only within the transaction that creates the model */
	int			last_version;
	ItemPointerData place;		/* of this version of the row, and the transaction that wrote it; dl_registry_find() only */
	TransactionId xmin;
} DlRegistryRow;

/* Part of a row of dl.registry_version. */
typedef struct DlRegistryVersion
{
	int			version;
	int64		bytes;
	DlModelDigest digest;
} DlRegistryVersion;

/* --- registry_read.c: the current context holds the results --- */

extern Oid	dl_registry_relation(void); /* of dl.registry_model; 55000 when the extension is not there */
extern Snapshot dl_registry_snapshot(void); /* registered; UnregisterSnapshot() by the caller */
extern bool dl_registry_find(Snapshot snapshot, const char *name, DlRegistryRow *row);
extern void dl_registry_each(Snapshot snapshot, void (*visit) (const DlRegistryRow *row, void *context), void *context);
extern void dl_registry_open_latest(const char *name, DlRegistryRight right, MemoryContext owner, DlRegistryHandle *handle);
extern bool dl_registry_find_version(Snapshot snapshot, int64 id, int version, DlRegistryVersion *result);
extern struct varlena *dl_registry_load(Snapshot snapshot, int64 id, const DlRegistryVersion *version);
extern DlRegistryRight dl_registry_granted(Snapshot snapshot, int64 id, Oid user);

/* --- registry_recent.c --- */

/* The deployed version of a model as the active snapshot sees it, when that was looked up lately; the user has the right. */
extern bool dl_registry_recall(const char *name, DlRegistryRight right, DlRegistryRow *row, DlRegistryVersion *version);

/* generation: from before the lookup, whose snapshot must have seen what is committed. */
extern void dl_registry_remember(const char *name, DlRegistryRight right, uint64 generation, const DlRegistryRow *row,
								 const DlRegistryVersion *version);

/* --- registry_rights.c --- */

extern int64 dl_registry_cluster(void); /* where an oid of a role has its meaning */
extern Oid	dl_registry_role(Oid role, const char *role_name, int64 cluster);
extern bool dl_registry_right_by_name(const char *name, DlRegistryRight *result);
extern void dl_registry_check_name(const char *name);
extern DlRegistryRight dl_registry_right_of(Snapshot snapshot, const DlRegistryRow *row, Oid user);

/* Finds name in snapshot and checks that user has right in latest; raises what a user may learn. */
extern void dl_registry_require(Snapshot snapshot, Snapshot latest, const char *name, DlRegistryRight right, Oid user,
								DlRegistryRow *row);
extern void dl_registry_denied(const char *name, DlRegistryRight right) pg_attribute_noreturn();
extern void dl_registry_no_version(const char *name, int version) pg_attribute_noreturn();

/* --- registry_write.c --- */

/*
 * Between enter and leave the session is the extension's owner, restricted,
 * under a locked search_path, and connected to SPI.  An error in between undoes
 * all of it with the (sub)transaction.
 */
typedef struct DlRegistrySection
{
	Oid			user;			/* who asked */
	int			context;
	int			nest_level;
	MemoryContext memory;		/* of the caller */
} DlRegistrySection;

/* command: what writes, for the error in a read-only transaction; NULL: nothing is written. */
extern void dl_registry_enter(DlRegistrySection *section, const char *command);
extern void dl_registry_leave(DlRegistrySection *section);

typedef struct DlRegistryArg
{
	Oid			type;
	Datum		value;
	bool		null;
} DlRegistryArg;

#define DL_ARG_TEXT(s) {TEXTOID, CStringGetTextDatum(s), false}
#define DL_ARG_INT8(i) {INT8OID, Int64GetDatum(i), false}
#define DL_ARG_INT4(i) {INT4OID, Int32GetDatum(i), false}
#define DL_ARG_OID(o) {OIDOID, ObjectIdGetDatum(o), false}
#define DL_ARG_FLOAT8(f, is_null) {FLOAT8OID, Float8GetDatum(f), is_null}
#define DL_ARG_BYTEA(p) {BYTEAOID, PointerGetDatum(p), false}

/* Runs fixed SQL within a section; expected is SPI's code.  Gives the number of rows. */
extern uint64 dl_registry_run(const char *sql, int expected, const DlRegistryArg *args, int count);

#define DL_REGISTRY_RUN(sql, expected, ...) \
	dl_registry_run(sql, expected, (DlRegistryArg[]) {__VA_ARGS__}, \
					(int) (sizeof((DlRegistryArg[]) {__VA_ARGS__}) / sizeof(DlRegistryArg)))

/* Column (from 1) of the first row of the last statement that gave rows. */
extern int64 dl_registry_int8(int column, bool *null);
extern int32 dl_registry_int4(int column, bool *null);

/*
 * Locks the model's row until the transaction's end and checks the right again, as it is after waiting.
 * Where the name is not there, or no longer after waiting, the first gives false, the second an error.
 */
extern bool dl_registry_lock_existing(const DlRegistrySection *section, const char *name, DlRegistryRight right,
									  DlRegistryRow *row);
extern void dl_registry_lock(const DlRegistrySection *section, const char *name, DlRegistryRight right, DlRegistryRow *row);

/* Drops versions but the newest keep of them, and the deployed one. */
extern void dl_registry_drop_old(const DlRegistryRow *row, int keep);

/* Makes version the deployed one and remembers that it was. */
extern void dl_registry_set_deployed(const DlRegistrySection *section, int64 id, int version);

/* Tells all sessions, when this transaction commits, that models have changed. */
extern void dl_registry_changed(void);

#endif							/* DL_PG_REGISTRY_INTERNAL_H */
