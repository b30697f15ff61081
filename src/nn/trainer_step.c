/*
 * trainer_step.c
 *    One optimiser step: every shard fills, goes forward and backward over its
 *    slice of the batch; then the gradients are summed and the parameters
 *    updated, part by part of the vector.
 *
 * Two jobs for the threads, three with gradient clipping (its norm needs the
 * whole sum).  Sums run in the order of the shards.  The gradients are those of
 * the sum of losses over the rows' number; the weights of the batch, which are
 * known only after the first job, come in as the update's gradient scale.
 */
#include "nn/trainer_internal.h"

#include <math.h>

#include "core/size.h"

/* Below this many forward multiply-adds a shard is too small to pay for its join. */
#define SHARD_WORK 700000
/* Elements of the vector below which one thread updates all of it. */
#define UPDATE_WORK 32768
/* Elements of which sum and update are done together, so that they stay in cache. */
#define UPDATE_BLOCK 4096
#define VECTOR_MULTIPLE 16
/* Shards begin at multiples of this, which suits the kernels' tiles. */
#define SHARD_MULTIPLE 8

/*
 * --- batches of an epoch -----------------------------------------------------
 *
 * Every row is in one batch of each epoch.  The last batch is left partial when
 * it has at least half of the rows of the others (or is the only one); otherwise
 * the last two share their rows evenly.
 */

int64_t
dl_trainer_batch_count(int64_t rows, int64_t batch_size)
{
	return (rows + batch_size - 1) / batch_size;
}

void
dl_trainer_batch_bounds(int64_t rows, int64_t batch_size, int64_t step, int64_t *begin, int64_t *count)
{
	int64_t		batches = dl_trainer_batch_count(rows, batch_size);
	int64_t		rest = rows - (batches - 1) * batch_size;

	*begin = step * batch_size;
	*count = step + 1 < batches ? batch_size : rest;
	if (batches > 1 && 2 * rest < batch_size && step >= batches - 2)
	{
		int64_t		shared = batch_size + rest;
		int64_t		first = (shared + 1) / 2;

		*begin = (batches - 2) * batch_size + (step == batches - 2 ? 0 : first);
		*count = step == batches - 2 ? first : shared - first;
	}
}

DlStatus
dl_trainer_shuffle(DlTrainer *trainer, uint64_t stream, DlError *error)
{
	DlRandom	random;
	int64_t		rows = trainer->training.row_count;

	dl_random_seed(&random, trainer->settings.seed, stream);
	if (trainer->training.order != NULL)
		DL_TRY(trainer->training.order(trainer->training.context, &random, trainer->order, error));
	else
	{
		for (int64_t i = 0; i < rows; i++)
			trainer->order[i] = (uint32_t) i;
		dl_random_shuffle(&random, trainer->order, (size_t) rows);
	}
	for (int64_t i = 0; i < trainer->candidates; i++)
		trainer->order[rows + i] = trainer->order[i];
	return DL_OK;
}

/*
 * --- creation ----------------------------------------------------------------
 */

/* Where shard index of a batch begins; index shard_count gives its end. */
static int64_t
shard_begin(int64_t rows, int shards, int index)
{
	int64_t		begin = rows * index / shards;

	if (index == shards)
		return rows;
	return rows >= (int64_t) shards * 2 * SHARD_MULTIPLE ? begin - begin % SHARD_MULTIPLE : begin;
}

static int
count_shards(const DlTrainer *trainer)
{
	int64_t		threads = trainer->threads != NULL ? dl_threads_count(trainer->threads) : 1;
	int64_t		work;
	int64_t		shards;

	if (dl_graph_couples_rows(trainer->graph))
		return 1;
	if (!dl_int64_mul(dl_graph_multiply_adds(trainer->graph), trainer->batch_size, &work))
		work = INT64_MAX;
	shards = work / SHARD_WORK;
	/* the smallest batch of an epoch has half of the rows */
	if (shards > trainer->batch_size / 2)
		shards = trainer->batch_size / 2;
	if (shards > threads)
		shards = threads;
	return shards < 1 ? 1 : (int) shards;
}

static DlStatus
create_shard(DlTrainer *trainer, DlArena *arena, int64_t capacity, TrainShard **result, DlError *error)
{
	TrainShard *shard;
	DlPlan	   *plan;
	const EvaluationNodes *nodes = &trainer->nodes;

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(TrainShard), &shard, error));
	DL_TRY(dl_plan_create(arena, trainer->graph, trainer->backend, DL_PLAN_TRAINING, capacity,
						  &trainer->training_loss, 1, &plan, error));
	dl_plan_workspace(plan)->cancel = trainer->cancel;
	shard->plan = plan;
	shard->numbers = nodes->numbers != DL_NO_NODE ? dl_plan_data(plan, nodes->numbers) : NULL;
	shard->codes = nodes->codes != DL_NO_NODE ? dl_plan_data(plan, nodes->codes) : NULL;
	shard->target = dl_plan_data(plan, nodes->target);
	shard->weight = dl_plan_data(plan, nodes->weight);
	shard->loss = dl_plan_data(plan, trainer->training_loss);
	shard->neighbours = dl_trainer_neighbours_input(trainer, plan);
	DL_TRY(dl_arena_calloc(arena, (size_t) trainer->length, sizeof(float), &shard->gradients, error));
	*result = shard;
	return DL_OK;
}

static DlStatus
create_part(DlTrainer *trainer, DlArena *arena, int index, UpdatePart **result, DlError *error)
{
	UpdatePart *part;
	int64_t		blocks = (trainer->length + VECTOR_MULTIPLE - 1) / VECTOR_MULTIPLE;
	int64_t		end = blocks * (index + 1) / trainer->part_count * VECTOR_MULTIPLE;

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(UpdatePart), &part, error));
	part->begin = blocks * index / trainer->part_count * VECTOR_MULTIPLE;
	part->end = end < trainer->length ? end : trainer->length;
	if (index < trainer->shard_count)
		part->workspace = dl_plan_workspace(trainer->shards[index]->plan);
	else
	{
		DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlWorkspace), &part->workspace, error));
		part->workspace->size = trainer->backend->workspace_size;
		part->workspace->cancel = trainer->cancel;
		DL_TRY(dl_arena_alloc(arena, part->workspace->size, &part->workspace->memory, error));
	}
	*result = part;
	return DL_OK;
}

DlStatus
dl_trainer_create_shards(DlTrainer *trainer, DlArena *arena, DlError *error)
{
	int			shards = count_shards(trainer);
	int			threads = trainer->threads != NULL ? dl_threads_count(trainer->threads) : 1;
	int64_t		capacity = trainer->batch_size + trainer->candidates;

	/* rounding the begin of a shard down adds rows to the one before it or to itself */
	if (shards > 1 && capacity / shards + 1 + SHARD_MULTIPLE < capacity)
		capacity = capacity / shards + 1 + SHARD_MULTIPLE;
	trainer->shard_count = shards;
	DL_TRY(dl_arena_calloc(arena, (size_t) shards, sizeof(TrainShard *), &trainer->shards, error));
	for (int i = 0; i < shards; i++)
		DL_TRY(create_shard(trainer, arena, capacity, &trainer->shards[i], error));

	trainer->part_count = trainer->length >= UPDATE_WORK ? threads : 1;
	DL_TRY(dl_arena_calloc(arena, (size_t) trainer->part_count, sizeof(UpdatePart *), &trainer->parts, error));
	for (int i = 0; i < trainer->part_count; i++)
		DL_TRY(create_part(trainer, arena, i, &trainer->parts[i], error));
	return DL_OK;
}

/*
 * --- the jobs ------------------------------------------------------------------
 */

static double
sum_floats(const float *values, int64_t count)
{
	double		sums[4] = {0, 0, 0, 0};
	int64_t		i = 0;

	/* four sums, since each addition waits for the last */
	for (; i + 4 <= count; i += 4)
		for (int k = 0; k < 4; k++)
			sums[k] += (double) values[i + k];
	for (; i < count; i++)
		sums[0] += (double) values[i];
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static DlStatus
run_shard(DlTrainer *trainer, TrainShard *shard, int index)
{
	const DlBatchSource *source = &trainer->training;
	int64_t		rows = shard->count + trainer->candidates;

	dl_random_seed(&shard->random, trainer->step_seed, (uint64_t) index);
	DL_TRY(source->fill(source->context, trainer->batch + shard->begin, rows, shard->numbers, shard->codes,
						shard->target, shard->weight, &shard->error));
	if (trainer->kept != NULL)
		dl_trainer_fill_neighbours(trainer, shard, rows);
	DL_TRY(dl_plan_forward(shard->plan, trainer->parameters, rows, &shard->random, &shard->error));
	shard->loss_sum = sum_floats(shard->loss, shard->count);
	shard->weight_sum = sum_floats(shard->weight, shard->count);
	return dl_plan_backward(shard->plan, trainer->parameters, 1.0 / (double) trainer->batch_rows, shard->gradients,
							&shard->error);
}

static void
shard_job(void *context, int index)
{
	DlTrainer  *trainer = context;
	TrainShard *shard = trainer->shards[index];

	shard->begin = shard_begin(trainer->batch_rows, trainer->shard_count, index);
	shard->count = shard_begin(trainer->batch_rows, trainer->shard_count, index + 1) - shard->begin;
	shard->status = run_shard(trainer, shard, index);
}

/* Adds the gradients of all shards into those of the first. */
static void
sum_gradients(const DlTrainer *trainer, DlWorkspace *workspace, int64_t begin, int64_t count)
{
	float	   *sum = trainer->shards[0]->gradients + begin;

	for (int i = 1; i < trainer->shard_count; i++)
		trainer->backend->add(workspace, count, sum, trainer->shards[i]->gradients + begin, sum);
}

static void
sum_job(void *context, int index)
{
	const DlTrainer *trainer = context;
	UpdatePart *part = trainer->parts[index];

	part->sum_squares = 0;
	for (int64_t begin = part->begin; begin < part->end; begin += UPDATE_BLOCK)
	{
		int64_t		end = begin + UPDATE_BLOCK < part->end ? begin + UPDATE_BLOCK : part->end;

		sum_gradients(trainer, part->workspace, begin, end - begin);
		part->sum_squares += dl_updater_sum_squares(trainer->updater, trainer->backend, part->workspace, begin, end,
													trainer->shards[0]->gradients);
	}
}

static void
update_job(void *context, int index)
{
	const DlTrainer *trainer = context;
	const UpdatePart *part = trainer->parts[index];
	bool		summed = trainer->settings.gradient_clip > 0;

	for (int64_t begin = part->begin; begin < part->end; begin += UPDATE_BLOCK)
	{
		int64_t		end = begin + UPDATE_BLOCK < part->end ? begin + UPDATE_BLOCK : part->end;

		if (!summed)
			sum_gradients(trainer, part->workspace, begin, end - begin);
		dl_updater_apply(trainer->updater, trainer->backend, part->workspace, begin, end, trainer->parameters,
						 trainer->shards[0]->gradients);
	}
}

static void
run_job(const DlTrainer *trainer, DlThreadPart job, int parts)
{
	if (parts == 1)
		job((void *) trainer, 0);
	else
		dl_threads_run(trainer->threads, job, (void *) trainer, parts);
}

/*
 * --- the step ------------------------------------------------------------------
 */

/* Status and sums of the shards, in their order. */
static DlStatus
collect(const DlTrainer *trainer, StepResult *result, DlError *error)
{
	result->loss_sum = 0;
	result->weight_sum = 0;
	for (int i = 0; i < trainer->shard_count; i++)
	{
		const TrainShard *shard = trainer->shards[i];

		if (shard->status != DL_OK)
		{
			if (error != NULL)
				*error = shard->error;
			return shard->status;
		}
		result->loss_sum += shard->loss_sum;
		result->weight_sum += shard->weight_sum;
	}
	return DL_OK;
}

/* The factor of all gradients: rows to weights, and clipping. */
static double
gradient_scale(const DlTrainer *trainer, StepResult *result)
{
	double		scale = (double) trainer->batch_rows / result->weight_sum;
	double		squares = 0;

	if (trainer->settings.gradient_clip == 0)
		return scale;
	run_job(trainer, sum_job, trainer->part_count);
	for (int i = 0; i < trainer->part_count; i++)
		squares += trainer->parts[i]->sum_squares;
	result->finite = isfinite(squares);
	return scale * dl_clip_factor(sqrt(squares) * scale, trainer->settings.gradient_clip);
}

DlStatus
dl_trainer_optimise(DlTrainer *trainer, const uint32_t *batch, int64_t rows, uint64_t number,
					double learning_rate, double anneal, StepResult *result, DlError *error)
{
	double		scale;

	trainer->batch = batch;
	trainer->batch_rows = rows;
	trainer->step_seed = dl_hash_mix(trainer->settings.seed, number);
	if (trainer->settings.anneal)
		for (int i = 0; i < trainer->shard_count; i++)
			dl_plan_set_dropout(trainer->shards[i]->plan, anneal);
	run_job(trainer, shard_job, trainer->shard_count);
	DL_TRY(collect(trainer, result, error));

	/* a batch whose rows all have weight 0 teaches nothing */
	result->finite = isfinite(result->loss_sum) && isfinite(result->weight_sum);
	if (!result->finite || result->weight_sum <= 0)
		return DL_OK;
	scale = gradient_scale(trainer, result);
	if (!result->finite)
		return DL_OK;
	dl_updater_begin(trainer->updater, learning_rate, anneal, scale);
	run_job(trainer, update_job, trainer->part_count);
	return DL_OK;
}
