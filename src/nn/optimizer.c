/*
 * optimizer.c
 *    Ranges of equal factors, and the call of the backend's update kernels on
 *    them.  The formulas are those of the kernels (cpu/reference.c).
 */
#include "nn/optimizer.h"

#include <math.h>
#include <string.h>

#include "core/size.h"

/* Where the parameter's memory ends, padding included. */
static int64_t
parameter_end(const DlGraph *graph, int index)
{
	return index + 1 < dl_graph_parameter_count(graph) ?
		dl_graph_parameter_offset(graph, index + 1) : dl_graph_vector_length(graph);
}

static void
make_ranges(DlUpdater *updater, const DlGraph *graph)
{
	int			count = 0;

	for (int i = 0; i < dl_graph_parameter_count(graph); i++)
	{
		const DlParameterInfo *info = dl_graph_parameter_info(graph, i);
		double		decay = updater->weight_decay > 0 ? info->decay : 0;
		int64_t		begin = dl_graph_parameter_offset(graph, i);
		DlUpdateRange *last = count > 0 ? &updater->ranges[count - 1] : NULL;

		if (info->rate == 0)
			continue;
		if (last != NULL && last->end == begin && last->rate == info->rate && last->decay == decay)
			last->end = parameter_end(graph, i);
		else
			updater->ranges[count++] = (DlUpdateRange) {begin, parameter_end(graph, i), info->rate, decay};
	}
	updater->range_count = count;
}

DlStatus
dl_updater_create(DlArena *arena, const DlGraph *graph, const DlTrainSettings *settings,
				  DlUpdater **result, DlError *error)
{
	DlUpdater  *updater;
	size_t		length = (size_t) dl_graph_vector_length(graph);

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlUpdater), &updater, error));
	updater->kind = settings->optimizer;
	updater->momentum = settings->momentum;
	updater->nesterov = settings->nesterov;
	updater->beta1 = settings->beta1;
	updater->beta2 = settings->beta2;
	updater->epsilon = settings->epsilon;
	updater->weight_decay = settings->weight_decay;
	updater->length = (int64_t) length;
	DL_TRY(dl_arena_calloc(arena, (size_t) dl_graph_parameter_count(graph), sizeof(DlUpdateRange),
						   &updater->ranges, error));
	DL_TRY(dl_arena_calloc(arena, length, sizeof(float), &updater->first, error));
	if (updater->kind != DL_OPTIMIZER_SGD)
		DL_TRY(dl_arena_calloc(arena, length, sizeof(float), &updater->second, error));
	make_ranges(updater, graph);
	dl_updater_reset(updater);
	*result = updater;
	return DL_OK;
}

void
dl_updater_reset(DlUpdater *updater)
{
	size_t		bytes = (size_t) updater->length * sizeof(float);

	memset(updater->first, 0, bytes);
	if (updater->second != NULL)
		memset(updater->second, 0, bytes);
	updater->beta1_power = 1;
	updater->beta2_power = 1;
}

void
dl_updater_begin(DlUpdater *updater, double learning_rate, double decay_factor, double gradient_scale)
{
	updater->learning_rate = learning_rate;
	updater->decay = updater->weight_decay * decay_factor;
	updater->gradient_scale = gradient_scale;
	updater->beta1_power *= updater->beta1;
	updater->beta2_power *= updater->beta2;
}

static void
update_range(const DlUpdater *updater, const DlBackend *backend, DlWorkspace *workspace,
			 const DlUpdateRange *range, int64_t begin, int64_t count, float *parameters, const float *gradients)
{
	double		rate = updater->learning_rate * range->rate;
	double		decay = updater->decay * range->decay;
	float	   *first = updater->first + begin;
	float	   *second = updater->second != NULL ? updater->second + begin : NULL;

	switch (updater->kind)
	{
		case DL_OPTIMIZER_SGD:
			backend->update_sgd(workspace, count, rate, updater->momentum, updater->nesterov, decay,
								updater->gradient_scale, parameters + begin, gradients + begin, first);
			break;
		case DL_OPTIMIZER_RMSPROP:
			backend->update_rmsprop(workspace, count, rate, DL_RMSPROP_ALPHA, updater->epsilon, updater->momentum,
									decay, updater->gradient_scale, parameters + begin, gradients + begin,
									second, first);
			break;
		case DL_OPTIMIZER_ADAM:
		case DL_OPTIMIZER_ADAMW:
			{
				bool		decoupled = updater->kind == DL_OPTIMIZER_ADAMW;
				DlAdamStep	step = {
					.learning_rate = rate,
					.beta1 = updater->beta1,
					.beta2 = updater->beta2,
					.epsilon = updater->epsilon,
					.weight_decay = decoupled ? decay : 0,
					.l2 = decoupled ? 0 : decay,
					.correction1 = 1 - updater->beta1_power,
					.correction2 = 1 - updater->beta2_power,
					.gradient_scale = updater->gradient_scale
				};

				backend->update_adam(workspace, count, &step, parameters + begin, gradients + begin, first, second);
				break;
			}
	}
}

/* The part of a range within [begin, end); false when there is none. */
static bool
intersect(const DlUpdateRange *range, int64_t begin, int64_t end, int64_t *from, int64_t *count)
{
	int64_t		to = range->end < end ? range->end : end;

	*from = range->begin > begin ? range->begin : begin;
	*count = to - *from;
	return *count > 0;
}

void
dl_updater_apply(const DlUpdater *updater, const DlBackend *backend, DlWorkspace *workspace,
				 int64_t begin, int64_t end, float *parameters, const float *gradients)
{
	int64_t		from;
	int64_t		count;

	for (int i = 0; i < updater->range_count; i++)
		if (intersect(&updater->ranges[i], begin, end, &from, &count))
			update_range(updater, backend, workspace, &updater->ranges[i], from, count, parameters, gradients);
}

double
dl_updater_sum_squares(const DlUpdater *updater, const DlBackend *backend, DlWorkspace *workspace,
					   int64_t begin, int64_t end, const float *vector)
{
	double		sum = 0;
	int64_t		from;
	int64_t		count;

	for (int i = 0; i < updater->range_count; i++)
		if (intersect(&updater->ranges[i], begin, end, &from, &count))
			sum += backend->sum_squares(workspace, count, vector + from);
	return sum;
}

double
dl_clip_factor(double norm, double clip)
{
	return clip > 0 && norm > clip ? clip / norm : 1;
}
