/*
 * query.h
 *    Running a user's query and passing its rows on, without a copy of them.
 *
 * The query is one SELECT (or VALUES, TABLE, WITH ... SELECT), or the bare name of a table.  It
 * runs once, with the caller's rights, row security and search_path, and sees
 * what the transaction did so far.
 */
#ifndef DL_PG_QUERY_H
#define DL_PG_QUERY_H

#include "postgres.h"

#include "access/tupdesc.h"

typedef struct DlQueryReceiver
{
	void	   *context;
	void		(*begin) (void *context, TupleDesc tupdesc);	/* before the first row, also when there is none */
	void		(*row) (void *context, const Datum *values, const bool *nulls);
} DlQueryReceiver;

/* Errors of the query itself are PostgreSQL's own. */
extern void dl_query_run(const char *query, const DlQueryReceiver *receiver);

/* Raises the errors of planning it, and of a query that another session could not run: one on temporary tables. */
extern void dl_query_check(const char *query);

/*
 * The query with those rows only that window lets through, palloc'd: a condition on its columns; or an interval, as "90 days", before
 * now() of the column of the query that is a date or a timestamp, of which there must be one then.
 */
extern char *dl_query_window(const char *query, const char *window);

#endif							/* DL_PG_QUERY_H */
