/*
 * fit_statistics.c
 *    How the columns and the target of the training rows are distributed, for a
 *    model that will be watched.
 *
 * Edges come from the quantiles that the preparation has found; for columns without, from a sample of at most
 * DL_DISTRIBUTION_SAMPLE rows, evenly spaced. Then one pass over all training rows counts. Weights do not.
 * Memory: the sample of as many columns as fit SAMPLE_BYTES, and a count for each code.
 */
#include <math.h>
#include <string.h>

#include "model/fit_internal.h"
#include "model/statistics.h"

#define BATCH_ROWS 256
#define SAMPLE_BYTES ((size_t) 32 << 20)

typedef struct Pass
{
	DlArena    *scratch;
	const DlFitSource *source;
	const atomic_int *cancel;
	DlModel    *model;
	uint32_t   *batch;			/* records */
	int64_t   **frequencies;	/* by column, of codes; the last: of the target's classes */
	int64_t    *missing;		/* codes */
} Pass;

/* The columns, and behind them the target. */
static int32_t
variable_count(const Pass *pass)
{
	return pass->model->column_count + 1;
}

static DlDistribution *
variable(const Pass *pass, int32_t v)
{
	return v < pass->model->column_count ? &pass->model->statistics.columns[v] : &pass->model->statistics.target;
}

static bool
has_codes(const Pass *pass, int32_t v)
{
	return v < pass->model->column_count ? dl_statistics_column_has_codes(pass->model, v) :
		dl_statistics_target_has_codes(pass->model);
}

static DlStatus
read_batch(const Pass *pass, const uint32_t *rows, int64_t count, DlError *error)
{
	if (pass->cancel != NULL && atomic_load_explicit(pass->cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return dl_dataset_gather(pass->source->dataset, rows, count, pass->batch, error);
}

/* Stored targets lack the offset already. */
static float
target_number(const Pass *pass, const uint32_t *record)
{
	const DlRecordLayout *layout = &pass->source->layout;
	double		sum = 0;

	for (int32_t k = 0; k < layout->target_words; k++)
	{
		float		stored;

		memcpy(&stored, record + layout->target_word + k, sizeof(stored));
		sum += stored;
	}
	return (float) (sum / layout->target_words);
}

static void
numbers_of(const Pass *pass, int32_t v, int64_t rows, float *values)
{
	const DlRecordLayout *layout = &pass->source->layout;

	if (v < pass->model->column_count)
		dl_column_numbers(&pass->model->columns[v], pass->batch + layout->feature_word, layout->words, rows, values);
	else
		for (int64_t i = 0; i < rows; i++)
			values[i] = target_number(pass, pass->batch + i * layout->words);
}

static double
offset_of(const Pass *pass, int32_t v)
{
	if (v < pass->model->column_count)
		return pass->model->columns[v].kind == DL_COLUMN_TEXT ? 0 : pass->model->columns[v].offset;
	return pass->source->request->target_offset;
}

/* The input of the word that stands for a column, where it has quantiles. */
static const DlNumberInput *
input_with_quantiles(const Pass *pass, int32_t v)
{
	const DlPreparation *p = &pass->model->preparation;

	if (v == pass->model->column_count || pass->model->columns[v].kind == DL_COLUMN_ARRAY)
		return NULL;
	for (int32_t i = 0; i < p->number_count; i++)
		if (p->numbers[i].word == pass->model->columns[v].first_word && p->numbers[i].quantile_count > 0)
			return &p->numbers[i];
	return NULL;
}

/* Edges of the count variables listed, from a sample. */
static DlStatus
sample_edges(Pass *pass, const int32_t *list, int32_t count, float *columns, uint32_t *keys, int64_t sampled,
			 DlError *error)
{
	int64_t		all = pass->source->row_count;

	for (int64_t at = 0; at < sampled; at += BATCH_ROWS)
	{
		int64_t		n = sampled - at < BATCH_ROWS ? sampled - at : BATCH_ROWS;
		uint32_t	rows[BATCH_ROWS];

		for (int64_t i = 0; i < n; i++)
			rows[i] = pass->source->rows[(int64_t) ((double) all * (double) (at + i) / (double) sampled)];
		DL_TRY(read_batch(pass, rows, n, error));
		for (int32_t k = 0; k < count; k++)
			numbers_of(pass, list[k], n, columns + k * sampled + at);
	}
	for (int32_t k = 0; k < count; k++)
		DL_TRY(dl_distribution_of_sample(pass->model->arena, columns + k * sampled, keys, keys + sampled, sampled,
										 offset_of(pass, list[k]), variable(pass, list[k]), error));
	return DL_OK;
}

static DlStatus
make_edges(Pass *pass, DlError *error)
{
	int64_t		all = pass->source->row_count;
	int64_t		sampled = all < DL_DISTRIBUTION_SAMPLE ? all : DL_DISTRIBUTION_SAMPLE;
	int32_t		group = (int32_t) (SAMPLE_BYTES / ((size_t) sampled * sizeof(float)));
	int32_t		count = 0;
	int32_t    *list;
	float	   *columns;
	uint32_t   *keys;

	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) variable_count(pass), sizeof(int32_t), &list, error));
	for (int32_t v = 0; v < variable_count(pass); v++)
	{
		const DlNumberInput *input = has_codes(pass, v) ? NULL : input_with_quantiles(pass, v);

		if (input != NULL)
			DL_TRY(dl_distribution_of_numbers(pass->model->arena, input->quantiles, input->quantile_count,
											  offset_of(pass, v), variable(pass, v), error));
		else if (!has_codes(pass, v))
			list[count++] = v;
	}
	group = group < count ? group : count;
	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) group * (size_t) sampled, sizeof(float), &columns, error));
	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) sampled, 2 * sizeof(uint32_t), &keys, error));
	for (int32_t first = 0; first < count; first += group)
		DL_TRY(sample_edges(pass, list + first, count - first < group ? count - first : group, columns, keys, sampled,
							error));
	return DL_OK;
}

static int32_t
code_count(const Pass *pass, int32_t v)
{
	return v < pass->model->column_count ? dl_vocabulary_size(pass->model->columns[v].vocabulary) :
		dl_vocabulary_size(pass->model->labels);
}

static void
count_codes(Pass *pass, int32_t v, int64_t rows)
{
	const DlRecordLayout *layout = &pass->source->layout;
	int32_t		codes = code_count(pass, v);

	for (int64_t i = 0; i < rows; i++)
	{
		const uint32_t *record = pass->batch + i * layout->words;
		uint32_t	code = v == pass->model->column_count ?
			(uint32_t) dl_fit_class(pass->source->request, record, layout) :
			record[layout->feature_word + pass->model->columns[v].first_word];

		if (code < (uint32_t) codes)
			pass->frequencies[v][code]++;
		else
			pass->missing[v]++;
	}
}

static DlStatus
count_rows(Pass *pass, DlError *error)
{
	const DlFitSource *source = pass->source;

	for (int64_t first = 0; first < source->row_count; first += BATCH_ROWS)
	{
		int64_t		n = source->row_count - first < BATCH_ROWS ? source->row_count - first : BATCH_ROWS;
		float		values[BATCH_ROWS];

		DL_TRY(read_batch(pass, source->rows + first, n, error));
		for (int32_t v = 0; v < variable_count(pass); v++)
		{
			if (has_codes(pass, v))
			{
				count_codes(pass, v, n);
				continue;
			}
			numbers_of(pass, v, n, values);
			dl_distribution_add_numbers(variable(pass, v), values, n);
		}
	}
	return DL_OK;
}

static DlStatus
finish_codes(Pass *pass, int32_t v, int64_t least, DlError *error)
{
	bool		column = v < pass->model->column_count;
	const DlCategoryInput *input = column ? dl_statistics_category(pass->model, v) : NULL;

	return dl_distribution_of_codes(pass->model->arena, pass->frequencies[v], code_count(pass, v), pass->missing[v],
									input == NULL ? NULL : input->map, column ? (least > 1 ? least : 1) : 0,
									variable(pass, v), error);
}

static DlStatus
run(Pass *pass, int64_t least, DlError *error)
{
	int32_t		count = variable_count(pass);

	DL_TRY(dl_arena_calloc(pass->model->arena, (size_t) pass->model->column_count, sizeof(DlDistribution),
						   &pass->model->statistics.columns, error));
	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) pass->source->layout.words, BATCH_ROWS * sizeof(uint32_t),
						   &pass->batch, error));
	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) count, sizeof(int64_t *), &pass->frequencies, error));
	DL_TRY(dl_arena_calloc(pass->scratch, (size_t) count, sizeof(int64_t), &pass->missing, error));
	for (int32_t v = 0; v < count; v++)
		if (has_codes(pass, v))
			DL_TRY(dl_arena_calloc(pass->scratch, (size_t) code_count(pass, v), sizeof(int64_t), &pass->frequencies[v],
								   error));
	DL_TRY(make_edges(pass, error));
	DL_TRY(count_rows(pass, error));
	for (int32_t v = 0; v < count; v++)
	{
		if (has_codes(pass, v))
			DL_TRY(finish_codes(pass, v, least, error));
		else
			dl_distribution_finish(variable(pass, v));
	}
	return DL_OK;
}

DlStatus
dl_fit_statistics(const DlFitSource *source, int64_t least, const atomic_int *cancel, DlModel *model, DlError *error)
{
	Pass		pass = {.source = source, .cancel = cancel, .model = model};
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &pass.scratch, error));
	status = run(&pass, least, error);
	dl_arena_destroy(pass.scratch);
	return status;
}
