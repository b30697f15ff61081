/*
 * embedding.c
 *    Rows of a table by code, and periodic embeddings of numbers.
 *
 * Their kernels always add to the gradients of parameters, so what is to be
 * stored is cleared here.
 */
#include <string.h>

#include "ops/op.h"

enum
{
	CODES,
	TABLE
};

enum
{
	X,
	FREQUENCY,
	PHASE,
	WEIGHT,
	BIAS
};

DlStatus
dl_embedding_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_expect(node, TABLE, dl_shape_2(DL_OP_ANY_DIMENSION, DL_OP_ANY_DIMENSION), CODES, error));
	if (node->attributes.column < 0 || node->attributes.column >= dl_op_columns(node, CODES))
		return dl_error_set(error, DL_ERROR_SHAPE, "embedding: column %lld is not among the %lld columns of codes",
							(long long) node->attributes.column, (long long) dl_op_columns(node, CODES));
	node->output = dl_shape_2(DL_BATCH, dl_op_columns(node, TABLE));
	return DL_OK;
}

void
dl_embedding_forward(const DlOpCall *call)
{
	int64_t		width = dl_op_columns(call->node, TABLE);

	call->run->backend->embedding(call->run->workspace, call->run->rows, width,
								  (const int32_t *) call->x[CODES] + call->node->attributes.column,
								  dl_op_columns(call->node, CODES), call->x[TABLE], call->y, width);
}

void
dl_embedding_backward(const DlOpCall *call)
{
	int64_t		width = dl_op_columns(call->node, TABLE);

	if (!call->accumulate[TABLE])
		memset(call->dx[TABLE], 0, (size_t) (call->node->inputs[TABLE].dims[0] * width) * dl_op_real(call));
	call->run->backend->embedding_backward(call->run->workspace, call->run->rows, width,
										   (const int32_t *) call->x[CODES] + call->node->attributes.column,
										   dl_op_columns(call->node, CODES), call->dy, width, call->dx[TABLE]);
}

/* Sizes of a periodic embedding. */
typedef struct Periodic
{
	int64_t		columns;		/* embedded */
	int64_t		frequencies;
	int64_t		width;
	int64_t		passed;			/* columns passed on */
} Periodic;

static Periodic
periodic_sizes(const DlOpNode *node)
{
	Periodic	p;

	p.columns = node->inputs[WEIGHT].dims[0];
	p.frequencies = node->inputs[WEIGHT].dims[1];
	p.width = node->inputs[WEIGHT].dims[2];
	p.passed = dl_op_columns(node, X) - p.columns;
	return p;
}

DlStatus
dl_periodic_infer(DlOpNode *node, DlError *error)
{
	Periodic	p;

	DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_3(DL_OP_ANY_DIMENSION, DL_OP_ANY_DIMENSION, DL_OP_ANY_DIMENSION), X,
						error));
	p = periodic_sizes(node);
	if (p.passed < 0)
		DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_3(dl_op_columns(node, X), p.frequencies, p.width), X, error));
	DL_TRY(dl_op_expect(node, FREQUENCY, dl_shape_2(p.columns, p.frequencies), WEIGHT, error));
	DL_TRY(dl_op_expect(node, PHASE, dl_shape_2(p.columns, p.frequencies), WEIGHT, error));
	DL_TRY(dl_op_expect(node, BIAS, dl_shape_2(p.columns, p.width), WEIGHT, error));
	node->output = dl_shape_2(DL_BATCH, p.columns * (p.width + 1) + p.passed);
	return DL_OK;
}

/* The cosines; and where columns are passed on, the embedded ones alone, as the kernels have them. */
void
dl_periodic_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	Periodic	p = periodic_sizes(node);

	memory->kept_row = p.columns * p.frequencies;
	if (p.passed > 0)
	{
		memory->forward_row = p.columns * (p.width + 1);
		memory->backward_row = training ? memory->forward_row : 0;
	}
}

int64_t
dl_periodic_multiply_adds(const DlOpNode *node)
{
	Periodic	p = periodic_sizes(node);

	return p.columns * p.frequencies * (p.width + 1);
}

void
dl_periodic_forward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	Periodic	p = periodic_sizes(call->node);
	int64_t		rows = call->run->rows;
	int64_t		in = dl_op_columns(call->node, X);
	int64_t		out = dl_shape_row(&call->node->output);
	int64_t		embedded = out - p.passed;

	backend->periodic(w, rows, p.columns, p.frequencies, p.width, call->x[X], in, call->x[FREQUENCY], call->x[PHASE],
					  call->x[WEIGHT], call->x[BIAS], call->kept, p.passed > 0 ? call->work : call->y);
	if (p.passed > 0)
	{
		backend->copy_block(w, rows, embedded, call->work, embedded, false, call->y, out);
		backend->copy_block(w, rows, p.passed, dl_op_at(call, call->x[X], p.columns), in, false,
							dl_op_at(call, call->y, embedded), out);
	}
}

void
dl_periodic_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	Periodic	p = periodic_sizes(call->node);
	int64_t		rows = call->run->rows;
	int64_t		in = dl_op_columns(call->node, X);
	int64_t		out = dl_shape_row(&call->node->output);
	int64_t		embedded = out - p.passed;
	const void *dy = call->dy;

	for (int i = FREQUENCY; i <= BIAS; i++)
		if (call->dx[i] != NULL && !call->accumulate[i])
			memset(call->dx[i], 0,
				   (size_t) (call->node->inputs[i].dims[0] * dl_shape_row(&call->node->inputs[i])) * dl_op_real(call));
	if (p.passed > 0)
	{
		backend->copy_block(w, rows, embedded, call->dy, out, false, call->work, embedded);
		dy = call->work;
		if (call->dx[X] != NULL)
			backend->copy_block(w, rows, p.passed, dl_op_at(call, call->dy, embedded), out, call->accumulate[X],
								dl_op_at(call, call->dx[X], p.columns), in);
	}
	backend->periodic_backward(w, rows, p.columns, p.frequencies, p.width, call->x[X], in, call->x[FREQUENCY],
							   call->x[PHASE], call->x[WEIGHT], call->kept, dy, call->dx[FREQUENCY], call->dx[PHASE],
							   call->dx[WEIGHT], call->dx[BIAS], call->accumulate[X], call->dx[X]);
}
