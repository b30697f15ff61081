/*
 * row_internal.h
 *    What row_encoder.c, row_target.c and row_finish.c share.
 */
#ifndef DL_PG_ROW_INTERNAL_H
#define DL_PG_ROW_INTERNAL_H

#include "pg/row_encoder.h"
#include "utils/tuplestore.h"

/* More classes than this are no classification. */
#define DL_MAX_CLASSES 10000

/* Fewer rows than this say nothing about a column. */
#define DL_FEWEST_ROWS 20

/* Longer texts are no codes that end in a number. */
#define DL_MOST_CODE_BYTES 64

/* Words that the features of a row may take. */
#define DL_MAX_FEATURE_WORDS 65536

typedef enum DlRole
{
	DL_ROLE_FEATURE,
	DL_ROLE_TARGET,
	DL_ROLE_SPLIT,
	DL_ROLE_KEY,
	DL_ROLE_WEIGHT
} DlRole;

/* Tells whether the integers of a column are a sequence in some order. */
typedef struct DlSequenceCheck
{
	int64		minimum;
	int64		maximum;
	int64		previous;
	bool		ascending;
	bool		descending;
	uint64		sum;			/* modulo 2^64, of values and squares */
	uint64		squares;
	int64		count;
} DlSequenceCheck;

/* Of a column of type text, while it is not known whether it is a category. */
typedef struct DlTextState
{
	DlVocabulary *values;		/* NULL when they are not collected any more */
	DlVocabulary *prefixes;
	Size		value_bytes;
	int64		filled;			/* rows that are neither NULL nor empty */
	int64		observed;		/* of them, those that waited and are to be encoded */
	bool		decided;		/* column.kind says what records have */
	bool		not_hexadecimal;
	Size		hexadecimal_length; /* of all values; 0: not known yet */
	int64		hexadecimal_letters;	/* values with a letter */
	bool		around_known;	/* what stands before and after the number of a code */
	Size		before_length;
	Size		after_length;
	char		around[DL_MOST_CODE_BYTES];
} DlTextState;

typedef struct DlAttribute
{
	const char *name;
	Oid			type_oid;
	DlRole		role;
	DlInputType type;
	DlColumn	column;			/* of features */
	bool		has_offset;
	bool		length_known;	/* arrays */
	const char *left_out;		/* why it is no feature; NULL when it is one */
	bool		abandoned;		/* text that is unique to almost every row */
	int64		present;		/* rows that are not NULL */
	DlSequenceCheck sequence;	/* of integers, and of the numbers in codes */
	DlTextState text;			/* text, varchar and char that are features */
} DlAttribute;

typedef struct DlTargetState
{
	DlAttribute *attribute;
	bool		as_label;		/* encoded by labels */
	bool		is_array;
	bool		of_booleans;	/* array of yes/no */
	int32_t		words;
	double		offset;
	bool		has_offset;
	DlVocabulary *labels;		/* in order of appearance */
	Datum	   *label_values;	/* a copy of each, to sort them */
	int			label_capacity;
	int			distinct;		/* of numbers: 0, 1, 2, or 3 for more */
	double		values[2];
	Datum		value_datums[2];
} DlTargetState;

struct DlRowEncoder
{
	MemoryContext context;
	MemoryContext row_context;	/* reset for each row that may allocate */
	DlArena    *arena;
	TupleDesc	tupdesc;
	DlRowRoles	roles;
	DlRowSink	sink;
	DlAttribute *attributes;	/* one a column of tupdesc */
	DlTargetState target;
	DlAttribute *split;
	DlAttribute *key;
	DlAttribute *weight;
	bool		task_given;
	DlTask		task;
	bool		may_allocate;	/* some column needs row_context */

	int			texts;			/* columns that may be categories or texts */
	bool		laid_out;		/* how wide columns are is known, records can be written */
	Tuplestorestate *pending;	/* rows before that */
	int64		pending_rows;

	DlRecordLayout layout;
	uint32_t   *records;
	int64		batch_rows;
	int64		batched;

	int64		rows;			/* with a target */
	int64		skipped;
	double	   *numbers;		/* scratch for arrays */
};

/* row_target.c */
extern void dl_row_target_init(DlRowEncoder *encoder);
extern void dl_row_target_encode(DlRowEncoder *encoder, Datum value, uint32_t *words, uint64 *hash);
extern void dl_row_target_finish(DlRowEncoder *encoder, DlFitRequest *request);

/* row_finish.c */
extern void dl_row_sequence_add(DlSequenceCheck *check, int64 value);
extern bool dl_row_is_sequence(const DlSequenceCheck *check, int64 rows);

/* Why the column is an identifier, as a sentence; NULL when it is none. */
extern const char *dl_row_identifier(const DlRowEncoder *encoder, const DlAttribute *attribute);

/* row_encoder.c: raises what dl_vocabulary_add() said. */
extern void dl_row_check_vocabulary(const DlAttribute *attribute, const DlVocabulary *vocabulary, DlStatus status,
									DlError *error);

/* row_text.c, for features of the types text, varchar and char */
extern void dl_row_text_init(DlRowEncoder *encoder, DlAttribute *attribute);

/* A value of a row that has to wait. */
extern void dl_row_text_observe(const DlRowEncoder *encoder, DlAttribute *attribute, Datum value);

/* After the rows that waited, which are encoded next: the words of the column in a record.  last: no more rows follow. */
extern void dl_row_text_decide(DlAttribute *attribute, bool last);
extern uint64 dl_row_text_encode(const DlRowEncoder *encoder, DlAttribute *attribute, Datum value, uint32_t *words,
								 uint64 hash);

/* After the last row: what the column is. */
extern void dl_row_text_finish(DlAttribute *attribute);
extern const char *dl_row_text_identifier(const DlAttribute *attribute);

/* A category whose values are nearly all different teaches nothing and would fill the memory. */
static inline bool
dl_row_abandons(int64 present, int32_t values)
{
	return present >= 10000 && values > (double) present * 0.95;
}

/* Moves a hash along quickly; dl_hash_mix() finishes it. */
static inline uint64
dl_row_hash(uint64 hash, uint64 bits)
{
	return (((hash << 5) | (hash >> 59)) ^ bits) * UINT64CONST(0x517cc1b727220a95);
}

static inline uint64
dl_row_hash_number(uint64 hash, double value)
{
	uint64		bits;

	value = value == 0 ? 0 : value; /* both zeros are one */
	memcpy(&bits, &value, sizeof(bits));
	return dl_row_hash(hash, bits ^ (bits >> 32));
}

#endif							/* DL_PG_ROW_INTERNAL_H */
