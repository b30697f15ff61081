/*
 * text.c
 *    Texts as numbers: hashed tokens and 3-grams, and a few plain figures.
 *
 * A text is folded once into a buffer, " token token ", from which everything is
 * read.  Work and memory are bounded by DL_TEXT_BYTES.  Signs from the hash make collisions
 * cancel out on average (Weinberger et al., 2009).
 */
#include "data/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

#define TOKEN_SEED UINT64_C(0x746f6b656e)
#define GRAM_SEED UINT64_C(0x6772616d)
#define MOST_DIGITS 15			/* of a number that a double holds exactly */

typedef struct Folded
{
	size_t		length;
	unsigned char bytes[DL_TEXT_BYTES + 2];
} Folded;

static inline bool
is_digit(unsigned char c)
{
	return (unsigned) c - '0' < 10;
}

static inline bool
is_letter(unsigned char c)
{
	return ((unsigned) c | 32) - 'a' < 26 || c >= 128;
}

/* A letter or digit in lower case; a space for all that separates tokens. */
static inline unsigned char
fold(unsigned char c)
{
	if (c >= 128 || is_digit(c))
		return c;
	return is_letter(c) ? (unsigned char) (c | 32) : ' ';
}

static void
fold_text(const unsigned char *text, size_t length, Folded *folded)
{
	unsigned char *bytes = folded->bytes;
	size_t		n = 1;

	bytes[0] = ' ';
	for (size_t i = 0; i < length; i++)
	{
		bytes[n] = fold(text[i]);
		n += (bytes[n] != ' ') | (bytes[n - 1] != ' ');
	}
	if (bytes[n - 1] != ' ')
		bytes[n++] = ' ';
	folded->length = n;
}

static inline void
count(uint64_t hash, int32_t buckets, int32_t *counts)
{
	counts[((hash >> 32) * (uint64_t) buckets) >> 32] += (hash & 1) != 0 ? 1 : -1;
}

/* Returns the number of tokens. */
static int32_t
count_tokens(const Folded *folded, int32_t buckets, int32_t *counts)
{
	const unsigned char *bytes = folded->bytes;
	int32_t		tokens = 0;
	size_t		start = 1;

	for (size_t i = 1; i < folded->length; i++)
	{
		if (bytes[i] != ' ')
			continue;
		count(dl_hash_bytes(TOKEN_SEED, bytes + start, i - start), buckets, counts);
		tokens++;
		start = i + 1;
	}
	return tokens;
}

static void
count_grams(const Folded *folded, int32_t buckets, int32_t *counts)
{
	const unsigned char *bytes = folded->bytes;

	for (size_t i = 1; i + 1 < folded->length; i++)
		if (bytes[i] != ' ')
			count(dl_hash_mix(GRAM_SEED, (uint64_t) bytes[i - 1] << 16 | (uint64_t) bytes[i] << 8 | bytes[i + 1]),
				  buckets, counts);
}

/* Signed square roots, scaled to the length 1. */
static void
scale_counts(const int32_t *counts, int32_t buckets, float *words)
{
	int32_t		sum = 0;
	float		share;

	for (int32_t i = 0; i < buckets; i++)
		sum += abs(counts[i]);
	share = 1.0f / (float) (sum > 0 ? sum : 1);
	for (int32_t i = 0; i < buckets; i++)
		words[i] = copysignf(sqrtf((float) abs(counts[i]) * share), (float) counts[i]);
}

/* Of the first run of digits; NaN where there is none, or a longer one than is a number. */
static float
first_number(const unsigned char *text, size_t length)
{
	double		number = 0;
	size_t		start = 0;
	size_t		end;

	while (start < length && !is_digit(text[start]))
		start++;
	for (end = start; end < length && is_digit(text[end]) && end - start <= MOST_DIGITS; end++)
		number = number * 10 + (text[end] - '0');
	return end == start || end - start > MOST_DIGITS ? NAN : (float) log1p(number);
}

void
dl_encode_text(const char *text, size_t length, int32_t buckets, float *words)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t		counted = length < DL_TEXT_BYTES ? length : DL_TEXT_BYTES;
	int32_t		counts[DL_TEXT_MOST_BUCKETS];
	int32_t		half = buckets / 2;
	int32_t		digits = 0;
	int32_t		tokens;
	Folded		folded;

	memset(counts, 0, (size_t) buckets * sizeof(int32_t));
	fold_text(bytes, counted, &folded);
	tokens = count_tokens(&folded, half, counts);
	count_grams(&folded, half, counts + half);
	for (size_t i = 0; i < counted; i++)
		digits += is_digit(bytes[i]);
	words[1] = (float) log1p((double) length);
	words[2] = (float) log1p((double) tokens);
	words[3] = counted == 0 ? 0 : (float) digits / (float) counted;
	scale_counts(counts, half, words + DL_TEXT_FIRST_BUCKET);
	scale_counts(counts + half, half, words + DL_TEXT_FIRST_BUCKET + half);
	words[DL_TEXT_FIRST_BUCKET + buckets] = first_number(bytes, counted);
}

size_t
dl_text_prefix(const char *text, size_t length, char prefix[DL_TEXT_PREFIX_BYTES])
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t		counted = length < DL_TEXT_BYTES ? length : DL_TEXT_BYTES;
	size_t		start = 0;
	size_t		end;
	bool		digits;

	while (start < counted && fold(bytes[start]) == ' ')
		start++;
	digits = start < counted && is_digit(bytes[start]);
	for (end = start; end < counted && (digits ? is_digit(bytes[end]) : is_letter(bytes[end])); end++)
		if (end - start == DL_TEXT_PREFIX_BYTES)
			break;
	if (digits && (end - start > 3 || end == counted))
		return 0;
	for (size_t i = start; i < end; i++)
		prefix[i - start] = (char) fold(bytes[i]);
	return end - start;
}
