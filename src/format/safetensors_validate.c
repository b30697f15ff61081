/*
 * safetensors_validate.c
 *    Whether bytes are a safetensors file as we accept it.
 *
 * Stricter than the public format: whole value at most 256 MiB, header at
 * most 16 MiB, 65,536 tensors and as many keys of metadata, names of 1 to 255
 * bytes, rank at most DL_MAX_RANK, F32, F64 and I32 only, no unknown key in a tensor's
 * entry, no character U+0000.  As in the public format: the header begins with "{" and
 * ends with spaces only, keys are unique, metadata maps text to text, the tensors
 * cover the data without hole or overlap, and nothing follows them.
 *
 * The grammar is flat (an object of objects), so the scanner does not recurse:
 * deeper nesting is a syntax error where it begins.  The header is scanned twice: the
 * first pass checks the syntax and counts, the second fills arrays of exactly that
 * size, together at most 3 times the header.
 */
#include <stdio.h>
#include <string.h>

#include "core/size.h"
#include "format/safetensors_internal.h"
#include "format/safetensors_scan.h"
#include "format/sort.h"

#define PREFIX 8				/* bytes of the length of the header */

typedef struct Reader
{
	DlScan		scan;
	int32_t		count;			/* tensors so far */
	int32_t		keys;			/* of metadata so far */
	size_t		used;			/* bytes of text that are kept */
	bool		metadata_seen;

	/* of the second pass; NULL in the first */
	DlHeaderEntry *entries;
	const char **metadata_keys;
	char	   *text;
	const char *document;
	size_t		document_length;
} Reader;

static const struct
{
	const char *name;
	DlDtype		dtype;
}			dtypes[] =
{
	{"F32", DL_F32},
	{"F64", DL_F64},
	{"I32", DL_I32},
};

#define DTYPE_COUNT (sizeof(dtypes) / sizeof(dtypes[0]))

const char *
dl_safetensors_dtype_name(DlDtype dtype)
{
	for (size_t i = 0; i < DTYPE_COUNT; i++)
		if (dtypes[i].dtype == dtype)
			return dtypes[i].name;
	return NULL;
}

/* A string that is kept in the second pass. */
static DlStatus
read_text(Reader *reader, size_t limit, const char **text, size_t *length)
{
	char	   *out = reader->text == NULL ? NULL : reader->text + reader->used;

	DL_TRY(dl_scan_string(&reader->scan, out, length));
	if (*length > limit)
		return dl_error_set(reader->scan.error, DL_ERROR_LIMIT, "model bytes hold a name of %zu bytes, more than %zu",
							*length, limit);
	reader->used += *length + 1;
	*text = out;
	return DL_OK;
}

static DlStatus
read_name(Reader *reader, const char **name, size_t *length)
{
	DL_TRY(read_text(reader, DL_SAFETENSORS_MAX_NAME, name, length));
	if (*length == 0)
		return dl_scan_fail(&reader->scan, "a name is empty");
	return dl_scan_expect(&reader->scan, ':');
}

/* A short string of the format itself, such as a key, into word[24]; "" when it is longer. */
static DlStatus
read_word(Reader *reader, char *word, size_t size)
{
	DlScan		ahead = reader->scan;
	size_t		length;

	DL_TRY(dl_scan_string(&ahead, NULL, &length));
	word[0] = '\0';
	if (length < size)
		return dl_scan_string(&reader->scan, word, &length);
	reader->scan = ahead;
	return DL_OK;
}

static DlStatus
read_metadata(Reader *reader)
{
	DlScan	   *scan = &reader->scan;

	if (reader->metadata_seen)
		return dl_scan_fail(scan, "__metadata__ stands there twice");
	reader->metadata_seen = true;
	DL_TRY(dl_scan_expect(scan, '{'));
	if (dl_scan_take(scan, '}'))
		return DL_OK;
	do
	{
		const char *key;
		const char *value;
		size_t		length;

		if (reader->keys == DL_SAFETENSORS_MAX_TENSORS)
			return dl_error_set(scan->error, DL_ERROR_LIMIT, "model bytes have more than %d keys of metadata",
								DL_SAFETENSORS_MAX_TENSORS);
		DL_TRY(read_name(reader, &key, &length));
		DL_TRY(read_text(reader, DL_SAFETENSORS_MAX_HEADER, &value, &length));
		if (reader->metadata_keys != NULL)
		{
			reader->metadata_keys[reader->keys] = key;
			if (strcmp(key, DL_SAFETENSORS_KEY) == 0)
			{
				reader->document = value;
				reader->document_length = length;
			}
		}
		reader->keys++;
	} while (dl_scan_take(scan, ','));
	return dl_scan_expect(scan, '}');
}

static DlStatus
read_dtype(Reader *reader, DlHeaderEntry *entry)
{
	char		word[24];

	DL_TRY(read_word(reader, word, sizeof(word)));
	for (size_t i = 0; i < DTYPE_COUNT; i++)
		if (strcmp(dtypes[i].name, word) == 0)
		{
			entry->dtype = dtypes[i].dtype;
			return DL_OK;
		}
	dl_error_set(reader->scan.error, DL_ERROR_UNSUPPORTED, "model bytes hold a tensor of an unsupported type");
	dl_error_hint(reader->scan.error, "Supported types are F32, F64 and I32.");
	return DL_ERROR_UNSUPPORTED;
}

static DlStatus
read_shape(Reader *reader, DlHeaderEntry *entry)
{
	DlScan	   *scan = &reader->scan;

	DL_TRY(dl_scan_expect(scan, '['));
	entry->shape.rank = 0;
	if (dl_scan_take(scan, ']'))
		return DL_OK;
	do
	{
		if (entry->shape.rank == DL_MAX_RANK)
			return dl_error_set(scan->error, DL_ERROR_LIMIT, "model bytes hold a tensor of more than %d dimensions",
								DL_MAX_RANK);
		DL_TRY(dl_scan_integer(scan, &entry->shape.dims[entry->shape.rank]));
		entry->shape.rank++;
	} while (dl_scan_take(scan, ','));
	return dl_scan_expect(scan, ']');
}

static DlStatus
read_offsets(Reader *reader, DlHeaderEntry *entry)
{
	DlScan	   *scan = &reader->scan;
	int64_t		begin;
	int64_t		end;

	DL_TRY(dl_scan_expect(scan, '['));
	DL_TRY(dl_scan_integer(scan, &begin));
	DL_TRY(dl_scan_expect(scan, ','));
	DL_TRY(dl_scan_integer(scan, &end));
	DL_TRY(dl_scan_expect(scan, ']'));
	if (begin > end)
		return dl_scan_fail(scan, "a tensor ends before it begins");
	entry->begin = (size_t) begin;
	entry->end = (size_t) end;
	return DL_OK;
}

/* The checked product of the shape must be what the offsets say. */
static DlStatus
check_size(const DlScan *scan, const DlHeaderEntry *entry)
{
	size_t		bytes = dl_dtype_size(entry->dtype);
	bool		empty = false;

	for (int i = 0; i < entry->shape.rank; i++)
		empty |= entry->shape.dims[i] == 0;
	for (int i = 0; i < entry->shape.rank && !empty; i++)
		if (!dl_size_mul(bytes, (size_t) entry->shape.dims[i], &bytes))
			return dl_scan_fail(scan, "the shape of a tensor has too many elements");
	if (empty)
		bytes = 0;
	if (entry->end - entry->begin != bytes)
		return dl_scan_fail(scan, "a tensor's shape takes %zu bytes, but its offsets leave %zu", bytes,
							entry->end - entry->begin);
	return DL_OK;
}

static DlStatus
read_tensor(Reader *reader, const char *name)
{
	static const struct
	{
		const char *key;
		DlStatus	(*read) (Reader *reader, DlHeaderEntry *entry);
	}			members[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
	DlScan	   *scan = &reader->scan;
	DlHeaderEntry entry = {.name = name};
	unsigned	seen = 0;

	if (reader->count == DL_SAFETENSORS_MAX_TENSORS)
		return dl_error_set(scan->error, DL_ERROR_LIMIT, "model bytes hold more than %d tensors",
							DL_SAFETENSORS_MAX_TENSORS);
	DL_TRY(dl_scan_expect(scan, '{'));
	do
	{
		char		word[24];
		unsigned	which = 0;

		DL_TRY(read_word(reader, word, sizeof(word)));
		while (which < 3 && strcmp(word, members[which].key) != 0)
			which++;
		if (which == 3)
			return dl_scan_fail(scan, "a tensor has an unknown key");
		if (seen & (1u << which))
			return dl_scan_fail(scan, "a tensor has %s twice", members[which].key);
		seen |= 1u << which;
		DL_TRY(dl_scan_expect(scan, ':'));
		DL_TRY(members[which].read(reader, &entry));
	} while (dl_scan_take(scan, ','));
	DL_TRY(dl_scan_expect(scan, '}'));
	if (seen != 7)
		return dl_scan_fail(scan, "a tensor lacks its %s",
							seen & 1 ? seen & 2 ? "data_offsets" : "shape" : "dtype");
	DL_TRY(check_size(scan, &entry));
	if (reader->entries != NULL)
		reader->entries[reader->count] = entry;
	reader->count++;
	return DL_OK;
}

/* Is the string that comes next "__metadata__"? */
static bool
metadata_next(const Reader *reader)
{
	DlScan		ahead = reader->scan;
	char		word[24];
	size_t		length;

	ahead.error = NULL;
	if (dl_scan_string(&ahead, NULL, &length) != DL_OK || length != strlen("__metadata__"))
		return false;
	ahead = reader->scan;
	ahead.error = NULL;
	return dl_scan_string(&ahead, word, &length) == DL_OK && strcmp(word, "__metadata__") == 0;
}

static DlStatus
read_header(Reader *reader)
{
	DlScan	   *scan = &reader->scan;

	scan->p = scan->start;
	reader->count = 0;
	reader->keys = 0;
	reader->used = 0;
	reader->metadata_seen = false;
	if (*scan->p != '{')
		return dl_scan_fail(scan, "expected \"{\"");
	scan->p++;
	if (!dl_scan_take(scan, '}'))
	{
		do
		{
			bool		metadata = metadata_next(reader);
			const char *name;
			size_t		length;

			DL_TRY(read_name(reader, &name, &length));
			DL_TRY(metadata ? read_metadata(reader) : read_tensor(reader, name));
		} while (dl_scan_take(scan, ','));
		DL_TRY(dl_scan_expect(scan, '}'));
	}
	for (; scan->p < scan->end; scan->p++)
		if (*scan->p != ' ')
			return dl_scan_fail(scan, "expected nothing but spaces behind the end");
	return DL_OK;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const DlHeaderEntry *) a)->name, ((const DlHeaderEntry *) b)->name);
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
compare_offsets(const void *a, const void *b)
{
	const DlHeaderEntry *x = a;
	const DlHeaderEntry *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return strcmp(x->name, y->name);
}

static DlStatus
check_unique(Reader *reader, DlHeader *header)
{
	dl_sort_pointers((const void **) header->order, (size_t) reader->count, compare_names);
	for (int32_t i = 1; i < reader->count; i++)
		if (strcmp(header->order[i - 1]->name, header->order[i]->name) == 0)
			return dl_error_set(reader->scan.error, DL_ERROR_CORRUPT,
								"model bytes are damaged: two tensors have the same name");
	dl_sort_pointers((const void **) reader->metadata_keys, (size_t) reader->keys, compare_keys);
	for (int32_t i = 1; i < reader->keys; i++)
		if (strcmp(reader->metadata_keys[i - 1], reader->metadata_keys[i]) == 0)
			return dl_error_set(reader->scan.error, DL_ERROR_CORRUPT,
								"model bytes are damaged: two keys of metadata are the same");
	return DL_OK;
}

static DlStatus
check_offsets(const Reader *reader, DlHeader *header, size_t data_bytes)
{
	size_t		expected = 0;

	dl_sort_pointers((const void **) header->order, (size_t) reader->count, compare_offsets);
	for (int32_t i = 0; i < reader->count; i++)
	{
		const DlHeaderEntry *entry = header->order[i];

		if (entry->begin != expected)
			return dl_error_set(reader->scan.error, DL_ERROR_CORRUPT,
								"model bytes are damaged: a tensor begins at byte %zu of the data, expected %zu",
								entry->begin, expected);
		expected = entry->end;
	}
	if (expected != data_bytes)
		return dl_error_set(reader->scan.error, DL_ERROR_CORRUPT,
							"model bytes are damaged: the tensors take %zu bytes, but there are %zu", expected, data_bytes);
	return DL_OK;
}

/* Finds the header and what the length says of it. */
static DlStatus
open_header(const unsigned char *bytes, size_t length, size_t *header_length, DlError *error)
{
	uint64_t	claimed = 0;

	if (length > DL_SAFETENSORS_MAX_BYTES)
		return dl_error_set(error, DL_ERROR_LIMIT, "a model of %zu bytes is larger than the %zu allowed", length,
							DL_SAFETENSORS_MAX_BYTES);
	if (length < PREFIX)
		return dl_error_set(error, DL_ERROR_CORRUPT, "model bytes are damaged: %zu bytes are no safetensors file", length);
	for (int i = 0; i < PREFIX; i++)
		claimed |= (uint64_t) bytes[i] << (8 * i);
	if (claimed > length - PREFIX)
		return dl_error_set(error, DL_ERROR_CORRUPT,
							"model bytes are damaged: the header should have %llu bytes, but %zu are there",
							(unsigned long long) claimed, length - PREFIX);
	if (claimed > DL_SAFETENSORS_MAX_HEADER)
		return dl_error_set(error, DL_ERROR_LIMIT, "the header of a model has %llu bytes, more than the %zu allowed",
							(unsigned long long) claimed, DL_SAFETENSORS_MAX_HEADER);
	if (claimed < 2)
		return dl_error_set(error, DL_ERROR_CORRUPT, "model bytes are damaged: the header is empty");
	*header_length = (size_t) claimed;
	return DL_OK;
}

DlStatus
dl_safetensors_check(DlArena *arena, const void *bytes, size_t length, DlHeader *header, DlError *error)
{
	const unsigned char *start = (const unsigned char *) bytes + PREFIX;
	size_t		header_length = 0;
	Reader		reader;

	DL_TRY(open_header(bytes, length, &header_length, error));
	memset(&reader, 0, sizeof(reader));
	reader.scan = (DlScan) {start, start, start + header_length, error};
	DL_TRY(read_header(&reader));

	DL_TRY(dl_arena_alloc(arena, (size_t) reader.count * sizeof(DlHeaderEntry), &reader.entries, error));
	DL_TRY(dl_arena_alloc(arena, (size_t) reader.count * sizeof(DlHeaderEntry *), &header->order, error));
	DL_TRY(dl_arena_alloc(arena, (size_t) reader.keys * sizeof(char *), &reader.metadata_keys, error));
	DL_TRY(dl_arena_alloc(arena, reader.used, &reader.text, error));
	DL_TRY(read_header(&reader));

	for (int32_t i = 0; i < reader.count; i++)
		header->order[i] = &reader.entries[i];
	DL_TRY(check_unique(&reader, header));
	DL_TRY(check_offsets(&reader, header, length - PREFIX - header_length));
	header->data = PREFIX + header_length;
	header->count = reader.count;
	header->entries = reader.entries;
	header->metadata = reader.document;
	header->metadata_length = reader.document_length;
	return DL_OK;
}

DlStatus
dl_safetensors_validate(const void *bytes, size_t length, DlError *error)
{
	DlArena    *arena;
	DlHeader	header;
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &arena, error));
	status = dl_safetensors_check(arena, bytes, length, &header, error);
	dl_arena_destroy(arena);
	return status;
}
