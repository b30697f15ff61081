/*
 * trainer_neighbours.c
 *    Networks that look at training rows: what a batch shows of them, and the
 *    rows that such a network keeps.
 *
 * A step predicts the rows of its batch from each other and from further ones, its
 * candidates: those that come next in the order of the epoch, so that no row is among
 * its own.  For the evaluation, and when training is done, the network keeps rows of
 * the training part, with the numbers that it makes of them now.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph_internal.h"
#include "core/size.h"
#include "nn/trainer_internal.h"

/*
 * Candidates of a batch: the more, the more alike are the neighbours of training and those of scoring,
 * which are found among all rows.  Fewer where there are not twice as many rows, or where their values would take
 * more floats than this.
 */
#define CANDIDATES 8192
#define CANDIDATE_FLOATS ((int64_t) 1 << 22)

/* Rows that go through the network at a time. */
#define SLICE_ROWS 256

/* An entry without a row is so far away that it does not count. */
#define NEVER (-1e30f)

/* Inputs of the operator. */
enum
{
	Z,
	OWN,
	KEYS,
	SQUARES,
	VALUES
};

struct KeptRows
{
	DlNode		own;
	int64_t		width;
	int64_t		places;			/* rows that the network has room for */
	int64_t		keys;			/* offsets in the vector of parameters */
	int64_t		squares;
	int64_t		values;
	int64_t		count;
	uint32_t   *rows;			/* positions of those that are kept, ascending, once they are chosen */
	bool		chosen;

	/* of a slice */
	DlPlan	   *plan;
	float	   *numbers;
	int32_t    *codes;
	const float *embedded;
	void	   *target;
	float	   *weight;
	float	   *shown;
};

/* Floats of a row in training: values and gradients, and what periodic() keeps. */
static int64_t
floats_of_row(const DlGraph *graph)
{
	int64_t		sum = 1;

	for (int i = 0; i < graph->node_count; i++)
	{
		const DlGraphNode *node = &graph->nodes[i];

		if (node->parameter >= 0)
			continue;
		sum += 2 * dl_shape_row(&node->node.output);
		if (node->node.op == DL_OP_PERIODIC)
			sum += node->node.inputs[1].dims[0] * node->node.inputs[1].dims[1];
	}
	return sum;
}

static int64_t
count_candidates(const DlTrainer *trainer)
{
	int64_t		rows = trainer->training.row_count;
	int64_t		most = CANDIDATE_FLOATS / floats_of_row(trainer->graph);

	if (most > CANDIDATES)
		most = CANDIDATES;
	if (most > rows / 2)
		most = rows / 2;
	return most < rows - trainer->batch_size ? most : rows - trainer->batch_size;
}

static int64_t
parameter_offset(const DlGraph *graph, const DlGraphNode *node, int input)
{
	return graph->parameters[graph->nodes[node->inputs[input]].parameter].offset;
}

static DlStatus
create_slice(DlTrainer *trainer, KeptRows *kept, const DlNetworkNodes *nodes, DlArena *arena, DlError *error)
{
	DlNode		z = trainer->graph->nodes[nodes->neighbours].inputs[Z];
	size_t		row_bytes;

	if (!dl_size_mul((size_t) trainer->outputs, SLICE_ROWS * sizeof(float), &row_bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld output columns are too many", (long long) trainer->outputs);
	DL_TRY(dl_plan_create(arena, trainer->graph, trainer->backend, DL_PLAN_INFERENCE, SLICE_ROWS, &z, 1, &kept->plan,
						  error));
	dl_plan_workspace(kept->plan)->cancel = trainer->cancel;
	kept->numbers = nodes->numbers != DL_NO_NODE ? dl_plan_data(kept->plan, nodes->numbers) : NULL;
	kept->codes = nodes->codes != DL_NO_NODE ? dl_plan_data(kept->plan, nodes->codes) : NULL;
	kept->embedded = dl_plan_data(kept->plan, z);
	DL_TRY(dl_arena_alloc(arena, row_bytes, &kept->target, error));
	DL_TRY(dl_arena_alloc(arena, row_bytes, &kept->shown, error));
	return dl_arena_alloc(arena, SLICE_ROWS * sizeof(float), &kept->weight, error);
}

DlStatus
dl_trainer_create_kept(DlTrainer *trainer, const DlNetworkNodes *nodes, DlArena *arena, DlError *error)
{
	const DlGraphNode *node;
	KeptRows   *kept;

	if (nodes->neighbours == DL_NO_NODE)
		return DL_OK;
	node = &trainer->graph->nodes[nodes->neighbours];
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(KeptRows), &kept, error));
	kept->own = node->inputs[OWN];
	kept->width = node->node.inputs[KEYS].dims[0];
	kept->places = node->node.inputs[KEYS].dims[1];
	kept->keys = parameter_offset(trainer->graph, node, KEYS);
	kept->squares = parameter_offset(trainer->graph, node, SQUARES);
	kept->values = parameter_offset(trainer->graph, node, VALUES);
	kept->count = trainer->training.row_count < kept->places ? trainer->training.row_count : kept->places;
	DL_TRY(dl_arena_calloc(arena, (size_t) kept->count, sizeof(uint32_t), &kept->rows, error));
	DL_TRY(create_slice(trainer, kept, nodes, arena, error));
	trainer->kept = kept;
	trainer->candidates = count_candidates(trainer);
	return DL_OK;
}

float *
dl_trainer_neighbours_input(const DlTrainer *trainer, DlPlan *plan)
{
	return trainer->kept != NULL ? dl_plan_data(plan, trainer->kept->own) : NULL;
}

/* What rows show of their targets: numbers, or 0 and 1 less a half. */
static void
show_targets(const DlTrainer *trainer, const void *target, int64_t rows, float *shown)
{
	int64_t		n = trainer->outputs;
	float		half = trainer->settings.loss == DL_TRAIN_BINARY ? 0.5f : 0;

	if (trainer->settings.loss == DL_TRAIN_CROSS_ENTROPY)
	{
		for (int64_t row = 0; row < rows; row++)
			for (int64_t k = 0; k < n; k++)
				shown[row * n + k] = ((const int32_t *) target)[row] == k ? 0.5f : -0.5f;
		return;
	}
	for (int64_t i = 0; i < rows * n; i++)
		shown[i] = ((const float *) target)[i] - half;
}

void
dl_trainer_fill_neighbours(const DlTrainer *trainer, TrainShard *shard, int64_t rows)
{
	show_targets(trainer, shard->target, rows, shard->neighbours);
	for (int64_t i = shard->count; i < rows; i++)
		shard->weight[i] = 0;
	dl_plan_set_candidates(shard->plan, rows - shard->count);
}

/*
 * --- the rows that are kept ----------------------------------------------------
 */

static int
compare_rows(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* All training rows, or as many as there is room for; the same ones in every epoch. */
static DlStatus
choose_rows(DlTrainer *trainer, DlError *error)
{
	KeptRows   *kept = trainer->kept;

	DL_TRY(dl_trainer_shuffle(trainer, STREAM_KEPT, error));
	memcpy(kept->rows, trainer->order, (size_t) kept->count * sizeof(uint32_t));
	qsort(kept->rows, (size_t) kept->count, sizeof(uint32_t), compare_rows);
	kept->chosen = true;
	return DL_OK;
}

/* The network keeps row i of the slice at a place. */
static void
keep_row(DlTrainer *trainer, int64_t i, int64_t place)
{
	const KeptRows *kept = trainer->kept;
	const float *z = kept->embedded + i * kept->width;
	double		square = 0;

	for (int64_t c = 0; c < kept->width; c++)
	{
		trainer->parameters[kept->keys + c * kept->places + place] = 2 * z[c];
		square += (double) z[c] * (double) z[c];
	}
	/* a row without weight is none */
	trainer->parameters[kept->squares + place] = kept->weight[i] > 0 ? (float) -square : NEVER;
	memcpy(trainer->parameters + kept->values + place * trainer->outputs, kept->shown + i * trainer->outputs,
		   (size_t) trainer->outputs * sizeof(float));
}

DlStatus
dl_trainer_keep_rows(DlTrainer *trainer, DlError *error)
{
	const KeptRows *kept = trainer->kept;
	const DlBatchSource *source = &trainer->training;

	if (!kept->chosen)
		DL_TRY(choose_rows(trainer, error));
	for (int64_t first = 0; first < kept->count; first += SLICE_ROWS)
	{
		int64_t		count = kept->count - first < SLICE_ROWS ? kept->count - first : SLICE_ROWS;

		DL_TRY(source->fill(source->context, kept->rows + first, count, kept->numbers, kept->codes, kept->target,
							kept->weight, error));
		show_targets(trainer, kept->target, count, kept->shown);
		DL_TRY(dl_plan_forward(kept->plan, trainer->parameters, count, NULL, error));
		for (int64_t i = 0; i < count; i++)
			keep_row(trainer, i, first + i);
	}
	for (int64_t place = kept->count; place < kept->places; place++)
		trainer->parameters[kept->squares + place] = NEVER;
	return DL_OK;
}
