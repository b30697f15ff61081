/*
 * model_build.c
 *    From the text of a network and what the columns offer to a graph.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "model/model_internal.h"

DlStatus
dl_model_build_network(const DlModel *model, const char *text, DlModelNetwork *result, DlError *error)
{
	const DlPreparation *preparation = &model->preparation;
	DlNetworkInputs inputs = {
		.numbers = preparation->inputs,
		.continuous = preparation->continuous,
		.categories = preparation->embedded,
		.levels = preparation->embedded_levels,
		.logits = model->task != DL_TASK_REGRESSION
	};
	char	   *canonical;

	DL_TRY(dl_network_parse(model->arena, text, strlen(text), &result->network, error));
	DL_TRY(dl_network_text(result->network, model->arena, &canonical, error));
	result->text = canonical;
	DL_TRY(dl_graph_create(model->arena, &result->graph, error));
	return dl_network_build(result->network, &inputs, model->outputs, result->graph, &result->nodes, error);
}

const DlGraph *
dl_model_graph(const DlModel *model, int member)
{
	return model->networks[model->members[member].network].graph;
}

double
dl_target_value(const DlTargetScaling *target, int32_t k, double z)
{
	double		value = target->center[k] + target->scale[k] * z;

	return target->log ? exp(value) - target->shift[k] : value;
}

double
dl_target_output(const DlTargetScaling *target, int32_t k, double value)
{
	if (target->log)
		value = log(value + target->shift[k]);
	return (value - target->center[k]) / target->scale[k];
}

void
dl_model_limits(const DlModel *model, int32_t k, double *low, double *high)
{
	*low = fmax(model->target_low[k], -DBL_MAX);
	*high = fmin(model->target_high[k], DBL_MAX);
}

double
dl_model_limit(const DlModel *model, int32_t k, double value)
{
	double		low;
	double		high;

	dl_model_limits(model, k, &low, &high);
	return dl_limit(value, low, high);
}

/* Position among the knots: *below, and how far on to the next one. */
static double
find_knot(const DlModel *model, double value, int32_t *below)
{
	int32_t		last = model->interval_count - 1;
	double		width;

	*below = 0;
	if (last == 0 || !(value > model->interval_at[0]))
		return 0;
	while (*below < last && value >= model->interval_at[*below + 1])
		(*below)++;
	if (*below == last)
		return 0;
	width = model->interval_at[*below + 1] - model->interval_at[*below];
	return (value - model->interval_at[*below]) / width;
}

bool
dl_model_interval(const DlModel *model, double prediction, double *low, double *high)
{
	int32_t		below;
	int32_t		above;
	double		share;

	if (model->interval_count == 0)
		return false;
	share = find_knot(model, prediction, &below);
	above = share > 0 ? below + 1 : below;
	*low = prediction + (1 - share) * model->interval_low[below] + share * model->interval_low[above];
	*high = prediction + (1 - share) * model->interval_high[below] + share * model->interval_high[above];
	return true;
}

int32_t
dl_model_result_width(const DlModel *model)
{
	return model->outputs;
}

/* The embedding of a row is that of the first member. */
int32_t
dl_model_hidden_width(const DlModel *model)
{
	const DlModelNetwork *network = &model->networks[model->members[0].network];

	return (int32_t) dl_graph_shape(network->graph, network->nodes.hidden).dims[1];
}

void
dl_model_destroy(DlModel *model)
{
	if (model != NULL)
		dl_arena_destroy(model->arena);
}
