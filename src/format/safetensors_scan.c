/*
 * safetensors_scan.c
 *    See safetensors_scan.h.  Every read is checked against the end.
 */
#include "format/safetensors_scan.h"

#include <stdio.h>

#include "format/utf8.h"

DlStatus
dl_scan_fail(const DlScan *scan, const char *format,...)
{
	char		text[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return dl_error_set(scan->error, DL_ERROR_CORRUPT, "model bytes are damaged: header byte %zu: %s",
						(size_t) (scan->p - scan->start), text);
}

static void
skip_space(DlScan *scan)
{
	while (scan->p < scan->end && (*scan->p == ' ' || *scan->p == '\n' || *scan->p == '\r' || *scan->p == '\t'))
		scan->p++;
}

bool
dl_scan_take(DlScan *scan, char c)
{
	skip_space(scan);
	if (scan->p == scan->end || *scan->p != (unsigned char) c)
		return false;
	scan->p++;
	return true;
}

DlStatus
dl_scan_expect(DlScan *scan, char c)
{
	if (!dl_scan_take(scan, c))
		return dl_scan_fail(scan, "expected \"%c\"", c);
	return DL_OK;
}

static DlStatus
scan_hex(DlScan *scan, uint32_t *result)
{
	uint32_t	value = 0;

	if (scan->end - scan->p < 4)
		return dl_scan_fail(scan, "an escape is cut off");
	for (int i = 0; i < 4; i++)
	{
		unsigned char c = scan->p[i];
		uint32_t	digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return dl_scan_fail(scan, "an escape has something else than hexadecimal digits");
		value = value * 16 + digit;
	}
	scan->p += 4;
	*result = value;
	return DL_OK;
}

/* After "\u": one character, of one escape or of two that are a surrogate pair. */
static DlStatus
scan_unicode(DlScan *scan, char *out, size_t *length)
{
	uint32_t	c;
	uint32_t	low;
	char		bytes[4];
	size_t		count;

	DL_TRY(scan_hex(scan, &c));
	if (c >= 0xD800 && c <= 0xDBFF && scan->end - scan->p >= 2 && scan->p[0] == '\\' && scan->p[1] == 'u')
	{
		scan->p += 2;
		DL_TRY(scan_hex(scan, &low));
		if (low < 0xDC00 || low > 0xDFFF)
			return dl_scan_fail(scan, "a surrogate has no partner");
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	if (c == 0 || (c >= 0xD800 && c <= 0xDFFF))
		return dl_scan_fail(scan, "a string holds a %s", c == 0 ? "zero character" : "surrogate without a partner");
	if (c < 0x80)
	{
		bytes[0] = (char) c;
		count = 1;
	}
	else
	{
		count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bytes[0] = (char) ((count == 2 ? 0xC0 : count == 3 ? 0xE0 : 0xF0) | (c >> (6 * (count - 1))));
		for (size_t i = 1; i < count; i++)
			bytes[i] = (char) (0x80 | ((c >> (6 * (count - 1 - i))) & 0x3F));
	}
	for (size_t i = 0; i < count && out != NULL; i++)
		out[*length + i] = bytes[i];
	*length += count;
	return DL_OK;
}

static DlStatus
scan_escape(DlScan *scan, char *out, size_t *length)
{
	char		c;

	if (scan->p == scan->end)
		return dl_scan_fail(scan, "an escape is cut off");
	c = (char) *scan->p++;
	switch (c)
	{
		case '"':
		case '\\':
		case '/':
			break;
		case 'b':
			c = '\b';
			break;
		case 'f':
			c = '\f';
			break;
		case 'n':
			c = '\n';
			break;
		case 'r':
			c = '\r';
			break;
		case 't':
			c = '\t';
			break;
		case 'u':
			return scan_unicode(scan, out, length);
		default:
			scan->p--;
			return dl_scan_fail(scan, "unknown escape");
	}
	if (out != NULL)
		out[*length] = c;
	(*length)++;
	return DL_OK;
}

DlStatus
dl_scan_string(DlScan *scan, char *text, size_t *length)
{
	*length = 0;
	if (!dl_scan_take(scan, '"'))
		return dl_scan_fail(scan, "expected a string");
	for (;;)
	{
		int			step;

		if (scan->p == scan->end)
			return dl_scan_fail(scan, "a string has no end");
		if (*scan->p == '"')
			break;
		if (*scan->p == '\\')
		{
			scan->p++;
			DL_TRY(scan_escape(scan, text, length));
			continue;
		}
		if (*scan->p < 0x20)
			return dl_scan_fail(scan, "a string holds a control character");
		step = dl_utf8_length(scan->p, (size_t) (scan->end - scan->p));
		if (step == 0)
			return dl_scan_fail(scan, "text is not valid UTF-8");
		for (int i = 0; i < step && text != NULL; i++)
			text[*length + (size_t) i] = (char) scan->p[i];
		*length += (size_t) step;
		scan->p += step;
	}
	scan->p++;
	if (text != NULL)
		text[*length] = '\0';
	return DL_OK;
}

DlStatus
dl_scan_integer(DlScan *scan, int64_t *result)
{
	const unsigned char *first;
	int64_t		value = 0;

	skip_space(scan);
	first = scan->p;
	while (scan->p < scan->end && *scan->p >= '0' && *scan->p <= '9')
	{
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *scan->p - '0', &value))
			return dl_scan_fail(scan, "a number is too large");
		scan->p++;
	}
	if (scan->p == first)
		return dl_scan_fail(scan, "expected an integer without sign");
	if (*first == '0' && scan->p - first > 1)
		return dl_scan_fail(scan, "a number begins with zero");
	if (scan->p < scan->end && (*scan->p == '.' || *scan->p == 'e' || *scan->p == 'E'))
		return dl_scan_fail(scan, "expected an integer, not a fraction");
	*result = value;
	return DL_OK;
}
