/*
 * test_preparation_integers.c
 *    Whole numbers with few values: which columns, which values, and the inputs.
 */
#include "tap.h"

#include <math.h>

#include "preparation_table.h"

#define ROWS 120

static void
test_columns(void)
{
	static double values[ROWS * 7];
	Table		table;
	float		numbers[32];
	uint32_t	unseen[7] = {0};
	float		x = 9;

	for (int i = 0; i < ROWS; i++)
	{
		values[7 * i] = i % 3 - 1;	/* few, some missing */
		values[7 * i + 1] = i % 2;	/* two */
		values[7 * i + 2] = i % 5 / 4.0;	/* few, but not whole */
		values[7 * i + 3] = i % 6;	/* too many */
		values[7 * i + 4] = i % 60 == 0 ? 7 : i % 4;	/* a rare one */
		values[7 * i + 5] = i % 4 - 0.5;	/* whole with the offset */
		values[7 * i + 6] = i % 4;	/* not whole with it */
	}
	values[7 * 10] = NAN;
	table_begin(&table);
	for (int c = 0; c < 7; c++)
		table_column(&table, (const char *const[]) {"few", "two", "parts", "many", "rare", "shifted", "offset"}[c],
					 DL_COLUMN_NUMBER, 1, NULL);
	table.columns[5].offset = 100.5;
	table.columns[6].offset = 0.25;
	table_rows(&table, values, ROWS);
	ok(table_fit(&table) == DL_OK && table.preparation.integer_count == 0 && table.preparation.inputs == 8, "none unless asked");
	table.settings.one_hot_integers = 5;
	ok(table_fit(&table) == DL_OK && table.preparation.integer_count == 3, "three columns of seven");
	ok(table.preparation.integers[0].word == 0 && table.preparation.integers[0].count == 3, "few values");
	ok(table.preparation.integers[1].word == 4 && table.preparation.integers[1].count == 4, "a rare value has no input");
	ok(table.preparation.integers[2].word == 5 && table.preparation.integers[2].values[0] == -0.5f,
	   "whole is the number itself, not as it is stored");
	ok(table.preparation.continuous == 7 && table.preparation.inputs == 7 + 1 + 3 + 4 + 4,
	   "all are still numbers, then come indicators, then one-hot inputs");
	table_apply(&table, 1, numbers, NULL);
	ok(numbers[8] == 0 && numbers[9] == 1 && numbers[10] == 0, "0 of -1, 0 and 1");
	ok(numbers[11] == 0 && numbers[12] == 1 && numbers[13] == 0 && numbers[14] == 0, "the second of four");
	table_apply(&table, 0, numbers, NULL);
	ok(numbers[11] == 0 && numbers[12] == 0 && numbers[13] == 0 && numbers[14] == 0, "a rare value: zeros");
	table_apply(&table, 10, numbers, NULL);
	ok(numbers[7] == 1 && numbers[8] == 0 && numbers[9] == 0 && numbers[10] == 0, "missing: the indicator, and zeros");
	memcpy(&unseen[0], &x, sizeof(x));
	dl_preparation_apply(&table.preparation, 1, unseen, 7, numbers, NULL);
	ok(numbers[8] == 0 && numbers[9] == 0 && numbers[10] == 0 && numbers[0] > 5, "an unseen value: zeros, and the number");
	table.settings.one_hot_integers = DL_MAX_ONE_HOT_INTEGERS + 1;
	ok(table_fit(&table) == DL_ERROR_INVALID, "more than the most is refused");
	table_end(&table);
}

/* Beside a category: the order of the inputs. */
static void
test_order(void)
{
	static double values[ROWS * 2];
	Table		table;
	float		numbers[8];

	for (int i = 0; i < ROWS; i++)
	{
		values[2 * i] = i % 3;
		values[2 * i + 1] = i % 2;
	}
	table_begin(&table);
	table_column(&table, "month", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "flag", DL_COLUMN_CATEGORY, 1, "ft");
	table_rows(&table, values, ROWS);
	table.settings.one_hot_integers = 3;
	ok(table_fit(&table) == DL_OK && table.preparation.inputs == 5, "an integer and a category");
	table_apply(&table, 5, numbers, NULL);
	ok(numbers[1] == 1 && numbers[2] == 0 && numbers[3] == 0 && numbers[4] == 1, "categories first, then integers");
	table_end(&table);
}

int
main(void)
{
	test_columns();
	test_order();
	return done_testing();
}
