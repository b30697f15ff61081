/*
 * threads.h
 *    A small pool that runs the parts of one job at a time.
 *
 * Its threads are created with every signal blocked, so that a server's
 * signal handlers never run in them; they see plain memory only.  The caller
 * takes part in the work.  Waiting threads spin for some microseconds, because
 * a training step may be that short, and then sleep.
 */
#ifndef DL_CORE_THREADS_H
#define DL_CORE_THREADS_H

#include <stdint.h>

#include "core/status.h"

typedef struct DlThreads DlThreads;

/* One part of a job; index is 0 to parts-1.  It must not fail. */
typedef void (*DlThreadPart) (void *context, int index);

/* count threads in all, the caller included; 1 makes no thread. */
extern DlStatus dl_threads_create(int count, DlThreads **result, DlError *error);

/* Stops and joins; NULL is allowed.  Never called from within a part. */
extern void dl_threads_destroy(DlThreads *threads);

extern int	dl_threads_count(const DlThreads *threads);

/*
 * Runs part(context, 0 .. parts-1), each once, and returns when all are done.
 * Part i runs on thread i % count, the caller being thread 0, so that what a thread touched last time is
 * in its cache.  NULL threads: one after the other in the caller.
 */
extern void dl_threads_run(DlThreads *threads, DlThreadPart part, void *context, int parts);

/* Processors this process may use (affinity respected), at least 1. */
extern int	dl_processor_count(void);

#endif							/* DL_CORE_THREADS_H */
