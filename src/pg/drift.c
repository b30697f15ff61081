/*
 * drift.c
 *    dl.drift(): how far the rows of a query are from those that a model was
 *    trained on, column by column, in the target, and in what it predicts.
 *
 * One pass: each row is encoded as for scoring, counted and scored in slices, and forgotten.  Memory does not
 * grow with the rows.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#include "model/statistics.h"
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/evaluation.h"
#include "pg/model_value.h"
#include "pg/query.h"
#include "pg/registry.h"
#include "pg/rows.h"

PG_FUNCTION_INFO_V1(dl_sql_drift);
PG_FUNCTION_INFO_V1(dl_sql_drift_value);

#define LEVEL_BYTES 60			/* of a level's text that is shown */
#define MOST_DAYS 2e9			/* from 2000-01-01 to any date; a model may say anything */

typedef struct Drift
{
	const DlModel *model;
	DlArena    *arena;
	MemoryContext row_context;
	DlScorer   *scorer;
	DlColumnSource *sources;
	const DlCategoryInput **categories; /* of each column, or NULL */
	int			target;			/* attribute, -1: the query has none */
	DlInputType target_type;

	/* what is counted */
	DlDistribution *columns;
	DlDistribution targets;
	DlDistribution predictions;

	/* rows that wait */
	int			slice_rows;
	int			slice;
	int			slice_targets;
	uint32_t   *features;
	bool	   *nulls;			/* [columns, slice_rows] */
	float	   *numbers;
	int32_t    *codes;
	float	   *target_numbers;
	int32_t    *target_codes;
	double	   *target_values;	/* of one row */
	double	   *results;
} Drift;

static void
begin(void *context, TupleDesc tupdesc)
{
	Drift	   *d = context;
	const DlModel *model = d->model;
	int			columns = Max(model->column_count, 1);
	Size		rows = (Size) d->slice_rows;
	DlError		error;

	d->sources = palloc0(sizeof(DlColumnSource) * (Size) columns);
	dl_column_sources_match(model, tupdesc, d->sources);
	d->target = dl_evaluation_target(model, tupdesc, &d->target_type);
	d->features = palloc0(sizeof(uint32_t) * rows * (Size) Max(model->feature_words, 1));
	d->nulls = palloc0(rows * (Size) columns);
	d->numbers = palloc(rows * sizeof(float));
	d->codes = palloc(rows * sizeof(int32_t));
	d->target_numbers = palloc(rows * sizeof(float));
	d->target_codes = palloc(rows * sizeof(int32_t));
	d->target_values = palloc(sizeof(double) * (Size) model->outputs);
	d->results = palloc(rows * sizeof(double) * (Size) dl_model_result_width(model));
	DL_CHECK(dl_scorer_create(d->arena, model, d->slice_rows, &d->scorer, &error), &error);
}

/* A category that the model has no level for is unseen, whether rows of training had it or not. */
static void
count_codes(Drift *d, int32_t column)
{
	const DlModel *model = d->model;
	const DlCategoryInput *category = d->categories[column];
	const bool *nulls = d->nulls + column * d->slice_rows;

	for (int i = 0; i < d->slice; i++)
	{
		int32_t		code = (int32_t) d->features[i * model->feature_words + model->columns[column].first_word];

		if (nulls[i])
			code = DL_CODE_MISSING;
		else if (code < 0 || (category != NULL && (code >= category->code_count || category->map[code] < 0)))
			code = DL_CODE_UNSEEN;
		d->codes[i] = code;
	}
	dl_distribution_add_codes(&d->columns[column], d->codes, d->slice);
}

static void
count_slice(Drift *d)
{
	const DlModel *model = d->model;
	DlError		error;

	if (d->slice == 0)
		return;
	for (int32_t c = 0; c < model->column_count; c++)
	{
		if (d->columns[c].codes)
			count_codes(d, c);
		else
		{
			dl_column_numbers(&model->columns[c], d->features, model->feature_words, d->slice, d->numbers);
			dl_distribution_add_numbers(&d->columns[c], d->numbers, d->slice);
		}
	}
	if (d->targets.codes)
		dl_distribution_add_codes(&d->targets, d->target_codes, d->slice_targets);
	else
		dl_distribution_add_numbers(&d->targets, d->target_numbers, d->slice_targets);
	DL_CHECK(dl_scorer_run(d->scorer, d->slice, d->features, model->feature_words, d->results, &error), &error);
	dl_statistics_add_predictions(model, d->slice, d->results, &d->predictions);
	d->slice = 0;
	d->slice_targets = 0;
	CHECK_FOR_INTERRUPTS();
}

static void
keep_target(Drift *d, Datum value)
{
	const DlModel *model = d->model;

	if (d->targets.codes)
	{
		Size		length;
		void	   *copy;
		const char *text = dl_datum_text(&d->target_type, value, &length, &copy);
		int32_t		class = dl_vocabulary_find(model->labels, text, length);

		d->target_codes[d->slice_targets++] = class < 0 ? DL_CODE_UNSEEN : class;
		return;
	}
	dl_evaluation_target_values(model, &d->target_type, value, model->outputs, d->target_values);
	d->target_numbers[d->slice_targets++] = dl_statistics_mean(d->target_values, model->outputs, d->targets.offset);
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	Drift	   *d = context;
	MemoryContext old = MemoryContextSwitchTo(d->row_context);

	for (int i = 0; i < d->model->column_count; i++)
	{
		DlColumnSource *s = &d->sources[i];

		d->nulls[i * d->slice_rows + d->slice] = nulls[s->position];
		dl_column_source_encode(s, values[s->position], nulls[s->position], d->features + d->slice * d->model->feature_words);
	}
	if (d->target >= 0 && !nulls[d->target])
		keep_target(d, values[d->target]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(d->row_context);
	if (++d->slice == d->slice_rows)
		count_slice(d);
}

/* --- the result --- */

/* The text of a level as it can be shown: of other bytes, or too long for the server's encoding, its number. */
static char *
level_text(const DlVocabulary *vocabulary, int32_t code)
{
	size_t		length;
	const char *text = dl_vocabulary_text(vocabulary, code, &length);
	bool		cut = length > LEVEL_BYTES;
	bool		ascii = true;

	if (cut)
		for (length = LEVEL_BYTES; length > 0 && (text[length] & 0xc0) == 0x80; length--)
			;
	for (size_t i = 0; i < length; i++)
		ascii = ascii && text[i] > 0;
	if (!ascii && (GetDatabaseEncoding() != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, text, (int) length, true)))
		return psprintf("level %d", code);
	return psprintf("\"%.*s%s\"", (int) length, text, cut ? "..." : "");
}

static char *
percent(double share)
{
	return psprintf("%.3g %%", 100 * share);
}

/* The level whose share has changed the most; or that more are unseen than was to be expected. */
static char *
codes_change(const DlDistribution *now, const DlVocabulary *vocabulary)
{
	const DlDistribution *then = now->reference;
	double		then_values = (double) (then->rows - then->missing);
	double		now_values = (double) (now->rows - now->missing);
	double		unseen = (double) now->unseen / now_values;
	double		expected = (double) then->unseen / then_values;
	double		most_then = 0;
	double		most_now = 0;
	int32_t		most = -1;

	if (then_values == 0 || now_values == 0)
		return NULL;
	for (int32_t i = 0; i < now->count; i++)
	{
		double		was = (double) then->frequencies[i] / then_values;
		double		is = (double) now->frequencies[i] / now_values;

		if (most < 0 || fabs(is - was) > fabs(most_now - most_then))
		{
			most = i;
			most_then = was;
			most_now = is;
		}
	}
	if (most < 0 || unseen - expected > fabs(most_now - most_then))
		return psprintf("unseen: %s (expected %s)", percent(unseen), percent(expected));
	return psprintf("%s: %s (was %s)", level_text(vocabulary, now->levels[most]), percent(most_now), percent(most_then));
}

static char *
mean_text(const DlColumn *column, double mean)
{
	if (column != NULL && column->kind == DL_COLUMN_TEXT)
		return psprintf("%.4g", expm1(mean));
	if (column != NULL && (column->kind == DL_COLUMN_DATE || column->kind == DL_COLUMN_TIMESTAMP) &&
		fabs(mean) < MOST_DAYS && IS_VALID_DATE((DateADT) floor(mean)))
		return DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum((DateADT) floor(mean))));
	return psprintf("%.4g", mean);
}

/* column NULL: of the target or the predictions */
static char *
numbers_change(const DlDistribution *now, const DlColumn *column)
{
	const DlDistribution *then = now->reference;
	const char *what = column != NULL && column->kind == DL_COLUMN_TEXT ? "length" : "mean";
	char	   *means;

	if (isnan(then->mean) || isnan(now->mean))
		return NULL;
	means = psprintf("%s %s (was %s)", what, mean_text(column, now->mean + now->offset),
					 mean_text(column, then->mean + then->offset));
	if (column != NULL && (column->kind != DL_COLUMN_NUMBER && column->kind != DL_COLUMN_ARRAY))
		return means;
	return psprintf("%s, standard deviation %.4g (was %.4g)", means, now->deviation, then->deviation);
}

typedef struct Row
{
	const char *part;
	const char *name;			/* UTF-8 */
	const char *kind;
	const DlColumn *column;		/* NULL: of the target or the predictions */
	const DlVocabulary *vocabulary; /* of codes */
} Row;

static Datum
share(int64 count, int64 rows, bool *isnull)
{
	*isnull = rows == 0;
	return Float8GetDatum(rows == 0 ? 0 : (double) count / (double) rows);
}

static Datum
number(double value, bool *isnull)
{
	*isnull = isnan(value);
	return Float8GetDatum(value);
}

static void
put_row(DlRows *rows, const Row *row, DlDistribution *now)
{
	const DlDistribution *then = now->reference;
	char	   *change;
	DlDrift		drift;
	Datum		values[13];
	bool		nulls[13] = {false};

	dl_distribution_finish(now);
	dl_distribution_compare(now, &drift);
	change = now->codes ? codes_change(now, row->vocabulary) : numbers_change(now, row->column);
	values[0] = CStringGetTextDatum(row->part);
	values[1] = CStringGetTextDatum(dl_model_text(row->name, strlen(row->name)));
	values[2] = CStringGetTextDatum(row->kind);
	values[3] = Int64GetDatum(now->rows);
	values[4] = number(drift.psi, &nulls[4]);
	values[5] = CStringGetTextDatum(now->codes ? "chi_square" : "kolmogorov_smirnov");
	values[6] = number(drift.statistic, &nulls[6]);
	values[7] = number(drift.p_value, &nulls[7]);
	values[8] = share(then->missing, then->rows, &nulls[8]);
	values[9] = share(now->missing, now->rows, &nulls[9]);
	values[10] = number(drift.unseen, &nulls[10]);
	values[11] = CStringGetTextDatum(dl_drift_verdict_name(drift.verdict));
	nulls[12] = change == NULL;
	values[12] = change == NULL ? (Datum) 0 : CStringGetTextDatum(change);
	dl_rows_put(rows, values, nulls);
}

static void
put_rows(Drift *d, DlRows *rows)
{
	const DlModel *model = d->model;
	const char *kind = model->labels != NULL ? "category" : model->outputs > 1 ? "array" : "number";

	for (int32_t c = 0; c < model->column_count; c++)
	{
		const DlColumn *column = &model->columns[c];
		Row			row = {"column", column->name, dl_column_kind_name(column->kind), column, column->vocabulary};

		put_row(rows, &row, &d->columns[c]);
	}
	if (d->targets.rows > 0)
		put_row(rows, &(Row) {"target", model->target, kind, NULL, model->labels}, &d->targets);
	put_row(rows, &(Row) {"prediction", model->target, d->predictions.codes ? "category" :
			model->labels != NULL ? "probability" : kind, NULL, model->labels}, &d->predictions);
}

static void
init(Drift *d, const DlModel *model)
{
	const DlModelStatistics *statistics = &model->statistics;
	DlError		error;

	if (statistics->columns == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model has no statistics of the rows it was trained on"),
				 errdetail("It was trained before models had them, or by another program."),
				 errhint("Train it again: dl.train and dl.fit keep them in the model.")));
	memset(d, 0, sizeof(*d));
	d->model = model;
	d->arena = dl_arena_for_context(CurrentMemoryContext, 0);
	d->row_context = AllocSetContextCreate(CurrentMemoryContext, "dl drift row", ALLOCSET_DEFAULT_SIZES);
	d->slice_rows = dl_evaluation_slice(model);
	d->columns = palloc0(sizeof(DlDistribution) * (Size) Max(model->column_count, 1));
	d->categories = palloc0(sizeof(DlCategoryInput *) * (Size) Max(model->column_count, 1));
	for (int32_t c = 0; c < model->column_count; c++)
	{
		d->categories[c] = dl_statistics_category(model, c);
		DL_CHECK(dl_distribution_like(d->arena, &statistics->columns[c], &d->columns[c], &error), &error);
	}
	DL_CHECK(dl_distribution_like(d->arena, &statistics->target, &d->targets, &error), &error);
	DL_CHECK(dl_distribution_like(d->arena, &statistics->predictions, &d->predictions, &error), &error);
}

static Datum
drift(FunctionCallInfo fcinfo, const DlModel *model)
{
	char	   *query = dl_argument_text(fcinfo, 1, "query");
	Drift		d;
	DlQueryReceiver receiver = {&d, begin, add_row};
	DlRows		rows;

	dl_rows_begin(fcinfo, &rows);
	init(&d, model);
	dl_query_run(query, &receiver);
	count_slice(&d);
	if (d.predictions.rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the query returned no rows")));
	put_rows(&d, &rows);
	return (Datum) 0;
}

Datum
dl_sql_drift(PG_FUNCTION_ARGS)
{
	return drift(fcinfo, dl_registry_model(dl_argument_text(fcinfo, 0, "model"), 0, DL_RIGHT_READ, CurrentMemoryContext));
}

Datum
dl_sql_drift_value(PG_FUNCTION_ARGS)
{
	DlModelArgument argument = {0};

	dl_argument_not_null(fcinfo, 0, "model");
	return drift(fcinfo, dl_model_argument(&argument, PG_GETARG_DATUM(0), true, CurrentMemoryContext));
}
