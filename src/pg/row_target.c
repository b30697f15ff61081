/*
 * row_target.c
 *    The target column: class labels, numbers, or arrays of either.
 *
 * A number is stored as a number unless the user said that it is a class; when
 * a column of numbers turns out to have exactly two values, they become the two
 * classes afterwards, which needs no second look at the records.
 */
#include <math.h>

#include "pg/row_internal.h"

#include "catalog/pg_collation.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

static void
wrong_task(const DlRowEncoder *e, const char *type, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("task \"%s\" cannot be learned from target \"%s\" of type %s", dl_task_name(e->task),
					e->roles.target, type),
			 errhint("%s", hint)));
}

static void
init_array(DlRowEncoder *e, const char *type)
{
	DlTargetState *t = &e->target;

	t->is_array = true;
	t->of_booleans = t->attribute->type.source == DL_INPUT_ARRAY && t->attribute->type.element == DL_INPUT_BOOL;
	if (!e->task_given)
		e->task = t->of_booleans ? DL_TASK_MULTILABEL : DL_TASK_REGRESSION;
	else if (e->task == DL_TASK_BINARY || e->task == DL_TASK_MULTICLASS)
		wrong_task(e, type, "An array serves for regression of several values, or for multilabel.");
}

void
dl_row_target_init(DlRowEncoder *e)
{
	DlTargetState *t = &e->target;
	DlAttribute *a = t->attribute;
	const char *type = format_type_be(a->type_oid);
	const char *hint;
	DlError		error;

	if (!dl_input_type(a->type_oid, &a->type, &hint))
		dl_input_type_error(a->name, a->type_oid, hint);
	t->words = 1;
	a->length_known = a->type.kind != DL_COLUMN_ARRAY;
	if (a->type.source >= DL_INPUT_TEXT || a->type.source == DL_INPUT_NUMERIC)
		e->may_allocate = true;
	switch (a->type.kind)
	{
		case DL_COLUMN_ARRAY:
			init_array(e, type);
			return;
		case DL_COLUMN_DATE:
		case DL_COLUMN_TIMESTAMP:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("target \"%s\" of type %s cannot be learned", a->name, type),
					 errhint("Select a number instead: extract(epoch FROM %s).", quote_identifier(a->name))));
		case DL_COLUMN_NUMBER:
			if (e->task_given && e->task == DL_TASK_MULTILABEL)
				wrong_task(e, type, "A multilabel target is an array of booleans.");
			t->as_label = e->task_given && e->task != DL_TASK_REGRESSION;
			break;
		case DL_COLUMN_CATEGORY:
		case DL_COLUMN_TEXT:
			if (e->task_given && e->task == DL_TASK_REGRESSION && a->type.source == DL_INPUT_BOOL)
				break;
			if (e->task_given && (e->task == DL_TASK_REGRESSION || e->task == DL_TASK_MULTILABEL))
				wrong_task(e, type, "Texts are classes: leave task out, or cast the target to a number.");
			t->as_label = true;
			break;
	}
	if (t->as_label)
	{
		e->may_allocate = true;
		DL_CHECK(dl_vocabulary_create(e->arena, &t->labels, &error), &error);
	}
}

static void
keep_label(DlRowEncoder *e, Datum value)
{
	DlTargetState *t = &e->target;
	int			count = dl_vocabulary_size(t->labels);
	MemoryContext old = MemoryContextSwitchTo(e->context);
	int16		length;
	bool		by_value;

	if (count > DL_MAX_CLASSES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("target \"%s\" has more than %d classes", t->attribute->name, DL_MAX_CLASSES),
				 errhint("Group rare values into one, or learn a number with task => 'regression'.")));
	if (count > t->label_capacity)
	{
		t->label_capacity = Max(16, t->label_capacity * 2);
		t->label_values = t->label_values == NULL ? palloc(sizeof(Datum) * (Size) t->label_capacity) :
			repalloc(t->label_values, sizeof(Datum) * (Size) t->label_capacity);
	}
	get_typlenbyval(t->attribute->type.type, &length, &by_value);
	if (length == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM(value));
	t->label_values[count - 1] = datumCopy(value, by_value, length);
	MemoryContextSwitchTo(old);
}

static void
encode_label(DlRowEncoder *e, Datum value, uint32_t *words, uint64 *hash)
{
	DlTargetState *t = &e->target;
	Size		length;
	void	   *copy;
	const char *text = dl_datum_text(&t->attribute->type, value, &length, &copy);
	int32_t		before = dl_vocabulary_size(t->labels);
	int32_t		code;
	DlError		error;

	DL_CHECK(dl_vocabulary_add(t->labels, text, length, &code, &error), &error);
	if (dl_vocabulary_size(t->labels) > before)
		keep_label(e, value);
	words[0] = (uint32_t) code;
	*hash = dl_row_hash(*hash, dl_hash_bytes(1, text, length));
}

static void
encode_array(DlRowEncoder *e, Datum value, uint32_t *words, uint64 *hash)
{
	DlTargetState *t = &e->target;

	if (!dl_datum_array(&t->attribute->type, value, t->words, e->numbers))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array of target \"%s\" has %d elements, earlier rows have %d", t->attribute->name,
						dl_datum_array_length(&t->attribute->type, value), t->words)));
	for (int k = 0; k < t->words; k++)
	{
		words[k] = dl_encode_finite(t->attribute->name, e->numbers[k], 0);
		if (e->task == DL_TASK_MULTILABEL && e->numbers[k] != 0 && e->numbers[k] != 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("multilabel target \"%s\" contains %g", t->attribute->name, e->numbers[k]),
					 errhint("Its elements must be true or false, or 0 or 1.")));
		*hash = dl_row_hash_number(*hash, e->numbers[k]);
	}
}

/* Remembers the first two values that a number takes. */
static void
count_distinct(DlRowEncoder *e, Datum value, double number)
{
	DlTargetState *t = &e->target;
	MemoryContext old;
	int16		length;
	bool		by_value;

	for (int i = 0; i < t->distinct && i < 2; i++)
		if (t->values[i] == number)
			return;
	if (t->distinct < 2)
	{
		t->values[t->distinct] = number;
		old = MemoryContextSwitchTo(e->context);
		get_typlenbyval(t->attribute->type.type, &length, &by_value);
		t->value_datums[t->distinct] = datumCopy(value, by_value, length);
		MemoryContextSwitchTo(old);
	}
	t->distinct++;
}

void
dl_row_target_encode(DlRowEncoder *e, Datum value, uint32_t *words, uint64 *hash)
{
	DlTargetState *t = &e->target;
	double		number;

	if (t->as_label)
	{
		encode_label(e, value, words, hash);
		return;
	}
	if (t->is_array)
	{
		encode_array(e, value, words, hash);
		return;
	}
	number = dl_datum_number(t->attribute->type.source, value);
	if (!t->has_offset)
	{
		t->offset = number;
		t->has_offset = true;
	}
	if (t->distinct < 3)
		count_distinct(e, value, number);
	words[0] = dl_encode_finite(t->attribute->name, number, t->offset);
	*hash = dl_row_hash_number(*hash, number);
}

typedef struct SortLabel
{
	Datum		value;
	int			code;
} SortLabel;

static int
compare_labels(const void *a, const void *b, void *argument)
{
	FmgrInfo   *compare = argument;

	return DatumGetInt32(FunctionCall2Coll(compare, C_COLLATION_OID, ((const SortLabel *) a)->value,
										   ((const SortLabel *) b)->value));
}

/* Classes are numbered in the order of their values: false before true, small before large. */
static void
sort_labels(DlRowEncoder *e, DlFitRequest *request)
{
	DlTargetState *t = &e->target;
	int			count = dl_vocabulary_size(t->labels);
	SortLabel  *sorted = palloc(sizeof(SortLabel) * (Size) count);
	TypeCacheEntry *cache = lookup_type_cache(t->attribute->type.type, TYPECACHE_CMP_PROC_FINFO);
	int32_t    *map;
	DlError		error;

	for (int i = 0; i < count; i++)
		sorted[i] = (SortLabel) {t->label_values[i], i};
	if (OidIsValid(cache->cmp_proc))
		qsort_arg(sorted, (size_t) count, sizeof(SortLabel), compare_labels, &cache->cmp_proc_finfo);
	DL_CHECK(dl_arena_calloc(e->arena, (size_t) count, sizeof(int32_t), &map, &error), &error);
	DL_CHECK(dl_vocabulary_create(e->arena, &request->labels, &error), &error);
	for (int i = 0; i < count; i++)
	{
		size_t		length;
		const char *text = dl_vocabulary_text(t->labels, sorted[i].code, &length);
		int32_t		class;

		DL_CHECK(dl_vocabulary_add(request->labels, text, length, &class, &error), &error);
		map[sorted[i].code] = class;
	}
	request->target_codes = true;
	request->label_count = count;
	request->label_map = map;
	request->label_map_count = count;
}

static void
two_values(DlRowEncoder *e, DlFitRequest *request)
{
	DlTargetState *t = &e->target;
	int			greater = t->values[1] > t->values[0] ? 1 : 0;
	uint32_t	word = dl_encode_number(t->values[greater], t->offset);
	DlError		error;

	memcpy(&request->two_value, &word, sizeof(word));
	request->target_two_values = true;
	request->label_count = 2;
	DL_CHECK(dl_vocabulary_create(e->arena, &request->labels, &error), &error);
	for (int i = 0; i < 2; i++)
	{
		char	   *text = OutputFunctionCall(dl_input_output(&t->attribute->type), t->value_datums[i == 1 ? greater : 1 - greater]);
		int32_t		class;

		DL_CHECK(dl_vocabulary_add(request->labels, text, strlen(text), &class, &error), &error);
	}
}

void
dl_row_target_finish(DlRowEncoder *e, DlFitRequest *request)
{
	DlTargetState *t = &e->target;

	request->target = t->attribute->name;
	request->target_type = format_type_be(t->attribute->type_oid);
	request->target_words = t->words;
	request->target_offset = t->offset;
	if (t->as_label)
	{
		int			count = dl_vocabulary_size(t->labels);

		if (count < 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("target \"%s\" has only one class", t->attribute->name),
					 errhint("A classifier needs rows of at least two classes; check the query's WHERE clause.")));
		if (e->task_given && e->task == DL_TASK_BINARY && count > 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("task \"binary\" needs two classes, target \"%s\" has %d", t->attribute->name, count),
					 errhint("Leave task out, or say task => 'multiclass'.")));
		sort_labels(e, request);
		request->task = count == 2 && !(e->task_given && e->task == DL_TASK_MULTICLASS) ? DL_TASK_BINARY : DL_TASK_MULTICLASS;
	}
	else if (t->is_array)
		request->task = e->task;
	else if (t->distinct == 2 && !e->task_given)
	{
		two_values(e, request);
		request->task = DL_TASK_BINARY;
	}
	else
		request->task = DL_TASK_REGRESSION;
	if (!t->as_label && !t->is_array && t->distinct == 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target \"%s\" has only one value", t->attribute->name),
				 errhint("There is nothing to learn; check the query's WHERE clause, or choose another target.")));
}
