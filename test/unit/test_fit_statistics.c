/*
 * test_fit_statistics.c
 *    What a model remembers of the rows it was trained on: counts of the training part, on disk as in
 *    memory, with edges by a sample or by quantiles, and without a trace of the other parts.
 */
#include "tap.h"

#include <stdlib.h>

#include "core/random.h"
#include "fit_rows.h"
#include "model/statistics.h"

#define ROWS 1200

typedef struct Shape
{
	DlTask		task;
	DlScaling	scaling;
	size_t		memory;			/* for rows; 0: all in memory */
	int			min_count;
} Shape;

/* x ascends to 800 in the training part, every tenth missing, and is 5,000 elsewhere; k: a, b, or one of four rare ones. */
static void
begin(FitTable *t, Shape s)
{
	static const char *const labels[] = {"p", "q", "r"};
	static const int32_t map[] = {0, 1, 2};
	int			train = 0;

	fit_begin(t, s.task, 1);
	fit_column(t, "x", DL_COLUMN_NUMBER, NULL);
	fit_column(t, "k", DL_COLUMN_CATEGORY, "abcdefg");
	t->columns[0].offset = 1000;
	t->request.target_offset = s.task == DL_TASK_REGRESSION ? 50 : 0;
	t->request.options.scaling = s.scaling;
	t->request.options.min_count = s.min_count;
	t->request.options.epochs = 2;
	if (s.task == DL_TASK_MULTICLASS)
		fit_labels(t, labels, 3, map);
	fit_rows_begin(t, s.memory);
	for (int i = 0; i < ROWS; i++)
	{
		DlPart		part = i % 6 == 0 ? DL_PART_VALIDATION : i % 6 == 1 ? DL_PART_TEST : DL_PART_TRAIN;
		int			at = part == DL_PART_TRAIN ? train++ : 0;

		fit_number(t, 0, part != DL_PART_TRAIN ? 5000 : at % 10 == 9 ? NAN : 1 + at);
		fit_category(t, 1, part != DL_PART_TRAIN ? 6 : at % 200 == 0 ? 2 + at / 200 : at % 4 == 0 ? DL_CODE_MISSING : at % 2);
		if (s.task == DL_TASK_MULTICLASS)
			fit_code(t, i % 8 == 0 ? 2 : i % 2);
		else
			fit_target(t, 0, i % 20);
		fit_row(t, (uint64_t) i, 1, part);
	}
	t->request.split_by_column = true;
}

static DlModel *
train(FitTable *t, Shape s)
{
	begin(t, s);
	ok(fit_run(t, NULL) == DL_OK, "trained");
	return fit_decode(t);
}

static void
test_columns(Shape s, const char *what)
{
	FitTable	t;
	DlModel    *model = train(&t, s);
	const DlDistribution *x = &model->statistics.columns[0];
	const DlDistribution *k = &model->statistics.columns[1];

	ok(x->rows == 800 && x->missing == 80 && !x->codes, "%s: rows of the training part", what);
	ok((float) x->low == 1 - 1000 && (float) x->high == 799 - 1000 && x->offset == 1000, "%s: range without the offset", what);
	is_close(x->mean + x->offset, 400, 0.001, "mean");
	ok(x->count == 9, "%s: nine edges", what);
	for (int i = 0; i <= x->count; i++)
		ok(llabs(x->bins[i] - 72) <= 1, "%s: a tenth in bin %d: %d", what, i, (int) x->bins[i]);

	/* of 800, 4 are the first of their kind, 196 missing, 400 b, and 200 a */
	ok(k->codes && k->rows == 800 && k->missing == 196, "%s: a category", what);
	ok(k->count == 2 && k->levels[0] == 1 && k->frequencies[0] == 400 && k->levels[1] == 0 && k->frequencies[1] == 200,
	   "%s: the most frequent levels", what);
	ok(k->unseen == 4, "%s: levels met once, or dropped, are what to expect of new ones", what);
	dl_model_destroy(model);
	fit_free(&t);
}

static void
test_targets(void)
{
	FitTable	t;
	DlModel    *model = train(&t, (Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 1});
	const DlModelStatistics *s = &model->statistics;

	ok(s->target.rows == 800 && (float) s->target.low == -50 && (float) s->target.high == 19 - 50 && s->target.offset == 50,
	   "a target of numbers");
	ok(s->predictions.rows == 200 && s->predictions.offset == 50 && s->predictions.missing == 0,
	   "predictions of the test part");
	dl_model_destroy(model);
	fit_free(&t);

	model = train(&t, (Shape) {DL_TASK_MULTICLASS, DL_SCALING_STANDARD, 0, 1});
	ok(model->statistics.target.codes && model->statistics.target.count == 3 && model->statistics.target.unseen == 0,
	   "a target of classes");
	ok(model->statistics.predictions.codes && model->statistics.predictions.rows == 200, "the likeliest classes");
	dl_model_destroy(model);
	fit_free(&t);
}

/* Predictions of more rows than are sampled for edges. */
static void
test_predictions(void)
{
	FitTable	t;
	DlModel    *model = train(&t, (Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 1});
	DlDistribution d;
	int64_t		rows = 3 * DL_DISTRIBUTION_SAMPLE + 77;
	double	   *results = malloc((size_t) rows * sizeof(double));

	for (int64_t i = 0; i < rows; i++)
		results[i] = 100 + (double) (dl_hash_mix(1, (uint64_t) i) >> 40) / (1 << 24);
	ok(dl_statistics_of_predictions(model->arena, model, rows, results, 100, &d, NULL) == DL_OK, "many predictions");
	ok(d.rows == rows && d.count == 9, "all are counted");
	for (int i = 0; i <= d.count; i++)
		is_close((double) d.bins[i] / (double) rows, 0.1, 0.015, "about a tenth in a bin");
	is_close(d.mean, 0.5, 0.01, "their mean, without the offset");
	free(results);
	dl_model_destroy(model);
	fit_free(&t);
}

/* One at the edges, then in the count; the other batches of both are read. */
static void
test_cancel(void)
{
	FitTable	t;
	DlModel    *model = train(&t, (Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 1});

	dl_model_destroy(model);
	fit_free(&t);
	begin(&t, (Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 1});
	t.cancel_after = 2;
	t.request.options.epochs = 2;
	ok(fit_run(&t, NULL) == DL_ERROR_CANCELLED, "a cancel after the last epoch is heard");
	fit_free(&t);
}

int
main(void)
{
	test_columns((Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 1}, "by a sample");
	test_columns((Shape) {DL_TASK_REGRESSION, DL_SCALING_QUANTILE, 0, 1}, "by quantiles");
	test_columns((Shape) {DL_TASK_REGRESSION, DL_SCALING_ROBUST, 4096, 1}, "on disk");
	test_columns((Shape) {DL_TASK_REGRESSION, DL_SCALING_STANDARD, 0, 3}, "with a least count");
	test_targets();
	test_predictions();
	test_cancel();
	return done_testing();
}
