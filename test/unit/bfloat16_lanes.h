/*
 * bfloat16_lanes.h
 *    What the templates of bfloat16 need of simd_avx512.h, in plain C.
 */
#ifndef DL_TEST_BFLOAT16_LANES_H
#define DL_TEST_BFLOAT16_LANES_H

#include <math.h>
#include <string.h>

#include "cpu/bfloat16.h"

#define W 16
#define INLINE static inline __attribute__((unused))

typedef struct V
{
	float		lane[W];
} V;

typedef int VN;

static inline float
bfloat16_value(uint16_t bits)
{
	uint32_t	wide = (uint32_t) bits << 16;
	float		value;

	memcpy(&value, &wide, sizeof(value));
	return value;
}

INLINE VN
vn_first(int n)
{
	return n;
}

INLINE V
v_zero(void)
{
	return (V) {{0}};
}

INLINE V
v_load_first(const float *p, VN first)
{
	V			a = v_zero();

	memcpy(a.lane, p, (size_t) first * sizeof(float));
	return a;
}

INLINE V
v_load(const float *p)
{
	return v_load_first(p, W);
}

INLINE void
v_store_first(float *p, VN first, V a)
{
	memcpy(p, a.lane, (size_t) first * sizeof(float));
}

INLINE void
v_store(float *p, V a)
{
	v_store_first(p, W, a);
}

INLINE V
v_add(V a, V b)
{
	for (int i = 0; i < W; i++)
		a.lane[i] += b.lane[i];
	return a;
}

INLINE V
v_max(V a, V b)
{
	for (int i = 0; i < W; i++)
		a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
	return a;
}

#endif							/* DL_TEST_BFLOAT16_LANES_H */
