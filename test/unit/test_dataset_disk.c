/*
 * test_dataset_disk.c
 *    Datasets larger than their budget, over a temporary file.
 */
#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/dataset.h"

#define WORDS 16
#define BUDGET ((size_t) 256 << 10)
#define ROWS 60000				/* 3.75 MB */
#define BATCH 100

typedef struct File
{
	FILE	   *file;
	uint64_t	bytes;
	atomic_int	reads;
	atomic_int	fail_after;		/* reads or writes; negative: never */
} File;

static bool
fails(File *file)
{
	int			left = atomic_load(&file->fail_after);

	if (left > 0)
		atomic_fetch_sub(&file->fail_after, 1);
	return left == 0;
}

static DlStatus
file_write(void *context, uint64_t offset, const void *bytes, size_t length, DlError *error)
{
	File	   *file = context;

	if (fails(file) || pwrite(fileno(file->file), bytes, length, (off_t) offset) != (ssize_t) length)
		return dl_error_set(error, DL_ERROR_IO, "could not write");
	if (offset + length > file->bytes)
		file->bytes = offset + length;
	return DL_OK;
}

static DlStatus
file_read(void *context, uint64_t offset, void *bytes, size_t length, DlError *error)
{
	File	   *file = context;

	atomic_fetch_add(&file->reads, 1);
	if (fails(file) || pread(fileno(file->file), bytes, length, (off_t) offset) != (ssize_t) length)
		return dl_error_set(error, DL_ERROR_IO, "could not read");
	return DL_OK;
}

static DlStorage
open_storage(File *file)
{
	file->file = tmpfile();
	file->bytes = 0;
	atomic_store(&file->reads, 0);
	atomic_store(&file->fail_after, -1);
	return (DlStorage) {file, file_write, file_read};
}

/* Word 0 is the row, the others follow from it. */
static DlStatus
fill(DlDataset *dataset, int64_t rows, DlError *error)
{
	uint32_t	record[WORDS];

	for (int64_t i = 0; i < rows; i++)
	{
		for (int k = 0; k < WORDS; k++)
			record[k] = (uint32_t) (i * (k + 1));
		DL_TRY(dl_dataset_append(dataset, record, 1, error));
	}
	return dl_dataset_finish(dataset, error);
}

static bool
record_is(const uint32_t *record, uint32_t row)
{
	for (int k = 0; k < WORDS; k++)
		if (record[k] != (uint32_t) ((int64_t) row * (k + 1)))
			return false;
	return true;
}

static void
test_round_trip(DlDataset *dataset, File *file)
{
	uint32_t   *records = malloc(ROWS * WORDS * sizeof(uint32_t));
	uint32_t   *rows = malloc(ROWS * sizeof(uint32_t));
	DlError		error;
	int			wrong = 0;
	int			resident = 0;

	ok(!dl_dataset_in_memory(dataset) && dl_dataset_rows(dataset) == ROWS, "%d rows spill", ROWS);
	ok(dl_dataset_bytes(dataset) <= BUDGET && dl_dataset_bytes(dataset) > BUDGET * 9 / 10,
	   "rows and window keep the budget (%zu of %zu bytes)", dl_dataset_bytes(dataset), BUDGET);
	ok(file->bytes > ROWS * WORDS * 4 - BUDGET && file->bytes < ROWS * WORDS * 4, "the rest is in storage");
	ok(dl_dataset_scan(dataset, 0, ROWS, records, &error) == DL_OK, "a scan");
	for (uint32_t i = 0; i < ROWS; i++)
	{
		const uint32_t *record = dl_dataset_record(dataset, i);

		wrong += !record_is(records + i * WORDS, i) || (record != NULL && !record_is(record, i));
		resident += record != NULL;
	}
	ok(wrong == 0, "gives all rows");
	ok(resident > 1000 && resident < ROWS / 4, "%d of them are in memory", resident);
	ok(dl_dataset_scan(dataset, resident - 5, 10, records, &error) == DL_OK && record_is(records, (uint32_t) resident - 5) &&
	   record_is(records + 9 * WORDS, (uint32_t) resident + 4), "also over the border");

	/* ascending, as for validation */
	atomic_store(&file->reads, 0);
	for (uint32_t i = 0; i < ROWS / 6; i++)
		rows[i] = i * 6;
	for (int i = 0; i < ROWS / 6; i += BATCH)
	{
		wrong += dl_dataset_gather(dataset, rows + i, BATCH, records, &error) != DL_OK;
		for (int k = 0; k < BATCH; k++)
			wrong += !record_is(records + k * WORDS, rows[i + k]);
	}
	ok(wrong == 0, "ascending rows are gathered");
	ok(atomic_load(&file->reads) < ROWS / 6 / 10, "in %d reads", atomic_load(&file->reads));
	free(records);
	free(rows);
}

typedef struct Worker
{
	DlDataset  *dataset;
	const uint32_t *order;
	int			count;
	int			part;			/* of parts of each batch */
	int			parts;
	int			wrong;
	DlStatus	status;
} Worker;

static void *
work(void *argument)
{
	Worker	   *worker = argument;
	uint32_t	records[BATCH * WORDS];

	for (int at = worker->part * BATCH; at < worker->count; at += worker->parts * BATCH)
	{
		int			n = worker->count - at < BATCH ? worker->count - at : BATCH;
		DlStatus	status = dl_dataset_gather(worker->dataset, worker->order + at, n, records, NULL);

		if (status != DL_OK)
		{
			worker->status = status;
			return NULL;
		}
		for (int k = 0; k < n; k++)
			worker->wrong += !record_is(records + k * WORDS, worker->order[at + k]);
	}
	return NULL;
}

/* Gathers an order by several threads; returns the number of wrong records. */
static int
run_epoch(DlDataset *dataset, const uint32_t *order, int count, int threads, DlStatus *status)
{
	pthread_t	thread[8];
	Worker		workers[8];
	int			wrong = 0;

	*status = DL_OK;
	for (int i = 0; i < threads; i++)
	{
		workers[i] = (Worker) {dataset, order, count, i, threads, 0, DL_OK};
		pthread_create(&thread[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < threads; i++)
	{
		pthread_join(thread[i], NULL);
		wrong += workers[i].wrong;
		if (workers[i].status != DL_OK)
			*status = workers[i].status;
	}
	return wrong;
}

/* Four of five rows train; rows are sorted by class, the class being row / (ROWS / 10). */
static void
test_epoch(DlDataset *dataset, File *file)
{
	uint32_t   *rows = malloc(ROWS * sizeof(uint32_t));
	uint32_t   *order = malloc(ROWS * sizeof(uint32_t));
	char	   *seen = calloc(ROWS, 1);
	int			count = 0;
	int			wrong = 0;
	double		worst = 0;
	int			together = 0;
	DlRandom	random;
	DlStatus	status;

	for (uint32_t i = 0; i < ROWS; i++)
		if (i % 5 != 3)
			rows[count++] = i;
	dl_random_seed(&random, 3, 1);
	ok(dl_dataset_order(dataset, &random, rows, count, order, NULL) == DL_OK, "an order in storage");
	for (int i = 0; i < count; i++)
	{
		wrong += order[i] % 5 == 3 || seen[order[i]]++ != 0;
		together += i > 0 && (order[i] / 256 == order[i - 1] / 256);
	}
	ok(wrong == 0, "is a permutation");
	/* a window has 8 blocks here */
	ok(together < count / 6, "rows of a block are apart (%d of %d are not)", together, count);

	/* rows in stored order would be off by 4.5 */
	for (int tenth = 0; tenth < 10; tenth++)
	{
		double		mean = 0;

		for (int i = 0; i < count / 10; i++)
			mean += order[tenth * (count / 10) + i] / (ROWS / 10.0) / (count / 10);
		worst = fabs(mean - 5) > worst ? fabs(mean - 5) : worst;
	}
	ok(worst < 2, "each tenth of the epoch has all classes: mean class off by %.2f of 10 at most", worst);

	for (int threads = 1; threads <= 4; threads++)
	{
		atomic_store(&file->reads, 0);
		dl_dataset_order(dataset, &random, rows, count, order, NULL);
		wrong = run_epoch(dataset, order, count, threads, &status);
		ok(wrong == 0 && status == DL_OK, "%d threads gather an epoch", threads);
		if (threads == 1)
			ok(atomic_load(&file->reads) < 400, "a block at a time (%d reads)", atomic_load(&file->reads));
	}
	/* not the order that was announced */
	wrong = run_epoch(dataset, order + count / 2, count / 2, 3, &status);
	ok(wrong == 0 && status == DL_OK, "half of an epoch, once more");
	dl_random_shuffle(&random, order, (size_t) count);
	wrong = run_epoch(dataset, order, count / 4, 3, &status);
	ok(wrong == 0 && status == DL_OK, "rows in any order");
	ok(dl_dataset_order(dataset, &random, rows, 500, order, NULL) == DL_OK && order[0] < 1000 &&
	   run_epoch(dataset, order, 500, 2, &status) == 0, "an order of rows in memory only");
	ok(dl_dataset_order(dataset, &random, rows + count - 10, 10, order, NULL) == DL_OK &&
	   run_epoch(dataset, order, 10, 1, &status) == 0, "an order of ten rows in storage");

	dl_dataset_order(dataset, &random, rows, count, order, NULL);
	atomic_store(&file->fail_after, 20);
	run_epoch(dataset, order, count, 3, &status);
	ok(status == DL_ERROR_IO, "a failing read is passed on");
	atomic_store(&file->fail_after, -1);
	wrong = run_epoch(dataset, order, count, 3, &status);
	ok(status == DL_OK && wrong == 0, "and harms nothing");
	free(rows);
	free(order);
	free(seen);
}

static void
test_failures(void)
{
	File		file;
	DlStorage	storage = open_storage(&file);
	DlDataset  *dataset;
	DlError		error;
	uint32_t	records[4 * WORDS];

	for (int fail_after = 0; fail_after < 60; fail_after += 20)
	{
		atomic_store(&file.fail_after, fail_after);
		dl_dataset_create(WORDS, BUDGET, &storage, &dataset, &error);
		ok(fill(dataset, ROWS, &error) == DL_ERROR_IO && strcmp(error.message, "could not write") == 0,
		   "write %d fails", fail_after);
		dl_dataset_destroy(dataset);
	}
	atomic_store(&file.fail_after, -1);

	/* budgets below every reason still work */
	for (size_t budget = 0; budget < 2000; budget = budget * 2 + 100)
	{
		bool		right = dl_dataset_create(WORDS, budget, &storage, &dataset, &error) == DL_OK &&
			fill(dataset, 333, &error) == DL_OK;
		int			wrong = 0;

		for (uint32_t i = 0; i < 333; i++)
		{
			uint32_t	rows[4] = {i, 332 - i, i / 2, 7};

			wrong += dl_dataset_gather(dataset, rows, 4, records, &error) != DL_OK;
			for (int k = 0; k < 4; k++)
				wrong += !record_is(records + k * WORDS, rows[k]);
		}
		ok(right && wrong == 0, "a budget of %zu bytes", budget);
		dl_dataset_destroy(dataset);
	}
	fclose(file.file);
}

int
main(void)
{
	File		file;
	DlStorage	storage = open_storage(&file);
	DlDataset  *dataset;
	DlError		error;

	dl_dataset_create(WORDS, BUDGET, &storage, &dataset, &error);
	ok(fill(dataset, ROWS, &error) == DL_OK, "a dataset is filled");
	test_round_trip(dataset, &file);
	test_epoch(dataset, &file);
	dl_dataset_destroy(dataset);
	fclose(file.file);
	test_failures();
	return done_testing();
}
