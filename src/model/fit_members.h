/*
 * fit_members.h
 *    Training all members of a model; private to fit.
 */
#ifndef DL_MODEL_FIT_MEMBERS_H
#define DL_MODEL_FIT_MEMBERS_H

#include "model/fit_internal.h"

typedef struct DlFitTraining
{
	DlModel    *model;			/* parameters[] is filled; parameters themselves in its arena */
	const DlNetworkInputs *inputs;
	DlTrainSettings *settings;	/* learning_rate becomes the one found, if it was 0 */
	DlBatchSource source;
	DlBatchSource validation;
	const DlSelection *selection;
	const DlBackend *backend;
	DlThreads  *threads;
	const DlFitHost *host;
	const char *metric;			/* name of the selection's measure */
	int			members;
	bool		in_memory;		/* rows can be read by several trainers at once */
	size_t		memory;			/* bytes for the members of a wave; 0: no limit */
	void	   *epoch_context;	/* called for each epoch of the first member of a wave */
	void		(*epoch_done) (void *context, const DlEpoch *epoch);
	int			wave_size;		/* set by dl_fit_members: members trained at a time */
} DlFitTraining;

extern DlStatus dl_fit_members(DlFitTraining *training, DlError *error);

#endif							/* DL_MODEL_FIT_MEMBERS_H */
