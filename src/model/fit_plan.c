/*
 * fit_plan.c
 *    Which networks are trained: the user's own, or those for tables, as many
 *    as the work allowed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/fit_folds.h"

/*
 * By DlEffort: most networks trained, and most that are kept; most variants with folds, each of them DL_FIT_FOLDS
 * networks, and most of these that are kept; and the work allowed, in multiply-adds of a forward pass.
 */
typedef struct EffortRule
{
	int			trials;
	int			members;
	int			fold_variants;
	int			fold_members;
	double		work;
} EffortRule;

static const EffortRule effort_rules[] = {
	{1, 1, 1, 1, 0},
	{8, 8, 8, 5, 1.3e12},
	{32, 16, 12, 6, 6.5e12},
};

/*
 * Arrays are measurements of one kind (pixels, embeddings), to which a
 * periodic embedding of each element adds nothing but cost.
 */
bool
dl_fit_mostly_arrays(const DlFitRequest *request)
{
	int64_t		in_arrays = 0;

	for (int32_t i = 0; i < request->column_count; i++)
		if (request->columns[i].kind == DL_COLUMN_ARRAY)
			in_arrays += request->columns[i].words;
	return in_arrays * 2 > request->feature_words;
}

size_t
dl_fit_memory(const DlFitRequest *request)
{
	/* what networks may take however little the rows are given */
	const int64_t least = (int64_t) 64 << 20;

	return (size_t) (request->options.memory < least ? least : request->options.memory);
}

DlEffort
dl_fit_effort(const DlFitRequest *request)
{
	return request->options.effort == DL_UNSET ? DL_EFFORT_DEFAULT : (DlEffort) request->options.effort;
}

/*
 * The networks for tables, RealMLP (Holzmueller et al., 2024) with two hidden layers, the most useful first.  Each
 * differs from those before in what its numbers become or how its layers start, so that its errors
 * differ, and the average is better than any.  docs/benchmarks.md has what each part is worth.
 */
typedef struct Variant
{
	const char *numbers;		/* the input stage, "" for none */
	const char *widths[3];		/* of the hidden layers, up to NULL */
	const char *activation;
	double		rate;			/* factor of the learning rate */
	bool		from_data;		/* init => data */
	bool		log_target;		/* where logarithms suit */
} Variant;

#define PERIODIC(sigma, frequencies, width) \
	"periodic(frequencies => " frequencies ", width => " width ", sigma => " sigma ") > "
#define PIECEWISE(bins, width) "piecewise(bins => " bins ", width => " width ") > "
#define TWO {"256", "256", NULL}
#define THREE {"256", "256", "256"}

static const Variant regression_variants[] = {
	{PERIODIC("0.5", "32", "8"), TWO, "mish", 0.5, true, false},
	{PIECEWISE("48", "16"), TWO, "relu", 0.5, true, false},
	{PERIODIC("2", "32", "8"), TWO, "mish", 0.5, true, false},
	{PERIODIC("2", "32", "8"), TWO, "mish", 1, true, false},
	{PERIODIC("0.5", "32", "8"), TWO, "mish", 1, false, false},
	{PERIODIC("0.25", "32", "8"), THREE, "mish", 1, false, true},
	{PERIODIC("2", "16", "3"), TWO, "mish", 0.5, true, true},
	{PIECEWISE("48", "16"), TWO, "relu", 1, true, false},
};

static const Variant class_variants[] = {
	{PERIODIC("0.02", "16", "3"), TWO, "selu", 0.125, true, false},
	{PERIODIC("0.02", "16", "3"), TWO, "selu", 0.5, true, false},
	{PERIODIC("0.02", "16", "3"), TWO, "silu", 0.5, false, false},
	{PIECEWISE("48", "16"), TWO, "relu", 0.25, true, false},
	{"", THREE, "selu", 0.5, false, false},
	{PERIODIC("0.02", "16", "3"), TWO, "silu", 0.25, true, false},
	{"", TWO, "selu", 0.25, true, false},
	{PERIODIC("0.1", "16", "3"), TWO, "selu", 0.25, true, false},
};

/* Arrays: without embeddings of numbers. */
static const Variant array_variants[] = {
	{"", THREE, "mish", 1, false, false},
	{"", TWO, "silu", 1, true, false},
	{"", THREE, "relu", 1, true, false},
	{"", TWO, "mish", 0.5, false, false},
};

/*
 * After so many others the list has a network of neighbours, which keeps all training rows: for regression, where there are not
 * too many of them, and for other tasks where at least this share of them repeats, so that it pays to
 * know them by heart.  It learns fast, and by a settled rate; what RealMLP wants does not suit it.
 */
#define NEIGHBOURS_AFTER 3
#define NEIGHBOURS_REPEATS 0.1
#define NEIGHBOURS_EPOCHS 16
#define NEIGHBOURS_RATE 0.01
#define NEIGHBOURS_DECAY 2e-4

#define COUNT(variants) ((int) (sizeof(variants) / sizeof((variants)[0])))

static DlStatus
write_network(DlArena *arena, const Variant *variant, const char **result, DlError *error)
{
	const size_t size = 512;
	const char *start = variant->from_data ? ", init => data" : "";
	char	   *text;
	int			used;

	DL_TRY(dl_arena_alloc(arena, size, &text, error));
	used = snprintf(text, size, "%sembedding(8) > scale", variant->numbers);
	for (int i = 0; i < 3 && variant->widths[i] != NULL; i++)
		used += snprintf(text + used, size - (size_t) used,
						 " > dense(%s, parametrization => ntk%s) > parametric(%s) > dropout(0.15)", variant->widths[i],
						 start, variant->activation);
	snprintf(text + used, size - (size_t) used, " > output(parametrization => ntk%s)", start);
	*result = text;
	return DL_OK;
}

static bool
neighbours_suit(const DlFitRequest *request, const DlFitChoice *choice, int64_t rows)
{
	return (request->task == DL_TASK_REGRESSION || choice->repeats >= NEIGHBOURS_REPEATS) &&
		!dl_fit_mostly_arrays(request) && rows <= DL_FIT_NEIGHBOURS_ROWS;
}

static DlStatus
write_neighbours(DlArena *arena, const DlFitRequest *request, int64_t rows, const char **result, DlError *error)
{
	const size_t size = 160;
	char	   *text;

	DL_TRY(dl_arena_alloc(arena, size, &text, error));
	snprintf(text, size, "%sembedding(8) > neighbours(32, rows => %lld)",
			 request->task == DL_TASK_REGRESSION ? PERIODIC("0.2", "16", "8") : PERIODIC("0.5", "16", "8"), (long long) rows);
	*result = text;
	return DL_OK;
}

/* What the user has said stays. */
static void
set_neighbours(const DlFitOptions *options, int64_t rows, DlTrainSettings *settings)
{
	DlTrainSettings usual;

	dl_train_settings_default(&usual);
	if (options->epochs == DL_UNSET)
		settings->epochs = NEIGHBOURS_EPOCHS;
	if (options->batch_size == DL_UNSET)
		settings->batch_size = rows <= 5000 ? 64 : 256;
	if (options->schedule == DL_UNSET)
		settings->schedule = DL_SCHEDULE_COSINE;
	if (isnan(options->learning_rate))
		settings->learning_rate = NEIGHBOURS_RATE;
	if (isnan(options->weight_decay))
		settings->weight_decay = NEIGHBOURS_DECAY;
	if (isnan(options->beta2))
		settings->beta2 = usual.beta2;
}

/* The settings of trial number index, of the network at place network. */
static void
begin_trial(const DlFitChoice *choice, int index, int32_t network, DlFitTrial *trial)
{
	trial->network = network;
	trial->fold = -1;
	trial->settings = choice->train;
	trial->settings.seed = dl_hash_mix(choice->train.seed, (uint64_t) index);
}

/* The user's network, as often as he says. */
static DlStatus
plan_own(const DlFitRequest *request, DlModel *model, DlFitChoice *choice, DlError *error)
{
	int			members = request->options.members != DL_UNSET ? request->options.members : 1;

	model->network_count = 1;
	DL_TRY(dl_model_build_network(model, request->options.network, &model->networks[0], error));
	choice->most_members = choice->trial_count = members;
	for (int i = 0; i < members; i++)
		begin_trial(choice, i, 0, &choice->trials[i]);
	return DL_OK;
}

static const Variant *
variants_for(const DlFitRequest *request, int *count)
{
	if (dl_fit_mostly_arrays(request))
	{
		*count = COUNT(array_variants);
		return array_variants;
	}
	*count = request->task == DL_TASK_REGRESSION ? COUNT(regression_variants) : COUNT(class_variants);
	return request->task == DL_TASK_REGRESSION ? regression_variants : class_variants;
}

/* One variant, or neighbours where it is NULL, as the next trial, or trials when there are folds. */
static void
add_variant(const DlFitRequest *request, const Variant *variant, int32_t network, int64_t rows, bool log_suits,
			DlFitChoice *choice)
{
	for (int f = 0; f < (choice->folds ? DL_FIT_FOLDS : 1); f++)
	{
		DlFitTrial *trial = &choice->trials[choice->trial_count];

		begin_trial(choice, choice->trial_count++, network, trial);
		trial->fold = choice->folds ? f : -1;
		if (variant == NULL)
		{
			set_neighbours(&request->options, rows, &trial->settings);
			continue;
		}
		trial->log_target = log_suits && variant->log_target;
		if (isnan(request->options.learning_rate))
			trial->settings.learning_rate *= variant->rate;
	}
}

/* The variants in turn, each time with another seed, as long as the work allows it; a limit of time is one by itself. */
static DlStatus
plan_variants(DlArena *arena, const DlFitRequest *request, int64_t rows, bool log_suits, DlModel *model,
			  DlFitChoice *choice, DlError *error)
{
	const EffortRule *rule = &effort_rules[dl_fit_effort(request)];
	bool		asked = request->options.members != DL_UNSET;
	bool		limited = !asked && isnan(request->options.max_seconds);
	int			folds = choice->folds ? DL_FIT_FOLDS : 1;
	int			most = asked ? request->options.members : choice->folds ? rule->fold_variants : rule->trials;
	int			count;
	const Variant *variants = variants_for(request, &count);
	/* rows beside those of a fold */
	int64_t		kept = choice->folds ? rows - rows / DL_FIT_FOLDS : rows;
	int			neighbours = neighbours_suit(request, choice, rows) ? NEIGHBOURS_AFTER : -1;
	double		work = 0;

	if (neighbours >= 0 && !asked)
		most += most / count;
	count += neighbours >= 0;
	/* the same measurements of one kind are learnt alike by all variants */
	if (choice->folds && dl_fit_mostly_arrays(request) && most > count)
		most = count;
	choice->most_members = asked ? most : choice->folds ? rule->fold_members : rule->members;
	for (int i = 0; i < most && choice->trial_count + folds <= DL_MODEL_MAX_TRIALS; i++)
	{
		int			place = i % count;
		const Variant *variant = place == neighbours ? NULL :
			&variants[place - (neighbours >= 0 && place > neighbours)];
		const char *text;

		if (i < count)
		{
			if (variant != NULL)
				DL_TRY(write_network(arena, variant, &text, error));
			else
				DL_TRY(write_neighbours(arena, request, kept, &text, error));
			DL_TRY(dl_model_build_network(model, text, &model->networks[i], error));
			model->network_count++;
		}
		add_variant(request, variant, place, rows, log_suits, choice);
		work += folds * (double) rows * dl_fit_trial_work(model, &choice->trials[choice->trial_count - 1]);
		if (i == 0 || !limited || work <= rule->work)
		{
			choice->neighbours |= variant == NULL;
			continue;
		}
		choice->trial_count -= folds;
		break;
	}
	return DL_OK;
}

DlStatus
dl_fit_plan(DlArena *arena, const DlFitRequest *request, int64_t rows, bool log_suits, DlModel *model,
			DlFitChoice *choice, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, DL_MODEL_MAX_TRIALS, sizeof(DlFitTrial), &choice->trials, error));
	DL_TRY(dl_arena_calloc(model->arena, DL_MODEL_MAX_TRIALS, sizeof(DlModelNetwork), &model->networks, error));
	if (request->options.network != NULL)
		return plan_own(request, model, choice, error);
	return plan_variants(arena, request, rows, log_suits, model, choice, error);
}
