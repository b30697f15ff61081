/*
 * trainer_initialise.c
 *    Parameters that start from the data: what DL_INIT_DATA asks for.
 *
 * After Holzmueller et al., 2024: in the order of the graph, on a sample of
 * training rows and with all that comes before as it starts, the weights of each
 * output of a dense layer are rescaled such that its value before bias and
 * activation has deviation 1; then its bias puts the hinge of the activation
 * among the rows ("he+5", Steinwart, 2019).  Batch normalisation on the way gets
 * the statistics of the sample.  The edges of a piecewise embedding are quantiles
 * of a larger one.
 *
 * One thread does it all, so that the result does not depend on their number.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph_internal.h"
#include "core/size.h"
#include "nn/trainer_internal.h"

/* Rows of the sample; fewer where they are wide, or the network is deep and large. */
#define SAMPLE_ROWS 2048
#define SAMPLE_LEAST 64
#define SAMPLE_FLOATS ((int64_t) 1 << 22)
#define SAMPLE_WORK ((int64_t) 1 << 34)	/* multiply-adds of all forward passes */
#define EDGE_ROWS 20000			/* of the sample for edges */
#define SLICE_ROWS 256

#define HINGE_ROWS 5
/* A deviation below this share of the mean is rounding. */
#define CONSTANT 1e-6
/* Edges closer than this share of a column's range are one: float32 tells few places between them apart. */
#define SAME_EDGE 1e-6

typedef struct Initialiser
{
	DlTrainer  *trainer;
	DlRandom	random;

	/* the sample */
	int64_t		rows;
	int64_t		number_count;	/* columns; 0: no such input */
	int64_t		code_count;
	float	   *numbers;
	int32_t    *codes;
} Initialiser;

/* Values of all rows of the sample. */
typedef struct Values
{
	int64_t		columns;
	float	   *data;
} Values;

static int64_t
node_columns(const DlGraph *graph, DlNode node)
{
	return node == DL_NO_NODE ? 0 : graph->nodes[node].node.output.dims[1];
}

/* The parameter that input input of a node is. */
static const DlGraphParameter *
parameter_of(const DlGraph *graph, const DlGraphNode *node, int input)
{
	return &graph->parameters[graph->nodes[node->inputs[input]].parameter];
}

static bool
dense_from_data(const DlGraph *graph, const DlGraphNode *node)
{
	return node->node.op == DL_OP_DENSE && parameter_of(graph, node, 1)->info.init == DL_INIT_DATA;
}

static DlStatus
check_cancelled(const DlTrainer *trainer, DlError *error)
{
	if (dl_trainer_cancelled(trainer))
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return DL_OK;
}

/*
 * --- the sample ----------------------------------------------------------------
 */

/* At most rows, of which columns floats are kept each. */
static int64_t
sample_rows(const DlTrainer *trainer, int64_t rows, int64_t columns)
{
	if (rows > SAMPLE_FLOATS / columns)
		rows = SAMPLE_FLOATS / columns;
	if (rows < SAMPLE_LEAST)
		rows = SAMPLE_LEAST;
	return rows < trainer->training.row_count ? rows : trainer->training.row_count;
}

static DlStatus
alloc_values(DlArena *arena, int64_t rows, int64_t columns, void *result, DlError *error)
{
	size_t		count;

	if (!dl_size_mul((size_t) rows, (size_t) columns, &count))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld columns are too many", (long long) columns);
	return dl_arena_calloc(arena, count, sizeof(float), result, error);
}

/* The inputs of the first rows of trainer->order. */
static DlStatus
read_sample(Initialiser *init, DlArena *arena, DlError *error)
{
	const DlTrainer *trainer = init->trainer;
	const DlBatchSource *source = &trainer->training;
	void	   *target;
	float	   *weight;

	init->number_count = node_columns(trainer->graph, trainer->nodes.numbers);
	init->code_count = node_columns(trainer->graph, trainer->nodes.codes);
	if (init->number_count > 0)
		DL_TRY(alloc_values(arena, init->rows, init->number_count, &init->numbers, error));
	if (init->code_count > 0)
		DL_TRY(alloc_values(arena, init->rows, init->code_count, &init->codes, error));
	DL_TRY(alloc_values(arena, SLICE_ROWS, trainer->outputs, &target, error));
	DL_TRY(alloc_values(arena, SLICE_ROWS, 1, &weight, error));
	for (int64_t row = 0; row < init->rows; row += SLICE_ROWS)
	{
		int64_t		count = init->rows - row < SLICE_ROWS ? init->rows - row : SLICE_ROWS;

		DL_TRY(source->fill(source->context, trainer->order + row, count,
							init->numbers != NULL ? init->numbers + row * init->number_count : NULL,
							init->codes != NULL ? init->codes + row * init->code_count : NULL, target, weight, error));
		DL_TRY(check_cancelled(trainer, error));
	}
	return DL_OK;
}

/* Rows of the sample for the layers: each of these goes forward up to itself. */
static int64_t
layer_rows(const DlTrainer *trainer)
{
	const DlGraph *graph = trainer->graph;
	int64_t		inputs = node_columns(graph, trainer->nodes.numbers) + node_columns(graph, trainer->nodes.codes);
	int64_t		work = dl_graph_multiply_adds(graph) + 1;
	int64_t		widest = 0;
	int64_t		layers = 0;
	int64_t		rows;

	for (DlNode i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];
		int64_t		columns;

		if (!dense_from_data(graph, node) && node->node.op != DL_OP_BATCH_NORM)
			continue;
		layers++;
		columns = node->node.inputs[0].dims[1] + node->node.output.dims[1];
		widest = columns > widest ? columns : widest;
	}
	rows = SAMPLE_WORK / (work * layers);
	return sample_rows(trainer, rows < SAMPLE_ROWS ? rows : SAMPLE_ROWS, inputs + widest);
}

/*
 * --- values of the sample --------------------------------------------------------
 */

static void
fill_inputs(const Initialiser *init, DlPlan *plan, int64_t row, int64_t rows)
{
	const EvaluationNodes *nodes = &init->trainer->nodes;

	if (init->numbers != NULL)
		memcpy(dl_plan_data(plan, nodes->numbers), init->numbers + row * init->number_count,
			   (size_t) (rows * init->number_count) * sizeof(float));
	if (init->codes != NULL)
		memcpy(dl_plan_data(plan, nodes->codes), init->codes + row * init->code_count,
			   (size_t) (rows * init->code_count) * sizeof(int32_t));
}

/* The values x of a node, without dropout; and where weight is not NULL, product = x weight. */
static DlStatus
compute(const Initialiser *init, DlArena *arena, DlNode node, const DlGraphParameter *weight, Values *result,
		DlError *error)
{
	DlTrainer  *trainer = init->trainer;
	const DlBackend *backend = trainer->backend;
	int64_t		columns = node_columns(trainer->graph, node);
	DlPlan	   *plan;

	DL_TRY(dl_plan_create(arena, trainer->graph, backend, DL_PLAN_INFERENCE, SLICE_ROWS, &node, 1, &plan, error));
	dl_plan_workspace(plan)->cancel = trainer->cancel;
	result->columns = weight != NULL ? weight->shape.dims[1] : columns;
	DL_TRY(alloc_values(arena, init->rows, result->columns, &result->data, error));
	for (int64_t row = 0; row < init->rows; row += SLICE_ROWS)
	{
		int64_t		rows = init->rows - row < SLICE_ROWS ? init->rows - row : SLICE_ROWS;
		float	   *to = result->data + row * result->columns;

		fill_inputs(init, plan, row, rows);
		DL_TRY(dl_plan_forward(plan, trainer->parameters, rows, NULL, error));
		if (weight != NULL)
			backend->gemm(dl_plan_workspace(plan), false, false, rows, result->columns, columns,
						  dl_plan_data(plan, node), trainer->parameters + weight->offset, false, to);
		else
			memcpy(to, dl_plan_data(plan, node), (size_t) (rows * columns) * sizeof(float));
	}
	return check_cancelled(trainer, error);
}

/* mean and deviation of each column, the latter 0 where it is only rounding. */
static DlStatus
measure(DlArena *arena, const Values *x, int64_t rows, double **mean, double **deviation, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) x->columns, sizeof(double), mean, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) x->columns, sizeof(double), deviation, error));
	for (int64_t r = 0; r < rows; r++)
		for (int64_t j = 0; j < x->columns; j++)
			(*mean)[j] += (double) x->data[r * x->columns + j];
	for (int64_t j = 0; j < x->columns; j++)
		(*mean)[j] /= (double) rows;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t j = 0; j < x->columns; j++)
		{
			double		d = (double) x->data[r * x->columns + j] - (*mean)[j];

			(*deviation)[j] += d * d;
		}
	for (int64_t j = 0; j < x->columns; j++)
	{
		(*deviation)[j] = sqrt((*deviation)[j] / (double) rows);
		if (!((*deviation)[j] > CONSTANT * fabs((*mean)[j])) || !isfinite((*deviation)[j]))
			(*deviation)[j] = 0;
	}
	return DL_OK;
}

/*
 * --- layers ------------------------------------------------------------------------
 */

/* A mean of values of some random rows, with random weights. */
static double
draw_hinge(Initialiser *init, const Values *z, int64_t column)
{
	double		sum = 0;
	double		shares = 0;

	for (int i = 0; i < HINGE_ROWS; i++)
	{
		int64_t		row = (int64_t) dl_random_below(&init->random, (uint64_t) init->rows);
		double		share = -log(1 - dl_random_uniform(&init->random));

		shares += share;
		sum += share * (double) z->data[row * z->columns + column];
	}
	return shares > 0 ? sum / shares : 0;
}

/* A unit whose value does not vary is left as it is. */
static DlStatus
fit_dense(Initialiser *init, DlArena *arena, const DlGraphNode *node, DlError *error)
{
	const DlGraph *graph = init->trainer->graph;
	const DlGraphParameter *parameter = parameter_of(graph, node, 1);
	float	   *weight = init->trainer->parameters + parameter->offset;
	float	   *bias = NULL;
	Values		z;
	double	   *mean;
	double	   *deviation;

	if (node->node.input_count > 2)
		bias = init->trainer->parameters + parameter_of(graph, node, 2)->offset;
	DL_TRY(compute(init, arena, node->inputs[0], parameter, &z, error));
	DL_TRY(measure(arena, &z, init->rows, &mean, &deviation, error));
	for (int64_t i = 0; i < parameter->shape.dims[0]; i++)
		for (int64_t j = 0; j < z.columns; j++)
			if (deviation[j] > 0)
				weight[i * z.columns + j] = (float) ((double) weight[i * z.columns + j] / deviation[j]);
	for (int64_t j = 0; j < z.columns && bias != NULL; j++)
		if (deviation[j] > 0)
			bias[j] = (float) (-draw_hinge(init, &z, j) / deviation[j]);
	return DL_OK;
}

/* Statistics such as the first batches would give, without which the layers behind would see another scale. */
static DlStatus
fit_norm(Initialiser *init, DlArena *arena, const DlGraphNode *node, DlError *error)
{
	const DlGraph *graph = init->trainer->graph;
	float	   *running_mean = init->trainer->parameters + parameter_of(graph, node, 3)->offset;
	float	   *running_variance = init->trainer->parameters + parameter_of(graph, node, 4)->offset;
	Values		x;
	double	   *mean;
	double	   *deviation;

	DL_TRY(compute(init, arena, node->inputs[0], NULL, &x, error));
	DL_TRY(measure(arena, &x, init->rows, &mean, &deviation, error));
	for (int64_t j = 0; j < x.columns; j++)
		if (deviation[j] > 0)
		{
			running_mean[j] = (float) mean[j];
			running_variance[j] = (float) (deviation[j] * deviation[j]);
		}
	return DL_OK;
}

static DlStatus
fit_node(Initialiser *init, const DlGraphNode *node, DlError *error)
{
	bool		dense = dense_from_data(init->trainer->graph, node);
	DlArena    *arena;
	DlStatus	status;

	if (!dense && node->node.op != DL_OP_BATCH_NORM)
		return DL_OK;
	DL_TRY(dl_arena_create(0, &arena, error));
	status = dense ? fit_dense(init, arena, node, error) : fit_norm(init, arena, node, error);
	dl_arena_destroy(arena);
	return status;
}

static DlStatus
fit_layers(DlTrainer *trainer, DlArena *arena, DlError *error)
{
	Initialiser init = {.trainer = trainer,.rows = layer_rows(trainer)};

	dl_random_seed(&init.random, trainer->settings.seed, STREAM_HINGES);
	DL_TRY(read_sample(&init, arena, error));
	for (DlNode i = 0; i < trainer->graph->node_count; i++)
		DL_TRY(fit_node(&init, &trainer->graph->nodes[i], error));
	return DL_OK;
}

/*
 * --- edges -------------------------------------------------------------------------
 */

static int
compare_floats(const void *a_, const void *b_)
{
	float		a = *(const float *) a_;
	float		b = *(const float *) b_;

	return (a > b) - (a < b);
}

/* Quantile p of sorted values, between two of them on the line. */
static double
quantile(const float *values, int64_t count, double p)
{
	double		position = p * (double) (count - 1);
	int64_t		below = (int64_t) position;

	if (below >= count - 1)
		return values[count - 1];
	return values[below] + (position - (double) below) * ((double) values[below + 1] - values[below]);
}

/* Quantiles of count sorted values, equal ones once; the last fills what is left. */
static void
place_edges(const float *values, int64_t count, int64_t bins, float *edges)
{
	double		range = (double) values[count - 1] - values[0];
	int64_t		placed = 1;

	edges[0] = values[0];
	for (int64_t t = 1; t <= bins; t++)
	{
		float		edge = (float) quantile(values, count, (double) t / (double) bins);

		if ((double) edge > (double) edges[placed - 1] + SAME_EDGE * range)
			edges[placed++] = edge;
	}
	for (; placed <= bins; placed++)
		edges[placed] = edges[placed - 1];
}

/* A column without a finite number keeps its edges, which are all equal. */
static DlStatus
fit_edges(Initialiser *init, DlArena *arena, const DlGraphNode *node, DlError *error)
{
	const DlGraphParameter *parameter = parameter_of(init->trainer->graph, node, 1);
	int64_t		bins = parameter->shape.dims[1] - 1;
	float	   *edges = init->trainer->parameters + parameter->offset;
	Values		x;
	float	   *values;

	DL_TRY(compute(init, arena, node->inputs[0], NULL, &x, error));
	DL_TRY(alloc_values(arena, init->rows, 1, &values, error));
	for (int64_t column = 0; column < parameter->shape.dims[0]; column++)
	{
		int64_t		count = 0;

		for (int64_t r = 0; r < init->rows; r++)
			if (isfinite(x.data[r * x.columns + column]))
				values[count++] = x.data[r * x.columns + column];
		DL_TRY(check_cancelled(init->trainer, error));
		qsort(values, (size_t) count, sizeof(float), compare_floats);
		if (count > 0)
			place_edges(values, count, bins, edges + column * (bins + 1));
	}
	return DL_OK;
}

/* Only numbers have edges: their columns are kept twice. */
static DlStatus
fit_piecewise(DlTrainer *trainer, DlArena *arena, DlError *error)
{
	const DlGraph *graph = trainer->graph;
	int64_t		columns = 2 * node_columns(graph, trainer->nodes.numbers) + node_columns(graph, trainer->nodes.codes);
	Initialiser init = {.trainer = trainer,.rows = sample_rows(trainer, EDGE_ROWS, columns)};

	DL_TRY(read_sample(&init, arena, error));
	for (DlNode i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].node.op == DL_OP_PIECEWISE)
			DL_TRY(fit_edges(&init, arena, &graph->nodes[i], error));
	return DL_OK;
}

/*
 * --- all of it ---------------------------------------------------------------------
 */

/* Runs a part with memory of its own. */
static DlStatus
run_part(DlTrainer *trainer, DlStatus (*part) (DlTrainer *, DlArena *, DlError *), DlError *error)
{
	DlArena    *arena;
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &arena, error));
	status = part(trainer, arena, error);
	dl_arena_destroy(arena);
	return status;
}

DlStatus
dl_trainer_initialise(DlTrainer *trainer, DlError *error)
{
	const DlGraph *graph = trainer->graph;
	bool		edges = false;
	bool		layers = false;

	for (DlNode i = 0; i < graph->node_count; i++)
	{
		edges = edges || graph->nodes[i].node.op == DL_OP_PIECEWISE;
		layers = layers || dense_from_data(graph, &graph->nodes[i]);
	}
	if (!edges && !layers)
		return DL_OK;
	DL_TRY(dl_trainer_shuffle(trainer, STREAM_SAMPLE, error));
	if (edges)
		DL_TRY(run_part(trainer, fit_piecewise, error));
	return layers ? run_part(trainer, fit_layers, error) : DL_OK;
}
