/*
 * safetensors_internal.h
 *    What the validator hands to the reader.
 */
#ifndef DL_FORMAT_SAFETENSORS_INTERNAL_H
#define DL_FORMAT_SAFETENSORS_INTERNAL_H

#include "format/safetensors.h"

typedef struct DlHeaderEntry
{
	const char *name;
	DlDtype		dtype;
	DlShape		shape;
	size_t		begin;			/* within the data */
	size_t		end;
} DlHeaderEntry;

typedef struct DlHeader
{
	size_t		data;			/* where the data begins in the bytes */
	int32_t		count;
	DlHeaderEntry *entries;
	DlHeaderEntry **order;		/* by offset */
	const char *metadata;		/* our document, or NULL */
	size_t		metadata_length;
} DlHeader;

/* The whole validation; names and document are copied to arena. */
extern DlStatus dl_safetensors_check(DlArena *arena, const void *bytes, size_t length, DlHeader *header, DlError *error);

/* "F32"; and back, false when unknown. */
extern const char *dl_safetensors_dtype_name(DlDtype dtype);

#endif							/* DL_FORMAT_SAFETENSORS_INTERNAL_H */
