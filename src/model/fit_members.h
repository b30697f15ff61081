/*
 * fit_members.h
 *    What becomes of the trained networks; private to fit.
 */
#ifndef DL_MODEL_FIT_MEMBERS_H
#define DL_MODEL_FIT_MEMBERS_H

#include "model/fit_folds.h"

typedef struct DlFitJudging
{
	DlArena    *scratch;
	const DlFitRequest *request;
	DlFitSelection *selection;	/* NULL: no rows judge, all networks count alike */
	const DlFitFolds *folds;	/* where choice->folds */
	DlFitChoice *choice;		/* weights of its trials are set */
	DlModel    *model;			/* members[], which has room, record, calibration */
} DlFitJudging;

extern DlStatus dl_fit_make_members(const DlFitJudging *judging, DlError *error);

#endif							/* DL_MODEL_FIT_MEMBERS_H */
