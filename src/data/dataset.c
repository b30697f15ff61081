/*
 * dataset.c
 *    Records in memory, in blocks; what goes beyond the budget is passed to
 *    dataset_disk.c.
 *
 * A small dataset stays small: the first block starts with a few kilobytes and doubles, and
 * dl_dataset_finish() gives back the unused end of the last one.  Memory is
 * malloc's, owned by the dataset, and counted in taken.  One thread fills;
 * after dl_dataset_finish() nothing here changes, so that any thread reads.
 */
#include "data/dataset_internal.h"

#include <stdlib.h>

#include "core/size.h"

#define FIRST_BYTES ((size_t) 4096)
#define FIRST_SLOTS 8
#define SMALLEST_BLOCK ((size_t) 16 << 10)
#define LARGEST_BLOCK ((size_t) 1 << 20)
#define BLOCKS_OF_BUDGET 256	/* small blocks make the shuffle in storage better */
#define PREFETCH 8				/* rows ahead */

/* Every row number, and one more, fits in uint32. */
#define MOST_ROWS ((int64_t) UINT32_MAX - 1)

DlStatus
dl_dataset_create(int32_t words, size_t memory, const DlStorage *storage, DlDataset **result, DlError *error)
{
	DlDataset  *dataset;
	size_t		target = memory / BLOCKS_OF_BUDGET;

	*result = NULL;
	if (words < 1)
		return dl_error_set(error, DL_ERROR_INVALID, "records of %d words are not possible", words);
	dataset = calloc(1, sizeof(*dataset));
	if (dataset == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	if (pthread_rwlock_init(&dataset->lock, NULL) != 0)
	{
		free(dataset);
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	}
	dataset->words = words;
	dataset->record_bytes = (size_t) words * sizeof(uint32_t);
	dataset->memory = memory;
	dataset->has_storage = storage != NULL;
	if (storage != NULL)
		dataset->storage = *storage;

	target = target < SMALLEST_BLOCK ? SMALLEST_BLOCK : target > LARGEST_BLOCK ? LARGEST_BLOCK : target;
	if (target > memory / 8)
		target = memory / 8;
	while (target / dataset->record_bytes >> (dataset->shift + 1) > 0)
		dataset->shift++;
	dataset->block_rows = (int64_t) 1 << dataset->shift;
	dataset->block_bytes = (size_t) dataset->block_rows * dataset->record_bytes;
	dataset->window_loaded = -1;
	*result = dataset;
	return DL_OK;
}

void
dl_dataset_destroy(DlDataset *dataset)
{
	if (dataset == NULL)
		return;
	for (int64_t i = 0; i < dataset->block_count; i++)
		free(dataset->blocks[i]);
	free(dataset->blocks);
	free(dataset->tail);
	free(dataset->sequence);
	free(dataset->position);
	free(dataset->window);
	pthread_rwlock_destroy(&dataset->lock);
	free(dataset);
}

DlStatus
dl_dataset_budget_error(const DlDataset *dataset, DlError *error)
{
	dl_error_set(error, DL_ERROR_MEMORY, "training rows need more than the %zu bytes allowed", dataset->memory);
	dl_error_detail(error, "%lld rows of %zu bytes were read before the limit was reached.",
					(long long) dataset->rows, dataset->record_bytes);
	dl_error_hint(error, "Raise the setting deep_learning.training_memory, or train on fewer rows or columns.");
	return DL_ERROR_MEMORY;
}

static DlStatus
system_error(size_t bytes, DlError *error)
{
	dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	dl_error_detail(error, "Failed on a request of %zu bytes.", bytes);
	return DL_ERROR_MEMORY;
}

static bool
within_budget(const DlDataset *dataset, size_t bytes)
{
	return dataset->taken <= dataset->memory && bytes <= dataset->memory - dataset->taken;
}

/* *fits is false, and nothing has changed, when the budget does not allow it. */
static DlStatus
grow_slots(DlDataset *dataset, bool *fits, DlError *error)
{
	int64_t		slots = dataset->block_slots == 0 ? FIRST_SLOTS : dataset->block_slots * 2;
	size_t		more = (size_t) (slots - dataset->block_slots) * sizeof(uint32_t *);
	uint32_t  **blocks;

	*fits = within_budget(dataset, more);
	if (!*fits)
		return DL_OK;
	blocks = realloc(dataset->blocks, (size_t) slots * sizeof(uint32_t *));
	if (blocks == NULL)
		return system_error((size_t) slots * sizeof(uint32_t *), error);
	dataset->blocks = blocks;
	dataset->block_slots = slots;
	dataset->taken += more;
	return DL_OK;
}

/* Room for at least one more row in memory. */
static DlStatus
grow(DlDataset *dataset, bool *fits, DlError *error)
{
	bool		extend = dataset->block_count > 0 && dataset->last_capacity < dataset->block_rows;
	int64_t		capacity = dataset->block_rows;
	size_t		more;
	uint32_t   *block;

	*fits = true;
	if (extend)
		capacity = dataset->last_capacity * 2 < capacity ? dataset->last_capacity * 2 : capacity;
	else if (dataset->block_count == 0)
	{
		int64_t		first = (int64_t) (FIRST_BYTES / dataset->record_bytes);

		capacity = first < 1 ? 1 : first < capacity ? first : capacity;
	}
	if (!extend && dataset->block_count == dataset->block_slots)
	{
		DL_TRY(grow_slots(dataset, fits, error));
		if (!*fits)
			return DL_OK;
	}
	more = (size_t) (extend ? capacity - dataset->last_capacity : capacity) * dataset->record_bytes;
	*fits = within_budget(dataset, more);
	if (!*fits)
		return DL_OK;

	block = realloc(extend ? dataset->blocks[dataset->block_count - 1] : NULL,
					(size_t) capacity * dataset->record_bytes);
	if (block == NULL)
		return system_error((size_t) capacity * dataset->record_bytes, error);
	if (!extend)
		dataset->block_count++;
	dataset->blocks[dataset->block_count - 1] = block;
	dataset->last_capacity = capacity;
	dataset->taken += more;
	return DL_OK;
}

DlStatus
dl_dataset_append(DlDataset *dataset, const void *records, int64_t count, DlError *error)
{
	const char *from = records;

	if (dataset->finished)
		return dl_error_set(error, DL_ERROR_INTERNAL, "rows are appended to a finished dataset");
	if (count > MOST_ROWS - dataset->rows)
		return dl_error_set(error, DL_ERROR_LIMIT, "more than %lld rows cannot be trained on", (long long) MOST_ROWS);

	while (count > 0 && !dataset->spilled)
	{
		int64_t		used = dataset->rows - (dataset->block_count > 0 ? dataset->block_count - 1 : 0) * dataset->block_rows;
		int64_t		room = dataset->block_count > 0 ? dataset->last_capacity - used : 0;
		int64_t		take = count < room ? count : room;

		if (room == 0)
		{
			bool		fits;

			DL_TRY(grow(dataset, &fits, error));
			if (!fits)
				DL_TRY(dl_dataset_spill(dataset, error));
			continue;
		}
		memcpy(dataset->blocks[dataset->block_count - 1] + (size_t) used * (size_t) dataset->words, from,
			   (size_t) take * dataset->record_bytes);
		from += (size_t) take * dataset->record_bytes;
		dataset->rows += take;
		dataset->resident_rows = dataset->rows;
		count -= take;
	}
	return count > 0 ? dl_dataset_append_stored(dataset, from, count, error) : DL_OK;
}

DlStatus
dl_dataset_finish(DlDataset *dataset, DlError *error)
{
	int64_t		used;

	if (dataset->finished)
		return DL_OK;
	if (dataset->spilled)
		DL_TRY(dl_dataset_finish_stored(dataset, error));
	else if (dataset->block_count > 0)
	{
		used = dataset->rows - (dataset->block_count - 1) * dataset->block_rows;
		if (used < dataset->last_capacity)
		{
			uint32_t   *block = realloc(dataset->blocks[dataset->block_count - 1], (size_t) used * dataset->record_bytes);

			/* what does not shrink stays as it is */
			if (block != NULL)
			{
				dataset->blocks[dataset->block_count - 1] = block;
				dataset->taken -= (size_t) (dataset->last_capacity - used) * dataset->record_bytes;
				dataset->last_capacity = used;
			}
		}
	}
	dataset->finished = true;
	return DL_OK;
}

int64_t
dl_dataset_rows(const DlDataset *dataset)
{
	return dataset->rows;
}

int32_t
dl_dataset_words(const DlDataset *dataset)
{
	return dataset->words;
}

bool
dl_dataset_in_memory(const DlDataset *dataset)
{
	return !dataset->spilled;
}

size_t
dl_dataset_bytes(const DlDataset *dataset)
{
	return dataset->taken;
}

const uint32_t *
dl_dataset_record(const DlDataset *dataset, int64_t row)
{
	return row >= 0 && row < dataset->resident_rows ? resident_record(dataset, row) : NULL;
}

static DlStatus
row_error(const DlDataset *dataset, int64_t row, DlError *error)
{
	return dl_error_set(error, DL_ERROR_INTERNAL, "row %lld of a dataset of %lld rows is asked for", (long long) row,
						(long long) dataset->rows);
}

DlStatus
dl_dataset_scan(const DlDataset *dataset, int64_t first, int64_t count, uint32_t *records, DlError *error)
{
	if (first < 0 || count < 0 || first > dataset->rows || count > dataset->rows - first)
		return row_error(dataset, first < 0 ? first : first + count, error);
	while (count > 0 && first < dataset->resident_rows)
	{
		int64_t		left = dataset->block_rows - (first & (dataset->block_rows - 1));
		int64_t		take = left < dataset->resident_rows - first ? left : dataset->resident_rows - first;

		take = take < count ? take : count;
		memcpy(records, resident_record(dataset, first), (size_t) take * dataset->record_bytes);
		records += (size_t) take * (size_t) dataset->words;
		first += take;
		count -= take;
	}
	return count > 0 ? dl_dataset_read_stored(dataset, first, count, records, error) : DL_OK;
}

DlStatus
dl_dataset_gather(DlDataset *dataset, const uint32_t *rows, int64_t count, uint32_t *records, DlError *error)
{
	for (int64_t i = 0; i < count; i++)
		if (rows[i] >= dataset->rows)
			return row_error(dataset, rows[i], error);
	if (dataset->spilled)
		return dl_dataset_gather_stored(dataset, rows, count, records, error);

	for (int64_t i = 0; i < count; i++)
	{
		if (i + PREFETCH < count)
		{
			const char *ahead = (const char *) resident_record(dataset, rows[i + PREFETCH]);

			__builtin_prefetch(ahead);
			__builtin_prefetch(ahead + dataset->record_bytes - 1);
		}
		memcpy(records + (size_t) i * (size_t) dataset->words, resident_record(dataset, rows[i]), dataset->record_bytes);
	}
	return DL_OK;
}

DlStatus
dl_dataset_order(DlDataset *dataset, DlRandom *random, const uint32_t *rows, int64_t count, uint32_t *order,
				 DlError *error)
{
	if (!dataset->finished)
		return dl_error_set(error, DL_ERROR_INTERNAL, "an order is asked of a dataset that is not finished");
	for (int64_t i = 0; i < count; i++)
	{
		if (rows[i] >= dataset->rows)
			return row_error(dataset, rows[i], error);
		if (i > 0 && rows[i] <= rows[i - 1])
			return dl_error_set(error, DL_ERROR_INTERNAL, "row numbers do not ascend: %u, %u", rows[i - 1], rows[i]);
	}
	if (dataset->spilled)
	{
		dl_dataset_order_stored(dataset, random, rows, count, order);
		return DL_OK;
	}
	if (count > 0)
		memcpy(order, rows, (size_t) count * sizeof(uint32_t));
	dl_random_shuffle(random, order, (size_t) count);
	return DL_OK;
}
