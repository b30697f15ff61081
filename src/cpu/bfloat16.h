/*
 * bfloat16.h
 *    Matrix products of bfloat16 inputs that are summed in float32: how inputs
 *    are rounded, and how both operands lie in memory.
 *
 * Included by the files that are compiled for one instruction set each, so
 * that loops become that set's vectors; and by tests.
 */
#ifndef DL_CPU_BFLOAT16_H
#define DL_CPU_BFLOAT16_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cpu/cpu.h"

/*
 * Packed weights: blocks of BFLOAT16_COLUMNS columns, each
 * [padded depth / 2][BFLOAT16_COLUMNS][2]: two inputs of a column side by side,
 * as the instructions of AVX-512 and the tiles of AMX both take them.  What is
 * beyond the depth or the columns is 0.
 */
#define BFLOAT16_COLUMNS 16
#define BFLOAT16_DEPTH 32		/* the depth is padded to a multiple: one tile of AMX */
#define BFLOAT16_LEAST_COLUMNS 16	/* narrower layers are computed in float32 */

/* To nearest, ties to even; NaN stays NaN.  Without a branch, so that loops work on vectors. */
static inline uint16_t
bfloat16_round(float x)
{
	uint32_t	bits;
	uint32_t	rounded;

	memcpy(&bits, &x, sizeof(bits));
	rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
	return (uint16_t) ((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

static inline int64_t
bfloat16_padded(int64_t depth)
{
	return (depth + BFLOAT16_DEPTH - 1) / BFLOAT16_DEPTH * BFLOAT16_DEPTH;
}

/* Elements of packed weights. */
static inline int64_t
bfloat16_packed(int64_t depth, int64_t columns)
{
	return (columns + BFLOAT16_COLUMNS - 1) / BFLOAT16_COLUMNS * BFLOAT16_COLUMNS * bfloat16_padded(depth);
}

/* Two inputs of 16 columns. */
static inline void
bfloat16_interleave(const float *first, const float *second, uint16_t *packed)
{
	for (int i = 0; i < BFLOAT16_COLUMNS; i++)
	{
		uint32_t	both = bfloat16_round(first[i]) | (uint32_t) bfloat16_round(second[i]) << 16;

		memcpy(packed + 2 * i, &both, sizeof(both));
	}
}

/* Inputs [k, k + 1] of up to 16 columns, which may be beyond the depth. */
static inline void
bfloat16_pack_pair(int64_t k, int64_t depth, int64_t columns, const float *weight, int64_t stride, uint16_t *packed)
{
	float		pair[2][BFLOAT16_COLUMNS] = {{0}};

	if (columns == BFLOAT16_COLUMNS && k + 1 < depth)
	{
		bfloat16_interleave(weight + k * stride, weight + (k + 1) * stride, packed);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (k + i < depth)
			memcpy(pair[i], weight + (k + i) * stride, (size_t) columns * sizeof(float));
	bfloat16_interleave(pair[0], pair[1], packed);
}

/* weight[depth, columns] at stride, to bfloat16_packed() elements; rows in groups, which are read along. */
static inline void
bfloat16_pack(int64_t depth, int64_t columns, const float *weight, int64_t stride, uint16_t *packed)
{
	const int64_t padded = bfloat16_padded(depth);

	for (int64_t group = 0; group < padded; group += BFLOAT16_DEPTH)
		for (int64_t column = 0; column < columns; column += BFLOAT16_COLUMNS)
		{
			int64_t		width = columns - column < BFLOAT16_COLUMNS ? columns - column : BFLOAT16_COLUMNS;
			uint16_t   *to = packed + column * padded + group * BFLOAT16_COLUMNS;

			for (int64_t k = group; k < group + BFLOAT16_DEPTH; k += 2)
			{
				bfloat16_pack_pair(k, depth, width, weight + column, stride, to);
				to += 2 * BFLOAT16_COLUMNS;
			}
		}
}

/*
 * Part of a product: up to PART_COLUMNS columns, over a part of the depth.
 * Each kernel has a part_run() for it.
 */
typedef struct Bfloat16Part
{
	int64_t		rows;
	int64_t		columns;
	int64_t		depth;
	const uint16_t *a;			/* [rows, padded depth] at a_stride, 0 beyond the depth; readable, as any numbers, up to a multiple of 16 rows */
	int64_t		a_stride;
	const uint16_t *b;			/* packed; blocks are b_stride elements apart */
	int64_t		b_stride;
	float	   *c;
	int64_t		c_stride;
	bool		fresh;			/* start from zero, else from c */
	const float *bias;			/* NULL: none */
	bool		relu;			/* with bias: at the end */
	float	   *scratch;		/* PART_SCRATCH floats */
} Bfloat16Part;

#define PART_COLUMNS 64
#define PART_SCRATCH 1024

/* What the instruction sets give to bfloat16.c: the dense() of a backend, and the memory that it takes. */
extern void dl_cpu_kernels_avx512_bf16(DlBackend *backend);
extern void dl_cpu_kernels_amx_bf16(DlBackend *backend);

#endif							/* DL_CPU_BFLOAT16_H */
