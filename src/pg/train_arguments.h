/*
 * train_arguments.h
 *    The arguments of dl.train and of dl.submit, which begins with the same ones.
 */
#ifndef DL_PG_TRAIN_ARGUMENTS_H
#define DL_PG_TRAIN_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "pg/train_run.h"

#define DL_TRAIN_ARGUMENTS 24	/* how many dl.train has */

/* Sets what is asked for; errors name the argument or option. */
extern void dl_train_arguments(FunctionCallInfo fcinfo, DlTrainRun *run);

#endif							/* DL_PG_TRAIN_ARGUMENTS_H */
