/*
 * test_model.c
 *    Models to bytes and back, and bytes that are no model.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "model/model.h"
#include "model_samples.h"
#include "tap.h"

/* Scores a few rows of a model that was accepted: no sanitizer may have anything to say. */
static void
use_model(const DlModel *model)
{
	uint32_t   *features;
	double	   *results;
	DlScorer   *scorer;
	DlArena    *arena;
	DlRandom	random;

	if (dl_arena_create((size_t) 256 << 20, &arena, NULL) != DL_OK)
		return;
	dl_random_seed(&random, 1, 0);
	if (dl_arena_calloc(arena, (size_t) model->feature_words, sizeof(uint32_t), &features, NULL) == DL_OK &&
		dl_arena_calloc(arena, (size_t) dl_model_result_width(model), sizeof(double), &results, NULL) == DL_OK &&
		dl_scorer_create(arena, model, 1, &scorer, NULL) == DL_OK)
	{
		model_sample_row(model, &random, features);
		dl_scorer_run(scorer, 1, features, model->feature_words, results, NULL);
	}
	dl_arena_destroy(arena);
}

/* Bytes in memory of exactly their size. */
static DlStatus
decode_exact(const void *bytes, size_t length, size_t budget, DlModel **model, DlError *error)
{
	void	   *copy = malloc(length);
	DlStatus	status;

	if (length > 0)
		memcpy(copy, bytes, length);
	status = dl_model_decode(copy, length, budget, model, error);
	free(copy);
	return status;
}

static bool
same_double(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

static bool
same_columns(const DlModel *a, const DlModel *b)
{
	if (a->column_count != b->column_count || a->feature_words != b->feature_words)
		return false;
	for (int32_t i = 0; i < a->column_count; i++)
	{
		const DlColumn *x = &a->columns[i];
		const DlColumn *y = &b->columns[i];

		if (strcmp(x->name, y->name) != 0 || strcmp(x->type, y->type) != 0 || x->kind != y->kind ||
			x->first_word != y->first_word || x->words != y->words || !same_double(x->offset, y->offset) ||
			(x->vocabulary == NULL) != (y->vocabulary == NULL))
			return false;
		for (int32_t c = 0; x->vocabulary != NULL && c < dl_vocabulary_size(x->vocabulary); c++)
		{
			size_t		length;
			const char *text = dl_vocabulary_text(x->vocabulary, c, &length);

			if (dl_vocabulary_find(y->vocabulary, text, length) != c)
				return false;
		}
	}
	return true;
}

static bool
same_preparation(const DlPreparation *a, const DlPreparation *b)
{
	if (a->number_count != b->number_count || a->category_count != b->category_count || a->inputs != b->inputs ||
		a->embedded != b->embedded)
		return false;
	for (int32_t i = 0; i < a->number_count; i++)
	{
		const DlNumberInput *x = &a->numbers[i];
		const DlNumberInput *y = &b->numbers[i];

		if (x->word != y->word || x->scaling != y->scaling || x->center != y->center || x->scale != y->scale ||
			x->missing_seen != y->missing_seen || x->quantile_count != y->quantile_count ||
			(x->quantile_count > 0 &&
			 memcmp(x->quantiles, y->quantiles, (size_t) x->quantile_count * sizeof(float)) != 0))
			return false;
	}
	for (int32_t i = 0; i < a->category_count; i++)
	{
		const DlCategoryInput *x = &a->categories[i];
		const DlCategoryInput *y = &b->categories[i];

		if (x->word != y->word || x->column != y->column || x->levels != y->levels || x->one_hot != y->one_hot ||
			x->missing_seen != y->missing_seen || x->code_count != y->code_count ||
			memcmp(x->map, y->map, (size_t) x->code_count * sizeof(int32_t)) != 0)
			return false;
	}
	return true;
}

static bool
same_record(const DlTrainRecord *a, const DlTrainRecord *b)
{
	if (strcmp(a->query, b->query) != 0 || strcmp(a->left_out, b->left_out) != 0 || a->rows != b->rows ||
		a->part_rows[2] != b->part_rows[2] || a->held_out != b->held_out || a->settings.seed != b->settings.seed ||
		a->settings.optimizer != b->settings.optimizer || !same_double(a->settings.beta2, b->settings.beta2) ||
		a->epoch_count != b->epoch_count || a->metric_count != b->metric_count)
		return false;
	for (int i = 0; i < a->epoch_count; i++)
		if (a->epochs[i].epoch != b->epochs[i].epoch || a->epochs[i].best != b->epochs[i].best ||
			!same_double(a->epochs[i].learning_rate, b->epochs[i].learning_rate) ||
			!same_double(a->epochs[i].training_loss, b->epochs[i].training_loss) ||
			!same_double(a->epochs[i].validation_loss, b->epochs[i].validation_loss))
			return false;
	for (int i = 0; i < a->metric_count; i++)
		if (strcmp(a->metrics[i].name, b->metrics[i].name) != 0 || !same_double(a->metrics[i].value, b->metrics[i].value))
			return false;
	return true;
}

static bool
same_weights(const DlModel *a, const DlModel *b)
{
	if (a->member_count != b->member_count || a->network_count != b->network_count)
		return false;
	for (int m = 0; m < a->member_count; m++)
	{
		int64_t		length = dl_graph_vector_length(dl_model_graph(a, m));

		if (a->members[m].network != b->members[m].network || !same_double(a->members[m].weight, b->members[m].weight) ||
			dl_graph_vector_length(dl_model_graph(b, m)) != length ||
			memcmp(a->members[m].parameters, b->members[m].parameters, (size_t) length * sizeof(float)) != 0)
			return false;
	}
	return true;
}

static bool
same_scaling(const DlTargetScaling *a, const DlTargetScaling *b, int32_t k)
{
	return a->log == b->log && same_double(a->center[k], b->center[k]) && same_double(a->scale[k], b->scale[k]) &&
		(!a->log || same_double(a->shift[k], b->shift[k]));
}

static bool
same_target(const DlModel *a, const DlModel *b)
{
	if (a->task != b->task || a->outputs != b->outputs || strcmp(a->target, b->target) != 0 ||
		!same_double(a->temperature, b->temperature) || (a->labels == NULL) != (b->labels == NULL))
		return false;
	for (int32_t i = 0; a->target_low != NULL && i < a->outputs; i++)
	{
		if (!same_double(a->target_low[i], b->target_low[i]) || !same_double(a->target_high[i], b->target_high[i]))
			return false;
		for (int m = 0; m < a->member_count; m++)
			if (!same_scaling(&a->members[m].target, &b->members[m].target, i))
				return false;
	}
	return a->labels == NULL || dl_vocabulary_size(a->labels) == dl_vocabulary_size(b->labels);
}

static void
test_round_trip(const ModelSample *sample, uint64_t seed)
{
	DlModel    *model;
	DlModel    *copy;
	DlArena    *arena;
	DlError		error = {0};
	void	   *bytes = NULL;
	void	   *again = NULL;
	size_t		length = 0;
	size_t		length_again = 0;

	if (!ok(model_sample_create(sample, seed, &model, &error) == DL_OK, "%s: %s", sample->name, error.message))
		return;
	dl_arena_create(0, &arena, NULL);
	ok(dl_model_encode(model, arena, &bytes, &length, &error) == DL_OK, "%s: encoded, %zu bytes", sample->name, length);
	if (ok(decode_exact(bytes, length, 0, &copy, &error) == DL_OK, "%s: decoded: %s %s", sample->name, error.message,
		   error.detail))
	{
		ok(same_columns(model, copy), "%s: columns", sample->name);
		ok(same_preparation(&model->preparation, &copy->preparation), "%s: preparation", sample->name);
		ok(same_record(&model->record, &copy->record), "%s: record", sample->name);
		ok(same_target(model, copy), "%s: target", sample->name);
		ok(same_weights(model, copy), "%s: weights", sample->name);
		ok(dl_model_encode(copy, arena, &again, &length_again, &error) == DL_OK && length == length_again &&
		   memcmp(bytes, again, length) == 0, "%s: the same bytes again", sample->name);
		use_model(copy);
		dl_model_destroy(copy);
	}
	dl_model_destroy(model);
	dl_arena_destroy(arena);
}

/* Flips bytes: each is refused with a message, or gives a model that can be used and encoded. */
static void
test_flips(const ModelSample *sample, size_t dense, size_t step)
{
	DlModel    *model;
	DlArena    *arena;
	DlError		error = {0};
	unsigned char *bytes;
	void	   *encoded;
	size_t		length = 0;
	int			accepted = 0;
	int			refused = 0;
	int			silent = 0;

	if (!ok(model_sample_create(sample, 7, &model, &error) == DL_OK, "%s: %s", sample->name, error.message))
		return;
	dl_arena_create(0, &arena, NULL);
	dl_model_encode(model, arena, &encoded, &length, &error);
	dl_model_destroy(model);
	bytes = encoded;
	for (size_t i = 0; i < length; i += i < dense ? 1 : step)
	{
		static const unsigned char masks[] = {0x01, 0x20, 0x80};

		for (size_t m = 0; m < sizeof(masks); m++)
		{
			DlModel    *copy;

			error.message[0] = '\0';
			bytes[i] ^= masks[m];
			if (decode_exact(bytes, length, (size_t) 64 << 20, &copy, &error) == DL_OK)
			{
				accepted++;
				use_model(copy);
				dl_model_destroy(copy);
			}
			else
			{
				refused++;
				silent += error.message[0] == '\0';
			}
			bytes[i] ^= masks[m];
		}
	}
	ok(refused > 0 && silent == 0, "%s: %d flips refused with a message, %d gave a model", sample->name, refused, accepted);
	dl_arena_destroy(arena);
}

static void
test_truncation(const ModelSample *sample)
{
	DlModel    *model;
	DlModel    *copy;
	DlArena    *arena;
	void	   *bytes;
	size_t		length = 0;
	int			accepted = 0;
	DlError		error;

	model_sample_create(sample, 3, &model, &error);
	dl_arena_create(0, &arena, NULL);
	dl_model_encode(model, arena, &bytes, &length, &error);
	dl_model_destroy(model);
	for (size_t cut = 0; cut < length; cut++)
		accepted += decode_exact(bytes, cut, 0, &copy, &error) == DL_OK;
	ok(accepted == 0, "%s: none of %zu truncations gives a model", sample->name, length);
	dl_arena_destroy(arena);
}

/* Replaces one piece of a model's document, and decodes. */
static DlStatus
decode_edited(const ModelSample *sample, const char *from, const char *to, size_t budget, DlError *error)
{
	DlModel    *model;
	DlModel    *copy;
	DlArena    *arena;
	DlSafetensors content;
	void	   *bytes;
	size_t		length = 0;
	const char *at;
	DlStatus	status = DL_ERROR_INTERNAL;

	DL_TRY(model_sample_create(sample, 3, &model, error));
	dl_arena_create(0, &arena, NULL);
	if (dl_model_encode(model, arena, &bytes, &length, error) == DL_OK &&
		dl_safetensors_read(arena, bytes, length, &content, error) == DL_OK &&
		(at = strstr(content.metadata, from)) != NULL)
	{
		size_t		size = strlen(content.metadata) + strlen(to) + 1;
		char	   *document = malloc(size);

		snprintf(document, size, "%.*s%s%s", (int) (at - content.metadata), content.metadata, to, at + strlen(from));
		content.metadata = document;
		status = dl_safetensors_write(arena, &content, &bytes, &length, error);
		if (status == DL_OK)
			status = dl_model_decode(bytes, length, budget, &copy, error);
		if (status == DL_OK)
			dl_model_destroy(copy);
		free(document);
	}
	else
		printf("#   the document has no %s\n", from);
	dl_model_destroy(model);
	dl_arena_destroy(arena);
	return status;
}

static const ModelSample *
sample_named(const char *name)
{
	for (int i = 0; i < model_sample_count; i++)
		if (strcmp(model_samples[i].name, name) == 0)
			return &model_samples[i];
	return NULL;
}

typedef struct Edit
{
	const char *sample;
	const char *what;
	const char *from;
	const char *to;
	DlStatus	expected;
} Edit;

/* Before the limits of a regression's values. */
#define INTERVAL(level, at, low, high) "\"low\":[-5.0]", \
	"\"interval\":{\"level\":" level ",\"at\":" at ",\"low\":" low ",\"high\":" high "},\"low\":[-5.0]"

#define STATISTICS "\"statistics\":{\"target\":{"
#define COLUMNS "\"columns\":[{\"missing\""

static const Edit edits[] =
{
	{"binary", "an unknown key", "{\"format_version\":1", "{\"later\":{\"a\":[1]},\"format_version\":1", DL_OK},
	{"binary", "a later version", "\"format_version\":1", "\"format_version\":2", DL_ERROR_UNSUPPORTED},
	{"binary", "version 0", "\"format_version\":1", "\"format_version\":0", DL_ERROR_CORRUPT},
	{"binary", "no version", "\"format_version\":1", "\"x\":1", DL_ERROR_CORRUPT},
	{"binary", "version as text", "\"format_version\":1", "\"format_version\":\"1\"", DL_ERROR_CORRUPT},
	{"binary", "version as real", "\"format_version\":1", "\"format_version\":1.0", DL_ERROR_CORRUPT},
	{"binary", "no JSON", "{\"format_version\":1", "{\"format_version\":", DL_ERROR_CORRUPT},
	{"binary", "something behind", "]}]}}", "]}]}} {}", DL_ERROR_CORRUPT},
	{"binary", "a duplicate key", "{\"format_version\":1", "{\"format_version\":1,\"format_version\":1", DL_ERROR_CORRUPT},
	{"binary", "nesting", "\"format_version\":1", "\"format_version\":1,\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", DL_ERROR_LIMIT},
	{"binary", "an unknown task", "\"task\":\"binary\"", "\"task\":\"unary\"", DL_ERROR_CORRUPT},
	{"binary", "another task", "\"task\":\"binary\"", "\"task\":\"multiclass\"", DL_ERROR_CORRUPT},
	{"binary", "regression without scale", "\"task\":\"binary\"", "\"task\":\"regression\"", DL_ERROR_CORRUPT},
	{"binary", "no outputs", "\"outputs\":1", "\"outputs\":0", DL_ERROR_CORRUPT},
	{"binary", "many outputs", "\"outputs\":1", "\"outputs\":2000000000", DL_ERROR_CORRUPT},
	{"multilabel", "more outputs than weights", "\"outputs\":4", "\"outputs\":5", DL_ERROR_CORRUPT},
	{"binary", "one label", "\"labels\":[\"false\",\"true\"]", "\"labels\":[\"false\"]", DL_ERROR_CORRUPT},
	{"binary", "label twice", "\"labels\":[\"false\",\"true\"]", "\"labels\":[\"false\",\"false\"]", DL_ERROR_CORRUPT},
	{"binary", "label that is a number", "\"labels\":[\"false\",\"true\"]", "\"labels\":[\"false\",1]", DL_ERROR_CORRUPT},
	{"binary", "temperature 0", "\"temperature\":1.25", "\"temperature\":0.0", DL_ERROR_CORRUPT},
	{"binary", "temperature null", "\"temperature\":1.25", "\"temperature\":null", DL_ERROR_CORRUPT},
	{"binary", "no members", "\"members\":[{\"network\":0,\"weight\":1.0}]", "\"members\":[]", DL_ERROR_CORRUPT},
	{"binary", "members that are a number", "\"members\":[{\"network\":0,\"weight\":1.0}]", "\"members\":1", DL_ERROR_CORRUPT},
	{"binary", "more members", "\"members\":[{\"network\":0,\"weight\":1.0}]",
	"\"members\":[{\"network\":0,\"weight\":0.5},{\"network\":0,\"weight\":0.5}]", DL_ERROR_CORRUPT},
	{"binary", "a member of another network", "\"members\":[{\"network\":0", "\"members\":[{\"network\":1", DL_ERROR_CORRUPT},
	{"binary", "a member of network -1", "\"members\":[{\"network\":0", "\"members\":[{\"network\":-1", DL_ERROR_CORRUPT},
	{"binary", "a weight of 0", "\"weight\":1.0", "\"weight\":0.0", DL_ERROR_CORRUPT},
	{"binary", "a weight of 2", "\"weight\":1.0", "\"weight\":2.0", DL_ERROR_CORRUPT},
	{"binary", "no networks", "\"networks\":[", "\"networks\":[],\"other\":[", DL_ERROR_CORRUPT},
	{"small", "no shift of logarithms", "\"log\":false", "\"log\":true", DL_ERROR_CORRUPT},
	{"binary", "a network that is no text", "\"network\":\"dense(16", "\"network\":\"dense 16", DL_ERROR_CORRUPT},
	{"binary", "a wider network", "\"network\":\"dense(16", "\"network\":\"dense(60000", DL_ERROR_CORRUPT},
	{"binary", "a huge network", "\"network\":\"dense(16, gelu)", "\"network\":\"dense(65536) > dense(65536)", DL_ERROR_LIMIT},
	{"small", "another activation", "\"network\":\"dense(3, relu)", "\"network\":\"dense(3, tanh)", DL_OK},
	{"binary", "no words", "\"feature_words\":4", "\"feature_words\":0", DL_ERROR_CORRUPT},
	{"binary", "too few words", "\"feature_words\":4", "\"feature_words\":3", DL_ERROR_CORRUPT},
	{"binary", "too many words", "\"feature_words\":4", "\"feature_words\":2000000000", DL_ERROR_CORRUPT},
	{"binary", "a negative word", "\"first_word\":1", "\"first_word\":-1", DL_ERROR_CORRUPT},
	{"binary", "a word behind the end", "\"first_word\":1", "\"first_word\":4", DL_ERROR_CORRUPT},
	{"binary", "columns that overlap", "\"first_word\":1", "\"first_word\":0", DL_ERROR_CORRUPT},
	{"binary", "a number of two words", "\"words\":1", "\"words\":2", DL_ERROR_CORRUPT},
	{"every column", "an array of no words", "\"words\":3", "\"words\":0", DL_ERROR_CORRUPT},
	{"every column", "an array of many words", "\"words\":3", "\"words\":4", DL_ERROR_CORRUPT},
	{"text", "other buckets", "\"buckets\":2", "\"buckets\":4", DL_ERROR_CORRUPT},
	{"text", "no buckets", "\"buckets\":2", "\"buckets\":0", DL_ERROR_CORRUPT},
	{"text", "negative buckets", "\"buckets\":2", "\"buckets\":-2", DL_ERROR_CORRUPT},
	{"text", "too many buckets", "\"buckets\":2", "\"buckets\":2000000000", DL_ERROR_CORRUPT},
	{"text", "an odd number of buckets", "\"words\":7,\"offset\":0.0,\"buckets\":2", "\"words\":8,\"offset\":0.0,\"buckets\":3", DL_ERROR_CORRUPT},
	{"text", "a text of one word", "\"words\":7", "\"words\":1", DL_ERROR_CORRUPT},
	{"text", "a later hash", "\"hash\":1", "\"hash\":2", DL_ERROR_CORRUPT},
	{"text", "no hash", "\"hash\":1", "\"x\":1", DL_ERROR_CORRUPT},
	{"text", "a text without prefixes", "\"hash\":1,\"vocabulary\":", "\"hash\":1,\"x\":", DL_ERROR_CORRUPT},
	{"binary", "an unknown kind", "\"kind\":\"number\"", "\"kind\":\"image\"", DL_ERROR_CORRUPT},
	{"binary", "number instead of category", "\"kind\":\"category\"", "\"kind\":\"number\"", DL_ERROR_CORRUPT},
	{"binary", "category instead of number", "\"kind\":\"number\"", "\"kind\":\"category\"", DL_ERROR_CORRUPT},
	{"binary", "infinite offset", "\"offset\":", "\"offset\":\"Infinity\",\"x\":", DL_ERROR_CORRUPT},
	{"binary", "offset that overflows", "\"offset\":", "\"offset\":1e999,\"x\":", DL_ERROR_CORRUPT},
	{"binary", "more numbers", "\"numbers\":2", "\"numbers\":3", DL_ERROR_CORRUPT},
	{"binary", "fewer numbers", "\"numbers\":2", "\"numbers\":1", DL_ERROR_CORRUPT},
	{"binary", "negative numbers", "\"numbers\":2", "\"numbers\":-2", DL_ERROR_CORRUPT},
	{"binary", "unknown scaling", "\"scalings\":[\"standard\"", "\"scalings\":[\"normal\"", DL_ERROR_CORRUPT},
	{"binary", "no scaling", "\"scalings\":[\"standard\",\"robust\",\"quantile\",\"none\"]", "\"scalings\":[]", DL_ERROR_CORRUPT},
	{"binary", "other scaling", "\"scalings\":[\"standard\"", "\"scalings\":[\"quantile\"", DL_ERROR_CORRUPT},
	{"binary", "category of a number", "{\"column\":2,\"levels\":2", "{\"column\":0,\"levels\":2", DL_ERROR_CORRUPT},
	{"binary", "category of no column", "{\"column\":2,\"levels\":2", "{\"column\":4,\"levels\":2", DL_ERROR_CORRUPT},
	{"binary", "category twice", "{\"column\":2,\"levels\":2", "{\"column\":3,\"levels\":2", DL_ERROR_CORRUPT},
	{"binary", "more levels", "{\"column\":2,\"levels\":2", "{\"column\":2,\"levels\":3", DL_ERROR_CORRUPT},
	{"binary", "fewer levels", "{\"column\":2,\"levels\":2", "{\"column\":2,\"levels\":1", DL_ERROR_CORRUPT},
	{"binary", "embedded instead of one-hot", "\"one_hot\":true", "\"one_hot\":false", DL_ERROR_CORRUPT},
	{"binary", "boolean as number", "\"one_hot\":true", "\"one_hot\":1", DL_ERROR_CORRUPT},
	{"categories only", "fewer levels than weights", "\"levels\":15", "\"levels\":14", DL_ERROR_CORRUPT},
	{"small", "low above high", "\"low\":[-5.0]", "\"low\":[6.0]", DL_ERROR_CORRUPT},
	{"small", "low is null", "\"low\":[-5.0]", "\"low\":[null]", DL_ERROR_CORRUPT},
	{"small", "two lows", "\"low\":[-5.0]", "\"low\":[-5.0,-5.0]", DL_ERROR_CORRUPT},
	{"small", "no limit", "\"low\":[-5.0]", "\"low\":[\"-Infinity\"]", DL_OK},
	{"small", "an interval", INTERVAL("0.9", "[1.0,2.0]", "[-1.0,-2.0]", "[1.0,2.0]"), DL_OK},
	{"small", "an interval of everything", INTERVAL("1.0", "[1.0,2.0]", "[-1.0,-2.0]", "[1.0,2.0]"), DL_ERROR_CORRUPT},
	{"small", "an interval of no level", INTERVAL("null", "[1.0,2.0]", "[-1.0,-2.0]", "[1.0,2.0]"), DL_ERROR_CORRUPT},
	{"small", "an interval without knots", INTERVAL("0.9", "[]", "[]", "[]"), DL_ERROR_CORRUPT},
	{"small", "knots that do not ascend", INTERVAL("0.9", "[1.0,1.0]", "[-1.0,-2.0]", "[1.0,2.0]"), DL_ERROR_CORRUPT},
	{"small", "an infinite knot", INTERVAL("0.9", "[1.0,\"Infinity\"]", "[-1.0,-2.0]", "[1.0,2.0]"), DL_ERROR_CORRUPT},
	{"small", "fewer lows than knots", INTERVAL("0.9", "[1.0,2.0]", "[-1.0]", "[1.0,2.0]"), DL_ERROR_CORRUPT},
	{"small", "more highs than knots", INTERVAL("0.9", "[1.0,2.0]", "[-1.0,-2.0]", "[1.0,2.0,3.0]"), DL_ERROR_CORRUPT},
	{"small", "a high that is no number", INTERVAL("0.9", "[1.0,2.0]", "[-1.0,-2.0]", "[1.0,null]"), DL_ERROR_CORRUPT},
	{"small", "an interval that is a number", "\"low\":[-5.0]", "\"interval\":1,\"low\":[-5.0]", DL_ERROR_CORRUPT},
	{"binary", "no threshold", "\"threshold\":", "\"x\":", DL_ERROR_CORRUPT},
	{"binary", "an infinite threshold", "\"threshold\":0.375", "\"threshold\":\"Infinity\"", DL_ERROR_CORRUPT},
	{"binary", "any other threshold", "\"threshold\":0.375", "\"threshold\":-3.0", DL_OK},
	{"binary", "trials that are a number", "\"trials\":[", "\"trials\":1,\"x\":[", DL_ERROR_CORRUPT},
	{"binary", "a trial that is a number", "\"trials\":[", "\"trials\":[1],\"x\":[", DL_ERROR_CORRUPT},
	{"binary", "a trial of nothing", "\"trials\":[", "\"trials\":[{}],\"x\":[", DL_ERROR_CORRUPT},
	{"numbers of levels", "fewer numbers of levels", "\"level_numbers\":3", "\"level_numbers\":2", DL_ERROR_CORRUPT},
	{"numbers of levels", "no numbers of levels", "\"level_numbers\":3", "\"level_numbers\":0", DL_ERROR_CORRUPT},
	{"numbers of levels", "many numbers of levels", "\"level_numbers\":3", "\"level_numbers\":2000000000", DL_ERROR_CORRUPT},
	{"binary", "a network of no member", "\"networks\":[", "\"networks\":[{\"network\":\"dense(16, gelu)\"},", DL_ERROR_CORRUPT},
	{"small", "no record", "\"record\":", "\"rec\":", DL_ERROR_CORRUPT},
	{"small", "statistics of too many columns", COLUMNS, "\"columns\":[{},{\"missing\"", DL_ERROR_CORRUPT},
	{"small", "statistics of no column", COLUMNS, "\"columns\":[],\"x\":[{\"missing\"", DL_ERROR_CORRUPT},
	{"small", "statistics that are a number", "\"statistics\":{", "\"statistics\":1,\"x\":{", DL_ERROR_CORRUPT},
	{"small", "no statistics", "\"statistics\":", "\"x\":", DL_OK},
	{"small", "no statistics of columns", COLUMNS, "\"x\":[{\"missing\"", DL_ERROR_CORRUPT},
	{"small", "a column of more rows than counts", COLUMNS ":6", "\"columns\":[{\"missing\":5", DL_ERROR_CORRUPT},
	{"small", "no statistics of the target", "\"target\":{\"rows\"", "\"x\":{\"rows\"", DL_ERROR_CORRUPT},
	{"small", "no statistics of predictions", "\"predictions\":", "\"x\":", DL_ERROR_CORRUPT},
	{"small", "statistics of more rows than counts", STATISTICS "\"rows\":", STATISTICS "\"rows\":9", DL_ERROR_CORRUPT},
	{"small", "statistics of a negative number of rows", STATISTICS "\"rows\":", STATISTICS "\"rows\":-", DL_ERROR_CORRUPT},
	{"small", "statistics of 2^63 rows", STATISTICS "\"rows\":60", STATISTICS "\"rows\":9223372036854775807", DL_ERROR_CORRUPT},
	{"small", "more missing than rows", STATISTICS "\"rows\":60,\"missing\":6", STATISTICS "\"rows\":60,\"missing\":61", DL_ERROR_CORRUPT},
	{"small", "all missing, and yet counted", STATISTICS "\"rows\":60,\"missing\":6", STATISTICS "\"rows\":60,\"missing\":60", DL_ERROR_CORRUPT},
	{"small", "edges that fall", "\"edges\":[", "\"edges\":[1e9,", DL_ERROR_CORRUPT},
	{"small", "an edge beyond floats", "\"edges\":[", "\"edges\":[-1e300,", DL_ERROR_CORRUPT},
	{"small", "one more edge", "\"edges\":[", "\"edges\":[-1e9,", DL_ERROR_CORRUPT},
	{"small", "an edge that is null", "\"edges\":[", "\"edges\":[null,", DL_ERROR_CORRUPT},
	{"small", "a negative count", "\"counts\":[", "\"counts\":[-1,", DL_ERROR_CORRUPT},
	{"small", "a great count", "\"counts\":[", "\"counts\":[99", DL_ERROR_CORRUPT},
	{"small", "a count of nothing", "\"counts\":[", "\"counts\":[0,", DL_ERROR_CORRUPT},
	{"small", "a range from above", STATISTICS "\"rows\":60,\"missing\":6,\"offset\":", STATISTICS "\"rows\":60,\"missing\":6,\"low\":1e9,\"x\":", DL_ERROR_CORRUPT},
	{"small", "a negative deviation", "\"deviation\":", "\"deviation\":-", DL_ERROR_CORRUPT},
	{"small", "no deviation", "\"deviation\":", "\"x\":", DL_ERROR_CORRUPT},
	{"categories only", "a level twice", "\"levels\":[", "\"levels\":[3,3,", DL_ERROR_CORRUPT},
	{"categories only", "a level that is none", "\"levels\":[", "\"levels\":[16,", DL_ERROR_CORRUPT},
	{"categories only", "a negative level", "\"levels\":[", "\"levels\":[-1,", DL_ERROR_CORRUPT},
	{"categories only", "no levels", "\"levels\":[", "\"x\":[", DL_ERROR_CORRUPT},
	{"categories only", "more unseen than rows", "\"unseen\":", "\"unseen\":9", DL_ERROR_CORRUPT},
	{"categories only", "numbers of a category", COLUMNS ":4", "\"columns\":[1,{\"missing\":4", DL_ERROR_CORRUPT},
	{"small", "unknown optimizer", "\"optimizer\":\"", "\"optimizer\":\"x", DL_ERROR_CORRUPT},
	{"small", "curve of unequal columns", "\"epoch\":[1,2,3]", "\"epoch\":[1,2]", DL_ERROR_CORRUPT},
	{"small", "curve of fractions", "\"epoch\":[1,2,3]", "\"epoch\":[1,2,3.5]", DL_ERROR_CORRUPT},
	{"small", "seed as number", "\"seed\":\"", "\"seed\":7,\"x\":\"", DL_ERROR_CORRUPT},
	{"small", "seed of 70 bits", "\"seed\":\"", "\"seed\":\"999", DL_ERROR_CORRUPT},
	{"small", "negative rows", "\"rows\":1", "\"rows\":-1", DL_ERROR_CORRUPT},
	{"every column", "odd number of hex digits", "\"hex\":\"", "\"hex\":\"a", DL_ERROR_CORRUPT},
	{"every column", "no hex digits", "\"hex\":\"", "\"hex\":\"zz", DL_ERROR_CORRUPT},
	{"every column", "text without hex", "\"hex\":", "\"hax\":", DL_ERROR_CORRUPT},
};

static void
test_edits(void)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
	{
		const Edit *edit = &edits[i];
		DlError		error = {0};
		DlStatus	status = decode_edited(sample_named(edit->sample), edit->from, edit->to, 0, &error);

		ok(status == edit->expected && (status == DL_OK || error.message[0] != '\0'), "%s: %d %s", edit->what,
		   (int) status, error.message);
	}
}

/* A document of many small values, and a small budget. */
static void
test_memory(void)
{
	size_t		count = 4000000;
	char	   *list = malloc(2 * count + 64);
	size_t		at;
	DlError		error = {0};

	at = (size_t) sprintf(list, "\"format_version\":1,\"x\":[");
	for (size_t i = 0; i < count; i++)
	{
		list[at++] = '1';
		list[at++] = i + 1 < count ? ',' : ']';
	}
	list[at] = '\0';
	ok(decode_edited(sample_named("small"), "\"format_version\":1", list, (size_t) 64 << 20, &error) == DL_ERROR_MEMORY,
	   "a large document under a budget: %s", error.message);
	free(list);
	ok(decode_edited(sample_named("wide"), "\"format_version\":1", "\"format_version\":1", 4096, &error) == DL_ERROR_MEMORY,
	   "a budget of a page: %s", error.message);
}

/* Changes one value of a tensor. */
static DlStatus
decode_poked(const char *sample, const char *tensor, size_t index, const void *value, DlError *error)
{
	DlModel    *model;
	DlModel    *copy;
	DlArena    *arena;
	DlSafetensors content;
	void	   *bytes;
	size_t		length = 0;
	DlStatus	status = DL_ERROR_INTERNAL;

	DL_TRY(model_sample_create(sample_named(sample), 3, &model, error));
	dl_arena_create(0, &arena, NULL);
	dl_model_encode(model, arena, &bytes, &length, error);
	dl_model_destroy(model);
	if (dl_safetensors_read(arena, bytes, length, &content, error) == DL_OK)
		for (int32_t i = 0; i < content.count; i++)
			if (strcmp(content.tensors[i].name, tensor) == 0)
			{
				memcpy((char *) bytes + ((const char *) content.tensors[i].data - (char *) bytes) + 4 * index, value, 4);
				status = dl_model_decode(bytes, length, 0, &copy, error);
				if (status == DL_OK)
					dl_model_destroy(copy);
			}
	dl_arena_destroy(arena);
	return status;
}

static void
test_pokes(void)
{
	static const struct
	{
		const char *what;
		const char *sample;
		const char *tensor;
		size_t		index;
		union
		{
			int32_t		i;
			float		f;
		}			value;
		DlStatus	expected;
	}			pokes[] =
	{
		{"another weight", "binary", "0.layers.0.weight", 3, {.f = 2}, DL_OK},
		{"weight is NaN", "binary", "0.layers.0.weight", 3, {.f = NAN}, DL_ERROR_CORRUPT},
		{"bias is infinite", "binary", "0.layers.0.bias", 0, {.f = INFINITY}, DL_ERROR_CORRUPT},
		{"center is NaN", "binary", "preparation.centers", 0, {.f = NAN}, DL_ERROR_CORRUPT},
		{"scale is infinite", "binary", "preparation.scales", 1, {.f = INFINITY}, DL_ERROR_CORRUPT},
		{"word out of range", "binary", "preparation.words", 0, {.i = 4}, DL_ERROR_CORRUPT},
		{"word is negative", "binary", "preparation.words", 0, {.i = -1}, DL_ERROR_CORRUPT},
		{"word of a category", "binary", "preparation.words", 0, {.i = 2}, DL_ERROR_CORRUPT},
		{"a number behind a text's words", "text", "preparation.words", 7, {.i = 1}, DL_ERROR_CORRUPT},
		{"a text's words before a number", "text", "preparation.words", 1, {.i = 4}, DL_ERROR_CORRUPT},
		{"prefix as a number", "text", "preparation.words", 2, {.i = 3}, DL_ERROR_CORRUPT},
		{"word twice", "binary", "preparation.words", 0, {.i = 1}, DL_ERROR_CORRUPT},
		{"scaling out of range", "binary", "preparation.scalings", 0, {.i = 4}, DL_ERROR_CORRUPT},
		{"scaling is negative", "binary", "preparation.scalings", 0, {.i = -1}, DL_ERROR_CORRUPT},
		{"flag is 2", "binary", "preparation.missing", 0, {.i = 2}, DL_ERROR_CORRUPT},
		{"one more indicator", "binary", "preparation.missing", 0, {.i = 1}, DL_ERROR_CORRUPT},
		{"quantiles of a scaling without", "binary", "preparation.quantile_counts", 0, {.i = 1}, DL_ERROR_CORRUPT},
		{"negative quantiles", "multiclass", "preparation.quantile_counts", 1, {.i = -1}, DL_ERROR_CORRUPT},
		{"fewer quantiles", "multiclass", "preparation.quantile_counts", 1, {.i = 10}, DL_ERROR_CORRUPT},
		{"quantile is NaN", "multiclass", "preparation.quantiles", 5, {.f = NAN}, DL_ERROR_CORRUPT},
		{"quantiles fall", "multiclass", "preparation.quantiles", 5, {.f = -100}, DL_ERROR_CORRUPT},
		{"level out of range", "binary", "preparation.map.0", 0, {.i = 2}, DL_ERROR_CORRUPT},
		{"level is -2", "binary", "preparation.map.0", 0, {.i = -2}, DL_ERROR_CORRUPT},
		{"level is -1", "binary", "preparation.map.0", 0, {.i = -1}, DL_OK},
		{"another number of a level", "numbers of levels", "preparation.levels.0", 3, {.f = 2}, DL_OK},
		{"number of a level is NaN", "numbers of levels", "preparation.levels.0", 3, {.f = NAN}, DL_ERROR_CORRUPT},
		{"number of a level is infinite", "numbers of levels", "preparation.levels.2", 0, {.f = INFINITY}, DL_ERROR_CORRUPT},
		{"word of no integer", "integers", "preparation.integer_words", 0, {.i = 2}, DL_ERROR_CORRUPT},
		{"word of an integer twice", "integers", "preparation.integer_words", 1, {.i = 0}, DL_ERROR_CORRUPT},
		{"negative values", "integers", "preparation.integer_counts", 0, {.i = -3}, DL_ERROR_CORRUPT},
		{"one more value", "integers", "preparation.integer_counts", 0, {.i = 4}, DL_ERROR_CORRUPT},
		{"values fall", "integers", "preparation.integer_values", 1, {.f = -2}, DL_ERROR_CORRUPT},
		{"value is NaN", "integers", "preparation.integer_values", 1, {.f = NAN}, DL_ERROR_CORRUPT},
		{"negative variance", "batch norm", "0.layers.1.running_var", 2, {.f = -1}, DL_ERROR_CORRUPT},
		{"another edge", "piecewise", "0.piecewise.edges", 0, {.f = -9}, DL_OK},
		{"edge is NaN", "piecewise", "0.piecewise.edges", 0, {.f = NAN}, DL_ERROR_CORRUPT},
		{"edges fall", "piecewise", "0.piecewise.edges", 2, {.f = -9}, DL_ERROR_CORRUPT},
		{"edges of another row fall", "piecewise", "1.piecewise.edges", 13, {.f = 9}, DL_ERROR_CORRUPT},
		{"an empty bin within", "piecewise", "0.piecewise.edges", 2, {.f = -1}, DL_ERROR_CORRUPT},
		{"a bin after an empty one", "piecewise", "0.piecewise.edges", 13, {.f = 9}, DL_ERROR_CORRUPT},
		{"another row", "neighbours", "0.output.keys", 3, {.f = -9}, DL_OK},
		{"key is NaN", "neighbours", "0.output.keys", 3, {.f = NAN}, DL_ERROR_CORRUPT},
		{"square is infinite", "neighbours", "1.output.squares", 36, {.f = -INFINITY}, DL_ERROR_CORRUPT},
		{"value of a row is NaN", "neighbours", "1.output.values", 0, {.f = NAN}, DL_ERROR_CORRUPT},
		{"negative mean", "batch norm", "0.layers.1.running_mean", 2, {.f = -1}, DL_OK},
	};

	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
	{
		DlError		error = {0};
		DlStatus	status = decode_poked(pokes[i].sample, pokes[i].tensor, pokes[i].index, &pokes[i].value, &error);

		ok(status == pokes[i].expected, "%s: %d %s", pokes[i].what, (int) status, error.message);
	}
}

static void
test_document(void)
{
	DlModel    *model;
	DlArena    *arena;
	void	   *bytes;
	size_t		length = 0;
	const char *json = NULL;
	DlSafetensors empty = {0, NULL, NULL};
	DlError		error;

	model_sample_create(sample_named("small"), 3, &model, &error);
	dl_arena_create(0, &arena, NULL);
	dl_model_encode(model, arena, &bytes, &length, &error);
	ok(dl_model_document(arena, bytes, length, &json, &error) == DL_OK, "the document alone");
	ok(json != NULL && strncmp(json, "{\"format_version\":1,\"task\":\"regression\"", 39) == 0, "begins with its version");
	dl_model_destroy(model);
	dl_model_destroy(NULL);
	dl_safetensors_write(arena, &empty, &bytes, &length, &error);
	ok(dl_model_document(arena, bytes, length, &json, &error) == DL_ERROR_CORRUPT, "no document: %s", error.message);
	ok(dl_model_decode(bytes, length, 0, &model, &error) == DL_ERROR_CORRUPT && model == NULL, "no model: %s", error.message);
	dl_arena_destroy(arena);
}

static void
test_tasks(void)
{
	DlTask		task;

	for (int i = 0; i <= DL_TASK_MULTILABEL; i++)
		ok(dl_task_by_name(dl_task_name((DlTask) i), &task) && task == (DlTask) i, "%s", dl_task_name((DlTask) i));
	ok(!dl_task_by_name("binary ", &task), "no other name");
	is_text(dl_task_name((DlTask) 9), "unknown", "no other task");
}

int
main(void)
{
	test_tasks();
	for (int i = 0; i < model_sample_count; i++)
		test_round_trip(&model_samples[i], (uint64_t) i);
	test_document();
	test_edits();
	test_pokes();
	test_memory();
	test_truncation(sample_named("small"));
	test_flips(sample_named("every column"), 4096, 53);
	test_flips(sample_named("small"), 4096, 7);
	return done_testing();
}
