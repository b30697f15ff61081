/*
 * trainer_state.c
 *    The state of a trainer at the end of an epoch, as bytes and back.
 *
 * All random numbers come from the seed and the number of the step, so what makes the rest of a training
 * is the parameters, the optimiser's moments, and what is known of the epochs so far.  A trainer that takes
 * a state over goes on to the same bits, where it was created with the same arguments.
 */
#include <string.h>

#include "core/size.h"
#include "nn/trainer_internal.h"

#define STATE_MAGIC UINT32_C(0x444c5453)

typedef struct StateHead
{
	uint32_t	magic;
	int32_t		epoch;
	int64_t		length;			/* of the vectors */
	int64_t		outputs;		/* validation rows times outputs */
	int64_t		steps_per_epoch;
	int32_t		has_second;
	int32_t		best_epoch;
	int32_t		improved_epoch;
	int32_t		best;			/* of the last epoch, whose other members follow */
	double		best_measure;
	double		learning_rate;
	double		step_rate;
	double		beta1_power;
	double		beta2_power;
	double		last_learning_rate;
	double		last_training_loss;
	double		last_validation_loss;
	double		last_measure;
} StateHead;

/* The vectors of a state, in their order in the bytes. */
typedef struct Vector
{
	float	   *values;
	int64_t		length;
} Vector;

#define VECTORS 5

static int64_t
output_count(const DlTrainer *trainer)
{
	return trainer->evaluation == NULL ? 0 : trainer->validation.row_count * trainer->outputs;
}

static void
vectors_of(const DlTrainer *trainer, Vector vectors[VECTORS])
{
	DlUpdater  *u = trainer->updater;

	vectors[0] = (Vector) {trainer->parameters, trainer->length};
	vectors[1] = (Vector) {trainer->best_parameters, trainer->length};
	vectors[2] = (Vector) {u->first, trainer->length};
	vectors[3] = (Vector) {u->second, u->second == NULL ? 0 : trainer->length};
	vectors[4] = (Vector) {trainer->best_outputs, output_count(trainer)};
}

size_t
dl_trainer_state_size(const DlTrainer *trainer)
{
	Vector		vectors[VECTORS];
	size_t		size = sizeof(StateHead);

	vectors_of(trainer, vectors);
	for (int i = 0; i < VECTORS; i++)
		size += (size_t) vectors[i].length * sizeof(float);
	return size;
}

static StateHead
head_of(const DlTrainer *trainer)
{
	const DlUpdater *u = trainer->updater;
	StateHead	head;

	/* padding is written too */
	memset(&head, 0, sizeof(head));
	head.magic = STATE_MAGIC;
	head.epoch = trainer->epoch;
	head.length = trainer->length;
	head.outputs = output_count(trainer);
	head.steps_per_epoch = trainer->steps_per_epoch;
	head.has_second = u->second != NULL;
	head.best_epoch = trainer->best_epoch;
	head.improved_epoch = trainer->improved_epoch;
	head.best = trainer->last.best;
	head.best_measure = trainer->best_measure;
	head.learning_rate = trainer->learning_rate;
	head.step_rate = trainer->step_rate;
	head.beta1_power = u->beta1_power;
	head.beta2_power = u->beta2_power;
	head.last_learning_rate = trainer->last.learning_rate;
	head.last_training_loss = trainer->last.training_loss;
	head.last_validation_loss = trainer->last.validation_loss;
	head.last_measure = trainer->last.measure;
	return head;
}

void
dl_trainer_save(const DlTrainer *trainer, void *bytes)
{
	StateHead	head = head_of(trainer);
	Vector		vectors[VECTORS];
	char	   *at = bytes;

	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	vectors_of(trainer, vectors);
	for (int i = 0; i < VECTORS; i++)
	{
		size_t		size = (size_t) vectors[i].length * sizeof(float);

		if (size > 0)
			memcpy(at, vectors[i].values, size);
		at += size;
	}
}

static DlStatus
check_state(const DlTrainer *trainer, const StateHead *head, size_t size, DlError *error)
{
	if (size != dl_trainer_state_size(trainer) || head->magic != STATE_MAGIC || head->length != trainer->length ||
		head->outputs != output_count(trainer) || head->steps_per_epoch != trainer->steps_per_epoch ||
		head->has_second != (trainer->updater->second != NULL) || head->epoch < 1 ||
		head->epoch >= trainer->settings.epochs || head->best_epoch > head->epoch)
		return dl_error_set(error, DL_ERROR_CORRUPT, "the state of a trainer does not belong to this training");
	return DL_OK;
}

DlStatus
dl_trainer_restore(DlTrainer *trainer, const void *bytes, size_t size, DlError *error)
{
	StateHead	head;
	Vector		vectors[VECTORS];
	const char *at = bytes;

	if (size < sizeof(head))
		return dl_error_set(error, DL_ERROR_CORRUPT, "the state of a trainer has %zu bytes only", size);
	memcpy(&head, at, sizeof(head));
	at += sizeof(head);
	DL_TRY(check_state(trainer, &head, size, error));
	vectors_of(trainer, vectors);
	for (int i = 0; i < VECTORS; i++)
	{
		size_t		length = (size_t) vectors[i].length * sizeof(float);

		if (length > 0)
			memcpy(vectors[i].values, at, length);
		at += length;
	}
	trainer->epoch = head.epoch;
	trainer->step = 0;
	trainer->phase = PHASE_TRAINING;
	trainer->best_epoch = head.best_epoch;
	trainer->improved_epoch = head.improved_epoch;
	trainer->best_measure = head.best_measure;
	trainer->learning_rate = head.learning_rate;
	trainer->step_rate = head.step_rate;
	trainer->updater->beta1_power = head.beta1_power;
	trainer->updater->beta2_power = head.beta2_power;
	trainer->last = (DlEpoch) {
		.epoch = head.epoch, .learning_rate = head.last_learning_rate, .training_loss = head.last_training_loss,
		.validation_loss = head.last_validation_loss, .measure = head.last_measure, .best = head.best != 0,
	};
	return DL_OK;
}
