/*
 * fit_folds.c
 *    Folds of a small table: dealing, the rows of one and of all others, and
 *    the outputs of all together.
 */
#include "model/fit_folds.h"

#include <stdlib.h>
#include <string.h>

#include "core/size.h"

/* Positions translated at a time. */
#define SLICE_ROWS 256

#define DEAL_STREAM UINT64_C(0x6465616c)

typedef struct Dealt
{
	int32_t		class;
	uint64_t	hash;
	uint32_t	position;
} Dealt;

static int
compare_dealt(const void *a, const void *b)
{
	const Dealt *x = a;
	const Dealt *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->position > y->position) - (x->position < y->position);
}

typedef struct Dealing
{
	const DlFitSource *source;
	Dealt	   *rows;
} Dealing;

static DlStatus
take_row(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	const Dealing *dealing = context;
	DlTask		task = dealing->source->model->task;
	Dealt	   *row = &dealing->rows[position];
	uint64_t	hash;

	(void) error;
	memcpy(&hash, record + DL_RECORD_HASH, sizeof(hash));
	row->hash = dl_hash_mix(DEAL_STREAM, hash);
	row->position = (uint32_t) position;
	row->class = task == DL_TASK_BINARY || task == DL_TASK_MULTICLASS ?
		dl_fit_class(dealing->source->request, record, &dealing->source->layout) : 0;
	return DL_OK;
}

static bool
begins_group(const Dealt *rows, int64_t i)
{
	return i > 0 && (rows[i].class != rows[i - 1].class || rows[i].hash != rows[i - 1].hash);
}

/* The fold of each row: groups of one class and hash in turn; row by row where there are fewer groups than folds. */
static void
deal(const Dealt *rows, int64_t count, uint8_t *folds)
{
	int64_t		groups = 1;
	int			fold = 0;

	for (int64_t i = 0; i < count; i++)
		groups += begins_group(rows, i);
	for (int64_t i = 0; i < count; i++)
	{
		if (groups < DL_FIT_FOLDS ? i > 0 : begins_group(rows, i))
			fold = (fold + 1) % DL_FIT_FOLDS;
		folds[rows[i].position] = (uint8_t) fold;
	}
}

static DlStatus
list_rows(DlArena *arena, const uint8_t *folds, int64_t count, DlFitFolds *result, DlError *error)
{
	for (int f = 0; f < DL_FIT_FOLDS; f++)
	{
		DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(uint32_t), &result->rows[f], error));
		DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(uint32_t), &result->others[f], error));
		for (int64_t i = 0; i < count; i++)
			if (folds[i] == f)
				result->rows[f][result->count[f]++] = (uint32_t) i;
			else
				result->others[f][result->other_count[f]++] = (uint32_t) i;
		if (result->count[f] == 0 || result->other_count[f] == 0)
			return dl_error_set(error, DL_ERROR_INTERNAL, "fold %d has %lld of %lld rows", f + 1,
								(long long) result->count[f], (long long) count);
	}
	return DL_OK;
}

static DlStatus
select_fold(DlArena *arena, const DlFitSelection *all, const uint32_t *rows, int64_t count, DlFitSelection *result,
			DlError *error)
{
	size_t		outputs = (size_t) all->model->outputs;

	*result = *all;
	result->row_count = result->kept_count = count;
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(float), &result->weights, error));
	if (all->codes != NULL)
		DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(int32_t), &result->codes, error));
	if (all->targets != NULL)
		DL_TRY(dl_arena_calloc(arena, (size_t) count, outputs * sizeof(double), &result->targets, error));
	for (int64_t i = 0; i < count; i++)
	{
		result->weights[i] = all->weights[rows[i]];
		if (all->codes != NULL)
			result->codes[i] = all->codes[rows[i]];
		if (all->targets != NULL)
			memcpy(result->targets + (size_t) i * outputs, all->targets + rows[i] * outputs, outputs * sizeof(double));
	}
	return DL_OK;
}

DlStatus
dl_fit_folds_create(DlArena *arena, const DlFitSource *source, const DlFitSelection *all, const atomic_int *cancel,
					DlFitFolds *result, DlError *error)
{
	size_t		count = (size_t) source->row_count;
	Dealing		dealing = {source, NULL};
	uint8_t    *folds;

	memset(result, 0, sizeof(*result));
	result->source = source;
	if (all->kept_step != 1)
		return dl_error_set(error, DL_ERROR_INTERNAL, "folds need all rows, but 1 of %lld is kept", (long long) all->kept_step);
	DL_TRY(dl_arena_calloc(arena, count, sizeof(Dealt), &dealing.rows, error));
	DL_TRY(dl_arena_calloc(arena, count, 1, &folds, error));
	DL_TRY(dl_fit_visit(source, cancel, take_row, &dealing, error));
	qsort(dealing.rows, count, sizeof(Dealt), compare_dealt);
	deal(dealing.rows, source->row_count, folds);
	DL_TRY(list_rows(arena, folds, source->row_count, result, error));
	for (int f = 0; f < DL_FIT_FOLDS; f++)
		DL_TRY(select_fold(arena, all, result->rows[f], result->count[f], &result->selections[f], error));
	return DL_OK;
}

static DlStatus
fill_subset(void *context, const uint32_t *rows, int64_t count, float *numbers, int32_t *codes, void *target,
			float *weight, DlError *error)
{
	DlFitSubset *subset = context;
	DlBatchSource source = dl_fit_batch_source(&subset->source);
	const DlModel *model = subset->source.model;
	uint32_t	positions[SLICE_ROWS];
	size_t		target_bytes = subset->source.codes_target ? sizeof(int32_t) : (size_t) model->outputs * sizeof(float);

	for (int64_t first = 0; first < count; first += SLICE_ROWS)
	{
		int64_t		n = count - first < SLICE_ROWS ? count - first : SLICE_ROWS;

		for (int64_t i = 0; i < n; i++)
			positions[i] = subset->rows[rows[first + i]];
		DL_TRY(source.fill(source.context, positions, n,
						   numbers == NULL ? NULL : numbers + first * model->preparation.inputs,
						   codes == NULL ? NULL : codes + first * model->preparation.embedded,
						   (char *) target + (size_t) first * target_bytes, weight + first, error));
	}
	return DL_OK;
}

DlBatchSource
dl_fit_subset_source(DlFitSubset *subset)
{
	return (DlBatchSource) {.context = subset, .row_count = subset->count, .fill = fill_subset};
}

DlStatus
dl_fit_folds_join(DlArena *arena, const DlFitFolds *folds, const DlFitTrial *trials, int variant_count,
				  DlFitTrial **variants, DlError *error)
{
	size_t		outputs = (size_t) folds->source->model->outputs;
	size_t		rows = (size_t) folds->source->row_count;

	DL_TRY(dl_arena_calloc(arena, (size_t) variant_count, sizeof(DlFitTrial), variants, error));
	for (int v = 0; v < variant_count; v++)
	{
		DlFitTrial *variant = &(*variants)[v];

		*variant = trials[v * DL_FIT_FOLDS];
		DL_TRY(dl_arena_calloc(arena, rows, outputs * sizeof(float), &variant->outputs, error));
		for (int f = 0; f < DL_FIT_FOLDS; f++)
		{
			const DlFitTrial *trial = &trials[v * DL_FIT_FOLDS + f];

			variant->run = variant->run && trial->run;
			for (int64_t i = 0; i < folds->count[f] && trial->run; i++)
				memcpy(variant->outputs + folds->rows[f][i] * outputs, trial->outputs + (size_t) i * outputs,
					   outputs * sizeof(float));
		}
	}
	return DL_OK;
}
