/*
 * fit_start_networks.c
 *    Which network begins with which weights, and how these come over.
 *
 * A trial begins with the member whose network has the same text: at the same place in the list of trials, or else with the same
 * learning rate, or else the first that is left.
 */
#include "model/fit_start.h"

#include <stdio.h>
#include <string.h>

#include "core/graph_internal.h"
#include "model/model_internal.h"

/* What a parameter is to a warm start. */
typedef struct Role
{
	int			embedded;		/* the table of which category; -1: none */
	bool		kept;			/* rows that a network keeps, which training replaces */
} Role;

static Role
role_of(const DlGraph *graph, int parameter)
{
	Role		role = {-1, false};

	for (DlNode i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		for (int k = 0; k < node->node.input_count; k++)
		{
			if (graph->nodes[node->inputs[k]].parameter != parameter)
				continue;
			if (node->node.op == DL_OP_EMBEDDING)
				role.embedded = (int) node->node.attributes.column;
			role.kept |= node->node.op == DL_OP_NEIGHBOURS && k >= 2;
		}
	}
	return role;
}

static bool
same_shape(const DlShape *a, const DlShape *b, int first)
{
	if (a->rank != b->rank)
		return false;
	for (int i = first; i < a->rank; i++)
		if (a->dims[i] != b->dims[i])
			return false;
	return true;
}

bool
dl_fit_start_fits(const DlFitStart *start, const DlGraph *from, const DlGraph *to)
{
	(void) start;
	if (from->parameter_count != to->parameter_count)
		return false;
	for (int i = 0; i < to->parameter_count; i++)
	{
		Role		role = role_of(to, i);

		if (strcmp(from->parameters[i].name, to->parameters[i].name) != 0)
			return false;
		if (!role.kept && !same_shape(&from->parameters[i].shape, &to->parameters[i].shape, role.embedded >= 0 ? 1 : 0))
			return false;
	}
	return true;
}

static void
fill_embedding(const int32_t *levels, const DlGraphParameter *from, const float *weights, const DlGraphParameter *to,
			   float *parameters)
{
	int64_t		width = to->shape.dims[1];

	for (int64_t level = 0; level < to->shape.dims[0]; level++)
		if (levels[level] >= 0 && levels[level] < from->shape.dims[0])
			memcpy(parameters + to->offset + level * width, weights + from->offset + levels[level] * width,
				   (size_t) width * sizeof(float));
}

void
dl_fit_start_fill(const DlFitStart *start, const DlModelMember *member, const DlGraph *graph, float *parameters)
{
	const DlGraph *from = start->model->networks[member->network].graph;

	for (int i = 0; i < graph->parameter_count; i++)
	{
		const DlGraphParameter *to = &graph->parameters[i];
		Role		role = role_of(graph, i);

		if (role.embedded >= 0)
			fill_embedding(start->levels[role.embedded], &from->parameters[i], member->parameters, to, parameters);
		else if (!role.kept)
			memcpy(parameters + to->offset, member->parameters + from->parameters[i].offset, (size_t) to->elements * sizeof(float));
	}
}

/*
 * --- which member ----------------------------------------------------------------
 */

/* Texts of networks in their canonical form, but for how many rows one keeps, which follows from the rows. */
static bool
same_network(const char *a, const char *b)
{
	static const char rows[] = "rows => ";

	while (*a == *b && *a != '\0')
	{
		bool		counts = strncmp(a, rows, sizeof(rows) - 1) == 0 && strncmp(b, rows, sizeof(rows) - 1) == 0;

		a += counts ? sizeof(rows) - 1 : 1;
		b += counts ? sizeof(rows) - 1 : 1;
		if (counts)
		{
			a += strspn(a, "0123456789");
			b += strspn(b, "0123456789");
		}
	}
	return *a == *b;
}

/* A member, and what the record says of its trial; place -1: nothing. */
typedef struct Candidate
{
	const DlModelMember *member;
	int			place;
	double		learning_rate;
	bool		taken;
} Candidate;

static void
list_candidates(const DlModel *start, Candidate *candidates)
{
	int			members = 0;

	for (int i = 0; i < start->record.trial_count; i++)
		members += start->record.trials[i].weight > 0;
	for (int m = 0, i = 0; m < start->member_count; m++, i++)
	{
		candidates[m] = (Candidate) {.member = &start->members[m], .place = -1};
		if (members != start->member_count)
			continue;
		while (!(start->record.trials[i].weight > 0))
			i++;
		candidates[m].place = i;
		candidates[m].learning_rate = start->record.trials[i].learning_rate;
	}
}

static bool
suits(const DlFitStart *start, const DlModel *model, const DlFitTrial *trial, const DlModelMember *member)
{
	const DlModelNetwork *from = &start->model->networks[member->network];
	const DlModelNetwork *to = &model->networks[trial->network];

	if (model->task == DL_TASK_REGRESSION && trial->log_target != member->target.log)
		return false;
	/* the least target must have a logarithm */
	for (int32_t k = 0; model->task == DL_TASK_REGRESSION && member->target.log && k < model->outputs; k++)
		if (model->target_low[k] + member->target.shift[k] <= 0)
			return false;
	return same_network(from->text, to->text) && dl_fit_start_fits(start, from->graph, to->graph);
}

/* 0: cannot be, else the better the greater. */
static int
preference(const DlFitStart *start, const DlModel *model, const DlFitTrial *trial, int index, const Candidate *candidate)
{
	if (candidate->taken || !suits(start, model, trial, candidate->member))
		return 0;
	if (candidate->place == index)
		return 3;
	return candidate->place >= 0 && candidate->learning_rate == trial->settings.learning_rate ? 2 : 1;
}

static DlStatus
copy_values(DlArena *arena, const double *values, int32_t count, double **result, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(double), result, error));
	memcpy(*result, values, (size_t) count * sizeof(double));
	return DL_OK;
}

/* The start is gone before the model is. */
static DlStatus
take_target(DlModel *model, const DlTargetScaling *from, DlTargetScaling *to, DlError *error)
{
	if (model->task != DL_TASK_REGRESSION)
		return DL_OK;
	to->log = from->log;
	DL_TRY(copy_values(model->arena, from->center, model->outputs, &to->center, error));
	DL_TRY(copy_values(model->arena, from->scale, model->outputs, &to->scale, error));
	return from->log ? copy_values(model->arena, from->shift, model->outputs, &to->shift, error) : DL_OK;
}

static DlStatus
begin_with(DlFitStart *start, DlModel *model, Candidate *candidate, DlFitTrial *trial, DlError *error)
{
	candidate->taken = true;
	trial->start = candidate->member;
	start->networks++;
	/* a rate that was found for it once suits it still */
	if (trial->settings.learning_rate == 0 && candidate->learning_rate > 0)
		trial->settings.learning_rate = candidate->learning_rate;
	return take_target(model, &candidate->member->target, &trial->target, error);
}

DlStatus
dl_fit_start_match(DlFitStart *start, DlModel *model, DlFitChoice *choice, DlError *error)
{
	Candidate	candidates[DL_MODEL_MAX_MEMBERS];

	start->networks = 0;
	if (start->model == NULL)
		return DL_OK;
	list_candidates(start->model, candidates);
	for (int wanted = 3; wanted > 0; wanted--)
		for (int i = 0; i < choice->trial_count; i++)
			for (int m = 0; m < start->model->member_count && choice->trials[i].start == NULL; m++)
				if (preference(start, model, &choice->trials[i], i, &candidates[m]) == wanted)
					DL_TRY(begin_with(start, model, &candidates[m], &choice->trials[i], error));
	return DL_OK;
}
