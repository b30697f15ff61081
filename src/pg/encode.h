/*
 * encode.h
 *    SQL values to the words of a record, for training and for scoring alike.
 *
 * A DlInputType says how values of one SQL type are read; a DlColumn
 * (data/column.h) what they become.  Values keep no reference to the Datums they
 * came from.
 */
#ifndef DL_PG_ENCODE_H
#define DL_PG_ENCODE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "data/column.h"
#include "fmgr.h"
#include "pg/compat.h"

typedef enum DlInputSource
{
	DL_INPUT_INT2,
	DL_INPUT_INT4,
	DL_INPUT_INT8,
	DL_INPUT_FLOAT4,
	DL_INPUT_FLOAT8,
	DL_INPUT_NUMERIC,
	DL_INPUT_BOOL,
	DL_INPUT_TEXT,				/* text, varchar, bpchar: bytes as they are */
	DL_INPUT_OUTPUT,			/* categories by the type's output function: enum, uuid, name, inet, ... */
	DL_INPUT_DATE,
	DL_INPUT_TIMESTAMP,			/* with and without time zone */
	DL_INPUT_ARRAY,				/* of numbers or booleans */
	DL_INPUT_VECTOR				/* pgvector's */
} DlInputSource;

typedef struct DlInputType
{
	Oid			type;			/* base type: domains are looked through */
	DlInputSource source;
	DlColumnKind kind;
	FmgrInfo	output;			/* looked up when it is needed: dl_input_output() */
	MemoryContext context;		/* that it lives in */
	DlInputSource element;		/* DL_INPUT_ARRAY */
	Oid			element_type;
	int16		element_length;
	bool		element_by_value;
	char		element_align;
} DlInputType;

/*
 * Describes how to read a type.  Returns false when it is not supported; then *hint
 * says what to do instead.
 */
extern bool dl_input_type(Oid type, DlInputType *result, const char **hint);

/* The type's output function: of DL_INPUT_OUTPUT, and for labels of any type. */
extern FmgrInfo *dl_input_output(DlInputType *type);

/* Raises the error for a column of a type that is not supported. */
extern void dl_input_type_error(const char *column, Oid type, const char *hint) pg_attribute_noreturn();

/* text, varchar and char: may be texts that are nearly unique to a row, and not categories. */
extern bool dl_input_is_text(const DlInputType *type);

/* A number of the sources INT2 to BOOL. */
extern double dl_datum_number(DlInputSource source, Datum value);

/*
 * Text of a category or label; *copy is palloc'd memory to free afterwards, or
 * NULL.
 */
extern const char *dl_datum_text(DlInputType *type, Datum value, Size *length, void **copy);

/*
 * The same of a feature: in a database whose encoding is not known (SQL_ASCII) the
 * bytes as they are, which need not be valid in any.
 */
extern const char *dl_datum_feature_text(DlInputType *type, Datum value, Size *length, void **copy);

/* Length of an array or vector; -1 for a shape that is not one-dimensional. */
extern int	dl_datum_array_length(const DlInputType *type, Datum value);

/*
 * Elements of an array or vector into numbers[count]; NULL elements become
 * NaN.  False when the length is not count.
 */
extern bool dl_datum_array(const DlInputType *type, Datum value, int count, double *numbers);

/* The words of NULL. */
extern void dl_encode_missing(const DlColumn *column, uint32_t *words);

/* The words of a category or text for scoring. */
extern void dl_encode_text_words(const DlColumn *column, const char *text, Size length, uint32_t *words);

/*
 * Encodes one value for scoring: words of column, whose vocabulary is only looked
 * up.  try gives false for a value that the model cannot take (infinity, an array of
 * another length); the other raises the error, which names the column.
 */
extern bool dl_encode_try(DlInputType *type, const DlColumn *column, Datum value, bool isnull, uint32_t *words);
extern void dl_encode_for_scoring(DlInputType *type, const DlColumn *column, Datum value, bool isnull, uint32_t *words);

/* Encodes a finite number; shared by training and scoring so that both agree to the bit. */
static inline uint32_t
dl_encode_number(double value, double offset)
{
	float		stored = (float) (value - offset);
	uint32_t	word;

	memcpy(&word, &stored, sizeof(word));
	return word;
}

#define DL_WORD_MISSING UINT32_C(0x7fc00000)	/* a quiet NaN */

/* False for the words of infinity and NaN, also of a number that is beyond float32. */
static inline bool
dl_word_is_finite(uint32_t word)
{
	return (word & UINT32_C(0x7f800000)) != UINT32_C(0x7f800000);
}

/* Raises the error for a value that is not finite, or too large. */
extern void dl_encode_not_finite(const char *column, double value) pg_attribute_noreturn();

/* Encodes a number; raises where its word is not that of a finite one. */
static inline uint32_t
dl_encode_finite(const char *column, double value, double offset)
{
	uint32_t	word = dl_encode_number(value, offset);

	if (unlikely(!dl_word_is_finite(word)))
		dl_encode_not_finite(column, value);
	return word;
}

/* Microseconds since 2000-01-01 of a date or timestamp; raises for infinity. */
extern int64 dl_datum_moment(const DlInputType *type, const char *column, Datum value);

#endif							/* DL_PG_ENCODE_H */
