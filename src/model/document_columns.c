/*
 * document_columns.c
 *    The columns of a model and their vocabularies.
 */
#include <string.h>

#include "data/text.h"
#include "model/model_internal.h"

void
dl_document_write_vocabulary(const DlVocabulary *vocabulary, const char *key, DlJsonWriter *writer, DlTensorList *tensors)
{
	if (tensors->vocabularies != NULL)
	{
		tensors->vocabularies[tensors->vocabulary_count++] = vocabulary;
		return;
	}
	dl_json_begin_array(writer, key);
	for (int32_t i = 0; i < dl_vocabulary_size(vocabulary); i++)
	{
		size_t		length;
		const char *text = dl_vocabulary_text(vocabulary, i, &length);

		dl_json_put_text(writer, NULL, text, length);
	}
	dl_json_end_array(writer);
}

static DlStatus
read_list(DlArena *arena, const DlJson *object, const char *key, DlVocabulary *vocabulary, DlError *error)
{
	DlJson		array;
	size_t		count;

	DL_TRY(dl_json_array(object, key, DL_MODEL_MAX_ITEMS, &array, &count, error));
	for (size_t i = 0; i < count; i++)
	{
		DlJson		item;
		const char *text;
		size_t		length;
		int32_t		code;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(dl_json_text(&item, arena, DL_MODEL_MAX_TEXT, &text, &length, error));
		DL_TRY(dl_vocabulary_add(vocabulary, text, length, &code, error));
		if ((size_t) code != i)
			return dl_json_fail(&item, error, "stands there twice");
	}
	return DL_OK;
}

DlStatus
dl_document_read_vocabulary(DlArena *arena, const DlJson *object, const char *key, DlTensorIndex *tensors,
							DlVocabulary **result, DlError *error)
{
	if (tensors->vocabularies == NULL)
	{
		DL_TRY(dl_vocabulary_create(arena, result, error));
		return read_list(arena, object, key, *result, error);
	}
	if (tensors->vocabularies_found == tensors->vocabulary_count)
		return dl_json_fail(object, error, "has no vocabulary in the image");
	return dl_vocabulary_attach(arena, tensors->vocabularies[tensors->vocabularies_found++], result, error);
}

void
dl_document_write_columns(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors)
{
	dl_json_put_int(writer, "feature_words", model->feature_words);
	dl_json_begin_array(writer, "columns");
	for (int32_t i = 0; i < model->column_count; i++)
	{
		const DlColumn *column = &model->columns[i];

		dl_json_begin_object(writer, NULL);
		dl_json_put_string(writer, "name", column->name);
		dl_json_put_string(writer, "type", column->type);
		dl_json_put_string(writer, "kind", dl_column_kind_name(column->kind));
		dl_json_put_int(writer, "first_word", column->first_word);
		dl_json_put_int(writer, "words", column->words);
		dl_json_put_double(writer, "offset", column->offset);
		if (column->kind == DL_COLUMN_TEXT)
		{
			dl_json_put_int(writer, "buckets", column->words - DL_TEXT_PLAIN_WORDS);
			dl_json_put_int(writer, "hash", DL_TEXT_HASH);
		}
		if (column->vocabulary != NULL)
			dl_document_write_vocabulary(column->vocabulary, "vocabulary", writer, tensors);
		dl_json_end_object(writer);
	}
	dl_json_end_array(writer);
}

/* How many words a column of that kind has; 0: not always as many. */
static int32_t
words_of_kind(DlColumnKind kind)
{
	switch (kind)
	{
		case DL_COLUMN_NUMBER:
		case DL_COLUMN_CATEGORY:
			return 1;
		case DL_COLUMN_DATE:
			return DL_DATE_WORDS;
		case DL_COLUMN_TIMESTAMP:
			return DL_TIMESTAMP_WORDS;
		case DL_COLUMN_ARRAY:
		case DL_COLUMN_TEXT:
			return 0;
	}
	return 0;
}

/* How a text becomes words: only as this version knows it. */
static DlStatus
check_text(const DlJson *json, const DlColumn *column, DlError *error)
{
	int32_t		buckets;
	int32_t		hash;

	DL_TRY(dl_json_member_int32(json, "buckets", 2, DL_TEXT_MOST_BUCKETS, &buckets, error));
	if (buckets % 2 != 0)
		return dl_json_fail(json, error, "has %d buckets, which is no even number", buckets);
	if (column->words != buckets + DL_TEXT_PLAIN_WORDS)
		return dl_json_fail(json, error, "has %d words, but %d buckets", column->words, buckets);
	DL_TRY(dl_json_member_int32(json, "hash", 1, INT32_MAX, &hash, error));
	if (hash != DL_TEXT_HASH)
		return dl_json_fail(json, error, "hashes texts by version %d, this program by version %d", hash, DL_TEXT_HASH);
	return DL_OK;
}

static DlStatus
read_column(DlModel *model, const DlJson *json, DlTensorIndex *tensors, DlColumn *column, DlError *error)
{
	const char *kind;
	int32_t		words;

	DL_TRY(dl_json_member_string(json, "name", model->arena, DL_MODEL_MAX_NAME, &column->name, error));
	DL_TRY(dl_json_member_string(json, "type", model->arena, DL_MODEL_MAX_NAME, &column->type, error));
	DL_TRY(dl_json_member_string(json, "kind", model->arena, DL_MODEL_MAX_NAME, &kind, error));
	if (!dl_column_kind_by_name(kind, &column->kind))
		return dl_json_fail(json, error, "has an unknown kind");
	words = words_of_kind(column->kind);
	DL_TRY(dl_json_member_int32(json, "words", words == 0 ? 1 : words, words == 0 ? model->feature_words : words,
								&column->words, error));
	DL_TRY(dl_json_member_int32(json, "first_word", 0, model->feature_words - 1, &column->first_word, error));
	if (column->words > model->feature_words - column->first_word)
		return dl_json_fail(json, error, "ends behind the %d words of the features", model->feature_words);
	DL_TRY(dl_json_member_finite(json, "offset", &column->offset, error));
	if (column->kind == DL_COLUMN_TEXT)
		DL_TRY(check_text(json, column, error));
	if (dl_column_kind_codes(column->kind) > 0)
		return dl_document_read_vocabulary(model->arena, json, "vocabulary", tensors, &column->vocabulary, error);
	if (dl_json_has(json, "vocabulary"))
		return dl_json_fail(json, error, "has a vocabulary, but is neither category nor text");
	return DL_OK;
}

DlStatus
dl_document_read_columns(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error)
{
	DlJson		array;
	size_t		count;
	bool	   *taken;

	DL_TRY(dl_json_member_int32(root, "feature_words", 1, DL_MODEL_MAX_WORDS, &model->feature_words, error));
	DL_TRY(dl_json_array(root, "columns", DL_MODEL_MAX_COLUMNS, &array, &count, error));
	DL_TRY(dl_arena_calloc(model->arena, count, sizeof(DlColumn), &model->columns, error));
	DL_TRY(dl_arena_calloc(model->arena, (size_t) model->feature_words, sizeof(bool), &taken, error));
	for (size_t i = 0; i < count; i++)
	{
		DlColumn   *column = &model->columns[i];
		DlJson		item;

		DL_TRY(dl_json_item(&array, i, &item, error));
		DL_TRY(read_column(model, &item, tensors, column, error));
		for (int32_t w = column->first_word; w < column->first_word + column->words; w++)
		{
			if (taken[w])
				return dl_json_fail(&item, error, "shares word %d with another column", w);
			taken[w] = true;
		}
	}
	model->column_count = (int32_t) count;
	return DL_OK;
}
