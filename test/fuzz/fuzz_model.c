/*
 * fuzz_model.c
 *    Bytes of a model: validate, decode, encode, decode again, score a row, compare with its statistics.
 *
 * What is accepted must encode to bytes that decode to a model of the same
 * bytes.  The mutator knows the layout: after a mutation of the header it
 * corrects the length before it, so that the search gets past the first check; and
 * now and then it adds or takes bytes at the end to match the offsets.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "model/model.h"

#define PREFIX 8
#define BUDGET ((size_t) 64 << 20)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static void
fail(const char *what, const DlError *error)
{
	fprintf(stderr, "fuzz_model: %s: %s\n", what, error->message);
	abort();
}

/* A row of any words derived from the bytes. */
static void
score(const DlModel *model, DlArena *arena, const uint8_t *data, size_t size)
{
	DlError		error;
	DlScorer   *scorer;
	uint32_t   *features;
	double	   *results;
	float	   *hidden;

	if (dl_arena_calloc(arena, (size_t) model->feature_words, sizeof(uint32_t), &features, &error) != DL_OK ||
		dl_arena_calloc(arena, (size_t) dl_model_result_width(model), sizeof(double), &results, &error) != DL_OK ||
		dl_arena_calloc(arena, (size_t) dl_model_hidden_width(model), sizeof(float), &hidden, &error) != DL_OK ||
		dl_scorer_create(arena, model, 1, &scorer, &error) != DL_OK)
		return;
	for (int32_t i = 0; i < model->feature_words; i++)
		features[i] = size == 0 ? 0 : (uint32_t) data[(size_t) i % size] * 0x01010101u;
	if (dl_scorer_run(scorer, 1, features, model->feature_words, results, &error) != DL_OK)
		fail("a model cannot score", &error);
	if (dl_scorer_embed(scorer, 1, features, model->feature_words, hidden, &error) != DL_OK)
		fail("a model cannot embed", &error);
}

/* Numbers and codes from the bytes against one of the statistics. */
static void
watch(const DlDistribution *reference, DlArena *arena, const uint8_t *data, size_t size)
{
	DlError		error;
	DlDistribution now;
	DlDrift		drift;
	float		numbers[64];
	int32_t		codes[64];

	if (dl_distribution_like(arena, reference, &now, &error) != DL_OK)
		return;
	for (size_t i = 0; i < 64; i++)
	{
		uint32_t	word = size == 0 ? 0 : (uint32_t) data[i % size] * 0x01010101u;

		memcpy(&numbers[i], &word, sizeof(float));
		codes[i] = (int32_t) (i % 9) - 2;
	}
	if (now.codes)
		dl_distribution_add_codes(&now, codes, 64);
	else
		dl_distribution_add_numbers(&now, numbers, 64);
	dl_distribution_finish(&now);
	dl_distribution_compare(&now, &drift);
	if (drift.psi < 0 || drift.p_value < 0 || drift.p_value > 1 + 1e-9)
	{
		snprintf(error.message, sizeof(error.message), "index %g, p-value %g", drift.psi, drift.p_value);
		fail("a distribution cannot be compared", &error);
	}
}

static void
check_model(const DlModel *model, DlArena *arena, const uint8_t *data, size_t size)
{
	DlError		error;
	DlModel    *copy;
	void	   *bytes;
	void	   *again;
	size_t		length = 0;
	size_t		length_again = 0;
	DlStatus	status;

	if (dl_model_encode(model, arena, &bytes, &length, &error) != DL_OK)
		fail("a model cannot be encoded", &error);
	status = dl_model_decode(bytes, length, BUDGET, &copy, &error);
	if (status == DL_ERROR_MEMORY)
		return;
	if (status != DL_OK)
		fail("encoded bytes cannot be decoded", &error);
	if (dl_model_encode(copy, arena, &again, &length_again, &error) != DL_OK)
		fail("a copy cannot be encoded", &error);
	if (length != length_again || memcmp(bytes, again, length) != 0)
		fail("a copy has other bytes", &error);
	dl_model_destroy(copy);
	score(model, arena, data, size);
	if (model->statistics.columns == NULL)
		return;
	for (int32_t i = 0; i < model->column_count; i++)
		watch(&model->statistics.columns[i], arena, data, size);
	watch(&model->statistics.target, arena, data, size);
	watch(&model->statistics.predictions, arena, data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DlError		error;
	DlModel    *model;
	DlArena    *arena;
	bool		valid = dl_safetensors_validate(data, size, &error) == DL_OK;

	if (dl_model_decode(data, size, BUDGET, &model, &error) != DL_OK)
		return 0;
	if (!valid)
		fail("bytes that are not valid were decoded", &error);
	if (dl_arena_create(2 * BUDGET, &arena, &error) == DL_OK)
	{
		check_model(model, arena, data, size);
		dl_arena_destroy(arena);
	}
	dl_model_destroy(model);
	return 0;
}

static uint64_t
header_length(const uint8_t *data)
{
	uint64_t	length = 0;

	for (int i = 0; i < PREFIX; i++)
		length |= (uint64_t) data[i] << (8 * i);
	return length;
}

static void
set_header_length(uint8_t *data, size_t length)
{
	for (int i = 0; i < PREFIX; i++)
		data[i] = (uint8_t) ((uint64_t) length >> (8 * i));
}

/* Replaces a number of the header by one of those where arithmetic goes wrong. */
static size_t
mutate_number(uint8_t *header, size_t length, size_t room, unsigned int seed)
{
	static const char *const numbers[] = {"0", "1", "2", "4", "8", "64", "-1", "65536", "2147483647", "4294967296", "9223372036854775807"};
	const char *number = numbers[seed % (sizeof(numbers) / sizeof(numbers[0]))];
	size_t		start = seed / 16 % (length + 1);
	size_t		end;

	while (start < length && (header[start] < '0' || header[start] > '9'))
		start++;
	for (end = start; end < length && header[end] >= '0' && header[end] <= '9';)
		end++;
	if (end == start || length - (end - start) + strlen(number) > room)
		return length;
	memmove(header + start + strlen(number), header + end, length - end);
	memcpy(header + start, number, strlen(number));
	return length - (end - start) + strlen(number);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t		length;
	size_t		tail;
	size_t		changed;
	uint8_t    *copy;

	if (size < PREFIX + 2 || seed % 8 == 0 || header_length(data) > size - PREFIX)
		return LLVMFuzzerMutate(data, size, max_size);
	length = (size_t) header_length(data);
	tail = size - PREFIX - length;
	if (max_size < PREFIX + tail + 2)
		return LLVMFuzzerMutate(data, size, max_size);
	if (seed % 8 == 1)
		return PREFIX + length + LLVMFuzzerMutate(data + PREFIX + length, tail, max_size - PREFIX - length);

	copy = malloc(tail == 0 ? 1 : tail);
	if (copy == NULL)
		return size;
	if (tail > 0)
		memcpy(copy, data + PREFIX + length, tail);
	if (seed % 8 < 4)
		changed = mutate_number(data + PREFIX, length, max_size - PREFIX - tail, seed / 8);
	else
		changed = LLVMFuzzerMutate(data + PREFIX, length, max_size - PREFIX - tail);
	set_header_length(data, changed);
	if (tail > 0)
		memcpy(data + PREFIX + changed, copy, tail);
	free(copy);
	return PREFIX + changed + tail;
}
