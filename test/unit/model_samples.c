/*
 * model_samples.c
 *    Columns by letter:
 *      n  number, standardised         r  number, robust
 *      q  number, by quantiles         o  number as stored
 *      m  number that may be missing   b  boolean (one-hot of two levels)
 *      c  category, one-hot            e  category, embedded
 *      h  category with a text that is no UTF-8
 *      l  category, embedded, with numbers of its levels
 *      d  date                         t  timestamp
 *      a  array of 3 numbers             i  integer, as a number and its values -1, 0 and 1
 */
#include "model_samples.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/text.h"

const ModelSample model_samples[] =
{
	{"linear", DL_TASK_REGRESSION, "n", "linear", 1, 1, NULL},
	{"small", DL_TASK_REGRESSION, "nn", "dense(3, relu)", 1, 1, NULL},
	{"wide", DL_TASK_REGRESSION, "nnnnnnnnnnnnnnnnnnnnnnnnnnnn", "dense(64, relu) > dense(64, relu)", 1, 1, NULL},
	{"binary", DL_TASK_BINARY, "nmbc", "dense(16, gelu) > dropout(0.1) > dense(8, silu)", 1, 2, NULL},
	{"multiclass", DL_TASK_MULTICLASS, "nqr", "dense(13, tanh)", 1, 3, NULL},
	{"multilabel", DL_TASK_MULTILABEL, "nnb", "dense(9, mish)", 1, 4, NULL},
	{"array target", DL_TASK_REGRESSION, "on", "dense(5, selu) > dense(7, softplus)", 1, 3, NULL},
	{"categories only", DL_TASK_MULTICLASS, "ee", "dense(6, elu)", 1, 2, NULL},
	{"every column", DL_TASK_BINARY, "nrqombcehdta", "dense(20, leaky_relu) > dense(10, sigmoid)", 1, 2, NULL},
	{"batch norm", DL_TASK_REGRESSION, "nne", "dense(12) > batch_norm > relu > dense(8) > layer_norm > tanh", 1, 1, NULL},
	{"residual", DL_TASK_BINARY, "nnc", "dense(8) > residual(dense(8, relu) > dense(8)) > residual(dense(5))", 1, 2, NULL},
	{"concat", DL_TASK_REGRESSION, "nn", "concat(dense(4, relu), dense(3) > scale) > dense(6, relu)", 1, 1, NULL},
	{"periodic", DL_TASK_MULTICLASS, "nnme", "realmlp(16, 16)", 2, 4, NULL},
	{"piecewise", DL_TASK_REGRESSION, "nnme", "piecewise(bins => 6, width => 5) > dense(8, mish, init => data)", 2, 1, NULL},
	{"neighbours", DL_TASK_REGRESSION, "nnme", "dense(6, tanh) > neighbours(5, rows => 37)", 2, 1, NULL},
	{"neighbours of classes", DL_TASK_MULTICLASS, "nc", "periodic(frequencies => 3) > neighbours(20, rows => 21)", 2, 3, "dense(4, relu)"},
	{"numbers of levels", DL_TASK_REGRESSION, "nlmcl", "realmlp(16, 16)", 1, 1, NULL},
	{"integers", DL_TASK_BINARY, "incib", "dense(6, relu)", 1, 2, NULL},
	{"text", DL_TASK_MULTICLASS, "nmepp", "realmlp(16, 16)", 1, 3, NULL},
	{"simplified", DL_TASK_REGRESSION, "rrce", "realmlp(16, 16, simplified => true)", 1, 1, NULL},
	{"ensemble", DL_TASK_BINARY, "nn", "dense(4, relu)", 3, 2, NULL},
	{"ensemble of numbers", DL_TASK_REGRESSION, "nn", "dense(4, tanh)", 3, 2, NULL},
	{"different networks", DL_TASK_REGRESSION, "nnce", "dense(4, tanh)", 4, 2, "realmlp(8, simplified => true)"},
	{"different chains", DL_TASK_MULTICLASS, "nn", "dense(4, tanh)", 3, 3, "dense(9, relu) > dense(2, gelu)"},
	{"activations between", DL_TASK_REGRESSION, "nnn", "relu > dense(5) > gelu > dropout(0.5) > dense(4, bias => false)", 1, 1, NULL},
};

const int	model_sample_count = sizeof(model_samples) / sizeof(model_samples[0]);

static const char *const texts[] = {
	"false", "true", "red", "green", "", "quoted \"\\ \n", "caf\xc3\xa9", "\xe2\x82\xac", "a", "b", "c", "d", "e", "f", "g", "h"
};

typedef struct Maker
{
	DlModel    *model;
	DlRandom	random;
	DlError    *error;
} Maker;

static float
normal(Maker *maker)
{
	return (float) dl_random_normal(&maker->random);
}

static DlStatus
add_vocabulary(Maker *maker, int count, bool bytes, DlVocabulary **result)
{
	int32_t		code;

	DL_TRY(dl_vocabulary_create(maker->model->arena, result, maker->error));
	for (int i = 0; i < count; i++)
		DL_TRY(dl_vocabulary_add(*result, texts[i], strlen(texts[i]), &code, maker->error));
	if (bytes)
	{
		DL_TRY(dl_vocabulary_add(*result, "\xff\xfe", 2, &code, maker->error));
		DL_TRY(dl_vocabulary_add(*result, "z\0z", 3, &code, maker->error));
	}
	return DL_OK;
}

static DlStatus
add_number(Maker *maker, char letter, int32_t word)
{
	DlPreparation *preparation = &maker->model->preparation;
	DlNumberInput *number = &preparation->numbers[preparation->number_count++];
	float	   *quantiles;

	number->word = word;
	number->scaling = letter == 'r' ? DL_SCALING_ROBUST : letter == 'q' ? DL_SCALING_QUANTILE :
		letter == 'o' ? DL_SCALING_NONE : DL_SCALING_STANDARD;
	number->center = normal(maker) / 3;
	number->scale = 1 + fabsf(normal(maker));
	number->missing_seen = letter == 'm';
	number->of_text = letter == 'p';
	if (letter == 'q')
	{
		number->quantile_count = 11;
		DL_TRY(dl_arena_calloc(maker->model->arena, 11, sizeof(float), &quantiles, maker->error));
		for (int i = 0; i < 11; i++)
			quantiles[i] = (float) (i - 5) / 3 + (i == 0 ? 0 : fabsf(normal(maker)) / 8);
		number->quantiles = quantiles;
	}
	return DL_OK;
}

static DlStatus
add_integer(Maker *maker, int32_t word)
{
	DlPreparation *preparation = &maker->model->preparation;
	float	   *values;

	DL_TRY(dl_arena_calloc(maker->model->arena, 3, sizeof(float), &values, maker->error));
	for (int i = 0; i < 3; i++)
		values[i] = (float) (i - 1);
	preparation->integers[preparation->integer_count++] = (DlIntegerInput) {word, 3, values};
	return DL_OK;
}

static DlStatus
add_category(Maker *maker, char letter, int32_t column, int32_t word)
{
	DlPreparation *preparation = &maker->model->preparation;
	DlCategoryInput *category = &preparation->categories[preparation->category_count++];
	int			count = letter == 'b' ? 2 : letter == 'c' ? 4 : letter == 'h' ? 5 : 16;
	int32_t    *map;
	float	   *values;

	DL_TRY(add_vocabulary(maker, count, letter == 'h', &maker->model->columns[column].vocabulary));
	category->word = word;
	category->column = column;
	category->one_hot = letter != 'e' && letter != 'h' && letter != 'l';
	category->missing_seen = letter == 'c';
	category->code_count = dl_vocabulary_size(maker->model->columns[column].vocabulary);
	DL_TRY(dl_arena_calloc(maker->model->arena, (size_t) category->code_count, sizeof(int32_t), &map, maker->error));

	/* the last code of more than four is not kept; levels run backwards */
	category->levels = category->code_count > 4 ? category->code_count - 1 : category->code_count;
	for (int32_t i = 0; i < category->code_count; i++)
		map[i] = i < category->levels ? category->levels - 1 - i : -1;
	category->map = map;
	if (letter != 'l')
		return DL_OK;
	category->level_numbers = 3;
	DL_TRY(dl_arena_calloc(maker->model->arena, ((size_t) category->levels + 1) * 3, sizeof(float), &values, maker->error));
	for (int32_t i = 0; i < (category->levels + 1) * 3; i++)
		values[i] = normal(maker);
	category->level_values = values;
	return DL_OK;
}

static DlStatus
add_column(Maker *maker, char letter, int32_t index)
{
	static const char *const types[] = {"double precision", "text", "date", "timestamp with time zone", "real[]", "varchar"};
	DlModel    *model = maker->model;
	DlColumn   *column = &model->columns[index];
	char		name[32];
	char	   *copy;

	snprintf(name, sizeof(name), "%s%d", letter == 'h' ? "\xe9" : "column_", index);
	DL_TRY(dl_arena_strdup(model->arena, name, &copy, maker->error));
	column->name = copy;
	column->kind = letter == 'd' ? DL_COLUMN_DATE : letter == 't' ? DL_COLUMN_TIMESTAMP : letter == 'a' ? DL_COLUMN_ARRAY :
		letter == 'p' ? DL_COLUMN_TEXT : strchr("bcehl", letter) ? DL_COLUMN_CATEGORY : DL_COLUMN_NUMBER;
	column->type = types[column->kind == DL_COLUMN_NUMBER ? 0 : column->kind];
	column->first_word = model->feature_words;
	column->words = letter == 'd' ? DL_DATE_WORDS : letter == 't' ? DL_TIMESTAMP_WORDS : letter == 'a' ? 3 :
		letter == 'p' ? DL_TEXT_PLAIN_WORDS + 2 : 1;
	model->feature_words += column->words;
	if (dl_column_kind_codes(column->kind) > 0)
		DL_TRY(add_category(maker, letter, index, column->first_word));
	else
		column->offset = index % 2 == 0 ? dl_random_normal(&maker->random) * 1e6 : -0.0;
	if (letter == 'i')
		DL_TRY(add_integer(maker, column->first_word));
	for (int32_t w = dl_column_kind_codes(column->kind); w < column->words; w++)
		DL_TRY(add_number(maker, letter, column->first_word + w));
	return DL_OK;
}

static DlStatus
add_columns(Maker *maker, const char *letters)
{
	DlModel    *model = maker->model;
	size_t		count = strlen(letters);

	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlColumn), &model->columns, maker->error));
	DL_TRY(dl_arena_calloc(model->arena, count * 8, sizeof(DlNumberInput), &model->preparation.numbers, maker->error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlCategoryInput), &model->preparation.categories, maker->error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlIntegerInput), &model->preparation.integers, maker->error));
	model->column_count = (int32_t) count;
	for (size_t i = 0; i < count; i++)
		DL_TRY(add_column(maker, letters[i], (int32_t) i));
	return dl_preparation_finish(model->arena, &model->preparation, maker->error);
}

static DlStatus
add_target(Maker *maker, const ModelSample *sample)
{
	DlModel    *model = maker->model;
	size_t		n;

	model->task = sample->task;
	model->target = "target \"of\" all";
	model->target_type = sample->task == DL_TASK_REGRESSION ? "real" : "text";
	model->outputs = sample->task == DL_TASK_BINARY ? 1 : sample->outputs;
	model->temperature = sample->task == DL_TASK_REGRESSION ? 1 : 1.25;
	model->threshold = sample->task == DL_TASK_BINARY ? 0.375 : 0.5;
	n = (size_t) model->outputs;
	if (sample->task == DL_TASK_BINARY || sample->task == DL_TASK_MULTICLASS)
		DL_TRY(add_vocabulary(maker, sample->outputs, false, &model->labels));
	if (sample->task != DL_TASK_REGRESSION)
		return DL_OK;
	DL_TRY(dl_arena_calloc(model->arena, n, sizeof(double), &model->target_low, maker->error));
	DL_TRY(dl_arena_calloc(model->arena, n, sizeof(double), &model->target_high, maker->error));
	for (size_t i = 0; i < n; i++)
	{
		model->target_low[i] = i % 2 == 0 ? -5 : -INFINITY;
		model->target_high[i] = i % 2 == 0 ? 5.5 : INFINITY;
	}
	return DL_OK;
}

static DlStatus
add_record(Maker *maker)
{
	DlTrainRecord *record = &maker->model->record;

	record->query = "SELECT \"a\", b FROM t -- caf\xc3\xa9\n";
	record->options_given = "{\"epochs\": 5, \"effort\": \"fast\"}";
	record->search_path = "\"$user\", public";
	record->timezone = "Europe/Berlin";
	record->datestyle = "ISO, DMY";
	record->matmul_precision = "highest";
	record->rows = 12345678901;
	record->skipped = 3;
	for (int i = 0; i < 3; i++)
		record->part_rows[i] = 1000 * (i + 1);
	record->split = "hash";
	record->validation = 0.15;
	record->test = 0.1;
	record->weight_column = "";
	record->left_out = "id: an identifier\n";
	record->choices = "network: by rows\n";
	dl_train_settings_default(&record->settings);
	record->settings.seed = UINT64_MAX - 7;
	record->threads = 2;
	record->best_epoch = 2;
	record->epoch_count = 3;
	record->metric = "rmse";
	record->metric_part = "test";
	record->metric_count = 2;
	record->held_out = 0xfedcba9876543210u;
	DL_TRY(dl_arena_calloc(maker->model->arena, 3, sizeof(DlEpoch), &record->epochs, maker->error));
	for (int i = 0; i < 3; i++)
		record->epochs[i] = (DlEpoch) {i + 1, 1e-3 / (i + 1), 1.0 / 3 + i, i == 1 ? NAN : 0.7 - i, 1e-300, i == 1};
	DL_TRY(dl_arena_calloc(maker->model->arena, 2, sizeof(DlMetricValue), &record->metrics, maker->error));
	record->metrics[0] = (DlMetricValue) {"rmse", 0.52};
	record->metrics[1] = (DlMetricValue) {"r2", NAN};
	return DL_OK;
}

/* Of 60 rows each, of which some lack the value; in few bins, so that samples stay short. */
static DlStatus
add_numbers(Maker *maker, double offset, DlDistribution *result)
{
	float		values[60];
	float		sample[6];
	uint32_t	keys[12];

	for (int i = 0; i < 60; i++)
		values[i] = i % 10 == 3 ? NAN : rintf(8 * normal(maker));
	memcpy(sample, values, sizeof(sample));
	DL_TRY(dl_distribution_of_sample(maker->model->arena, sample, keys, keys + 6, 6, offset, result, maker->error));
	dl_distribution_add_numbers(result, values, 60);
	dl_distribution_finish(result);
	return DL_OK;
}

static DlStatus
add_codes(Maker *maker, int32_t codes, int64_t missing, DlDistribution *result)
{
	int64_t		frequencies[32];
	int64_t		rest = 60 - missing;

	for (int32_t i = 1; i < codes && i < 32; i++)
		rest -= frequencies[i] = 1 + i * 7 % 5;
	frequencies[0] = rest;
	return dl_distribution_of_codes(maker->model->arena, frequencies, codes < 32 ? codes : 32, missing, NULL, 1, result,
									maker->error);
}

/* Every sample has statistics but the first, which is as models were before there were any. */
static DlStatus
add_statistics(Maker *maker)
{
	DlModel    *model = maker->model;
	DlModelStatistics *s = &model->statistics;

	DL_TRY(dl_arena_calloc(model->arena, (size_t) model->column_count, sizeof(DlDistribution), &s->columns, maker->error));
	for (int32_t i = 0; i < model->column_count; i++)
	{
		const DlColumn *column = &model->columns[i];

		if (column->kind == DL_COLUMN_CATEGORY)
			DL_TRY(add_codes(maker, dl_vocabulary_size(column->vocabulary), 4, &s->columns[i]));
		else
			DL_TRY(add_numbers(maker, column->offset, &s->columns[i]));
	}
	if (model->labels != NULL)
		DL_TRY(add_codes(maker, dl_vocabulary_size(model->labels), 0, &s->target));
	else
		DL_TRY(add_numbers(maker, 2.5, &s->target));
	if (model->task == DL_TASK_MULTICLASS)
		return add_codes(maker, model->outputs, 0, &s->predictions);
	return add_numbers(maker, model->task == DL_TASK_REGRESSION ? 2.5 : 0, &s->predictions);
}

/* What starts as a constant shall matter too: 0 becomes anything, 1 (factors, variances) stays positive. */
static void
move_constants(Maker *maker, const DlGraph *graph, float *vector)
{
	for (int p = 0; p < dl_graph_parameter_count(graph); p++)
	{
		const DlParameterInfo *info = dl_graph_parameter_info(graph, p);
		float	   *values = vector + dl_graph_parameter_offset(graph, p);

		if (info->init == DL_INIT_CONSTANT)
			for (int64_t i = 0; i < dl_graph_parameter_elements(graph, p); i++)
				values[i] += 0.5f * (info->value == 0 ? normal(maker) : (float) dl_random_uniform(&maker->random));
	}
}

/* Every other member of different networks learnt logarithms. */
static DlStatus
add_scaling(Maker *maker, const ModelSample *sample, int member, DlTargetScaling *target)
{
	DlArena    *arena = maker->model->arena;
	size_t		n = (size_t) maker->model->outputs;

	target->log = sample->second != NULL && member % 2 == 1;
	DL_TRY(dl_arena_calloc(arena, n, sizeof(double), &target->center, maker->error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(double), &target->scale, maker->error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(double), &target->shift, maker->error));
	for (size_t i = 0; i < n; i++)
	{
		target->center[i] = 0.1 + dl_random_normal(&maker->random);
		target->scale[i] = target->log ? 0.5 : 3 + dl_random_uniform(&maker->random);
		target->shift[i] = 0.25;
	}
	return DL_OK;
}

/* Edges ascend; every second row of them has fewer bins. */
static void
set_edges(const DlGraph *graph, float *vector)
{
	for (int p = 0; p < dl_graph_parameter_count(graph); p++)
	{
		const DlParameterInfo *info = dl_graph_parameter_info(graph, p);
		DlShape		shape = dl_graph_parameter_shape(graph, p);
		float	   *edges = vector + dl_graph_parameter_offset(graph, p);

		if (info->init != DL_INIT_DATA || info->rate != 0)
			continue;
		for (int64_t i = 0; i < shape.dims[0] * shape.dims[1]; i++)
			edges[i] = fminf((float) (i % shape.dims[1]), i / shape.dims[1] % 2 == 0 ? 1000 : 3) / 2 - 1.5f;
	}
}

static DlStatus
add_weights(Maker *maker, const ModelSample *sample)
{
	DlModel    *model = maker->model;

	model->network_count = sample->second != NULL ? 2 : 1;
	DL_TRY(dl_arena_calloc(model->arena, 2, sizeof(DlModelNetwork), &model->networks, maker->error));
	DL_TRY(dl_model_build_network(model, sample->network, &model->networks[0], maker->error));
	if (sample->second != NULL)
		DL_TRY(dl_model_build_network(model, sample->second, &model->networks[1], maker->error));
	model->member_count = sample->members;
	DL_TRY(dl_arena_calloc(model->arena, (size_t) sample->members, sizeof(DlModelMember), &model->members, maker->error));
	for (int m = 0; m < sample->members; m++)
	{
		DlModelMember *member = &model->members[m];
		const DlGraph *graph;

		/* 1, 2, 3, ... to a sum of 1 */
		member->weight = 2.0 * (m + 1) / (sample->members * (sample->members + 1));
		member->network = m % model->network_count;
		if (model->task == DL_TASK_REGRESSION)
			DL_TRY(add_scaling(maker, sample, m, &member->target));
		graph = dl_model_graph(model, m);
		DL_TRY(dl_arena_calloc(model->arena, (size_t) dl_graph_vector_length(graph), sizeof(float), &member->parameters,
							   maker->error));
		dl_graph_initialise(graph, &maker->random, member->parameters);
		move_constants(maker, graph, member->parameters);
		set_edges(graph, member->parameters);
	}
	return DL_OK;
}

DlStatus
model_sample_create(const ModelSample *sample, uint64_t seed, DlModel **result, DlError *error)
{
	Maker		maker = {.error = error};
	DlArena    *arena;
	DlStatus	status;

	*result = NULL;
	DL_TRY(dl_arena_create(0, &arena, error));
	status = dl_arena_calloc(arena, 1, sizeof(DlModel), &maker.model, error);
	if (status == DL_OK)
	{
		maker.model->arena = arena;
		dl_random_seed(&maker.random, seed, 0);
		status = add_columns(&maker, sample->columns);
	}
	if (status == DL_OK)
		status = add_target(&maker, sample);
	if (status == DL_OK)
		status = add_record(&maker);
	if (status == DL_OK)
		status = add_weights(&maker, sample);
	if (status == DL_OK && sample != &model_samples[0])
		status = add_statistics(&maker);
	if (status == DL_OK)
		*result = maker.model;
	else
		dl_arena_destroy(arena);
	return status;
}

void
model_sample_row(const DlModel *model, DlRandom *random, uint32_t *features)
{
	for (int32_t i = 0; i < model->column_count; i++)
	{
		const DlColumn *column = &model->columns[i];
		bool		missing = dl_random_below(random, 8) == 0;

		int32_t		codes = dl_column_kind_codes(column->kind);

		if (codes > 0)
		{
			int32_t		size = dl_vocabulary_size(column->vocabulary);
			int32_t		code = missing ? DL_CODE_MISSING : (int32_t) dl_random_below(random, (uint64_t) size + 1);

			memcpy(&features[column->first_word], &code, sizeof(code));
		}
		for (int32_t w = codes; w < column->words; w++)
		{
			float		value = missing ? NAN : (float) dl_random_normal(random);

			/* every other one is whole, so that it meets the values of integers */
			if (dl_random_below(random, 2) == 0)
				value = rintf(value);

			memcpy(&features[column->first_word + w], &value, sizeof(value));
		}
	}
}
