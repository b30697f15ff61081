/*
 * dataset_internal.h
 *    What dataset.c (memory) and dataset_disk.c (storage) share.
 *
 * Rows come in blocks of block_rows, a power of two.  The first resident_rows rows lie in
 * memory, a whole number of blocks once the dataset has spilled; all others lie in
 * storage, one after the other from offset 0.
 */
#ifndef DL_DATA_DATASET_INTERNAL_H
#define DL_DATA_DATASET_INTERNAL_H

#include <pthread.h>
#include <string.h>

#include "data/dataset.h"

#define DL_BLOCK_NOWHERE UINT32_MAX

struct DlDataset
{
	int32_t		words;
	size_t		record_bytes;
	size_t		memory;			/* the budget */
	size_t		taken;			/* of it */
	bool		has_storage;
	DlStorage	storage;
	bool		finished;
	bool		spilled;

	int			shift;			/* block_rows = 1 << shift */
	int64_t		block_rows;
	size_t		block_bytes;
	int64_t		rows;
	int64_t		resident_rows;	/* = rows until spilled */

	uint32_t  **blocks;			/* in memory; all but the last are full */
	int64_t		block_count;
	int64_t		block_slots;	/* size of blocks[] */
	int64_t		last_capacity;	/* rows that the last block has room for */

	uint32_t   *tail;			/* while filling: rows on their way to storage */
	int64_t		tail_rows;

	/* The order of the latest epoch; lock guards all below once it is finished. */
	pthread_rwlock_t lock;
	int64_t		stored_blocks;
	uint32_t   *sequence;		/* stored blocks by window */
	uint32_t   *position;		/* of each stored block in sequence, or DL_BLOCK_NOWHERE */
	int64_t		sequence_count;
	int64_t		window_blocks;	/* that the window has room for */
	int64_t		window_width;	/* blocks of a window in this order */
	int64_t		window_loaded;	/* index of the window in memory, -1 before the first */
	bool		window_valid;	/* false after a failed read */
	uint32_t   *window;
};

static inline const uint32_t *
resident_record(const DlDataset *dataset, int64_t row)
{
	return dataset->blocks[row >> dataset->shift] +
		(size_t) (row & (dataset->block_rows - 1)) * (size_t) dataset->words;
}

extern DlStatus dl_dataset_budget_error(const DlDataset *dataset, DlError *error);

/* dataset_disk.c */
extern DlStatus dl_dataset_spill(DlDataset *dataset, DlError *error);
extern DlStatus dl_dataset_append_stored(DlDataset *dataset, const void *records, int64_t count, DlError *error);
extern DlStatus dl_dataset_finish_stored(DlDataset *dataset, DlError *error);
extern DlStatus dl_dataset_read_stored(const DlDataset *dataset, int64_t first, int64_t count, void *records,
									   DlError *error);
extern DlStatus dl_dataset_gather_stored(DlDataset *dataset, const uint32_t *rows, int64_t count,
										 uint32_t *records, DlError *error);
extern void dl_dataset_order_stored(DlDataset *dataset, DlRandom *random, const uint32_t *rows, int64_t count,
									uint32_t *order);

#endif							/* DL_DATA_DATASET_INTERNAL_H */
