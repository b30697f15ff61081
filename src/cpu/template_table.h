/*
 * template_table.h
 *    All kernels of one instruction set, and the function KERNELS_FILL that
 *    puts them into a table.  Included last of what a kernels_*.c needs: one
 *    simd_*.h before it.
 */
#include "cpu/template_math.h"
#include "cpu/template_activation.h"
#include "cpu/template_tile.h"
#include "cpu/template_pack.h"
#include "cpu/template_matrix.h"
#include "cpu/template_row.h"
#include "cpu/template_elementwise.h"
#include "cpu/template_norm.h"
#include "cpu/template_embedding.h"
#include "cpu/template_piecewise.h"
#include "cpu/template_loss.h"
#include "cpu/template_update.h"

void
KERNELS_FILL(DlCpuKernels *kernels)
{
	DlBackend  *b = &kernels->backend;

	b->workspace_size = PACKED_PANEL_BYTES + PACKED_ROWS_BYTES + SCRATCH_FLOATS * sizeof(float);
	b->gemm = kernel_gemm;
	b->dense = kernel_dense;
	b->activation = kernel_activation;
	b->activation_backward = kernel_activation_backward;
	b->add = kernel_add;
	b->multiply = kernel_multiply;
	b->scale = kernel_scale;
	b->scale_columns = kernel_scale_columns;
	b->sum_columns = kernel_sum_columns;
	b->dot_columns = kernel_dot_columns;
	b->copy_block = kernel_copy_block;
	b->layer_norm = kernel_layer_norm;
	b->layer_norm_backward = kernel_layer_norm_backward;
	b->batch_norm = kernel_batch_norm;
	b->batch_norm_backward = kernel_batch_norm_backward;
	b->embedding = kernel_embedding;
	b->embedding_backward = kernel_embedding_backward;
	b->periodic = kernel_periodic;
	b->periodic_backward = kernel_periodic_backward;
	b->piecewise = kernel_piecewise;
	b->piecewise_backward = kernel_piecewise_backward;
	b->dropout = kernel_dropout;
	b->softmax = kernel_softmax;
	b->softmax_backward = kernel_softmax_backward;
	b->loss_softmax = kernel_loss_softmax;
	b->loss_softmax_backward = kernel_loss_softmax_backward;
	b->loss_point = kernel_loss_point;
	b->loss_point_backward = kernel_loss_point_backward;
	b->sum_squares = kernel_sum_squares;
	b->update_sgd = kernel_update_sgd;
	b->update_rmsprop = kernel_update_rmsprop;
	b->update_adam = kernel_update_adam;
	kernels->dense_row = dense_row;
}
