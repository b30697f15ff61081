/*
 * graph_internal.h
 *    The inside of a graph, shared by graph.c and the planner.
 */
#ifndef DL_CORE_GRAPH_INTERNAL_H
#define DL_CORE_GRAPH_INTERNAL_H

#include "core/op.h"

typedef struct DlGraphNode
{
	DlOpNode	node;
	const DlOpDefinition *definition;
	const DlNode *inputs;
	DlDtype		dtype;
	const char *name;			/* of an input */
	int			parameter;		/* index, or -1 */
} DlGraphNode;

typedef struct DlGraphParameter
{
	const char *name;
	DlShape		shape;
	DlParameterInfo info;
	int64_t		offset;
	int64_t		elements;
	DlNode		node;
} DlGraphParameter;

struct DlGraph
{
	DlArena    *arena;
	DlGraphNode *nodes;
	int			node_count;
	int			node_capacity;
	DlGraphParameter *parameters;
	int			parameter_count;
	int			parameter_capacity;
	int64_t		vector_length;
};

#endif							/* DL_CORE_GRAPH_INTERNAL_H */
