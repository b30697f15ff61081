/*
 * cpu.h
 *    The fast CPU backend for float32, and those that multiply bfloat16.
 */
#ifndef DL_CPU_CPU_H
#define DL_CPU_CPU_H

#include "core/backend.h"

typedef enum DlCpuLevel
{
	DL_CPU_PLAIN,				/* C as the compiler makes it for any x86-64, or any other processor */
	DL_CPU_AVX2,				/* AVX2 and FMA */
	DL_CPU_AVX512,				/* AVX-512 F, BW, DQ, VL */
	DL_CPU_LEVEL_COUNT
} DlCpuLevel;

/* What this processor and operating system can do. */
extern DlCpuLevel dl_cpu_detect(void);
extern const char *dl_cpu_level_name(DlCpuLevel level);

/*
 * The backend of the best level, chosen at the first call (thread-safe).
 * Each level's own, for tests; NULL where the processor lacks it.
 */
extern const DlBackend *dl_backend_cpu(void);
extern const DlBackend *dl_backend_cpu_level(DlCpuLevel level);

/*
 * One row through one layer, for scoring row by row; equal to the bit to
 * dense() with row_invariant.  The same table of levels.
 * weight[in,out], out contiguous.
 */
typedef void (*DlDenseRow) (int64_t in, int64_t out, const float *x, const float *weight, const float *bias,
							DlActivation activation, float *y);
extern DlDenseRow dl_cpu_dense_row(void);
extern DlDenseRow dl_cpu_dense_row_level(DlCpuLevel level);

/*
 * Backends whose dense() rounds inputs and weights to bfloat16 (to nearest,
 * ties to even) and sums the products in float32, in layers of 16 outputs or
 * more; all else is that of dl_backend_cpu().  A row's result does not depend on
 * the rows that are computed with it; it does on the processor, in the order of
 * the sums, and numbers below 1.2e-38 count as 0.  Weights are packed at every
 * call unless they are found in DlWorkspace.packed.
 */
typedef enum DlCpuBfloat16
{
	DL_CPU_AVX512_BF16,
	DL_CPU_AMX_BF16,			/* preferred */
	DL_CPU_BFLOAT16_COUNT
} DlCpuBfloat16;

/* The best one, and each; NULL where the processor, the operating system or the compiler lacks it. */
extern const DlBackend *dl_backend_cpu_bfloat16(void);
extern const DlBackend *dl_backend_cpu_bfloat16_level(DlCpuBfloat16 level);
extern const char *dl_cpu_bfloat16_name(DlCpuBfloat16 level);

/*
 * Weights [in,out] packed for all of them: the bytes that it takes (0: the layer is computed in float32), a multiple of
 * DL_ALIGNMENT, and packing.  The caller has checked that the bytes of the weights themselves do not wrap.
 */
extern size_t dl_cpu_bfloat16_bytes(int64_t in, int64_t out);
extern void dl_cpu_bfloat16_pack(int64_t in, int64_t out, const float *weight, void *packed);

/*
 * Opens OpenBLAS for large products, once a process, lazily: all signals
 * blocked, one thread, the core type named where its own choice is poor, and
 * warmed up.  Returns NULL when it can be used, else why not (then the own
 * kernels serve).  Never called in the postmaster.
 */
extern const char *dl_cpu_blas_open(void);
extern const char *dl_cpu_blas_core(void);	/* name of the core it runs, "" when closed */

#endif							/* DL_CPU_CPU_H */
