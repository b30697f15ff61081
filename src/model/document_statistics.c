/*
 * document_statistics.c
 *    How the rows of training were distributed.  A model need not have it; what is
 *    there must be whole.
 *
 *    each:    rows (columns: those of the target), missing
 *    numbers: offset, low, high, mean, deviation, edges, counts (of the bins, one more than edges)
 *    codes:   unseen, levels, counts (of each)
 *
 * All but offset, deviation and counts lack the offset.
 */
#include <float.h>
#include <math.h>

#include "model/model_internal.h"
#include "model/statistics.h"

#define NUMBERS (-1)

static void
write_counts(DlJsonWriter *writer, const int64_t *counts, int32_t count)
{
	dl_json_begin_array(writer, "counts");
	for (int32_t i = 0; i < count; i++)
		dl_json_put_int(writer, NULL, counts[i]);
	dl_json_end_array(writer);
}

/* Columns have no key, and the rows of the target. */
static void
write_distribution(const DlDistribution *d, const char *key, DlJsonWriter *writer)
{
	dl_json_begin_object(writer, key);
	if (key != NULL)
		dl_json_put_int(writer, "rows", d->rows);
	if (d->missing > 0)
		dl_json_put_int(writer, "missing", d->missing);
	if (d->codes)
	{
		if (d->unseen > 0)
			dl_json_put_int(writer, "unseen", d->unseen);
		dl_json_begin_array(writer, "levels");
		for (int32_t i = 0; i < d->count; i++)
			dl_json_put_int(writer, NULL, d->levels[i]);
		dl_json_end_array(writer);
		write_counts(writer, d->frequencies, d->count);
	}
	else
	{
		if (d->offset != 0)
			dl_json_put_double(writer, "offset", d->offset);
		dl_json_put_double(writer, "low", d->low);
		dl_json_put_double(writer, "high", d->high);
		dl_json_put_double(writer, "mean", d->mean);
		dl_json_put_double(writer, "deviation", d->deviation);
		dl_document_write_doubles(writer, "edges", d->edges, d->count);
		write_counts(writer, d->bins, d->count + 1);
	}
	dl_json_end_object(writer);
}

void
dl_document_write_statistics(const DlModel *model, DlJsonWriter *writer)
{
	const DlModelStatistics *s = &model->statistics;

	if (s->columns == NULL)
		return;
	dl_json_begin_object(writer, "statistics");
	write_distribution(&s->target, "target", writer);
	write_distribution(&s->predictions, "predictions", writer);
	dl_json_begin_array(writer, "columns");
	for (int32_t i = 0; i < model->column_count; i++)
		write_distribution(&s->columns[i], NULL, writer);
	dl_json_end_array(writer);
	dl_json_end_object(writer);
}

/* An array of count counts; *sum is what they come to, at most most. */
static DlStatus
read_counts(const DlModel *model, const DlJson *json, int32_t count, int64_t most, int64_t **counts, int64_t *sum,
			DlError *error)
{
	DlJson		array;
	size_t		found = 0;

	DL_TRY(dl_json_array(json, "counts", DL_DISTRIBUTION_MOST + 1, &array, &found, error));
	if (found != (size_t) count)
		return dl_json_fail(&array, error, "has %zu items, expected %d", found, count);
	DL_TRY(dl_arena_calloc(model->arena, found, sizeof(int64_t), counts, error));
	*sum = 0;
	for (int32_t i = 0; i < count; i++)
	{
		DlJson		item;

		DL_TRY(dl_json_item(&array, (size_t) i, &item, error));
		DL_TRY(dl_json_int(&item, 0, most - *sum, &(*counts)[i], error));
		*sum += (*counts)[i];
	}
	return DL_OK;
}

static DlStatus
read_levels(const DlModel *model, const DlJson *json, int32_t codes, DlDistribution *d, DlError *error)
{
	DlJson		array;
	size_t		count = 0;
	int64_t		sum;

	if (dl_json_has(json, "unseen"))
		DL_TRY(dl_json_member_int(json, "unseen", 0, d->rows - d->missing, &d->unseen, error));
	DL_TRY(dl_json_array(json, "levels", DL_DISTRIBUTION_MOST, &array, &count, error));
	d->count = (int32_t) count;
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(int32_t), &d->levels, error));
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;
		int64_t		code = 0;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_int(&item, 0, codes - 1, &code, error));
		d->levels[i] = (int32_t) code;
		for (size_t k = 0; k < i; k++)
			if (d->levels[k] == d->levels[i])
				return dl_json_fail(&item, error, "stands there twice");
	}
	return read_counts(model, json, d->count, d->rows - d->missing - d->unseen, &d->frequencies, &sum, error);
}

/* Numbers that are not there are null, where no value is. */
static DlStatus
read_moments(const DlJson *json, DlDistribution *d, DlError *error)
{
	d->low = d->high = d->mean = d->deviation = NAN;
	if (d->rows == d->missing)
		return DL_OK;
	DL_TRY(dl_json_member_finite(json, "low", &d->low, error));
	DL_TRY(dl_json_member_finite(json, "high", &d->high, error));
	if (d->low < -FLT_MAX || d->high > FLT_MAX)
		return dl_json_fail(json, error, "has a range beyond single precision");
	DL_TRY(dl_json_member_finite(json, "mean", &d->mean, error));
	DL_TRY(dl_json_member_finite(json, "deviation", &d->deviation, error));
	if (d->low > d->high)
		return dl_json_fail(json, error, "has a low above its high");
	return d->deviation < 0 ? dl_json_fail(json, error, "has a negative deviation") : DL_OK;
}

static DlStatus
read_numbers(const DlModel *model, const DlJson *json, DlDistribution *d, DlError *error)
{
	DlJson		array;
	size_t		count = 0;
	int64_t		sum;

	if (dl_json_has(json, "offset"))
		DL_TRY(dl_json_member_finite(json, "offset", &d->offset, error));
	DL_TRY(read_moments(json, d, error));
	DL_TRY(dl_json_array(json, "edges", DL_DISTRIBUTION_MOST, &array, &count, error));
	d->count = (int32_t) count;
	DL_TRY(dl_document_read_doubles(model, json, "edges", d->count, true, &d->edges, error));
	for (int32_t i = 0; i < d->count; i++)
		if (fabs(d->edges[i]) > FLT_MAX || (i > 0 && (float) d->edges[i] <= (float) d->edges[i - 1]))
			return dl_json_fail(&array, error, "must ascend, in single precision");
	DL_TRY(read_counts(model, json, d->count + 1, d->rows - d->missing, &d->bins, &sum, error));
	if (sum != d->rows - d->missing)
		return dl_json_fail(json, error, "counts %lld of %lld values", (long long) sum, (long long) (d->rows - d->missing));
	return DL_OK;
}

/* d->rows are known; codes: how many there are, NUMBERS for none */
static DlStatus
read_distribution(const DlModel *model, const DlJson *json, int32_t codes, DlDistribution *d, DlError *error)
{
	d->codes = codes != NUMBERS;
	if (dl_json_has(json, "missing"))
		DL_TRY(dl_json_member_int(json, "missing", 0, d->rows, &d->missing, error));
	return d->codes ? read_levels(model, json, codes, d, error) : read_numbers(model, json, d, error);
}

static DlStatus
read_named(const DlModel *model, const DlJson *statistics, const char *key, int32_t codes, DlDistribution *d,
		   DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(statistics, key, &json, error));
	DL_TRY(dl_json_member_int(&json, "rows", 0, INT64_MAX / 4, &d->rows, error));
	return read_distribution(model, &json, codes, d, error);
}

static DlStatus
read_columns(DlModel *model, const DlJson *statistics, DlError *error)
{
	DlModelStatistics *s = &model->statistics;
	DlJson		array;
	size_t		count = 0;

	DL_TRY(dl_json_array(statistics, "columns", DL_MODEL_MAX_COLUMNS, &array, &count, error));
	if (count != (size_t) model->column_count)
		return dl_json_fail(&array, error, "has %zu items, but there are %d columns", count, model->column_count);
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlDistribution), &s->columns, error));
	for (int32_t i = 0; i < model->column_count; i++)
	{
		bool		codes = dl_statistics_column_has_codes(model, i);
		DlJson		item;

		DL_TRY(dl_json_item(&array, (size_t) i, &item, error));
		s->columns[i].rows = s->target.rows;

		/* a category that was never anything but NULL has no code at all */
		DL_TRY(read_distribution(model, &item, codes ? dl_vocabulary_size(model->columns[i].vocabulary) : NUMBERS,
								 &s->columns[i], error));
	}
	return DL_OK;
}

DlStatus
dl_document_read_statistics(DlModel *model, const DlJson *root, DlError *error)
{
	DlModelStatistics *s = &model->statistics;
	DlJson		json;

	if (!dl_json_has(root, "statistics"))
		return DL_OK;
	DL_TRY(dl_json_member(root, "statistics", &json, error));
	DL_TRY(read_named(model, &json, "target", model->labels != NULL ? dl_vocabulary_size(model->labels) : NUMBERS,
					  &s->target, error));
	DL_TRY(read_named(model, &json, "predictions", dl_statistics_predictions_have_codes(model) ?
					  dl_model_result_width(model) : NUMBERS, &s->predictions, error));
	return read_columns(model, &json, error);
}
