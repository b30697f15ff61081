/*
 * safetensors_cases.h
 *    Headers of safetensors files, one for each kind of damage and some that
 *    are valid: for test_safetensors.c and for the seeds of the fuzz target.
 */
#ifndef DL_TEST_SAFETENSORS_CASES_H
#define DL_TEST_SAFETENSORS_CASES_H

#include <stddef.h>

#include "core/status.h"

#define TENSOR(name, shape, begin, end) \
	"\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

typedef struct SafetensorsCase
{
	const char *what;
	DlStatus	expected;
	const char *header;
	size_t		data;			/* bytes that follow the header */
} SafetensorsCase;

static const SafetensorsCase safetensors_cases[] =
{
	{"no tensor", DL_OK, "{}", 0},
	{"spaces behind", DL_OK, "{}     ", 0},
	{"one tensor", DL_OK, "{" TENSOR("a", "[2]", "0", "8") "}", 8},
	{"white space", DL_OK, "{ \"a\" :\n{\t\"dtype\" : \"F32\", \"shape\" : [ 2 ] , \"data_offsets\" : [ 0 , 8 ] } }", 8},
	{"keys in another order", DL_OK, "{\"a\":{\"data_offsets\":[0,8],\"shape\":[2],\"dtype\":\"F32\"}}", 8},
	{"scalar", DL_OK, "{" TENSOR("a", "[]", "0", "4") "}", 4},
	{"empty tensor", DL_OK, "{" TENSOR("a", "[3,0]", "0", "0") "}", 0},
	{"empty tensor of large sides", DL_OK, "{" TENSOR("a", "[9223372036854775807,9223372036854775807,0]", "0", "0") "}", 0},
	{"any order of offsets", DL_OK, "{" TENSOR("a", "[1]", "4", "8") "," TENSOR("b", "[1]", "0", "4") "}", 8},
	{"float64 and int32", DL_OK, "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
	 "\"b\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12},
	{"metadata", DL_OK, "{\"__metadata__\":{\"k\":\"v\",\"deep_learning\":\"{}\"}}", 0},
	{"empty metadata", DL_OK, "{\"__metadata__\":{}}", 0},
	{"escapes in a name", DL_OK, "{" TENSOR("a\\n\\t\\b\\f\\r\\/\\\\\\\"\\u00e9\\u20ac\\ud83d\\ude00", "[1]", "0", "4") "}", 4},
	{"escaped metadata key", DL_OK, "{\"__metadata\\u005f_\":{\"k\":\"v\"}}", 0},
	{"four dimensions", DL_OK, "{" TENSOR("a", "[1,1,1,1]", "0", "4") "}", 4},
	{"UTF-8 in a name", DL_OK, "{" TENSOR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "[1]", "0", "4") "}", 4},

	{"no brace", DL_ERROR_CORRUPT, "[]", 0},
	{"space before the brace", DL_ERROR_CORRUPT, " {}", 0},
	{"no end", DL_ERROR_CORRUPT, "{ ", 0},
	{"comma at the end", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") ",}", 4},
	{"no comma", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") TENSOR("b", "[1]", "4", "8") "}", 8},
	{"padding of newlines", DL_ERROR_CORRUPT, "{}\n\n", 0},
	{"padding of zeros", DL_ERROR_CORRUPT, "{}0", 0},
	{"something behind", DL_ERROR_CORRUPT, "{}  {}", 0},
	{"name without quotes", DL_ERROR_CORRUPT, "{a:1}", 0},
	{"name without end", DL_ERROR_CORRUPT, "{\"a", 0},
	{"empty name", DL_ERROR_CORRUPT, "{" TENSOR("", "[1]", "0", "4") "}", 4},
	{"duplicate name", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") "," TENSOR("a", "[1]", "4", "8") "}", 8},
	{"duplicate name by escape", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") "," TENSOR("\\u0061", "[1]", "4", "8") "}", 8},
	{"duplicate among many", DL_ERROR_CORRUPT, "{" TENSOR("b", "[0]", "0", "0") "," TENSOR("a", "[0]", "0", "0") ","
	 TENSOR("c", "[0]", "0", "0") "," TENSOR("d", "[0]", "0", "0") "," TENSOR("b", "[0]", "0", "0") "}", 0},
	{"zero character", DL_ERROR_CORRUPT, "{" TENSOR("a\\u0000", "[1]", "0", "4") "}", 4},
	{"control character", DL_ERROR_CORRUPT, "{" TENSOR("a\x01", "[1]", "0", "4") "}", 4},
	{"unknown escape", DL_ERROR_CORRUPT, "{" TENSOR("a\\x", "[1]", "0", "4") "}", 4},
	{"escape without digits", DL_ERROR_CORRUPT, "{" TENSOR("a\\u12g4", "[1]", "0", "4") "}", 4},
	{"escape cut off", DL_ERROR_CORRUPT, "{\"a\\u12", 0},
	{"backslash at the end", DL_ERROR_CORRUPT, "{\"a\\", 0},
	{"high surrogate alone", DL_ERROR_CORRUPT, "{" TENSOR("\\ud83d", "[1]", "0", "4") "}", 4},
	{"low surrogate alone", DL_ERROR_CORRUPT, "{" TENSOR("\\ude00", "[1]", "0", "4") "}", 4},
	{"two high surrogates", DL_ERROR_CORRUPT, "{" TENSOR("\\ud83d\\ud83d", "[1]", "0", "4") "}", 4},
	{"stray continuation", DL_ERROR_CORRUPT, "{" TENSOR("\x80", "[1]", "0", "4") "}", 4},
	{"overlong UTF-8", DL_ERROR_CORRUPT, "{" TENSOR("\xc0\xaf", "[1]", "0", "4") "}", 4},
	{"overlong UTF-8 of three", DL_ERROR_CORRUPT, "{" TENSOR("\xe0\x80\xaf", "[1]", "0", "4") "}", 4},
	{"UTF-8 of a surrogate", DL_ERROR_CORRUPT, "{" TENSOR("\xed\xa0\x80", "[1]", "0", "4") "}", 4},
	{"UTF-8 beyond U+10FFFF", DL_ERROR_CORRUPT, "{" TENSOR("\xf4\x90\x80\x80", "[1]", "0", "4") "}", 4},
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

	{"negative side", DL_ERROR_CORRUPT, "{" TENSOR("a", "[-1]", "0", "4") "}", 4},
	{"fraction", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1.0]", "0", "4") "}", 4},
	{"exponent", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1e0]", "0", "4") "}", 4},
	{"leading zero", DL_ERROR_CORRUPT, "{" TENSOR("a", "[01]", "0", "4") "}", 4},
	{"plus sign", DL_ERROR_CORRUPT, "{" TENSOR("a", "[+1]", "0", "4") "}", 4},
	{"number of 30 digits", DL_ERROR_CORRUPT, "{" TENSOR("a", "[100000000000000000000000000000]", "0", "4") "}", 4},
	{"number above 2^63-1", DL_ERROR_CORRUPT, "{" TENSOR("a", "[9223372036854775808]", "0", "4") "}", 4},
	{"product wraps", DL_ERROR_CORRUPT, "{" TENSOR("a", "[4294967296,4294967296]", "0", "0") "}", 0},
	{"product wraps by the size", DL_ERROR_CORRUPT, "{" TENSOR("a", "[4611686018427387905]", "0", "4") "}", 4},
	{"nested shape", DL_ERROR_CORRUPT, "{" TENSOR("a", "[[1]]", "0", "4") "}", 4},
	{"shape is no array", DL_ERROR_CORRUPT, "{" TENSOR("a", "1", "0", "4") "}", 4},
	{"shape without end", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1", "0", "4") "}", 4},
	{"comma at the end of a shape", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1,]", "0", "4") "}", 4},
	{"five dimensions", DL_ERROR_LIMIT, "{" TENSOR("a", "[1,1,1,1,1]", "0", "4") "}", 4},
	{"nested deeply", DL_ERROR_CORRUPT, "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}}", 0},

	{"shape larger than offsets", DL_ERROR_CORRUPT, "{" TENSOR("a", "[3]", "0", "8") "}", 8},
	{"shape smaller than offsets", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "8") "}", 8},
	{"end before begin", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "4", "0") "}", 4},
	{"one offset", DL_ERROR_CORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
	{"three offsets", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4,8") "}", 4},
	{"negative offset", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "-4", "0") "}", 4},
	{"hole at the beginning", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "4", "8") "}", 8},
	{"hole between", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") "," TENSOR("b", "[1]", "8", "12") "}", 12},
	{"overlap", DL_ERROR_CORRUPT, "{" TENSOR("a", "[2]", "0", "8") "," TENSOR("b", "[1]", "4", "8") "}", 8},
	{"same bytes twice", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") "," TENSOR("b", "[1]", "0", "4") "}", 4},
	{"behind the end", DL_ERROR_CORRUPT, "{" TENSOR("a", "[2]", "0", "8") "}", 4},
	{"bytes left over", DL_ERROR_CORRUPT, "{" TENSOR("a", "[1]", "0", "4") "}", 8},
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

#define SAFETENSORS_CASE_COUNT (sizeof(safetensors_cases) / sizeof(safetensors_cases[0]))

#endif							/* DL_TEST_SAFETENSORS_CASES_H */
