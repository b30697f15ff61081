/*
 * kernels.h
 *    What the instruction sets give to cpu.c: each fills a table that starts
 *    as the plain one.
 */
#ifndef DL_CPU_KERNELS_H
#define DL_CPU_KERNELS_H

#include "cpu/cpu.h"

typedef struct DlCpuKernels
{
	DlBackend	backend;
	DlDenseRow	dense_row;
} DlCpuKernels;

extern void dl_cpu_kernels_plain(DlCpuKernels *kernels);

#if defined(__x86_64__)
extern void dl_cpu_kernels_avx2(DlCpuKernels *kernels);
extern void dl_cpu_kernels_avx512(DlCpuKernels *kernels);
#endif

/*
 * c[m,n] (+)= op(a) op(b) by OpenBLAS, as gemm() in core/backend.h has it, cut
 * into calls short enough to be cancelled between; false when it is closed.
 */
extern bool dl_cpu_blas_gemm(const DlWorkspace *w, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
							 int64_t k, const float *a, const float *b, bool accumulate, float *c);

#endif							/* DL_CPU_KERNELS_H */
