/* The fast CPU backend: levels, large products, and equality to the bit of rows, batches and levels. */
#include <stdlib.h>

#include "core/random.h"
#include "cpu/cpu.h"
#include "tap.h"

#define LARGEST (1 << 20)

static float *
numbers(uint64_t seed, int64_t count)
{
	float	   *x = malloc((size_t) count * sizeof(float));
	DlRandom	random;

	dl_random_seed(&random, seed, 0);
	for (int64_t i = 0; i < count; i++)
		x[i] = (float) (dl_random_uniform(&random) * 2 - 1);
	return x;
}

static DlWorkspace
workspace_of(const DlBackend *backend)
{
	DlWorkspace w = {.size = backend->workspace_size, .row_invariant = true};

	w.memory = aligned_alloc(64, (w.size + 63) / 64 * 64);
	return w;
}

static void
test_levels(void)
{
	DlCpuLevel	best = dl_cpu_detect();

	printf("# this processor: %s\n", dl_cpu_level_name(best));
	ok(dl_backend_cpu_level(DL_CPU_PLAIN) != NULL, "the plain level is always there");
	ok(dl_backend_cpu() == dl_backend_cpu_level(best), "the best level is the one detected");
	for (int level = DL_CPU_PLAIN; level < DL_CPU_LEVEL_COUNT; level++)
		ok((dl_backend_cpu_level(level) != NULL) == (level <= (int) best) &&
		   (dl_cpu_dense_row_level(level) != NULL) == (level <= (int) best),
		   "level %s is there exactly when the processor has it", dl_cpu_level_name(level));
	ok(dl_cpu_dense_row() == dl_cpu_dense_row_level(best), "so is the row kernel");
	ok(dl_backend_cpu()->real == DL_F32, "it computes float32");
}

/* Greatest difference from the product in double, in units of the sum of magnitudes. */
static double
gemm_error(const DlBackend *backend, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bool accumulate)
{
	DlWorkspace w = workspace_of(backend);
	float	   *a = numbers(1, m * k);
	float	   *b = numbers(2, k * n);
	float	   *c = numbers(3, m * n);
	float	   *before = numbers(3, m * n);
	double		worst = 0;

	w.row_invariant = false;
	backend->gemm(&w, ta, tb, m, n, k, a, b, accumulate, c);
	for (int64_t i = 0; i < m; i++)
	{
		for (int64_t j = 0; j < n; j++)
		{
			double		sum = accumulate ? before[i * n + j] : 0;
			double		size = fabs(sum) + 1;

			for (int64_t p = 0; p < k; p++)
			{
				double		term = (double) a[ta ? p * m + i : i * k + p] * b[tb ? j * k + p : p * n + j];

				sum += term;
				size += fabs(term);
			}
			worst = fmax(worst, fabs(c[i * n + j] - sum) / size);
		}
	}
	free(a);
	free(b);
	free(c);
	free(before);
	free(w.memory);
	return worst;
}

/* Sizes on both sides of every block and tile, packed and not. */
static void
test_gemm(DlCpuLevel level)
{
	static const int64_t sizes[][3] = {
		{1, 1, 1}, {1, 17, 5}, {64, 1, 100}, {7, 1, 9}, {5, 3, 2}, {6, 64, 64}, {13, 65, 31}, {64, 28, 64}, {28, 64, 64},
		{100, 33, 257}, {241, 70, 30}, {31, 200, 300}, {250, 130, 520}, {30, 1030, 40}, {1030, 140, 70}, {70, 10, 1100},
		{12, 15, 16}, {1, 64, 300}, {480, 16, 3}
	};
	const DlBackend *backend = dl_backend_cpu_level(level);
	double		worst = 0;
	int			cases = 0;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		for (int variant = 0; variant < 8; variant++)
		{
			double		error = gemm_error(backend, variant & 1, (variant >> 1) & 1, sizes[s][0], sizes[s][1],
										   sizes[s][2], (variant >> 2) & 1);

			if (!(error < 1e-6))
				printf("# %d x %d x %d, variant %d: %g\n", (int) sizes[s][0], (int) sizes[s][1], (int) sizes[s][2],
					   variant, error);
			worst = error > worst || error != error ? error : worst;
			cases++;
		}
	}
	ok(worst < 1e-6, "%s: %d products are right, worst error %.2g", backend->name, cases, worst);
}

static const int64_t shapes[][2] = {
	{28, 64}, {64, 64}, {64, 1}, {1, 1}, {3, 1}, {17, 1}, {100, 1}, {515, 1}, {7, 2}, {64, 3}, {65, 10}, {30, 15},
	{5, 16}, {64, 17}, {33, 31}, {20, 100}, {9, 129}, {300, 200}, {784, 70}, {1000, 12}, {2, 520}
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define ROWS 70

static const DlActivation some_activations[] = {DL_ACTIVATION_RELU, DL_ACTIVATION_IDENTITY, DL_ACTIVATION_TANH,
DL_ACTIVATION_GELU};

/* From none in the first row to nearly all in the last, of either sign. */
static void
put_zeros(float *x, int64_t in)
{
	for (int64_t r = 0; r < ROWS; r++)
		for (int64_t k = 0; k < in; k++)
			if ((k * 37 + r * 11) % ROWS < r)
				x[r * in + k] = k % 3 == 0 ? -0.0f : 0.0f;
}

/* One row through dense_row, and 1 to 70 rows through dense: all the same bits. */
static void
test_rows(DlCpuLevel level)
{
	const DlBackend *backend = dl_backend_cpu_level(level);
	DlDenseRow	dense_row = dl_cpu_dense_row_level(level);
	DlWorkspace w = workspace_of(backend);
	int			wrong_row = 0;
	int			wrong_batch = 0;
	int			wrong_sums = 0;

	for (size_t s = 0; s < SHAPES; s++)
	{
		int64_t		in = shapes[s][0];
		int64_t		out = shapes[s][1];
		DlActivation f = some_activations[s % 4];
		float	   *x = numbers(10 + s, ROWS * in);
		float	   *weight = numbers(100 + s, in * out);
		float	   *bias = numbers(200 + s, out);
		float	   *one = numbers(0, ROWS * out);
		float	   *many = numbers(0, ROWS * out);
		float	   *z = numbers(0, ROWS * out);

		put_zeros(x, in);
		for (int64_t r = 0; r < ROWS; r++)
			dense_row(in, out, x + r * in, weight, s % 5 == 3 ? NULL : bias, f, one + r * out);
		for (int64_t rows = 1; rows <= ROWS; rows++)
		{
			memset(many, 0xff, (size_t) (rows * out) * sizeof(float));
			backend->dense(&w, rows, in, out, x, weight, s % 5 == 3 ? NULL : bias, f, NULL, many);
			if (memcmp(one, many, (size_t) (rows * out) * sizeof(float)) != 0)
				wrong_row++;
			backend->dense(&w, rows, in, out, x + (ROWS - rows) * in, weight, s % 5 == 3 ? NULL : bias, f, z, many);
			if (memcmp(one + (ROWS - rows) * out, many, (size_t) (rows * out) * sizeof(float)) != 0)
				wrong_batch++;
			backend->activation(&w, f, rows * out, z, z);
			if (memcmp(z, many, (size_t) (rows * out) * sizeof(float)) != 0)
				wrong_sums++;
		}
		free(x);
		free(weight);
		free(bias);
		free(one);
		free(many);
		free(z);
	}
	ok(wrong_row == 0, "%s: dense of 1 to %d rows equals dense_row to the bit (%d differ)", backend->name, ROWS, wrong_row);
	ok(wrong_batch == 0, "%s: wherever a row stands, and with pre-activations kept (%d differ)", backend->name, wrong_batch);
	ok(wrong_sums == 0, "%s: the pre-activations belong to the results (%d differ)", backend->name, wrong_sums);
	free(w.memory);
}

/* The order of sums that core/backend.h states, in plain C. */
static float
stated_sum(int64_t in, int64_t out, const float *x, const float *weight, int64_t column)
{
	int			chains = out == 1 ? 16 : out < 16 ? 4 : 1;
	float		s[16] = {0};

	for (int64_t k = 0; k < in; k++)
		s[k % chains] = fmaf(x[k], weight[k * out + column], s[k % chains]);
	if (chains == 4)
		return (s[0] + s[1]) + (s[2] + s[3]);
	for (int apart = chains / 2; apart > 0; apart /= 2)
	{
		for (int j = 0; j < apart; j++)
			s[j] += s[j + apart];
	}
	return s[0];
}

static void
test_order(DlCpuLevel level)
{
	const DlBackend *backend = dl_backend_cpu_level(level);
	DlDenseRow	dense_row = dl_cpu_dense_row_level(level);
	int			wrong = 0;

	for (size_t s = 0; s < SHAPES; s++)
	{
		int64_t		in = shapes[s][0];
		int64_t		out = shapes[s][1];
		float	   *x = numbers(10 + s, in);
		float	   *weight = numbers(100 + s, in * out);
		float	   *bias = numbers(200 + s, out);
		float	   *y = numbers(0, out);

		dense_row(in, out, x, weight, bias, DL_ACTIVATION_IDENTITY, y);
		for (int64_t j = 0; j < out; j++)
			wrong += y[j] != stated_sum(in, out, x, weight, j) + bias[j];
		free(x);
		free(weight);
		free(bias);
		free(y);
	}
	ok(wrong == 0, "%s: the order of sums is the stated one (%d differ)", backend->name, wrong);
}

/* A cancelled product returns at once. */
static void
test_cancel(void)
{
	const DlBackend *backend = dl_backend_cpu();
	DlWorkspace w = workspace_of(backend);
	atomic_int	cancel = 1;
	float	   *a = numbers(1, 512 * 512);
	float	   *c = numbers(2, 512 * 512);
	float		before = c[0];

	w.cancel = &cancel;
	backend->gemm(&w, false, false, 512, 512, 512, a, a, false, c);
	ok(c[0] == before, "a cancelled product gives up");
	atomic_store(&cancel, 0);
	backend->gemm(&w, false, false, 512, 512, 512, a, a, false, c);
	ok(c[0] != before, "and is done when it is not cancelled");
	free(a);
	free(c);
	free(w.memory);
}

static void
test_blas(void)
{
	const char *why = dl_cpu_blas_open();

	if (why != NULL)
	{
		printf("# %s\n", why);
		ok(dl_cpu_blas_core()[0] == '\0', "a closed OpenBLAS has no core");
		skip("OpenBLAS cannot be opened");
		skip("OpenBLAS cannot be opened");
		return;
	}
	printf("# OpenBLAS runs %s\n", dl_cpu_blas_core());
	ok(dl_cpu_blas_core()[0] != '\0', "an open OpenBLAS names its core");
	test_gemm(DL_CPU_PLAIN);
	test_rows(DL_CPU_PLAIN);
	ok(dl_cpu_blas_open() == NULL, "opening it twice is one opening");
	ok(getenv("OPENBLAS_NUM_THREADS") == NULL && getenv("OPENBLAS_CORETYPE") == NULL, "the environment is as before");
}

int
main(void)
{
	unsetenv("OPENBLAS_NUM_THREADS");
	unsetenv("OPENBLAS_CORETYPE");
	test_levels();
	for (int level = DL_CPU_PLAIN; level <= (int) dl_cpu_detect(); level++)
	{
		test_gemm(level);
		test_rows(level);
		if (level > DL_CPU_PLAIN)
			test_order(level);
	}
	test_cancel();
	test_blas();
	return done_testing();
}
