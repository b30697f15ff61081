/*
 * plan_layout.c
 *    Liveness of values and gradients, sharing in place, and best-fit
 *    placement of the resulting intervals.
 */
#include "core/plan_layout.h"

#include <stdlib.h>

#include "core/size.h"

int
dl_plan_uses(const DlGraphNode *node, DlNode input)
{
	int			uses = 0;

	for (int k = 0; k < node->node.input_count; k++)
		uses += node->inputs[k] == input;
	return uses;
}

static int
backward_time(const DlPlanLayout *layout, DlNode node)
{
	return 2 * layout->graph->node_count - 1 - node;
}

static void
mark_live(DlPlanLayout *layout, const DlNode *outputs, int output_count)
{
	for (int k = 0; k < output_count; k++)
	{
		layout->nodes[outputs[k]].live = true;
		layout->nodes[outputs[k]].pinned = true;
	}
	for (DlNode i = layout->graph->node_count - 1; i >= 0; i--)
	{
		const DlGraphNode *node = &layout->graph->nodes[i];

		if (node->node.op == DL_OP_INPUT)
			layout->nodes[i].pinned = true;
		if (layout->nodes[i].live)
			for (int k = 0; k < node->node.input_count; k++)
				layout->nodes[node->inputs[k]].live = true;
	}
}

/* Who needs a gradient (upwards), who gets one (downwards), and who stores it first. */
static void
mark_gradients(DlPlanLayout *layout, DlNode loss)
{
	const DlGraph *graph = layout->graph;

	for (DlNode i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (node->parameter >= 0)
			layout->nodes[i].needs_gradient = graph->parameters[node->parameter].info.rate != 0;
		for (int k = 0; k < node->node.input_count; k++)
			if (dl_op_has(node->definition->differentiable, k) && layout->nodes[node->inputs[k]].needs_gradient)
				layout->nodes[i].needs_gradient = true;
	}
	layout->nodes[loss].receives = layout->nodes[loss].needs_gradient;
	for (DlNode i = loss; i >= 0; i--)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (!layout->nodes[i].receives)
			continue;
		for (int k = 0; k < node->node.input_count; k++)
		{
			DlPlanNode *input = &layout->nodes[node->inputs[k]];

			if (!dl_op_has(node->definition->differentiable, k) || !input->needs_gradient)
				continue;
			input->receives = true;
			if (input->first_writer == DL_NO_NODE)
				input->first_writer = i;
		}
	}
}

static void
extend(int *last, int time)
{
	if (*last < time)
		*last = time;
}

/* Until when each value is read. */
static void
mark_last_readers(DlPlanLayout *layout)
{
	for (DlNode i = 0; i < layout->graph->node_count; i++)
	{
		const DlGraphNode *node = &layout->graph->nodes[i];
		DlPlanNode *own = &layout->nodes[i];
		unsigned	keeps = 0;

		own->value_last = i;
		if (own->pinned)
			own->value_last = 2 * layout->graph->node_count;
		if (!own->live)
			continue;
		if (own->receives && node->definition->keeps != NULL)
			keeps = node->definition->keeps(&node->node);
		if (keeps & DL_OP_OUTPUT_BIT)
			extend(&own->value_last, backward_time(layout, i));
		for (int k = 0; k < node->node.input_count; k++)
			extend(&layout->nodes[node->inputs[k]].value_last,
				   dl_op_has(keeps, k) ? backward_time(layout, i) : i);
	}
}

/* Adds a buffer for row elements a row and fixed more; none where both are 0. */
static DlStatus
add_buffer(DlPlanLayout *layout, int first, int last, int64_t row, int64_t fixed, size_t size, int *result, DlError *error)
{
	DlPlanBuffer *buffer = &layout->buffers[layout->buffer_count];
	size_t		bytes;

	*result = DL_NO_BUFFER;
	if (row == 0 && fixed == 0)
		return DL_OK;
	if (!dl_size_mul((size_t) row, (size_t) layout->capacity, &bytes) || !dl_size_add(bytes, (size_t) fixed, &bytes) ||
		!dl_size_mul(bytes, size, &bytes) || !dl_size_align(bytes, DL_ALIGNMENT, &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "a batch of %lld rows of %lld values is too large",
							(long long) layout->capacity, (long long) row);
	buffer->first = first;
	buffer->last = last;
	buffer->bytes = bytes;
	*result = layout->buffer_count++;
	return DL_OK;
}

/* An input of node i whose memory the output may take over, or DL_NO_NODE. */
static DlNode
value_to_reuse(const DlPlanLayout *layout, DlNode i)
{
	const DlGraphNode *node = &layout->graph->nodes[i];

	for (int k = 0; k < node->node.input_count; k++)
	{
		DlNode		j = node->inputs[k];

		if (dl_op_has(node->definition->in_place, k) && !layout->nodes[j].pinned &&
			layout->nodes[j].value != DL_NO_BUFFER && layout->nodes[j].value_last == i &&
			dl_shape_row(&node->node.inputs[k]) == dl_shape_row(&node->node.output))
			return j;
	}
	return DL_NO_NODE;
}

static DlStatus
add_value(DlPlanLayout *layout, DlNode i, DlError *error)
{
	const DlGraphNode *node = &layout->graph->nodes[i];
	DlPlanNode *own = &layout->nodes[i];
	DlNode		reuse;
	size_t		size = dl_dtype_size(node->dtype == DL_I32 ? DL_I32 : layout->real);
	/* what the host fills must be there from the start */
	int			first = node->node.op == DL_OP_INPUT ? 0 : i;

	if (node->parameter >= 0 || (!own->live && !own->pinned))
		return DL_OK;
	reuse = value_to_reuse(layout, i);
	if (reuse != DL_NO_NODE)
	{
		own->value = layout->nodes[reuse].value;
		extend(&layout->buffers[own->value].last, own->value_last);
		return DL_OK;
	}
	return add_buffer(layout, first, own->value_last, dl_shape_row(&node->node.output), 0, size, &own->value, error);
}

static DlStatus
add_memory(DlPlanLayout *layout, DlNode i, DlError *error)
{
	const DlGraphNode *node = &layout->graph->nodes[i];
	DlPlanNode *own = &layout->nodes[i];
	DlOpMemory	memory = {0, 0, 0, 0};
	size_t		size = dl_dtype_size(layout->real);
	int			back = backward_time(layout, i);

	if (!own->live || node->definition->memory == NULL)
		return DL_OK;
	node->definition->memory(&node->node, layout->kind == DL_PLAN_TRAINING, &memory);
	DL_TRY(add_buffer(layout, i, own->receives ? back : i, memory.kept_row, memory.kept_fixed, size, &own->kept, error));
	DL_TRY(add_buffer(layout, i, i, memory.forward_row, 0, size, &own->work_forward, error));
	if (own->receives)
		DL_TRY(add_buffer(layout, back, back, memory.backward_row, 0, size, &own->work_backward, error));
	return DL_OK;
}

/*
 * The gradient of node i: in the memory of its first writer's own gradient
 * where that operator can, and nobody else has it yet.
 */
static DlStatus
add_gradient(DlPlanLayout *layout, DlNode i, DlError *error)
{
	const DlGraphNode *node = &layout->graph->nodes[i];
	DlPlanNode *own = &layout->nodes[i];
	int			first = layout->graph->node_count;
	const DlGraphNode *writer;

	if (!own->receives || node->parameter >= 0)
		return DL_OK;
	if (own->first_writer != DL_NO_NODE)
	{
		int			gradient = layout->nodes[own->first_writer].gradient;

		first = backward_time(layout, own->first_writer);
		writer = &layout->graph->nodes[own->first_writer];
		if (layout->buffers[gradient].last == first && dl_plan_uses(writer, i) == 1 &&
			dl_shape_row(&node->node.output) == dl_shape_row(&writer->node.output))
			for (int k = 0; k < writer->node.input_count; k++)
				if (writer->inputs[k] == i && dl_op_has(writer->definition->in_place_backward, k))
				{
					own->gradient = gradient;
					layout->buffers[gradient].last = backward_time(layout, i);
					return DL_OK;
				}
	}
	return add_buffer(layout, first, backward_time(layout, i), dl_shape_row(&node->node.output), 0,
					  dl_dtype_size(layout->real), &own->gradient, error);
}

DlStatus
dl_plan_layout(DlPlanLayout *layout, DlArena *arena, const DlNode *outputs, int output_count, DlError *error)
{
	int			count = layout->graph->node_count;

	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(DlPlanNode), &layout->nodes, error));
	/* a value, what it keeps, work forward and backward, a gradient */
	DL_TRY(dl_arena_calloc(arena, 5 * (size_t) count, sizeof(DlPlanBuffer), &layout->buffers, error));
	layout->buffer_count = 0;
	for (DlNode i = 0; i < count; i++)
	{
		DlPlanNode *node = &layout->nodes[i];

		node->first_writer = DL_NO_NODE;
		node->value = node->kept = node->work_forward = node->work_backward = node->gradient = DL_NO_BUFFER;
	}
	mark_live(layout, outputs, output_count);
	if (layout->kind == DL_PLAN_TRAINING)
		mark_gradients(layout, outputs[0]);
	mark_last_readers(layout);
	for (DlNode i = 0; i < count; i++)
	{
		DL_TRY(add_value(layout, i, error));
		DL_TRY(add_memory(layout, i, error));
	}
	for (DlNode i = count - 1; i >= 0; i--)
		DL_TRY(add_gradient(layout, i, error));
	return dl_plan_place(arena, layout->buffers, layout->buffer_count, &layout->bytes, error);
}

typedef struct Order
{
	const DlPlanBuffer *buffer;
	int			index;
} Order;

/* Large ones first; equal ones in the order of their making. */
static int
compare_order(const void *a, const void *b)
{
	const Order *x = a;
	const Order *y = b;

	if (x->buffer->bytes != y->buffer->bytes)
		return x->buffer->bytes < y->buffer->bytes ? 1 : -1;
	return x->index - y->index;
}

/* The smallest gap among the placed buffers (sorted by offset) that are alive at the same time. */
static bool
best_offset(DlPlanBuffer *const *placed, int count, const DlPlanBuffer *buffer, size_t *offset)
{
	size_t		end = 0;
	size_t		best = SIZE_MAX;
	bool		found = false;

	for (int i = 0; i < count; i++)
	{
		const DlPlanBuffer *other = placed[i];

		if (other->last < buffer->first || buffer->last < other->first)
			continue;
		if (other->offset > end && other->offset - end >= buffer->bytes && other->offset - end < best)
		{
			best = other->offset - end;
			*offset = end;
			found = true;
		}
		if (other->offset + other->bytes > end)
			end = other->offset + other->bytes;
	}
	if (!found)
		*offset = end;
	return end <= SIZE_MAX - buffer->bytes;
}

DlStatus
dl_plan_place(DlArena *arena, DlPlanBuffer *buffers, int count, size_t *bytes, DlError *error)
{
	Order	   *order;
	DlPlanBuffer **placed;

	*bytes = 0;
	DL_TRY(dl_arena_alloc(arena, (size_t) count * sizeof(Order), &order, error));
	DL_TRY(dl_arena_alloc(arena, (size_t) count * sizeof(DlPlanBuffer *), &placed, error));
	for (int i = 0; i < count; i++)
		order[i] = (Order) {&buffers[i], i};
	qsort(order, (size_t) count, sizeof(Order), compare_order);
	for (int i = 0; i < count; i++)
	{
		DlPlanBuffer *buffer = &buffers[order[i].index];
		int			at = i;

		if (!best_offset(placed, i, buffer, &buffer->offset))
			return dl_error_set(error, DL_ERROR_LIMIT, "the values of a batch need more memory than can be addressed");
		for (; at > 0 && placed[at - 1]->offset > buffer->offset; at--)
			placed[at] = placed[at - 1];
		placed[at] = buffer;
		if (buffer->offset + buffer->bytes > *bytes)
			*bytes = buffer->offset + buffer->bytes;
	}
	return DL_OK;
}
