/*
 * fit_plan.c
 *    Which networks are trained: the user's own, or those for tables, as many
 *    as the work allowed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/fit_folds.h"
#include "model/fit_variants.h"

/* Of the seed, for the draws of variants. */
#define SEARCH_STREAM 7

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

#define WHOLE_LIST 0			/* in the place of a number of trials */

static const EffortRule effort_rules[] = {
	{1, 1, 1, 1, 0},
	{WHOLE_LIST, 8, WHOLE_LIST, 5, 1.3e12},
	{36, 16, 24, 6, 6.5e12},
};

int
dl_fit_most_trials(const DlFitRequest *request)
{
	int			variants = effort_rules[dl_fit_effort(request)].fold_variants;

	return (variants == WHOLE_LIST ? DL_FIT_MOST_VARIANTS : variants) * DL_FIT_FOLDS;
}

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
 * The list has a network of neighbours, which keeps all training rows, for regression, where there are not
 * too many of them, and for other tasks where at least this share of them repeats, so that it pays to
 * know them by heart.  It learns fast, and by a settled rate; what RealMLP wants does not suit it.
 */
#define NEIGHBOURS_REPEATS 0.1
#define NEIGHBOURS_EPOCHS 16
#define NEIGHBOURS_RATE 0.01
#define NEIGHBOURS_DECAY 2e-4

static bool
neighbours_suit(const DlFitRequest *request, const DlFitChoice *choice, int64_t rows)
{
	return request->options.neighbours != 0 && (request->task == DL_TASK_REGRESSION || choice->repeats >= NEIGHBOURS_REPEATS) &&
		!dl_fit_mostly_arrays(request) && rows <= DL_FIT_NEIGHBOURS_ROWS;
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

/* One variant as the next trial, or trials when there are folds. */
static void
add_variant(const DlFitRequest *request, const DlFitVariant *variant, int64_t rows, bool log_suits, DlModel *model,
			DlFitChoice *choice)
{
	for (int f = 0; f < (choice->folds ? DL_FIT_FOLDS : 1); f++)
	{
		DlFitTrial *trial = &choice->trials[choice->trial_count];

		begin_trial(choice, choice->trial_count++, model->network_count - 1, trial);
		trial->fold = choice->folds ? f : -1;
		trial->log_target = log_suits && variant->log_target;
		if (variant->neighbours > 0)
			set_neighbours(&request->options, rows, &trial->settings);
		if (isnan(request->options.learning_rate))
			trial->settings.learning_rate *= variant->rate;
		if (isnan(request->options.weight_decay) && !isnan(variant->decay))
			trial->settings.weight_decay = variant->decay;
	}
}

/* Variants trained at most, of a list of count. */
static int
most_variants(const DlFitRequest *request, const DlFitChoice *choice, int count)
{
	const EffortRule *rule = &effort_rules[dl_fit_effort(request)];
	int			most = choice->folds ? rule->fold_variants : rule->trials;

	if (request->options.members != DL_UNSET)
		return request->options.members;
	/* the same measurements of one kind are learnt alike by all variants */
	if (most == WHOLE_LIST || (choice->folds && dl_fit_mostly_arrays(request) && most > count))
		return count;
	return most;
}

/* The list, and then draws, as long as the work allows it; a limit of time is one by itself. */
static DlStatus
plan_variants(DlArena *arena, const DlFitRequest *request, int64_t rows, bool log_suits, DlModel *model,
			  DlFitChoice *choice, DlError *error)
{
	const EffortRule *rule = &effort_rules[dl_fit_effort(request)];
	bool		asked = request->options.members != DL_UNSET;
	bool		limited = !asked && isnan(request->options.max_seconds);
	int			folds = choice->folds ? DL_FIT_FOLDS : 1;
	/* rows beside those of a fold */
	int64_t		kept = choice->folds ? rows - rows / DL_FIT_FOLDS : rows;
	DlFitVariant *list;
	DlRandom	random;
	int			count;
	int			most;
	double		work = 0;

	DL_TRY(dl_fit_variants(arena, request, neighbours_suit(request, choice, rows), &list, &count, error));
	dl_random_seed(&random, choice->train.seed, SEARCH_STREAM);
	most = most_variants(request, choice, count);
	choice->most_members = asked ? most : choice->folds ? rule->fold_members : rule->members;
	for (int i = 0; i < most && choice->trial_count + folds <= DL_MODEL_MAX_TRIALS; i++)
	{
		DlFitVariant variant = i < count ? list[i] : dl_fit_draw_variant(&list[i % count], &random);
		const char *text;

		DL_TRY(dl_fit_variant_text(arena, &variant, kept, &text, error));
		DL_TRY(dl_model_build_network(model, text, &model->networks[model->network_count++], error));
		add_variant(request, &variant, rows, log_suits, model, choice);
		work += folds * (double) rows * dl_fit_trial_work(model, &choice->trials[choice->trial_count - 1]);
		if (i > 0 && limited && work > rule->work)
		{
			choice->trial_count -= folds;
			model->network_count--;
			break;
		}
		choice->neighbours |= variant.neighbours > 0;
		choice->drawn |= i >= count;
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
