/*
 * random.h
 *    Random numbers with explicit state: no global generator, so that the same
 *    seed gives the same model whatever else runs.
 *
 * Generator: xoshiro256++ (Blackman and Vigna, 2019), seeded by splitmix64.
 */
#ifndef DL_CORE_RANDOM_H
#define DL_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct DlRandom
{
	uint64_t	state[4];
} DlRandom;

/* Streams of one seed are independent of each other. */
extern void dl_random_seed(DlRandom *random, uint64_t seed, uint64_t stream);
extern uint64_t dl_random_bits(DlRandom *random);
extern double dl_random_uniform(DlRandom *random);	/* [0, 1), 53 bits */
extern double dl_random_normal(DlRandom *random);	/* mean 0, deviation 1 */
extern uint64_t dl_random_below(DlRandom *random, uint64_t limit);	/* [0, limit), unbiased; limit > 0 */
extern void dl_random_shuffle(DlRandom *random, uint32_t *items, size_t count);

/* Finaliser of splitmix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t
dl_hash_finalise(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Mixes a value into a 64-bit hash; for contents of rows, not for security. */
static inline uint64_t
dl_hash_mix(uint64_t hash, uint64_t value)
{
	return dl_hash_finalise(hash * UINT64_C(0x9e3779b97f4a7c15) + value + UINT64_C(0x632be59bd9b4e019));
}

extern uint64_t dl_hash_bytes(uint64_t hash, const void *bytes, size_t length);

#endif							/* DL_CORE_RANDOM_H */
