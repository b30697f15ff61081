/*
 * test_neighbours.c
 *    Networks that look at training rows: the formula, what they keep, and what
 *    they must not look at.
 */
#include "cpu/cpu.h"
#include "tap.h"

#include "trainer_rows.h"

#define COLUMNS 3
#define WIDTH 4

static const float *
parameter(const Training *t, const char *name, DlShape *shape)
{
	const DlGraph *graph = dl_trainer_graph(t->trainer);

	for (int i = 0; i < dl_graph_parameter_count(graph); i++)
		if (strcmp(dl_graph_parameter_name(graph, i), name) == 0)
		{
			*shape = dl_graph_parameter_shape(graph, i);
			return dl_trainer_best_parameters(t->trainer) + dl_graph_parameter_offset(graph, i);
		}
	ok(false, "there is a parameter %s", name);
	return NULL;
}

static Training
neighbours_training(Rows *rows, Rows *validation, const char *network, DlLoss loss, int epochs)
{
	Training	t = {
		.network = network,
		.settings = test_settings(loss, 0.02, epochs, 16),
		.rows = rows,
		.validation = validation
	};

	return t;
}

/* z of a row, by the trained weights. */
static void
embed(const Training *t, const float *x, double *z)
{
	DlShape		shape;
	const float *weight = parameter(t, "output.weight", &shape);
	const float *bias = parameter(t, "output.bias", &shape);

	for (int c = 0; c < WIDTH; c++)
	{
		z[c] = bias[c];
		for (int i = 0; i < COLUMNS; i++)
			z[c] += (double) x[i] * (double) weight[i * WIDTH + c];
	}
}

/* The mean of the shown targets of the rows, weighed by nearness. */
static double
expected(const Training *t, const Rows *rows, const float *x, double half)
{
	DlShape		shape;
	double		scale = parameter(t, "output.scale", &shape)[0];
	double		z[WIDTH];
	double		sum = 0;
	double		weights = 0;

	embed(t, x, z);
	for (int64_t j = 0; j < rows->count; j++)
	{
		double		other[WIDTH];
		double		distance = 0;
		double		weight;

		if (rows->weight[j] <= 0)
			continue;
		embed(t, rows->x + j * COLUMNS, other);
		for (int c = 0; c < WIDTH; c++)
			distance += (z[c] - other[c]) * (z[c] - other[c]);
		weight = exp(-distance);
		sum += weight * ((double) rows->target[j] - half);
		weights += weight;
	}
	return scale * sum / weights;
}

/* Outputs for the validation rows are the formula over all training rows, however many places the network has. */
static void
test_formula(DlLoss loss, const char *network, const char *what)
{
	Rows		rows = rows_smooth(70, COLUMNS, 1);
	Rows		validation = rows_smooth(20, COLUMNS, 2);
	Training	t = neighbours_training(&rows, &validation, network, loss, 3);
	double		half = loss == DL_TRAIN_BINARY ? 0.5 : 0;
	double		worst = 0;

	for (int64_t i = 0; i < rows.count && half > 0; i++)
		rows.target[i] = rows.target[i] > 0;
	for (int64_t i = 0; i < validation.count && half > 0; i++)
		validation.target[i] = validation.target[i] > 0;
	rows.weight[5] = rows.weight[40] = 0;
	ok(training_run(&t) == DL_OK, "%s is trained", what);
	for (int64_t i = 0; i < validation.count; i++)
		worst = fmax(worst, fabs((double) dl_trainer_best_outputs(t.trainer)[i] -
								 expected(&t, &rows, validation.x + i * COLUMNS, half)));
	ok(worst < 1e-4, "%s: outputs are the mean of near rows' targets: %.2g", what, worst);
	training_free(&t);
	rows_free(&rows);
	rows_free(&validation);
}

/* What is kept of rows, and what where there are more places than rows, or fewer. */
static void
test_kept(void)
{
	Rows		rows = rows_smooth(30, COLUMNS, 1);
	Training	t = neighbours_training(&rows, NULL, "neighbours(4, rows => 33)", DL_TRAIN_MSE, 2);
	DlShape		shape;
	const float *keys;
	const float *squares;
	const float *values;
	int			wrong = 0;

	ok(training_run(&t) == DL_OK, "more places than rows");
	keys = parameter(&t, "output.keys", &shape);
	ok(shape.rank == 2 && shape.dims[0] == WIDTH && shape.dims[1] == 33, "keys are [width, places]");
	squares = parameter(&t, "output.squares", &shape);
	values = parameter(&t, "output.values", &shape);
	for (int64_t j = 0; j < rows.count; j++)
	{
		double		z[WIDTH];
		double		square = 0;

		embed(&t, rows.x + j * COLUMNS, z);
		for (int c = 0; c < WIDTH; c++)
		{
			wrong += fabs((double) keys[c * 33 + j] - 2 * z[c]) > 1e-5;
			square += z[c] * z[c];
		}
		wrong += fabs((double) squares[j] + square) > 1e-5 || values[j] != rows.target[j];
	}
	ok(wrong == 0, "every row is kept as training left it: %d differences", wrong);
	ok(squares[30] < -1e29f && squares[31] < -1e29f && squares[32] < -1e29f, "places without a row never count");
	training_free(&t);

	t = neighbours_training(&rows, NULL, "neighbours(4, rows => 7)", DL_TRAIN_MSE, 2);
	ok(training_run(&t) == DL_OK, "fewer places than rows");
	values = parameter(&t, "output.values", &shape);
	for (int j = 0; j < 7; j++)
	{
		bool		found = false;

		for (int64_t i = 0; i < rows.count; i++)
			found = found || values[j] == rows.target[i];
		wrong += !found;
	}
	ok(wrong == 0, "some of the rows are kept");
	training_free(&t);
	rows_free(&rows);
}

/*
 * Targets by chance: a row that saw its own would learn them by heart.  Then every row
 * twice: now its other half is there to be seen, in training and in scoring.
 */
static void
test_own_row(void)
{
	Rows		rows = rows_create(200, COLUMNS, 1, false);
	Rows		twice = rows_create(400, COLUMNS, 1, false);
	Training	t = neighbours_training(&rows, NULL, "neighbours(4, rows => 200)", DL_TRAIN_MSE, 20);
	DlRandom	random;

	dl_random_seed(&random, 5, 0);
	for (int64_t i = 0; i < rows.count; i++)
	{
		rows.target[i] = i % 2 == 0 ? 1 : -1;
		for (int c = 0; c < COLUMNS; c++)
			rows.x[i * COLUMNS + c] = (float) dl_random_normal(&random);
		for (int copy = 0; copy < 2; copy++)
		{
			memcpy(twice.x + (2 * i + copy) * COLUMNS, rows.x + i * COLUMNS, COLUMNS * sizeof(float));
			twice.target[2 * i + copy] = rows.target[i];
		}
	}
	ok(training_run(&t) == DL_OK, "random targets");
	ok(dl_trainer_epoch(t.trainer)->training_loss > 0.7,
	   "targets by chance cannot be learnt: loss %.3g", dl_trainer_epoch(t.trainer)->training_loss);
	training_free(&t);

	t = neighbours_training(&twice, &rows, "neighbours(4, rows => 400)", DL_TRAIN_MSE, 60);
	ok(training_run(&t) == DL_OK, "every row twice");
	ok(dl_trainer_epoch(t.trainer)->validation_loss < 0.2,
	   "rows that repeat can: loss %.3g", dl_trainer_epoch(t.trainer)->validation_loss);
	training_free(&t);
	rows_free(&rows);
	rows_free(&twice);
}

/* Classes by a code: the one-hot of the nearest rows. */
static void
test_classes(void)
{
	Rows		rows = rows_create(240, COLUMNS, 3, true);
	Training	t = neighbours_training(&rows, &rows, "neighbours(4, rows => 240)", DL_TRAIN_CROSS_ENTROPY, 20);
	DlRandom	random;
	int			right = 0;

	dl_random_seed(&random, 6, 0);
	for (int64_t i = 0; i < rows.count; i++)
	{
		rows.code[i] = (int32_t) (i % 3);
		for (int c = 0; c < COLUMNS; c++)
			rows.x[i * COLUMNS + c] = (float) (dl_random_normal(&random) + 2.5 * (c == i % 3));
	}
	ok(training_run(&t) == DL_OK, "three classes");
	for (int64_t i = 0; i < rows.count; i++)
	{
		const float *y = dl_trainer_best_outputs(t.trainer) + i * 3;

		right += y[rows.code[i]] >= y[(rows.code[i] + 1) % 3] && y[rows.code[i]] >= y[(rows.code[i] + 2) % 3];
	}
	ok(right > 220, "%d of 240 rows are classified", right);
	training_free(&t);
	rows_free(&rows);
}

/* The bits of a row do not depend on the rows beside it. */
static void
test_alone(void)
{
	Rows		rows = rows_smooth(70, COLUMNS, 1);
	Training	t = neighbours_training(&rows, NULL, "dense(5, tanh) > neighbours(4, rows => 70)", DL_TRAIN_MSE, 1);
	float		together[70];
	int			differences = 0;

	ok(training_run(&t) == DL_OK, "a network before the neighbours");
	for (int b = 0; b < 2; b++)
	{
		const DlBackend *backend = b == 0 ? dl_backend_reference_f32() : dl_backend_cpu();
		DlNetworkInputs inputs = {.numbers = COLUMNS,.continuous = COLUMNS};
		DlBatchSource source = rows_source(&rows);
		DlNetwork  *network;
		DlNetworkNodes nodes;
		DlGraph    *graph;
		DlStatus	status = dl_network_parse(t.arena, t.network, strlen(t.network), &network, &t.error);

		if (status == DL_OK)
			status = dl_graph_create(t.arena, &graph, &t.error);
		if (status == DL_OK)
			status = dl_network_build(network, &inputs, 1, graph, &nodes, &t.error);
		if (status == DL_OK)
			status = dl_network_predict(t.arena, graph, &nodes, dl_trainer_best_parameters(t.trainer), &source, backend,
										NULL, NULL, together, &t.error);
		for (int64_t i = 0; i < rows.count && status == DL_OK; i++)
		{
			Rows		one = {.count = 1,.columns = COLUMNS,.outputs = 1,.x = rows.x + i * COLUMNS,
				.target = rows.target + i,.weight = rows.weight + i,.visits = rows.visits + i};
			float		alone;

			source = rows_source(&one);
			status = dl_network_predict(t.arena, graph, &nodes, dl_trainer_best_parameters(t.trainer), &source, backend,
										NULL, NULL, &alone, &t.error);
			differences += memcmp(&alone, &together[i], sizeof(float)) != 0;
		}
		ok(status == DL_OK && differences == 0, "%s: %d rows differ when scored alone", backend->name, differences);
	}
	training_free(&t);
	rows_free(&rows);
}

/* Tables of a few rows. */
static void
test_few_rows(void)
{
	for (int64_t count = 1; count <= 9; count += 4)
	{
		Rows		rows = rows_smooth(count, COLUMNS, 1);
		Training	t = neighbours_training(&rows, &rows, "neighbours(2, rows => 5)", DL_TRAIN_MSE, 2);

		ok(training_run(&t) == DL_OK && isfinite(dl_trainer_epoch(t.trainer)->validation_loss), "%d rows", (int) count);
		training_free(&t);
		rows_free(&rows);
	}
}

int
main(void)
{
	test_formula(DL_TRAIN_MSE, "neighbours(4, rows => 70)", "a regression");
	test_formula(DL_TRAIN_MSE, "neighbours(4, rows => 90)", "a regression with places to spare");
	test_formula(DL_TRAIN_BINARY, "neighbours(4, rows => 70)", "two classes");
	test_kept();
	test_own_row();
	test_classes();
	test_alone();
	test_few_rows();
	return done_testing();
}
