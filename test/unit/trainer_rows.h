/*
 * trainer_rows.h
 *    Rows in memory for the tests of the trainer, and a few lines to train on
 *    them.
 */
#ifndef DL_TEST_TRAINER_ROWS_H
#define DL_TEST_TRAINER_ROWS_H

#include <stdatomic.h>
#include <stdlib.h>

#include "core/random.h"
#include "nn/trainer.h"

typedef struct Rows
{
	int64_t		count;
	int64_t		columns;
	int64_t		outputs;
	bool		classes;		/* code instead of target */
	float	   *x;
	float	   *target;
	int32_t    *code;
	int32_t    *category;		/* one column of categories in [0, levels); NULL: none */
	int64_t		levels;
	float	   *weight;
	atomic_int *visits;			/* how often each row was filled */
	_Atomic int64_t smallest;	/* rows of the smallest batch filled, where one thread fills */
} Rows;

static inline Rows
rows_create(int64_t count, int64_t columns, int64_t outputs, bool classes)
{
	Rows		rows = {.count = count, .columns = columns, .outputs = outputs, .classes = classes,
		.smallest = count};

	rows.x = calloc((size_t) (count * columns), sizeof(float));
	rows.target = calloc((size_t) (count * outputs), sizeof(float));
	rows.code = calloc((size_t) count, sizeof(int32_t));
	rows.weight = calloc((size_t) count, sizeof(float));
	rows.visits = calloc((size_t) count, sizeof(atomic_int));
	for (int64_t i = 0; i < count; i++)
		rows.weight[i] = 1;
	return rows;
}

static inline void
rows_free(Rows *rows)
{
	free(rows->x);
	free(rows->target);
	free(rows->code);
	free(rows->category);
	free(rows->weight);
	free(rows->visits);
}

static inline DlStatus
rows_fill(void *context, const uint32_t *positions, int64_t count, float *numbers, int32_t *codes, void *target,
		  float *weight, DlError *error)
{
	Rows	   *rows = context;

	(void) error;
	if (count < atomic_load(&rows->smallest))
		atomic_store(&rows->smallest, count);
	for (int64_t i = 0; i < count; i++)
	{
		int64_t		row = positions[i];

		memcpy(numbers + i * rows->columns, rows->x + row * rows->columns, (size_t) rows->columns * sizeof(float));
		if (rows->category != NULL)
			codes[i] = rows->category[row];
		if (rows->classes)
			((int32_t *) target)[i] = rows->code[row];
		else
			memcpy((float *) target + i * rows->outputs, rows->target + row * rows->outputs,
				   (size_t) rows->outputs * sizeof(float));
		weight[i] = rows->weight[row];
		atomic_fetch_add(&rows->visits[row], 1);
	}
	return DL_OK;
}

static inline DlBatchSource
rows_source(Rows *rows)
{
	return (DlBatchSource) {.context = rows, .row_count = rows->count, .fill = rows_fill};
}

/* Everything that one training needs. */
typedef struct Training
{
	const char *network;
	DlTrainSettings settings;
	Rows	   *rows;
	Rows	   *validation;		/* may be NULL */
	const DlSelection *selection;
	DlThreads  *threads;
	const atomic_int *cancel;

	DlArena    *arena;
	DlTrainer  *trainer;
	DlError		error;
	int			epochs;			/* complete ones */
	int			steps;			/* calls of dl_trainer_step() */
} Training;

static inline DlStatus
training_create(Training *t)
{
	DlNetwork  *network;
	DlNetworkInputs inputs = {
		.numbers = t->rows->columns,.continuous = t->rows->columns,
		.categories = t->rows->category != NULL,.levels = &t->rows->levels
	};
	DlBatchSource training = rows_source(t->rows);
	DlBatchSource validation = {0};

	if (t->validation != NULL)
		validation = rows_source(t->validation);
	dl_error_reset(&t->error);
	DL_TRY(dl_arena_create(0, &t->arena, &t->error));
	DL_TRY(dl_network_parse(t->arena, t->network, strlen(t->network), &network, &t->error));
	return dl_trainer_create(t->arena, network, &inputs, t->rows->outputs, &t->settings, &training,
							 t->validation != NULL ? &validation : NULL, t->selection, dl_backend_reference_f32(),
							 t->threads, t->cancel, &t->trainer, &t->error);
}

/* Creates a trainer and runs it to its end; the caller calls training_free(). */
static inline DlStatus
training_run(Training *t)
{
	DlTrainerEvent event = DL_TRAINER_RUNNING;

	DL_TRY(training_create(t));
	while (event != DL_TRAINER_DONE)
	{
		DL_TRY(dl_trainer_step(t->trainer, &event, &t->error));
		t->steps++;
		if (event != DL_TRAINER_RUNNING)
			t->epochs++;
	}
	return DL_OK;
}

static inline void
training_free(Training *t)
{
	dl_arena_destroy(t->arena);
	t->arena = NULL;
	t->trainer = NULL;
}

/* Settings of the tests: few epochs, small batches. */
static inline DlTrainSettings
test_settings(DlLoss loss, double learning_rate, int epochs, int batch_size)
{
	DlTrainSettings settings;

	dl_train_settings_default(&settings);
	settings.loss = loss;
	settings.learning_rate = learning_rate;
	settings.epochs = epochs;
	settings.batch_size = batch_size;
	settings.weight_decay = 0;
	return settings;
}

/* count rows of columns standard normal numbers; the target is tanh of the sum of the first two. */
static inline Rows
rows_smooth(int64_t count, int64_t columns, uint64_t seed)
{
	Rows		rows = rows_create(count, columns, 1, false);
	DlRandom	random;

	dl_random_seed(&random, seed, 0);
	for (int64_t i = 0; i < count * columns; i++)
		rows.x[i] = (float) dl_random_normal(&random);
	for (int64_t i = 0; i < count; i++)
		rows.target[i] = tanhf(rows.x[i * columns] + rows.x[i * columns + 1]);
	return rows;
}

#endif							/* DL_TEST_TRAINER_ROWS_H */
