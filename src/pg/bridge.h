/*
 * bridge.h
 *    Between the library's ways and PostgreSQL's: errors and memory.
 */
#ifndef DL_PG_BRIDGE_H
#define DL_PG_BRIDGE_H

#include "core/arena.h"
#include "core/status.h"
#include "pg/compat.h"

/*
 * Raises error as an SQL error.  Where the caller asked to stop, a pending
 * interrupt is served first, so that the message is the server's own.
 */
extern void dl_ereport(const DlError *error) pg_attribute_noreturn();

/* The same for an error in text: where error has a position, the report points there. */
extern void dl_ereport_in_text(const DlError *error, const char *text) pg_attribute_noreturn();

/* Calls a function of the library, whose last argument is &error, and raises its failure. */
#define DL_CHECK(call, error) \
	do { \
		if ((call) != DL_OK) \
			dl_ereport(error); \
	} while (0)

/*
 * An arena that is destroyed when context is reset or deleted.  budget: the
 * most bytes it may take, 0: no limit.  Its memory is not counted in context.
 */
extern DlArena *dl_arena_for_context(MemoryContext context, Size budget);

#endif							/* DL_PG_BRIDGE_H */
