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

/* One value into the words of a row's features. */
extern void dl_column_source_encode(DlColumnSource *source, Datum value, bool isnull, uint32_t *features);

extern void dl_column_sources_wrong_count(const DlModel *model, int got) pg_attribute_noreturn();

#endif							/* DL_PG_COLUMN_SOURCE_H */
