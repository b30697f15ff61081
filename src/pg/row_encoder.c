/*
 * row_encoder.c
 *    Rows of a training query to records.
 *
 * The path of a row of plain numbers allocates nothing; texts and arrays use a
 * context that is reset after each row.  Records cannot be written before the
 * length of every array column is known, and whether the values of a text column
 * repeat, so the rows before that wait in a tuplestore.
 */
#include "pg/row_encoder.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/row_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define BATCH_BYTES (256 * 1024)

/* Rows that may wait for the length of an array column. */
#define MOST_PENDING 100000

/* Rows that wait where a column of text may be a category. */
#define TEXT_PENDING 20000

/* kB of them in memory: dl.fit may have thousands of groups. */
#define PENDING_MEMORY 1024

static DlAttribute *
find_attribute(DlRowEncoder *e, const char *name, const char *argument)
{
	StringInfoData names;

	for (int i = 0; i < e->tupdesc->natts; i++)
		if (strcmp(e->attributes[i].name, name) == 0)
			return &e->attributes[i];

	initStringInfo(&names);
	for (int i = 0; i < e->tupdesc->natts && names.len < 500; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", e->attributes[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s \"%s\" is not a column of the query", argument, name),
			 errhint("Its columns are: %s.", names.data)));
	return NULL;
}

static DlAttribute *
take_role(DlRowEncoder *e, const char *name, const char *argument, DlRole role)
{
	DlAttribute *a;

	if (name == NULL)
		return NULL;
	a = find_attribute(e, name, argument);
	if (a->role != DL_ROLE_FEATURE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" is named for two purposes, one of them %s", name, argument)));
	a->role = role;
	return a;
}

static void
init_attribute(DlRowEncoder *e, int i)
{
	Form_pg_attribute form = TupleDescAttr(e->tupdesc, i);
	DlAttribute *a = &e->attributes[i];

	a->name = pstrdup(NameStr(form->attname));
	a->type_oid = form->atttypid;
	a->role = DL_ROLE_FEATURE;
	for (int k = 0; k < i; k++)
		if (strcmp(e->attributes[k].name, a->name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("the query has two columns named \"%s\"", a->name),
					 errhint("Give one of them another name with AS.")));
}

static void
init_feature(DlRowEncoder *e, DlAttribute *a)
{
	const char *hint;
	DlError		error;

	if (!dl_input_type(a->type_oid, &a->type, &hint))
		dl_input_type_error(a->name, a->type_oid, hint);
	a->column.name = a->name;
	a->column.type = format_type_be(a->type_oid);
	a->column.kind = a->type.kind;
	a->length_known = a->type.kind != DL_COLUMN_ARRAY;
	a->column.words = a->type.kind == DL_COLUMN_DATE ? DL_DATE_WORDS :
		a->type.kind == DL_COLUMN_TIMESTAMP ? DL_TIMESTAMP_WORDS : 1;
	if (dl_input_is_text(&a->type))
		dl_row_text_init(e, a);
	else if (a->type.kind == DL_COLUMN_CATEGORY)
		DL_CHECK(dl_vocabulary_create(e->arena, &a->column.vocabulary, &error), &error);
	if (a->type.source >= DL_INPUT_TEXT || a->type.source == DL_INPUT_NUMERIC)
		e->may_allocate = true;
}

static void
init_special(DlRowEncoder *e, DlAttribute *a)
{
	const char *hint;

	if (a == NULL)
		return;
	if (!dl_input_type(a->type_oid, &a->type, &hint))
		dl_input_type_error(a->name, a->type_oid, hint);
	e->may_allocate = true;
}

static void
parse_task(DlRowEncoder *e)
{
	e->task_given = e->roles.task != NULL;
	if (e->task_given && !dl_task_by_name(e->roles.task, &e->task))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown task \"%s\"", e->roles.task),
				 errhint("Valid tasks are: regression, binary, multiclass, multilabel.")));
}

DlRowEncoder *
dl_row_encoder_create(TupleDesc tupdesc, const DlRowRoles *roles, const DlRowSink *sink, DlArena *arena)
{
	DlRowEncoder *e = palloc0(sizeof(DlRowEncoder));
	int			features = 0;

	e->context = CurrentMemoryContext;
	e->row_context = AllocSetContextCreate(CurrentMemoryContext, "dl row", ALLOCSET_DEFAULT_SIZES);
	e->arena = arena;
	e->tupdesc = CreateTupleDescCopy(tupdesc);
	e->roles = *roles;
	e->sink = *sink;
	e->attributes = palloc0(sizeof(DlAttribute) * (Size) Max(tupdesc->natts, 1));
	parse_task(e);
	for (int i = 0; i < tupdesc->natts; i++)
		init_attribute(e, i);
	e->target.attribute = take_role(e, roles->target, "target", DL_ROLE_TARGET);
	e->split = take_role(e, roles->split_column, "split_column", DL_ROLE_SPLIT);
	e->key = take_role(e, roles->split_key, "split_key", DL_ROLE_KEY);
	e->weight = take_role(e, roles->weight_column, "weight_column", DL_ROLE_WEIGHT);
	if (e->split != NULL && e->key != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("split_column and split_key cannot be used together")));
	init_special(e, e->split);
	init_special(e, e->key);
	init_special(e, e->weight);
	for (int i = 0; i < tupdesc->natts; i++)
		if (e->attributes[i].role == DL_ROLE_FEATURE)
		{
			init_feature(e, &e->attributes[i]);
			features++;
		}
	if (features == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query has no column to learn from"),
				 errhint("Besides the target \"%s\" it needs at least one more column.", roles->target)));
	dl_row_target_init(e);
	return e;
}

static bool
is_text_feature(const DlAttribute *a)
{
	return a->role == DL_ROLE_FEATURE && dl_input_is_text(&a->type);
}

/* Lengths of arrays in this row; true when none is unknown any more. */
static bool
learn_lengths(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	bool		all = true;

	for (int i = 0; i < e->tupdesc->natts; i++)
	{
		DlAttribute *a = &e->attributes[i];
		bool		target = a == e->target.attribute && e->target.is_array;
		int			length;

		if (a->length_known || !(target || (a->role == DL_ROLE_FEATURE && a->type.kind == DL_COLUMN_ARRAY)))
			continue;
		if (nulls[i])
		{
			all = false;
			continue;
		}
		length = dl_datum_array_length(&a->type, values[i]);
		if (length < 1 || length > DL_MAX_FEATURE_WORDS)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("array of column \"%s\" must have one dimension of 1 to %d elements", a->name,
							DL_MAX_FEATURE_WORDS)));
		a->column.words = length;
		a->length_known = true;
		if (target)
			e->target.words = length;
	}
	return all;
}

/* Looks at the texts of a row that waits; true when enough have. */
static bool
observe_texts(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	MemoryContext old;

	if (e->texts == 0)
		return true;
	old = MemoryContextSwitchTo(e->row_context);
	for (int i = 0; i < e->tupdesc->natts; i++)
		if (is_text_feature(&e->attributes[i]) && !nulls[i])
			dl_row_text_observe(e, &e->attributes[i], values[i]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(e->row_context);
	return e->pending_rows >= TEXT_PENDING;
}

/* last: no rows follow those that wait. */
static void
lay_out(DlRowEncoder *e, bool last)
{
	int64		words = 0;
	int32		widest = 1;

	for (int i = 0; i < e->tupdesc->natts; i++)
	{
		DlAttribute *a = &e->attributes[i];

		if (is_text_feature(a))
			dl_row_text_decide(a, last);
		if (a->role == DL_ROLE_FEATURE)
		{
			a->column.first_word = (int32_t) words;
			words += a->column.words;
			if (words > DL_MAX_FEATURE_WORDS)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("a row has more than %d numbers", DL_MAX_FEATURE_WORDS),
						 a->type.kind == DL_COLUMN_ARRAY ? errhint("Shorten the array of column \"%s\".", a->name) :
						 errhint("Select fewer columns.")));
		}
		widest = Max(widest, a->column.words);
	}
	dl_record_layout(e->target.words, (int32_t) words, &e->layout);
	e->numbers = MemoryContextAlloc(e->context, sizeof(double) * (Size) Max(widest, e->target.words));
	e->batch_rows = Max(1, BATCH_BYTES / ((int64) e->layout.words * 4));
	e->records = MemoryContextAlloc(e->context, (Size) e->batch_rows * (Size) e->layout.words * 4);
	e->laid_out = true;
	e->sink.begin(e->sink.context, e->layout.words);
}

static void
flush(DlRowEncoder *e)
{
	if (e->batched > 0)
		e->sink.append(e->sink.context, e->records, e->batched, e->layout.words);
	e->batched = 0;
}

static uint64
encode_number(DlAttribute *a, Datum value, uint32_t *words, uint64 hash)
{
	double		number = dl_datum_number(a->type.source, value);

	if (unlikely(!a->has_offset))
	{
		a->column.offset = number;
		a->has_offset = true;
	}
	if (a->type.source <= DL_INPUT_INT8 && a->sequence.count >= 0)
		dl_row_sequence_add(&a->sequence, a->type.source == DL_INPUT_INT8 ? DatumGetInt64(value) : (int64) number);
	words[0] = dl_encode_finite(a->name, number, a->column.offset);
	return dl_row_hash_number(hash, number);
}

void
dl_row_check_vocabulary(const DlAttribute *a, const DlVocabulary *vocabulary, DlStatus status, DlError *error)
{
	if (status == DL_ERROR_MEMORY)
		dl_error_hint(error, "Leave column \"%s\" out, which has %d different values so far, or raise deep_learning.training_memory.",
					  a->name, dl_vocabulary_size(vocabulary));
	DL_CHECK(status, error);
}

static uint64
encode_category(DlAttribute *a, Datum value, uint32_t *words, uint64 hash)
{
	DlError		error;
	Size		length;
	void	   *copy;
	const char *text = dl_datum_feature_text(&a->type, value, &length, &copy);
	int32_t		code = DL_CODE_MISSING;

	if (!a->abandoned)
	{
		DlStatus	status = dl_vocabulary_add(a->column.vocabulary, text, length, &code, &error);

		dl_row_check_vocabulary(a, a->column.vocabulary, status, &error);
		a->abandoned = dl_row_abandons(a->present, dl_vocabulary_size(a->column.vocabulary));
	}
	words[0] = (uint32_t) code;
	return dl_row_hash(hash, dl_hash_bytes(1, text, length));
}

static uint64
encode_moment(DlAttribute *a, Datum value, uint32_t *words, uint64 hash)
{
	int64		moment = dl_datum_moment(&a->type, a->name, value);

	if (!a->has_offset)
	{
		a->column.offset = floor((double) moment / 86400e6);
		a->has_offset = true;
	}
	dl_encode_moment(moment, a->column.offset, a->column.words, (float *) words);
	return dl_row_hash(hash, (uint64) moment);
}

static uint64
encode_array(DlRowEncoder *e, DlAttribute *a, Datum value, uint32_t *words, uint64 hash)
{
	if (!dl_datum_array(&a->type, value, a->column.words, e->numbers))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array of column \"%s\" has %d elements, earlier rows have %d", a->name,
						dl_datum_array_length(&a->type, value), a->column.words),
				 errhint("All rows need arrays of one length.")));
	for (int k = 0; k < a->column.words; k++)
	{
		words[k] = isnan(e->numbers[k]) ? DL_WORD_MISSING : dl_encode_finite(a->name, e->numbers[k], 0);
		hash = isnan(e->numbers[k]) ? dl_row_hash(hash, 3) : dl_row_hash_number(hash, e->numbers[k]);
	}
	return hash;
}

static uint64
encode_feature(DlRowEncoder *e, DlAttribute *a, Datum value, bool isnull, uint32_t *words, uint64 hash)
{
	if (isnull)
	{
		dl_encode_missing(&a->column, words);
		/* before a text come the words of a category that it might be, too */
		if (a->column.kind == DL_COLUMN_TEXT)
			words[1] = (uint32_t) DL_CODE_MISSING;
		else
			a->sequence.count = -1;
		return dl_row_hash(hash, 7);
	}
	a->present++;
	switch (a->column.kind)
	{
		case DL_COLUMN_NUMBER:
			return encode_number(a, value, words, hash);
		case DL_COLUMN_CATEGORY:
			return is_text_feature(a) ? dl_row_text_encode(e, a, value, words, hash) : encode_category(a, value, words, hash);
		case DL_COLUMN_DATE:
		case DL_COLUMN_TIMESTAMP:
			return encode_moment(a, value, words, hash);
		case DL_COLUMN_ARRAY:
			return encode_array(e, a, value, words, hash);
		case DL_COLUMN_TEXT:
			return dl_row_text_encode(e, a, value, words, hash);
	}
	return hash;
}

static float
encode_weight(DlAttribute *a, Datum value, bool isnull)
{
	double		weight;

	if (isnull || a->type.source > DL_INPUT_BOOL)
		ereport(ERROR,
				(errcode(isnull ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_DATATYPE_MISMATCH),
				 errmsg("weight_column \"%s\" %s", a->name, isnull ? "contains NULL" : "is not a number")));
	weight = dl_datum_number(a->type.source, value);
	if (!(weight >= 0 && weight <= 1e30))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("weight_column \"%s\" contains %g", a->name, weight),
				 errhint("Weights are finite numbers, 0 or more.")));
	return (float) weight;
}

static DlPart
encode_part(DlAttribute *a, Datum value, bool isnull)
{
	static const char *const names[] = {"train", "validation", "test"};
	Size		length;
	void	   *copy;
	const char *text;

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("split_column \"%s\" contains NULL", a->name),
				 errhint("Its values must be train, validation or test.")));
	text = dl_datum_text(&a->type, value, &length, &copy);
	for (int i = 0; i < 3; i++)
		if (length == strlen(names[i]) && pg_strncasecmp(text, names[i], length) == 0)
			return (DlPart) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("split_column \"%s\" contains \"%.*s\"", a->name, (int) Min(length, 40), text),
			 errhint("Its values must be train, validation or test.")));
	return DL_PART_NONE;
}

static uint64
encode_key(DlAttribute *a, Datum value, bool isnull)
{
	Size		length;
	void	   *copy;
	const char *text;

	if (isnull)
		return 7;
	text = dl_datum_text(&a->type, value, &length, &copy);
	return dl_hash_bytes(1, text, length);
}

static void
encode_row(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	uint32_t   *record = e->records + e->batched * e->layout.words;
	uint64		hash = 1;
	uint64		key = 0;
	float		weight = 1;
	int32_t		part = DL_PART_NONE;

	for (int i = 0; i < e->tupdesc->natts; i++)
	{
		DlAttribute *a = &e->attributes[i];

		switch (a->role)
		{
			case DL_ROLE_FEATURE:
				hash = encode_feature(e, a, values[i], nulls[i],
									  record + e->layout.feature_word + a->column.first_word, hash);
				break;
			case DL_ROLE_TARGET:
				dl_row_target_encode(e, values[i], record + e->layout.target_word, &hash);
				break;
			case DL_ROLE_SPLIT:
				part = encode_part(a, values[i], nulls[i]);
				break;
			case DL_ROLE_KEY:
				key = encode_key(a, values[i], nulls[i]);
				break;
			case DL_ROLE_WEIGHT:
				weight = encode_weight(a, values[i], nulls[i]);
				break;
		}
	}
	hash = dl_hash_mix(1, e->key != NULL ? key : hash);
	memcpy(record + DL_RECORD_HASH, &hash, sizeof(hash));
	memcpy(record + DL_RECORD_WEIGHT, &weight, sizeof(weight));
	memcpy(record + DL_RECORD_PART, &part, sizeof(part));
	e->rows++;
	if (++e->batched == e->batch_rows)
		flush(e);
}

static void
encode_in_context(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	MemoryContext old;

	if (!e->may_allocate)
	{
		encode_row(e, values, nulls);
		return;
	}
	old = MemoryContextSwitchTo(e->row_context);
	encode_row(e, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(e->row_context);
}

static void
replay_pending(DlRowEncoder *e)
{
	TupleTableSlot *slot;

	if (e->pending == NULL)
		return;
	slot = MakeSingleTupleTableSlot(e->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(e->pending, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		encode_in_context(e, slot->tts_values, slot->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(e->pending);
	e->pending = NULL;
}

static void
let_wait(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(e->context);

	if (e->pending == NULL)
		e->pending = tuplestore_begin_heap(false, false, Min(work_mem, PENDING_MEMORY));
	tuplestore_putvalues(e->pending, e->tupdesc, unconstify(Datum *, values), unconstify(bool *, nulls));
	MemoryContextSwitchTo(old);
	e->pending_rows++;
}

/* Columns of arrays that were never seen cannot be learned from. */
static void
give_up_lengths(DlRowEncoder *e)
{
	for (int i = 0; i < e->tupdesc->natts; i++)
		if (e->attributes[i].role == DL_ROLE_FEATURE && !e->attributes[i].length_known)
		{
			e->attributes[i].column.words = 1;
			e->attributes[i].length_known = true;
		}
}

void
dl_row_encoder_add(DlRowEncoder *e, const Datum *values, const bool *nulls)
{
	int			target = (int) (e->target.attribute - e->attributes);

	if (nulls[target])
	{
		e->skipped++;
		return;
	}
	if (unlikely(!e->laid_out))
	{
		bool		known = learn_lengths(e, values, nulls);

		known = observe_texts(e, values, nulls) && known;
		if (!known && e->pending_rows < MOST_PENDING)
		{
			let_wait(e, values, nulls);
			return;
		}
		give_up_lengths(e);
		lay_out(e, false);
		replay_pending(e);
	}
	encode_in_context(e, values, nulls);
}

void
dl_row_encoder_leave_out(DlRowEncoder *e, int column, const char *why)
{
	e->attributes[column].left_out = why;
}

/* "a: why\nb: why\n" as a list in one line, not too long. */
static char *
join_lines(const char *lines)
{
	StringInfoData list;

	initStringInfo(&list);
	while (*lines != '\0' && list.len < 500)
	{
		int			length = (int) strcspn(lines, "\n");

		appendStringInfo(&list, "%s%.*s", list.len > 0 ? ", " : "", length, lines);
		lines += length + 1;
	}
	return list.data;
}

void
dl_row_encoder_finish(DlRowEncoder *e, bool quiet, DlFitRequest *request)
{
	StringInfoData left_out;
	DlError		error;

	if (e->rows == 0 && e->pending_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 e->skipped > 0 ?
				 errmsg("target \"%s\" is NULL in all " INT64_FORMAT " rows", e->roles.target, e->skipped) :
				 errmsg("the query returned no rows")));
	if (!e->laid_out)
	{
		give_up_lengths(e);
		lay_out(e, true);
		replay_pending(e);
	}
	flush(e);
	dl_row_target_finish(e, request);

	initStringInfo(&left_out);
	DL_CHECK(dl_arena_calloc(e->arena, (size_t) e->tupdesc->natts, sizeof(DlColumn), &request->columns, &error), &error);
	for (int i = 0; i < e->tupdesc->natts; i++)
	{
		DlAttribute *a = &e->attributes[i];

		const char *why;

		if (a->role != DL_ROLE_FEATURE)
			continue;
		if (is_text_feature(a))
			dl_row_text_finish(a);
		if (a->left_out != NULL)
			appendStringInfo(&left_out, "%s: %s\n", a->name, a->left_out);
		else if ((why = dl_row_identifier(e, a)) != NULL)
		{
			appendStringInfo(&left_out, "%s: looks like an identifier\n", a->name);
			if (!quiet)
				ereport(NOTICE,
						(errmsg("column \"%s\" looks like an identifier and is left out", a->name),
						 errdetail("%s", why),
						 a->column.kind != DL_COLUMN_NUMBER ? 0 :
						 errhint("If it is none, cast it: %s::double precision.", quote_identifier(a->name))));
		}
		else
			request->columns[request->column_count++] = a->column;
	}
	if (request->column_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no column is left to learn from"),
				 errdetail("Left out: %s.", join_lines(left_out.data)),
				 strstr(left_out.data, "looks like an identifier") == NULL ? 0 :
				 errhint("An integer column that is none is kept by a cast: column::double precision.")));
	request->feature_words = e->layout.feature_words;
	request->left_out = left_out.data;
	request->skipped = e->skipped;
	request->split_by_column = e->split != NULL;
	request->split = e->split != NULL ? psprintf("column %s", e->split->name) :
		e->key != NULL ? psprintf("key %s", e->key->name) : "hash";
	request->weight_column = e->weight != NULL ? e->weight->name : "";
}
