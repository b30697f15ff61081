/*
 * model_inspect.c
 *    Looking inside a model: dl.metadata, dl.summary, dl.history, dl.trials, of a value
 *    or of a version in the registry.
 *
 * summary, history and trials need the right to use a model; metadata, which has the training
 * query and all vocabularies, the right to read it.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/registry.h"
#include "pg/rows.h"

#define LABELS_SHOWN 20

PG_FUNCTION_INFO_V1(dl_sql_metadata);
PG_FUNCTION_INFO_V1(dl_sql_metadata_name);
PG_FUNCTION_INFO_V1(dl_sql_summary);
PG_FUNCTION_INFO_V1(dl_sql_summary_name);
PG_FUNCTION_INFO_V1(dl_sql_history);
PG_FUNCTION_INFO_V1(dl_sql_history_name);
PG_FUNCTION_INFO_V1(dl_sql_trials);
PG_FUNCTION_INFO_V1(dl_sql_trials_name);

/* --- metadata --- */

static Datum
metadata(struct varlena *bytes)
{
	DlArena    *arena = dl_arena_for_context(CurrentMemoryContext, 0);
	const char *json;
	DlError		error;

	DL_CHECK(dl_model_document(arena, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &json, &error), &error);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(dl_model_text(json, strlen(json))));
}

Datum
dl_sql_metadata(PG_FUNCTION_ARGS)
{
	return metadata(PG_GETARG_BYTEA_PP(0));
}

Datum
dl_sql_metadata_name(PG_FUNCTION_ARGS)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");

	return metadata(dl_registry_bytes(name, dl_argument_version(fcinfo, 1), DL_RIGHT_READ));
}

/* --- the model that summary, history and trials are about: pinned until the call's memory goes --- */

static const DlModel *
model_of_value(FunctionCallInfo fcinfo)
{
	DlModelArgument argument = {0};

	return dl_model_argument(&argument, PG_GETARG_DATUM(0), true, CurrentMemoryContext);
}

static const DlModel *
model_of_name(FunctionCallInfo fcinfo)
{
	char	   *name = dl_argument_text(fcinfo, 0, "model");

	return dl_registry_model(name, dl_argument_version(fcinfo, 1), DL_RIGHT_USE, CurrentMemoryContext);
}

/* --- summary --- */

static Datum
model_text(const char *text, Size length)
{
	return CStringGetTextDatum(dl_model_text(text, length));
}

static void put(DlRows *rows, const char *part, const char *name, const char *format,...) __attribute__((format(printf, 4, 5)));

/* One row; name and value are in UTF-8 where they come from a model. */
static void
put(DlRows *rows, const char *part, const char *name, const char *format,...)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	StringInfoData value;
	va_list		arguments;
	int			needed;

	initStringInfo(&value);
	for (;;)
	{
		va_start(arguments, format);
		needed = appendStringInfoVA(&value, format, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(&value, needed);
	}
	values[0] = CStringGetTextDatum(part);
	values[1] = model_text(name, strlen(name));
	values[2] = model_text(value.data, value.len);
	nulls[1] = name[0] == '\0';
	dl_rows_put(rows, values, nulls);
	pfree(value.data);
}

static const char *
plural(int64 count)
{
	return count == 1 ? "" : "s";
}

/* A row a line "name: value"; a line without a name is all value. */
static void
put_lines(DlRows *rows, const char *part, const char *lines)
{
	while (*lines != '\0')
	{
		int			length = (int) strcspn(lines, "\n");
		char	   *line = pnstrdup(lines, length);
		char	   *colon = strstr(line, ": ");

		if (colon != NULL)
			*colon = '\0';
		if (length > 0)
			put(rows, part, colon != NULL ? line : "", "%s", colon != NULL ? colon + 2 : line);
		lines += length + (lines[length] != '\0');
	}
}

static void
put_labels(DlRows *rows, const DlModel *model)
{
	int32_t		count = dl_vocabulary_size(model->labels);
	StringInfoData list;

	initStringInfo(&list);
	for (int32_t i = 0; i < count && i < LABELS_SHOWN; i++)
	{
		size_t		length;
		const char *text = dl_vocabulary_text(model->labels, i, &length);

		appendStringInfo(&list, "%s%.*s", i > 0 ? ", " : "", (int) length, text);
	}
	if (count > LABELS_SHOWN)
		appendStringInfo(&list, ", and %d more", count - LABELS_SHOWN);
	put(rows, "model", "classes", "%s", list.data);
	if (model->task == DL_TASK_BINARY)
	{
		size_t		length;
		const char *text = dl_vocabulary_text(model->labels, 1, &length);

		put(rows, "model", "dl.predict gives", "the probability of \"%.*s\"", (int) length, text);
		put(rows, "model", psprintf("dl.classify gives %.*s", (int) length, text), "above %.4g", model->threshold);
	}
}

/* Without state, which does not learn. */
static int64
parameter_count(const DlModel *model)
{
	int64		sum = 0;

	for (int m = 0; m < model->member_count; m++)
	{
		const DlGraph *graph = dl_model_graph(model, m);

		for (int i = 0; i < dl_graph_parameter_count(graph); i++)
			if (dl_graph_parameter_info(graph, i)->rate != 0)
				sum += dl_graph_parameter_elements(graph, i);
	}
	return sum;
}

/* A network, and what its members count together. */
static void
put_network(DlRows *rows, const DlModel *model, int network)
{
	double		weight = 0;
	int			count = 0;
	bool		log_target = false;

	for (int i = 0; i < model->member_count; i++)
		if (model->members[i].network == network)
		{
			weight += model->members[i].weight;
			count++;
			log_target = log_target || model->members[i].target.log;
		}
	if (model->member_count == 1)
		put(rows, "model", "network", "%s", model->networks[network].text);
	else
		put(rows, "model", "network", "%s, trained %d time%s, weight %.3g%s", model->networks[network].text, count,
			plural(count), weight, log_target ? ", of the logarithm" : "");
}

/* What a network keeps of the rows that it was trained on, which is more than weights. */
static void
put_kept(DlRows *rows, const DlModel *model, const DlModelNetwork *network)
{
	int64_t		most = dl_model_kept_rows(network);

	if (most > 0)
		put(rows, "model", "training rows kept", "up to " INT64_FORMAT ", each as %d numbers made of its columns, and its target", most,
			(int) dl_graph_shape(network->graph, network->nodes.hidden).dims[1]);
}

static void
put_model(DlRows *rows, const DlModel *model)
{
	put(rows, "model", "task", "%s", dl_task_name(model->task));
	put(rows, "model", "target", "%s (%s)", model->target, model->target_type);
	if (model->labels != NULL)
		put_labels(rows, model);
	if (model->interval_count > 0)
		put(rows, "model", "prediction interval", "%g of the values, %d knot%s", model->interval_level, model->interval_count,
			plural(model->interval_count));
	if (model->temperature != 1)
		put(rows, "model", "temperature", "%.4g", model->temperature);
	if (model->member_count > 1)
		put(rows, "model", "networks", "%d, whose results are averaged by weight", model->member_count);
	for (int i = 0; i < model->network_count; i++)
	{
		put_network(rows, model, i);
		put_kept(rows, model, &model->networks[i]);
	}
	put(rows, "model", "parameters", INT64_FORMAT, parameter_count(model));
}

static void
put_layers(DlRows *rows, const DlModel *model)
{
	const DlPreparation *preparation = &model->preparation;
	DlNetworkInputs inputs = {
		preparation->inputs, preparation->continuous, preparation->embedded, preparation->embedded_levels,
		model->task != DL_TASK_REGRESSION
	};
	DlArena    *arena = dl_arena_for_context(CurrentMemoryContext, 0);
	DlLayerSummary *layers;
	int			count;
	DlError		error;

	DL_CHECK(dl_network_summary(model->networks[model->members[0].network].network, &inputs, model->outputs, arena, &layers, &count, &error), &error);
	for (int i = 0; i < count; i++)
		put(rows, "layer", layers[i].layer, INT64_FORMAT " output%s, " INT64_FORMAT " parameter%s",
			layers[i].outputs, plural(layers[i].outputs), layers[i].parameters, plural(layers[i].parameters));
}

/* What a category became where that is more than its embedding or one-hot inputs. */
static const char *
category_note(const DlModel *model, int32_t column)
{
	for (int32_t i = 0; i < model->preparation.category_count; i++)
	{
		const DlCategoryInput *category = &model->preparation.categories[i];

		if (category->column == column && category->level_numbers > 0)
			return psprintf(", embedded, with %d target mean%s and the count beside it", category->level_numbers - 1,
							plural(category->level_numbers - 1));
	}
	return "";
}

/* The same of a number. */
static const char *
number_note(const DlModel *model, const DlColumn *column)
{
	for (int32_t i = 0; i < model->preparation.integer_count; i++)
		if (model->preparation.integers[i].word == column->first_word)
			return psprintf(", also one-hot of %d value%s", model->preparation.integers[i].count,
							plural(model->preparation.integers[i].count));
	return "";
}

static void
put_columns(DlRows *rows, const DlModel *model)
{
	for (int32_t i = 0; i < model->column_count; i++)
	{
		const DlColumn *column = &model->columns[i];

		if (column->kind == DL_COLUMN_TEXT)
			put(rows, "column", column->name, "%s (%s), nearly unique to a row: %d numbers, %d prefix%s", dl_column_kind_name(column->kind),
				column->type, column->words - 1, dl_vocabulary_size(column->vocabulary),
				dl_vocabulary_size(column->vocabulary) == 1 ? "" : "es");
		else if (column->vocabulary != NULL)
			put(rows, "column", column->name, "%s (%s), %d value%s%s", dl_column_kind_name(column->kind), column->type,
				dl_vocabulary_size(column->vocabulary), plural(dl_vocabulary_size(column->vocabulary)),
				category_note(model, i));
		else if (column->kind == DL_COLUMN_ARRAY)
			put(rows, "column", column->name, "%s of %d (%s)", dl_column_kind_name(column->kind), column->words, column->type);
		else
			put(rows, "column", column->name, "%s (%s)%s", dl_column_kind_name(column->kind), column->type,
				number_note(model, column));
	}
	put_lines(rows, "left out", model->record.left_out);
}

static void
put_data(DlRows *rows, const DlTrainRecord *record)
{
	static const char *const parts[] = {"training rows", "validation rows", "test rows"};

	put(rows, "data", "rows", INT64_FORMAT, record->rows);
	if (record->skipped > 0)
		put(rows, "data", "rows without a target", INT64_FORMAT, record->skipped);
	for (int i = 0; i < (int) lengthof(parts); i++)
		put(rows, "data", parts[i], INT64_FORMAT, record->part_rows[i]);
	put(rows, "data", "split by", "%s", record->split);
	if (record->weight_column[0] != '\0')
		put(rows, "data", "weight column", "%s", record->weight_column);
}

static void
put_training(DlRows *rows, const DlTrainRecord *record)
{
	const DlTrainSettings *settings = &record->settings;

	put(rows, "training", "loss", "%s", dl_loss_name(settings->loss));
	put(rows, "training", "optimizer", "%s", dl_optimizer_name(settings->optimizer));
	put(rows, "training", "learning_rate", "%g", settings->learning_rate);
	put(rows, "training", "schedule", "%s", dl_schedule_name(settings->schedule));
	put(rows, "training", "weight_decay", "%g", settings->weight_decay);
	put(rows, "training", "batch_size", "%d", settings->batch_size);
	put(rows, "training", "epochs", "%d of at most %d, the best was %d", dl_record_epochs(record), settings->epochs, record->best_epoch);
	put(rows, "training", "early_stopping", "%d", settings->early_stopping);
	put(rows, "training", "matmul_precision", "%s", record->matmul_precision);
	put(rows, "training", "seed", INT64_FORMAT, (int64) settings->seed);
	put(rows, "training", "threads", "%d", record->threads);
	put_lines(rows, "chosen", record->choices);
}

static void
put_metrics(DlRows *rows, const DlTrainRecord *record)
{
	char	   *part = psprintf("%s metric", dl_model_text(record->metric_part, strlen(record->metric_part)));

	for (int i = 0; i < record->metric_count; i++)
		put(rows, part, record->metrics[i].name, "%.6g", record->metrics[i].value);
}

static Datum
summary(FunctionCallInfo fcinfo, const DlModel *model)
{
	DlRows		rows;

	dl_rows_begin(fcinfo, &rows);
	put_model(&rows, model);
	put_layers(&rows, model);
	put_columns(&rows, model);
	put_data(&rows, &model->record);
	put_training(&rows, &model->record);
	put_metrics(&rows, &model->record);
	return (Datum) 0;
}

Datum
dl_sql_summary(PG_FUNCTION_ARGS)
{
	return summary(fcinfo, model_of_value(fcinfo));
}

Datum
dl_sql_summary_name(PG_FUNCTION_ARGS)
{
	return summary(fcinfo, model_of_name(fcinfo));
}

/* --- history --- */

enum
{
	HISTORY_EPOCH,
	HISTORY_LEARNING_RATE,
	HISTORY_TRAINING_LOSS,
	HISTORY_VALIDATION_LOSS,
	HISTORY_MEASURE,
	HISTORY_BEST,
	HISTORY_COLUMNS
};

static Datum
history(FunctionCallInfo fcinfo, const DlModel *model)
{
	const DlTrainRecord *record = &model->record;
	DlRows		rows;

	dl_rows_begin(fcinfo, &rows);
	for (int i = 0; i < record->epoch_count; i++)
	{
		const DlEpoch *epoch = &record->epochs[i];
		Datum		values[HISTORY_COLUMNS];
		bool		nulls[HISTORY_COLUMNS] = {false};

		values[HISTORY_EPOCH] = Int32GetDatum(epoch->epoch);
		values[HISTORY_LEARNING_RATE] = Float8GetDatum(epoch->learning_rate);
		values[HISTORY_TRAINING_LOSS] = Float8GetDatum(epoch->training_loss);
		values[HISTORY_VALIDATION_LOSS] = Float8GetDatum(epoch->validation_loss);
		nulls[HISTORY_VALIDATION_LOSS] = isnan(epoch->validation_loss);
		values[HISTORY_MEASURE] = Float8GetDatum(epoch->measure);
		nulls[HISTORY_MEASURE] = isnan(epoch->measure);
		values[HISTORY_BEST] = BoolGetDatum(epoch->epoch == record->best_epoch);
		dl_rows_put(&rows, values, nulls);
	}
	return (Datum) 0;
}

Datum
dl_sql_history(PG_FUNCTION_ARGS)
{
	return history(fcinfo, model_of_value(fcinfo));
}

Datum
dl_sql_history_name(PG_FUNCTION_ARGS)
{
	return history(fcinfo, model_of_name(fcinfo));
}

/* --- trials --- */

enum
{
	TRIAL_NUMBER,
	TRIAL_NETWORK,
	TRIAL_FOLD,
	TRIAL_TARGET,
	TRIAL_LEARNING_RATE,
	TRIAL_WEIGHT_DECAY,
	TRIAL_LABEL_SMOOTHING,
	TRIAL_EPOCHS,
	TRIAL_BEST_EPOCH,
	TRIAL_MEASURE,
	TRIAL_WEIGHT,
	TRIAL_STATE,
	TRIAL_COLUMNS
};

static Datum
trials(FunctionCallInfo fcinfo, const DlModel *model)
{
	DlRows		rows;

	dl_rows_begin(fcinfo, &rows);
	for (int i = 0; i < model->record.trial_count; i++)
	{
		const DlTrialRecord *trial = &model->record.trials[i];
		Datum		values[TRIAL_COLUMNS];
		bool		nulls[TRIAL_COLUMNS] = {false};

		values[TRIAL_NUMBER] = Int32GetDatum(i + 1);
		values[TRIAL_NETWORK] = model_text(trial->network, strlen(trial->network));
		values[TRIAL_FOLD] = Int32GetDatum(trial->fold);
		nulls[TRIAL_FOLD] = trial->fold == 0;
		values[TRIAL_TARGET] = CStringGetTextDatum(trial->log_target ? "logarithm" : "value");
		nulls[TRIAL_TARGET] = model->task != DL_TASK_REGRESSION;
		values[TRIAL_LEARNING_RATE] = Float8GetDatum(trial->learning_rate);
		values[TRIAL_WEIGHT_DECAY] = Float8GetDatum(trial->weight_decay);
		values[TRIAL_LABEL_SMOOTHING] = Float8GetDatum(trial->label_smoothing);
		values[TRIAL_EPOCHS] = Int32GetDatum(trial->epochs);
		values[TRIAL_BEST_EPOCH] = Int32GetDatum(trial->best_epoch);
		nulls[TRIAL_BEST_EPOCH] = trial->best_epoch == 0;
		values[TRIAL_MEASURE] = Float8GetDatum(trial->measure);
		nulls[TRIAL_MEASURE] = isnan(trial->measure);
		values[TRIAL_WEIGHT] = Float8GetDatum(trial->weight);
		values[TRIAL_STATE] = model_text(trial->state, strlen(trial->state));
		dl_rows_put(&rows, values, nulls);
	}
	return (Datum) 0;
}

Datum
dl_sql_trials(PG_FUNCTION_ARGS)
{
	return trials(fcinfo, model_of_value(fcinfo));
}

Datum
dl_sql_trials_name(PG_FUNCTION_ARGS)
{
	return trials(fcinfo, model_of_name(fcinfo));
}
