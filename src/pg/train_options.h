/*
 * train_options.h
 *    The options of a training by name: arguments of dl.train and keys of the
 *    options document are one list.
 */
#ifndef DL_PG_TRAIN_OPTIONS_H
#define DL_PG_TRAIN_OPTIONS_H

#include "postgres.h"

#include "model/fit.h"
#include "utils/jsonb.h"

#define DL_TRAIN_OPTIONS 48		/* at most */

/* Everything that is said by name, the options of the fit included; texts are palloc'd. */
typedef struct DlTrainOptions
{
	DlFitOptions fit;
	char	   *task;
	char	   *split_column;
	char	   *split_key;
	char	   *weight_column;
	char	   *training_window;	/* which of the query's rows (query.h) */
	char	   *device;
	char	   *matmul_precision;
	char	   *said[DL_TRAIN_OPTIONS];	/* each option as it was given; NULL: not */
} DlTrainOptions;

extern void dl_train_options_init(DlTrainOptions *options);

/*
 * Sets one option from text; errors name the option, the value, and what is
 * valid.  An unknown name is an error that lists the valid ones.
 */
extern void dl_train_options_set(DlTrainOptions *options, const char *name, const char *value);

/* All keys of a document; a null value leaves the option alone. */
extern void dl_train_options_set_jsonb(DlTrainOptions *options, Jsonb *document);

/* A JSON object of what was given, which dl_train_options_set_jsonb() takes back, palloc'd. */
extern char *dl_train_options_json(const DlTrainOptions *options);

/* What can only be checked when all is known (shares of the split, device). */
extern void dl_train_options_check(DlTrainOptions *options);

#endif							/* DL_PG_TRAIN_OPTIONS_H */
