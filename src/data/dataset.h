/*
 * dataset.h
 *    The rows of one training: fixed-width records, in memory up to a budget,
 *    beyond it in temporary storage that the host provides.
 *
 * Filled by one thread, then read by any number of threads at once.  In
 * memory the shuffle is complete.  What does not fit in memory is kept in storage
 * in blocks; an epoch then visits the blocks in random order, many blocks at a time are
 * loaded into a buffer, and the rows of a buffer are shuffled (CorgiPile: Xu et
 * al., 2022).
 */
#ifndef DL_DATA_DATASET_H
#define DL_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/random.h"

/*
 * Storage for what does not fit.  write is called by the filling thread only;
 * read by any thread (it must not touch the host's state: pread).
 */
typedef struct DlStorage
{
	void	   *context;
	DlStatus	(*write) (void *context, uint64_t offset, const void *bytes, size_t length, DlError *error);
	DlStatus	(*read) (void *context, uint64_t offset, void *bytes, size_t length, DlError *error);
} DlStorage;

typedef struct DlDataset DlDataset;

/*
 * words: 4-byte words of a record.  memory: bytes that records may take in
 * memory (the rest goes to storage; without storage, NULL, DL_ERROR_MEMORY with a hint
 * on the setting deep_learning.training_memory).  Memory is taken in chunks as rows arrive.
 */
extern DlStatus dl_dataset_create(int32_t words, size_t memory, const DlStorage *storage, DlDataset **result, DlError *error);
extern void dl_dataset_destroy(DlDataset *dataset); /* NULL is allowed */

extern DlStatus dl_dataset_append(DlDataset *dataset, const void *records, int64_t count, DlError *error);

/* After the last append, before the first read: flushes what is half full. */
extern DlStatus dl_dataset_finish(DlDataset *dataset, DlError *error);

extern int64_t dl_dataset_rows(const DlDataset *dataset);
extern int32_t dl_dataset_words(const DlDataset *dataset);
extern bool dl_dataset_in_memory(const DlDataset *dataset);
extern size_t dl_dataset_bytes(const DlDataset *dataset);	/* taken from the system */

/* Record row in memory, or NULL when it lies in storage. */
extern const uint32_t *dl_dataset_record(const DlDataset *dataset, int64_t row);

/* Rows first .. first+count-1 in order into records [count, words]; for passes over everything. */
extern DlStatus dl_dataset_scan(const DlDataset *dataset, int64_t first, int64_t count, uint32_t *records, DlError *error);

/* The rows named by rows[] into records [count, words].  Fast for rows of one order() in its order. */
extern DlStatus dl_dataset_gather(DlDataset *dataset, const uint32_t *rows, int64_t count, uint32_t *records, DlError *error);

/*
 * An epoch's order of the given rows (ascending row numbers): a permutation of
 * rows into order.  Complete shuffle in memory, block and buffer shuffle in
 * storage.
 */
extern DlStatus dl_dataset_order(DlDataset *dataset, DlRandom *random, const uint32_t *rows, int64_t count,
								 uint32_t *order, DlError *error);

#endif							/* DL_DATA_DATASET_H */
