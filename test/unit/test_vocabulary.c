/*
 * test_vocabulary.c
 *    Texts to codes and back.
 */
#include <stdlib.h>

#include "tap.h"

#include "data/vocabulary.h"

#define MANY 300000

static int32_t
add(DlVocabulary *vocabulary, const char *text, size_t length)
{
	int32_t		code = -7;

	if (dl_vocabulary_add(vocabulary, text, length, &code, NULL) != DL_OK)
		return -8;
	return code;
}

static void
test_few(DlArena *arena)
{
	DlVocabulary *vocabulary;
	size_t		length;
	const char *text;

	ok(dl_vocabulary_create(arena, &vocabulary, NULL) == DL_OK, "a vocabulary is created");
	ok(dl_vocabulary_size(vocabulary) == 0 && dl_vocabulary_find(vocabulary, "a", 1) == -1, "it is empty");
	ok(add(vocabulary, "red", 3) == 0 && add(vocabulary, "green", 5) == 1, "codes go by first appearance");
	ok(add(vocabulary, "red", 3) == 0 && dl_vocabulary_size(vocabulary) == 2, "a known text keeps its code");
	ok(add(vocabulary, "", 0) == 2 && dl_vocabulary_find(vocabulary, NULL, 0) == 2, "the empty text is a text");
	ok(add(vocabulary, "a\0b", 3) == 3 && add(vocabulary, "a\0c", 3) == 4 && add(vocabulary, "a", 1) == 5,
	   "all bytes and the length count");
	text = dl_vocabulary_text(vocabulary, 4, &length);
	ok(length == 3 && memcmp(text, "a\0c", 3) == 0, "a text comes back");
	text = dl_vocabulary_text(vocabulary, 2, &length);
	ok(length == 0 && text != NULL, "the empty text comes back");
	ok(dl_vocabulary_find(vocabulary, "blue", 4) == -1, "find adds nothing");
}

static void
test_many(DlArena *arena)
{
	DlVocabulary *vocabulary;
	int			wrong = 0;
	char		text[4000];

	dl_vocabulary_create(arena, &vocabulary, NULL);
	for (int i = 0; i < MANY; i++)
		wrong += add(vocabulary, text, (size_t) snprintf(text, sizeof(text), "value %d", i)) != i;
	ok(wrong == 0 && dl_vocabulary_size(vocabulary) == MANY, "%d texts get ascending codes", MANY);
	for (int i = 0; i < MANY; i++)
	{
		size_t		length = (size_t) snprintf(text, sizeof(text), "value %d", i);
		size_t		found_length;
		const char *found = dl_vocabulary_text(vocabulary, i, &found_length);

		wrong += dl_vocabulary_find(vocabulary, text, length) != i || found_length != length ||
			memcmp(found, text, length) != 0;
	}
	ok(wrong == 0, "and are all found again");
	ok(dl_arena_used(arena) < (size_t) MANY * 110, "in less than 110 bytes each (%zu)", dl_arena_used(arena) / MANY);

	memset(text, 'x', sizeof(text));
	for (int i = 1; i <= 100; i++)
		wrong += add(vocabulary, text, (size_t) i * 40) != MANY + i - 1;
	for (int i = 1; i <= 100; i++)
		wrong += dl_vocabulary_find(vocabulary, text, (size_t) i * 40) != MANY + i - 1;
	ok(wrong == 0, "long texts that begin alike are told apart");
}

static void
test_budget(void)
{
	DlArena    *arena;
	DlVocabulary *vocabulary;
	DlError		error;
	DlStatus	status = DL_OK;
	int			count = 0;
	int			wrong = 0;
	char		text[32];

	dl_arena_create(100000, &arena, NULL);
	dl_vocabulary_create(arena, &vocabulary, NULL);
	while (status == DL_OK && count < 100000)
	{
		int32_t		code;

		status = dl_vocabulary_add(vocabulary, text, (size_t) snprintf(text, sizeof(text), "%d", count), &code, &error);
		count += status == DL_OK;
	}
	ok(status == DL_ERROR_MEMORY && count > 500 && error.message[0] != '\0', "the arena's budget holds after %d texts", count);
	ok(dl_vocabulary_size(vocabulary) == count, "a text that failed is not counted");
	for (int i = 0; i < count; i++)
		wrong += dl_vocabulary_find(vocabulary, text, (size_t) snprintf(text, sizeof(text), "%d", i)) != i;
	ok(wrong == 0, "what was added before is still there");
	dl_arena_destroy(arena);
}

/* The flat form, moved to other memory of exactly its size. */
static DlVocabulary *
attach_copy(DlArena *arena, const DlVocabulary *vocabulary, void **memory)
{
	DlVocabulary *flat = NULL;
	size_t		bytes = 0;
	void	   *first;

	ok(dl_vocabulary_flat_bytes(vocabulary, &bytes, NULL) == DL_OK && bytes > 0, "%d texts are %zu bytes flat",
	   dl_vocabulary_size(vocabulary), bytes);
	first = malloc(bytes);
	*memory = malloc(bytes);
	dl_vocabulary_flatten(vocabulary, first);
	memcpy(*memory, first, bytes);
	free(first);
	ok(dl_vocabulary_attach(arena, *memory, &flat, NULL) == DL_OK, "they are attached to elsewhere");
	return flat;
}

static bool
same_vocabulary(const DlVocabulary *a, const DlVocabulary *b)
{
	bool		same = dl_vocabulary_size(a) == dl_vocabulary_size(b);

	for (int32_t code = 0; same && code < dl_vocabulary_size(a); code++)
	{
		size_t		length_a;
		size_t		length_b;
		const char *text_a = dl_vocabulary_text(a, code, &length_a);
		const char *text_b = dl_vocabulary_text(b, code, &length_b);

		same = length_a == length_b && memcmp(text_a, text_b, length_a) == 0 &&
			dl_vocabulary_find(b, text_a, length_a) == code;
	}
	return same;
}

static void
test_flat(DlArena *arena, int count)
{
	DlVocabulary *vocabulary;
	DlVocabulary *flat;
	DlVocabulary *again;
	DlError		error = {0};
	void	   *memory[2];
	char		text[64];
	int32_t		code;

	dl_vocabulary_create(arena, &vocabulary, NULL);
	for (int i = 0; i < count; i++)
		add(vocabulary, text, (size_t) snprintf(text, sizeof(text), "%.*s%d", i % 40, "one text is longer than another one, ", i));
	if (count > 2)
		add(vocabulary, "", 0);
	flat = attach_copy(arena, vocabulary, &memory[0]);
	ok(same_vocabulary(vocabulary, flat), "all of %d are found, and come back", dl_vocabulary_size(vocabulary));
	ok(dl_vocabulary_find(flat, "not there", 9) == -1, "what is not there is not found");
	ok(dl_vocabulary_add(flat, "not there", 9, &code, &error) == DL_ERROR_INTERNAL && error.message[0] != '\0',
	   "nor can it be added");
	again = attach_copy(arena, flat, &memory[1]);
	ok(same_vocabulary(vocabulary, again), "flattened again, it is the same");
	free(memory[0]);
	free(memory[1]);
}

int
main(void)
{
	DlArena    *arena;

	dl_arena_create(0, &arena, NULL);
	test_few(arena);
	test_many(arena);
	test_flat(arena, 0);
	test_flat(arena, 3);
	test_flat(arena, 5000);
	dl_arena_destroy(arena);
	test_budget();
	return done_testing();
}
