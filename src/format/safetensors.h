/*
 * safetensors.h
 *    Files of named tensors: the bytes of a model.
 *
 * Layout (the public safetensors format): 8 bytes little-endian length of
 * the header, a JSON header padded with spaces, then the tensors' bytes.  The
 * validator is apart from the reader: nothing is read from bytes that it has not
 * accepted.  It is stricter than the format asks: see safetensors_validate.c.
 */
#ifndef DL_FORMAT_SAFETENSORS_H
#define DL_FORMAT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/tensor.h"

#define DL_SAFETENSORS_MAX_BYTES ((size_t) 256 << 20)	/* of a whole value */
#define DL_SAFETENSORS_MAX_HEADER ((size_t) 16 << 20)
#define DL_SAFETENSORS_MAX_TENSORS 65536
#define DL_SAFETENSORS_MAX_NAME 255

typedef struct DlNamedTensor
{
	const char *name;			/* zero-terminated */
	DlDtype		dtype;			/* "F32", "F64", "I32" */
	DlShape		shape;			/* rank 0 to DL_MAX_RANK, no DL_BATCH */
	const void *data;			/* into the bytes; not necessarily aligned */
	size_t		bytes;
} DlNamedTensor;

typedef struct DlSafetensors
{
	int32_t		count;
	DlNamedTensor *tensors;		/* in the order of their offsets */
	const char *metadata;		/* our document (JSON text), zero-terminated; NULL when absent */
} DlSafetensors;

/* The key under __metadata__ that holds our document. */
#define DL_SAFETENSORS_KEY "deep_learning"

/* Checks everything; DL_ERROR_CORRUPT with what and where, DL_ERROR_LIMIT, DL_ERROR_UNSUPPORTED for a dtype. */
extern DlStatus dl_safetensors_validate(const void *bytes, size_t length, DlError *error);

/* Validates, then lists.  The tensors point into bytes. */
extern DlStatus dl_safetensors_read(DlArena *arena, const void *bytes, size_t length, DlSafetensors *result, DlError *error);

/*
 * One block of arena memory; the same input gives the same bytes.  Header
 * padded so that the data begins at a multiple of 64; tensors in the order given,
 * without holes.
 */
extern DlStatus dl_safetensors_write(DlArena *arena, const DlSafetensors *content, void **bytes, size_t *length, DlError *error);

#endif							/* DL_FORMAT_SAFETENSORS_H */
