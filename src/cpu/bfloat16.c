/*
 * bfloat16.c
 *    Finds out how the processor multiplies bfloat16, and hands out the
 *    backend for it.
 *
 * The table is filled once a process, by whichever thread asks first.  The
 * permission to use the tiles of AMX is asked for there, once; processes that
 * are forked afterwards inherit it.
 */
#define _GNU_SOURCE
#include "cpu/bfloat16.h"

#include <pthread.h>
#include <unistd.h>

static const char *const level_names[DL_CPU_BFLOAT16_COUNT] = {"avx512_bf16", "amx_bf16"};

typedef struct Table
{
	bool		there[DL_CPU_BFLOAT16_COUNT];
	DlBackend	backends[DL_CPU_BFLOAT16_COUNT];
} Table;

static Table table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__) && (defined(DL_HAVE_AVX512_BF16) || defined(DL_HAVE_AMX_BF16))
#include <cpuid.h>

#define LEAF7_EDX_AMX ((1u << 22) | (1u << 24)) /* BF16, TILE */
#define LEAF7_1_EAX_AVX512_BF16 (1u << 5)
#define STATE_TILES (3u << 17)	/* the system saves the tiles and their configuration */

#if defined(__linux__)
#include <sys/syscall.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define FEATURE_TILES 18

static bool
tiles_permitted(void)
{
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, FEATURE_TILES) == 0;
}

#else

static bool
tiles_permitted(void)
{
	return false;
}

#endif

static unsigned
saved_state(void)
{
	unsigned	low;
	unsigned	high;

	__asm__ volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return low;
}

static bool
processor_has(DlCpuBfloat16 level)
{
	unsigned	eax;
	unsigned	ebx;
	unsigned	ecx;
	unsigned	edx;

	if (dl_cpu_detect() != DL_CPU_AVX512)
		return false;
	if (level == DL_CPU_AVX512_BF16)
		return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & LEAF7_1_EAX_AVX512_BF16) != 0;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & LEAF7_EDX_AMX) == LEAF7_EDX_AMX &&
		(saved_state() & STATE_TILES) == STATE_TILES && tiles_permitted();
}

#endif

static void
fill_table(void)
{
	static void (*const fill[DL_CPU_BFLOAT16_COUNT]) (DlBackend *) = {
#if defined(DL_HAVE_AVX512_BF16)
		[DL_CPU_AVX512_BF16] = dl_cpu_kernels_avx512_bf16,
#endif
#if defined(DL_HAVE_AMX_BF16)
		[DL_CPU_AMX_BF16] = dl_cpu_kernels_amx_bf16,
#endif
	};
	static const char *const names[DL_CPU_BFLOAT16_COUNT] = {"cpu avx512_bf16", "cpu amx_bf16"};

	for (int level = 0; level < DL_CPU_BFLOAT16_COUNT; level++)
	{
#if defined(__x86_64__) && (defined(DL_HAVE_AVX512_BF16) || defined(DL_HAVE_AMX_BF16))
		table.there[level] = fill[level] != NULL && processor_has((DlCpuBfloat16) level);
#endif
		if (!table.there[level])
			continue;
		table.backends[level] = *dl_backend_cpu();
		table.backends[level].name = names[level];
		fill[level] (&table.backends[level]);
	}
}

const char *
dl_cpu_bfloat16_name(DlCpuBfloat16 level)
{
	return level_names[level];
}

const DlBackend *
dl_backend_cpu_bfloat16_level(DlCpuBfloat16 level)
{
	pthread_once(&table_once, fill_table);
	return table.there[level] ? &table.backends[level] : NULL;
}

const DlBackend *
dl_backend_cpu_bfloat16(void)
{
	const DlBackend *backend = NULL;

	for (int level = 0; level < DL_CPU_BFLOAT16_COUNT; level++)
		if (dl_backend_cpu_bfloat16_level((DlCpuBfloat16) level) != NULL)
			backend = dl_backend_cpu_bfloat16_level((DlCpuBfloat16) level);
	return backend;
}

size_t
dl_cpu_bfloat16_bytes(int64_t in, int64_t out)
{
	return out < BFLOAT16_LEAST_COLUMNS ? 0 : (size_t) bfloat16_packed(in, out) * sizeof(uint16_t);
}

void
dl_cpu_bfloat16_pack(int64_t in, int64_t out, const float *weight, void *packed)
{
	bfloat16_pack(in, out, weight, out, packed);
}
