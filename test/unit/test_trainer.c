/*
 * test_trainer.c
 *    The step machine: batches, threads, seeds, the choice of the best epoch,
 *    and every way that training can end.
 */
#include "tap.h"

#include "trainer_rows.h"

static Training
small_training(Rows *rows, int epochs, int batch_size)
{
	return (Training) {
		.network = "dense(8, tanh)",
		.settings = test_settings(DL_TRAIN_MSE, 0.01, epochs, batch_size),
		.rows = rows
	};
}

/* Every row once an epoch, whatever the last batch is like. */
static void
test_partial_batches(void)
{
	static const struct
	{
		int64_t		rows;
		int			batch;
		int			steps;
		int			smallest;
	}			cases[] = {
		{64, 16, 4, 16}, {72, 16, 5, 8}, {67, 16, 5, 9}, {65, 16, 5, 8}, {10, 16, 1, 10}, {1, 16, 1, 1}, {17, 16, 2, 8},
		{5, 1, 5, 1}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Rows		rows = rows_smooth(cases[i].rows, 3, 1);
		Training	t = small_training(&rows, 2, cases[i].batch);
		int			wrong = 0;

		ok(training_run(&t) == DL_OK, "%d rows in batches of %d", (int) cases[i].rows, cases[i].batch);
		ok(t.steps == 2 * cases[i].steps, "%d steps in two epochs", t.steps);
		ok(rows.smallest == cases[i].smallest, "the smallest batch has %d rows", (int) rows.smallest);
		for (int64_t r = 0; r < rows.count; r++)
			wrong += atomic_load(&rows.visits[r]) != 2;
		ok(wrong == 0, "each row was seen once an epoch");
		training_free(&t);
		rows_free(&rows);
	}
}

/* Steps and validation slices share an epoch; progress only grows, and EPOCH and DONE come where they should. */
static void
test_events(void)
{
	Rows		rows = rows_smooth(40, 3, 1);
	Rows		validation = rows_smooth(30, 3, 2);
	Training	t = small_training(&rows, 3, 10);
	DlTrainerEvent event = DL_TRAINER_RUNNING;
	double		before = 0;
	bool		grows = true;

	t.validation = &validation;
	ok(training_create(&t) == DL_OK, "created with validation rows");
	ok(dl_trainer_best_epoch(t.trainer) == 0, "no epoch is best at first");
	while (event == DL_TRAINER_RUNNING)
	{
		dl_trainer_step(t.trainer, &event, &t.error);
		if (event == DL_TRAINER_RUNNING && dl_trainer_progress(t.trainer) <= before)
			grows = false;
		before = dl_trainer_progress(t.trainer);
	}
	ok(grows, "progress grows with every step of an epoch");
	ok(event == DL_TRAINER_EPOCH && dl_trainer_epoch(t.trainer)->epoch == 1, "the first epoch ends with EPOCH");
	is_close(dl_trainer_progress(t.trainer), 0, 0, "the next epoch begins at 0");
	ok(isfinite(dl_trainer_epoch(t.trainer)->validation_loss), "it has a validation loss");
	ok(dl_trainer_epoch(t.trainer)->best && dl_trainer_best_epoch(t.trainer) == 1, "it is the best one so far");
	for (event = DL_TRAINER_RUNNING; event == DL_TRAINER_RUNNING;)
		dl_trainer_step(t.trainer, &event, &t.error);
	for (event = DL_TRAINER_RUNNING; event == DL_TRAINER_RUNNING;)
		dl_trainer_step(t.trainer, &event, &t.error);
	ok(event == DL_TRAINER_DONE && dl_trainer_epoch(t.trainer)->epoch == 3, "the last epoch ends with DONE");
	ok(dl_trainer_step(t.trainer, &event, &t.error) == DL_OK && event == DL_TRAINER_DONE, "DONE stays");
	training_free(&t);
	rows_free(&rows);
	rows_free(&validation);
}

/* Copies the trained vector; returns its elements. */
static int64_t
train_vector(Rows *rows, uint64_t seed, DlThreads *threads, const char *network, float **vector)
{
	Training	t = small_training(rows, 3, 256);
	int64_t		length;

	t.network = network;
	t.settings.seed = seed;
	t.threads = threads;
	if (!ok(training_run(&t) == DL_OK, "trained with seed %d", (int) seed))
		printf("#   %s\n", t.error.message);
	length = dl_graph_vector_length(dl_trainer_graph(t.trainer));
	*vector = malloc((size_t) length * sizeof(float));
	memcpy(*vector, dl_trainer_best_parameters(t.trainer), (size_t) length * sizeof(float));
	training_free(&t);
	return length;
}

static double
largest_difference(const float *a, const float *b, int64_t count)
{
	double		largest = 0;

	for (int64_t i = 0; i < count; i++)
		if (!(fabs((double) a[i] - (double) b[i]) <= largest))
			largest = fabs((double) a[i] - (double) b[i]);
	return largest;
}

/* Wide enough that two threads share a batch and its update. */
#define WIDE "dense(192, tanh) > dropout(0.1) > dense(192, tanh)"
#define WIDE_STILL "dense(192, tanh) > dense(192, tanh)"

static void
test_seeds_and_threads(void)
{
	Rows		rows = rows_smooth(600, 4, 1);
	DlThreads  *threads;
	DlError		error;
	float	   *first;
	float	   *second;
	float	   *other;
	float	   *single;
	size_t		bytes;

	ok(dl_threads_create(2, &threads, &error) == DL_OK, "two threads");
	bytes = (size_t) train_vector(&rows, 1, threads, WIDE, &first) * sizeof(float);
	train_vector(&rows, 1, threads, WIDE, &second);
	train_vector(&rows, 2, threads, WIDE, &other);
	ok(memcmp(first, second, bytes) == 0, "the same seed gives the same bytes, with dropout and two threads");
	ok(memcmp(first, other, bytes) != 0, "another seed gives others");
	free(first);
	free(second);
	free(other);

	train_vector(&rows, 1, threads, WIDE_STILL, &first);
	bytes = (size_t) train_vector(&rows, 1, NULL, WIDE_STILL, &single) * sizeof(float);
	ok(memcmp(first, single, bytes) != 0, "two threads sum in another order than one");
	is_close(largest_difference(first, single, (int64_t) (bytes / sizeof(float))), 0, 1e-4, "but come close");
	free(first);
	free(single);
	dl_threads_destroy(threads);
	rows_free(&rows);
}

/* A measure by script: its values are given for each epoch. */
typedef struct Script
{
	const double *values;
	int			next;
	const float *outputs[16];	/* seen in each epoch */
	float		first[16];
} Script;

static double
scripted(void *context, const float *outputs, int64_t row_count, int64_t columns)
{
	Script	   *script = context;

	(void) row_count;
	(void) columns;
	script->outputs[script->next] = outputs;
	script->first[script->next] = outputs[0];
	return script->values[script->next++];
}

/* Trains with scripted measures and early stopping; which epoch is best, and how many there are. */
static void
check_script(const double *values, int patience, int best, int epochs, const char *what)
{
	Rows		rows = rows_smooth(40, 3, 1);
	Rows		validation = rows_smooth(30, 3, 2);
	Script		script = {.values = values};
	DlSelection selection = {.context = &script, .measure = scripted};
	Training	t = small_training(&rows, 8, 10);

	t.validation = &validation;
	t.selection = &selection;
	t.settings.early_stopping = patience;
	ok(training_run(&t) == DL_OK, "%s", what);
	ok(dl_trainer_best_epoch(t.trainer) == best, "best epoch is %d, expected %d", dl_trainer_best_epoch(t.trainer), best);
	ok(t.epochs == epochs, "%d epochs, expected %d", t.epochs, epochs);
	ok(dl_trainer_best_outputs(t.trainer)[0] == script.first[best - 1], "the outputs are those of the best epoch");
	training_free(&t);
	rows_free(&rows);
	rows_free(&validation);
}

static void
test_early_stopping(void)
{
	static const double falls_then_rises[] = {5, 4, 3, 4, 5, 6, 7, 8};
	static const double ties[] = {5, 3, 3, 3, 3, 3, 3, 3};
	static const double undefined[] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	static const double partly[] = {NAN, 2, NAN, 3, NAN, NAN, NAN, NAN};

	check_script(falls_then_rises, 2, 3, 5, "stops two epochs after the best");
	check_script(falls_then_rises, 0, 3, 8, "runs all epochs without early stopping");
	check_script(ties, 0, 8, 8, "a tie goes to the later epoch");
	check_script(ties, 3, 5, 5, "a tie is no improvement for early stopping");
	check_script(undefined, 0, 8, 8, "an undefined measure leaves the last epoch");
	check_script(partly, 0, 2, 8, "an undefined measure is never better");
}

/* What the best epoch's parameters give for the validation rows must be the outputs that it was chosen for. */
static void
test_best_parameters(void)
{
	static const double values[] = {5, 1, 3, 4};
	Rows		rows = rows_smooth(40, 3, 1);
	Rows		validation = rows_smooth(33, 3, 2);
	Script		script = {.values = values};
	DlSelection selection = {.context = &script, .measure = scripted};
	Training	t = small_training(&rows, 4, 10);
	DlBatchSource source = rows_source(&validation);
	DlNetwork  *network;
	DlNetworkInputs inputs = {.numbers = 3, .continuous = 3};
	DlNetworkNodes nodes;
	DlGraph    *graph;
	float		outputs[33];

	t.validation = &validation;
	t.selection = &selection;
	ok(training_run(&t) == DL_OK && dl_trainer_best_epoch(t.trainer) == 2, "the second of four epochs is best");
	dl_network_parse(t.arena, t.network, strlen(t.network), &network, &t.error);
	dl_graph_create(t.arena, &graph, &t.error);
	dl_network_build(network, &inputs, 1, graph, &nodes, &t.error);
	ok(dl_network_predict(t.arena, graph, &nodes, dl_trainer_best_parameters(t.trainer), &source,
						  dl_backend_reference_f32(), NULL, NULL, outputs, &t.error) == DL_OK, "predicted");
	is_close(largest_difference(outputs, dl_trainer_best_outputs(t.trainer), 33), 0, 1e-6,
			 "prediction from the best parameters gives the best outputs");
	training_free(&t);
	rows_free(&rows);
	rows_free(&validation);
}

/* Prediction in many slices over two threads is that of one thread, to the bit; and it can be cancelled. */
static void
test_predict(void)
{
	enum {COUNT = 5003};
	Rows		rows = rows_smooth(COUNT, 3, 1);
	Training	t = small_training(&rows, 1, 256);
	DlBatchSource source = rows_source(&rows);
	DlNetwork  *network;
	DlNetworkInputs inputs = {.numbers = 3, .continuous = 3};
	DlNetworkNodes nodes;
	DlGraph    *graph;
	DlThreads  *threads;
	atomic_int	cancel;
	static float one[COUNT];
	static float two[COUNT];
	const float *parameters;
	const DlBackend *backend = dl_backend_reference_f32();

	ok(training_run(&t) == DL_OK, "trained");
	parameters = dl_trainer_best_parameters(t.trainer);
	dl_threads_create(2, &threads, &t.error);
	dl_network_parse(t.arena, t.network, strlen(t.network), &network, &t.error);
	dl_graph_create(t.arena, &graph, &t.error);
	dl_network_build(network, &inputs, 1, graph, &nodes, &t.error);
	ok(dl_network_predict(t.arena, graph, &nodes, parameters, &source, backend, NULL, NULL, one, &t.error) == DL_OK,
	   "predicted by one thread");
	ok(dl_network_predict(t.arena, graph, &nodes, parameters, &source, backend, threads, NULL, two, &t.error) == DL_OK,
	   "predicted by two");
	ok(memcmp(one, two, sizeof(one)) == 0 && one[COUNT - 1] != 0, "they agree to the bit");
	atomic_init(&cancel, 1);
	ok(dl_network_predict(t.arena, graph, &nodes, parameters, &source, backend, threads, &cancel, two,
						  &t.error) == DL_ERROR_CANCELLED, "prediction can be cancelled");
	dl_threads_destroy(threads);
	training_free(&t);
	rows_free(&rows);
}

static void
test_cancel(void)
{
	Rows		rows = rows_smooth(40, 3, 1);
	Training	t = small_training(&rows, 4, 10);
	atomic_int	cancel;
	DlTrainerEvent event;

	atomic_init(&cancel, 0);
	t.cancel = &cancel;
	ok(training_create(&t) == DL_OK, "created");
	ok(dl_trainer_step(t.trainer, &event, &t.error) == DL_OK, "a step before the cancel");
	atomic_store(&cancel, 1);
	ok(dl_trainer_step(t.trainer, &event, &t.error) == DL_ERROR_CANCELLED, "a step after it is cancelled");
	atomic_store(&cancel, 0);
	ok(dl_trainer_step(t.trainer, &event, &t.error) != DL_OK, "a trainer that has failed makes no more steps");
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
	Rows		rows = rows_smooth(40, 3, 1);
	Training	t = small_training(&rows, 400, 10);
	DlTrainerEvent event;
	DlBatchSource source;
	DlNetwork  *network;
	DlNetworkInputs inputs = {.numbers = 3, .continuous = 3};

	t.network = "dense(8)";
	t.settings.optimizer = DL_OPTIMIZER_SGD;
	t.settings.learning_rate = 100;
	ok(training_run(&t) == DL_ERROR_NUMERIC, "a rate that is far too high");
	ok(strstr(t.error.message, "epoch") != NULL && strstr(t.error.message, "step") != NULL, "says where: %s", t.error.message);
	ok(strstr(t.error.hint, "learning_rate") != NULL, "and what to do: %s", t.error.hint);
	training_free(&t);

	t = small_training(&rows, 4, 10);
	rows.x[17] = NAN;
	ok(training_run(&t) == DL_ERROR_NUMERIC, "an input that is no number");
	training_free(&t);
	t = small_training(&rows, 4, 10);
	t.settings.gradient_clip = 1;
	ok(training_run(&t) == DL_ERROR_NUMERIC, "the same with clipping");
	training_free(&t);
	t = small_training(&rows, 4, 40);
	t.settings.learning_rate = 0;
	ok(training_run(&t) == DL_ERROR_NUMERIC, "the same in the range test");
	training_free(&t);
	rows.x[17] = 0;

	t = small_training(&rows, 4, 10);
	training_create(&t);
	source = rows_source(&rows);
	source.fill = failing_fill;
	dl_network_parse(t.arena, t.network, strlen(t.network), &network, &t.error);
	dl_trainer_create(t.arena, network, &inputs, 1, &t.settings, &source, NULL, NULL, dl_backend_reference_f32(),
					  NULL, NULL, &t.trainer, &t.error);
	ok(dl_trainer_step(t.trainer, &event, &t.error) == DL_ERROR_IO, "a source that fails");
	is_text(t.error.message, "could not read 10 rows", "its message comes through");
	training_free(&t);

	t = small_training(&rows, 4, 10);
	rows.count = 0;
	ok(training_create(&t) == DL_ERROR_DATA, "no rows: %s", t.error.message);
	training_free(&t);
	rows.count = 40;
	t.settings.loss = DL_TRAIN_CROSS_ENTROPY;
	ok(training_create(&t) == DL_ERROR_INVALID, "one class: %s", t.error.message);
	training_free(&t);
	t.settings.batch_size = 0;
	ok(training_create(&t) == DL_ERROR_INVALID, "a wrong setting: %s", t.error.message);
	training_free(&t);
	rows_free(&rows);
}

int
main(void)
{
	test_partial_batches();
	test_events();
	test_seeds_and_threads();
	test_early_stopping();
	test_best_parameters();
	test_predict();
	test_cancel();
	test_failures();
	return done_testing();
}
