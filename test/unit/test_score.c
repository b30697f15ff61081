/*
 * test_score.c
 *    Scoring: the same bits for any number of rows, and the numbers of a plain
 *    computation in double precision, at either precision.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "model_samples.h"
#include "tap.h"

#define ROWS 37
#define CAPACITY 16				/* less than ROWS: several passes */

typedef struct Run
{
	DlArena    *arena;
	DlModel    *model;
	DlScorer   *scorer;
	DlScorer   *single;			/* with room for one row */
	int64_t		stride;
	uint32_t   *features;
	double	   *batch;
	double	   *row;
} Run;

static bool
open_run(const ModelSample *sample, const char *precision, Run *run)
{
	DlError		error = {0};
	DlRandom	random;
	size_t		width;

	if (!ok(model_sample_create(sample, 11, &run->model, &error) == DL_OK, "%s: %s", sample->name, error.message))
		return false;
	run->model->record.matmul_precision = precision;
	dl_random_seed(&random, 5, 0);
	width = (size_t) dl_model_result_width(run->model);
	run->stride = run->model->feature_words + 3;
	if (dl_arena_create(0, &run->arena, &error) != DL_OK ||
		dl_arena_calloc(run->arena, (size_t) (ROWS * run->stride), sizeof(uint32_t), &run->features, &error) != DL_OK ||
		dl_arena_calloc(run->arena, ROWS * width, sizeof(double), &run->batch, &error) != DL_OK ||
		dl_arena_calloc(run->arena, ROWS * width, sizeof(double), &run->row, &error) != DL_OK ||
		dl_scorer_create(run->arena, run->model, CAPACITY, &run->scorer, &error) != DL_OK ||
		dl_scorer_create(run->arena, run->model, 1, &run->single, &error) != DL_OK)
	{
		ok(false, "%s: %s", sample->name, error.message);
		return false;
	}
	for (int i = 0; i < ROWS; i++)
		model_sample_row(run->model, &random, run->features + i * run->stride);
	return true;
}

static void
close_run(Run *run)
{
	dl_model_destroy(run->model);
	dl_arena_destroy(run->arena);
}

static void
test_same_bits(const ModelSample *sample, Run *run)
{
	int64_t		width = dl_model_result_width(run->model);
	size_t		bytes = (size_t) (ROWS * width) * sizeof(double);
	DlError		error;
	bool		ran;

	ran = dl_scorer_run(run->scorer, ROWS, run->features, run->stride, run->batch, &error) == DL_OK;
	for (int i = 0; i < ROWS; i++)
		ran &= dl_scorer_run(run->single, 1, run->features + i * run->stride, run->stride, run->row + i * width, &error) == DL_OK;
	ok(ran && memcmp(run->batch, run->row, bytes) == 0, "%s: rows alone", sample->name);

	memset(run->row, 0, bytes);
	for (int i = 0; i < ROWS; i += 3)
	{
		int			rows = i + 3 <= ROWS ? 3 : ROWS - i;

		ran &= dl_scorer_run(run->scorer, rows, run->features + i * run->stride, run->stride, run->row + i * width, &error) == DL_OK;
	}
	ok(ran && memcmp(run->batch, run->row, bytes) == 0, "%s: three rows at a time", sample->name);

	memset(run->row, 0, bytes);
	for (int i = 0; i < ROWS; i += 5)
	{
		int			rows = i + 5 <= ROWS ? 5 : ROWS - i;

		ran &= dl_scorer_run(run->scorer, rows, run->features + i * run->stride, run->stride, run->row + i * width, &error) == DL_OK;
	}
	ok(ran && memcmp(run->batch, run->row, bytes) == 0, "%s: five rows at a time", sample->name);
}

/* One member's outputs in double precision, by the plain backend, from the same inputs. */
static bool
plain_outputs(const Run *run, int member, double *outputs)
{
	const DlModel *model = run->model;
	const DlPreparation *preparation = &model->preparation;
	const DlModelNetwork *network = &model->networks[model->members[member].network];
	size_t		length = (size_t) dl_graph_vector_length(network->graph);
	DlArena    *arena;
	DlPlan	   *plan;
	double	   *parameters;
	float	   *numbers;
	int32_t    *codes;
	DlError		error;
	bool		done = false;

	if (dl_arena_create(0, &arena, &error) != DL_OK)
		return false;
	if (dl_plan_create(arena, network->graph, dl_backend_reference_f64(), DL_PLAN_INFERENCE, ROWS, &network->nodes.output,
					   1, &plan, &error) == DL_OK &&
		dl_arena_calloc(arena, length, sizeof(double), &parameters, &error) == DL_OK &&
		dl_arena_calloc(arena, (size_t) (ROWS * preparation->inputs), sizeof(float), &numbers, &error) == DL_OK &&
		dl_arena_calloc(arena, ROWS * (size_t) preparation->embedded, sizeof(int32_t), &codes, &error) == DL_OK)
	{
		for (size_t i = 0; i < length; i++)
			parameters[i] = model->members[member].parameters[i];
		dl_preparation_apply(preparation, ROWS, run->features, run->stride, preparation->inputs > 0 ? numbers : NULL,
							 preparation->embedded > 0 ? codes : NULL);
		for (int64_t i = 0; i < ROWS * preparation->inputs; i++)
			((double *) dl_plan_data(plan, network->nodes.numbers))[i] = numbers[i];
		if (preparation->embedded > 0)
			memcpy(dl_plan_data(plan, network->nodes.codes), codes, ROWS * (size_t) preparation->embedded * sizeof(int32_t));
		done = dl_plan_forward(plan, parameters, ROWS, NULL, &error) == DL_OK;
		if (done)
			memcpy(outputs, dl_plan_data(plan, network->nodes.output), ROWS * (size_t) model->outputs * sizeof(double));
	}
	dl_arena_destroy(arena);
	return done;
}

/* What a row's outputs of one member mean, said in another way than in score.c. */
static double
meaning(const DlModel *model, int member, const double *outputs, int32_t column)
{
	const DlTargetScaling *target = &model->members[member].target;
	double		value = outputs[column];
	double		sum = 0;

	switch (model->task)
	{
		case DL_TASK_REGRESSION:
			value = value * target->scale[column] + target->center[column];
			if (target->log)
				value = expm1(value) + 1 - target->shift[column];
			return fmax(model->target_low[column], fmin(model->target_high[column], value));
		case DL_TASK_BINARY:
		case DL_TASK_MULTILABEL:
			return 0.5 + 0.5 * tanh(value / 2);
		case DL_TASK_MULTICLASS:
			for (int32_t i = 0; i < model->outputs; i++)
				sum += exp(outputs[i] - value);
			return 1 / sum;
	}
	return NAN;
}

/* The temperature, of averaged results of one row. */
static void
temper(const DlModel *model, double *results)
{
	double		sum = 0;

	if (model->task == DL_TASK_BINARY || model->task == DL_TASK_MULTILABEL)
		for (int32_t i = 0; i < model->outputs; i++)
			results[i] = 0.5 + 0.5 * tanh(log(results[i] / (1 - results[i])) / model->temperature / 2);
	if (model->task != DL_TASK_MULTICLASS)
		return;
	for (int32_t i = 0; i < model->outputs; i++)
		sum += exp(log(results[i]) / model->temperature);
	for (int32_t i = 0; i < model->outputs; i++)
		results[i] = exp(log(results[i]) / model->temperature) / sum;
}

static void
test_values(const ModelSample *sample, Run *run, double tolerance)
{
	const DlModel *model = run->model;
	int64_t		width = dl_model_result_width(model);
	double	   *outputs = malloc(ROWS * (size_t) model->outputs * sizeof(double));
	double	   *expected = calloc(ROWS * (size_t) width, sizeof(double));
	double		worst = 0;
	double		spread = 0;
	bool		done = true;

	for (int m = 0; m < model->member_count; m++)
	{
		done &= plain_outputs(run, m, outputs);
		for (int64_t row = 0; row < ROWS; row++)
			for (int32_t c = 0; c < width; c++)
				expected[row * width + c] += meaning(model, m, outputs + row * model->outputs, c) * model->members[m].weight;
	}
	for (int64_t row = 0; row < ROWS; row++)
		temper(model, expected + row * width);
	for (int64_t i = 0; i < ROWS * width; i++)
	{
		double		off = fabs(run->batch[i] - expected[i]);

		worst = off > worst || isnan(off) ? off : worst;
		spread = fmax(spread, fabs(expected[i] - expected[i % width]));
	}
	ok(done && worst < tolerance, "%s: within %.1e of double precision", sample->name, worst);
	ok(spread > 1e-3, "%s: results differ from row to row by up to %.2g", sample->name, spread);
	free(outputs);
	free(expected);
}

static void
test_probabilities(const ModelSample *sample, const Run *run)
{
	int64_t		width = dl_model_result_width(run->model);
	bool		inside = true;
	bool		complete = true;

	for (int64_t row = 0; row < ROWS; row++)
	{
		double		sum = 0;

		for (int64_t c = 0; c < width; c++)
		{
			sum += run->batch[row * width + c];
			inside &= run->batch[row * width + c] >= 0 && run->batch[row * width + c] <= 1;
		}
		complete &= fabs(sum - 1) < 1e-12;
	}
	ok(inside, "%s: probabilities", sample->name);
	if (run->model->task == DL_TASK_MULTICLASS)
		ok(complete, "%s: sum to 1", sample->name);
}

/* A parameter of the first member. */
static const float *
parameter(const DlModel *model, const char *name, DlShape *shape)
{
	const DlGraph *graph = dl_model_graph(model, 0);

	for (int p = 0; p < dl_graph_parameter_count(graph); p++)
		if (strcmp(dl_graph_parameter_name(graph, p), name) == 0)
		{
			*shape = dl_graph_parameter_shape(graph, p);
			return model->members[0].parameters + dl_graph_parameter_offset(graph, p);
		}
	ok(false, "there is a parameter %s", name);
	exit(done_testing());
}

/* What the output layer makes of a hidden row. */
static double
dense_output(const DlModel *model, const float *hidden, int32_t output)
{
	DlShape		shape;
	const float *bias = parameter(model, "output.bias", &shape);
	const float *weight = parameter(model, "output.weight", &shape);
	double		sum = bias[output];

	for (int64_t i = 0; i < shape.dims[0]; i++)
		sum += (double) hidden[i] * (double) weight[i * model->outputs + output];
	return sum;
}

/* And what the rows that neighbours keeps make of it. */
static double
neighbours_output(const DlModel *model, const float *hidden, int32_t output)
{
	DlShape		shape;
	const float *squares = parameter(model, "output.squares", &shape);
	const float *values = parameter(model, "output.values", &shape);
	const float *scale = parameter(model, "output.scale", &shape);
	const float *keys = parameter(model, "output.keys", &shape);
	int64_t		rows = shape.dims[1];
	double		sum = 0;
	double		weights = 0;

	for (int64_t j = 0; j < rows; j++)
	{
		double		near = squares[j];

		for (int64_t i = 0; i < shape.dims[0]; i++)
			near += (double) hidden[i] * (double) keys[i * rows + j];
		near = exp(near);
		sum += near * (double) values[j * model->outputs + output];
		weights += near;
	}
	return (double) scale[output] * sum / weights;
}

/* The output layer applied to the embedding gives the first member's outputs. */
static void
test_embed(const ModelSample *sample, Run *run)
{
	const DlModel *model = run->model;
	int32_t		width = dl_model_hidden_width(model);
	float	   *hidden = malloc((size_t) (ROWS * width) * sizeof(float));
	float	   *alone = malloc((size_t) width * sizeof(float));
	double	   *outputs = malloc(ROWS * (size_t) model->outputs * sizeof(double));
	double		worst = 0;
	bool		same = true;
	DlError		error;

	ok(width >= 1 && dl_scorer_embed(run->scorer, ROWS, run->features, run->stride, hidden, &error) == DL_OK,
	   "%s: embedding of %d", sample->name, width);
	for (int64_t row = 0; row < ROWS; row++)
	{
		same &= dl_scorer_embed(run->single, 1, run->features + row * run->stride, run->stride, alone, &error) == DL_OK;
		same &= memcmp(alone, hidden + row * width, (size_t) width * sizeof(float)) == 0;
	}
	ok(same, "%s: the same embedding alone", sample->name);

	if (ok(plain_outputs(run, 0, outputs), "%s: output layer", sample->name))
		for (int64_t row = 0; row < ROWS; row++)
			for (int32_t o = 0; o < model->outputs; o++)
			{
				double		want = dl_model_kept_rows(&model->networks[model->members[0].network]) > 0 ?
					neighbours_output(model, hidden + row * width, o) : dense_output(model, hidden + row * width, o);

				worst = fmax(worst, fabs(want - outputs[row * model->outputs + o]) / fmax(1, fabs(want)));
			}
	ok(worst < 1e-4, "%s: embedding within %.1e", sample->name, worst);
	free(hidden);
	free(alone);
	free(outputs);
}

/* Any bits in the features. */
static void
test_any_words(const ModelSample *sample, Run *run)
{
	int64_t		width = dl_model_result_width(run->model);
	DlRandom	random;
	DlError		error;
	bool		finite_results = true;

	dl_random_seed(&random, 99, 0);
	for (int64_t i = 0; i < ROWS * run->stride; i++)
		run->features[i] = (uint32_t) dl_random_bits(&random);
	ok(dl_scorer_run(run->scorer, ROWS, run->features, run->stride, run->batch, &error) == DL_OK, "%s: any words", sample->name);
	for (int64_t i = 0; i < ROWS * width; i++)
		finite_results &= isfinite(run->batch[i]);
	ok(finite_results, "%s: finite results of any words", sample->name);
}

static void
test_errors(Run *run)
{
	DlScorer   *scorer;
	DlError		error;

	ok(dl_scorer_create(run->arena, run->model, 0, &scorer, &error) == DL_ERROR_INVALID, "no room: %s", error.message);
	ok(dl_scorer_run(run->scorer, -1, run->features, run->stride, run->batch, &error) == DL_ERROR_INVALID, "%s", error.message);
	ok(dl_scorer_run(run->scorer, 1, run->features, run->model->feature_words - 1, run->batch, &error) == DL_ERROR_INVALID,
	   "%s", error.message);
	ok(dl_scorer_run(run->scorer, 0, NULL, run->stride, NULL, &error) == DL_OK, "no rows");
}

/* Some layer of it is wide enough. */
static bool
is_wide(const DlModel *model)
{
	DlShape		shape;

	for (int m = 0; m < model->member_count; m++)
	{
		const DlGraph *graph = dl_model_graph(model, m);

		for (DlNode i = 0; i < dl_graph_node_count(graph); i++)
		{
			shape = dl_graph_shape(graph, i);
			if (dl_graph_op(graph, i) == DL_OP_DENSE && shape.dims[1] >= 16)
				return true;
		}
	}
	return false;
}

/* Results of the same rows at medium. */
static void
test_medium(const ModelSample *sample, const Run *highest)
{
	Run			run = {0};
	size_t		bytes;
	bool		medium;

	if (!open_run(sample, "medium", &run))
		return;
	medium = is_wide(run.model) && dl_backend_cpu_bfloat16() != NULL;
	ok(dl_model_backend(run.model) == (medium ? dl_backend_cpu_bfloat16() : dl_backend_cpu()) &&
	   strcmp(dl_model_precision(run.model), medium ? "medium" : "highest") == 0, "%s: asked for medium, computed at %s",
	   sample->name, dl_model_precision(run.model));
	test_same_bits(sample, &run);
	/* numbers about 1 are off by 2^-8 each, a few layers deep */
	test_values(sample, &run, medium ? 0.04 : 2e-4);
	bytes = (size_t) (ROWS * dl_model_result_width(run.model)) * sizeof(double);
	ok((memcmp(run.batch, highest->batch, bytes) == 0) == !medium, "%s: medium %s", sample->name,
	   medium ? "is something else than highest" : "is highest here");
	close_run(&run);
}

int
main(void)
{
	for (int i = 0; i < model_sample_count; i++)
	{
		const ModelSample *sample = &model_samples[i];
		Run			run;

		if (!open_run(sample, "highest", &run))
			continue;
		test_same_bits(sample, &run);
		test_values(sample, &run, 2e-4);
		test_medium(sample, &run);
		if (sample->task != DL_TASK_REGRESSION)
			test_probabilities(sample, &run);
		test_embed(sample, &run);
		test_any_words(sample, &run);
		if (i == 0)
			test_errors(&run);
		close_run(&run);
	}
	return done_testing();
}
