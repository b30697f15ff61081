/*
 * test_backend.c
 *    Kernels called directly: what no operator case reaches.  Products of all
 *    kinds, bits that do not depend on the number of rows, strides, an embedding
 *    of very many bins, dropout's mask, sums, and optimiser steps, for every float32 backend.
 */
#include "backend_list.h"
#include "core/arena.h"
#include "tap.h"

#define LARGEST 40000			/* elements of one array */

static float arrays[6][LARGEST] __attribute__((aligned(64)));
static double wide[6][LARGEST];

static void
fill(int array, int64_t count, uint64_t seed)
{
	DlRandom	random;

	dl_random_seed(&random, seed, (uint64_t) array);
	for (int64_t i = 0; i < count; i++)
	{
		arrays[array][i] = (float) dl_random_normal(&random);
		wide[array][i] = arrays[array][i];
	}
}

/* Largest difference of an array to its float64 twin, relative to the largest value or 1. */
static double
difference(int array, int64_t count)
{
	double		largest = 1;
	double		worst = 0;

	for (int64_t i = 0; i < count; i++)
	{
		largest = fmax(largest, fabs(wide[array][i]));
		worst = fmax(worst, fabs(arrays[array][i] - wide[array][i]));
		if (isnan(arrays[array][i]))
			return INFINITY;
	}
	return worst / largest;
}

static void
check_gemm(const DlBackend *backend, DlWorkspace *w)
{
	static const int64_t sizes[][3] = {
		{1, 1, 1}, {3, 17, 33}, {65, 33, 17}, {17, 1, 65}, {1, 65, 300}, {64, 64, 64}, {128, 10, 300}, {130, 70, 64},
		{28, 64, 64}, {33, 257, 129}
	};
	const DlBackend *reference = dl_backend_reference_f64();
	double		worst = 0;
	char		where[80] = "";

	for (int s = 0; s < (int) (sizeof(sizes) / sizeof(sizes[0])); s++)
		for (int kind = 0; kind < 8; kind++)
		{
			int64_t		m = sizes[s][0];
			int64_t		n = sizes[s][1];
			int64_t		k = sizes[s][2];
			bool		ta = kind & 1;
			bool		tb = kind & 2;
			bool		accumulate = kind & 4;
			double		d;

			fill(0, m * k, 1);
			fill(1, k * n, 2);
			fill(2, m * n, 3);
			backend->gemm(w, ta, tb, m, n, k, arrays[0], arrays[1], accumulate, arrays[2]);
			reference->gemm(NULL, ta, tb, m, n, k, wide[0], wide[1], accumulate, wide[2]);
			d = difference(2, m * n);
			if (d > worst)
				snprintf(where, sizeof(where), "%d x %d x %d, kind %d", (int) m, (int) n, (int) k, kind);
			worst = fmax(worst, d);
		}
	if (!ok(worst < 3e-6, "%s: gemm: difference %.2g", backend->name, worst))
		printf("#   worst: %s\n", where);
}

/*
 * The contract of row_invariant: a row has the same bits whatever the number
 * of rows; and those of the reference from 16 outputs on, where there is fused
 * multiply-add.
 */
static void
check_row_invariant(const DlBackend *backend, DlWorkspace *w)
{
	static const int64_t sizes[][3] = {{64, 28, 64}, {7, 33, 17}, {65, 300, 65}, {1, 64, 1}, {33, 64, 10}};
	DlWorkspace plain = {.row_invariant = true};
	bool		equal = true;
	bool		alone = true;

	w->row_invariant = true;
	for (int s = 0; s < (int) (sizeof(sizes) / sizeof(sizes[0])); s++)
	{
		int64_t		rows = sizes[s][0];
		int64_t		in = sizes[s][1];
		int64_t		out = sizes[s][2];

		fill(0, rows * in, 4);
		fill(1, in * out, 5);
		fill(2, out, 6);
		dl_backend_reference_f32()->dense(&plain, rows, in, out, arrays[0], arrays[1], arrays[2],
										  DL_ACTIVATION_RELU, NULL, arrays[3]);
		backend->dense(w, rows, in, out, arrays[0], arrays[1], arrays[2], DL_ACTIVATION_RELU, NULL, arrays[4]);
		if (out >= 16)
			equal = equal && memcmp(arrays[3], arrays[4], (size_t) (rows * out) * sizeof(float)) == 0;
		backend->dense(w, rows, in, out, arrays[0], arrays[1], arrays[2], DL_ACTIVATION_TANH, NULL, arrays[4]);
		for (int64_t r = 0; r < rows; r++)
		{
			backend->dense(w, 1, in, out, arrays[0] + r * in, arrays[1], arrays[2], DL_ACTIVATION_TANH, NULL, arrays[5]);
			alone = alone && memcmp(arrays[4] + r * out, arrays[5], (size_t) out * sizeof(float)) == 0;
		}
	}
	w->row_invariant = false;
	if (backend != dl_backend_cpu_level(DL_CPU_PLAIN))
		ok(equal, "%s: dense with row_invariant has the bits of the reference", backend->name);
	ok(alone, "%s: dense with row_invariant gives a row alone the same bits", backend->name);
}

/* So many bins that their sums do not fit into scratch at once. */
static void
check_piecewise(const DlBackend *backend, DlWorkspace *w)
{
	enum {ROWS = 70, BINS = DL_PIECEWISE_MAX_BINS, WIDTH = 39, EDGES = 1000, LINEAR = 3000, BIAS = 4000};
	const DlBackend *reference = dl_backend_reference_f64();
	const float *a = arrays[0];
	const double *b = wide[0];
	bool		alone = true;
	float		y[WIDTH];
	float		position[2];

	fill(0, BIAS + WIDTH, 7);
	fill(1, BINS * WIDTH, 8);
	fill(4, ROWS * WIDTH, 9);
	for (int t = 0; t <= BINS; t++)
		wide[0][EDGES + t] = arrays[0][EDGES + t] = (float) t / 512 - 1;
	memset(arrays[5], 0, sizeof(arrays[5]));
	memset(wide[5], 0, sizeof(wide[5]));
	backend->piecewise(w, ROWS, 1, BINS, WIDTH, a, 1, a + EDGES, arrays[1], a + LINEAR, a + BIAS, arrays[3], arrays[2], WIDTH);
	reference->piecewise(NULL, ROWS, 1, BINS, WIDTH, b, 1, b + EDGES, wide[1], b + LINEAR, b + BIAS, wide[3], wide[2], WIDTH);
	ok(difference(2, ROWS * WIDTH) < 2e-6, "%s: piecewise of 1024 bins: difference %.2g", backend->name,
	   difference(2, ROWS * WIDTH));
	backend->piecewise_backward(w, ROWS, 1, BINS, WIDTH, a, 1, a + EDGES, arrays[1], a + LINEAR, arrays[3], arrays[4], WIDTH,
								arrays[5], NULL, NULL, false, NULL);
	reference->piecewise_backward(NULL, ROWS, 1, BINS, WIDTH, b, 1, b + EDGES, wide[1], b + LINEAR, wide[3], wide[4], WIDTH,
								  wide[5], NULL, NULL, false, NULL);
	ok(difference(5, BINS * WIDTH) < 2e-6, "%s: its gradient: difference %.2g", backend->name, difference(5, BINS * WIDTH));
	for (int r = 0; r < ROWS; r++)
	{
		backend->piecewise(w, 1, 1, BINS, WIDTH, a + r, 1, a + EDGES, arrays[1], a + LINEAR, a + BIAS, position, y, WIDTH);
		alone = alone && memcmp(y, arrays[2] + r * WIDTH, sizeof(y)) == 0;
	}
	ok(alone, "%s: piecewise gives a row alone the same bits", backend->name);
}

static void
check_strides(const DlBackend *backend, DlWorkspace *w)
{
	const DlBackend *reference = dl_backend_reference_f64();
	int32_t		codes[33 * 3];

	for (int width = 1; width <= 35; width += 17)
	{
		int64_t		count = 33 * 40;

		for (int accumulate = 0; accumulate < 2; accumulate++)
		{
			fill(0, count, 7);
			fill(1, count, 8);
			backend->copy_block(w, 33, width, arrays[0], 37, accumulate, arrays[1], 40);
			reference->copy_block(NULL, 33, width, wide[0], 37, accumulate, wide[1], 40);
			ok(difference(1, count) < 1e-6, "%s: copy_block of %d columns, accumulate %d", backend->name, width, accumulate);
		}
		for (int i = 0; i < 33 * 3; i++)
			codes[i] = i % 5;
		fill(1, count, 9);
		backend->embedding(w, 33, width, codes + 1, 3, arrays[0], arrays[1], 40);
		reference->embedding(NULL, 33, width, codes + 1, 3, wide[0], wide[1], 40);
		ok(difference(1, count) == 0, "%s: embedding of width %d", backend->name, width);
		backend->embedding_backward(w, 33, width, codes + 1, 3, arrays[1], 40, arrays[0]);
		reference->embedding_backward(NULL, 33, width, codes + 1, 3, wide[1], 40, wide[0]);
		ok(difference(0, count) < 1e-6, "%s: embedding_backward of width %d", backend->name, width);
	}
}

static void
check_dropout(const DlBackend *backend, DlWorkspace *w)
{
	const int64_t count = 39999;
	const double p = 0.3;
	const float kept = (float) (1 / (1 - p));
	int64_t		zeros = 0;
	bool		valid = true;
	DlRandom	random;
	DlRandom	again;

	dl_random_seed(&random, 11, 0);
	again = random;
	fill(0, count, 10);
	backend->dropout(w, &random, p, count, arrays[0], arrays[1], arrays[2]);
	for (int64_t i = 0; i < count; i++)
	{
		zeros += arrays[1][i] == 0;
		valid = valid && (arrays[1][i] == 0 || fabsf(arrays[1][i] - kept) < 1e-6f) &&
			arrays[2][i] == arrays[0][i] * arrays[1][i];
	}
	ok(valid, "%s: dropout's mask is 0 or 1/(1-p), and its result x times the mask", backend->name);
	/* four standard deviations */
	ok(fabs((double) zeros / (double) count - p) < 4 * sqrt(p * (1 - p) / (double) count),
	   "%s: dropout takes %.4f of the values", backend->name, (double) zeros / (double) count);
	backend->dropout(w, &again, p, count, arrays[0], arrays[3], arrays[0]);
	ok(memcmp(arrays[1], arrays[3], (size_t) count * sizeof(float)) == 0 &&
	   memcmp(arrays[0], arrays[2], (size_t) count * sizeof(float)) == 0,
	   "%s: the same random state gives the same mask, also in place", backend->name);
	backend->dropout(w, &again, p, count, arrays[0], arrays[3], arrays[4]);
	ok(memcmp(arrays[1], arrays[3], (size_t) count * sizeof(float)) != 0, "%s: the next mask is another", backend->name);
}

static void
check_sums(const DlBackend *backend, DlWorkspace *w)
{
	for (int64_t count = 1; count < 2000; count = count * 3 + 1)
	{
		double		got;
		double		want;

		fill(0, count, 12);
		got = backend->sum_squares(w, count, arrays[0]);
		want = dl_backend_reference_f64()->sum_squares(NULL, count, wide[0]);
		ok(fabs(got - want) <= 1e-6 * want, "%s: sum_squares of %d", backend->name, (int) count);
	}
}

typedef enum Optimiser
{
	SGD,
	MOMENTUM,
	NESTEROV,
	RMSPROP,
	RMSPROP_MOMENTUM,
	ADAM,
	ADAMW,
	OPTIMISER_COUNT
} Optimiser;

static void
step(const DlBackend *backend, DlWorkspace *w, Optimiser optimiser, int64_t count, int t, void *p, const void *g,
	 void *first, void *second)
{
	DlAdamStep	adam = {.learning_rate = 0.01,.beta1 = 0.9,.beta2 = 0.99,.epsilon = 1e-6,
		.weight_decay = optimiser == ADAMW ? 0.1 : 0,.l2 = optimiser == ADAM ? 0.1 : 0,
		.correction1 = 1 - pow(0.9, t),.correction2 = 1 - pow(0.99, t),.gradient_scale = 0.5};

	switch (optimiser)
	{
		case SGD:
			backend->update_sgd(w, count, 0.1, 0, false, 0.01, 0.5, p, g, NULL);
			break;
		case MOMENTUM:
		case NESTEROV:
			backend->update_sgd(w, count, 0.1, 0.9, optimiser == NESTEROV, 0.01, 0.5, p, g, first);
			break;
		case RMSPROP:
			backend->update_rmsprop(w, count, 0.01, 0.9, 1e-4, 0, 0.01, 0.5, p, g, second, NULL);
			break;
		case RMSPROP_MOMENTUM:
			backend->update_rmsprop(w, count, 0.01, 0.9, 1e-4, 0.8, 0.01, 0.5, p, g, second, first);
			break;
		default:
			backend->update_adam(w, count, &adam, p, g, first, second);
			break;
	}
}

static void
check_updates(const DlBackend *backend, DlWorkspace *w)
{
	static const char *const names[] = {"sgd", "momentum", "nesterov", "rmsprop", "rmsprop with momentum", "adam", "adamw"};
	static const int64_t counts[] = {1, 3, 17, 33, 65, 1000};

	for (Optimiser optimiser = 0; optimiser < OPTIMISER_COUNT; optimiser++)
		for (int c = 0; c < (int) (sizeof(counts) / sizeof(counts[0])); c++)
		{
			int64_t		count = counts[c];
			double		worst = 0;

			fill(0, count + 1, 13);
			memset(arrays[2], 0, sizeof(arrays[2]));
			memset(arrays[3], 0, sizeof(arrays[3]));
			memset(wide[2], 0, sizeof(wide[2]));
			memset(wide[3], 0, sizeof(wide[3]));
			for (int t = 1; t <= 5; t++)
			{
				fill(1, count, 14 + (uint64_t) t);
				step(backend, w, optimiser, count, t, arrays[0], arrays[1], arrays[2], arrays[3]);
				step(dl_backend_reference_f64(), NULL, optimiser, count, t, wide[0], wide[1], wide[2], wide[3]);
			}
			/* one element further: nothing beyond count is written */
			for (int i = 0; i < 4; i++)
				if (i != 1)
					worst = fmax(worst, difference(i, count + 1));
			ok(worst < 5e-6, "%s: five steps of %s over %d: difference %.2g", backend->name, names[optimiser], (int) count,
			   worst);
		}
}

int
main(void)
{
	const DlBackend *list[BACKEND_LIST_MAX];
	int			count = backend_list(list);

	for (int b = 0; b < count; b++)
	{
		DlWorkspace w = {.size = list[b]->workspace_size};
		DlArena    *arena;

		if (dl_arena_create(0, &arena, NULL) != DL_OK || dl_arena_alloc(arena, w.size, &w.memory, NULL) != DL_OK)
		{
			ok(false, "%s: workspace", list[b]->name);
			return done_testing();
		}
		check_gemm(list[b], &w);
		check_row_invariant(list[b], &w);
		check_piecewise(list[b], &w);
		check_strides(list[b], &w);
		check_dropout(list[b], &w);
		check_sums(list[b], &w);
		check_updates(list[b], &w);
		dl_arena_destroy(arena);
	}
	return done_testing();
}
