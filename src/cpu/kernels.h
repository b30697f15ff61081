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

/* y = activation(c (+)= op(a)[rows,depth] op(b)[depth,columns] + bias) */
typedef struct DlProduct
{
	int64_t		rows;
	int64_t		columns;
	int64_t		depth;
	const float *a;				/* stored [depth,rows] when transposed_a */
	int64_t		a_stride;
	bool		transposed_a;
	const float *b;				/* stored [columns,depth] when transposed_b */
	int64_t		b_stride;
	bool		transposed_b;
	float	   *c;
	int64_t		c_stride;
	bool		accumulate;
	const float *bias;			/* NULL: none */
	DlActivation activation;
	float	   *y;				/* at c_stride; c itself or another matrix */
} DlProduct;

/*
 * The sum alone, without bias and activation, by OpenBLAS, cut into calls short enough to be cancelled between; false,
 * with nothing done, when it has not been opened or a size is too large for it.
 */
extern bool dl_cpu_blas_gemm(const DlWorkspace *w, const DlProduct *product);

#endif							/* DL_CPU_KERNELS_H */
