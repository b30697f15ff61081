/*
 * test_kernels.c
 *    Every float32 backend against the float64 reference: values and gradients
 *    of every operator case, at sizes that no vector width divides.
 */
#include "backend_list.h"
#include "core/op.h"
#include "op_cases.h"
#include "tap.h"

#define LOSS_SCALE 0.3

static const OpSizes sizes[] = {
	{1, 1, 1}, {3, 1, 3}, {1, 17, 33}, {3, 3, 1}, {17, 33, 65}, {33, 65, 17}, {65, 17, 3}, {64, 64, 64}, {65, 65, 65}
};

#define SIZE_COUNT ((int) (sizeof(sizes) / sizeof(sizes[0])))

/* What one backend makes of a case. */
typedef struct Result
{
	const DlBackend *backend;
	const void *loss;
	const void *value;
	const void *inference;
	void	   *parameters;
	void	   *gradients;
} Result;

typedef struct Worst
{
	double		error;
	char		where[160];
} Worst;

static DlStatus
run_case(DlArena *arena, const OpGraph *g, const DlBackend *backend, Result *result, DlError *error)
{
	DlNode		outputs[2] = {g->loss, g->result};
	DlPlan	   *training;
	DlPlan	   *inference;
	DlRandom	random;

	result->backend = backend;
	DL_TRY(op_graph_parameters(arena, g, backend, &result->parameters, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) dl_graph_vector_length(g->graph), dl_dtype_size(backend->real),
						   &result->gradients, error));
	DL_TRY(dl_plan_create(arena, g->graph, backend, DL_PLAN_INFERENCE, g->sizes.rows, &g->result, 1, &inference, error));
	op_graph_fill(g, backend, inference);
	DL_TRY(dl_plan_forward(inference, result->parameters, g->sizes.rows, NULL, error));
	result->inference = dl_plan_data(inference, g->result);

	DL_TRY(dl_plan_create(arena, g->graph, backend, DL_PLAN_TRAINING, g->sizes.rows + 1, outputs, 2, &training, error));
	op_graph_fill(g, backend, training);
	dl_random_seed(&random, 5, 0);
	DL_TRY(dl_plan_forward(training, result->parameters, g->sizes.rows, &random, error));
	DL_TRY(dl_plan_backward(training, result->parameters, LOSS_SCALE, result->gradients, error));
	result->loss = dl_plan_data(training, g->loss);
	result->value = dl_plan_data(training, g->result);
	return DL_OK;
}

/* Difference of two arrays relative to the largest value, or to 1. */
static void
compare(const OpGraph *g, OpVariant variant, const char *what, const Result *got, const void *got_data,
		const Result *want, const void *want_data, int64_t start, int64_t count, Worst *worst)
{
	double		scale = 1;
	double		difference = 0;

	for (int64_t i = start; i < start + count; i++)
	{
		double		a = op_real(got->backend, got_data, i);
		double		b = op_real(want->backend, want_data, i);

		scale = fmax(scale, fabs(b));
		difference = isfinite(a) ? fmax(difference, fabs(a - b)) : INFINITY;
		if (!isfinite(a))
			break;
	}
	if (!(difference / scale > worst->error))
		return;
	worst->error = difference / scale;
	snprintf(worst->where, sizeof(worst->where), "%s, %s, %d rows, n %d, m %d", what, op_variant_name(variant),
			 (int) g->sizes.rows, (int) g->sizes.n, (int) g->sizes.m);
}

static DlStatus
check_size(DlArena *arena, const DlBackend *backend, const OpCase *op_case, OpVariant variant, OpSizes size,
		   Worst *worst, DlError *error)
{
	OpGraph		g;
	Result		got;
	Result		want;
	int64_t		elements;

	DL_TRY(op_graph_build(arena, op_case, size, variant, &g, error));
	DL_TRY(run_case(arena, &g, dl_backend_reference_f64(), &want, error));
	DL_TRY(run_case(arena, &g, backend, &got, error));
	elements = size.rows * dl_graph_shape(g.graph, g.result).dims[1];
	compare(&g, variant, "inference", &got, got.inference, &want, want.inference, 0, elements, worst);
	compare(&g, variant, "value", &got, got.value, &want, want.value, 0, elements, worst);
	compare(&g, variant, "loss", &got, got.loss, &want, want.loss, 0, size.rows, worst);
	compare(&g, variant, "parameters (running statistics)", &got, got.parameters, &want, want.parameters, 0,
			dl_graph_vector_length(g.graph), worst);
	for (int p = 0; p < dl_graph_parameter_count(g.graph); p++)
	{
		char		what[80];

		snprintf(what, sizeof(what), "gradient of %s", dl_graph_parameter_name(g.graph, p));
		compare(&g, variant, what, &got, got.gradients, &want, want.gradients,
				dl_graph_parameter_offset(g.graph, p), dl_graph_parameter_elements(g.graph, p), worst);
	}
	return DL_OK;
}

static void
check_case(const DlBackend *backend, const OpCase *op_case)
{
	Worst		worst = {0, ""};

	for (OpVariant variant = 0; variant < OP_VARIANT_COUNT; variant++)
		for (int i = 0; i < SIZE_COUNT; i++)
		{
			DlArena    *arena;
			DlError		error;

			if (dl_arena_create(0, &arena, &error) != DL_OK ||
				check_size(arena, backend, op_case, variant, sizes[i], &worst, &error) != DL_OK)
			{
				ok(false, "%s: %s: %s", backend->name, op_case->name, error.message);
				dl_arena_destroy(arena);
				return;
			}
			dl_arena_destroy(arena);
		}
	if (!ok(worst.error <= op_case->tolerance, "%s: %s: difference %.2g", backend->name, op_case->name, worst.error))
		printf("#   worst: %s\n", worst.where);
}

/* A backend may draw the numbers of a mask in its own way: then test_backend.c checks it. */
static bool
own_random(const DlBackend *backend, const OpCase *op_case)
{
	return dl_op_definition(op_case->op)->random && op_case->attributes.p > 0 && backend != dl_backend_reference_f32();
}

int
main(void)
{
	const DlBackend *list[BACKEND_LIST_MAX];
	int			count = backend_list(list);

	for (int b = 0; b < count; b++)
		for (int i = 0; i < op_case_count; i++)
			if (!own_random(list[b], &op_cases[i]))
				check_case(list[b], &op_cases[i]);
	return done_testing();
}
