/*
 * softmax_loss.c
 *    Softmax, and the losses of rows.
 */
#include "ops/op.h"

enum
{
	X,
	TARGET,
	WEIGHT
};

DlStatus
dl_softmax_infer(DlOpNode *node, DlError *error)
{
	(void) error;
	node->output = node->inputs[X];
	return DL_OK;
}

void
dl_softmax_forward(const DlOpCall *call)
{
	call->run->backend->softmax(call->run->workspace, call->run->rows, dl_op_columns(call->node, X), call->x[X], call->y);
}

void
dl_softmax_backward(const DlOpCall *call)
{
	call->run->backend->softmax_backward(call->run->workspace, call->run->rows, dl_op_columns(call->node, X), call->y,
										 call->dy, call->accumulate[X], call->dx[X]);
}

DlStatus
dl_loss_softmax_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_expect(node, TARGET, dl_shape_2(DL_BATCH, 1), X, error));
	DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_2(DL_BATCH, 1), X, error));
	DL_TRY(dl_op_check_range(node, "smoothing", node->attributes.smoothing, 0, 1, true, error));
	node->output = dl_shape_2(DL_BATCH, 1);
	return DL_OK;
}

unsigned
dl_loss_softmax_keeps(const DlOpNode *node)
{
	(void) node;
	return DL_OP_INPUT_BIT(TARGET) | DL_OP_INPUT_BIT(WEIGHT);
}

/* The probabilities. */
void
dl_loss_softmax_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	(void) training;
	memory->kept_row = dl_op_columns(node, X);
}

void
dl_loss_softmax_forward(const DlOpCall *call)
{
	call->run->backend->loss_softmax(call->run->workspace, call->run->rows, dl_op_columns(call->node, X),
									 call->node->attributes.smoothing, call->x[X], call->x[TARGET], call->x[WEIGHT],
									 call->kept, call->y);
}

void
dl_loss_softmax_backward(const DlOpCall *call)
{
	call->run->backend->loss_softmax_backward(call->run->workspace, call->run->rows, dl_op_columns(call->node, X),
											  call->node->attributes.smoothing, call->kept, call->x[TARGET],
											  call->x[WEIGHT], call->dy, call->accumulate[X], call->dx[X]);
}

DlStatus
dl_loss_point_infer(DlOpNode *node, DlError *error)
{
	double		parameter = node->attributes.parameter;

	DL_TRY(dl_op_expect(node, TARGET, node->inputs[X], X, error));
	DL_TRY(dl_op_expect(node, WEIGHT, dl_shape_2(DL_BATCH, 1), X, error));
	switch (node->attributes.loss)
	{
		case DL_LOSS_MSE:
		case DL_LOSS_MAE:
			break;
		case DL_LOSS_HUBER:
			if (!(parameter > 0))
				return dl_error_set(error, DL_ERROR_INVALID, "loss_point: delta of huber must be above 0, got %g", parameter);
			break;
		case DL_LOSS_QUANTILE:
			if (!(parameter > 0 && parameter < 1))
				return dl_error_set(error, DL_ERROR_INVALID, "loss_point: quantile must be between 0 and 1, got %g", parameter);
			break;
		case DL_LOSS_BCE:
			DL_TRY(dl_op_check_range(node, "smoothing", parameter, 0, 1, true, error));
			break;
		default:
			return dl_error_set(error, DL_ERROR_INVALID, "loss_point: loss %d does not exist", (int) node->attributes.loss);
	}
	node->output = dl_shape_2(DL_BATCH, 1);
	return DL_OK;
}

void
dl_loss_point_forward(const DlOpCall *call)
{
	call->run->backend->loss_point(call->run->workspace, call->node->attributes.loss, call->node->attributes.parameter,
								   call->run->rows, dl_op_columns(call->node, X), call->x[X], call->x[TARGET],
								   call->x[WEIGHT], call->y);
}

void
dl_loss_point_backward(const DlOpCall *call)
{
	call->run->backend->loss_point_backward(call->run->workspace, call->node->attributes.loss,
											call->node->attributes.parameter, call->run->rows,
											dl_op_columns(call->node, X), call->x[X], call->x[TARGET], call->x[WEIGHT],
											call->dy, call->accumulate[X], call->dx[X]);
}
