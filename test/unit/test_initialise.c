/*
 * test_initialise.c
 *    Parameters that start from the data: deviations and hinges measured here
 *    in double precision, and what must not change them.
 */
#include "tap.h"

#include "trainer_rows.h"

enum {ROWS = 500, COLUMNS = 3};

#define NETWORK "dense(16, mish, parametrization => ntk, init => data) > dropout(0.5) > " \
	"dense(8, relu, init => data) > output(init => data, parametrization => ntk)"

static Training
initial(Rows *rows, const char *network)
{
	return (Training) {
		.network = network,
		.settings = test_settings(DL_TRAIN_MSE, 0.01, 1, 32),
		.rows = rows
	};
}

/* Skewed columns of very different scales. */
static Rows
skewed_rows(int64_t count)
{
	Rows		rows = rows_smooth(count, COLUMNS, 5);

	for (int64_t i = 0; i < count; i++)
	{
		rows.x[i * COLUMNS] = expf(rows.x[i * COLUMNS]);
		rows.x[i * COLUMNS + 1] = 100 * rows.x[i * COLUMNS + 1] + 30;
	}
	return rows;
}

static const float *
parameter(const Training *t, const char *name)
{
	const DlGraph *graph = dl_trainer_graph(t->trainer);

	for (int i = 0; i < dl_graph_parameter_count(graph); i++)
		if (strcmp(dl_graph_parameter_name(graph, i), name) == 0)
			return dl_trainer_best_parameters(t->trainer) + dl_graph_parameter_offset(graph, i);
	return NULL;
}

/* z[rows, out] = x[rows, in] weight, without bias. */
static void
multiply(const double *x, int64_t rows, int in, int out, const float *weight, double *z)
{
	memset(z, 0, (size_t) (rows * out) * sizeof(double));
	for (int64_t r = 0; r < rows; r++)
		for (int i = 0; i < in; i++)
			for (int j = 0; j < out; j++)
				z[r * out + j] += x[r * in + i] * (double) weight[i * out + j];
}

/* The deviation of every unit is 1, and its hinge -bias is among its values, not always at one place. */
static void
check_units(const double *z, int64_t rows, int out, const float *bias, const char *what)
{
	double		worst = 0;
	int			outside = 0;
	int			above = 0;

	for (int j = 0; j < out; j++)
	{
		double		mean = 0;
		double		squares = 0;
		double		low = INFINITY;
		double		high = -INFINITY;

		for (int64_t r = 0; r < rows; r++)
		{
			mean += z[r * out + j] / (double) rows;
			low = fmin(low, z[r * out + j]);
			high = fmax(high, z[r * out + j]);
		}
		for (int64_t r = 0; r < rows; r++)
			squares += (z[r * out + j] - mean) * (z[r * out + j] - mean);
		worst = fmax(worst, fabs(sqrt(squares / (double) rows) - 1));
		outside += -(double) bias[j] < low - 1e-4 || -(double) bias[j] > high + 1e-4;
		above += -(double) bias[j] > mean;
	}
	ok(worst < 1e-4, "%s: every unit has deviation 1, but for %.2g", what, worst);
	ok(outside == 0, "%s: every hinge is among the values", what);
	if (out > 1)
		ok(above > 0 && above < out, "%s: %d of %d hinges are above the mean", what, above, out);
}

static void
test_layers(void)
{
	Rows		rows = skewed_rows(ROWS);
	Training	t = initial(&rows, NETWORK);
	static double x[ROWS * COLUMNS];
	static double first[ROWS * 16];
	static double second[ROWS * 8];
	static double output[ROWS];

	ok(training_create(&t) == DL_OK, "created: %s", t.error.message);
	for (int i = 0; i < ROWS * COLUMNS; i++)
		x[i] = (double) rows.x[i];
	multiply(x, ROWS, COLUMNS, 16, parameter(&t, "layers.0.weight"), first);
	check_units(first, ROWS, 16, parameter(&t, "layers.0.bias"), "first layer");
	for (int i = 0; i < ROWS * 16; i++)
	{
		double		z = first[i] + (double) parameter(&t, "layers.0.bias")[i % 16];

		first[i] = z * tanh(log1p(exp(z)));
	}
	multiply(first, ROWS, 16, 8, parameter(&t, "layers.2.weight"), second);
	check_units(second, ROWS, 8, parameter(&t, "layers.2.bias"), "second layer, behind activation and dropout");
	for (int i = 0; i < ROWS * 8; i++)
		second[i] = fmax(second[i] + (double) parameter(&t, "layers.2.bias")[i % 8], 0);
	multiply(second, ROWS, 8, 1, parameter(&t, "output.weight"), output);
	check_units(output, ROWS, 1, parameter(&t, "output.bias"), "output");
	training_free(&t);
	rows_free(&rows);
}

/* Copies the initial vector. */
static size_t
initial_vector(Rows *rows, const char *network, uint64_t seed, DlThreads *threads, float **vector)
{
	Training	t = initial(rows, network);
	size_t		bytes;

	t.settings.seed = seed;
	t.threads = threads;
	ok(training_create(&t) == DL_OK, "created with seed %d", (int) seed);
	bytes = (size_t) dl_graph_vector_length(dl_trainer_graph(t.trainer)) * sizeof(float);
	*vector = malloc(bytes);
	memcpy(*vector, dl_trainer_best_parameters(t.trainer), bytes);
	training_free(&t);
	return bytes;
}

/* More rows than a sample has. */
static void
test_seeds_and_threads(void)
{
	Rows		rows = skewed_rows(5000);
	DlThreads  *threads;
	DlError		error;
	float	   *one;
	float	   *two;
	float	   *other;
	size_t		bytes;
	int			seen = 0;

	dl_threads_create(2, &threads, &error);
	bytes = initial_vector(&rows, NETWORK, 1, NULL, &one);
	for (int64_t i = 0; i < rows.count; i++)
		seen += atomic_load(&rows.visits[i]) > 0;
	ok(seen == 2048, "%d of 5000 rows were read", seen);
	initial_vector(&rows, NETWORK, 1, threads, &two);
	initial_vector(&rows, NETWORK, 2, threads, &other);
	ok(memcmp(one, two, bytes) == 0, "the same seed gives the same bytes, with one thread and with two");
	ok(memcmp(one, other, bytes) != 0, "another seed gives others");
	free(one);
	free(two);
	free(other);
	dl_threads_destroy(threads);
	rows_free(&rows);
}

/* Rows that are all equal say nothing: what starts from them starts at random; nor does a single row. */
static void
test_constant(void)
{
	Rows		rows = skewed_rows(ROWS);
	const char *data = "dense(16, mish, parametrization => ntk, init => data)";
	const char *random = "dense(16, mish, parametrization => ntk)";
	float	   *one;
	float	   *two;
	size_t		bytes;

	bytes = initial_vector(&rows, data, 1, NULL, &one);
	initial_vector(&rows, random, 1, NULL, &two);
	ok(memcmp(one, two, bytes) != 0, "data and random differ");
	free(one);
	free(two);
	for (int i = 0; i < ROWS * COLUMNS; i++)
		rows.x[i] = 0.1f * (float) (i % COLUMNS + 1);
	for (int run = 0; run < 2; run++)
	{
		initial_vector(&rows, data, 1, NULL, &one);
		initial_vector(&rows, random, 1, NULL, &two);
		ok(memcmp(one, two, bytes) == 0, "with %d equal rows they are the same", (int) rows.count);
		rows.count = 1;
		free(one);
		free(two);
	}
	rows_free(&rows);
}

static void
test_other_layers(void)
{
	Rows		rows = skewed_rows(ROWS);
	Training	t = initial(&rows, "batch_norm > dense(4, relu, bias => false, init => data) > output(zero => true, init => data)");
	double		mean = 0;
	double		squares = 0;
	int			wrong = 0;

	rows.category = calloc(ROWS, sizeof(int32_t));
	rows.levels = 5;
	for (int i = 0; i < ROWS; i++)
		rows.category[i] = i % 5;
	ok(training_create(&t) == DL_OK, "created with batch_norm and categories");
	for (int i = 0; i < ROWS; i++)
		mean += (double) rows.x[i * COLUMNS + 1] / ROWS;
	for (int i = 0; i < ROWS; i++)
		squares += pow((double) rows.x[i * COLUMNS + 1] - mean, 2) / ROWS;
	is_close((double) parameter(&t, "layers.0.running_mean")[1] / mean, 1, 1e-5, "batch_norm begins with the sample's mean");
	is_close((double) parameter(&t, "layers.0.running_var")[1] / squares, 1, 1e-5, "and variance");
	for (int i = 0; i < 4; i++)
		wrong += parameter(&t, "output.weight")[i] != 0;
	ok(wrong == 0 && parameter(&t, "output.bias")[0] == 0, "what starts at zero stays there");
	training_free(&t);
	rows_free(&rows);
}

/* What the quantiles of these columns are is plain to see. */
static void
test_edges(void)
{
	enum {COUNT = 1001, BINS = 4};
	Rows		rows = rows_smooth(COUNT, 5, 1);
	Training	t = initial(&rows, "piecewise(bins => 4, width => 2) > dense(3, relu)");
	static const float expected[5][BINS + 1] = {
		{-500, -250, 0, 250, 500},	/* -500 to 500 */
		{0, 1, 1, 1, 1},		/* two values */
		{7, 7, 7, 7, 7},		/* one */
		{0, 750, 1000, 1000, 1000},	/* half are 0: three quantiles are one */
		{-100, 0, 100, 100, 100}	/* a few on either side of very many, some of which are no numbers */
	};
	const float *edges;

	for (int i = 0; i < COUNT; i++)
	{
		int			shuffled = i * 389 % COUNT;

		rows.x[i * 5] = (float) shuffled - 500;
		rows.x[i * 5 + 1] = i % 2 == 0;
		rows.x[i * 5 + 2] = 7;
		rows.x[i * 5 + 3] = shuffled <= 500 ? 0 : (float) shuffled;
		rows.x[i * 5 + 4] = i % 100 == 1 ? -100 : i % 100 == 2 ? 100 : i % 100 == 3 ? NAN : i % 100 == 4 ? INFINITY : 0;
	}
	ok(training_create(&t) == DL_OK, "created with edges");
	edges = parameter(&t, "piecewise.edges");
	for (int column = 0; column < 5; column++)
		for (int e = 0; e <= BINS; e++)
			is_close((double) edges[column * (BINS + 1) + e], (double) expected[column][e], 1e-3, "edge");
	training_free(&t);
	rows_free(&rows);
}

/* Edges are those of a sample of the training rows, wherever they lie, and do not move. */
static void
test_edges_stay(void)
{
	Rows		rows = skewed_rows(30000);
	Training	t = initial(&rows, "piecewise > dense(8, relu, init => data)");
	const float *edges;
	float		before[COLUMNS * 25];
	float	   *one;
	float	   *two;
	int			seen = 0;
	bool		ascend = true;

	t.settings.batch_size = 512;
	ok(training_create(&t) == DL_OK, "created with 30000 rows");
	for (int64_t i = 0; i < rows.count; i++)
		seen += atomic_load(&rows.visits[i]) > 0;
	ok(seen == 20000, "%d of them were read", seen);
	edges = parameter(&t, "piecewise.edges");
	for (int i = 0; i < COLUMNS * 25; i++)
		ascend = ascend && (i % 25 == 0 || edges[i] > edges[i - 1]);
	ok(ascend, "edges ascend");
	is_close(log((double) edges[12]), 0, 0.05, "the middle one is the median");
	memcpy(before, edges, sizeof(before));
	training_free(&t);
	ok(training_run(&t) == DL_OK, "trained");
	ok(memcmp(before, parameter(&t, "piecewise.edges"), sizeof(before)) == 0, "edges stay where they are");
	ok(parameter(&t, "piecewise.weight")[COLUMNS] != 0, "weights do not");
	training_free(&t);
	ok(memcmp(before, (initial_vector(&rows, t.network, t.settings.seed + 1, NULL, &one), one), sizeof(before)) != 0,
	   "another seed has another sample");
	initial_vector(&rows, "piecewise > dense(8, relu)", t.settings.seed, NULL, &two);
	ok(memcmp(before, two, sizeof(before)) == 0, "the layers behind do not matter");
	free(one);
	free(two);
	rows_free(&rows);
}

/* A staircase, which a linear model cannot follow. */
static void
test_curve(void)
{
	enum {COUNT = 2000};
	Rows		rows = rows_smooth(COUNT, 2, 3);
	Training	t = initial(&rows, "piecewise(bins => 32, width => 4)");
	double		straight;

	for (int i = 0; i < COUNT; i++)
		rows.target[i] = floorf(2 * rows.x[2 * i]) / 2 + (rows.x[2 * i + 1] > 0.3f);
	t.settings = test_settings(DL_TRAIN_MSE, 0.02, 60, 100);
	ok(training_run(&t) == DL_OK, "trained on a staircase");
	ok(dl_trainer_epoch(t.trainer)->training_loss < 0.04, "piecewise linear curves follow it: %g",
	   dl_trainer_epoch(t.trainer)->training_loss);
	training_free(&t);
	t.network = "linear";
	t.epochs = 0;
	training_run(&t);
	straight = dl_trainer_epoch(t.trainer)->training_loss;
	ok(straight > 0.06, "a line does not: %g", straight);
	training_free(&t);
	rows_free(&rows);
}

static DlStatus
failing_fill(void *context, const uint32_t *positions, int64_t count, float *numbers, int32_t *codes, void *target,
			 float *weight, DlError *error)
{
	(void) context;
	(void) positions;
	(void) numbers;
	(void) codes;
	(void) target;
	(void) weight;
	return dl_error_set(error, DL_ERROR_IO, "could not read %d rows", (int) count);
}

static void
test_failures(void)
{
	Rows		rows = skewed_rows(ROWS);
	Training	t = initial(&rows, NETWORK);
	DlNetworkInputs inputs = {.numbers = COLUMNS,.continuous = COLUMNS};
	DlBatchSource source = rows_source(&rows);
	DlNetwork  *network;
	atomic_int	cancel;

	atomic_init(&cancel, 1);
	t.cancel = &cancel;
	ok(training_create(&t) == DL_ERROR_CANCELLED, "it can be cancelled");
	training_free(&t);

	dl_arena_create(0, &t.arena, &t.error);
	source.fill = failing_fill;
	dl_network_parse(t.arena, t.network, strlen(t.network), &network, &t.error);
	ok(dl_trainer_create(t.arena, network, &inputs, 1, &t.settings, &source, NULL, NULL, dl_backend_reference_f32(), NULL,
						 NULL, &t.trainer, &t.error) == DL_ERROR_IO, "a source that fails");
	is_text(t.error.message, "could not read 256 rows", "its message comes through");
	training_free(&t);

	t = initial(&rows, "piecewise > relu");
	t.cancel = &cancel;
	ok(training_create(&t) == DL_ERROR_CANCELLED, "so can the search for edges");
	training_free(&t);

	t = initial(&rows, NETWORK);
	rows.x[17] = NAN;
	ok(training_run(&t) == DL_ERROR_NUMERIC, "an input that is no number is found by training");
	training_free(&t);
	rows_free(&rows);
}

int
main(void)
{
	test_layers();
	test_seeds_and_threads();
	test_constant();
	test_other_layers();
	test_edges();
	test_edges_stay();
	test_curve();
	test_failures();
	return done_testing();
}
