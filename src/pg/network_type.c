/*
 * network_type.c
 *    The SQL type dl.network: the text of a network, checked and canonical.
 *
 * A value is a text varlena, so the cast to text costs nothing.  Whatever
 * comes in goes through the parser; what is stored is its canonical text.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "nn/network.h"
#include "pg/bridge.h"
#include "pg/compat.h"

/* Far above what the limits of network.h need. */
#define PARSE_BUDGET ((Size) 64 << 20)

/* Characters of the text that a message shows before and after a mistake. */
#define SHOWN_AROUND 30

PG_FUNCTION_INFO_V1(dl_sql_network_in);
PG_FUNCTION_INFO_V1(dl_sql_network_out);
PG_FUNCTION_INFO_V1(dl_sql_network_recv);
PG_FUNCTION_INFO_V1(dl_sql_network_send);

/*
 * Writes the place of a mistake into the detail: the text around it and a
 * mark below.  The report of a type's input cannot point into the value itself.
 */
static void
point_at(DlError *error, const char *text)
{
	int			length = (int) strlen(text);
	int			first = Max(error->position - 1 - SHOWN_AROUND, 0);
	int			last = error->position - 1 + SHOWN_AROUND;
	int			mark = first > 0 ? 3 : 0;	/* columns before the mark */
	const char *rest = text;
	StringInfoData line;

	initStringInfo(&line);
	if (first > 0)
		appendStringInfoString(&line, "...");
	for (int i = 0; rest < text + length && i <= last; i++)
	{
		int			bytes = pg_mblen(rest);

		if (i >= first)
		{
			if (i < error->position - 1)
				mark += Max(pg_dsplen(rest), 1);
			if (bytes == 1 && (unsigned char) *rest < ' ')
				appendStringInfoChar(&line, ' ');
			else
				appendBinaryStringInfo(&line, rest, bytes);
		}
		rest += bytes;
	}
	if (rest < text + length)
		appendStringInfoString(&line, "...");
	dl_error_detail(error, "At character %d of the network:\n%s\n%*s^", error->position, line.data, mark, "");
	pfree(line.data);
}

/* The canonical text of a network; an error that shows the mistake. */
static text *
canonical(const char *input)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "network", ALLOCSET_SMALL_SIZES);
	DlArena    *arena = dl_arena_for_context(context, PARSE_BUDGET);
	Size		length = strlen(input);
	const char *utf8 = input;
	DlNetwork  *network;
	DlError		error;
	DlStatus	status;
	char	   *result;
	text	   *value;

	/* Positions are counted in UTF-8; what is too long anyway is not converted first. */
	if (length <= DL_NETWORK_MAX_TEXT)
		utf8 = pg_server_to_any(input, (int) length, PG_UTF8);
	dl_error_reset(&error);
	status = dl_network_parse(arena, utf8, strlen(utf8), &network, &error);
	if (status == DL_OK)
		status = dl_network_text(network, arena, &result, &error);
	if (status != DL_OK)
	{
		if (error.position > 0 && input[0] != '\0')
			point_at(&error, input);
		dl_ereport(&error);
	}
	value = cstring_to_text(result);
	MemoryContextDelete(context);
	return value;
}

Datum
dl_sql_network_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(canonical(PG_GETARG_CSTRING(0)));
}

Datum
dl_sql_network_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(TextDatumGetCString(PG_GETARG_DATUM(0)));
}

Datum
dl_sql_network_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length;
	char	   *input = pq_getmsgtext(message, message->len - message->cursor, &length);

	PG_RETURN_TEXT_P(canonical(input));
}

Datum
dl_sql_network_send(PG_FUNCTION_ARGS)
{
	text	   *network = PG_GETARG_TEXT_PP(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, VARDATA_ANY(network), VARSIZE_ANY_EXHDR(network));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
