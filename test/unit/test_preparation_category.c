/*
 * test_preparation_category.c
 *    Categories: levels kept, one-hot and codes, unseen and missing values,
 *    notices, cancel.
 */
#include "tap.h"

#include "preparation_table.h"

static void
test_one_hot(void)
{
	/* two levels; two and missing; three; one and missing; one */
	static const double values[] = {
		0, 1, 2, 0, 0,
		1, 0, 0, -1, 0,
		1, -1, 1, 0, 0,
	};
	Table		table;
	float		numbers[8];
	uint32_t	unseen[5] = {2, 5, 3, 1, 1};

	table_begin(&table);
	table_column(&table, "two", DL_COLUMN_CATEGORY, 1, "ft");
	table_column(&table, "holes", DL_COLUMN_CATEGORY, 1, "ab");
	table_column(&table, "three", DL_COLUMN_CATEGORY, 1, "rgb");
	table_column(&table, "present", DL_COLUMN_CATEGORY, 1, "x");
	table_column(&table, "same", DL_COLUMN_CATEGORY, 1, "y");
	table_rows(&table, values, 3);
	ok(table_fit(&table) == DL_OK, "five categories");
	is_text(table.notices, "same constant 1;", "one is constant");
	ok(table.preparation.inputs == 6 && table.preparation.continuous == 0 && table.preparation.embedded == 0,
	   "the others give 1, 1, 3 and 1 columns");
	table_apply(&table, 0, numbers, NULL);
	ok(numbers[0] == -1 && numbers[1] == 1, "two levels are -1 and +1");
	ok(numbers[2] == 0 && numbers[3] == 0 && numbers[4] == 1, "three have a column each");
	ok(numbers[5] == 1, "one level is 1");
	table_apply(&table, 1, numbers, NULL);
	ok(numbers[0] == 1 && numbers[1] == -1 && numbers[2] == 1 && numbers[3] == 0 && numbers[5] == 0,
	   "another row, missing is 0");
	table_apply(&table, 2, numbers, NULL);
	ok(numbers[1] == 0 && numbers[3] == 1, "missing of two levels is 0");
	ok(table.preparation.categories[1].missing_seen && !table.preparation.categories[0].missing_seen, "missing is recorded");
	dl_preparation_apply(&table.preparation, 1, unseen, 5, numbers, NULL);
	ok(numbers[0] == 0 && numbers[1] == 0 && numbers[2] == 0 && numbers[3] == 0 && numbers[4] == 0 && numbers[5] == 0,
	   "unseen values are zeros");
	table_end(&table);
}

static void
test_codes(void)
{
	/* frequencies: a 1, b 3, c 2, d 2, e 0 */
	static const double values[] = {1, 3, 2, 1, 0, 1, 2, 3, -1};
	Table		table;
	int32_t		codes[2];

	table_begin(&table);
	table_column(&table, "letter", DL_COLUMN_CATEGORY, 1, "abcde");
	table_rows(&table, values, 9);
	table.settings.one_hot = 3;
	ok(table_fit(&table) == DL_OK && table.preparation.embedded == 1 && table.preparation.inputs == 0,
	   "more levels than one_hot become codes");
	ok(table.preparation.embedded_levels[0] == 5 && table.notices[0] == '\0', "four levels and missing");
	table_apply(&table, 1, NULL, codes);
	ok(codes[0] == 4, "levels go by the order of the vocabulary");
	table_apply(&table, 8, NULL, codes);
	ok(codes[0] == 0, "missing is 0");
	{
		uint32_t	unseen = 4;

		dl_preparation_apply(&table.preparation, 1, &unseen, 1, NULL, codes);
		ok(codes[0] == 0, "a level that no training row has is 0");
	}

	table.settings.min_count = 2;
	table.settings.one_hot = 0;
	ok(table_fit(&table) == DL_OK && table.preparation.embedded_levels[0] == 4, "rare levels are dropped");
	is_text(table.notices, "letter levels 1;", "with a notice");
	table_apply(&table, 4, NULL, codes);
	ok(codes[0] == 0, "and are as unseen ones");
	table_apply(&table, 0, NULL, codes);
	ok(codes[0] == 1, "b is the first level");

	table.settings.min_count = 1;
	table.settings.max_levels = 2;
	ok(table_fit(&table) == DL_OK && table.preparation.embedded_levels[0] == 3, "at most two levels");
	is_text(table.notices, "letter levels 2;", "two are dropped");
	table_apply(&table, 2, NULL, codes);
	ok(codes[0] == 2, "c stays: as frequent as d, but earlier");
	table_apply(&table, 1, NULL, codes);
	ok(codes[0] == 0, "d does not");

	table.settings.min_count = 10;
	ok(table_fit(&table) == DL_ERROR_DATA, "nothing is left when all levels are rare");
	is_text(table.notices, "letter levels 4;", "they are all dropped");
	table_end(&table);
}

static void
test_mixed(void)
{
	static const double values[] = {
		1, 0, 5, 2,
		2, 1, 6, 1,
		3, 0, 7, 0,
		NAN, 1, 8, 0,
	};
	Table		table;
	float		numbers[8];
	int32_t		codes[2];
	atomic_int	cancel = 1;

	table_begin(&table);
	table_column(&table, "x", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "flag", DL_COLUMN_CATEGORY, 1, "ft");
	table_column(&table, "y", DL_COLUMN_NUMBER, 1, NULL);
	table_column(&table, "code", DL_COLUMN_CATEGORY, 1, "abc");
	table_rows(&table, values, 4);
	table.settings.one_hot = 2;
	ok(table_fit(&table) == DL_OK && table.preparation.inputs == 4 && table.preparation.embedded == 1, "mixed columns");
	table_apply(&table, 3, numbers, codes);
	ok(numbers[0] == 0 && numbers[1] > 1 && numbers[2] == 1 && numbers[3] == 1 && codes[0] == 1,
	   "numbers, then indicators, then one-hot; codes apart");

	ok(dl_preparation_fit(table.arena, table.columns, table.column_count, &table.layout, table.dataset, table.rows, 4,
						  &table.settings, 1, NULL, NULL, &cancel, &table.preparation, &table.error) == DL_ERROR_CANCELLED,
	   "cancel ends it");
	table.columns[2].first_word = 4;
	ok(table_fit(&table) == DL_ERROR_INTERNAL, "a column beyond the record is refused");
	table_end(&table);
}

static void
test_decoded(void)
{
	/* what a damaged model may hold */
	int32_t		map[2] = {0, 2};
	DlCategoryInput category = {.levels = 2, .one_hot = true, .code_count = 2, .map = map};
	DlNumberInput number = {.scaling = (DlScaling) 9};
	DlPreparation preparation = {.category_count = 1, .categories = &category};
	DlArena    *arena;
	DlScaling	scaling;
	int			wrong = 0;

	dl_arena_create(0, &arena, NULL);
	ok(dl_preparation_finish(arena, &preparation, NULL) == DL_ERROR_CORRUPT, "a map beyond its levels");
	map[1] = 1;
	ok(dl_preparation_finish(arena, &preparation, NULL) == DL_OK && preparation.inputs == 1, "a map within them");
	category.levels = -1;
	ok(dl_preparation_finish(arena, &preparation, NULL) == DL_ERROR_CORRUPT, "negative levels");
	preparation = (DlPreparation) {.number_count = 1, .numbers = &number};
	ok(dl_preparation_finish(arena, &preparation, NULL) == DL_ERROR_CORRUPT, "an unknown scaling");
	for (int i = DL_SCALING_STANDARD; i <= DL_SCALING_NONE; i++)
		wrong += !dl_scaling_by_name(dl_scaling_name((DlScaling) i), &scaling) || (int) scaling != i;
	ok(wrong == 0 && !dl_scaling_by_name("minmax", &scaling), "names of scalings come back");
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_one_hot();
	test_codes();
	test_mixed();
	test_decoded();
	return done_testing();
}
