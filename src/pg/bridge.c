/*
 * bridge.c
 *    The only place that turns a DlError into an SQL error, and arenas that
 *    live as long as a memory context.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/bridge.h"
#include "pg/compat.h"

typedef struct ArenaOwner
{
	MemoryContextCallback callback;
	DlArena    *arena;
} ArenaOwner;

static int
sqlstate_of(DlStatus status)
{
	switch (status)
	{
		case DL_ERROR_INVALID:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case DL_ERROR_SYNTAX:
			return ERRCODE_SYNTAX_ERROR;
		case DL_ERROR_SHAPE:
		case DL_ERROR_DATA:
			return ERRCODE_DATA_EXCEPTION;
		case DL_ERROR_CORRUPT:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case DL_ERROR_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case DL_ERROR_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case DL_ERROR_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case DL_ERROR_NUMERIC:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case DL_ERROR_IO:
			return ERRCODE_IO_ERROR;
		case DL_ERROR_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
		case DL_OK:
		case DL_ERROR_INTERNAL:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/* A copy without the half character that a cut text may end in. */
static char *
whole_characters(const char *text)
{
	int			length = (int) strlen(text);

	return pnstrdup(text, pg_mbcliplen(text, length, length));
}

void
dl_ereport_in_text(const DlError *error, const char *text)
{
	char	   *message = whole_characters(error->message);
	char	   *detail = whole_characters(error->detail);
	char	   *hint = whole_characters(error->hint);
	bool		located = text != NULL && error->position > 0;

	if (error->status == DL_ERROR_CANCELLED)
		CHECK_FOR_INTERRUPTS();

	ereport(ERROR,
			(errcode(sqlstate_of(error->status)),
			 errmsg_internal("%s", message[0] != '\0' ? message : "unknown error"),
			 detail[0] != '\0' ? errdetail_internal("%s", detail) : 0,
			 hint[0] != '\0' ? errhint("%s", hint) : 0,
			 located ? internalerrquery(text) : 0,
			 located ? internalerrposition(error->position) : 0,
			 located ? errcontext("character %d of \"%s\"", error->position, text) : 0));
	pg_unreachable();
}

void
dl_ereport(const DlError *error)
{
	dl_ereport_in_text(error, NULL);
}

static void
destroy_arena(void *argument)
{
	ArenaOwner *owner = argument;

	dl_arena_destroy(owner->arena);
	owner->arena = NULL;
}

DlArena *
dl_arena_for_context(MemoryContext context, Size budget)
{
	ArenaOwner *owner = MemoryContextAllocZero(context, sizeof(ArenaOwner));
	DlError		error;

	/* The owner comes first: nothing can fail between the arena and its callback. */
	DL_CHECK(dl_arena_create(budget, &owner->arena, &error), &error);
	owner->callback.func = destroy_arena;
	owner->callback.arg = owner;
	MemoryContextRegisterResetCallback(context, &owner->callback);
	return owner->arena;
}
