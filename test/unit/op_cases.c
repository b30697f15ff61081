/*
 * op_cases.c
 *    See op_cases.h.
 *
 * Values that need a gradient come out of an embedding whose codes number the
 * rows: then they are parameters, and their gradients lie in the vector of
 * gradients.
 */
#include "op_cases.h"

#include <stdio.h>
#include <string.h>

#define VALUES(n) {OP_INPUT_VALUES, 2, {n}}
#define TARGETS(n) {OP_INPUT_TARGETS, 2, {n}}
#define WEIGHTS {OP_INPUT_WEIGHTS, 2, {1}}
#define CODES(n, levels) {OP_INPUT_CODES, 2, {n, levels}}
#define VECTOR(n) {OP_INPUT_PARAMETER, 1, {n}}
#define MATRIX(n, m) {OP_INPUT_PARAMETER, 2, {n, m}}
#define CUBE(n, m, k) {OP_INPUT_PARAMETER, 3, {n, m, k}}
#define STATE(n, m) {OP_INPUT_MEAN, 2, {n, m}}
#define MEAN(n) {OP_INPUT_MEAN, 1, {n}}
#define VARIANCE(n) {OP_INPUT_VARIANCE, 1, {n}}
#define EDGES(n, m) {OP_INPUT_EDGES, 2, {n, m}}

#define DENSE(f) \
	{DL_OP_DENSE, "dense " #f, {VALUES(SIZE_N), MATRIX(SIZE_N, SIZE_M), VECTOR(SIZE_M)}, \
	 {.activation = DL_ACTIVATION_##f}, 1e-5}
#define ACTIVATION(f) \
	{DL_OP_ACTIVATION, "activation " #f, {VALUES(SIZE_N)}, {.activation = DL_ACTIVATION_##f}, 3e-6}
#define PARAMETRIC(f) \
	{DL_OP_PARAMETRIC_ACTIVATION, "parametric_activation " #f, {VALUES(SIZE_N), VECTOR(SIZE_N)}, \
	 {.activation = DL_ACTIVATION_##f}, 1e-5}
#define POINT(name_, kind, parameter_) \
	{DL_OP_LOSS_POINT, "loss_point " name_, {VALUES(SIZE_N), TARGETS(SIZE_N), WEIGHTS}, \
	 {.loss = kind,.parameter = parameter_}, 1e-5}

const OpCase op_cases[] = {
	{DL_OP_INPUT, "input", {VALUES(SIZE_N)}, {0}, 1e-6},
	{DL_OP_PARAMETER, "parameter", {VALUES(SIZE_N)}, {0}, 1e-6},
	DENSE(IDENTITY), DENSE(RELU), DENSE(LEAKY_RELU), DENSE(ELU), DENSE(SELU), DENSE(GELU), DENSE(SILU), DENSE(MISH),
	DENSE(TANH), DENSE(SIGMOID), DENSE(SOFTPLUS),
	{DL_OP_DENSE, "dense without bias", {VALUES(SIZE_N), MATRIX(SIZE_N, SIZE_M)}, {.activation = DL_ACTIVATION_TANH}, 1e-5},
	{DL_OP_ADD, "add", {VALUES(SIZE_N), VALUES(SIZE_N)}, {0}, 1e-6},
	{DL_OP_MULTIPLY, "multiply", {VALUES(SIZE_N), VALUES(SIZE_N)}, {0}, 1e-6},
	{DL_OP_SCALE_COLUMNS, "scale_columns", {VALUES(SIZE_N), VECTOR(SIZE_N)}, {0}, 1e-5},
	ACTIVATION(IDENTITY), ACTIVATION(RELU), ACTIVATION(LEAKY_RELU), ACTIVATION(ELU), ACTIVATION(SELU),
	ACTIVATION(GELU), ACTIVATION(SILU), ACTIVATION(MISH), ACTIVATION(TANH), ACTIVATION(SIGMOID), ACTIVATION(SOFTPLUS),
	PARAMETRIC(RELU), PARAMETRIC(SELU), PARAMETRIC(MISH), PARAMETRIC(TANH),
	{DL_OP_DROPOUT, "dropout", {VALUES(SIZE_N)}, {.p = 0.3}, 1e-6},
	{DL_OP_DROPOUT, "dropout of nothing", {VALUES(SIZE_N)}, {.p = 0}, 1e-6},
	{DL_OP_LAYER_NORM, "layer_norm", {VALUES(SIZE_N), VECTOR(SIZE_N), VECTOR(SIZE_N)}, {.epsilon = 1e-3}, 1e-5},
	{DL_OP_BATCH_NORM, "batch_norm",
		{VALUES(SIZE_N), VECTOR(SIZE_N), VECTOR(SIZE_N), MEAN(SIZE_N), VARIANCE(SIZE_N)},
		{.epsilon = 1e-3,.momentum = 0.1}, 1e-5},
	{DL_OP_EMBEDDING, "embedding", {CODES(3, SIZE_M), MATRIX(SIZE_M, SIZE_N)}, {.column = 1}, 1e-5},
	{DL_OP_PERIODIC, "periodic",
		{VALUES(SIZE_N), MATRIX(SIZE_N, 4), MATRIX(SIZE_N, 4), CUBE(SIZE_N, 4, 3), MATRIX(SIZE_N, 3)}, {0}, 2e-5},
	{DL_OP_PERIODIC, "periodic with columns passed on",
		{VALUES(SIZE_N_PLUS_2), MATRIX(SIZE_N, 5), MATRIX(SIZE_N, 5), CUBE(SIZE_N, 5, 2), MATRIX(SIZE_N, 2)}, {0}, 2e-5},
	{DL_OP_PIECEWISE, "piecewise",
		{VALUES(SIZE_N), EDGES(SIZE_N, 7), CUBE(SIZE_N, 6, 3), MATRIX(SIZE_N, 3), MATRIX(SIZE_N, 3)}, {0}, 1e-5},
	{DL_OP_PIECEWISE, "piecewise of one bin",
		{VALUES(SIZE_N), EDGES(SIZE_N, 2), CUBE(SIZE_N, 1, 1), MATRIX(SIZE_N, 1), MATRIX(SIZE_N, 1)}, {0}, 1e-5},
	{DL_OP_PIECEWISE, "piecewise with columns passed on",
		{VALUES(SIZE_N_PLUS_2), EDGES(SIZE_N, 25), CUBE(SIZE_N, 24, 19), MATRIX(SIZE_N, 19), MATRIX(SIZE_N, 19)}, {0}, 2e-5},
	{DL_OP_NEIGHBOURS, "neighbours",
		{VALUES(SIZE_N), TARGETS(2), STATE(SIZE_N, 9), MEAN(9), STATE(9, 2)}, {0}, 2e-5},
	{DL_OP_NEIGHBOURS, "neighbours with one value",
		{VALUES(3), TARGETS(1), STATE(3, SIZE_M), MEAN(SIZE_M), STATE(SIZE_M, 1)}, {0}, 2e-5},
	{DL_OP_CONCAT, "concat", {VALUES(SIZE_N), VALUES(SIZE_M), VALUES(2)}, {0}, 1e-6},
	{DL_OP_SLICE, "slice", {VALUES(SIZE_N_PLUS_2)}, {.start = 1,.count = 2}, 1e-6},
	{DL_OP_SOFTMAX, "softmax", {VALUES(SIZE_N)}, {0}, 1e-5},
	{DL_OP_LOSS_SOFTMAX, "loss_softmax", {VALUES(SIZE_N), CODES(1, SIZE_N), WEIGHTS}, {0}, 1e-5},
	{DL_OP_LOSS_SOFTMAX, "loss_softmax smoothed", {VALUES(SIZE_N), CODES(1, SIZE_N), WEIGHTS}, {.smoothing = 0.1}, 1e-5},
	POINT("mse", DL_LOSS_MSE, 0), POINT("mae", DL_LOSS_MAE, 0), POINT("huber", DL_LOSS_HUBER, 0.7),
	POINT("quantile", DL_LOSS_QUANTILE, 0.8), POINT("bce", DL_LOSS_BCE, 0), POINT("bce smoothed", DL_LOSS_BCE, 0.1),
};

const int	op_case_count = sizeof(op_cases) / sizeof(op_cases[0]);

static const char *const variant_names[] = {"once", "twice", "constant values", "constant parameters"};

_Static_assert(sizeof(variant_names) / sizeof(variant_names[0]) == OP_VARIANT_COUNT, "one name for each variant");

const char *
op_variant_name(OpVariant variant)
{
	return variant_names[variant];
}

static int64_t
dimension(int dim, OpSizes sizes)
{
	switch (dim)
	{
		case SIZE_N:
			return sizes.n;
		case SIZE_M:
			return sizes.m;
		case SIZE_N_PLUS_2:
			return sizes.n + 2;
		default:
			return dim;
	}
}

/* Names of inputs say how to fill them: kind, levels. */
static DlStatus
add_input(OpGraph *g, OpVariant variant, int index, DlNode row_codes, DlNode *result, DlError *error)
{
	const OpInput *input = &g->op_case->inputs[index];
	int64_t		columns = dimension(input->dims[0], g->sizes);
	DlParameterInfo info = {DL_INIT_NORMAL, 0.8, variant == OP_VARIANT_CONSTANT_PARAMETERS ? 0 : 1, 0};
	DlShape		shape = {input->rank, {0}};
	char		name[32];

	for (int i = 0; i < input->rank && i < 3; i++)
		shape.dims[i] = dimension(input->dims[i], g->sizes);
	snprintf(name, sizeof(name), "i%d", index);
	switch (input->kind)
	{
		case OP_INPUT_TARGETS:
		case OP_INPUT_WEIGHTS:
			return dl_graph_input(g->graph, name, DL_F32, columns, result, error);
		case OP_INPUT_CODES:
			return dl_graph_input(g->graph, name, DL_I32, columns, result, error);
		case OP_INPUT_VALUES:
			info.rate = variant == OP_VARIANT_CONSTANT_VALUES ? 0 : 1;
			info.value = 1;
			DL_TRY(dl_graph_parameter(g->graph, name, dl_shape_2(g->sizes.rows, columns), &info, result, error));
			return dl_graph_apply(g->graph, DL_OP_EMBEDDING, (DlNode[]) {row_codes, *result}, 2, NULL, result, error);
		case OP_INPUT_MEAN:
		case OP_INPUT_EDGES:
			info.rate = 0;
			break;
		case OP_INPUT_VARIANCE:
			info = (DlParameterInfo) {DL_INIT_CONSTANT, 0.7, 0, 0};
			break;
		case OP_INPUT_PARAMETER:
		case OP_INPUT_NONE:
			break;
	}
	return dl_graph_parameter(g->graph, name, shape, &info, result, error);
}

DlStatus
op_graph_build(DlArena *arena, const OpCase *op_case, OpSizes sizes, OpVariant variant, OpGraph *g, DlError *error)
{
	DlNode		inputs[OP_CASE_INPUTS];
	DlNode		row_codes;
	DlNode		target;
	DlNode		weight;
	int			count = 0;

	g->op_case = op_case;
	g->sizes = sizes;
	DL_TRY(dl_graph_create(arena, &g->graph, error));
	DL_TRY(dl_graph_input(g->graph, "rows", DL_I32, 1, &row_codes, error));
	for (; count < OP_CASE_INPUTS && op_case->inputs[count].kind != OP_INPUT_NONE; count++)
		DL_TRY(add_input(g, variant, count, row_codes, &inputs[count], error));

	g->result = inputs[0];
	if (op_case->op != DL_OP_INPUT && op_case->op != DL_OP_PARAMETER)
		DL_TRY(dl_graph_apply(g->graph, op_case->op, inputs, count, &op_case->attributes, &g->result, error));
	if (variant == OP_VARIANT_TWICE)
	{
		DlNode		second = inputs[0];

		if (op_case->op != DL_OP_INPUT && op_case->op != DL_OP_PARAMETER)
			DL_TRY(dl_graph_apply(g->graph, op_case->op, inputs, count, &op_case->attributes, &second, error));
		DL_TRY(dl_graph_apply(g->graph, DL_OP_ADD, (DlNode[]) {g->result, second}, 2, NULL, &g->result, error));
	}
	g->loss = g->result;
	if (op_case->op == DL_OP_LOSS_SOFTMAX || op_case->op == DL_OP_LOSS_POINT)
		return DL_OK;
	DL_TRY(dl_graph_input(g->graph, "target", DL_F32, dl_graph_shape(g->graph, g->result).dims[1], &target, error));
	DL_TRY(dl_graph_input(g->graph, "weight", DL_F32, 1, &weight, error));
	return dl_graph_apply(g->graph, DL_OP_LOSS_POINT, (DlNode[]) {g->result, target, weight}, 3,
						  &(DlAttributes) {.loss = DL_LOSS_MSE}, &g->loss, error);
}

double
op_real(const DlBackend *backend, const void *array, int64_t index)
{
	return backend->real == DL_F64 ? ((const double *) array)[index] : ((const float *) array)[index];
}

static void
set_real(const DlBackend *backend, void *array, int64_t index, float value)
{
	if (backend->real == DL_F64)
		((double *) array)[index] = value;
	else
		((float *) array)[index] = value;
}

void
op_graph_fill(const OpGraph *g, const DlBackend *backend, DlPlan *plan)
{
	DlRandom	random;
	bool		row_codes = true;
	int			next = 0;		/* of the case's inputs */

	dl_random_seed(&random, 7, 1);
	for (DlNode node = 0; node < dl_graph_node_count(g->graph); node++)
	{
		int64_t		columns = dl_graph_shape(g->graph, node).dims[1];
		void	   *data;
		OpInput		input = {OP_INPUT_TARGETS, 2, {0}};

		if (dl_graph_op(g->graph, node) != DL_OP_INPUT)
			continue;
		data = dl_plan_data(plan, node);
		if (row_codes)
		{
			for (int64_t r = 0; r < g->sizes.rows; r++)
				((int32_t *) data)[r] = (int32_t) r;
			row_codes = false;
			continue;
		}
		while (next < OP_CASE_INPUTS && g->op_case->inputs[next].kind != OP_INPUT_CODES &&
			   g->op_case->inputs[next].kind != OP_INPUT_TARGETS && g->op_case->inputs[next].kind != OP_INPUT_WEIGHTS)
			next++;
		if (next < OP_CASE_INPUTS)
			input = g->op_case->inputs[next++];
		for (int64_t i = 0; i < g->sizes.rows * columns; i++)
			if (input.kind == OP_INPUT_CODES)
				((int32_t *) data)[i] = (int32_t) dl_random_below(&random, (uint64_t) dimension(input.dims[1], g->sizes));
			else
				set_real(backend, data, i, (float) (0.1 + 0.8 * dl_random_uniform(&random)));
	}
}

/* Edges from about -1.5 to 1.5; every third column has fewer bins, and of four the last none. */
static void
set_edges(const OpGraph *g, float *vector)
{
	for (int p = 0; p < dl_graph_parameter_count(g->graph); p++)
	{
		const char *name = dl_graph_parameter_name(g->graph, p);
		DlShape		shape = dl_graph_parameter_shape(g->graph, p);
		float	   *edges = vector + dl_graph_parameter_offset(g->graph, p);
		int			input = name[1] - '0';	/* names are i0, i1, ... */

		if (g->op_case->inputs[input].kind != OP_INPUT_EDGES)
			continue;
		for (int64_t column = 0; column < shape.dims[0]; column++)
			for (int64_t t = 0; t < shape.dims[1]; t++)
			{
				int64_t		last = column % 4 == 3 ? 0 : column % 3 == 1 ? shape.dims[1] / 2 : shape.dims[1] - 1;
				double		place = (double) (t < last ? t : last) / (double) (shape.dims[1] - 1);

				*edges++ = (float) (3 * place * (0.6 + 0.4 * place) - 1.5 + 0.01 * (double) (column % 5));
			}
	}
}

DlStatus
op_graph_parameters(DlArena *arena, const OpGraph *g, const DlBackend *backend, void **result, DlError *error)
{
	int64_t		length = dl_graph_vector_length(g->graph);
	float	   *vector;
	DlRandom	random;

	DL_TRY(dl_arena_calloc(arena, (size_t) length, sizeof(float), &vector, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) length, dl_dtype_size(backend->real), result, error));
	dl_random_seed(&random, 7, 2);
	dl_graph_initialise(g->graph, &random, vector);
	set_edges(g, vector);
	for (int64_t i = 0; i < length; i++)
		set_real(backend, *result, i, vector[i]);
	return DL_OK;
}
