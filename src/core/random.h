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

/* Mixes a value into a 64-bit hash; for contents of rows, not for security. */
extern uint64_t dl_hash_mix(uint64_t hash, uint64_t value);
extern uint64_t dl_hash_bytes(uint64_t hash, const void *bytes, size_t length);

#endif							/* DL_CORE_RANDOM_H */
