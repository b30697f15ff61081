/*
 * test_training.c
 *    That training learns: every loss, optimiser and schedule, weights,
 *    normalisation, dropout, and the range test.
 */
#include "tap.h"

#include "trainer_rows.h"

/* Trains, and says what the last epoch's training loss was; NaN on failure. */
static double
final_loss(Training *t)
{
	double		loss = NAN;

	if (training_run(t) == DL_OK)
		loss = dl_trainer_epoch(t->trainer)->training_loss;
	else
		printf("#   %s\n", t->error.message);
	return loss;
}

static double
loss_of(const char *network, Rows *rows, DlTrainSettings settings)
{
	Training	t = {.network = network, .settings = settings, .rows = rows};
	double		loss = final_loss(&t);

	training_free(&t);
	return loss;
}

static void
test_xor(void)
{
	Rows		rows = rows_create(4, 2, 1, false);
	double		loss;

	for (int i = 0; i < 4; i++)
	{
		rows.x[2 * i] = (float) (i & 1);
		rows.x[2 * i + 1] = (float) (i >> 1);
		rows.target[i] = (float) ((i & 1) ^ (i >> 1));
	}
	loss = loss_of("dense(8, tanh)", &rows, test_settings(DL_TRAIN_BINARY, 0.05, 400, 4));
	ok(loss < 0.05, "xor: loss %g", loss);
	loss = loss_of("dense(1)", &rows, test_settings(DL_TRAIN_BINARY, 0.05, 400, 4));
	ok(loss > 0.6, "xor is beyond a linear network: loss %g", loss);
	rows_free(&rows);
}

static void
test_line(void)
{
	Rows		rows = rows_create(100, 1, 1, false);
	Training	t = {.network = "dense(1)",.rows = &rows};
	double		loss;

	for (int i = 0; i < 100; i++)
	{
		rows.x[i] = (float) i / 50 - 1;
		rows.target[i] = 3 * rows.x[i] - 2;
	}
	t.settings = test_settings(DL_TRAIN_MSE, 0.02, 200, 20);
	loss = final_loss(&t);
	ok(loss < 1e-4, "a line: loss %g", loss);
	training_free(&t);
	rows_free(&rows);
}

static void
test_sine(void)
{
	Rows		rows = rows_create(200, 1, 1, false);
	DlTrainSettings settings = test_settings(DL_TRAIN_MSE, 0.01, 300, 50);
	double		loss;

	for (int i = 0; i < 200; i++)
	{
		rows.x[i] = (float) i / 100 - 1;
		rows.target[i] = sinf(5 * rows.x[i]);
	}
	settings.schedule = DL_SCHEDULE_COSINE;
	loss = loss_of("dense(16, tanh) > dense(16, tanh)", &rows, settings);
	ok(loss < 2e-3, "a sine: loss %g", loss);
	rows_free(&rows);
}

static void
test_spiral(void)
{
	Rows		rows = rows_create(300, 2, 3, true);
	DlTrainSettings settings = test_settings(DL_TRAIN_CROSS_ENTROPY, 0.02, 150, 50);
	double		loss;

	for (int i = 0; i < 300; i++)
	{
		int			arm = i % 3;
		float		r = (float) (i / 3) / 100;
		float		angle = 2.0944f * (float) arm + 4 * r;

		rows.x[2 * i] = r * cosf(angle);
		rows.x[2 * i + 1] = r * sinf(angle);
		rows.code[i] = arm;
	}
	settings.schedule = DL_SCHEDULE_ONE_CYCLE;
	loss = loss_of("dense(24, relu) > dense(24, relu)", &rows, settings);
	ok(loss < 0.1, "three spirals: loss %g", loss);
	rows_free(&rows);
}

static void
test_losses(void)
{
	Rows		rows = rows_smooth(200, 3, 1);

	for (int loss = DL_TRAIN_MSE; loss <= DL_TRAIN_QUANTILE; loss++)
	{
		double		first = loss_of("dense(8, tanh)", &rows, test_settings((DlLoss) loss, 0.02, 1, 20));
		double		last = loss_of("dense(8, tanh)", &rows, test_settings((DlLoss) loss, 0.02, 30, 20));

		ok(last < first / 3, "loss %s falls from %g to %g", dl_loss_name((DlLoss) loss), first, last);
	}
	rows_free(&rows);
}

/* Two columns of 0 and 1: several labels a row. */
static void
test_labels_and_smoothing(void)
{
	Rows		rows = rows_smooth(200, 3, 1);
	Rows		labels = rows_create(200, 3, 2, false);
	DlTrainSettings settings = test_settings(DL_TRAIN_BINARY, 0.03, 60, 20);
	Training	t = {.network = "dense(8, tanh)",.rows = &labels,.validation = &labels};
	double		loss;

	memcpy(labels.x, rows.x, 600 * sizeof(float));
	for (int i = 0; i < 200; i++)
	{
		labels.target[2 * i] = rows.x[3 * i] > 0;
		labels.target[2 * i + 1] = rows.x[3 * i + 1] > rows.x[3 * i + 2];
	}
	loss = loss_of("dense(8, tanh)", &labels, settings);
	ok(loss < 0.1, "two labels a row: loss %g", loss);

	/* smoothed by 0.2, no loss can be below the entropy of (0.1, 0.9) */
	settings.label_smoothing = 0.2;
	t.settings = settings;
	loss = final_loss(&t);
	ok(loss > 0.325 && loss < 0.45, "smoothed labels: loss %g", loss);
	ok(dl_trainer_epoch(t.trainer)->validation_loss < 0.3, "the validation loss is not smoothed: %g",
	   dl_trainer_epoch(t.trainer)->validation_loss);
	training_free(&t);
	rows_free(&rows);
	rows_free(&labels);
}

static void
test_optimizers_and_schedules(void)
{
	static const double rates[] = {0.02, 0.0005, 0.01, 0.01};
	Rows		rows = rows_smooth(200, 3, 1);

	for (int i = DL_OPTIMIZER_SGD; i <= DL_OPTIMIZER_ADAMW; i++)
	{
		DlTrainSettings settings = test_settings(DL_TRAIN_MSE, rates[i], 40, 20);
		double		loss;

		settings.optimizer = (DlOptimizer) i;
		settings.weight_decay = 1e-4;
		loss = loss_of("dense(8, tanh)", &rows, settings);
		ok(loss < 0.05, "optimizer %s learns: loss %g", dl_optimizer_name((DlOptimizer) i), loss);
	}
	for (int i = DL_SCHEDULE_CONSTANT; i <= DL_SCHEDULE_COSLOG4; i++)
	{
		DlTrainSettings settings = test_settings(DL_TRAIN_MSE, 0.01, 40, 20);
		double		loss;

		settings.schedule = (DlSchedule) i;
		settings.warm_up = 0.1;
		settings.anneal = true;
		settings.step_epochs = 30;
		settings.weight_decay = 0.01;
		loss = loss_of("dense(8, tanh)", &rows, settings);
		ok(loss < 0.05, "schedule %s learns: loss %g", dl_schedule_name((DlSchedule) i), loss);
	}
	rows_free(&rows);
}

/* Clipping to a tiny norm makes plain gradient descent crawl: so much is it felt, and no more. */
static void
test_clipping(void)
{
	Rows		rows = rows_smooth(200, 3, 1);
	DlTrainSettings settings = test_settings(DL_TRAIN_MSE, 0.05, 20, 20);
	double		plain;
	double		loose;
	double		tight;

	settings.optimizer = DL_OPTIMIZER_SGD;
	plain = loss_of("dense(8, tanh)", &rows, settings);
	settings.gradient_clip = 1000;
	loose = loss_of("dense(8, tanh)", &rows, settings);
	settings.gradient_clip = 1e-4;
	tight = loss_of("dense(8, tanh)", &rows, settings);
	is_close(loose, plain, 1e-9, "a limit that is never reached changes nothing");
	ok(tight > 2 * plain, "a tight limit slows descent: %g against %g", tight, plain);
	rows_free(&rows);
}

/* A row of weight 3 is as three rows; a row of weight 0 is as none. */
static void
test_weights(void)
{
	Rows		weighted = rows_smooth(30, 3, 1);
	Rows		repeated = rows_create(50, 3, 1, false);
	DlTrainSettings settings = test_settings(DL_TRAIN_MSE, 0.05, 40, 100);
	int64_t		n = 0;
	double		loss;

	for (int i = 0; i < 30; i++)
	{
		weighted.weight[i] = i < 10 ? 0 : i < 25 ? 1 : 7;
		for (int k = 0; k < (int) weighted.weight[i]; k++, n++)
		{
			memcpy(repeated.x + 3 * n, weighted.x + 3 * i, 3 * sizeof(float));
			repeated.target[n] = weighted.target[i];
		}
	}
	ok(n == 50, "as many repeated rows as weight");

	/* plain gradient descent, since Adam does not see a factor of all gradients */
	settings.optimizer = DL_OPTIMIZER_SGD;
	loss = loss_of("dense(4, tanh)", &weighted, settings);
	is_close(loss, loss_of("dense(4, tanh)", &repeated, settings), 1e-4, "weights are as repeated rows");

	/* all of a batch without weight: nothing is learned, nothing breaks */
	for (int i = 0; i < 30; i++)
		weighted.weight[i] = i == 0;
	settings.batch_size = 5;
	loss = loss_of("dense(4, tanh)", &weighted, settings);
	ok(loss < 0.01, "one row with weight is learned by heart: loss %g", loss);
	rows_free(&weighted);
	rows_free(&repeated);
}

static void
test_batch_norm_and_dropout(void)
{
	Rows		rows = rows_smooth(300, 3, 1);
	Rows		validation = rows_smooth(100, 3, 2);
	DlThreads  *threads;
	double		loss;
	Training	t = {.network = "dense(16) > batch_norm > relu",.rows = &rows,.validation = &validation};

	for (int i = 0; i < 900; i++)
		rows.x[i] = 4 * rows.x[i] + 3;
	for (int i = 0; i < 300; i++)
		validation.x[i] = 4 * validation.x[i] + 3;
	dl_threads_create(2, &threads, &t.error);
	t.threads = threads;
	t.settings = test_settings(DL_TRAIN_MSE, 0.01, 60, 30);
	ok(final_loss(&t) < 0.1, "batch normalisation learns");
	ok(dl_trainer_epoch(t.trainer)->validation_loss < 0.1, "and its running statistics serve validation: loss %g",
	   dl_trainer_epoch(t.trainer)->validation_loss);
	training_free(&t);

	t.network = "dense(32, relu) > dropout(0.3)";
	loss = final_loss(&t);
	ok(loss > dl_trainer_epoch(t.trainer)->validation_loss, "dropout is off in validation: %g above %g", loss,
	   dl_trainer_epoch(t.trainer)->validation_loss);
	training_free(&t);
	dl_threads_destroy(threads);
	rows_free(&rows);
	rows_free(&validation);
}

/* The target depends on a category alone: only its embedding can learn it. */
static void
test_categories(void)
{
	Rows		rows = rows_smooth(200, 2, 1);
	double		loss;

	rows.levels = 5;
	rows.category = calloc(200, sizeof(int32_t));
	for (int i = 0; i < 200; i++)
	{
		rows.category[i] = i % 5;
		rows.target[i] = (float) (i % 5 == 1) - (float) (i % 5 == 4);
	}
	loss = loss_of("dense(16, tanh)", &rows, test_settings(DL_TRAIN_MSE, 0.02, 60, 25));
	ok(loss < 0.01, "a category is learned: loss %g", loss);
	rows_free(&rows);
}

/* The rate found must train about as well as the best of a grid, and be the same each time. */
static void
test_range(void)
{
	Rows		rows = rows_smooth(400, 3, 1);
	double		best = INFINITY;
	double		found;
	double		rate = 0;
	DlRandom	random;

	dl_random_seed(&random, 9, 0);
	for (int i = 0; i < 400; i++)
		rows.target[i] += 0.1f * (float) dl_random_normal(&random);
	for (double r = 1e-4; r < 2; r *= 10)
	{
		double		loss = loss_of("dense(16, tanh)", &rows, test_settings(DL_TRAIN_MSE, r, 20, 40));

		printf("#   rate %g: loss %g\n", r, loss);
		if (loss < best)
			best = loss;
	}
	for (int i = 0; i < 2; i++)
	{
		Training	t = {.network = "dense(16, tanh)",.rows = &rows};

		t.settings = test_settings(DL_TRAIN_MSE, 0, 20, 40);
		found = final_loss(&t);
		if (i == 1)
			ok(rate == dl_trainer_learning_rate(t.trainer), "the range test finds the same rate again");
		rate = dl_trainer_learning_rate(t.trainer);
		training_free(&t);
	}
	ok(rate >= 1e-3 && rate <= 0.2, "the range test finds a rate: %g", rate);
	ok(found < 1.5 * best, "which trains about as well as the best of a grid: %g against %g", found, best);

	/* what comes after the test is as if the rate had been given */
	is_close(loss_of("dense(16, tanh)", &rows, test_settings(DL_TRAIN_MSE, rate, 20, 40)), found, 0,
			 "the range test leaves nothing behind");
	rows_free(&rows);
}

int
main(void)
{
	test_xor();
	test_line();
	test_sine();
	test_spiral();
	test_losses();
	test_labels_and_smoothing();
	test_optimizers_and_schedules();
	test_clipping();
	test_weights();
	test_batch_norm_and_dropout();
	test_categories();
	test_range();
	return done_testing();
}
