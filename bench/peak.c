/*
 * peak.c
 *    The limit of a core: fused multiplications and additions of float32 in
 *    registers, in GFLOP/s.
 *
 * One line of JSON; 0 where the processor has no vector unit that this knows.
 */
#include <stdio.h>
#include <time.h>

#define WINDOWS 40
#define ROUNDS 200000

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

#ifdef __x86_64__
#include <immintrin.h>

/* Twelve sums that do not wait for each other; the empty asm hides the factors and uses the sums. */
#define LOOP(TYPE, SET, FMA) \
	TYPE		sum[12]; \
	TYPE		a = SET(1.0f); \
	TYPE		b = SET(1e-9f); \
	__asm__ volatile("" : "+v"(a), "+v"(b)); \
	for (int i = 0; i < 12; i++) \
		sum[i] = SET((float) i); \
	for (long round = 0; round < ROUNDS; round++) \
	{ \
		_Pragma("GCC unroll 12") \
		for (int i = 0; i < 12; i++) \
			sum[i] = FMA(sum[i], a, b); \
	} \
	_Pragma("GCC unroll 12") \
	for (int i = 0; i < 12; i++) \
		__asm__ volatile("" : : "v"(sum[i]))

__attribute__((target("avx512f"))) static void
run_512(void)
{
	LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps);
}

__attribute__((target("avx2,fma"))) static void
run_256(void)
{
	LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps);
}
#endif

int
main(void)
{
	void		(*run) (void) = NULL;
	const char *name = "none";
	int			lanes = 0;
	double		best = 0;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f"))
	{
		run = run_512;
		lanes = 16;
		name = "avx512";
	}
	else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
	{
		run = run_256;
		lanes = 8;
		name = "avx2";
	}
#endif
	for (int window = 0; window < WINDOWS && run != NULL; window++)
	{
		double		start = seconds();
		double		rate;

		run();
		rate = 2.0 * 12 * lanes * ROUNDS / (seconds() - start) * 1e-9;
		best = rate > best ? rate : best;
	}
	printf("{\"case\": \"peak\", \"vectors\": \"%s\", \"gflops\": %.1f}\n", name, best);
	return 0;
}
