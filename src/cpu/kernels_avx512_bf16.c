/*
 * kernels_avx512_bf16.c
 *    Dense layers in bfloat16 by AVX-512.  Called only where bfloat16.c has
 *    found that the processor and the operating system support it.
 *
 * Left out where the compiler or its assembler does not know the instructions
 * (DL_HAVE_AVX512_BF16, from the Makefile).
 */
#if defined(DL_HAVE_AVX512_BF16)

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>

#include "cpu/cpu.h"

#if defined(__clang__)
#pragma clang attribute push (__attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "cpu/simd_avx512.h"
#include "cpu/bfloat16.h"

typedef __m512bh VB;

/* One row of a block: the two inputs of each column. */
INLINE VB
vb_load(const uint16_t *p)
{
	return (VB) _mm512_loadu_si512(p);
}

/* Two inputs in all lanes. */
INLINE VB
vb_set_pair(const uint16_t *p)
{
	int32_t		pair;

	memcpy(&pair, p, sizeof(pair));
	return (VB) _mm512_set1_epi32(pair);
}

INLINE V
vb_dot(V sum, VB a, VB b)
{
	return _mm512_dpbf16_ps(sum, a, b);
}

#include "cpu/template_bfloat16_vector.h"
#include "cpu/template_bfloat16.h"

void
dl_cpu_kernels_avx512_bf16(DlBackend *backend)
{
	backend->dense = kernel_dense_bfloat16;
	if (backend->workspace_size < BFLOAT16_WORKSPACE)
		backend->workspace_size = BFLOAT16_WORKSPACE;
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* DL_HAVE_AVX512_BF16 */
