/*
 * network_build.c
 *    From a DlNetwork to a graph: inputs, input stage, layers, output layer;
 *    the names of parameters, the limits, and the rows of a summary.
 *
 * Layers are numbered as they are built, presets taken apart, without the
 * input stage and the output layer: "layers.0.weight".  Inside a block a
 * number is appended for each level: "layers.2.1.weight", for a branch of
 * concat two.  Only the graph's arena keeps anything.
 */
#include <stdio.h>
#include <string.h>

#include "core/size.h"
#include "nn/network_internal.h"

/* --- what layers are built with --- */

int64_t
dl_builder_width(const DlBuilder *builder, DlNode node)
{
	return dl_graph_shape(builder->graph, node).dims[1];
}

size_t
dl_builder_enter(DlBuilder *builder, const char *format,...)
{
	size_t		before = builder->path_length;
	size_t		room = DL_BUILDER_PATH - before;
	va_list		args;
	int			length;

	if (before > 0 && room > 1)
	{
		builder->path[builder->path_length++] = '.';
		room--;
	}
	va_start(args, format);
	length = vsnprintf(builder->path + builder->path_length, room, format, args);
	va_end(args);
	if (length > 0)
		builder->path_length += (size_t) length < room ? (size_t) length : room - 1;
	return before;
}

void
dl_builder_leave(DlBuilder *builder, size_t before)
{
	builder->path[before] = '\0';
	builder->path_length = before;
}

/* Detail of a limit: the layer that exceeded it, by its own text. */
static void
blame_layer(DlBuilder *builder, DlError *error)
{
	DlText		text = {.arena = builder->scratch};

	if (builder->layer != NULL && dl_layer_text(builder->layer, &text, NULL) == DL_OK)
		dl_error_detail(error, "It is exceeded by layer \"%.400s\".", text.data);
}

static bool
count_elements(const DlShape *shape, int64_t *result)
{
	int64_t		elements = 1;

	for (int i = 0; i < shape->rank; i++)
		if (!dl_int64_mul(elements, shape->dims[i], &elements))
			return false;
	*result = elements;
	return true;
}

DlStatus
dl_builder_parameter(DlBuilder *builder, const char *name, DlShape shape, DlParameterInfo info, DlNode *result,
					 DlError *error)
{
	char		full[DL_BUILDER_PATH + 32];
	int64_t		elements;

	if (!count_elements(&shape, &elements) || elements > DL_NETWORK_MAX_PARAMETERS - builder->elements)
	{
		dl_error_set(error, DL_ERROR_LIMIT, "a network cannot have more than %lld parameters",
					 (long long) DL_NETWORK_MAX_PARAMETERS);
		blame_layer(builder, error);
		return DL_ERROR_LIMIT;
	}
	snprintf(full, sizeof(full), "%s.%s", builder->path, name);
	DL_TRY(dl_graph_parameter(builder->graph, full, shape, &info, result, error));
	builder->elements += elements;
	if (info.rate != 0)
		builder->trained += elements;
	return DL_OK;
}

DlStatus
dl_builder_apply(DlBuilder *builder, DlOp op, const DlNode *inputs, int count, const DlAttributes *attributes,
				 DlNode *result, DlError *error)
{
	DL_TRY(dl_graph_apply(builder->graph, op, inputs, count, attributes, result, error));
	if (dl_builder_width(builder, *result) > DL_NETWORK_MAX_COLUMNS)
	{
		dl_error_set(error, DL_ERROR_LIMIT, "the result of a layer cannot have more than %lld columns, got %lld",
					 (long long) DL_NETWORK_MAX_COLUMNS, (long long) dl_builder_width(builder, *result));
		blame_layer(builder, error);
		return DL_ERROR_LIMIT;
	}
	return DL_OK;
}

/* --- rows of a summary --- */

typedef struct Row
{
	int			index;			/* -1: none is wanted */
	int64_t		trained;		/* before the layer */
} Row;

/* Takes the next row; block is shown instead of the text of layer where it is not NULL. */
static DlStatus
begin_row(DlBuilder *builder, const DlLayer *layer, const char *block, Row *row, DlError *error)
{
	DlText		text = {.arena = builder->arena};

	row->index = -1;
	row->trained = builder->trained;
	if (builder->rows == NULL)
		return DL_OK;
	DL_TRY(dl_text_append(&text, error, "%*s", 2 * builder->depth, ""));
	if (block != NULL)
		DL_TRY(dl_text_append(&text, error, "%s", block));
	else
		DL_TRY(dl_layer_text(layer, &text, error));
	row->index = builder->row_count++;
	builder->rows[row->index].layer = text.data;
	return DL_OK;
}

/* Fills the row: what its layer added, without what the rows inside it added. */
static void
end_row(DlBuilder *builder, const Row *row, DlNode result)
{
	int64_t		own = builder->trained - row->trained;

	if (row->index < 0)
		return;
	for (int i = row->index + 1; i < builder->row_count; i++)
		own -= builder->rows[i].parameters;
	builder->rows[row->index].parameters = own;
	builder->rows[row->index].outputs = dl_builder_width(builder, result);
}

/* --- layers --- */

static DlStatus
build_layer(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	const DlLayer *outer = builder->layer;
	bool		block = layer->repeated_count > 0 || layer->values[0].network != NULL;
	Row			row;

	builder->layer = layer;
	DL_TRY(begin_row(builder, layer, block ? layer->definition->name : NULL, &row, error));
	DL_TRY(layer->definition->build(builder, layer, x, result, error));
	end_row(builder, &row, *result);
	builder->layer = outer;
	return DL_OK;
}

/* The hidden layers of a network; *number counts them, through presets. */
static DlStatus
build_sequence(DlBuilder *builder, const DlNetwork *network, int *number, DlNode x, DlNode *result, DlError *error)
{
	for (int i = 0; i < network->count; i++)
	{
		const DlLayer *layer = network->layers[i];

		if (layer->expansion != NULL)
			DL_TRY(build_sequence(builder, layer->expansion, number, x, &x, error));
		else if (layer->definition->stage == DL_STAGE_HIDDEN)
		{
			size_t		before = dl_builder_enter(builder, "%d", (*number)++);

			DL_TRY(build_layer(builder, layer, x, &x, error));
			dl_builder_leave(builder, before);
		}
	}
	*result = x;
	return DL_OK;
}

DlStatus
dl_builder_inner(DlBuilder *builder, const DlNetwork *network, DlNode x, DlNode *result, DlError *error)
{
	int			number = 0;

	builder->depth++;
	DL_TRY(build_sequence(builder, network, &number, x, result, error));
	builder->depth--;
	return DL_OK;
}

DlStatus
dl_builder_branch(DlBuilder *builder, const DlNetwork *network, int branch, DlNode x, DlNode *result, DlError *error)
{
	size_t		before = dl_builder_enter(builder, "%d", branch);
	char		title[DL_WORD_TEXT];
	Row			row;

	snprintf(title, sizeof(title), "branch %d", branch + 1);
	builder->depth++;
	DL_TRY(begin_row(builder, NULL, title, &row, error));
	DL_TRY(dl_builder_inner(builder, network, x, result, error));
	end_row(builder, &row, *result);
	builder->depth--;
	dl_builder_leave(builder, before);
	return DL_OK;
}

/* The layer of a stage, through presets; fallback where the network has none. */
static const DlLayer *
find_stage(const DlNetwork *network, DlStage stage, const DlLayer *fallback)
{
	for (int i = 0; i < network->count; i++)
	{
		const DlLayer *layer = network->layers[i];

		if (layer->expansion != NULL)
			fallback = find_stage(layer->expansion, stage, fallback);
		else if (layer->definition->stage == stage)
			return layer;
	}
	return fallback;
}

/* --- the whole --- */

static DlStatus
check_inputs(const DlNetworkInputs *inputs, int64_t outputs, DlError *error)
{
	if (inputs->numbers < 0 || inputs->categories < 0 || inputs->numbers + inputs->categories == 0)
		return dl_error_set(error, DL_ERROR_INVALID, "a network needs at least one input column");
	if (inputs->continuous < 0 || inputs->continuous > inputs->numbers)
		return dl_error_set(error, DL_ERROR_INVALID, "%lld of %lld numbers cannot be real numbers",
							(long long) inputs->continuous, (long long) inputs->numbers);
	for (int i = 0; i < inputs->categories; i++)
		if (inputs->levels[i] < 1 || inputs->levels[i] > INT32_MAX)
			return dl_error_set(error, DL_ERROR_INVALID, "category %d must have between 1 and %d levels, got %lld",
								i + 1, INT32_MAX, (long long) inputs->levels[i]);
	if (outputs < 1)
		return dl_error_set(error, DL_ERROR_INVALID, "a network needs at least 1 output, got %lld",
							(long long) outputs);
	return DL_OK;
}

/* The input stage: numbers through periodic(...) or piecewise(...), beside them the embeddings. */
static DlStatus
build_inputs(DlBuilder *builder, const DlNetwork *network, DlNode *result, DlError *error)
{
	const DlNetworkInputs *inputs = builder->inputs;
	DlNetworkNodes *nodes = builder->nodes;
	const DlLayer *of_numbers = find_stage(network, DL_STAGE_NUMBERS, NULL);
	DlLayer		automatic;
	DlNode		x = DL_NO_NODE;

	dl_layer_default("embedding", &automatic);
	if (inputs->numbers > 0)
	{
		DL_TRY(dl_graph_input(builder->graph, "numbers", DL_F32, inputs->numbers, &nodes->numbers, error));
		x = nodes->numbers;
	}
	if (inputs->categories > 0)
		DL_TRY(dl_graph_input(builder->graph, "codes", DL_I32, inputs->categories, &nodes->codes, error));
	if (of_numbers != NULL && inputs->continuous > 0)
		DL_TRY(build_layer(builder, of_numbers, x, &x, error));
	if (inputs->categories > 0)
		DL_TRY(build_layer(builder, find_stage(network, DL_STAGE_CATEGORIES, &automatic), x, &x, error));
	*result = x;
	return DL_OK;
}

static DlStatus
build_network(DlBuilder *builder, const DlNetwork *network, DlError *error)
{
	DlNetworkNodes *nodes = builder->nodes;
	int			number = 0;
	size_t		before;
	DlLayer		output;
	DlNode		x;

	dl_layer_default("output", &output);
	*nodes = (DlNetworkNodes) {DL_NO_NODE, DL_NO_NODE, DL_NO_NODE, DL_NO_NODE, DL_NO_NODE};
	DL_TRY(check_inputs(builder->inputs, builder->outputs, error));
	DL_TRY(build_inputs(builder, network, &x, error));
	before = dl_builder_enter(builder, "layers");
	DL_TRY(build_sequence(builder, network, &number, x, &nodes->hidden, error));
	dl_builder_leave(builder, before);
	before = dl_builder_enter(builder, "output");
	DL_TRY(build_layer(builder, find_stage(network, DL_STAGE_OUTPUT, &output), nodes->hidden, &nodes->output, error));
	dl_builder_leave(builder, before);
	return DL_OK;
}

DlStatus
dl_network_build(const DlNetwork *network, const DlNetworkInputs *inputs, int64_t outputs, DlGraph *graph,
				 DlNetworkNodes *nodes, DlError *error)
{
	DlBuilder	builder = {.graph = graph,.inputs = inputs,.outputs = outputs,.nodes = nodes};
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &builder.scratch, error));
	status = build_network(&builder, network, error);
	dl_arena_destroy(builder.scratch);
	return status;
}

/* A row a layer, counted through presets and blocks, and one a branch. */
static size_t
most_rows(const DlNetwork *network)
{
	size_t		rows = 0;

	for (int i = 0; i < network->count; i++)
	{
		const DlLayer *layer = network->layers[i];

		rows++;
		if (layer->expansion != NULL)
			rows += most_rows(layer->expansion);
		if (layer->values[0].network != NULL)
			rows += most_rows(layer->values[0].network);
		for (int j = 0; j < layer->repeated_count; j++)
			if (layer->repeated[j].network != NULL)
				rows += 1 + most_rows(layer->repeated[j].network);
	}
	return rows;
}

DlStatus
dl_network_summary(const DlNetwork *network, const DlNetworkInputs *inputs, int64_t outputs, DlArena *arena,
				   DlLayerSummary **rows, int *count, DlError *error)
{
	DlNetworkNodes nodes;
	DlBuilder	builder = {.inputs = inputs,.outputs = outputs,.nodes = &nodes,.arena = arena};
	DlStatus	status;

	/* besides the layers: embeddings and output, which may be implicit */
	DL_TRY(dl_arena_calloc(arena, most_rows(network) + 2, sizeof(DlLayerSummary), &builder.rows, error));
	DL_TRY(dl_arena_create(0, &builder.scratch, error));
	status = dl_graph_create(builder.scratch, &builder.graph, error);
	if (status == DL_OK)
		status = build_network(&builder, network, error);
	dl_arena_destroy(builder.scratch);
	*rows = builder.rows;
	*count = builder.row_count;
	return status;
}
