/*
 * settings.c
 *    Names, defaults and checks of the settings of training.
 *
 * The names are one table a kind, in the order of the enum.  Ranges of numbers
 * are one table; what depends on two settings is checked by hand.
 */
#include "nn/trainer.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

static const char *const optimizer_names[] = {"sgd", "rmsprop", "adam", "adamw"};
static const char *const schedule_names[] = {"constant", "step", "cosine", "one_cycle", "coslog4"};
static const char *const loss_names[] = {"mse", "mae", "huber", "quantile", "binary", "cross_entropy"};

static int
find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

bool
dl_optimizer_by_name(const char *name, DlOptimizer *result)
{
	int			i = find_name(optimizer_names, COUNT(optimizer_names), name);

	if (i >= 0)
		*result = (DlOptimizer) i;
	return i >= 0;
}

bool
dl_schedule_by_name(const char *name, DlSchedule *result)
{
	int			i = find_name(schedule_names, COUNT(schedule_names), name);

	if (i >= 0)
		*result = (DlSchedule) i;
	return i >= 0;
}

bool
dl_loss_by_name(const char *name, DlLoss *result)
{
	int			i = find_name(loss_names, COUNT(loss_names), name);

	if (i >= 0)
		*result = (DlLoss) i;
	return i >= 0;
}

const char *
dl_optimizer_name(DlOptimizer optimizer)
{
	return (unsigned) optimizer < (unsigned) COUNT(optimizer_names) ? optimizer_names[optimizer] : "unknown";
}

const char *
dl_schedule_name(DlSchedule schedule)
{
	return (unsigned) schedule < (unsigned) COUNT(schedule_names) ? schedule_names[schedule] : "unknown";
}

const char *
dl_loss_name(DlLoss loss)
{
	return (unsigned) loss < (unsigned) COUNT(loss_names) ? loss_names[loss] : "unknown";
}

const char *
dl_optimizer_names(void)
{
	return "sgd, rmsprop, adam, adamw";
}

const char *
dl_schedule_names(void)
{
	return "constant, step, cosine, one_cycle, coslog4";
}

const char *
dl_loss_names(void)
{
	return "mse, mae, huber, quantile, binary, cross_entropy";
}

void
dl_train_settings_default(DlTrainSettings *settings)
{
	*settings = (DlTrainSettings)
	{
		.loss = DL_TRAIN_MSE,
		.optimizer = DL_OPTIMIZER_ADAMW,
		.learning_rate = 1e-3,
		.momentum = 0.9,
		.beta1 = 0.9,
		.beta2 = 0.999,
		.epsilon = 1e-8,
		.weight_decay = 0.01,
		.schedule = DL_SCHEDULE_CONSTANT,
		.step_factor = 0.1,
		.step_epochs = 10,
		.epochs = 50,
		.batch_size = 256,
		.early_stopping = 0,
		.seed = 42
	};
}

typedef struct RealRange
{
	const char *name;
	size_t		offset;
	double		low;
	double		high;
	bool		low_open;		/* low itself is not allowed */
	bool		high_open;
} RealRange;

typedef struct IntegerRange
{
	const char *name;
	size_t		offset;
	int			low;
	int			high;
} IntegerRange;

#define REAL(field, low, high, low_open, high_open) \
	{#field, offsetof(DlTrainSettings, field), (low), (high), (low_open), (high_open)}
#define INTEGER(field, low, high) {#field, offsetof(DlTrainSettings, field), (low), (high)}

static const RealRange real_ranges[] = {
	REAL(label_smoothing, 0, 1, false, true),
	REAL(learning_rate, 0, 100, false, false),
	REAL(momentum, 0, 1, false, true),
	REAL(beta1, 0, 1, false, true),
	REAL(beta2, 0, 1, false, true),
	REAL(epsilon, 0, 1, true, false),
	REAL(weight_decay, 0, 100, false, false),
	REAL(gradient_clip, 0, 1e9, false, false),
	REAL(warm_up, 0, 1, false, true),
	REAL(step_factor, 0, 1, true, false),
};

static const IntegerRange integer_ranges[] = {
	INTEGER(step_epochs, 1, 1000000),
	INTEGER(epochs, 1, 1000000),
	INTEGER(batch_size, 1, 1048576),
	INTEGER(early_stopping, 0, 1000000),
};

static DlStatus
check_real(const RealRange *range, double value, const char *condition, DlError *error)
{
	bool		below = range->low_open ? !(value > range->low) : !(value >= range->low);
	bool		above = range->high_open ? !(value < range->high) : !(value <= range->high);

	if (below || above)
		return dl_error_set(error, DL_ERROR_INVALID, "\"%s\" must be %s %g and %s %g%s, got %g", range->name,
							range->low_open ? "greater than" : "at least", range->low,
							range->high_open ? "less than" : "at most", range->high, condition, value);
	return DL_OK;
}

static DlStatus
check_kinds(const DlTrainSettings *settings, DlError *error)
{
	if ((unsigned) settings->loss >= (unsigned) COUNT(loss_names))
		return dl_error_set(error, DL_ERROR_INVALID, "\"loss\" must be one of %s, got number %d", dl_loss_names(),
							(int) settings->loss);
	if ((unsigned) settings->optimizer >= (unsigned) COUNT(optimizer_names))
		return dl_error_set(error, DL_ERROR_INVALID, "\"optimizer\" must be one of %s, got number %d",
							dl_optimizer_names(), (int) settings->optimizer);
	if ((unsigned) settings->schedule >= (unsigned) COUNT(schedule_names))
		return dl_error_set(error, DL_ERROR_INVALID, "\"schedule\" must be one of %s, got number %d",
							dl_schedule_names(), (int) settings->schedule);
	return DL_OK;
}

/* What is allowed for one setting only together with another. */
static DlStatus
check_combinations(const DlTrainSettings *settings, DlError *error)
{
	static const RealRange huber = {"loss_parameter", 0, 0, 1e9, false, false};
	static const RealRange quantile = {"loss_parameter", 0, 0, 1, false, true};

	if (settings->loss == DL_TRAIN_HUBER)
		DL_TRY(check_real(&huber, settings->loss_parameter, " for the loss huber", error));
	if (settings->loss == DL_TRAIN_QUANTILE)
		DL_TRY(check_real(&quantile, settings->loss_parameter, " for the loss quantile", error));
	if (settings->label_smoothing > 0 && settings->loss != DL_TRAIN_CROSS_ENTROPY && settings->loss != DL_TRAIN_BINARY)
		return dl_error_set(error, DL_ERROR_INVALID, "\"label_smoothing\" must be 0 for the loss %s, got %g",
							dl_loss_name(settings->loss), settings->label_smoothing);
	if (settings->nesterov && settings->optimizer != DL_OPTIMIZER_SGD)
		return dl_error_set(error, DL_ERROR_INVALID, "\"nesterov\" must be false for the optimizer %s, got true",
							dl_optimizer_name(settings->optimizer));
	if (settings->nesterov && settings->momentum == 0)
		return dl_error_set(error, DL_ERROR_INVALID, "\"momentum\" must be greater than 0 with nesterov, got 0");
	return DL_OK;
}

DlStatus
dl_train_settings_check(const DlTrainSettings *settings, DlError *error)
{
	const char *base = (const char *) settings;

	DL_TRY(check_kinds(settings, error));
	for (int i = 0; i < COUNT(real_ranges); i++)
	{
		double		value;

		memcpy(&value, base + real_ranges[i].offset, sizeof(value));
		DL_TRY(check_real(&real_ranges[i], value, "", error));
	}
	for (int i = 0; i < COUNT(integer_ranges); i++)
	{
		const IntegerRange *range = &integer_ranges[i];
		int			value;

		memcpy(&value, base + range->offset, sizeof(value));
		if (value < range->low || value > range->high)
			return dl_error_set(error, DL_ERROR_INVALID, "\"%s\" must be at least %d and at most %d, got %d",
								range->name, range->low, range->high, value);
	}
	return check_combinations(settings, error);
}
