/*
 * fit_choose.c
 *    What to train and how, where the request does not say.
 *
 * Two starting points.  Without a network in the request everything comes from
 * one table by the number of training rows: the realmlp preset (Holzmueller et
 * al., 2024) with the settings that belong to it.  With a network of the user's
 * own, settings that work for any network.  What the request says always wins.
 * Each choice leaves a line that dl.summary shows.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/fit_internal.h"

/* By training rows: larger tables need fewer passes for the same number of steps. */
typedef struct SizeRule
{
	int64_t		rows;			/* applies up to so many training rows */
	int			batch_size;
	int			epochs;
	int			trials[3];		/* by DlEffort */
} SizeRule;

static const SizeRule size_rules[] = {
	{1000, 64, 128, {1, 8, 32}},
	{5000, 128, 64, {1, 8, 32}},
	{20000, 256, 64, {1, 8, 24}},
	{50000, 256, 48, {1, 6, 16}},
	{150000, 512, 32, {1, 4, 12}},
	{500000, 1024, 16, {1, 2, 8}},
	{2000000, 1024, 8, {1, 1, 4}},
	{INT64_MAX, 2048, 3, {1, 1, 2}},
};

/* Share of the epochs that the effort fast has. */
#define FAST_EPOCHS 0.5

/* Most members by DlEffort. */
static const int most_members[] = {1, 8, 16};

typedef struct Lines
{
	char	   *text;
	size_t		size;
	size_t		used;
} Lines;

static void __attribute__((format(printf, 2, 3)))
add_line(Lines *lines, const char *format,...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(lines->text + lines->used, lines->size - lines->used, format, args);
	va_end(args);
	if (n > 0)
	{
		lines->used += (size_t) n;
		if (lines->used > lines->size - 2)
			lines->used = lines->size - 2;
		lines->text[lines->used++] = '\n';
		lines->text[lines->used] = '\0';
	}
}

static const char *const effort_names[] = {"fast", "default", "best"};
static const char *const optimize_names[] = {"accuracy", "f1", "balanced_accuracy"};

bool
dl_effort_by_name(const char *name, DlEffort *result)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(effort_names[i], name) == 0)
		{
			*result = (DlEffort) i;
			return true;
		}
	return false;
}

bool
dl_optimize_by_name(const char *name, DlOptimize *result)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(optimize_names[i], name) == 0)
		{
			*result = (DlOptimize) i;
			return true;
		}
	return false;
}

const char *
dl_effort_names(void)
{
	return "fast, default, best";
}

const char *
dl_optimize_names(void)
{
	return "accuracy, f1, balanced_accuracy";
}

static DlEffort
effort_of(const DlFitRequest *request)
{
	return request->options.effort == DL_UNSET ? DL_EFFORT_DEFAULT : (DlEffort) request->options.effort;
}

static const SizeRule *
rule_for(int64_t rows)
{
	const SizeRule *rule = size_rules;

	while (rows > rule->rows)
		rule++;
	return rule;
}

static DlLoss
default_loss(DlTask task)
{
	static const DlLoss losses[] = {
		[DL_TASK_REGRESSION] = DL_TRAIN_MSE,
		[DL_TASK_BINARY] = DL_TRAIN_BINARY,
		[DL_TASK_MULTICLASS] = DL_TRAIN_CROSS_ENTROPY,
		[DL_TASK_MULTILABEL] = DL_TRAIN_BINARY,
	};

	return losses[task];
}

static void
set_integer(int *value, int32_t option)
{
	if (option != DL_UNSET)
		*value = option;
}

static void
set_real(double *value, double option)
{
	if (!isnan(option))
		*value = option;
}

/*
 * Arrays are measurements of one kind (pixels, embeddings), to which a
 * periodic embedding of each element adds nothing but cost.
 */
static bool
mostly_arrays(const DlFitRequest *request)
{
	int64_t		in_arrays = 0;

	for (int32_t i = 0; i < request->column_count; i++)
		if (request->columns[i].kind == DL_COLUMN_ARRAY)
			in_arrays += request->columns[i].words;
	return in_arrays * 2 > request->feature_words;
}

/* The settings that belong to the preset. */
static void
choose_preset(const DlFitRequest *request, DlFitChoice *choice)
{
	DlTrainSettings *t = &choice->train;
	bool		regression = request->task == DL_TASK_REGRESSION;

	choice->preparation.scaling = DL_SCALING_QUANTILE;
	choice->preparation.one_hot_integers = 12;
	choice->target_means = true;
	t->learning_rate = regression ? 0.2 : 0.04;
	t->beta2 = 0.95;
	t->weight_decay = 0.02;
	t->schedule = DL_SCHEDULE_COSLOG4;
	t->anneal = true;
	t->early_stopping = 0;
}

static void
choose_general(const SizeRule *rule, bool has_validation, DlFitChoice *choice)
{
	DlTrainSettings *t = &choice->train;

	choice->preparation.scaling = DL_SCALING_STANDARD;
	t->learning_rate = 1e-3;
	t->weight_decay = 0.01;
	t->schedule = DL_SCHEDULE_COSINE;
	t->early_stopping = has_validation ? (rule->epochs >= 64 ? 20 : 5) : 0;
}

static void
apply_options(const DlFitOptions *o, DlFitChoice *choice)
{
	DlTrainSettings *t = &choice->train;

	if (o->loss != DL_UNSET)
		t->loss = (DlLoss) o->loss;
	if (o->optimizer != DL_UNSET)
		t->optimizer = (DlOptimizer) o->optimizer;
	if (o->schedule != DL_UNSET)
		t->schedule = (DlSchedule) o->schedule;
	if (o->scaling != DL_UNSET)
		choice->preparation.scaling = (DlScaling) o->scaling;
	if (o->class_weight != DL_UNSET)
		choice->class_weight = (DlClassWeight) o->class_weight;
	if (o->target_means != DL_UNSET)
		choice->target_means = o->target_means != 0;
	if (o->anneal != DL_UNSET)
		t->anneal = o->anneal != 0;
	if (o->nesterov != DL_UNSET)
		t->nesterov = o->nesterov != 0;
	set_integer(&t->epochs, o->epochs);
	set_integer(&t->batch_size, o->batch_size);
	set_integer(&t->early_stopping, o->early_stopping);
	set_integer(&t->step_epochs, o->step_epochs);
	set_integer(&choice->preparation.one_hot, o->one_hot);
	set_integer(&choice->preparation.one_hot_integers, o->one_hot_integers);
	set_integer(&choice->preparation.max_levels, o->max_levels);
	set_integer(&choice->preparation.min_count, o->min_count);
	set_real(&t->learning_rate, o->learning_rate);
	set_real(&t->weight_decay, o->weight_decay);
	set_real(&t->gradient_clip, o->gradient_clip);
	set_real(&t->label_smoothing, o->label_smoothing);
	set_real(&t->warm_up, o->warm_up);
	set_real(&t->momentum, o->momentum);
	set_real(&t->beta1, o->beta1);
	set_real(&t->beta2, o->beta2);
	set_real(&t->step_factor, o->step_factor);
	set_real(&t->loss_parameter, o->loss_parameter);
	t->seed = (uint64_t) o->seed;
}

/* Some category has too many values to be one-hot. */
static bool
may_embed(const DlFitRequest *request, int32_t one_hot)
{
	for (int32_t i = 0; i < request->column_count; i++)
		if (request->columns[i].vocabulary != NULL && dl_vocabulary_size(request->columns[i].vocabulary) > one_hot)
			return true;
	return false;
}

static void
explain(const DlFitRequest *request, const DlFitChoice *choice, int64_t rows, Lines *lines)
{
	const DlFitOptions *o = &request->options;

	if (o->network == NULL)
		add_line(lines, "networks: %s", mostly_arrays(request) ? "realmlp, simplified, for arrays" :
				 choice->trial_count > 1 ? "RealMLP, with different embeddings of numbers" : "RealMLP, the preset for tables");
	if (o->scaling == DL_UNSET)
		add_line(lines, "scaling: %s, %s", dl_scaling_name(choice->preparation.scaling),
				 o->network == NULL ? "to a normal distribution, which outliers do not move" : "the usual one for a network given by hand");
	else
		add_line(lines, "scaling: %s, as asked for", dl_scaling_name(choice->preparation.scaling));
	if (choice->target_means && may_embed(request, choice->preparation.one_hot))
		add_line(lines, "target_means: true, %s", o->target_means == DL_UNSET ?
				 "for categories of many values that explain the target better than chance" : "as asked for");
	if (choice->class_weight == DL_CLASS_WEIGHT_BALANCED)
		add_line(lines, "class_weight: balanced, as asked for: probabilities are greater for rare classes than they are true");
	if (o->members == DL_UNSET && choice->trial_count > 1)
		add_line(lines, "trials: %d networks, by effort %s and %lld training rows; members by validation rows",
				 choice->trial_count, effort_names[effort_of(request)], (long long) rows);
	if (o->epochs == DL_UNSET)
		add_line(lines, "epochs: %d, by %lld training rows", choice->train.epochs, (long long) rows);
	if (o->batch_size == DL_UNSET)
		add_line(lines, "batch_size: %d, by %lld training rows", choice->train.batch_size, (long long) rows);
	if (isnan(o->learning_rate))
		add_line(lines, "learning_rate: %g, schedule %s", choice->train.learning_rate,
				 dl_schedule_name(choice->train.schedule));
}

static DlStatus
check_loss(const DlFitRequest *request, DlLoss loss, DlError *error)
{
	bool		number = loss == DL_TRAIN_MSE || loss == DL_TRAIN_MAE || loss == DL_TRAIN_HUBER || loss == DL_TRAIN_QUANTILE;
	bool		fits = request->task == DL_TASK_REGRESSION ? number : loss == default_loss(request->task);

	if (fits)
		return DL_OK;
	dl_error_set(error, DL_ERROR_INVALID, "loss \"%s\" cannot be used for task \"%s\"", dl_loss_name(loss),
				 dl_task_name(request->task));
	if (request->task == DL_TASK_REGRESSION)
		dl_error_hint(error, "For regression use mse, mae, huber or quantile.");
	else
		dl_error_hint(error, "Leave loss out: the one for this task is \"%s\".", dl_loss_name(default_loss(request->task)));
	return DL_ERROR_INVALID;
}

static DlStatus
take_trials(DlArena *arena, const DlFitRequest *request, int count, int networks, DlFitChoice *choice, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(DlFitTrial), &choice->trials, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) networks, sizeof(const char *), &choice->networks, error));
	choice->trial_count = count;
	choice->network_count = networks;
	choice->most_members = request->options.members != DL_UNSET ? request->options.members : most_members[effort_of(request)];
	for (int i = 0; i < count; i++)
	{
		choice->trials[i].settings = choice->train;
		choice->trials[i].settings.seed = dl_hash_mix(choice->train.seed, (uint64_t) i);
	}
	return DL_OK;
}

/* The user's network, as often as he says. */
static DlStatus
repeat_network(DlArena *arena, const DlFitRequest *request, DlFitChoice *choice, DlError *error)
{
	int			members = request->options.members != DL_UNSET ? request->options.members : 1;

	DL_TRY(take_trials(arena, request, members, 1, choice, error));
	choice->networks[0] = request->options.network;
	return DL_OK;
}

/*
 * The networks for tables, the most useful first: each differs from those before in what its numbers become,
 * which makes their errors differ, and their average better than any.  docs/tables.md has what each is worth.
 */
typedef struct Variant
{
	const char *numbers;		/* the input stage */
	const char *widths[3];		/* of the hidden layers, up to NULL */
	double		rate;			/* factor of the learning rate */
	bool		log_target;		/* where that suits */
} Variant;

#define PERIODIC(sigma, frequencies, width) \
	"periodic(frequencies => " frequencies ", width => " width ", sigma => " sigma ") > "
#define SMALL {"256", "256", NULL}
#define DEEP {"256", "256", "256"}
#define WIDE {"512", "512", NULL}

static const Variant regression_variants[] = {
	{PERIODIC("0.5", "32", "8"), SMALL, 1, false},
	{PERIODIC("0.5", "16", "3"), SMALL, 1, false},
	{PERIODIC("0.1", "16", "3"), SMALL, 1, true},
	{PERIODIC("1", "32", "8"), SMALL, 1, false},
	{PERIODIC("0.02", "16", "3"), SMALL, 1, false},
	{PERIODIC("0.3", "32", "4"), DEEP, 1, true},
	{PERIODIC("0.1", "32", "8"), WIDE, 1, false},
	{PERIODIC("0.2", "32", "8"), DEEP, 0.5, false},
};

static const Variant class_variants[] = {
	{PERIODIC("0.02", "16", "3"), SMALL, 1, false},
	{PERIODIC("0.1", "32", "8"), SMALL, 0.5, false},
	{"", SMALL, 0.5, false},
	{PERIODIC("0.02", "16", "3"), DEEP, 0.5, false},
	{PERIODIC("0.1", "16", "3"), SMALL, 1, false},
	{"", DEEP, 1, false},
	{PERIODIC("0.3", "32", "4"), SMALL, 0.5, false},
	{PERIODIC("0.05", "32", "8"), WIDE, 0.5, false},
};

#define VARIANTS ((int) (sizeof(regression_variants) / sizeof(regression_variants[0])))

_Static_assert(sizeof(class_variants) == sizeof(regression_variants), "as many variants for classes");

/* RealMLP (Holzmueller et al., 2024), with what the variant says. */
static DlStatus
write_network(DlArena *arena, const Variant *variant, const char *activation, const char **result, DlError *error)
{
	const size_t size = 512;
	char	   *text;
	int			used;

	DL_TRY(dl_arena_alloc(arena, size, &text, error));
	used = snprintf(text, size, "%sembedding(8) > scale", variant->numbers);
	for (int i = 0; i < 3 && variant->widths[i] != NULL; i++)
		used += snprintf(text + used, size - (size_t) used,
						 " > dense(%s, parametrization => ntk) > parametric(%s) > dropout(0.15)", variant->widths[i],
						 activation);
	snprintf(text + used, size - (size_t) used, " > output(parametrization => ntk)");
	*result = text;
	return DL_OK;
}

/* Arrays: the simplified preset, without embeddings of numbers. */
static DlStatus
choose_array_trials(DlArena *arena, const DlFitRequest *request, int count, DlFitChoice *choice, DlError *error)
{
	DL_TRY(take_trials(arena, request, count, 1, choice, error));
	choice->networks[0] = request->task == DL_TASK_REGRESSION ?
		"realmlp(256, 256, 256, activation => mish, simplified => true)" :
		"realmlp(256, 256, 256, activation => selu, simplified => true)";
	return DL_OK;
}

static DlStatus
choose_trials(DlArena *arena, const DlFitRequest *request, const SizeRule *rule, bool log_suits, DlFitChoice *choice,
			  DlError *error)
{
	bool		regression = request->task == DL_TASK_REGRESSION;
	const Variant *variants = regression ? regression_variants : class_variants;
	int			count = request->options.members != DL_UNSET ? request->options.members : rule->trials[effort_of(request)];
	int			networks = count < VARIANTS ? count : VARIANTS;

	if (mostly_arrays(request))
		return choose_array_trials(arena, request, count, choice, error);
	DL_TRY(take_trials(arena, request, count, networks, choice, error));
	for (int i = 0; i < networks; i++)
		DL_TRY(write_network(arena, &variants[i], regression ? "mish" : "selu", &choice->networks[i], error));
	for (int i = 0; i < count; i++)
	{
		DlFitTrial *trial = &choice->trials[i];

		trial->network = i % networks;
		trial->log_target = log_suits && variants[trial->network].log_target;
		if (isnan(request->options.learning_rate))
			trial->settings.learning_rate *= variants[trial->network].rate;
	}
	return DL_OK;
}

DlStatus
dl_fit_choose(DlArena *arena, const DlFitRequest *request, int64_t train_rows, bool has_validation, bool log_suits,
			  DlFitChoice *choice, DlError *error)
{
	const SizeRule *rule = rule_for(train_rows);
	Lines		lines = {.size = 4096};

	memset(choice, 0, sizeof(*choice));
	dl_train_settings_default(&choice->train);
	choice->train.loss = default_loss(request->task);
	choice->train.batch_size = rule->batch_size;
	choice->train.epochs = rule->epochs;
	if (effort_of(request) == DL_EFFORT_FAST && request->options.network == NULL)
		choice->train.epochs = (int) ceil(rule->epochs * FAST_EPOCHS);
	choice->preparation = (DlPreparationSettings) {.one_hot = 8, .max_levels = 100000, .min_count = 1};
	if (request->options.network == NULL)
		choose_preset(request, choice);
	else
		choose_general(rule, has_validation, choice);
	apply_options(&request->options, choice);
	DL_TRY(check_loss(request, choice->train.loss, error));
	DL_TRY(dl_train_settings_check(&choice->train, error));
	if (request->options.network == NULL)
		DL_TRY(choose_trials(arena, request, rule, log_suits, choice, error));
	else
		DL_TRY(repeat_network(arena, request, choice, error));

	DL_TRY(dl_arena_alloc(arena, lines.size, &lines.text, error));
	lines.text[0] = '\0';
	explain(request, choice, train_rows, &lines);
	choice->why = lines.text;
	return DL_OK;
}
