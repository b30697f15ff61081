/*
 * test_moment.c
 *    Words of dates and timestamps against facts of the calendar; names of
 *    column kinds; the record's layout.
 */
#include "tap.h"

#include "data/column.h"

#define DAY INT64_C(86400000000)
#define TURN 6.283185307179586

/* The angle of a sine and a cosine as a share of a turn, [0, 1). */
static double
share(const float *words)
{
	double		s = atan2(words[0], words[1]) / TURN;

	return s < -1e-9 ? s + 1 : s;
}

typedef struct Fact
{
	const char *date;
	int64_t		days;			/* since 2000-01-01 */
	int			weekday;		/* from Monday = 0 */
	int			day_of_year;	/* from 0 */
	int			year_days;
} Fact;

static const Fact facts[] = {
	{"2000-01-01, Saturday", 0, 5, 0, 366},
	{"2000-02-29", 59, 1, 59, 366},
	{"2000-12-31", 365, 6, 365, 366},
	{"2001-01-01, Monday", 366, 0, 0, 365},
	{"1999-12-31, Friday", -1, 4, 364, 365},
	{"1970-01-01, Thursday", -10957, 3, 0, 365},
	{"1969-07-20, Sunday", -11122, 6, 200, 365},
	{"1900-03-01, Thursday, no leap year", -36465, 3, 59, 365},
	{"1904-02-29, Monday", -35005, 0, 59, 366},
	{"2024-12-31, Tuesday", 9131, 1, 365, 366},
	{"2100-03-01, Monday, no leap year", 36584, 0, 59, 365},
	{"2400-01-01, Saturday", 146097, 5, 0, 366},
	{"1582-10-15, Friday", -152384, 4, 287, 365},
	{"0001-01-01, Monday", -730119, 0, 0, 365},
	{"4714-11-24 BC, Monday, day 0 of Julian days", -2451545, 0, 327, 365},
	{"294276-12-31, Sunday", 106751982, 6, 365, 366},
};

static void
test_facts(void)
{
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
	{
		const Fact *fact = &facts[i];
		float		words[DL_DATE_WORDS];
		bool		right;

		dl_encode_moment(fact->days * DAY, (double) fact->days - 100, DL_DATE_WORDS, words);
		right = words[0] == 100 &&
			fabs(share(words + 1) - (double) fact->day_of_year / fact->year_days) < 1e-6 &&
			fabs(share(words + 3) - fact->weekday / 7.0) < 1e-6;
		ok(right, "%s", fact->date);
		if (!right)
			printf("#   days %g, year %g, week %g\n", words[0], share(words + 1) * fact->year_days, share(words + 3) * 7);
	}
}

static void
test_time(void)
{
	float		words[DL_TIMESTAMP_WORDS];

	/* 1999-12-31 18:00 */
	dl_encode_moment(-DAY / 4, 0, DL_TIMESTAMP_WORDS, words);
	is_close(words[0], -0.25, 0, "a quarter of a day before 2000");
	is_close(share(words + 1), 364.75 / 365, 1e-6, "its share of the year");
	is_close(share(words + 3), 4.75 / 7, 1e-6, "of the week");
	is_close(share(words + 5), 0.75, 1e-6, "of the day");
	dl_encode_moment(-1, 0, DL_TIMESTAMP_WORDS, words);
	ok(words[5] <= 0 && words[6] > 0.999999f, "a microsecond before midnight");
	dl_encode_moment(INT64_MAX, 0, DL_TIMESTAMP_WORDS, words);
	ok(isfinite(words[0]) && fabsf(words[5]) <= 1, "the last moment of all is encoded");
	dl_encode_moment(INT64_MIN, 0, DL_TIMESTAMP_WORDS, words);
	ok(isfinite(words[0]) && fabsf(words[5]) <= 1, "and the first");
}

/* Day by day over 800 years the calendar counts as one that is walked. */
static void
test_walk(void)
{
	int			wrong = 0;
	int64_t		day = -146097;	/* 1600-01-01 */

	for (int year = 1600; year < 2400; year++)
	{
		int			days = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;

		for (int i = 0; i < days; i++, day++)
		{
			float		words[DL_DATE_WORDS];

			if (i > 2 && i < days - 2 && i != 58 && i != 59)
				continue;
			dl_encode_moment(day * DAY, 0, DL_DATE_WORDS, words);
			wrong += fabs(share(words + 1) - (double) i / days) > 1e-6;
		}
	}
	ok(wrong == 0 && day == 146097, "800 years");
}

static void
test_names(void)
{
	DlColumnKind kind;
	DlRecordLayout layout;
	int			wrong = 0;

	for (int i = DL_COLUMN_NUMBER; i <= DL_COLUMN_TEXT; i++)
		wrong += !dl_column_kind_by_name(dl_column_kind_name((DlColumnKind) i), &kind) || (int) kind != i;
	ok(wrong == 0, "names of kinds come back");
	ok(!dl_column_kind_by_name("texts", &kind), "an unknown name is none");
	dl_record_layout(3, 28, &layout);
	ok(layout.words == 35 && layout.target_word == 4 && layout.feature_word == 7 && layout.feature_words == 28 &&
	   layout.target_words == 3, "layout of a record");
}

int
main(void)
{
	test_facts();
	test_time();
	test_walk();
	test_names();
	return done_testing();
}
