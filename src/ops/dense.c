/*
 * dense.c
 *    A linear layer with its bias and activation: y = f(x W + b).
 *
 * Backward: dz = dy f'(z); dW = x^T dz; db = column sums of dz; dx = dz W^T.
 */
#include "ops/op.h"

enum
{
	X,
	WEIGHT,
	BIAS
};

DlStatus
dl_dense_infer(DlOpNode *node, DlError *error)
{
	int64_t		out;

	DL_TRY(dl_op_check_activation(node, error));
	DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_2(dl_op_columns(node, X), DL_OP_ANY_DIMENSION), X, error));
	out = dl_op_columns(node, WEIGHT);
	if (node->input_count > BIAS)
		DL_TRY(dl_op_expect(node, BIAS, dl_shape_1(out), WEIGHT, error));
	node->output = dl_shape_2(DL_BATCH, out);
	return DL_OK;
}

unsigned
dl_dense_keeps(const DlOpNode *node)
{
	DlActivation f = node->attributes.activation;

	return DL_OP_INPUT_BIT(X) |
		(f != DL_ACTIVATION_IDENTITY && dl_activation_from_output(f) ? DL_OP_OUTPUT_BIT : 0);
}

/* The pre-activation, where the derivative needs it. */
void
dl_dense_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	if (training && !dl_activation_from_output(node->attributes.activation))
		memory->kept_row = dl_shape_row(&node->output);
}

int64_t
dl_dense_multiply_adds(const DlOpNode *node)
{
	return node->inputs[WEIGHT].dims[0] * node->inputs[WEIGHT].dims[1];
}

void
dl_dense_forward(const DlOpCall *call)
{
	const DlOpNode *node = call->node;

	call->run->backend->dense(call->run->workspace, call->run->rows, node->inputs[WEIGHT].dims[0],
							  node->inputs[WEIGHT].dims[1], call->x[X], call->x[WEIGHT],
							  node->input_count > BIAS ? call->x[BIAS] : NULL,
							  node->attributes.activation, call->kept, call->y);
}

void
dl_dense_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	DlActivation f = call->node->attributes.activation;
	int64_t		rows = call->run->rows;
	int64_t		in = call->node->inputs[WEIGHT].dims[0];
	int64_t		out = call->node->inputs[WEIGHT].dims[1];

	if (f != DL_ACTIVATION_IDENTITY)
		backend->activation_backward(w, f, rows * out, call->kept, call->y, call->dy, false, call->dy);
	if (call->dx[WEIGHT] != NULL)
		backend->gemm(w, true, false, in, out, rows, call->x[X], call->dy, call->accumulate[WEIGHT], call->dx[WEIGHT]);
	if (call->node->input_count > BIAS && call->dx[BIAS] != NULL)
		backend->sum_columns(w, rows, out, call->dy, call->accumulate[BIAS], call->dx[BIAS]);
	if (call->dx[X] != NULL)
		backend->gemm(w, false, true, rows, in, out, call->dy, call->x[WEIGHT], call->accumulate[X], call->dx[X]);
}
