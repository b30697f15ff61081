/*
 * fit_trials.h
 *    Training all networks that were chosen, and making members of them;
 *    private to fit.
 */
#ifndef DL_MODEL_FIT_TRIALS_H
#define DL_MODEL_FIT_TRIALS_H

#include "model/fit_folds.h"
#include "model/fit_start.h"

typedef struct DlFitTraining
{
	const DlModel *model;
	const DlNetworkInputs *inputs;
	const DlFitSource *source;
	const DlFitSource *validation;
	const DlFitSelection *selection;	/* NULL without validation rows */
	const DlFitFolds *folds;	/* of source, instead of validation rows; or NULL */
	const DlBackend *backend;
	DlThreads  *threads;
	const DlFitHost *host;
	const char *metric;			/* name of the selection's measure */
	bool		in_memory;		/* rows can be read by several trainers at once */
	size_t		memory;			/* bytes for the trainers that run at a time; 0: no limit */
	double		begun;			/* of dl_fit_clock(), as if it had never been interrupted */
	double		deadline;		/* of the same; 0: none */
	int			trial_count;
	const DlFitStart *start;	/* of trials that begin with weights of another version */
	DlFitTrial *trials;			/* settings and network are given, the rest is filled */
	DlArena    *arena;			/* of results */
} DlFitTraining;

/* Monotonic seconds. */
extern double dl_fit_clock(void);

/*
 * Trains the trials: one a thread where there are several and the rows are in memory, which wastes
 * nothing on joining, and fewer at a time where the memory would not do; otherwise one after the
 * other with all threads on each batch.  With a deadline
 * as many trials run as are expected to fit, the first in any case, and those that have a checkpoint; those left out have run false.  A
 * trial that diverges is left out, too, unless all do.
 */
extern DlStatus dl_fit_trials(DlFitTraining *training, DlError *error);

#endif							/* DL_MODEL_FIT_TRIALS_H */
