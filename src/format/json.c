/*
 * json.c
 *    Reading JSON.  The only file that knows the JSON library (jansson).
 *
 * The library parses recursively and takes many times the text in memory, so
 * depth and the memory it will need are measured by a scan before it sees the text.
 * Its state is per document; documents may be read by several threads.
 */
#include "format/json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"
#include "format/utf8.h"

/* What the library takes at most for an object or array, and for each item or member. */
#define CONTAINER_BYTES 384
#define ITEM_BYTES 128

struct DlJsonDocument
{
	json_t	   *root;
};

bool
dl_utf8_valid(const char *text, size_t length)
{
	const unsigned char *p = (const unsigned char *) text;
	size_t		i = 0;

	while (i < length)
	{
		int			step = dl_utf8_length(p + i, length - i);

		if (step == 0)
			return false;
		i += (size_t) step;
	}
	return true;
}

/* Depth and an upper bound of the memory, without understanding the text. */
static DlStatus
measure(const char *text, size_t length, size_t *memory, DlError *error)
{
	int			depth = 0;
	bool		quoted = false;
	size_t		sum;

	if (!dl_size_mul(length, 2, &sum))
		return dl_error_set(error, DL_ERROR_LIMIT, "model document is too large");
	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (quoted)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (c == '"')
			quoted = true;
		else if (c == '{' || c == '[')
		{
			sum += CONTAINER_BYTES;
			if (++depth > DL_JSON_MAX_DEPTH)
				return dl_error_set(error, DL_ERROR_LIMIT, "model document is nested more than %d deep",
									DL_JSON_MAX_DEPTH);
		}
		else if (c == '}' || c == ']')
			depth--;
		else if (c == ',' || c == ':')
			sum += ITEM_BYTES;
	}
	*memory = sum;
	return DL_OK;
}

DlStatus
dl_json_parse(const char *text, size_t length, size_t memory, DlJsonDocument **result, DlError *error)
{
	size_t		needed = 0;
	size_t		limit = memory > 0 && memory < DL_JSON_MAX_MEMORY ? memory : DL_JSON_MAX_MEMORY;
	json_error_t problem;
	DlJsonDocument *document;

	*result = NULL;
	DL_TRY(measure(text, length, &needed, error));
	if (needed > limit)
	{
		dl_error_set(error, DL_ERROR_MEMORY, "model document needs too much memory");
		dl_error_detail(error, "Reading its %zu bytes may take %zu bytes; %zu are allowed.", length, needed, limit);
		return DL_ERROR_MEMORY;
	}
	document = malloc(sizeof(DlJsonDocument));
	if (document == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	document->root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
	if (document->root == NULL || !json_is_object(document->root))
	{
		bool		empty = document->root == NULL;

		json_decref(document->root);
		free(document);
		if (empty && json_error_code(&problem) == json_error_out_of_memory)
			return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
		dl_error_set(error, DL_ERROR_CORRUPT, "model document is not a valid JSON object");
		if (empty)
			dl_error_detail(error, "At byte %d: %s.", problem.position, problem.text);
		return DL_ERROR_CORRUPT;
	}
	*result = document;
	return DL_OK;
}

void
dl_json_free(DlJsonDocument *document)
{
	if (document == NULL)
		return;
	json_decref(document->root);
	free(document);
}

DlJson
dl_json_root(const DlJsonDocument *document)
{
	return (DlJson) {NULL, NULL, 0, document->root};
}

/* "columns[3].words" into path, from its end; the beginning is lost where it does not fit. */
static const char *
print_path(const DlJson *json, char *path, size_t size)
{
	char	   *p = path + size - 1;

	*p = '\0';
	for (; json->parent != NULL; json = json->parent)
	{
		char		part[96];
		int			length;

		if (json->key == NULL)
			length = snprintf(part, sizeof(part), "[%zu]", json->index);
		else
			length = snprintf(part, sizeof(part), "%s%.64s", json->parent->parent == NULL ? "" : ".", json->key);
		if (length < 0 || length > p - path)
			break;
		p -= length;
		memcpy(p, part, (size_t) length);
	}
	return *p == '\0' ? "the document" : p;
}

DlStatus
dl_json_fail(const DlJson *json, DlError *error, const char *format,...)
{
	char		path[256];
	char		text[512];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return dl_error_set(error, DL_ERROR_CORRUPT, "model document: %s %s", print_path(json, path, sizeof(path)), text);
}

static DlStatus
wrong_type(const DlJson *json, const char *expected, DlError *error)
{
	static const char *const names[] =
	{
		[JSON_OBJECT] = "an object",[JSON_ARRAY] = "an array",[JSON_STRING] = "a text",[JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number",[JSON_TRUE] = "a boolean",[JSON_FALSE] = "a boolean",[JSON_NULL] = "null"
	};

	return dl_json_fail(json, error, "must be %s, not %s", expected, names[json_typeof((const json_t *) json->value)]);
}

DlStatus
dl_json_member(const DlJson *object, const char *key, DlJson *result, DlError *error)
{
	*result = (DlJson) {object, key, 0, NULL};
	if (!json_is_object((const json_t *) object->value))
		return wrong_type(object, "an object", error);
	result->value = json_object_get(object->value, key);
	if (result->value == NULL)
		return dl_json_fail(result, error, "is missing");
	return DL_OK;
}

bool
dl_json_has(const DlJson *object, const char *key)
{
	return json_object_get(object->value, key) != NULL;
}

DlStatus
dl_json_array(const DlJson *object, const char *key, size_t limit, DlJson *result, size_t *count, DlError *error)
{
	DL_TRY(dl_json_member(object, key, result, error));
	if (!json_is_array((const json_t *) result->value))
		return wrong_type(result, "an array", error);
	*count = json_array_size(result->value);
	if (*count > limit)
		return dl_json_fail(result, error, "has %zu items, more than the %zu allowed", *count, limit);
	return DL_OK;
}

DlStatus
dl_json_item(const DlJson *array, size_t index, DlJson *result, DlError *error)
{
	*result = (DlJson) {array, NULL, index, json_array_get(array->value, index)};
	if (result->value == NULL)
		return dl_json_fail(result, error, "is missing");
	return DL_OK;
}

DlStatus
dl_json_int(const DlJson *json, int64_t low, int64_t high, int64_t *result, DlError *error)
{
	json_int_t	value;

	if (!json_is_integer((const json_t *) json->value))
		return wrong_type(json, "an integer", error);
	value = json_integer_value(json->value);
	if (value < low || value > high)
		return dl_json_fail(json, error, "must be between %lld and %lld, not %lld", (long long) low, (long long) high,
							(long long) value);
	*result = value;
	return DL_OK;
}

DlStatus
dl_json_double(const DlJson *json, double *result, DlError *error)
{
	const json_t *value = json->value;

	if (json_is_null(value))
		*result = NAN;
	else if (json_is_number(value))
		*result = json_number_value(value);
	else if (json_is_string(value) && strcmp(json_string_value(value), "Infinity") == 0)
		*result = INFINITY;
	else if (json_is_string(value) && strcmp(json_string_value(value), "-Infinity") == 0)
		*result = -INFINITY;
	else
		return wrong_type(json, "a number", error);
	return DL_OK;
}

DlStatus
dl_json_bool(const DlJson *json, bool *result, DlError *error)
{
	if (!json_is_boolean((const json_t *) json->value))
		return wrong_type(json, "a boolean", error);
	*result = json_is_true((const json_t *) json->value);
	return DL_OK;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static DlStatus
decode_hex(const DlJson *json, DlArena *arena, size_t limit, const char **text, size_t *length, DlError *error)
{
	const json_t *value = json_object_get(json->value, "hex");
	const char *digits = json_string_value(value);
	size_t		count = json_string_length(value);
	char	   *bytes;

	if (digits == NULL || count % 2 != 0)
		return dl_json_fail(json, error, "must have an even number of digits in its key \"hex\"");
	if (count / 2 > limit)
		return dl_json_fail(json, error, "has %zu bytes, more than the %zu allowed", count / 2, limit);
	DL_TRY(dl_arena_alloc(arena, count / 2 + 1, &bytes, error));
	for (size_t i = 0; i < count / 2; i++)
	{
		int			high = hex_digit(digits[2 * i]);
		int			low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return dl_json_fail(json, error, "has something else than hexadecimal digits in its key \"hex\"");
		bytes[i] = (char) (high * 16 + low);
	}
	bytes[count / 2] = '\0';
	*text = bytes;
	*length = count / 2;
	return DL_OK;
}

DlStatus
dl_json_text(const DlJson *json, DlArena *arena, size_t limit, const char **text, size_t *length, DlError *error)
{
	size_t		count;
	char	   *copy;

	if (json_is_object((const json_t *) json->value))
		return decode_hex(json, arena, limit, text, length, error);
	if (!json_is_string((const json_t *) json->value))
		return wrong_type(json, "a text", error);
	count = json_string_length(json->value);
	if (count > limit)
		return dl_json_fail(json, error, "has %zu bytes, more than the %zu allowed", count, limit);
	DL_TRY(dl_arena_strndup(arena, json_string_value(json->value), count, &copy, error));
	*text = copy;
	*length = count;
	return DL_OK;
}

DlStatus
dl_json_string(const DlJson *json, DlArena *arena, size_t limit, const char **text, DlError *error)
{
	size_t		length;

	DL_TRY(dl_json_text(json, arena, limit, text, &length, error));
	if (strlen(*text) != length)
		return dl_json_fail(json, error, "holds a zero byte");
	return DL_OK;
}

DlStatus
dl_json_uint64(const DlJson *json, uint64_t *result, DlError *error)
{
	const char *text = json_string_value(json->value);
	char		canonical[32];
	unsigned long long value;

	if (text == NULL)
		return wrong_type(json, "a text of digits", error);
	errno = 0;
	value = strtoull(text, NULL, 10);
	snprintf(canonical, sizeof(canonical), "%llu", value);
	if (errno != 0 || strcmp(canonical, text) != 0)
		return dl_json_fail(json, error, "must be an unsigned integer of 64 bits");
	*result = value;
	return DL_OK;
}

DlStatus
dl_json_member_int(const DlJson *object, const char *key, int64_t low, int64_t high, int64_t *result, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	return dl_json_int(&json, low, high, result, error);
}

DlStatus
dl_json_member_int32(const DlJson *object, const char *key, int32_t low, int32_t high, int32_t *result, DlError *error)
{
	int64_t		value;

	DL_TRY(dl_json_member_int(object, key, low, high, &value, error));
	*result = (int32_t) value;
	return DL_OK;
}

DlStatus
dl_json_member_double(const DlJson *object, const char *key, double *result, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	return dl_json_double(&json, result, error);
}

DlStatus
dl_json_member_finite(const DlJson *object, const char *key, double *result, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	DL_TRY(dl_json_double(&json, result, error));
	if (!isfinite(*result))
		return dl_json_fail(&json, error, "must be a finite number");
	return DL_OK;
}

DlStatus
dl_json_member_bool(const DlJson *object, const char *key, bool *result, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	return dl_json_bool(&json, result, error);
}

DlStatus
dl_json_member_string(const DlJson *object, const char *key, DlArena *arena, size_t limit, const char **text, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	return dl_json_string(&json, arena, limit, text, error);
}

DlStatus
dl_json_member_uint64(const DlJson *object, const char *key, uint64_t *result, DlError *error)
{
	DlJson		json;

	DL_TRY(dl_json_member(object, key, &json, error));
	return dl_json_uint64(&json, result, error);
}
