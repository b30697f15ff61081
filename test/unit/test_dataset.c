/*
 * test_dataset.c
 *    Records in memory: what comes back, budgets, orders, errors.
 */
#include "tap.h"

#include <stdlib.h>

#include "data/dataset.h"

/* Word k of row i. */
static uint32_t
word_of(int64_t i, int k)
{
	return (uint32_t) i * 2654435761u + (uint32_t) k;
}

static DlStatus
append_rows(DlDataset *dataset, int64_t first, int64_t count, int64_t step, DlError *error)
{
	int32_t		words = dl_dataset_words(dataset);
	uint32_t   *records = malloc((size_t) step * (size_t) words * sizeof(uint32_t));
	DlStatus	status = DL_OK;

	for (int64_t at = first; at < first + count && status == DL_OK; at += step)
	{
		int64_t		n = first + count - at < step ? first + count - at : step;

		for (int64_t i = 0; i < n; i++)
			for (int k = 0; k < words; k++)
				records[i * words + k] = word_of(at + i, k);
		status = dl_dataset_append(dataset, records, n, error);
	}
	free(records);
	return status;
}

static bool
record_is(const uint32_t *record, int64_t row, int32_t words)
{
	for (int k = 0; k < words; k++)
		if (record == NULL || record[k] != word_of(row, k))
			return false;
	return true;
}

static void
test_round_trip(int32_t words, int64_t rows, int64_t step)
{
	DlDataset  *dataset;
	DlError		error;
	int64_t		wrong = 0;
	uint32_t   *records = malloc((size_t) (rows + 1) * (size_t) words * sizeof(uint32_t));
	uint32_t   *numbers = malloc((size_t) (rows + 1) * sizeof(uint32_t));

	dl_dataset_create(words, (size_t) 64 << 20, NULL, &dataset, &error);
	ok(append_rows(dataset, 0, rows, step, &error) == DL_OK && dl_dataset_finish(dataset, &error) == DL_OK,
	   "%lld rows of %d words, %lld at a time", (long long) rows, words, (long long) step);
	ok(dl_dataset_rows(dataset) == rows && dl_dataset_words(dataset) == words && dl_dataset_in_memory(dataset),
	   "are counted");
	for (int64_t i = 0; i < rows; i++)
	{
		wrong += !record_is(dl_dataset_record(dataset, i), i, words);
		numbers[i] = (uint32_t) (rows - 1 - i);
	}
	ok(wrong == 0 && dl_dataset_record(dataset, rows) == NULL && dl_dataset_record(dataset, -1) == NULL,
	   "each is there, and no others");
	wrong += dl_dataset_scan(dataset, 0, rows, records, &error) != DL_OK;
	for (int64_t i = 0; i < rows; i++)
		wrong += !record_is(records + i * words, i, words);
	wrong += dl_dataset_gather(dataset, numbers, rows, records, &error) != DL_OK;
	for (int64_t i = 0; i < rows; i++)
		wrong += !record_is(records + i * words, rows - 1 - i, words);
	ok(wrong == 0, "scan and gather give the same");
	ok(dl_dataset_bytes(dataset) <= (size_t) rows * (size_t) words * 4 + 65536 * sizeof(void *) / 256 + 1024,
	   "no more memory than needed (%zu bytes)", dl_dataset_bytes(dataset));

	numbers[0] = (uint32_t) rows;
	ok(dl_dataset_gather(dataset, numbers, 1, records, &error) == DL_ERROR_INTERNAL, "a row beyond the end is an error");
	ok(dl_dataset_scan(dataset, rows - 1, 2, records, &error) == DL_ERROR_INTERNAL, "a scan beyond the end as well");
	ok(append_rows(dataset, 0, 1, 1, &error) == DL_ERROR_INTERNAL, "nothing is appended after the end");
	dl_dataset_destroy(dataset);
	free(records);
	free(numbers);
}

static void
test_budget(void)
{
	DlDataset  *dataset;
	DlError		error;

	dl_dataset_create(16, 1 << 20, NULL, &dataset, &error);
	ok(append_rows(dataset, 0, 100000, 100, &error) == DL_ERROR_MEMORY, "more rows than the budget holds are an error");
	ok(strstr(error.hint, "deep_learning.training_memory") != NULL, "that names the setting");
	ok(dl_dataset_bytes(dataset) <= 1 << 20, "at most the budget was taken");
	ok(dl_dataset_rows(dataset) > (1 << 20) / 64 * 9 / 10, "and it was used (%lld rows)", (long long) dl_dataset_rows(dataset));
	dl_dataset_destroy(dataset);

	dl_dataset_create(4, 0, NULL, &dataset, &error);
	ok(append_rows(dataset, 0, 1, 1, &error) == DL_ERROR_MEMORY, "no budget holds no row");
	dl_dataset_destroy(dataset);
	ok(dl_dataset_create(0, 1000, NULL, &dataset, &error) == DL_ERROR_INVALID && dataset == NULL, "no words, no dataset");
	dl_dataset_destroy(NULL);

	dl_dataset_create(8, (size_t) 1 << 30, NULL, &dataset, &error);
	append_rows(dataset, 0, 3, 3, &error);
	ok(dl_dataset_bytes(dataset) < 8192, "three rows take %zu bytes before the end", dl_dataset_bytes(dataset));
	dl_dataset_finish(dataset, &error);
	ok(dl_dataset_bytes(dataset) < 300, "and %zu after it", dl_dataset_bytes(dataset));
	dl_dataset_destroy(dataset);
}

static void
test_order(void)
{
	enum {ROWS = 30000};
	DlDataset  *dataset;
	DlError		error;
	DlRandom	random;
	uint32_t   *rows = malloc(ROWS * sizeof(uint32_t));
	uint32_t   *order = malloc(ROWS * sizeof(uint32_t));
	uint32_t   *again = malloc(ROWS * sizeof(uint32_t));
	char	   *seen = calloc(ROWS * 2, 1);
	int			wrong = 0;
	double		mean = 0;

	dl_dataset_create(2, (size_t) 64 << 20, NULL, &dataset, &error);
	append_rows(dataset, 0, ROWS * 2, 1000, &error);
	for (uint32_t i = 0; i < ROWS; i++)
		rows[i] = i * 2;
	dl_random_seed(&random, 5, 0);
	ok(dl_dataset_order(dataset, &random, rows, ROWS, order, &error) == DL_ERROR_INTERNAL, "no order before the end");
	dl_dataset_finish(dataset, &error);
	dl_random_seed(&random, 5, 0);
	ok(dl_dataset_order(dataset, &random, rows, ROWS, order, &error) == DL_OK, "an order of every other row");
	for (int i = 0; i < ROWS; i++)
	{
		wrong += order[i] % 2 != 0 || seen[order[i]]++ != 0;
		mean += i < ROWS / 10 ? order[i] / (ROWS / 10.0) : 0;
	}
	ok(wrong == 0, "is a permutation of them");
	ok(fabs(mean - ROWS) < 4 * ROWS * 2 / sqrt(12.0 * ROWS / 10), "its first tenth is a fair sample");
	dl_random_seed(&random, 5, 0);
	dl_dataset_order(dataset, &random, rows, ROWS, again, &error);
	ok(memcmp(order, again, ROWS * sizeof(uint32_t)) == 0, "the same seed gives the same order");
	dl_dataset_order(dataset, &random, rows, ROWS, again, &error);
	ok(memcmp(order, again, ROWS * sizeof(uint32_t)) != 0, "the next epoch another one");
	ok(dl_dataset_order(dataset, &random, rows, 0, order, &error) == DL_OK, "no rows have an order, too");
	rows[1] = 0;
	ok(dl_dataset_order(dataset, &random, rows, ROWS, order, &error) == DL_ERROR_INTERNAL, "rows must ascend");
	dl_dataset_destroy(dataset);
	free(rows);
	free(order);
	free(again);
	free(seen);
}

int
main(void)
{
	test_round_trip(1, 1, 1);
	test_round_trip(33, 20000, 7);
	test_round_trip(5, 50000, 50000);
	test_round_trip(100000, 9, 2);
	test_budget();
	test_order();
	return done_testing();
}
