/*
 * simd_plain.h
 *    The vector vocabulary of the kernels for any processor, on the vectors of
 *    four that GCC and clang know; see simd_avx512.h.  v_fma is fused only
 *    where the compiler's target has such an instruction.
 */
#ifndef DL_CPU_SIMD_H
#define DL_CPU_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define W 4
#define TILE_VECTORS 2
#define ROW_VECTORS 8
#define ROW_SKIPS_ZEROS 0			/* dense_row looks for inputs that are zero */
#define V_FIRST_IS_FREE 0
#define OPENBLAS_PAYS 1
#define INLINE static inline __attribute__((always_inline))

typedef float V __attribute__((vector_size(16)));
typedef uint32_t VI __attribute__((vector_size(16)));
typedef int32_t VM __attribute__((vector_size(16)));
typedef int VN;

typedef struct VD
{
	double		lane[W];
} VD;

INLINE VN
vn_first(int n)
{
	return n;
}

INLINE V
v_load(const float *p)
{
	V			a;

	memcpy(&a, p, sizeof(a));
	return a;
}

INLINE void
v_store(float *p, V a)
{
	memcpy(p, &a, sizeof(a));
}

INLINE V
v_load_first(const float *p, VN first)
{
	V			a = {0, 0, 0, 0};

	if (first == W)
		return v_load(p);
	for (int i = 0; i < first; i++)
		a[i] = p[i];
	return a;
}

INLINE void
v_store_first(float *p, VN first, V a)
{
	if (first == W)
		v_store(p, a);
	else
	{
		for (int i = 0; i < first; i++)
			p[i] = a[i];
	}
}

INLINE V
v_set1(float a)
{
	return (V) {a, a, a, a};
}

INLINE V
v_zero(void)
{
	return (V) {0, 0, 0, 0};
}

INLINE V
v_add(V a, V b)
{
	return a + b;
}

INLINE V
v_sub(V a, V b)
{
	return a - b;
}

INLINE V
v_mul(V a, V b)
{
	return a * b;
}

INLINE V
v_div(V a, V b)
{
	return a / b;
}

INLINE V
v_fma(V a, V b, V c)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
	return (V) {__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
		__builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
#else
	return a * b + c;
#endif
}

INLINE V
v_fnma(V a, V b, V c)
{
	return v_fma(-a, b, c);
}

/* A double holds the product of two floats. */
INLINE V
v_product_rest(V a, V b, V product)
{
	V			rest;

	for (int i = 0; i < W; i++)
		rest[i] = (float) ((double) a[i] * b[i] - product[i]);
	return rest;
}

INLINE V
v_select(VM m, V yes, V no)
{
	return (V) (((VM) yes & m) | ((VM) no & ~m));
}

INLINE V
v_min(V a, V b)
{
	return v_select(a < b, a, b);
}

INLINE V
v_max(V a, V b)
{
	return v_select(a > b, a, b);
}

INLINE V
v_sqrt(V a)
{
	return (V) {__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}

INLINE V
v_abs(V a)
{
	return (V) ((VM) a & (VM) {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX});
}

INLINE V
v_copy_sign(V magnitude, V sign)
{
	return (V) ((VM) magnitude | ((VM) sign & (VM) {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN}));
}

INLINE VM
v_less(V a, V b)
{
	return a < b;
}

/* Adding and taking away 1.5 2^23 rounds what is smaller than 2^22; what is larger has no use for it here. */
INLINE V
v_round(V a)
{
	V			magic = v_set1(12582912.0f);
	V			rounded = (a + magic) - magic;

	return v_select(v_less(v_abs(a), v_set1(4194304.0f)), rounded, a);
}

/* The integer n, |n| < 2^22, lies in the low bits of its sum with 1.5 2^23. */
INLINE VI
vi_from_integer(V n)
{
	return (VI) (n + v_set1(12582912.0f)) - 0x4b400000u;
}

INLINE V
v_power_of_two(V n)
{
	return (V) ((vi_from_integer(n) + 127u) << 23);
}

INLINE V
v_flip_odd(V a, V n)
{
	return (V) ((VI) a ^ (vi_from_integer(n) << 31));
}

INLINE float
v_sum(V a)
{
	return (a[0] + a[2]) + (a[1] + a[3]);
}

INLINE float
v_sum_sixteen(const V *a)
{
	return v_sum((a[0] + a[2]) + (a[1] + a[3]));
}

INLINE float
v_greatest(V a)
{
	float		x = a[0] > a[1] ? a[0] : a[1];
	float		y = a[2] > a[3] ? a[2] : a[3];

	return x > y ? x : y;
}

INLINE V
v_fill(VN first, V a, V fill)
{
	for (int i = first; i < W; i++)
		a[i] = fill[i];
	return a;
}

INLINE V
v_load_four(const float *p)
{
	return v_load(p);
}

#define v_one_of_four(four, which) __builtin_shufflevector((four), (four), (which), (which), (which), (which))

INLINE VI
vi_load(const uint32_t *p)
{
	VI			a;

	memcpy(&a, p, sizeof(a));
	return a;
}

INLINE VI
vi_xor(VI a, VI b)
{
	return a ^ b;
}

#define vi_shift_left(a, n) ((a) << (n))
#define vi_shift_right(a, n) ((a) >> (n))

INLINE VI
vi_set1(int32_t a)
{
	return (VI) {(uint32_t) a, (uint32_t) a, (uint32_t) a, (uint32_t) a};
}

INLINE VM
vi_less(VI a, VI b)
{
	return (VM) a < (VM) b;
}

INLINE VD
vd_zero(void)
{
	return (VD) {{0, 0, 0, 0}};
}

INLINE VD
vd_add_squares(VD sum, V a)
{
	for (int i = 0; i < W; i++)
		sum.lane[i] += (double) a[i] * a[i];
	return sum;
}

INLINE double
vd_sum(VD a)
{
	return (a.lane[0] + a.lane[2]) + (a.lane[1] + a.lane[3]);
}

INLINE void
v_transpose(V r[W])
{
	for (int i = 0; i < W; i++)
	{
		for (int j = 0; j < i; j++)
		{
			float		t = r[i][j];

			r[i][j] = r[j][i];
			r[j][i] = t;
		}
	}
}

#endif							/* DL_CPU_SIMD_H */
