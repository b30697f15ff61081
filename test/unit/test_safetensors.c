/*
 * test_safetensors.c
 *    The validator, one row for each kind of damage, and reading back what was
 *    written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "safetensors_cases.h"
#include "tap.h"

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
	for (size_t i = 0; i < SAFETENSORS_CASE_COUNT; i++)
	{
		const SafetensorsCase *c = &safetensors_cases[i];
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
	static const char header[] = "{\"__metadata__\":{\"k\":\"\\u00e9\"}," TENSOR("a", "[2,3]", "0", "24") "}  ";
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
