/*
 * elementwise.c
 *    Sums, products, scaling of columns, and dropout.
 *
 * Where a gradient may lie in dy's memory it is computed last.
 */
#include "ops/op.h"

static int64_t
elements(const DlOpCall *call)
{
	return call->run->rows * dl_shape_row(&call->node->output);
}

unsigned
dl_first_input_keeps(const DlOpNode *node)
{
	(void) node;
	return DL_OP_INPUT_BIT(0);
}

unsigned
dl_all_inputs_keeps(const DlOpNode *node)
{
	(void) node;
	return DL_OP_ALL_INPUTS;
}

unsigned
dl_output_keeps(const DlOpNode *node)
{
	(void) node;
	return DL_OP_OUTPUT_BIT;
}

int64_t
dl_column_multiply_adds(const DlOpNode *node)
{
	return dl_shape_row(&node->output);
}

/* Two inputs of one shape. */
DlStatus
dl_same_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_expect(node, 1, node->inputs[0], 0, error));
	node->output = node->inputs[0];
	return DL_OK;
}

void
dl_add_forward(const DlOpCall *call)
{
	call->run->backend->add(call->run->workspace, elements(call), call->x[0], call->x[1], call->y);
}

void
dl_add_backward(const DlOpCall *call)
{
	for (int i = 0; i < 2; i++)
		if (call->dx[i] != NULL && call->dx[i] != call->dy)
			call->run->backend->scale(call->run->workspace, elements(call), 1, call->dy, call->accumulate[i], call->dx[i]);
}

void
dl_multiply_forward(const DlOpCall *call)
{
	call->run->backend->multiply(call->run->workspace, elements(call), call->x[0], call->x[1], false, call->y);
}

/* da = dy b, db = dy a. */
void
dl_multiply_backward(const DlOpCall *call)
{
	int			first = call->dx[0] == call->dy ? 1 : 0;

	for (int k = 0; k < 2; k++)
	{
		int			i = k == 0 ? first : 1 - first;

		if (call->dx[i] != NULL)
			call->run->backend->multiply(call->run->workspace, elements(call), call->dy, call->x[1 - i],
										 call->accumulate[i], call->dx[i]);
	}
}

DlStatus
dl_scale_columns_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_expect(node, 1, dl_shape_1(dl_op_columns(node, 0)), 0, error));
	node->output = node->inputs[0];
	return DL_OK;
}

void
dl_scale_columns_forward(const DlOpCall *call)
{
	call->run->backend->scale_columns(call->run->workspace, call->run->rows, dl_op_columns(call->node, 0),
									  call->x[0], call->x[1], false, call->y);
}

/* dv = column sums of dy x, dx = dy v. */
void
dl_scale_columns_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	int64_t		columns = dl_op_columns(call->node, 0);

	if (call->dx[1] != NULL)
		backend->dot_columns(call->run->workspace, call->run->rows, columns, call->dy, call->x[0],
							 call->accumulate[1], call->dx[1]);
	if (call->dx[0] != NULL)
		backend->scale_columns(call->run->workspace, call->run->rows, columns, call->dy, call->x[1],
							   call->accumulate[0], call->dx[0]);
}

DlStatus
dl_dropout_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_check_range(node, "p", node->attributes.p, 0, 1, true, error));
	node->output = node->inputs[0];
	return DL_OK;
}

/* The mask. */
void
dl_dropout_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	if (training)
		memory->kept_row = dl_shape_row(&node->output);
}

/* p of this run, 0 in inference; a factor never brings it to 1. */
static double
dropout_probability(const DlOpCall *call)
{
	double		p = call->run->training ? call->node->attributes.p * call->run->dropout : 0;

	return p < 0.99 ? p : 0.99;
}

void
dl_dropout_forward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	double		p = dropout_probability(call);

	if (p > 0)
		backend->dropout(call->run->workspace, call->run->random, p, elements(call), call->x[0], call->kept, call->y);
	else if (call->y != call->x[0])
		backend->scale(call->run->workspace, elements(call), 1, call->x[0], false, call->y);
}

void
dl_dropout_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;

	if (dropout_probability(call) > 0)
		backend->multiply(call->run->workspace, elements(call), call->dy, call->kept, call->accumulate[0], call->dx[0]);
	else if (call->dx[0] != call->dy)
		backend->scale(call->run->workspace, elements(call), 1, call->dy, call->accumulate[0], call->dx[0]);
}
