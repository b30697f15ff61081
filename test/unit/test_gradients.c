/*
 * test_gradients.c
 *    Every operator's gradients against central finite differences, in
 *    float64 on the reference backend, by the table in op_cases.c.
 */
#include "op_cases.h"
#include "tap.h"

#define STEP 1e-5
#define TOLERANCE 1e-6
#define LOSS_SCALE 0.7

typedef struct Check
{
	OpGraph		g;
	DlPlan	   *plan;
	double	   *parameters;
	double	   *gradients;
	int64_t		length;
} Check;

static DlStatus
prepare(DlArena *arena, const OpCase *op_case, OpVariant variant, Check *check, DlError *error)
{
	const DlBackend *backend = dl_backend_reference_f64();

	DL_TRY(op_graph_build(arena, op_case, (OpSizes) {5, 4, 3}, variant, &check->g, error));
	/* more room than rows, so that a batch is partial */
	DL_TRY(dl_plan_create(arena, check->g.graph, backend, DL_PLAN_TRAINING, 7, &check->g.loss, 1, &check->plan, error));
	op_graph_fill(&check->g, backend, check->plan);
	check->length = dl_graph_vector_length(check->g.graph);
	DL_TRY(op_graph_parameters(arena, &check->g, backend, (void **) &check->parameters, error));
	return dl_arena_calloc(arena, (size_t) check->length, sizeof(double), &check->gradients, error);
}

/* LOSS_SCALE times the sum of the losses; the same random numbers every time. */
static DlStatus
total_loss(Check *check, double *result, DlError *error)
{
	DlRandom	random;
	const double *loss;
	double		sum = 0;

	dl_random_seed(&random, 3, 0);
	DL_TRY(dl_plan_forward(check->plan, check->parameters, check->g.sizes.rows, &random, error));
	loss = dl_plan_data(check->plan, check->g.loss);
	for (int64_t r = 0; r < check->g.sizes.rows; r++)
		sum += loss[r];
	*result = LOSS_SCALE * sum;
	return DL_OK;
}

/* Largest difference over one parameter, relative to max(1, |difference quotient|). */
static DlStatus
compare(Check *check, int parameter, double *worst, DlError *error)
{
	const DlParameterInfo *info = dl_graph_parameter_info(check->g.graph, parameter);
	int64_t		start = dl_graph_parameter_offset(check->g.graph, parameter);
	int64_t		end = start + dl_graph_parameter_elements(check->g.graph, parameter);

	for (int64_t i = start; i < end; i++)
	{
		double		saved = check->parameters[i];
		double		above;
		double		below;
		double		want = 0;

		if (info->rate != 0)
		{
			check->parameters[i] = saved + STEP;
			DL_TRY(total_loss(check, &above, error));
			check->parameters[i] = saved - STEP;
			DL_TRY(total_loss(check, &below, error));
			check->parameters[i] = saved;
			want = (above - below) / (2 * STEP);
		}
		*worst = fmax(*worst, fabs(check->gradients[i] - want) / fmax(1, fabs(want)));
		if (isnan(check->gradients[i]))
			*worst = INFINITY;
	}
	return DL_OK;
}

static DlStatus
check_case(DlArena *arena, const OpCase *op_case, OpVariant variant, DlError *error)
{
	Check		check;
	double		loss;
	double		worst = 0;
	double		largest = 0;

	DL_TRY(prepare(arena, op_case, variant, &check, error));
	for (int64_t i = 0; i < check.length; i++)
		check.gradients[i] = NAN;	/* must be overwritten, padding too */
	DL_TRY(total_loss(&check, &loss, error));
	DL_TRY(dl_plan_backward(check.plan, check.parameters, LOSS_SCALE, check.gradients, error));
	for (int64_t i = 0; i < check.length; i++)
	{
		largest = fmax(largest, fabs(check.gradients[i]));
		if (isnan(check.gradients[i]))
			worst = INFINITY;
	}
	for (int p = 0; p < dl_graph_parameter_count(check.g.graph); p++)
		DL_TRY(compare(&check, p, &worst, error));
	ok(worst < TOLERANCE && isfinite(loss), "%s, %s: difference %.2g", op_case->name, op_variant_name(variant), worst);
	if (variant <= OP_VARIANT_TWICE)
		ok(largest > 1e-3, "%s, %s: gradients are not all zero", op_case->name, op_variant_name(variant));
	return DL_OK;
}

int
main(void)
{
	bool		seen[DL_OP_COUNT] = {false};

	for (int i = 0; i < op_case_count; i++)
	{
		seen[op_cases[i].op] = true;
		for (OpVariant variant = 0; variant < OP_VARIANT_COUNT; variant++)
		{
			DlArena    *arena;
			DlError		error;

			if (dl_arena_create(0, &arena, &error) != DL_OK ||
				check_case(arena, &op_cases[i], variant, &error) != DL_OK)
				ok(false, "%s: %s", op_cases[i].name, error.message);
			dl_arena_destroy(arena);
		}
	}
	for (int op = 0; op < DL_OP_COUNT; op++)
		ok(seen[op], "operator %s has a case", dl_op_name((DlOp) op));
	return done_testing();
}
