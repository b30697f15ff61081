/*
 * row_reader.h
 *    Takes rows apart that come as one value, many of the same type in turn.
 */
#ifndef DL_PG_ROW_READER_H
#define DL_PG_ROW_READER_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/typcache.h"

typedef struct DlRowReader
{
	MemoryContext parent;
	MemoryContext context;		/* made when there is a row to read; what depends on the type of the rows; reset with each new one */
	Oid			type;			/* of the last row; InvalidOid: none was accepted */
	int32		typmod;
	TypeCacheEntry *entry;		/* of type; NULL for records */
	uint64		identifier;		/* of the tuple descriptor in entry */
	TupleDesc	tupdesc;		/* copied */
	Datum	   *values;
	bool	   *nulls;
} DlRowReader;

extern void dl_row_reader_init(DlRowReader *reader, MemoryContext parent);

/*
 * Fills values and nulls, which point into row.  True when the type is another than before: the caller
 * prepares for it, in reader->context, and then calls accept.
 */
extern bool dl_row_reader_read(DlRowReader *reader, Datum row);
extern void dl_row_reader_accept(DlRowReader *reader);

#endif							/* DL_PG_ROW_READER_H */
