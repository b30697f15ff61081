/*
 * preparation_fit.c
 *    Statistics of the training rows, and the inputs that follow from them.
 *
 * One pass over all rows: means and deviations in double (by batch, merged by Chan,
 * Golub and LeVeque's rule), ranges, missing numbers, frequencies of codes.  A second
 * one over a sample, where quantiles are asked for.  Weights do not count here.
 * Infinities count as the largest float.  Scratch memory is an arena that is freed
 * before the end; the result lives in the caller's.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/size.h"
#include "data/preparation_internal.h"

#define BATCH_ROWS 256
#define SAMPLE_ROWS 100000
#define SAMPLE_BYTES ((size_t) 32 << 20)	/* words are taken in groups that fit */
#define SAMPLE_STREAM UINT64_C(0x7175616e74)
#define MOST_QUANTILES 1000

/*
 * Deviation of a word of a text after scaling: a text has many words, most of
 * which say nothing about the target, and they should not drown the numbers.
 */
#define TEXT_DEVIATION 0.25
#define PREFIX_ROWS 5			/* a prefix met less often says nothing */

/* Of one float word. */
typedef struct WordStats
{
	int64_t		count;			/* not missing */
	double		mean;
	double		squares;		/* sum of squared distances from the mean */
	float		low;
	float		high;
	bool		missing_alone;	/* not always missing together with the word before it in its column */
} WordStats;

typedef struct CodeStats
{
	uint32_t   *frequencies;	/* by code */
	int32_t		codes;
	int64_t		missing;
} CodeStats;

typedef struct Fit
{
	DlArena    *arena;
	DlArena    *scratch;
	const DlColumn *columns;
	int32_t		column_count;
	const DlRecordLayout *layout;
	DlDataset  *dataset;
	const uint32_t *rows;
	int64_t		row_count;
	const DlPreparationSettings *settings;
	uint64_t	seed;
	DlPreparationNotice notice;
	void	   *notice_context;
	const atomic_int *cancel;
	uint32_t   *batch;			/* BATCH_ROWS records */
	WordStats  *words;			/* by feature word */
	CodeStats  *codes;			/* by column */
	DlFewValues **few;			/* by column; NULL where values are not counted */
	DlPreparation *result;
} Fit;

static void
notify(const Fit *fit, DlPreparationNoticeKind kind, const DlColumn *column, int64_t count)
{
	if (fit->notice != NULL)
		fit->notice(fit->notice_context, kind, column->name, count);
}

static DlStatus
check_cancel(const Fit *fit, DlError *error)
{
	if (fit->cancel != NULL && atomic_load_explicit(fit->cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return DL_OK;
}

/* A stored number without infinities. */
static inline float
stored_number(uint32_t word)
{
	float		x;

	memcpy(&x, &word, sizeof(x));
	return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x;
}

/* Missing numbers of a word in a batch are flagged in missing[]. */
static void
add_word(WordStats *stats, const uint32_t *words, int64_t stride, int64_t rows, bool *missing)
{
	float		values[BATCH_ROWS];
	int64_t		count = 0;
	double		sum = 0;
	double		squares = 0;
	double		mean;
	double		shift;
	int64_t		total;

	for (int64_t i = 0; i < rows; i++)
	{
		float		x = stored_number(words[i * stride]);

		missing[i] = x != x;
		values[count] = x;
		count += x == x;
	}
	if (count == 0)
		return;
	for (int64_t i = 0; i < count; i++)
	{
		sum += values[i];
		stats->low = values[i] < stats->low ? values[i] : stats->low;
		stats->high = values[i] > stats->high ? values[i] : stats->high;
	}
	mean = sum / (double) count;
	for (int64_t i = 0; i < count; i++)
		squares += (values[i] - mean) * (values[i] - mean);

	total = stats->count + count;
	shift = mean - stats->mean;
	stats->squares += squares + shift * shift * ((double) stats->count * (double) count / (double) total);
	stats->mean += shift * ((double) count / (double) total);
	stats->count = total;
}

static void
add_codes(CodeStats *codes, const uint32_t *words, int64_t stride, int64_t rows)
{
	for (int64_t i = 0; i < rows; i++)
	{
		uint32_t	code = words[i * stride];

		if (code < (uint32_t) codes->codes)
			codes->frequencies[code]++;
		else
			codes->missing++;
	}
}

static void
add_batch(Fit *fit, int64_t rows)
{
	const uint32_t *features = fit->batch + fit->layout->feature_word;
	int64_t		stride = fit->layout->words;

	for (int32_t c = 0; c < fit->column_count; c++)
	{
		const DlColumn *column = &fit->columns[c];
		int32_t		code_words = dl_column_kind_codes(column->kind);
		bool		missing[2][BATCH_ROWS];

		if (code_words > 0)
			add_codes(&fit->codes[c], features + column->first_word, stride, rows);
		if (fit->few[c] != NULL)
			dl_few_values_add(fit->few[c], features + column->first_word, stride, rows, column->offset,
							  fit->settings->one_hot_integers);
		for (int32_t w = code_words; w < column->words; w++)
		{
			WordStats  *stats = &fit->words[column->first_word + w];

			add_word(stats, features + column->first_word + w, stride, rows, missing[w & 1]);
			if (w == code_words || memcmp(missing[0], missing[1], (size_t) rows * sizeof(bool)) != 0)
				stats->missing_alone = true;
		}
	}
}

static DlStatus
read_rows(Fit *fit, DlError *error)
{
	for (int64_t first = 0; first < fit->row_count; first += BATCH_ROWS)
	{
		int64_t		rows = fit->row_count - first < BATCH_ROWS ? fit->row_count - first : BATCH_ROWS;

		DL_TRY(check_cancel(fit, error));
		DL_TRY(dl_dataset_gather(fit->dataset, fit->rows + first, rows, fit->batch, error));
		add_batch(fit, rows);
	}
	return DL_OK;
}

static DlStatus
prepare_fit(Fit *fit, DlError *error)
{
	size_t		batch_words;

	if (!dl_size_mul(BATCH_ROWS, (size_t) fit->layout->words, &batch_words))
		return dl_error_set(error, DL_ERROR_LIMIT, "records of %d words are too wide", fit->layout->words);
	DL_TRY(dl_arena_calloc(fit->scratch, batch_words, sizeof(uint32_t), &fit->batch, error));
	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) fit->layout->feature_words, sizeof(WordStats), &fit->words, error));
	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) fit->column_count, sizeof(CodeStats), &fit->codes, error));
	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) fit->column_count, sizeof(DlFewValues *), &fit->few, error));
	for (int32_t w = 0; w < fit->layout->feature_words; w++)
	{
		fit->words[w].low = FLT_MAX;
		fit->words[w].high = -FLT_MAX;
	}
	for (int32_t c = 0; c < fit->column_count; c++)
	{
		const DlColumn *column = &fit->columns[c];

		if (column->first_word < 0 || column->words < 0 || column->words > fit->layout->feature_words ||
			column->first_word > fit->layout->feature_words - column->words ||
			column->words < dl_column_kind_codes(column->kind) ||
			(column->kind == DL_COLUMN_CATEGORY && column->words != 1) ||
			(dl_column_kind_codes(column->kind) > 0 && column->vocabulary == NULL))
			return dl_error_set(error, DL_ERROR_INTERNAL, "column \"%s\" does not fit into the record", column->name);
		if (dl_column_kind_codes(column->kind) > 0)
		{
			fit->codes[c].codes = dl_vocabulary_size(column->vocabulary);
			DL_TRY(dl_arena_calloc(fit->scratch, (size_t) fit->codes[c].codes, sizeof(uint32_t),
								   &fit->codes[c].frequencies, error));
		}
		if (column->kind == DL_COLUMN_NUMBER && column->words == 1 && fit->settings->one_hot_integers > 0)
			DL_TRY(dl_arena_calloc(fit->scratch, 1, sizeof(DlFewValues), &fit->few[c], error));
	}
	return DL_OK;
}

static float
finite_scale(double scale)
{
	return scale > FLT_MAX ? FLT_MAX : scale < FLT_MIN ? FLT_MIN : (float) scale;
}

/* What needs no quantiles; words of texts are done with it. */
static void
scale_by_mean(const Fit *fit, DlNumberInput *number, const WordStats *stats, bool varies)
{
	double		scale = varies ? finite_scale(1 / sqrt(stats->squares / (double) stats->count)) : 0;

	number->center = (float) stats->mean;
	if (number->of_text)
	{
		/* most buckets are 0 in most rows: quantiles say nothing of them, but outliers are the rule */
		number->scaling = DL_SCALING_ROBUST;
		number->scale = (float) (scale * TEXT_DEVIATION);
		return;
	}
	number->scaling = fit->settings->scaling;
	/* a constant with an indicator is always 0, and has no quantiles */
	if (!varies && number->scaling == DL_SCALING_QUANTILE)
		number->scaling = DL_SCALING_STANDARD;
	number->scale = (float) scale;
	if (number->scaling == DL_SCALING_NONE)
	{
		number->center = 0;
		number->scale = varies ? 1 : 0;
	}
}

/* Which words become inputs; those that are missing in some rows get an indicator even when constant. */
static DlStatus
choose_words(Fit *fit, const DlColumn *column, bool *seen, DlError *error)
{
	DlPreparation *result = fit->result;

	*seen = false;
	for (int32_t w = column->first_word + dl_column_kind_codes(column->kind); w < column->first_word + column->words; w++)
	{
		const WordStats *stats = &fit->words[w];
		bool		varies = stats->count > 0 && stats->low < stats->high;
		bool		indicator = stats->count > 0 && stats->count < fit->row_count && stats->missing_alone;
		DlNumberInput *number;

		*seen |= stats->count > 0;
		if (!varies && !indicator)
			continue;
		if (result->number_count == fit->layout->feature_words)
			return dl_error_set(error, DL_ERROR_INTERNAL, "columns overlap");
		number = &result->numbers[result->number_count++];
		number->word = w;
		number->missing_seen = indicator;
		number->of_text = column->kind == DL_COLUMN_TEXT;
		scale_by_mean(fit, number, stats, varies);
	}
	return DL_OK;
}

/* Those of texts stand behind the others. */
static DlStatus
choose_numbers(Fit *fit, DlError *error)
{
	DlPreparation *result = fit->result;

	DL_TRY(dl_arena_calloc(fit->arena, (size_t) fit->layout->feature_words, sizeof(DlNumberInput), &result->numbers,
						   error));
	for (int pass = 0; pass < 2; pass++)
		for (int32_t c = 0; c < fit->column_count; c++)
		{
			const DlColumn *column = &fit->columns[c];
			int32_t		before = result->number_count;
			bool		seen;

			if (column->kind == DL_COLUMN_CATEGORY || (column->kind == DL_COLUMN_TEXT) != (pass == 1))
				continue;
			DL_TRY(choose_words(fit, column, &seen, error));
			if (result->number_count == before && column->words > 0)
				notify(fit, DL_NOTICE_CONSTANT, column, seen ? 1 : 0);
		}
	return DL_OK;
}

/* values: the sorted sample without missing numbers, perhaps empty. */
static DlStatus
fit_quantiles(Fit *fit, DlNumberInput *number, const float *values, int64_t count, DlError *error)
{
	const WordStats *stats = &fit->words[number->word];
	float	   *quantiles;

	if (stats->low >= stats->high)
		return DL_OK;
	if (count == 0)
	{
		/* only rows outside of the sample have it */
		number->scaling = DL_SCALING_STANDARD;
		return DL_OK;
	}
	if (number->scaling == DL_SCALING_ROBUST)
	{
		double		spread = dl_quantile_of(values, count, 0.75) - dl_quantile_of(values, count, 0.25);

		number->center = (float) dl_quantile_of(values, count, 0.5);
		number->scale = finite_scale(spread > 0 ? 1 / spread : 2 / ((double) stats->high - stats->low));
		return DL_OK;
	}
	number->quantile_count = count < MOST_QUANTILES ? (int32_t) count : MOST_QUANTILES;
	DL_TRY(dl_arena_calloc(fit->arena, (size_t) number->quantile_count, sizeof(float), &quantiles, error));
	for (int32_t i = 0; i < number->quantile_count; i++)
		quantiles[i] = (float) dl_quantile_of(values, count, number->quantile_count > 1 ?
										   (double) i / (number->quantile_count - 1) : 0);
	number->quantiles = quantiles;
	return DL_OK;
}

/* Ascending; every row is as likely (Knuth's algorithm S). */
static int64_t
draw_sample(const Fit *fit, uint32_t *sample)
{
	DlRandom	random;
	int64_t		taken = 0;
	int64_t		most = fit->row_count < SAMPLE_ROWS ? fit->row_count : SAMPLE_ROWS;

	dl_random_seed(&random, fit->seed, SAMPLE_STREAM);
	for (int64_t i = 0; i < fit->row_count && taken < most; i++)
	{
		if (most == fit->row_count ||
			dl_random_below(&random, (uint64_t) (fit->row_count - i)) < (uint64_t) (most - taken))
			sample[taken++] = fit->rows[i];
	}
	return taken;
}

/* Numbers first .. first+count-1: gathers their columns of the sample, sorts each, fits it. */
static DlStatus
fit_group(Fit *fit, const uint32_t *sample, int64_t sample_count, int32_t first, int32_t count, float *columns,
		  uint32_t *sort_space, DlError *error)
{
	DlNumberInput *numbers = fit->result->numbers + first;
	const uint32_t *features = fit->batch + fit->layout->feature_word;

	for (int64_t at = 0; at < sample_count; at += BATCH_ROWS)
	{
		int64_t		rows = sample_count - at < BATCH_ROWS ? sample_count - at : BATCH_ROWS;

		DL_TRY(check_cancel(fit, error));
		DL_TRY(dl_dataset_gather(fit->dataset, sample + at, rows, fit->batch, error));
		for (int32_t k = 0; k < count; k++)
			for (int64_t i = 0; i < rows; i++)
				columns[k * sample_count + at + i] =
					stored_number(features[i * fit->layout->words + numbers[k].word]);
	}
	for (int32_t k = 0; k < count; k++)
	{
		float	   *values = columns + k * sample_count;
		int64_t		present = 0;

		DL_TRY(check_cancel(fit, error));
		for (int64_t i = 0; i < sample_count; i++)
		{
			float		x = values[i];

			values[present] = x;
			present += x == x;
		}
		dl_sort_floats(values, sort_space, sort_space + sample_count, present);
		DL_TRY(fit_quantiles(fit, &numbers[k], values, present, error));
	}
	return DL_OK;
}

static DlStatus
fit_sample(Fit *fit, DlError *error)
{
	int32_t		numbers = 0;
	uint32_t   *sample;
	int64_t		count;
	int32_t		group;
	float	   *columns;
	uint32_t   *sort_space;

	while (numbers < fit->result->number_count && !fit->result->numbers[numbers].of_text)
		numbers++;
	if (numbers == 0 || fit->settings->scaling == DL_SCALING_STANDARD || fit->settings->scaling == DL_SCALING_NONE)
		return DL_OK;
	DL_TRY(dl_arena_calloc(fit->scratch, SAMPLE_ROWS, sizeof(uint32_t), &sample, error));
	count = draw_sample(fit, sample);
	group = (int32_t) (SAMPLE_BYTES / ((size_t) count * sizeof(float)));
	group = group < numbers ? group : numbers;
	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) group * (size_t) count, sizeof(float), &columns, error));
	DL_TRY(dl_arena_calloc(fit->scratch, 2 * (size_t) count, sizeof(uint32_t), &sort_space, error));
	for (int32_t first = 0; first < numbers; first += group)
		DL_TRY(fit_group(fit, sample, count, first, numbers - first < group ? numbers - first : group, columns,
						 sort_space, error));
	return DL_OK;
}

typedef struct Level
{
	uint32_t	frequency;
	int32_t		code;
} Level;

/* The most frequent first, then the first code. */
static int
compare_levels(const void *a, const void *b)
{
	const Level *x = a;
	const Level *y = b;

	if (x->frequency != y->frequency)
		return x->frequency > y->frequency ? -1 : 1;
	return (x->code > y->code) - (x->code < y->code);
}

/* Marks the kept codes by 1 in map, the others by 0; *seen and *kept count the levels. */
static DlStatus
choose_levels(Fit *fit, const CodeStats *codes, int32_t min_count, int32_t *map, int32_t *seen, int32_t *kept,
			  DlError *error)
{
	uint32_t	least = min_count > 1 ? (uint32_t) min_count : 1;
	int32_t		most = fit->settings->max_levels > 0 ? fit->settings->max_levels : INT32_MAX - 1;
	Level	   *levels;

	*seen = 0;
	*kept = 0;
	for (int32_t code = 0; code < codes->codes; code++)
	{
		*seen += codes->frequencies[code] > 0;
		map[code] = codes->frequencies[code] >= least;
		*kept += map[code];
	}
	if (*kept <= most)
		return DL_OK;

	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) *kept, sizeof(Level), &levels, error));
	*kept = 0;
	for (int32_t code = 0; code < codes->codes; code++)
		if (map[code])
			levels[(*kept)++] = (Level) {codes->frequencies[code], code};
	qsort(levels, (size_t) *kept, sizeof(Level), compare_levels);
	for (int32_t i = most; i < *kept; i++)
		map[levels[i].code] = 0;
	*kept = most;
	return DL_OK;
}

static DlStatus
fit_category(Fit *fit, int32_t c, DlError *error)
{
	const DlColumn *column = &fit->columns[c];
	const CodeStats *codes = &fit->codes[c];
	int32_t		min_count = fit->settings->min_count;
	DlCategoryInput *category;
	bool		prefix = column->kind == DL_COLUMN_TEXT;
	int32_t    *map;
	int32_t		seen;
	int32_t		kept;
	int32_t		level = 0;

	DL_TRY(check_cancel(fit, error));
	DL_TRY(dl_arena_calloc(fit->arena, (size_t) codes->codes, sizeof(int32_t), &map, error));
	if (prefix && min_count < PREFIX_ROWS)
		min_count = PREFIX_ROWS;
	DL_TRY(choose_levels(fit, codes, min_count, map, &seen, &kept, error));
	if (seen == 0 || (seen == 1 && codes->missing == 0))
	{
		if (!prefix)
			notify(fit, DL_NOTICE_CONSTANT, column, seen);
		return DL_OK;
	}
	if (kept < seen && !prefix)
		notify(fit, DL_NOTICE_LEVELS, column, seen - kept);
	if (kept == 0)
		return DL_OK;

	for (int32_t code = 0; code < codes->codes; code++)
		map[code] = map[code] ? level++ : -1;
	category = &fit->result->categories[fit->result->category_count++];
	category->word = column->first_word;
	category->column = c;
	category->levels = kept;
	category->one_hot = kept <= fit->settings->one_hot;
	category->missing_seen = codes->missing > 0;
	category->code_count = codes->codes;
	category->map = map;
	return DL_OK;
}

static DlStatus
fit_integers(Fit *fit, DlError *error)
{
	DlPreparation *result = fit->result;

	DL_TRY(dl_arena_calloc(fit->arena, (size_t) fit->column_count, sizeof(DlIntegerInput), &result->integers, error));
	for (int32_t c = 0; c < fit->column_count; c++)
	{
		DlIntegerInput *integer = &result->integers[result->integer_count];

		if (fit->few[c] == NULL)
			continue;
		DL_TRY(dl_few_values_inputs(fit->arena, fit->few[c], fit->columns[c].first_word, integer, error));
		result->integer_count += integer->count > 0;
	}
	return DL_OK;
}

static DlStatus
fit_inputs(Fit *fit, DlError *error)
{
	DlPreparation *result = fit->result;

	DL_TRY(prepare_fit(fit, error));
	DL_TRY(read_rows(fit, error));
	DL_TRY(choose_numbers(fit, error));
	DL_TRY(fit_sample(fit, error));
	DL_TRY(fit_integers(fit, error));
	DL_TRY(dl_arena_calloc(fit->arena, (size_t) fit->column_count, sizeof(DlCategoryInput), &result->categories,
						   error));
	for (int32_t c = 0; c < fit->column_count; c++)
		if (dl_column_kind_codes(fit->columns[c].kind) > 0)
			DL_TRY(fit_category(fit, c, error));
	if (result->number_count == 0 && result->category_count == 0)
	{
		dl_error_set(error, DL_ERROR_DATA, "no column is left to learn from");
		dl_error_detail(error, "None of the %d feature columns varies in the %lld training rows.", fit->column_count,
						(long long) fit->row_count);
		return DL_ERROR_DATA;
	}
	return dl_preparation_finish(fit->arena, result, error);
}

DlStatus
dl_preparation_fit(DlArena *arena, const DlColumn *columns, int32_t column_count, const DlRecordLayout *layout,
				   DlDataset *dataset, const uint32_t *rows, int64_t row_count, const DlPreparationSettings *settings,
				   uint64_t seed, DlPreparationNotice notice, void *notice_context, const atomic_int *cancel,
				   DlPreparation *result, DlError *error)
{
	Fit			fit = {
		.arena = arena, .columns = columns, .column_count = column_count, .layout = layout, .dataset = dataset,
		.rows = rows, .row_count = row_count, .settings = settings, .seed = seed, .notice = notice,
		.notice_context = notice_context, .cancel = cancel, .result = result,
	};
	DlStatus	status;

	memset(result, 0, sizeof(*result));
	if (row_count <= 0)
		return dl_error_set(error, DL_ERROR_DATA, "there are no rows to train on");
	if (settings->one_hot_integers > DL_MAX_ONE_HOT_INTEGERS)
		return dl_error_set(error, DL_ERROR_INVALID, "one_hot_integers must be at most %d, got %d",
							DL_MAX_ONE_HOT_INTEGERS, settings->one_hot_integers);
	if (layout->words != dl_dataset_words(dataset))
		return dl_error_set(error, DL_ERROR_INTERNAL, "records have %d words, not %d", dl_dataset_words(dataset),
							layout->words);
	DL_TRY(dl_arena_create(0, &fit.scratch, error));
	status = fit_inputs(&fit, error);
	dl_arena_destroy(fit.scratch);
	return status;
}
