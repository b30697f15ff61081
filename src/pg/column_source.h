/*
 * column_source.h
 *    Where the columns of a model come from when it scores: arguments,
 *    attributes of a row, or elements of an array.
 */
#ifndef DL_PG_COLUMN_SOURCE_H
#define DL_PG_COLUMN_SOURCE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "model/model.h"
#include "pg/compat.h"
#include "pg/encode.h"

typedef struct DlColumnSource
{
	const DlColumn *column;
	DlInputType type;
	bool		literal;		/* an untyped literal: read by the column's kind */
	bool		allocates;		/* reading a value may take memory */
	int			position;		/* argument, attribute or element, from 0 */
} DlColumnSource;

/* Checks that values of a type can become the column, and remembers how to read them. */
extern void dl_column_source_set(DlColumnSource *source, const DlColumn *column, Oid type, int position);

/* The same for all columns of a model: by name, or by position where the row is ROW(...). */
extern void dl_column_sources_match(const DlModel *model, TupleDesc tupdesc, DlColumnSource *sources);

/*
 * One value into the words of a row's features.  try gives false where the other
 * raises an error because of the value; what is wrong with a literal, which all rows share, both raise.
 */
extern bool dl_column_source_try(DlColumnSource *source, Datum value, bool isnull, uint32_t *features);
extern void dl_column_source_encode(DlColumnSource *source, Datum value, bool isnull, uint32_t *features);

/*
 * Columns that follow each other in the model and in what is read, and are
 * read alike: all their values are encoded in one loop.
 */
typedef struct DlColumnRun
{
	DlColumnSource *sources;	/* of the first */
	int			position;		/* of the first, as its column's first_word: rows are read without a look at sources */
	int			first_word;
	int			count;
	bool		plain;			/* numbers by value; else each goes through dl_column_source_encode */
	DlInputSource source;		/* of plain ones */
	bool		single;			/* float4 whose offsets are float4: same bits without double */
	Size		byte_offset;	/* in tuples without NULLs; see dl_column_runs_set_layout() */
	float	   *float_offsets;
	double	   *offsets;
} DlColumnRun;

typedef struct DlColumnRuns
{
	int			count;
	DlColumnRun *runs;
} DlColumnRuns;

/* Cuts sources, which stay in use, into runs; in the current memory context. */
extern void dl_column_runs_set(DlColumnRuns *runs, DlColumnSource *sources, int count);

/* All columns of a row into its features: from the arguments of a call, from the values of a tuple or array. */
extern void dl_column_runs_encode_arguments(const DlColumnRuns *runs, const NullableDatum *arguments, uint32_t *features);
extern void dl_column_runs_encode_values(const DlColumnRuns *runs, const Datum *values, const bool *nulls,
										 uint32_t *features);

/* The same, false where that raises an error because of a value. */
extern bool dl_column_runs_try_values(const DlColumnRuns *runs, const Datum *values, const bool *nulls,
									  uint32_t *features);

/* The same from the elements of an array, of which there must be one for each column. */
extern void dl_column_runs_encode_array(const DlColumnRuns *runs, const DlModel *model, Datum array, uint32_t *features);
extern bool dl_column_runs_try_array(const DlColumnRuns *runs, const DlModel *model, Datum array, uint32_t *features);

/*
 * For rows that lie in memory as tuples of a table do, whose columns are the sources' positions: false
 * when some column is no plain number, or not at the same place in all tuples without NULLs.
 */
extern bool dl_column_runs_set_layout(DlColumnRuns *runs, TupleDesc tupdesc);

/* All columns from the data of such a tuple; false as for dl_column_runs_try_values(). */
extern bool dl_column_runs_try_packed(const DlColumnRuns *runs, const char *data, uint32_t *features);

extern void dl_column_sources_wrong_count(const DlModel *model, int got) pg_attribute_noreturn();

#endif							/* DL_PG_COLUMN_SOURCE_H */
