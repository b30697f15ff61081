/*
 * test_model_image.c
 *    Models in memory that others read, at another address, without being able to write.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/model_image.h"
#include "model_samples.h"
#include "tap.h"

#define ROWS 9

static void *
map(size_t size)
{
	void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* what was there before, as in memory that is used again */
	if (memory != MAP_FAILED)
		memset(memory, 0xa5, size);
	return memory;
}

/* Results of ROWS rows, one at a time or together; malloc'd. */
static double *
score(const DlModel *model, bool together)
{
	int32_t		width = dl_model_result_width(model);
	int64_t		step = together ? ROWS : 1;
	double	   *results = calloc((size_t) (ROWS * width), sizeof(double));
	uint32_t   *features = calloc((size_t) (ROWS * (model->feature_words + 1)), sizeof(uint32_t));
	DlScorer   *scorer;
	DlArena    *arena;
	DlRandom	random;
	DlError		error = {0};

	dl_arena_create(0, &arena, NULL);
	dl_random_seed(&random, 11, 0);
	for (int row = 0; row < ROWS; row++)
		model_sample_row(model, &random, features + row * model->feature_words);
	if (dl_scorer_create(arena, model, step, &scorer, &error) == DL_OK)
		for (int64_t row = 0; row < ROWS; row += step)
			dl_scorer_run(scorer, step, features + row * model->feature_words, model->feature_words, results + row * width,
						  &error);
	dl_arena_destroy(arena);
	free(features);
	return results;
}

static bool
same_results(const DlModel *a, const DlModel *b)
{
	bool		same = true;

	for (int together = 0; together < 2; together++)
	{
		double	   *of_a = score(a, together);
		double	   *of_b = score(b, together);

		same = same && memcmp(of_a, of_b, (size_t) (ROWS * dl_model_result_width(a)) * sizeof(double)) == 0;
		free(of_a);
		free(of_b);
	}
	return same;
}

static bool
is_medium(const DlModel *model)
{
	return strcmp(dl_model_precision(model), "medium") == 0;
}

static bool
same_bytes(const DlModel *model, const void *bytes, size_t length)
{
	DlArena    *arena;
	void	   *again = NULL;
	size_t		length_again = 0;
	bool		same;

	dl_arena_create(0, &arena, NULL);
	same = dl_model_encode(model, arena, &again, &length_again, NULL) == DL_OK && length_again == length &&
		memcmp(again, bytes, length) == 0;
	dl_arena_destroy(arena);
	return same;
}

/* Packed weights of every member, where and as they should be. */
static bool
packed_within(const DlModel *model, const void *memory, size_t size)
{
	bool		right = model->packed_count > 0;

	for (int32_t i = 0; i < model->packed_count; i++)
	{
		const char *packed = model->packed[i].packed;

		right = right && (i == 0 || (const char *) model->packed[i].weight > (const char *) model->packed[i - 1].weight);
		right = right && (uintptr_t) packed % DL_ALIGNMENT == 0;
		right = right && (memory == NULL || (packed > (const char *) memory && packed < (const char *) memory + size));
	}
	return right;
}

/* The other process: the image elsewhere, and read-only. */
static void
test_reader(const ModelSample *sample, const DlModel *model, const void *image, size_t size, const void *bytes,
			size_t length)
{
	void	   *elsewhere = map(size);
	DlModel    *copy;
	DlError		error = {0};

	memcpy(elsewhere, image, size);
	mprotect(elsewhere, size, PROT_READ);
	if (ok(dl_model_from_image(elsewhere, size, 0, &copy, &error) == DL_OK, "%s: read from its image: %s", sample->name,
		   error.message))
	{
		const char *weights = (const char *) copy->members[0].parameters;

		ok(weights > (const char *) elsewhere && weights < (const char *) elsewhere + size &&
		   (uintptr_t) weights % DL_ALIGNMENT == 0, "%s: its weights are in the image", sample->name);
		ok(same_bytes(copy, bytes, length), "%s: it encodes to the same bytes", sample->name);
		ok(same_results(model, copy), "%s: it scores the same", sample->name);
		if (is_medium(copy))
			ok(packed_within(copy, elsewhere, size), "%s: its packed weights are in the image", sample->name);
		dl_model_destroy(copy);
	}
	munmap(elsewhere, size);
}

static void
test_image(const ModelSample *sample, const char *precision)
{
	DlModel    *model;
	DlModel    *built = NULL;
	DlModelDecoding *decoding;
	DlArena    *arena;
	DlError		error = {0};
	void	   *bytes = NULL;
	void	   *image;
	size_t		length = 0;
	size_t		size = 0;

	if (!ok(model_sample_create(sample, 5, &model, &error) == DL_OK, "%s: %s", sample->name, error.message))
		return;
	dl_arena_create(0, &arena, NULL);
	model->record.matmul_precision = precision;
	dl_model_encode(model, arena, &bytes, &length, &error);
	ok(dl_model_decode_begin(bytes, length, 0, &decoding, &error) == DL_OK, "%s: decoding has begun: %s", sample->name,
	   error.message);
	ok(dl_model_image_bytes(decoding, &size, &error) == DL_OK && size > 0 && size % DL_ALIGNMENT == 0, "%s: an image of %zu bytes", sample->name, size);
	image = map(size);
	ok(dl_model_decode_finish(decoding, image, &built, &error) == DL_OK, "%s: decoded into it: %s", sample->name,
	   error.message);
	ok(same_bytes(built, bytes, length) && same_results(model, built), "%s: the model that uses it is the same", sample->name);
	test_reader(sample, model, image, size, bytes, length);
	dl_model_destroy(built);
	munmap(image, size);

	ok(dl_model_decode_begin(bytes, length, 0, &decoding, &error) == DL_OK &&
	   dl_model_decode_finish(decoding, NULL, &built, &error) == DL_OK && same_bytes(built, bytes, length),
	   "%s: in memory of its own", sample->name);
	ok(same_results(model, built) && (built->packed_count > 0) == is_medium(built) && model->packed_count == 0 &&
	   (!is_medium(built) || packed_within(built, NULL, 0)), "%s: scores the same, packed ahead or not (%s)", sample->name,
	   dl_model_precision(built));
	dl_model_destroy(built);
	dl_model_destroy(model);
	dl_arena_destroy(arena);
}

/* What is no image, and decoding that fails or ends early: no model, and nothing is left (the sanitizer sees to it). */
static void
test_refusals(const ModelSample *sample)
{
	DlModel    *model;
	DlModel    *none;
	DlModelDecoding *decoding = NULL;
	DlArena    *arena;
	DlError		error = {0};
	void	   *bytes = NULL;
	char	   *image;
	size_t		length = 0;
	size_t		size = 0;

	model_sample_create(sample, 5, &model, &error);
	dl_arena_create(0, &arena, NULL);
	dl_model_encode(model, arena, &bytes, &length, &error);
	dl_model_destroy(model);

	ok(dl_model_decode_begin(bytes, length, 0, &decoding, &error) == DL_OK, "decoding that is given up");
	dl_model_image_bytes(decoding, &size, &error);
	dl_model_decode_abandon(decoding);
	dl_model_decode_abandon(NULL);
	image = map(size);
	ok(dl_model_from_image(image, size, 0, &none, &error) == DL_ERROR_INTERNAL && none == NULL, "memory without an image: %s",
	   error.message);

	/* a weight that is not finite */
	memset((char *) bytes + length - sizeof(float), 0xff, sizeof(float));
	ok(dl_model_decode_begin(bytes, length, 0, &decoding, &error) == DL_OK, "damaged weights show at the end only");
	dl_model_image_bytes(decoding, &size, &error);
	ok(dl_model_decode_finish(decoding, image, &none, &error) == DL_ERROR_CORRUPT && none == NULL, "then: %s", error.message);
	ok(dl_model_from_image(image, size, 0, &none, &error) == DL_ERROR_INTERNAL, "such an image is never complete");

	memset((char *) bytes + length - sizeof(float), 0, sizeof(float));
	dl_model_decode_begin(bytes, length, 0, &decoding, &error);
	dl_model_image_bytes(decoding, &size, &error);
	dl_model_decode_finish(decoding, image, &model, &error);
	dl_model_destroy(model);
	ok(dl_model_from_image(image, size - 1, 0, &none, &error) == DL_ERROR_INTERNAL, "an image that is cut off");
	ok(dl_model_from_image(image, size, 1024, &none, &error) == DL_ERROR_MEMORY && none == NULL, "over the budget: %s",
	   error.message);
	ok(dl_model_decode_begin(bytes, length / 2, 0, &decoding, &error) == DL_ERROR_CORRUPT && decoding == NULL, "cut bytes: %s",
	   error.message);
	munmap(image, size);
	dl_arena_destroy(arena);
}

int
main(void)
{
	for (int i = 0; i < model_sample_count; i++)
	{
		test_image(&model_samples[i], "highest");
		test_image(&model_samples[i], "medium");
	}
	test_refusals(&model_samples[0]);
	return done_testing();
}
