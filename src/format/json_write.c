/*
 * json_write.c
 *    Writing JSON into one growing buffer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"
#include "format/json.h"

#define FIRST_CAPACITY 1024

void
dl_json_writer_init(DlJsonWriter *writer, size_t limit)
{
	memset(writer, 0, sizeof(*writer));
	writer->limit = limit;
}

void
dl_json_writer_free(DlJsonWriter *writer)
{
	free(writer->text);
	writer->text = NULL;
	writer->length = 0;
	writer->capacity = 0;
}

static bool
reserve(DlJsonWriter *writer, size_t more)
{
	size_t		wanted;
	size_t		capacity = writer->capacity;
	char	   *larger;

	if (writer->status != DL_OK)
		return false;
	if (!dl_size_add(writer->length, more, &wanted) || wanted > writer->limit)
	{
		writer->status = DL_ERROR_LIMIT;
		return false;
	}
	if (wanted < capacity)
		return true;
	if (capacity < FIRST_CAPACITY)
		capacity = FIRST_CAPACITY;
	while (capacity <= wanted)
		if (!dl_size_mul(capacity, 2, &capacity))
		{
			writer->status = DL_ERROR_LIMIT;
			return false;
		}
	larger = realloc(writer->text, capacity);
	if (larger == NULL)
	{
		writer->status = DL_ERROR_MEMORY;
		return false;
	}
	writer->text = larger;
	writer->capacity = capacity;
	return true;
}

static void
append(DlJsonWriter *writer, const char *text, size_t length)
{
	if (!reserve(writer, length))
		return;
	memcpy(writer->text + writer->length, text, length);
	writer->length += length;
}

DlStatus
dl_json_writer_finish(DlJsonWriter *writer, DlError *error)
{
	if (reserve(writer, 0))
		writer->text[writer->length] = '\0';
	if (writer->status == DL_ERROR_LIMIT)
		return dl_error_set(error, DL_ERROR_LIMIT, "model document has more than %zu bytes", writer->limit);
	if (writer->status != DL_OK)
		return dl_error_set(error, writer->status, "out of memory");
	return DL_OK;
}

static void
append_quoted(DlJsonWriter *writer, const char *text, size_t length)
{
	size_t		plain = 0;		/* bytes that need no escape */

	append(writer, "\"", 1);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];
		char		escape[8];

		if (c >= 0x20 && c != '"' && c != '\\')
		{
			plain++;
			continue;
		}
		append(writer, text + i - plain, plain);
		plain = 0;
		if (c >= 0x20)
			append(writer, (const char[]) {'\\', (char) c}, 2);
		else
		{
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			append(writer, escape, 6);
		}
	}
	append(writer, text + length - plain, plain);
	append(writer, "\"", 1);
}

/* The comma and the key that stand before a value. */
static void
before(DlJsonWriter *writer, const char *key)
{
	if (writer->comma)
		append(writer, ",", 1);
	if (key != NULL)
	{
		append_quoted(writer, key, strlen(key));
		append(writer, ":", 1);
	}
	writer->comma = true;
}

void
dl_json_begin_object(DlJsonWriter *writer, const char *key)
{
	before(writer, key);
	append(writer, "{", 1);
	writer->comma = false;
}

void
dl_json_end_object(DlJsonWriter *writer)
{
	append(writer, "}", 1);
	writer->comma = true;
}

void
dl_json_begin_array(DlJsonWriter *writer, const char *key)
{
	before(writer, key);
	append(writer, "[", 1);
	writer->comma = false;
}

void
dl_json_end_array(DlJsonWriter *writer)
{
	append(writer, "]", 1);
	writer->comma = true;
}

void
dl_json_put_int(DlJsonWriter *writer, const char *key, int64_t value)
{
	char		text[32];
	int			length = snprintf(text, sizeof(text), "%lld", (long long) value);

	before(writer, key);
	append(writer, text, (size_t) length);
}

void
dl_json_put_uint64(DlJsonWriter *writer, const char *key, uint64_t value)
{
	char		text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
	dl_json_put_string(writer, key, text);
}

/* The fewest digits that read back as the same double; a real number is never written as an integer, for -0. */
static void
append_double(DlJsonWriter *writer, double value)
{
	char		text[40];
	size_t		length;

	for (int digits = 15; digits <= 17; digits++)
	{
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (digits == 17 || strtod(text, NULL) == value)
			break;
	}
	length = strlen(text);
	for (size_t i = 0; i < length; i++)
		if (text[i] == ',')
			text[i] = '.';		/* the decimal point of a locale */
	if (strpbrk(text, ".e") == NULL)
	{
		memcpy(text + length, ".0", 2);
		length += 2;
	}
	append(writer, text, length);
}

void
dl_json_put_double(DlJsonWriter *writer, const char *key, double value)
{
	before(writer, key);
	if (isnan(value))
		append(writer, "null", 4);
	else if (isinf(value))
		append_quoted(writer, value > 0 ? "Infinity" : "-Infinity", value > 0 ? 8 : 9);
	else
		append_double(writer, value);
}

void
dl_json_put_bool(DlJsonWriter *writer, const char *key, bool value)
{
	before(writer, key);
	append(writer, value ? "true" : "false", value ? 4 : 5);
}

void
dl_json_put_text(DlJsonWriter *writer, const char *key, const char *text, size_t length)
{
	before(writer, key);
	if (dl_utf8_valid(text, length) && memchr(text, '\0', length) == NULL)
	{
		append_quoted(writer, text, length);
		return;
	}
	append(writer, "{\"hex\":\"", 8);
	for (size_t i = 0; i < length; i++)
	{
		char		digits[3];

		snprintf(digits, sizeof(digits), "%02x", (unsigned char) text[i]);
		append(writer, digits, 2);
	}
	append(writer, "\"}", 2);
}

void
dl_json_put_string(DlJsonWriter *writer, const char *key, const char *text)
{
	dl_json_put_text(writer, key, text, strlen(text));
}
