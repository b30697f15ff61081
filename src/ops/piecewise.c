/*
 * piecewise.c
 *    Piecewise linear embeddings of numbers.
 *
 * The kernels always add to the gradients of parameters, so what is to be
 * stored is cleared here.
 */
#include <string.h>

#include "ops/op.h"

enum
{
	X,
	EDGES,
	WEIGHT,
	LINEAR,
	BIAS
};

typedef struct Piecewise
{
	int64_t		columns;		/* embedded */
	int64_t		bins;
	int64_t		width;
	int64_t		passed;			/* columns passed on */
} Piecewise;

static Piecewise
piecewise_sizes(const DlOpNode *node)
{
	Piecewise	p;

	p.columns = node->inputs[WEIGHT].dims[0];
	p.bins = node->inputs[WEIGHT].dims[1];
	p.width = node->inputs[WEIGHT].dims[2];
	p.passed = dl_op_columns(node, X) - p.columns;
	return p;
}

DlStatus
dl_piecewise_infer(DlOpNode *node, DlError *error)
{
	Piecewise	p;

	DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_3(DL_OP_ANY_DIMENSION, DL_OP_ANY_DIMENSION, DL_OP_ANY_DIMENSION), X,
						error));
	p = piecewise_sizes(node);
	if (p.passed < 0)
		DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_3(dl_op_columns(node, X), p.bins, p.width), X, error));
	if (p.bins > DL_PIECEWISE_MAX_BINS)
		return dl_error_set(error, DL_ERROR_SHAPE, "piecewise: %lld bins are more than the limit of %d",
							(long long) p.bins, DL_PIECEWISE_MAX_BINS);
	DL_TRY(dl_op_expect(node, EDGES, dl_shape_2(p.columns, p.bins + 1), WEIGHT, error));
	DL_TRY(dl_op_expect(node, LINEAR, dl_shape_2(p.columns, p.width), WEIGHT, error));
	DL_TRY(dl_op_expect(node, BIAS, dl_shape_2(p.columns, p.width), WEIGHT, error));
	node->output = dl_shape_2(DL_BATCH, p.columns * p.width + p.passed);
	return DL_OK;
}

/* The bin of each number, and where it lies in it. */
void
dl_piecewise_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	(void) training;
	memory->kept_row = 2 * piecewise_sizes(node).columns;
}

int64_t
dl_piecewise_multiply_adds(const DlOpNode *node)
{
	Piecewise	p = piecewise_sizes(node);

	return 2 * p.columns * p.width;
}

void
dl_piecewise_forward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	Piecewise	p = piecewise_sizes(call->node);
	int64_t		rows = call->run->rows;
	int64_t		in = dl_op_columns(call->node, X);
	int64_t		out = dl_shape_row(&call->node->output);

	backend->piecewise(w, rows, p.columns, p.bins, p.width, call->x[X], in, call->x[EDGES], call->x[WEIGHT],
					   call->x[LINEAR], call->x[BIAS], call->kept, call->y, out);
	if (p.passed > 0)
		backend->copy_block(w, rows, p.passed, dl_op_at(call, call->x[X], p.columns), in, false,
							dl_op_at(call, call->y, out - p.passed), out);
}

void
dl_piecewise_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	Piecewise	p = piecewise_sizes(call->node);
	int64_t		rows = call->run->rows;
	int64_t		in = dl_op_columns(call->node, X);
	int64_t		out = dl_shape_row(&call->node->output);

	for (int i = WEIGHT; i <= BIAS; i++)
		if (call->dx[i] != NULL && !call->accumulate[i])
			memset(call->dx[i], 0,
				   (size_t) (call->node->inputs[i].dims[0] * dl_shape_row(&call->node->inputs[i])) * dl_op_real(call));
	if (p.passed > 0 && call->dx[X] != NULL)
		backend->copy_block(w, rows, p.passed, dl_op_at(call, call->dy, out - p.passed), out, call->accumulate[X],
							dl_op_at(call, call->dx[X], p.columns), in);
	backend->piecewise_backward(w, rows, p.columns, p.bins, p.width, call->x[X], in, call->x[EDGES], call->x[WEIGHT],
								call->x[LINEAR], call->kept, call->dy, out, call->dx[WEIGHT], call->dx[LINEAR],
								call->dx[BIAS], call->accumulate[X], call->dx[X]);
}
