/*
 * graph.h
 *    A network as a graph of operators: built, shape-checked and planned
 *    before it runs.
 *
 * Building checks every shape.  A graph is independent of backend and type of
 * real number.  Nodes are numbered in the order of building, which is a
 * topological order.  A graph and its plans are used by one thread at a time;
 * several plans of one graph may run at once, each in its own thread.
 */
#ifndef DL_CORE_GRAPH_H
#define DL_CORE_GRAPH_H

#include "core/arena.h"
#include "core/backend.h"
#include "core/random.h"
#include "core/status.h"
#include "core/tensor.h"

typedef struct DlGraph DlGraph;
typedef int32_t DlNode;
#define DL_NO_NODE ((DlNode) -1)

/* Operators: the order is that of the table in ops/op_table.c. */
typedef enum DlOp
{
	DL_OP_INPUT,				/* no operator: rows of a batch */
	DL_OP_PARAMETER,			/* no operator: trained, or (state) moved along by training */
	DL_OP_DENSE,				/* x[B,in], weight[in,out] (, bias[out]); activation -> [B,out] */
	DL_OP_ADD,					/* a, b of one shape */
	DL_OP_MULTIPLY,				/* a, b of one shape */
	DL_OP_SCALE_COLUMNS,		/* x[B,n], v[n] */
	DL_OP_ACTIVATION,			/* x; activation */
	DL_OP_PARAMETRIC_ACTIVATION,	/* x[B,n], a[n]; activation g: x + a (g(x) - x) */
	DL_OP_DROPOUT,				/* x; p.  Identity in inference. */
	DL_OP_LAYER_NORM,			/* x[B,n], gamma[n], beta[n]; epsilon */
	DL_OP_BATCH_NORM,			/* x[B,n], gamma, beta, running_mean, running_variance; epsilon, momentum */
	DL_OP_EMBEDDING,			/* codes[B,c] (int32), table[levels,width]; column -> [B,width] */
	DL_OP_PERIODIC,				/* x[B,n], frequency[c,f], phase[c,f], weight[c,f,w], bias[c,w]; the
								 * first c <= n columns are embedded, the others passed on -> [B, c*(w+1) + n-c] */
	DL_OP_PIECEWISE,			/* x[B,n], edges[c,t+1] (state), weight[c,t,w], linear[c,w], bias[c,w]; the
								 * first c <= n columns are embedded, the others passed on -> [B, c*w + n-c] */
	DL_OP_NEIGHBOURS,			/* z[B,d], own[B,k], keys[d,K], squares[K], values[K,k] (state): the mean of
								 * values of rows, weighed by their nearness to z -> [B,k] */
	DL_OP_CONCAT,				/* any number of [B,n_i] -> [B, sum n_i] */
	DL_OP_SLICE,				/* x[B,n]; start, count -> [B,count] */
	DL_OP_SOFTMAX,				/* x[B,n] */
	DL_OP_LOSS_SOFTMAX,			/* logits[B,k], target[B,1] (int32), weight[B,1]; smoothing -> [B,1] */
	DL_OP_LOSS_POINT,			/* x[B,k], target[B,k], weight[B,1]; loss, parameter -> [B,1] */
	DL_OP_COUNT
} DlOp;

/* The constants of an operator; those it does not name are ignored. */
typedef struct DlAttributes
{
	DlActivation activation;
	DlPointLoss loss;
	double		p;				/* dropout */
	double		epsilon;
	double		momentum;
	double		parameter;		/* of a point loss */
	double		smoothing;
	int64_t		column;
	int64_t		start;
	int64_t		count;
} DlAttributes;

typedef enum DlInit
{
	DL_INIT_CONSTANT,			/* value */
	DL_INIT_NORMAL,				/* mean 0, deviation value */
	DL_INIT_UNIFORM,			/* between -value and value */
	DL_INIT_DATA				/* as normal, until training fits it to its rows (nn/trainer_initialise.c) */
} DlInit;

typedef struct DlParameterInfo
{
	DlInit		init;
	double		value;
	double		rate;			/* factor of the learning rate; 0: state, which no optimiser touches */
	double		decay;			/* factor of the weight decay; 0 for biases and norms */
} DlParameterInfo;

extern DlStatus dl_graph_create(DlArena *arena, DlGraph **result, DlError *error);

/* dtype is DL_I32, or DL_F32 for the backend's real numbers; name is copied, unique. */
extern DlStatus dl_graph_input(DlGraph *graph, const char *name, DlDtype dtype, int64_t columns, DlNode *result, DlError *error);
extern DlStatus dl_graph_parameter(DlGraph *graph, const char *name, DlShape shape, const DlParameterInfo *info,
								   DlNode *result, DlError *error);
extern DlStatus dl_graph_apply(DlGraph *graph, DlOp op, const DlNode *inputs, int input_count,
							   const DlAttributes *attributes, DlNode *result, DlError *error);

extern DlShape dl_graph_shape(const DlGraph *graph, DlNode node);
extern int	dl_graph_node_count(const DlGraph *graph);
extern DlOp dl_graph_op(const DlGraph *graph, DlNode node);
extern const char *dl_op_name(DlOp op);

/* All parameters lie in one vector, each at an offset that is a multiple of 16 elements. */
extern int	dl_graph_parameter_count(const DlGraph *graph);
extern const char *dl_graph_parameter_name(const DlGraph *graph, int index);
extern DlShape dl_graph_parameter_shape(const DlGraph *graph, int index);
extern int64_t dl_graph_parameter_offset(const DlGraph *graph, int index);	/* in elements */
extern int64_t dl_graph_parameter_elements(const DlGraph *graph, int index);
extern const DlParameterInfo *dl_graph_parameter_info(const DlGraph *graph, int index);
extern int64_t dl_graph_vector_length(const DlGraph *graph);	/* elements, padding included */

/* Fills vector (float32, dl_graph_vector_length() elements); padding becomes 0. */
extern void dl_graph_initialise(const DlGraph *graph, DlRandom *random, float *vector);

/* True where the operators of a graph look across the rows of a batch (batch normalisation, neighbours). */
extern bool dl_graph_couples_rows(const DlGraph *graph);

/* Multiply-adds of one row, forward. */
extern int64_t dl_graph_multiply_adds(const DlGraph *graph);

/*
 * A plan: where every value lies, for batches of up to capacity rows.
 * Values share memory as soon as their last reader is done.
 */
typedef struct DlPlan DlPlan;

typedef enum DlPlanKind
{
	DL_PLAN_INFERENCE,			/* forward, dropout off, running statistics */
	DL_PLAN_TRAINING			/* forward and backward */
} DlPlanKind;

/*
 * outputs: the nodes whose values are read after a run; they and the inputs
 * keep their memory.  For training outputs[0] is the loss, shape [B,1].
 * All memory, the workspace included, comes from arena, here and never later.
 */
extern DlStatus dl_plan_create(DlArena *arena, const DlGraph *graph, const DlBackend *backend, DlPlanKind kind,
							   int64_t capacity, const DlNode *outputs, int output_count, DlPlan **result, DlError *error);

/* Memory of an input node to fill, or of an output node to read; capacity rows. */
extern void *dl_plan_data(DlPlan *plan, DlNode node);
extern DlWorkspace *dl_plan_workspace(DlPlan *plan);
extern int64_t dl_plan_capacity(const DlPlan *plan);

/* Bytes for values (not parameters, not workspace). */
extern size_t dl_plan_bytes(const DlPlan *plan);

/* Every dropout uses its p times factor; 1 at first. */
extern void dl_plan_set_dropout(DlPlan *plan, double factor);

/* The last so many rows of each training run are only looked at by neighbours, and have no results; 0 at first. */
extern void dl_plan_set_candidates(DlPlan *plan, int64_t candidates);

/*
 * Runs rows rows forward; parameters is a whole vector of the backend's
 * type (batch normalisation writes its running statistics into it when
 * training).  random may be NULL for inference.  DL_ERROR_CANCELLED when the
 * workspace's cancel was set, otherwise DL_OK.
 */
extern DlStatus dl_plan_forward(DlPlan *plan, void *parameters, int64_t rows, DlRandom *random, DlError *error);

/*
 * After a forward of the same rows: gradients of sum over rows of
 * loss_scale * loss into gradients, a vector laid out as the parameters
 * (overwritten).
 */
extern DlStatus dl_plan_backward(DlPlan *plan, const void *parameters, double loss_scale, void *gradients, DlError *error);

#endif							/* DL_CORE_GRAPH_H */
