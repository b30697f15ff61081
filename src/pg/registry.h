/*
 * registry.h
 *    Models by name: versions, deployment and rights.
 *
 * The registry is a set of tables that nobody but the extension's owner may
 * touch.  Everything here acts for the current user (GetUserId()), checks his right on the
 * model first, and then reads or writes the tables with fixed text.  Rights grow:
 * whoever may administer a model may read it, whoever may read it may use it.
 *
 * A query scores with the versions of its own snapshot, all of its rows with the same, in parallel
 * workers too; but it sees what it changes itself.  Rights, and all else that is read here, are what is committed now and what
 * this transaction did, as the catalogs are read.  A transaction that changes the registry
 * tells all sessions when it commits; dl_registry_current() hears of it.
 *
 * Errors: 42704 unknown model or version (with the nearest name as a hint), 42501 no
 * right, 42602 a name that is none, 22004 NULL.
 */
#ifndef DL_PG_REGISTRY_H
#define DL_PG_REGISTRY_H

#include "datatype/timestamp.h"

#include "model/model.h"

#define DL_REGISTRY_MAX_NAME 255	/* bytes of a model's name */

typedef enum DlRegistryRight
{
	DL_RIGHT_NONE,
	DL_RIGHT_USE,				/* score, evaluate, summary */
	DL_RIGHT_READ,				/* the model itself: its weights, vocabularies and query */
	DL_RIGHT_ADMIN,				/* new versions, deploy, grant use and read */
	DL_RIGHT_OWNER				/* drop, rename, give away, grant admin */
} DlRegistryRight;

extern const char *dl_registry_right_name(DlRegistryRight right);

/* A model that was looked up.  The caller keeps it as long as dl_registry_current() says. */
typedef struct DlRegistryHandle
{
	const DlModel *model;		/* pinned */
	int64		id;
	int			version;
	uint64		generation;
	Oid			user;			/* whose right was checked */
	TimestampTz statement;		/* the last one that listened to other sessions */

	/* the query's snapshot, where a later one would have found another version */
	bool		outdated;
	TransactionId xmin;
	TransactionId xmax;
	uint32		running;
	CommandId	command;
} DlRegistryHandle;

/*
 * Finds version (0: the deployed one) of a model by the active snapshot, checks that
 * the current user has right, and pins the decoded model until owner is reset.
 */
extern void dl_registry_open(const char *name, int version, DlRegistryRight right, MemoryContext owner,
							 DlRegistryHandle *handle);
extern const DlModel *dl_registry_model(const char *name, int version, DlRegistryRight right, MemoryContext owner);

/* Grows whenever a model, a version, a right or a membership in a role may have changed. */
extern uint64 dl_registry_generation(void);

/*
 * False when the model must be looked up again: something changed, the user did, or
 * the snapshot that it was found by is no longer the active one, and that matters.
 * Cheap enough for every row.  The first call in a statement of the client takes in what
 * other sessions have changed, also where the caller outlives statements (PL/pgSQL).
 */
extern bool dl_registry_current(DlRegistryHandle *handle);

/*
 * The bytes of a version (0: the deployed one) as a varlena in the current
 * context, by the active snapshot or the latest; 54000 above what a value can hold.
 */
extern struct varlena *dl_registry_bytes(const char *name, int version, DlRegistryRight right);
extern struct varlena *dl_registry_bytes_latest(const char *name, int version, DlRegistryRight right);

/*
 * Bytes of a version (0: the deployed one) as it is committed now; -1 when it is not there, or the current
 * user has not the right.  For planning: cheap, and never an error.
 */
extern int64 dl_registry_size(const char *name, int version, DlRegistryRight right);

/*
 * Storing.  A trainer calls check before it reads a row, deployed when it has
 * a model, and store at the end.
 */

/*
 * Raises the error that store would: the name is none, or the model is there and the user may not administer it.
 * Gives the model's id, 0 where it is not there.
 */
extern int64 dl_registry_check_store(const char *name);

typedef struct DlRegistryDeployed
{
	int64		id;				/* of the model */
	int			version;
	const DlModel *model;		/* pinned; its record has metric, part and held_out */
} DlRegistryDeployed;

/* The deployed version that a new one has to beat; false when there is none yet.  Asks for DL_RIGHT_ADMIN. */
extern bool dl_registry_deployed(const char *name, MemoryContext owner, DlRegistryDeployed *result);

typedef enum DlRegistryComparison
{
	DL_COMPARISON_NONE,			/* the held-out rows are the same, or the deployed model cannot be measured on the new ones */
	DL_COMPARISON_BETTER,		/* the new model was better than compared_version on the new held-out rows */
	DL_COMPARISON_WORSE			/* it was not */
} DlRegistryComparison;

typedef struct DlRegistryNew
{
	const char *name;
	int64		model_id;		/* that the name meant when it was checked, 0: none */
	const DlModel *model;		/* the decoded form: its record says what the registry's row says */
	const void *bytes;
	Size		length;
	double		seconds;		/* of training; NaN: unknown */
	const char *trained_on;		/* "worker", "session", "import" */
	DlRegistryComparison comparison;
	int			compared_version;
	double		compared_value; /* of compared_version, by the new model's metric, on its held-out rows */
} DlRegistryNew;

typedef struct DlRegistryStored
{
	int			version;
	bool		deployed;
	int			deployed_version;
	char	   *reason;			/* why it was deployed or not, a clause without a full stop */
} DlRegistryStored;

/*
 * Adds a version, and the model if it is new.  It is deployed when it is the
 * first; when it is better by the same metric on the same held-out rows (held_out
 * and metric_part equal) as the deployed version; or, where those differ, when
 * comparison says so about the version that is deployed still.  Concurrent calls for one model wait
 * for each other.  Where the name means another model by now, which is somebody else's, it raises 42501: what was trained
 * is not given to whoever was quick to take the name.
 */
extern void dl_registry_store(const DlRegistryNew *new_version, DlRegistryStored *result);

/* True for metrics where less is better (rmse, log_loss, ...). */
extern bool dl_metric_less_is_better(const char *metric);

/* The value of the record's deciding metric; NaN when it is not there. */
extern double dl_train_record_value(const DlTrainRecord *record);

#endif							/* DL_PG_REGISTRY_H */
