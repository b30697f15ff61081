/*
 * job_checkpoint.c
 *    The statements on the table of checkpoints.
 *
 * They run as those of job_table.c.  The checkpoint of a trial takes the place of the one before in one
 * transaction, so there is always a whole one.
 */
#include "pg/job.h"

#include "executor/spi.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/registry_internal.h"

void
dl_job_keep_checkpoint(int64 id, uint64 fingerprint, int trial, const void *bytes, size_t length)
{
	DlRegistrySection section;
	bytea	   *data;
	size_t		done = 0;

	dl_registry_enter(&section, "a job");
	data = palloc(VARHDRSZ + Min(length, DL_REGISTRY_CHUNK));
	DL_REGISTRY_RUN("DELETE FROM dl.job_checkpoint WHERE job = $1 AND trial = $2", SPI_OK_DELETE, DL_ARG_INT8(id), DL_ARG_INT4(trial));
	for (int chunk = 0; done < length; chunk++)
	{
		size_t		size = Min(length - done, DL_REGISTRY_CHUNK);

		memcpy(VARDATA(data), (const char *) bytes + done, size);
		SET_VARSIZE(data, VARHDRSZ + size);
		DL_REGISTRY_RUN("INSERT INTO dl.job_checkpoint (job, trial, chunk, fingerprint, data) VALUES ($1, $2, $3, $4, $5)",
						SPI_OK_INSERT, DL_ARG_INT8(id), DL_ARG_INT4(trial), DL_ARG_INT4(chunk), DL_ARG_INT8((int64) fingerprint),
						DL_ARG_BYTEA(data));
		done += size;
	}
	dl_registry_leave(&section);
}

bool
dl_job_drop_checkpoints(int64 id, uint64 fingerprint)
{
	DlRegistrySection section;
	bool		any;

	dl_registry_enter(&section, "a job");
	any = DL_REGISTRY_RUN("DELETE FROM dl.job_checkpoint WHERE job = $1 AND fingerprint <> $2", SPI_OK_DELETE, DL_ARG_INT8(id),
						  DL_ARG_INT8((int64) fingerprint)) > 0;
	dl_registry_leave(&section);
	return any;
}

/* Of one trial, into context. */
static void
load(int64 id, DlFitCheckpoint *checkpoint, MemoryContext context)
{
	uint64		chunks = DL_REGISTRY_RUN("SELECT data FROM dl.job_checkpoint WHERE job = $1 AND trial = $2 ORDER BY chunk", SPI_OK_SELECT,
										 DL_ARG_INT8(id), DL_ARG_INT4(checkpoint->trial));
	char	   *bytes = MemoryContextAllocHuge(context, Max(checkpoint->length, 1));
	size_t		done = 0;

	for (uint64 i = 0; i < chunks; i++)
	{
		bool		null;
		bytea	   *data = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));

		if (VARSIZE_ANY_EXHDR(data) > checkpoint->length - done)
			elog(ERROR, "a checkpoint of job " INT64_FORMAT " is damaged", id);
		memcpy(bytes + done, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
		done += VARSIZE_ANY_EXHDR(data);
	}
	checkpoint->bytes = bytes;
}

int
dl_job_load_checkpoints(int64 id, uint64 fingerprint, DlFitCheckpoint **checkpoints)
{
	DlRegistrySection section;
	MemoryContext context = CurrentMemoryContext;
	int			count;
	bool		null;

	dl_registry_enter(&section, NULL);
	count = (int) DL_REGISTRY_RUN("SELECT trial, sum(length(data))::pg_catalog.int8 FROM dl.job_checkpoint "
								  "WHERE job = $1 AND fingerprint = $2 GROUP BY trial ORDER BY trial",
								  SPI_OK_SELECT, DL_ARG_INT8(id), DL_ARG_INT8((int64) fingerprint));
	*checkpoints = MemoryContextAllocZero(context, sizeof(DlFitCheckpoint) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*checkpoints)[i].trial = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		(*checkpoints)[i].length = (size_t) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
	}
	for (int i = 0; i < count; i++)
		load(id, &(*checkpoints)[i], context);
	dl_registry_leave(&section);
	return count;
}
