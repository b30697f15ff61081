/*
 * fit_target_means.c
 *    Target means of the categories of a training: which means there are for a task,
 *    and the pass over the training rows.
 */
#include <string.h>

#include "model/fit_internal.h"

/* What the sums may take however little memory the rows are given. */
#define LEAST_MEMORY ((size_t) 16 << 20)

#define MOST_TARGETS 4			/* of regression and multilabel: the first */
#define MOST_CLASSES 8			/* of multiclass: the most frequent */

typedef struct Pass
{
	const DlFitSource *source;
	const DlTargetScaling *target;
	DlTargetMeans *means;
	int32_t		count;
	int32_t		classes[MOST_CLASSES];	/* the class of each mean; multiclass */
} Pass;

/* The classes that the means of the start are of, in their order: its most frequent ones. */
static bool
take_classes(Pass *pass, const DlModel *start)
{
	const DlDistribution *target = &start->statistics.target;

	pass->count = start->outputs < MOST_CLASSES ? start->outputs : MOST_CLASSES;
	if (start->statistics.columns == NULL || !target->codes || target->count < pass->count)
		return false;
	memcpy(pass->classes, target->levels, (size_t) pass->count * sizeof(int32_t));
	return true;
}

/* The most frequent classes, the first of equals first. */
static void
choose_classes(Pass *pass, const int64_t *class_rows, int32_t classes)
{
	while (pass->count < MOST_CLASSES && pass->count < classes)
	{
		int32_t		best = -1;

		for (int32_t k = 0; k < classes; k++)
		{
			bool		taken = false;

			for (int32_t i = 0; i < pass->count; i++)
				taken |= pass->classes[i] == k;
			if (!taken && (best < 0 || class_rows[k] > class_rows[best]))
				best = k;
		}
		pass->classes[pass->count++] = best;
	}
}

/* False: what the start's means are of is not known. */
static bool
choose_means(Pass *pass, const int64_t *class_rows, const DlModel *start)
{
	const DlModel *model = pass->source->model;

	if (model->task == DL_TASK_MULTICLASS && start != NULL)
		return take_classes(pass, start);
	if (model->task == DL_TASK_MULTICLASS)
		choose_classes(pass, class_rows, model->outputs);
	else
		pass->count = model->outputs < MOST_TARGETS ? model->outputs : MOST_TARGETS;
	return true;
}

/* Which categories of the start have them; those of the model are the same ones.  NULL without a start. */
static DlStatus
wanted_means(DlArena *scratch, const DlModel *start, bool **wanted, DlError *error)
{
	*wanted = NULL;
	if (start == NULL)
		return DL_OK;
	DL_TRY(dl_arena_calloc(scratch, (size_t) start->preparation.category_count, sizeof(bool), wanted, error));
	for (int32_t i = 0; i < start->preparation.category_count; i++)
		(*wanted)[i] = start->preparation.categories[i].level_numbers > 0;
	return DL_OK;
}

static double
mean_value(const Pass *pass, const uint32_t *record, int32_t k)
{
	const DlFitSource *source = pass->source;
	const DlModel *model = source->model;

	if (model->task == DL_TASK_BINARY)
		return dl_fit_class(source->request, record, &source->layout);
	if (model->task == DL_TASK_MULTICLASS)
		return dl_fit_class(source->request, record, &source->layout) == pass->classes[k];
	if (model->task == DL_TASK_MULTILABEL)
		return dl_fit_target(source, record, k);
	return dl_target_output(pass->target, k, dl_fit_target(source, record, k));
}

static DlStatus
add_row(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	Pass	   *pass = context;
	double		values[MOST_CLASSES];
	float		weight;

	(void) position;
	(void) error;
	memcpy(&weight, record + DL_RECORD_WEIGHT, sizeof(weight));
	for (int32_t k = 0; k < pass->count; k++)
		values[k] = mean_value(pass, record, k);
	dl_target_means_add(pass->means, record + pass->source->layout.feature_word, dl_fit_fold(record), values, weight);
	return DL_OK;
}

DlStatus
dl_fit_target_means(DlArena *scratch, DlModel *model, DlFitSource *source, const DlTargetScaling *target,
					const int64_t *class_rows, const DlFitChoice *choice, const DlModel *start, const atomic_int *cancel,
					DlError *error)
{
	Pass		pass = {.source = source, .target = target};
	size_t		memory = (size_t) source->request->options.memory / 4;
	DlPreparation *folds;
	bool		found = false;
	bool	   *wanted;
	DlArena    *sums;
	DlStatus	status;

	if (model->preparation.embedded == 0 || !choose_means(&pass, class_rows, start))
		return DL_OK;
	DL_TRY(wanted_means(scratch, start, &wanted, error));
	DL_TRY(dl_arena_calloc(scratch, DL_TARGET_FOLDS, sizeof(DlPreparation), &folds, error));
	DL_TRY(dl_arena_create(0, &sums, error));
	status = dl_target_means_create(sums, &model->preparation, pass.count, choice->target_means_levels, wanted,
									memory < LEAST_MEMORY ? LEAST_MEMORY : memory, &pass.means, error);
	if (status == DL_OK)
		status = dl_fit_visit(source, cancel, add_row, &pass, error);
	if (status == DL_OK)
		status = dl_target_means_finish(pass.means, model->arena, scratch, choice->preparation.scaling, cancel, &model->preparation, folds,
										&found, error);
	dl_arena_destroy(sums);
	if (found)
		source->folds = folds;
	return status;
}
