/*
 * fit_trials.c
 *    The queue of trials, and the threads that work it off.
 *
 * A trial's result depends on its settings and on the number of threads that
 * its trainer has, not on which thread takes it when.  Only the calling thread reports
 * progress.  Results are copied into arenas of the trials' own, so that threads share none.
 */
#include "model/fit_checkpoint.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* A timing run takes this share of the time that is left, but no longer than this. */
#define TIMING_SHARE 0.02
#define TIMING_SECONDS 0.3

/* Between two epochs that take longer than this, batches are reported. */
#define REPORT_SECONDS 0.25

/* Share of the time that is left which trials may take: measuring and storing come after them. */
#define TIME_USED 0.97

typedef struct Queue
{
	const DlFitTraining *training;
	int			parallel;		/* trials at a time */
	int			count;			/* trials that are to run */
	int			waiting;		/* of them, those that have not had the memory so far, in turn */
	int			turn[DL_MODEL_MAX_TRIALS];
	double		started;
	double		work;			/* of all of them */
	atomic_int	next;
	atomic_int	failed;			/* a trial failed for good */
	atomic_llong done;			/* work done, in thousandths of all */
	DlStatus	status[DL_MODEL_MAX_TRIALS];
	DlError		errors[DL_MODEL_MAX_TRIALS];
} Queue;

double
dl_fit_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

double
dl_fit_trial_work(const DlModel *model, const DlFitTrial *trial)
{
	/* what a row costs beside its products: copying, activations, its share of the update */
	const double overhead = 10000;
	/* of what a row costs in scoring: training looks at fewer rows, but learns from each */
	const double neighbours = 2.5;
	const DlModelNetwork *network = &model->networks[trial->network];
	double		work = (double) dl_graph_multiply_adds(network->graph) * (dl_model_kept_rows(network) > 0 ? neighbours : 1);

	return trial->settings.epochs * (work + overhead);
}

/* first_epoch: complete when the trial was taken over. */
static void
report(Queue *queue, const DlFitTrial *trial, const DlTrainer *trainer, bool epoch_end, int first_epoch, double trial_started)
{
	const DlFitTraining *t = queue->training;
	const DlEpoch *epoch = dl_trainer_epoch(trainer);
	double		epochs = epoch->epoch - first_epoch + (epoch_end ? 0 : dl_trainer_progress(trainer));
	double		now = dl_fit_clock();
	double		done = (double) atomic_load(&queue->done) / 1e6;
	DlFitProgress progress = {
		.member = (int) (trial - t->trials) + 1, .members = queue->count, .epochs = trial->settings.epochs,
		.epoch = *epoch, .metric = t->metric, .phase = DL_FIT_TRAINING, .epoch_end = epoch_end,
	};

	dl_trainer_batches(trainer, &progress.batch, &progress.batches);
	if (epoch_end)
		progress.batch = progress.batches;

	if (now > trial_started)
		progress.rows_per_second = (double) t->source->row_count * epochs * queue->parallel / (now - trial_started);
	progress.seconds_left = done > 0 ? (now - queue->started) * (1 - done) / done : NAN;
	if (t->deadline > 0)
		progress.seconds_left = fmin(progress.seconds_left, fmax(t->deadline - now, 0));
	t->host->progress(t->host->context, &progress);
}

/* The trainer of a trial, and what it borrows. */
typedef struct Trainer
{
	DlFitSource source;
	DlFitSource validation;
	DlFitSubset fold;
	DlFitSubset others;
	DlFitMeasure measure;
	DlSelection selection;
	const DlFitStart *start;
	const DlModelMember *member;
	DlTrainer  *trainer;
} Trainer;

static const DlFitSelection *
selection_of(const DlFitTraining *t, const DlFitTrial *trial)
{
	return t->folds != NULL ? &t->folds->selections[trial->fold] : t->selection;
}

static void
make_sources(const DlFitTraining *t, const DlFitTrial *trial, Trainer *trainer, DlBatchSource *source,
			 DlBatchSource *validation)
{
	trainer->source = *t->source;
	trainer->source.target = &trial->target;
	if (t->folds != NULL)
	{
		int			f = trial->fold;

		trainer->others = (DlFitSubset) {trainer->source, t->folds->others[f], t->folds->other_count[f]};
		trainer->fold = (DlFitSubset) {trainer->source, t->folds->rows[f], t->folds->count[f]};
		/* class weights are for training alone */
		trainer->fold.source.class_weight = NULL;
		*source = dl_fit_subset_source(&trainer->others);
		*validation = dl_fit_subset_source(&trainer->fold);
		return;
	}
	trainer->validation = *t->validation;
	trainer->validation.target = &trial->target;
	*source = dl_fit_batch_source(&trainer->source);
	*validation = dl_fit_batch_source(&trainer->validation);
}

static void
fill_parameters(void *context, const DlGraph *graph, float *parameters)
{
	const Trainer *trainer = context;

	dl_fit_start_fill(trainer->start, trainer->member, graph, parameters);
}

static DlStatus
create_trainer(const Queue *queue, DlArena *arena, DlFitTrial *trial, Trainer *result, DlError *error)
{
	const DlFitTraining *t = queue->training;
	DlBatchSource source;
	DlBatchSource validation;
	DlTrainerStart start = {result, fill_parameters};
	DlStatus	status;

	result->start = t->start;
	result->member = trial->start;
	make_sources(t, trial, result, &source, &validation);
	result->measure = (DlFitMeasure) {selection_of(t, trial), &trial->target};
	result->selection = (DlSelection) {&result->measure, dl_fit_selection_measure};
	status = dl_trainer_create_from(arena, t->model->networks[trial->network].network, t->inputs, t->model->outputs,
									&trial->settings, &source, &validation,
									t->selection != NULL ? &result->selection : NULL, t->backend,
									queue->parallel > 1 ? NULL : t->threads, trial->start != NULL ? &start : NULL,
									t->host->cancel, &result->trainer, error);
	if (status == DL_ERROR_MEMORY)
		dl_error_hint(error, "Use a smaller network, batch_size or number of members, or raise deep_learning.training_memory.");
	return status;
}

/* Parameters, and validation outputs of the rows that the selection keeps. */
static DlStatus
keep_result(const DlFitTraining *t, DlFitTrial *trial, const DlTrainer *trainer, DlError *error)
{
	const DlGraph *graph = t->model->networks[trial->network].graph;
	size_t		bytes = (size_t) dl_graph_vector_length(graph) * sizeof(float);
	const DlFitSelection *s = selection_of(t, trial);
	const float *outputs = dl_trainer_best_outputs(trainer);
	size_t		width = (size_t) t->model->outputs;

	DL_TRY(dl_arena_alloc(trial->arena, bytes, &trial->parameters, error));
	memcpy(trial->parameters, dl_trainer_best_parameters(trainer), bytes);
	trial->best_epoch = dl_trainer_best_epoch(trainer);
	trial->settings.learning_rate = dl_trainer_learning_rate(trainer);
	if (s == NULL)
		return DL_OK;
	DL_TRY(dl_arena_calloc(trial->arena, (size_t) s->kept_count, width * sizeof(float), &trial->outputs, error));
	for (int64_t i = 0; i < s->kept_count; i++)
		memcpy(trial->outputs + (size_t) i * width, outputs + (size_t) (i * s->kept_step) * width, width * sizeof(float));
	return DL_OK;
}

static void
keep_epoch(DlFitTrial *trial, const DlEpoch *epoch)
{
	if (trial->epoch_count < trial->settings.epochs)
		trial->epochs[trial->epoch_count++] = *epoch;
	if (epoch->best)
		trial->measure = epoch->measure;
}

static bool
keeps_checkpoints(const DlFitTraining *t)
{
	return t->host->checkpoint != NULL;
}

static const DlFitCheckpoint *
checkpoint_of(const Queue *queue, int number)
{
	const DlFitTraining *t = queue->training;

	return keeps_checkpoints(t) ? dl_fit_checkpoint_find(t->host, number, queue->parallel > 1) : NULL;
}

static size_t
parameter_count(const DlFitTraining *t, const DlFitTrial *trial)
{
	return (size_t) dl_graph_vector_length(t->model->networks[trial->network].graph);
}

static size_t
output_count(const DlFitTraining *t, const DlFitTrial *trial)
{
	const DlFitSelection *s = selection_of(t, trial);

	return s == NULL ? 0 : (size_t) s->kept_count * (size_t) t->model->outputs;
}

/* started: when the trial was begun, or taken over. */
static void
give_checkpoint(const Queue *queue, const DlFitTrial *trial, const DlTrainer *trainer, double started, DlStatus status,
				const DlError *error)
{
	const DlFitTraining *t = queue->training;
	double		now = dl_fit_clock();
	DlFitCheckpointMoment moment = {
		.number = (int) (trial - t->trials), .parallel = queue->parallel > 1, .seconds = now - t->begun,
		.trial_seconds = trial->seconds + now - started,
	};

	dl_fit_checkpoint_give(t->host, &moment, trial, trainer, parameter_count(t, trial), output_count(t, trial), status, error);
}

static void
count_work(Queue *queue, double work, double share, double *counted)
{
	atomic_fetch_add(&queue->done, (long long) (1e6 * work * (share - *counted)));
	*counted = share;
}

static DlStatus
run_trainer(Queue *queue, DlFitTrial *trial, DlTrainer *trainer, bool reports, DlError *error)
{
	const DlFitTraining *t = queue->training;
	DlTrainerEvent event = DL_TRAINER_RUNNING;
	double		started = dl_fit_clock();
	double		reported = started;
	double		kept = started;
	double		work = dl_fit_trial_work(t->model, trial) / queue->work;
	double		counted = 0;
	int			first = trial->epoch_count;

	reports = reports && t->host->progress != NULL;

	while (event != DL_TRAINER_DONE)
	{
		DL_TRY(dl_trainer_step(trainer, &event, error));
		if (event == DL_TRAINER_RUNNING)
		{
			if (reports && dl_fit_clock() - reported >= REPORT_SECONDS)
			{
				report(queue, trial, trainer, false, first, started);
				reported = dl_fit_clock();
			}
			continue;
		}
		keep_epoch(trial, dl_trainer_epoch(trainer));
		count_work(queue, work, event == DL_TRAINER_DONE ? 1 : (double) trial->epoch_count / trial->settings.epochs, &counted);
		if (reports)
		{
			report(queue, trial, trainer, true, first, started);
			reported = dl_fit_clock();
		}
		/* after the report, so that nothing is missing in what was reported where it goes on */
		if (event == DL_TRAINER_EPOCH && keeps_checkpoints(t) && dl_fit_clock() - kept >= t->host->checkpoint_seconds)
		{
			give_checkpoint(queue, trial, trainer, started, DL_OK, NULL);
			kept = dl_fit_clock();
		}
	}
	return DL_OK;
}

/* Seconds for the trial that begins at a turn: what is left, shared by the rounds that are left. */
static double
time_slot(const Queue *queue, int turn)
{
	int			rounds = (queue->waiting - turn + queue->parallel - 1) / queue->parallel;
	double		left = TIME_USED * (queue->training->deadline - dl_fit_clock());

	return fmax(left / rounds, 1e-3);
}

/* From the start, or from where a checkpoint is. */
static DlStatus
train_trial(Queue *queue, int turn, const DlFitCheckpoint *checkpoint, bool reports, DlError *error)
{
	const DlFitTraining *t = queue->training;
	DlFitTrial *trial = &t->trials[queue->turn[turn]];
	Trainer		trainer;
	DlArena    *arena;
	DlStatus	status;

	DL_TRY(dl_arena_create(t->memory / (size_t) queue->parallel, &arena, error));
	status = create_trainer(queue, arena, trial, &trainer, error);
	if (status == DL_OK && checkpoint != NULL)
		status = dl_fit_checkpoint_restore(checkpoint, trial, trainer.trainer, 0, 0, error);
	if (status == DL_OK)
	{
		if (t->deadline > 0)
			dl_trainer_limit(trainer.trainer, trial->seconds, time_slot(queue, turn));
		status = run_trainer(queue, trial, trainer.trainer, reports, error);
	}
	if (status == DL_OK)
		status = keep_result(t, trial, trainer.trainer, error);
	dl_arena_destroy(arena);
	return status;
}

static DlStatus
run_trial(Queue *queue, int turn, bool reports, DlError *error)
{
	const DlFitTraining *t = queue->training;
	int			number = queue->turn[turn];
	DlFitTrial *trial = &t->trials[number];
	const DlFitCheckpoint *checkpoint = checkpoint_of(queue, number);
	double		started = dl_fit_clock();
	DlStatus	status;

	if (trial->arena == NULL)
		DL_TRY(dl_arena_create(0, &trial->arena, error));
	trial->epoch_count = 0;
	trial->seconds = 0;
	DL_TRY(dl_arena_calloc(trial->arena, (size_t) trial->settings.epochs, sizeof(DlEpoch), &trial->epochs, error));
	if (checkpoint != NULL && dl_fit_checkpoint_ended(checkpoint))
	{
		double		counted = 0;

		status = dl_fit_checkpoint_restore(checkpoint, trial, NULL, parameter_count(t, trial), output_count(t, trial), error);
		count_work(queue, dl_fit_trial_work(t->model, trial) / queue->work, 1, &counted);
	}
	else
	{
		status = train_trial(queue, turn, checkpoint, reports, error);
		if (keeps_checkpoints(t) && (status == DL_OK || status == DL_ERROR_NUMERIC))
			give_checkpoint(queue, trial, NULL, started, status, error);
	}
	trial->run = status == DL_OK;
	return status;
}

static void
work_off(void *context, int part)
{
	Queue	   *queue = context;
	int			turn;

	/* the first turn is the calling thread's, so that there is progress to report */
	for (turn = part == 0 ? 0 : atomic_fetch_add(&queue->next, 1); turn < queue->waiting && atomic_load(&queue->failed) == 0;
		 turn = atomic_fetch_add(&queue->next, 1))
	{
		int			index = queue->turn[turn];

		queue->status[index] = run_trial(queue, turn, part == 0, &queue->errors[index]);
		/* of several trials, one that diverges is none, and one that is short of memory may have its share later */
		if (queue->status[index] != DL_OK && queue->status[index] != DL_ERROR_NUMERIC &&
			(queue->status[index] != DL_ERROR_MEMORY || queue->parallel == 1))
			atomic_store(&queue->failed, 1);
	}
}

/* Seconds that one unit of dl_fit_trial_work() takes, by steps of the first trial. */
static DlStatus
measure_speed(Queue *queue, double *seconds, DlError *error)
{
	const DlFitTraining *t = queue->training;
	DlFitTrial	trial = t->trials[0];
	double		limit = fmin(TIMING_SECONDS, TIMING_SHARE * (t->deadline - dl_fit_clock()));
	Trainer		trainer;
	DlArena    *arena;
	DlStatus	status;

	DL_TRY(dl_arena_create(t->memory / (size_t) queue->parallel, &arena, error));
	status = create_trainer(queue, arena, &trial, &trainer, error);
	if (status == DL_OK)
	{
		double		started = dl_fit_clock();
		DlTrainerEvent event = DL_TRAINER_RUNNING;
		double		epochs;

		while (status == DL_OK && event != DL_TRAINER_DONE && dl_fit_clock() - started < limit)
			status = dl_trainer_step(trainer.trainer, &event, error);
		epochs = dl_trainer_epoch(trainer.trainer)->epoch + dl_trainer_progress(trainer.trainer);
		*seconds = (dl_fit_clock() - started) / (dl_fit_trial_work(t->model, &trial) * fmax(epochs, 1e-9) / trial.settings.epochs);
	}
	dl_arena_destroy(arena);
	return status == DL_ERROR_NUMERIC ? DL_OK : status;
}

/* Half as many at a time, each with twice the memory. */
static void
halve(Queue *queue)
{
	queue->parallel = (queue->parallel + 1) / 2;
}

/* What is left to do of a trial, in the units of dl_fit_trial_work(). */
static double
work_left(const Queue *queue, int number)
{
	const DlFitTrial *trial = &queue->training->trials[number];
	const DlFitCheckpoint *checkpoint = checkpoint_of(queue, number);
	double		work = dl_fit_trial_work(queue->training->model, trial);

	if (checkpoint == NULL)
		return work;
	return dl_fit_checkpoint_ended(checkpoint) ? 0 :
		work * (1 - fmin((double) dl_fit_checkpoint_epochs(checkpoint) / trial->settings.epochs, 1));
}

/* As many trials as are expected to fit: each round of parallel ones lasts as long as its longest. */
static DlStatus
count_trials(Queue *queue, DlError *error)
{
	const DlFitTraining *t = queue->training;
	double		seconds = 0;
	double		left;
	int			count = 0;
	DlStatus	status;

	queue->count = t->trial_count;
	if (t->deadline == 0 || t->trial_count == 1)
		return DL_OK;
	while ((status = measure_speed(queue, &seconds, error)) == DL_ERROR_MEMORY && queue->parallel > 1)
		halve(queue);
	DL_TRY(status);
	left = TIME_USED * (t->deadline - dl_fit_clock());
	while (count < t->trial_count)
	{
		double		longest = 0;
		bool		begun = false;	/* in an attempt before this one */
		int			end = count + queue->parallel < t->trial_count ? count + queue->parallel : t->trial_count;

		for (int i = count; i < end; i++)
		{
			longest = fmax(longest, seconds * work_left(queue, i));
			begun = begun || checkpoint_of(queue, i) != NULL;
		}
		left -= longest;
		if (left < 0 && !begun && count > 0)
			break;
		count = end;
	}
	queue->count = count;
	return DL_OK;
}

/* Those that were short of memory wait again; false when there are none, or the memory cannot be shared by fewer. */
static bool
wait_again(Queue *queue)
{
	int			waiting = 0;

	if (queue->parallel == 1 || atomic_load(&queue->failed) != 0)
		return false;
	for (int i = 0; i < queue->waiting; i++)
		if (queue->status[queue->turn[i]] == DL_ERROR_MEMORY)
			queue->turn[waiting++] = queue->turn[i];
	queue->waiting = waiting;
	atomic_store(&queue->next, 1);
	halve(queue);
	return waiting > 0;
}

static DlStatus
collect(const Queue *queue, DlError *error)
{
	bool		any = false;

	for (int i = 0; i < queue->count; i++)
		any |= queue->training->trials[i].run;
	for (int i = 0; i < queue->count; i++)
	{
		if (queue->status[i] == DL_OK || (queue->status[i] == DL_ERROR_NUMERIC && any))
			continue;
		if (error != NULL)
			*error = queue->errors[i];
		return queue->status[i];
	}
	return DL_OK;
}

/* What has ended comes first, and takes no share of the time. */
static void
line_up(Queue *queue)
{
	for (int ended = 1; ended >= 0; ended--)
		for (int i = 0; i < queue->count; i++)
		{
			const DlFitCheckpoint *checkpoint = checkpoint_of(queue, i);

			if ((checkpoint != NULL && dl_fit_checkpoint_ended(checkpoint)) == (ended == 1))
				queue->turn[queue->waiting++] = i;
		}
}

DlStatus
dl_fit_trials(DlFitTraining *t, DlError *error)
{
	int			threads = dl_threads_count(t->threads);
	Queue	   *queue;

	DL_TRY(dl_arena_calloc(t->arena, 1, sizeof(Queue), &queue, error));
	queue->training = t;
	queue->started = dl_fit_clock();
	atomic_store(&queue->next, 1);
	queue->parallel = t->trial_count > 1 && threads > 1 && t->in_memory ?
		(t->trial_count < threads ? t->trial_count : threads) : 1;
	DL_TRY(count_trials(queue, error));
	for (int i = 0; i < queue->count; i++)
		queue->work += dl_fit_trial_work(t->model, &t->trials[i]);
	line_up(queue);
	do
	{
		if (queue->parallel > 1)
			dl_threads_run(t->threads, work_off, queue, queue->parallel);
		else
			work_off(queue, 0);
	} while (wait_again(queue));
	return collect(queue, error);
}
