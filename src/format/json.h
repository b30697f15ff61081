/*
 * json.h
 *    Reading and writing JSON text: the narrow door to the JSON library.
 *
 * Reading: a document is parsed whole under limits of depth and memory,
 * duplicate keys are refused, and typed getters check what they return and
 * name the path of what is wrong ("columns[3].words").  A DlJson is a value and
 * the way to it; it points to its parent, which must outlive it.
 *
 * Writing: keys in the order of the calls, no white space, doubles with the
 * fewest digits that give the same double back.  The same calls give the same bytes.
 *
 * Conventions of our documents: NaN is null, infinities are the texts
 * "Infinity" and "-Infinity", 64-bit hashes are decimal texts, and text that is no
 * UTF-8 (or holds a zero byte) is the object {"hex": "..."}.
 *
 * Memory: malloc, owned by the document or the writer, released by
 * dl_json_free() and dl_json_writer_free().
 */
#ifndef DL_FORMAT_JSON_H
#define DL_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"

#define DL_JSON_MAX_DEPTH 16
#define DL_JSON_MAX_MEMORY ((size_t) 512 << 20)

typedef struct DlJsonDocument DlJsonDocument;

typedef struct DlJson
{
	const struct DlJson *parent;	/* NULL at the root */
	const char *key;			/* within an object, else NULL */
	size_t		index;			/* within an array */
	const void *value;
} DlJson;

/* True when length bytes are valid UTF-8. */
extern bool dl_utf8_valid(const char *text, size_t length);

/*
 * Parses an object of length bytes.  memory: what the parsed document may take,
 * estimated before it is parsed (0: DL_JSON_MAX_MEMORY).  DL_ERROR_CORRUPT for what
 * is no JSON, DL_ERROR_LIMIT, DL_ERROR_MEMORY.
 */
extern DlStatus dl_json_parse(const char *text, size_t length, size_t memory, DlJsonDocument **result, DlError *error);
extern void dl_json_free(DlJsonDocument *document); /* NULL is allowed */
extern DlJson dl_json_root(const DlJsonDocument *document);

/* All below: DL_ERROR_CORRUPT, with the path, for what is missing or of another type or range. */
extern DlStatus dl_json_member(const DlJson *object, const char *key, DlJson *result, DlError *error);
extern bool dl_json_has(const DlJson *object, const char *key);
extern DlStatus dl_json_array(const DlJson *object, const char *key, size_t limit, DlJson *result, size_t *count, DlError *error);
extern DlStatus dl_json_item(const DlJson *array, size_t index, DlJson *result, DlError *error);

/* An error about a value, with its path: "model document: columns[3].words ..." */
extern DlStatus dl_json_fail(const DlJson *json, DlError *error, const char *format,...)
			__attribute__((format(printf, 3, 4)));

extern DlStatus dl_json_int(const DlJson *json, int64_t low, int64_t high, int64_t *result, DlError *error);
extern DlStatus dl_json_double(const DlJson *json, double *result, DlError *error);
extern DlStatus dl_json_bool(const DlJson *json, bool *result, DlError *error);

/* Any bytes, terminated by a zero byte that does not count; in arena. */
extern DlStatus dl_json_text(const DlJson *json, DlArena *arena, size_t limit, const char **text, size_t *length, DlError *error);

/* Bytes without a zero byte. */
extern DlStatus dl_json_string(const DlJson *json, DlArena *arena, size_t limit, const char **text, DlError *error);
extern DlStatus dl_json_uint64(const DlJson *json, uint64_t *result, DlError *error);

/* Members of an object. */
extern DlStatus dl_json_member_int(const DlJson *object, const char *key, int64_t low, int64_t high, int64_t *result, DlError *error);
extern DlStatus dl_json_member_int32(const DlJson *object, const char *key, int32_t low, int32_t high, int32_t *result, DlError *error);
extern DlStatus dl_json_member_double(const DlJson *object, const char *key, double *result, DlError *error);
extern DlStatus dl_json_member_finite(const DlJson *object, const char *key, double *result, DlError *error);
extern DlStatus dl_json_member_bool(const DlJson *object, const char *key, bool *result, DlError *error);
extern DlStatus dl_json_member_string(const DlJson *object, const char *key, DlArena *arena, size_t limit, const char **text, DlError *error);
extern DlStatus dl_json_member_uint64(const DlJson *object, const char *key, uint64_t *result, DlError *error);

/*
 * A writer fails once and for all: the first failure is kept and reported by
 * dl_json_writer_finish().  Keys are NULL within arrays and at the root.
 */
typedef struct DlJsonWriter
{
	char	   *text;			/* not terminated before finish */
	size_t		length;
	size_t		capacity;
	size_t		limit;
	DlStatus	status;
	bool		comma;			/* something stands before in this object or array */
} DlJsonWriter;

extern void dl_json_writer_init(DlJsonWriter *writer, size_t limit);
extern void dl_json_writer_free(DlJsonWriter *writer);

/* Terminates text by a zero byte; DL_ERROR_LIMIT, DL_ERROR_MEMORY. */
extern DlStatus dl_json_writer_finish(DlJsonWriter *writer, DlError *error);

extern void dl_json_begin_object(DlJsonWriter *writer, const char *key);
extern void dl_json_end_object(DlJsonWriter *writer);
extern void dl_json_begin_array(DlJsonWriter *writer, const char *key);
extern void dl_json_end_array(DlJsonWriter *writer);
extern void dl_json_put_int(DlJsonWriter *writer, const char *key, int64_t value);
extern void dl_json_put_uint64(DlJsonWriter *writer, const char *key, uint64_t value);
extern void dl_json_put_double(DlJsonWriter *writer, const char *key, double value);
extern void dl_json_put_bool(DlJsonWriter *writer, const char *key, bool value);
extern void dl_json_put_text(DlJsonWriter *writer, const char *key, const char *text, size_t length);
extern void dl_json_put_string(DlJsonWriter *writer, const char *key, const char *text);

#endif							/* DL_FORMAT_JSON_H */
