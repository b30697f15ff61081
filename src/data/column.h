/*
 * column.h
 *    The columns of a training query, and the record that a row becomes.
 *
 * A row is encoded once, while it is read, into a record of 4-byte words:
 *
 *   words 0-1   64-bit hash of the row's contents (or of its split key)
 *   word  2     weight (float; 1 without a weight column)
 *   word  3     part as split_column says it (int32 DlPart), or DL_PART_NONE
 *   word  4...  target: floats, or one int32 class code
 *   then        features: each column owns a span of words
 *
 * A float word that is NaN is a missing number.  A code is the position of the
 * value in the column's vocabulary, or DL_CODE_MISSING.  Numbers are stored
 * as float32 of (value - offset), offset being the first value seen, so that large
 * numbers close together (identifiers, years, money) keep their digits.
 *
 * Dates and timestamps become several float words at once: see
 * dl_encode_moment().  Texts do, too: see data/text.h.
 */
#ifndef DL_DATA_COLUMN_H
#define DL_DATA_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "data/vocabulary.h"

typedef enum DlColumnKind
{
	DL_COLUMN_NUMBER,			/* 1 float word */
	DL_COLUMN_CATEGORY,			/* 1 code word; booleans too, with values "false" and "true" */
	DL_COLUMN_DATE,				/* DL_DATE_WORDS float words */
	DL_COLUMN_TIMESTAMP,		/* DL_TIMESTAMP_WORDS float words */
	DL_COLUMN_ARRAY,			/* width float words: arrays of numbers, pgvector's vector */
	DL_COLUMN_TEXT				/* 1 code word, then float words: see data/text.h */
} DlColumnKind;

#define DL_DATE_WORDS 5			/* days, sin and cos of the year, sin and cos of the week */
#define DL_TIMESTAMP_WORDS 7	/* the same and sin and cos of the day */
#define DL_CODE_MISSING ((int32_t) -1)

typedef enum DlPart
{
	DL_PART_NONE = -1,			/* not said by a column */
	DL_PART_TRAIN = 0,
	DL_PART_VALIDATION = 1,
	DL_PART_TEST = 2
} DlPart;

typedef struct DlColumn
{
	const char *name;
	const char *type;			/* SQL type by name, e.g. "double precision" */
	DlColumnKind kind;
	int32_t		first_word;		/* within the features of a record */
	int32_t		words;
	double		offset;			/* of numbers and arrays; days for dates */
	DlVocabulary *vocabulary;	/* of categories, and of the prefixes of texts; else NULL */
} DlColumn;

extern const char *dl_column_kind_name(DlColumnKind kind);	/* "number", "category", ... */
extern bool dl_column_kind_by_name(const char *name, DlColumnKind *result);

/* How many words of a kind are codes, which come before its numbers: 0 or 1. */
static inline int32_t
dl_column_kind_codes(DlColumnKind kind)
{
	return kind == DL_COLUMN_CATEGORY || kind == DL_COLUMN_TEXT ? 1 : 0;
}

/* Layout of a record. */
typedef struct DlRecordLayout
{
	int32_t		words;			/* of the whole record */
	int32_t		target_word;	/* = DL_RECORD_TARGET */
	int32_t		target_words;
	int32_t		feature_word;	/* where the features begin */
	int32_t		feature_words;
} DlRecordLayout;

#define DL_RECORD_HASH 0
#define DL_RECORD_WEIGHT 2
#define DL_RECORD_PART 3
#define DL_RECORD_TARGET 4

extern void dl_record_layout(int32_t target_words, int32_t feature_words, DlRecordLayout *layout);

/*
 * Features of a moment, given in microseconds since 2000-01-01 00:00:
 * words[0] = days - offset; then sin, cos of the share of the year (from the
 * Gregorian calendar) and of the week; of the day when timestamp.  words_n is
 * DL_DATE_WORDS or DL_TIMESTAMP_WORDS.
 */
extern void dl_encode_moment(int64_t microseconds, double offset_days, int32_t words_n, float *words);

#endif							/* DL_DATA_COLUMN_H */
