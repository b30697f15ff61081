/*
 * compute.h
 *    One training on a thread of its own, watched by the main thread of a
 *    PostgreSQL process: the asking session or a training worker.
 *
 * The computing thread runs dl_fit() with all signals blocked and knows nothing of
 * PostgreSQL.  It leaves progress and notices behind a mutex and wakes the
 * main thread through an eventfd; the main thread sets the cancel flag.
 */
#ifndef DL_PG_COMPUTE_H
#define DL_PG_COMPUTE_H

#include "postgres.h"

#include "data/dataset.h"
#include "model/fit.h"

typedef struct DlCompute DlCompute;

typedef struct DlComputeNotice
{
	DlFitNoticeLevel level;
	char		message[512];
	char		detail[512];
} DlComputeNotice;

/*
 * A place to put rows and then to train.  memory: bytes for rows in memory;
 * what does not fit goes to a temporary file.  Never raises; must be freed by
 * dl_compute_destroy().
 */
extern DlStatus dl_compute_create(Size memory, DlCompute **result, DlError *error);

/* Rows first; main thread only.  begin once.  May raise (temporary files). */
extern DlStatus dl_compute_begin(DlCompute *compute, int32_t record_words, DlError *error);
extern DlStatus dl_compute_append(DlCompute *compute, const void *records, int64 count, DlError *error);

/* Before start: checkpoints are kept every so many seconds, and the training goes on from these, which live as long as it. */
extern void dl_compute_keep(DlCompute *compute, double seconds, int count, const DlFitCheckpoint *checkpoints);

/* The latest checkpoint of some trial that was not given yet; bytes are the caller's, to be freed with free(). */
extern bool dl_compute_checkpoint(DlCompute *compute, int *trial, void **bytes, size_t *length);

/* Starts the thread; request must live until the compute is destroyed. */
extern DlStatus dl_compute_start(DlCompute *compute, const DlFitRequest *request, DlError *error);

/* Becomes readable when something happened: wait for it, then poll. */
extern int	dl_compute_event_fd(const DlCompute *compute);

/*
 * What happened: the next progress if *has_progress, and up to one notice if *has_notice, in their
 * order (poll again for more before waiting).  True when the thread
 * has finished.
 */
extern bool dl_compute_poll(DlCompute *compute, DlFitProgress *progress, bool *has_progress,
							DlComputeNotice *notice, bool *has_notice);

/* After poll said finished: joins; the result lives in the compute. */
extern DlStatus dl_compute_finish(DlCompute *compute, const DlFitResult **result, DlError *error);

/* Sets the cancel flag, joins the thread, frees all, closes files.  Never raises. */
extern void dl_compute_destroy(DlCompute *compute);

#endif							/* DL_PG_COMPUTE_H */
