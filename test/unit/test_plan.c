/*
 * test_plan.c
 *    Plans: memory is shared and results do not suffer from it, partial
 *    batches, cancelling, what is computed, and misuse.
 */
#include <stdlib.h>

#include "core/plan_layout.h"
#include "tap.h"

#define ROWS 6

static DlArena *arena;
static DlError error;

static void
must(DlStatus status)
{
	if (status != DL_OK)
	{
		ok(false, "unexpected: %s", error.message);
		exit(done_testing());
	}
}

static DlNode
apply(DlGraph *graph, DlOp op, const DlNode *inputs, int count, const DlAttributes *attributes)
{
	DlNode		node = DL_NO_NODE;

	must(dl_graph_apply(graph, op, inputs, count, attributes, &node, &error));
	return node;
}

static DlNode
parameter(DlGraph *graph, DlShape shape, double rate)
{
	DlNode		node;
	char		name[32];

	snprintf(name, sizeof(name), "p%d", dl_graph_node_count(graph));
	must(dl_graph_parameter(graph, name, shape, &(DlParameterInfo) {DL_INIT_NORMAL, 0.5, rate, 0}, &node, &error));
	return node;
}

static DlNode
dense(DlGraph *graph, DlNode x, int64_t out, DlActivation activation)
{
	DlNode		weight = parameter(graph, dl_shape_2(dl_graph_shape(graph, x).dims[1], out), 1);
	DlNode		bias = parameter(graph, dl_shape_1(out), 1);

	return apply(graph, DL_OP_DENSE, (DlNode[]) {x, weight, bias}, 3, &(DlAttributes) {.activation = activation});
}

/* Mean squared error against inputs "target" and "weight". */
static DlNode
loss_of(DlGraph *graph, DlNode x)
{
	DlNode		target;
	DlNode		weight;

	must(dl_graph_input(graph, "target", DL_F32, dl_graph_shape(graph, x).dims[1], &target, &error));
	must(dl_graph_input(graph, "weight", DL_F32, 1, &weight, &error));
	return apply(graph, DL_OP_LOSS_POINT, (DlNode[]) {x, target, weight}, 3, &(DlAttributes) {.loss = DL_LOSS_MSE});
}

static DlPlan *
plan_of(const DlGraph *graph, DlPlanKind kind, int64_t capacity, const DlNode *outputs, int count)
{
	DlPlan	   *plan;

	must(dl_plan_create(arena, graph, dl_backend_reference_f64(), kind, capacity, outputs, count, &plan, &error));
	return plan;
}

/* The same numbers in every plan of a graph. */
static void
fill_inputs(const DlGraph *graph, DlPlan *plan, int64_t rows)
{
	for (DlNode i = 0; i < dl_graph_node_count(graph); i++)
	{
		DlRandom	random;
		double	   *data;

		if (dl_graph_op(graph, i) != DL_OP_INPUT)
			continue;
		dl_random_seed(&random, 1, (uint64_t) i);
		data = dl_plan_data(plan, i);
		for (int64_t k = 0; k < rows * dl_graph_shape(graph, i).dims[1]; k++)
			data[k] = 0.2 + dl_random_uniform(&random);
	}
}

static double *
vector_of(const DlGraph *graph, bool initialised)
{
	int64_t		length = dl_graph_vector_length(graph);
	double	   *vector;
	float	   *initial;
	DlRandom	random;

	must(dl_arena_calloc(arena, (size_t) length, sizeof(double), &vector, &error));
	must(dl_arena_calloc(arena, (size_t) length, sizeof(float), &initial, &error));
	dl_random_seed(&random, 2, 0);
	dl_graph_initialise(graph, &random, initial);
	for (int64_t i = 0; i < length; i++)
		vector[i] = initialised ? initial[i] : NAN;
	return vector;
}

static void
test_reuse(void)
{
	DlGraph    *graph;
	DlNode		x;
	DlNode		node;
	size_t		layer = 64 * 32 * sizeof(double);

	must(dl_graph_create(arena, &graph, &error));
	must(dl_graph_input(graph, "x", DL_F32, 32, &x, &error));
	node = x;
	for (int i = 0; i < 10; i++)
		node = dense(graph, node, 32, DL_ACTIVATION_TANH);
	ok(dl_plan_bytes(plan_of(graph, DL_PLAN_INFERENCE, 64, &node, 1)) == 3 * layer,
	   "ten layers need the input, and two values in turn");

	must(dl_graph_create(arena, &graph, &error));
	must(dl_graph_input(graph, "x", DL_F32, 32, &x, &error));
	node = dense(graph, x, 32, DL_ACTIVATION_IDENTITY);
	for (int i = 0; i < 10; i++)
		node = apply(graph, DL_OP_ACTIVATION, &node, 1, &(DlAttributes) {.activation = DL_ACTIVATION_TANH});
	ok(dl_plan_bytes(plan_of(graph, DL_PLAN_INFERENCE, 64, &node, 1)) == 2 * layer, "ten activations run in place");
	node = loss_of(graph, apply(graph, DL_OP_SLICE, &node, 1, &(DlAttributes) {.count = 1}));
	ok(dl_plan_bytes(plan_of(graph, DL_PLAN_TRAINING, 64, &node, 1)) < 14 * layer,
	   "training keeps ten values, and their gradients share memory");
}

/* Random intervals: those alive at the same time never overlap. */
static void
test_place(void)
{
	DlPlanBuffer buffers[60];
	DlRandom	random;
	bool		apart = true;
	bool		inside = true;
	size_t		bytes;

	dl_random_seed(&random, 9, 0);
	for (int round = 0; round < 50; round++)
	{
		for (int i = 0; i < 60; i++)
		{
			buffers[i].first = (int) dl_random_below(&random, 100);
			buffers[i].last = buffers[i].first + (int) dl_random_below(&random, 30);
			buffers[i].bytes = 64 * (1 + (size_t) dl_random_below(&random, 20));
		}
		must(dl_plan_place(arena, buffers, 60, &bytes, &error));
		for (int i = 0; i < 60; i++)
		{
			inside = inside && buffers[i].offset + buffers[i].bytes <= bytes;
			for (int j = 0; j < i; j++)
				if (buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last &&
					buffers[i].offset < buffers[j].offset + buffers[j].bytes &&
					buffers[j].offset < buffers[i].offset + buffers[i].bytes)
					apart = false;
		}
	}
	ok(apart, "buffers alive at the same time do not overlap");
	ok(inside, "all lie within the block");
}

/* A random graph over values of four columns: any node may be read by any later one. */
static DlNode
random_graph(DlGraph *graph, DlRandom *random)
{
	static const DlActivation smooth[] = {DL_ACTIVATION_TANH, DL_ACTIVATION_SILU, DL_ACTIVATION_SIGMOID, DL_ACTIVATION_GELU};
	DlNode		values[40];
	DlNode		shared = parameter(graph, dl_shape_2(4, 4), 1);
	int			count = 1;
	DlNode		sum;

	must(dl_graph_input(graph, "x", DL_F32, 4, &values[0], &error));
	while (count < 25)
	{
		DlNode		a = values[dl_random_below(random, 3) == 0 ? (int) dl_random_below(random, (uint64_t) count) : count - 1];
		DlNode		b = values[dl_random_below(random, (uint64_t) count)];
		DlAttributes attributes = {.activation = smooth[dl_random_below(random, 4)],.p = 0.2,.epsilon = 0.1,.start = 2,.count = 4};
		DlNode	   *v = &values[count++];

		switch (dl_random_below(random, 11))
		{
			case 0:
				*v = dense(graph, a, 4, attributes.activation);
				break;
			case 1:
				*v = apply(graph, DL_OP_DENSE, (DlNode[]) {a, shared}, 2, &attributes);
				break;
			case 2:
			case 3:
				*v = apply(graph, DL_OP_ADD, (DlNode[]) {a, b}, 2, NULL);
				break;
			case 4:
				*v = apply(graph, DL_OP_MULTIPLY, (DlNode[]) {a, b}, 2, NULL);
				*v = apply(graph, DL_OP_ACTIVATION, v, 1, &(DlAttributes) {.activation = DL_ACTIVATION_TANH});
				break;
			case 5:
				*v = apply(graph, DL_OP_ACTIVATION, &a, 1, &attributes);
				break;
			case 6:
				*v = apply(graph, DL_OP_SCALE_COLUMNS, (DlNode[]) {a, parameter(graph, dl_shape_1(4), 1)}, 2, NULL);
				break;
			case 7:
				*v = apply(graph, DL_OP_DROPOUT, &a, 1, &attributes);
				break;
			case 8:
				*v = apply(graph, DL_OP_CONCAT, (DlNode[]) {a, b}, 2, NULL);
				*v = apply(graph, DL_OP_SLICE, v, 1, &attributes);
				break;
			case 9:
				*v = apply(graph, DL_OP_LAYER_NORM,
						   (DlNode[]) {a, parameter(graph, dl_shape_1(4), 1), parameter(graph, dl_shape_1(4), 0)}, 3, &attributes);
				break;
			default:
				*v = apply(graph, DL_OP_PARAMETRIC_ACTIVATION, (DlNode[]) {a, parameter(graph, dl_shape_1(4), 1)}, 2, &attributes);
				break;
		}
	}
	sum = dense(graph, values[count - 1], 2, DL_ACTIVATION_TANH);
	sum = apply(graph, DL_OP_CONCAT, (DlNode[]) {sum, values[count - 2], values[count / 2]}, 3, NULL);
	return loss_of(graph, sum);
}

static double
sum_of_losses(DlPlan *plan, DlNode loss, double *parameters, int64_t rows)
{
	DlRandom	random;
	double		sum = 0;

	dl_random_seed(&random, 4, 0);
	must(dl_plan_forward(plan, parameters, rows, &random, &error));
	for (int64_t r = 0; r < rows; r++)
		sum += ((double *) dl_plan_data(plan, loss))[r];
	return sum;
}

/* The gradients' product with a random direction, against a difference quotient. */
static void
check_direction(const DlGraph *graph, DlPlan *plan, DlNode loss, double *parameters, const double *gradients, int seed)
{
	double	   *moved = vector_of(graph, true);
	double		step = 1e-6;
	double		want = 0;
	double		got = 0;

	for (int side = 0; side < 2; side++)
	{
		DlRandom	random;

		dl_random_seed(&random, 5, (uint64_t) seed);
		memcpy(moved, parameters, (size_t) dl_graph_vector_length(graph) * sizeof(double));
		for (int p = 0; p < dl_graph_parameter_count(graph); p++)
			for (int64_t k = 0; k < dl_graph_parameter_elements(graph, p); k++)
			{
				int64_t		i = dl_graph_parameter_offset(graph, p) + k;
				double		direction = dl_graph_parameter_info(graph, p)->rate != 0 ? dl_random_normal(&random) : 0;

				moved[i] += side == 0 ? step * direction : -step * direction;
				got += 0.5 * direction * gradients[i];
			}
		want += (side == 0 ? 1 : -1) * sum_of_losses(plan, loss, moved, ROWS);
	}
	want /= 2 * step;
	ok(fabs(got - want) < 1e-6 * fmax(1, fabs(want)), "random graph %d: derivative %.6g", seed, want);
}

/* The loss and every value that it depends on; others draw random numbers where they are computed. */
static int
needed_nodes(const DlGraph *graph, DlNode loss, DlNode *nodes)
{
	bool		needed[200] = {false};
	int			count = 0;

	needed[loss] = true;
	for (DlNode i = loss; i >= 0; i--)
	{
		if (!needed[i] || dl_graph_op(graph, i) == DL_OP_PARAMETER)
			continue;
		nodes[count++] = i;
		for (int k = 0; k < graph->nodes[i].node.input_count; k++)
			needed[graph->nodes[i].inputs[k]] = true;
	}
	return count;
}

/* Random graphs: sharing memory changes no bit, and gradients are right. */
static void
test_random_graphs(void)
{
	for (int seed = 0; seed < 40; seed++)
	{
		DlGraph    *graph;
		DlNode		loss;
		DlNode		all[200];
		int			count;
		DlRandom	random;
		double	   *parameters;
		double	   *gradients[2];
		DlPlan	   *plans[2];
		double		sums[2];

		dl_random_seed(&random, 6, (uint64_t) seed);
		must(dl_graph_create(arena, &graph, &error));
		loss = random_graph(graph, &random);
		count = needed_nodes(graph, loss, all);
		parameters = vector_of(graph, true);
		for (int k = 0; k < 2; k++)
		{
			/* the second keeps every value, and has room for more rows */
			plans[k] = plan_of(graph, DL_PLAN_TRAINING, k == 0 ? ROWS : 3 * ROWS, all, k == 0 ? 1 : count);
			fill_inputs(graph, plans[k], ROWS);
			gradients[k] = vector_of(graph, false);
			sums[k] = sum_of_losses(plans[k], loss, parameters, ROWS);
			must(dl_plan_backward(plans[k], parameters, 1, gradients[k], &error));
		}
		ok(sums[0] == sums[1] && memcmp(gradients[0], gradients[1],
										(size_t) dl_graph_vector_length(graph) * sizeof(double)) == 0,
		   "random graph %d: shared memory changes nothing", seed);
		ok(3 * dl_plan_bytes(plans[0]) < dl_plan_bytes(plans[1]), "random graph %d: %zu bytes rather than %zu", seed,
		   dl_plan_bytes(plans[0]), dl_plan_bytes(plans[1]) / 3);
		check_direction(graph, plans[0], loss, parameters, gradients[0], seed);

		/* inference: dropout off, and the same with and without sharing */
		for (int k = 0; k < 2; k++)
		{
			plans[k] = plan_of(graph, DL_PLAN_INFERENCE, ROWS, all, k == 0 ? 1 : count);
			fill_inputs(graph, plans[k], ROWS);
			must(dl_plan_forward(plans[k], parameters, ROWS, NULL, &error));
		}
		ok(memcmp(dl_plan_data(plans[0], loss), dl_plan_data(plans[1], loss), ROWS * sizeof(double)) == 0,
		   "random graph %d: inference with shared memory", seed);
	}
}

/* x -> dense -> dropout -> loss; the plan of a small network. */
static DlNode
small_network(DlGraph **graph, DlNode *prediction)
{
	DlNode		x;

	must(dl_graph_create(arena, graph, &error));
	must(dl_graph_input(*graph, "x", DL_F32, 3, &x, &error));
	x = dense(*graph, x, 4, DL_ACTIVATION_MISH);
	x = apply(*graph, DL_OP_DROPOUT, &x, 1, &(DlAttributes) {.p = 0.4});
	*prediction = dense(*graph, x, 1, DL_ACTIVATION_IDENTITY);
	return loss_of(*graph, *prediction);
}

static void
test_runs(void)
{
	DlGraph    *graph;
	DlNode		prediction;
	DlNode		loss = small_network(&graph, &prediction);
	DlNode		outputs[2] = {loss, prediction};
	DlPlan	   *plan = plan_of(graph, DL_PLAN_TRAINING, 8, outputs, 2);
	DlPlan	   *inference = plan_of(graph, DL_PLAN_INFERENCE, 8, &prediction, 1);
	double	   *parameters = vector_of(graph, true);
	double	   *other = vector_of(graph, true);
	double	   *gradients = vector_of(graph, false);
	double		first[8];
	double		trained[8];
	DlRandom	random;

	ok(dl_plan_capacity(plan) == 8, "capacity");
	fill_inputs(graph, plan, 8);
	fill_inputs(graph, inference, 8);
	must(dl_plan_forward(inference, parameters, 8, NULL, &error));
	memcpy(first, dl_plan_data(inference, prediction), sizeof(first));
	for (int64_t rows = 1; rows <= 8; rows += 2)
	{
		memset(dl_plan_data(inference, prediction), 0, sizeof(first));
		must(dl_plan_forward(inference, parameters, rows, NULL, &error));
		ok(memcmp(dl_plan_data(inference, prediction), first, (size_t) rows * sizeof(double)) == 0, "a batch of %d rows",
		   (int) rows);
	}

	dl_random_seed(&random, 1, 1);
	must(dl_plan_forward(plan, parameters, 8, &random, &error));
	memcpy(trained, dl_plan_data(plan, prediction), sizeof(trained));
	ok(memcmp(trained, first, sizeof(first)) != 0, "dropout changes what training predicts");
	dl_plan_set_dropout(plan, 0);
	must(dl_plan_forward(plan, parameters, 8, &random, &error));
	ok(memcmp(dl_plan_data(plan, prediction), first, sizeof(first)) == 0, "a factor of 0 turns dropout off");
	must(dl_plan_backward(plan, parameters, 1, gradients, &error));
	for (int64_t i = 0; i < dl_graph_vector_length(graph); i++)
		other[i] = 0;
	must(dl_plan_forward(inference, other, 8, NULL, &error));
	ok(((double *) dl_plan_data(inference, prediction))[0] == 0, "another vector of parameters");
	must(dl_plan_forward(inference, parameters, 8, NULL, &error));
	ok(memcmp(dl_plan_data(inference, prediction), first, sizeof(first)) == 0, "and back");
}

static void
test_cancel(void)
{
	DlGraph    *graph;
	DlNode		prediction;
	DlNode		loss = small_network(&graph, &prediction);
	DlPlan	   *plan = plan_of(graph, DL_PLAN_TRAINING, 8, &loss, 1);
	double	   *parameters = vector_of(graph, true);
	double	   *gradients = vector_of(graph, false);
	atomic_int	cancel = 0;
	DlRandom	random;

	dl_random_seed(&random, 1, 1);
	fill_inputs(graph, plan, 8);
	dl_plan_workspace(plan)->cancel = &cancel;
	must(dl_plan_forward(plan, parameters, 8, &random, &error));
	cancel = 1;
	ok(dl_plan_backward(plan, parameters, 1, gradients, &error) == DL_ERROR_CANCELLED, "backward is cancelled");
	ok(dl_plan_forward(plan, parameters, 8, &random, &error) == DL_ERROR_CANCELLED, "forward is cancelled");
	is_text(error.message, "computation was cancelled", "its message");
	cancel = 0;
	ok(dl_plan_backward(plan, parameters, 1, gradients, &error) == DL_ERROR_INVALID, "no backward after a cancelled forward");
	must(dl_plan_forward(plan, parameters, 8, &random, &error));
	must(dl_plan_backward(plan, parameters, 1, gradients, &error));
	ok(isfinite(gradients[0]), "and it runs again");
}

static void
test_misuse(void)
{
	DlGraph    *graph;
	DlNode		prediction;
	DlNode		loss = small_network(&graph, &prediction);
	const DlBackend *backend = dl_backend_reference_f64();
	DlPlan	   *plan = plan_of(graph, DL_PLAN_TRAINING, 8, &loss, 1);
	double	   *parameters = vector_of(graph, true);
	DlNode		wide = 4;
	DlNode		none = 99;
	DlNode		weight = 1;
	DlRandom	random;
	DlArena    *small;

	dl_random_seed(&random, 1, 1);
	ok(dl_plan_forward(plan, parameters, 9, &random, &error) == DL_ERROR_INVALID, "more rows than room");
	is_text(error.message, "a batch must have 1 to 8 rows, got 9", "its message");
	ok(dl_plan_forward(plan, parameters, 0, &random, &error) == DL_ERROR_INVALID, "no rows");
	ok(dl_plan_forward(plan, parameters, 8, NULL, &error) == DL_ERROR_INVALID, "dropout without random state");
	ok(dl_plan_backward(plan, parameters, 1, parameters, &error) == DL_ERROR_INVALID, "backward without forward");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_TRAINING, 8, &wide, 1, &plan, &error) == DL_ERROR_SHAPE,
	   "a loss of several columns");
	is_text(error.message, "the loss has shape [batch, 4], expected [batch, 1]", "its message");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, 8, &none, 1, &plan, &error) == DL_ERROR_INVALID,
	   "an output that does not exist");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, 8, &weight, 1, &plan, &error) == DL_ERROR_INVALID,
	   "a parameter as output");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, 0, &loss, 1, &plan, &error) == DL_ERROR_INVALID, "no room");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, 8, &loss, 0, &plan, &error) == DL_ERROR_INVALID, "no output");
	ok(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, INT64_MAX / 2, &loss, 1, &plan, &error) == DL_ERROR_LIMIT,
	   "a capacity whose bytes wrap");
	must(dl_arena_create(100000, &small, &error));
	ok(dl_plan_create(small, graph, backend, DL_PLAN_INFERENCE, 1000000, &loss, 1, &plan, &error) == DL_ERROR_MEMORY,
	   "a plan over its budget");
	dl_arena_destroy(small);
	plan = plan_of(graph, DL_PLAN_INFERENCE, 8, &loss, 1);
	must(dl_plan_forward(plan, parameters, 8, NULL, &error));
	ok(dl_plan_backward(plan, parameters, 1, parameters, &error) == DL_ERROR_INVALID, "backward of an inference plan");
}

/* Running statistics move in training, and only there; they get no gradient. */
static void
test_state(void)
{
	DlGraph    *graph;
	DlNode		inputs[5];
	DlNode		loss;
	DlPlan	   *plan;
	double	   *parameters;
	double	   *gradients;
	double	   *x;
	int64_t		mean;

	must(dl_graph_create(arena, &graph, &error));
	must(dl_graph_input(graph, "x", DL_F32, 1, &inputs[0], &error));
	for (int i = 1; i < 5; i++)
		inputs[i] = parameter(graph, dl_shape_1(1), i < 3 ? 1 : 0);
	loss = loss_of(graph, apply(graph, DL_OP_BATCH_NORM, inputs, 5, &(DlAttributes) {.epsilon = 1e-5,.momentum = 0.25}));
	plan = plan_of(graph, DL_PLAN_TRAINING, 4, &loss, 1);
	parameters = vector_of(graph, true);
	gradients = vector_of(graph, false);
	fill_inputs(graph, plan, 4);
	mean = dl_graph_parameter_offset(graph, 2);
	parameters[mean] = 2;
	parameters[mean + 16] = 8;
	x = dl_plan_data(plan, inputs[0]);
	for (int i = 0; i < 4; i++)
		x[i] = i;				/* mean 1.5, unbiased variance 5/3 */
	must(dl_plan_forward(plan, parameters, 4, NULL, &error));
	is_close(parameters[mean], 0.75 * 2 + 0.25 * 1.5, 1e-12, "running mean");
	is_close(parameters[mean + 16], 0.75 * 8 + 0.25 * 5 / 3, 1e-12, "running variance");
	must(dl_plan_backward(plan, parameters, 1, gradients, &error));
	ok(gradients[mean] == 0 && gradients[mean + 16] == 0, "state has gradients of 0");
	plan = plan_of(graph, DL_PLAN_INFERENCE, 4, &loss, 1);
	fill_inputs(graph, plan, 4);
	must(dl_plan_forward(plan, parameters, 4, NULL, &error));
	is_close(parameters[mean], 0.75 * 2 + 0.25 * 1.5, 1e-12, "inference leaves the running mean");
}

/* Nothing to train: gradients are 0, and no step runs. */
static void
test_untrained(void)
{
	DlGraph    *graph;
	DlNode		x;
	DlNode		loss;
	DlPlan	   *plan;
	double	   *parameters;
	double	   *gradients;
	bool		zero = true;

	must(dl_graph_create(arena, &graph, &error));
	must(dl_graph_input(graph, "x", DL_F32, 2, &x, &error));
	x = apply(graph, DL_OP_SCALE_COLUMNS, (DlNode[]) {x, parameter(graph, dl_shape_1(2), 0)}, 2, NULL);
	loss = loss_of(graph, x);
	plan = plan_of(graph, DL_PLAN_TRAINING, 4, &loss, 1);
	fill_inputs(graph, plan, 4);
	parameters = vector_of(graph, true);
	gradients = vector_of(graph, false);
	must(dl_plan_forward(plan, parameters, 4, NULL, &error));
	must(dl_plan_backward(plan, parameters, 1, gradients, &error));
	for (int64_t i = 0; i < dl_graph_vector_length(graph); i++)
		zero = zero && gradients[i] == 0;
	ok(zero, "without trained parameters all gradients are 0");
}

int
main(void)
{
	must(dl_arena_create(0, &arena, &error));
	test_reuse();
	test_place();
	test_random_graphs();
	test_runs();
	test_cancel();
	test_misuse();
	test_state();
	test_untrained();
	dl_arena_destroy(arena);
	return done_testing();
}
