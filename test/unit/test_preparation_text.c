/*
 * test_preparation_text.c
 *    Words of texts behind the numbers, and their prefixes among the categories.
 */
#include "preparation_table.h"
#include "tap.h"

#define ROWS 24
#define WORDS 10

/* x; the code of a prefix and 5 words of a text, one of them constant, one missing in its own rows; flag; y; a constant */
static void
fill(double *values)
{
	for (int i = 0; i < ROWS; i++)
	{
		double	   *row = values + i * WORDS;

		row[0] = i;
		row[1] = i == 0 ? -1 : i < 12 ? 0 : i < 18 ? 1 : i < 20 ? 2 : 3;
		row[2] = i == 0 ? NAN : i % 5;
		row[3] = i == 0 ? NAN : 0;
		row[4] = i == 0 ? NAN : i == 7 ? 1 : 0;
		row[5] = i % 3 == 0 ? NAN : i;
		row[6] = i == 0 ? NAN : 4;
		row[7] = i % 2;
		row[8] = i * i;
		row[9] = 0;
	}
}

static void
begin(Table *table, const double *values)
{
	table_begin(table);
	table_column(table, "x", DL_COLUMN_NUMBER, 1, NULL);
	table_column(table, "title", DL_COLUMN_TEXT, 6, "abcd");
	table_column(table, "flag", DL_COLUMN_CATEGORY, 1, "ft");
	table_column(table, "y", DL_COLUMN_NUMBER, 1, NULL);
	table_column(table, "same", DL_COLUMN_NUMBER, 1, NULL);
	table_rows(table, values, ROWS);
}

static void
test_order(void)
{
	static const int32_t words[] = {0, 8, 2, 4, 5, 6};
	double		values[ROWS * WORDS];
	Table		table;
	const DlPreparation *p = &table.preparation;
	float		numbers[32];
	int			wrong = 0;

	fill(values);
	begin(&table, values);
	ok(table_fit(&table) == DL_OK, "fitted: %s", table.error.message);
	is_text(table.notices, "same constant 1;", "nothing is said of words or prefixes");
	ok(p->continuous == 2, "%d numbers may be embedded", (int) p->continuous);
	for (int32_t i = 0; i < p->number_count && i < 6; i++)
		wrong += p->numbers[i].word != words[i] || p->numbers[i].of_text != (i >= 2);
	ok(wrong == 0 && p->number_count == 6, "words of texts come last, of %d", p->number_count);
	ok(p->category_count == 2 && p->categories[0].column == 1 && p->categories[0].levels == 2 &&
	   p->categories[0].map[2] == -1 && p->categories[0].map[3] == -1, "prefixes of 5 rows or more are levels");
	ok(p->inputs == p->number_count + p->indicator_count + 2, "%d inputs", (int) p->inputs);

	table_apply(&table, 0, numbers, NULL);
	for (int32_t i = 2; i < p->number_count; i++)
		wrong += numbers[i] != 0;
	ok(wrong == 0, "a missing text is all zeros");
	ok(numbers[p->number_count] == 1, "and flagged");
	ok(numbers[p->number_count + p->indicator_count] == 0, "its prefix is missing");
	table_apply(&table, 7, numbers, NULL);
	ok(numbers[p->number_count] == 0 && numbers[p->number_count + p->indicator_count] == -1, "one that is there");
	ok(fabsf(numbers[4]) <= 0.75f * 3, "a rare word is limited: %g", numbers[4]);
	table_end(&table);
}

static void
test_scalings(void)
{
	double		values[ROWS * WORDS];
	Table		table;
	DlNumberInput first[8];

	fill(values);
	begin(&table, values);
	for (int s = DL_SCALING_STANDARD; s <= DL_SCALING_NONE; s++)
	{
		const DlPreparation *p = &table.preparation;
		int			differ = 0;

		table.settings.scaling = (DlScaling) s;
		ok(table_fit(&table) == DL_OK && p->numbers[0].scaling == (DlScaling) s, "numbers by %s", dl_scaling_name((DlScaling) s));
		for (int32_t i = 2; i < p->number_count; i++)
		{
			if (s == 0)
				first[i] = p->numbers[i];
			differ += p->numbers[i].scaling != DL_SCALING_ROBUST || p->numbers[i].center != first[i].center ||
				p->numbers[i].scale != first[i].scale || p->numbers[i].quantile_count != 0;
		}
		ok(differ == 0, "words of texts in their own way");
	}
	table_end(&table);
}

static void
test_damaged(void)
{
	DlNumberInput numbers[2] = {{.of_text = true}, {.word = 1}};
	DlPreparation preparation = {.number_count = 2, .numbers = numbers};
	DlArena    *arena;
	DlError		error = {0};

	dl_arena_create(0, &arena, NULL);
	ok(dl_preparation_finish(arena, &preparation, &error) == DL_ERROR_CORRUPT, "a number behind words of texts: %s",
	   error.message);
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_order();
	test_scalings();
	test_damaged();
	return done_testing();
}
