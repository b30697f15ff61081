/*
 * training.h
 *    One training as the asking session sees it: rows in, a model's bytes out,
 *    wherever the arithmetic runs.
 *
 * It runs in a dynamic background worker without a database, fed through a
 * queue in shared memory; where there is no free slot (or the setting says so), on a
 * thread of the session itself.  A training is bound to the memory context
 * that it was begun in: however the statement ends, nothing is left running.
 */
#ifndef DL_PG_TRAINING_H
#define DL_PG_TRAINING_H

#include "postgres.h"

#include "pg/compat.h"

#include "model/fit.h"
#include "pg/progress_shared.h"
#include "pg/row_encoder.h"

typedef struct DlTraining DlTraining;

typedef struct DlTrainingResult
{
	DlFitResult fit;			/* its texts and bytes live in the training's context */
	bool		in_worker;
} DlTrainingResult;

/* allow_worker: false computes in the session in any case.  memory: bytes for rows. */
extern DlTraining *dl_training_begin(bool allow_worker, Size memory);

/* Rows and progress are reported there from now on; it lives at least as long. */
extern void dl_training_report(DlTraining *training, DlProgressSlot *slot);

/* Of the rows that it was given, in their order. */
extern uint64 dl_training_hash(const DlTraining *training);

/*
 * Before run, of one that computes in this process: checkpoints every so many seconds (dl_compute_keep()).  They are taken, while it runs, one by
 * one; bytes are to be freed with free().
 */
extern void dl_training_keep(DlTraining *training, double seconds, int count, const DlFitCheckpoint *checkpoints);
extern bool dl_training_checkpoint(DlTraining *training, int *trial, void **bytes, size_t *length);

/* Where a row encoder puts its records. */
extern DlRowSink dl_training_sink(DlTraining *training);

/* Who looks on, from the main thread, outside of any code of the library. */
typedef struct DlTrainingWatch
{
	void	   *context;
	void		(*progress) (void *context, const DlFitProgress *progress); /* at the end of an epoch */
	/* at least ten times a second; may raise.  drained: all progress that there was has been given */
	void		(*look) (void *context, bool drained);
} DlTrainingWatch;

/*
 * Trains; errors of the training are raised.  What is worth a line goes to watch, or without
 * one is a NOTICE for each epoch, unless quiet.  Answers cancel, and notices a client that is gone.
 */
extern void dl_training_run(DlTraining *training, const DlFitRequest *request, bool quiet, const DlTrainingWatch *watch,
							DlTrainingResult *result);

/* Ends it early or after run; also happens when the context goes. */
extern void dl_training_end(DlTraining *training);

/* Entry point of the worker. */
extern PGDLLEXPORT void dl_training_worker_main(Datum argument);

#endif							/* DL_PG_TRAINING_H */
