/*
 * registry_store.c
 *    New versions of models, and whether one replaces the deployed version.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/registry_internal.h"

/* Metrics where more is better; of all others less is. */
static const char *const more_is_better[] = {"accuracy", "f1", "precision", "r2", "recall", "roc_auc"};

bool
dl_metric_less_is_better(const char *metric)
{
	for (int i = 0; i < (int) lengthof(more_is_better); i++)
		if (strcmp(metric, more_is_better[i]) == 0)
			return false;
	return true;
}

double
dl_train_record_value(const DlTrainRecord *record)
{
	for (int i = 0; i < record->metric_count; i++)
		if (strcmp(record->metrics[i].name, record->metric) == 0)
			return record->metrics[i].value;
	return NAN;
}

int64
dl_registry_check_store(const char *name)
{
	Snapshot	snapshot;
	DlRegistryRow row;
	bool		found;

	dl_registry_check_name(name);
	snapshot = dl_registry_snapshot();
	found = dl_registry_find(snapshot, name, &row);
	if (found && dl_registry_right_of(snapshot, &row, GetUserId()) < DL_RIGHT_ADMIN)
		dl_registry_denied(name, DL_RIGHT_ADMIN);
	UnregisterSnapshot(snapshot);
	return found ? row.id : 0;
}

/* The model's row is locked. */
static void
check_same_model(const DlRegistryNew *new_version, const DlRegistryRow *row, Oid user)
{
	Snapshot	snapshot;

	if (row->id == new_version->model_id)
		return;
	snapshot = dl_registry_snapshot();
	if (dl_registry_right_of(snapshot, row, user) < DL_RIGHT_OWNER)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("model \"%s\" is another one than when the training began, and another role's", row->name),
				 errdetail("What was trained is not given to its owner."),
				 errhint("Train again under another name, or under this one if its owner is to have the model.")));
	UnregisterSnapshot(snapshot);
}

bool
dl_registry_deployed(const char *name, MemoryContext owner, DlRegistryDeployed *result)
{
	Snapshot	snapshot = dl_registry_snapshot();
	DlRegistryRow row;
	bool		found = dl_registry_find(snapshot, name, &row);
	DlRegistryHandle handle;

	UnregisterSnapshot(snapshot);
	if (!found)
		return false;
	dl_registry_open_latest(name, DL_RIGHT_ADMIN, owner, &handle);
	result->id = handle.id;
	result->version = handle.version;
	result->model = handle.model;
	return true;
}

static bool
better(const char *metric, double value, double than)
{
	if (isnan(value) || isnan(than))
		return !isnan(value);
	return dl_metric_less_is_better(metric) ? value < than : value > than;
}

static bool
same_text(int column, const char *text)
{
	char	   *stored = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return stored != NULL && strcmp(stored, text) == 0;
}

/* What the deployed version's row says, if it is comparable as it stands: the same metric on the same rows. */
static bool
deployed_value(const DlRegistryRow *row, const DlTrainRecord *record, double *value)
{
	bool		null;
	Datum		datum;

	if (DL_REGISTRY_RUN("SELECT metric, metric_part, value, held_out FROM dl.registry_version "
						"WHERE model_id = $1 AND version = $2",
						SPI_OK_SELECT, DL_ARG_INT8(row->id), DL_ARG_INT4(row->deployed)) != 1)
		return false;
	if (!same_text(1, record->metric) || !same_text(2, record->metric_part))
		return false;
	if (dl_registry_int8(4, &null) != (int64) record->held_out || null)
		return false;
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &null);
	*value = null ? NAN : DatumGetFloat8(datum);
	return true;
}

/* Whether the new version is to be deployed, and why. */
static bool
decide(const DlRegistryNew *new_version, const DlRegistryRow *row, char **reason)
{
	const DlTrainRecord *record = &new_version->model->record;
	double		value = dl_train_record_value(record);
	double		than;
	const char *rows;
	bool		deploy;

	if (row->deployed == 0)
	{
		*reason = "it is the first version";
		return true;
	}
	if (deployed_value(row, record, &than))
	{
		rows = "the same";
		deploy = better(record->metric, value, than);
	}
	else if (new_version->comparison != DL_COMPARISON_NONE && new_version->compared_version == row->deployed)
	{
		rows = "its";
		than = new_version->compared_value;
		deploy = new_version->comparison == DL_COMPARISON_BETTER;
	}
	else
	{
		*reason = psprintf("version %d was measured on other rows or by another metric, so they cannot be compared",
						   row->deployed);
		return false;
	}
	*reason = psprintf("%s %.6g is %s than %.6g of version %d on %s %s rows", record->metric, value,
					   deploy ? "better" : "not better", than, row->deployed, rows, record->metric_part);
	return deploy;
}

static void
create_model(const DlRegistrySection *section, const char *name)
{
	DL_REGISTRY_RUN("INSERT INTO dl.registry_model (name, owner, owner_name, cluster) "
					"VALUES ($1, $2, $3::pg_catalog.name, $4) ON CONFLICT (name) DO NOTHING",
					SPI_OK_INSERT, DL_ARG_TEXT(name), DL_ARG_OID(section->user),
					DL_ARG_TEXT(GetUserNameFromId(section->user, false)), DL_ARG_INT8(dl_registry_cluster()));
}

static int
next_version(const DlRegistryRow *row)
{
	bool		null;

	DL_REGISTRY_RUN("UPDATE dl.registry_model SET last_version = last_version + 1 WHERE id = $1 RETURNING last_version",
					SPI_OK_UPDATE_RETURNING, DL_ARG_INT8(row->id));
	return dl_registry_int4(1, &null);
}

static char *
model_text(const char *text)
{
	return dl_model_text(text, strlen(text));
}

static void
insert_version(const DlRegistrySection *section, const DlRegistryNew *new_version, int64 id, int version)
{
	const DlModel *model = new_version->model;
	const DlTrainRecord *record = &model->record;
	double		value = dl_train_record_value(record);
	bytea	   *digest = palloc(VARHDRSZ + sizeof(DlModelDigest));

	SET_VARSIZE(digest, VARHDRSZ + sizeof(DlModelDigest));
	dl_model_digest(new_version->bytes, new_version->length, (DlModelDigest *) VARDATA(digest));
	DL_REGISTRY_RUN("INSERT INTO dl.registry_version (model_id, version, bytes, digest, created_by, task, target, rows, "
					"skipped, epochs, metric, metric_part, value, held_out, seconds, trained_on, created_by_role, cluster) "
					"VALUES ($1, $2, $3, $4, $5::pg_catalog.name, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
					SPI_OK_INSERT,
					DL_ARG_INT8(id),
					DL_ARG_INT4(version),
					DL_ARG_INT8((int64) new_version->length),
					DL_ARG_BYTEA(digest),
					DL_ARG_TEXT(GetUserNameFromId(section->user, false)),
					DL_ARG_TEXT(dl_task_name(model->task)),
					DL_ARG_TEXT(model_text(model->target)),
					DL_ARG_INT8(record->rows),
					DL_ARG_INT8(record->skipped),
					DL_ARG_INT4(dl_record_epochs(record)),
					DL_ARG_TEXT(model_text(record->metric)),
					DL_ARG_TEXT(model_text(record->metric_part)),
					DL_ARG_FLOAT8(value, isnan(value)),
					DL_ARG_INT8((int64) record->held_out),
					DL_ARG_FLOAT8(new_version->seconds, isnan(new_version->seconds)),
					DL_ARG_TEXT(new_version->trained_on),
					DL_ARG_OID(section->user),
					DL_ARG_INT8(dl_registry_cluster()));
}

static void
insert_chunks(const DlRegistryNew *new_version, int64 id, int version)
{
	bytea	   *data = palloc(VARHDRSZ + Min(new_version->length, DL_REGISTRY_CHUNK));
	Size		done = 0;

	for (int chunk = 0; done < new_version->length; chunk++)
	{
		Size		size = Min(new_version->length - done, DL_REGISTRY_CHUNK);

		memcpy(VARDATA(data), (const char *) new_version->bytes + done, size);
		SET_VARSIZE(data, VARHDRSZ + size);
		DL_REGISTRY_RUN("INSERT INTO dl.registry_chunk (model_id, version, chunk, data) VALUES ($1, $2, $3, $4)",
						SPI_OK_INSERT, DL_ARG_INT8(id), DL_ARG_INT4(version), DL_ARG_INT4(chunk), DL_ARG_BYTEA(data));
		done += size;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(data);
}

void
dl_registry_store(const DlRegistryNew *new_version, DlRegistryStored *result)
{
	DlRegistrySection section;
	DlRegistryRow row;
	char	   *reason;

	dl_registry_check_store(new_version->name);
	dl_registry_enter(&section, "the storing of a model");
	/* Again where somebody else drops it in between: what took long to train is not lost. */
	do
		create_model(&section, new_version->name);
	while (!dl_registry_lock_existing(&section, new_version->name, DL_RIGHT_ADMIN, &row));
	check_same_model(new_version, &row, section.user);
	result->deployed = decide(new_version, &row, &reason);
	result->version = next_version(&row);
	insert_version(&section, new_version, row.id, result->version);
	insert_chunks(new_version, row.id, result->version);
	if (result->deployed)
		dl_registry_set_deployed(&section, row.id, result->version);
	dl_registry_changed();
	result->deployed_version = result->deployed ? result->version : row.deployed;
	result->reason = MemoryContextStrdup(section.memory, reason);
	dl_registry_leave(&section);
}
