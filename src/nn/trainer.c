/*
 * trainer.c
 *    The step machine: creation, epochs, the choice of the best one, and the
 *    end of training.
 *
 * All memory is taken when a trainer is created.  After a failure the best
 * parameters can still be read, but no step is made any more.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "core/size.h"
#include "nn/schedule.h"
#include "nn/trainer_internal.h"

typedef struct LossKind
{
	DlOp		op;
	DlPointLoss point;
	double		parameter;		/* where the setting is 0 */
} LossKind;

/* In the order of DlLoss. */
static const LossKind loss_kinds[] = {
	{DL_OP_LOSS_POINT, DL_LOSS_MSE, 0},
	{DL_OP_LOSS_POINT, DL_LOSS_MAE, 0},
	{DL_OP_LOSS_POINT, DL_LOSS_HUBER, 1},
	{DL_OP_LOSS_POINT, DL_LOSS_QUANTILE, 0.5},
	{DL_OP_LOSS_POINT, DL_LOSS_BCE, 0},
	{DL_OP_LOSS_SOFTMAX, DL_LOSS_MSE, 0},
};

/*
 * --- creation ----------------------------------------------------------------
 */

double
dl_train_loss_parameter(const DlTrainSettings *settings)
{
	return settings->loss_parameter != 0 ? settings->loss_parameter : loss_kinds[settings->loss].parameter;
}

static DlStatus
add_loss(DlTrainer *trainer, double smoothing, DlNode *result, DlError *error)
{
	const LossKind *kind = &loss_kinds[trainer->settings.loss];
	DlNode		inputs[3] = {trainer->nodes.output, trainer->nodes.target, trainer->nodes.weight};
	DlAttributes attributes = {
		.loss = kind->point,
		.smoothing = smoothing,
		.parameter = trainer->settings.loss == DL_TRAIN_BINARY ? smoothing : dl_train_loss_parameter(&trainer->settings)
	};

	return dl_graph_apply(trainer->graph, kind->op, inputs, 3, &attributes, result, error);
}

/* The network, the inputs of its loss, and the loss with and without label smoothing. */
static DlStatus
build_graph(DlTrainer *trainer, DlArena *arena, const DlNetwork *network, const DlNetworkInputs *inputs,
			DlNetworkNodes *built, DlError *error)
{
	DlNetworkNodes nodes;
	bool		classes = trainer->settings.loss == DL_TRAIN_CROSS_ENTROPY;
	double		smoothing = trainer->settings.label_smoothing;

	DL_TRY(dl_graph_create(arena, &trainer->graph, error));
	DL_TRY(dl_network_build(network, inputs, trainer->outputs, trainer->graph, &nodes, error));
	*built = nodes;
	trainer->nodes.numbers = nodes.numbers;
	trainer->nodes.codes = nodes.codes;
	trainer->nodes.output = nodes.output;
	DL_TRY(dl_graph_input(trainer->graph, "target", classes ? DL_I32 : DL_F32, classes ? 1 : trainer->outputs,
						  &trainer->nodes.target, error));
	DL_TRY(dl_graph_input(trainer->graph, "weight", DL_F32, 1, &trainer->nodes.weight, error));
	DL_TRY(add_loss(trainer, 0, &trainer->nodes.loss, error));
	trainer->training_loss = trainer->nodes.loss;
	if (smoothing > 0)
		DL_TRY(add_loss(trainer, smoothing, &trainer->training_loss, error));
	return DL_OK;
}

static DlStatus
check_source(const DlBatchSource *source, const char *what, int64_t least, DlError *error)
{
	if (source->row_count < least)
		return dl_error_set(error, DL_ERROR_DATA, "there are no rows for %s", what);
	if (source->row_count > (int64_t) UINT32_MAX)
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld rows for %s are more than the limit of %lld",
							(long long) source->row_count, what, (long long) UINT32_MAX);
	return DL_OK;
}

static DlStatus
check_arguments(const DlTrainer *trainer, DlError *error)
{
	DL_TRY(dl_train_settings_check(&trainer->settings, error));
	DL_TRY(check_source(&trainer->training, "training", 1, error));
	DL_TRY(check_source(&trainer->validation, "validation", 0, error));
	if (trainer->backend->real != DL_F32)
		return dl_error_set(error, DL_ERROR_UNSUPPORTED, "training needs a float32 backend, \"%s\" computes in %s",
							trainer->backend->name, dl_dtype_name(trainer->backend->real));
	if (trainer->settings.loss == DL_TRAIN_CROSS_ENTROPY && trainer->outputs < 2)
		return dl_error_set(error, DL_ERROR_INVALID, "the loss cross_entropy needs at least 2 classes, got %lld",
							(long long) trainer->outputs);
	return DL_OK;
}

static DlStatus
create_parameters(DlTrainer *trainer, const DlTrainerStart *start, DlArena *arena, DlError *error)
{
	DlRandom	random;

	trainer->length = dl_graph_vector_length(trainer->graph);
	DL_TRY(dl_arena_calloc(arena, (size_t) trainer->length, sizeof(float), &trainer->parameters, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) trainer->length, sizeof(float), &trainer->best_parameters, error));
	dl_random_seed(&random, trainer->settings.seed, STREAM_PARAMETERS);
	dl_graph_initialise(trainer->graph, &random, trainer->parameters);
	if (start != NULL)
		start->fill(start->context, trainer->graph, trainer->parameters);
	else
		DL_TRY(dl_trainer_initialise(trainer, error));
	memcpy(trainer->best_parameters, trainer->parameters, (size_t) trainer->length * sizeof(float));
	return dl_updater_create(arena, trainer->graph, &trainer->settings, &trainer->updater, error);
}

static DlStatus
create_validation(DlTrainer *trainer, DlArena *arena, DlError *error)
{
	int64_t		values;

	if (trainer->validation.row_count == 0)
		return DL_OK;
	if (!dl_int64_mul(trainer->validation.row_count, trainer->outputs, &values))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld outputs for each of %lld validation rows are too many",
							(long long) trainer->outputs, (long long) trainer->validation.row_count);
	DL_TRY(dl_arena_calloc(arena, (size_t) values, sizeof(float), &trainer->epoch_outputs, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) values, sizeof(float), &trainer->best_outputs, error));
	return dl_evaluation_create(arena, trainer->graph, &trainer->nodes, &trainer->validation, trainer->backend,
								trainer->threads, trainer->cancel, false, &trainer->evaluation, error);
}

DlStatus
dl_trainer_create(DlArena *arena, const DlNetwork *network, const DlNetworkInputs *inputs,
				  int64_t outputs, const DlTrainSettings *settings, const DlBatchSource *training,
				  const DlBatchSource *validation, const DlSelection *selection,
				  const DlBackend *backend, DlThreads *threads, const atomic_int *cancel,
				  DlTrainer **result, DlError *error)
{
	return dl_trainer_create_from(arena, network, inputs, outputs, settings, training, validation, selection, backend,
								  threads, NULL, cancel, result, error);
}

DlStatus
dl_trainer_create_from(DlArena *arena, const DlNetwork *network, const DlNetworkInputs *inputs,
					   int64_t outputs, const DlTrainSettings *settings, const DlBatchSource *training,
					   const DlBatchSource *validation, const DlSelection *selection,
					   const DlBackend *backend, DlThreads *threads, const DlTrainerStart *start,
					   const atomic_int *cancel, DlTrainer **result, DlError *error)
{
	DlTrainer  *trainer;
	DlNetworkNodes nodes;

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlTrainer), &trainer, error));
	trainer->backend = backend;
	trainer->threads = threads;
	trainer->cancel = cancel;
	trainer->settings = *settings;
	trainer->training = *training;
	if (validation != NULL)
		trainer->validation = *validation;
	if (selection != NULL)
		trainer->selection = *selection;
	trainer->outputs = outputs;
	trainer->learning_rate = settings->learning_rate;
	trainer->best_measure = INFINITY;
	trainer->phase = PHASE_TRAINING;
	DL_TRY(check_arguments(trainer, error));

	trainer->batch_size = settings->batch_size;
	if (trainer->batch_size > training->row_count)
		trainer->batch_size = training->row_count;
	trainer->steps_per_epoch = dl_trainer_batch_count(training->row_count, trainer->batch_size);
	DL_TRY(build_graph(trainer, arena, network, inputs, &nodes, error));
	DL_TRY(dl_trainer_create_kept(trainer, &nodes, arena, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) (training->row_count + trainer->candidates), sizeof(uint32_t), &trainer->order,
						   error));
	DL_TRY(create_parameters(trainer, start, arena, error));
	DL_TRY(dl_trainer_create_shards(trainer, arena, error));
	DL_TRY(create_validation(trainer, arena, error));
	if (settings->learning_rate == 0)
	{
		DL_TRY(dl_range_test_create(trainer, arena, error));
		trainer->phase = PHASE_RANGE_TEST;
	}
	*result = trainer;
	return DL_OK;
}

/*
 * --- the end of an epoch -------------------------------------------------------
 */

static DlStatus
not_finite(const DlTrainer *trainer, const char *what, DlError *error)
{
	dl_error_set(error, DL_ERROR_NUMERIC, "%s is not a finite number any more in epoch %d, step %lld", what,
				 trainer->epoch + 1, (long long) trainer->step + 1);
	dl_error_hint(error, "Use a learning_rate below %g, or set gradient_clip.", trainer->learning_rate);
	return DL_ERROR_NUMERIC;
}

static void
keep_best(DlTrainer *trainer)
{
	memcpy(trainer->best_parameters, trainer->parameters, (size_t) trainer->length * sizeof(float));
	if (trainer->evaluation != NULL)
	{
		float	   *outputs = trainer->best_outputs;

		trainer->best_outputs = trainer->epoch_outputs;
		trainer->epoch_outputs = outputs;
	}
	trainer->best_epoch = trainer->epoch + 1;
}

/* Fills trainer->last but for best. */
static void
measure_epoch(DlTrainer *trainer)
{
	DlEpoch    *last = &trainer->last;

	last->epoch = trainer->epoch + 1;
	last->learning_rate = trainer->step_rate;
	last->training_loss = trainer->loss_sum / trainer->weight_sum;
	last->validation_loss = NAN;
	last->measure = last->training_loss;
	if (trainer->evaluation == NULL)
		return;
	last->validation_loss = trainer->validation_loss_sum / trainer->validation_weight_sum;
	last->measure = last->validation_loss;
	if (trainer->selection.measure != NULL)
		last->measure = trainer->selection.measure(trainer->selection.context, trainer->epoch_outputs,
												   trainer->validation.row_count, trainer->outputs);
}

static DlStatus
finish_epoch(DlTrainer *trainer, DlTrainerEvent *event, DlError *error)
{
	double		score;
	int			patience = trainer->settings.early_stopping;

	if (trainer->weight_sum <= 0)
	{
		dl_error_set(error, DL_ERROR_DATA, "the weights of all training rows are 0");
		dl_error_hint(error, "There is nothing to learn from; check the column of weights.");
		return DL_ERROR_DATA;
	}
	measure_epoch(trainer);
	if (!isfinite(trainer->validation_loss_sum))
		return not_finite(trainer, "the validation loss", error);
	if (!isfinite(dl_updater_sum_squares(trainer->updater, trainer->backend, trainer->parts[0]->workspace, 0,
										 trainer->length, trainer->parameters)))
		return not_finite(trainer, "a parameter", error);

	/* a measure that is not defined for these rows is worse than any other */
	score = isnan(trainer->last.measure) ? INFINITY : trainer->last.measure;
	trainer->last.best = score <= trainer->best_measure;
	if (score < trainer->best_measure || trainer->best_epoch == 0)
		trainer->improved_epoch = trainer->epoch + 1;
	if (trainer->last.best)
	{
		trainer->best_measure = score;
		keep_best(trainer);
	}
	trainer->epoch++;
	trainer->step = 0;
	trainer->phase = PHASE_TRAINING;
	*event = DL_TRAINER_EPOCH;
	if (trainer->epoch == trainer->settings.epochs || trainer->limit_reached ||
		(patience > 0 && trainer->epoch - trainer->improved_epoch >= patience))
	{
		trainer->phase = PHASE_DONE;
		*event = DL_TRAINER_DONE;
	}
	return DL_OK;
}

/*
 * --- steps ---------------------------------------------------------------------
 */

static DlStatus
begin_epoch(DlTrainer *trainer, DlError *error)
{
	trainer->loss_sum = 0;
	trainer->weight_sum = 0;
	trainer->evaluated = 0;
	trainer->validation_loss_sum = 0;
	trainer->validation_weight_sum = 0;
	return dl_trainer_shuffle(trainer, STREAM_EPOCH + (uint64_t) trainer->epoch, error);
}

static double
clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

void
dl_trainer_limit(DlTrainer *trainer, double spent, double seconds)
{
	trainer->limit_started = clock_seconds() - spent;
	trainer->limit = spent + seconds;
}

/* Share of training that is done in the middle of step number. */
static double
progress_of(DlTrainer *trainer, int64_t number)
{
	double		progress = dl_step_progress(number, trainer->settings.epochs * trainer->steps_per_epoch);
	double		share;

	if (trainer->limit <= 0)
		return progress;
	share = (clock_seconds() - trainer->limit_started) / trainer->limit;
	trainer->limit_reached = share >= 1;
	return share > progress ? (share < 1 ? share : 1) : progress;
}

static DlStatus
training_step(DlTrainer *trainer, DlTrainerEvent *event, DlError *error)
{
	int64_t		number = trainer->epoch * trainer->steps_per_epoch + trainer->step;
	double		progress = progress_of(trainer, number);
	StepResult	result;
	int64_t		begin;
	int64_t		count;

	if (trainer->step == 0)
		DL_TRY(begin_epoch(trainer, error));
	dl_trainer_batch_bounds(trainer->training.row_count, trainer->batch_size, trainer->step, &begin, &count);
	trainer->step_rate = trainer->learning_rate * dl_schedule_factor(&trainer->settings, progress);
	DL_TRY(dl_trainer_optimise(trainer, trainer->order + begin, count, STREAM_STEP + (uint64_t) number,
							   trainer->step_rate, dl_anneal_factor(&trainer->settings, progress), &result, error));
	if (dl_trainer_cancelled(trainer))
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	if (!result.finite)
		return not_finite(trainer, "the loss", error);
	trainer->loss_sum += result.loss_sum;
	trainer->weight_sum += result.weight_sum;
	trainer->step++;
	if (trainer->step < trainer->steps_per_epoch && !trainer->limit_reached)
		return DL_OK;
	if (trainer->kept != NULL)
		DL_TRY(dl_trainer_keep_rows(trainer, error));
	if (trainer->evaluation != NULL)
	{
		trainer->phase = PHASE_VALIDATION;
		return DL_OK;
	}
	return finish_epoch(trainer, event, error);
}

static DlStatus
validation_step(DlTrainer *trainer, DlTrainerEvent *event, DlError *error)
{
	int64_t		until = trainer->evaluated + dl_evaluation_round(trainer->evaluation);

	if (until > trainer->validation.row_count)
		until = trainer->validation.row_count;
	DL_TRY(dl_evaluation_run(trainer->evaluation, trainer->parameters, trainer->evaluated, until,
							 trainer->epoch_outputs, &trainer->validation_loss_sum, &trainer->validation_weight_sum,
							 error));
	trainer->evaluated = until;
	if (until < trainer->validation.row_count)
		return DL_OK;
	return finish_epoch(trainer, event, error);
}

static DlStatus
next(DlTrainer *trainer, DlTrainerEvent *event, DlError *error)
{
	bool		done;

	if (dl_trainer_cancelled(trainer))
		return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
	switch (trainer->phase)
	{
		case PHASE_RANGE_TEST:
			DL_TRY(dl_range_test_step(trainer, &done, error));
			if (done)
				trainer->phase = PHASE_TRAINING;
			return DL_OK;
		case PHASE_TRAINING:
			return training_step(trainer, event, error);
		case PHASE_VALIDATION:
			return validation_step(trainer, event, error);
		case PHASE_DONE:
			*event = DL_TRAINER_DONE;
			return DL_OK;
		case PHASE_FAILED:
			break;
	}
	return dl_error_set(error, DL_ERROR_INVALID, "training has failed and cannot go on");
}

DlStatus
dl_trainer_step(DlTrainer *trainer, DlTrainerEvent *event, DlError *error)
{
	DlStatus	status;

	*event = DL_TRAINER_RUNNING;
	status = next(trainer, event, error);
	if (status != DL_OK)
		trainer->phase = PHASE_FAILED;
	return status;
}

/*
 * --- what can be read between steps --------------------------------------------
 */

const DlEpoch *
dl_trainer_epoch(const DlTrainer *trainer)
{
	return &trainer->last;
}

int
dl_trainer_best_epoch(const DlTrainer *trainer)
{
	return trainer->best_epoch;
}

void
dl_trainer_batches(const DlTrainer *trainer, int64_t *done, int64_t *all)
{
	*done = trainer->step;
	*all = trainer->steps_per_epoch;
}

double
dl_trainer_progress(const DlTrainer *trainer)
{
	/* a training row costs about three times a validation row: forward, and two products back */
	double		all = 3 * (double) trainer->training.row_count + (double) trainer->validation.row_count;
	double		done = 3 * (double) trainer->training.row_count * (double) trainer->step /
		(double) trainer->steps_per_epoch;

	if (trainer->phase == PHASE_VALIDATION)
		done += (double) trainer->evaluated;
	return trainer->phase == PHASE_DONE ? 1 : done / all;
}

const DlGraph *
dl_trainer_graph(const DlTrainer *trainer)
{
	return trainer->graph;
}

const float *
dl_trainer_best_parameters(const DlTrainer *trainer)
{
	return trainer->best_parameters;
}

const float *
dl_trainer_best_outputs(const DlTrainer *trainer)
{
	return trainer->best_outputs;
}

double
dl_trainer_learning_rate(const DlTrainer *trainer)
{
	return trainer->learning_rate;
}
