/*
 * test_fit_start.c
 *    Trainings that begin with the weights of another version: a rate that hardly learns leaves its predictions, however the
 *    rows are encoded now; what cannot begin so begins afresh and says why.
 */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/split.h"
#include "fit_rows.h"

#define ROWS 1400
#define TINY 1e-9				/* a rate that learns nothing to speak of */
#define LETTERS "abcdefghijkl"

/* A table of x, k and y = f(x, k); what makes it differ from the first one. */
typedef struct Shape
{
	const char *name;
	DlTask		task;
	int			rows;			/* 0: ROWS */
	int			first;			/* number of the first row */
	const char *levels;			/* of k, in the order of their codes; NULL: LETTERS */
	double		offset;			/* of x */
	bool		k_first;		/* k stands before x */
	bool		another;		/* a column more */
	double		x_moved;		/* added to x */
	double		y_moved;
	int			missing;		/* every so many rows lack x; 0: none */
	int64_t		seed;			/* 0: 42 */
	double		rate;			/* 0: 0.02 */
	const char *network;		/* NULL: a small one; "": those for tables, effort fast */
	int			members;
	int			epochs;			/* 0: 4 */
	int			threads;
	double		test;
} Shape;

static const char *const labels[] = {"p", "q", "r"};

static double
value_of(double x, char k)
{
	return x / 10 + (k % 5) + (k % 3) * x / 30;
}

static void
add_row(FitTable *t, const Shape *s, int i, const char *levels)
{
	int			count = (int) strlen(levels);
	int			x_column = s->k_first ? 1 : 0;
	double		x = i * 7 % 61 + s->x_moved;
	int			code = i * 5 % count;
	double		y = value_of(i * 7 % 61, levels[code]);

	fit_number(t, x_column, s->missing > 0 && i % s->missing == 0 ? NAN : x);
	fit_category(t, 1 - x_column, code);
	if (s->another)
		fit_number(t, 2, i % 13);
	if (s->task == DL_TASK_MULTICLASS)
		fit_code(t, y < 4 ? 0 : y < 6 ? 1 : 2);
	else
		fit_target(t, 0, y + s->y_moved);
	fit_row(t, (uint64_t) i * 1000 + (uint64_t) levels[code], 1, DL_PART_NONE);
}

static void
begin(FitTable *t, const Shape *s, const FitTable *start)
{
	static const int32_t map[] = {0, 1, 2};
	const char *levels = s->levels != NULL ? s->levels : LETTERS;
	DlFitOptions *o = &t->request.options;

	fit_begin(t, s->task, 1);
	for (int c = 0; c < 2; c++)
		fit_column(t, s->k_first == (c == 0) ? "k" : "x", s->k_first == (c == 0) ? DL_COLUMN_CATEGORY : DL_COLUMN_NUMBER, levels);
	if (s->another)
		fit_column(t, "z", DL_COLUMN_NUMBER, NULL);
	t->columns[s->k_first ? 1 : 0].offset = s->offset;
	o->network = s->network == NULL ? "embedding(4) > dense(12, tanh)" : s->network[0] == '\0' ? NULL : s->network;
	o->effort = o->network == NULL ? DL_EFFORT_FAST : DL_UNSET;
	o->epochs = s->epochs > 0 ? s->epochs : 4;
	o->members = s->members > 0 ? s->members : DL_UNSET;
	o->threads = s->threads > 0 ? s->threads : 1;
	o->learning_rate = s->rate > 0 ? s->rate : o->network == NULL ? NAN : 0.02;
	o->seed = s->seed > 0 ? s->seed : 42;
	o->test = s->test > 0 ? s->test : 0.15;
	if (s->task == DL_TASK_MULTICLASS)
		fit_labels(t, labels, 3, map);
	if (start != NULL)
	{
		o->warm_start = 1;
		t->request.start = start->result.bytes;
		t->request.start_length = (int64_t) start->result.length;
		t->request.start_version = 7;
	}
	fit_rows_begin(t, 0);
	for (int i = s->first; i < s->first + (s->rows > 0 ? s->rows : ROWS); i++)
		add_row(t, s, i, levels);
}

/* Results for x and k as the model has its columns. */
static void
predict(const DlModel *model, double x, char k, double *results)
{
	uint32_t	features[4] = {0};
	DlArena    *arena;
	DlScorer   *scorer;

	dl_arena_create(0, &arena, NULL);
	for (int32_t c = 0; c < model->column_count; c++)
	{
		const DlColumn *column = &model->columns[c];
		float		number = (float) (x - column->offset);
		int32_t		code;

		if (column->kind == DL_COLUMN_NUMBER)
			memcpy(&features[column->first_word], &number, sizeof(number));
		else
		{
			code = dl_vocabulary_find(column->vocabulary, &k, 1);
			memcpy(&features[column->first_word], &code, sizeof(code));
		}
	}
	dl_scorer_create(arena, model, 1, &scorer, NULL);
	dl_scorer_run(scorer, 1, features, 4, results, NULL);
	dl_arena_destroy(arena);
}

/* The greatest difference of two models over a grid; of classes, of their order by probability and where they are alike. */
static double
difference(const DlModel *a, const DlModel *b, const char *levels)
{
	double		most = 0;

	for (int x = 0; x <= 60; x += 3)
		for (const char *k = levels; *k != '\0'; k++)
		{
			double		ra[3] = {0};
			double		rb[3] = {0};

			predict(a, x, *k, ra);
			predict(b, x, *k, rb);
			for (int i = 0; i < dl_model_result_width(a); i++)
				most = fmax(most, fabs(ra[i] - rb[i]));
		}
	return most;
}

static const char *
weights_line(const DlModel *model, char *line, size_t size)
{
	const char *at = strstr(model->record.choices, "weights: ");

	snprintf(line, size, "%.*s", at == NULL ? 0 : (int) strcspn(at, "\n"), at == NULL ? "" : at);
	return line;
}

/* Temperature is fitted anew to the same outputs, which moves it by rounding alone. */
static void
test_same(const Shape *first, const Shape *second, double tolerance)
{
	FitTable	a;
	FitTable	b;
	FitTable	fresh;
	DlModel    *before;
	DlModel    *after;
	DlModel    *other;
	const char *grid = second->levels == NULL || strlen(second->levels) > strlen(LETTERS) ? LETTERS : second->levels;
	char		line[200];

	begin(&a, first, NULL);
	ok(fit_run(&a, NULL) == DL_OK, "%s: the start", second->name);
	before = fit_decode(&a);
	begin(&b, second, &a);
	ok(fit_run(&b, NULL) == DL_OK, "%s: begins with its weights", second->name);
	after = fit_decode(&b);
	begin(&fresh, second, NULL);
	ok(fit_run(&fresh, NULL) == DL_OK, "%s: begins afresh", second->name);
	other = fit_decode(&fresh);
	printf("# %s; %g, and afresh %g\n", weights_line(after, line, sizeof(line)), difference(before, after, grid),
		   difference(before, other, grid));
	ok(strstr(line, "with those of version 7") != NULL, "%s: the record says so: %s", second->name, line);
	ok(difference(before, after, grid) < tolerance, "%s: the same predictions", second->name);
	ok(difference(before, other, grid) > 10 * tolerance, "%s: which it would not have by itself", second->name);
	ok(b.notice_calls == fresh.notice_calls, "%s: and no notice", second->name);
	dl_model_destroy(before);
	dl_model_destroy(after);
	dl_model_destroy(other);
	fit_free(&a);
	fit_free(&b);
	fit_free(&fresh);
}

/* The model is the one that would come without a start, but for what the record says. */
static void
test_afresh(const Shape *first, const Shape *second, const char *why)
{
	FitTable	a;
	FitTable	b;
	FitTable	fresh;
	DlModel    *after;
	DlModel    *other;
	char		line[500];

	begin(&a, first, NULL);
	(void) fit_run(&a, NULL);
	begin(&b, second, &a);
	ok(fit_run(&b, NULL) == DL_OK, "%s: trains", second->name);
	begin(&fresh, second, NULL);
	(void) fit_run(&fresh, NULL);
	after = fit_decode(&b);
	other = fit_decode(&fresh);
	ok(after != NULL && strstr(weights_line(after, line, sizeof(line)), why) != NULL, "%s: %s", second->name, line);
	ok(strstr(b.notices, "training begins afresh, not with the weights of version 7") != NULL, "%s: there is a notice", second->name);
	ok(difference(after, other, LETTERS) == 0, "%s: as without a start", second->name);
	dl_model_destroy(after);
	dl_model_destroy(other);
	fit_free(&a);
	fit_free(&b);
	fit_free(&fresh);
}

/* What is held out now the start has not been trained on: parts of rows stay where they were as rows come and go. */
static void
test_held_out(void)
{
	static const Shape shape = {.name = "held out"};
	FitTable	a;
	FitTable	b;
	DlSplit		before;
	DlSplit		after;
	DlSplitSettings settings = {.validation = 0.15, .test = 0.15, .seed = 42};
	int			kept = 0;
	bool		same = true;
	int8_t		parts[2][2 * ROWS] = {{0}};
	Shape		later = shape;

	later.first = 300;
	begin(&a, &shape, NULL);
	begin(&b, &later, NULL);
	dl_dataset_finish(a.dataset, NULL);
	dl_dataset_finish(b.dataset, NULL);
	ok(dl_split_make(a.arena, a.dataset, &settings, &before, NULL) == DL_OK &&
	   dl_split_make(b.arena, b.dataset, &settings, &after, NULL) == DL_OK, "both are split");
	for (int part = 0; part < 3; part++)
	{
		for (int64_t i = 0; i < before.count[part]; i++)
			parts[0][before.rows[part][i]] = (int8_t) (part + 1);
		for (int64_t i = 0; i < after.count[part]; i++)
			parts[1][after.rows[part][i] + 300] = (int8_t) (part + 1);
	}
	for (int i = 300; i < ROWS; i++, kept++)
		same = same && parts[0][i] == parts[1][i];
	ok(same && kept == ROWS - 300, "a row stays in its part while others come and go");
	fit_free(&a);
	fit_free(&b);
}

/* Learning goes on: one epoch from the start is better than one epoch from nothing. */
static void
test_learns(void)
{
	static const Shape first = {.name = "first", .epochs = 12};
	static const Shape second = {.name = "second", .epochs = 1, .first = 200};
	FitTable	a;
	FitTable	warm[2];
	FitTable	fresh;
	DlModel    *models[2];

	begin(&a, &first, NULL);
	(void) fit_run(&a, NULL);
	for (int i = 0; i < 2; i++)
	{
		begin(&warm[i], &second, &a);
		warm[i].request.incumbent = i == 0 ? NULL : warm[i].request.start;
		warm[i].request.incumbent_length = i == 0 ? 0 : warm[i].request.start_length;
		(void) fit_run(&warm[i], NULL);
	}
	begin(&fresh, &second, NULL);
	(void) fit_run(&fresh, NULL);
	models[0] = fit_decode(&warm[0]);
	models[1] = fit_decode(&fresh);
	printf("# rmse %g, afresh %g\n", fit_metric(models[0], "rmse"), fit_metric(models[1], "rmse"));
	ok(fit_metric(models[0], "rmse") < fit_metric(models[1], "rmse") / 2, "what was learnt is not learnt again");
	ok(warm[0].result.length == warm[1].result.length && memcmp(warm[0].result.bytes, warm[1].result.bytes, warm[0].result.length) == 0,
	   "the same start, rows and seed give the same bytes");
	ok(warm[1].result.comparison != DL_COMPARED_NOT, "and it is compared with the start");
	dl_model_destroy(models[0]);
	dl_model_destroy(models[1]);
	fit_free(&a);
	fit_free(&warm[0]);
	fit_free(&warm[1]);
	fit_free(&fresh);
}

/* A rate that was found for the start is taken over, without a test. */
static void
test_found_rate(void)
{
	static const Shape shape = {.name = "found", .epochs = 2};
	FitTable	a;
	FitTable	b;
	DlModel    *before;
	DlModel    *after;

	begin(&a, &shape, NULL);
	a.request.options.learning_rate = 0;
	(void) fit_run(&a, NULL);
	begin(&b, &shape, &a);
	b.request.options.learning_rate = 0;
	(void) fit_run(&b, NULL);
	before = fit_decode(&a);
	after = fit_decode(&b);
	ok(before->record.settings.learning_rate > 0 && before->record.settings.learning_rate == after->record.settings.learning_rate,
	   "the rate found was %g and is %g", before->record.settings.learning_rate, after->record.settings.learning_rate);
	dl_model_destroy(before);
	dl_model_destroy(after);
	fit_free(&a);
	fit_free(&b);
}

/* --- stopped, and gone on with ---------------------------------------------- */

static DlFitCheckpoint kept;
static int	given;

static void
keep(void *context, int trial, void *bytes, size_t length)
{
	FitTable   *t = context;

	if (given++ < 2)
	{
		free((void *) (uintptr_t) kept.bytes);
		kept = (DlFitCheckpoint) {trial, bytes, length};
	}
	else
		free(bytes);
	if (given == 2)
		atomic_store(&t->cancel, 1);
}

static void
test_checkpoint(void)
{
	static const Shape shape = {.name = "checkpoint", .epochs = 5};
	FitTable	a;
	FitTable	undisturbed;
	FitTable	stopped;
	FitTable	on;

	begin(&a, &shape, NULL);
	(void) fit_run(&a, NULL);
	begin(&undisturbed, &shape, &a);
	(void) fit_run(&undisturbed, NULL);
	begin(&stopped, &shape, &a);
	stopped.host.checkpoint = keep;
	ok(fit_run(&stopped, NULL) == DL_ERROR_CANCELLED, "stopped after two epochs");
	begin(&on, &shape, &a);
	on.host.checkpoint = keep;
	on.host.checkpoint_count = 1;
	on.host.checkpoints = &kept;
	given = 3;
	ok(fit_run(&on, NULL) == DL_OK && on.progress_calls == 3, "goes on for three");
	ok(on.result.length == undisturbed.result.length && memcmp(on.result.bytes, undisturbed.result.bytes, on.result.length) == 0,
	   "to the same bytes");
	free((void *) (uintptr_t) kept.bytes);
	fit_free(&a);
	fit_free(&undisturbed);
	fit_free(&stopped);
	fit_free(&on);
}

int
main(void)
{
	static const Shape first = {.name = "first"};
	static const Shape classes = {.name = "first", .task = DL_TASK_MULTICLASS};
	static const Shape tables = {.name = "first", .network = "", .epochs = 2};
	static const Shape table_classes = {.name = "first", .network = "", .epochs = 2, .task = DL_TASK_MULTICLASS};
	static const Shape three = {.name = "first", .members = 3};
	static const Shape near = {.name = "first", .network = "embedding(4) > neighbours(8)", .epochs = 1};
	static const Shape same[] = {
		{.name = "the same rows", .rate = TINY},
		{.name = "other codes, other offsets, other places", .rate = TINY, .levels = "lkjihgfedcba", .offset = 17, .k_first = true},
		{.name = "new values", .rate = TINY, .levels = "zyabcdefghijklxw"},
		{.name = "some values are lost", .rate = TINY, .first = 100},
		{.name = "few values", .rate = TINY, .levels = "dab"},
		{.name = "a few NULLs", .rate = TINY, .missing = 50},
	};
	static const Shape afresh[] = {
		{.name = "another column", .another = true},
		{.name = "another seed", .seed = 43},
		{.name = "another share", .test = 0.2},
		{.name = "another network", .network = "dense(8, tanh)"},
		{.name = "another task", .task = DL_TASK_MULTICLASS},
		{.name = "few rows", .rows = 900},
		{.name = "other numbers", .x_moved = 900},
		{.name = "other targets", .y_moved = 900},
		{.name = "many NULLs", .missing = 10},
		{.name = "one value", .levels = "a"},
	};
	static const char *const why[] = {
		"column \"z\"", "split in another way", "split in another way", "no network like those", "its task is another",
		"less than 1000 rows", "values of column \"x\"", "a target far from those", "values of column \"x\"", "has fewer values now"
	};
	Shape		s;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		test_same(&first, &same[i], 2e-4);
	s = (Shape) {.name = "classes", .task = DL_TASK_MULTICLASS, .rate = TINY, .levels = "lkjihgfedcba"};
	test_same(&classes, &s, 3e-2);
	s = (Shape) {.name = "the default for tables", .network = "", .rate = TINY, .epochs = 1};
	test_same(&tables, &s, 1e-2);
	s = (Shape) {.name = "the default for tables, classes", .task = DL_TASK_MULTICLASS, .network = "", .rate = TINY, .epochs = 1};
	test_same(&table_classes, &s, 1e-2);
	s = (Shape) {.name = "three members, two threads", .rate = TINY, .members = 3, .threads = 2};
	test_same(&three, &s, 2e-4);
	s = (Shape) {.name = "neighbours", .rate = TINY, .network = "embedding(4) > neighbours(8)", .epochs = 1};
	test_same(&near, &s, 2e-3);
	for (size_t i = 0; i < sizeof(afresh) / sizeof(afresh[0]); i++)
		test_afresh(&first, &afresh[i], why[i]);
	test_held_out();
	test_learns();
	test_found_rate();
	test_checkpoint();
	return done_testing();
}
