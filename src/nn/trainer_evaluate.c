/*
 * trainer_evaluate.c
 *    Forward passes over all rows of a source, in slices over the threads.
 *
 * Slice i of a run is computed by thread i % slots, with the plan of that
 * thread.  What is computed for a row does not depend on the slices.
 */
#include "nn/trainer_internal.h"

#include "core/size.h"

/* Multiply-adds of one slice: some tenths of a millisecond to a few milliseconds. */
#define SLICE_WORK 8000000
#define SLICE_LEAST 16
#define SLICE_MOST 1024

static void
size_slices(Evaluation *evaluation, const DlGraph *graph)
{
	int64_t		threads = evaluation->threads != NULL ? dl_threads_count(evaluation->threads) : 1;
	int64_t		rows = evaluation->source->row_count > 0 ? evaluation->source->row_count : 1;
	int64_t		slice = SLICE_WORK / (dl_graph_multiply_adds(graph) + 1);
	int64_t		share = ((rows + threads - 1) / threads + SLICE_LEAST - 1) / SLICE_LEAST * SLICE_LEAST;

	if (slice > SLICE_MOST)
		slice = SLICE_MOST;
	if (slice > share)
		slice = share;
	if (slice < SLICE_LEAST)
		slice = SLICE_LEAST;
	evaluation->slice = slice;
	if (threads > (rows + slice - 1) / slice)
		threads = (rows + slice - 1) / slice;
	evaluation->slot_count = (int) threads;
}

/* Memory that a source fills where the graph has no such input. */
static DlStatus
create_labels(EvaluationSlot *slot, DlArena *arena, int64_t slice, int64_t columns, DlError *error)
{
	size_t		bytes;

	if (!dl_size_mul((size_t) slice, (size_t) columns, &bytes) || !dl_size_mul(bytes, sizeof(float), &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld output columns are too many", (long long) columns);
	DL_TRY(dl_arena_alloc(arena, bytes, &slot->target, error));
	return dl_arena_alloc(arena, (size_t) slice * sizeof(float), &slot->weight, error);
}

static DlStatus
create_slot(const Evaluation *evaluation, DlArena *arena, const DlGraph *graph, const EvaluationNodes *nodes,
			const DlBackend *backend, EvaluationSlot **result, DlError *error)
{
	EvaluationSlot *slot;
	DlNode		outputs[2] = {nodes->output, nodes->loss};
	DlPlan	   *plan;

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(EvaluationSlot), &slot, error));
	DL_TRY(dl_arena_alloc(arena, (size_t) evaluation->slice * sizeof(uint32_t), &slot->rows, error));
	DL_TRY(dl_plan_create(arena, graph, backend, DL_PLAN_INFERENCE, evaluation->slice, outputs,
						  nodes->loss != DL_NO_NODE ? 2 : 1, &plan, error));
	slot->plan = plan;
	slot->numbers = nodes->numbers != DL_NO_NODE ? dl_plan_data(plan, nodes->numbers) : NULL;
	slot->codes = nodes->codes != DL_NO_NODE ? dl_plan_data(plan, nodes->codes) : NULL;
	slot->output = dl_plan_data(plan, nodes->output);
	if (nodes->loss != DL_NO_NODE)
	{
		slot->target = dl_plan_data(plan, nodes->target);
		slot->weight = dl_plan_data(plan, nodes->weight);
		slot->loss = dl_plan_data(plan, nodes->loss);
	}
	else
		DL_TRY(create_labels(slot, arena, evaluation->slice, evaluation->columns, error));
	*result = slot;
	return DL_OK;
}

DlStatus
dl_evaluation_create(DlArena *arena, const DlGraph *graph, const EvaluationNodes *nodes,
					 const DlBatchSource *source, const DlBackend *backend, DlThreads *threads,
					 const atomic_int *cancel, bool row_invariant, Evaluation **result, DlError *error)
{
	Evaluation *evaluation;
	DlShape		shape = dl_graph_shape(graph, nodes->output);

	DL_TRY(dl_arena_calloc(arena, 1, sizeof(Evaluation), &evaluation, error));
	evaluation->source = source;
	evaluation->threads = threads;
	evaluation->columns = dl_shape_row(&shape);
	size_slices(evaluation, graph);
	if (evaluation->slot_count == 1)
		evaluation->threads = NULL;
	DL_TRY(dl_arena_calloc(arena, (size_t) evaluation->slot_count, sizeof(EvaluationSlot *), &evaluation->slots, error));
	for (int i = 0; i < evaluation->slot_count; i++)
	{
		DL_TRY(create_slot(evaluation, arena, graph, nodes, backend, &evaluation->slots[i], error));
		dl_plan_workspace(evaluation->slots[i]->plan)->cancel = cancel;
		dl_plan_workspace(evaluation->slots[i]->plan)->row_invariant = row_invariant;
	}
	*result = evaluation;
	return DL_OK;
}

static DlStatus
run_slice(const Evaluation *evaluation, EvaluationSlot *slot, int64_t begin, int64_t count)
{
	const DlBatchSource *source = evaluation->source;
	int64_t		columns = evaluation->columns;

	for (int64_t i = 0; i < count; i++)
		slot->rows[i] = (uint32_t) (begin + i);
	DL_TRY(source->fill(source->context, slot->rows, count, slot->numbers, slot->codes, slot->target, slot->weight,
						&slot->error));
	DL_TRY(dl_plan_forward(slot->plan, evaluation->parameters, count, NULL, &slot->error));
	for (int64_t i = 0; i < count * columns; i++)
		evaluation->outputs[begin * columns + i] = slot->output[i];
	if (slot->loss == NULL)
		return DL_OK;
	for (int64_t i = 0; i < count; i++)
	{
		slot->loss_sum += (double) slot->loss[i];
		slot->weight_sum += (double) slot->weight[i];
	}
	return DL_OK;
}

/* All slices of one slot. */
static void
slot_job(void *context, int index)
{
	const Evaluation *evaluation = context;
	EvaluationSlot *slot = evaluation->slots[index];
	int64_t		stride = dl_evaluation_round(evaluation);

	slot->loss_sum = 0;
	slot->weight_sum = 0;
	slot->status = DL_OK;
	for (int64_t begin = evaluation->from + index * evaluation->slice;
		 begin < evaluation->until && slot->status == DL_OK; begin += stride)
	{
		int64_t		rest = evaluation->until - begin;

		slot->status = run_slice(evaluation, slot, begin, rest < evaluation->slice ? rest : evaluation->slice);
	}
}

DlStatus
dl_evaluation_run(Evaluation *evaluation, const float *parameters, int64_t from, int64_t until,
				  float *outputs, double *loss_sum, double *weight_sum, DlError *error)
{
	/* inference writes no parameter; the plan takes them as it does for training */
	evaluation->parameters = (void *) parameters;
	evaluation->from = from;
	evaluation->until = until;
	evaluation->outputs = outputs;
	if (evaluation->slot_count == 1)
		slot_job(evaluation, 0);
	else
		dl_threads_run(evaluation->threads, slot_job, evaluation, evaluation->slot_count);
	for (int i = 0; i < evaluation->slot_count; i++)
	{
		const EvaluationSlot *slot = evaluation->slots[i];

		if (slot->status != DL_OK)
		{
			if (error != NULL)
				*error = slot->error;
			return slot->status;
		}
		*loss_sum += slot->loss_sum;
		*weight_sum += slot->weight_sum;
	}
	return DL_OK;
}

DlStatus
dl_network_predict(DlArena *scratch, const DlGraph *graph, const DlNetworkNodes *nodes,
				   const float *parameters, const DlBatchSource *source, const DlBackend *backend,
				   DlThreads *threads, const atomic_int *cancel, float *outputs, DlError *error)
{
	EvaluationNodes own = {
		.numbers = nodes->numbers,.codes = nodes->codes,.target = DL_NO_NODE,.weight = DL_NO_NODE,
		.loss = DL_NO_NODE,.output = nodes->output
	};
	Evaluation *evaluation;
	double		unused = 0;

	if (backend->real != DL_F32)
		return dl_error_set(error, DL_ERROR_UNSUPPORTED, "prediction needs a float32 backend, \"%s\" computes in %s",
							backend->name, dl_dtype_name(backend->real));
	if (source->row_count == 0)
		return DL_OK;
	DL_TRY(dl_evaluation_create(scratch, graph, &own, source, backend, threads, cancel, true, &evaluation, error));
	return dl_evaluation_run(evaluation, parameters, 0, source->row_count, outputs, &unused, &unused, error);
}
