/*
 * encode.c
 *    SQL values to the words of a record.
 */
#include "pg/encode.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "data/text.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "pg/compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct SourceRule
{
	Oid			type;
	DlInputSource source;
	DlColumnKind kind;
} SourceRule;

static const SourceRule source_rules[] = {
	{INT2OID, DL_INPUT_INT2, DL_COLUMN_NUMBER},
	{INT4OID, DL_INPUT_INT4, DL_COLUMN_NUMBER},
	{INT8OID, DL_INPUT_INT8, DL_COLUMN_NUMBER},
	{FLOAT4OID, DL_INPUT_FLOAT4, DL_COLUMN_NUMBER},
	{FLOAT8OID, DL_INPUT_FLOAT8, DL_COLUMN_NUMBER},
	{NUMERICOID, DL_INPUT_NUMERIC, DL_COLUMN_NUMBER},
	{BOOLOID, DL_INPUT_BOOL, DL_COLUMN_CATEGORY},
	{TEXTOID, DL_INPUT_TEXT, DL_COLUMN_CATEGORY},
	{VARCHAROID, DL_INPUT_TEXT, DL_COLUMN_CATEGORY},
	{BPCHAROID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{NAMEOID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{CHAROID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{UUIDOID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{INETOID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{CIDROID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{MACADDROID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{MACADDR8OID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{OIDOID, DL_INPUT_OUTPUT, DL_COLUMN_CATEGORY},
	{DATEOID, DL_INPUT_DATE, DL_COLUMN_DATE},
	{TIMESTAMPOID, DL_INPUT_TIMESTAMP, DL_COLUMN_TIMESTAMP},
	{TIMESTAMPTZOID, DL_INPUT_TIMESTAMP, DL_COLUMN_TIMESTAMP},
};

typedef struct HintRule
{
	Oid			type;
	const char *hint;
} HintRule;

static const HintRule hint_rules[] = {
	{INTERVALOID, "Select a number instead: extract(epoch FROM column)."},
	{TIMEOID, "Select a number instead: extract(epoch FROM column)."},
	{TIMETZOID, "Select a number instead: extract(epoch FROM column)."},
	{CASHOID, "Cast it to numeric: column::numeric."},
	{JSONOID, "Select the fields you need: (column->>'field')::double precision, or column->>'field' as a category."},
	{JSONBOID, "Select the fields you need: (column->>'field')::double precision, or column->>'field' as a category."},
	{XMLOID, "Select the parts you need, cast to a number or to text."},
	{BYTEAOID, "Binary data cannot be learned from in this version; leave the column out."},
	{POINTOID, "Select its parts: column[0], column[1]."},
};

static const SourceRule *
find_rule(Oid type)
{
	for (int i = 0; i < (int) lengthof(source_rules); i++)
		if (source_rules[i].type == type)
			return &source_rules[i];
	return NULL;
}

static bool
is_number(DlInputSource source)
{
	return source <= DL_INPUT_BOOL;
}

/* pgvector is known by its type's name, wherever it was installed. */
static bool
is_vector(Oid type)
{
	char	   *name = format_type_be(type);
	const char *dot = strrchr(name, '.');

	return strcmp(dot == NULL ? name : dot + 1, "vector") == 0;
}

FmgrInfo *
dl_input_output(DlInputType *type)
{
	Oid			function;
	bool		is_varlena;

	if (OidIsValid(type->output.fn_oid))
		return &type->output;
	getTypeOutputInfo(type->type, &function, &is_varlena);
	fmgr_info_cxt(function, &type->output, type->context);
	return &type->output;
}

bool
dl_input_type(Oid type, DlInputType *result, const char **hint)
{
	const SourceRule *rule = find_rule(type);
	Oid			base = rule != NULL ? type : getBaseType(type);
	Oid			element;

	memset(result, 0, sizeof(*result));
	result->type = base;
	result->context = CurrentMemoryContext;
	if (rule == NULL && base != type)
		rule = find_rule(base);
	if (rule != NULL)
	{
		result->source = rule->source;
		result->kind = rule->kind;
		return true;
	}
	if (type_is_enum(base))
	{
		result->source = DL_INPUT_OUTPUT;
		result->kind = DL_COLUMN_CATEGORY;
		return true;
	}
	element = get_element_type(base);
	if (OidIsValid(element))
	{
		rule = find_rule(getBaseType(element));
		if (rule != NULL && is_number(rule->source))
		{
			result->source = DL_INPUT_ARRAY;
			result->kind = DL_COLUMN_ARRAY;
			result->element = rule->source;
			result->element_type = element;
			get_typlenbyvalalign(element, &result->element_length, &result->element_by_value, &result->element_align);
				return true;
		}
		*hint = "Arrays of numbers can be used; select single elements, or leave the column out.";
		return false;
	}
	if (is_vector(base))
	{
		result->source = DL_INPUT_VECTOR;
		result->kind = DL_COLUMN_ARRAY;
		return true;
	}
	*hint = "Cast it to a number, to text (a category), or leave the column out of the query.";
	for (int i = 0; i < (int) lengthof(hint_rules); i++)
		if (hint_rules[i].type == base)
			*hint = hint_rules[i].hint;
	return false;
}

void
dl_input_type_error(const char *column, Oid type, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of type %s cannot be used", column, format_type_be(type)),
			 errhint("%s", hint)));
}

bool
dl_input_is_text(const DlInputType *type)
{
	return type->source == DL_INPUT_TEXT || type->type == BPCHAROID;
}

double
dl_datum_number(DlInputSource source, Datum value)
{
	switch (source)
	{
		case DL_INPUT_INT2:
			return DatumGetInt16(value);
		case DL_INPUT_INT4:
			return DatumGetInt32(value);
		case DL_INPUT_INT8:
			return (double) DatumGetInt64(value);
		case DL_INPUT_FLOAT4:
			return (double) DatumGetFloat4(value);
		case DL_INPUT_FLOAT8:
			return DatumGetFloat8(value);
		case DL_INPUT_NUMERIC:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
		case DL_INPUT_BOOL:
			return DatumGetBool(value) ? 1 : 0;
		default:
			elog(ERROR, "value of input source %d is not a number", (int) source);
	}
	return 0;
}

static const char *
native_text(DlInputType *type, Datum value, Size *length, void **copy)
{
	*copy = NULL;
	if (type->source == DL_INPUT_BOOL)
	{
		const char *text = DatumGetBool(value) ? "true" : "false";

		*length = strlen(text);
		return text;
	}
	if (type->source == DL_INPUT_TEXT)
	{
		struct varlena *packed = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));

		if ((Pointer) packed != DatumGetPointer(value))
			*copy = packed;
		*length = VARSIZE_ANY_EXHDR(packed);
		return VARDATA_ANY(packed);
	}
	else
	{
		char	   *text = OutputFunctionCall(dl_input_output(type), value);

		*copy = text;
		*length = strlen(text);
		/* char(n) is padded; the padding means nothing */
		if (type->type == BPCHAROID)
			while (*length > 0 && text[*length - 1] == ' ')
				(*length)--;
		return text;
	}
}

/* Models keep their texts in UTF-8, so that they mean the same in any database. */
const char *
dl_datum_text(DlInputType *type, Datum value, Size *length, void **copy)
{
	const char *text = native_text(type, value, length, copy);
	char	   *converted;

	if (likely(GetDatabaseEncoding() == PG_UTF8) || *length == 0)
		return text;
	converted = pg_server_to_any(text, (int) *length, PG_UTF8);
	if (converted == text)
		return text;
	if (*copy != NULL)
		pfree(*copy);
	*copy = converted;
	*length = strlen(converted);
	return converted;
}

const char *
dl_datum_feature_text(DlInputType *type, Datum value, Size *length, void **copy)
{
	if (unlikely(GetDatabaseEncoding() == PG_SQL_ASCII))
		return native_text(type, value, length, copy);
	return dl_datum_text(type, value, length, copy);
}

/* pgvector's layout: varlena header, int16 dimensions, int16 unused, float4 each. */
typedef struct VectorValue
{
	int32		header;
	int16		dimensions;
	int16		unused;
	float4		values[FLEXIBLE_ARRAY_MEMBER];
} VectorValue;

static VectorValue *
get_vector(Datum value)
{
	VectorValue *v = (VectorValue *) PG_DETOAST_DATUM(value);

	if (VARSIZE(v) < offsetof(VectorValue, values) || v->dimensions < 0 ||
		VARSIZE(v) != offsetof(VectorValue, values) + (Size) v->dimensions * sizeof(float4))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of type vector has an unknown layout")));
	return v;
}

int
dl_datum_array_length(const DlInputType *type, Datum value)
{
	if (type->source == DL_INPUT_VECTOR)
	{
		VectorValue *v = get_vector(value);
		int			n = v->dimensions;

		if ((Pointer) v != DatumGetPointer(value))
			pfree(v);
		return n;
	}
	else
	{
		ArrayType  *a = DatumGetArrayTypeP(value);
		int			n = ARR_NDIM(a) == 0 ? 0 : ARR_NDIM(a) == 1 ? ARR_DIMS(a)[0] : -1;

		if ((Pointer) a != DatumGetPointer(value))
			pfree(a);
		return n;
	}
}

static bool
read_vector(Datum value, int count, double *numbers)
{
	VectorValue *v = get_vector(value);
	bool		fits = v->dimensions == count;

	for (int i = 0; fits && i < count; i++)
		numbers[i] = (double) v->values[i];
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
	return fits;
}

bool
dl_datum_array(const DlInputType *type, Datum value, int count, double *numbers)
{
	ArrayType  *a;
	bool		fits;

	if (type->source == DL_INPUT_VECTOR)
		return read_vector(value, count, numbers);

	a = DatumGetArrayTypeP(value);
	fits = (ARR_NDIM(a) == 1 && ARR_DIMS(a)[0] == count) || (ARR_NDIM(a) == 0 && count == 0);
	if (fits && count > 0)
	{
		ArrayIterator iterator = array_create_iterator(a, 0, NULL);
		Datum		element;
		bool		isnull;

		for (int i = 0; i < count && array_iterate(iterator, &element, &isnull); i++)
			numbers[i] = isnull ? NAN : dl_datum_number(type->element, element);
		array_free_iterator(iterator);
	}
	if ((Pointer) a != DatumGetPointer(value))
		pfree(a);
	return fits;
}

void
dl_encode_not_finite(const char *column, double value)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("column \"%s\" contains %s", column,
					isnan(value) ? "NaN" : value > 0 ? "infinity, or a number too large" :
					"-infinity, or a number too large"),
			 isnan(value) ?
			 errhint("Leave such rows out by a WHERE clause, or make them NULL, for example by NULLIF(%s, 'NaN').",
					 quote_identifier(column)) :
			 errhint("Leave such rows out by a WHERE clause, or make them NULL.")));
}

/* False for infinity, which *moment has the sign of. */
static bool
finite_moment(const DlInputType *type, Datum value, int64 *moment)
{
	if (type->source == DL_INPUT_DATE)
	{
		DateADT		date = DatumGetDateADT(value);

		*moment = (int64) date * USECS_PER_DAY;
		return !DATE_NOT_FINITE(date);
	}
	*moment = DatumGetTimestamp(value);
	return !TIMESTAMP_NOT_FINITE(*moment);
}

int64
dl_datum_moment(const DlInputType *type, const char *column, Datum value)
{
	int64		moment;

	if (!finite_moment(type, value, &moment))
		dl_encode_not_finite(column, moment < 0 ? -INFINITY : INFINITY);
	return moment;
}

/* Elements of float4 that lie side by side; false where one is not finite. */
static bool
encode_singles(const float *values, double offset, int count, uint32_t *words)
{
	uint32_t	special = 0;

	if (offset == 0)
		memcpy(words, values, sizeof(float) * (Size) count);
	else
		for (int i = 0; i < count; i++)
			words[i] = dl_encode_number((double) values[i], offset);
	for (int i = 0; i < count; i++)
		special |= (uint32_t) !dl_word_is_finite(words[i]);
	return special == 0;
}

/* The usual arrays at once; false: to be looked at one by one. */
static bool
encode_plain_array(const DlInputType *type, const DlColumn *column, Datum value, uint32_t *words)
{
	bool		done = false;

	if (type->source == DL_INPUT_VECTOR)
	{
		VectorValue *v = get_vector(value);

		done = v->dimensions == column->words && encode_singles(v->values, column->offset, column->words, words);
		if ((Pointer) v != DatumGetPointer(value))
			pfree(v);
	}
	else if (type->element == DL_INPUT_FLOAT4)
	{
		ArrayType  *a = DatumGetArrayTypeP(value);

		done = ARR_NDIM(a) == 1 && ARR_DIMS(a)[0] == column->words && !ARR_HASNULL(a) &&
			encode_singles((const float *) ARR_DATA_PTR(a), column->offset, column->words, words);
		if ((Pointer) a != DatumGetPointer(value))
			pfree(a);
	}
	return done;
}

/* Elements that are NULL are missing. */
static bool
encode_array(const DlInputType *type, const DlColumn *column, Datum value, uint32_t *words)
{
	double	   *numbers;
	bool		fits;

	if (encode_plain_array(type, column, value, words))
		return true;
	numbers = palloc(sizeof(double) * (Size) column->words);
	fits = dl_datum_array(type, value, column->words, numbers);

	for (int i = 0; fits && i < column->words; i++)
	{
		words[i] = isnan(numbers[i]) ? DL_WORD_MISSING : dl_encode_number(numbers[i], column->offset);
		fits = isnan(numbers[i]) || dl_word_is_finite(words[i]);
	}
	pfree(numbers);
	return fits;
}

static void
report_array(const DlInputType *type, const DlColumn *column, Datum value)
{
	int			length = dl_datum_array_length(type, value);
	double	   *numbers;

	if (length != column->words)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 length < 0 ?
				 errmsg("array of column \"%s\" has more than one dimension", column->name) :
				 errmsg("array of column \"%s\" has %d elements, the model was trained with %d", column->name, length,
						column->words)));
	numbers = palloc(sizeof(double) * (Size) length);
	if (dl_datum_array(type, value, length, numbers))
		for (int i = 0; i < length; i++)
			if (!isnan(numbers[i]))
				dl_encode_finite(column->name, numbers[i], column->offset);
}

void
dl_encode_missing(const DlColumn *column, uint32_t *words)
{
	int32_t		codes = dl_column_kind_codes(column->kind);

	for (int32_t i = 0; i < column->words; i++)
		words[i] = i < codes ? (uint32_t) DL_CODE_MISSING : DL_WORD_MISSING;
}

void
dl_encode_text_words(const DlColumn *column, const char *text, Size length, uint32_t *words)
{
	char		prefix[DL_TEXT_PREFIX_BYTES];

	if (column->kind == DL_COLUMN_CATEGORY)
	{
		words[0] = (uint32_t) dl_vocabulary_find(column->vocabulary, text, length);
		return;
	}
	words[0] = (uint32_t) dl_vocabulary_find(column->vocabulary, prefix, dl_text_prefix(text, length, prefix));
	dl_encode_text(text, length, column->words - DL_TEXT_PLAIN_WORDS, (float *) words);
}

static void
encode_text(DlInputType *type, const DlColumn *column, Datum value, uint32_t *words)
{
	Size		length;
	void	   *copy;
	const char *text = dl_datum_feature_text(type, value, &length, &copy);

	dl_encode_text_words(column, text, length, words);
	if (copy != NULL)
		pfree(copy);
}

bool
dl_encode_try(DlInputType *type, const DlColumn *column, Datum value, bool isnull, uint32_t *words)
{
	int64		moment;

	if (isnull)
	{
		dl_encode_missing(column, words);
		return true;
	}
	switch (column->kind)
	{
		case DL_COLUMN_NUMBER:
			words[0] = dl_encode_number(dl_datum_number(type->source, value), column->offset);
			return dl_word_is_finite(words[0]);
		case DL_COLUMN_CATEGORY:
		case DL_COLUMN_TEXT:
			encode_text(type, column, value, words);
			return true;
		case DL_COLUMN_DATE:
		case DL_COLUMN_TIMESTAMP:
			if (!finite_moment(type, value, &moment))
				return false;
			dl_encode_moment(moment, column->offset, column->words, (float *) words);
			return true;
		case DL_COLUMN_ARRAY:
			return encode_array(type, column, value, words);
	}
	return false;
}

static void
report_value(const DlInputType *type, const DlColumn *column, Datum value)
{
	if (column->kind == DL_COLUMN_NUMBER)
		dl_encode_not_finite(column->name, dl_datum_number(type->source, value));
	else if (column->kind == DL_COLUMN_ARRAY)
		report_array(type, column, value);
	else
		dl_datum_moment(type, column->name, value);
	elog(ERROR, "column \"%s\" cannot be encoded", column->name);
}

void
dl_encode_for_scoring(DlInputType *type, const DlColumn *column, Datum value, bool isnull, uint32_t *words)
{
	if (unlikely(!dl_encode_try(type, column, value, isnull, words)))
		report_value(type, column, value);
}
