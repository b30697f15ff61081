/*
 * op_table.c
 *    The one table of operators, in the order of DlOp.
 *
 * A new operator is a row here, an entry of DlOp, and its functions in one
 * file beside this one.  Its gradient and its kernels are tested by a row in
 * test/unit/op_cases.c.
 */
#include "ops/op.h"

#define BIT(i) DL_OP_INPUT_BIT(i)

static const DlOpDefinition operators[] =
{
	[DL_OP_INPUT] = {.name = "input"},
	[DL_OP_PARAMETER] = {.name = "parameter"},
	[DL_OP_DENSE] = {
		.name = "dense",.roles = {"x", "weight", "bias"},.min_inputs = 2,.max_inputs = 3,
		.parameters = BIT(1) | BIT(2),.differentiable = DL_OP_ALL_INPUTS,
		.infer = dl_dense_infer,.keeps = dl_dense_keeps,.memory = dl_dense_memory,
		.multiply_adds = dl_dense_multiply_adds,.forward = dl_dense_forward,.backward = dl_dense_backward
	},
	[DL_OP_ADD] = {
		.name = "add",.roles = {"a", "b"},.min_inputs = 2,.max_inputs = 2,
		.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0) | BIT(1),.in_place_backward = BIT(0) | BIT(1),
		.infer = dl_same_infer,.forward = dl_add_forward,.backward = dl_add_backward
	},
	[DL_OP_MULTIPLY] = {
		.name = "multiply",.roles = {"a", "b"},.min_inputs = 2,.max_inputs = 2,
		.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0) | BIT(1),.in_place_backward = BIT(0) | BIT(1),
		.infer = dl_same_infer,.keeps = dl_all_inputs_keeps,.multiply_adds = dl_column_multiply_adds,
		.forward = dl_multiply_forward,.backward = dl_multiply_backward
	},
	[DL_OP_SCALE_COLUMNS] = {
		.name = "scale_columns",.roles = {"x", "v"},.min_inputs = 2,.max_inputs = 2,
		.parameters = BIT(1),.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0),.in_place_backward = BIT(0),
		.infer = dl_scale_columns_infer,.keeps = dl_first_input_keeps,.multiply_adds = dl_column_multiply_adds,
		.forward = dl_scale_columns_forward,.backward = dl_scale_columns_backward
	},
	[DL_OP_ACTIVATION] = {
		.name = "activation",.roles = {"x"},.min_inputs = 1,.max_inputs = 1,
		.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0),.in_place_backward = BIT(0),
		.infer = dl_activation_infer,.keeps = dl_activation_keeps,
		.forward = dl_activation_forward,.backward = dl_activation_backward
	},
	[DL_OP_PARAMETRIC_ACTIVATION] = {
		.name = "parametric_activation",.roles = {"x", "a"},.min_inputs = 2,.max_inputs = 2,
		.parameters = BIT(1),.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0),.in_place_backward = BIT(0),
		.infer = dl_parametric_activation_infer,.keeps = dl_first_input_keeps,
		.memory = dl_parametric_activation_memory,.multiply_adds = dl_column_multiply_adds,
		.forward = dl_parametric_activation_forward,.backward = dl_parametric_activation_backward
	},
	[DL_OP_DROPOUT] = {
		.name = "dropout",.roles = {"x"},.min_inputs = 1,.max_inputs = 1,
		.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0),.in_place_backward = BIT(0),.random = true,
		.infer = dl_dropout_infer,.memory = dl_dropout_memory,
		.forward = dl_dropout_forward,.backward = dl_dropout_backward
	},
	[DL_OP_LAYER_NORM] = {
		.name = "layer_norm",.roles = {"x", "gamma", "beta"},.min_inputs = 3,.max_inputs = 3,
		.parameters = BIT(1) | BIT(2),.differentiable = DL_OP_ALL_INPUTS,
		.infer = dl_layer_norm_infer,.keeps = dl_first_input_keeps,.memory = dl_layer_norm_memory,
		.multiply_adds = dl_column_multiply_adds,.forward = dl_layer_norm_forward,.backward = dl_layer_norm_backward
	},
	[DL_OP_BATCH_NORM] = {
		.name = "batch_norm",.roles = {"x", "gamma", "beta", "running mean", "running variance"},
		.min_inputs = 5,.max_inputs = 5,.couples_rows = true,
		.parameters = BIT(1) | BIT(2) | BIT(3) | BIT(4),.differentiable = BIT(0) | BIT(1) | BIT(2),
		.infer = dl_batch_norm_infer,.keeps = dl_first_input_keeps,.memory = dl_batch_norm_memory,
		.multiply_adds = dl_column_multiply_adds,.forward = dl_batch_norm_forward,.backward = dl_batch_norm_backward
	},
	[DL_OP_EMBEDDING] = {
		.name = "embedding",.roles = {"codes", "table"},.min_inputs = 2,.max_inputs = 2,
		.integers = BIT(0),.parameters = BIT(1),.differentiable = BIT(1),
		.infer = dl_embedding_infer,.keeps = dl_first_input_keeps,
		.forward = dl_embedding_forward,.backward = dl_embedding_backward
	},
	[DL_OP_PERIODIC] = {
		.name = "periodic",.roles = {"x", "frequency", "phase", "weight", "bias"},.min_inputs = 5,.max_inputs = 5,
		.parameters = BIT(1) | BIT(2) | BIT(3) | BIT(4),.differentiable = DL_OP_ALL_INPUTS,
		.infer = dl_periodic_infer,.keeps = dl_first_input_keeps,.memory = dl_periodic_memory,
		.multiply_adds = dl_periodic_multiply_adds,.forward = dl_periodic_forward,.backward = dl_periodic_backward
	},
	[DL_OP_PIECEWISE] = {
		.name = "piecewise",.roles = {"x", "edges", "weight", "linear", "bias"},.min_inputs = 5,.max_inputs = 5,
		.parameters = BIT(1) | BIT(2) | BIT(3) | BIT(4),.differentiable = BIT(0) | BIT(2) | BIT(3) | BIT(4),
		.infer = dl_piecewise_infer,.keeps = dl_first_input_keeps,.memory = dl_piecewise_memory,
		.multiply_adds = dl_piecewise_multiply_adds,.forward = dl_piecewise_forward,.backward = dl_piecewise_backward
	},
	[DL_OP_NEIGHBOURS] = {
		.name = "neighbours",.roles = {"z", "own", "keys", "squares", "values"},.min_inputs = 5,.max_inputs = 5,
		.couples_rows = true,
		.parameters = BIT(2) | BIT(3) | BIT(4),.differentiable = BIT(0),
		.infer = dl_neighbours_infer,.keeps = dl_neighbours_keeps,.memory = dl_neighbours_memory,
		.multiply_adds = dl_neighbours_multiply_adds,.forward = dl_neighbours_forward,.backward = dl_neighbours_backward
	},
	[DL_OP_CONCAT] = {
		.name = "concat",.min_inputs = 1,.max_inputs = DL_OP_ANY_NUMBER,
		.differentiable = DL_OP_ALL_INPUTS,
		.infer = dl_concat_infer,.forward = dl_concat_forward,.backward = dl_concat_backward
	},
	[DL_OP_SLICE] = {
		.name = "slice",.roles = {"x"},.min_inputs = 1,.max_inputs = 1,
		.differentiable = DL_OP_ALL_INPUTS,
		.infer = dl_slice_infer,.forward = dl_slice_forward,.backward = dl_slice_backward
	},
	[DL_OP_SOFTMAX] = {
		.name = "softmax",.roles = {"x"},.min_inputs = 1,.max_inputs = 1,
		.differentiable = DL_OP_ALL_INPUTS,.in_place = BIT(0),.in_place_backward = BIT(0),
		.infer = dl_softmax_infer,.keeps = dl_output_keeps,
		.forward = dl_softmax_forward,.backward = dl_softmax_backward
	},
	[DL_OP_LOSS_SOFTMAX] = {
		.name = "loss_softmax",.roles = {"logits", "target", "weight"},.min_inputs = 3,.max_inputs = 3,
		.integers = BIT(1),.differentiable = BIT(0),
		.infer = dl_loss_softmax_infer,.keeps = dl_loss_softmax_keeps,.memory = dl_loss_softmax_memory,
		.forward = dl_loss_softmax_forward,.backward = dl_loss_softmax_backward
	},
	[DL_OP_LOSS_POINT] = {
		.name = "loss_point",.roles = {"x", "target", "weight"},.min_inputs = 3,.max_inputs = 3,
		.differentiable = BIT(0),
		.infer = dl_loss_point_infer,.keeps = dl_all_inputs_keeps,
		.forward = dl_loss_point_forward,.backward = dl_loss_point_backward
	},
};

_Static_assert(sizeof(operators) / sizeof(operators[0]) == DL_OP_COUNT, "one row for each operator");

const DlOpDefinition *
dl_op_definition(DlOp op)
{
	return (unsigned) op < DL_OP_COUNT ? &operators[op] : NULL;
}

const char *
dl_op_name(DlOp op)
{
	return (unsigned) op < DL_OP_COUNT ? operators[op].name : "unknown";
}
