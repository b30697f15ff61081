/*
 * activation.c
 *    Activations that stand alone: plain, and with a trained share of the
 *    nonlinearity for each column, y = x + a (g(x) - x).
 */
#include "ops/op.h"

static int64_t
elements(const DlOpCall *call)
{
	return call->run->rows * dl_shape_row(&call->node->output);
}

DlStatus
dl_activation_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_check_activation(node, error));
	node->output = node->inputs[0];
	return DL_OK;
}

unsigned
dl_activation_keeps(const DlOpNode *node)
{
	return dl_activation_from_output(node->attributes.activation) ? DL_OP_OUTPUT_BIT : DL_OP_INPUT_BIT(0);
}

void
dl_activation_forward(const DlOpCall *call)
{
	call->run->backend->activation(call->run->workspace, call->node->attributes.activation, elements(call),
								   call->x[0], call->y);
}

void
dl_activation_backward(const DlOpCall *call)
{
	bool		from_output = dl_activation_from_output(call->node->attributes.activation);

	call->run->backend->activation_backward(call->run->workspace, call->node->attributes.activation, elements(call),
											from_output ? NULL : call->x[0], from_output ? call->y : NULL,
											call->dy, call->accumulate[0], call->dx[0]);
}

DlStatus
dl_parametric_activation_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_check_activation(node, error));
	DL_TRY(dl_op_expect(node, 1, dl_shape_1(dl_op_columns(node, 0)), 0, error));
	node->output = node->inputs[0];
	return DL_OK;
}

/* g(x) is kept: for the gradient of a, and where g' is told from it. */
void
dl_parametric_activation_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	memory->kept_row = dl_shape_row(&node->output);
	if (training)
		memory->backward_row = dl_shape_row(&node->output);
}

void
dl_parametric_activation_forward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	int64_t		columns = dl_op_columns(call->node, 0);
	int64_t		count = elements(call);
	void	   *t = call->kept;

	backend->activation(w, call->node->attributes.activation, count, call->x[0], call->kept);
	if (call->run->training)
	{
		/* x is kept, so y is not in its place */
		t = call->y;
		backend->scale(w, count, 1, call->kept, false, t);
	}
	backend->scale(w, count, -1, call->x[0], true, t);
	backend->scale_columns(w, call->run->rows, columns, t, call->x[1], false, t);
	backend->add(w, count, call->x[0], t, call->y);
}

/* da = column sums of dy (g(x) - x); dx = dy - (dy a) + (dy a) g'(x). */
void
dl_parametric_activation_backward(const DlOpCall *call)
{
	const DlBackend *backend = call->run->backend;
	DlWorkspace *w = call->run->workspace;
	int64_t		columns = dl_op_columns(call->node, 0);
	int64_t		count = elements(call);
	void	   *t = call->work;

	if (call->dx[1] != NULL)
	{
		backend->scale(w, count, 1, call->kept, false, t);
		backend->scale(w, count, -1, call->x[0], true, t);
		backend->dot_columns(w, call->run->rows, columns, call->dy, t, call->accumulate[1], call->dx[1]);
	}
	if (call->dx[0] == NULL)
		return;
	backend->scale_columns(w, call->run->rows, columns, call->dy, call->x[1], false, t);
	if (call->dx[0] != call->dy)
		backend->scale(w, count, 1, call->dy, call->accumulate[0], call->dx[0]);
	backend->scale(w, count, -1, t, true, call->dx[0]);
	backend->activation_backward(w, call->node->attributes.activation, count, call->x[0], call->kept, t,
								 true, call->dx[0]);
}
