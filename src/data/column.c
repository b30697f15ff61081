/*
 * column.c
 *    Names of column kinds, the layout of a record, and the calendar behind the
 *    words of dates and timestamps.
 *
 * Pure functions: no state, no memory.
 */
#include "data/column.h"

#include <math.h>
#include <string.h>

#define MICROSECONDS_PER_DAY INT64_C(86400000000)
#define DAYS_PER_CYCLE 146097	/* of 400 Gregorian years */
#define SATURDAY 5				/* 2000-01-01, counted from Monday */

static const char *const kind_names[] = {
	[DL_COLUMN_NUMBER] = "number",
	[DL_COLUMN_CATEGORY] = "category",
	[DL_COLUMN_DATE] = "date",
	[DL_COLUMN_TIMESTAMP] = "timestamp",
	[DL_COLUMN_ARRAY] = "array",
	[DL_COLUMN_TEXT] = "text",
};

#define KIND_COUNT ((int) (sizeof(kind_names) / sizeof(kind_names[0])))

const char *
dl_column_kind_name(DlColumnKind kind)
{
	return (int) kind >= 0 && (int) kind < KIND_COUNT ? kind_names[kind] : "unknown";
}

bool
dl_column_kind_by_name(const char *name, DlColumnKind *result)
{
	for (int i = 0; i < KIND_COUNT; i++)
	{
		if (strcmp(name, kind_names[i]) == 0)
		{
			*result = (DlColumnKind) i;
			return true;
		}
	}
	return false;
}

void
dl_record_layout(int32_t target_words, int32_t feature_words, DlRecordLayout *layout)
{
	layout->target_word = DL_RECORD_TARGET;
	layout->target_words = target_words;
	layout->feature_word = DL_RECORD_TARGET + target_words;
	layout->feature_words = feature_words;
	layout->words = layout->feature_word + feature_words;
}

/* Days from the start of a 400-year cycle to the start of its year; year 0 is a leap year. */
static int32_t
days_before_year(int32_t year)
{
	return 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static int64_t
floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * The share of its year that has passed at a day (since 2000-01-01) and a
 * fraction of it.  Cycles of 400 years are alike and one starts in 2000.
 */
static double
share_of_year(int64_t days, double fraction)
{
	int32_t		day = (int32_t) (days - floor_divide(days, DAYS_PER_CYCLE) * DAYS_PER_CYCLE);
	int32_t		year = (int32_t) ((int64_t) day * 400 / DAYS_PER_CYCLE);

	while (days_before_year(year) > day)
		year--;
	while (days_before_year(year + 1) <= day)
		year++;
	return (day - days_before_year(year) + fraction) / (days_before_year(year + 1) - days_before_year(year));
}

static void
encode_cycle(double share, float *words)
{
	double		angle = 6.283185307179586 * share;

	words[0] = (float) sin(angle);
	words[1] = (float) cos(angle);
}

void
dl_encode_moment(int64_t microseconds, double offset_days, int32_t words_n, float *words)
{
	int64_t		days = floor_divide(microseconds, MICROSECONDS_PER_DAY);
	int64_t		rest = microseconds % MICROSECONDS_PER_DAY;
	double		fraction = (double) (rest < 0 ? rest + MICROSECONDS_PER_DAY : rest) / (double) MICROSECONDS_PER_DAY;
	int64_t		weekday = days + SATURDAY;

	weekday -= floor_divide(weekday, 7) * 7;
	words[0] = (float) (((double) days - offset_days) + fraction);
	encode_cycle(share_of_year(days, fraction), words + 1);
	encode_cycle(((double) weekday + fraction) / 7, words + 3);
	if (words_n >= DL_TIMESTAMP_WORDS)
		encode_cycle(fraction, words + 5);
}
