/*
 * model_document.c
 *    The document of a model as a whole: version, task, target, and the parts
 *    that other files own.
 */
#include "model/model_internal.h"

static void
write_interval(const DlModel *model, DlJsonWriter *writer)
{
	dl_json_begin_object(writer, "interval");
	dl_json_put_double(writer, "level", model->interval_level);
	dl_document_write_doubles(writer, "at", model->interval_at, model->interval_count);
	dl_document_write_doubles(writer, "low", model->interval_low, model->interval_count);
	dl_document_write_doubles(writer, "high", model->interval_high, model->interval_count);
	dl_json_end_object(writer);
}

static DlStatus
read_interval(DlModel *model, const DlJson *target, DlError *error)
{
	DlJson		interval;
	DlJson		at;
	size_t		count = 0;

	if (model->outputs != 1 || !dl_json_has(target, "interval"))
		return DL_OK;
	DL_TRY(dl_json_member(target, "interval", &interval, error));
	DL_TRY(dl_json_member_finite(&interval, "level", &model->interval_level, error));
	if (!(model->interval_level > 0 && model->interval_level < 1))
		return dl_json_fail(&interval, error, "has a level that is not between 0 and 1");
	DL_TRY(dl_json_array(&interval, "at", DL_MODEL_MAX_KNOTS, &at, &count, error));
	if (count == 0)
		return dl_json_fail(&at, error, "must not be empty");
	DL_TRY(dl_document_read_doubles(model, &interval, "at", (int32_t) count, true, &model->interval_at, error));
	DL_TRY(dl_document_read_doubles(model, &interval, "low", (int32_t) count, true, &model->interval_low, error));
	DL_TRY(dl_document_read_doubles(model, &interval, "high", (int32_t) count, true, &model->interval_high, error));
	for (size_t i = 1; i < count; i++)
		if (!(model->interval_at[i] > model->interval_at[i - 1]))
			return dl_json_fail(&at, error, "must ascend");
	model->interval_count = (int32_t) count;
	return DL_OK;
}

static void
write_target(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors)
{
	dl_json_begin_object(writer, "target");
	dl_json_put_string(writer, "name", model->target);
	dl_json_put_string(writer, "type", model->target_type);
	dl_json_put_int(writer, "outputs", model->outputs);
	if (model->task == DL_TASK_REGRESSION)
	{
		dl_document_write_doubles(writer, "low", model->target_low, model->outputs);
		dl_document_write_doubles(writer, "high", model->target_high, model->outputs);
	}
	else
		dl_json_put_double(writer, "temperature", model->temperature);
	if (model->task == DL_TASK_BINARY)
		dl_json_put_double(writer, "threshold", model->threshold);
	if (model->interval_count > 0)
		write_interval(model, writer);
	if (model->labels != NULL)
		dl_document_write_vocabulary(model->labels, "labels", writer, tensors);
	dl_json_end_object(writer);
}

DlStatus
dl_document_write(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors, DlError *error)
{
	dl_json_begin_object(writer, NULL);
	dl_json_put_int(writer, "format_version", DL_MODEL_FORMAT_VERSION);
	dl_json_put_string(writer, "task", dl_task_name(model->task));
	write_target(model, writer, tensors);
	dl_document_write_members(model, writer);
	dl_document_write_columns(model, writer, tensors);
	DL_TRY(dl_document_write_preparation(model, writer, tensors, error));
	dl_document_write_record(&model->record, writer);
	dl_document_write_statistics(model, writer);
	dl_json_end_object(writer);
	return dl_json_writer_finish(writer, error);
}

static DlStatus
read_regression(DlModel *model, const DlJson *target, DlError *error)
{
	DL_TRY(dl_document_read_doubles(model, target, "low", model->outputs, false, &model->target_low, error));
	DL_TRY(dl_document_read_doubles(model, target, "high", model->outputs, false, &model->target_high, error));
	for (int32_t i = 0; i < model->outputs; i++)
		if (model->target_low[i] > model->target_high[i])
			return dl_json_fail(target, error, "has a low above its high");
	return read_interval(model, target, error);
}

static DlStatus
read_target(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error)
{
	DlJson		target;
	int32_t		labels;

	DL_TRY(dl_json_member(root, "target", &target, error));
	DL_TRY(dl_json_member_string(&target, "name", model->arena, DL_MODEL_MAX_NAME, &model->target, error));
	DL_TRY(dl_json_member_string(&target, "type", model->arena, DL_MODEL_MAX_NAME, &model->target_type, error));
	DL_TRY(dl_json_member_int32(&target, "outputs", 1, DL_NETWORK_MAX_WIDTH, &model->outputs, error));
	model->temperature = 1;
	model->threshold = 0.5;
	if (model->task == DL_TASK_REGRESSION)
		return read_regression(model, &target, error);

	DL_TRY(dl_json_member_finite(&target, "temperature", &model->temperature, error));
	if (!(model->temperature > 0))
		return dl_json_fail(&target, error, "has a temperature that is not positive");
	if (model->task == DL_TASK_MULTILABEL)
		return DL_OK;
	if (model->task == DL_TASK_BINARY)
		DL_TRY(dl_json_member_finite(&target, "threshold", &model->threshold, error));
	DL_TRY(dl_document_read_vocabulary(model->arena, &target, "labels", tensors, &model->labels, error));
	labels = dl_vocabulary_size(model->labels);
	if (labels < 2 || (model->task == DL_TASK_BINARY ? labels != 2 || model->outputs != 1 : labels != model->outputs))
		return dl_json_fail(&target, error, "has %d labels, but %d outputs", labels, model->outputs);
	return DL_OK;
}

static DlStatus
check_version(const DlJson *root, DlError *error)
{
	int64_t		version = 0;

	DL_TRY(dl_json_member_int(root, "format_version", 1, INT64_MAX, &version, error));
	if (version != DL_MODEL_FORMAT_VERSION)
	{
		dl_error_set(error, DL_ERROR_UNSUPPORTED, "model has format version %lld, but this version reads %d",
					 (long long) version, DL_MODEL_FORMAT_VERSION);
		dl_error_hint(error, "Update the extension deep_learning to read this model.");
		return DL_ERROR_UNSUPPORTED;
	}
	return DL_OK;
}

DlStatus
dl_document_read(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error)
{
	DlJson		json;
	const char *task;

	DL_TRY(check_version(root, error));
	DL_TRY(dl_json_member(root, "task", &json, error));
	DL_TRY(dl_json_string(&json, model->arena, DL_MODEL_MAX_NAME, &task, error));
	if (!dl_task_by_name(task, &model->task))
		return dl_json_fail(&json, error, "is an unknown task");
	DL_TRY(read_target(model, root, tensors, error));
	DL_TRY(dl_document_read_members(model, root, error));
	DL_TRY(dl_document_read_columns(model, root, tensors, error));
	DL_TRY(dl_document_read_preparation(model, root, tensors, error));
	DL_TRY(dl_document_read_record(model, root, error));
	return dl_document_read_statistics(model, root, error);
}

DlStatus
dl_model_document(DlArena *arena, const void *bytes, size_t length, const char **json, DlError *error)
{
	DlArena    *scratch;
	DlSafetensors content;
	char	   *copy;
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_safetensors_read(scratch, bytes, length, &content, error);
	if (status == DL_OK && content.metadata == NULL)
		status = dl_error_set(error, DL_ERROR_CORRUPT, "model bytes have no \"%s\" in their metadata", DL_SAFETENSORS_KEY);
	if (status == DL_OK)
	{
		status = dl_arena_strdup(arena, content.metadata, &copy, error);
		if (status == DL_OK)
			*json = copy;
	}
	dl_arena_destroy(scratch);
	return status;
}
