/*
 * fit_start.h
 *    A warm start: networks that begin with the weights of another version; private to fit.
 *
 * Weights mean something only for the inputs and the target that they were learnt with.  So a training that starts warm
 * keeps how the start prepares the columns and scales the target, and its network computes at first what the start computes;
 * only levels of embedded categories are those of the rows, found again by their text, and new ones begin fresh.
 * Where that would not do, or the rows that judge could be rows that the start has learnt, the training begins afresh,
 * and says why: a retraining that nobody watches should go on.
 */
#ifndef DL_MODEL_FIT_START_H
#define DL_MODEL_FIT_START_H

#include "model/fit_internal.h"

typedef struct DlFitStart
{
	bool		asked;
	int			version;
	DlModel    *model;			/* NULL: the training begins afresh */
	char		why_not[400];	/* in words, where it was asked for */

	DlPreparation fresh;		/* as the rows alone would have it */
	int32_t   **levels;			/* of each embedded category: level, the 0 included -> the start's level, or -1 */
	int			networks;		/* that begin with its weights */
	char		line[480];		/* for the record */
} DlFitStart;

/* Decodes the start and asks whether it may be one.  model: task, outputs, labels and columns are filled; rows: of all parts. */
extern DlStatus dl_fit_start_open(DlFitStart *start, const DlFitRequest *request, const DlModel *model, int64_t rows,
								  bool folds, DlError *error);
extern void dl_fit_start_close(DlFitStart *start);

/* Puts the start's preparation in the place of the one that the training rows gave, where these rows still suit it. */
extern DlStatus dl_fit_start_prepare(DlFitStart *start, DlArena *scratch, const DlFitSource *training, DlScaling scaling,
									 const atomic_int *cancel, DlModel *model, DlError *error);

/* Which member of the start each trial begins with, when the networks are built; their targets are scaled as the members' are. */
extern DlStatus dl_fit_start_match(DlFitStart *start, DlModel *model, DlFitChoice *choice, DlError *error);

/* True when no network can begin with the start's weights after all; then the preparation is the rows' own again. */
extern bool dl_fit_start_gives_up(DlFitStart *start, DlModel *model);

/* The weights of a member into the parameters of a network that are initialised: what has no counterpart stays. */
extern void dl_fit_start_fill(const DlFitStart *start, const DlModelMember *member, const DlGraph *graph, float *parameters);

/* --- fit_start_networks.c to fit_start.c --- */

/* Whether weights of one graph fit another: the same but for levels of categories, and rows that are kept. */
extern bool dl_fit_start_fits(const DlFitStart *start, const DlGraph *from, const DlGraph *to);

#endif							/* DL_MODEL_FIT_START_H */
