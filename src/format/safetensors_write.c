/*
 * safetensors_write.c
 *    The bytes of a list of tensors.
 */
#include <string.h>

#include "core/size.h"
#include "format/json.h"
#include "format/safetensors_internal.h"

#define PREFIX 8
#define DATA_ALIGNMENT 64		/* of the first byte of the data */

static DlStatus
too_large(DlError *error)
{
	return dl_error_set(error, DL_ERROR_LIMIT, "a model cannot have more than %zu bytes", DL_SAFETENSORS_MAX_BYTES);
}

/* What the caller passes must be what the validator accepts. */
static DlStatus
check_tensor(const DlNamedTensor *tensor, DlError *error)
{
	size_t		name_length = strlen(tensor->name);
	size_t		bytes = dl_dtype_size(tensor->dtype);
	char		shape[128];

	if (name_length == 0 || name_length > DL_SAFETENSORS_MAX_NAME || !dl_utf8_valid(tensor->name, name_length) ||
		strcmp(tensor->name, "__metadata__") == 0)
		return dl_error_set(error, DL_ERROR_INVALID, "a tensor cannot be named \"%.64s\"", tensor->name);
	if (tensor->shape.rank < 0 || tensor->shape.rank > DL_MAX_RANK)
		return dl_error_set(error, DL_ERROR_LIMIT, "tensor \"%s\" has %d dimensions", tensor->name, tensor->shape.rank);
	for (int i = 0; i < tensor->shape.rank; i++)
		if (tensor->shape.dims[i] < 0 || !dl_size_mul(bytes, (size_t) tensor->shape.dims[i], &bytes))
			return dl_error_set(error, DL_ERROR_LIMIT, "tensor \"%s\" has the shape %s", tensor->name,
								dl_shape_print(&tensor->shape, shape, sizeof(shape)));
	if (bytes != tensor->bytes)
		return dl_error_set(error, DL_ERROR_INVALID, "tensor \"%s\" has %zu bytes, expected %zu", tensor->name,
							tensor->bytes, bytes);
	return DL_OK;
}

static DlStatus
put_header(DlJsonWriter *writer, const DlSafetensors *content, size_t *data_bytes, DlError *error)
{
	size_t		offset = 0;

	dl_json_begin_object(writer, NULL);
	if (content->metadata != NULL)
	{
		if (!dl_utf8_valid(content->metadata, strlen(content->metadata)))
			return dl_error_set(error, DL_ERROR_INVALID, "metadata is not valid UTF-8");
		dl_json_begin_object(writer, "__metadata__");
		dl_json_put_string(writer, DL_SAFETENSORS_KEY, content->metadata);
		dl_json_end_object(writer);
	}
	for (int32_t i = 0; i < content->count; i++)
	{
		const DlNamedTensor *tensor = &content->tensors[i];

		DL_TRY(check_tensor(tensor, error));
		dl_json_begin_object(writer, tensor->name);
		dl_json_put_string(writer, "dtype", dl_safetensors_dtype_name(tensor->dtype));
		dl_json_begin_array(writer, "shape");
		for (int d = 0; d < tensor->shape.rank; d++)
			dl_json_put_int(writer, NULL, tensor->shape.dims[d]);
		dl_json_end_array(writer);
		dl_json_begin_array(writer, "data_offsets");
		dl_json_put_int(writer, NULL, (int64_t) offset);
		if (!dl_size_add(offset, tensor->bytes, &offset) || offset > DL_SAFETENSORS_MAX_BYTES)
			return too_large(error);
		dl_json_put_int(writer, NULL, (int64_t) offset);
		dl_json_end_array(writer);
		dl_json_end_object(writer);
	}
	dl_json_end_object(writer);
	*data_bytes = offset;
	return dl_json_writer_finish(writer, error);
}

static DlStatus
assemble(DlArena *arena, const DlJsonWriter *header, const DlSafetensors *content, size_t data_bytes,
		 void **bytes, size_t *length, DlError *error)
{
	size_t		data;
	size_t		total;
	unsigned char *out;

	if (!dl_size_add(header->length, PREFIX, &data) || !dl_size_align(data, DATA_ALIGNMENT, &data) ||
		data - PREFIX > DL_SAFETENSORS_MAX_HEADER || !dl_size_add(data, data_bytes, &total) ||
		total > DL_SAFETENSORS_MAX_BYTES)
		return too_large(error);
	DL_TRY(dl_arena_alloc(arena, total, &out, error));
	for (int i = 0; i < PREFIX; i++)
		out[i] = (unsigned char) ((uint64_t) (data - PREFIX) >> (8 * i));
	memcpy(out + PREFIX, header->text, header->length);
	memset(out + PREFIX + header->length, ' ', data - PREFIX - header->length);
	*bytes = out;
	*length = total;
	out += data;
	for (int32_t i = 0; i < content->count; i++)
	{
		if (content->tensors[i].bytes > 0)
			memcpy(out, content->tensors[i].data, content->tensors[i].bytes);
		out += content->tensors[i].bytes;
	}
	return DL_OK;
}

DlStatus
dl_safetensors_write(DlArena *arena, const DlSafetensors *content, void **bytes, size_t *length, DlError *error)
{
	DlJsonWriter writer;
	size_t		data_bytes = 0;
	DlStatus	status;

	if (content->count > DL_SAFETENSORS_MAX_TENSORS)
		return dl_error_set(error, DL_ERROR_LIMIT, "a model cannot have more than %d tensors, got %d",
							DL_SAFETENSORS_MAX_TENSORS, content->count);
	dl_json_writer_init(&writer, DL_SAFETENSORS_MAX_HEADER);
	status = put_header(&writer, content, &data_bytes, error);
	if (status == DL_OK)
		status = assemble(arena, &writer, content, data_bytes, bytes, length, error);
	dl_json_writer_free(&writer);
	return status;
}
