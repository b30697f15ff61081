/*
 * test_preparation.c
 *    Fitting: which inputs there are and how they are scaled, against values
 *    computed by hand.
 */
#include "tap.h"

#include <stdlib.h>

#include "preparation_table.h"

static void
test_standard(void)
{
	/* mean 3, biased variance 2; a constant; one that is missing twice; a constant missing once; all missing */
	static const double values[] = {
		1, 7, NAN, 4, NAN,
		2, 7, 10, 4, NAN,
		3, 7, 20, NAN, NAN,
		4, 7, 30, 4, NAN,
		5, 7, NAN, 4, NAN,
	};
	Table		table;
	float		numbers[8];

	table_begin(&table);
	table_column(&table, "a", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "same", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "holes", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "flag", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "null", DL_COLUMN_NUMBER, 1, NULL);
	table_rows(&table, values, 5);
	ok(table_fit(&table) == DL_OK, "five columns are fitted");
	is_text(table.notices, "same constant 1;null constant 0;", "two of them are constant");
	ok(table.preparation.continuous == 3 && table.preparation.inputs == 5 && table.preparation.embedded == 0,
	   "three numbers and two indicators are left");
	ok(!table.preparation.contiguous, "not side by side");
	table_apply(&table, 0, numbers, NULL);
	is_close(numbers[0], -sqrt(2), 1e-6, "(1 - 3) / sqrt(2)");
	ok(numbers[1] == 0 && numbers[3] == 1, "a missing number is the mean and flagged");
	ok(numbers[2] == 0 && numbers[4] == 0, "a constant with an indicator is 0");
	table_apply(&table, 3, numbers, NULL);
	is_close(numbers[1], sqrt(1.5), 1e-6, "(30 - 20) / sqrt(200 / 3)");
	ok(numbers[3] == 0, "not missing");
	table_apply(&table, 2, numbers, NULL);
	ok(numbers[4] == 1 && numbers[0] == 0, "missing");

	table.settings.scaling = DL_SCALING_QUANTILE;
	ok(table_fit(&table) == DL_OK && table.preparation.numbers[2].scaling == DL_SCALING_STANDARD &&
	   table.preparation.numbers[1].quantile_count == 3, "quantiles are of numbers that vary");
	table_apply(&table, 2, numbers, NULL);
	ok(numbers[2] == 0 && numbers[4] == 1, "a constant with an indicator has none");
	table.settings.scaling = DL_SCALING_STANDARD;

	table.row_count = 2;
	ok(table_fit(&table) == DL_OK, "fitted on the first two rows only");
	is_text(table.notices, "same constant 1;flag constant 1;null constant 0;", "one more is constant");
	table_apply(&table, 4, numbers, NULL);
	is_close(numbers[0], 7, 1e-6, "(5 - 1.5) / 0.5");
	table.row_count = 1;
	ok(table_fit(&table) == DL_ERROR_DATA && table.error.detail[0] != '\0', "from one row there is nothing to learn");
	table.row_count = 0;
	ok(table_fit(&table) == DL_ERROR_DATA, "from no row either");
	table_end(&table);
}

static void
test_stable(void)
{
	/* the mean is 2^13 and far larger than the deviation; and infinities */
	Table		table;
	double	   *values = malloc(100000 * 2 * sizeof(double));
	float		numbers[2];

	table_begin(&table);
	table_column(&table, "far", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "wild", DL_COLUMN_NUMBER, 1, NULL);
	for (int i = 0; i < 100000; i++)
	{
		values[2 * i] = 8192 + (i % 2 ? 0.015625 : 0);
		values[2 * i + 1] = i == 7 ? INFINITY : i == 9 ? -INFINITY : i;
	}
	table_rows(&table, values, 100000);
	ok(table_fit(&table) == DL_OK, "numbers far from 0, and infinities");
	is_close(1 / table.preparation.scales[0], 0.0078125, 1e-6, "a small deviation around a large mean");
	table_apply(&table, 1, numbers, NULL);
	ok(numbers[0] == 1, "is not lost");
	ok(isfinite(table.preparation.scales[1]) && isfinite(table.preparation.centers[1]) && table.preparation.scales[1] > 0,
	   "infinities spoil no statistics");
	table.settings.scaling = DL_SCALING_ROBUST;
	ok(table_fit(&table) == DL_OK, "also robust");
	is_close(table.preparation.centers[1], 49999.5, 1e-4, "where they hardly count");
	table_end(&table);
	free(values);
}

static void
test_robust(void)
{
	/* quartiles 2 and 4, median 3; 9 of 10 equal: range 8 */
	static const double values[] = {
		1, 0,
		2, 0,
		3, 0,
		4, 0,
		100, 8,
	};
	Table		table;
	float		numbers[2];

	table_begin(&table);
	table_column(&table, "v", DL_COLUMN_ARRAY, 2, NULL);
	table_rows(&table, values, 5);
	table.settings.scaling = DL_SCALING_ROBUST;
	ok(table_fit(&table) == DL_OK && table.preparation.contiguous, "robust");
	table_apply(&table, 3, numbers, NULL);
	is_close(numbers[0], 0.5 / sqrt(1 + 1.0 / 36), 1e-6, "(4 - 3) / (4 - 2), clipped smoothly");
	ok(numbers[1] == 0, "the median is 0");
	table_apply(&table, 4, numbers, NULL);
	is_close(numbers[0], 48.5 / sqrt(1 + 48.5 * 48.5 / 9), 1e-6, "an outlier stays below 3");
	is_close(numbers[1], 2 / sqrt(1 + 4.0 / 9), 1e-6, "without a spread of quartiles the range counts: 2 (8 - 0) / 8");
	table_end(&table);
}

static void
test_quantile(void)
{
	enum {ROWS = 200001};
	Table		table;
	double	   *values = malloc(ROWS * 2 * sizeof(double));
	float		numbers[2];
	double		squares = 0;
	double		largest = 0;
	static const double few[] = {0, 0, 0, 1, 3};

	table_begin(&table);
	table_column(&table, "skewed", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "zeros", DL_COLUMN_NUMBER, 1, NULL);
	for (int i = 0; i < ROWS; i++)
	{
		values[2 * i] = exp((double) i / ROWS * 20);
		values[2 * i + 1] = i % 2 ? 0 : i;
	}
	table_rows(&table, values, ROWS);
	table.settings.scaling = DL_SCALING_QUANTILE;
	ok(table_fit(&table) == DL_OK && table.preparation.numbers[0].quantile_count == 1000, "1,000 quantiles");
	for (int i = 0; i < ROWS; i += 10)
	{
		table_apply(&table, i, numbers, NULL);
		squares += numbers[0] * numbers[0] / (ROWS / 10.0);
		largest = fabsf(numbers[0]) > largest ? fabsf(numbers[0]) : largest;
	}
	is_close(squares, 1, 0.02, "a skewed column becomes normal: deviation 1");
	ok(largest < 3.3 && largest > 3, "its ends are at %.2f", largest);
	table_apply(&table, ROWS / 2, numbers, NULL);
	is_close(numbers[0], 0, 0.02, "the median is 0");
	table_apply(&table, (int) (ROWS * 0.841345), numbers, NULL);
	is_close(numbers[0], 1, 0.02, "84 % is 1");
	table_apply(&table, 1, numbers, NULL);
	is_close(numbers[1], -0.674, 0.02, "half of the rows are equal: their middle is 25 %");
	table_end(&table);
	free(values);

	table_begin(&table);
	table_column(&table, "few", DL_COLUMN_NUMBER, 1, NULL);
	table_rows(&table, few, 5);
	table.settings.scaling = DL_SCALING_QUANTILE;
	table_fit(&table);
	table_apply(&table, 0, numbers, NULL);
	is_close(numbers[0], -0.5244005127, 1e-6, "three of five equal: position 1.5 of 5, 30 %");
	table_apply(&table, 3, numbers, NULL);
	is_close(numbers[0], 0.5244005127, 1e-6, "the fourth of five: 70 %");
	{
		const float between = 2;
		uint32_t	word;

		memcpy(&word, &between, sizeof(word));
		dl_preparation_apply(&table.preparation, 1, &word, 1, numbers, NULL);
		is_close(numbers[0], 0.8416212336, 1e-6, "halfway to the fifth: 80 %");
	}
	table_end(&table);
}

static void
test_none(void)
{
	static const double values[] = {1, 5e9, NAN, -3};
	Table		table;
	float		numbers[2];

	table_begin(&table);
	table_column(&table, "raw", DL_COLUMN_NUMBER, 1, NULL);
	table_rows(&table, values, 4);
	table.settings.scaling = DL_SCALING_NONE;
	ok(table_fit(&table) == DL_OK, "no scaling");
	table_apply(&table, 1, numbers, NULL);
	ok(numbers[0] == 5e9f && numbers[1] == 0, "leaves numbers as they are");
	table_apply(&table, 2, numbers, NULL);
	ok(numbers[0] == 0 && numbers[1] == 1, "missing is 0 and flagged");
	table_end(&table);
}

static void
test_dates(void)
{
	/* a date that is NULL in the second row; an array with a hole of its own */
	static const double values[] = {
		0, 1, 2, 5, 6,
		NAN, NAN, NAN, 6, 7,
		2, 5, 7, 7, NAN,
	};
	Table		table;
	float		numbers[8];

	table_begin(&table);
	table_column(&table, "day", DL_COLUMN_DATE, 3, NULL);
	table_column(&table, "array", DL_COLUMN_ARRAY, 2, NULL);
	table_rows(&table, values, 3);
	ok(table_fit(&table) == DL_OK && table.preparation.continuous == 5 && table.preparation.inputs == 7,
	   "a missing date has one indicator, elements of an array their own");
	table_apply(&table, 1, numbers, NULL);
	ok(numbers[5] == 1 && numbers[6] == 0, "the date is missing");
	table_apply(&table, 2, numbers, NULL);
	ok(numbers[5] == 0 && numbers[6] == 1, "the element is missing");
	table_end(&table);
}

static void
test_sample(void)
{
	/* not in order, in batches of different means */
	Table		table;
	double		values[3000];

	table_begin(&table);
	table_column(&table, "number", DL_COLUMN_NUMBER, 1, NULL);
	for (int i = 0; i < 3000; i++)
		values[i] = i / 1500 * 1500 + i * 7919 % 1500;
	table_rows(&table, values, 3000);
	table.settings.scaling = DL_SCALING_ROBUST;
	table_fit(&table);
	is_close(table.preparation.centers[0], 1499.5, 1e-6, "the median of a shuffled range");
	is_close(1 / table.preparation.scales[0], 1499.5, 1e-6, "and the distance of its quartiles");
	table.settings.scaling = DL_SCALING_STANDARD;
	table_fit(&table);
	is_close(table.preparation.centers[0], 1499.5, 1e-6, "its mean");
	is_close(1 / table.preparation.scales[0], sqrt((9e6 - 1) / 12), 1e-6, "and its deviation");
	table_end(&table);
}

int
main(void)
{
	test_standard();
	test_stable();
	test_robust();
	test_quantile();
	test_none();
	test_dates();
	test_sample();
	return done_testing();
}
