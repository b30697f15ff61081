/*
 * op_cases.h
 *    The one table of operator cases, and graphs made from them.
 *
 * A row covers an operator in test_gradients.c (finite differences) and in
 * test_kernels.c (every backend against the float64 reference).  Dimensions
 * are numbers or the symbols below, so that a row serves for any size.
 */
#ifndef DL_TEST_OP_CASES_H
#define DL_TEST_OP_CASES_H

#include "core/graph.h"

#define OP_CASE_INPUTS 5

/* Dimensions that the sizes of a test replace. */
enum
{
	SIZE_N = -10,				/* columns */
	SIZE_M = -11,				/* other columns, levels, or outputs */
	SIZE_N_PLUS_2 = -12
};

typedef enum OpInputKind
{
	OP_INPUT_NONE,
	OP_INPUT_VALUES,			/* real [batch, dims[0]], differentiable */
	OP_INPUT_TARGETS,			/* real [batch, dims[0]] in [0, 1] */
	OP_INPUT_WEIGHTS,			/* real [batch, 1] above 0 */
	OP_INPUT_CODES,				/* int32 [batch, dims[0]] below dims[1] */
	OP_INPUT_PARAMETER,			/* trained, shape dims */
	OP_INPUT_MEAN,				/* state, shape dims, around 0 */
	OP_INPUT_VARIANCE,			/* state, shape dims, above 0 */
	OP_INPUT_EDGES				/* state, shape dims: ascending rows, some with fewer bins, some with none */
} OpInputKind;

typedef struct OpInput
{
	OpInputKind kind;
	int			rank;			/* of a parameter */
	int			dims[3];
} OpInput;

typedef struct OpCase
{
	DlOp		op;
	const char *name;
	OpInput		inputs[OP_CASE_INPUTS];
	DlAttributes attributes;
	double		tolerance;		/* float32 against float64, of the largest value */
} OpCase;

extern const OpCase op_cases[];
extern const int op_case_count;

typedef struct OpSizes
{
	int64_t		rows;
	int64_t		n;
	int64_t		m;
} OpSizes;

typedef enum OpVariant
{
	OP_VARIANT_ONCE,
	OP_VARIANT_TWICE,			/* the sum of two nodes with the same inputs: gradients accumulate */
	OP_VARIANT_CONSTANT_VALUES, /* no gradient flows to the values */
	OP_VARIANT_CONSTANT_PARAMETERS, /* nor to the parameters: they are state */
	OP_VARIANT_COUNT
} OpVariant;

extern const char *op_variant_name(OpVariant variant);

/* A graph that ends in a loss, whatever the operator. */
typedef struct OpGraph
{
	const OpCase *op_case;
	OpSizes		sizes;
	DlGraph    *graph;
	DlNode		result;			/* of the operator */
	DlNode		loss;
} OpGraph;

extern DlStatus op_graph_build(DlArena *arena, const OpCase *op_case, OpSizes sizes, OpVariant variant,
							   OpGraph *result, DlError *error);

/* Fills the inputs of a plan for backend; the same values for every type of real number. */
extern void op_graph_fill(const OpGraph *graph, const DlBackend *backend, DlPlan *plan);

/* A whole vector of parameters in the backend's type. */
extern DlStatus op_graph_parameters(DlArena *arena, const OpGraph *graph, const DlBackend *backend, void **result,
									DlError *error);

/* Element index of an array of the backend's type. */
extern double op_real(const DlBackend *backend, const void *array, int64_t index);

#endif							/* DL_TEST_OP_CASES_H */
