/*
 * network_layers.c
 *    The table of layers, and the function that builds each of them.
 *
 * A new layer is one row of the table and one function.  Within a function the
 * values of a layer have the order of its row.  How parameters start, and the
 * factors of their learning rate and weight decay, are said at each function;
 * biases and norms never decay.
 */
#include <math.h>
#include <string.h>

#include "core/size.h"
#include "nn/network_internal.h"

/* --- dense layers --- */

typedef struct DenseSettings
{
	DlActivation activation;
	bool		bias;
	bool		zero;
	DlParametrization parametrization;
	DlStart		start;
	double		rate;
} DenseSettings;

/*
 * Bound of the uniform distribution that a weight starts from: He et al., 2015,
 * for smooth activations, which are nearly linear for small inputs; LeCun for
 * selu (Klambauer et al., 2017); for the others that of PyTorch's nn.Linear.
 * relu is among these: its scale is free, and from a small one columns that do
 * not matter leave less noise.
 */
static double
weight_bound(DlActivation activation, double in)
{
	switch (activation)
	{
		case DL_ACTIVATION_ELU:
		case DL_ACTIVATION_GELU:
		case DL_ACTIVATION_SILU:
		case DL_ACTIVATION_MISH:
		case DL_ACTIVATION_SOFTPLUS:
			return sqrt(6 / in);
		case DL_ACTIVATION_SELU:
			return sqrt(3 / in);
		default:
			return sqrt(1 / in);
	}
}

/*
 * standard: weight as weight_bound() says, bias within 1/sqrt(in) as in PyTorch.
 *
 * ntk: Holzmueller et al., 2024, have z = x W / sqrt(in) + b with W, b ~ N(0,1).
 * With w = W / sqrt(in) that is an ordinary layer whose weight has deviation
 * 1/sqrt(in); a step of Adam, whose size does not depend on the gradient's
 * scale, is 1/sqrt(in) as large for w as for W; and decay shrinks w by the
 * same share as W when its factor makes up for that rate.  Bias: rate 0.1.
 *
 * From data: drawn as for ntk, then fitted to training rows; zero stays zero.
 */
static void
dense_parameters(const DenseSettings *settings, int64_t in, DlParameterInfo *weight, DlParameterInfo *bias)
{
	double		fan = (double) in;

	if (settings->parametrization == DL_PARAMETRIZATION_NTK)
	{
		*weight = (DlParameterInfo) {DL_INIT_NORMAL, 1 / sqrt(fan), settings->rate / sqrt(fan), sqrt(fan)};
		*bias = (DlParameterInfo) {DL_INIT_NORMAL, 1, settings->rate * 0.1, 0};
	}
	else
	{
		*weight = (DlParameterInfo) {DL_INIT_UNIFORM, weight_bound(settings->activation, fan), settings->rate, 1};
		*bias = (DlParameterInfo) {DL_INIT_UNIFORM, sqrt(1 / fan), settings->rate, 0};
	}
	if (settings->start == DL_START_DATA)
	{
		weight->init = bias->init = DL_INIT_DATA;
		weight->value = 1 / sqrt(fan);
		bias->value = 1;
	}
	if (settings->zero)
	{
		weight->init = bias->init = DL_INIT_CONSTANT;
		weight->value = bias->value = 0;
	}
}

static DlStatus
add_dense(DlBuilder *builder, const DenseSettings *settings, DlNode x, int64_t out, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.activation = settings->activation};
	DlNode		inputs[3] = {x};
	int64_t		in = dl_builder_width(builder, x);
	DlParameterInfo weight;
	DlParameterInfo bias;

	dense_parameters(settings, in, &weight, &bias);
	DL_TRY(dl_builder_parameter(builder, "weight", dl_shape_2(in, out), weight, &inputs[1], error));
	if (settings->bias)
		DL_TRY(dl_builder_parameter(builder, "bias", dl_shape_1(out), bias, &inputs[2], error));
	return dl_builder_apply(builder, DL_OP_DENSE, inputs, settings->bias ? 3 : 2, &attributes, result, error);
}

/* A vector of n numbers that starts at value; for weights of single columns, and norms. */
static DlStatus
add_vector(DlBuilder *builder, const char *name, int64_t n, double value, double rate, double decay,
		   DlNode *result, DlError *error)
{
	DlParameterInfo info = {DL_INIT_CONSTANT, value, rate, decay};

	return dl_builder_parameter(builder, name, dl_shape_1(n), info, result, error);
}

/* (width, activation, bias, parametrization, rate, init) */
static DlStatus
build_dense(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DenseSettings settings = {
		.activation = (DlActivation) layer->values[1].number,
		.bias = layer->values[2].number != 0,
		.parametrization = (DlParametrization) layer->values[3].number,
		.rate = layer->values[4].number,
		.start = (DlStart) layer->values[5].number
	};

	return add_dense(builder, &settings, x, (int64_t) layer->values[0].number, result, error);
}

/* (rate, parametrization, zero, init) */
static DlStatus
build_output(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DenseSettings settings = {
		.activation = DL_ACTIVATION_IDENTITY,
		.bias = true,
		.rate = layer->values[0].number,
		.parametrization = (DlParametrization) layer->values[1].number,
		.zero = layer->values[2].number != 0,
		.start = (DlStart) layer->values[3].number
	};

	return add_dense(builder, &settings, x, builder->outputs, result, error);
}

/*
 * (width, rows, rate): a row becomes width numbers z, and its result the mean of
 * the targets of kept training rows, weighed by their nearness to z
 * (ModernNCA: Ye et al., 2024, here with squared distances), times a trained factor.
 * Targets of 0 and 1 are taken less a half, so that the mean is a logit but
 * for that factor.  The rows that are kept are state, which training fills in.
 */
static DlStatus
build_neighbours(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	int64_t		width = (int64_t) layer->values[0].number;
	int64_t		rows = (int64_t) layer->values[1].number;
	int64_t		outputs = builder->outputs;
	DenseSettings embedding = {.activation = DL_ACTIVATION_IDENTITY,.bias = true,.rate = layer->values[2].number};
	DlParameterInfo state = {DL_INIT_CONSTANT, 0, 0, 0};
	DlNode		inputs[5];
	DlNode		scaled[2];

	DL_TRY(add_dense(builder, &embedding, x, width, &inputs[0], error));
	DL_TRY(dl_graph_input(builder->graph, "neighbours", DL_F32, outputs, &inputs[1], error));
	DL_TRY(dl_builder_parameter(builder, "keys", dl_shape_2(width, rows), state, &inputs[2], error));
	DL_TRY(dl_builder_parameter(builder, "squares", dl_shape_1(rows), state, &inputs[3], error));
	DL_TRY(dl_builder_parameter(builder, "values", dl_shape_2(rows, outputs), state, &inputs[4], error));
	DL_TRY(dl_builder_apply(builder, DL_OP_NEIGHBOURS, inputs, 5, NULL, &scaled[0], error));
	DL_TRY(add_vector(builder, "scale", outputs, builder->inputs->logits ? 6 : 1, embedding.rate, 0, &scaled[1], error));
	builder->nodes->hidden = inputs[0];
	builder->nodes->neighbours = scaled[0];
	return dl_builder_apply(builder, DL_OP_SCALE_COLUMNS, scaled, 2, NULL, result, error);
}

/* --- activations --- */

static DlStatus
build_activation(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.activation = layer->activation};

	if (layer->activation == DL_ACTIVATION_IDENTITY)
	{
		*result = x;
		return DL_OK;
	}
	return dl_builder_apply(builder, DL_OP_ACTIVATION, &x, 1, &attributes, result, error);
}

/*
 * (activation, rate): x + a (g(x) - x), a of each column starts at 1.  Decay
 * has the factor rate, here and in scale and periodic: the published RealMLP
 * code multiplies a parameter's rate in twice, and its results are with that.
 */
static DlStatus
build_parametric(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.activation = (DlActivation) layer->values[0].number};
	double		rate = layer->values[1].number;
	DlNode		inputs[2] = {x};

	DL_TRY(add_vector(builder, "weight", dl_builder_width(builder, x), 1, rate, rate, &inputs[1], error));
	return dl_builder_apply(builder, DL_OP_PARAMETRIC_ACTIVATION, inputs, 2, &attributes, result, error);
}

/* --- regularisation and scaling --- */

/* (p) */
static DlStatus
build_dropout(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.p = layer->values[0].number};

	return dl_builder_apply(builder, DL_OP_DROPOUT, &x, 1, &attributes, result, error);
}

/* (momentum, epsilon): starts as the identity of standardised columns; running statistics are state. */
static DlStatus
build_batch_norm(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.momentum = layer->values[0].number,.epsilon = layer->values[1].number};
	int64_t		n = dl_builder_width(builder, x);
	DlNode		inputs[5] = {x};

	DL_TRY(add_vector(builder, "weight", n, 1, 1, 0, &inputs[1], error));
	DL_TRY(add_vector(builder, "bias", n, 0, 1, 0, &inputs[2], error));
	DL_TRY(add_vector(builder, "running_mean", n, 0, 0, 0, &inputs[3], error));
	DL_TRY(add_vector(builder, "running_var", n, 1, 0, 0, &inputs[4], error));
	return dl_builder_apply(builder, DL_OP_BATCH_NORM, inputs, 5, &attributes, result, error);
}

/* (epsilon) */
static DlStatus
build_layer_norm(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlAttributes attributes = {.epsilon = layer->values[0].number};
	int64_t		n = dl_builder_width(builder, x);
	DlNode		inputs[3] = {x};

	DL_TRY(add_vector(builder, "weight", n, 1, 1, 0, &inputs[1], error));
	DL_TRY(add_vector(builder, "bias", n, 0, 1, 0, &inputs[2], error));
	return dl_builder_apply(builder, DL_OP_LAYER_NORM, inputs, 3, &attributes, result, error);
}

/* (rate): a factor of each column, 1 at first; decay as in build_parametric(). */
static DlStatus
build_scale(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	double		rate = layer->values[0].number;
	DlNode		inputs[2] = {x};

	DL_TRY(add_vector(builder, "weight", dl_builder_width(builder, x), 1, rate, rate, &inputs[1], error));
	return dl_builder_apply(builder, DL_OP_SCALE_COLUMNS, inputs, 2, NULL, result, error);
}

/* --- blocks --- */

/* (network): x + network(x); x is projected without bias where the widths differ. */
static DlStatus
build_residual(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DenseSettings projection = {.activation = DL_ACTIVATION_IDENTITY,.rate = 1};
	DlNode		inputs[2] = {x};

	DL_TRY(dl_builder_inner(builder, layer->values[0].network, x, &inputs[1], error));
	if (dl_builder_width(builder, x) != dl_builder_width(builder, inputs[1]))
	{
		size_t		before = dl_builder_enter(builder, "projection");

		DL_TRY(add_dense(builder, &projection, x, dl_builder_width(builder, inputs[1]), &inputs[0], error));
		dl_builder_leave(builder, before);
	}
	return dl_builder_apply(builder, DL_OP_ADD, inputs, 2, NULL, result, error);
}

/* (network, ...): the columns of all branches, side by side. */
static DlStatus
build_concat(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	DlNode	   *branches;

	DL_TRY(dl_arena_calloc(builder->scratch, (size_t) layer->repeated_count, sizeof(DlNode), &branches, error));
	for (int i = 0; i < layer->repeated_count; i++)
		DL_TRY(dl_builder_branch(builder, layer->repeated[i].network, i, x, &branches[i], error));
	return dl_builder_apply(builder, DL_OP_CONCAT, branches, layer->repeated_count, NULL, result, error);
}

/* --- the input stage --- */

/* Columns of an embedding by the rule of fastai: min(50, round(1.6 levels^0.56)). */
static int64_t
automatic_width(int64_t levels)
{
	double		width = round(1.6 * pow((double) levels, 0.56));

	return width > 50 ? 50 : (int64_t) width;
}

/*
 * (width, rate): x, which may be no node, and beside it the embeddings of all
 * categories.  They start from N(0,1) where the width is given, as in RealMLP;
 * an automatic width w from N(0,1/w), so that a category of many levels does
 * not outweigh a standardised number.
 */
static DlStatus
build_embedding(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	bool		automatic = layer->values[0].number == DL_AUTO;
	int			categories = builder->inputs->categories;
	int			count = 0;
	DlNode	   *parts;

	DL_TRY(dl_arena_calloc(builder->scratch, (size_t) categories + 1, sizeof(DlNode), &parts, error));
	if (x != DL_NO_NODE)
		parts[count++] = x;
	for (int i = 0; i < categories; i++)
	{
		DlAttributes attributes = {.column = i};
		int64_t		levels = builder->inputs->levels[i];
		int64_t		width = automatic ? automatic_width(levels) : (int64_t) layer->values[0].number;
		DlParameterInfo info = {DL_INIT_NORMAL, automatic ? 1 / sqrt((double) width) : 1, layer->values[1].number, 1};
		DlNode		inputs[2] = {builder->nodes->codes};
		size_t		before = dl_builder_enter(builder, "embeddings.%d", i);

		DL_TRY(dl_builder_parameter(builder, "weight", dl_shape_2(levels, width), info, &inputs[1], error));
		DL_TRY(dl_builder_apply(builder, DL_OP_EMBEDDING, inputs, 2, &attributes, &parts[count++], error));
		dl_builder_leave(builder, before);
	}
	*result = parts[0];
	if (count > 1)
		DL_TRY(dl_builder_apply(builder, DL_OP_CONCAT, parts, count, NULL, result, error));
	return DL_OK;
}

/*
 * (frequencies, width, sigma, rate): PBLD of Holzmueller et al., 2024:
 * frequency N(0, sigma^2), phase within pi, and a linear layer of
 * each column's own as PyTorch starts it, within 1/sqrt(frequencies).
 */
static DlStatus
build_periodic(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	int64_t		columns = builder->inputs->continuous;
	int64_t		frequencies = (int64_t) layer->values[0].number;
	int64_t		width = (int64_t) layer->values[1].number;
	double		bound = 1 / sqrt((double) frequencies);
	double		rate = layer->values[3].number;
	DlParameterInfo frequency = {DL_INIT_NORMAL, layer->values[2].number, rate, rate};
	DlParameterInfo phase = {DL_INIT_UNIFORM, M_PI, rate, 0};
	DlParameterInfo weight = {DL_INIT_UNIFORM, bound, rate, rate};
	DlParameterInfo bias = {DL_INIT_UNIFORM, bound, rate, 0};
	DlNode		inputs[5] = {x};
	size_t		before = dl_builder_enter(builder, "periodic");

	DL_TRY(dl_builder_parameter(builder, "frequency", dl_shape_2(columns, frequencies), frequency, &inputs[1], error));
	DL_TRY(dl_builder_parameter(builder, "phase", dl_shape_2(columns, frequencies), phase, &inputs[2], error));
	DL_TRY(dl_builder_parameter(builder, "weight", dl_shape_3(columns, frequencies, width), weight, &inputs[3], error));
	DL_TRY(dl_builder_parameter(builder, "bias", dl_shape_2(columns, width), bias, &inputs[4], error));
	dl_builder_leave(builder, before);
	return dl_builder_apply(builder, DL_OP_PERIODIC, inputs, 5, NULL, result, error);
}

/*
 * (bins, width, rate): version B of the piecewise linear embedding of Gorishniy
 * et al., as in TabM: linear as PyTorch starts it, with what the bins add
 * starting at 0.  Their edges are quantiles of the training rows, and state.
 */
static DlStatus
build_piecewise(DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error)
{
	int64_t		columns = builder->inputs->continuous;
	int64_t		bins = (int64_t) layer->values[0].number;
	int64_t		width = (int64_t) layer->values[1].number;
	double		rate = layer->values[2].number;
	DlParameterInfo edges = {DL_INIT_DATA, 0, 0, 0};
	DlParameterInfo weight = {DL_INIT_CONSTANT, 0, rate, 1};
	DlParameterInfo linear = {DL_INIT_UNIFORM, 1, rate, 1};
	DlParameterInfo bias = {DL_INIT_UNIFORM, 1, rate, 0};
	DlNode		inputs[5] = {x};
	size_t		before = dl_builder_enter(builder, "piecewise");

	DL_TRY(dl_builder_parameter(builder, "edges", dl_shape_2(columns, bins + 1), edges, &inputs[1], error));
	DL_TRY(dl_builder_parameter(builder, "weight", dl_shape_3(columns, bins, width), weight, &inputs[2], error));
	DL_TRY(dl_builder_parameter(builder, "linear", dl_shape_2(columns, width), linear, &inputs[3], error));
	DL_TRY(dl_builder_parameter(builder, "bias", dl_shape_2(columns, width), bias, &inputs[4], error));
	dl_builder_leave(builder, before);
	return dl_builder_apply(builder, DL_OP_PIECEWISE, inputs, 5, NULL, result, error);
}

/* --- the table --- */

#define REQUIRED DL_ARGUMENT_REQUIRED
#define POSITIONAL DL_ARGUMENT_POSITIONAL
#define REPEATED DL_ARGUMENT_REPEATED

#define WIDTH(FLAGS, FALLBACK) \
	{"width", DL_ARGUMENT_INTEGER, FLAGS, FALLBACK, 1, DL_NETWORK_MAX_WIDTH, "a width"}
#define WIDTHS(FLAGS) \
	{"widths", DL_ARGUMENT_INTEGER, REPEATED | (FLAGS), 0, 1, DL_NETWORK_MAX_WIDTH, "at least one width"}
#define ACTIVATION(FLAGS, FALLBACK) \
	{"activation", DL_ARGUMENT_ACTIVATION, FLAGS, FALLBACK, 0, 0, "an activation"}
#define RATE(FALLBACK) {"rate", DL_ARGUMENT_REAL, DL_ARGUMENT_ABOVE, FALLBACK, 0, 1000, NULL}
#define EPSILON {"epsilon", DL_ARGUMENT_REAL, DL_ARGUMENT_ABOVE, 1e-5, 0, 1, NULL}
#define DROPOUT(NAME, FLAGS, FALLBACK) \
	{NAME, DL_ARGUMENT_REAL, DL_ARGUMENT_BELOW | (FLAGS), FALLBACK, 0, 1, "a probability"}
#define FLAG(NAME, FALLBACK) {NAME, DL_ARGUMENT_BOOLEAN, 0, FALLBACK, 0, 0, NULL}
#define COUNT(NAME, FALLBACK, HIGH) {NAME, DL_ARGUMENT_INTEGER, 0, FALLBACK, 1, HIGH, NULL}
#define PARAMETRIZATION \
	{"parametrization", DL_ARGUMENT_PARAMETRIZATION, 0, DL_PARAMETRIZATION_STANDARD, 0, 0, NULL}
#define INIT {"init", DL_ARGUMENT_START, 0, DL_START_RANDOM, 0, 0, NULL}

static const DlLayerDefinition layers[] = {
	{"dense", DL_STAGE_HIDDEN, build_dense, NULL,
		"every output from every input: activation(x weight + bias)",
	{WIDTH(REQUIRED | POSITIONAL, 0), ACTIVATION(POSITIONAL, DL_ACTIVATION_IDENTITY), FLAG("bias", 1),
	PARAMETRIZATION, RATE(1), INIT}},
	{"parametric", DL_STAGE_HIDDEN, build_parametric, NULL,
		"an activation g with a trained share a of each column: x + a (g(x) - x)",
	{ACTIVATION(REQUIRED | POSITIONAL, 0), RATE(0.1)}},
	{"dropout", DL_STAGE_HIDDEN, build_dropout, NULL,
		"in training only: sets each value to 0 with probability p, and scales the others up",
	{DROPOUT("p", REQUIRED | POSITIONAL, 0)}},
	{"batch_norm", DL_STAGE_HIDDEN, build_batch_norm, NULL,
		"standardises each column over the rows of a batch, then scales and shifts it",
	{{"momentum", DL_ARGUMENT_REAL, 0, 0.1, 0, 1, NULL}, EPSILON}},
	{"layer_norm", DL_STAGE_HIDDEN, build_layer_norm, NULL,
		"standardises each row over its columns, then scales and shifts each column",
	{EPSILON}},
	{"scale", DL_STAGE_HIDDEN, build_scale, NULL,
		"a trained factor for each column, with a fast learning rate: weighs inputs",
	{RATE(6)}},
	{"residual", DL_STAGE_HIDDEN, build_residual, NULL,
		"x + network(x); x is projected where the widths differ",
	{{"network", DL_ARGUMENT_NETWORK, REQUIRED | POSITIONAL, 0, 0, 0, "a network"}}},
	{"concat", DL_STAGE_HIDDEN, build_concat, NULL,
		"the columns of several networks on the same input, side by side",
	{{"networks", DL_ARGUMENT_NETWORK, REQUIRED | REPEATED, 0, 0, 0, "at least one network"}}},
	{"embedding", DL_STAGE_CATEGORIES, build_embedding, NULL,
		"how categories become vectors; at the beginning",
	{WIDTH(POSITIONAL | DL_ARGUMENT_AUTO, DL_AUTO), RATE(1)}},
	{"periodic", DL_STAGE_NUMBERS, build_periodic, NULL,
		"gives each real number waves of its own and a small linear layer over them; at the beginning",
	{COUNT("frequencies", 16, 1024), COUNT("width", 3, 1024),
	{"sigma", DL_ARGUMENT_REAL, DL_ARGUMENT_ABOVE, 0.1, 0, 1000, NULL}, RATE(0.1)}},
	{"piecewise", DL_STAGE_NUMBERS, build_piecewise, NULL,
		"gives each real number a trained piecewise linear curve between quantiles; at the beginning",
	{COUNT("bins", 24, DL_PIECEWISE_MAX_BINS), COUNT("width", 12, 1024), RATE(1)}},
	{"output", DL_STAGE_OUTPUT, build_output, NULL,
		"how the output layer, which is implicit, is made; at the end",
	{RATE(1), PARAMETRIZATION, FLAG("zero", 0), INIT}},
	{"neighbours", DL_STAGE_OUTPUT, build_neighbours, NULL,
		"the mean of the targets of training rows, weighed by nearness, in place of an output layer; the model keeps these rows",
	{WIDTH(POSITIONAL, 32), {"rows", DL_ARGUMENT_INTEGER, 0, 10000, 1, DL_NETWORK_MAX_WIDTH, NULL}, RATE(1)}},
	{"linear", DL_STAGE_HIDDEN, NULL, dl_preset_linear,
		"no hidden layer: a linear model",
	{{NULL, 0, 0, 0, 0, 0, NULL}}},
	{"mlp", DL_STAGE_HIDDEN, NULL, dl_preset_mlp,
		"dense layers of these widths, each followed by dropout",
	{WIDTHS(REQUIRED), ACTIVATION(0, DL_ACTIVATION_RELU), DROPOUT("dropout", 0, 0)}},
	{"resnet", DL_STAGE_HIDDEN, NULL, dl_preset_resnet,
		"residual blocks with batch normalisation (Gorishniy et al., 2021)",
	{WIDTH(0, 128), COUNT("blocks", 2, 256), COUNT("hidden", 256, DL_NETWORK_MAX_WIDTH), DROPOUT("dropout", 0, 0.1)}},
	{"realmlp", DL_STAGE_WHOLE, NULL, dl_preset_realmlp,
		"RealMLP for tables, from input to output (Holzmueller et al., 2024)",
	{WIDTHS(0), ACTIVATION(0, DL_ACTIVATION_MISH), DROPOUT("dropout", DL_ARGUMENT_AUTO, DL_AUTO),
	FLAG("simplified", 0), INIT, {"numbers", DL_ARGUMENT_NUMBERS, 0, DL_NUMBERS_AUTO, 0, 0, NULL}}},
};

#define LAYER_COUNT ((int) (sizeof(layers) / sizeof(layers[0])))

const char *
dl_argument_word(DlArgumentKind kind, int index)
{
	static const char *const parametrizations[] = {"standard", "ntk", NULL};
	static const char *const starts[] = {"random", "data", NULL};
	static const char *const numbers[] = {"auto", "periodic", "piecewise", "none", NULL};

	switch (kind)
	{
		case DL_ARGUMENT_PARAMETRIZATION:
			return parametrizations[index];
		case DL_ARGUMENT_START:
			return starts[index];
		case DL_ARGUMENT_NUMBERS:
			return numbers[index];
		default:
			return NULL;
	}
}

/* Every activation is a layer by its own name. */
static const DlLayerDefinition activation_layer = {
	NULL, DL_STAGE_HIDDEN, build_activation, NULL, "a function of each value", {{NULL, 0, 0, 0, 0, 0, NULL}}
};

static const char *const planned_layers[] = {
	"attention", "avg_pool", "conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "flatten", "global_avg_pool",
	"global_max_pool", "group_norm", "gru", "lstm", "max_pool", "positional", "rnn", "transformer", "upsample", NULL
};

static const struct
{
	const char *word;
	const char *advice;
}			advice[] = {
	{"softmax", "The output layer and its softmax are implicit: leave it out."},
	{"log_softmax", "The output layer and its softmax are implicit: leave it out."},
	{"swish", "Did you mean \"silu\"?  It is the same function."},
	{"prelu", "parametric(relu) has a trained share of the activation."},
	{"input", "The inputs are the columns of the query: leave it out."},
	{"batchnorm1d", "Did you mean \"batch_norm\"?"},
	{NULL, NULL}
};

const DlLayerDefinition *
dl_layer_definition(const char *name, size_t length, DlActivation *activation)
{
	for (int i = 0; i < LAYER_COUNT; i++)
		if (strlen(layers[i].name) == length && memcmp(layers[i].name, name, length) == 0)
			return &layers[i];
	return dl_activation_by_name(name, length, activation) ? &activation_layer : NULL;
}

const char *
dl_layer_word(const void *unused, int index)
{
	(void) unused;
	if (index < LAYER_COUNT)
		return layers[index].name;
	index -= LAYER_COUNT;
	return index < DL_ACTIVATION_COUNT ? dl_activation_name((DlActivation) index) : NULL;
}

bool
dl_layer_is_planned(const char *name, size_t length)
{
	for (int i = 0; planned_layers[i] != NULL; i++)
		if (strlen(planned_layers[i]) == length && memcmp(planned_layers[i], name, length) == 0)
			return true;
	return false;
}

const char *
dl_layer_advice(const char *name, size_t length)
{
	for (int i = 0; advice[i].word != NULL; i++)
		if (strlen(advice[i].word) == length && memcmp(advice[i].word, name, length) == 0)
			return advice[i].advice;
	return NULL;
}

void
dl_layer_default(const char *name, DlLayer *layer)
{
	DlActivation unused;

	memset(layer, 0, sizeof(*layer));
	layer->definition = dl_layer_definition(name, strlen(name), &unused);
	for (int i = 0; layer->definition->arguments[i].name != NULL; i++)
		layer->values[i].number = layer->definition->arguments[i].fallback;
}
