/*
 * score.c
 *    Scoring: preparation, each member's network, the way back to the units of
 *    the target, and the weighted mean of the members.
 *
 * Two ways through a network that give the same bits: the inference plan
 * (row_invariant), and for few rows of a network that is a plain chain of dense
 * layers, a kernel made for one row, without a plan's overhead.  In bfloat16 that is
 * the kernel of the plan.
 */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "model/model_internal.h"

#define FEW_ROWS 4				/* up to so many go through the chain */

/* What one network of the model runs in. */
typedef struct ScorerNetwork
{
	DlPlan	   *plan;
	float	   *numbers;		/* of the plan's inputs and outputs; NULL where there are none */
	int32_t    *codes;
	const float *output;
	const float *hidden;

	/* the chain; 0 steps when the network is none */
	DlChainStep *steps;
	int			step_count;
} ScorerNetwork;

struct DlScorer
{
	const DlModel *model;
	int64_t		capacity;
	ScorerNetwork *networks;
	bool		chains;			/* all networks are chains */
	DlDenseRow	dense_row;		/* NULL: the backend's dense() */
	const DlBackend *backend;
	float	   *prepared;		/* one row of numbers */
	float	   *values[2];		/* of a layer, in turn */
};

static DlStatus
create_plan(DlArena *arena, const DlScorer *scorer, const DlModelNetwork *network, ScorerNetwork *result, DlError *error)
{
	const DlNetworkNodes *nodes = &network->nodes;
	DlNode		outputs[2] = {nodes->output, nodes->hidden};
	bool		input = dl_graph_op(network->graph, nodes->hidden) == DL_OP_INPUT;
	DlWorkspace *workspace;

	DL_TRY(dl_plan_create(arena, network->graph, scorer->backend, DL_PLAN_INFERENCE, scorer->capacity, outputs,
						  input || nodes->hidden == nodes->output ? 1 : 2, &result->plan, error));
	workspace = dl_plan_workspace(result->plan);
	workspace->row_invariant = true;
	workspace->packed = scorer->model->packed;
	workspace->packed_count = scorer->model->packed_count;
	if (nodes->numbers != DL_NO_NODE)
		result->numbers = dl_plan_data(result->plan, nodes->numbers);
	if (nodes->codes != DL_NO_NODE)
		result->codes = dl_plan_data(result->plan, nodes->codes);
	result->output = dl_plan_data(result->plan, nodes->output);
	result->hidden = dl_plan_data(result->plan, nodes->hidden);
	return dl_model_chain(arena, network, &result->steps, &result->step_count, error);
}

static DlStatus
create_chain_memory(DlArena *arena, DlScorer *scorer, DlError *error)
{
	const DlModel *model = scorer->model;
	int64_t		widest = 1;

	if (!scorer->chains)
		return DL_OK;
	scorer->dense_row = scorer->backend == dl_backend_cpu() ? dl_cpu_dense_row() : NULL;
	for (int32_t n = 0; n < model->network_count; n++)
		for (int i = 0; i < scorer->networks[n].step_count; i++)
			if (scorer->networks[n].steps[i].out > widest)
				widest = scorer->networks[n].steps[i].out;
	DL_TRY(dl_arena_calloc(arena, (size_t) model->preparation.inputs, sizeof(float), &scorer->prepared, error));
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
	scorer->backend = dl_model_backend(model);
	scorer->chains = true;
	DL_TRY(dl_arena_calloc(arena, (size_t) model->network_count, sizeof(ScorerNetwork), &scorer->networks, error));
	for (int32_t i = 0; i < model->network_count; i++)
	{
		DL_TRY(create_plan(arena, scorer, &model->networks[i], &scorer->networks[i], error));
		scorer->chains = scorer->chains && scorer->networks[i].step_count > 0;
	}
	DL_TRY(create_chain_memory(arena, scorer, error));
	*result = scorer;
	return DL_OK;
}

/* One row through the chain of one member; the outputs' memory belongs to the scorer. */
static const float *
run_chain(DlScorer *scorer, const DlModelMember *member)
{
	const ScorerNetwork *network = &scorer->networks[member->network];
	const float *parameters = member->parameters;
	const float *x = scorer->prepared;

	for (int i = 0; i < network->step_count; i++)
	{
		const DlChainStep *step = &network->steps[i];
		float	   *y = scorer->values[i & 1];
		const float *bias = step->bias < 0 ? NULL : parameters + step->bias;

		if (step->dense && scorer->dense_row != NULL)
			scorer->dense_row(step->in, step->out, x, parameters + step->weight, bias, step->activation, y);
		else if (step->dense)
			scorer->backend->dense(dl_plan_workspace(network->plan), 1, step->in, step->out, x, parameters + step->weight, bias, step->activation,
								   NULL, y);
		else
			scorer->backend->activation(dl_plan_workspace(network->plan), step->activation, step->out, x, y);
		x = y;
	}
	return x;
}

/* What one member adds to a row's results: its weight times its probabilities. */
static void
add_softmax(const float *logits, int32_t n, double weight, double *result)
{
	double		highest = logits[0];
	double		sum = 0;

	for (int32_t i = 1; i < n; i++)
		if (logits[i] > highest)
			highest = logits[i];
	for (int32_t i = 0; i < n; i++)
		sum += exp(logits[i] - highest);
	for (int32_t i = 0; i < n; i++)
		result[i] += weight * (exp(logits[i] - highest) / sum);
}

/* One output of a regression for many rows; the same for one row and for many, to the bit. */
static void
add_values(const DlModel *model, const DlModelMember *member, int32_t k, int64_t rows, const float *outputs, double *results)
{
	const DlTargetScaling *target = &member->target;
	const int64_t stride = model->outputs;
	const double center = target->center[k];
	const double scale = target->scale[k];
	const double shift = target->log ? target->shift[k] : 0;
	const double weight = member->weight;
	double		low;
	double		high;

	dl_model_limits(model, k, &low, &high);
	if (target->log)
	{
		for (int64_t i = 0; i < rows; i++)
			results[i * stride] += weight * dl_limit(exp(center + scale * outputs[i * stride]) - shift, low, high);
		return;
	}
	for (int64_t i = 0; i < rows; i++)
		results[i * stride] += weight * dl_limit(center + scale * outputs[i * stride], low, high);
}

void
dl_model_add_results(const DlModel *model, const DlModelMember *member, int64_t rows, const float *outputs,
					 double *results)
{
	int32_t		n = model->outputs;

	if (model->task == DL_TASK_REGRESSION)
	{
		for (int32_t k = 0; k < n; k++)
			add_values(model, member, k, rows, outputs + k, results + k);
		return;
	}
	if (model->task == DL_TASK_MULTICLASS)
	{
		for (int64_t i = 0; i < rows; i++)
			add_softmax(outputs + i * n, n, member->weight, results + i * n);
		return;
	}
	for (int64_t i = 0; i < rows * n; i++)
		results[i] += member->weight / (1.0 + exp(-(double) outputs[i]));
}

void
dl_probabilities_temper(double *probabilities, int32_t n, bool softmax, double temperature)
{
	double		highest = 0;
	double		sum = 0;

	if (temperature == 1)
		return;
	for (int32_t i = 0; i < n && !softmax; i++)
	{
		double		p = probabilities[i];

		/* (p / (1-p))^(1/T), at 0 and 1 as well */
		probabilities[i] = p <= 0 ? 0 : 1 / (1 + pow((1 - p) / p, 1 / temperature));
	}
	if (!softmax)
		return;
	for (int32_t i = 0; i < n; i++)
		highest = fmax(highest, probabilities[i]);
	for (int32_t i = 0; i < n; i++)
	{
		probabilities[i] = pow(probabilities[i] / highest, 1 / temperature);
		sum += probabilities[i];
	}
	for (int32_t i = 0; i < n; i++)
		probabilities[i] /= sum;
}

static void
begin_rows(const DlModel *model, int64_t rows, double *results)
{
	memset(results, 0, (size_t) (rows * model->outputs) * sizeof(double));
}

static void
finish_rows(const DlModel *model, int64_t rows, double *results)
{
	if (model->task == DL_TASK_REGRESSION || model->temperature == 1)
		return;
	for (int64_t row = 0; row < rows; row++)
		dl_probabilities_temper(results + row * model->outputs, model->outputs, model->task == DL_TASK_MULTICLASS,
								model->temperature);
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

/* Prepares rows that fit the plans as the inputs of every network. */
static void
prepare_rows(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride)
{
	const DlPreparation *preparation = &scorer->model->preparation;
	const ScorerNetwork *first = &scorer->networks[0];

	dl_preparation_apply(preparation, rows, features, stride, first->numbers, first->codes);
	for (int32_t i = 1; i < scorer->model->network_count; i++)
	{
		const ScorerNetwork *network = &scorer->networks[i];

		if (network->numbers != NULL)
			memcpy(network->numbers, first->numbers, (size_t) (rows * preparation->inputs) * sizeof(float));
		if (network->codes != NULL)
			memcpy(network->codes, first->codes, (size_t) (rows * preparation->embedded) * sizeof(int32_t));
	}
}

static DlStatus
run_plans(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride, double *results, DlError *error)
{
	const DlModel *model = scorer->model;

	prepare_rows(scorer, rows, features, stride);
	begin_rows(model, rows, results);
	for (int32_t m = 0; m < model->member_count; m++)
	{
		const DlModelMember *member = &model->members[m];
		const ScorerNetwork *network = &scorer->networks[member->network];

		DL_TRY(dl_plan_forward(network->plan, member->parameters, rows, NULL, error));
		dl_model_add_results(model, member, rows, network->output, results);
	}
	finish_rows(model, rows, results);
	return DL_OK;
}

/* One row, all of whose networks are chains. */
static void
run_chains(DlScorer *scorer, const uint32_t *features, int64_t stride, double *result)
{
	const DlModel *model = scorer->model;

	dl_preparation_apply(&model->preparation, 1, features, stride, scorer->prepared, NULL);
	begin_rows(model, 1, result);
	for (int32_t m = 0; m < model->member_count; m++)
		dl_model_add_results(model, &model->members[m], 1, run_chain(scorer, &model->members[m]), result);
	finish_rows(model, 1, result);
}

DlStatus
dl_scorer_run(DlScorer *scorer, int64_t rows, const uint32_t *features, int64_t stride, double *results, DlError *error)
{
	const DlModel *model = scorer->model;

	DL_TRY(check_rows(scorer, rows, stride, error));
	if (rows <= FEW_ROWS && scorer->chains)
	{
		for (int64_t row = 0; row < rows; row++)
			run_chains(scorer, features + row * stride, stride, results + row * model->outputs);
		return DL_OK;
	}
	while (rows > 0)
	{
		int64_t		part = rows < scorer->capacity ? rows : scorer->capacity;

		DL_TRY(run_plans(scorer, part, features, stride, results, error));
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
	const ScorerNetwork *network = &scorer->networks[model->members[0].network];
	int64_t		width = dl_model_hidden_width(model);

	DL_TRY(check_rows(scorer, rows, stride, error));
	while (rows > 0)
	{
		int64_t		part = rows < scorer->capacity ? rows : scorer->capacity;

		dl_preparation_apply(&model->preparation, part, features, stride, network->numbers, network->codes);
		DL_TRY(dl_plan_forward(network->plan, model->members[0].parameters, part, NULL, error));
		memcpy(hidden, network->hidden, (size_t) (part * width) * sizeof(float));
		rows -= part;
		features += part * stride;
		hidden += part * width;
	}
	return DL_OK;
}
