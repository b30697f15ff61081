/*
 * column_source.c
 *    Where the columns of a model come from when it scores.
 */
#include "pg/column_source.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "pg/compat.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

static void
describe_columns(const DlModel *model, StringInfo text)
{
	for (int i = 0; i < model->column_count && text->len < 700; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "", model->columns[i].name);
}

void
dl_column_sources_wrong_count(const DlModel *model, int got)
{
	StringInfoData names;

	initStringInfo(&names);
	describe_columns(model, &names);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg_plural("the model takes %d column, got %d", "the model takes %d columns, got %d", model->column_count,
						   model->column_count, got),
			 errdetail("Its columns, in order: %s.", names.data),
			 errhint("Pass the columns in this order, or one whole row, whose columns are matched by name.")));
}

void
dl_column_source_set(DlColumnSource *s, const DlColumn *column, Oid type, int position)
{
	const char *hint;
	bool		fits;

	memset(s, 0, sizeof(*s));
	s->column = column;
	s->position = position;
	if (type == UNKNOWNOID)
	{
		s->literal = true;
		s->allocates = true;
		return;
	}
	if (!dl_input_type(type, &s->type, &hint))
		dl_input_type_error(column->name, type, hint);
	switch (column->kind)
	{
		case DL_COLUMN_NUMBER:
			fits = s->type.source <= DL_INPUT_BOOL;
			break;
		case DL_COLUMN_CATEGORY:
		case DL_COLUMN_TEXT:
			fits = s->type.source <= DL_INPUT_OUTPUT;
			break;
		case DL_COLUMN_DATE:
		case DL_COLUMN_TIMESTAMP:
			fits = s->type.source == DL_INPUT_DATE || s->type.source == DL_INPUT_TIMESTAMP;
			break;
		default:
			fits = s->type.source == DL_INPUT_ARRAY || s->type.source == DL_INPUT_VECTOR;
			break;
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, the model was trained with %s", column->name, format_type_be(type),
						column->type),
				 errhint("Cast it: %s::%s.", quote_identifier(column->name), column->type)));
	if (s->type.source > DL_INPUT_BOOL || s->type.source == DL_INPUT_NUMERIC || dl_column_kind_codes(column->kind) > 0)
		s->allocates = true;
}

static int
find_attribute(TupleDesc tupdesc, const char *name)
{
	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	return -1;
}

/* ROW(...) names its columns f1, f2, ...: they are matched by position. */
static bool
is_anonymous(TupleDesc tupdesc)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "f%d", i + 1);
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) != 0)
			return false;
	}
	return tupdesc->tdtypeid == RECORDOID;
}

void
dl_column_sources_match(const DlModel *model, TupleDesc tupdesc, DlColumnSource *sources)
{
	bool		anonymous = is_anonymous(tupdesc);

	if (anonymous && tupdesc->natts != model->column_count)
		dl_column_sources_wrong_count(model, tupdesc->natts);
	for (int i = 0; i < model->column_count; i++)
	{
		const char *name = model->columns[i].name;
		int			attribute = anonymous ? i : find_attribute(tupdesc, name);

		if (attribute < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the row has no column \"%s\", which the model was trained with", name),
					 errhint("Select it under this name.  The functions that score also take the columns one by one, in the order of training.")));
		dl_column_source_set(&sources[i], &model->columns[i], TupleDescAttr(tupdesc, attribute)->atttypid, attribute);
	}
}

/* A literal such as 'gold' or '2026-01-31' has no type of its own: the column's kind gives it one. */
static void
encode_literal(DlColumnSource *s, Datum value, uint32_t *words)
{
	const DlColumn *column = s->column;
	char	   *text = DatumGetCString(value);
	Datum		typed;

	switch (column->kind)
	{
		case DL_COLUMN_CATEGORY:
		case DL_COLUMN_TEXT:
			dl_encode_text_words(column, text, strlen(text), words);
			return;
		case DL_COLUMN_NUMBER:
			typed = DirectFunctionCall1(float8in, value);
			s->type.source = DL_INPUT_FLOAT8;
			break;
		case DL_COLUMN_DATE:
			typed = DirectFunctionCall1(date_in, value);
			s->type.source = DL_INPUT_DATE;
			break;
		case DL_COLUMN_TIMESTAMP:
			typed = DirectFunctionCall3(strstr(column->type, "with time zone") != NULL ? timestamptz_in : timestamp_in,
										value, ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			s->type.source = DL_INPUT_TIMESTAMP;
			break;
		default:
			typed = OidInputFunctionCall(F_ARRAY_IN, text, FLOAT8OID, -1);
			s->type.source = DL_INPUT_ARRAY;
			s->type.element = DL_INPUT_FLOAT8;
			break;
	}
	dl_encode_for_scoring(&s->type, column, typed, false, words);
}

bool
dl_column_source_try(DlColumnSource *s, Datum value, bool isnull, uint32_t *features)
{
	uint32_t   *words = features + s->column->first_word;

	if (!s->literal || isnull)
		return dl_encode_try(&s->type, s->column, value, isnull, words);
	encode_literal(s, value, words);
	return true;
}

void
dl_column_source_encode(DlColumnSource *s, Datum value, bool isnull, uint32_t *features)
{
	uint32_t   *words = features + s->column->first_word;

	if (s->literal && !isnull)
		encode_literal(s, value, words);
	else
		dl_encode_for_scoring(&s->type, s->column, value, isnull, words);
}
