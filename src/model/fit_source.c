/*
 * fit_source.c
 *    Rows of one part of a dataset as batches for the trainer.
 *
 * Where the prepared rows fit the memory allowed they are prepared once and
 * copied from then on; otherwise every reading prepares them again.  Reading
 * is safe for several threads: everything here is constant then.
 */
#include <math.h>
#include <string.h>

#include "core/size.h"
#include "model/fit_internal.h"

/* The square of a target, in deviations, must be a float. */
#define MOST_DEVIATIONS 1e15

/* Rows gathered at a time where records are not in memory. */
#define GATHER_ROWS 64

/* Rows read at a time in a pass over everything, and between looks at cancel. */
#define VISIT_ROWS 1024

/* Makes folds independent of parts, which come from the same hash. */
#define FOLD_STREAM UINT64_C(0x666f6c64)

void
dl_fit_source_init(DlFitSource *source, DlDataset *dataset, const DlFitRequest *request, const DlModel *model,
				   const uint32_t *rows, int64_t row_count)
{
	memset(source, 0, sizeof(*source));
	source->dataset = dataset;
	source->request = request;
	source->model = model;
	source->rows = rows;
	source->row_count = row_count;
	source->codes_target = request->task == DL_TASK_MULTICLASS;
	dl_record_layout(request->target_words, request->feature_words, &source->layout);
}

int
dl_fit_fold(const uint32_t *record)
{
	uint64_t	hash;

	memcpy(&hash, record + DL_RECORD_HASH, sizeof(hash));
	return (int) (dl_hash_mix(FOLD_STREAM, hash) % DL_TARGET_FOLDS);
}

static inline const DlPreparation *
preparation_of(const DlFitSource *source, const uint32_t *record)
{
	return source->folds != NULL ? &source->folds[dl_fit_fold(record)] : &source->model->preparation;
}

int32_t
dl_fit_class(const DlFitRequest *request, const uint32_t *record, const DlRecordLayout *layout)
{
	const uint32_t *word = record + layout->target_word;

	if (request->target_codes)
	{
		int32_t		code = (int32_t) *word;

		return code >= 0 && code < request->label_map_count ? request->label_map[code] : 0;
	}
	else
	{
		float		value;

		memcpy(&value, word, sizeof(value));
		return value == request->two_value;
	}
}

double
dl_fit_target(const DlFitSource *source, const uint32_t *record, int32_t k)
{
	float		stored;

	memcpy(&stored, record + source->layout.target_word + k, sizeof(stored));
	return (double) stored + source->request->target_offset;
}

/*
 * Validation rows may lie far outside of what the training rows span, and must not make the loss infinite: below the
 * least training value a logarithm need not exist (what is predicted ends there, too), and a float has an end.
 */
static float
target_output(const DlFitSource *source, const uint32_t *record, int32_t k)
{
	double		value = dl_fit_target(source, record, k);

	if (source->target->log)
		value = fmax(value, source->model->target_low[k]);
	return (float) fmin(fmax(dl_target_output(source->target, k, value), -MOST_DEVIATIONS), MOST_DEVIATIONS);
}

static void
fill_target(const DlFitSource *source, const uint32_t *record, int64_t i, void *target, float *weight)
{
	const DlModel *model = source->model;
	int32_t		outputs = model->outputs;
	float	   *values = (float *) target + i * outputs;
	float		w;

	memcpy(&w, record + DL_RECORD_WEIGHT, sizeof(w));
	switch (model->task)
	{
		case DL_TASK_BINARY:
		case DL_TASK_MULTICLASS:
			{
				int32_t		class = dl_fit_class(source->request, record, &source->layout);

				if (source->codes_target)
					((int32_t *) target)[i] = class;
				else
					values[0] = (float) class;
				if (source->class_weight != NULL)
					w *= source->class_weight[class];
				break;
			}
		case DL_TASK_MULTILABEL:
			memcpy(values, record + source->layout.target_word, (size_t) outputs * sizeof(float));
			break;
		case DL_TASK_REGRESSION:
			for (int32_t k = 0; k < outputs; k++)
				values[k] = target_output(source, record, k);
			break;
	}
	weight[i] = w;
}

static void
fill_record(const DlFitSource *source, const uint32_t *record, uint32_t position, int64_t i, float *numbers,
			int32_t *codes, void *target, float *weight)
{
	const DlPreparation *p = preparation_of(source, record);
	float	   *n = p->inputs > 0 ? numbers + i * p->inputs : NULL;
	int32_t    *c = p->embedded > 0 ? codes + i * p->embedded : NULL;

	if (source->prepared_numbers != NULL || source->prepared_codes != NULL)
	{
		if (n != NULL)
			memcpy(n, source->prepared_numbers + (int64_t) position * p->inputs, (size_t) p->inputs * sizeof(float));
		if (c != NULL)
			memcpy(c, source->prepared_codes + (int64_t) position * p->embedded, (size_t) p->embedded * sizeof(int32_t));
	}
	else
		dl_preparation_apply(p, 1, record + source->layout.feature_word, source->layout.words, n, c);
	fill_target(source, record, i, target, weight);
}

/* Records of storage pass through a buffer of a few rows. */
static DlStatus
fill_from_storage(const DlFitSource *source, const uint32_t *rows, int64_t count, float *numbers, int32_t *codes,
				  void *target, float *weight, DlError *error)
{
	uint32_t	wanted[GATHER_ROWS];
	uint32_t   *records;
	DlArena    *scratch;
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_arena_calloc(scratch, GATHER_ROWS, (size_t) source->layout.words * sizeof(uint32_t), &records, error);
	for (int64_t first = 0; first < count && status == DL_OK; first += GATHER_ROWS)
	{
		int64_t		n = count - first < GATHER_ROWS ? count - first : GATHER_ROWS;

		for (int64_t i = 0; i < n; i++)
			wanted[i] = source->rows[rows[first + i]];
		status = dl_dataset_gather(source->dataset, wanted, n, records, error);
		for (int64_t i = 0; i < n && status == DL_OK; i++)
			fill_record(source, records + i * source->layout.words, rows[first + i], first + i, numbers, codes, target,
						weight);
	}
	dl_arena_destroy(scratch);
	return status;
}

static DlStatus
fill(void *context, const uint32_t *rows, int64_t count, float *numbers, int32_t *codes, void *target, float *weight,
	 DlError *error)
{
	const DlFitSource *source = context;

	if (dl_dataset_in_memory(source->dataset))
	{
		for (int64_t i = 0; i < count; i++)
		{
			if (i + 8 < count)
				__builtin_prefetch(dl_dataset_record(source->dataset, source->rows[rows[i + 8]]));
			fill_record(source, dl_dataset_record(source->dataset, source->rows[rows[i]]), rows[i], i, numbers, codes,
						target, weight);
		}
		return DL_OK;
	}

	return fill_from_storage(source, rows, count, numbers, codes, target, weight, error);
}

/* An order of the dataset's rows as positions within the part. */
static DlStatus
order(void *context, DlRandom *random, uint32_t *positions, DlError *error)
{
	DlFitSource *source = context;

	if (dl_dataset_in_memory(source->dataset))
	{
		for (int64_t i = 0; i < source->row_count; i++)
			positions[i] = (uint32_t) i;
		dl_random_shuffle(random, positions, (size_t) source->row_count);
		return DL_OK;
	}
	DL_TRY(dl_dataset_order(source->dataset, random, source->rows, source->row_count, positions, error));
	for (int64_t i = 0; i < source->row_count; i++)
	{
		/* rows are ascending: find each by bisection */
		int64_t		low = 0;
		int64_t		high = source->row_count - 1;

		while (low < high)
		{
			int64_t		middle = low + (high - low) / 2;

			if (source->rows[middle] < positions[i])
				low = middle + 1;
			else
				high = middle;
		}
		positions[i] = (uint32_t) low;
	}
	return DL_OK;
}

DlBatchSource
dl_fit_batch_source(DlFitSource *source)
{
	return (DlBatchSource) {.context = source, .row_count = source->row_count, .fill = fill, .order = order};
}

static DlStatus
check_cancel(const atomic_int *cancel, DlError *error)
{
	if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return DL_OK;
}

/* Reads storage from front to back, which is what it is fast at. */
static DlStatus
visit_storage(const DlFitSource *source, const atomic_int *cancel, uint32_t *records, DlFitVisit visit, void *context,
			  DlError *error)
{
	int64_t		total = dl_dataset_rows(source->dataset);
	int64_t		position = 0;

	for (int64_t first = 0; first < total && position < source->row_count; first += VISIT_ROWS)
	{
		int64_t		n = total - first < VISIT_ROWS ? total - first : VISIT_ROWS;

		DL_TRY(check_cancel(cancel, error));
		DL_TRY(dl_dataset_scan(source->dataset, first, n, records, error));
		while (position < source->row_count && source->rows[position] < first + n)
		{
			DL_TRY(visit(context, position, records + (source->rows[position] - first) * source->layout.words, error));
			position++;
		}
	}
	return DL_OK;
}

DlStatus
dl_fit_visit(const DlFitSource *source, const atomic_int *cancel, DlFitVisit visit, void *context, DlError *error)
{
	DlArena    *scratch;
	uint32_t   *records;
	DlStatus	status;

	if (dl_dataset_in_memory(source->dataset))
	{
		for (int64_t i = 0; i < source->row_count; i++)
		{
			if (i % VISIT_ROWS == 0)
				DL_TRY(check_cancel(cancel, error));
			DL_TRY(visit(context, i, dl_dataset_record(source->dataset, source->rows[i]), error));
		}
		return DL_OK;
	}
	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_arena_calloc(scratch, VISIT_ROWS, (size_t) source->layout.words * sizeof(uint32_t), &records, error);
	if (status == DL_OK)
		status = visit_storage(source, cancel, records, visit, context, error);
	dl_arena_destroy(scratch);
	return status;
}

static DlStatus
prepare_record(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	const DlFitSource *source = context;
	const DlPreparation *p = preparation_of(source, record);

	(void) error;
	dl_preparation_apply(p, 1, record + source->layout.feature_word, source->layout.words,
						 p->inputs == 0 ? NULL : source->prepared_numbers + position * p->inputs,
						 p->embedded == 0 ? NULL : source->prepared_codes + position * p->embedded);
	return DL_OK;
}

DlStatus
dl_fit_source_prepare(DlFitSource *source, DlArena *arena, const atomic_int *cancel, DlError *error)
{
	const DlPreparation *p = &source->model->preparation;
	size_t		rows = (size_t) source->row_count;

	if (!dl_dataset_in_memory(source->dataset))
		return DL_OK;
	if (p->inputs > 0)
		DL_TRY(dl_arena_calloc(arena, rows, (size_t) p->inputs * sizeof(float), &source->prepared_numbers, error));
	if (p->embedded > 0)
		DL_TRY(dl_arena_calloc(arena, rows, (size_t) p->embedded * sizeof(int32_t), &source->prepared_codes, error));
	return dl_fit_visit(source, cancel, prepare_record, source, error);
}
