/*
 * evaluation.c
 *    Rows of a query that have a target, scored slice by slice, and their metrics.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "model/fit.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/evaluation.h"

#define SLICE_ROWS 256
#define SLICE_WORK 100000000	/* multiply-adds */

int
dl_evaluation_slice(const DlModel *model)
{
	int64		work = 1;

	for (int m = 0; m < model->member_count; m++)
		work += dl_graph_vector_length(dl_model_graph(model, m));
	return (int) Max(1, Min(SLICE_ROWS, SLICE_WORK / work));
}

int
dl_evaluation_target(const DlModel *model, TupleDesc tupdesc, DlInputType *type)
{
	const char *hint;
	int			target = -1;

	for (int i = 0; i < tupdesc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), model->target) == 0)
			target = i;
	if (target >= 0 && !dl_input_type(TupleDescAttr(tupdesc, target)->atttypid, type, &hint))
		dl_input_type_error(model->target, TupleDescAttr(tupdesc, target)->atttypid, hint);
	return target;
}

void
dl_evaluation_init(DlEvaluation *e, const DlModel *model)
{
	memset(e, 0, sizeof(*e));
	e->model = model;
	e->context = CurrentMemoryContext;
	e->arena = dl_arena_for_context(CurrentMemoryContext, 0);
	e->row_context = AllocSetContextCreate(CurrentMemoryContext, "dl evaluate row", ALLOCSET_DEFAULT_SIZES);
	e->slice_rows = dl_evaluation_slice(model);
	e->width = dl_model_result_width(model);
	e->target_width = model->labels != NULL ? 1 : e->width;
}

void
dl_evaluation_begin(DlEvaluation *e, TupleDesc tupdesc)
{
	const DlModel *model = e->model;
	DlError		error;

	e->sources = palloc0(sizeof(DlColumnSource) * (Size) Max(model->column_count, 1));
	dl_column_sources_match(model, tupdesc, e->sources);
	e->target = dl_evaluation_target(model, tupdesc, &e->target_type);
	if (e->target < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the query has no column \"%s\", the target of the model", model->target),
				 errhint("Evaluation compares predictions with it: select it, under this name.")));
	e->features = palloc0(sizeof(uint32_t) * (Size) e->slice_rows * (Size) Max(model->feature_words, 1));
	DL_CHECK(dl_scorer_create(e->arena, model, e->slice_rows, &e->scorer, &error), &error);
}

static void
grow(DlEvaluation *e)
{
	Size		capacity = e->capacity == 0 ? 1024 : (Size) e->capacity * 2;

	if (e->capacity == 0)
	{
		e->results = MemoryContextAllocHuge(e->context, capacity * (Size) e->width * sizeof(double));
		e->values = MemoryContextAllocHuge(e->context, capacity * (Size) e->target_width * sizeof(double));
		e->codes = MemoryContextAllocHuge(e->context, capacity * sizeof(int32_t));
	}
	else
	{
		e->results = repalloc_huge(e->results, capacity * (Size) e->width * sizeof(double));
		e->values = repalloc_huge(e->values, capacity * (Size) e->target_width * sizeof(double));
		e->codes = repalloc_huge(e->codes, capacity * sizeof(int32_t));
	}
	e->capacity = (int64) capacity;
}

static void
score_slice(DlEvaluation *e)
{
	DlError		error;

	if (e->slice == 0)
		return;
	DL_CHECK(dl_scorer_run(e->scorer, e->slice, e->features, e->model->feature_words,
						   e->results + (e->rows - e->slice) * e->width, &error), &error);
	e->slice = 0;
	CHECK_FOR_INTERRUPTS();
}

static void
keep_class(DlEvaluation *e, Datum value)
{
	Size		length;
	void	   *copy;
	const char *text = dl_datum_text(&e->target_type, value, &length, &copy);
	int32_t		class = dl_vocabulary_find(e->model->labels, text, length);

	if (class < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target \"%s\" has the class \"%.*s\", which the model was not trained with", e->model->target,
						(int) Min(length, 60), text),
				 errhint("Leave such rows out by a WHERE clause, or train again.")));
	e->codes[e->rows] = class;
}

void
dl_evaluation_target_values(const DlModel *model, DlInputType *type, Datum value, int32_t width, double *values)
{
	if (type->kind == DL_COLUMN_ARRAY)
	{
		if (!dl_datum_array(type, value, width, values))
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("array of target \"%s\" must have %d elements", model->target, width)));
	}
	else if (type->source <= DL_INPUT_BOOL && width == 1)
		values[0] = dl_datum_number(type->source, value);
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target \"%s\" is not of the type that the model was trained with, %s", model->target,
						model->target_type)));
	for (int i = 0; i < width; i++)
	{
		if (!isfinite(values[i]))
			dl_encode_not_finite(model->target, values[i]);
		if (model->task == DL_TASK_MULTILABEL && values[i] != 0 && values[i] != 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("multilabel target \"%s\" contains %g", model->target, values[i]),
					 errhint("Its elements must be true or false, or 0 or 1.")));
	}
}

bool
dl_evaluation_add(DlEvaluation *e, const Datum *values, const bool *nulls)
{
	MemoryContext old;

	if (nulls[e->target])
		return false;
	if (e->rows == e->capacity)
		grow(e);
	old = MemoryContextSwitchTo(e->row_context);
	for (int i = 0; i < e->model->column_count; i++)
	{
		DlColumnSource *s = &e->sources[i];

		dl_column_source_encode(s, values[s->position], nulls[s->position],
								e->features + e->slice * e->model->feature_words);
	}
	if (e->model->labels != NULL)
		keep_class(e, values[e->target]);
	else
		dl_evaluation_target_values(e->model, &e->target_type, values[e->target], e->target_width,
									e->values + e->rows * e->target_width);
	MemoryContextSwitchTo(old);
	MemoryContextReset(e->row_context);
	e->rows++;
	if (++e->slice == e->slice_rows)
		score_slice(e);
	return true;
}

void
dl_evaluation_finish(DlEvaluation *e)
{
	score_slice(e);
	if (e->rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the query returned no rows with a target")));
}

static bool
has_interrupt(void *context)
{
	(void) context;
	return InterruptPending && InterruptHoldoffCount == 0 && QueryCancelHoldoffCount == 0;
}

int
dl_evaluation_measure(const DlEvaluation *e, DlArena *arena, int64 count, const double *results, const double *values,
					  const int32_t *codes, DlMetricValue **metrics)
{
	const DlModel *model = e->model;
	int			metric_count;
	DlStatus	status;
	DlError		error;

	do
	{
		CHECK_FOR_INTERRUPTS();
		status = dl_model_measure(arena, model->task, &model->record.settings, model->threshold, count, e->width, results,
								  values, codes, NULL, (DlStop) {has_interrupt, NULL}, &metric_count, metrics, &error);
	} while (status == DL_ERROR_CANCELLED); /* an interrupt need not be a cancel */
	DL_CHECK(status, &error);
	return metric_count;
}
