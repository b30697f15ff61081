/*
 * progress.h
 *    The line that a person sees while a model trains.
 */
#ifndef DL_PG_PROGRESS_H
#define DL_PG_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "model/fit.h"

typedef struct DlProgressLine
{
	bool		quiet;
	TimestampTz shown;			/* when the last line went out */
	bool		waiting;		/* there is a line that was held back */
	DlFitProgress last;
	char		metric[32];
} DlProgressLine;

/* A NOTICE, unless the last one is less than a quarter of a second old; then it is held back. */
extern void dl_progress_show(DlProgressLine *line, const DlFitProgress *progress);

/* Shows the line that was held back, so that the last epoch is always seen. */
extern void dl_progress_finish(DlProgressLine *line);

#endif							/* DL_PG_PROGRESS_H */
