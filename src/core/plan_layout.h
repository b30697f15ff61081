/*
 * plan_layout.h
 *    Which values a plan needs, from when until when, and where they lie in
 *    the plan's one block of memory.
 *
 * Time: node i of n runs forward at i and backward at 2n-1-i.
 */
#ifndef DL_CORE_PLAN_LAYOUT_H
#define DL_CORE_PLAN_LAYOUT_H

#include "core/graph_internal.h"

#define DL_NO_BUFFER (-1)

typedef struct DlPlanBuffer
{
	int			first;			/* inclusive times */
	int			last;
	size_t		bytes;
	size_t		offset;
} DlPlanBuffer;

typedef struct DlPlanNode
{
	bool		live;			/* an output depends on it */
	bool		pinned;			/* keeps its memory */
	bool		needs_gradient; /* it depends on a trained parameter */
	bool		receives;		/* the loss sends a gradient to it, and it needs one */
	int			value_last;		/* time of the last reader of its value */
	DlNode		first_writer;	/* the node whose backward stores its gradient */

	/* indexes of buffers; several nodes may share one */
	int			value;
	int			kept;
	int			work_forward;
	int			work_backward;
	int			gradient;
} DlPlanNode;

typedef struct DlPlanLayout
{
	const DlGraph *graph;
	DlPlanKind	kind;
	DlDtype		real;
	int64_t		capacity;
	DlPlanNode *nodes;
	DlPlanBuffer *buffers;
	int			buffer_count;
	size_t		bytes;			/* of the whole block */
} DlPlanLayout;

/* graph, kind, real and capacity are set by the caller; the arrays come from arena. */
extern DlStatus dl_plan_layout(DlPlanLayout *layout, DlArena *arena, const DlNode *outputs, int output_count,
							   DlError *error);

/* Gives every buffer an offset: those alive at one time do not overlap. */
extern DlStatus dl_plan_place(DlArena *arena, DlPlanBuffer *buffers, int count, size_t *bytes, DlError *error);

/* How often node's operator reads input. */
extern int	dl_plan_uses(const DlGraphNode *node, DlNode input);

#endif							/* DL_CORE_PLAN_LAYOUT_H */
