/*
 * fit.c
 *    A whole training, from rows to the bytes of a model.
 *
 * The stages run one after the other on the thread that calls dl_fit(); each checks
 * the host's cancel flag.  Memory: the result lives in the caller's arena,
 * everything else is freed before return.
 */
#include "model/fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/size.h"
#include "cpu/cpu.h"
#include "model/fit_internal.h"
#include "model/fit_folds.h"
#include "model/fit_members.h"
#include "model/fit_start.h"
#include "model/fit_trials.h"

typedef struct Fit
{
	DlArena    *scratch;
	const DlFitRequest *request;
	DlDataset  *dataset;
	const DlFitHost *host;
	DlModel    *model;
	double		started;		/* of dl_fit_clock() */
	DlSplit		split;
	DlFitChoice choice;
	DlTargetScaling target;		/* standardised, and of logarithms */
	DlTargetScaling log_target;
	DlFitSource sources[3];		/* by DlPart */
	DlThreads  *threads;
	int64_t    *class_rows;		/* training rows of each class */
	float	   *class_weight;
	DlFitSelection selection;
	bool		folds_wanted;
	bool		has_selection;
	DlFitFolds	folds;
	DlFitStart	start;
} Fit;

static DlStatus
check_cancel(const Fit *fit, DlError *error)
{
	if (fit->host->cancel != NULL && atomic_load_explicit(fit->host->cancel, memory_order_relaxed) != 0)
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	return DL_OK;
}

static void
notice(const Fit *fit, DlFitNoticeLevel level, const char *message, const char *detail)
{
	if (fit->host->notice != NULL)
		fit->host->notice(fit->host->context, level, message, detail);
}

static void
preparation_notice(void *context, DlPreparationNoticeKind kind, const char *column, int64_t count)
{
	char		message[512];

	if (kind == DL_NOTICE_CONSTANT)
		snprintf(message, sizeof(message), "column \"%s\" never varies in the training rows and is not used", column);
	else
		snprintf(message, sizeof(message), "%lld rare values of column \"%s\" are treated as one", (long long) count, column);
	notice(context, DL_FIT_NOTICE, message, NULL);
}

static DlStatus
add_class(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	Fit		   *fit = context;

	(void) position;
	(void) error;
	fit->class_rows[dl_fit_class(fit->request, record, &fit->sources[DL_PART_TRAIN].layout)]++;
	return DL_OK;
}

static DlStatus
prepare_classes(Fit *fit, DlError *error)
{
	int32_t		classes = fit->request->label_count;
	int32_t		present = 0;

	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) classes, sizeof(int64_t), &fit->class_rows, error));
	DL_TRY(dl_fit_visit(&fit->sources[DL_PART_TRAIN], fit->host->cancel, add_class, fit, error));
	for (int32_t k = 0; k < classes; k++)
		present += fit->class_rows[k] > 0;
	if (present >= 2)
		return DL_OK;
	dl_error_set(error, DL_ERROR_DATA, "target \"%s\" has only one class in the training rows", fit->request->target);
	dl_error_hint(error, "A classifier needs rows of at least two classes.");
	return DL_ERROR_DATA;
}

static DlStatus
weigh_classes(Fit *fit, DlError *error)
{
	int32_t		classes = fit->request->label_count;

	if (fit->choice.class_weight == DL_CLASS_WEIGHT_NONE)
		return DL_OK;
	if (fit->class_rows == NULL)
		return dl_error_set(error, DL_ERROR_INVALID, "class_weight cannot be used for task \"%s\"",
							dl_task_name(fit->request->task));
	DL_TRY(dl_arena_calloc(fit->scratch, (size_t) classes, sizeof(float), &fit->class_weight, error));
	for (int32_t k = 0; k < classes; k++)
		if (fit->class_rows[k] > 0)
			fit->class_weight[k] = (float) ((double) fit->split.count[DL_PART_TRAIN] /
											((double) classes * (double) fit->class_rows[k]));
	fit->sources[DL_PART_TRAIN].class_weight = fit->class_weight;
	return DL_OK;
}

static DlStatus
fill_model(Fit *fit, DlError *error)
{
	const DlFitRequest *r = fit->request;
	DlModel    *model = fit->model;

	model->task = r->task;
	model->target = r->target;
	model->target_type = r->target_type;
	model->labels = r->labels;
	model->temperature = 1;
	model->threshold = 0.5;
	model->column_count = r->column_count;
	model->columns = r->columns;
	model->feature_words = r->feature_words;
	model->outputs = r->task == DL_TASK_BINARY ? 1 : r->task == DL_TASK_MULTICLASS ? r->label_count : r->target_words;
	for (int p = DL_PART_TRAIN; p <= DL_PART_TEST; p++)
		dl_fit_source_init(&fit->sources[p], fit->dataset, r, model, fit->split.rows[p], fit->split.count[p]);
	if (r->task == DL_TASK_REGRESSION)
		return dl_fit_targets(model->arena, &fit->sources[DL_PART_TRAIN], model, fit->host->cancel, &fit->target,
							  &fit->log_target, error);
	if (r->task == DL_TASK_MULTILABEL)
		return DL_OK;
	return prepare_classes(fit, error);
}

static DlStatus
fit_preparation(Fit *fit, DlError *error)
{
	const DlFitRequest *r = fit->request;
	DlRecordLayout layout;

	dl_record_layout(r->target_words, r->feature_words, &layout);
	return dl_preparation_fit(fit->model->arena, r->columns, r->column_count, &layout, fit->dataset,
							  fit->split.rows[DL_PART_TRAIN], fit->split.count[DL_PART_TRAIN], &fit->choice.preparation,
							  (uint64_t) r->options.seed, preparation_notice, fit, fit->host->cancel,
							  &fit->model->preparation, error);
}

/*
 * What the networks are given, and which they are.  Where it turns out that none of them can begin with
 * the weights of the start, all is as the rows alone have it.
 */
static DlStatus
plan(Fit *fit, DlError *error)
{
	const DlFitRequest *r = fit->request;
	DlFitSource *training = &fit->sources[DL_PART_TRAIN];
	int64_t		rows = fit->split.count[DL_PART_TRAIN];

	do
	{
		training->folds = NULL;
		if (fit->choice.target_means)
			DL_TRY(dl_fit_target_means(fit->scratch, fit->model, training,
									   fit->log_target.log ? &fit->log_target : &fit->target, fit->class_rows,
									   &fit->choice, fit->start.model, fit->host->cancel, error));
		if (r->options.network == NULL && r->task != DL_TASK_REGRESSION && rows <= DL_FIT_NEIGHBOURS_ROWS)
			DL_TRY(dl_fit_repeats(fit->scratch, training, fit->host->cancel, &fit->choice.repeats, error));
		fit->model->network_count = fit->choice.trial_count = 0;
		DL_TRY(dl_fit_plan(fit->scratch, r, rows, fit->log_target.log, fit->model, &fit->choice, error));
		DL_TRY(dl_fit_start_match(&fit->start, fit->model, &fit->choice, error));
	} while (dl_fit_start_gives_up(&fit->start, fit->model));
	return DL_OK;
}

/* Where a warm start was asked for: what became of it. */
static void
tell_start(Fit *fit)
{
	DlFitStart *start = &fit->start;
	char		message[128];

	if (!start->asked)
		return;
	fit->choice.weights = start->line;
	if (start->model != NULL)
	{
		snprintf(start->line, sizeof(start->line), "%d of %d networks begin%s with those of version %d", start->networks,
				 fit->choice.trial_count, start->networks == 1 ? "s" : "", start->version);
		return;
	}
	snprintf(start->line, sizeof(start->line), "of the networks' own, not of a version before: %s", start->why_not);
	if (start->version == 0)
		return;
	snprintf(message, sizeof(message), "training begins afresh, not with the weights of version %d", start->version);
	snprintf(start->line, sizeof(start->line), "of the networks' own, not of version %d: %s", start->version, start->why_not);
	notice(fit, DL_FIT_NOTICE, message, start->why_not);
}

/* How each trial's targets are scaled. */
static DlStatus
scale_targets(Fit *fit, DlError *error)
{
	size_t		outputs = (size_t) fit->model->outputs;

	for (int i = 0; i < fit->choice.trial_count; i++)
	{
		DlFitTrial *trial = &fit->choice.trials[i];

		if (trial->start != NULL)
			continue;
		trial->target = trial->log_target ? fit->log_target : fit->target;
		if (!trial->log_target)
			continue;
		/* smearing moves the center of each trial */
		DL_TRY(dl_arena_calloc(fit->model->arena, outputs, sizeof(double), &trial->target.center, error));
		memcpy(trial->target.center, fit->log_target.center, outputs * sizeof(double));
	}
	return DL_OK;
}

/* The most members that the choice may lead to, to ask whether they fit a model. */
static DlStatus
check_size(Fit *fit, DlError *error)
{
	DlModel    *model = fit->model;
	int			most = fit->choice.most_members * (fit->choice.folds ? DL_FIT_FOLDS : 1);

	model->member_count = most < fit->choice.trial_count ? most : fit->choice.trial_count;
	DL_TRY(dl_arena_calloc(model->arena, (size_t) fit->choice.trial_count, sizeof(DlModelMember), &model->members, error));
	for (int i = 0; i < fit->choice.trial_count; i++)
		model->members[i].network = fit->choice.trials[i].network;
	return dl_model_check_size(model, error);
}

/* What is asked for must be possible before anything is trained. */
static DlStatus
check_requests(const Fit *fit, DlError *error)
{
	const DlFitOptions *o = &fit->request->options;
	bool		threshold = o->optimize != DL_UNSET && o->optimize != DL_OPTIMIZE_ACCURACY;
	bool		interval = !isnan(o->prediction_interval);

	if (threshold && fit->request->task != DL_TASK_BINARY)
		return dl_error_set(error, DL_ERROR_INVALID, "optimize can be set for task \"binary\" only, not for \"%s\"",
							dl_task_name(fit->request->task));
	if (interval && (fit->request->task != DL_TASK_REGRESSION || fit->model->outputs > 1))
		return dl_error_set(error, DL_ERROR_INVALID, "prediction_interval can be set for a regression of one value only");
	if ((threshold || interval) && fit->split.count[DL_PART_VALIDATION] == 0 && !fit->folds_wanted)
	{
		dl_error_set(error, DL_ERROR_INVALID, "%s needs validation rows", threshold ? "optimize" : "prediction_interval");
		dl_error_hint(error, "Set validation above 0, or mark rows as \"validation\" in split_column.");
		return DL_ERROR_INVALID;
	}
	return DL_OK;
}

static DlStatus
prepare_rows(Fit *fit, DlError *error)
{
	const DlPreparation *p = &fit->model->preparation;

	if (fit->choice.train.epochs == 1 && fit->choice.trial_count == 1)
		return DL_OK;
	for (int part = DL_PART_TRAIN; part <= DL_PART_VALIDATION; part++)
	{
		size_t		bytes = ((size_t) p->inputs + (size_t) p->embedded) * 4 * (size_t) fit->split.count[part];

		if (bytes <= (size_t) fit->request->options.memory / 2)
			DL_TRY(dl_fit_source_prepare(&fit->sources[part], fit->scratch, fit->host->cancel, error));
	}
	return DL_OK;
}

/* The rows that judge: those of the validation part, or all by folds. */
static DlStatus
load_selection(Fit *fit, size_t memory, DlError *error)
{
	DlPart		part = fit->choice.folds ? DL_PART_TRAIN : DL_PART_VALIDATION;

	fit->has_selection = fit->split.count[part] > 0;
	if (!fit->has_selection)
		return DL_OK;
	DL_TRY(dl_fit_selection_load(fit->scratch, fit->model, &fit->choice.train, &fit->sources[part],
								 memory / 4 / (size_t) fit->choice.trial_count, fit->host->cancel, &fit->selection, error));
	DL_TRY(dl_fit_calibrate_check(&fit->selection, &fit->request->options, error));
	if (!fit->choice.folds)
		return DL_OK;
	return dl_fit_folds_create(fit->scratch, &fit->sources[part], &fit->selection, fit->host->cancel, &fit->folds, error);
}

/* By the attempts before this one, as far as the latest checkpoint knows. */
static double
seconds_spent(const DlFitHost *host)
{
	double		most = 0;

	for (int i = 0; i < host->checkpoint_count; i++)
		most = fmax(most, dl_fit_checkpoint_seconds(&host->checkpoints[i]));
	return most;
}

static DlStatus
train(Fit *fit, DlError *error)
{
	DlModel    *model = fit->model;
	const DlPreparation *p = &model->preparation;
	DlNetworkInputs inputs = {p->inputs, p->continuous, p->embedded, p->embedded_levels, model->task != DL_TASK_REGRESSION};
	DlFitTraining training = {
		.model = model, .inputs = &inputs, .source = &fit->sources[DL_PART_TRAIN],
		.validation = &fit->sources[DL_PART_VALIDATION], .backend = dl_backend_cpu(),
		.threads = fit->threads, .host = fit->host,
		.in_memory = dl_dataset_in_memory(fit->dataset), .trial_count = fit->choice.trial_count,
		.trials = fit->choice.trials, .arena = fit->scratch,
		.memory = dl_fit_memory(fit->request), .start = &fit->start,
	};
	DlFitJudging judging = {
		.scratch = fit->scratch, .request = fit->request, .folds = &fit->folds, .choice = &fit->choice, .model = model,
	};

	DL_TRY(prepare_rows(fit, error));
	DL_TRY(load_selection(fit, training.memory, error));
	training.selection = fit->has_selection ? &fit->selection : NULL;
	training.folds = fit->choice.folds ? &fit->folds : NULL;
	training.metric = fit->has_selection ? dl_deciding_metric(model->task, &fit->choice.train) : "loss";
	training.begun = fit->started - fit->request->options.seconds_before - seconds_spent(fit->host);
	if (!isnan(fit->request->options.max_seconds))
		training.deadline = training.begun + fit->request->options.max_seconds;
	DL_TRY(dl_fit_trials(&training, error));
	judging.selection = fit->has_selection ? &fit->selection : NULL;
	return dl_fit_make_members(&judging, error);
}

static DlPart
measured_part(const Fit *fit)
{
	if (fit->split.count[DL_PART_TEST] > 0)
		return DL_PART_TEST;
	return fit->split.count[DL_PART_VALIDATION] > 0 ? DL_PART_VALIDATION : DL_PART_TRAIN;
}

/* A sum, so that the same rows give the same number in any order. */
static DlStatus
add_hash(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	uint64_t   *sum = context;
	uint64_t	hash;

	(void) position;
	(void) error;
	memcpy(&hash, record + DL_RECORD_HASH, sizeof(hash));
	*sum += dl_hash_mix(1, hash);
	return DL_OK;
}

static void
fill_record(Fit *fit)
{
	static const char *const part_names[] = {"train", "validation", "test"};
	const DlFitRequest *r = fit->request;
	DlTrainRecord *record = &fit->model->record;

	record->query = r->query;
	record->options_given = r->options_given;
	record->search_path = r->search_path;
	record->timezone = r->timezone;
	record->datestyle = r->datestyle;
	record->matmul_precision = r->matmul_precision;
	record->rows = dl_dataset_rows(fit->dataset);
	record->skipped = r->skipped;
	for (int part = 0; part < 3; part++)
		record->part_rows[part] = fit->split.count[part];
	record->split = r->split;
	record->validation = r->options.validation;
	record->test = r->options.test;
	record->weight_column = r->weight_column;
	record->left_out = r->left_out;
	record->choices = fit->choice.why;
	record->threads = dl_threads_count(fit->threads);
	record->metric_part = part_names[measured_part(fit)];
}

/* The deployed model on the rows that the new one was measured on. */
static DlStatus
compare(Fit *fit, DlPart part, DlFitResult *result, DlError *error)
{
	DlModel    *incumbent;
	DlFeatureMap *map = NULL;
	DlMetricValue *metrics;
	int			count;
	DlStatus	status;

	result->comparison = DL_COMPARED_NOT;
	if (fit->request->incumbent == NULL)
		return DL_OK;
	DL_TRY(dl_model_decode(fit->request->incumbent, (size_t) fit->request->incumbent_length, 0, &incumbent, error));
	status = DL_OK;
	if (incumbent->task == fit->model->task && incumbent->outputs == fit->model->outputs &&
		dl_fit_same_labels(incumbent->labels, fit->model->labels))
		status = dl_fit_feature_map(fit->scratch, fit->request, incumbent, &map, error);
	if (status == DL_OK && map != NULL)
		status = dl_fit_measure(fit->scratch, incumbent, &fit->choice.train, map, &fit->sources[part], fit->host->cancel,
								&count, &metrics, NULL, error);
	if (status == DL_OK && map != NULL)
	{
		result->incumbent_value = metrics[0].value;
		result->comparison = result->value < result->incumbent_value || isnan(result->incumbent_value) ?
			DL_COMPARED_BETTER : DL_COMPARED_NOT_BETTER;
	}
	dl_model_destroy(incumbent);
	return status;
}

static DlStatus
finish(Fit *fit, DlArena *arena, DlFitResult *result, DlError *error)
{
	DlPart		part = measured_part(fit);
	DlTrainRecord *record = &fit->model->record;

	fill_record(fit);
	DL_TRY(dl_fit_measure(fit->model->arena, fit->model, &record->settings, NULL, &fit->sources[part], fit->host->cancel,
						  &record->metric_count, &record->metrics, &fit->model->statistics.predictions, error));
	DL_TRY(dl_fit_statistics(&fit->sources[DL_PART_TRAIN], fit->choice.preparation.min_count,
							 fit->host->cancel, fit->model, error));
	record->metric = record->metrics[0].name;
	DL_TRY(dl_fit_visit(&fit->sources[part], fit->host->cancel, add_hash, &record->held_out, error));
	result->rows = record->rows;
	result->epochs = dl_record_epochs(record);
	result->metric = record->metric;
	result->metric_part = record->metric_part;
	result->held_out = record->held_out;
	result->value = record->metrics[0].value;
	DL_TRY(compare(fit, part, result, error));
	return dl_model_encode(fit->model, arena, &result->bytes, &result->length, error);
}

static void
report_phase(const Fit *fit, DlFitPhase phase)
{
	DlFitProgress progress = {.phase = phase, .metric = ""};

	if (fit->host->progress != NULL)
		fit->host->progress(fit->host->context, &progress);
}

static DlStatus
run(Fit *fit, DlArena *arena, DlFitResult *result, DlError *error)
{
	const DlFitRequest *r = fit->request;
	DlSplitSettings split = {
		.validation = r->options.validation, .test = r->options.test, .seed = (uint64_t) r->options.seed,
		.by_column = r->split_by_column, .classes = r->target_codes || r->target_two_values,
	};

	report_phase(fit, DL_FIT_PREPARING);
	DL_TRY(dl_split_make(fit->scratch, fit->dataset, &split, &fit->split, error));
	DL_TRY(check_cancel(fit, error));
	DL_TRY(dl_fit_choose_judges(fit->scratch, r, fit->dataset, &fit->split, &fit->folds_wanted, error));
	DL_TRY(fill_model(fit, error));
	DL_TRY(check_requests(fit, error));
	DL_TRY(dl_fit_start_open(&fit->start, r, fit->model, dl_dataset_rows(fit->dataset), fit->folds_wanted, error));
	DL_TRY(dl_fit_choose(r, fit->split.count[DL_PART_TRAIN], fit->split.count[DL_PART_VALIDATION] > 0,
						 &fit->choice, error));
	fit->choice.folds = fit->folds_wanted;
	DL_TRY(weigh_classes(fit, error));
	DL_TRY(fit_preparation(fit, error));
	DL_TRY(dl_fit_start_prepare(&fit->start, fit->scratch, &fit->sources[DL_PART_TRAIN], fit->choice.preparation.scaling,
								fit->host->cancel, fit->model, error));
	DL_TRY(plan(fit, error));
	tell_start(fit);
	DL_TRY(dl_fit_explain(fit->scratch, r, fit->split.count[DL_PART_TRAIN], &fit->choice, error));
	DL_TRY(scale_targets(fit, error));
	DL_TRY(check_size(fit, error));
	DL_TRY(train(fit, error));
	report_phase(fit, DL_FIT_EVALUATING);
	return finish(fit, arena, result, error);
}

DlStatus
dl_fit(DlArena *arena, const DlFitRequest *request, DlDataset *dataset, const DlFitHost *host, DlFitResult *result,
	   DlError *error)
{
	Fit			fit = {.request = request, .dataset = dataset, .host = host, .started = dl_fit_clock()};
	DlModel		model = {0};
	int			threads = request->options.threads > 0 ? request->options.threads : dl_processor_count();
	DlStatus	status;

	memset(result, 0, sizeof(*result));
	DL_TRY(dl_arena_create(0, &fit.scratch, error));
	model.arena = fit.scratch;
	fit.model = &model;
	status = dl_threads_create(threads, &fit.threads, error);
	if (status == DL_OK)
		status = run(&fit, arena, result, error);
	for (int i = 0; i < fit.choice.trial_count; i++)
		dl_arena_destroy(fit.choice.trials[i].arena);
	dl_fit_start_close(&fit.start);
	dl_threads_destroy(fit.threads);
	dl_arena_destroy(fit.scratch);
	return status;
}
