/*
 * test_text.c
 *    Texts as numbers: what counts as a token, bounds, and that nothing changes
 *    under models that exist.
 */
#include <stdlib.h>

#include "core/random.h"
#include "data/text.h"
#include "tap.h"

#define WORDS (DL_TEXT_PLAIN_WORDS + DL_TEXT_BUCKETS)

static void
encode(const char *text, float *words)
{
	memset(words, 0, WORDS * sizeof(float));
	dl_encode_text(text, strlen(text), DL_TEXT_BUCKETS, words);
}

static bool
same_buckets(const char *a, const char *b)
{
	float		x[WORDS];
	float		y[WORDS];

	encode(a, x);
	encode(b, y);
	return memcmp(x + DL_TEXT_FIRST_BUCKET, y + DL_TEXT_FIRST_BUCKET, DL_TEXT_BUCKETS * sizeof(float)) == 0;
}

static double
length_of(const float *values, int count)
{
	double		sum = 0;

	for (int i = 0; i < count; i++)
		sum += (double) values[i] * values[i];
	return sqrt(sum);
}

static void
test_tokens(void)
{
	float		words[WORDS];
	int			half = DL_TEXT_BUCKETS / 2;

	ok(same_buckets("Red Chair, 2 legs", "  red/chair-2 LEGS!"), "case and separators do not matter");
	ok(!same_buckets("red chair", "redchair"), "but that there is one does");
	ok(!same_buckets("caf\xc3\xa9", "caf\xc3\x89"), "bytes above 127 are as they are");
	ok(!same_buckets("\xff\xfe", "\xff"), "also those that are no UTF-8");

	encode("Red chair 2", words);
	is_close(words[1], log(12), 1e-6, "length");
	is_close(words[2], log(4), 1e-6, "tokens");
	is_close(words[3], 1.0 / 11, 1e-6, "share of digits");
	is_close(length_of(words + DL_TEXT_FIRST_BUCKET, half), 1, 1e-6, "tokens have length 1");
	is_close(length_of(words + DL_TEXT_FIRST_BUCKET + half, half), 1, 1e-6, "3-grams have length 1");
	ok(words[0] == 0, "the word of the prefix is left alone");
	encode("a", words);
	is_close(length_of(words + DL_TEXT_FIRST_BUCKET, half), 1, 1e-6, "one letter is a token");
	is_close(length_of(words + DL_TEXT_FIRST_BUCKET + half, half), 1, 1e-6, "and a 3-gram with both edges");

	for (const char *const *empty = (const char *const[]) {"", " \t", "!?", NULL}; *empty != NULL; empty++)
	{
		encode(*empty, words);
		ok(words[2] == 0 && words[3] == 0 && length_of(words + DL_TEXT_FIRST_BUCKET, DL_TEXT_BUCKETS) == 0 &&
		   isnan(words[WORDS - 1]), "\"%s\" has no token", *empty);
	}
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		double		number;		/* -1: none */
	}			cases[] = {
		{"C-1234/77", 1234}, {"7", 7}, {"no. 007x", 7}, {"a0b", 0}, {"none", -1},
		{"x123456789012345", 123456789012345.0}, {"x1234567890123456", -1}, {"12345678901234567890 5", -1}
	};
	float		words[WORDS];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		encode(cases[i].text, words);
		ok(cases[i].number < 0 ? isnan(words[WORDS - 1]) : words[WORDS - 1] == (float) log1p(cases[i].number),
		   "the number in \"%s\" (%g)", cases[i].text, words[WORDS - 1]);
	}
}

static void
test_prefixes(void)
{
	static const struct
	{
		const char *text;
		const char *prefix;
	}			cases[] = {
		{"AB-17/3", "ab"}, {"C85", "c"}, {"Mr. Smith", "mr"}, {"(mrs) X", "mrs"}, {"street", "street"}, {"", ""}, {"--", ""},
		{"03-1234", "03"}, {"12345 x", ""}, {"123", ""}, {"\xc3\x84""b 1", "\xc3\x84""b"},
		{"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop", "abcdefghijklmnopqrstuvwxyzabcdef"}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		prefix[DL_TEXT_PREFIX_BYTES];
		size_t		length = dl_text_prefix(cases[i].text, strlen(cases[i].text), prefix);

		ok(length == strlen(cases[i].prefix) && memcmp(prefix, cases[i].prefix, length) == 0, "prefix of \"%s\": \"%.*s\"",
		   cases[i].text, (int) length, prefix);
	}
}

/* A text of a megabyte; its end and what is behind it must not be read. */
static void
test_long(void)
{
	size_t		length = 1 << 20;
	char	   *text = malloc(length);
	char		prefix[DL_TEXT_PREFIX_BYTES];
	float		whole[WORDS] = {0};
	float		head[WORDS] = {0};
	float		most[DL_TEXT_PLAIN_WORDS + DL_TEXT_MOST_BUCKETS];
	int			differ = 0;

	for (size_t i = 0; i < length; i++)
		text[i] = i % 6 == 5 ? ' ' : (char) ('a' + (i * i >> 3) % 26);
	dl_encode_text(text, length, DL_TEXT_BUCKETS, whole);
	dl_encode_text(text, DL_TEXT_BYTES, DL_TEXT_BUCKETS, head);
	is_close(whole[1], log1p((double) length), 1e-6, "the length is that of all");
	for (int i = 2; i < WORDS; i++)
		differ += whole[i] != head[i] && !(isnan(whole[i]) && isnan(head[i]));
	ok(differ == 0, "only the first bytes count for the rest");
	memset(text, '-', length);
	ok(dl_text_prefix(text, length, prefix) == 0, "separators only");
	memset(text, 'x', length);
	dl_encode_text(text, length, DL_TEXT_MOST_BUCKETS, most);
	is_close(most[2], log(2), 1e-6, "one long token");
	ok(dl_text_prefix(text, length, prefix) == DL_TEXT_PREFIX_BYTES, "its prefix is cut");
	free(text);
}

/* What models were trained with: a change of it needs another DL_TEXT_HASH. */
static void
test_version(void)
{
	float		words[WORDS];
	uint64_t	hash = 0;

	encode("AB-17/3 Mr. Caf\xc3\xa9 of the hidden garden, 2nd floor", words);
	for (int i = DL_TEXT_FIRST_BUCKET; i < DL_TEXT_FIRST_BUCKET + DL_TEXT_BUCKETS; i++)
		hash = dl_hash_mix(hash, (uint64_t) (int64_t) lrintf(words[i] * 1e5f));
	ok(DL_TEXT_HASH == 1 && hash == UINT64_C(0x544d048fccd13a48), "buckets of version 1: %llx", (unsigned long long) hash);
}

static void
test_widths(void)
{
	for (int buckets = 2; buckets <= DL_TEXT_MOST_BUCKETS; buckets += buckets < 8 ? 2 : 127 * 2)
	{
		float	   *words = calloc((size_t) (buckets + DL_TEXT_PLAIN_WORDS), sizeof(float));

		dl_encode_text("one two three four five", 23, buckets, words);
		ok(length_of(words + DL_TEXT_FIRST_BUCKET, buckets) > 0, "%d buckets", buckets);
		free(words);
	}
}

int
main(void)
{
	test_tokens();
	test_numbers();
	test_prefixes();
	test_long();
	test_version();
	test_widths();
	return done_testing();
}
