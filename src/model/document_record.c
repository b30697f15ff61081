/*
 * document_record.c
 *    The training record: texts, counts, settings, the learning curve and the
 *    metrics.  Scoring relies on none of it, so only types and sizes are checked.
 */
#include <stddef.h>

#include "model/model_internal.h"

#define MAX_EPOCHS 1000000
#define MAX_METRICS 1024

typedef enum FieldKind
{
	FIELD_TEXT,					/* const char * */
	FIELD_INT,					/* int */
	FIELD_INT64,
	FIELD_UINT64,
	FIELD_DOUBLE,
	FIELD_BOOL
} FieldKind;

typedef struct Field
{
	const char *key;
	FieldKind	kind;
	size_t		offset;
} Field;

/* The members that are written as they are, in this order. */
static const Field record_fields[] =
{
	{"query", FIELD_TEXT, offsetof(DlTrainRecord, query)},
	{"options_given", FIELD_TEXT, offsetof(DlTrainRecord, options_given)},
	{"search_path", FIELD_TEXT, offsetof(DlTrainRecord, search_path)},
	{"timezone", FIELD_TEXT, offsetof(DlTrainRecord, timezone)},
	{"datestyle", FIELD_TEXT, offsetof(DlTrainRecord, datestyle)},
	{"matmul_precision", FIELD_TEXT, offsetof(DlTrainRecord, matmul_precision)},
	{"rows", FIELD_INT64, offsetof(DlTrainRecord, rows)},
	{"skipped", FIELD_INT64, offsetof(DlTrainRecord, skipped)},
	{"train_rows", FIELD_INT64, offsetof(DlTrainRecord, part_rows[DL_PART_TRAIN])},
	{"validation_rows", FIELD_INT64, offsetof(DlTrainRecord, part_rows[DL_PART_VALIDATION])},
	{"test_rows", FIELD_INT64, offsetof(DlTrainRecord, part_rows[DL_PART_TEST])},
	{"split", FIELD_TEXT, offsetof(DlTrainRecord, split)},
	{"validation", FIELD_DOUBLE, offsetof(DlTrainRecord, validation)},
	{"test", FIELD_DOUBLE, offsetof(DlTrainRecord, test)},
	{"weight_column", FIELD_TEXT, offsetof(DlTrainRecord, weight_column)},
	{"left_out", FIELD_TEXT, offsetof(DlTrainRecord, left_out)},
	{"choices", FIELD_TEXT, offsetof(DlTrainRecord, choices)},
	{"threads", FIELD_INT, offsetof(DlTrainRecord, threads)},
	{"best_epoch", FIELD_INT, offsetof(DlTrainRecord, best_epoch)},
	{"metric", FIELD_TEXT, offsetof(DlTrainRecord, metric)},
	{"metric_part", FIELD_TEXT, offsetof(DlTrainRecord, metric_part)},
	{"held_out", FIELD_UINT64, offsetof(DlTrainRecord, held_out)},
};

static const Field settings_fields[] =
{
	{"loss_parameter", FIELD_DOUBLE, offsetof(DlTrainSettings, loss_parameter)},
	{"label_smoothing", FIELD_DOUBLE, offsetof(DlTrainSettings, label_smoothing)},
	{"learning_rate", FIELD_DOUBLE, offsetof(DlTrainSettings, learning_rate)},
	{"momentum", FIELD_DOUBLE, offsetof(DlTrainSettings, momentum)},
	{"nesterov", FIELD_BOOL, offsetof(DlTrainSettings, nesterov)},
	{"beta1", FIELD_DOUBLE, offsetof(DlTrainSettings, beta1)},
	{"beta2", FIELD_DOUBLE, offsetof(DlTrainSettings, beta2)},
	{"epsilon", FIELD_DOUBLE, offsetof(DlTrainSettings, epsilon)},
	{"weight_decay", FIELD_DOUBLE, offsetof(DlTrainSettings, weight_decay)},
	{"gradient_clip", FIELD_DOUBLE, offsetof(DlTrainSettings, gradient_clip)},
	{"warm_up", FIELD_DOUBLE, offsetof(DlTrainSettings, warm_up)},
	{"step_factor", FIELD_DOUBLE, offsetof(DlTrainSettings, step_factor)},
	{"step_epochs", FIELD_INT, offsetof(DlTrainSettings, step_epochs)},
	{"anneal", FIELD_BOOL, offsetof(DlTrainSettings, anneal)},
	{"epochs", FIELD_INT, offsetof(DlTrainSettings, epochs)},
	{"batch_size", FIELD_INT, offsetof(DlTrainSettings, batch_size)},
	{"early_stopping", FIELD_INT, offsetof(DlTrainSettings, early_stopping)},
	{"seed", FIELD_UINT64, offsetof(DlTrainSettings, seed)},
};

/* Of the learning curve, one array each. */
static const Field epoch_fields[] =
{
	{"epoch", FIELD_INT, offsetof(DlEpoch, epoch)},
	{"learning_rate", FIELD_DOUBLE, offsetof(DlEpoch, learning_rate)},
	{"training_loss", FIELD_DOUBLE, offsetof(DlEpoch, training_loss)},
	{"validation_loss", FIELD_DOUBLE, offsetof(DlEpoch, validation_loss)},
	{"measure", FIELD_DOUBLE, offsetof(DlEpoch, measure)},
	{"best", FIELD_BOOL, offsetof(DlEpoch, best)},
};

static const Field trial_fields[] =
{
	{"network", FIELD_TEXT, offsetof(DlTrialRecord, network)},
	{"state", FIELD_TEXT, offsetof(DlTrialRecord, state)},
	{"fold", FIELD_INT, offsetof(DlTrialRecord, fold)},
	{"log_target", FIELD_BOOL, offsetof(DlTrialRecord, log_target)},
	{"learning_rate", FIELD_DOUBLE, offsetof(DlTrialRecord, learning_rate)},
	{"weight_decay", FIELD_DOUBLE, offsetof(DlTrialRecord, weight_decay)},
	{"label_smoothing", FIELD_DOUBLE, offsetof(DlTrialRecord, label_smoothing)},
	{"epochs", FIELD_INT, offsetof(DlTrialRecord, epochs)},
	{"best_epoch", FIELD_INT, offsetof(DlTrialRecord, best_epoch)},
	{"measure", FIELD_DOUBLE, offsetof(DlTrialRecord, measure)},
	{"weight", FIELD_DOUBLE, offsetof(DlTrialRecord, weight)},
};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* key NULL: an item of an array */
static void
write_field(DlJsonWriter *writer, const char *key, const Field *field, const void *structure)
{
	const void *place = (const char *) structure + field->offset;

	switch (field->kind)
	{
		case FIELD_TEXT:
			{
				const char *text = *(const char *const *) place;

				dl_json_put_string(writer, key, text == NULL ? "" : text);
				break;
			}
		case FIELD_INT:
			dl_json_put_int(writer, key, *(const int *) place);
			break;
		case FIELD_INT64:
			dl_json_put_int(writer, key, *(const int64_t *) place);
			break;
		case FIELD_UINT64:
			dl_json_put_uint64(writer, key, *(const uint64_t *) place);
			break;
		case FIELD_DOUBLE:
			dl_json_put_double(writer, key, *(const double *) place);
			break;
		case FIELD_BOOL:
			dl_json_put_bool(writer, key, *(const bool *) place);
			break;
	}
}

static DlStatus
read_field(DlArena *arena, const DlJson *json, const Field *field, void *structure, DlError *error)
{
	void	   *place = (char *) structure + field->offset;
	int64_t		value = 0;

	switch (field->kind)
	{
		case FIELD_TEXT:
			return dl_json_string(json, arena, DL_MODEL_MAX_TEXT, place, error);
		case FIELD_INT:
			DL_TRY(dl_json_int(json, INT32_MIN, INT32_MAX, &value, error));
			*(int *) place = (int) value;
			return DL_OK;
		case FIELD_INT64:
			return dl_json_int(json, 0, INT64_MAX, place, error);
		case FIELD_UINT64:
			return dl_json_uint64(json, place, error);
		case FIELD_DOUBLE:
			return dl_json_double(json, place, error);
		case FIELD_BOOL:
			return dl_json_bool(json, place, error);
	}
	return DL_OK;
}

static DlStatus
read_fields(DlArena *arena, const DlJson *object, const Field *fields, size_t count, void *structure, DlError *error)
{
	for (size_t i = 0; i < count; i++)
	{
		DlJson		member;

		DL_TRY(dl_json_member(object, fields[i].key, &member, error));
		DL_TRY(read_field(arena, &member, &fields[i], structure, error));
	}
	return DL_OK;
}

static void
write_settings(const DlTrainSettings *settings, DlJsonWriter *writer)
{
	dl_json_begin_object(writer, "settings");
	dl_json_put_string(writer, "loss", dl_loss_name(settings->loss));
	dl_json_put_string(writer, "optimizer", dl_optimizer_name(settings->optimizer));
	dl_json_put_string(writer, "schedule", dl_schedule_name(settings->schedule));
	for (size_t i = 0; i < COUNT(settings_fields); i++)
		write_field(writer, settings_fields[i].key, &settings_fields[i], settings);
	dl_json_end_object(writer);
}

void
dl_document_write_record(const DlTrainRecord *record, DlJsonWriter *writer)
{
	dl_json_begin_object(writer, "record");
	for (size_t i = 0; i < COUNT(record_fields); i++)
		write_field(writer, record_fields[i].key, &record_fields[i], record);
	write_settings(&record->settings, writer);
	dl_json_begin_object(writer, "history");
	for (size_t f = 0; f < COUNT(epoch_fields); f++)
	{
		dl_json_begin_array(writer, epoch_fields[f].key);
		for (int i = 0; i < record->epoch_count; i++)
			write_field(writer, NULL, &epoch_fields[f], &record->epochs[i]);
		dl_json_end_array(writer);
	}
	dl_json_end_object(writer);
	dl_json_begin_array(writer, "trials");
	for (int i = 0; i < record->trial_count; i++)
	{
		dl_json_begin_object(writer, NULL);
		for (size_t f = 0; f < COUNT(trial_fields); f++)
			write_field(writer, trial_fields[f].key, &trial_fields[f], &record->trials[i]);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
	dl_json_begin_array(writer, "metrics");
	for (int i = 0; i < record->metric_count; i++)
	{
		dl_json_begin_object(writer, NULL);
		dl_json_put_string(writer, "name", record->metrics[i].name);
		dl_json_put_double(writer, "value", record->metrics[i].value);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
	dl_json_end_object(writer);
}

static DlStatus
read_settings(DlModel *model, const DlJson *record, DlError *error)
{
	DlTrainSettings *settings = &model->record.settings;
	DlJson		json;
	const char *loss;
	const char *optimizer;
	const char *schedule;

	DL_TRY(dl_json_member(record, "settings", &json, error));
	DL_TRY(dl_json_member_string(&json, "loss", model->arena, DL_MODEL_MAX_NAME, &loss, error));
	DL_TRY(dl_json_member_string(&json, "optimizer", model->arena, DL_MODEL_MAX_NAME, &optimizer, error));
	DL_TRY(dl_json_member_string(&json, "schedule", model->arena, DL_MODEL_MAX_NAME, &schedule, error));
	if (!dl_loss_by_name(loss, &settings->loss))
		return dl_json_fail(&json, error, "has an unknown loss");
	if (!dl_optimizer_by_name(optimizer, &settings->optimizer))
		return dl_json_fail(&json, error, "has an unknown optimizer");
	if (!dl_schedule_by_name(schedule, &settings->schedule))
		return dl_json_fail(&json, error, "has an unknown schedule");
	return read_fields(model->arena, &json, settings_fields, COUNT(settings_fields), settings, error);
}

static DlStatus
read_history(DlModel *model, const DlJson *record, DlError *error)
{
	DlJson		history;
	size_t		expected = 0;

	DL_TRY(dl_json_member(record, "history", &history, error));
	for (size_t f = 0; f < COUNT(epoch_fields); f++)
	{
		DlJson		array;
		size_t		count = 0;

		DL_TRY(dl_json_array(&history, epoch_fields[f].key, MAX_EPOCHS, &array, &count, error));
		if (f == 0)
		{
			expected = count;
			DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlEpoch), &model->record.epochs, error));
		}
		if (count != expected)
			return dl_json_fail(&array, error, "has %zu items, expected %zu", count, expected);
		for (size_t i = 0; i < count; i++)
		{
			DlJson		item;

			DL_TRY(dl_json_item(&array, i, &item, error));
			DL_TRY(read_field(model->arena, &item, &epoch_fields[f], &model->record.epochs[i], error));
		}
	}
	model->record.epoch_count = (int) expected;
	return DL_OK;
}

static DlStatus
read_metrics(DlModel *model, const DlJson *record, DlError *error)
{
	DlJson		array;
	size_t		count = 0;

	DL_TRY(dl_json_array(record, "metrics", MAX_METRICS, &array, &count, error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlMetricValue), &model->record.metrics, error));
	for (size_t i = 0; i < count; i++)
	{
		DlMetricValue *metric = &model->record.metrics[i];
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_member_string(&item, "name", model->arena, DL_MODEL_MAX_NAME, &metric->name, error));
		DL_TRY(dl_json_member_double(&item, "value", &metric->value, error));
	}
	model->record.metric_count = (int) count;
	return DL_OK;
}

static DlStatus
read_trials(DlModel *model, const DlJson *record, DlError *error)
{
	DlJson		array;
	size_t		count = 0;

	DL_TRY(dl_json_array(record, "trials", DL_MODEL_MAX_TRIALS, &array, &count, error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlTrialRecord), &model->record.trials, error));
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(read_fields(model->arena, &item, trial_fields, COUNT(trial_fields), &model->record.trials[i], error));
	}
	model->record.trial_count = (int) count;
	return DL_OK;
}

DlStatus
dl_document_read_record(DlModel *model, const DlJson *root, DlError *error)
{
	DlJson		record;

	DL_TRY(dl_json_member(root, "record", &record, error));
	DL_TRY(read_fields(model->arena, &record, record_fields, COUNT(record_fields), &model->record, error));
	DL_TRY(read_settings(model, &record, error));
	DL_TRY(read_history(model, &record, error));
	DL_TRY(read_trials(model, &record, error));
	return read_metrics(model, &record, error);
}
