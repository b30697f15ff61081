/*
 * random.c
 *    xoshiro256++, and the 64-bit mixing that seeds it and hashes rows.
 */
#include "core/random.h"

#include <math.h>
#include <string.h>

static uint64_t
rotate_left(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void
dl_random_seed(DlRandom *random, uint64_t seed, uint64_t stream)
{
	uint64_t	z = dl_hash_mix(seed, stream);

	for (int i = 0; i < 4; i++)
	{
		z += UINT64_C(0x9e3779b97f4a7c15);
		random->state[i] = dl_hash_finalise(z);
	}
}

uint64_t
dl_random_bits(DlRandom *random)
{
	uint64_t   *s = random->state;
	uint64_t	result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double
dl_random_uniform(DlRandom *random)
{
	return (double) (dl_random_bits(random) >> 11) * 0x1.0p-53;
}

double
dl_random_normal(DlRandom *random)
{
	/* Box and Muller, 1958; the second value is dropped to keep the state plain */
	double		u = 1.0 - dl_random_uniform(random);
	double		v = dl_random_uniform(random);

	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t
dl_random_below(DlRandom *random, uint64_t limit)
{
	uint64_t	reject = -limit % limit;
	uint64_t	bits;

	do
		bits = dl_random_bits(random);
	while (bits < reject);
	return bits % limit;
}

void
dl_random_shuffle(DlRandom *random, uint32_t *items, size_t count)
{
	for (size_t i = count; i > 1; i--)
	{
		size_t		j = (size_t) dl_random_below(random, i);
		uint32_t	item = items[i - 1];

		items[i - 1] = items[j];
		items[j] = item;
	}
}

uint64_t
dl_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *p = bytes;

	hash = dl_hash_mix(hash, length);
	while (length >= 8)
	{
		uint64_t	word;

		memcpy(&word, p, 8);
		hash = dl_hash_mix(hash, word);
		p += 8;
		length -= 8;
	}
	if (length > 0)
	{
		uint64_t	word = 0;

		memcpy(&word, p, length);
		hash = dl_hash_mix(hash, word);
	}
	return hash;
}
