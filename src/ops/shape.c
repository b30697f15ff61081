/*
 * shape.c
 *    Putting columns together and taking them out.
 */
#include <string.h>

#include "ops/op.h"

DlStatus
dl_concat_infer(DlOpNode *node, DlError *error)
{
	int64_t		sum = 0;

	for (int i = 0; i < node->input_count; i++)
		if (__builtin_add_overflow(sum, dl_op_columns(node, i), &sum))
			return dl_error_set(error, DL_ERROR_LIMIT, "concat: %d inputs have too many columns", node->input_count);
	node->output = dl_shape_2(DL_BATCH, sum);
	return DL_OK;
}

void
dl_concat_forward(const DlOpCall *call)
{
	int64_t		out = dl_shape_row(&call->node->output);
	int64_t		start = 0;

	for (int i = 0; i < call->node->input_count; i++)
	{
		int64_t		columns = dl_op_columns(call->node, i);

		call->run->backend->copy_block(call->run->workspace, call->run->rows, columns, call->x[i], columns, false,
									   dl_op_at(call, call->y, start), out);
		start += columns;
	}
}

void
dl_concat_backward(const DlOpCall *call)
{
	int64_t		out = dl_shape_row(&call->node->output);
	int64_t		start = 0;

	for (int i = 0; i < call->node->input_count; i++)
	{
		int64_t		columns = dl_op_columns(call->node, i);

		if (call->dx[i] != NULL)
			call->run->backend->copy_block(call->run->workspace, call->run->rows, columns,
										   dl_op_at(call, call->dy, start), out, call->accumulate[i], call->dx[i], columns);
		start += columns;
	}
}

DlStatus
dl_slice_infer(DlOpNode *node, DlError *error)
{
	int64_t		start = node->attributes.start;
	int64_t		count = node->attributes.count;
	int64_t		columns = dl_op_columns(node, 0);

	if (start < 0 || count < 1 || start > columns || count > columns - start)
		return dl_error_set(error, DL_ERROR_SHAPE,
							"slice: %lld columns from %lld do not fit, expected [batch, %lld] within [batch, %lld]",
							(long long) count, (long long) start, (long long) count, (long long) columns);
	node->output = dl_shape_2(DL_BATCH, count);
	return DL_OK;
}

void
dl_slice_forward(const DlOpCall *call)
{
	int64_t		count = call->node->attributes.count;

	call->run->backend->copy_block(call->run->workspace, call->run->rows, count,
								   dl_op_at(call, call->x[0], call->node->attributes.start),
								   dl_op_columns(call->node, 0), false, call->y, count);
}

void
dl_slice_backward(const DlOpCall *call)
{
	int64_t		count = call->node->attributes.count;
	int64_t		columns = dl_op_columns(call->node, 0);

	/* the columns beside the slice get nothing from here */
	if (!call->accumulate[0])
		memset(call->dx[0], 0, (size_t) (call->run->rows * columns) * dl_op_real(call));
	call->run->backend->copy_block(call->run->workspace, call->run->rows, count, call->dy, count, true,
								   dl_op_at(call, call->dx[0], call->node->attributes.start), columns);
}
