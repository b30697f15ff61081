/*
 * score.c
 *    Scoring: preparation, each member's network, and the way back to the
 *    units of the target.
 *
 * Two ways through a network that give the same bits: the inference plan
 * (row_invariant), and for few rows of a network that is a plain chain of dense
 * layers, a kernel made for one row, without a plan's overhead.
 */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "model/model_internal.h"

#define FEW_ROWS 4				/* up to so many go through the chain */

struct DlScorer
{
	const DlModel *model;
	int64_t		capacity;
	int64_t		inputs;			/* width of numbers */
	int64_t		hidden_width;
	DlPlan	   *plan;
	float	   *numbers;		/* of the plan's inputs and outputs; NULL where there are none */
	int32_t    *codes;
	const float *output;
	const float *hidden;

	/* the chain; 0 steps when the network is none */
	DlChainStep *steps;
	int			step_count;
	DlDenseRow	dense_row;
	const DlBackend *backend;
	float	   *prepared;		/* one row of numbers */
	float	   *values[2];		/* of a layer, in turn */
};

static DlStatus
create_plan(DlArena *arena, DlScorer *scorer, DlError *error)
{
	const DlModel *model = scorer->model;
	const DlNetworkNodes *nodes = &model->nodes;
	DlNode		outputs[2] = {nodes->output, nodes->hidden};
	bool		input = dl_graph_op(model->graph, nodes->hidden) == DL_OP_INPUT;
	DlWorkspace *workspace;

	DL_TRY(dl_plan_create(arena, model->graph, scorer->backend, DL_PLAN_INFERENCE, scorer->capacity, outputs,
						  input || nodes->hidden == nodes->output ? 1 : 2, &scorer->plan, error));
	workspace = dl_plan_workspace(scorer->plan);
	workspace->row_invariant = true;
	if (nodes->numbers != DL_NO_NODE)
		scorer->numbers = dl_plan_data(scorer->plan, nodes->numbers);
	if (nodes->codes != DL_NO_NODE)
		scorer->codes = dl_plan_data(scorer->plan, nodes->codes);
	scorer->output = dl_plan_data(scorer->plan, nodes->output);
	scorer->hidden = dl_plan_data(scorer->plan, nodes->hidden);
	return DL_OK;
}

static DlStatus
create_chain(DlArena *arena, DlScorer *scorer, DlError *error)
{
	int64_t		widest = 1;

	DL_TRY(dl_model_chain(arena, scorer->model, &scorer->steps, &scorer->step_count, error));
	if (scorer->step_count == 0)
		return DL_OK;
	scorer->dense_row = dl_cpu_dense_row();
	for (int i = 0; i < scorer->step_count; i++)
		if (scorer->steps[i].out > widest)
			widest = scorer->steps[i].out;
	DL_TRY(dl_arena_calloc(arena, (size_t) scorer->inputs, sizeof(float), &scorer->prepared, error));
	for (int i = 0; i < 2; i++)
		DL_TRY(dl_arena_calloc(arena, (size_t) widest, sizeof(float), &scorer->values[i], error));
	return DL_OK;
}

DlStatus
dl_scorer_create(DlArena *arena, const DlModel *model, int64_t capacity, DlScorer **result, DlError *error)
{
	DlScorer   *scorer;

	if (capacity < 1)
		return dl_error_set(error, DL_ERROR_INVALID, "a scorer must have room for at least 1 row, got %lld",
							(long long) capacity);
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlScorer), &scorer, error));
	scorer->model = model;
	scorer->capacity = capacity;
	scorer->inputs = model->preparation.inputs;
	scorer->hidden_width = dl_model_hidden_width(model);
	scorer->backend = dl_backend_cpu();
	DL_TRY(create_plan(arena, scorer, error));
	DL_TRY(create_chain(arena, scorer, error));
	*result = scorer;
	return DL_OK;
}

/* One row through the chain of one member; the outputs' memory belongs to the scorer. */
static const float *
run_chain(DlScorer *scorer, const float *parameters)
{
	DlWorkspace *workspace = dl_plan_workspace(scorer->plan);
	const float *x = scorer->prepared;

	for (int i = 0; i < scorer->step_count; i++)
	{
		const DlChainStep *step = &scorer->steps[i];
		float	   *y = scorer->values[i & 1];

		if (step->dense)
			scorer->dense_row(step->in, step->out, x, parameters + step->weight,
							  step->bias < 0 ? NULL : parameters + step->bias, step->activation, y);
		else
			scorer->backend->activation(workspace, step->activation, step->out, x, y);
		x = y;
	}
	return x;
}

static void
softmax(const float *logits, int32_t n, double temperature, bool first, double *result)
{
	double		highest = logits[0];
	double		sum = 0;

	for (int32_t i = 1; i < n; i++)
		if (logits[i] > highest)
			highest = logits[i];
	for (int32_t i = 0; i < n; i++)
		sum += exp((logits[i] - highest) / temperature);
	for (int32_t i = 0; i < n; i++)
	{
		double		p = exp((logits[i] - highest) / temperature) / sum;

		result[i] = first ? p : result[i] + p;
	}
}

static double
regression_value(const DlModel *model, int32_t i, double output)
{
	double		value = model->target_center[i] + model->target_scale[i] * output;

	if (value < model->target_low[i])
		return model->target_low[i];
	if (value > model->target_high[i])
		return model->target_high[i];
	return value;
}

/* One row of a network's outputs in units of the target; added to what other members gave. */
static void
finish_row(const DlModel *model, const float *outputs, bool first, double *result)
{
	int32_t		n = model->outputs;

	if (model->task == DL_TASK_MULTICLASS)
	{
		softmax(outputs, n, model->temperature, first, result);
		return;
	}
	for (int32_t i = 0; i < n; i++)
	{
		double		value;

		if (model->task == DL_TASK_REGRESSION)
			value = regression_value(model, i, outputs[i]);
		else
			value = 1.0 / (1.0 + exp(-(double) outputs[i] / model->temperature));
		result[i] = first ? value : result[i] + value;
	}
}

static void
average(const DlModel *model, int64_t rows, double *results)
{
	if (model->member_count > 1)
		for (int64_t i = 0; i < rows * model->outputs; i++)
			results[i] /= model->member_count;
}

static DlStatus
check_rows(const DlScorer *scorer, int64_t rows, int64_t stride, DlError *error)
{
	if (rows < 0)
		return dl_error_set(error, DL_ERROR_INVALID, "cannot score %lld rows", (long long) rows);
	if (stride < scorer->model->feature_words)
		return dl_error_set(error, DL_ERROR_INVALID, "rows of %lld words are too short, expected %d", (long long) stride,
							scorer->model->feature_words);
	return DL_OK;
}

/* Rows that fit the plan. */
static DlStatus
run_plan(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride, double *results, DlError *error)
{
	const DlModel *model = scorer->model;

	dl_preparation_apply(&model->preparation, rows, features, stride, scorer->numbers, scorer->codes);
	for (int member = 0; member < model->member_count; member++)
	{
		DL_TRY(dl_plan_forward(scorer->plan, model->parameters[member], rows, NULL, error));
		for (int64_t row = 0; row < rows; row++)
			finish_row(model, scorer->output + row * model->outputs, member == 0, results + row * model->outputs);
	}
	average(model, rows, results);
	return DL_OK;
}

DlStatus
dl_scorer_run(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride, double *results, DlError *error)
{
	const DlModel *model = scorer->model;

	DL_TRY(check_rows(scorer, rows, stride, error));
	if (rows <= FEW_ROWS && scorer->step_count > 0)
	{
		for (int64_t row = 0; row < rows; row++)
		{
			dl_preparation_apply(&model->preparation, 1, features + row * stride, stride, scorer->prepared, NULL);
			for (int member = 0; member < model->member_count; member++)
				finish_row(model, run_chain(scorer, model->parameters[member]), member == 0,
						   results + row * model->outputs);
		}
		average(model, rows, results);
		return DL_OK;
	}
	while (rows > 0)
	{
		int64_t		part = rows < scorer->capacity ? rows : scorer->capacity;

		DL_TRY(run_plan(scorer, part, features, stride, results, error));
		rows -= part;
		features += part * stride;
		results += part * model->outputs;
	}
	return DL_OK;
}

DlStatus
dl_scorer_embed(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride, float *hidden, DlError *error)
{
	const DlModel *model = scorer->model;
	int64_t		width = scorer->hidden_width;

	DL_TRY(check_rows(scorer, rows, stride, error));
	while (rows > 0)
	{
		int64_t		part = rows < scorer->capacity ? rows : scorer->capacity;

		dl_preparation_apply(&model->preparation, part, features, stride, scorer->numbers, scorer->codes);
		DL_TRY(dl_plan_forward(scorer->plan, model->parameters[0], part, NULL, error));
		memcpy(hidden, scorer->hidden, (size_t) (part * width) * sizeof(float));
		rows -= part;
		features += part * stride;
		hidden += part * width;
	}
	return DL_OK;
}
