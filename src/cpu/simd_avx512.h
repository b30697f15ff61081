/*
 * simd_avx512.h
 *    The vector vocabulary of the kernels in AVX-512 (F, BW, DQ, VL).
 *
 * Exactly one simd_*.h is included before the template_*.h files; all define
 * the same names.  Rounding is to nearest, v_fma is fused, and v_min and v_max
 * return the second operand where either is NaN.
 */
#ifndef DL_CPU_SIMD_H
#define DL_CPU_SIMD_H

#include <immintrin.h>
#include <stdint.h>

#define W 16					/* lanes of a vector */
#define TILE_VECTORS 4			/* columns of a tile of the matrix product, in vectors */
#define ROW_VECTORS 8			/* outputs that dense_row keeps in registers, in vectors */
#define ROW_SKIPS_ZEROS 1			/* dense_row looks for inputs that are zero */
#define V_FIRST_IS_FREE 1			/* v_load_first() costs no more than v_load() */
#define OPENBLAS_PAYS 0		/* the tiles here are as fast, see bench/kernels.c */
#define INLINE static inline __attribute__((always_inline))

typedef __m512 V;
typedef __m512i VI;
typedef __mmask16 VM;			/* result of a comparison */
typedef __mmask16 VN;			/* the first lanes of a vector */

typedef struct VD
{
	__m512d		low,
				high;
} VD;

INLINE VN
vn_first(int n)
{
	return (VN) ((1u << n) - 1u);
}

INLINE V
v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

INLINE void
v_store(float *p, V a)
{
	_mm512_storeu_ps(p, a);
}

INLINE V
v_load_first(const float *p, VN first)
{
	return _mm512_maskz_loadu_ps(first, p);
}

INLINE void
v_store_first(float *p, VN first, V a)
{
	_mm512_mask_storeu_ps(p, first, a);
}

INLINE V
v_set1(float a)
{
	return _mm512_set1_ps(a);
}

INLINE V
v_zero(void)
{
	return _mm512_setzero_ps();
}

INLINE V
v_add(V a, V b)
{
	return _mm512_add_ps(a, b);
}

INLINE V
v_sub(V a, V b)
{
	return _mm512_sub_ps(a, b);
}

INLINE V
v_mul(V a, V b)
{
	return _mm512_mul_ps(a, b);
}

INLINE V
v_div(V a, V b)
{
	return _mm512_div_ps(a, b);
}

INLINE V
v_fma(V a, V b, V c)			/* a b + c */
{
	return _mm512_fmadd_ps(a, b, c);
}

INLINE V
v_fnma(V a, V b, V c)			/* c - a b */
{
	return _mm512_fnmadd_ps(a, b, c);
}

/* What rounding a b to product lost: a b - product, exactly. */
INLINE V
v_product_rest(V a, V b, V product)
{
	return _mm512_fmsub_ps(a, b, product);
}

INLINE V
v_min(V a, V b)
{
	return _mm512_min_ps(a, b);
}

INLINE V
v_max(V a, V b)
{
	return _mm512_max_ps(a, b);
}

INLINE V
v_sqrt(V a)
{
	return _mm512_sqrt_ps(a);
}

INLINE V
v_round(V a)
{
	return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE V
v_abs(V a)
{
	return _mm512_abs_ps(a);
}

INLINE V
v_copy_sign(V magnitude, V sign)
{
	return _mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}

INLINE VM
v_less(V a, V b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

INLINE V
v_select(VM m, V yes, V no)
{
	return _mm512_mask_blend_ps(m, no, yes);
}

/* 2 to the integer n, |n| <= 126. */
INLINE V
v_power_of_two(V n)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

/* a with its sign flipped where the integer n is odd. */
INLINE V
v_flip_odd(V a, V n)
{
	return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 31)));
}

/* The pairwise tree: lanes 8 apart, then 4, 2, 1. */
INLINE float
v_sum(V a)
{
	__m256		b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
	__m128		c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));

	c = _mm_add_ps(c, _mm_movehl_ps(c, c));
	c = _mm_add_ss(c, _mm_movehdup_ps(c));
	return _mm_cvtss_f32(c);
}

/* The sum over sixteen lanes that lie in 16/W vectors, by the same tree. */
INLINE float
v_sum_sixteen(const V *a)
{
	return v_sum(a[0]);
}

INLINE float
v_greatest(V a)
{
	return _mm512_reduce_max_ps(a);
}

/* a, and fill where not among the first lanes. */
INLINE V
v_fill(VN first, V a, V fill)
{
	return _mm512_mask_blend_ps(first, fill, a);
}

/* One bit a lane; NaN is not zero. */
INLINE unsigned
v_not_zero(V a)
{
	return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

/* Four floats, repeated over the vector; and one of them in all lanes (which is a constant). */
INLINE V
v_load_four(const float *p)
{
	return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
}

#define v_one_of_four(four, which) _mm512_permute_ps((four), (which) * 0x55)

INLINE VI
vi_load(const uint32_t *p)
{
	return _mm512_loadu_si512(p);
}

INLINE VI
vi_xor(VI a, VI b)
{
	return _mm512_xor_si512(a, b);
}

#define vi_shift_left(a, n) _mm512_slli_epi32((a), (n))
#define vi_shift_right(a, n) _mm512_srli_epi32((a), (n))

INLINE VI
vi_set1(int32_t a)
{
	return _mm512_set1_epi32(a);
}

INLINE VM
vi_less(VI a, VI b)				/* signed */
{
	return _mm512_cmplt_epi32_mask(a, b);
}

INLINE VD
vd_zero(void)
{
	return (VD) {_mm512_setzero_pd(), _mm512_setzero_pd()};
}

INLINE VD
vd_add_squares(VD sum, V a)
{
	__m512d		low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
	__m512d		high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));

	return (VD) {_mm512_fmadd_pd(low, low, sum.low), _mm512_fmadd_pd(high, high, sum.high)};
}

INLINE double
vd_sum(VD a)
{
	return _mm512_reduce_add_pd(_mm512_add_pd(a.low, a.high));
}

/* r[i] lane j <-> r[j] lane i. */
INLINE void
v_transpose(V r[W])
{
	V			t[W];

#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2)
	{
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4)
	{
		r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
		r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
		r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
		r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
	{
		t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
	{
		r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
		r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

#endif							/* DL_CPU_SIMD_H */
