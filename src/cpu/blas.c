/*
 * blas.c
 *    OpenBLAS, opened at run time: the only file that knows it.
 *
 * Why it is handled like this (all measured with OpenBLAS 0.3.21):
 *   - it starts threads as soon as it is loaded, with the process's signals
 *     open in them: so it is told to use one thread, and every signal is
 *     blocked while it is opened and warmed up;
 *   - it does not know newer processors and then takes kernels that are
 *     several times slower: so its core type is named for it;
 *   - short of memory its first call never returns: so memory is tried
 *     first, and the first call is made here;
 *   - a call cannot be interrupted: so a product is cut, and the caller's
 *     cancel flag is looked at between the pieces.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/kernels.h"

#define LIBRARY "libopenblas.so.0"
#define NEEDED_BYTES ((size_t) 256 << 20)	/* of address space: its buffers */
#define CALL_MULTIPLY_ADDS 1.0e9	/* 2 GFLOP */
#define LARGEST (INT32_MAX / 2)	/* size or stride that OpenBLAS is given */
#define WARM_UP 64

/* The C interface of BLAS, as its standard has it. */
#define ROW_MAJOR 101
#define NO_TRANSPOSE 111
#define TRANSPOSE 112

typedef void (*Sgemm) (int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
					   const float *a, int a_stride, const float *b, int b_stride, float beta, float *c, int c_stride);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(Sgemm) sgemm;
static const char *failure = "OpenBLAS has not been opened";
static char core_name[64];

/* A variable of the environment, set for a while. */
typedef struct Variable
{
	const char *name;
	char	   *before;			/* malloc'd; NULL: was not set */
} Variable;

static bool
set_variable(Variable *v, const char *name, const char *value)
{
	const char *before = getenv(name);

	v->name = name;
	v->before = before != NULL ? strdup(before) : NULL;
	return (before == NULL || v->before != NULL) && setenv(name, value, 1) == 0;
}

static void
restore_variable(Variable *v)
{
	if (v->before != NULL)
		setenv(v->name, v->before, 1);
	else
		unsetenv(v->name);
	free(v->before);
}

/* The core type to name: the user's own, else one that exists in every version and has this level's instructions. */
static const char *
core_type(void)
{
	const char *chosen = getenv("OPENBLAS_CORETYPE");

	if (chosen != NULL && chosen[0] != '\0')
		return chosen;
	switch (dl_cpu_detect())
	{
		case DL_CPU_AVX512:
			return "SkylakeX";
		case DL_CPU_AVX2:
			return "Haswell";
		default:
			return "";
	}
}

static bool
memory_at_hand(void)
{
	void	   *p = mmap(NULL, NEEDED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, NEEDED_BYTES);
	return true;
}

static void
warm_up(Sgemm function)
{
	static const float a[WARM_UP * WARM_UP];
	float		c[WARM_UP * WARM_UP];

	function(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, WARM_UP, WARM_UP, WARM_UP, 1.0f, a, WARM_UP, a, WARM_UP,
			 0.0f, c, WARM_UP);
}

static const char *
open_library(void)
{
	void	   *library;
	Sgemm		function;
	void		(*set_threads) (int);
	char	   *(*get_core) (void);

	if (!memory_at_hand())
		return "there is not enough memory for OpenBLAS";
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return "the library " LIBRARY " is not installed";
	*(void **) &function = dlsym(library, "cblas_sgemm");
	*(void **) &set_threads = dlsym(library, "openblas_set_num_threads");
	*(void **) &get_core = dlsym(library, "openblas_get_corename");
	if (function == NULL || set_threads == NULL)
		return "the library " LIBRARY " lacks cblas_sgemm or openblas_set_num_threads";
	set_threads(1);
	if (get_core != NULL)
		strncpy(core_name, get_core(), sizeof(core_name) - 1);
	warm_up(function);
	atomic_store(&sgemm, function);
	return NULL;
}

static void
open_once(void)
{
	Variable	threads = {NULL, NULL};
	Variable	core = {NULL, NULL};
	sigset_t	all;
	sigset_t	before;
	const char *type = core_type();

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (set_variable(&threads, "OPENBLAS_NUM_THREADS", "1") &&
		(type[0] == '\0' || set_variable(&core, "OPENBLAS_CORETYPE", type)))
		failure = open_library();
	else
		failure = "out of memory";
	if (core.name != NULL)
		restore_variable(&core);
	if (threads.name != NULL)
		restore_variable(&threads);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

const char *
dl_cpu_blas_open(void)
{
	pthread_once(&once, open_once);
	return failure;
}

const char *
dl_cpu_blas_core(void)
{
	return atomic_load(&sgemm) != NULL ? core_name : "";
}

bool
dl_cpu_blas_gemm(const DlWorkspace *w, const DlProduct *p)
{
	Sgemm		function = atomic_load_explicit(&sgemm, memory_order_acquire);
	int64_t		row_stride = p->transposed_a ? 1 : p->a_stride;
	int64_t		rows;

	if (function == NULL || p->rows > LARGEST || p->columns > LARGEST || p->depth > LARGEST ||
		p->a_stride > LARGEST || p->b_stride > LARGEST || p->c_stride > LARGEST)
		return false;
	rows = (int64_t) (CALL_MULTIPLY_ADDS / ((double) p->columns * (double) p->depth));
	if (rows < 1)
		return false;
	for (int64_t row = 0; row < p->rows; row += rows)
	{
		int64_t		count = p->rows - row < rows ? p->rows - row : rows;

		if (w->cancel != NULL && atomic_load_explicit(w->cancel, memory_order_relaxed) != 0)
			break;
		function(ROW_MAJOR, p->transposed_a ? TRANSPOSE : NO_TRANSPOSE, p->transposed_b ? TRANSPOSE : NO_TRANSPOSE,
				 (int) count, (int) p->columns, (int) p->depth, 1.0f, p->a + row * row_stride, (int) p->a_stride,
				 p->b, (int) p->b_stride, p->accumulate ? 1.0f : 0.0f, p->c + row * p->c_stride, (int) p->c_stride);
	}
	return true;
}
