/*
 * fit_checkpoint.c
 *    What a training has come to so far, trial by trial, as bytes and back.
 */
#include "model/fit_checkpoint.h"

#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_MAGIC UINT32_C(0x444c4351)

typedef enum CheckpointKind
{
	CHECKPOINT_UNDER_WAY,
	CHECKPOINT_ENDED,
	CHECKPOINT_DIVERGED
} CheckpointKind;

typedef struct CheckpointHead
{
	uint32_t	magic;
	int32_t		kind;
	int32_t		number;
	int32_t		parallel;		/* its trainer had one thread */
	int32_t		epoch_count;
	int32_t		best_epoch;
	double		measure;
	double		learning_rate;
	double		seconds;		/* of the training so far */
	double		trial_seconds;
	uint64_t	parameters;		/* counts of floats, of a trial that has ended */
	uint64_t	outputs;
	uint64_t	state;			/* bytes of the trainer, of one under way */
} CheckpointHead;

static bool
head_of(const DlFitCheckpoint *checkpoint, CheckpointHead *head)
{
	if (checkpoint->length < sizeof(*head))
		return false;
	memcpy(head, checkpoint->bytes, sizeof(*head));
	return head->magic == CHECKPOINT_MAGIC;
}

const DlFitCheckpoint *
dl_fit_checkpoint_find(const DlFitHost *host, int number, bool parallel)
{
	for (int i = 0; i < host->checkpoint_count; i++)
	{
		CheckpointHead head;

		if (head_of(&host->checkpoints[i], &head) && head.number == number && head.parallel == (int32_t) parallel)
			return &host->checkpoints[i];
	}
	return NULL;
}

bool
dl_fit_checkpoint_ended(const DlFitCheckpoint *checkpoint)
{
	CheckpointHead head;

	return head_of(checkpoint, &head) && head.kind != CHECKPOINT_UNDER_WAY;
}

int
dl_fit_checkpoint_epochs(const DlFitCheckpoint *checkpoint)
{
	CheckpointHead head;

	return head_of(checkpoint, &head) ? head.epoch_count : 0;
}

double
dl_fit_checkpoint_seconds(const DlFitCheckpoint *checkpoint)
{
	CheckpointHead head;

	return head_of(checkpoint, &head) ? head.seconds : 0;
}

static DlStatus
foreign(DlError *error)
{
	return dl_error_set(error, DL_ERROR_CORRUPT, "a checkpoint does not belong to this training");
}

static DlStatus
restore_result(const CheckpointHead *head, const char *at, const char *end, DlFitTrial *trial, size_t parameters, size_t outputs,
			   DlError *error)
{
	if (head->parameters != parameters || head->outputs != outputs ||
		(size_t) (end - at) != (parameters + outputs) * sizeof(float))
		return foreign(error);
	DL_TRY(dl_arena_alloc(trial->arena, parameters * sizeof(float), &trial->parameters, error));
	memcpy(trial->parameters, at, parameters * sizeof(float));
	at += parameters * sizeof(float);
	if (outputs > 0)
	{
		DL_TRY(dl_arena_alloc(trial->arena, outputs * sizeof(float), &trial->outputs, error));
		memcpy(trial->outputs, at, outputs * sizeof(float));
	}
	trial->best_epoch = head->best_epoch;
	trial->settings.learning_rate = head->learning_rate;
	return DL_OK;
}

DlStatus
dl_fit_checkpoint_restore(const DlFitCheckpoint *checkpoint, DlFitTrial *trial, DlTrainer *trainer, size_t parameters,
						  size_t outputs, DlError *error)
{
	CheckpointHead head;
	const char *at = checkpoint->bytes;
	const char *end = at + checkpoint->length;
	size_t		epochs;

	if (!head_of(checkpoint, &head) || head.epoch_count < 0 || head.epoch_count > trial->settings.epochs)
		return foreign(error);
	at += sizeof(head);
	epochs = (size_t) head.epoch_count * sizeof(DlEpoch);
	if ((size_t) (end - at) < epochs)
		return foreign(error);
	memcpy(trial->epochs, at, epochs);
	at += epochs;
	trial->epoch_count = head.epoch_count;
	trial->measure = head.measure;
	trial->seconds = head.trial_seconds;
	switch ((CheckpointKind) head.kind)
	{
		case CHECKPOINT_UNDER_WAY:
			return dl_trainer_restore(trainer, at, (size_t) (end - at), error);
		case CHECKPOINT_ENDED:
			return restore_result(&head, at, end, trial, parameters, outputs, error);
		case CHECKPOINT_DIVERGED:
			if ((size_t) (end - at) != sizeof(*error))
				return foreign(error);
			memcpy(error, at, sizeof(*error));
			return DL_ERROR_NUMERIC;
	}
	return foreign(error);
}

static char *
put(char *at, const void *bytes, size_t length)
{
	if (length > 0)
		memcpy(at, bytes, length);
	return at + length;
}

void
dl_fit_checkpoint_give(const DlFitHost *host, const DlFitCheckpointMoment *moment, const DlFitTrial *trial, const DlTrainer *trainer,
					   size_t parameters, size_t outputs, DlStatus status, const DlError *error)
{
	CheckpointHead head;
	size_t		epochs = (size_t) trial->epoch_count * sizeof(DlEpoch);
	size_t		length;
	char	   *bytes;
	char	   *at;

	memset(&head, 0, sizeof(head));
	head.magic = CHECKPOINT_MAGIC;
	head.kind = trainer != NULL ? CHECKPOINT_UNDER_WAY : status == DL_OK ? CHECKPOINT_ENDED : CHECKPOINT_DIVERGED;
	head.number = moment->number;
	head.parallel = moment->parallel;
	head.seconds = moment->seconds;
	head.trial_seconds = moment->trial_seconds;
	head.epoch_count = trial->epoch_count;
	head.best_epoch = trial->best_epoch;
	head.measure = trial->measure;
	head.learning_rate = trial->settings.learning_rate;
	head.parameters = parameters;
	head.outputs = outputs;
	head.state = trainer != NULL ? dl_trainer_state_size(trainer) : 0;
	length = sizeof(head) + epochs + (trainer != NULL ? (size_t) head.state :
									  status == DL_OK ? (parameters + outputs) * sizeof(float) : sizeof(*error));
	bytes = malloc(length);
	if (bytes == NULL)
		return;
	at = put(bytes, &head, sizeof(head));
	at = put(at, trial->epochs, epochs);
	if (trainer != NULL)
		dl_trainer_save(trainer, at);
	else if (status == DL_OK)
	{
		at = put(at, trial->parameters, parameters * sizeof(float));
		(void) put(at, trial->outputs, outputs * sizeof(float));
	}
	else
		(void) put(at, error, sizeof(*error));
	host->checkpoint(host->context, moment->number, bytes, length);
}
