/*
 * test_split.c
 *    Parts of rows: by hash, by column, stratified.
 */
#include "tap.h"

#include <stdlib.h>

#include "core/random.h"
#include "data/split.h"

#define WORDS 6

typedef struct Row
{
	uint64_t	hash;
	int32_t		class;
	int32_t		part;
} Row;

static DlDataset *
make_dataset(const Row *rows, int64_t count)
{
	DlDataset  *dataset;
	uint32_t	record[WORDS] = {0};

	dl_dataset_create(WORDS, (size_t) 64 << 20, NULL, &dataset, NULL);
	for (int64_t i = 0; i < count; i++)
	{
		memcpy(record, &rows[i].hash, sizeof(uint64_t));
		record[DL_RECORD_PART] = (uint32_t) rows[i].part;
		record[DL_RECORD_TARGET] = (uint32_t) rows[i].class;
		dl_dataset_append(dataset, record, 1, NULL);
	}
	dl_dataset_finish(dataset, NULL);
	return dataset;
}

/* The part of each row to parts; counts[] of each part; false when rows are lost, doubled or unsorted. */
static DlStatus
split_rows(const Row *rows, int64_t count, const DlSplitSettings *settings, int8_t *parts, int64_t *counts, DlError *error)
{
	DlArena    *arena;
	DlDataset  *dataset = make_dataset(rows, count);
	DlSplit		split;
	DlStatus	status;
	int64_t		wrong = 0;

	dl_arena_create(0, &arena, NULL);
	status = dl_split_make(arena, dataset, settings, &split, error);
	memset(parts, -1, (size_t) count);
	for (int p = 0; p < 3 && status == DL_OK; p++)
	{
		counts[p] = split.count[p];
		for (int64_t i = 0; i < split.count[p]; i++)
		{
			wrong += parts[split.rows[p][i]] != -1 || (i > 0 && split.rows[p][i] <= split.rows[p][i - 1]);
			parts[split.rows[p][i]] = (int8_t) p;
		}
	}
	if (status == DL_OK && (wrong != 0 || memchr(parts, -1, (size_t) count) != NULL))
		status = DL_ERROR_INTERNAL;
	dl_dataset_destroy(dataset);
	dl_arena_destroy(arena);
	return status;
}

/* Rows with hashes of their own; class i % classes. */
static Row *
make_rows(int64_t count, int32_t classes)
{
	Row		   *rows = calloc((size_t) count, sizeof(Row));

	for (int64_t i = 0; i < count; i++)
		rows[i] = (Row) {dl_hash_mix(77, (uint64_t) i), (int32_t) (i % classes), DL_PART_NONE};
	return rows;
}

static void
test_large(void)
{
	enum {ROWS = 40000};
	Row		   *rows = make_rows(ROWS, 3);
	int8_t	   *parts = malloc(ROWS);
	int8_t	   *again = malloc(ROWS);
	int64_t		counts[3];
	DlSplitSettings settings = {.validation = 0.15, .test = 0.1, .seed = 42};
	DlError		error;
	int			wrong = 0;
	int			same = 0;

	/* every tenth row is a copy of the one before */
	for (int i = 10; i < ROWS; i += 10)
		rows[i].hash = rows[i - 1].hash;
	ok(split_rows(rows, ROWS, &settings, parts, counts, &error) == DL_OK, "%d rows are split", ROWS);
	is_close((double) counts[DL_PART_TEST], ROWS * 0.1, 4 * 1.2 * sqrt(ROWS * 0.1 * 0.9) / (ROWS * 0.1), "share of the test");
	is_close((double) counts[DL_PART_VALIDATION], ROWS * 0.15, 4 * 1.2 * sqrt(ROWS * 0.15 * 0.85) / (ROWS * 0.15), "share of validation");
	for (int i = 10; i < ROWS; i += 10)
		wrong += parts[i] != parts[i - 1];
	ok(wrong == 0, "copies stay together");

	for (int i = 0; i < ROWS / 2; i++)
	{
		Row			row = rows[i];

		rows[i] = rows[ROWS - 1 - i];
		rows[ROWS - 1 - i] = row;
	}
	split_rows(rows, ROWS - 5000, &settings, again, counts, &error);
	for (int i = 0; i < ROWS - 5000; i++)
		wrong += again[i] != parts[ROWS - 1 - i];
	ok(wrong == 0, "a row keeps its part in another order and among others");
	for (int i = 0; i < ROWS / 2; i++)
	{
		Row			row = rows[i];

		rows[i] = rows[ROWS - 1 - i];
		rows[ROWS - 1 - i] = row;
	}
	settings.seed = 43;
	split_rows(rows, ROWS, &settings, again, counts, &error);
	for (int i = 0; i < ROWS; i++)
		same += parts[i] == DL_PART_TEST && again[i] == DL_PART_TEST;
	ok(same < ROWS * 0.1 * 0.1 * 1.5 && same > ROWS * 0.1 * 0.1 * 0.5, "another seed gives an independent test (%d rows shared)", same);
	settings.validation = settings.test = 0;
	ok(split_rows(rows, ROWS, &settings, parts, counts, &error) == DL_OK && counts[DL_PART_TRAIN] == ROWS, "shares of 0");

	settings.test = 0.5;
	for (int i = 0; i < ROWS; i++)
		rows[i].hash = 1;
	for (settings.seed = 0; settings.seed < 100; settings.seed++)
	{
		DlStatus	status = split_rows(rows, 2000, &settings, parts, counts, &error);

		if (status == DL_ERROR_DATA)
			break;
		wrong += status != DL_OK || counts[DL_PART_TRAIN] != 2000;
	}
	ok(wrong == 0 && settings.seed < 100 && strstr(error.hint, "split key") != NULL,
	   "one group in the test leaves nothing to train on");
	free(rows);
	free(parts);
	free(again);
}

static void
test_column(void)
{
	Row			rows[6] = {{1, 0, 2}, {1, 0, 0}, {3, 0, 1}, {4, 0, 0}, {5, 0, 2}, {6, 0, 0}};
	static const int8_t want[6] = {2, 0, 1, 0, 2, 0};
	int8_t		parts[6];
	int64_t		counts[3];
	DlSplitSettings settings = {.by_column = true, .validation = 2};
	DlError		error;

	ok(split_rows(rows, 6, &settings, parts, counts, &error) == DL_OK && memcmp(parts, want, 6) == 0, "a column says it");
	rows[4].part = DL_PART_NONE;
	ok(split_rows(rows, 6, &settings, parts, counts, &error) == DL_ERROR_DATA, "a row without a part is an error");
	is_text(error.message, "row 5 does not say its part in the split column", "that names the row");
	is_text(error.hint, "Valid values are \"train\", \"validation\" and \"test\".", "and the valid values");
	for (int i = 0; i < 6; i++)
		rows[i].part = 1;
	ok(split_rows(rows, 6, &settings, parts, counts, &error) == DL_ERROR_DATA &&
	   strcmp(error.message, "no rows are left to train on") == 0, "no row to train on");
	rows[2].part = 7;
	ok(split_rows(rows, 6, &settings, parts, counts, &error) == DL_ERROR_DATA, "no part 7");
}

static void
test_stratified(void)
{
	enum {ROWS = 150};
	Row		   *rows = make_rows(ROWS, 3);
	int8_t		parts[ROWS];
	int8_t		again[ROWS];
	int64_t		counts[3];
	int			by_class[3][3] = {{0}};
	DlSplitSettings settings = {.validation = 0.15, .test = 0.15, .seed = 1, .classes = true};
	DlError		error;
	int			wrong = 0;

	/* as iris: 3 classes of 50 */
	ok(split_rows(rows, ROWS, &settings, parts, counts, &error) == DL_OK, "150 rows of three classes");
	ok(counts[0] == 104 && counts[1] == 23 && counts[2] == 23, "23 validate, 23 test (%d, %d)", (int) counts[1], (int) counts[2]);
	for (int i = 0; i < ROWS; i++)
		by_class[rows[i].class][parts[i]]++;
	for (int c = 0; c < 3; c++)
		wrong += by_class[c][1] < 7 || by_class[c][1] > 8 || by_class[c][2] < 7 || by_class[c][2] > 8;
	ok(wrong == 0, "7 or 8 of each class");

	/* other numbers of classes, other order */
	for (int i = 0; i < ROWS; i++)
		rows[i].class = (rows[i].class + 1) % 3 + 40;
	for (int i = 0; i < ROWS / 2; i++)
	{
		Row			row = rows[i];

		rows[i] = rows[ROWS - 1 - i];
		rows[ROWS - 1 - i] = row;
	}
	split_rows(rows, ROWS, &settings, again, counts, &error);
	for (int i = 0; i < ROWS; i++)
		wrong += again[i] != parts[ROWS - 1 - i];
	ok(wrong == 0, "order and numbers of classes do not matter");
	settings.seed = 2;
	split_rows(rows, ROWS, &settings, again, counts, &error);
	for (int i = 0; i < ROWS; i++)
		wrong += again[i] != parts[ROWS - 1 - i];
	ok(wrong > 20, "the seed does");

	/* rare classes: one row, two rows, the rest */
	for (int i = 0; i < ROWS; i++)
		rows[i].class = i == 0 ? 7 : i < 3 ? 8 : 9;
	split_rows(rows, ROWS, &settings, parts, counts, &error);
	ok(parts[0] == DL_PART_TRAIN, "a class of one row trains");
	ok(parts[1] == DL_PART_TRAIN || parts[2] == DL_PART_TRAIN, "one of two rows trains");
	ok(counts[1] == 23 && counts[2] == 23, "shares are kept");

	settings.test = 0.7;
	split_rows(rows, ROWS, &settings, parts, counts, &error);
	ok(parts[0] == DL_PART_TRAIN && (parts[1] == DL_PART_TRAIN || parts[2] == DL_PART_TRAIN) && counts[2] == 105,
	   "rare classes train even when most rows are for the test");
	settings.test = 0.15;

	/* one key of two classes, one of which has no other rows */
	for (int i = 0; i < ROWS; i++)
		rows[i] = (Row) {dl_hash_mix(5, (uint64_t) i / 5), i == 103 ? 1 : 0, DL_PART_NONE};
	wrong = 0;
	for (settings.seed = 0; settings.seed < 20; settings.seed++)
	{
		split_rows(rows, ROWS, &settings, parts, counts, &error);
		for (int i = 0; i < ROWS; i++)
			wrong += parts[i] != parts[i / 5 * 5];
		wrong += parts[103] != DL_PART_TRAIN || counts[1] != 25 || counts[2] != 25;
	}
	ok(wrong == 0, "keys stay whole, the only key of a class trains, shares come as near as keys allow");
	free(rows);
}

static void
test_edges(void)
{
	Row		   *rows = make_rows(999, 1);
	int8_t		parts[999];
	int64_t		counts[3];
	DlSplitSettings settings = {.validation = 0.15, .test = 0.15, .seed = 1};
	DlError		error;
	int			wrong = 0;

	for (int n = 1; n < 1000; n += n < 20 ? 1 : 89)
	{
		int64_t		share = (int64_t) floor(0.15 * n + 0.5);

		wrong += split_rows(rows, n, &settings, parts, counts, &error) != DL_OK || counts[1] != share ||
			counts[2] != share;
	}
	ok(wrong == 0, "shares of small tables are exact");
	ok(split_rows(rows, 0, &settings, parts, counts, &error) == DL_ERROR_DATA, "no rows are an error");
	for (int i = 0; i < 999; i++)
		rows[i].hash = 3;
	ok(split_rows(rows, 50, &settings, parts, counts, &error) == DL_OK && counts[0] == 50, "equal rows all train");
	settings.test = 0.85;
	ok(split_rows(rows, 50, &settings, parts, counts, &error) == DL_ERROR_INVALID, "shares that leave nothing");
	settings.test = NAN;
	ok(split_rows(rows, 50, &settings, parts, counts, &error) == DL_ERROR_INVALID, "a share that is no number");
	free(rows);
}

int
main(void)
{
	test_large();
	test_column();
	test_stratified();
	test_edges();
	return done_testing();
}
