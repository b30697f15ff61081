/*
 * model_graph.c
 *    What a model needs to know of the inside of its graph: which parameters
 *    are dense weights, whether the network is a plain chain, and the list of
 *    operators for readers that know nothing of the network language.
 */
#include "core/graph_internal.h"
#include "model/model_internal.h"

static void
set_use(const DlGraph *graph, const DlGraphNode *node, int input, DlParameterUse use, DlParameterUse *uses)
{
	int			parameter = graph->nodes[node->inputs[input]].parameter;

	if (parameter >= 0)
		uses[parameter] = use;
}

void
dl_model_parameter_uses(const DlGraph *graph, DlParameterUse *uses)
{
	for (int i = 0; i < graph->parameter_count; i++)
		uses[i] = DL_USE_OTHER;
	for (int i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (node->node.op == DL_OP_DENSE)
			set_use(graph, node, 1, DL_USE_DENSE_WEIGHT, uses);
		else if (node->node.op == DL_OP_BATCH_NORM)
			set_use(graph, node, 4, DL_USE_VARIANCE, uses);
		else if (node->node.op == DL_OP_PIECEWISE)
			set_use(graph, node, 1, DL_USE_EDGES, uses);
	}
}

int64_t
dl_model_kept_rows(const DlModelNetwork *network)
{
	const DlGraph *graph = network->graph;

	if (network->nodes.neighbours == DL_NO_NODE)
		return 0;
	/* input keys: [width, rows] */
	return graph->nodes[graph->nodes[network->nodes.neighbours].inputs[2]].node.output.dims[1];
}

/* Fills step for a node of a chain; false when it is none. *skip: it does nothing in inference. */
static bool
chain_step(const DlGraph *graph, const DlGraphNode *node, DlChainStep *step, bool *skip)
{
	const DlGraphNode *weight;

	*skip = node->node.op == DL_OP_DROPOUT;
	if (*skip)
		return true;
	step->activation = node->node.attributes.activation;
	step->out = node->node.output.dims[1];
	step->dense = node->node.op == DL_OP_DENSE;
	step->bias = -1;
	if (node->node.op == DL_OP_ACTIVATION)
		return true;
	if (!step->dense)
		return false;
	weight = &graph->nodes[node->inputs[1]];
	if (weight->parameter < 0)
		return false;
	step->in = weight->node.output.dims[0];
	step->weight = graph->parameters[weight->parameter].offset;
	if (node->node.input_count > 2)
	{
		int			bias = graph->nodes[node->inputs[2]].parameter;

		if (bias < 0)
			return false;
		step->bias = graph->parameters[bias].offset;
	}
	return true;
}

DlStatus
dl_model_chain(DlArena *arena, const DlModelNetwork *network, DlChainStep **steps, int *count, DlError *error)
{
	const DlGraph *graph = network->graph;
	DlNode		node = network->nodes.output;
	int			used = 0;

	*count = 0;
	if (network->nodes.numbers == DL_NO_NODE || network->nodes.codes != DL_NO_NODE)
		return DL_OK;
	DL_TRY(dl_arena_calloc(arena, (size_t) graph->node_count, sizeof(DlChainStep), steps, error));
	for (; node != network->nodes.numbers; node = graph->nodes[node].inputs[0])
	{
		bool		skip;

		if (graph->nodes[node].inputs == NULL ||
			!chain_step(graph, &graph->nodes[node], &(*steps)[used], &skip))
			return DL_OK;
		used += !skip;
	}
	for (int i = 0; i < used / 2; i++)
	{
		DlChainStep swap = (*steps)[i];

		(*steps)[i] = (*steps)[used - 1 - i];
		(*steps)[used - 1 - i] = swap;
	}
	*count = used;
	return DL_OK;
}

static void
write_attributes(const DlOpNode *node, DlJsonWriter *writer)
{
	const DlAttributes *attributes = &node->attributes;

	switch (node->op)
	{
		case DL_OP_DENSE:
		case DL_OP_ACTIVATION:
		case DL_OP_PARAMETRIC_ACTIVATION:
			dl_json_put_string(writer, "activation", dl_activation_name(attributes->activation));
			break;
		case DL_OP_LAYER_NORM:
		case DL_OP_BATCH_NORM:
			dl_json_put_double(writer, "epsilon", attributes->epsilon);
			break;
		case DL_OP_EMBEDDING:
			dl_json_put_int(writer, "column", attributes->column);
			break;
		case DL_OP_SLICE:
			dl_json_put_int(writer, "start", attributes->start);
			dl_json_put_int(writer, "count", attributes->count);
			break;
		default:
			break;
	}
}

void
dl_document_write_graph(const DlModelNetwork *network, DlJsonWriter *writer)
{
	const DlGraph *graph = network->graph;

	dl_json_begin_object(writer, "graph");
	dl_json_begin_array(writer, "nodes");
	for (DlNode i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (node->parameter >= 0)
			continue;
		dl_json_begin_object(writer, NULL);
		dl_json_put_int(writer, "id", i);
		dl_json_put_string(writer, "op", dl_op_name(node->node.op));
		if (node->name != NULL)
			dl_json_put_string(writer, "name", node->name);
		dl_json_begin_array(writer, "inputs");
		for (int k = 0; k < node->node.input_count; k++)
		{
			const DlGraphNode *input = &graph->nodes[node->inputs[k]];

			if (input->parameter >= 0)
				dl_json_put_string(writer, NULL, input->name);
			else
				dl_json_put_int(writer, NULL, node->inputs[k]);
		}
		dl_json_end_array(writer);
		write_attributes(&node->node, writer);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
	dl_json_put_int(writer, "hidden", network->nodes.hidden);
	dl_json_put_int(writer, "output", network->nodes.output);
	dl_json_end_object(writer);
}
