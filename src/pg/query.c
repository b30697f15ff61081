/*
 * query.c
 *    Running a user's query and passing its rows on.
 *
 * The executor runs with a receiver of our own, so that a row goes from its
 * page to the encoder without being copied.  Plans are not parallel and scans do
 * not start in the middle of a table, because the same rows in the same order are what
 * makes a training repeatable.
 */
#include "pg/query.h"

#include <ctype.h>

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "pg/compat.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

typedef struct Receiver
{
	DestReceiver pub;
	const DlQueryReceiver *receiver;
} Receiver;

/* "customers" or sales."Orders", nothing else. */
static char *
query_of_table(const char *text)
{
	List	   *names;
	ListCell   *cell;
	StringInfoData query;
	char	   *copy = pstrdup(text);

	if (!SplitIdentifierString(copy, '.', &names) || names == NIL || list_length(names) > 3)
		return NULL;
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT * FROM ");
	foreach(cell, names)
		appendStringInfo(&query, "%s%s", cell == list_head(names) ? "" : ".", quote_identifier(lfirst(cell)));
	return query.data;
}

static void
refuse(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the query %s", what),
			 errhint("Give one SELECT statement, or the name of a table.")));
}

static Query *
analyze(const char *text)
{
	List	   *parsed = pg_parse_query(text);
	List	   *rewritten;
	Query	   *query;

	if (list_length(parsed) != 1)
		refuse(parsed == NIL ? "is empty" : "has more than one statement");
	if (IsA(linitial_node(RawStmt, parsed)->stmt, SelectStmt) &&
		((SelectStmt *) linitial_node(RawStmt, parsed)->stmt)->intoClause != NULL)
		refuse("must not have INTO");
	rewritten = dl_analyze_and_rewrite_compat(linitial_node(RawStmt, parsed), text);
	if (list_length(rewritten) != 1)
		refuse("is not a SELECT");
	query = linitial_node(Query, rewritten);
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		refuse("is not a SELECT");
	if (query->hasModifyingCTE)
		refuse("changes data");
	return query;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	(void) self;
	(void) operation;
	(void) tupdesc;
}

static bool
receiver_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *r = (Receiver *) self;

	slot_getallattrs(slot);
	r->receiver->row(r->receiver->context, slot->tts_values, slot->tts_isnull);
	return true;
}

static void
receiver_nothing(DestReceiver *self)
{
	(void) self;
}

static void
execute(PlannedStmt *planned, const char *text, const DlQueryReceiver *receiver)
{
	Receiver	dest = {
		.pub = {receiver_row, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		.receiver = receiver,
	};
	QueryDesc  *desc = CreateQueryDesc(planned, text, GetActiveSnapshot(), InvalidSnapshot, &dest.pub, NULL, NULL, 0);

	ExecutorStart(desc, 0);
	receiver->begin(receiver->context, desc->tupDesc);
	dl_executor_run_compat(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

/* A position in this query is not one in the statement that called us. */
static void
move_position(void *context)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(context);
	}
}

static PlannedStmt *
plan(const char *text)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = move_position, .arg = unconstify(char *, text),
	};
	PlannedStmt *result;

	error_context_stack = &callback;
	result = pg_plan_query(analyze(text), text, 0, NULL);
	error_context_stack = callback.previous;
	return result;
}

void
dl_query_check(const char *text)
{
	char	   *table = query_of_table(text);
	PlannedStmt *planned = plan(table != NULL ? table : text);
	ListCell   *cell;

	foreach(cell, planned->relationOids)
		if (get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_TEMP)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the query reads the temporary table \"%s\", which no other session can see",
							get_rel_name(lfirst_oid(cell))),
					 errhint("Train in this session, with dl.train, or make it an ordinary table.")));
}

void
dl_query_run(const char *text, const DlQueryReceiver *receiver)
{
	char	   *table = query_of_table(text);
	const char *source = table != NULL ? table : text;
	int			nest_level = NewGUCNestLevel();
	PlannedStmt *planned;

	(void) set_config_option("synchronize_seqscans", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	planned = plan(source);

	/* the query sees what the transaction did up to here */
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	execute(planned, source, receiver);
	PopActiveSnapshot();
	AtEOXact_GUC(true, nest_level);
}

/* "90 days", "P3M", "1 year 2 mons": a condition has an operator, or begins with a name. */
static bool
is_interval(const char *window)
{
	size_t		start = strspn(window, " \t\n");
	bool		number = isdigit((unsigned char) window[start]) || (window[start] == 'P' && isdigit((unsigned char) window[start + 1]));

	return number && window[strspn(window, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:\t\n")] == '\0';
}

/* The only column of a query that is a point in time. */
static const char *
time_column(const char *query, const char *window)
{
	const char *result = NULL;
	int			count = 0;
	StringInfoData found;
	ListCell   *cell;

	initStringInfo(&found);
	foreach(cell, analyze(query)->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Oid			type = getBaseType(exprType((Node *) entry->expr));

		if (entry->resjunk || (type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID))
			continue;
		appendStringInfo(&found, "%s\"%s\"", count > 0 ? ", " : "", entry->resname);
		result = entry->resname;
		count++;
	}
	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training_window \"%s\" does not tell which time is meant", window),
				 count == 0 ? errdetail("The query has no column that is a date or a timestamp.") :
				 errdetail("The query has the dates and timestamps %s.", found.data),
				 errhint("Give a condition, as in training_window => 'ordered_at > now() - interval ''90 days'''.")));
	return result;
}

char *
dl_query_window(const char *query, const char *window)
{
	char	   *table = query_of_table(query);
	char	   *text = pstrdup(table != NULL ? table : query);
	size_t		length = strlen(text);
	StringInfoData result;

	while (length > 0 && strchr(" \t\n;", text[length - 1]) != NULL)
		text[--length] = '\0';
	initStringInfo(&result);
	appendStringInfo(&result, "SELECT * FROM (%s\n) AS training_rows WHERE ", text);
	if (is_interval(window))
		appendStringInfo(&result, "%s OPERATOR(pg_catalog.>=) (pg_catalog.now() OPERATOR(pg_catalog.-) %s::pg_catalog.interval)",
						 quote_identifier(time_column(text, window)), quote_literal_cstr(window));
	else
		appendStringInfo(&result, "(%s\n)", window);
	return result.data;
}
