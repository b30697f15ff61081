/*
 * score_explain.h
 *    What EXPLAIN shows of a node that scores, and its counters, which
 *    parallel workers add to shared memory.
 */
#ifndef DL_PG_SCORE_EXPLAIN_H
#define DL_PG_SCORE_EXPLAIN_H

#include "postgres.h"

#include "access/parallel.h"
#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "pg/score_call.h"

extern void dl_score_explain(CustomScanState *node, List *ancestors, ExplainState *es);

/* Adds what one batch has done. */
extern void dl_score_count(CustomScanState *node, const DlScoreCounters *batch);

extern Size dl_score_estimate_shared(CustomScanState *node, ParallelContext *context);
extern void dl_score_create_shared(CustomScanState *node, ParallelContext *context, void *coordinate);
extern void dl_score_reset_shared(CustomScanState *node, ParallelContext *context, void *coordinate);
extern void dl_score_attach_shared(CustomScanState *node, shm_toc *toc, void *coordinate);
extern void dl_score_shut_down(CustomScanState *node);

#endif							/* DL_PG_SCORE_EXPLAIN_H */
