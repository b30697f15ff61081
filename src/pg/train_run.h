/*
 * train_run.h
 *    From a query to a version in the registry, in the steps that dl.train and a
 *    background job have in common.
 *
 * dl.train takes all steps in the caller's transaction.  A job reads in one transaction, computes in
 * none, and stores in another; so what a step leaves for the next lives in the memory context that
 * was current when the run was begun, and needs no transaction.
 */
#ifndef DL_PG_TRAIN_RUN_H
#define DL_PG_TRAIN_RUN_H

#include "postgres.h"

#include "pg/registry.h"
#include "pg/train_options.h"
#include "pg/training.h"
#include "portability/instr_time.h"

typedef struct DlTrainRun
{
	/* what is asked for: set by the caller, from dl_train_run_begin() to the end */
	const char *name;
	const char *query;
	const char *target;
	bool		quiet;
	int64		job;			/* 0: none */
	const char *where;			/* dl.versions.trained_on; NULL: worker or session, as it comes */
	bool		asked;			/* model_id is from when the training was asked for, earlier */
	int64		model_id;		/* that name means, 0: none yet; of the beginning, unless asked */
	DlTrainOptions options;
	int			start_version;	/* that a warm start begins with, where it is still there; 0: the deployed one.  Once the rows are read: the one that it is, or 0 */

	DlProgressSlot *slot;
	DlTraining *training;
	DlRowEncoder *encoder;
	DlArena    *arena;
	DlFitRequest request;
	DlTrainingResult result;
	DlRegistryDeployed deployed;
	instr_time	started;
	double		seconds;
} DlTrainRun;

/* Checks what can be checked before a row is read: the right on the model, the options, the network. */
extern void dl_train_run_begin(DlTrainRun *run);

/* The query with its window, if it has one. */
extern const char *dl_train_run_query(const DlTrainRun *run);

/* Has a warm start begin with the deployed version, whatever was said. */
extern void dl_train_run_start_with_deployed(DlTrainRun *run);

/* Reads the rows, and the deployed model.  allow_worker: a worker may compute. */
extern void dl_train_run_read(DlTrainRun *run, bool allow_worker);

/* Of the rows that were read and of all that the model depends on, but for the machine: of a training in this process. */
extern uint64 dl_train_run_fingerprint(DlTrainRun *run);

/* Trains; watch may be NULL.  Needs no transaction. */
extern void dl_train_run_compute(DlTrainRun *run, const DlTrainingWatch *watch);

/* Stores a new version. */
extern void dl_train_run_store(DlTrainRun *run, DlRegistryStored *stored);

#endif							/* DL_PG_TRAIN_RUN_H */
