/*
 * kernels_avx512.c
 *    The kernels in AVX-512.  Called only where cpu.c has found that the
 *    processor and the operating system support it.
 *
 * The target is set for this file alone, after the C library's headers, so
 * that the rest is compiled for any processor.
 */
#if defined(__x86_64__)

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>

#include "cpu/kernels.h"

#if defined(__clang__)
#pragma clang attribute push (__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "cpu/simd_avx512.h"

#define KERNELS_FILL dl_cpu_kernels_avx512
#include "cpu/template_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* x86-64 */
