/*
 * model_precision.c
 *    The precision in which a model is scored, and its weights in that precision.
 *
 * A model that was trained with matmul_precision "medium" is scored by the
 * backend that rounds the inputs of products to bfloat16, where the processor
 * has such instructions; every other one, and every one elsewhere, in float32.
 */
#include <stdlib.h>
#include <string.h>

#include "core/graph_internal.h"
#include "core/size.h"
#include "cpu/cpu.h"
#include "model/model_internal.h"

/* The weights of a node in bfloat16, in bytes; 0: it has none. */
static size_t
node_bytes(const DlGraph *graph, int i, const DlGraphParameter **weight)
{
	const DlGraphNode *node = &graph->nodes[i];
	int			parameter;

	if (node->node.op != DL_OP_DENSE)
		return 0;
	parameter = graph->nodes[node->inputs[1]].parameter;
	if (parameter < 0)
		return 0;
	*weight = &graph->parameters[parameter];
	return dl_cpu_bfloat16_bytes((*weight)->shape.dims[0], (*weight)->shape.dims[1]);
}

static const DlBackend *
medium_backend(const DlModel *model)
{
	const char *precision = model->record.matmul_precision;

	return precision != NULL && strcmp(precision, "medium") == 0 ? dl_backend_cpu_bfloat16() : NULL;
}

const DlBackend *
dl_model_backend(const DlModel *model)
{
	const DlGraphParameter *weight;
	const DlBackend *medium = medium_backend(model);

	for (int32_t n = 0; n < model->network_count && medium != NULL; n++)
		for (int i = 0; i < model->networks[n].graph->node_count; i++)
			if (node_bytes(model->networks[n].graph, i, &weight) > 0)
				return medium;
	return dl_backend_cpu();
}

const char *
dl_model_precision(const DlModel *model)
{
	return dl_model_backend(model) == dl_backend_cpu() ? "highest" : "medium";
}

/* Layers that are packed, and the bytes that they take. */
static DlStatus
measure(const DlModel *model, size_t *layers, size_t *bytes, DlError *error)
{
	*layers = 0;
	*bytes = 0;
	if (medium_backend(model) == NULL)
		return DL_OK;
	for (int32_t m = 0; m < model->member_count; m++)
	{
		const DlGraph *graph = dl_model_graph(model, m);
		const DlGraphParameter *weight;

		for (int i = 0; i < graph->node_count; i++)
		{
			size_t		layer = node_bytes(graph, i, &weight);

			*layers += layer > 0;
			if (!dl_size_add(*bytes, layer, bytes))
				return dl_error_set(error, DL_ERROR_LIMIT, "the weights of the model in bfloat16 are too large");
		}
	}
	return DL_OK;
}

DlStatus
dl_model_packed_bytes(const DlModel *model, size_t *bytes, DlError *error)
{
	size_t		layers;

	return measure(model, &layers, bytes, error);
}

static int
by_weight(const void *a, const void *b)
{
	uintptr_t	left = (uintptr_t) ((const DlPackedWeight *) a)->weight;
	uintptr_t	right = (uintptr_t) ((const DlPackedWeight *) b)->weight;

	return (left > right) - (left < right);
}

DlStatus
dl_model_attach_packed(DlModel *model, const void *memory, DlError *error)
{
	const char *next = memory;
	size_t		layers;
	size_t		bytes;

	DL_TRY(measure(model, &layers, &bytes, error));
	if (layers == 0)
		return DL_OK;
	DL_TRY(dl_arena_calloc(model->arena, layers, sizeof(DlPackedWeight), &model->packed, error));
	for (int32_t m = 0; m < model->member_count; m++)
	{
		const DlGraph *graph = dl_model_graph(model, m);
		const DlGraphParameter *weight;

		for (int i = 0; i < graph->node_count; i++)
		{
			size_t		layer = node_bytes(graph, i, &weight);

			if (layer == 0)
				continue;
			model->packed[model->packed_count++] = (DlPackedWeight) {model->members[m].parameters + weight->offset, next};
			next += layer;
		}
	}
	qsort(model->packed, (size_t) model->packed_count, sizeof(DlPackedWeight), by_weight);
	return DL_OK;
}

void
dl_model_pack(const DlModel *model, void *memory)
{
	char	   *next = memory;

	if (model->packed_count == 0)
		return;
	for (int32_t m = 0; m < model->member_count; m++)
	{
		const DlGraph *graph = dl_model_graph(model, m);
		const DlGraphParameter *weight;

		for (int i = 0; i < graph->node_count; i++)
		{
			size_t		layer = node_bytes(graph, i, &weight);

			if (layer > 0)
				dl_cpu_bfloat16_pack(weight->shape.dims[0], weight->shape.dims[1],
									 model->members[m].parameters + weight->offset, next);
			next += layer;
		}
	}
}
