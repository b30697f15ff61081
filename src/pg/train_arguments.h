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

/* All options, those that were given as arguments included, as one document for dl_train_options_set_jsonb(). */
extern Jsonb *dl_train_arguments_options(FunctionCallInfo fcinfo);

#endif							/* DL_PG_TRAIN_ARGUMENTS_H */
