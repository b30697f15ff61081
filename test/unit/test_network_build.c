/*
 * test_network_build.c
 *    From networks to graphs: names, shapes, counts and factors of parameters,
 *    worked out by hand; summaries; values through a plan.
 */
#include <stdlib.h>

#include "core/backend.h"
#include "nn/network.h"
#include "tap.h"

static const int64_t levels[] = {10, 1000, 3};

typedef struct Built
{
	DlArena    *arena;
	DlNetwork  *network;
	DlGraph    *graph;
	DlNetworkNodes nodes;
	DlError		error;
	DlStatus	status;
} Built;

static Built
build(const char *text, int64_t numbers, int64_t continuous, int categories, int64_t outputs)
{
	Built		built = {0};
	DlNetworkInputs inputs = {numbers, continuous, categories, levels, false};

	dl_arena_create(0, &built.arena, &built.error);
	built.status = dl_network_parse(built.arena, text, strlen(text), &built.network, &built.error);
	if (built.status == DL_OK)
		built.status = dl_graph_create(built.arena, &built.graph, &built.error);
	if (built.status == DL_OK)
		built.status = dl_network_build(built.network, &inputs, outputs, built.graph, &built.nodes, &built.error);
	if (built.status != DL_OK)
		printf("#   %s: %s %s\n", text, built.error.message, built.error.detail);
	return built;
}

static int64_t
width(const Built *built, DlNode node)
{
	return dl_graph_shape(built->graph, node).dims[1];
}

static int
parameter(const Built *built, const char *name)
{
	for (int i = 0; i < dl_graph_parameter_count(built->graph); i++)
		if (strcmp(dl_graph_parameter_name(built->graph, i), name) == 0)
			return i;
	return -1;
}

/* All parameters as "name[shape] ", in order. */
static char *
parameters(const Built *built)
{
	static char text[4096];
	char	   *end = text;

	text[0] = '\0';
	for (int i = 0; i < dl_graph_parameter_count(built->graph); i++)
	{
		DlShape		shape = dl_graph_parameter_shape(built->graph, i);
		char		shown[64];

		end += snprintf(end, sizeof(text) - (size_t) (end - text), "%s%s%s", i > 0 ? " " : "",
						dl_graph_parameter_name(built->graph, i), dl_shape_print(&shape, shown, sizeof(shown)));
	}
	return text;
}

static int64_t
elements(const Built *built)
{
	int64_t		sum = 0;

	for (int i = 0; i < dl_graph_parameter_count(built->graph); i++)
		sum += dl_graph_parameter_elements(built->graph, i);
	return sum;
}

static bool
has_info(const Built *built, const char *name, DlInit init, double value, double rate, double decay)
{
	int			index = parameter(built, name);
	const DlParameterInfo *info = index < 0 ? NULL : dl_graph_parameter_info(built->graph, index);

	if (info != NULL && info->init == init && fabs(info->value - value) < 1e-12 &&
		fabs(info->rate - rate) < 1e-12 && fabs(info->decay - decay) < 1e-12)
		return true;
	if (info != NULL)
		printf("#   %s: init %d value %.9g rate %.9g decay %.9g\n", name, info->init, info->value, info->rate,
			   info->decay);
	return false;
}

static const struct
{
	const char *text;
	int64_t		numbers;
	int64_t		continuous;
	int			categories;
	int64_t		outputs;
	int64_t		hidden;
	const char *parameters;
}			networks[] = {
	{"dense(4, relu) > dropout(0.1) > dense(3, bias => false)", 5, 5, 0, 2, 3,
		"layers.0.weight[5, 4] layers.0.bias[4] layers.2.weight[4, 3] output.weight[3, 2] output.bias[2]"},
	{"linear", 5, 5, 0, 1, 5, "output.weight[5, 1] output.bias[1]"},
	{"relu", 5, 0, 0, 1, 5, "output.weight[5, 1] output.bias[1]"},
	/* round(1.6 * 10^0.56) = 6, round(1.6 * 1000^0.56) = 77 -> 50 */
	{"dense(4)", 5, 5, 2, 1, 4,
		"embeddings.0.weight[10, 6] embeddings.1.weight[1000, 50] layers.0.weight[61, 4] layers.0.bias[4] "
		"output.weight[4, 1] output.bias[1]"},
	{"embedding(7)", 0, 0, 1, 1, 7, "embeddings.0.weight[10, 7] output.weight[7, 1] output.bias[1]"},
	{"embedding(7) > scale", 0, 0, 0, 0, 0, NULL},
	{"embedding(7) > relu", 2, 2, 0, 1, 2, "output.weight[2, 1] output.bias[1]"},
	{"periodic > relu", 2, 0, 0, 1, 2, "output.weight[2, 1] output.bias[1]"},
	/* 2 of 5 columns become 4 each */
	{"embedding(2) > periodic(frequencies => 8)", 5, 2, 1, 1, 13,
		"periodic.frequency[2, 8] periodic.phase[2, 8] periodic.weight[2, 8, 3] periodic.bias[2, 3] "
		"embeddings.0.weight[10, 2] output.weight[13, 1] output.bias[1]"},
	{"batch_norm > layer_norm > scale > parametric(mish)", 3, 3, 0, 1, 3,
		"layers.0.weight[3] layers.0.bias[3] layers.0.running_mean[3] layers.0.running_var[3] "
		"layers.1.weight[3] layers.1.bias[3] layers.2.weight[3] layers.3.weight[3] output.weight[3, 1] output.bias[1]"},
	{"relu > residual(dense(4) > residual(dense(4, relu)))", 3, 3, 0, 1, 4,
		"layers.1.0.weight[3, 4] layers.1.0.bias[4] layers.1.1.0.weight[4, 4] layers.1.1.0.bias[4] "
		"layers.1.projection.weight[3, 4] output.weight[4, 1] output.bias[1]"},
	{"concat(identity, dense(2), relu > dense(5), linear)", 3, 3, 0, 1, 13,
		"layers.0.1.0.weight[3, 2] layers.0.1.0.bias[2] layers.0.2.1.weight[3, 5] layers.0.2.1.bias[5] "
		"output.weight[13, 1] output.bias[1]"},
	{"concat(dense(2))", 3, 3, 0, 1, 2,
		"layers.0.0.0.weight[3, 2] layers.0.0.0.bias[2] output.weight[2, 1] output.bias[1]"},
	{"mlp(4, 3, dropout => 0.5) > dense(2)", 5, 5, 0, 1, 2,
		"layers.0.weight[5, 4] layers.0.bias[4] layers.2.weight[4, 3] layers.2.bias[3] layers.4.weight[3, 2] "
		"layers.4.bias[2] output.weight[2, 1] output.bias[1]"},
	{"resnet(width => 4, blocks => 1, hidden => 6)", 5, 5, 0, 2, 4,
		"layers.0.weight[5, 4] layers.0.bias[4] layers.1.0.weight[4] layers.1.0.bias[4] layers.1.0.running_mean[4] "
		"layers.1.0.running_var[4] layers.1.1.weight[4, 6] layers.1.1.bias[6] layers.1.3.weight[6, 4] "
		"layers.1.3.bias[4] layers.2.weight[4] layers.2.bias[4] layers.2.running_mean[4] layers.2.running_var[4] "
		"output.weight[4, 2] output.bias[2]"},
	{"realmlp(4)", 3, 2, 1, 1, 4,
		"periodic.frequency[2, 16] periodic.phase[2, 16] periodic.weight[2, 16, 3] periodic.bias[2, 3] "
		"embeddings.0.weight[10, 8] layers.0.weight[17] layers.1.weight[17, 4] layers.1.bias[4] layers.2.weight[4] "
		"output.weight[4, 1] output.bias[1]"},
	{"piecewise(bins => 5, width => 4)", 5, 2, 1, 1, 17,
		"piecewise.edges[2, 6] piecewise.weight[2, 5, 4] piecewise.linear[2, 4] piecewise.bias[2, 4] "
		"embeddings.0.weight[10, 6] output.weight[17, 1] output.bias[1]"},
	{"periodic(frequencies => 2, width => 1) > neighbours(3, rows => 7)", 2, 2, 0, 2, 3,
		"periodic.frequency[2, 2] periodic.phase[2, 2] periodic.weight[2, 2, 1] periodic.bias[2, 1] "
	"output.weight[4, 3] output.bias[3] output.keys[3, 7] output.squares[7] output.values[7, 2] output.scale[2]"},
	{"piecewise > relu", 2, 0, 0, 1, 2, "output.weight[2, 1] output.bias[1]"},
	{"realmlp(4, numbers => piecewise)", 3, 2, 0, 1, 4,
		"piecewise.edges[2, 25] piecewise.weight[2, 24, 12] piecewise.linear[2, 12] piecewise.bias[2, 12] "
		"layers.0.weight[25] layers.1.weight[25, 4] layers.1.bias[4] layers.2.weight[4] output.weight[4, 1] output.bias[1]"},
	{"realmlp(4, numbers => none)", 3, 2, 0, 1, 4,
		"layers.0.weight[3] layers.1.weight[3, 4] layers.1.bias[4] layers.2.weight[4] output.weight[4, 1] output.bias[1]"},
	{"realmlp(4, simplified => true, numbers => periodic)", 3, 1, 0, 1, 4,
		"periodic.frequency[1, 16] periodic.phase[1, 16] periodic.weight[1, 16, 3] periodic.bias[1, 3] "
		"layers.0.weight[6] layers.1.weight[6, 4] layers.1.bias[4] output.weight[4, 1] output.bias[1]"},
	{"realmlp(4, simplified => true)", 3, 2, 0, 1, 4,
		"layers.0.weight[3] layers.1.weight[3, 4] layers.1.bias[4] output.weight[4, 1] output.bias[1]"},
};

/* Trained parameters of a summary, and of the graph: equal. */
static void
check_summary(const Built *built, const char *text, const DlNetworkInputs *inputs, int64_t outputs)
{
	DlLayerSummary *rows;
	int			count;
	DlError		error;
	int64_t		sum = 0;
	int64_t		trained = 0;

	if (!ok(dl_network_summary(built->network, inputs, outputs, built->arena, &rows, &count, &error) == DL_OK,
			"summary of %s", text))
		return;
	for (int i = 0; i < count; i++)
		sum += rows[i].parameters;
	for (int i = 0; i < dl_graph_parameter_count(built->graph); i++)
		if (dl_graph_parameter_info(built->graph, i)->rate != 0)
			trained += dl_graph_parameter_elements(built->graph, i);
	ok(sum == trained, "... %lld parameters in all rows", (long long) trained);
	ok((strncmp(rows[count - 1].layer, "output", 6) == 0 || strncmp(rows[count - 1].layer, "neighbours", 10) == 0) && rows[count - 1].outputs == outputs, "... output is last");
}

static void
test_networks(void)
{
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
	{
		DlNetworkInputs inputs = {networks[i].numbers, networks[i].continuous, networks[i].categories, levels, false};
		Built		built = build(networks[i].text, networks[i].numbers, networks[i].continuous,
								  networks[i].categories, networks[i].outputs);

		if (networks[i].parameters == NULL)
			ok(built.status == DL_ERROR_INVALID, "%s without inputs", networks[i].text);
		else if (ok(built.status == DL_OK, "%s", networks[i].text))
		{
			is_text(parameters(&built), networks[i].parameters, "... parameters");
			ok(width(&built, built.nodes.hidden) == networks[i].hidden, "... hidden %lld",
			   (long long) width(&built, built.nodes.hidden));
			ok(width(&built, built.nodes.output) == networks[i].outputs, "... output");
			ok((built.nodes.numbers == DL_NO_NODE) == (networks[i].numbers == 0) &&
			   (built.nodes.codes == DL_NO_NODE) == (networks[i].categories == 0), "... inputs");
			ok(dl_graph_vector_length(built.graph) >= elements(&built), "... vector");
			check_summary(&built, networks[i].text, &inputs, networks[i].outputs);
		}
		dl_arena_destroy(built.arena);
	}
}

static void
test_initial(void)
{
	Built		b = build("dense(8, relu) > dense(8, selu) > dense(8, rate => 2) > dense(8, relu, parametrization => ntk) "
						  "> batch_norm > scale > parametric(mish) > dense(8, gelu)", 2, 2, 0, 1);

	ok(has_info(&b, "layers.0.weight", DL_INIT_UNIFORM, sqrt(0.5), 1, 1), "relu: as in PyTorch");
	ok(has_info(&b, "layers.0.bias", DL_INIT_UNIFORM, sqrt(0.5), 1, 0), "bias within 1/sqrt(in), no decay");
	ok(has_info(&b, "layers.1.weight", DL_INIT_UNIFORM, sqrt(3.0 / 8), 1, 1), "selu: LeCun");
	ok(has_info(&b, "layers.2.weight", DL_INIT_UNIFORM, sqrt(1.0 / 8), 2, 1), "identity, rate 2");
	ok(has_info(&b, "layers.2.bias", DL_INIT_UNIFORM, sqrt(1.0 / 8), 2, 0), "... its bias");
	ok(has_info(&b, "layers.7.weight", DL_INIT_UNIFORM, sqrt(6.0 / 8), 1, 1), "gelu: He");
	ok(has_info(&b, "layers.3.weight", DL_INIT_NORMAL, sqrt(1.0 / 8), sqrt(1.0 / 8), sqrt(8.0)), "ntk");
	ok(has_info(&b, "layers.3.bias", DL_INIT_NORMAL, 1, 0.1, 0), "... its bias");
	ok(has_info(&b, "layers.4.weight", DL_INIT_CONSTANT, 1, 1, 0), "batch_norm: weight");
	ok(has_info(&b, "layers.4.bias", DL_INIT_CONSTANT, 0, 1, 0), "batch_norm: bias");
	ok(has_info(&b, "layers.4.running_mean", DL_INIT_CONSTANT, 0, 0, 0), "batch_norm: running mean is state");
	ok(has_info(&b, "layers.4.running_var", DL_INIT_CONSTANT, 1, 0, 0), "batch_norm: running variance is state");
	ok(has_info(&b, "layers.5.weight", DL_INIT_CONSTANT, 1, 6, 6), "scale");
	ok(has_info(&b, "layers.6.weight", DL_INIT_CONSTANT, 1, 0.1, 0.1), "parametric");
	ok(has_info(&b, "output.weight", DL_INIT_UNIFORM, sqrt(1.0 / 8), 1, 1), "output");
	dl_arena_destroy(b.arena);

	b = build("periodic(sigma => 2) > embedding(3, rate => 2) > output(parametrization => ntk, zero => true, rate => 4)",
			  4, 4, 1, 1);
	ok(has_info(&b, "periodic.frequency", DL_INIT_NORMAL, 2, 0.1, 0.1), "periodic: frequency");
	ok(has_info(&b, "periodic.phase", DL_INIT_UNIFORM, M_PI, 0.1, 0), "periodic: phase");
	ok(has_info(&b, "periodic.weight", DL_INIT_UNIFORM, 0.25, 0.1, 0.1), "periodic: weight");
	ok(has_info(&b, "periodic.bias", DL_INIT_UNIFORM, 0.25, 0.1, 0), "periodic: bias");
	ok(has_info(&b, "embeddings.0.weight", DL_INIT_NORMAL, 1, 2, 1), "embedding of given width");
	ok(has_info(&b, "output.weight", DL_INIT_CONSTANT, 0, 4 / sqrt(19.0), sqrt(19.0)), "zero ntk output");
	ok(has_info(&b, "output.bias", DL_INIT_CONSTANT, 0, 0.4, 0), "... its bias");
	dl_arena_destroy(b.arena);

	b = build("dense(4, parametrization => ntk, init => data) > dense(8, gelu, init => data) > "
			  "output(zero => true, init => data)", 9, 9, 0, 1);
	ok(has_info(&b, "layers.0.weight", DL_INIT_DATA, 1.0 / 3, 1.0 / 3, 3), "ntk from data");
	ok(has_info(&b, "layers.0.bias", DL_INIT_DATA, 1, 0.1, 0), "... its bias");
	ok(has_info(&b, "layers.1.weight", DL_INIT_DATA, 0.5, 1, 1), "standard from data");
	ok(has_info(&b, "layers.1.bias", DL_INIT_DATA, 1, 1, 0), "... its bias");
	ok(has_info(&b, "output.weight", DL_INIT_CONSTANT, 0, 1, 1), "zero stays zero");
	dl_arena_destroy(b.arena);

	b = build("realmlp(9, 16, init => data)", 4, 0, 0, 1);
	ok(has_info(&b, "layers.4.weight", DL_INIT_DATA, 1.0 / 3, 1.0 / 3, 3), "realmlp from data");
	ok(has_info(&b, "output.weight", DL_INIT_DATA, 0.25, 0.25, 4), "... its output");
	dl_arena_destroy(b.arena);

	b = build("piecewise(rate => 0.5)", 3, 2, 0, 1);
	ok(has_info(&b, "piecewise.edges", DL_INIT_DATA, 0, 0, 0), "piecewise: edges are state, from data");
	ok(has_info(&b, "piecewise.weight", DL_INIT_CONSTANT, 0, 0.5, 1), "piecewise: weight starts at 0");
	ok(has_info(&b, "piecewise.linear", DL_INIT_UNIFORM, 1, 0.5, 1), "piecewise: linear");
	ok(has_info(&b, "piecewise.bias", DL_INIT_UNIFORM, 1, 0.5, 0), "piecewise: bias");
	dl_arena_destroy(b.arena);

	b = build("linear", 0, 0, 1, 1);
	ok(has_info(&b, "embeddings.0.weight", DL_INIT_NORMAL, sqrt(1.0 / 6), 1, 1), "embedding of automatic width");
	dl_arena_destroy(b.arena);
}

static const DlLayerSummary summary[] = {
	{"embedding", 9, 60},
	{"concat", 14, 0},
	{"  branch 1", 9, 0},
	{"    identity", 9, 0},
	{"  branch 2", 5, 0},
	{"    dense(4, relu)", 4, 40},
	{"    residual", 5, 20},
	{"      dense(5)", 5, 25},
	{"dropout(0.5)", 14, 0},
	{"dense(2)", 2, 30},
	{"batch_norm", 2, 4},
	{"output", 1, 3},
};

static void
test_summary(void)
{
	const char *text = "concat(identity, dense(4, relu) > residual(dense(5))) > dropout(0.5) > dense(2) > batch_norm";
	int			want = sizeof(summary) / sizeof(summary[0]);
	DlNetworkInputs inputs = {3, 3, 1, levels, false};
	DlNetwork  *network;
	DlLayerSummary *rows;
	DlArena    *arena;
	DlError		error;
	int			count = 0;

	dl_arena_create(0, &arena, &error);
	ok(dl_network_parse(arena, text, strlen(text), &network, &error) == DL_OK &&
	   dl_network_summary(network, &inputs, 1, arena, &rows, &count, &error) == DL_OK, "summary of blocks");
	ok(count == want, "... has %d rows", want);
	for (int i = 0; i < want && i < count; i++)
	{
		is_text(rows[i].layer, summary[i].layer, summary[i].layer);
		ok(rows[i].outputs == summary[i].outputs && rows[i].parameters == summary[i].parameters,
		   "... %lld outputs, %lld parameters", (long long) rows[i].outputs, (long long) rows[i].parameters);
	}
	dl_arena_destroy(arena);
}

static void
test_limits(void)
{
	char		wide[4096] = "concat(identity, identity)";
	Built		b = build("dense(65536) > dense(65536)", 4, 4, 0, 1);

	ok(b.status == DL_ERROR_LIMIT, "2^32 parameters are too many");
	is_text(b.error.message, "a network cannot have more than 268435456 parameters", "... message");
	is_text(b.error.detail, "It is exceeded by layer \"dense(65536)\".", "... detail");
	dl_arena_destroy(b.arena);

	b = build("dense(16384) > dense(16384)", 4, 4, 0, 1);
	ok(b.status == DL_ERROR_LIMIT, "2^28 parameters and some are too many");
	dl_arena_destroy(b.arena);
	b = build("dense(16384, bias => false) > dense(16000)", 4, 4, 0, 1);
	ok(b.status == DL_OK, "a little less than 2^28 parameters");
	dl_arena_destroy(b.arena);

	for (int i = 0; i < 100; i++)
		strcat(wide, " > concat(identity, identity)");
	b = build(wide, 4, 4, 0, 1);
	ok(b.status == DL_ERROR_LIMIT, "doubling the columns 101 times");
	is_text(b.error.message, "the result of a layer cannot have more than 1048576 columns, got 2097152", "... message");
	dl_arena_destroy(b.arena);

	b = build("relu", 0, 0, 0, 1);
	is_text(b.error.message, "a network needs at least one input column", "no inputs");
	dl_arena_destroy(b.arena);
	b = build("relu", 2, 3, 0, 1);
	ok(b.status == DL_ERROR_INVALID, "more real numbers than numbers");
	dl_arena_destroy(b.arena);
	b = build("relu", 2, 2, 0, 0);
	is_text(b.error.message, "a network needs at least 1 output, got 0", "no outputs");
	dl_arena_destroy(b.arena);
	b = build("dense(4)", INT64_MAX, 0, 0, 1);
	ok(b.status == DL_ERROR_LIMIT, "sizes do not wrap");
	dl_arena_destroy(b.arena);
}

/* Output of one row of two numbers, with every parameter of a layer set to value. */
static double
output_of(const char *text, double value)
{
	Built		b = build(text, 2, 2, 0, 1);
	const DlBackend *backend = dl_backend_reference_f32();
	float	   *vector;
	float	   *numbers;
	double		result = NAN;
	DlPlan	   *plan;

	if (b.status == DL_OK &&
		dl_plan_create(b.arena, b.graph, backend, DL_PLAN_INFERENCE, 1, &b.nodes.output, 1, &plan, &b.error) == DL_OK)
	{
		vector = calloc((size_t) dl_graph_vector_length(b.graph), sizeof(float));
		for (int64_t i = 0; i < dl_graph_vector_length(b.graph); i++)
			vector[i] = (float) value;
		numbers = dl_plan_data(plan, b.nodes.numbers);
		numbers[0] = 3;
		numbers[1] = -5;
		if (dl_plan_forward(plan, vector, 1, NULL, &b.error) == DL_OK)
			result = *(float *) dl_plan_data(plan, b.nodes.output);
		free(vector);
	}
	dl_arena_destroy(b.arena);
	return result;
}

/* All weights and biases 0.5. */
static void
test_values(void)
{
	is_close(output_of("linear", 0.5), 0.5 * (3 - 5) + 0.5, 1e-6, "linear");
	is_close(output_of("relu", 0.5), 0.5 * 3 + 0.5, 1e-6, "relu");
	is_close(output_of("residual(identity)", 0.5), 0.5 * (6 - 10) + 0.5, 1e-6, "a value added to itself");
	is_close(output_of("concat(identity, identity, relu)", 0.5), 0.5 * (3 - 5 + 3 - 5 + 3) + 0.5, 1e-6,
			 "a value beside itself");
	is_close(output_of("residual(relu) > scale", 0.5), 0.5 * (0.5 * 6 + 0.5 * -5) + 0.5, 1e-6, "residual and scale");
	/* dense: -0.5; projection: -1 */
	is_close(output_of("residual(dense(1))", 0.5), 0.5 * (-0.5 - 1) + 0.5, 1e-6, "projection");
	is_close(output_of("parametric(relu)", 0.5), 0.5 * (3 - 2.5) + 0.5, 1e-6, "parametric: half way to relu");
	is_close(output_of("dropout(0.5) > dense(2, relu)", 0.5), 0.5, 1e-6, "dropout is off, dense with activation");
}

int
main(void)
{
	test_networks();
	test_initial();
	test_summary();
	test_limits();
	test_values();
	return done_testing();
}
