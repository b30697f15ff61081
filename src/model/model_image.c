/*
 * model_image.c
 *    The layout of images, and the way back from one.
 *
 *    header | a row for each tensor | their names | the document | tensors' data | vectors of the members
 *
 * What follows the header starts at multiples of DL_ALIGNMENT.
 */
#include <string.h>

#include "core/size.h"
#include "model/model_image_internal.h"

#define IMAGE_MAGIC UINT64_C(0x31476d494c44)

typedef struct ImageTensor
{
	uint64_t	name;			/* offsets within the image */
	uint64_t	data;
	uint64_t	bytes;
	DlShape		shape;
	DlDtype		dtype;
} ImageTensor;

typedef struct ImageHeader
{
	uint64_t	magic;			/* written last */
	uint64_t	size;			/* of the image */
	uint64_t	document;
	uint64_t	document_length;
	uint64_t	tensors;
	int32_t		tensor_count;
	int32_t		member_count;
	uint64_t	vectors[DL_MODEL_MAX_MEMBERS];
	uint64_t	lengths[DL_MODEL_MAX_MEMBERS];	/* of the vectors, in elements */
} ImageHeader;

/* Room for count items of size bytes from *end on; false when sizes wrap. */
static bool
place(size_t *end, size_t count, size_t size, uint64_t *offset)
{
	size_t		bytes;

	*offset = *end;
	return dl_size_mul(count, size, &bytes) && dl_size_add(*end, bytes, end) && dl_size_align(*end, DL_ALIGNMENT, end);
}

static int32_t
count_taken(const DlTensorIndex *tensors)
{
	int32_t		count = 0;

	for (int32_t i = 0; i < tensors->count; i++)
		count += tensors->taken[i];
	return count;
}

/* Fills header; table[] (may be NULL) gets the row of each tensor that the document took. */
static DlStatus
lay_out(const DlModel *model, const DlTensorIndex *tensors, size_t document_length, ImageHeader *header,
		ImageTensor *table, DlError *error)
{
	size_t		end = 0;
	uint64_t	offset;
	bool		fits = place(&end, 1, sizeof(ImageHeader), &offset);
	int32_t		n = 0;

	memset(header, 0, sizeof(*header));
	header->tensor_count = count_taken(tensors);
	header->member_count = model->member_count;
	header->document_length = document_length;
	fits = fits && place(&end, (size_t) header->tensor_count, sizeof(ImageTensor), &header->tensors) &&
		place(&end, document_length + 1, 1, &header->document);
	for (int32_t i = 0; i < tensors->count && fits; i++)
	{
		const DlNamedTensor *tensor = tensors->sorted[i];
		ImageTensor row = {.bytes = tensor->bytes, .shape = tensor->shape, .dtype = tensor->dtype};

		if (!tensors->taken[i])
			continue;
		fits = place(&end, strlen(tensor->name) + 1, 1, &row.name) && place(&end, tensor->bytes, 1, &row.data);
		if (table != NULL)
			table[n] = row;
		n++;
	}
	for (int32_t m = 0; m < model->member_count && fits; m++)
	{
		header->lengths[m] = (uint64_t) dl_graph_vector_length(dl_model_graph(model, m));
		fits = place(&end, (size_t) header->lengths[m], sizeof(float), &header->vectors[m]);
	}
	header->size = end;
	return fits ? DL_OK : dl_error_set(error, DL_ERROR_LIMIT, "a model of %zu bytes is too large", tensors->bytes);
}

DlStatus
dl_image_measure(const DlModel *model, const DlTensorIndex *tensors, const char *document, size_t *size, DlError *error)
{
	ImageHeader header;

	DL_TRY(lay_out(model, tensors, strlen(document), &header, NULL, error));
	*size = (size_t) header.size;
	return DL_OK;
}

DlStatus
dl_image_begin(DlModel *model, const DlTensorIndex *tensors, const char *document, void *image, DlError *error)
{
	ImageHeader *header = image;
	char	   *base = image;
	ImageTensor *table;
	int32_t		n = 0;

	DL_TRY(lay_out(model, tensors, strlen(document), header, NULL, error));
	table = (ImageTensor *) (base + header->tensors);
	DL_TRY(lay_out(model, tensors, strlen(document), header, table, error));
	memcpy(base + header->document, document, header->document_length + 1);
	for (int32_t i = 0; i < tensors->count; i++)
	{
		const DlNamedTensor *tensor = tensors->sorted[i];

		if (!tensors->taken[i])
			continue;
		memcpy(base + table[n].name, tensor->name, strlen(tensor->name) + 1);
		if (tensor->bytes > 0)
			memcpy(base + table[n].data, tensor->data, tensor->bytes);
		n++;
	}
	for (int32_t m = 0; m < model->member_count; m++)
		model->members[m].parameters = (float *) (base + header->vectors[m]);
	return DL_OK;
}

void
dl_image_complete(void *image)
{
	((ImageHeader *) image)->magic = IMAGE_MAGIC;
}

static DlStatus
no_image(DlError *error)
{
	return dl_error_set(error, DL_ERROR_INTERNAL, "the image of a model is not as it was written");
}

static DlStatus
list_tensors(DlArena *scratch, const ImageHeader *header, DlSafetensors *content, DlError *error)
{
	const char *base = (const char *) header;
	const ImageTensor *table = (const ImageTensor *) (base + header->tensors);

	content->count = header->tensor_count;
	content->metadata = base + header->document;
	DL_TRY(dl_arena_calloc(scratch, (size_t) content->count, sizeof(DlNamedTensor), &content->tensors, error));
	for (int32_t i = 0; i < content->count; i++)
		content->tensors[i] = (DlNamedTensor) {
			.name = base + table[i].name,
			.dtype = table[i].dtype,
			.shape = table[i].shape,
			.data = base + table[i].data,
			.bytes = (size_t) table[i].bytes
		};
	return DL_OK;
}

/* Scoring reads parameters only, and never writes to them. */
static DlStatus
point_members(DlModel *model, const ImageHeader *header, DlError *error)
{
	if (model->member_count != header->member_count)
		return no_image(error);
	for (int32_t m = 0; m < model->member_count; m++)
	{
		if ((uint64_t) dl_graph_vector_length(dl_model_graph(model, m)) != header->lengths[m])
			return no_image(error);
		model->members[m].parameters = (float *) (uintptr_t) ((const char *) header + header->vectors[m]);
	}
	return DL_OK;
}

static DlStatus
read_image(DlModel *model, DlArena *scratch, const ImageHeader *header, size_t budget, DlError *error)
{
	DlSafetensors content;
	DlTensorIndex tensors;

	DL_TRY(list_tensors(scratch, header, &content, error));
	DL_TRY(dl_tensor_index_create(scratch, &content, (size_t) header->size, &tensors, error));
	DL_TRY(dl_model_read_document(model, content.metadata, &tensors, budget, error));
	return point_members(model, header, error);
}

DlStatus
dl_model_from_image(const void *image, size_t size, size_t budget, DlModel **result, DlError *error)
{
	const ImageHeader *header = image;
	DlArena    *scratch;
	DlModel    *model;
	DlStatus	status;

	*result = NULL;
	if (size < sizeof(ImageHeader) || header->magic != IMAGE_MAGIC || header->size > size)
		return no_image(error);
	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_model_create(budget, &model, error);
	if (status == DL_OK)
	{
		status = read_image(model, scratch, header, budget, error);
		if (status == DL_OK)
			*result = model;
		else
			dl_model_destroy(model);
	}
	dl_arena_destroy(scratch);
	return status;
}
