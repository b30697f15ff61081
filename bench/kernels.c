/*
 * kernels.c
 *    Times the CPU kernels without a server: matrix products at every level,
 *    by OpenBLAS, and of dense layers in bfloat16 (with weights packed ahead), one row through a small network, and training steps.
 *
 * usage: kernels [gemm] [row] [train]  (nothing: all)
 * Every figure is the best of several windows of about 2 ms.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/graph.h"
#include "core/random.h"
#include "core/threads.h"
#include "cpu/cpu.h"
#include "cpu/kernels.h"

#define WINDOW_SECONDS 0.002
#define WINDOWS 80

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Best seconds of one call of work(context). */
static double
best_time(void (*work) (void *context), void *context)
{
	double		best = 1e9;
	long		calls = 1;

	for (int window = 0; window < WINDOWS;)
	{
		double		start = seconds();
		double		used;

		for (long i = 0; i < calls; i++)
			work(context);
		used = seconds() - start;
		if (used < WINDOW_SECONDS / 2 && calls < 100000000)
		{
			calls = used < WINDOW_SECONDS / 50 ? calls * 10 : (long) ((double) calls * WINDOW_SECONDS / used) + 1;
			continue;
		}
		if (used / (double) calls < best)
			best = used / (double) calls;
		window++;
	}
	return best;
}

static float *
numbers(int64_t count)
{
	float	   *x = aligned_alloc(64, ((size_t) count * sizeof(float) + 127) / 64 * 64);
	DlRandom	random;

	if (x == NULL)
		exit(1);
	dl_random_seed(&random, 1, 0);
	for (int64_t i = 0; i < count; i++)
		x[i] = (float) (dl_random_uniform(&random) - 0.5);
	return x;
}

static DlWorkspace
new_workspace(const DlBackend *backend)
{
	return (DlWorkspace) {.memory = numbers((int64_t) (backend->workspace_size / sizeof(float)) + 16), .size = backend->workspace_size};
}

/* ---- matrix products ---- */

typedef struct Gemm
{
	const DlBackend *backend;	/* NULL: OpenBLAS */
	DlWorkspace w;
	bool		ta;
	bool		tb;
	bool		dense;			/* with bias and relu */
	int64_t		m;
	int64_t		n;
	int64_t		k;
	float	   *a;
	float	   *b;
	float	   *c;
	float	   *bias;
	DlPackedWeight packed;
} Gemm;

static void
gemm_once(void *context)
{
	Gemm	   *g = context;

	if (g->backend == NULL)
	{
		DlProduct	p = {.rows = g->m, .columns = g->n, .depth = g->k, .a = g->a, .a_stride = g->ta ? g->m : g->k,
			.transposed_a = g->ta, .b = g->b, .b_stride = g->tb ? g->k : g->n, .transposed_b = g->tb, .c = g->c,
		.c_stride = g->n};

		dl_cpu_blas_gemm(&g->w, &p);
	}
	else if (g->dense)
		g->backend->dense(&g->w, g->m, g->k, g->n, g->a, g->b, g->bias, DL_ACTIVATION_RELU, NULL, g->c);
	else
		g->backend->gemm(&g->w, g->ta, g->tb, g->m, g->n, g->k, g->a, g->b, false, g->c);
}

/* GFLOP/s of a layer in bfloat16; "-" where there is no such kernel. */
static void
bench_bfloat16(Gemm *g, double work)
{
	size_t		bytes = g->dense ? dl_cpu_bfloat16_bytes(g->k, g->n) : 0;

	g->packed = (DlPackedWeight) {g->b, bytes > 0 ? numbers((int64_t) (bytes / sizeof(float))) : NULL};
	if (bytes > 0)
		dl_cpu_bfloat16_pack(g->k, g->n, g->b, (void *) (uintptr_t) g->packed.packed);
	for (int level = 0; level < DL_CPU_BFLOAT16_COUNT; level++)
	{
		g->backend = dl_backend_cpu_bfloat16_level((DlCpuBfloat16) level);
		if (g->backend == NULL || bytes == 0)
		{
			printf("%13s", "-");
			continue;
		}
		g->w = new_workspace(g->backend);
		g->w.packed = &g->packed;
		g->w.packed_count = 1;
		printf("%13.1f", work / best_time(gemm_once, g));
		fflush(stdout);
		free(g->w.memory);
	}
	free((void *) (uintptr_t) g->packed.packed);
}

static void
bench_gemm(void)
{
	static const struct
	{
		const char *name;
		bool		ta;
		bool		tb;
		bool		dense;
		int64_t		m;
		int64_t		n;
		int64_t		k;
	}			cases[] = {
		{"forward 28-64, 64 rows", false, false, true, 64, 64, 28},
		{"forward 64-64, 64 rows", false, false, true, 64, 64, 64},
		{"dx      64-64, 64 rows", false, true, false, 64, 64, 64},
		{"dw      64-64, 64 rows", true, false, false, 64, 64, 64},
		{"dw      28-64, 64 rows", true, false, false, 28, 64, 64},
		{"forward 64-64, 1024 rows", false, false, true, 1024, 64, 64},
		{"dx      64-64, 1024 rows", false, true, false, 1024, 64, 64},
		{"dw      64-64, 1024 rows", true, false, false, 64, 64, 1024},
		{"forward 64-1, 1024 rows", false, false, true, 1024, 1, 64},
		{"dw      64-1, 1024 rows", true, false, false, 64, 1, 1024},
		{"dx      64-1, 1024 rows", false, true, false, 1024, 64, 1},
		{"forward 256-256, 256 rows", false, false, true, 256, 256, 256},
		{"dx      256-256, 256 rows", false, true, false, 256, 256, 256},
		{"dw      256-256, 256 rows", true, false, false, 256, 256, 256},
		{"forward 784-512, 512 rows", false, false, true, 512, 512, 784},
		{"forward 512-512, 512 rows", false, false, true, 512, 512, 512},
		{"forward 784-512, 1 row", false, false, true, 1, 512, 784},
		{"forward 784-512, 128 rows", false, false, true, 128, 512, 784},
		{"forward 512-512, 128 rows", false, false, true, 128, 512, 512},
		{"forward 512-10, 128 rows", false, false, true, 128, 10, 512},
		{"dx      512-512, 128 rows", false, true, false, 128, 512, 512},
		{"dw      512-512, 128 rows", true, false, false, 512, 512, 128},
		{"dw      784-512, 128 rows", true, false, false, 784, 512, 128},
		{"dw      512-10, 128 rows", true, false, false, 512, 10, 128},
		{"dx      512-10, 128 rows", false, true, false, 128, 512, 10},
		{"forward 2048-2048, 256 rows", false, false, true, 256, 2048, 2048},
		{"dx      2048-2048, 256 rows", false, true, false, 256, 2048, 2048},
		{"dw      2048-2048, 256 rows", true, false, false, 2048, 2048, 256},
		{"1000 x 1000 x 1000", false, false, false, 1000, 1000, 1000},
		{"2048 x 2048 x 2048", false, false, false, 2048, 2048, 2048}
	};
	const char *why = dl_cpu_blas_open();

	printf("%-30s", "matrix products, GFLOP/s");
	for (int level = DL_CPU_PLAIN; level < DL_CPU_LEVEL_COUNT; level++)
		printf("%9s", dl_cpu_level_name(level));
	for (int level = 0; level < DL_CPU_BFLOAT16_COUNT; level++)
		printf("%13s", dl_cpu_bfloat16_name((DlCpuBfloat16) level));
	printf("  OpenBLAS %s\n", why != NULL ? why : dl_cpu_blas_core());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Gemm		g = {.ta = cases[i].ta, .tb = cases[i].tb, .dense = cases[i].dense, .m = cases[i].m,
		.n = cases[i].n, .k = cases[i].k};
		double		work = 2e-9 * (double) g.m * (double) g.n * (double) g.k;

		g.a = numbers(g.m * g.k);
		g.b = numbers(g.k * g.n);
		g.c = numbers(g.m * g.n);
		g.bias = numbers(g.n);
		printf("%-30s", cases[i].name);
		for (int level = DL_CPU_PLAIN; level < DL_CPU_LEVEL_COUNT; level++)
		{
			g.backend = dl_backend_cpu_level(level);
			if (g.backend == NULL || (level == DL_CPU_PLAIN && work > 1))
			{
				printf("%9s", "-");
				continue;
			}
			g.w = new_workspace(g.backend);
			g.w.row_invariant = true;	/* the own kernels on every level */
			printf("%9.1f", work / best_time(gemm_once, &g));
			fflush(stdout);
			free(g.w.memory);
		}
		bench_bfloat16(&g, work);
		g.backend = NULL;
		if (why == NULL)
			printf("%10.1f", work / best_time(gemm_once, &g));
		printf("\n");
		free(g.a);
		free(g.b);
		free(g.c);
		free(g.bias);
	}
}

/* ---- one row ---- */

#define ROWS 4096				/* in turn, so that branches are not learned by heart */

typedef struct Row
{
	DlDenseRow	dense;
	int			next;
	float	   *x;
	float	   *weights;
	float	   *bias;
	float	   *hidden;
} Row;

static void
row_once(void *context)
{
	Row		   *r = context;

	r->next = (r->next + 1) % ROWS;
	r->dense(28, 64, r->x + (size_t) r->next * 28, r->weights, r->bias, DL_ACTIVATION_RELU, r->hidden);
	r->dense(64, 64, r->hidden, r->weights + 28 * 64, r->bias, DL_ACTIVATION_RELU, r->hidden + 64);
	r->dense(64, 1, r->hidden + 64, r->weights + 92 * 64, r->bias, DL_ACTIVATION_IDENTITY, r->hidden + 128);
}

static void
bench_row(void)
{
	Row			r = {NULL, 0, numbers(ROWS * 28), numbers(93 * 64), numbers(64), numbers(129)};

	for (int level = DL_CPU_PLAIN; level < DL_CPU_LEVEL_COUNT; level++)
	{
		r.dense = dl_cpu_dense_row_level(level);
		if (r.dense != NULL)
			printf("one row through 28-64-64-1, relu, %s: %.1f ns\n", dl_cpu_level_name(level),
				   best_time(row_once, &r) * 1e9);
	}
	free(r.x);
	free(r.weights);
	free(r.bias);
	free(r.hidden);
}

/* ---- training steps ---- */

typedef struct Step
{
	int			threads;
	int64_t		rows;			/* of each plan */
	int64_t		length;			/* of the parameter vector */
	const DlBackend *backend;
	DlThreads  *pool;
	DlPlan	   *plans[2];
	float	   *gradients[2];
	float	   *parameters;
	float	   *first;
	float	   *second;
	DlRandom	random;
} Step;

static void
must(DlStatus status, const DlError *error)
{
	if (status != DL_OK)
	{
		fprintf(stderr, "%s\n", error->message);
		exit(1);
	}
}

static void
step_gradients(void *context, int index)
{
	Step	   *s = context;
	DlRandom	random = s->random;
	DlError		error;

	must(dl_plan_forward(s->plans[index], s->parameters, s->rows, &random, &error), &error);
	must(dl_plan_backward(s->plans[index], s->parameters, 1.0 / (double) (s->rows * s->threads), s->gradients[index], &error),
		 &error);
}

static void
step_update(void *context, int index)
{
	Step	   *s = context;
	DlAdamStep	adam = {.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01,
	.correction1 = 0.5, .correction2 = 0.5, .gradient_scale = 1};
	int64_t		half = s->length / 32 * 16;
	int64_t		from = index == 0 ? 0 : half;
	int64_t		count = s->threads == 1 ? s->length : index == 0 ? half : s->length - half;
	DlWorkspace *w = dl_plan_workspace(s->plans[index]);

	if (s->threads > 1)
		s->backend->add(w, count, s->gradients[0] + from, s->gradients[1] + from, s->gradients[0] + from);
	s->backend->update_adam(w, count, &adam, s->parameters + from, s->gradients[0] + from, s->first + from, s->second + from);
}

static void
step_once(void *context)
{
	Step	   *s = context;

	dl_threads_run(s->pool, step_gradients, s, s->threads);
	dl_threads_run(s->pool, step_update, s, s->threads);
}

static DlNode
dense_layer(DlGraph *graph, DlNode x, int layer, int64_t in, int64_t out, DlActivation activation)
{
	DlParameterInfo info = {.init = DL_INIT_UNIFORM, .value = 0.05, .rate = 1, .decay = 1};
	DlAttributes attributes = {.activation = activation};
	DlNode		inputs[3] = {x, DL_NO_NODE, DL_NO_NODE};
	DlNode		result;
	char		name[32];
	DlError		error;

	snprintf(name, sizeof(name), "%d.weight", layer);
	must(dl_graph_parameter(graph, name, dl_shape_2(in, out), &info, &inputs[1], &error), &error);
	snprintf(name, sizeof(name), "%d.bias", layer);
	must(dl_graph_parameter(graph, name, dl_shape_1(out), &info, &inputs[2], &error), &error);
	must(dl_graph_apply(graph, DL_OP_DENSE, inputs, 3, &attributes, &result, &error), &error);
	return result;
}

static void
bench_step(const int64_t *widths, int layers, int64_t batch, int threads)
{
	Step		s = {.threads = threads, .rows = batch / threads, .backend = dl_backend_cpu()};
	bool		classes = widths[layers] > 1;
	DlAttributes attributes = {.loss = DL_LOSS_MSE};
	DlArena    *arena;
	DlGraph    *graph;
	DlNode		x;
	DlNode		top;
	DlNode		inputs[3];
	DlNode		loss;
	DlError		error;
	double		time;

	must(dl_arena_create(0, &arena, &error), &error);
	must(dl_graph_create(arena, &graph, &error), &error);
	must(dl_graph_input(graph, "x", DL_F32, widths[0], &x, &error), &error);
	top = x;
	for (int i = 0; i < layers; i++)
		top = dense_layer(graph, top, i, widths[i], widths[i + 1], i < layers - 1 ? DL_ACTIVATION_RELU : DL_ACTIVATION_IDENTITY);
	inputs[0] = top;
	must(dl_graph_input(graph, "target", classes ? DL_I32 : DL_F32, 1, &inputs[1], &error), &error);
	must(dl_graph_input(graph, "weight", DL_F32, 1, &inputs[2], &error), &error);
	must(dl_graph_apply(graph, classes ? DL_OP_LOSS_SOFTMAX : DL_OP_LOSS_POINT, inputs, 3, &attributes, &loss, &error), &error);
	s.length = dl_graph_vector_length(graph);
	s.parameters = numbers(s.length);
	s.first = numbers(s.length);
	s.second = numbers(s.length);
	memset(s.first, 0, (size_t) s.length * sizeof(float));
	memset(s.second, 0, (size_t) s.length * sizeof(float));
	dl_random_seed(&s.random, 1, 0);
	dl_graph_initialise(graph, &s.random, s.parameters);
	for (int t = 0; t < threads; t++)
	{
		s.gradients[t] = numbers(s.length);
		must(dl_plan_create(arena, graph, s.backend, DL_PLAN_TRAINING, s.rows, &loss, 1, &s.plans[t], &error), &error);
		for (int64_t i = 0; i < s.rows * widths[0]; i++)
			((float *) dl_plan_data(s.plans[t], x))[i] = (float) dl_random_normal(&s.random);
		for (int64_t i = 0; i < s.rows; i++)
		{
			((float *) dl_plan_data(s.plans[t], inputs[2]))[i] = 1;
			if (classes)
				((int32_t *) dl_plan_data(s.plans[t], inputs[1]))[i] = (int32_t) (i % widths[layers]);
			else
				((float *) dl_plan_data(s.plans[t], inputs[1]))[i] = (float) dl_random_normal(&s.random);
		}
	}
	must(dl_threads_create(threads, &s.pool, &error), &error);
	time = best_time(step_once, &s);
	for (int i = 0; i <= layers; i++)
		printf("%s%d", i > 0 ? "-" : "", (int) widths[i]);
	printf(", batch %d, %d thread%s: %.1f us a step, %.0f rows/s\n", (int) batch, threads, threads > 1 ? "s" : "",
		   time * 1e6, (double) batch / time);
	fflush(stdout);
	dl_threads_destroy(s.pool);
	for (int t = 0; t < threads; t++)
		free(s.gradients[t]);
	free(s.parameters);
	free(s.first);
	free(s.second);
	dl_arena_destroy(arena);
}

static void
bench_train(void)
{
	static const int64_t small[] = {28, 64, 64, 1};
	static const int64_t digits[] = {784, 512, 512, 10};
	static const int64_t wide[] = {1024, 2048, 2048, 1024, 1};

	printf("training steps (forward, backward, Adam), %s\n", dl_backend_cpu()->name);
	for (int threads = 1; threads <= 2; threads++)
	{
		bench_step(small, 3, 64, threads);
		bench_step(small, 3, 256, threads);
		bench_step(small, 3, 1024, threads);
		bench_step(digits, 3, 128, threads);
		bench_step(wide, 4, 256, threads);
	}
}

int
main(int argc, char **argv)
{
	static const struct
	{
		const char *name;
		void		(*run) (void);
	}			parts[] = {{"gemm", bench_gemm}, {"row", bench_row}, {"train", bench_train}};

	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
	{
		bool		wanted = argc < 2;

		for (int i = 1; i < argc; i++)
			wanted = wanted || strcmp(argv[i], parts[p].name) == 0;
		if (wanted)
			parts[p].run();
	}
	return 0;
}
