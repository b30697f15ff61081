/*
 * progress_shared.h
 *    What trainings are at, for all sessions to see: dl.progress.
 *
 * A training has a slot in shared memory from dl_progress_begin() until the memory context that was current then
 * is reset, or its process ends.  Only that process writes it.  Where there is no shared memory (it needs preloading
 * before PostgreSQL 17), or no slot is free, all of it does nothing.
 */
#ifndef DL_PG_PROGRESS_SHARED_H
#define DL_PG_PROGRESS_SHARED_H

#include "postgres.h"

#include "model/fit.h"

typedef struct DlProgressSlot DlProgressSlot;

/* Asks for shared memory, when the library is loaded. */
extern void dl_progress_init(void);

/* job: 0 for a training in a session.  NULL: nobody can see it. */
extern DlProgressSlot *dl_progress_begin(const char *model, int64 job);

/* While rows are read: how many, and the memory that they take. */
extern void dl_progress_rows(DlProgressSlot *slot, int64 rows, int64 bytes);

/* While a model is trained. */
extern void dl_progress_fit(DlProgressSlot *slot, const DlFitProgress *progress);

/* When the model is being stored. */
extern void dl_progress_storing(DlProgressSlot *slot);

#endif							/* DL_PG_PROGRESS_SHARED_H */
