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
#include "model/model_internal.h"

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

static DlStatus
check_values(const char *name, const float *values, int64_t count, DlParameterUse use, DlError *error)
{
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
	{
		const char *from = tensor->data;
		int64_t		out = shape.dims[0];
		int64_t		in = shape.dims[1];

		/* the bytes need not be aligned */
		for (int64_t o = 0; o < out; o++)
			for (int64_t i = 0; i < in; i++)
				memcpy(&values[i * out + o], from + (size_t) (o * in + i) * sizeof(float), sizeof(float));
	}
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

static DlStatus
read_parameters(DlModel *model, DlTensorIndex *tensors, DlError *error)
{
	DL_TRY(check_totals(model, tensors, error));
	for (int member = 0; member < model->member_count; member++)
	{
		const DlGraph *graph = dl_model_graph(model, member);
		int			count = dl_graph_parameter_count(graph);
		DlParameterUse *uses;

		DL_TRY(dl_arena_calloc(model->arena, (size_t) count, sizeof(DlParameterUse), &uses, error));
		dl_model_parameter_uses(graph, uses);
		DL_TRY(dl_arena_calloc(model->arena, (size_t) dl_graph_vector_length(graph), sizeof(float),
							   &model->members[member].parameters, error));
		for (int i = 0; i < count; i++)
			DL_TRY(read_parameter(model, member, i, uses[i], tensors, error));
	}
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

static DlStatus
decode_content(DlModel *model, DlArena *scratch, const DlSafetensors *content, size_t length, size_t budget,
			   DlError *error)
{
	DlTensorIndex tensors;
	DlJsonDocument *document;
	DlJson		root;
	DlStatus	status;

	DL_TRY(dl_tensor_index_create(scratch, content, length, &tensors, error));
	DL_TRY(dl_json_parse(content->metadata, strlen(content->metadata), budget, &document, error));
	root = dl_json_root(document);
	status = dl_document_read(model, &root, &tensors, error);
	dl_json_free(document);
	DL_TRY(status);
	DL_TRY(build(model, error));
	return read_parameters(model, &tensors, error);
}

DlStatus
dl_model_decode(const void *bytes, size_t length, size_t budget, DlModel **result, DlError *error)
{
	DlArena    *scratch;
	DlArena    *arena = NULL;
	DlModel    *model = NULL;
	DlSafetensors content;
	DlStatus	status;

	*result = NULL;
	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_safetensors_read(scratch, bytes, length, &content, error);
	if (status == DL_OK && content.metadata == NULL)
		status = dl_error_set(error, DL_ERROR_CORRUPT, "model bytes have no \"%s\" in their metadata", DL_SAFETENSORS_KEY);
	if (status == DL_OK)
		status = dl_arena_create(budget, &arena, error);
	if (status == DL_OK)
		status = dl_arena_calloc(arena, 1, sizeof(DlModel), &model, error);
	if (status == DL_OK)
	{
		model->arena = arena;
		status = decode_content(model, scratch, &content, length, budget, error);
	}
	dl_arena_destroy(scratch);
	if (status != DL_OK)
	{
		dl_arena_destroy(arena);
		return status;
	}
	*result = model;
	return DL_OK;
}
