/*
 * plan.c
 *    Running a graph: steps with all pointers resolved when the plan is made.
 *
 * Pointers into parameters and gradients are bound when a run comes with
 * another vector than the last one.  A plan is used by one thread at a time.
 */
#include <string.h>

#include "core/graph_internal.h"
#include "core/plan_layout.h"

typedef struct Step
{
	DlOpFunction function;
	DlOpCall	call;
} Step;

/* A pointer that depends on a vector given at run time. */
typedef struct Binding
{
	void	  **slot;
	size_t		offset;			/* bytes */
} Binding;

typedef struct Bindings
{
	Binding    *items;
	int			count;
	const void *bound;
} Bindings;

typedef struct Range
{
	size_t		offset;			/* bytes */
	size_t		length;
} Range;

struct DlPlan
{
	const DlGraph *graph;
	DlPlanKind	kind;
	int64_t		capacity;
	DlOpRun		run;
	DlWorkspace workspace;
	char	   *block;
	size_t		bytes;
	size_t		real_size;
	void	  **data;			/* of inputs and outputs by node; else NULL */
	Step	   *forward;
	int			forward_count;
	Step	   *backward;
	int			backward_count;
	Bindings	parameters;
	Bindings	gradients;
	Range	   *clear;			/* of the gradients, what no step stores */
	int			clear_count;
	void	   *seed;			/* gradient of the loss; NULL where nothing is trained */
	bool		needs_random;
	double		dropout;
	bool		ran_forward;
};

static void *
buffer_data(const DlPlan *plan, const DlPlanLayout *layout, int buffer)
{
	return buffer == DL_NO_BUFFER ? NULL : plan->block + layout->buffers[buffer].offset;
}

static void
add_binding(DlPlan *plan, Bindings *bindings, void **slot, int parameter)
{
	bindings->items[bindings->count++] =
		(Binding) {slot, (size_t) plan->graph->parameters[parameter].offset * plan->real_size};
}

static void
bind(Bindings *bindings, const void *vector)
{
	if (bindings->bound == vector)
		return;
	for (int i = 0; i < bindings->count; i++)
		*bindings->items[i].slot = (char *) vector + bindings->items[i].offset;
	bindings->bound = vector;
}

static DlStatus
make_forward(DlPlan *plan, const DlPlanLayout *layout, DlArena *arena, DlNode i, DlError *error)
{
	const DlGraphNode *node = &plan->graph->nodes[i];
	const DlPlanNode *own = &layout->nodes[i];
	Step	   *step = &plan->forward[plan->forward_count++];

	step->function = node->definition->forward;
	step->call.run = &plan->run;
	step->call.node = &node->node;
	step->call.y = buffer_data(plan, layout, own->value);
	step->call.kept = buffer_data(plan, layout, own->kept);
	step->call.work = buffer_data(plan, layout, own->work_forward);
	DL_TRY(dl_arena_calloc(arena, (size_t) node->node.input_count, sizeof(void *), &step->call.x, error));
	for (int k = 0; k < node->node.input_count; k++)
	{
		DlNode		input = node->inputs[k];

		if (plan->graph->nodes[input].parameter >= 0)
			add_binding(plan, &plan->parameters, &step->call.x[k], plan->graph->nodes[input].parameter);
		else
			step->call.x[k] = buffer_data(plan, layout, layout->nodes[input].value);
	}
	if (node->definition->random && plan->kind == DL_PLAN_TRAINING)
		plan->needs_random = true;
	return DL_OK;
}

/* forward: the node's forward call.  written: gradients that an earlier step has stored. */
static DlStatus
make_backward(DlPlan *plan, const DlPlanLayout *layout, DlArena *arena, DlNode i, const DlOpCall *forward,
			  bool *written, DlError *error)
{
	const DlGraphNode *node = &plan->graph->nodes[i];
	Step	   *step = &plan->backward[plan->backward_count++];
	bool	   *accumulate;

	step->function = node->definition->backward;
	step->call = *forward;
	step->call.work = buffer_data(plan, layout, layout->nodes[i].work_backward);
	step->call.dy = buffer_data(plan, layout, layout->nodes[i].gradient);
	DL_TRY(dl_arena_calloc(arena, (size_t) node->node.input_count, sizeof(void *), &step->call.dx, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) node->node.input_count, sizeof(bool), &accumulate, error));
	step->call.accumulate = accumulate;
	for (int k = 0; k < node->node.input_count; k++)
	{
		DlNode		input = node->inputs[k];

		if (!dl_op_has(node->definition->differentiable, k) || !layout->nodes[input].receives)
			continue;
		if (plan->graph->nodes[input].parameter >= 0)
			add_binding(plan, &plan->gradients, &step->call.dx[k], plan->graph->nodes[input].parameter);
		else
			step->call.dx[k] = buffer_data(plan, layout, layout->nodes[input].gradient);
		accumulate[k] = written[input];
		written[input] = true;
	}
	return DL_OK;
}

/* Everything in the vector of gradients but what the backward steps store. */
static DlStatus
make_clear(DlPlan *plan, const DlPlanLayout *layout, DlArena *arena, DlError *error)
{
	const DlGraph *graph = plan->graph;
	int64_t		done = 0;

	DL_TRY(dl_arena_calloc(arena, (size_t) graph->parameter_count + 1, sizeof(Range), &plan->clear, error));
	for (int i = 0; i <= graph->parameter_count; i++)
	{
		const DlGraphParameter *parameter = &graph->parameters[i];
		bool		last = i == graph->parameter_count;
		int64_t		next = last ? graph->vector_length : parameter->offset;

		if (!last && !layout->nodes[parameter->node].receives)
			continue;
		if (next > done)
			plan->clear[plan->clear_count++] =
				(Range) {(size_t) done * plan->real_size, (size_t) (next - done) * plan->real_size};
		if (!last)
			done = next + parameter->elements;
	}
	return DL_OK;
}

static DlStatus
make_steps(DlPlan *plan, const DlPlanLayout *layout, DlArena *arena, DlArena *scratch, DlError *error)
{
	int			count = plan->graph->node_count;
	size_t		edges = 0;
	const DlOpCall **calls;
	bool	   *written;

	for (DlNode i = 0; i < count; i++)
		edges += (size_t) plan->graph->nodes[i].node.input_count;
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(Step), &plan->forward, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(Step), &plan->backward, error));
	DL_TRY(dl_arena_calloc(arena, edges, sizeof(Binding), &plan->parameters.items, error));
	DL_TRY(dl_arena_calloc(arena, edges, sizeof(Binding), &plan->gradients.items, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) count, sizeof(*calls), &calls, error));
	DL_TRY(dl_arena_calloc(scratch, (size_t) count, sizeof(bool), &written, error));
	for (DlNode i = 0; i < count; i++)
		if (layout->nodes[i].live && plan->graph->nodes[i].definition->forward != NULL)
		{
			DL_TRY(make_forward(plan, layout, arena, i, error));
			calls[i] = &plan->forward[plan->forward_count - 1].call;
		}

	/* backward steps share the array x of the forward ones, so binding is done once */
	for (DlNode i = count - 1; i >= 0; i--)
		if (layout->nodes[i].receives && calls[i] != NULL)
			DL_TRY(make_backward(plan, layout, arena, i, calls[i], written, error));
	if (plan->kind == DL_PLAN_TRAINING)
		DL_TRY(make_clear(plan, layout, arena, error));
	return DL_OK;
}

static DlStatus
check_outputs(const DlGraph *graph, DlPlanKind kind, int64_t capacity, const DlNode *outputs, int count, DlError *error)
{
	char		text[128];

	if (capacity < 1)
		return dl_error_set(error, DL_ERROR_INVALID, "a plan needs room for at least 1 row, got %lld",
							(long long) capacity);
	if (count < 1)
		return dl_error_set(error, DL_ERROR_INVALID, "a plan needs at least 1 output");
	for (int k = 0; k < count; k++)
	{
		if (outputs[k] < 0 || outputs[k] >= graph->node_count)
			return dl_error_set(error, DL_ERROR_INVALID, "output %d is node %d, which does not exist", k + 1, outputs[k]);
		if (graph->nodes[outputs[k]].parameter >= 0)
			return dl_error_set(error, DL_ERROR_INVALID, "output %d is parameter \"%s\"", k + 1,
								graph->nodes[outputs[k]].name);
	}
	if (kind == DL_PLAN_TRAINING && dl_shape_row(&graph->nodes[outputs[0]].node.output) != 1)
		return dl_error_set(error, DL_ERROR_SHAPE, "the loss has shape %s, expected [batch, 1]",
							dl_shape_print(&graph->nodes[outputs[0]].node.output, text, sizeof(text)));
	return DL_OK;
}

/* The work of dl_plan_create(); scratch holds what only making a plan needs. */
static DlStatus
create(DlArena *arena, DlArena *scratch, DlPlan *plan, const DlNode *outputs, int output_count, DlError *error)
{
	const DlGraph *graph = plan->graph;
	DlPlanLayout layout = {
		.graph = graph,.kind = plan->kind,.real = plan->run.backend->real,.capacity = plan->capacity
	};

	DL_TRY(dl_plan_layout(&layout, scratch, outputs, output_count, error));
	plan->bytes = layout.bytes;
	DL_TRY(dl_arena_alloc(arena, layout.bytes, &plan->block, error));
	plan->workspace.size = plan->run.backend->workspace_size;
	DL_TRY(dl_arena_alloc(arena, plan->workspace.size, &plan->workspace.memory, error));
	DL_TRY(make_steps(plan, &layout, arena, scratch, error));

	DL_TRY(dl_arena_calloc(arena, (size_t) graph->node_count, sizeof(void *), &plan->data, error));
	for (DlNode i = 0; i < graph->node_count; i++)
		if (layout.nodes[i].pinned)
		{
			plan->data[i] = buffer_data(plan, &layout, layout.nodes[i].value);
			/* an input that nobody fills is 0, a valid code */
			memset(plan->data[i], 0, layout.buffers[layout.nodes[i].value].bytes);
		}
	if (plan->kind == DL_PLAN_TRAINING)
		plan->seed = buffer_data(plan, &layout, layout.nodes[outputs[0]].gradient);
	return DL_OK;
}

DlStatus
dl_plan_create(DlArena *arena, const DlGraph *graph, const DlBackend *backend, DlPlanKind kind,
			   int64_t capacity, const DlNode *outputs, int output_count, DlPlan **result, DlError *error)
{
	DlArena    *scratch;
	DlPlan	   *plan;
	DlStatus	status;

	DL_TRY(check_outputs(graph, kind, capacity, outputs, output_count, error));
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlPlan), &plan, error));
	plan->graph = graph;
	plan->kind = kind;
	plan->capacity = capacity;
	plan->dropout = 1;
	plan->real_size = dl_dtype_size(backend->real);
	plan->run.backend = backend;
	plan->run.workspace = &plan->workspace;
	plan->run.training = kind == DL_PLAN_TRAINING;
	DL_TRY(dl_arena_create(0, &scratch, error));
	status = create(arena, scratch, plan, outputs, output_count, error);
	dl_arena_destroy(scratch);
	if (status == DL_OK)
		*result = plan;
	return status;
}

void *
dl_plan_data(DlPlan *plan, DlNode node)
{
	return plan->data[node];
}

DlWorkspace *
dl_plan_workspace(DlPlan *plan)
{
	return &plan->workspace;
}

int64_t
dl_plan_capacity(const DlPlan *plan)
{
	return plan->capacity;
}

size_t
dl_plan_bytes(const DlPlan *plan)
{
	return plan->bytes;
}

void
dl_plan_set_dropout(DlPlan *plan, double factor)
{
	plan->dropout = factor;
}

void
dl_plan_set_candidates(DlPlan *plan, int64_t candidates)
{
	plan->run.candidates = candidates;
}

static DlStatus
run_steps(const DlPlan *plan, const Step *steps, int count, DlError *error)
{
	const atomic_int *cancel = plan->workspace.cancel;

	for (int i = 0; i < count; i++)
	{
		if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
			return dl_error_set(error, DL_ERROR_CANCELLED, "computation was cancelled");
		steps[i].function(&steps[i].call);
	}
	if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "computation was cancelled");
	return DL_OK;
}

DlStatus
dl_plan_forward(DlPlan *plan, void *parameters, int64_t rows, DlRandom *random, DlError *error)
{
	plan->ran_forward = false;
	if (rows < 1 || rows > plan->capacity)
		return dl_error_set(error, DL_ERROR_INVALID, "a batch must have 1 to %lld rows, got %lld",
							(long long) plan->capacity, (long long) rows);
	if (plan->needs_random && random == NULL)
		return dl_error_set(error, DL_ERROR_INVALID, "training this network needs a random state");
	bind(&plan->parameters, parameters);
	plan->run.rows = rows;
	plan->run.random = random;
	plan->run.dropout = plan->dropout;
	DL_TRY(run_steps(plan, plan->forward, plan->forward_count, error));
	plan->ran_forward = true;
	return DL_OK;
}

static void
fill(void *memory, DlDtype real, int64_t count, double value)
{
	for (int64_t i = 0; i < count; i++)
		if (real == DL_F64)
			((double *) memory)[i] = value;
		else
			((float *) memory)[i] = (float) value;
}

DlStatus
dl_plan_backward(DlPlan *plan, const void *parameters, double loss_scale, void *gradients, DlError *error)
{
	if (plan->kind != DL_PLAN_TRAINING || !plan->ran_forward)
		return dl_error_set(error, DL_ERROR_INVALID, "a backward run needs a training plan and a forward run before it");

	/* gradients of activations have taken the place of values */
	plan->ran_forward = false;
	bind(&plan->parameters, parameters);
	bind(&plan->gradients, gradients);
	for (int i = 0; i < plan->clear_count; i++)
		memset((char *) gradients + plan->clear[i].offset, 0, plan->clear[i].length);
	if (plan->seed != NULL)
		fill(plan->seed, plan->run.backend->real, plan->run.rows, loss_scale);
	return run_steps(plan, plan->backward, plan->backward_count, error);
}
