/*
 * test_preparation_apply.c
 *    Applying a preparation: hostile words, one row against many, speed; and
 *    quantiles of the normal distribution.
 */
#include "tap.h"

#include <time.h>

#include "core/random.h"
#include "data/preparation_internal.h"
#include "preparation_table.h"

#define WIDTH 13
#define ROWS 600

/* Ten numbers, two of them with holes, and three categories. */
static void
make_table(Table *table, DlScaling scaling, bool apart)
{
	double	   *values = malloc(ROWS * WIDTH * sizeof(double));
	DlRandom	random;

	table_begin(table);
	table->settings.scaling = scaling;
	table->settings.one_hot = 3;
	if (apart)
		table_column(table, "first", DL_COLUMN_CATEGORY, 1, "ab");
	table_column(table, "numbers", DL_COLUMN_ARRAY, 5, NULL);
	table_column(table, "more", DL_COLUMN_ARRAY, 5, NULL);
	if (!apart)
		table_column(table, "last", DL_COLUMN_CATEGORY, 1, "ab");
	table_column(table, "three", DL_COLUMN_CATEGORY, 1, "abc");
	table_column(table, "many", DL_COLUMN_CATEGORY, 1, "abcdefghij");
	dl_random_seed(&random, 9, 0);
	for (int i = 0; i < ROWS; i++)
	{
		for (int c = 0; c < table->column_count; c++)
		{
			const DlColumn *column = &table->columns[c];

			for (int w = column->first_word; w < column->first_word + column->words; w++)
			{
				double		x = 10 * dl_random_normal(&random) + w;

				if (column->kind == DL_COLUMN_CATEGORY)
					x = (double) dl_random_below(&random, (uint64_t) dl_vocabulary_size(column->vocabulary));
				else if (w % 5 == 3 && i % 9 == 0)
					x = NAN;
				values[i * WIDTH + w] = x;
			}
		}
	}
	table_rows(table, values, ROWS);
	free(values);
}

static void
test_scaling(DlScaling scaling, bool apart)
{
	static const uint32_t hostile[] = {
		0x7f800000, 0xff800000, 0x7fc00000, 0xffffffff, 0x7f800001, 0xff800001, 0x7f7fffff, 0xff7fffff, 0x00000001,
		0x80000000, 0x80000001, 0, 0x7fffffff, 1, 9, 10, 11, 0xfffffffe,
	};
	Table		table;
	DlPreparation *p = &table.preparation;
	float	   *numbers;
	float	   *alone;
	int32_t    *codes;
	uint32_t   *words;
	int			wrong = 0;
	float		largest = 0;
	DlRandom	random;
	const uint32_t *features;

	make_table(&table, scaling, apart);
	ok(table_fit(&table) == DL_OK && p->inputs == 10 + 2 + 1 + 3 && p->embedded == 1, "scaling %s, numbers %s",
	   dl_scaling_name(scaling), apart ? "after a category" : "first");
	numbers = malloc((size_t) p->inputs * ROWS * sizeof(float));
	alone = malloc((size_t) p->inputs * sizeof(float));
	codes = malloc(ROWS * sizeof(int32_t));
	words = malloc(ROWS * WIDTH * sizeof(uint32_t));

	/* exactly as long as the rows, so that a step beyond is found */
	for (int i = 0; i < ROWS; i++)
		memcpy(words + i * WIDTH, dl_dataset_record(table.dataset, i) + table.layout.feature_word, WIDTH * sizeof(uint32_t));
	dl_preparation_apply(p, ROWS, words, WIDTH, numbers, codes);
	for (int i = 0; i < ROWS; i++)
	{
		int32_t		code;

		features = dl_dataset_record(table.dataset, i) + table.layout.feature_word;
		dl_preparation_apply(p, 1, features, WIDTH, alone, &code);
		wrong += memcmp(alone, numbers + i * p->inputs, (size_t) p->inputs * sizeof(float)) != 0 || code != codes[i];
	}
	ok(wrong == 0, "one row equals the batch to the bit");
	if (scaling != DL_SCALING_NONE)
	{
		double		sum = 0;

		for (int i = 0; i < ROWS; i++)
			for (int k = 0; k < 10; k++)
				sum += numbers[i * p->inputs + k] / (10.0 * ROWS);
		ok(fabs(sum) < 0.05, "numbers are centred");
	}

	dl_random_seed(&random, 1, 1);
	for (int i = 0; i < ROWS * WIDTH; i++)
		words[i] = dl_random_below(&random, 2) ? (uint32_t) dl_random_bits(&random) :
			hostile[dl_random_below(&random, sizeof(hostile) / sizeof(hostile[0]))];
	memset(numbers, 0xff, (size_t) p->inputs * ROWS * sizeof(float));
	dl_preparation_apply(p, ROWS, words, WIDTH, numbers, codes);
	for (int i = 0; i < ROWS; i++)
	{
		for (int k = 0; k < p->inputs; k++)
		{
			wrong += !isfinite(numbers[i * p->inputs + k]);
			largest = fabsf(numbers[i * p->inputs + k]) > largest ? fabsf(numbers[i * p->inputs + k]) : largest;
		}
		for (int k = 10; k < p->inputs; k++)
			wrong += fabsf(numbers[i * p->inputs + k]) > 1;
		wrong += codes[i] < 0 || codes[i] > 10;
	}
	ok(wrong == 0, "whatever the words, inputs are finite and codes in range");
	ok(largest <= (scaling == DL_SCALING_NONE ? 1e12f : scaling == DL_SCALING_STANDARD ? 1e6f : 4), "at most %g", largest);
	free(numbers);
	free(alone);
	free(codes);
	free(words);
	table_end(&table);
}

static void
test_normal(void)
{
	double		worst = 0;

	for (double p = 1e-6; p < 1; p += 0.000731)
	{
		double		x = dl_normal_quantile(p);

		worst = fmax(worst, fabs(0.5 * erfc(-x / sqrt(2)) / p - 1));
	}
	ok(worst < 1e-7, "quantiles of the normal distribution (%g)", worst);
	ok(dl_normal_quantile(0.5) == 0, "the middle is 0");
	is_close(dl_normal_quantile(0.975), 1.959963984540054, 1e-8, "97.5 %");
	is_close(dl_normal_quantile(0.001), -3.090232306167814, 1e-8, "0.1 %");
}

static void
test_sort(void)
{
	enum {COUNT = 5000};
	float		values[COUNT];
	uint32_t	keys[COUNT];
	uint32_t	other[COUNT];
	double		before = 0;
	double		after = 0;
	int			wrong = 0;
	DlRandom	random;

	dl_random_seed(&random, 4, 4);
	for (int i = 0; i < COUNT; i++)
	{
		values[i] = (float) ((dl_random_uniform(&random) - 0.5) * exp(40 * (dl_random_uniform(&random) - 0.5)));
		before += i == 17 || i == 18 ? 0 : values[i];
	}
	values[17] = -INFINITY;
	values[18] = INFINITY;
	dl_sort_floats(values, keys, other, COUNT);
	for (int i = 1; i < COUNT; i++)
		wrong += values[i - 1] > values[i];
	ok(wrong == 0 && values[0] == -INFINITY && values[COUNT - 1] == INFINITY, "floats are sorted");
	for (int i = 1; i < COUNT - 1; i++)
		after += values[i];
	ok(fabs(before - after) < 1e-3, "and none is lost");
	dl_sort_floats(values, keys, other, 0);
}

static void
test_speed(void)
{
	enum {NUMBERS = 28, MANY = 64, REPEAT = 300000};
	DlNumberInput inputs[NUMBERS];
	DlPreparation preparation = {.number_count = NUMBERS, .numbers = inputs};
	DlArena    *arena;
	uint32_t	words[MANY * NUMBERS];
	float		numbers[NUMBERS];
	struct timespec start;
	struct timespec end;
	float		sum = 0;

	dl_arena_create(0, &arena, NULL);
	for (uint32_t i = 0; i < MANY * NUMBERS; i++)
		words[i] = 0x3f800000u + i;
	for (int kind = DL_SCALING_STANDARD; kind <= DL_SCALING_ROBUST; kind++)
	{
		for (int i = 0; i < NUMBERS; i++)
			inputs[i] = (DlNumberInput) {.word = i, .scaling = (DlScaling) kind, .center = 0.5f, .scale = 2};
		dl_preparation_finish(arena, &preparation, NULL);
		clock_gettime(CLOCK_MONOTONIC, &start);
		for (int i = 0; i < REPEAT; i++)
		{
			dl_preparation_apply(&preparation, 1, words + i % MANY * NUMBERS, NUMBERS, numbers, NULL);
			sum += numbers[i % 4];
		}
		clock_gettime(CLOCK_MONOTONIC, &end);
		printf("# %s: %.1f ns for a row of %d numbers\n", dl_scaling_name((DlScaling) kind),
			   ((double) (end.tv_sec - start.tv_sec) * 1e9 + (double) (end.tv_nsec - start.tv_nsec)) / REPEAT, NUMBERS);
	}
	ok(preparation.contiguous && sum != 0, "the fast path was taken");
	dl_arena_destroy(arena);
}

int
main(void)
{
	for (int scaling = DL_SCALING_STANDARD; scaling <= DL_SCALING_NONE; scaling++)
	{
		test_scaling((DlScaling) scaling, false);
		test_scaling((DlScaling) scaling, true);
	}
	test_normal();
	test_sort();
	test_speed();
	return done_testing();
}
