/*
 * test_safetensors.c
 *    The validator, one row for each kind of damage, and reading back what was
 *    written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "tap.h"

#define T(name, shape, begin, end) \
	"\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

typedef struct Case
{
	const char *what;
	DlStatus	expected;
	const char *header;
	size_t		data;			/* bytes that follow the header */
} Case;

static const Case cases[] =
{
	{"no tensor", DL_OK, "{}", 0},
	{"spaces behind", DL_OK, "{}     ", 0},
	{"one tensor", DL_OK, "{" T("a", "[2]", "0", "8") "}", 8},
	{"white space", DL_OK, "{ \"a\" :\n{\t\"dtype\" : \"F32\", \"shape\" : [ 2 ] , \"data_offsets\" : [ 0 , 8 ] } }", 8},
	{"keys in another order", DL_OK, "{\"a\":{\"data_offsets\":[0,8],\"shape\":[2],\"dtype\":\"F32\"}}", 8},
	{"scalar", DL_OK, "{" T("a", "[]", "0", "4") "}", 4},
	{"empty tensor", DL_OK, "{" T("a", "[3,0]", "0", "0") "}", 0},
	{"empty tensor of large sides", DL_OK, "{" T("a", "[9223372036854775807,9223372036854775807,0]", "0", "0") "}", 0},
	{"any order of offsets", DL_OK, "{" T("a", "[1]", "4", "8") "," T("b", "[1]", "0", "4") "}", 8},
	{"float64 and int32", DL_OK, "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
	 "\"b\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12},
	{"metadata", DL_OK, "{\"__metadata__\":{\"k\":\"v\",\"deep_learning\":\"{}\"}}", 0},
	{"empty metadata", DL_OK, "{\"__metadata__\":{}}", 0},
	{"escapes in a name", DL_OK, "{" T("a\\n\\t\\b\\f\\r\\/\\\\\\\"\\u00e9\\u20ac\\ud83d\\ude00", "[1]", "0", "4") "}", 4},
	{"escaped metadata key", DL_OK, "{\"__metadata\\u005f_\":{\"k\":\"v\"}}", 0},
	{"four dimensions", DL_OK, "{" T("a", "[1,1,1,1]", "0", "4") "}", 4},
	{"UTF-8 in a name", DL_OK, "{" T("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "[1]", "0", "4") "}", 4},

	{"no brace", DL_ERROR_CORRUPT, "[]", 0},
	{"space before the brace", DL_ERROR_CORRUPT, " {}", 0},
	{"no end", DL_ERROR_CORRUPT, "{ ", 0},
	{"comma at the end", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") ",}", 4},
	{"no comma", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") T("b", "[1]", "4", "8") "}", 8},
	{"padding of newlines", DL_ERROR_CORRUPT, "{}\n\n", 0},
	{"padding of zeros", DL_ERROR_CORRUPT, "{}0", 0},
	{"something behind", DL_ERROR_CORRUPT, "{}  {}", 0},
	{"name without quotes", DL_ERROR_CORRUPT, "{a:1}", 0},
	{"name without end", DL_ERROR_CORRUPT, "{\"a", 0},
	{"empty name", DL_ERROR_CORRUPT, "{" T("", "[1]", "0", "4") "}", 4},
	{"duplicate name", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8},
	{"duplicate name by escape", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") "," T("\\u0061", "[1]", "4", "8") "}", 8},
	{"duplicate among many", DL_ERROR_CORRUPT, "{" T("b", "[0]", "0", "0") "," T("a", "[0]", "0", "0") ","
	 T("c", "[0]", "0", "0") "," T("d", "[0]", "0", "0") "," T("b", "[0]", "0", "0") "}", 0},
	{"zero character", DL_ERROR_CORRUPT, "{" T("a\\u0000", "[1]", "0", "4") "}", 4},
	{"control character", DL_ERROR_CORRUPT, "{" T("a\x01", "[1]", "0", "4") "}", 4},
	{"unknown escape", DL_ERROR_CORRUPT, "{" T("a\\x", "[1]", "0", "4") "}", 4},
	{"escape without digits", DL_ERROR_CORRUPT, "{" T("a\\u12g4", "[1]", "0", "4") "}", 4},
	{"escape cut off", DL_ERROR_CORRUPT, "{\"a\\u12", 0},
	{"backslash at the end", DL_ERROR_CORRUPT, "{\"a\\", 0},
	{"high surrogate alone", DL_ERROR_CORRUPT, "{" T("\\ud83d", "[1]", "0", "4") "}", 4},
	{"low surrogate alone", DL_ERROR_CORRUPT, "{" T("\\ude00", "[1]", "0", "4") "}", 4},
	{"two high surrogates", DL_ERROR_CORRUPT, "{" T("\\ud83d\\ud83d", "[1]", "0", "4") "}", 4},
	{"stray continuation", DL_ERROR_CORRUPT, "{" T("\x80", "[1]", "0", "4") "}", 4},
	{"overlong UTF-8", DL_ERROR_CORRUPT, "{" T("\xc0\xaf", "[1]", "0", "4") "}", 4},
	{"overlong UTF-8 of three", DL_ERROR_CORRUPT, "{" T("\xe0\x80\xaf", "[1]", "0", "4") "}", 4},
	{"UTF-8 of a surrogate", DL_ERROR_CORRUPT, "{" T("\xed\xa0\x80", "[1]", "0", "4") "}", 4},
	{"UTF-8 beyond U+10FFFF", DL_ERROR_CORRUPT, "{" T("\xf4\x90\x80\x80", "[1]", "0", "4") "}", 4},
	{"UTF-8 cut off", DL_ERROR_CORRUPT, "{\"\xe2\x82", 0},

	{"tensor is a number", DL_ERROR_CORRUPT, "{\"a\":1}", 0},
	{"tensor is empty", DL_ERROR_CORRUPT, "{\"a\":{}}", 0},
	{"no dtype", DL_ERROR_CORRUPT, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
	{"no shape", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4},
	{"no offsets", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4},
	{"unknown key", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4},
	{"long unknown key", DL_ERROR_CORRUPT, "{\"a\":{\"dtypedtypedtypedtypedtypedtypedtype\":\"F32\"}}", 4},
	{"key twice", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
	{"key without colon", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\" \"F32\"}}", 0},
	{"dtype is a number", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":32}}", 0},
	{"dtype F16", DL_ERROR_UNSUPPORTED, "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4},
	{"dtype I64", DL_ERROR_UNSUPPORTED, "{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8},
	{"dtype in lower case", DL_ERROR_UNSUPPORTED, "{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
	{"dtype of many letters", DL_ERROR_UNSUPPORTED, "{\"a\":{\"dtype\":\"F32F32F32F32F32F32F32F32F32\"}}", 0},

	{"negative side", DL_ERROR_CORRUPT, "{" T("a", "[-1]", "0", "4") "}", 4},
	{"fraction", DL_ERROR_CORRUPT, "{" T("a", "[1.0]", "0", "4") "}", 4},
	{"exponent", DL_ERROR_CORRUPT, "{" T("a", "[1e0]", "0", "4") "}", 4},
	{"leading zero", DL_ERROR_CORRUPT, "{" T("a", "[01]", "0", "4") "}", 4},
	{"plus sign", DL_ERROR_CORRUPT, "{" T("a", "[+1]", "0", "4") "}", 4},
	{"number of 30 digits", DL_ERROR_CORRUPT, "{" T("a", "[100000000000000000000000000000]", "0", "4") "}", 4},
	{"number above 2^63-1", DL_ERROR_CORRUPT, "{" T("a", "[9223372036854775808]", "0", "4") "}", 4},
	{"product wraps", DL_ERROR_CORRUPT, "{" T("a", "[4294967296,4294967296]", "0", "0") "}", 0},
	{"product wraps by the size", DL_ERROR_CORRUPT, "{" T("a", "[4611686018427387905]", "0", "4") "}", 4},
	{"nested shape", DL_ERROR_CORRUPT, "{" T("a", "[[1]]", "0", "4") "}", 4},
	{"shape is no array", DL_ERROR_CORRUPT, "{" T("a", "1", "0", "4") "}", 4},
	{"shape without end", DL_ERROR_CORRUPT, "{" T("a", "[1", "0", "4") "}", 4},
	{"comma at the end of a shape", DL_ERROR_CORRUPT, "{" T("a", "[1,]", "0", "4") "}", 4},
	{"five dimensions", DL_ERROR_LIMIT, "{" T("a", "[1,1,1,1,1]", "0", "4") "}", 4},
	{"nested deeply", DL_ERROR_CORRUPT, "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}", 0},

	{"shape larger than offsets", DL_ERROR_CORRUPT, "{" T("a", "[3]", "0", "8") "}", 8},
	{"shape smaller than offsets", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "8") "}", 8},
	{"end before begin", DL_ERROR_CORRUPT, "{" T("a", "[1]", "4", "0") "}", 4},
	{"one offset", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
	{"three offsets", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4,8") "}", 4},
	{"negative offset", DL_ERROR_CORRUPT, "{" T("a", "[1]", "-4", "0") "}", 4},
	{"hole at the beginning", DL_ERROR_CORRUPT, "{" T("a", "[1]", "4", "8") "}", 8},
	{"hole between", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") "," T("b", "[1]", "8", "12") "}", 12},
	{"overlap", DL_ERROR_CORRUPT, "{" T("a", "[2]", "0", "8") "," T("b", "[1]", "4", "8") "}", 8},
	{"same bytes twice", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") "," T("b", "[1]", "0", "4") "}", 4},
	{"behind the end", DL_ERROR_CORRUPT, "{" T("a", "[2]", "0", "8") "}", 4},
	{"bytes left over", DL_ERROR_CORRUPT, "{" T("a", "[1]", "0", "4") "}", 8},
	{"bytes without tensor", DL_ERROR_CORRUPT, "{}", 1},

	{"metadata is no object", DL_ERROR_CORRUPT, "{\"__metadata__\":[]}", 0},
	{"metadata is a text", DL_ERROR_CORRUPT, "{\"__metadata__\":\"x\"}", 0},
	{"metadata of a number", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":1}}", 0},
	{"metadata of an object", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":{}}}", 0},
	{"metadata of null", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":null}}", 0},
	{"metadata with an empty key", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"\":\"v\"}}", 0},
	{"metadata key twice", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0},
	{"metadata twice", DL_ERROR_CORRUPT, "{\"__metadata__\":{},\"__metadata__\":{}}", 0},
	{"metadata without end", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":\"v\"", 0},
	{"metadata with a zero character", DL_ERROR_CORRUPT, "{\"__metadata__\":{\"k\":\"\\u0000\"}}", 0},
};

/* A file in memory of exactly its size, so that a sanitizer sees any read behind it. */
static unsigned char *
make_file(const char *header, size_t header_length, uint64_t claimed, size_t data, size_t *length)
{
	unsigned char *bytes = malloc(8 + header_length + data);

	if (bytes == NULL)
		return NULL;
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) (claimed >> (8 * i));
	memcpy(bytes + 8, header, header_length);
	memset(bytes + 8 + header_length, 0, data);
	*length = 8 + header_length + data;
	return bytes;
}

static DlStatus
validate(const char *header, size_t header_length, uint64_t claimed, size_t data, DlError *error)
{
	size_t		length = 0;
	unsigned char *bytes = make_file(header, header_length, claimed, data, &length);
	DlStatus	status = dl_safetensors_validate(bytes, length, error);

	free(bytes);
	return status;
}

static void
test_table(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];
		size_t		length = strlen(c->header);
		DlError		error = {0};
		DlStatus	status = validate(c->header, length, length, c->data, &error);

		ok(status == c->expected && (status == DL_OK) == (error.message[0] == '\0'), "%s: %d %s", c->what,
		   (int) status, error.message);
	}
}

static void
test_lengths(void)
{
	DlError		error;
	unsigned char small[8] = {0};

	for (size_t length = 0; length <= 8; length++)
		ok(dl_safetensors_validate(small, length, &error) == DL_ERROR_CORRUPT, "%zu zero bytes", length);
	ok(validate("{}", 2, 1, 0, &error) == DL_ERROR_CORRUPT, "header of one byte");
	ok(validate("{}", 2, 3, 0, &error) == DL_ERROR_CORRUPT, "header longer than the value");
	ok(validate("{}", 2, UINT64_MAX, 0, &error) == DL_ERROR_CORRUPT, "header of 2^64-1 bytes");
	ok(validate("{}", 2, UINT64_MAX - 7, 0, &error) == DL_ERROR_CORRUPT, "header whose length wraps");
	ok(validate("{}", 2, (uint64_t) 1 << 63, 0, &error) == DL_ERROR_CORRUPT, "header of 2^63 bytes");
}

static void
test_limits(void)
{
	DlError		error;
	size_t		large = ((size_t) 16 << 20) + 1;
	char	   *header = malloc(large);
	char		name[400];
	int			used;

	if (header == NULL)
		return;
	memset(header, ' ', large);
	memcpy(header, "{}", 2);
	ok(validate(header, large - 1, large - 1, 0, &error) == DL_OK, "header of 16 MiB");
	ok(validate(header, large, large, 0, &error) == DL_ERROR_LIMIT, "header of 16 MiB and one byte");

	for (int length = 255; length <= 256; length++)
	{
		memset(name, 'n', sizeof(name));
		used = snprintf(header, large, "{\"%.*s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", length, name);
		ok(validate(header, (size_t) used, (uint64_t) used, 0, &error) == (length == 255 ? DL_OK : DL_ERROR_LIMIT),
		   "name of %d bytes", length);
	}
	for (int count = 65536; count <= 65537; count++)
	{
		size_t		at = 1;

		header[0] = '{';
		for (int i = 0; i < count; i++)
			at += (size_t) sprintf(header + at, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
								   i > 0 ? "," : "", i);
		header[at++] = '}';
		ok(validate(header, at, at, 0, &error) == (count == 65536 ? DL_OK : DL_ERROR_LIMIT), "%d tensors", count);
	}
	for (int count = 65536; count <= 65537; count++)
	{
		size_t		at = (size_t) sprintf(header, "{\"__metadata__\":{");

		for (int i = 0; i < count; i++)
			at += (size_t) sprintf(header + at, "%s\"%d\":\"\"", i > 0 ? "," : "", i);
		at += (size_t) sprintf(header + at, "}}");
		ok(validate(header, at, at, 0, &error) == (count == 65536 ? DL_OK : DL_ERROR_LIMIT), "%d keys of metadata", count);
	}
	free(header);
	ok(dl_safetensors_validate("", ((size_t) 256 << 20) + 1, &error) == DL_ERROR_LIMIT, "value above 256 MiB");
}

static void
test_truncation(void)
{
	static const char header[] = "{\"__metadata__\":{\"k\":\"\\u00e9\"}," T("a", "[2,3]", "0", "24") "}  ";
	size_t		length = 0;
	unsigned char *bytes = make_file(header, sizeof(header) - 1, sizeof(header) - 1, 24, &length);
	int			accepted = 0;
	DlError		error;

	ok(dl_safetensors_validate(bytes, length, &error) == DL_OK, "whole file");
	for (size_t cut = 0; cut < length; cut++)
	{
		unsigned char *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		accepted += dl_safetensors_validate(memmove(part + 1, part, cut), cut, &error) == DL_OK;
		free(part);
	}
	ok(accepted == 0, "no truncation is accepted");
	free(bytes);
}

static void
test_round_trip(void)
{
	static const float a[6] = {1, 2, 3, 4, 5, -0.0f};
	static const int32_t b[2] = {7, -8};
	static const double c[1] = {0.1};
	DlNamedTensor tensors[] = {
		{"a", DL_F32, dl_shape_2(2, 3), a, sizeof(a)},
		{"b \"\\ \xc3\xa9\n", DL_I32, dl_shape_1(2), b, sizeof(b)},
		{"empty", DL_F32, dl_shape_1(0), NULL, 0},
		{"c", DL_F64, {.rank = 0}, c, sizeof(c)},
	};
	DlSafetensors content = {4, tensors, "{\"x\":\"\xe2\x82\xac \\\" \x01\"}"};
	DlSafetensors read;
	DlArena    *arena;
	DlError		error;
	void	   *bytes;
	void	   *again;
	size_t		length = 0;
	size_t		length_again = 0;

	if (!ok(dl_arena_create(0, &arena, &error) == DL_OK, "arena"))
		return;
	ok(dl_safetensors_write(arena, &content, &bytes, &length, &error) == DL_OK, "written");
	ok(((length - sizeof(a) - sizeof(b) - sizeof(c)) % 64) == 0, "data begins at a multiple of 64");
	ok(dl_safetensors_read(arena, bytes, length, &read, &error) == DL_OK, "read: %s", error.message);
	ok(read.count == 4, "four tensors");
	is_text(read.metadata, content.metadata, "metadata");
	for (int i = 0; i < 4; i++)
	{
		const DlNamedTensor *t = &read.tensors[i];

		is_text(t->name, tensors[i].name, "name");
		ok(t->dtype == tensors[i].dtype && memcmp(&t->shape, &tensors[i].shape, sizeof(t->shape)) == 0, "type and shape");
		ok(t->bytes == tensors[i].bytes && (t->bytes == 0 || memcmp(t->data, tensors[i].data, t->bytes) == 0), "data");
	}
	ok(dl_safetensors_write(arena, &read, &again, &length_again, &error) == DL_OK, "written again");
	ok(length == length_again && memcmp(bytes, again, length) == 0, "the same bytes");

	tensors[0].bytes = 4;
	ok(dl_safetensors_write(arena, &content, &bytes, &length, &error) == DL_ERROR_INVALID, "wrong size: %s", error.message);
	tensors[0].bytes = sizeof(a);
	tensors[0].name = "";
	ok(dl_safetensors_write(arena, &content, &bytes, &length, &error) == DL_ERROR_INVALID, "empty name: %s", error.message);
	tensors[0].name = "a\xff";
	ok(dl_safetensors_write(arena, &content, &bytes, &length, &error) == DL_ERROR_INVALID, "name that is no UTF-8");
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_table();
	test_lengths();
	test_limits();
	test_truncation();
	test_round_trip();
	return done_testing();
}
