/*
 * rows.h
 *    Results of functions that return a set: all rows at once, in a
 *    tuplestore that goes to disk past work_mem.
 */
#ifndef DL_PG_ROWS_H
#define DL_PG_ROWS_H

#include "funcapi.h"
#include "utils/tuplestore.h"

typedef struct DlRows
{
	Tuplestorestate *store;
	TupleDesc	descriptor;
} DlRows;

/* Prepares fcinfo's result; the function returns (Datum) 0 after its last row. */
extern void dl_rows_begin(FunctionCallInfo fcinfo, DlRows *rows);

/* One row; as many values and nulls as the function's result has columns. */
extern void dl_rows_put(DlRows *rows, const Datum *values, const bool *nulls);

#endif							/* DL_PG_ROWS_H */
