/*
 * neighbours.c
 *    The mean of other rows' values, weighed by how near they are.
 *
 * With squared distances: weight_j = softmax over j of -|z - z_j|^2, in which
 * |z|^2 cancels, so that it is the softmax of 2 z z_j - |z_j|^2.
 *
 * Training looks at the rows of the batch, without the row itself: their z, and
 * their values in own; gradients flow to both sides of each distance.  The last
 * rows of a batch may be there only to be looked at (DlOpRun.candidates).  Inference looks at the
 * rows that are kept: keys are 2 z_j, squares -|z_j|^2, values theirs.
 *
 * Weights are computed anew in the backward step, block by block: kept, they
 * would be a square of the batch.
 */
#include <string.h>

#include "ops/op.h"

enum
{
	Z,
	OWN,
	KEYS,
	SQUARES,
	VALUES
};

/* Rows whose weights are in memory at a time: in training, and in inference. */
#define TRAINING_BLOCK 64
#define INFERENCE_BLOCK 16

/* So far away that the weight is 0. */
#define NEVER (-1e30)

typedef struct Neighbours
{
	int64_t		width;			/* of z */
	int64_t		kept;			/* rows */
	int64_t		outputs;
} Neighbours;

static Neighbours
neighbours_sizes(const DlOpNode *node)
{
	return (Neighbours) {dl_op_columns(node, Z), node->inputs[KEYS].dims[1], dl_op_columns(node, OWN)};
}

DlStatus
dl_neighbours_infer(DlOpNode *node, DlError *error)
{
	Neighbours	s;

	DL_TRY(dl_op_expect(node, KEYS, dl_shape_2(dl_op_columns(node, Z), DL_OP_ANY_DIMENSION), Z, error));
	s = neighbours_sizes(node);
	DL_TRY(dl_op_expect(node, SQUARES, dl_shape_1(s.kept), KEYS, error));
	DL_TRY(dl_op_expect(node, VALUES, dl_shape_2(s.kept, s.outputs), KEYS, error));
	node->output = dl_shape_2(DL_BATCH, s.outputs);
	return DL_OK;
}

unsigned
dl_neighbours_keeps(const DlOpNode *node)
{
	(void) node;
	return DL_OP_INPUT_BIT(Z) | DL_OP_INPUT_BIT(OWN);
}

/* In training see Batch; in inference the weights of one block. */
void
dl_neighbours_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	Neighbours	s = neighbours_sizes(node);

	if (!training)
	{
		memory->kept_fixed = INFERENCE_BLOCK * s.kept;
		return;
	}
	memory->forward_row = TRAINING_BLOCK + 1 + 2 * s.width;
	memory->backward_row = 2 * TRAINING_BLOCK + 2 + 2 * s.width;
}

int64_t
dl_neighbours_multiply_adds(const DlOpNode *node)
{
	Neighbours	s = neighbours_sizes(node);

	return (s.width + s.outputs) * s.kept;
}

static void
set_real(const DlOpCall *call, void *array, int64_t index, double value)
{
	if (call->run->backend->real == DL_F64)
		((double *) array)[index] = value;
	else
		((float *) array)[index] = (float) value;
}

static double
get_real(const DlOpCall *call, const void *array, int64_t index)
{
	return call->run->backend->real == DL_F64 ? ((const double *) array)[index] : (double) ((const float *) array)[index];
}

/*
 * --- training --------------------------------------------------------------------
 */

/* The batch, and the parts of the step's memory. */
typedef struct Batch
{
	int64_t		rows;
	int64_t		queries;		/* that have results */
	void	   *squares;		/* [rows]: -|z|^2 */
	void	   *doubled;		/* [rows, width]: 2 z */
	void	   *ones;			/* [rows, width], of which the first width are minus 1 */
	void	   *weights;		/* [block, rows] */
	void	   *gradients;		/* backward: [block, rows], of the weights */
	void	   *sums;			/* backward: [rows], of the columns of these */
} Batch;

static Batch
begin_batch(const DlOpCall *call, const Neighbours *s, bool backward)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	int64_t		rows = call->run->rows;
	Batch		b = {.rows = rows,.queries = rows - call->run->candidates};
	void	   *next = call->work;

	b.squares = next;
	b.doubled = next = dl_op_at(call, next, rows);
	b.ones = next = dl_op_at(call, next, rows * s->width);
	b.weights = next = dl_op_at(call, next, rows * s->width);
	if (backward)
	{
		b.gradients = next = dl_op_at(call, next, rows * TRAINING_BLOCK);
		b.sums = dl_op_at(call, next, rows * TRAINING_BLOCK);
	}

	/* the sum over the columns of a row is a product with ones */
	backend->multiply(w, rows * s->width, call->x[Z], call->x[Z], false, b.doubled);
	for (int64_t i = 0; i < s->width; i++)
		set_real(call, b.ones, i, -1);
	backend->gemm(w, false, false, rows, 1, s->width, b.doubled, b.ones, false, b.squares);
	backend->scale(w, rows * s->width, 2, call->x[Z], false, b.doubled);
	return b;
}

static int64_t
block_count(const Batch *b, int64_t first)
{
	return b->queries - first < TRAINING_BLOCK ? b->queries - first : TRAINING_BLOCK;
}

/* Weights of all rows for count of them. */
static void
weigh_block(const DlOpCall *call, const Neighbours *s, const Batch *b, int64_t first, int64_t count)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;

	for (int64_t i = 0; i < count; i++)
		backend->copy_block(w, 1, b->rows, b->squares, b->rows, false, dl_op_at(call, b->weights, i * b->rows), b->rows);
	backend->gemm(w, false, true, count, b->rows, s->width, dl_op_at(call, b->doubled, first * s->width), call->x[Z],
				  true, b->weights);
	for (int64_t i = 0; i < count; i++)
		set_real(call, b->weights, i * b->rows + first + i, NEVER);
	backend->softmax(w, count, b->rows, b->weights, b->weights);
}

static void
forward_training(const DlOpCall *call, const Neighbours *s)
{
	Batch		b = begin_batch(call, s, false);

	for (int64_t first = 0; first < b.queries; first += TRAINING_BLOCK)
	{
		int64_t		count = block_count(&b, first);

		weigh_block(call, s, &b, first, count);
		call->run->backend->dense(call->run->workspace, count, b.rows, s->outputs, b.weights, call->x[OWN], NULL,
								  DL_ACTIVATION_IDENTITY, NULL, dl_op_at(call, call->y, first * s->outputs));
	}
	memset(dl_op_at(call, call->y, b.queries * s->outputs), 0,
		   (size_t) (call->run->candidates * s->outputs) * dl_op_real(call));
}

/*
 * With g the gradient of softmax's arguments 2 z_i z_j - |z_j|^2 - |z_i|^2, whose sum over j is 0:
 * dz_i += sum over j of 2 g_ij z_j, dz_j += sum over i of 2 g_ij (z_i - z_j).
 */
static void
backward_block(const DlOpCall *call, const Neighbours *s, const Batch *b, int64_t first, int64_t count)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	void	   *doubled = dl_op_at(call, b->doubled, first * s->width);

	weigh_block(call, s, b, first, count);
	backend->gemm(w, false, true, count, b->rows, s->outputs, dl_op_at(call, call->dy, first * s->outputs), call->x[OWN],
				  false, b->gradients);
	backend->softmax_backward(w, count, b->rows, b->weights, b->gradients, false, b->gradients);
	backend->gemm(w, false, false, count, s->width, b->rows, b->gradients, b->doubled, true,
				  dl_op_at(call, call->dx[Z], first * s->width));
	backend->gemm(w, true, false, b->rows, s->width, count, b->gradients, doubled, true, call->dx[Z]);
	backend->sum_columns(w, count, b->rows, b->gradients, first > 0, b->sums);
}

void
dl_neighbours_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	Neighbours	s = neighbours_sizes(call->node);
	Batch		b;

	if (call->dx[Z] == NULL)
		return;
	b = begin_batch(call, &s, true);
	if (!call->accumulate[Z])
		memset(call->dx[Z], 0, (size_t) (b.rows * s.width) * dl_op_real(call));
	if (b.queries <= 0)
		return;
	for (int64_t first = 0; first < b.queries; first += TRAINING_BLOCK)
		backward_block(call, &s, &b, first, block_count(&b, first));
	for (int64_t j = 0; j < b.rows; j++)
		backend->scale(call->run->workspace, s.width, -get_real(call, b.sums, j),
					   dl_op_at(call, b.doubled, j * s.width), true, dl_op_at(call, call->dx[Z], j * s.width));
}

/*
 * --- inference -------------------------------------------------------------------
 */

static void
forward_inference(const DlOpCall *call, const Neighbours *s)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;

	for (int64_t first = 0; first < call->run->rows; first += INFERENCE_BLOCK)
	{
		int64_t		left = call->run->rows - first;
		int64_t		count = left < INFERENCE_BLOCK ? left : INFERENCE_BLOCK;

		backend->dense(w, count, s->width, s->kept, dl_op_at(call, call->x[Z], first * s->width), call->x[KEYS],
					   call->x[SQUARES], DL_ACTIVATION_IDENTITY, NULL, call->kept);
		backend->softmax(w, count, s->kept, call->kept, call->kept);
		backend->dense(w, count, s->kept, s->outputs, call->kept, call->x[VALUES], NULL, DL_ACTIVATION_IDENTITY, NULL,
					   dl_op_at(call, call->y, first * s->outputs));
	}
}

void
dl_neighbours_forward(const DlOpCall *call)
{
	Neighbours	s = neighbours_sizes(call->node);

	if (call->run->training)
		forward_training(call, &s);
	else
		forward_inference(call, &s);
}
