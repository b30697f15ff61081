/*
 * split.h
 *    Which rows train, which choose the best epoch, which are only for the
 *    test.
 *
 * A row's part comes from its hash (contents or split key), so the same row
 * lands in the same part in any order and in every retraining, and duplicates never
 * straddle.  Below DL_SPLIT_STRATIFY rows the parts are stratified: within each class
 * (or, for numbers, within the table) groups of equal hash are dealt in order of
 * their hash, so that each part gets its share.
 */
#ifndef DL_DATA_SPLIT_H
#define DL_DATA_SPLIT_H

#include "data/column.h"
#include "data/dataset.h"

#define DL_SPLIT_STRATIFY 1000

typedef struct DlSplitSettings
{
	double		validation;		/* shares of all rows; validation + test < 1 */
	double		test;
	uint64_t	seed;
	bool		by_column;		/* word DL_RECORD_PART says it */
	bool		classes;		/* the target is a class code: stratify by it */
} DlSplitSettings;

typedef struct DlSplit
{
	uint32_t   *rows[3];		/* ascending row numbers of each DlPart */
	int64_t		count[3];
} DlSplit;

/* DL_ERROR_DATA when the training part would be empty. */
extern DlStatus dl_split_make(DlArena *arena, const DlDataset *dataset, const DlSplitSettings *settings, DlSplit *result, DlError *error);

#endif							/* DL_DATA_SPLIT_H */
