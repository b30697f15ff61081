/*
 * performance.c
 *    dl.performance(): the metrics of a model over time, once the truth is known,
 *    beside those of its training.
 *
 * The rows are scored and kept as for dl.evaluate; each belongs to a period of time, or all to one. Days, weeks and
 * months begin in the session's time zone.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/evaluation.h"
#include "pg/model_value.h"
#include "pg/query.h"
#include "pg/registry.h"
#include "pg/rows.h"

PG_FUNCTION_INFO_V1(dl_sql_performance);
PG_FUNCTION_INFO_V1(dl_sql_performance_value);

#define ORIGIN_YEAR 2001		/* its first of January is a Monday */
#define MONTHS 12
#define ROWS_BETWEEN_CHECKS 65536

/* A period: where it begins, and how many rows it has. */
typedef struct Period
{
	int64		start;			/* key: see period_of() */
	int32		index;			/* in the order of appearance */
	int64		rows;
	int64		first;			/* position of its first row when rows stand by period */
} Period;

typedef struct Performance
{
	DlEvaluation evaluation;
	const char *time_column;	/* NULL: all rows are one period */
	int			attribute;
	Oid			type;			/* date, timestamp or timestamptz */
	int32		months;			/* of a bucket; 0: stride counts */
	int64		stride;			/* microseconds */
	bool		local;			/* buckets begin by the clock on the wall, else by time that has passed */
	int64		origin;

	HTAB	   *periods;
	bool		has_null;
	int64		null_rows;		/* of rows without a time */
	int32		null_index;
	int32		count;
	int32	   *period;			/* of each row */
	int64		capacity;
} Performance;

/* --- buckets --- */

static void
set_bucket(Performance *p, const Interval *bucket)
{
	struct pg_tm origin = {.tm_year = ORIGIN_YEAR, .tm_mon = 1, .tm_mday = 1};
	Timestamp	start;
	int64		days;

	if (bucket->month != 0 && (bucket->day != 0 || bucket->time != 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bucket cannot have months and days"),
				 errhint("Use months or years alone, or days, hours and less.")));
	p->months = bucket->month;
	if (pg_mul_s64_overflow(bucket->day, USECS_PER_DAY, &days) || pg_add_s64_overflow(days, bucket->time, &p->stride))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("interval out of range")));
	if (p->months < 0 || (p->months == 0 && p->stride <= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bucket must be greater than 0")));
	p->local = p->months > 0 || bucket->day != 0;
	if (tm2timestamp(&origin, 0, NULL, &start) != 0)
		elog(ERROR, "the origin of periods is no timestamp");
	p->origin = start;
}

static int64
floor_division(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

/* The first month of the bucket, as a timestamp without time zone. */
static Timestamp
month_start(const Performance *p, Timestamp moment)
{
	struct pg_tm tm;
	fsec_t		fraction;
	int64		months;
	Timestamp	result;

	if (timestamp2tm(moment, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	months = floor_division((int64) (tm.tm_year - ORIGIN_YEAR) * MONTHS + tm.tm_mon - 1, p->months) * p->months;
	tm = (struct pg_tm) {
		.tm_year = ORIGIN_YEAR + (int) floor_division(months, MONTHS),
		.tm_mon = (int) (months - floor_division(months, MONTHS) * MONTHS) + 1,
		.tm_mday = 1
	};
	if (tm2timestamp(&tm, 0, NULL, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

/* Where the period of a value begins: a timestamp with time zone. */
static TimestampTz
period_of(const Performance *p, Datum value)
{
	Timestamp	local;
	int64		origin = p->origin;
	int64		start;

	if (p->type == TIMESTAMPTZOID && !p->local)
	{
		origin = DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz, TimestampGetDatum(p->origin)));
		start = DatumGetTimestampTz(value);
		return origin + floor_division(start - origin, p->stride) * p->stride;
	}
	if (p->type == DATEOID)
		value = DirectFunctionCall1(date_timestamp, value);
	else if (p->type == TIMESTAMPTZOID)
		value = DirectFunctionCall1(timestamptz_timestamp, value);
	local = DatumGetTimestamp(value);
	start = p->months > 0 ? month_start(p, local) : origin + floor_division(local - origin, p->stride) * p->stride;
	return DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz, TimestampGetDatum(start)));
}

static bool
is_infinite(const Performance *p, Datum value)
{
	return p->type == DATEOID ? DATE_NOT_FINITE(DatumGetDateADT(value)) : TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value));
}

/* --- rows --- */

static void
begin(void *context, TupleDesc tupdesc)
{
	Performance *p = context;

	dl_evaluation_begin(&p->evaluation, tupdesc);
	p->attribute = -1;
	if (p->time_column == NULL)
		return;
	for (int i = 0; i < tupdesc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), p->time_column) == 0)
			p->attribute = i;
	if (p->attribute < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the query has no column \"%s\", the time_column", p->time_column)));
	p->type = getBaseType(TupleDescAttr(tupdesc, p->attribute)->atttypid);
	if (p->type != DATEOID && p->type != TIMESTAMPOID && p->type != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("time_column \"%s\" is of type %s, it must be a date or timestamp", p->time_column,
						format_type_be(TupleDescAttr(tupdesc, p->attribute)->atttypid))));
}

/* The number of the period that a row belongs to, in the order in which periods appear. */
static int32
find_period(Performance *p, const Datum *values, const bool *nulls)
{
	bool		found;
	int64		key;
	Period	   *period;

	if (p->attribute < 0 || nulls[p->attribute])
	{
		if (!p->has_null)
			p->null_index = p->count++;
		p->has_null = true;
		p->null_rows++;
		return p->null_index;
	}
	if (is_infinite(p, values[p->attribute]))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time_column \"%s\" contains infinity", p->time_column)));
	key = period_of(p, values[p->attribute]);
	period = hash_search(p->periods, &key, HASH_ENTER, &found);
	if (!found)
	{
		period->index = p->count++;
		period->rows = 0;
	}
	period->rows++;
	return period->index;
}

static void
add_row(void *context, const Datum *values, const bool *nulls)
{
	Performance *p = context;

	if (!dl_evaluation_add(&p->evaluation, values, nulls))
		return;
	if (p->evaluation.rows > p->capacity)
	{
		Size		capacity = p->capacity == 0 ? 1024 : (Size) p->capacity * 2;

		p->period = p->capacity == 0 ? MemoryContextAllocHuge(p->evaluation.context, capacity * sizeof(int32)) :
			repalloc_huge(p->period, capacity * sizeof(int32));
		p->capacity = (int64) capacity;
	}
	p->period[p->evaluation.rows - 1] = find_period(p, values, nulls);
}

/* --- the result --- */

/* Ascending; rows without a time come last. */
static int
compare_periods(const void *a, const void *b)
{
	const Period *x = a;
	const Period *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static Period *
sorted_periods(Performance *p)
{
	Period	   *result = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Period) * (Size) p->count);
	HASH_SEQ_STATUS scan;
	Period	   *period;
	int32		count = 0;

	hash_seq_init(&scan, p->periods);
	while ((period = hash_seq_search(&scan)) != NULL)
		result[count++] = *period;
	qsort(result, (Size) count, sizeof(Period), compare_periods);
	if (p->has_null)
		result[count++] = (Period) {.index = p->null_index, .rows = p->null_rows};
	Assert(count == p->count);
	return result;
}

/* The numbers of the rows, period by period. */
static int64 *
rows_by_period(Performance *p, Period *periods)
{
	int64	   *next = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (Size) p->count);
	int64	   *result = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (Size) p->evaluation.rows);
	int64		first = 0;

	for (int32 i = 0; i < p->count; i++)
	{
		periods[i].first = first;
		next[periods[i].index] = first;
		first += periods[i].rows;
	}
	for (int64 row = 0; row < p->evaluation.rows; row++)
	{
		result[next[p->period[row]]++] = row;
		if (row % ROWS_BETWEEN_CHECKS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return result;
}

static double
held_out(const DlTrainRecord *record, const char *metric)
{
	for (int i = 0; i < record->metric_count; i++)
		if (strcmp(record->metrics[i].name, metric) == 0)
			return record->metrics[i].value;
	return NAN;
}

static void
put_metrics(Performance *p, const Period *period, bool timed, DlArena *arena, const double *results, const double *values,
			const int32_t *codes, DlRows *rows)
{
	DlMetricValue *metrics;
	int			count = dl_evaluation_measure(&p->evaluation, arena, period->rows, results, values, codes, &metrics);

	for (int i = 0; i < count; i++)
	{
		double		before = held_out(&p->evaluation.model->record, metrics[i].name);
		Datum		columns[5] = {
			TimestampTzGetDatum(period->start), Int64GetDatum(period->rows), CStringGetTextDatum(metrics[i].name),
			Float8GetDatum(metrics[i].value), Float8GetDatum(before)
		};
		bool		nulls[5] = {!timed, false, false, isnan(metrics[i].value), isnan(before)};

		dl_rows_put(rows, columns, nulls);
	}
}

/* The rows of one period, side by side. */
static void
measure_period(Performance *p, const Period *period, bool timed, const int64 *order, DlRows *rows)
{
	const DlEvaluation *e = &p->evaluation;
	Size		count = (Size) period->rows;
	double	   *results = MemoryContextAllocHuge(CurrentMemoryContext, count * (Size) e->width * sizeof(double));
	double	   *values = MemoryContextAllocHuge(CurrentMemoryContext, count * (Size) e->target_width * sizeof(double));
	int32_t    *codes = MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(int32_t));

	for (int64 i = 0; i < period->rows; i++)
	{
		int64		row = order[period->first + i];

		memcpy(results + i * e->width, e->results + row * e->width, sizeof(double) * (Size) e->width);
		memcpy(values + i * e->target_width, e->values + row * e->target_width, sizeof(double) * (Size) e->target_width);
		codes[i] = e->codes[row];
		if (i % ROWS_BETWEEN_CHECKS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	put_metrics(p, period, timed, dl_arena_for_context(CurrentMemoryContext, 0), results, values, codes, rows);
}

static void
measure(Performance *p, DlRows *rows)
{
	Period	   *periods = sorted_periods(p);
	int64	   *order = rows_by_period(p, periods);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dl performance period", ALLOCSET_DEFAULT_SIZES);

	for (int32 i = 0; i < p->count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		measure_period(p, &periods[i], !(p->has_null && i == p->count - 1), order, rows);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
}

static Datum
performance(FunctionCallInfo fcinfo, const DlModel *model)
{
	char	   *query = dl_argument_text(fcinfo, 1, "query");
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(Period), .hcxt = CurrentMemoryContext};
	Performance p = {0};
	DlQueryReceiver receiver = {&p, begin, add_row};
	DlRows		rows;

	if (!PG_ARGISNULL(2))
		p.time_column = dl_argument_text(fcinfo, 2, "time_column");
	dl_argument_not_null(fcinfo, 3, "bucket");
	set_bucket(&p, PG_GETARG_INTERVAL_P(3));
	dl_rows_begin(fcinfo, &rows);
	dl_evaluation_init(&p.evaluation, model);
	p.periods = hash_create("dl performance periods", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dl_query_run(query, &receiver);
	dl_evaluation_finish(&p.evaluation);
	measure(&p, &rows);
	return (Datum) 0;
}

Datum
dl_sql_performance(PG_FUNCTION_ARGS)
{
	return performance(fcinfo, dl_registry_model(dl_argument_text(fcinfo, 0, "model"), 0, DL_RIGHT_USE,
												 CurrentMemoryContext));
}

Datum
dl_sql_performance_value(PG_FUNCTION_ARGS)
{
	DlModelArgument argument = {0};

	dl_argument_not_null(fcinfo, 0, "model");
	return performance(fcinfo, dl_model_argument(&argument, PG_GETARG_DATUM(0), true, CurrentMemoryContext));
}
