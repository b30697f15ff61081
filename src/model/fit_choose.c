/*
 * fit_choose.c
 *    What to train and how, where the request does not say.
 *
 * Two starting points.  Without a network in the request: the settings of RealMLP
 * (Holzmueller et al., 2024), batches and epochs by the number of training rows; fit_variants.c has the
 * networks.  With a network of the user's own, settings that work for any network.  What the request says
 * always wins.  Each choice leaves a line that dl.summary shows.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/fit_variants.h"

/* By training rows: larger tables need fewer passes for the same number of steps. */
typedef struct SizeRule
{
	int64_t		rows;			/* applies up to so many training rows */
	int			batch_size;
	int			epochs;
} SizeRule;

static const SizeRule size_rules[] = {
	{1000, 64, 128},
	{5000, 128, 64},
	{20000, 256, 64},
	{50000, 256, 48},
	{150000, 512, 32},
	{500000, 1024, 16},
	{2000000, 1024, 8},
	{INT64_MAX, 2048, 3},
};

/* Share of the epochs that effort fast has. */
#define FAST_EPOCHS 0.5

/* Categories of so many levels have target means by default: fewer are learnt as well without. */
#define TARGET_MEANS_LEVELS 40

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

/* The settings that belong to the preset. */
static void
choose_preset(const DlFitRequest *request, DlFitChoice *choice)
{
	DlTrainSettings *t = &choice->train;
	bool		regression = request->task == DL_TASK_REGRESSION;

	choice->preparation.scaling = DL_SCALING_QUANTILE;
	choice->target_means = true;
	choice->target_means_levels = TARGET_MEANS_LEVELS;
	t->learning_rate = regression ? 0.2 : 0.04;
	t->beta2 = 0.95;
	t->weight_decay = DL_FIT_DECAY;
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
	{
		choice->target_means = o->target_means != 0;
		choice->target_means_levels = 0;
	}
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

/* Some category has enough values for target means. */
static bool
may_have_means(const DlFitRequest *request, const DlFitChoice *choice)
{
	int32_t		most = choice->preparation.one_hot;

	if (choice->target_means_levels - 1 > most)
		most = choice->target_means_levels - 1;
	for (int32_t i = 0; i < request->column_count && choice->target_means; i++)
		if (request->columns[i].vocabulary != NULL && dl_vocabulary_size(request->columns[i].vocabulary) > most)
			return true;
	return false;
}

static const char *
networks_text(const DlFitRequest *request, const DlFitChoice *choice)
{
	if (dl_fit_mostly_arrays(request))
		return "realmlp, simplified, for arrays";
	if (choice->neighbours)
		return "RealMLP, with different embeddings of numbers, and one that looks at the nearest training rows";
	return choice->trial_count > 1 ? "RealMLP, with different embeddings of numbers" : "RealMLP, the preset for tables";
}

static void
explain(const DlFitRequest *request, const DlFitChoice *choice, int64_t rows, Lines *lines)
{
	const DlFitOptions *o = &request->options;

	if (o->network == NULL)
		add_line(lines, "networks: %s", networks_text(request, choice));
	if (choice->weights != NULL)
		add_line(lines, "weights: %s", choice->weights);
	if (o->scaling == DL_UNSET)
		add_line(lines, "scaling: %s, %s", dl_scaling_name(choice->preparation.scaling),
				 o->network == NULL ? "to a normal distribution, which outliers do not move" : "the usual one for a network given by hand");
	else
		add_line(lines, "scaling: %s, as asked for", dl_scaling_name(choice->preparation.scaling));
	if (may_have_means(request, choice))
		add_line(lines, "target_means: true, %s", o->target_means == DL_UNSET ?
				 "for categories of many values that explain the target better than chance" : "as asked for");
	if (choice->class_weight == DL_CLASS_WEIGHT_BALANCED)
		add_line(lines, "class_weight: balanced, as asked for: probabilities are greater for rare classes than they are true");
	if (o->members == DL_UNSET && choice->trial_count > 1)
		add_line(lines, "trials: %d networks%s, by effort %s and %lld training rows; members by validation rows",
				 choice->trial_count, choice->drawn ? ", some with settings drawn at random" : "",
				 effort_names[dl_fit_effort(request)], (long long) rows);
	if (choice->folds)
		add_line(lines, "folds: 5, each network leaves out the rows of one, by which it is judged; of %lld training rows", (long long) rows);
	if (o->epochs == DL_UNSET)
		add_line(lines, "epochs: %d, by %lld training rows", choice->train.epochs, (long long) rows);
	if (o->batch_size == DL_UNSET)
		add_line(lines, "batch_size: %d, by %lld training rows", choice->train.batch_size, (long long) rows);
	if (isnan(o->learning_rate))
		add_line(lines, "learning_rate: %g%s, schedule %s", choice->train.learning_rate,
				 o->network == NULL ? ", times a factor of each network" : "",
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

DlStatus
dl_fit_choose(const DlFitRequest *request, int64_t train_rows, bool has_validation, DlFitChoice *choice, DlError *error)
{
	const SizeRule *rule = rule_for(train_rows);

	memset(choice, 0, sizeof(*choice));
	dl_train_settings_default(&choice->train);
	choice->train.loss = default_loss(request->task);
	choice->train.batch_size = rule->batch_size;
	choice->train.epochs = rule->epochs;
	if (dl_fit_effort(request) == DL_EFFORT_FAST && request->options.network == NULL)
		choice->train.epochs = (int) ceil(rule->epochs * FAST_EPOCHS);
	choice->preparation = (DlPreparationSettings) {.one_hot = 8, .max_levels = 100000, .min_count = 1};
	if (request->options.network == NULL)
		choose_preset(request, choice);
	else
		choose_general(rule, has_validation, choice);
	apply_options(&request->options, choice);
	DL_TRY(check_loss(request, choice->train.loss, error));
	DL_TRY(dl_train_settings_check(&choice->train, error));
	return DL_OK;
}

DlStatus
dl_fit_explain(DlArena *arena, const DlFitRequest *request, int64_t train_rows, DlFitChoice *choice, DlError *error)
{
	Lines		lines = {.size = 4096};

	DL_TRY(dl_arena_alloc(arena, lines.size, &lines.text, error));
	lines.text[0] = '\0';
	explain(request, choice, train_rows, &lines);
	choice->why = lines.text;
	return DL_OK;
}
