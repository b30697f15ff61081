/*
 * kernels_amx_bf16.c
 *    Dense layers in bfloat16 by the tiles of AMX.  Called only where bfloat16.c
 *    has found that the processor supports it and the operating system permits it.
 *
 * The tiles are configured at the start of a call and released at its end, so
 * that nothing is left in the thread: a task that holds tiles is switched more slowly.
 *
 * Left out where the compiler or its assembler does not know the instructions
 * (DL_HAVE_AMX_BF16, from the Makefile).
 */
#if defined(DL_HAVE_AMX_BF16)

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>

#include "cpu/cpu.h"

#if defined(__clang__)
#pragma clang attribute push (__attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "cpu/simd_avx512.h"
#include "cpu/bfloat16.h"

/* As LDTILECFG reads it: eight tiles of 16 rows of 64 bytes. */
typedef struct TileConfiguration
{
	uint8_t		palette;
	uint8_t		start_row;
	uint8_t		reserved[14];
	uint16_t	row_bytes[16];
	uint8_t		rows[16];
} TileConfiguration;

static const TileConfiguration whole_tiles = {
	.palette = 1,
	.row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
	.rows = {16, 16, 16, 16, 16, 16, 16, 16}
};

/* Compilers do not all know that loads and stores of tiles read and write memory. */
#define TILE_MEMORY() __asm__ volatile ("" : : : "memory")

#define TILE_BEGIN() _tile_loadconfig(&whole_tiles)
#define TILE_END() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, from, bytes) \
	do { \
		TILE_MEMORY(); \
		_tile_loadd(tile, from, (size_t) (bytes)); \
	} while (0)
#define TILE_STORE(tile, to, bytes) \
	do { \
		TILE_MEMORY(); \
		_tile_stored(tile, to, (size_t) (bytes)); \
		TILE_MEMORY(); \
	} while (0)
#define TILE_MULTIPLY(sum, a, b) _tile_dpbf16ps(sum, a, b)

#include "cpu/template_bfloat16_tile.h"
#include "cpu/template_bfloat16.h"

void
dl_cpu_kernels_amx_bf16(DlBackend *backend)
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

#endif							/* DL_HAVE_AMX_BF16 */
