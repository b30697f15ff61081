/*
 * dataset.c
 *    Rates of the data ring: rows appended, gathered in shuffled order, from
 *    memory and through storage, and fitted.
 *
 * Usage: dataset [rows].  Prints a line per measurement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/preparation.h"
#include "data/split.h"

#define NUMBERS 28
#define BATCH 256

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
report(const char *what, int64_t rows, double start)
{
	double		passed = seconds() - start;

	printf("%-44s %8.1f ns a row, %6.2f million rows/s\n", what, passed / (double) rows * 1e9,
		   (double) rows / passed * 1e-6);
}

static void
check(DlStatus status, const DlError *error)
{
	if (status == DL_OK)
		return;
	fprintf(stderr, "%s\n", error->message);
	exit(1);
}

static DlStatus
file_write(void *context, uint64_t offset, const void *bytes, size_t length, DlError *error)
{
	if (pwrite(fileno(context), bytes, length, (off_t) offset) != (ssize_t) length)
		return dl_error_set(error, DL_ERROR_IO, "could not write to a temporary file");
	return DL_OK;
}

static DlStatus
file_read(void *context, uint64_t offset, void *bytes, size_t length, DlError *error)
{
	if (pread(fileno(context), bytes, length, (off_t) offset) != (ssize_t) length)
		return dl_error_set(error, DL_ERROR_IO, "could not read from a temporary file");
	return DL_OK;
}

static void
measure_fit(DlDataset *dataset, const DlRecordLayout *layout, const DlSplit *split, DlScaling scaling)
{
	DlColumn	columns[NUMBERS];
	DlPreparationSettings settings = {.scaling = scaling, .one_hot = 8, .min_count = 1};
	DlPreparation preparation;
	DlArena    *arena;
	DlError		error;
	double		start = seconds();
	char		what[64];

	for (int i = 0; i < NUMBERS; i++)
		columns[i] = (DlColumn) {.name = "x", .kind = DL_COLUMN_NUMBER, .first_word = i, .words = 1};
	check(dl_arena_create(0, &arena, &error), &error);
	check(dl_preparation_fit(arena, columns, NUMBERS, layout, dataset, split->rows[0], split->count[0], &settings, 1,
							 NULL, NULL, NULL, &preparation, &error), &error);
	snprintf(what, sizeof(what), "fit, %s", dl_scaling_name(scaling));
	report(what, split->count[0], start);
	dl_arena_destroy(arena);
}

static void
measure(int64_t rows, size_t memory, const DlStorage *storage)
{
	DlRecordLayout layout;
	DlDataset  *dataset;
	DlArena    *arena;
	DlSplit		split;
	DlSplitSettings split_settings = {.validation = 0.15, .test = 0.15, .seed = 1};
	DlRandom	random;
	DlError		error;
	uint32_t   *batch;
	uint32_t   *order;
	double		start;

	dl_record_layout(1, NUMBERS, &layout);
	check(dl_arena_create(0, &arena, &error), &error);
	batch = calloc((size_t) BATCH * (size_t) layout.words, sizeof(uint32_t));
	order = malloc((size_t) rows * sizeof(uint32_t));
	if (batch == NULL || order == NULL)
		exit(1);
	dl_random_seed(&random, 1, 0);
	for (int i = 0; i < BATCH * layout.words; i++)
	{
		float		x = (float) dl_random_normal(&random);

		memcpy(&batch[i], &x, sizeof(x));
	}

	check(dl_dataset_create(layout.words, memory, storage, &dataset, &error), &error);
	start = seconds();
	for (int64_t i = 0; i < rows; i++)
	{
		uint32_t   *record = batch + (i % BATCH) * layout.words;
		uint64_t	hash = dl_hash_mix(0, (uint64_t) i);

		memcpy(record, &hash, sizeof(hash));
		check(dl_dataset_append(dataset, record, 1, &error), &error);
	}
	check(dl_dataset_finish(dataset, &error), &error);
	report("append, one row at a time", rows, start);

	start = seconds();
	check(dl_split_make(arena, dataset, &split_settings, &split, &error), &error);
	report("split by hash", rows, start);
	for (int scaling = DL_SCALING_STANDARD; scaling <= DL_SCALING_QUANTILE; scaling++)
		measure_fit(dataset, &layout, &split, (DlScaling) scaling);

	start = seconds();
	check(dl_dataset_order(dataset, &random, split.rows[0], split.count[0], order, &error), &error);
	report("order of an epoch", split.count[0], start);
	start = seconds();
	for (int64_t i = 0; i < split.count[0]; i += BATCH)
		check(dl_dataset_gather(dataset, order + i, split.count[0] - i < BATCH ? split.count[0] - i : BATCH, batch, &error),
			  &error);
	report("gather in that order, batches of 256", split.count[0], start);

	dl_dataset_destroy(dataset);
	dl_arena_destroy(arena);
	free(batch);
	free(order);
}

int
main(int argc, char **argv)
{
	int64_t		rows = argc > 1 ? atoll(argv[1]) : 1000000;
	FILE	   *file = tmpfile();
	DlStorage	storage = {file, file_write, file_read};

	if (rows < 1 || file == NULL)
		return 1;
	printf("%lld rows of %d numbers in memory\n", (long long) rows, NUMBERS);
	measure(rows, (size_t) 8 << 30, NULL);
	printf("%lld rows of %d numbers, 32 MB in memory, the rest in a file\n", (long long) rows, NUMBERS);
	measure(rows, (size_t) 32 << 20, &storage);
	fclose(file);
	return 0;
}
