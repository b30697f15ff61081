/*
 * op.h
 *    What the operators share: helpers for shape rules and calls, and the
 *    functions that the table names.
 *
 * An operator calls the backend's kernels and nothing else, so it runs on
 * every backend.  Formulas are in core/backend.h.
 */
#ifndef DL_OPS_OP_H
#define DL_OPS_OP_H

#include "core/op.h"

#define DL_OP_ANY_DIMENSION 0

/* Columns of input i of a node, and of its output. */
static inline int64_t
dl_op_columns(const DlOpNode *node, int i)
{
	return node->inputs[i].dims[1];
}

/* Bytes of a real number. */
static inline size_t
dl_op_real(const DlOpCall *call)
{
	return dl_dtype_size(call->run->backend->real);
}

/* Address of element index of an array of real numbers. */
static inline void *
dl_op_at(const DlOpCall *call, const void *array, int64_t index)
{
	return (char *) array + (size_t) index * dl_op_real(call);
}

/*
 * Input index must have this shape, a dimension of DL_OP_ANY_DIMENSION being
 * free.  because: the input whose shape says so, for the message.
 */
extern DlStatus dl_op_expect(const DlOpNode *node, int index, DlShape expected, int because, DlError *error);
extern DlStatus dl_op_check_activation(const DlOpNode *node, DlError *error);

/* The value must lie in [low, high], or below high where open. */
extern DlStatus dl_op_check_range(const DlOpNode *node, const char *name, double value, double low, double high,
								  bool open, DlError *error);

/* Shape rules. */
extern DlStatus dl_dense_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_same_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_scale_columns_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_activation_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_parametric_activation_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_dropout_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_layer_norm_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_batch_norm_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_embedding_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_periodic_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_piecewise_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_neighbours_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_concat_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_slice_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_softmax_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_loss_softmax_infer(DlOpNode *node, DlError *error);
extern DlStatus dl_loss_point_infer(DlOpNode *node, DlError *error);

/* What the backward step reads. */
extern unsigned dl_dense_keeps(const DlOpNode *node);
extern unsigned dl_activation_keeps(const DlOpNode *node);
extern unsigned dl_first_input_keeps(const DlOpNode *node);
extern unsigned dl_all_inputs_keeps(const DlOpNode *node);
extern unsigned dl_loss_softmax_keeps(const DlOpNode *node);
extern unsigned dl_output_keeps(const DlOpNode *node);
extern unsigned dl_neighbours_keeps(const DlOpNode *node);

/* Memory besides the output. */
extern void dl_dense_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_parametric_activation_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_dropout_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_layer_norm_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_batch_norm_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_periodic_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_piecewise_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_neighbours_memory(const DlOpNode *node, bool training, DlOpMemory *memory);
extern void dl_loss_softmax_memory(const DlOpNode *node, bool training, DlOpMemory *memory);

/* Multiply-adds of one row. */
extern int64_t dl_dense_multiply_adds(const DlOpNode *node);
extern int64_t dl_column_multiply_adds(const DlOpNode *node);
extern int64_t dl_periodic_multiply_adds(const DlOpNode *node);
extern int64_t dl_piecewise_multiply_adds(const DlOpNode *node);
extern int64_t dl_neighbours_multiply_adds(const DlOpNode *node);

/* Steps. */
extern void dl_dense_forward(const DlOpCall *call);
extern void dl_dense_backward(const DlOpCall *call);
extern void dl_add_forward(const DlOpCall *call);
extern void dl_add_backward(const DlOpCall *call);
extern void dl_multiply_forward(const DlOpCall *call);
extern void dl_multiply_backward(const DlOpCall *call);
extern void dl_scale_columns_forward(const DlOpCall *call);
extern void dl_scale_columns_backward(const DlOpCall *call);
extern void dl_activation_forward(const DlOpCall *call);
extern void dl_activation_backward(const DlOpCall *call);
extern void dl_parametric_activation_forward(const DlOpCall *call);
extern void dl_parametric_activation_backward(const DlOpCall *call);
extern void dl_dropout_forward(const DlOpCall *call);
extern void dl_dropout_backward(const DlOpCall *call);
extern void dl_layer_norm_forward(const DlOpCall *call);
extern void dl_layer_norm_backward(const DlOpCall *call);
extern void dl_batch_norm_forward(const DlOpCall *call);
extern void dl_batch_norm_backward(const DlOpCall *call);
extern void dl_embedding_forward(const DlOpCall *call);
extern void dl_embedding_backward(const DlOpCall *call);
extern void dl_periodic_forward(const DlOpCall *call);
extern void dl_periodic_backward(const DlOpCall *call);
extern void dl_piecewise_forward(const DlOpCall *call);
extern void dl_neighbours_forward(const DlOpCall *call);
extern void dl_piecewise_backward(const DlOpCall *call);
extern void dl_neighbours_backward(const DlOpCall *call);
extern void dl_concat_forward(const DlOpCall *call);
extern void dl_concat_backward(const DlOpCall *call);
extern void dl_slice_forward(const DlOpCall *call);
extern void dl_slice_backward(const DlOpCall *call);
extern void dl_softmax_forward(const DlOpCall *call);
extern void dl_softmax_backward(const DlOpCall *call);
extern void dl_loss_softmax_forward(const DlOpCall *call);
extern void dl_loss_softmax_backward(const DlOpCall *call);
extern void dl_loss_point_forward(const DlOpCall *call);
extern void dl_loss_point_backward(const DlOpCall *call);

#endif							/* DL_OPS_OP_H */
