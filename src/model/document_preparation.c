/*
 * document_preparation.c
 *    The preparation of a model: what is short in the document, what is long
 *    (one value for each number, quantiles, maps of categories) as tensors.
 *
 *    preparation.words            I32 [n]  word of each number within the features
 *    preparation.scalings         I32 [n]  position in the document's list "scalings"
 *    preparation.centers, scales  F32 [n]
 *    preparation.missing          I32 [n]  1: has an indicator
 *    preparation.quantile_counts  I32 [n]
 *    preparation.quantiles        F32 [sum of the counts]
 *    preparation.integer_words    I32 [m]  if the document has "integers": word of each
 *    preparation.integer_counts   I32 [m]
 *    preparation.integer_values   F32 [sum of the counts]
 *    preparation.map.I            I32      of category I: vocabulary code to level, or -1
 *    preparation.levels.I         F32      of category I, if it has "level_numbers": those of each level,
 *                                          the first for missing and unseen
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/model_internal.h"

#define MAX_QUANTILES 65536

static const DlScaling scalings[] = {DL_SCALING_STANDARD, DL_SCALING_ROBUST, DL_SCALING_QUANTILE, DL_SCALING_NONE};

#define SCALING_COUNT ((int) (sizeof(scalings) / sizeof(scalings[0])))

/* The columns of the table of numbers, one array each. */
typedef struct NumberArrays
{
	int32_t    *words;
	int32_t    *scalings;
	float	   *centers;
	float	   *scales;
	int32_t    *missing;
	int32_t    *quantile_counts;
	float	   *quantiles;
	int64_t		quantile_total;
} NumberArrays;

static DlStatus
split_numbers(const DlPreparation *preparation, DlArena *arena, NumberArrays *arrays, DlError *error)
{
	size_t		n = (size_t) preparation->number_count;
	int64_t		used = 0;

	arrays->quantile_total = 0;
	for (size_t i = 0; i < n; i++)
		arrays->quantile_total += preparation->numbers[i].quantile_count;
	DL_TRY(dl_arena_calloc(arena, n, sizeof(int32_t), &arrays->words, error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(int32_t), &arrays->scalings, error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(float), &arrays->centers, error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(float), &arrays->scales, error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(int32_t), &arrays->missing, error));
	DL_TRY(dl_arena_calloc(arena, n, sizeof(int32_t), &arrays->quantile_counts, error));
	DL_TRY(dl_arena_calloc(arena, (size_t) arrays->quantile_total, sizeof(float), &arrays->quantiles, error));
	for (size_t i = 0; i < n; i++)
	{
		const DlNumberInput *number = &preparation->numbers[i];

		arrays->words[i] = number->word;
		for (int s = 0; s < SCALING_COUNT; s++)
			if (scalings[s] == number->scaling)
				arrays->scalings[i] = s;
		arrays->centers[i] = number->center;
		arrays->scales[i] = number->scale;
		arrays->missing[i] = number->missing_seen;
		arrays->quantile_counts[i] = number->quantile_count;
		for (int32_t q = 0; q < number->quantile_count; q++)
			arrays->quantiles[used++] = number->quantiles[q];
	}
	return DL_OK;
}

static DlStatus
write_integers(const DlPreparation *preparation, DlTensorList *tensors, DlError *error)
{
	size_t		n = (size_t) preparation->integer_count;
	int64_t		total = 0;
	int32_t    *words;
	int32_t    *counts;
	float	   *values;

	for (size_t i = 0; i < n; i++)
		total += preparation->integers[i].count;
	DL_TRY(dl_arena_calloc(tensors->arena, n, sizeof(int32_t), &words, error));
	DL_TRY(dl_arena_calloc(tensors->arena, n, sizeof(int32_t), &counts, error));
	DL_TRY(dl_arena_calloc(tensors->arena, (size_t) total, sizeof(float), &values, error));
	total = 0;
	for (size_t i = 0; i < n; i++)
	{
		const DlIntegerInput *integer = &preparation->integers[i];

		words[i] = integer->word;
		counts[i] = integer->count;
		for (int32_t k = 0; k < integer->count; k++)
			values[total++] = integer->values[k];
	}
	DL_TRY(dl_tensor_list_add(tensors, "preparation.integer_words", DL_I32, dl_shape_1((int64_t) n), words, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.integer_counts", DL_I32, dl_shape_1((int64_t) n), counts, error));
	return dl_tensor_list_add(tensors, "preparation.integer_values", DL_F32, dl_shape_1(total), values, error);
}

static DlStatus
write_category(const DlCategoryInput *category, int32_t index, DlJsonWriter *writer, DlTensorList *tensors,
			   DlError *error)
{
	char		name[64];

	dl_json_begin_object(writer, NULL);
	dl_json_put_int(writer, "column", category->column);
	dl_json_put_int(writer, "levels", category->levels);
	dl_json_put_bool(writer, "one_hot", category->one_hot);
	dl_json_put_bool(writer, "missing", category->missing_seen);
	if (category->level_numbers > 0)
		dl_json_put_int(writer, "level_numbers", category->level_numbers);
	dl_json_end_object(writer);
	snprintf(name, sizeof(name), "preparation.map.%d", index);
	DL_TRY(dl_tensor_list_add(tensors, name, DL_I32, dl_shape_1(category->code_count), category->map, error));
	if (category->level_numbers == 0)
		return DL_OK;
	snprintf(name, sizeof(name), "preparation.levels.%d", index);
	return dl_tensor_list_add(tensors, name, DL_F32, dl_shape_2((int64_t) category->levels + 1, category->level_numbers),
							  category->level_values, error);
}

static DlStatus
write_numbers(const DlPreparation *preparation, DlTensorList *tensors, DlError *error)
{
	NumberArrays arrays;
	DlShape		shape = dl_shape_1(preparation->number_count);

	DL_TRY(split_numbers(preparation, tensors->arena, &arrays, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.words", DL_I32, shape, arrays.words, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.scalings", DL_I32, shape, arrays.scalings, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.centers", DL_F32, shape, arrays.centers, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.scales", DL_F32, shape, arrays.scales, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.missing", DL_I32, shape, arrays.missing, error));
	DL_TRY(dl_tensor_list_add(tensors, "preparation.quantile_counts", DL_I32, shape, arrays.quantile_counts, error));
	return dl_tensor_list_add(tensors, "preparation.quantiles", DL_F32, dl_shape_1(arrays.quantile_total),
							  arrays.quantiles, error);
}

DlStatus
dl_document_write_preparation(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors, DlError *error)
{
	const DlPreparation *preparation = &model->preparation;

	dl_json_begin_object(writer, "preparation");
	dl_json_put_int(writer, "numbers", preparation->number_count);
	dl_json_begin_array(writer, "scalings");
	for (int s = 0; s < SCALING_COUNT; s++)
		dl_json_put_string(writer, NULL, dl_scaling_name(scalings[s]));
	dl_json_end_array(writer);
	DL_TRY(write_numbers(preparation, tensors, error));
	if (preparation->integer_count > 0)
	{
		dl_json_put_int(writer, "integers", preparation->integer_count);
		DL_TRY(write_integers(preparation, tensors, error));
	}

	dl_json_begin_array(writer, "categories");
	for (int32_t i = 0; i < preparation->category_count; i++)
		DL_TRY(write_category(&preparation->categories[i], i, writer, tensors, error));
	dl_json_end_array(writer);
	dl_json_end_object(writer);
	return DL_OK;
}

/* The kinds of scaling as this document lists them. */
static DlStatus
read_scalings(DlModel *model, const DlJson *json, DlScaling *kinds, size_t *count, DlError *error)
{
	DlJson		array;

	DL_TRY(dl_json_array(json, "scalings", SCALING_COUNT, &array, count, error));
	for (size_t i = 0; i < *count; i++)
	{
		DlJson		item;
		const char *name;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_string(&item, model->arena, DL_MODEL_MAX_NAME, &name, error));
		if (!dl_scaling_by_name(name, &kinds[i]))
			return dl_json_fail(&item, error, "is an unknown scaling");
	}
	return DL_OK;
}

/* True when the numbers of a vector are finite and, if asked, ascending. */
static bool
all_finite(const float *values, int64_t count, bool ascending)
{
	for (int64_t i = 0; i < count; i++)
		if (!isfinite(values[i]) || (ascending && i > 0 && values[i] < values[i - 1]))
			return false;
	return true;
}

static DlStatus
load_numbers(DlModel *model, DlTensorIndex *tensors, int32_t n, NumberArrays *arrays, DlError *error)
{
	DlArena    *arena = model->arena;
	int64_t		total = 0;

	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.words", DL_I32, n, &arrays->words, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.scalings", DL_I32, n, &arrays->scalings, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.centers", DL_F32, n, &arrays->centers, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.scales", DL_F32, n, &arrays->scales, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.missing", DL_I32, n, &arrays->missing, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, arena, "preparation.quantile_counts", DL_I32, n,
									 &arrays->quantile_counts, error));
	for (int32_t i = 0; i < n; i++)
	{
		if (arrays->quantile_counts[i] < 0 || arrays->quantile_counts[i] > MAX_QUANTILES)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: number %d has %d quantiles", i,
								arrays->quantile_counts[i]);
		total += arrays->quantile_counts[i];
	}
	arrays->quantile_total = total;
	return dl_tensor_index_vector_of(tensors, arena, "preparation.quantiles", DL_F32, total, &arrays->quantiles, error);
}

/* What a word of the features may be read as. */
typedef enum WordUse
{
	WORD_TAKEN,					/* no number, or read already */
	WORD_NUMBER,
	WORD_OF_TEXT
} WordUse;

static WordUse *
number_words(DlModel *model, DlError *error)
{
	WordUse    *words;

	if (dl_arena_calloc(model->arena, (size_t) model->feature_words, sizeof(WordUse), &words, error) != DL_OK)
		return NULL;
	for (int32_t i = 0; i < model->column_count; i++)
	{
		const DlColumn *column = &model->columns[i];

		for (int32_t w = dl_column_kind_codes(column->kind); w < column->words; w++)
			words[column->first_word + w] = column->kind == DL_COLUMN_TEXT ? WORD_OF_TEXT : WORD_NUMBER;
	}
	return words;
}

static DlStatus
read_numbers(DlModel *model, const DlJson *json, DlTensorIndex *tensors, DlError *error)
{
	DlPreparation *preparation = &model->preparation;
	DlScaling	kinds[SCALING_COUNT];
	size_t		kind_count = 0;
	NumberArrays arrays;
	WordUse    *words;
	int64_t		used = 0;
	int32_t		n = 0;

	DL_TRY(dl_json_member_int32(json, "numbers", 0, model->feature_words, &n, error));
	DL_TRY(read_scalings(model, json, kinds, &kind_count, error));
	DL_TRY(load_numbers(model, tensors, n, &arrays, error));
	if ((words = number_words(model, error)) == NULL)
		return DL_ERROR_MEMORY;
	DL_TRY(dl_arena_calloc(model->arena, (size_t) n, sizeof(DlNumberInput), &preparation->numbers, error));
	for (int32_t i = 0; i < n; i++)
	{
		DlNumberInput *number = &preparation->numbers[i];
		int32_t		word = arrays.words[i];

		if (word < 0 || word >= model->feature_words || words[word] == WORD_TAKEN)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: number %d reads word %d, which is not its own", i, word);
		if (arrays.scalings[i] < 0 || (size_t) arrays.scalings[i] >= kind_count)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: number %d has scaling %d", i, arrays.scalings[i]);
		if (arrays.missing[i] != 0 && arrays.missing[i] != 1)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: number %d has the flag %d", i, arrays.missing[i]);
		*number = (DlNumberInput) {
			.word = word,
			.scaling = kinds[arrays.scalings[i]],
			.center = arrays.centers[i],
			.scale = arrays.scales[i],
			.missing_seen = arrays.missing[i] == 1,
			.of_text = words[word] == WORD_OF_TEXT,
			.quantile_count = arrays.quantile_counts[i],
			.quantiles = arrays.quantiles + used
		};
		words[word] = WORD_TAKEN;
		used += number->quantile_count;
		if ((number->scaling == DL_SCALING_QUANTILE) != (number->quantile_count > 0))
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: number %d has %d quantiles, but scaling %s", i,
								number->quantile_count, dl_scaling_name(number->scaling));
		if (!all_finite(&number->center, 1, false) || !all_finite(&number->scale, 1, false) ||
			!all_finite(number->quantiles, number->quantile_count, true))
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: the scaling of number %d is not valid", i);
	}
	preparation->number_count = n;
	return DL_OK;
}

/* Models need not have them.  Words must be those of numbers, each at most once. */
static DlStatus
read_integers(DlModel *model, const DlJson *json, DlTensorIndex *tensors, DlError *error)
{
	DlPreparation *preparation = &model->preparation;
	int64_t		total = 0;
	int32_t		n = 0;
	int32_t    *words;
	int32_t    *counts;
	float	   *values;
	WordUse    *uses;

	if (!dl_json_has(json, "integers"))
		return DL_OK;
	DL_TRY(dl_json_member_int32(json, "integers", 1, model->feature_words, &n, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, model->arena, "preparation.integer_words", DL_I32, n, &words, error));
	DL_TRY(dl_tensor_index_vector_of(tensors, model->arena, "preparation.integer_counts", DL_I32, n, &counts, error));
	DL_TRY(dl_arena_calloc(model->arena, (size_t) n, sizeof(DlIntegerInput), &preparation->integers, error));
	if ((uses = number_words(model, error)) == NULL)
		return DL_ERROR_MEMORY;
	for (int32_t i = 0; i < n; i++)
	{
		if (words[i] < 0 || words[i] >= model->feature_words || uses[words[i]] != WORD_NUMBER)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: integer %d reads word %d, which is not its own", i, words[i]);
		uses[words[i]] = WORD_TAKEN;
		if (counts[i] < 1 || counts[i] > DL_MAX_ONE_HOT_INTEGERS)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: integer %d has %d values", i, counts[i]);
		total += counts[i];
	}
	DL_TRY(dl_tensor_index_vector_of(tensors, model->arena, "preparation.integer_values", DL_F32, total, &values, error));
	for (int32_t i = 0; i < n; i++)
	{
		preparation->integers[i] = (DlIntegerInput) {words[i], counts[i], values};
		if (!all_finite(values, counts[i], true))
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: the values of integer %d are not valid", i);
		values += counts[i];
	}
	preparation->integer_count = n;
	return DL_OK;
}

/* The numbers of an embedded category's levels; models need not have them. */
static DlStatus
read_levels(DlModel *model, const DlJson *json, DlTensorIndex *tensors, int32_t index, DlError *error)
{
	DlCategoryInput *category = &model->preparation.categories[index];
	const DlNamedTensor *tensor;
	char		name[64];
	DlShape		shape;
	float	   *values;
	size_t		count;

	if (!dl_json_has(json, "level_numbers"))
		return DL_OK;
	if (category->one_hot)
		return dl_json_fail(json, error, "has numbers of levels, but is one-hot");
	DL_TRY(dl_json_member_int32(json, "level_numbers", 1, DL_MODEL_MAX_LEVEL_NUMBERS, &category->level_numbers, error));
	snprintf(name, sizeof(name), "preparation.levels.%d", index);
	shape = dl_shape_2((int64_t) category->levels + 1, category->level_numbers);
	DL_TRY(dl_tensor_index_find(tensors, name, DL_F32, &shape, &tensor, error));
	count = ((size_t) category->levels + 1) * (size_t) category->level_numbers;
	DL_TRY(dl_tensor_index_data(tensors, model->arena, tensor, &values, error));
	if (!all_finite(values, (int64_t) count, false))
		return dl_error_set(error, DL_ERROR_CORRUPT, "model: a value of tensor \"%s\" is not finite", name);
	category->level_values = values;
	return DL_OK;
}

static DlStatus
read_category(DlModel *model, const DlJson *json, DlTensorIndex *tensors, int32_t index, bool *taken, DlError *error)
{
	DlCategoryInput *category = &model->preparation.categories[index];
	char		name[64];
	int32_t    *map;
	int64_t		code_count = 0;

	DL_TRY(dl_json_member_int32(json, "column", 0, model->column_count - 1, &category->column, error));
	if (dl_column_kind_codes(model->columns[category->column].kind) == 0 || taken[category->column])
		return dl_json_fail(json, error, "names column %d, which has no codes or is used twice", category->column);
	taken[category->column] = true;
	category->word = model->columns[category->column].first_word;
	DL_TRY(dl_json_member_bool(json, "one_hot", &category->one_hot, error));
	DL_TRY(dl_json_member_bool(json, "missing", &category->missing_seen, error));

	snprintf(name, sizeof(name), "preparation.map.%d", index);
	DL_TRY(dl_tensor_index_vector(tensors, model->arena, name, DL_I32, &map, &code_count, error));
	if (code_count > dl_vocabulary_size(model->columns[category->column].vocabulary))
		return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" has %lld codes, but the vocabulary only %d",
							name, (long long) code_count,
							dl_vocabulary_size(model->columns[category->column].vocabulary));
	category->code_count = (int32_t) code_count;
	category->map = map;
	DL_TRY(dl_json_member_int32(json, "levels", 0, category->code_count, &category->levels, error));
	for (int32_t i = 0; i < category->code_count; i++)
		if (map[i] < -1 || map[i] >= category->levels)
			return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" maps code %d to %d of %d levels", name, i,
								map[i], category->levels);
	return read_levels(model, json, tensors, index, error);
}

DlStatus
dl_document_read_preparation(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error)
{
	DlJson		json;
	DlJson		array;
	size_t		count = 0;
	bool	   *taken;

	DL_TRY(dl_json_member(root, "preparation", &json, error));
	DL_TRY(read_numbers(model, &json, tensors, error));
	DL_TRY(read_integers(model, &json, tensors, error));
	DL_TRY(dl_json_array(&json, "categories", (size_t) model->column_count, &array, &count, error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlCategoryInput), &model->preparation.categories, error));
	DL_TRY(dl_arena_calloc(model->arena, (size_t) model->column_count, sizeof(bool), &taken, error));
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(read_category(model, &item, tensors, (int32_t) i, taken, error));
	}
	model->preparation.category_count = (int32_t) count;
	DL_TRY(dl_preparation_finish(model->arena, &model->preparation, error));
	if (model->preparation.inputs > DL_MODEL_MAX_WORDS)
		return dl_error_set(error, DL_ERROR_LIMIT, "model: %lld inputs are more than the %d allowed",
							(long long) model->preparation.inputs, DL_MODEL_MAX_WORDS);
	return DL_OK;
}
