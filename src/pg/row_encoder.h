/*
 * row_encoder.h
 *    Rows of a training query to records, and what is learned about its
 *    columns while they pass: vocabularies, the kind of task, identifiers.
 *
 * Used by dl.train (rows of an executor) and dl.fit (rows of an aggregate).
 * Records go out in batches to a sink.  Memory: the context current at creation,
 * and one arena for vocabularies, counted against deep_learning.training_memory.
 */
#ifndef DL_PG_ROW_ENCODER_H
#define DL_PG_ROW_ENCODER_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "model/fit.h"
#include "pg/encode.h"

typedef struct DlRowRoles
{
	const char *target;
	const char *split_column;	/* NULL when not used */
	const char *split_key;
	const char *weight_column;
	const char *task;			/* as the user said it, or NULL */
} DlRowRoles;

typedef struct DlRowSink
{
	void	   *context;

	/* called once, before the first batch */
	void		(*begin) (void *context, int32_t record_words);
	void		(*append) (void *context, const uint32_t *records, int64 count, int32_t record_words);
} DlRowSink;

typedef struct DlRowEncoder DlRowEncoder;

/*
 * Checks names and types of all columns; errors name the column and what to
 * do.  tupdesc is copied.  arena holds what the request will refer to.
 */
extern DlRowEncoder *dl_row_encoder_create(TupleDesc tupdesc, const DlRowRoles *roles, const DlRowSink *sink,
										   DlArena *arena);

/* One row: values of all columns of the tupdesc. */
extern void dl_row_encoder_add(DlRowEncoder *encoder, const Datum *values, const bool *nulls);

/* The column is no feature after all; why is a clause for the model's record. */
extern void dl_row_encoder_leave_out(DlRowEncoder *encoder, int column, const char *why);

/*
 * After the last row: hands out what is left, decides the task, leaves out
 * identifiers (NOTICE unless quiet), and fills the request's target, columns, split and skipped.
 * Raises the errors for no rows, no target, one class.
 */
extern void dl_row_encoder_finish(DlRowEncoder *encoder, bool quiet, DlFitRequest *request);

#endif							/* DL_PG_ROW_ENCODER_H */
