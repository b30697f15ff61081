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
	DlSequenceCheck sequence;
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

	bool		laid_out;		/* lengths of arrays are known, records can be written */
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
extern bool dl_row_is_identifier(const DlRowEncoder *encoder, const DlAttribute *attribute);

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
