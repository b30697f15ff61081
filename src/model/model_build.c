/*
 * model_build.c
 *    From the text of a network and what the columns offer to a graph.
 */
#include <string.h>

#include "model/model.h"

DlStatus
dl_model_build(DlModel *model, DlError *error)
{
	const DlPreparation *preparation = &model->preparation;
	DlNetworkInputs inputs = {
		.numbers = preparation->inputs,
		.continuous = preparation->continuous,
		.categories = preparation->embedded,
		.levels = preparation->embedded_levels
	};

	DL_TRY(dl_network_parse(model->arena, model->network_text, strlen(model->network_text), &model->network, error));
	DL_TRY(dl_graph_create(model->arena, &model->graph, error));
	return dl_network_build(model->network, &inputs, model->outputs, model->graph, &model->nodes, error);
}

int32_t
dl_model_result_width(const DlModel *model)
{
	return model->outputs;
}

int32_t
dl_model_hidden_width(const DlModel *model)
{
	return (int32_t) dl_graph_shape(model->graph, model->nodes.hidden).dims[1];
}

void
dl_model_destroy(DlModel *model)
{
	if (model != NULL)
		dl_arena_destroy(model->arena);
}
