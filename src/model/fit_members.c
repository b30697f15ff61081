/*
 * fit_members.c
 *    From trained networks to the members of the model: judging, the weights,
 *    what is calibrated on the same rows, and the record of all trials.
 */
#include <math.h>
#include <string.h>

#include "model/fit_members.h"

#define MOST_CURVE_EPOCHS 10000

/* Evenly chosen epochs, the best and the last among them: the bytes of a model have no room for a million. */
static DlStatus
keep_curve(DlModel *model, const DlFitTrial *trial, DlError *error)
{
	int			step = (trial->epoch_count + MOST_CURVE_EPOCHS - 1) / MOST_CURVE_EPOCHS;
	int			kept = 0;

	DL_TRY(dl_arena_calloc(model->arena, (size_t) trial->epoch_count / (size_t) (step > 0 ? step : 1) + 3, sizeof(DlEpoch),
						   &model->record.epochs, error));
	for (int i = 0; i < trial->epoch_count; i++)
		if (i % step == 0 || i == trial->epoch_count - 1 || trial->epochs[i].epoch == trial->best_epoch)
			model->record.epochs[kept++] = trial->epochs[i];
	model->record.epoch_count = kept;
	return DL_OK;
}

/* The trials that have a weight become the members; what the record says of training is the weightiest one's. */
static DlStatus
make_members(const DlFitJudging *j, DlError *error)
{
	DlModel    *model = j->model;
	const DlFitTrial *weightiest = NULL;

	model->member_count = 0;
	for (int i = 0; i < j->choice->trial_count; i++)
	{
		const DlFitTrial *trial = &j->choice->trials[i];

		if (trial->weight <= 0)
			continue;
		model->members[model->member_count++] = (DlModelMember) {
			.network = trial->network, .weight = trial->weight, .target = trial->target, .parameters = trial->parameters
		};
		if (weightiest == NULL || trial->weight > weightiest->weight)
			weightiest = trial;
	}
	model->record.settings = weightiest->settings;
	model->record.settings.seed = j->choice->train.seed;
	model->record.best_epoch = weightiest->best_epoch;
	return keep_curve(model, weightiest, error);
}

/* Networks none of whose trials became a member would only cost scoring. */
static void
drop_networks(DlModel *model)
{
	int32_t		kept = 0;

	for (int32_t i = 0; i < model->network_count; i++)
	{
		bool		used = false;

		for (int m = 0; m < model->member_count; m++)
			if (model->members[m].network == i)
			{
				model->members[m].network = kept;
				used = true;
			}
		if (used)
			model->networks[kept++] = model->networks[i];
	}
	model->network_count = kept;
}

static const char *
trial_state(const DlFitTrial *trial)
{
	if (!trial->run)
		return trial->arena == NULL ? "no time" : "diverged";
	return trial->weight > 0 ? "member" : "not kept";
}

static DlStatus
record_trials(const DlFitJudging *j, DlError *error)
{
	DlTrainRecord *record = &j->model->record;

	record->trial_count = j->choice->trial_count;
	DL_TRY(dl_arena_calloc(j->model->arena, (size_t) record->trial_count, sizeof(DlTrialRecord), &record->trials, error));
	for (int i = 0; i < record->trial_count; i++)
	{
		const DlFitTrial *trial = &j->choice->trials[i];

		record->trials[i] = (DlTrialRecord) {
			.network = j->model->networks[trial->network].text, .state = trial_state(trial), .fold = trial->fold + 1,
			.log_target = trial->log_target, .learning_rate = trial->settings.learning_rate,
			.weight_decay = trial->settings.weight_decay, .label_smoothing = trial->settings.label_smoothing,
			.epochs = trial->epoch_count, .best_epoch = trial->best_epoch, .measure = trial->run ? trial->measure : NAN,
			.weight = trial->weight
		};
	}
	return DL_OK;
}

/* What weights and calibration go by: the trials, or with folds what those of one variant say together. */
typedef struct Judged
{
	DlFitSelection *selection;	/* NULL without validation rows */
	DlFitTrial *trials;
	int			count;
} Judged;

static DlStatus
calibrate(const DlFitJudging *j, const Judged *judged, DlError *error)
{
	const DlFitOptions *o = &j->request->options;

	if (judged->selection == NULL)
		return DL_OK;
	DL_TRY(dl_fit_calibrate(j->scratch, judged->selection, judged->trials, judged->count, j->model, error));
	if (o->optimize != DL_UNSET && o->optimize != DL_OPTIMIZE_ACCURACY)
		DL_TRY(dl_fit_threshold(j->scratch, judged->selection, judged->trials, judged->count, (DlOptimize) o->optimize,
								j->model, error));
	if (!isnan(o->prediction_interval))
		DL_TRY(dl_fit_interval(j->scratch, judged->selection, judged->trials, judged->count, o->prediction_interval,
							   j->model, error));
	return DL_OK;
}

/* The trials have what their variants were judged to. */
static void
take_over(const DlFitJudging *j, const Judged *judged)
{
	for (int i = 0; i < j->choice->trial_count; i++)
	{
		const DlFitTrial *variant = &judged->trials[i / DL_FIT_FOLDS];

		j->choice->trials[i].weight = variant->weight / DL_FIT_FOLDS;
		j->choice->trials[i].target = variant->target;
	}
}

/* What is asked for needs rows that judged. */
static DlStatus
check_incomplete(const DlFitJudging *j, DlError *error)
{
	const DlFitOptions *o = &j->request->options;
	bool		threshold = o->optimize != DL_UNSET && o->optimize != DL_OPTIMIZE_ACCURACY;

	if (!threshold && isnan(o->prediction_interval))
		return DL_OK;
	dl_error_set(error, DL_ERROR_DATA, "no network was trained on all folds, which %s needs",
				 threshold ? "optimize" : "prediction_interval");
	dl_error_hint(error, "Raise max_seconds, or use effort => 'fast'.");
	return DL_ERROR_DATA;
}

/* With folds each variant is judged by all rows; where time ended before one was complete, what there is counts alike. */
static DlStatus
judge(const DlFitJudging *j, Judged *judged, DlError *error)
{
	bool		complete = false;

	*judged = (Judged) {j->selection, j->choice->trials, j->choice->trial_count};
	if (j->choice->folds)
	{
		judged->count /= DL_FIT_FOLDS;
		DL_TRY(dl_fit_folds_join(j->scratch, j->folds, j->choice->trials, judged->count, &judged->trials, error));
		for (int i = 0; i < judged->count; i++)
			complete = complete || judged->trials[i].run;
		if (!complete)
		{
			DL_TRY(check_incomplete(j, error));
			*judged = (Judged) {NULL, j->choice->trials, j->choice->trial_count};
		}
	}
	for (int i = 0; i < judged->count && judged->selection != NULL; i++)
		dl_fit_smear(judged->selection, &judged->trials[i]);
	DL_TRY(dl_fit_weigh(j->scratch, judged->selection, judged->trials, judged->count, j->choice->most_members,
						error));
	if (complete)
		take_over(j, judged);
	return DL_OK;
}

DlStatus
dl_fit_make_members(const DlFitJudging *j, DlError *error)
{
	Judged		judged;

	DL_TRY(judge(j, &judged, error));
	DL_TRY(make_members(j, error));
	DL_TRY(record_trials(j, error));
	drop_networks(j->model);
	return calibrate(j, &judged, error);
}
