/*
 * column_run.c
 *    All columns of a row to the features of a model, for scoring row by row.
 *
 * Rows come by the million, and most columns are plain numbers: those are read
 * by loops that call nothing and hardly branch.  What they cannot take (infinity,
 * NaN) goes through dl_column_source_try() by itself.
 */
#include "pg/column_source.h"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "pg/compat.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

/* Where the values of a row are; the steps are constants wherever this is used. */
typedef struct Row
{
	const char *values;
	Size		value_step;
	const char *nulls;
	Size		null_step;
} Row;

static bool
is_plain(const DlColumnSource *s)
{
	return !s->literal && s->column->kind == DL_COLUMN_NUMBER && s->type.source <= DL_INPUT_BOOL &&
		s->type.source != DL_INPUT_NUMERIC && (s->type.source != DL_INPUT_INT8 || FLOAT8PASSBYVAL);
}

static bool
continues(const DlColumnRun *run, const DlColumnSource *s)
{
	const DlColumnSource *last = run->sources + run->count - 1;

	return run->plain && is_plain(s) && s->type.source == run->source && s->position == last->position + 1 &&
		s->column->first_word == last->column->first_word + 1;
}

static void
set_offsets(DlColumnRun *run)
{
	run->offsets = palloc(sizeof(double) * (Size) run->count);
	run->float_offsets = palloc(sizeof(float) * (Size) run->count);
	run->single = run->source == DL_INPUT_FLOAT4;
	for (int i = 0; i < run->count; i++)
	{
		run->offsets[i] = run->sources[i].column->offset;
		run->float_offsets[i] = (float) run->offsets[i];
		run->single = run->single && (double) run->float_offsets[i] == run->offsets[i];
	}
}

void
dl_column_runs_set(DlColumnRuns *runs, DlColumnSource *sources, int count)
{
	runs->count = 0;
	runs->runs = palloc0(sizeof(DlColumnRun) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		DlColumnRun *run = runs->runs + runs->count - 1;

		if (runs->count > 0 && continues(run, &sources[i]))
		{
			run->count++;
			continue;
		}
		run = &runs->runs[runs->count++];
		run->sources = &sources[i];
		run->position = sources[i].position;
		run->first_word = sources[i].column->first_word;
		run->count = 1;
		run->plain = is_plain(&sources[i]);
		run->source = sources[i].type.source;
	}
	for (int i = 0; i < runs->count; i++)
		if (runs->runs[i].plain)
			set_offsets(&runs->runs[i]);
}

static inline Datum
value_at(const Row *row, int i)
{
	return *(const Datum *) (row->values + (Size) i * row->value_step);
}

static inline bool
null_at(const Row *row, int i)
{
	return *(const bool *) (row->nulls + (Size) i * row->null_step);
}

/*
 * The difference of two float4 rounds to the same float4 whether it is taken in
 * float or in double first (double has more than twice the digits and two: S. Figueroa, "When is
 * double rounding innocuous?", 1995), so these are the words of dl_encode_number().
 *
 * True where the word is that of infinity or NaN.
 */
static inline bool
subtract_offset(float value, float offset, uint32_t *word)
{
	float		stored = value - offset;

	memcpy(word, &stored, sizeof(stored));
	return !dl_word_is_finite(*word);
}

#ifdef __x86_64__
/* Four of them; the lanes where the result is -1. */
static inline __m128i
subtract_four_offsets(__m128 values, const float *offsets, uint32_t *words)
{
	const __m128i exponent = _mm_set1_epi32(0x7f800000);
	__m128i		word = _mm_castps_si128(_mm_sub_ps(values, _mm_loadu_ps(offsets)));

	_mm_storeu_si128((__m128i *) words, word);
	return _mm_cmpeq_epi32(_mm_and_si128(word, exponent), exponent);
}
#endif

static inline bool
subtract_offsets(const float *values, const float *offsets, int count, uint32_t *words)
{
	bool		special = false;
	int			i = 0;

#ifdef __x86_64__
	__m128i		found = _mm_setzero_si128();

	for (; i + 4 <= count; i += 4)
		found = _mm_or_si128(found, subtract_four_offsets(_mm_loadu_ps(values + i), offsets + i, words + i));
	special = _mm_movemask_epi8(found) != 0;
#endif
	for (; i < count; i++)
		special |= subtract_offset(values[i], offsets[i], &words[i]);
	return !special;
}

static inline double
plain_number(DlInputSource source, Datum value)
{
	switch (source)
	{
		case DL_INPUT_INT2:
			return DatumGetInt16(value);
		case DL_INPUT_INT4:
			return DatumGetInt32(value);
		case DL_INPUT_FLOAT4:
			return (double) DatumGetFloat4(value);
		case DL_INPUT_FLOAT8:
			return DatumGetFloat8(value);
		default:
			return dl_datum_number(source, value);
	}
}

/*
 * These loops give false where a column has to be looked at by itself: its word
 * would be that of infinity or NaN.
 */
static inline bool
encode_doubles(const DlColumnRun *run, const Row *row, uint32_t *words)
{
	bool		special = false;

	for (int i = 0; i < run->count; i++)
	{
		if (null_at(row, i))
		{
			words[i] = DL_WORD_MISSING;
			continue;
		}
		words[i] = dl_encode_number(plain_number(run->source, value_at(row, i)), run->offsets[i]);
		special |= !dl_word_is_finite(words[i]);
	}
	return !special;
}

#ifdef __x86_64__
/* The low halves of four values, which are read as they were written: whole. */
static inline __m128
four_floats(const Row *row, int i)
{
#define VALUE(k) _mm_loadl_epi64((const __m128i *) (row->values + (Size) (i + (k)) * row->value_step))
	__m128i		low = _mm_unpacklo_epi32(VALUE(0), VALUE(1));
	__m128i		high = _mm_unpacklo_epi32(VALUE(2), VALUE(3));
#undef VALUE

	return _mm_castsi128_ps(_mm_unpacklo_epi64(low, high));
}
#endif

static inline bool
encode_singles(const DlColumnRun *run, const Row *row, uint32_t *words)
{
	const int	count = run->count;
	const float *offsets = run->float_offsets;
	bool		special = false;
	bool		nulls = false;
	int			i = 0;

#ifdef __x86_64__
	__m128i		found = _mm_setzero_si128();

	for (; i + 4 <= count; i += 4)
	{
		found = _mm_or_si128(found, subtract_four_offsets(four_floats(row, i), offsets + i, words + i));
		for (int k = i; k < i + 4; k++)
			nulls |= null_at(row, k);
	}
	special = _mm_movemask_epi8(found) != 0;
#endif
	for (; i < count; i++)
	{
		special |= subtract_offset(DatumGetFloat4(value_at(row, i)), offsets[i], &words[i]);
		nulls |= null_at(row, i);
	}
	return nulls ? encode_doubles(run, row, words) : !special;
}

static inline Row
row_of_run(const Row *row, const DlColumnRun *run)
{
	Row			part = *row;

	part.values += (Size) run->position * row->value_step;
	part.nulls += (Size) run->position * row->null_step;
	return part;
}

/* False when some value cannot be encoded. */
static inline bool
encode(const DlColumnRuns *runs, const Row *row, uint32_t *features)
{
	for (int r = 0; r < runs->count; r++)
	{
		const DlColumnRun *run = &runs->runs[r];
		uint32_t   *words = features + run->first_word;
		Row			part = row_of_run(row, run);

		if (run->plain && likely(run->single ? encode_singles(run, &part, words) : encode_doubles(run, &part, words)))
			continue;
		for (int i = 0; i < run->count; i++)
			if (!dl_column_source_try(&run->sources[i], value_at(&part, i), null_at(&part, i), features))
				return false;
	}
	return true;
}

/* Raises the error of the first value that cannot be encoded. */
static void
report(const DlColumnRuns *runs, const Row *row, uint32_t *features)
{
	for (int r = 0; r < runs->count; r++)
	{
		Row			part = row_of_run(row, &runs->runs[r]);

		for (int i = 0; i < runs->runs[r].count; i++)
			dl_column_source_encode(&runs->runs[r].sources[i], value_at(&part, i), null_at(&part, i), features);
	}
}

void
dl_column_runs_encode_arguments(const DlColumnRuns *runs, const NullableDatum *arguments, uint32_t *features)
{
	Row			row = {
		(const char *) &arguments->value, sizeof(NullableDatum), (const char *) &arguments->isnull, sizeof(NullableDatum)
	};

	if (unlikely(!encode(runs, &row, features)))
		report(runs, &row, features);
}

void
dl_column_runs_encode_values(const DlColumnRuns *runs, const Datum *values, const bool *nulls, uint32_t *features)
{
	Row			row = {(const char *) values, sizeof(Datum), (const char *) nulls, sizeof(bool)};

	if (unlikely(!encode(runs, &row, features)))
		report(runs, &row, features);
}

bool
dl_column_runs_try_values(const DlColumnRuns *runs, const Datum *values, const bool *nulls, uint32_t *features)
{
	Row			row = {(const char *) values, sizeof(Datum), (const char *) nulls, sizeof(bool)};

	return encode(runs, &row, features);
}

/* From an array's float4 elements as they lie in memory; false when some column is read otherwise. */
static bool
encode_floats(const DlColumnRuns *runs, const float4 *values, uint32_t *features)
{
	const DlColumnRun *run = runs->runs;
	uint32_t   *words;

	if (runs->count != 1 || !run->single)
		return false;
	words = features + run->first_word;
	return subtract_offsets(values, run->float_offsets, run->count, words);
}

static bool
encode_array(const DlColumnRuns *runs, const DlModel *model, Datum value, bool raise, uint32_t *features)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			element = ARR_ELEMTYPE(array);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (element == FLOAT4OID && ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == model->column_count &&
		!ARR_HASNULL(array) && encode_floats(runs, (float4 *) ARR_DATA_PTR(array), features))
		return true;
	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(array, element, length, by_value, align, &values, &nulls, &count);
	if (raise && count != model->column_count)
		dl_column_sources_wrong_count(model, count);
	if (raise)
		dl_column_runs_encode_values(runs, values, nulls, features);
	return raise || (count == model->column_count && dl_column_runs_try_values(runs, values, nulls, features));
}

void
dl_column_runs_encode_array(const DlColumnRuns *runs, const DlModel *model, Datum array, uint32_t *features)
{
	encode_array(runs, model, array, true, features);
}

bool
dl_column_runs_try_array(const DlColumnRuns *runs, const DlModel *model, Datum array, uint32_t *features)
{
	return encode_array(runs, model, array, false, features);
}

/* Where an attribute lies in all tuples without NULLs; -1: that differs. */
static int
fixed_offset(TupleDesc tupdesc, int number)
{
	Size		offset = 0;

	for (int i = 0; i <= number; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attlen <= 0)
			return -1;
		offset = att_align_nominal(offset, attribute->attalign);
		if (i < number)
			offset += (Size) attribute->attlen;
	}
	return (int) offset;
}

/* Columns of one run are of one type, so they lie side by side. */
bool
dl_column_runs_set_layout(DlColumnRuns *runs, TupleDesc tupdesc)
{
	for (int r = 0; r < runs->count; r++)
	{
		DlColumnRun *run = &runs->runs[r];
		int			offset = run->plain ? fixed_offset(tupdesc, run->position) : -1;

		if (offset < 0)
			return false;
		run->byte_offset = (Size) offset;
	}
	return true;
}

#define ENCODE_PACKED(type) \
	for (int i = 0; i < run->count; i++) \
	{ \
		words[i] = dl_encode_number((double) ((const type *) data)[i], run->offsets[i]); \
		special |= !dl_word_is_finite(words[i]); \
	} \
	break

static inline bool
encode_packed(const DlColumnRun *run, const char *data, uint32_t *words)
{
	bool		special = false;

	if (run->single)
		return subtract_offsets((const float4 *) data, run->float_offsets, run->count, words);
	switch (run->source)
	{
		case DL_INPUT_INT2:
			ENCODE_PACKED(int16);
		case DL_INPUT_INT4:
			ENCODE_PACKED(int32);
		case DL_INPUT_INT8:
			ENCODE_PACKED(int64);
		case DL_INPUT_FLOAT4:
			ENCODE_PACKED(float4);
		case DL_INPUT_FLOAT8:
			ENCODE_PACKED(float8);
		case DL_INPUT_BOOL:
			ENCODE_PACKED(bool);
		default:
			return false;
	}
	return !special;
}

bool
dl_column_runs_try_packed(const DlColumnRuns *runs, const char *data, uint32_t *features)
{
	for (int r = 0; r < runs->count; r++)
	{
		const DlColumnRun *run = &runs->runs[r];

		if (unlikely(!encode_packed(run, data + run->byte_offset, features + run->first_word)))
			return false;
	}
	return true;
}
