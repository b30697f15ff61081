/*
 * evaluate.c
 *    dl.evaluate(): the metrics that training measured, and the metrics of a
 *    model on the rows of any query.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/evaluation.h"
#include "pg/model_value.h"
#include "pg/query.h"
#include "pg/registry.h"
#include "pg/rows.h"

PG_FUNCTION_INFO_V1(dl_sql_evaluate);
PG_FUNCTION_INFO_V1(dl_sql_evaluate_value);

static void
put_metric(DlRows *rows, const char *name, double value, int64 count)
{
	Datum		values[3] = {CStringGetTextDatum(name), Float8GetDatum(value), Int64GetDatum(count)};
	bool		nulls[3] = {false, isnan(value), false};

	dl_rows_put(rows, values, nulls);
}

static void
begin(void *context, TupleDesc tupdesc)
{
	dl_evaluation_begin(context, tupdesc);
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	(void) dl_evaluation_add(context, values, nulls);
}

static void
evaluate_query(const DlModel *model, const char *query, DlRows *rows)
{
	DlEvaluation e;
	DlQueryReceiver receiver = {&e, begin, add_row};
	DlMetricValue *metrics;
	int			count;

	dl_evaluation_init(&e, model);
	dl_query_run(query, &receiver);
	dl_evaluation_finish(&e);
	count = dl_evaluation_measure(&e, e.arena, e.rows, e.results, e.values, e.codes, &metrics);
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
