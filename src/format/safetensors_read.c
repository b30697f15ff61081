/*
 * safetensors_read.c
 *    The list of tensors of bytes that the validator has accepted.
 */
#include "format/safetensors_internal.h"

DlStatus
dl_safetensors_read(DlArena *arena, const void *bytes, size_t length, DlSafetensors *result, DlError *error)
{
	DlHeader	header;

	DL_TRY(dl_safetensors_check(arena, bytes, length, &header, error));
	result->count = header.count;
	result->metadata = header.metadata;
	DL_TRY(dl_arena_calloc(arena, (size_t) header.count, sizeof(DlNamedTensor), &result->tensors, error));
	for (int32_t i = 0; i < header.count; i++)
	{
		const DlHeaderEntry *entry = header.order[i];

		result->tensors[i] = (DlNamedTensor) {
			.name = entry->name,
			.dtype = entry->dtype,
			.shape = entry->shape,
			.data = (const char *) bytes + header.data + entry->begin,
			.bytes = entry->end - entry->begin
		};
	}
	return DL_OK;
}
