/*
 * norm.c
 *    Layer and batch normalisation.
 */
#include <string.h>

#include "ops/op.h"

enum
{
	X,
	GAMMA,
	BETA,
	RUNNING_MEAN,
	RUNNING_VARIANCE
};

static DlStatus
check(DlOpNode *node, DlError *error)
{
	for (int i = GAMMA; i < node->input_count; i++)
		DL_TRY(dl_op_expect(node, i, dl_shape_1(dl_op_columns(node, X)), X, error));
	DL_TRY(dl_op_check_range(node, "epsilon", node->attributes.epsilon, 0, 1, true, error));
	node->output = node->inputs[X];
	return DL_OK;
}

DlStatus
dl_layer_norm_infer(DlOpNode *node, DlError *error)
{
	return check(node, error);
}

DlStatus
dl_batch_norm_infer(DlOpNode *node, DlError *error)
{
	DL_TRY(dl_op_check_range(node, "momentum", node->attributes.momentum, 0, 1, false, error));
	return check(node, error);
}

/* Mean and reciprocal deviation of each row. */
void
dl_layer_norm_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	(void) node;
	(void) training;
	memory->kept_row = 2;
}

/* Mean and reciprocal deviation of each column. */
void
dl_batch_norm_memory(const DlOpNode *node, bool training, DlOpMemory *memory)
{
	(void) training;
	memory->kept_fixed = 2 * dl_op_columns(node, X);
}

void
dl_layer_norm_forward(const DlOpCall *call)
{
	call->run->backend->layer_norm(call->run->workspace, call->run->rows, dl_op_columns(call->node, X),
								   call->node->attributes.epsilon, call->x[X], call->x[GAMMA], call->x[BETA],
								   call->kept, call->y);
}

void
dl_batch_norm_forward(const DlOpCall *call)
{
	call->run->backend->batch_norm(call->run->workspace, call->run->rows, dl_op_columns(call->node, X),
								   call->node->attributes.epsilon, call->node->attributes.momentum,
								   call->run->training, call->x[X], call->x[GAMMA], call->x[BETA],
								   call->x[RUNNING_MEAN], call->x[RUNNING_VARIANCE], call->kept, call->y);
}

typedef void (*NormBackward) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x, const void *gamma,
							  const void *statistics, const void *dy, bool accumulate, void *dx,
							  bool accumulate_parameters, void *dgamma, void *dbeta);

/* The kernels take one accumulate for both parameters; where they differ, what is to be stored is cleared. */
static void
backward(const DlOpCall *call, NormBackward kernel)
{
	int64_t		columns = dl_op_columns(call->node, X);
	bool		accumulate = call->accumulate[GAMMA] || call->accumulate[BETA];

	for (int i = GAMMA; i <= BETA; i++)
		if (accumulate && !call->accumulate[i] && call->dx[i] != NULL)
			memset(call->dx[i], 0, (size_t) columns * dl_op_real(call));
	kernel(call->run->workspace, call->run->rows, columns, call->x[X], call->x[GAMMA], call->kept, call->dy,
		   call->accumulate[X], call->dx[X], accumulate, call->dx[GAMMA], call->dx[BETA]);
}

void
dl_layer_norm_backward(const DlOpCall *call)
{
	backward(call, call->run->backend->layer_norm_backward);
}

void
dl_batch_norm_backward(const DlOpCall *call)
{
	backward(call, call->run->backend->batch_norm_backward);
}
