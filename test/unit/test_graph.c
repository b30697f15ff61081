/*
 * test_graph.c
 *    Building graphs: layout, initial values, names, and every shape error
 *    with its message.
 */
#include <stdlib.h>

#include "core/graph.h"
#include "tap.h"

static DlArena *arena;
static DlError error;
static const DlParameterInfo trained = {DL_INIT_NORMAL, 1, 1, 1};

typedef enum Name
{
	X4,							/* x[batch, 4] */
	Y5,							/* y[batch, 5] */
	CODES,						/* codes[batch, 2] */
	ONE,						/* one[batch, 1] */
	W43,						/* w[4, 3] */
	W53,						/* v[5, 3] */
	B3,							/* b[3] */
	B4,							/* c[4] */
	CUBE,						/* cube[4, 2, 3] */
	M42,						/* m[4, 2] */
	NAME_COUNT,
	NONE = -1
} Name;

static DlGraph *graph;
static DlNode nodes[NAME_COUNT];

static void
must(DlStatus status)
{
	if (status != DL_OK)
	{
		ok(false, "unexpected: %s", error.message);
		exit(done_testing());
	}
}

static void
build(void)
{
	must(dl_graph_create(arena, &graph, &error));
	must(dl_graph_input(graph, "x", DL_F32, 4, &nodes[X4], &error));
	must(dl_graph_input(graph, "y", DL_F32, 5, &nodes[Y5], &error));
	must(dl_graph_input(graph, "codes", DL_I32, 2, &nodes[CODES], &error));
	must(dl_graph_input(graph, "one", DL_F32, 1, &nodes[ONE], &error));
	must(dl_graph_parameter(graph, "w", dl_shape_2(4, 3), &trained, &nodes[W43], &error));
	must(dl_graph_parameter(graph, "v", dl_shape_2(5, 3), &trained, &nodes[W53], &error));
	must(dl_graph_parameter(graph, "b", dl_shape_1(3), &trained, &nodes[B3], &error));
	must(dl_graph_parameter(graph, "c", dl_shape_1(4), &trained, &nodes[B4], &error));
	must(dl_graph_parameter(graph, "cube", dl_shape_3(4, 2, 3), &trained, &nodes[CUBE], &error));
	must(dl_graph_parameter(graph, "m", dl_shape_2(4, 2), &trained, &nodes[M42], &error));
}

typedef struct Wrong
{
	DlOp		op;
	int			count;
	Name		inputs[5];
	DlAttributes attributes;
	DlStatus	status;
	const char *message;
} Wrong;

static const Wrong wrong[] = {
	{DL_OP_INPUT, 0, {0}, {0}, DL_ERROR_INVALID, "operator 0 cannot be applied"},
	{DL_OP_COUNT, 0, {0}, {0}, DL_ERROR_INVALID, "operator 20 cannot be applied"},
	{DL_OP_DENSE, 1, {X4}, {0}, DL_ERROR_SHAPE, "dense takes 2 to 3 inputs, got 1"},
	{DL_OP_ADD, 1, {X4}, {0}, DL_ERROR_SHAPE, "add takes 2 inputs, got 1"},
	{DL_OP_CONCAT, 0, {0}, {0}, DL_ERROR_SHAPE, "concat takes at least 1 input, got 0"},
	{DL_OP_DENSE, 2, {X4, W53}, {0}, DL_ERROR_SHAPE,
	"dense: weight has shape [5, 3], expected [4, any] because x has shape [batch, 4]"},
	{DL_OP_DENSE, 2, {X4, B3}, {0}, DL_ERROR_SHAPE,
	"dense: weight has shape [3], expected [4, any] because x has shape [batch, 4]"},
	{DL_OP_DENSE, 3, {X4, W43, B4}, {0}, DL_ERROR_SHAPE,
	"dense: bias has shape [4], expected [3] because weight has shape [4, 3]"},
	{DL_OP_DENSE, 2, {CODES, W43}, {0}, DL_ERROR_SHAPE, "dense: x must be float32, not int32"},
	{DL_OP_DENSE, 2, {W43, W43}, {0}, DL_ERROR_SHAPE, "dense: x has shape [4, 3], expected [batch, n]"},
	{DL_OP_DENSE, 2, {X4, X4}, {0}, DL_ERROR_SHAPE,
	"dense: weight has shape [batch, 4], expected a parameter without batch"},
	{DL_OP_DENSE, 2, {X4, NONE}, {0}, DL_ERROR_INVALID, "dense: weight is node -1, which does not exist"},
	{DL_OP_DENSE, 2, {X4, W43}, {.activation = DL_ACTIVATION_COUNT}, DL_ERROR_INVALID,
	"dense: activation 11 does not exist"},
	{DL_OP_ADD, 2, {X4, Y5}, {0}, DL_ERROR_SHAPE,
	"add: b has shape [batch, 5], expected [batch, 4] because a has shape [batch, 4]"},
	{DL_OP_MULTIPLY, 2, {Y5, X4}, {0}, DL_ERROR_SHAPE,
	"multiply: b has shape [batch, 4], expected [batch, 5] because a has shape [batch, 5]"},
	{DL_OP_SCALE_COLUMNS, 2, {X4, B3}, {0}, DL_ERROR_SHAPE,
	"scale_columns: v has shape [3], expected [4] because x has shape [batch, 4]"},
	{DL_OP_ACTIVATION, 1, {X4}, {.activation = (DlActivation) -1}, DL_ERROR_INVALID,
	"activation: activation -1 does not exist"},
	{DL_OP_PARAMETRIC_ACTIVATION, 2, {X4, B3}, {0}, DL_ERROR_SHAPE,
	"parametric_activation: a has shape [3], expected [4] because x has shape [batch, 4]"},
	{DL_OP_DROPOUT, 1, {X4}, {.p = 1}, DL_ERROR_INVALID, "dropout: p must be from 0 to below 1, got 1"},
	{DL_OP_DROPOUT, 1, {X4}, {.p = NAN}, DL_ERROR_INVALID, "dropout: p must be from 0 to below 1, got nan"},
	{DL_OP_LAYER_NORM, 3, {X4, B3, B4}, {0}, DL_ERROR_SHAPE,
	"layer_norm: gamma has shape [3], expected [4] because x has shape [batch, 4]"},
	{DL_OP_LAYER_NORM, 3, {X4, B4, B4}, {.epsilon = -1}, DL_ERROR_INVALID,
	"layer_norm: epsilon must be from 0 to below 1, got -1"},
	{DL_OP_BATCH_NORM, 5, {X4, B4, B4, B4, B3}, {0}, DL_ERROR_SHAPE,
	"batch_norm: running variance has shape [3], expected [4] because x has shape [batch, 4]"},
	{DL_OP_BATCH_NORM, 5, {X4, B4, B4, B4, B4}, {.momentum = 2}, DL_ERROR_INVALID,
	"batch_norm: momentum must be from 0 to 1, got 2"},
	{DL_OP_EMBEDDING, 2, {X4, W43}, {0}, DL_ERROR_SHAPE, "embedding: codes must be int32, not float32"},
	{DL_OP_EMBEDDING, 2, {CODES, B3}, {0}, DL_ERROR_SHAPE,
	"embedding: table has shape [3], expected [any, any] because codes has shape [batch, 2]"},
	{DL_OP_EMBEDDING, 2, {CODES, W43}, {.column = 2}, DL_ERROR_SHAPE,
	"embedding: column 2 is not among the 2 columns of codes"},
	{DL_OP_PERIODIC, 5, {ONE, M42, M42, CUBE, W43}, {0}, DL_ERROR_SHAPE,
	"periodic: weight has shape [4, 2, 3], expected [1, 2, 3] because x has shape [batch, 1]"},
	{DL_OP_PERIODIC, 5, {X4, W43, M42, CUBE, W43}, {0}, DL_ERROR_SHAPE,
	"periodic: frequency has shape [4, 3], expected [4, 2] because weight has shape [4, 2, 3]"},
	{DL_OP_PERIODIC, 5, {X4, M42, M42, CUBE, M42}, {0}, DL_ERROR_SHAPE,
	"periodic: bias has shape [4, 2], expected [4, 3] because weight has shape [4, 2, 3]"},
	{DL_OP_PIECEWISE, 5, {ONE, W43, CUBE, W43, W43}, {0}, DL_ERROR_SHAPE,
	"piecewise: weight has shape [4, 2, 3], expected [1, 2, 3] because x has shape [batch, 1]"},
	{DL_OP_PIECEWISE, 5, {X4, M42, CUBE, W43, W43}, {0}, DL_ERROR_SHAPE,
	"piecewise: edges has shape [4, 2], expected [4, 3] because weight has shape [4, 2, 3]"},
	{DL_OP_PIECEWISE, 5, {X4, W43, CUBE, M42, W43}, {0}, DL_ERROR_SHAPE,
	"piecewise: linear has shape [4, 2], expected [4, 3] because weight has shape [4, 2, 3]"},
	{DL_OP_PIECEWISE, 5, {X4, W43, CUBE, W43, M42}, {0}, DL_ERROR_SHAPE,
	"piecewise: bias has shape [4, 2], expected [4, 3] because weight has shape [4, 2, 3]"},
	{DL_OP_SLICE, 1, {X4}, {.start = 2,.count = 3}, DL_ERROR_SHAPE,
	"slice: 3 columns from 2 do not fit, expected [batch, 3] within [batch, 4]"},
	{DL_OP_SLICE, 1, {X4}, {.start = INT64_MAX,.count = INT64_MAX}, DL_ERROR_SHAPE, NULL},
	{DL_OP_LOSS_SOFTMAX, 3, {X4, CODES, ONE}, {0}, DL_ERROR_SHAPE,
	"loss_softmax: target has shape [batch, 2], expected [batch, 1] because logits has shape [batch, 4]"},
	{DL_OP_LOSS_POINT, 3, {X4, Y5, ONE}, {0}, DL_ERROR_SHAPE,
	"loss_point: target has shape [batch, 5], expected [batch, 4] because x has shape [batch, 4]"},
	{DL_OP_LOSS_POINT, 3, {X4, X4, Y5}, {0}, DL_ERROR_SHAPE,
	"loss_point: weight has shape [batch, 5], expected [batch, 1] because x has shape [batch, 4]"},
	{DL_OP_LOSS_POINT, 3, {X4, X4, ONE}, {.loss = DL_LOSS_HUBER}, DL_ERROR_INVALID,
	"loss_point: delta of huber must be above 0, got 0"},
	{DL_OP_LOSS_POINT, 3, {X4, X4, ONE}, {.loss = DL_LOSS_QUANTILE,.parameter = 1}, DL_ERROR_INVALID,
	"loss_point: quantile must be between 0 and 1, got 1"},
	{DL_OP_LOSS_POINT, 3, {X4, X4, ONE}, {.loss = (DlPointLoss) 77}, DL_ERROR_INVALID, "loss_point: loss 77 does not exist"},
};

static void
test_errors(void)
{
	for (int i = 0; i < (int) (sizeof(wrong) / sizeof(wrong[0])); i++)
	{
		const Wrong *w = &wrong[i];
		DlNode		inputs[5];
		DlNode		result;
		int			before = dl_graph_node_count(graph);

		for (int k = 0; k < w->count; k++)
			inputs[k] = w->inputs[k] == NONE ? DL_NO_NODE : nodes[w->inputs[k]];
		dl_error_reset(&error);
		ok(dl_graph_apply(graph, w->op, inputs, w->count, &w->attributes, &result, &error) == w->status &&
		   error.status == w->status && dl_graph_node_count(graph) == before, "%s is refused", dl_op_name(w->op));
		if (w->message != NULL)
			is_text(error.message, w->message, "its message");
	}
}

static void
test_names_and_shapes(void)
{
	DlNode		node;

	ok(dl_graph_parameter(graph, "w", dl_shape_1(1), &trained, &node, &error) == DL_ERROR_INVALID, "a name twice");
	is_text(error.message, "the name \"w\" is already taken by a parameter", "its message");
	ok(dl_graph_input(graph, "x", DL_F32, 1, &node, &error) == DL_ERROR_INVALID, "an input's name twice");
	is_text(error.message, "the name \"x\" is already taken by an input", "its message");
	ok(dl_graph_input(graph, "z", DL_F64, 1, &node, &error) == DL_ERROR_INVALID, "an input of float64");
	ok(dl_graph_input(graph, "z", DL_F32, 0, &node, &error) == DL_ERROR_SHAPE, "an input without columns");
	ok(dl_graph_parameter(graph, "z", dl_shape_2(3, 0), &trained, &node, &error) == DL_ERROR_SHAPE, "an empty parameter");
	is_text(error.message, "parameter \"z\" of shape [3, 0] has an empty dimension", "its message");
	ok(dl_graph_parameter(graph, "z", dl_shape_2(DL_BATCH, 2), &trained, &node, &error) == DL_ERROR_SHAPE,
	   "a parameter with a batch");
	ok(dl_graph_parameter(graph, "z", (DlShape) {0, {0}}, &trained, &node, &error) == DL_ERROR_SHAPE, "a parameter of rank 0");
	ok(dl_graph_parameter(graph, "z", (DlShape) {5, {1, 1, 1, 1}}, &trained, &node, &error) == DL_ERROR_SHAPE,
	   "a parameter of rank 5");
	ok(dl_graph_parameter(graph, "z", dl_shape_2(INT64_MAX / 2, 4), &trained, &node, &error) == DL_ERROR_LIMIT,
	   "a parameter whose size wraps");
	ok(dl_graph_parameter(graph, "z", dl_shape_2(INT64_MAX / 2, 2), &trained, &node, &error) == DL_ERROR_LIMIT,
	   "a parameter whose bytes wrap");
}

static void
test_layout(void)
{
	DlShape		shape;
	int64_t		end = 0;

	ok(dl_graph_parameter_count(graph) == 6, "six parameters");
	is_text(dl_graph_parameter_name(graph, 4), "cube", "a parameter's name");
	shape = dl_graph_parameter_shape(graph, 4);
	ok(shape.rank == 3 && shape.dims[0] == 4 && shape.dims[1] == 2 && shape.dims[2] == 3, "a parameter's shape");
	ok(dl_graph_parameter_elements(graph, 4) == 24, "a parameter's elements");
	for (int i = 0; i < dl_graph_parameter_count(graph); i++)
	{
		ok(dl_graph_parameter_offset(graph, i) % 16 == 0 && dl_graph_parameter_offset(graph, i) >= end,
		   "offset of \"%s\"", dl_graph_parameter_name(graph, i));
		end = dl_graph_parameter_offset(graph, i) + dl_graph_parameter_elements(graph, i);
	}
	ok(dl_graph_vector_length(graph) == 112, "the vector is padded");
}

static void
test_initialise(void)
{
	DlGraph    *g;
	DlNode		node;
	DlParameterInfo infos[3] = {{DL_INIT_CONSTANT, 2.5, 1, 0}, {DL_INIT_NORMAL, 0.5, 1, 0}, {DL_INIT_UNIFORM, 3, 0.5, 0}};
	float	   *vector;
	float	   *again;
	DlRandom	random;
	double		squares = 0;
	float		largest = 0;

	must(dl_graph_create(arena, &g, &error));
	must(dl_graph_parameter(g, "constant", dl_shape_1(5), &infos[0], &node, &error));
	must(dl_graph_parameter(g, "normal", dl_shape_2(50, 200), &infos[1], &node, &error));
	must(dl_graph_parameter(g, "uniform", dl_shape_1(10001), &infos[2], &node, &error));
	must(dl_arena_calloc(arena, (size_t) dl_graph_vector_length(g), sizeof(float), &vector, &error));
	must(dl_arena_calloc(arena, (size_t) dl_graph_vector_length(g), sizeof(float), &again, &error));
	memset(vector, 0x7f, (size_t) dl_graph_vector_length(g) * sizeof(float));
	dl_random_seed(&random, 1, 0);
	dl_graph_initialise(g, &random, vector);
	dl_random_seed(&random, 1, 0);
	dl_graph_initialise(g, &random, again);
	ok(memcmp(vector, again, (size_t) dl_graph_vector_length(g) * sizeof(float)) == 0, "one seed, one vector");
	ok(vector[0] == 2.5f && vector[4] == 2.5f && vector[5] == 0 && vector[15] == 0, "constant, and padding of 0");
	for (int i = 0; i < 10000; i++)
		squares += (double) vector[16 + i] * vector[16 + i];
	is_close(sqrt(squares / 10000), 0.5, 0.02, "deviation of the normal values");
	for (int i = 0; i < 10001; i++)
		largest = fmaxf(largest, fabsf(vector[dl_graph_parameter_offset(g, 2) + i]));
	ok(largest <= 3 && largest > 2.99f, "range of the uniform values");
	ok(dl_graph_parameter_info(g, 2)->rate == 0.5, "the rate is kept");
}

static void
test_properties(void)
{
	DlNode		node;
	DlShape		shape;

	ok(!dl_graph_couples_rows(graph), "rows are independent");
	must(dl_graph_apply(graph, DL_OP_DENSE, (DlNode[]) {nodes[X4], nodes[W43], nodes[B3]}, 3, NULL, &node, &error));
	shape = dl_graph_shape(graph, node);
	ok(shape.rank == 2 && shape.dims[0] == DL_BATCH && shape.dims[1] == 3, "the shape of a dense layer");
	ok(dl_graph_op(graph, node) == DL_OP_DENSE, "its operator");
	ok(dl_graph_multiply_adds(graph) == 12, "its multiply-adds");
	must(dl_graph_apply(graph, DL_OP_PERIODIC, (DlNode[]) {nodes[X4], nodes[M42], nodes[M42], nodes[CUBE], nodes[W43]}, 5,
						NULL, &node, &error));
	ok(dl_graph_shape(graph, node).dims[1] == 16, "the columns of a periodic embedding");
	must(dl_graph_apply(graph, DL_OP_PIECEWISE, (DlNode[]) {nodes[X4], nodes[W43], nodes[CUBE], nodes[W43], nodes[W43]},
						5, NULL, &node, &error));
	ok(dl_graph_shape(graph, node).dims[1] == 12, "the columns of a piecewise embedding");
	must(dl_graph_apply(graph, DL_OP_CONCAT, (DlNode[]) {nodes[X4], node, nodes[Y5]}, 3, NULL, &node, &error));
	ok(dl_graph_shape(graph, node).dims[1] == 21, "the columns of concat");
	must(dl_graph_apply(graph, DL_OP_BATCH_NORM, (DlNode[]) {nodes[X4], nodes[B4], nodes[B4], nodes[B4], nodes[B4]}, 5,
						NULL, &node, &error));
	ok(dl_graph_couples_rows(graph), "batch normalisation couples rows");
	is_text(dl_op_name(DL_OP_LOSS_POINT), "loss_point", "name of the last operator");
	is_text(dl_op_name(DL_OP_COUNT), "unknown", "name of none");
}

/* Arrays grow; nodes stay what they were. */
static void
test_many(void)
{
	DlGraph    *g;
	DlNode		node;
	bool		right = true;

	must(dl_graph_create(arena, &g, &error));
	for (int i = 0; i < 300; i++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "p%d", i);
		must(dl_graph_parameter(g, name, dl_shape_1(1 + i), &trained, &node, &error));
	}
	for (int i = 0; i < 300; i++)
		right = right && dl_graph_parameter_elements(g, i) == 1 + i && dl_graph_shape(g, i).dims[0] == 1 + i;
	ok(right, "300 parameters");
}

static void
test_budget(void)
{
	DlArena    *small;
	DlGraph    *g;
	DlNode		node;
	DlStatus	status = DL_OK;

	must(dl_arena_create(20000, &small, &error));
	must(dl_graph_create(small, &g, &error));
	for (int i = 0; i < 1000 && status == DL_OK; i++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "p%d", i);
		status = dl_graph_parameter(g, name, dl_shape_1(1), &trained, &node, &error);
	}
	ok(status == DL_ERROR_MEMORY, "a graph over its budget is refused");
	dl_arena_destroy(small);
}

static void
test_activation_names(void)
{
	DlActivation found;

	for (int i = 0; i < DL_ACTIVATION_COUNT; i++)
	{
		const char *name = dl_activation_name((DlActivation) i);

		ok(dl_activation_by_name(name, strlen(name), &found) && (int) found == i, "activation %s by name", name);
	}
	ok(!dl_activation_by_name("rel", 3, &found) && !dl_activation_by_name("relux", 5, &found), "no activation by part of a name");
	ok(dl_activation_by_name("relux", 4, &found) && found == DL_ACTIVATION_RELU, "the length counts");
	ok(dl_activation_from_output(DL_ACTIVATION_TANH) && !dl_activation_from_output(DL_ACTIVATION_GELU), "from output");
	is_text(dl_activation_name(DL_ACTIVATION_COUNT), "unknown", "no name beyond the last");
}

int
main(void)
{
	must(dl_arena_create(0, &arena, &error));
	build();
	test_errors();
	test_names_and_shapes();
	test_layout();
	test_initialise();
	test_properties();
	test_many();
	test_budget();
	test_activation_names();
	dl_arena_destroy(arena);
	return done_testing();
}
