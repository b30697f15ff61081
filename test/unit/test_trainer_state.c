/*
 * test_trainer_state.c
 *    A trainer as bytes: whoever takes it over at the end of any epoch goes on to the same bits.
 */
#include "tap.h"

#include "trainer_rows.h"

typedef struct Case
{
	const char *name;
	const char *network;
	DlOptimizer optimizer;
	double		learning_rate;
	bool		validation;
	int			early_stopping;
	double		momentum;
	int			threads;
} Case;

static const Case cases[] = {
	{"adamw", "dense(8, relu) > dense(4, tanh)", DL_OPTIMIZER_ADAMW, 0.01, true, 0, 0.9, 1},
	{"sgd with momentum", "dense(8, relu)", DL_OPTIMIZER_SGD, 0.01, true, 0, 0.9, 1},
	{"rmsprop", "dense(8, relu)", DL_OPTIMIZER_RMSPROP, 0.01, true, 0, 0.5, 1},
	{"adam without validation", "dense(8, relu)", DL_OPTIMIZER_ADAM, 0.01, false, 0, 0.9, 1},
	{"a rate that was found", "dense(8, relu)", DL_OPTIMIZER_ADAMW, 0, true, 0, 0.9, 1},
	{"early stopping", "dense(16, relu)", DL_OPTIMIZER_ADAMW, 0.3, true, 2, 0.9, 1},
	{"dropout and batch norm", "dense(8, relu) > batch_norm() > dropout(0.3) > dense(8, relu)", DL_OPTIMIZER_ADAMW, 0.01, true, 0, 0.9, 1},
	{"two threads", "dense(8, relu) > dropout(0.3)", DL_OPTIMIZER_ADAMW, 0.01, true, 0, 0.9, 2},
	{"parameters from the data", "dense(8, relu, init => data)", DL_OPTIMIZER_ADAMW, 0.01, true, 0, 0.9, 1},
	{"neighbours", "dense(8, relu) > neighbours(16)", DL_OPTIMIZER_ADAMW, 0.01, true, 0, 0.9, 1},
};

#define EPOCHS 7

/* What a training came to. */
typedef struct Outcome
{
	int			epochs;
	int			best_epoch;
	double		learning_rate;
	DlEpoch		history[EPOCHS];
	size_t		bytes;
	float	   *parameters;
	float	   *outputs;
	size_t		output_bytes;
} Outcome;

static void
take_outcome(const Training *t, Outcome *o)
{
	o->best_epoch = dl_trainer_best_epoch(t->trainer);
	o->learning_rate = dl_trainer_learning_rate(t->trainer);
	o->bytes = (size_t) dl_graph_vector_length(dl_trainer_graph(t->trainer)) * sizeof(float);
	o->parameters = malloc(o->bytes);
	memcpy(o->parameters, dl_trainer_best_parameters(t->trainer), o->bytes);
	o->output_bytes = t->validation == NULL ? 0 : (size_t) t->validation->count * sizeof(float);
	o->outputs = malloc(o->output_bytes + 1);
	if (o->output_bytes > 0)
		memcpy(o->outputs, dl_trainer_best_outputs(t->trainer), o->output_bytes);
}

static void
free_outcome(Outcome *o)
{
	free(o->parameters);
	free(o->outputs);
}

/* To the end, or to the end of epoch stop, where the state is taken. */
static DlStatus
go_on(Training *t, int stop, Outcome *o, void **state, size_t *size)
{
	DlTrainerEvent event = DL_TRAINER_RUNNING;

	while (event != DL_TRAINER_DONE)
	{
		DL_TRY(dl_trainer_step(t->trainer, &event, &t->error));
		if (event == DL_TRAINER_RUNNING)
			continue;
		o->history[dl_trainer_epoch(t->trainer)->epoch - 1] = *dl_trainer_epoch(t->trainer);
		o->epochs = dl_trainer_epoch(t->trainer)->epoch;
		if (event == DL_TRAINER_EPOCH && o->epochs == stop)
		{
			*size = dl_trainer_state_size(t->trainer);
			*state = malloc(*size);
			dl_trainer_save(t->trainer, *state);
			return DL_OK;
		}
	}
	take_outcome(t, o);
	return DL_OK;
}

static bool
same_number(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool
same_epoch(const DlEpoch *a, const DlEpoch *b)
{
	return a->epoch == b->epoch && same_number(a->learning_rate, b->learning_rate) && same_number(a->training_loss, b->training_loss) &&
		same_number(a->validation_loss, b->validation_loss) && same_number(a->measure, b->measure) && a->best == b->best;
}

static bool
same_outcome(const Outcome *a, const Outcome *b)
{
	for (int i = 0; i < a->epochs && i < b->epochs; i++)
		if (!same_epoch(&a->history[i], &b->history[i]))
			return false;
	return a->epochs == b->epochs && a->best_epoch == b->best_epoch && a->learning_rate == b->learning_rate &&
		a->bytes == b->bytes && memcmp(a->parameters, b->parameters, a->bytes) == 0 && a->output_bytes == b->output_bytes &&
		memcmp(a->outputs, b->outputs, a->output_bytes) == 0;
}

static Training
training_of(const Case *c, Rows *rows, Rows *validation, DlThreads *threads)
{
	Training	t = {
		.network = c->network, .settings = test_settings(DL_TRAIN_MSE, c->learning_rate, EPOCHS, 10), .rows = rows,
		.validation = c->validation ? validation : NULL, .threads = threads,
	};

	t.settings.optimizer = c->optimizer;
	t.settings.momentum = c->momentum;
	t.settings.early_stopping = c->early_stopping;
	t.settings.weight_decay = 0.01;
	return t;
}

/* Stopped after epoch stop, and taken over; false when the training had ended by then. */
static bool
resume(const Case *c, Rows *rows, Rows *validation, DlThreads *threads, int stop, const Outcome *undisturbed)
{
	Training	t = training_of(c, rows, validation, threads);
	Outcome		o = {0};
	void	   *state = NULL;
	size_t		size = 0;
	bool		same;

	if (training_create(&t) != DL_OK || go_on(&t, stop, &o, &state, &size) != DL_OK)
		return ok(false, "%s: %s", c->name, t.error.message);
	training_free(&t);
	if (state == NULL)
	{
		free_outcome(&o);
		return false;
	}
	t = training_of(c, rows, validation, threads);
	same = training_create(&t) == DL_OK && dl_trainer_restore(t.trainer, state, size, &t.error) == DL_OK &&
		dl_trainer_epoch(t.trainer)->epoch == stop && go_on(&t, 0, &o, NULL, NULL) == DL_OK && same_outcome(&o, undisturbed);
	ok(same, "%s: stopped after epoch %d of %d", c->name, stop, undisturbed->epochs);
	training_free(&t);
	free_outcome(&o);
	free(state);
	return true;
}

static void
test_case(const Case *c)
{
	Rows		rows = rows_smooth(45, 3, 1);
	Rows		validation = rows_smooth(30, 3, 2);
	DlThreads  *threads = NULL;
	Training	t;
	Outcome		undisturbed = {0};
	DlError		error;
	int			stops = 0;

	if (c->threads > 1)
		ok(dl_threads_create(c->threads, &threads, &error) == DL_OK, "%d threads", c->threads);
	t = training_of(c, &rows, &validation, threads);
	ok(training_create(&t) == DL_OK && go_on(&t, 0, &undisturbed, NULL, NULL) == DL_OK, "%s: %s", c->name, t.error.message);
	training_free(&t);
	for (int stop = 1; stop < EPOCHS; stop++)
		stops += resume(c, &rows, &validation, threads, stop, &undisturbed);
	ok(stops == undisturbed.epochs - 1, "%s: %d epochs, %d stops", c->name, undisturbed.epochs, stops);
	free_outcome(&undisturbed);
	dl_threads_destroy(threads);
	rows_free(&rows);
	rows_free(&validation);
}

/* What is no state of this training is refused. */
static void
test_foreign(void)
{
	Rows		rows = rows_smooth(45, 3, 1);
	Rows		validation = rows_smooth(30, 3, 2);
	Training	t = training_of(&cases[0], &rows, &validation, NULL);
	Outcome		o = {0};
	char	   *state = NULL;
	size_t		size = 0;

	ok(training_create(&t) == DL_OK && go_on(&t, 3, &o, (void **) &state, &size) == DL_OK, "a state");
	training_free(&t);
	t = training_of(&cases[0], &rows, &validation, NULL);
	t.network = "dense(9, relu) > dense(4, tanh)";
	ok(training_create(&t) == DL_OK && dl_trainer_restore(t.trainer, state, size, &t.error) == DL_ERROR_CORRUPT, "of another network: %s",
	   t.error.message);
	training_free(&t);
	t = training_of(&cases[0], &rows, &validation, NULL);
	ok(training_create(&t) == DL_OK, "the same again");
	ok(dl_trainer_restore(t.trainer, state, size - 1, &t.error) == DL_ERROR_CORRUPT, "a byte is missing");
	ok(dl_trainer_restore(t.trainer, state, 3, &t.error) == DL_ERROR_CORRUPT, "nearly all are");
	state[0] ^= 1;
	ok(dl_trainer_restore(t.trainer, state, size, &t.error) == DL_ERROR_CORRUPT, "something else");
	training_free(&t);
	free(state);
	rows_free(&rows);
	rows_free(&validation);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		test_case(&cases[i]);
	test_foreign();
	return done_testing();
}
