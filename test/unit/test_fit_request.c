/*
 * test_fit_request.c
 *    A training request as bytes and back: complete, empty, and damaged.
 */
#include "tap.h"

#include <stdlib.h>

#include "model/fit.h"

static DlVocabulary *
vocabulary(DlArena *arena, const char *const *texts, int count)
{
	DlVocabulary *result;
	int32_t		code;

	dl_vocabulary_create(arena, &result, NULL);
	for (int i = 0; i < count; i++)
		dl_vocabulary_add(result, texts[i], strlen(texts[i]), &code, NULL);
	return result;
}

static DlFitRequest
full_request(DlArena *arena)
{
	static DlColumn columns[2];
	static const int32_t map[] = {2, 0, 1};
	static const unsigned char incumbent[] = {9, 0, 8, 0, 7};
	DlFitRequest r = {0};

	columns[0] = (DlColumn) {.name = "größe", .type = "numeric", .kind = DL_COLUMN_NUMBER, .first_word = 0, .words = 1, .offset = 1e9};
	columns[1] = (DlColumn) {.name = "plan", .type = "text", .kind = DL_COLUMN_CATEGORY, .first_word = 1, .words = 1};
	columns[1].vocabulary = vocabulary(arena, (const char *const[]) {"gold", "", "silver"}, 3);
	dl_fit_options_init(&r.options);
	r.options.network = "dense(8)";
	r.options.epochs = 7;
	r.options.learning_rate = 0.25;
	r.options.seed = -3;
	r.target = "churned";
	r.target_type = "boolean";
	r.task = DL_TASK_MULTICLASS;
	r.target_words = 1;
	r.target_codes = true;
	r.two_value = 1.5f;
	r.target_offset = -2.5;
	r.label_count = 3;
	r.labels = vocabulary(arena, (const char *const[]) {"a", "b", "c"}, 3);
	r.label_map = map;
	r.label_map_count = 3;
	r.columns = columns;
	r.column_count = 2;
	r.feature_words = 2;
	r.split_by_column = true;
	r.split = "column part";
	r.query = "SELECT 1";
	r.options_given = "{}";
	r.search_path = "public";
	r.timezone = "UTC";
	r.datestyle = "ISO";
	r.matmul_precision = "highest";
	r.weight_column = "w";
	r.left_out = "";
	r.skipped = 12;
	r.incumbent = incumbent;
	r.incumbent_length = sizeof(incumbent);
	r.start = incumbent + 1;
	r.start_length = 3;
	r.start_version = 5;
	return r;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_vocabulary(const DlVocabulary *a, const DlVocabulary *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (dl_vocabulary_size(a) != dl_vocabulary_size(b))
		return false;
	for (int32_t i = 0; i < dl_vocabulary_size(a); i++)
	{
		size_t		la;
		size_t		lb;
		const char *ta = dl_vocabulary_text(a, i, &la);
		const char *tb = dl_vocabulary_text(b, i, &lb);

		if (la != lb || (la > 0 && memcmp(ta, tb, la) != 0))
			return false;
	}
	return true;
}

static void
compare(const DlFitRequest *a, const DlFitRequest *b)
{
	DlFitOptions options = b->options;

	options.network = a->options.network;
	ok(memcmp(&options, &a->options, sizeof(options)) == 0 && same_text(a->options.network, b->options.network), "options");
	ok(same_text(a->target, b->target) && same_text(a->target_type, b->target_type) && same_text(a->split, b->split) &&
	   same_text(a->query, b->query) && same_text(a->search_path, b->search_path) && same_text(a->timezone, b->timezone) &&
	   same_text(a->datestyle, b->datestyle) && same_text(a->matmul_precision, b->matmul_precision) &&
	   same_text(a->weight_column, b->weight_column) && same_text(a->left_out, b->left_out), "texts, NULL and empty ones apart");
	ok(a->task == b->task && a->target_words == b->target_words && a->target_codes == b->target_codes &&
	   a->target_two_values == b->target_two_values && a->two_value == b->two_value && a->target_offset == b->target_offset &&
	   a->label_count == b->label_count && a->feature_words == b->feature_words && a->split_by_column == b->split_by_column &&
	   a->skipped == b->skipped, "numbers");
	ok(same_vocabulary(a->labels, b->labels) && a->label_map_count == b->label_map_count &&
	   (a->label_map_count == 0 || memcmp(a->label_map, b->label_map, sizeof(int32_t) * (size_t) a->label_map_count) == 0), "labels");
	ok(a->column_count == b->column_count, "columns");
	for (int i = 0; i < a->column_count && a->column_count == b->column_count; i++)
	{
		const DlColumn *c = &a->columns[i];
		const DlColumn *d = &b->columns[i];

		ok(same_text(c->name, d->name) && same_text(c->type, d->type) && c->kind == d->kind && c->first_word == d->first_word &&
		   c->words == d->words && c->offset == d->offset && same_vocabulary(c->vocabulary, d->vocabulary), "column %s", c->name);
	}
	ok((a->incumbent == NULL) == (b->incumbent == NULL) && a->incumbent_length == b->incumbent_length &&
	   (a->incumbent == NULL || memcmp(a->incumbent, b->incumbent, (size_t) a->incumbent_length) == 0), "incumbent");
	ok((a->start == NULL) == (b->start == NULL) && a->start_length == b->start_length && a->start_version == b->start_version &&
	   (a->start == NULL || memcmp(a->start, b->start, (size_t) a->start_length) == 0), "start");
	ok(a->start != a->incumbent || b->start == b->incumbent, "which is sent once where it is the incumbent");
}

static void
round_trip(DlArena *arena, const DlFitRequest *request)
{
	DlFitRequest copy;
	void	   *bytes;
	void	   *again;
	size_t		length;
	size_t		length_again;
	DlError		error;

	ok(dl_fit_request_pack(arena, request, &bytes, &length, &error) == DL_OK, "pack");
	ok(dl_fit_request_unpack(arena, bytes, length, &copy, &error) == DL_OK, "unpack");
	compare(request, &copy);
	ok(dl_fit_request_pack(arena, &copy, &again, &length_again, &error) == DL_OK && length == length_again, "packs the same length again");
}

/* In a block of exactly that length, so that a read beyond it is seen. */
static void
truncations(const void *bytes, size_t length)
{
	size_t		accepted = 0;
	size_t		without_message = 0;

	for (size_t n = 0; n < length; n++)
	{
		DlArena    *arena;
		DlFitRequest copy;
		DlError		error = {0};
		void	   *part = malloc(n > 0 ? n : 1);

		dl_arena_create(0, &arena, NULL);
		memcpy(part, bytes, n);
		if (dl_fit_request_unpack(arena, part, n, &copy, &error) == DL_OK)
			accepted++;
		else if (error.status != DL_ERROR_INTERNAL || error.message[0] == '\0')
			without_message++;
		free(part);
		dl_arena_destroy(arena);
	}
	ok(accepted == 0, "%zu of %zu truncations are accepted", accepted, length);
	ok(without_message == 0, "%zu errors say nothing", without_message);
}

int
main(void)
{
	DlArena    *arena;
	DlFitRequest full;
	DlFitRequest copy;
	DlFitRequest empty = {0};
	unsigned char *longer;
	void	   *bytes;
	size_t		length;

	dl_arena_create(0, &arena, NULL);
	full = full_request(arena);
	round_trip(arena, &full);
	round_trip(arena, &empty);

	dl_fit_request_pack(arena, &full, &bytes, &length, NULL);
	truncations(bytes, length);
	longer = malloc(length + 1);
	memcpy(longer, bytes, length);
	longer[length] = 0;
	ok(dl_fit_request_unpack(arena, longer, length + 1, &copy, NULL) != DL_OK, "a byte too many is an error");
	free(longer);
	dl_arena_destroy(arena);
	return done_testing();
}
