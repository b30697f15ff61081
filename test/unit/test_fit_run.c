/*
 * test_fit_run.c
 *    How a training runs: threads, cancel, storage, repeatability, limits,
 *    errors, and the comparison with the model that it wants to replace.
 */
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fit_rows.h"

/* y = 3x + level of a category; codes of the category as levels has them. */
typedef struct Shape
{
	DlTask		task;
	int			rows;
	double		offset;			/* of the column x */
	double		target_offset;
	const char *levels;
	const char *category;		/* the column's name */
	size_t		memory;			/* for rows; 0: all in memory */
	int			epochs;
	int			early_stopping;
	int			members;
	int			threads;
	int64_t		seed;
} Shape;

static const Shape plain = {
	.task = DL_TASK_REGRESSION, .rows = 300, .levels = "abc", .category = "k", .epochs = 6, .early_stopping = DL_UNSET,
	.members = 1, .threads = 1, .seed = 42,
};

static void
begin(FitTable *t, Shape s)
{
	static const int32_t map[] = {2, 0, 1};

	fit_begin(t, s.task, 1);
	fit_column(t, "x", DL_COLUMN_NUMBER, NULL);
	fit_column(t, s.category, DL_COLUMN_CATEGORY, s.levels);
	t->columns[0].offset = s.offset;
	t->request.target_offset = s.target_offset;
	t->request.options.epochs = s.epochs;
	t->request.options.early_stopping = s.early_stopping;
	t->request.options.members = s.members;
	t->request.options.threads = s.threads;
	t->request.options.seed = s.seed;
	if (s.task == DL_TASK_MULTICLASS)
		fit_labels(t, (const char *const[]) {"p", "q", "r"}, 3, map);
	fit_rows_begin(t, s.memory);
	for (int i = 0; i < s.rows; i++)
	{
		char		level = "abc"[i % 3];
		double		x = i % 60;

		fit_number(t, 0, x);
		fit_category(t, 1, (int32_t) (strchr(s.levels, level) - s.levels));
		if (s.task == DL_TASK_MULTICLASS)
			fit_code(t, i % 60 / 20);
		else
			fit_target(t, 0, 3 * x + level);
		fit_row(t, (uint64_t) i, 1, DL_PART_NONE);
	}
}

static bool
same_bytes(Shape s)
{
	FitTable	a;
	FitTable	b;
	bool		same;

	begin(&a, s);
	begin(&b, s);
	fit_run(&a, NULL);
	fit_run(&b, NULL);
	same = a.result.length > 0 && a.result.length == b.result.length &&
		memcmp(a.result.bytes, b.result.bytes, a.result.length) == 0;
	fit_free(&a);
	fit_free(&b);
	return same;
}

static void
test_repeatable(void)
{
	Shape		s = plain;

	ok(same_bytes(s), "the same request twice gives the same bytes");
	s.threads = 2;
	ok(same_bytes(s), "also with two threads on each batch");
	s.members = 3;
	ok(same_bytes(s), "also with three members side by side");
	s.task = DL_TASK_MULTICLASS;
	s.epochs = 12;
	s.members = 4;
	s.rows = 900;
	for (int i = 0; i < 3; i++)
		ok(same_bytes(s), "also with classes, %d", i + 1);
}

static void
test_members(void)
{
	Shape		s = plain;
	FitTable	t;
	DlModel    *model;

	s.members = 3;
	s.threads = 2;
	begin(&t, s);
	ok(fit_run(&t, NULL) == DL_OK, "three members on two threads");
	model = fit_decode(&t);
	ok(model != NULL && model->member_count == 3, "are in the model");
	ok(model != NULL && memcmp(model->members[0].parameters, model->members[1].parameters,
							   (size_t) dl_graph_vector_length(dl_model_graph(model, 0)) * sizeof(float)) != 0, "and differ");
	ok(t.progress_calls >= s.epochs && t.progress_calls <= 3 * s.epochs && t.progress_calls % s.epochs == 0,
	   "progress of the members that the calling thread trains: %d calls", t.progress_calls);
	ok(!t.other_thread, "on the calling thread");
	ok(model != NULL && model->record.epoch_count == s.epochs && t.result.epochs == s.epochs, "the record has one curve");
	dl_model_destroy(model);
	fit_free(&t);
}

/* The record of very many epochs is no larger than the bytes of a model may be. */
static void
test_many_epochs(void)
{
	Shape		s = plain;
	FitTable	t;
	DlModel    *model;
	const DlTrainRecord *record;
	int			ascending = 0;
	int			best = 0;

	s.rows = 30;
	s.epochs = 25000;
	s.early_stopping = 0;
	begin(&t, s);
	t.request.options.network = "linear";
	ok(fit_run(&t, NULL) == DL_OK, "25,000 epochs");
	model = fit_decode(&t);
	record = &model->record;
	for (int i = 0; i < record->epoch_count; i++)
	{
		ascending += i == 0 || record->epochs[i].epoch > record->epochs[i - 1].epoch;
		best += record->epochs[i].epoch == record->best_epoch;
	}
	ok(record->epoch_count > 8000 && record->epoch_count <= 10002, "of which %d are kept", record->epoch_count);
	ok(ascending == record->epoch_count && best == 1, "in order, the best among them");
	ok(dl_record_epochs(record) == 25000 && t.result.epochs == 25000, "and the number of all is known");
	dl_model_destroy(model);
	fit_free(&t);
}

/* What does not fit a share of the memory gets a greater one. */
static void
test_shared_memory(void)
{
	Shape		s = plain;
	FitTable	t;
	DlModel    *model;

	s.members = 6;
	s.threads = 8;
	s.rows = 100;
	s.epochs = 1;
	for (int i = 0; i < 2; i++)
	{
		begin(&t, s);
		t.request.options.network = "dense(900) > dense(900)";
		t.request.options.memory = 1;
		if (i == 1)
			t.request.options.max_seconds = 1000;
		ok(fit_run(&t, NULL) == DL_OK, "six members in the memory of three%s", i == 1 ? ", with a limit of time" : "");
		model = fit_decode(&t);
		ok(model != NULL && model->member_count == 6, "are all in the model");
		dl_model_destroy(model);
		fit_free(&t);
	}
	begin(&t, s);
	t.request.options.network = "dense(3000) > dense(3000)";
	t.request.options.memory = 1;
	ok(fit_run(&t, NULL) == DL_ERROR_MEMORY && t.error.hint[0] != '\0', "members each of which is too large: %s", t.error.message);
	fit_free(&t);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

typedef struct Killer
{
	FitTable   *table;
	long		after_us;
	double		when;
} Killer;

static void *
cancel_later(void *context)
{
	Killer	   *k = context;
	struct timespec pause = {0, k->after_us * 1000};

	nanosleep(&pause, NULL);
	k->when = seconds();
	atomic_store(&k->table->cancel, 1);
	return NULL;
}

static void
test_cancel(Shape s, const char *name)
{
	FitTable	t;

	s.epochs = 100000;
	s.early_stopping = 0;
	begin(&t, s);
	atomic_store(&t.cancel, 1);
	ok(fit_run(&t, NULL) == DL_ERROR_CANCELLED && t.error.status == DL_ERROR_CANCELLED, "%s: cancelled before it starts", name);
	fit_free(&t);

	begin(&t, s);
	t.cancel_after = 2;
	ok(fit_run(&t, NULL) == DL_ERROR_CANCELLED && t.progress_calls <= 3, "%s: cancelled in progress", name);
	fit_free(&t);

	for (long after = 50; after <= 50000; after *= 10)
	{
		Killer		killer = {&t, after, 0};
		pthread_t	thread;
		DlStatus	status;
		double		took;

		begin(&t, s);
		pthread_create(&thread, NULL, cancel_later, &killer);
		status = fit_run(&t, NULL);
		pthread_join(thread, NULL);
		took = seconds() - killer.when;
		ok(status == DL_ERROR_CANCELLED && took < 0.5, "%s: cancelled after %ld us, within %.3f s", name, after, took);
		fit_free(&t);
	}
}

static void
test_storage(void)
{
	Shape		s = plain;
	FitTable	t;
	DlModel    *model;

	s.rows = 6000;
	s.memory = 65536;
	s.epochs = 3;
	begin(&t, s);
	ok(!dl_dataset_in_memory(t.dataset), "the rows do not fit the memory");
	ok(fit_run(&t, NULL) == DL_OK, "rows in storage train");
	model = fit_decode(&t);
	ok(fit_metric(model, "r2") > 0.9, "r2 %g", fit_metric(model, "r2"));
	dl_model_destroy(model);
	fit_free(&t);
	s.rows = 4000;
	ok(same_bytes(s), "and give the same bytes again");
}

static void
expect_error(FitTable *t, DlStatus wanted, const char *text)
{
	DlStatus	status = fit_run(t, NULL);

	ok(status == wanted && t->error.status == wanted && strstr(t->error.message, text) != NULL, "error: %s", text);
	ok(t->error.hint[0] != '\0', "with a hint");
	fit_free(t);
}

static void
test_errors(void)
{
	Shape		s = plain;
	FitTable	t;

	s.rows = 0;
	begin(&t, s);
	for (int i = 0; i < 50; i++)
	{
		fit_number(&t, 0, i);
		fit_target(&t, 0, 7);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	expect_error(&t, DL_ERROR_DATA, "only one value in the training rows");

	s.task = DL_TASK_MULTICLASS;
	begin(&t, s);
	for (int i = 0; i < 50; i++)
	{
		fit_number(&t, 0, i);
		fit_code(&t, 1);
		fit_row(&t, (uint64_t) i, 1, DL_PART_NONE);
	}
	expect_error(&t, DL_ERROR_DATA, "only one class in the training rows");

	begin(&t, plain);
	t.request.options.network = "dense(4000) > dense(4000)";
	t.request.options.memory = 1 << 20;
	expect_error(&t, DL_ERROR_MEMORY, "memory budget");

	begin(&t, plain);
	t.request.options.network = "dense(9000) > dense(9000)";
	expect_error(&t, DL_ERROR_LIMIT, "a model cannot have more than");

	begin(&t, plain);
	for (int i = 0; i < 1000000; i++)
	{
		char		text[32];
		int32_t		code;

		dl_vocabulary_add(t.columns[1].vocabulary, text, (size_t) snprintf(text, sizeof(text), "level number %d", i), &code, NULL);
	}
	expect_error(&t, DL_ERROR_LIMIT, "the texts of all categories take");

	begin(&t, plain);
	t.request.options.loss = DL_TRAIN_CROSS_ENTROPY;
	expect_error(&t, DL_ERROR_INVALID, "cannot be used for task \"regression\"");
}

/* A second training against the first, whose columns were encoded differently. */
static void
compare(Shape first, Shape second, DlFitComparison wanted, const char *name)
{
	FitTable	a;
	FitTable	b;
	DlArena    *arena;

	dl_arena_create(0, &arena, NULL);
	begin(&a, first);
	fit_run(&a, arena);
	begin(&b, second);
	b.request.incumbent = a.result.bytes;
	b.request.incumbent_length = (int64_t) a.result.length;
	ok(fit_run(&b, NULL) == DL_OK && b.result.comparison == wanted, "%s (%d)", name, (int) b.result.comparison);
	/* with the same rows held out, the incumbent must get what it got at first */
	if (wanted != DL_COMPARED_NOT && first.rows == second.rows)
	{
		ok(a.result.held_out == b.result.held_out, "the same rows are held out");
		is_close(b.result.incumbent_value, a.result.value, 1e-4, "and the incumbent gets the value of its own training");
	}
	fit_free(&a);
	fit_free(&b);
	dl_arena_destroy(arena);
}

static void
test_incumbent(void)
{
	Shape		good = plain;
	Shape		poor = plain;
	Shape		other = plain;

	good.epochs = 20;
	poor.epochs = 1;
	compare(poor, good, DL_COMPARED_BETTER, "better than a poor one");
	compare(good, poor, DL_COMPARED_NOT_BETTER, "not better than a good one");
	compare(good, good, DL_COMPARED_NOT_BETTER, "a tie is not better");
	other.epochs = 1;
	other.offset = 17;
	other.target_offset = 40;
	other.levels = "czab";
	compare(good, other, DL_COMPARED_NOT_BETTER, "against one with other offsets and codes");
	other.category = "l";
	compare(good, other, DL_COMPARED_NOT, "a column of the incumbent is missing");
	other = plain;
	other.task = DL_TASK_MULTICLASS;
	compare(good, other, DL_COMPARED_NOT, "another task");
}

int
main(void)
{
	Shape		s = plain;

	test_repeatable();
	test_members();
	test_many_epochs();
	test_shared_memory();
	test_cancel(s, "one thread");
	s.members = 2;
	s.threads = 2;
	test_cancel(s, "members");
	s.members = 1;
	s.rows = 6000;
	s.memory = 65536;
	test_cancel(s, "storage");
	test_storage();
	test_errors();
	test_incumbent();
	return done_testing();
}
