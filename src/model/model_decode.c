/*
 * model_decode.c
 *    From bytes, which may be hostile, to a model.
 *
 * Order: the file's layout; the document; the graph, whose size the limits of
 * the network language bound; then, before memory for weights is taken, that the
 * file has as many tensors and bytes as the graph asks for.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/size.h"
#include "model/model_image_internal.h"

#define TRANSPOSE_BLOCK 32
#define EXPONENT UINT32_C(0x7f800000)	/* all ones in infinities and NaNs */

/* Edges of one column. */
static bool
edges_ascend(const float *edges, int64_t count)
{
	int64_t		i = 1;

	while (i < count && edges[i] > edges[i - 1])
		i++;
	while (i < count && edges[i] == edges[i - 1])
		i++;
	return i == count;
}

static DlStatus
check_edges(const char *name, const float *edges, const DlShape *shape, DlError *error)
{
	for (int64_t i = 0; i < shape->dims[0]; i++)
		if (!edges_ascend(edges + i * shape->dims[1], shape->dims[1]))
		{
			dl_error_set(error, DL_ERROR_CORRUPT, "model: row %lld of tensor \"%s\" does not ascend", (long long) i, name);
			dl_error_detail(error, "Edges of bins must ascend; only the last of them may be repeated.");
			return DL_ERROR_CORRUPT;
		}
	return DL_OK;
}

/* Without a branch, so that it works on vectors. */
static bool
all_finite(const float *values, int64_t count)
{
	uint32_t	bad = 0;

	for (int64_t i = 0; i < count; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &values[i], sizeof(bits));
		bad |= (bits & EXPONENT) == EXPONENT;
	}
	return bad == 0;
}

static DlStatus
check_values(const char *name, const float *values, int64_t count, DlParameterUse use, DlError *error)
{
	if (use != DL_USE_VARIANCE && all_finite(values, count))
		return DL_OK;
	for (int64_t i = 0; i < count; i++)
	{
		if (!isfinite(values[i]))
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: element %lld of tensor \"%s\" is not a finite number",
								(long long) i, name);
		if (use == DL_USE_VARIANCE && values[i] < 0)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: element %lld of tensor \"%s\" is negative",
								(long long) i, name);
	}
	return DL_OK;
}

/* from [out, in], which need not be aligned, to [in, out], in blocks that stay in the first cache. */
static void
transpose(const char *from, int64_t out, int64_t in, float *to)
{
	for (int64_t first_o = 0; first_o < out; first_o += TRANSPOSE_BLOCK)
		for (int64_t first_i = 0; first_i < in; first_i += TRANSPOSE_BLOCK)
		{
			int64_t		end_o = first_o + TRANSPOSE_BLOCK < out ? first_o + TRANSPOSE_BLOCK : out;
			int64_t		end_i = first_i + TRANSPOSE_BLOCK < in ? first_i + TRANSPOSE_BLOCK : in;

			for (int64_t i = first_i; i < end_i; i++)
				for (int64_t o = first_o; o < end_o; o++)
					memcpy(&to[i * out + o], from + (size_t) (o * in + i) * sizeof(float), sizeof(float));
		}
}

static DlStatus
read_parameter(DlModel *model, int member, int index, DlParameterUse use, DlTensorIndex *tensors, DlError *error)
{
	const DlGraph *graph = dl_model_graph(model, member);
	float	   *values = model->members[member].parameters + dl_graph_parameter_offset(graph, index);
	int64_t		elements = dl_graph_parameter_elements(graph, index);
	DlShape		shape = dl_graph_parameter_shape(graph, index);
	const DlNamedTensor *tensor;
	char		name[DL_SAFETENSORS_MAX_NAME + 64];

	snprintf(name, sizeof(name), "%d.%s", member, dl_graph_parameter_name(graph, index));
	if (use == DL_USE_DENSE_WEIGHT)
		shape = dl_shape_2(shape.dims[1], shape.dims[0]);
	DL_TRY(dl_tensor_index_find(tensors, name, DL_F32, &shape, &tensor, error));
	if (use == DL_USE_DENSE_WEIGHT)
		transpose(tensor->data, shape.dims[0], shape.dims[1], values);
	else
		memcpy(values, tensor->data, tensor->bytes);
	DL_TRY(check_values(name, values, elements, use, error));
	return use == DL_USE_EDGES ? check_edges(name, values, &shape, error) : DL_OK;
}

/* What the graphs ask for must be in the file before memory is taken for it. */
static DlStatus
check_totals(const DlModel *model, const DlTensorIndex *tensors, DlError *error)
{
	size_t		parameters = 0;
	size_t		elements = 0;

	for (int member = 0; member < model->member_count; member++)
	{
		const DlGraph *graph = dl_model_graph(model, member);

		parameters += (size_t) dl_graph_parameter_count(graph);
		for (int i = 0; i < dl_graph_parameter_count(graph); i++)
			elements += (size_t) dl_graph_parameter_elements(graph, i);
	}
	if (parameters != (size_t) (tensors->count - tensors->found))
		return dl_error_set(error, DL_ERROR_CORRUPT, "model: the network has %zu tensors of parameters, expected %d",
							parameters, tensors->count - tensors->found);
	if (elements > tensors->bytes / sizeof(float))
		return dl_error_set(error, DL_ERROR_CORRUPT,
							"model: the network has %zu parameters, more than the %zu bytes of the model hold", elements,
							tensors->bytes);
	return DL_OK;
}

/* Vectors in the model's arena; in an image the members have theirs already. */
static DlStatus
create_vectors(DlModel *model, DlError *error)
{
	for (int member = 0; member < model->member_count; member++)
		DL_TRY(dl_arena_alloc(model->arena, (size_t) dl_graph_vector_length(dl_model_graph(model, member)) * sizeof(float),
							  &model->members[member].parameters, error));
	return DL_OK;
}

/* What lies between the parameters of a vector becomes 0. */
static void
clear_padding(const DlGraph *graph, float *vector)
{
	int64_t		end = 0;

	for (int i = 0; i < dl_graph_parameter_count(graph); i++)
	{
		int64_t		offset = dl_graph_parameter_offset(graph, i);

		memset(vector + end, 0, (size_t) (offset - end) * sizeof(float));
		end = offset + dl_graph_parameter_elements(graph, i);
	}
	memset(vector + end, 0, (size_t) (dl_graph_vector_length(graph) - end) * sizeof(float));
}

static DlStatus
read_parameters(DlModel *model, DlTensorIndex *tensors, DlError *error)
{
	for (int member = 0; member < model->member_count; member++)
	{
		const DlGraph *graph = dl_model_graph(model, member);
		int			count = dl_graph_parameter_count(graph);
		DlParameterUse *uses;

		DL_TRY(dl_arena_calloc(model->arena, (size_t) count, sizeof(DlParameterUse), &uses, error));
		dl_model_parameter_uses(graph, uses);
		clear_padding(graph, model->members[member].parameters);
		for (int i = 0; i < count; i++)
			DL_TRY(read_parameter(model, member, i, uses[i], tensors, error));
	}
	return DL_OK;
}

/* In the model's arena; an image has room for them. */
static DlStatus
pack(DlModel *model, DlError *error)
{
	size_t		bytes;
	void	   *memory;

	DL_TRY(dl_model_packed_bytes(model, &bytes, error));
	if (bytes == 0)
		return DL_OK;
	DL_TRY(dl_arena_alloc(model->arena, bytes, &memory, error));
	DL_TRY(dl_model_attach_packed(model, memory, error));
	dl_model_pack(model, memory);
	return DL_OK;
}

/* An error in the network of a model is damage, not a mistake of the user's. */
static DlStatus
build(DlModel *model, DlError *error)
{
	DlStatus	status = DL_OK;
	char		message[DL_ERROR_TEXT];

	for (int32_t i = 0; i < model->network_count && status == DL_OK; i++)
		status = dl_model_build_network(model, model->networks[i].text, &model->networks[i], error);
	if (status != DL_ERROR_SYNTAX && status != DL_ERROR_SHAPE && status != DL_ERROR_INVALID)
		return status;
	snprintf(message, sizeof(message), "%s", error == NULL ? "" : error->message);
	dl_error_set(error, DL_ERROR_CORRUPT, "model: its network cannot be built");
	dl_error_detail(error, "%s", message);
	return DL_ERROR_CORRUPT;
}

DlStatus
dl_model_create(size_t budget, DlModel **result, DlError *error)
{
	DlArena    *arena;
	DlStatus	status;

	*result = NULL;
	DL_TRY(dl_arena_create(budget, &arena, error));
	status = dl_arena_calloc(arena, 1, sizeof(DlModel), result, error);
	if (status == DL_OK)
		(*result)->arena = arena;
	else
		dl_arena_destroy(arena);
	return status;
}

DlStatus
dl_model_read_document(DlModel *model, const char *document, DlTensorIndex *tensors, size_t budget, DlError *error)
{
	DlJsonDocument *json;
	DlJson		root;
	DlStatus	status;

	DL_TRY(dl_json_parse(document, strlen(document), budget, &json, error));
	root = dl_json_root(json);
	status = dl_document_read(model, &root, tensors, error);
	dl_json_free(json);
	DL_TRY(status);
	return build(model, error);
}

struct DlModelDecoding
{
	DlArena    *scratch;		/* owns this and what tensors says */
	DlModel    *model;
	DlSafetensors content;
	DlTensorIndex tensors;
	DlImagePlan *plan;			/* NULL: no image was asked for */
};

static DlStatus
read_all_but_weights(DlModelDecoding *decoding, const void *bytes, size_t length, size_t budget, DlError *error)
{
	DL_TRY(dl_safetensors_read(decoding->scratch, bytes, length, &decoding->content, error));
	if (decoding->content.metadata == NULL)
		return dl_error_set(error, DL_ERROR_CORRUPT, "model bytes have no \"%s\" in their metadata", DL_SAFETENSORS_KEY);
	DL_TRY(dl_model_create(budget, &decoding->model, error));
	DL_TRY(dl_tensor_index_create(decoding->scratch, &decoding->content, length, &decoding->tensors, error));
	DL_TRY(dl_model_read_document(decoding->model, decoding->content.metadata, &decoding->tensors, budget, error));
	return check_totals(decoding->model, &decoding->tensors, error);
}

DlStatus
dl_model_decode_begin(const void *bytes, size_t length, size_t budget, DlModelDecoding **result, DlError *error)
{
	DlModelDecoding *decoding;
	DlArena    *scratch;
	DlStatus	status;

	*result = NULL;
	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_arena_calloc(scratch, 1, sizeof(DlModelDecoding), &decoding, error);
	if (status != DL_OK)
	{
		dl_arena_destroy(scratch);
		return status;
	}
	decoding->scratch = scratch;
	status = read_all_but_weights(decoding, bytes, length, budget, error);
	if (status == DL_OK)
		*result = decoding;
	else
		dl_model_decode_abandon(decoding);
	return status;
}

DlStatus
dl_model_image_bytes(DlModelDecoding *decoding, size_t *bytes, DlError *error)
{
	return dl_image_plan(decoding->scratch, decoding->model, &decoding->plan, bytes, error);
}

DlStatus
dl_model_decode_finish(DlModelDecoding *decoding, void *image, DlModel **result, DlError *error)
{
	DlModel    *model = decoding->model;
	DlTensorIndex *tensors = &decoding->tensors;
	DlStatus	status = DL_OK;

	*result = NULL;
	if (image == NULL)
		status = create_vectors(model, error);
	else
		dl_image_begin(decoding->plan, image);
	if (status == DL_OK)
		status = read_parameters(model, tensors, error);
	if (status == DL_OK)
		status = image == NULL ? pack(model, error) : dl_image_complete(decoding->plan, image, error);
	if (status == DL_OK)
	{
		*result = model;
		decoding->model = NULL;
	}
	dl_model_decode_abandon(decoding);
	return status;
}

void
dl_model_decode_abandon(DlModelDecoding *decoding)
{
	if (decoding == NULL)
		return;
	dl_model_destroy(decoding->model);
	dl_arena_destroy(decoding->scratch);
}

DlStatus
dl_model_decode(const void *bytes, size_t length, size_t budget, DlModel **result, DlError *error)
{
	DlModelDecoding *decoding;

	*result = NULL;
	DL_TRY(dl_model_decode_begin(bytes, length, budget, &decoding, error));
	return dl_model_decode_finish(decoding, NULL, result, error);
}
