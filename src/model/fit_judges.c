/*
 * fit_judges.c
 *    Which rows judge networks that are not the user's own.
 */
#include "model/fit_internal.h"

/* Rows of training and validation of a table that is small enough for folds; and of any that is large enough to be judged by. */
#define FOLD_ROWS 4000
#define FEWEST_ROWS 25

/* Less time is not enough for folds. */
#define FOLD_SECONDS 10.0

/* Rows of two parts together, ascending. */
static DlStatus
merge_parts(DlArena *arena, DlSplit *split, DlPart from, DlPart to, DlError *error)
{
	int64_t		counts[2] = {split->count[from], split->count[to]};
	const uint32_t *rows[2] = {split->rows[from], split->rows[to]};
	uint32_t   *merged;

	DL_TRY(dl_arena_calloc(arena, (size_t) (counts[0] + counts[1]), sizeof(uint32_t), &merged, error));
	for (int64_t i = 0, a = 0, b = 0; i < counts[0] + counts[1]; i++)
		merged[i] = b == counts[1] || (a < counts[0] && rows[0][a] < rows[1][b]) ? rows[0][a++] : rows[1][b++];
	split->rows[to] = merged;
	split->count[to] = counts[0] + counts[1];
	split->count[from] = 0;
	return DL_OK;
}

/* Takes the validation share of the training rows by their hash. */
static DlStatus
hold_out(DlArena *arena, const DlFitRequest *request, DlDataset *dataset, DlSplit *split, DlError *error)
{
	DlSplitSettings settings = {.validation = request->options.validation, .seed = (uint64_t) request->options.seed};
	DlSplit		all;
	int64_t		counts[2] = {0, 0};
	int64_t		in_training = 0;

	DL_TRY(dl_split_make(arena, dataset, &settings, &all, error));
	/* both lists ascend: rows of the training part go where all rows' split has them */
	for (int64_t v = 0; in_training < split->count[DL_PART_TRAIN]; in_training++)
	{
		uint32_t	row = split->rows[DL_PART_TRAIN][in_training];

		while (v < all.count[DL_PART_VALIDATION] && all.rows[DL_PART_VALIDATION][v] < row)
			v++;
		if (v < all.count[DL_PART_VALIDATION] && all.rows[DL_PART_VALIDATION][v] == row)
			all.rows[DL_PART_VALIDATION][counts[1]++] = row;
		else
			split->rows[DL_PART_TRAIN][counts[0]++] = row;
	}
	split->rows[DL_PART_VALIDATION] = all.rows[DL_PART_VALIDATION];
	split->count[DL_PART_TRAIN] = counts[0];
	split->count[DL_PART_VALIDATION] = counts[1];
	return DL_OK;
}

/* Folds judge by all rows together: of any number of trials the outputs for all rows must be kept (fit_select.c). */
static bool
keeps_all(const DlFitRequest *r, int64_t rows)
{
	int64_t		outputs = r->task == DL_TASK_BINARY ? 1 : r->task == DL_TASK_MULTICLASS ? r->label_count : r->target_words;

	return (size_t) (rows * outputs) * sizeof(float) <= dl_fit_memory(r) / 4 / (size_t) dl_fit_most_trials(r);
}

DlStatus
dl_fit_choose_judges(DlArena *arena, const DlFitRequest *request, DlDataset *dataset, DlSplit *split, bool *folds,
					 DlError *error)
{
	const DlFitOptions *o = &request->options;
	bool		given = request->split_by_column && split->count[DL_PART_VALIDATION] > 0;
	int64_t		rows = split->count[DL_PART_TRAIN] + split->count[DL_PART_VALIDATION];

	*folds = false;
	if (o->network != NULL || o->validation == 0 || given || rows < FEWEST_ROWS)
		return DL_OK;
	/* a training that is cut short may not come to the end of any network's folds */
	*folds = !(o->max_seconds < FOLD_SECONDS) && dl_fit_effort(request) != DL_EFFORT_FAST && o->members == DL_UNSET && split->count[DL_PART_TEST] > 0 &&
		rows <= FOLD_ROWS && keeps_all(request, rows) && dl_dataset_in_memory(dataset);
	if (*folds)
		return merge_parts(arena, split, DL_PART_VALIDATION, DL_PART_TRAIN, error);
	return request->split_by_column ? hold_out(arena, request, dataset, split, error) : DL_OK;
}
