/*
 * fit_members.c
 *    Training the members of a model: one after the other with all threads
 *    on each batch, or, where there are several members and the rows are in
 *    memory, one member a thread, which wastes nothing on joining.
 *
 * Only part 0 of a wave, which runs on the calling thread, reports progress.
 */
#include "model/fit_members.h"

#include <math.h>
#include <string.h>
#include <time.h>

typedef struct Member
{
	DlArena    *arena;
	DlTrainer  *trainer;
	DlStatus	status;
	DlError		error;
} Member;

typedef struct Wave
{
	const DlFitTraining *training;
	Member	   *members;
	int			first;			/* number of the wave's first member */
	double		started;
} Wave;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
report(const Wave *wave, const DlEpoch *epoch, double wave_started)
{
	const DlFitTraining *t = wave->training;
	double		now = seconds();
	double		in_wave = now - wave_started;
	double		done;
	DlFitProgress progress = {
		.member = wave->first + 1, .members = t->members, .epochs = t->settings->epochs, .epoch = *epoch,
		.metric = t->metric,
	};

	done = (wave->first + (double) epoch->epoch / t->settings->epochs * t->wave_size) / t->members;
	if (done > 1)
		done = 1;
	if (in_wave > 0)
		progress.rows_per_second = (double) t->source.row_count * epoch->epoch * t->wave_size / in_wave;
	progress.seconds_left = done > 0 ? (now - wave->started) * (1 - done) / done : NAN;
	t->host->progress(t->host->context, &progress);
}

static void
run_member(void *context, int index)
{
	const Wave *wave = context;
	Member	   *m = &wave->members[index];
	DlTrainerEvent event = DL_TRAINER_RUNNING;
	double		started = seconds();

	while (event != DL_TRAINER_DONE && m->status == DL_OK)
	{
		int			before = dl_trainer_epoch(m->trainer)->epoch;
		const DlEpoch *epoch;

		m->status = dl_trainer_step(m->trainer, &event, &m->error);
		epoch = dl_trainer_epoch(m->trainer);
		if (m->status == DL_OK && index == 0 && epoch->epoch != before && wave->training->host->progress != NULL)
			report(wave, epoch, started);
		if (m->status == DL_OK && index == 0 && event == DL_TRAINER_EPOCH && wave->training->epoch_done != NULL)
			wave->training->epoch_done(wave->training->epoch_context, epoch);
	}
	/* the last epoch comes with DL_TRAINER_DONE */
	if (m->status == DL_OK && index == 0 && wave->training->epoch_done != NULL)
		wave->training->epoch_done(wave->training->epoch_context, dl_trainer_epoch(m->trainer));
}

static DlStatus
create_member(const DlFitTraining *t, int number, DlThreads *threads, Member *m, DlError *error)
{
	DlTrainSettings settings = *t->settings;
	DlStatus	status;

	settings.seed = dl_hash_mix(settings.seed, (uint64_t) number);
	DL_TRY(dl_arena_create(t->memory / (size_t) t->wave_size, &m->arena, error));
	status = dl_trainer_create(m->arena, t->model->network, t->inputs, t->model->outputs, &settings, &t->source,
							   &t->validation, t->selection, t->backend, threads, t->host->cancel, &m->trainer, error);
	if (status == DL_ERROR_MEMORY)
		dl_error_hint(error, "Use a smaller network, batch_size or number of members, or raise deep_learning.training_memory.");
	return status;
}

static DlStatus
keep_member(const DlFitTraining *t, int number, const Member *m, DlError *error)
{
	DlModel    *model = t->model;
	size_t		bytes = (size_t) dl_graph_vector_length(model->graph) * sizeof(float);

	DL_TRY(dl_arena_alloc(model->arena, bytes, &model->parameters[number], error));
	memcpy(model->parameters[number], dl_trainer_best_parameters(m->trainer), bytes);
	if (number == 0)
	{
		model->record.best_epoch = dl_trainer_best_epoch(m->trainer);
		t->settings->learning_rate = dl_trainer_learning_rate(m->trainer);
	}
	return DL_OK;
}

static DlStatus
run_wave(const DlFitTraining *t, Wave *wave, int size, DlError *error)
{
	DlStatus	status = DL_OK;

	for (int i = 0; i < size && status == DL_OK; i++)
		status = create_member(t, wave->first + i, size > 1 ? NULL : t->threads, &wave->members[i], error);
	if (status == DL_OK && size > 1)
		dl_threads_run(t->threads, run_member, wave, size);
	else if (status == DL_OK)
		run_member(wave, 0);
	for (int i = 0; i < size && status == DL_OK; i++)
	{
		status = wave->members[i].status;
		if (status != DL_OK && error != NULL)
			*error = wave->members[i].error;
		if (status == DL_OK)
			status = keep_member(t, wave->first + i, &wave->members[i], error);
	}
	return status;
}

DlStatus
dl_fit_members(DlFitTraining *t, DlError *error)
{
	Wave		wave = {.training = t, .started = seconds()};
	int			threads = dl_threads_count(t->threads);
	DlStatus	status = DL_OK;

	t->wave_size = t->members > 1 && threads > 1 && t->in_memory ? (t->members < threads ? t->members : threads) : 1;
	for (int first = 0; first < t->members && status == DL_OK; first += t->wave_size)
	{
		int			size = t->members - first < t->wave_size ? t->members - first : t->wave_size;
		DlArena    *arena;

		DL_TRY(dl_arena_create(0, &arena, error));
		status = dl_arena_calloc(arena, (size_t) size, sizeof(Member), &wave.members, error);
		wave.first = first;
		if (status == DL_OK)
		{
			status = run_wave(t, &wave, size, error);
			for (int i = 0; i < size; i++)
				dl_arena_destroy(wave.members[i].arena);
		}
		dl_arena_destroy(arena);
	}
	return status;
}
