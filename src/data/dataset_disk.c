/*
 * dataset_disk.c
 *    The part of a dataset that lies in storage.
 *
 * When the budget is used up, half of it stays with rows in memory and the other half becomes the window:
 * stored blocks that are loaded together.  An order takes the stored
 * blocks in random sequence, cuts it into windows, deals the rows in memory, completely
 * shuffled, evenly over the windows, and shuffles the rows of each window.  So
 * within an order gather needs one window after the other, and the shuffle
 * is complete for the rows in memory and by blocks and buffer (CorgiPile) for the others.
 *
 * Threads: gather copies under the lock held for reading; the thread that needs the next
 * window first loads it under the lock held for writing.  No thread holds more
 * than this one lock, so there is no deadlock.  Windows only advance; a row of
 * a window that is gone, and rows in ascending order (a pass over the validation
 * rows, say), are read from storage without the window.
 */
#include "data/dataset_internal.h"

#include <stdlib.h>

#include "core/size.h"

#define RUN_BYTES 16384			/* a read of rows that lie close to each other */
#define RUN_GAP 4096			/* bytes between two rows that are still close */
#define ASCENDING 8				/* this many in ascending order are no shuffle */

static uint64_t
storage_offset(const DlDataset *dataset, int64_t row)
{
	return (uint64_t) (row - dataset->resident_rows) * dataset->record_bytes;
}

/* Moves the second half of what is in memory to storage. */
DlStatus
dl_dataset_spill(DlDataset *dataset, DlError *error)
{
	int64_t		full;
	int64_t		keep = (int64_t) (dataset->memory / 2 / dataset->block_bytes);
	int64_t		rows = dataset->rows;

	if (!dataset->has_storage)
		return dl_dataset_budget_error(dataset, error);

	full = rows >> dataset->shift;
	keep = keep < full ? keep : full;
	for (int64_t i = keep; i < dataset->block_count; i++)
	{
		int64_t		first = i * dataset->block_rows;
		int64_t		count = rows - first < dataset->block_rows ? rows - first : dataset->block_rows;

		if (count > 0)
			DL_TRY(dataset->storage.write(dataset->storage.context,
										  (uint64_t) (first - keep * dataset->block_rows) * dataset->record_bytes,
										  dataset->blocks[i], (size_t) count * dataset->record_bytes, error));
	}
	for (int64_t i = keep; i < dataset->block_count; i++)
	{
		int64_t		capacity = i == dataset->block_count - 1 ? dataset->last_capacity : dataset->block_rows;

		free(dataset->blocks[i]);
		dataset->taken -= (size_t) capacity * dataset->record_bytes;
	}
	dataset->block_count = keep;
	dataset->last_capacity = dataset->block_rows;
	dataset->resident_rows = keep * dataset->block_rows;
	dataset->spilled = true;
	return DL_OK;
}

static DlStatus
flush_tail(DlDataset *dataset, DlError *error)
{
	if (dataset->tail_rows == 0)
		return DL_OK;
	DL_TRY(dataset->storage.write(dataset->storage.context,
								  storage_offset(dataset, dataset->rows - dataset->tail_rows), dataset->tail,
								  (size_t) dataset->tail_rows * dataset->record_bytes, error));
	dataset->tail_rows = 0;
	return DL_OK;
}

DlStatus
dl_dataset_append_stored(DlDataset *dataset, const void *records, int64_t count, DlError *error)
{
	const char *from = records;

	if (dataset->tail == NULL)
	{
		dataset->tail = malloc(dataset->block_bytes);
		if (dataset->tail == NULL)
			return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
		dataset->taken += dataset->block_bytes;
	}
	while (count > 0)
	{
		int64_t		room = dataset->block_rows - dataset->tail_rows;
		int64_t		take = count < room ? count : room;

		memcpy(dataset->tail + (size_t) dataset->tail_rows * (size_t) dataset->words, from,
			   (size_t) take * dataset->record_bytes);
		from += (size_t) take * dataset->record_bytes;
		dataset->tail_rows += take;
		dataset->rows += take;
		count -= take;
		if (dataset->tail_rows == dataset->block_rows)
			DL_TRY(flush_tail(dataset, error));
	}
	return DL_OK;
}

DlStatus
dl_dataset_finish_stored(DlDataset *dataset, DlError *error)
{
	int64_t		stored = dataset->rows - dataset->resident_rows;
	size_t		index_bytes;

	DL_TRY(flush_tail(dataset, error));
	if (dataset->tail != NULL)
	{
		free(dataset->tail);
		dataset->tail = NULL;
		dataset->taken -= dataset->block_bytes;
	}
	dataset->stored_blocks = (stored + dataset->block_rows - 1) >> dataset->shift;
	if (!dl_size_mul((size_t) dataset->stored_blocks, sizeof(uint32_t), &index_bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld rows are too many", (long long) dataset->rows);
	dataset->sequence = malloc(index_bytes + 1);
	dataset->position = malloc(index_bytes + 1);
	if (dataset->sequence == NULL || dataset->position == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	memset(dataset->position, 0xff, index_bytes);	/* DL_BLOCK_NOWHERE */
	dataset->taken += 2 * index_bytes;

	dataset->window_blocks = 1;
	if (dataset->taken < dataset->memory && (dataset->memory - dataset->taken) / dataset->block_bytes > 1)
		dataset->window_blocks = (int64_t) ((dataset->memory - dataset->taken) / dataset->block_bytes);
	if (dataset->window_blocks > dataset->stored_blocks)
		dataset->window_blocks = dataset->stored_blocks;
	dataset->window_width = 1;
	dataset->window = malloc((size_t) dataset->window_blocks * dataset->block_bytes + 1);
	if (dataset->window == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	dataset->taken += (size_t) dataset->window_blocks * dataset->block_bytes;
	return DL_OK;
}

DlStatus
dl_dataset_read_stored(const DlDataset *dataset, int64_t first, int64_t count, void *records, DlError *error)
{
	size_t		bytes;

	if (!dataset->finished)
		return dl_error_set(error, DL_ERROR_INTERNAL, "rows are read from a dataset that is not finished");
	if (!dl_size_mul((size_t) count, dataset->record_bytes, &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld rows are too many for one read", (long long) count);
	return dataset->storage.read(dataset->storage.context, storage_offset(dataset, first), records, bytes, error);
}

/* Index of the window of a stored row, or -1. */
static int64_t
window_of(const DlDataset *dataset, uint32_t row)
{
	uint32_t	position = dataset->position[(row - dataset->resident_rows) >> dataset->shift];

	return position == DL_BLOCK_NOWHERE ? -1 : position / dataset->window_width;
}

/* A row in memory or in the loaded window, else NULL.  The lock is held. */
static const uint32_t *
present_record(const DlDataset *dataset, uint32_t row)
{
	int64_t		stored = (int64_t) row - dataset->resident_rows;
	uint32_t	position;
	size_t		at;

	if (stored < 0)
		return resident_record(dataset, row);
	position = dataset->position[stored >> dataset->shift];
	if (position == DL_BLOCK_NOWHERE || !dataset->window_valid ||
		position / dataset->window_width != dataset->window_loaded)
		return NULL;
	at = (size_t) (position % dataset->window_width) * (size_t) dataset->block_rows +
		(size_t) (stored & (dataset->block_rows - 1));
	return dataset->window + at * (size_t) dataset->words;
}

/* The lock is held for writing. */
static DlStatus
read_window(DlDataset *dataset, int64_t window, DlError *error)
{
	int64_t		first = window * dataset->window_width;
	int64_t		end = first + dataset->window_width;
	int64_t		stored = dataset->rows - dataset->resident_rows;

	if (end > dataset->sequence_count)
		end = dataset->sequence_count;
	dataset->window_valid = false;
	for (int64_t i = first; i < end; i++)
	{
		int64_t		row = (int64_t) dataset->sequence[i] << dataset->shift;
		int64_t		count = stored - row < dataset->block_rows ? stored - row : dataset->block_rows;
		uint32_t   *to = dataset->window + (size_t) (i - first) * (dataset->block_bytes / sizeof(uint32_t));

		DL_TRY(dl_dataset_read_stored(dataset, row + dataset->resident_rows, count, to, error));
	}
	dataset->window_loaded = window;
	dataset->window_valid = true;
	return DL_OK;
}

/* Loads the window of row if it is the next one (or failed to load); else nothing happens. */
static DlStatus
advance_window(DlDataset *dataset, uint32_t row, DlError *error)
{
	DlStatus	status = DL_OK;

	pthread_rwlock_wrlock(&dataset->lock);
	if (window_of(dataset, row) == dataset->window_loaded + 1)
		status = read_window(dataset, dataset->window_loaded + 1, error);
	pthread_rwlock_unlock(&dataset->lock);
	return status;
}

/* Whether the rows around at look like a pass in ascending order. */
static bool
is_ascending(const uint32_t *rows, int64_t count, int64_t at)
{
	int64_t		first = at < ASCENDING ? 0 : at - ASCENDING;
	int64_t		end = count - at < ASCENDING ? count : at + ASCENDING;

	for (int64_t i = first + 1; i < end; i++)
		if (rows[i] <= rows[i - 1])
			return false;
	return end - first >= ASCENDING / 2;
}

/* Reads stored rows from the first one on that lie close to each other; *done says how many. */
static DlStatus
read_run(DlDataset *dataset, const uint32_t *rows, int64_t count, uint32_t *records, int64_t *done, DlError *error)
{
	_Alignas(uint32_t) char buffer[RUN_BYTES];
	size_t		size = dataset->record_bytes;
	int64_t		most = (int64_t) (RUN_BYTES / size);
	int64_t		gap = (int64_t) (RUN_GAP / size) + 1;
	int64_t		n = 1;

	while (n < count && rows[n] > rows[n - 1] && rows[n] - rows[n - 1] <= gap && rows[n] - rows[0] < most)
		n++;
	*done = n;
	if (n == 1)
		return dl_dataset_read_stored(dataset, rows[0], 1, records, error);

	DL_TRY(dl_dataset_read_stored(dataset, rows[0], (int64_t) rows[n - 1] - rows[0] + 1, buffer, error));
	for (int64_t i = 0; i < n; i++)
		memcpy(records + (size_t) i * (size_t) dataset->words, buffer + (size_t) (rows[i] - rows[0]) * size, size);
	return DL_OK;
}

DlStatus
dl_dataset_gather_stored(DlDataset *dataset, const uint32_t *rows, int64_t count, uint32_t *records, DlError *error)
{
	int64_t		i = 0;

	if (!dataset->finished)
		return dl_error_set(error, DL_ERROR_INTERNAL, "rows are read from a dataset that is not finished");
	while (i < count)
	{
		bool		advance = false;
		int64_t		done;

		pthread_rwlock_rdlock(&dataset->lock);
		for (; i < count; i++)
		{
			const uint32_t *record = present_record(dataset, rows[i]);

			if (record == NULL)
			{
				advance = window_of(dataset, rows[i]) == dataset->window_loaded + 1;
				break;
			}
			memcpy(records + (size_t) i * (size_t) dataset->words, record, dataset->record_bytes);
		}
		pthread_rwlock_unlock(&dataset->lock);
		if (i == count)
			break;

		if (advance && !is_ascending(rows, count, i))
		{
			/* afterwards the row is there, or another thread is further still */
			DL_TRY(advance_window(dataset, rows[i], error));
			continue;
		}
		DL_TRY(read_run(dataset, rows + i, count - i, records + (size_t) i * (size_t) dataset->words, &done, error));
		i += done;
	}
	return DL_OK;
}

static int64_t
first_at_least(const uint32_t *rows, int64_t low, int64_t high, int64_t row)
{
	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (rows[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
compare_blocks(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* The stored blocks that have rows, in random sequence, cut into windows of equal width. */
static void
choose_windows(DlDataset *dataset, DlRandom *random, const uint32_t *rows, int64_t count)
{
	int64_t		n = 0;
	int64_t		windows;

	for (int64_t i = 0; i < count; i++)
	{
		uint32_t	block = (uint32_t) ((rows[i] - dataset->resident_rows) >> dataset->shift);

		if (n == 0 || dataset->sequence[n - 1] != block)
			dataset->sequence[n++] = block;
	}
	dl_random_shuffle(random, dataset->sequence, (size_t) n);
	windows = (n + dataset->window_blocks - 1) / dataset->window_blocks;
	dataset->sequence_count = n;
	dataset->window_width = (n + windows - 1) / windows;
	dataset->window_loaded = -1;
	dataset->window_valid = false;

	memset(dataset->position, 0xff, (size_t) dataset->stored_blocks * sizeof(uint32_t));
	for (int64_t first = 0; first < n; first += dataset->window_width)
	{
		int64_t		end = first + dataset->window_width < n ? first + dataset->window_width : n;

		/* within a window the sequence does not matter: read forwards */
		qsort(dataset->sequence + first, (size_t) (end - first), sizeof(uint32_t), compare_blocks);
		for (int64_t i = first; i < end; i++)
			dataset->position[dataset->sequence[i]] = (uint32_t) i;
	}
}

/* Arguments are checked, the order has room for count rows. */
void
dl_dataset_order_stored(DlDataset *dataset, DlRandom *random, const uint32_t *rows, int64_t count, uint32_t *order)
{
	int64_t		resident = first_at_least(rows, 0, count, dataset->resident_rows);
	int64_t		stored = count - resident;
	uint32_t   *waiting = order + stored;	/* the filled part never reaches what still waits here */
	int64_t		dealt = 0;
	int64_t		at = 0;
	int64_t		stored_done = 0;

	if (resident > 0)
		memcpy(waiting, rows, (size_t) resident * sizeof(uint32_t));
	dl_random_shuffle(random, waiting, (size_t) resident);
	if (stored == 0)
		return;

	pthread_rwlock_wrlock(&dataset->lock);
	choose_windows(dataset, random, rows + resident, stored);
	for (int64_t first = 0; first < dataset->sequence_count; first += dataset->window_width)
	{
		int64_t		begin = at;
		int64_t		share;

		for (int64_t i = first; i < first + dataset->window_width && i < dataset->sequence_count; i++)
		{
			int64_t		row = dataset->resident_rows + ((int64_t) dataset->sequence[i] << dataset->shift);
			int64_t		from = first_at_least(rows, resident, count, row);
			int64_t		end = first_at_least(rows, from, count, row + dataset->block_rows);

			memcpy(order + at, rows + from, (size_t) (end - from) * sizeof(uint32_t));
			at += end - from;
			stored_done += end - from;
		}
		share = (int64_t) ((uint64_t) resident * (uint64_t) stored_done / (uint64_t) stored) - dealt;
		memmove(order + at, waiting + dealt, (size_t) share * sizeof(uint32_t));
		at += share;
		dealt += share;
		dl_random_shuffle(random, order + begin, (size_t) (at - begin));
	}
	pthread_rwlock_unlock(&dataset->lock);
}
