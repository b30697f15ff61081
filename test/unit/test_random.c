/*
 * test_random.c
 *    Random numbers: known values, moments, ranges, and hashes.
 */
#include <stdlib.h>

#include "core/random.h"
#include "tap.h"

#define DRAWS 100000

/* The state 1, 2, 3, 4 gives these numbers in the authors' own program. */
static void
test_generator(void)
{
	static const uint64_t want[] = {
		UINT64_C(41943041), UINT64_C(58720359), UINT64_C(3588806011781223), UINT64_C(3591011842654386),
		UINT64_C(9228616714210784205)
	};
	DlRandom	random = {{1, 2, 3, 4}};

	for (int i = 0; i < 5; i++)
	{
		uint64_t	got = dl_random_bits(&random);

		ok(got == want[i], "number %d of xoshiro256++ is %llu", i, (unsigned long long) got);
	}
}

static void
test_streams(void)
{
	DlRandom	a;
	DlRandom	b;
	int			equal = 0;

	dl_random_seed(&a, 42, 0);
	dl_random_seed(&b, 42, 0);
	ok(dl_random_bits(&a) == dl_random_bits(&b), "one seed and stream, one sequence");
	dl_random_seed(&b, 42, 1);
	for (int i = 0; i < 1000; i++)
		equal += dl_random_bits(&a) == dl_random_bits(&b);
	ok(equal == 0, "another stream, another sequence");
	dl_random_seed(&a, 0, 0);
	ok((a.state[0] | a.state[1] | a.state[2] | a.state[3]) != 0, "seed 0 gives no state of zeros");
}

static void
test_distributions(void)
{
	DlRandom	random;
	double		sum = 0;
	double		squares = 0;
	double		fourth = 0;
	double		least = 1;
	double		most = 0;
	bool		finite = true;

	dl_random_seed(&random, 1, 2);
	for (int i = 0; i < DRAWS; i++)
	{
		double		u = dl_random_uniform(&random);

		sum += u;
		least = fmin(least, u);
		most = fmax(most, u);
	}
	is_close(sum / DRAWS, 0.5, 0.005, "mean of uniform numbers");
	ok(least >= 0 && least < 0.001 && most < 1 && most > 0.999, "their range");
	sum = 0;
	for (int i = 0; i < DRAWS; i++)
	{
		double		z = dl_random_normal(&random);

		finite = finite && isfinite(z);
		sum += z;
		squares += z * z;
		fourth += z * z * z * z;
	}
	ok(finite, "normal numbers are finite");
	is_close(sum / DRAWS, 0, 0.02, "their mean");
	is_close(squares / DRAWS, 1, 0.02, "their variance");
	is_close(fourth / DRAWS, 3, 0.04, "their fourth moment");
}

static void
test_below(void)
{
	DlRandom	random;
	int			counts[7] = {0};
	bool		inside = true;
	int			high = 0;

	dl_random_seed(&random, 3, 0);
	for (int i = 0; i < 70000; i++)
	{
		uint64_t	k = dl_random_below(&random, 7);

		inside = inside && k < 7;
		if (k < 7)
			counts[k]++;
	}
	ok(inside, "numbers lie below the limit");
	for (int i = 0; i < 7; i++)
		ok(abs(counts[i] - 10000) < 500, "%d of 70000 are %d", counts[i], i);
	ok(dl_random_below(&random, 1) == 0, "below 1 is 0");

	/* a limit that the modulus alone would make unfair: the lower half twice as likely */
	for (int i = 0; i < 10000; i++)
		high += dl_random_below(&random, UINT64_C(3) << 62) >= UINT64_C(3) << 61;
	ok(abs(high - 5000) < 250, "%d of 10000 lie in the upper half of a large limit", high);
}

static void
test_shuffle(void)
{
	DlRandom	random;
	uint32_t	items[10];
	int			first[10] = {0};
	bool		complete = true;

	dl_random_seed(&random, 4, 0);
	for (int round = 0; round < 10000; round++)
	{
		unsigned	seen = 0;

		for (uint32_t i = 0; i < 10; i++)
			items[i] = i;
		dl_random_shuffle(&random, items, 10);
		for (int i = 0; i < 10; i++)
			seen |= 1u << items[i];
		complete = complete && seen == 0x3ff;
		first[items[0]]++;
	}
	ok(complete, "a shuffle keeps every item");
	for (int i = 0; i < 10; i++)
		ok(abs(first[i] - 1000) < 160, "item %d comes first %d times in 10000", i, first[i]);
	dl_random_shuffle(&random, items, 0);
	dl_random_shuffle(&random, items, 1);
	ok(true, "shuffling nothing and one item");
}

static void
test_hash(void)
{
	unsigned char bytes[24] = "abcdefghijklmnopqrstuvw";
	uint64_t	hashes[24];
	bool		distinct = true;
	int			flipped = 0;

	for (size_t length = 0; length < 24; length++)
		hashes[length] = dl_hash_bytes(1, bytes, length);
	for (int i = 0; i < 24; i++)
		for (int j = 0; j < i; j++)
			distinct = distinct && hashes[i] != hashes[j];
	ok(distinct, "every length has its own hash");
	ok(dl_hash_bytes(1, bytes + 1, 5) == dl_hash_bytes(1, "bcdef", 5), "alignment does not matter");
	ok(dl_hash_bytes(1, "a", 1) != dl_hash_bytes(1, "a\0", 2), "a zero byte counts");
	ok(dl_hash_bytes(1, "a", 1) != dl_hash_bytes(2, "a", 1), "the seed counts");
	ok(dl_hash_mix(dl_hash_mix(0, 1), 2) != dl_hash_mix(dl_hash_mix(0, 2), 1), "the order counts");
	for (int bit = 0; bit < 64; bit++)
		flipped += __builtin_popcountll(dl_hash_mix(5, 77) ^ dl_hash_mix(5, 77 ^ (UINT64_C(1) << bit)));
	ok(abs(flipped - 64 * 32) < 200, "one bit of the value flips half of the hash: %d of %d", flipped, 64 * 64);
}

int
main(void)
{
	test_generator();
	test_streams();
	test_distributions();
	test_below();
	test_shuffle();
	test_hash();
	return done_testing();
}
