/*
 * graph.c
 *    Building a graph: nodes, shape checks through the table of operators, and
 *    the layout of all parameters in one vector.
 *
 * Everything lies in the graph's arena; arrays grow by doubling.
 */
#include "core/graph.h"

#include <string.h>

#include "core/graph_internal.h"
#include "core/size.h"

#define OFFSET_MULTIPLE 16
#define FIRST_CAPACITY 16

DlStatus
dl_graph_create(DlArena *arena, DlGraph **result, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlGraph), result, error));
	(*result)->arena = arena;
	return DL_OK;
}

/* Makes room for one more item in an array of *capacity items of size bytes. */
static DlStatus
grow(DlArena *arena, void *array, int count, int *capacity, size_t size, DlError *error)
{
	void	   *old;
	void	   *larger;
	int			wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;

	if (count < *capacity)
		return DL_OK;
	if (*capacity > INT32_MAX / 2)
		return dl_error_set(error, DL_ERROR_LIMIT, "a graph cannot have more than %d nodes", *capacity);
	memcpy(&old, array, sizeof(old));
	DL_TRY(dl_arena_calloc(arena, (size_t) wanted, size, &larger, error));
	if (count > 0)
		memcpy(larger, old, (size_t) count * size);
	memcpy(array, &larger, sizeof(larger));
	*capacity = wanted;
	return DL_OK;
}

/* The next free node, not counted yet. */
static DlStatus
next_node(DlGraph *graph, DlGraphNode **result, DlError *error)
{
	DL_TRY(grow(graph->arena, &graph->nodes, graph->node_count, &graph->node_capacity,
				sizeof(DlGraphNode), error));
	*result = &graph->nodes[graph->node_count];
	memset(*result, 0, sizeof(DlGraphNode));
	(*result)->parameter = -1;
	return DL_OK;
}

static DlStatus
check_name(const DlGraph *graph, const char *name, DlError *error)
{
	for (int i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (node->name != NULL && strcmp(node->name, name) == 0)
			return dl_error_set(error, DL_ERROR_INVALID, "the name \"%s\" is already taken by %s", name,
								node->parameter >= 0 ? "a parameter" : "an input");
	}
	return DL_OK;
}

DlStatus
dl_graph_input(DlGraph *graph, const char *name, DlDtype dtype, int64_t columns, DlNode *result, DlError *error)
{
	DlGraphNode *node;
	char	   *copy;

	if (dtype != DL_I32 && dtype != DL_F32)
		return dl_error_set(error, DL_ERROR_INVALID, "input \"%s\" must be int32 or float32, not %s", name,
							dl_dtype_name(dtype));
	if (columns < 1)
		return dl_error_set(error, DL_ERROR_SHAPE, "input \"%s\" must have at least 1 column, got %lld", name,
							(long long) columns);
	DL_TRY(check_name(graph, name, error));
	DL_TRY(dl_arena_strdup(graph->arena, name, &copy, error));
	DL_TRY(next_node(graph, &node, error));
	node->node.op = DL_OP_INPUT;
	node->node.output = dl_shape_2(DL_BATCH, columns);
	node->definition = dl_op_definition(DL_OP_INPUT);
	node->dtype = dtype;
	node->name = copy;
	*result = graph->node_count++;
	return DL_OK;
}

static DlStatus
check_parameter(const char *name, const DlShape *shape, int64_t *elements, DlError *error)
{
	char		text[128];

	if (shape->rank < 1 || shape->rank > DL_MAX_RANK)
		return dl_error_set(error, DL_ERROR_SHAPE, "parameter \"%s\" must have 1 to %d dimensions, got %d", name,
							DL_MAX_RANK, shape->rank);
	for (int i = 0; i < shape->rank; i++)
		if (shape->dims[i] < 1)
			return dl_error_set(error, DL_ERROR_SHAPE, "parameter \"%s\" of shape %s has an empty dimension", name,
								dl_shape_print(shape, text, sizeof(text)));
	return dl_shape_count(shape, 0, elements, error);
}

DlStatus
dl_graph_parameter(DlGraph *graph, const char *name, DlShape shape, const DlParameterInfo *info,
				   DlNode *result, DlError *error)
{
	DlGraphNode *node;
	DlGraphParameter *parameter;
	char	   *copy;
	int64_t		elements;
	size_t		end;
	size_t		bytes;

	DL_TRY(check_parameter(name, &shape, &elements, error));
	if (!dl_size_add((size_t) graph->vector_length, (size_t) elements, &end) ||
		!dl_size_align(end, OFFSET_MULTIPLE, &end) || !dl_size_mul(end, sizeof(double), &bytes) || bytes > INT64_MAX)
		return dl_error_set(error, DL_ERROR_LIMIT, "parameter \"%s\" of %lld elements makes the network too large",
							name, (long long) elements);
	DL_TRY(check_name(graph, name, error));
	DL_TRY(dl_arena_strdup(graph->arena, name, &copy, error));
	DL_TRY(grow(graph->arena, &graph->parameters, graph->parameter_count, &graph->parameter_capacity,
				sizeof(DlGraphParameter), error));
	DL_TRY(next_node(graph, &node, error));

	parameter = &graph->parameters[graph->parameter_count];
	parameter->name = copy;
	parameter->shape = shape;
	parameter->info = *info;
	parameter->offset = graph->vector_length;
	parameter->elements = elements;
	parameter->node = graph->node_count;

	node->node.op = DL_OP_PARAMETER;
	node->node.output = shape;
	node->definition = dl_op_definition(DL_OP_PARAMETER);
	node->dtype = DL_F32;
	node->name = copy;
	node->parameter = graph->parameter_count++;
	graph->vector_length = (int64_t) end;
	*result = graph->node_count++;
	return DL_OK;
}

/* Number, existence, type and kind of the inputs. */
static DlStatus
check_inputs(const DlGraph *graph, const DlOpDefinition *definition, const DlNode *inputs, int count, DlError *error)
{
	char		text[128];

	if (count < definition->min_inputs || (definition->max_inputs != DL_OP_ANY_NUMBER && count > definition->max_inputs))
	{
		if (definition->max_inputs == DL_OP_ANY_NUMBER)
			return dl_error_set(error, DL_ERROR_SHAPE, "%s takes at least %d input%s, got %d", definition->name,
								definition->min_inputs, definition->min_inputs == 1 ? "" : "s", count);
		if (definition->min_inputs == definition->max_inputs)
			return dl_error_set(error, DL_ERROR_SHAPE, "%s takes %d input%s, got %d", definition->name,
								definition->min_inputs, definition->min_inputs == 1 ? "" : "s", count);
		return dl_error_set(error, DL_ERROR_SHAPE, "%s takes %d to %d inputs, got %d", definition->name,
							definition->min_inputs, definition->max_inputs, count);
	}
	for (int i = 0; i < count; i++)
	{
		const char *role = i < DL_OP_MAX_ROLES && definition->roles[i] ? definition->roles[i] : "input";
		bool		integer = dl_op_has(definition->integers, i);
		const DlGraphNode *input;
		bool		batch;

		if (inputs[i] < 0 || inputs[i] >= graph->node_count)
			return dl_error_set(error, DL_ERROR_INVALID, "%s: %s is node %d, which does not exist", definition->name,
								role, inputs[i]);
		input = &graph->nodes[inputs[i]];
		if (integer != (input->dtype == DL_I32))
			return dl_error_set(error, DL_ERROR_SHAPE, "%s: %s must be %s, not %s", definition->name, role,
								integer ? "int32" : "float32", dl_dtype_name(input->dtype));
		batch = input->node.output.dims[0] == DL_BATCH;
		if (batch == dl_op_has(definition->parameters, i))
			return dl_error_set(error, DL_ERROR_SHAPE, "%s: %s has shape %s, expected %s", definition->name, role,
								dl_shape_print(&input->node.output, text, sizeof(text)),
								batch ? "a parameter without batch" : "[batch, n]");
	}
	return DL_OK;
}

DlStatus
dl_graph_apply(DlGraph *graph, DlOp op, const DlNode *inputs, int input_count,
			   const DlAttributes *attributes, DlNode *result, DlError *error)
{
	const DlOpDefinition *definition = dl_op_definition(op);
	DlGraphNode *node;
	DlShape    *shapes;
	DlNode	   *copy;

	if (definition == NULL || definition->forward == NULL)
		return dl_error_set(error, DL_ERROR_INVALID, "operator %d cannot be applied", (int) op);
	DL_TRY(check_inputs(graph, definition, inputs, input_count, error));
	DL_TRY(dl_arena_calloc(graph->arena, (size_t) input_count, sizeof(DlShape), &shapes, error));
	DL_TRY(dl_arena_calloc(graph->arena, (size_t) input_count, sizeof(DlNode), &copy, error));
	for (int i = 0; i < input_count; i++)
	{
		copy[i] = inputs[i];
		shapes[i] = graph->nodes[inputs[i]].node.output;
	}
	DL_TRY(next_node(graph, &node, error));
	node->node.op = op;
	if (attributes != NULL)
		node->node.attributes = *attributes;
	node->node.input_count = input_count;
	node->node.inputs = shapes;
	node->definition = definition;
	node->inputs = copy;
	node->dtype = DL_F32;
	DL_TRY(definition->infer(&node->node, error));
	*result = graph->node_count++;
	return DL_OK;
}

DlShape
dl_graph_shape(const DlGraph *graph, DlNode node)
{
	return graph->nodes[node].node.output;
}

int
dl_graph_node_count(const DlGraph *graph)
{
	return graph->node_count;
}

DlOp
dl_graph_op(const DlGraph *graph, DlNode node)
{
	return graph->nodes[node].node.op;
}

int
dl_graph_parameter_count(const DlGraph *graph)
{
	return graph->parameter_count;
}

const char *
dl_graph_parameter_name(const DlGraph *graph, int index)
{
	return graph->parameters[index].name;
}

DlShape
dl_graph_parameter_shape(const DlGraph *graph, int index)
{
	return graph->parameters[index].shape;
}

int64_t
dl_graph_parameter_offset(const DlGraph *graph, int index)
{
	return graph->parameters[index].offset;
}

int64_t
dl_graph_parameter_elements(const DlGraph *graph, int index)
{
	return graph->parameters[index].elements;
}

const DlParameterInfo *
dl_graph_parameter_info(const DlGraph *graph, int index)
{
	return &graph->parameters[index].info;
}

int64_t
dl_graph_vector_length(const DlGraph *graph)
{
	return graph->vector_length;
}

void
dl_graph_initialise(const DlGraph *graph, DlRandom *random, float *vector)
{
	memset(vector, 0, (size_t) graph->vector_length * sizeof(float));
	for (int i = 0; i < graph->parameter_count; i++)
	{
		const DlGraphParameter *parameter = &graph->parameters[i];
		double		value = parameter->info.value;
		float	   *p = vector + parameter->offset;

		for (int64_t j = 0; j < parameter->elements; j++)
			switch (parameter->info.init)
			{
				case DL_INIT_CONSTANT:
					p[j] = (float) value;
					break;
				case DL_INIT_NORMAL:
				case DL_INIT_DATA:
					p[j] = (float) (value * dl_random_normal(random));
					break;
				case DL_INIT_UNIFORM:
					p[j] = (float) (value * (2.0 * dl_random_uniform(random) - 1.0));
					break;
			}
	}
}

bool
dl_graph_couples_rows(const DlGraph *graph)
{
	for (int i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].definition->couples_rows)
			return true;
	return false;
}

int64_t
dl_graph_multiply_adds(const DlGraph *graph)
{
	int64_t		sum = 0;

	for (int i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].definition->multiply_adds != NULL)
			sum += graph->nodes[i].definition->multiply_adds(&graph->nodes[i].node);
	return sum;
}
