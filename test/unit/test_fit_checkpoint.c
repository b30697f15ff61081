/*
 * test_fit_checkpoint.c
 *    A training that is stopped anywhere, and goes on from its checkpoints: the same model, byte for byte, without
 *    what was done being done again.
 */
#include "tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fit_rows.h"

#define MOST_TRIALS DL_MODEL_MAX_TRIALS

/* What is kept, the latest of each trial, until so many have come; then the training is stopped. */
typedef struct Keeper
{
	FitTable   *table;
	pthread_mutex_t mutex;
	int			given;
	int			stop_after;		/* 0: never */
	double		stop_seconds;	/* of the training; 0: never */
	DlFitCheckpoint kept[MOST_TRIALS];
} Keeper;

static Keeper keeper;

static void
keep(void *context, int trial, void *bytes, size_t length)
{
	FitTable   *t = context;

	pthread_mutex_lock(&keeper.mutex);
	if (keeper.stop_after > 0 && keeper.given >= keeper.stop_after)
		free(bytes);
	else
	{
		free((void *) (uintptr_t) keeper.kept[trial].bytes);
		keeper.kept[trial] = (DlFitCheckpoint) {trial, bytes, length};
		if (++keeper.given == keeper.stop_after ||
			(keeper.stop_seconds > 0 && dl_fit_checkpoint_seconds(&keeper.kept[trial]) > keeper.stop_seconds))
			atomic_store(&t->cancel, 1);
	}
	pthread_mutex_unlock(&keeper.mutex);
}

static void
begin_keeping(int stop_after)
{
	memset(&keeper, 0, sizeof(keeper));
	pthread_mutex_init(&keeper.mutex, NULL);
	keeper.stop_after = stop_after;
}

static void
end_keeping(void)
{
	for (int i = 0; i < MOST_TRIALS; i++)
		free((void *) (uintptr_t) keeper.kept[i].bytes);
}

typedef struct Shape
{
	const char *name;
	DlTask		task;
	int			members;		/* 0: chosen */
	int			threads;
	int			epochs;
	const char *network;		/* NULL: those for tables */
	size_t		memory;			/* for rows; 0: all in memory */
} Shape;

static void
begin(FitTable *t, const Shape *s, int rows)
{
	static const int32_t map[] = {0, 1, 2};

	fit_begin(t, s->task, 1);
	fit_column(t, "x", DL_COLUMN_NUMBER, NULL);
	fit_column(t, "k", DL_COLUMN_CATEGORY, "abc");
	t->request.options.epochs = s->epochs;
	t->request.options.members = s->members > 0 ? s->members : DL_UNSET;
	t->request.options.threads = s->threads;
	t->request.options.network = s->network;
	t->request.options.learning_rate = NAN;
	if (s->task == DL_TASK_MULTICLASS)
		fit_labels(t, (const char *const[]) {"p", "q", "r"}, 3, map);
	fit_rows_begin(t, s->memory);
	for (int i = 0; i < rows; i++)
	{
		double		x = i * 7 % 61;

		fit_number(t, 0, x);
		fit_category(t, 1, i % 3);
		if (s->task == DL_TASK_MULTICLASS)
			fit_code(t, i * 7 % 61 / 21);
		else
			fit_target(t, 0, 3 * x + i % 3);
		fit_row(t, (uint64_t) i, 1, DL_PART_NONE);
	}
}

/* Stopped after so many checkpoints, then gone on with.  False: it had ended before. */
static bool
stop_and_go_on(const Shape *s, int rows, int stop_after, const FitTable *undisturbed)
{
	FitTable	t;
	DlFitCheckpoint checkpoints[MOST_TRIALS];
	int			count = 0;
	bool		stopped;

	begin_keeping(stop_after);
	begin(&t, s, rows);
	t.host.checkpoint = keep;
	stopped = fit_run(&t, NULL) == DL_ERROR_CANCELLED;
	fit_free(&t);
	for (int i = 0; i < MOST_TRIALS; i++)
		if (keeper.kept[i].bytes != NULL)
			checkpoints[count++] = keeper.kept[i];

	begin(&t, s, rows);
	t.host.checkpoint_count = count;
	t.host.checkpoints = checkpoints;
	t.host.checkpoint = keep;
	t.host.checkpoint_seconds = 1e9;
	keeper.stop_after = 1;		/* and keeps no more */
	keeper.given = 1;
	ok(fit_run(&t, NULL) == DL_OK, "%s: goes on after %d checkpoints, of %d trials", s->name, stop_after, count);
	ok(t.result.length == undisturbed->result.length && memcmp(t.result.bytes, undisturbed->result.bytes, t.result.length) == 0,
	   "%s: to the same bytes", s->name);
	if (stopped && s->members == 1)
		ok(t.progress_calls == s->epochs - stop_after, "%s: %d epochs were left, %d run", s->name, s->epochs - stop_after, t.progress_calls);
	fit_free(&t);
	end_keeping();
	return stopped;
}

static void
test_shape(const Shape *s, int rows, int step)
{
	FitTable	undisturbed;
	int			stop = 1;

	begin(&undisturbed, s, rows);
	ok(fit_run(&undisturbed, NULL) == DL_OK, "%s", s->name);
	while (stop_and_go_on(s, rows, stop, &undisturbed))
		stop += step;
	ok(stop > step, "%s: stopped at least once", s->name);
	fit_free(&undisturbed);
}

/* Where the time is limited: what was spent counts, the epochs go on, and so does the fall of the learning rate. */
static void
test_limited(const Shape *s, int rows)
{
	const double most = 2;
	FitTable	t;
	DlFitCheckpoint checkpoints[MOST_TRIALS];
	DlModel    *model;
	double		spent = 0;
	int			count = 0;
	int			epochs = 0;

	begin_keeping(0);
	keeper.stop_seconds = most / 2;
	begin(&t, s, rows);
	t.request.options.max_seconds = most;
	t.request.options.early_stopping = 0;
	t.host.checkpoint = keep;
	ok(fit_run(&t, NULL) == DL_ERROR_CANCELLED, "%s: stopped at half of the time", s->name);
	fit_free(&t);
	for (int i = 0; i < MOST_TRIALS; i++)
		if (keeper.kept[i].bytes != NULL)
		{
			/* as the host that gave it up keeps no later ones */
			epochs += dl_fit_checkpoint_epochs(&keeper.kept[i]);
			spent = dl_fit_checkpoint_seconds(&keeper.kept[i]) > spent ? dl_fit_checkpoint_seconds(&keeper.kept[i]) : spent;
			checkpoints[count] = keeper.kept[i];
			checkpoints[count].bytes = malloc(checkpoints[count].length);
			memcpy((void *) (uintptr_t) checkpoints[count].bytes, keeper.kept[i].bytes, checkpoints[count].length);
			count++;
		}
	ok(spent > most / 2, "%s: %d epochs of %d networks in %.2f s", s->name, epochs, count, spent);

	keeper.stop_seconds = 0;
	begin(&t, s, rows);
	t.request.options.max_seconds = most;
	t.request.options.early_stopping = 0;
	t.host.checkpoint = keep;
	t.host.checkpoint_count = count;
	t.host.checkpoints = checkpoints;
	ok(fit_run(&t, NULL) == DL_OK, "%s: goes on", s->name);
	model = fit_decode(&t);
	ok(model != NULL && model->record.epoch_count > epochs / count, "%s: after its epochs", s->name);
	ok(model != NULL && model->record.epochs[model->record.epoch_count - 1].learning_rate < 0.1 * model->record.epochs[0].learning_rate,
	   "%s: the learning rate falls to its end", s->name);
	spent = 0;
	for (int i = 0; i < MOST_TRIALS; i++)
		if (keeper.kept[i].bytes != NULL && dl_fit_checkpoint_seconds(&keeper.kept[i]) > spent)
			spent = dl_fit_checkpoint_seconds(&keeper.kept[i]);
	ok(spent > 0.8 * most && spent < 1.25 * most, "%s: %.2f of %g s were spent in all", s->name, spent, most);
	dl_model_destroy(model);
	fit_free(&t);
	for (int i = 0; i < count; i++)
		free((void *) (uintptr_t) checkpoints[i].bytes);
	end_keeping();
}

/* Checkpoints of another training are refused, those of a trial that this one has not are not looked at. */
static void
test_foreign(void)
{
	static const Shape small = {"a small one", DL_TASK_REGRESSION, 1, 1, 4, "dense(4)", 0};
	static const Shape large = {"a larger one", DL_TASK_REGRESSION, 1, 1, 4, "dense(5)", 0};
	FitTable	t;

	begin_keeping(2);
	begin(&t, &small, 200);
	t.host.checkpoint = keep;
	(void) fit_run(&t, NULL);
	fit_free(&t);
	begin(&t, &large, 200);
	t.host.checkpoint = keep;
	t.host.checkpoint_count = 1;
	t.host.checkpoints = keeper.kept;
	ok(fit_run(&t, NULL) == DL_ERROR_CORRUPT, "another network: %s", t.error.message);
	fit_free(&t);
	keeper.kept[0].length = 10;
	begin(&t, &large, 200);
	t.host.checkpoint = keep;
	t.host.checkpoint_count = 1;
	t.host.checkpoints = keeper.kept;
	ok(fit_run(&t, NULL) == DL_OK, "what is none is not looked at");
	fit_free(&t);
	end_keeping();
}

int
main(void)
{
	static const Shape shapes[] = {
		{"one network", DL_TASK_REGRESSION, 1, 1, 6, "dense(8, relu)", 0},
		{"a rate that is found", DL_TASK_MULTICLASS, 1, 1, 5, "dense(8, relu) > dropout(0.2)", 0},
		{"three members, one thread", DL_TASK_REGRESSION, 3, 1, 3, "dense(8, relu)", 0},
		{"three members, two threads", DL_TASK_MULTICLASS, 3, 2, 3, "dense(8, relu)", 0},
		{"rows on disk", DL_TASK_REGRESSION, 1, 1, 4, "dense(8, relu)", 2048},
	};
	static const Shape limited = {"a limit of time", DL_TASK_REGRESSION, 1, 1, 1000000, "dense(8, relu)", 0};
	static const Shape limited_members = {"a limit of time, two members", DL_TASK_REGRESSION, 2, 2, 1000000, "dense(8, relu)", 0};
	static const Shape tables = {"the default for tables", DL_TASK_REGRESSION, 0, 2, 2, NULL, 0};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		test_shape(&shapes[i], 300, 1);
	test_shape(&tables, 120, 30);
	test_limited(&limited, 300);
	test_limited(&limited_members, 300);
	test_foreign();
	return done_testing();
}
