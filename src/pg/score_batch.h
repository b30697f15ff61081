/*
 * score_batch.h
 *    The rows of one batch of a node that scores: what is needed above of the
 *    child's columns, kept by column.
 */
#ifndef DL_PG_SCORE_BATCH_H
#define DL_PG_SCORE_BATCH_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"

/* A column that is handed on. */
typedef struct DlForwarded
{
	AttrNumber	source;			/* in the slots that are read */
	AttrNumber	target;			/* in the scan tuple */
	int16		length;
	bool		by_value;
	Datum	   *values;			/* [room] */
	bool	   *nulls;
} DlForwarded;

typedef struct DlScoreBatch
{
	MemoryContext context;		/* of the query */
	MemoryContext data;			/* copies of values; made when there is one, reset with each batch */
	char	   *piece;			/* of data, for small copies */
	Size		piece_left;
	Size		piece_bytes;	/* of the next one */
	int			count;
	DlForwarded *columns;
	Datum	   *values;			/* of all columns, and their nulls after them */
	AttrNumber	last_column;	/* that is read from the slot */
	int			room;
	int			rows;
	Size		bytes;			/* copied */
} DlScoreBatch;

extern void dl_score_batch_init(DlScoreBatch *batch, int columns, MemoryContext context);

/* Starts a batch of up to room rows. */
extern void dl_score_batch_begin(DlScoreBatch *batch, int room);

/* Keeps the columns of slot as the next row. */
extern void dl_score_batch_keep(DlScoreBatch *batch, TupleTableSlot *slot);

#endif							/* DL_PG_SCORE_BATCH_H */
