/*
 * model_image.c
 *    The layout of images, and the way back from one.
 *
 *    header | a row for each tensor | where each vocabulary is | the document | names and data of tensors |
 *    flat vocabularies | vectors of the members | their weights as this processor's backend reads them
 *
 * The document is the model's, but for the vocabularies.  What follows the header starts at multiples of DL_ALIGNMENT.
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
	uint64_t	tensors;
	uint64_t	vocabularies;
	uint64_t	document;
	int32_t		tensor_count;
	int32_t		vocabulary_count;
	int32_t		member_count;
	uint64_t	vectors[DL_MODEL_MAX_MEMBERS];
	uint64_t	lengths[DL_MODEL_MAX_MEMBERS];	/* of the vectors, in elements */
	uint64_t	packed;
	uint64_t	packed_bytes;
} ImageHeader;

struct DlImagePlan
{
	DlModel    *model;
	char	   *document;
	DlTensorList list;			/* what the document needs beside itself */
	ImageHeader header;
	ImageTensor *tensors;
	uint64_t   *vocabularies;
};

/* Room for count items of size bytes from *end on; false when sizes wrap. */
static bool
place(size_t *end, size_t count, size_t size, uint64_t *offset)
{
	size_t		bytes;

	*offset = *end;
	return dl_size_mul(count, size, &bytes) && dl_size_add(*end, bytes, end) && dl_size_align(*end, DL_ALIGNMENT, end);
}

static bool
place_tensors(DlImagePlan *plan, size_t *end)
{
	for (int32_t i = 0; i < plan->list.count; i++)
	{
		const DlNamedTensor *tensor = &plan->list.items[i];
		ImageTensor *row = &plan->tensors[i];

		*row = (ImageTensor) {.bytes = tensor->bytes, .shape = tensor->shape, .dtype = tensor->dtype};
		if (!place(end, strlen(tensor->name) + 1, 1, &row->name) || !place(end, tensor->bytes, 1, &row->data))
			return false;
	}
	return true;
}

static DlStatus
lay_out(DlImagePlan *plan, DlError *error)
{
	ImageHeader *header = &plan->header;
	size_t		end = 0;
	uint64_t	start;
	size_t		packed;
	bool		fits = place(&end, 1, sizeof(ImageHeader), &start);

	header->tensor_count = plan->list.count;
	header->vocabulary_count = plan->list.vocabulary_count;
	header->member_count = plan->model->member_count;
	fits = fits && place(&end, (size_t) header->tensor_count, sizeof(ImageTensor), &header->tensors) &&
		place(&end, (size_t) header->vocabulary_count, sizeof(uint64_t), &header->vocabularies) &&
		place(&end, strlen(plan->document) + 1, 1, &header->document) && place_tensors(plan, &end);
	for (int32_t i = 0; i < header->vocabulary_count && fits; i++)
	{
		size_t		bytes;

		DL_TRY(dl_vocabulary_flat_bytes(plan->list.vocabularies[i], &bytes, error));
		fits = place(&end, bytes, 1, &plan->vocabularies[i]);
	}
	for (int32_t m = 0; m < header->member_count && fits; m++)
	{
		header->lengths[m] = (uint64_t) dl_graph_vector_length(dl_model_graph(plan->model, m));
		fits = place(&end, (size_t) header->lengths[m], sizeof(float), &header->vectors[m]);
	}
	DL_TRY(dl_model_packed_bytes(plan->model, &packed, error));
	header->packed_bytes = packed;
	fits = fits && place(&end, packed, 1, &header->packed);
	header->size = end;
	return fits ? DL_OK : dl_error_set(error, DL_ERROR_LIMIT, "the model is too large for an image");
}

static DlStatus
write_document(DlArena *scratch, DlImagePlan *plan, DlError *error)
{
	DlJsonWriter writer;
	DlStatus	status;

	dl_json_writer_init(&writer, DL_SAFETENSORS_MAX_HEADER);
	status = dl_document_write(plan->model, &writer, &plan->list, error);
	if (status == DL_OK)
		status = dl_arena_strdup(scratch, writer.text, &plan->document, error);
	dl_json_writer_free(&writer);
	return status;
}

DlStatus
dl_image_plan(DlArena *scratch, DlModel *model, DlImagePlan **result, size_t *size, DlError *error)
{
	DlImagePlan *plan;
	size_t		vocabularies = (size_t) model->column_count + 1;	/* at most */

	DL_TRY(dl_arena_calloc(scratch, 1, sizeof(DlImagePlan), &plan, error));
	plan->model = model;
	plan->list.arena = scratch;
	DL_TRY(dl_arena_calloc(scratch, vocabularies, sizeof(DlVocabulary *), &plan->list.vocabularies, error));
	DL_TRY(dl_arena_calloc(scratch, vocabularies, sizeof(uint64_t), &plan->vocabularies, error));
	DL_TRY(write_document(scratch, plan, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) plan->list.count, sizeof(ImageTensor), &plan->tensors, error));
	DL_TRY(lay_out(plan, error));
	*result = plan;
	*size = (size_t) plan->header.size;
	return DL_OK;
}

void
dl_image_begin(const DlImagePlan *plan, void *image)
{
	const ImageHeader *header = &plan->header;
	char	   *base = image;

	memcpy(image, header, sizeof(*header));
	if (header->tensor_count > 0)
		memcpy(base + header->tensors, plan->tensors, (size_t) header->tensor_count * sizeof(ImageTensor));
	memcpy(base + header->vocabularies, plan->vocabularies, (size_t) header->vocabulary_count * sizeof(uint64_t));
	memcpy(base + header->document, plan->document, strlen(plan->document) + 1);
	for (int32_t i = 0; i < header->tensor_count; i++)
	{
		const DlNamedTensor *tensor = &plan->list.items[i];

		memcpy(base + plan->tensors[i].name, tensor->name, strlen(tensor->name) + 1);
		if (tensor->bytes > 0)
			memcpy(base + plan->tensors[i].data, tensor->data, tensor->bytes);
	}
	for (int32_t i = 0; i < header->vocabulary_count; i++)
		dl_vocabulary_flatten(plan->list.vocabularies[i], base + plan->vocabularies[i]);
	for (int32_t m = 0; m < header->member_count; m++)
		plan->model->members[m].parameters = (float *) (base + header->vectors[m]);
}

DlStatus
dl_image_complete(const DlImagePlan *plan, void *image, DlError *error)
{
	char	   *packed = (char *) image + plan->header.packed;

	DL_TRY(dl_model_attach_packed(plan->model, packed, error));
	dl_model_pack(plan->model, packed);
	((ImageHeader *) image)->magic = IMAGE_MAGIC;
	return DL_OK;
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
	size_t		packed;

	DL_TRY(dl_model_packed_bytes(model, &packed, error));
	if (model->member_count != header->member_count || packed != header->packed_bytes)
		return no_image(error);
	for (int32_t m = 0; m < model->member_count; m++)
	{
		if ((uint64_t) dl_graph_vector_length(dl_model_graph(model, m)) != header->lengths[m])
			return no_image(error);
		model->members[m].parameters = (float *) (uintptr_t) ((const char *) header + header->vectors[m]);
	}
	return dl_model_attach_packed(model, (const char *) header + header->packed, error);
}

static DlStatus
list_vocabularies(DlArena *scratch, const ImageHeader *header, DlTensorIndex *tensors, DlError *error)
{
	const char *base = (const char *) header;
	const uint64_t *offsets = (const uint64_t *) (base + header->vocabularies);
	const void **list;

	DL_TRY(dl_arena_calloc(scratch, (size_t) header->vocabulary_count, sizeof(void *), &list, error));
	for (int32_t i = 0; i < header->vocabulary_count; i++)
		list[i] = base + offsets[i];
	tensors->vocabularies = list;
	tensors->vocabulary_count = header->vocabulary_count;
	tensors->vocabularies_found = 0;
	return DL_OK;
}

static DlStatus
read_image(DlModel *model, DlArena *scratch, const ImageHeader *header, size_t budget, DlError *error)
{
	DlSafetensors content;
	DlTensorIndex tensors;

	DL_TRY(list_tensors(scratch, header, &content, error));
	DL_TRY(dl_tensor_index_create(scratch, &content, (size_t) header->size, &tensors, error));
	DL_TRY(list_vocabularies(scratch, header, &tensors, error));
	DL_TRY(dl_model_read_document(model, (const char *) header + header->document, &tensors, budget, error));
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
