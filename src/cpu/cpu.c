/*
 * cpu.c
 *    Finds out what the processor can do and hands out the backend for it.
 *
 * The tables are filled once a process, by whichever thread asks first.
 */
#include "cpu/cpu.h"

#include <pthread.h>

#include "cpu/kernels.h"

static const char *const level_names[DL_CPU_LEVEL_COUNT] = {"plain", "avx2", "avx512"};
static const char *const backend_names[DL_CPU_LEVEL_COUNT] = {"cpu plain", "cpu avx2", "cpu avx512"};

typedef struct Tables
{
	DlCpuLevel	best;
	DlCpuKernels levels[DL_CPU_LEVEL_COUNT];
} Tables;

static Tables tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>

#define LEAF1_ECX_FMA (1u << 12)
#define LEAF1_ECX_OSXSAVE (1u << 27)
#define LEAF1_ECX_AVX (1u << 28)
#define LEAF7_EBX_AVX2 (1u << 5)
#define LEAF7_EBX_AVX512 ((1u << 16) | (1u << 17) | (1u << 30) | (1u << 31))	/* F, DQ, BW, VL */
#define STATE_AVX 0x06u			/* the system saves XMM and YMM */
#define STATE_AVX512 0xe6u		/* and the masks and ZMM */

static unsigned
saved_state(void)
{
	unsigned	low;
	unsigned	high;

	__asm__ volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return low;
}

DlCpuLevel
dl_cpu_detect(void)
{
	unsigned	eax;
	unsigned	ebx;
	unsigned	ecx;
	unsigned	edx;
	unsigned	state;
	const unsigned needed = LEAF1_ECX_FMA | LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & needed) != needed)
		return DL_CPU_PLAIN;
	state = saved_state();
	if ((state & STATE_AVX) != STATE_AVX || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) ||
		(ebx & LEAF7_EBX_AVX2) == 0)
		return DL_CPU_PLAIN;
	if ((state & STATE_AVX512) == STATE_AVX512 && (ebx & LEAF7_EBX_AVX512) == LEAF7_EBX_AVX512)
		return DL_CPU_AVX512;
	return DL_CPU_AVX2;
}

#else

DlCpuLevel
dl_cpu_detect(void)
{
	return DL_CPU_PLAIN;
}

#endif

const char *
dl_cpu_level_name(DlCpuLevel level)
{
	return level_names[level];
}

static void
fill_tables(void)
{
	static void (*const fill[DL_CPU_LEVEL_COUNT]) (DlCpuKernels *) = {
		[DL_CPU_PLAIN] = dl_cpu_kernels_plain,
#if defined(__x86_64__)
		[DL_CPU_AVX2] = dl_cpu_kernels_avx2,
		[DL_CPU_AVX512] = dl_cpu_kernels_avx512,
#endif
	};

	tables.best = dl_cpu_detect();
	for (int level = DL_CPU_PLAIN; level <= (int) tables.best; level++)
	{
		tables.levels[level].backend = *dl_backend_reference_f32();
		tables.levels[level].backend.name = backend_names[level];
		fill[level] (&tables.levels[level]);
	}
}

static const DlCpuKernels *
kernels_of(DlCpuLevel level)
{
	return level <= tables.best ? &tables.levels[level] : NULL;
}

const DlBackend *
dl_backend_cpu_level(DlCpuLevel level)
{
	const DlCpuKernels *kernels;

	pthread_once(&tables_once, fill_tables);
	kernels = kernels_of(level);
	return kernels != NULL ? &kernels->backend : NULL;
}

const DlBackend *
dl_backend_cpu(void)
{
	pthread_once(&tables_once, fill_tables);
	return &kernels_of(tables.best)->backend;
}

DlDenseRow
dl_cpu_dense_row_level(DlCpuLevel level)
{
	const DlCpuKernels *kernels;

	pthread_once(&tables_once, fill_tables);
	kernels = kernels_of(level);
	return kernels != NULL ? kernels->dense_row : NULL;
}

DlDenseRow
dl_cpu_dense_row(void)
{
	pthread_once(&tables_once, fill_tables);
	return kernels_of(tables.best)->dense_row;
}
