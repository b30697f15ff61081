/*
 * fit_checkpoint.h
 *    What a training has come to so far, trial by trial, as bytes and back; private to fit.
 *
 * A checkpoint of a trial under way has its trainer's state, one of a trial that has ended its result.  Both have the
 * epochs so far.  All sizes are checked: bytes that do not belong to the trial are an error.
 */
#ifndef DL_MODEL_FIT_CHECKPOINT_H
#define DL_MODEL_FIT_CHECKPOINT_H

#include "model/fit_trials.h"

/* The checkpoint of trial number that the host gave, made with as many trials at a time; NULL: none. */
extern const DlFitCheckpoint *dl_fit_checkpoint_find(const DlFitHost *host, int number, bool parallel);

/* Whether it has the result of a trial that has ended. */
extern bool dl_fit_checkpoint_ended(const DlFitCheckpoint *checkpoint);

/*
 * Takes the epochs so far over, and the trainer's state or, where the trial had ended, its result (trainer is not used then); DL_ERROR_NUMERIC where it had diverged.
 * outputs: values of trial->outputs, parameters: of trial->parameters.
 */
extern DlStatus dl_fit_checkpoint_restore(const DlFitCheckpoint *checkpoint, DlFitTrial *trial, DlTrainer *trainer, size_t parameters,
										  size_t outputs, DlError *error);

/* What is said of a checkpoint beside the trial. */
typedef struct DlFitCheckpointMoment
{
	int			number;			/* of the trial */
	bool		parallel;
	double		seconds;		/* of the training so far, and of the trial */
	double		trial_seconds;
} DlFitCheckpointMoment;

/* Hands a checkpoint to the host; without memory for one there is none.  trainer NULL: the trial has ended, with status. */
extern void dl_fit_checkpoint_give(const DlFitHost *host, const DlFitCheckpointMoment *moment, const DlFitTrial *trial, const DlTrainer *trainer,
								   size_t parameters, size_t outputs, DlStatus status, const DlError *error);

#endif							/* DL_MODEL_FIT_CHECKPOINT_H */
