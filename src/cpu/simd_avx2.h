/*
 * simd_avx2.h
 *    The vector vocabulary of the kernels in AVX2 and FMA; see simd_avx512.h.
 */
#ifndef DL_CPU_SIMD_H
#define DL_CPU_SIMD_H

#include <immintrin.h>
#include <stdint.h>

#define W 8
#define TILE_VECTORS 2
#define ROW_VECTORS 8
#define ROW_SKIPS_ZEROS 1			/* dense_row looks for inputs that are zero */
#define V_FIRST_IS_FREE 0
#define OPENBLAS_PAYS 0
#define INLINE static inline __attribute__((always_inline))

typedef __m256 V;
typedef __m256i VI;
typedef __m256 VM;
typedef __m256i VN;

typedef struct VD
{
	__m256d		low,
				high;
} VD;

static const int32_t first_lanes[2 * W] = {-1, -1, -1, -1, -1, -1, -1, -1};

INLINE VN
vn_first(int n)
{
	return _mm256_loadu_si256((const __m256i *) (first_lanes + W - n));
}

INLINE V
v_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

INLINE void
v_store(float *p, V a)
{
	_mm256_storeu_ps(p, a);
}

INLINE V
v_load_first(const float *p, VN first)
{
	return _mm256_maskload_ps(p, first);
}

INLINE void
v_store_first(float *p, VN first, V a)
{
	_mm256_maskstore_ps(p, first, a);
}

INLINE V
v_set1(float a)
{
	return _mm256_set1_ps(a);
}

INLINE V
v_zero(void)
{
	return _mm256_setzero_ps();
}

INLINE V
v_add(V a, V b)
{
	return _mm256_add_ps(a, b);
}

INLINE V
v_sub(V a, V b)
{
	return _mm256_sub_ps(a, b);
}

INLINE V
v_mul(V a, V b)
{
	return _mm256_mul_ps(a, b);
}

INLINE V
v_div(V a, V b)
{
	return _mm256_div_ps(a, b);
}

INLINE V
v_fma(V a, V b, V c)
{
	return _mm256_fmadd_ps(a, b, c);
}

INLINE V
v_fnma(V a, V b, V c)
{
	return _mm256_fnmadd_ps(a, b, c);
}

INLINE V
v_product_rest(V a, V b, V product)
{
	return _mm256_fmsub_ps(a, b, product);
}

INLINE V
v_min(V a, V b)
{
	return _mm256_min_ps(a, b);
}

INLINE V
v_max(V a, V b)
{
	return _mm256_max_ps(a, b);
}

INLINE V
v_sqrt(V a)
{
	return _mm256_sqrt_ps(a);
}

INLINE V
v_round(V a)
{
	return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE V
v_abs(V a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

INLINE V
v_copy_sign(V magnitude, V sign)
{
	return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}

INLINE VM
v_less(V a, V b)
{
	return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

INLINE V
v_select(VM m, V yes, V no)
{
	return _mm256_blendv_ps(no, yes, m);
}

INLINE V
v_power_of_two(V n)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

INLINE V
v_flip_odd(V a, V n)
{
	return _mm256_castsi256_ps(_mm256_xor_si256(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 31)));
}

INLINE float
v_sum(V a)
{
	__m128		c = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	c = _mm_add_ps(c, _mm_movehl_ps(c, c));
	c = _mm_add_ss(c, _mm_movehdup_ps(c));
	return _mm_cvtss_f32(c);
}

INLINE float
v_sum_sixteen(const V *a)
{
	return v_sum(v_add(a[0], a[1]));
}

INLINE float
v_greatest(V a)
{
	__m128		c = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	c = _mm_max_ps(c, _mm_movehl_ps(c, c));
	c = _mm_max_ss(c, _mm_movehdup_ps(c));
	return _mm_cvtss_f32(c);
}

INLINE V
v_fill(VN first, V a, V fill)
{
	return _mm256_blendv_ps(fill, a, _mm256_castsi256_ps(first));
}

/* One bit a lane; NaN is not zero. */
INLINE unsigned
v_not_zero(V a)
{
	return (unsigned) _mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NEQ_UQ));
}

INLINE V
v_load_four(const float *p)
{
	return _mm256_broadcast_ps((const __m128 *) p);
}

#define v_one_of_four(four, which) _mm256_permute_ps((four), (which) * 0x55)

INLINE VI
vi_load(const uint32_t *p)
{
	return _mm256_loadu_si256((const __m256i *) p);
}

INLINE VI
vi_xor(VI a, VI b)
{
	return _mm256_xor_si256(a, b);
}

#define vi_shift_left(a, n) _mm256_slli_epi32((a), (n))
#define vi_shift_right(a, n) _mm256_srli_epi32((a), (n))

INLINE VI
vi_set1(int32_t a)
{
	return _mm256_set1_epi32(a);
}

INLINE VM
vi_less(VI a, VI b)
{
	return _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a));
}

INLINE VD
vd_zero(void)
{
	return (VD) {_mm256_setzero_pd(), _mm256_setzero_pd()};
}

INLINE VD
vd_add_squares(VD sum, V a)
{
	__m256d		low = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
	__m256d		high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));

	return (VD) {_mm256_fmadd_pd(low, low, sum.low), _mm256_fmadd_pd(high, high, sum.high)};
}

INLINE double
vd_sum(VD a)
{
	__m256d		b = _mm256_add_pd(a.low, a.high);
	__m128d		c = _mm_add_pd(_mm256_castpd256_pd128(b), _mm256_extractf128_pd(b, 1));

	return _mm_cvtsd_f64(_mm_add_sd(c, _mm_unpackhi_pd(c, c)));
}

INLINE void
v_transpose(V r[W])
{
	V			t[W];

	for (int i = 0; i < 8; i += 2)
	{
		t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
	}
	for (int i = 0; i < 8; i += 4)
	{
		r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
		r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
		r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
	for (int i = 0; i < 4; i++)
	{
		t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
		t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
	}
	for (int i = 0; i < 8; i++)
		r[i] = t[i];
}

#endif							/* DL_CPU_SIMD_H */
