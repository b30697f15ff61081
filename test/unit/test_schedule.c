/*
 * test_schedule.c
 *    Schedules against values worked out by hand; names and checks of settings.
 */
#include "tap.h"

#include "nn/schedule.h"

static DlTrainSettings
with(DlSchedule schedule, double warm_up)
{
	DlTrainSettings settings;

	dl_train_settings_default(&settings);
	settings.schedule = schedule;
	settings.warm_up = warm_up;
	settings.epochs = 10;
	settings.step_epochs = 3;
	settings.step_factor = 0.5;
	return settings;
}

static double
factor(DlSchedule schedule, double warm_up, double t)
{
	DlTrainSettings settings = with(schedule, warm_up);

	return dl_schedule_factor(&settings, t);
}

static void
test_constant(void)
{
	is_close(factor(DL_SCHEDULE_CONSTANT, 0, 0), 1, 0, "constant from the start");
	is_close(factor(DL_SCHEDULE_CONSTANT, 0, 1), 1, 0, "constant to the end");
	is_close(factor(DL_SCHEDULE_CONSTANT, 0.2, 0), 0, 0, "warm-up rises from 0");
	is_close(factor(DL_SCHEDULE_CONSTANT, 0.2, 0.05), 0.25, 1e-12, "warm-up is linear");
	is_close(factor(DL_SCHEDULE_CONSTANT, 0.2, 0.2), 1, 1e-12, "warm-up ends at 1");
}

static void
test_step(void)
{
	DlTrainSettings settings = with(DL_SCHEDULE_STEP, 0);

	is_close(factor(DL_SCHEDULE_STEP, 0, 0.29), 1, 0, "step: epoch 3 of 10 has the first rate");
	is_close(factor(DL_SCHEDULE_STEP, 0, 0.31), 0.5, 1e-12, "step: epoch 4 has the second");
	is_close(factor(DL_SCHEDULE_STEP, 0, 0.65), 0.25, 1e-12, "step: epoch 7 has the third");
	settings.step_epochs = 5;
	is_close(dl_schedule_factor(&settings, 1), 0.5, 1e-12, "step: the end belongs to the last epoch");
	is_close(factor(DL_SCHEDULE_STEP, 0.4, 0.2), 0.5, 1e-12, "step: warm-up multiplies");
}

static void
test_cosine(void)
{
	is_close(factor(DL_SCHEDULE_COSINE, 0, 0), 1, 1e-12, "cosine begins at 1");
	is_close(factor(DL_SCHEDULE_COSINE, 0, 0.5), 0.5, 1e-12, "cosine is a half in the middle");
	is_close(factor(DL_SCHEDULE_COSINE, 0, 1.0 / 3), 0.75, 1e-12, "cosine at a third");
	is_close(factor(DL_SCHEDULE_COSINE, 0, 1), 0, 1e-12, "cosine ends at 0");
	is_close(factor(DL_SCHEDULE_COSINE, 0.2, 0.1), 0.5, 1e-12, "cosine: warm-up first");
	is_close(factor(DL_SCHEDULE_COSINE, 0.2, 0.6), 0.5, 1e-12, "cosine: half of what is after the warm-up");
}

static void
test_one_cycle(void)
{
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0, 0), 0.04, 1e-12, "one_cycle begins at 1/25");
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0, 0.15), 0.52, 1e-12, "one_cycle rises linearly");
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0, 0.3), 1, 1e-12, "one_cycle peaks at 0.3");
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0, 0.65), 0.500002, 1e-12, "one_cycle falls along a cosine");
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0, 1), 0.000004, 1e-12, "one_cycle ends at 1/10000 of its start");
	is_close(factor(DL_SCHEDULE_ONE_CYCLE, 0.5, 0.5), 1, 1e-12, "one_cycle peaks where warm_up says");
}

static void
test_coslog4(void)
{
	double		zeros[] = {0, 1.0 / 15, 3.0 / 15, 7.0 / 15, 1};

	for (int i = 0; i < 5; i++)
		is_close(factor(DL_SCHEDULE_COSLOG4, 0, zeros[i]), 0, 1e-12, "coslog4 is 0 at the end of a cycle");
	is_close(factor(DL_SCHEDULE_COSLOG4, 0, (sqrt(8) - 1) / 15), 1, 1e-12, "coslog4 is 1 in the middle of the second cycle");
	is_close(factor(DL_SCHEDULE_COSLOG4, 0, (pow(2, 0.25) - 1) / 15), 0.5, 1e-12, "coslog4 at a quarter of the first cycle");
}

static void
test_anneal(void)
{
	DlTrainSettings settings = with(DL_SCHEDULE_CONSTANT, 0);

	is_close(dl_anneal_factor(&settings, 0.9), 1, 0, "no annealing unless asked for");
	settings.anneal = true;
	is_close(dl_anneal_factor(&settings, 0.5), 1, 0, "annealing starts at the half");
	is_close(dl_anneal_factor(&settings, 0.75), 0.5, 1e-12, "annealing at three quarters");
	is_close(dl_anneal_factor(&settings, 2.0 / 3), 0.75, 1e-12, "annealing at two thirds");
	is_close(dl_anneal_factor(&settings, 1), 0, 1e-12, "annealing ends at 0");
	is_close(dl_step_progress(0, 4), 0.125, 0, "a step counts at the middle of its interval");
}

static void
test_names(void)
{
	DlOptimizer optimizer = DL_OPTIMIZER_SGD;
	DlSchedule	schedule = DL_SCHEDULE_CONSTANT;
	DlLoss		loss = DL_TRAIN_MSE;

	ok(dl_optimizer_by_name("adamw", &optimizer) && optimizer == DL_OPTIMIZER_ADAMW, "adamw is an optimizer");
	ok(dl_schedule_by_name("coslog4", &schedule) && schedule == DL_SCHEDULE_COSLOG4, "coslog4 is a schedule");
	ok(dl_loss_by_name("cross_entropy", &loss) && loss == DL_TRAIN_CROSS_ENTROPY, "cross_entropy is a loss");
	ok(!dl_optimizer_by_name("adagrad", &optimizer) && optimizer == DL_OPTIMIZER_ADAMW, "an unknown name changes nothing");
	ok(!dl_schedule_by_name("", &schedule), "the empty name is unknown");
	ok(!dl_loss_by_name("MSE", &loss), "names are lower case");

	/* the lists have every name in order */
	for (int i = 0; i <= DL_OPTIMIZER_ADAMW; i++)
		ok(strstr(dl_optimizer_names(), dl_optimizer_name((DlOptimizer) i)) != NULL, "optimizer %d is listed", i);
	for (int i = 0; i <= DL_SCHEDULE_COSLOG4; i++)
		ok(strstr(dl_schedule_names(), dl_schedule_name((DlSchedule) i)) != NULL, "schedule %d is listed", i);
	for (int i = 0; i <= DL_TRAIN_CROSS_ENTROPY; i++)
		ok(strstr(dl_loss_names(), dl_loss_name((DlLoss) i)) != NULL, "loss %d is listed", i);
}

/* check() must refuse the settings with exactly this message. */
static void
refuses(const DlTrainSettings *settings, const char *message)
{
	DlError		error;

	dl_error_reset(&error);
	ok(dl_train_settings_check(settings, &error) == DL_ERROR_INVALID, "refused: %s", message);
	is_text(error.message, message, "and says so");
}

static void
test_checks(void)
{
	DlTrainSettings settings;
	DlTrainSettings good;
	DlError		error;

	dl_train_settings_default(&good);
	ok(dl_train_settings_check(&good, &error) == DL_OK, "the defaults are valid");

	settings = good;
	settings.learning_rate = -1;
	refuses(&settings, "\"learning_rate\" must be at least 0 and at most 100, got -1");
	settings.learning_rate = NAN;
	refuses(&settings, "\"learning_rate\" must be at least 0 and at most 100, got nan");
	settings = good;
	settings.beta2 = 1;
	refuses(&settings, "\"beta2\" must be at least 0 and less than 1, got 1");
	settings = good;
	settings.epsilon = 0;
	refuses(&settings, "\"epsilon\" must be greater than 0 and at most 1, got 0");
	settings = good;
	settings.batch_size = 0;
	refuses(&settings, "\"batch_size\" must be at least 1 and at most 1048576, got 0");
	settings = good;
	settings.early_stopping = -2;
	refuses(&settings, "\"early_stopping\" must be at least 0 and at most 1000000, got -2");
	settings = good;
	settings.loss = DL_TRAIN_QUANTILE;
	settings.loss_parameter = 1.5;
	refuses(&settings, "\"loss_parameter\" must be at least 0 and less than 1 for the loss quantile, got 1.5");
	settings = good;
	settings.label_smoothing = 0.1;
	refuses(&settings, "\"label_smoothing\" must be 0 for the loss mse, got 0.1");
	settings = good;
	settings.nesterov = true;
	refuses(&settings, "\"nesterov\" must be false for the optimizer adamw, got true");
	settings = good;
	settings.optimizer = (DlOptimizer) 9;
	refuses(&settings, "\"optimizer\" must be one of sgd, rmsprop, adam, adamw, got number 9");
}

int
main(void)
{
	test_constant();
	test_step();
	test_cosine();
	test_one_cycle();
	test_coslog4();
	test_anneal();
	test_names();
	test_checks();
	return done_testing();
}
