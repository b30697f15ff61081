/*
 * test_fit_tables.c
 *    What the default does with a table: several different networks weighed by
 *    validation rows, logarithms of skewed targets, calibrated probabilities,
 *    thresholds, prediction intervals, and a limit of time.
 */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "core/random.h"
#include "fit_rows.h"
#include "model/fit_internal.h"

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

/* y of two numbers and noise; what of it depends on the test. */
typedef enum Target
{
	WAVE,						/* sin(3 a) + b, noise that grows with b */
	SKEWED,						/* exp of the same */
	FAR,						/* the same, and wild values in some validation rows */
	COIN,						/* class 1 with probability sigmoid(2 a - 2) */
	SIDED,						/* the same, but in the validation part class 0 only */
	TWICE						/* a coin for each row, and each row four times, in different parts */
} Target;

static float row_weight = 1;

/* A number of the index, uniform. */
static double
chance(int index, uint64_t stream)
{
	return (double) (dl_hash_mix(stream, (uint64_t) index) >> 11) * 0x1.0p-53;
}

static void
begin(FitTable *t, Target target, int rows)
{
	static const char *const labels[] = {"no", "yes"};
	static const int32_t map[] = {0, 1};
	DlRandom	random;

	fit_begin(t, target >= COIN ? DL_TASK_BINARY : DL_TASK_REGRESSION, 1);
	fit_column(t, "a", DL_COLUMN_NUMBER, NULL);
	fit_column(t, "b", DL_COLUMN_NUMBER, NULL);
	t->request.options.network = NULL;
	t->request.options.threads = 2;
	t->request.options.epochs = 10;
	if (target >= COIN)
		fit_labels(t, labels, 2, map);
	fit_rows_begin(t, 0);
	dl_random_seed(&random, 7, 0);
	for (int i = 0; i < rows; i++)
	{
		double		fresh = dl_random_normal(&random);
		double		a = target == TWICE ? chance(i / 4, 1) : fresh;
		double		b = target == TWICE ? chance(i / 4, 2) : dl_random_uniform(&random);
		double		y = sin(3 * a) + b + 0.3 * b * dl_random_normal(&random);

		fit_number(t, 0, a);
		fit_number(t, 1, b);
		if (target == TWICE)
			fit_code(t, chance(i / 4, 3) > 0.5);
		else if (target >= COIN)
			fit_code(t, dl_random_uniform(&random) < 1 / (1 + exp(2 - 2 * a)) && (target == COIN || i % 4 != 0));
		else
		{
			y = target == WAVE ? y : exp(2 * y);
			fit_target(t, 0, target == FAR && i % 40 == 0 ? (i == 40 ? 1e30 : -1) : y);
		}
		fit_row(t, dl_hash_mix(3, (uint64_t) i), row_weight, i % 4 == 0 ? DL_PART_VALIDATION : i % 4 == 1 ? DL_PART_TEST : DL_PART_TRAIN);
	}
	t->request.split_by_column = true;
}

static void
test_trials(void)
{
	FitTable	t;
	DlModel    *model;
	double		sum = 0;
	double		best = INFINITY;
	int			kept = 0;

	begin(&t, WAVE, 800);
	ok(fit_run(&t, NULL) == DL_OK, "a table trains without a network given");
	model = fit_decode(&t);
	ok(model != NULL && model->record.trial_count == 9 && model->network_count >= 8, "nine different networks");
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
	{
		const DlTrialRecord *trial = &model->record.trials[i];

		sum += trial->weight;
		kept += trial->weight > 0;
		best = fmin(best, trial->measure);
		ok(trial->epochs == 10 && trial->best_epoch >= 1 && trial->measure > 0 && trial->network[0] != '\0',
		   "trial %d: %s, %g", i + 1, trial->state, trial->measure);
	}
	is_close(sum, 1, 1e-9, "the weights sum to 1");
	ok(model != NULL && kept == model->member_count, "members are the trials with a weight: %d", kept);
	ok(fit_metric(model, "r2") > 0.85, "r2 %g", fit_metric(model, "r2"));
	ok(model != NULL && strstr(model->record.choices, "trials: 9 networks") != NULL, "the record says so");
	dl_model_destroy(model);
	fit_free(&t);
}

static void
test_effort(void)
{
	FitTable	t;
	DlModel    *model;

	begin(&t, WAVE, 800);
	t.request.options.effort = DL_EFFORT_FAST;
	t.request.options.epochs = DL_UNSET;
	ok(fit_run(&t, NULL) == DL_OK, "effort fast");
	model = fit_decode(&t);
	ok(model != NULL && model->member_count == 1 && model->record.epoch_count == 64, "is one network of half the epochs");
	dl_model_destroy(model);
	fit_free(&t);
}

/* Small tables without validation rows of their own: every row judges the networks that did not learn it. */
static void
test_folds(void)
{
	FitTable	t;
	DlModel    *model;
	int			of_fold[6] = {0};
	double		sum = 0;

	begin(&t, WAVE, 600);
	t.request.split_by_column = false;
	t.request.options.prediction_interval = 0.9;
	ok(fit_run(&t, NULL) == DL_OK, "a small table trains");
	model = fit_decode(&t);
	ok(model != NULL && model->record.trial_count == 45, "each of nine variants five times");
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
	{
		of_fold[model->record.trials[i].fold]++;
		sum += model->record.trials[i].weight;
		ok(model->record.trials[i].weight == model->record.trials[i / 5 * 5].weight, "trial %d has its variant's weight", i + 1);
	}
	for (int f = 1; f <= 5; f++)
		ok(of_fold[f] == 9, "fold %d is left out by each variant", f);
	is_close(sum, 1, 1e-9, "the weights sum to 1");
	ok(model != NULL && model->member_count % 5 == 0 && model->member_count <= 25, "%d members", model != NULL ? model->member_count : 0);
	ok(model != NULL && model->record.part_rows[DL_PART_VALIDATION] == 0 && model->record.part_rows[DL_PART_TRAIN] > 480,
	   "the validation rows train, too");
	ok(model != NULL && model->interval_count > 0, "and all of them make the interval");
	ok(fit_metric(model, "r2") > 0.85, "r2 %g", fit_metric(model, "r2"));
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, WAVE, 400);
	t.request.split_by_column = false;
	t.request.options.max_seconds = 0.02;
	ok(fit_run(&t, NULL) == DL_OK, "with no time for folds");
	model = fit_decode(&t);
	ok(model != NULL && model->record.trials[0].fold == 0 && model->record.part_rows[DL_PART_VALIDATION] > 0, "the validation part judges");
	dl_model_destroy(model);
	fit_free(&t);

	/* time is up before the trials begin, as where reading took it */
	begin(&t, WAVE, 400);
	t.request.split_by_column = false;
	t.request.options.max_seconds = 100;
	t.request.options.seconds_before = 99.99;
	ok(fit_run(&t, NULL) == DL_OK, "with no time left for all folds");
	model = fit_decode(&t);
	ok(model != NULL && model->member_count >= 1 && model->member_count < 5, "what there is becomes the members");
	dl_model_destroy(model);
	fit_free(&t);
	begin(&t, WAVE, 400);
	t.request.split_by_column = false;
	t.request.options.max_seconds = 100;
	t.request.options.seconds_before = 99.99;
	t.request.options.prediction_interval = 0.9;
	ok(fit_run(&t, NULL) == DL_ERROR_DATA, "but has no interval");
	fit_free(&t);
}

static int
count_neighbours(const DlModel *model, double *weight, double *best)
{
	int			count = 0;

	*weight = 0;
	*best = INFINITY;
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
	{
		const DlTrialRecord *trial = &model->record.trials[i];

		if (strstr(trial->network, "neighbours") != NULL)
		{
			count++;
			*weight += trial->weight;
		}
		else
			*best = fmin(*best, trial->measure);
	}
	return count;
}

/* Where rows repeat, what is known of them by heart: no curve through 600 coins is as good. */
static void
test_repeats(void)
{
	FitTable	t;
	DlModel    *model;
	double		weight;
	double		best;
	int64_t		kept = 0;

	begin(&t, TWICE, 2400);
	t.request.options.members = 4;
	ok(fit_run(&t, NULL) == DL_OK, "rows that repeat");
	model = fit_decode(&t);
	ok(count_neighbours(model, &weight, &best) == 1, "one of the networks has neighbours");
	ok(weight > 0.2, "a network of neighbours counts: %g", weight);
	for (int i = 0; model != NULL && i < model->network_count; i++)
		kept += dl_model_kept_rows(&model->networks[i]);
	ok(model != NULL && kept == model->record.part_rows[DL_PART_TRAIN], "the model keeps %d rows", (int) kept);
	ok(model != NULL && strstr(model->record.choices, "nearest training rows") != NULL, "and says so");
	ok(fit_metric(model, "log_loss") < best, "log loss %g, of the best other network %g", fit_metric(model, "log_loss"), best);
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, COIN, 400);
	ok(fit_run(&t, NULL) == DL_OK, "rows that do not repeat");
	model = fit_decode(&t);
	ok(count_neighbours(model, &weight, &best) == 0, "are classified without neighbours");
	dl_model_destroy(model);
	fit_free(&t);
}

/* A column of parts that has no validation rows. */
static void
test_hold_out(void)
{
	FitTable	t;
	DlModel    *model;

	begin(&t, WAVE, 6400);
	t.request.options.members = 2;
	t.request.options.epochs = 3;
	t.request.options.validation = 0.2;
	for (int64_t i = 0; i < 6400; i++)
		((uint32_t *) (uintptr_t) dl_dataset_record(t.dataset, (uint32_t) i))[DL_RECORD_PART] = i % 4 == 1 ? DL_PART_TEST : DL_PART_TRAIN;
	ok(fit_run(&t, NULL) == DL_OK, "a column without validation rows");
	model = fit_decode(&t);
	ok(model != NULL && model->record.part_rows[DL_PART_TEST] == 1600 && model->record.part_rows[DL_PART_VALIDATION] > 800 &&
	   model->record.part_rows[DL_PART_VALIDATION] < 1120, "some of the training rows are held out: %lld",
	   (long long) (model != NULL ? model->record.part_rows[DL_PART_VALIDATION] : -1));
	dl_model_destroy(model);
	fit_free(&t);
}

static void
test_logarithm(void)
{
	FitTable	t;
	DlModel    *model;
	int			logs = 0;

	begin(&t, SKEWED, 800);
	ok(fit_run(&t, NULL) == DL_OK, "a skewed target trains");
	model = fit_decode(&t);
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
		logs += model->record.trials[i].log_target;
	ok(logs == 2, "some of its networks learn logarithms: %d", logs);
	ok(fit_metric(model, "r2") > 0.4, "r2 %g", fit_metric(model, "r2"));
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, FAR, 800);
	ok(fit_run(&t, NULL) == DL_OK, "a skewed target trains, too, where validation rows are far from the training rows");
	model = fit_decode(&t);
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
		ok(strcmp(model->record.trials[i].state, "diverged") != 0, "network %d did", i + 1);
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, WAVE, 800);
	ok(fit_run(&t, NULL) == DL_OK, "a target that is not skewed trains");
	model = fit_decode(&t);
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
		ok(!model->record.trials[i].log_target, "as it is");
	dl_model_destroy(model);
	fit_free(&t);
}

/* Scores the rows of a part; visit gets target and result. */
static void
score_part(const FitTable *t, const DlModel *model, int part, void (*visit) (void *context, const DlModel *model, double target, double result),
		   void *context)
{
	DlArena    *arena;
	DlScorer   *scorer;
	DlError		error;

	if (dl_arena_create(0, &arena, &error) != DL_OK || dl_scorer_create(arena, model, 1, &scorer, &error) != DL_OK)
		return;
	for (int64_t i = part; i < dl_dataset_rows(t->dataset); i += 4)
	{
		const uint32_t *record = dl_dataset_record(t->dataset, (uint32_t) i);
		double		result;
		float		target;

		memcpy(&target, record + DL_RECORD_TARGET, sizeof(target));
		if (model->task == DL_TASK_BINARY)
			target = (float) record[DL_RECORD_TARGET];
		if (dl_scorer_run(scorer, 1, record + t->layout.feature_word, t->layout.feature_words, &result, &error) == DL_OK)
			visit(context, model, target, result);
	}
	dl_arena_destroy(arena);
}

typedef struct Coverage
{
	int			rows;
	int			inside;
	double		narrowest;
	double		widest;
} Coverage;

static void
cover(void *context, const DlModel *model, double target, double result)
{
	Coverage   *c = context;
	double		low = 0;
	double		high = 0;

	if (!dl_model_interval(model, result, &low, &high))
		return;
	c->rows++;
	c->inside += target >= low && target <= high;
	c->narrowest = fmin(c->narrowest, high - low);
	c->widest = fmax(c->widest, high - low);
}

static void
test_interval(void)
{
	FitTable	t;
	DlModel    *model;
	Coverage	c = {.narrowest = INFINITY};
	double		low;
	double		high;

	begin(&t, WAVE, 4000);
	t.request.options.prediction_interval = 0.9;
	t.request.options.members = 2;
	ok(fit_run(&t, NULL) == DL_OK, "a prediction interval");
	model = fit_decode(&t);
	ok(model != NULL && model->interval_level == 0.9 && model->interval_count == 5, "has its knots");
	if (model != NULL)
		score_part(&t, model, 1, cover, &c);
	ok(c.rows == 1000 && c.inside > 0.87 * c.rows && c.inside < 0.93 * c.rows, "holds %d of %d test rows", c.inside, c.rows);
	ok(c.widest > 1.2 * c.narrowest, "and is wider where the target is less certain: %g, %g", c.narrowest, c.widest);
	if (model != NULL)
	{
		ok(dl_model_interval(model, -1e9, &low, &high) && high - low < 10, "far below all knots");
		ok(dl_model_interval(model, NAN, &low, &high), "of what is no number");
	}
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, WAVE, 60);
	t.request.options.prediction_interval = 0.95;
	ok(fit_run(&t, NULL) == DL_ERROR_DATA && strstr(t.error.hint, "39") != NULL, "too few rows: %s", t.error.message);
	ok(t.progress_calls == 0, "which shows before training");
	fit_free(&t);
	begin(&t, WAVE, 76);
	t.request.options.prediction_interval = 0.9;
	ok(fit_run(&t, NULL) == DL_OK, "19 rows are enough for an interval of 0.9");
	fit_free(&t);
}

typedef struct Reliability
{
	double		predicted[10];
	double		true_share[10];
	int			count[10];
	int			rows;
	int			positive;
} Reliability;

static void
rely(void *context, const DlModel *model, double target, double result)
{
	Reliability *r = context;
	int			bin = result >= 1 ? 9 : (int) (result * 10);

	r->predicted[bin] += result;
	r->true_share[bin] += target;
	r->count[bin]++;
	r->rows++;
	r->positive += result > model->threshold;
}

static void
test_probabilities(void)
{
	FitTable	t;
	DlModel    *model;
	Reliability r = {0};
	Reliability f1 = {0};
	double		error = 0;

	begin(&t, COIN, 4000);
	t.request.options.members = 2;
	ok(fit_run(&t, NULL) == DL_OK, "probabilities");
	model = fit_decode(&t);
	ok(model != NULL && model->temperature > 0.2 && model->temperature < 5 && model->temperature != 1, "have a temperature: %g",
	   model != NULL ? model->temperature : NAN);
	if (model != NULL)
		score_part(&t, model, 1, rely, &r);
	for (int i = 0; i < 10; i++)
		error += fabs(r.predicted[i] - r.true_share[i]) / r.rows;
	ok(r.rows == 1000 && error < 0.04, "expected calibration error %g", error);
	ok(model != NULL && model->threshold == 0.5, "the threshold is 0.5");
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, COIN, 4000);
	t.request.options.members = 2;
	t.request.options.optimize = DL_OPTIMIZE_F1;
	ok(fit_run(&t, NULL) == DL_OK, "a threshold for f1");
	model = fit_decode(&t);
	ok(model != NULL && model->threshold > 0.2 && model->threshold < 0.45, "lies lower, where the class is rare: %g",
	   model != NULL ? model->threshold : NAN);
	if (model != NULL)
		score_part(&t, model, 1, rely, &f1);
	ok(f1.positive > r.positive, "finds more of it");
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, WAVE, 100);
	t.request.options.optimize = DL_OPTIMIZE_F1;
	ok(fit_run(&t, NULL) == DL_ERROR_INVALID, "a value has no threshold: %s", t.error.message);
	fit_free(&t);
	begin(&t, COIN, 100);
	t.request.options.prediction_interval = 0.9;
	ok(fit_run(&t, NULL) == DL_ERROR_INVALID, "a class has no interval: %s", t.error.message);
	fit_free(&t);
}

/* Rows of one class say nothing of probabilities. */
static void
test_one_class(void)
{
	FitTable	t;
	DlModel    *model;

	begin(&t, SIDED, 400);
	ok(fit_run(&t, NULL) == DL_OK, "validation rows of one class");
	model = fit_decode(&t);
	ok(model != NULL && model->temperature == 1, "leave the temperature alone");
	dl_model_destroy(model);
	fit_free(&t);
	begin(&t, SIDED, 400);
	t.request.options.optimize = DL_OPTIMIZE_BALANCED_ACCURACY;
	ok(fit_run(&t, NULL) == DL_ERROR_DATA && t.progress_calls == 0, "and give no threshold: %s", t.error.message);
	fit_free(&t);
}

/* The unit that weights are in changes nothing. */
static void
test_weights(void)
{
	double		temperature[2] = {0};

	for (int i = 0; i < 2; i++)
	{
		FitTable	t;
		DlModel    *model;

		row_weight = i == 0 ? 1 : 0x1p-20f;
		begin(&t, COIN, 400);
		t.request.options.members = 1;
		ok(fit_run(&t, NULL) == DL_OK, "weights of %g", (double) row_weight);
		model = fit_decode(&t);
		temperature[i] = model != NULL ? model->temperature : NAN;
		dl_model_destroy(model);
		fit_free(&t);
	}
	row_weight = 1;
	is_close(temperature[1], temperature[0], 1e-3, "the same temperature");
}

/* After the last epoch, while the kept rows are looked at. */
static void
test_cancel(void)
{
	enum {CLASSES = 250};
	static char texts[CLASSES][12];
	static const char *labels[CLASSES];
	static int32_t map[CLASSES];
	FitTable	t;
	double		started;
	double		took;

	for (int k = 0; k < CLASSES; k++)
	{
		snprintf(texts[k], sizeof(texts[k]), "%d", k);
		labels[k] = texts[k];
		map[k] = k;
	}
	fit_begin(&t, DL_TASK_MULTICLASS, 1);
	fit_column(&t, "a", DL_COLUMN_NUMBER, NULL);
	fit_labels(&t, labels, CLASSES, map);
	fit_rows_begin(&t, 0);
	for (int i = 0; i < 10000; i++)
	{
		fit_number(&t, 0, i % 97);
		fit_code(&t, i % CLASSES);
		fit_row(&t, dl_hash_mix(3, (uint64_t) i), 1, i % 20 != 0 ? DL_PART_VALIDATION : DL_PART_TRAIN);
	}
	t.request.split_by_column = true;
	t.request.options.network = "dense(2)";
	t.request.options.epochs = 1;
	t.cancel_after = 1;
	started = seconds();
	ok(fit_run(&t, NULL) == DL_ERROR_CANCELLED, "cancelled after the last epoch");
	took = seconds() - started;
	ok(took < 1, "at once: %.2f s", took);
	fit_free(&t);
}

/* The measure of an epoch, which the trainer asks for. */
static void
test_cancel_measure(void)
{
	static const DlTask tasks[] = {DL_TASK_REGRESSION, DL_TASK_BINARY, DL_TASK_MULTICLASS, DL_TASK_MULTILABEL};

	for (int i = 0; i < 4; i++)
	{
		double		low[2] = {-9, -9};
		double		high[2] = {9, 9};
		double		center[2] = {0};
		double		scale[2] = {1, 1};
		double		targets[4] = {1, 0, 1, 0};
		int32_t		codes[2] = {1, 0};
		float		weights[2] = {1, 1};
		float		outputs[4] = {1, 2, 3, 4};
		int64_t		columns = tasks[i] == DL_TASK_BINARY ? 1 : 2;
		atomic_int	cancel = 0;
		DlModel		model = {.task = tasks[i], .outputs = (int32_t) columns, .target_low = low, .target_high = high};
		DlTrainSettings settings = {.loss = DL_TRAIN_MSE};
		DlTargetScaling scaling = {.center = center, .scale = scale};
		DlFitSelection selection = {
			.model = &model, .settings = &settings, .row_count = 2, .targets = targets, .codes = codes, .weights = weights,
			.cancel = &cancel
		};
		DlFitMeasure measure = {&selection, &scaling};

		ok(isfinite(dl_fit_selection_measure(&measure, outputs, 2, columns)), "task %d is measured", i);
		cancel = 1;
		ok(isnan(dl_fit_selection_measure(&measure, outputs, 2, columns)), "unless it is cancelled");
	}
}

static void
test_time(void)
{
	FitTable	t;
	DlModel    *model;
	double		started;
	double		took;
	int			run = 0;

	begin(&t, WAVE, 800);
	t.request.options.epochs = 100000;
	t.request.options.max_seconds = 1.5;
	started = seconds();
	ok(fit_run(&t, NULL) == DL_OK, "a limit of time");
	took = seconds() - started;
	model = fit_decode(&t);
	ok(took > 1 && took < 3, "is kept: %.2f s", took);
	for (int i = 0; model != NULL && i < model->record.trial_count; i++)
		run += strcmp(model->record.trials[i].state, "no time") != 0;
	ok(run == 2, "as many networks as threads run: %d", run);
	ok(model != NULL && model->network_count == 2, "and the model has no others");
	ok(model != NULL && model->record.epochs[model->record.epoch_count - 1].learning_rate < 0.05,
	   "and the learning rate falls to its end: %g", model != NULL ? model->record.epochs[model->record.epoch_count - 1].learning_rate : NAN);
	/* how far it comes depends on the machine's load */
	ok(fit_metric(model, "r2") > 0.5, "r2 %g", fit_metric(model, "r2"));
	dl_model_destroy(model);
	fit_free(&t);

	begin(&t, WAVE, 400);
	t.request.options.max_seconds = 1000;
	ok(fit_run(&t, NULL) == DL_OK, "a limit that is not reached");
	model = fit_decode(&t);
	ok(model != NULL && model->record.epoch_count == 10 && strcmp(model->record.trials[7].state, "no time") != 0, "changes nothing");
	dl_model_destroy(model);
	fit_free(&t);
}

int
main(void)
{
	test_trials();
	test_effort();
	test_folds();
	test_repeats();
	test_hold_out();
	test_logarithm();
	test_interval();
	test_probabilities();
	test_one_class();
	test_weights();
	test_cancel();
	test_cancel_measure();
	test_time();
	return done_testing();
}
