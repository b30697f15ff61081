/*
 * evaluate.c
 *    dl.evaluate(): the metrics that training measured, and the metrics of a
 *    model on the rows of any query.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/column_source.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/query.h"
#include "pg/registry.h"
#include "pg/rows.h"
#include "model/fit.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(dl_sql_evaluate);
PG_FUNCTION_INFO_V1(dl_sql_evaluate_value);

#define SLICE_ROWS 256

/* The scored rows of a query, as far as metrics need them. */
typedef struct Evaluation
{
	const DlModel *model;
	MemoryContext context;
	MemoryContext row_context;
	DlArena    *arena;
	DlScorer   *scorer;
	DlColumnSource *sources;
	int			target;			/* attribute */
	DlInputType target_type;
	int32_t		target_width;
	int32_t		width;			/* of a result */
	bool		classes;

	int64		rows;			/* scored, or waiting in the slice */
	int64		capacity;
	int64		slice;			/* rows waiting */
	uint32_t   *features;		/* of the slice */
	double	   *results;
	double	   *values;			/* targets that are numbers */
	int32_t    *codes;			/* targets that are classes */
} Evaluation;

static void
begin(void *context, TupleDesc tupdesc)
{
	Evaluation *e = context;
	const DlModel *model = e->model;
	const char *hint;
	DlError		error;

	e->sources = palloc0(sizeof(DlColumnSource) * (Size) Max(model->column_count, 1));
	dl_column_sources_match(model, tupdesc, e->sources);
	e->target = -1;
	for (int i = 0; i < tupdesc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), model->target) == 0)
			e->target = i;
	if (e->target < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the query has no column \"%s\", the target of the model", model->target),
				 errhint("Evaluation compares predictions with it: select it, under this name.")));
	if (!dl_input_type(TupleDescAttr(tupdesc, e->target)->atttypid, &e->target_type, &hint))
		dl_input_type_error(model->target, TupleDescAttr(tupdesc, e->target)->atttypid, hint);
	e->classes = model->labels != NULL;
	e->width = dl_model_result_width(model);
	e->target_width = e->classes ? 1 : e->width;
	e->features = palloc0(sizeof(uint32_t) * SLICE_ROWS * (Size) Max(model->feature_words, 1));
	DL_CHECK(dl_scorer_create(e->arena, model, SLICE_ROWS, &e->scorer, &error), &error);
}

static void
grow(Evaluation *e)
{
	Size		capacity = e->capacity == 0 ? SLICE_ROWS * 4 : (Size) e->capacity * 2;

	if (e->capacity == 0)
	{
		e->results = MemoryContextAllocHuge(e->context, capacity * (Size) e->width * sizeof(double));
		e->values = MemoryContextAllocHuge(e->context, capacity * (Size) e->target_width * sizeof(double));
		e->codes = MemoryContextAllocHuge(e->context, capacity * sizeof(int32_t));
	}
	else
	{
		e->results = repalloc_huge(e->results, capacity * (Size) e->width * sizeof(double));
		e->values = repalloc_huge(e->values, capacity * (Size) e->target_width * sizeof(double));
		e->codes = repalloc_huge(e->codes, capacity * sizeof(int32_t));
	}
	e->capacity = (int64) capacity;
}

static void
score_slice(Evaluation *e)
{
	DlError		error;

	if (e->slice == 0)
		return;
	DL_CHECK(dl_scorer_run(e->scorer, e->slice, e->features, e->model->feature_words,
						   e->results + (e->rows - e->slice) * e->width, &error), &error);
	e->slice = 0;
	CHECK_FOR_INTERRUPTS();
}

static void
keep_class(Evaluation *e, Datum value)
{
	Size		length;
	void	   *copy;
	const char *text = dl_datum_text(&e->target_type, value, &length, &copy);
	int32_t		class = dl_vocabulary_find(e->model->labels, text, length);

	if (class < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target \"%s\" has the class \"%.*s\", which the model was not trained with", e->model->target,
						(int) Min(length, 60), text),
				 errhint("Leave such rows out by a WHERE clause, or train again.")));
	e->codes[e->rows] = class;
}

static void
keep_values(Evaluation *e, Datum value)
{
	double	   *values = e->values + e->rows * e->target_width;

	if (e->target_type.kind == DL_COLUMN_ARRAY)
	{
		if (!dl_datum_array(&e->target_type, value, e->target_width, values))
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("array of target \"%s\" must have %d elements", e->model->target, e->target_width)));
	}
	else if (e->target_type.source <= DL_INPUT_BOOL && e->target_width == 1)
		values[0] = dl_datum_number(e->target_type.source, value);
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target \"%s\" is not of the type that the model was trained with, %s", e->model->target,
						e->model->target_type)));
	for (int i = 0; i < e->target_width; i++)
	{
		if (!isfinite(values[i]))
			dl_encode_not_finite(e->model->target, values[i]);
		if (e->model->task == DL_TASK_MULTILABEL && values[i] != 0 && values[i] != 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("multilabel target \"%s\" contains %g", e->model->target, values[i]),
					 errhint("Its elements must be true or false, or 0 or 1.")));
	}
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	Evaluation *e = context;
	MemoryContext old;

	if (nulls[e->target])
		return;
	if (e->rows == e->capacity)
		grow(e);
	old = MemoryContextSwitchTo(e->row_context);
	for (int i = 0; i < e->model->column_count; i++)
	{
		DlColumnSource *s = &e->sources[i];

		dl_column_source_encode(s, values[s->position], nulls[s->position],
								e->features + e->slice * e->model->feature_words);
	}
	if (e->classes)
		keep_class(e, values[e->target]);
	else
		keep_values(e, values[e->target]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(e->row_context);
	e->rows++;
	if (++e->slice == SLICE_ROWS)
		score_slice(e);
}

static void
put_metric(DlRows *rows, const char *name, double value, int64 count)
{
	Datum		values[3] = {CStringGetTextDatum(name), Float8GetDatum(value), Int64GetDatum(count)};
	bool		nulls[3] = {false, isnan(value), false};

	dl_rows_put(rows, values, nulls);
}

static bool
has_interrupt(void *context)
{
	(void) context;
	return InterruptPending && InterruptHoldoffCount == 0 && QueryCancelHoldoffCount == 0;
}

static void
evaluate_query(const DlModel *model, const char *query, DlRows *rows)
{
	Evaluation	e = {.model = model, .context = CurrentMemoryContext};
	DlQueryReceiver receiver = {&e, begin, add_row};
	DlMetricValue *metrics;
	int			count;
	DlStatus	status;
	DlError		error;

	e.arena = dl_arena_for_context(CurrentMemoryContext, 0);
	e.row_context = AllocSetContextCreate(CurrentMemoryContext, "dl evaluate row", ALLOCSET_DEFAULT_SIZES);
	dl_query_run(query, &receiver);
	score_slice(&e);
	if (e.rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the query returned no rows with a target")));
	do
	{
		CHECK_FOR_INTERRUPTS();
		status = dl_model_measure(e.arena, model->task, &model->record.settings, model->threshold, e.rows, e.width, e.results, e.values,
								  e.codes, NULL, (DlStop) {has_interrupt, NULL}, &count, &metrics, &error);
	} while (status == DL_ERROR_CANCELLED); /* an interrupt need not be a cancel */
	DL_CHECK(status, &error);
	for (int i = 0; i < count; i++)
		put_metric(rows, metrics[i].name, metrics[i].value, e.rows);
}

/* What training measured on the rows that it held out. */
static void
evaluate_record(const DlModel *model, DlRows *rows)
{
	const DlTrainRecord *record = &model->record;
	int			part = strcmp(record->metric_part, "test") == 0 ? DL_PART_TEST :
		strcmp(record->metric_part, "validation") == 0 ? DL_PART_VALIDATION : DL_PART_TRAIN;

	for (int i = 0; i < record->metric_count; i++)
		put_metric(rows, record->metrics[i].name, record->metrics[i].value, record->part_rows[part]);
}

static Datum
evaluate(FunctionCallInfo fcinfo, const DlModel *model)
{
	DlRows		rows;

	dl_rows_begin(fcinfo, &rows);
	if (PG_NARGS() > 1)
		evaluate_query(model, dl_argument_text(fcinfo, 1, "query"), &rows);
	else
		evaluate_record(model, &rows);
	return (Datum) 0;
}

Datum
dl_sql_evaluate(PG_FUNCTION_ARGS)
{
	return evaluate(fcinfo, dl_registry_model(dl_argument_text(fcinfo, 0, "model"), 0, DL_RIGHT_USE, CurrentMemoryContext));
}

Datum
dl_sql_evaluate_value(PG_FUNCTION_ARGS)
{
	DlModelArgument argument = {0};

	dl_argument_not_null(fcinfo, 0, "model");
	return evaluate(fcinfo, dl_model_argument(&argument, PG_GETARG_DATUM(0), true, CurrentMemoryContext));
}
