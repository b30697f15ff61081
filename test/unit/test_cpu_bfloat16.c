/*
 * test_cpu_bfloat16.c
 *    Dense layers in bfloat16: rounding, and every kernel against float64 at
 *    all sizes about its tiles and blocks.
 */
#include <stdlib.h>

#include "bfloat16_emulation.h"
#include "core/random.h"
#include "cpu/bfloat16.h"
#include "tap.h"

#define GUARD 64				/* numbers after a result that must stay */

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

static float
value_of(uint16_t bits)
{
	uint32_t	wide = (uint32_t) bits << 16;
	float		value;

	memcpy(&value, &wide, sizeof(value));
	return value;
}

/* To eight binary digits, by the definition: the nearest, of two the even one. */
static double
rounded(double x)
{
	int			exponent;
	double		digits = frexp(x, &exponent);

	return ldexp(nearbyint(ldexp(digits, 8)), exponent - 8);
}

static void
test_rounding(void)
{
	DlRandom	random;
	int			wrong = 0;

	dl_random_seed(&random, 3, 0);
	for (int i = 0; i < 200000; i++)
	{
		float		x = (float) ldexp(dl_random_uniform(&random) - 0.5, (int) (dl_random_bits(&random) % 200) - 100);

		wrong += (double) value_of(bfloat16_round(x)) != rounded(x);
	}
	ok(wrong == 0, "rounding is to nearest (%d wrong)", wrong);
	ok(bfloat16_round(0x1.01p0f) == 0x3f80 && bfloat16_round(0x1.03p0f) == 0x3f82, "ties go to even");
	ok(bfloat16_round(0x1.010002p0f) == 0x3f81 && bfloat16_round(0x1.02fffep0f) == 0x3f81, "what is beside a tie does not");
	ok(bfloat16_round(0.0f) == 0 && bfloat16_round(-0.0f) == 0x8000, "zeros keep their sign");
	ok(bfloat16_round(INFINITY) == 0x7f80 && bfloat16_round(-INFINITY) == 0xff80, "infinities stay");
	ok(bfloat16_round(0x1.fffffep127f) == 0x7f80 && bfloat16_round(0x1.fep127f) == 0x7f7f, "beyond the greatest is infinite");
	ok(isnan(value_of(bfloat16_round(NAN))) && isnan(value_of(bfloat16_round(-NAN))), "NaN stays NaN");
	{
		uint32_t	low = 0x7f800001;
		float		signalling;

		memcpy(&signalling, &low, sizeof(signalling));
		ok(isnan(value_of(bfloat16_round(signalling))), "NaN whose digits are all cut off, too");
	}
}

typedef struct Layer
{
	int64_t		rows;
	int64_t		in;
	int64_t		out;
	float	   *x;
	float	   *weight;
	float	   *bias;
	void	   *packed;
	DlPackedWeight entry[3];
	DlWorkspace w;
} Layer;

static void
open_layer(const DlBackend *backend, int64_t rows, int64_t in, int64_t out, Layer *l)
{
	size_t		bytes = dl_cpu_bfloat16_bytes(in, out);

	*l = (Layer) {.rows = rows, .in = in, .out = out, .x = numbers(1, rows * in), .weight = numbers(2, in * out),
	.bias = numbers(3, out)};
	l->packed = aligned_alloc(64, bytes > 0 ? bytes : 64);
	if (bytes > 0)
		dl_cpu_bfloat16_pack(in, out, l->weight, l->packed);
	/* between others, as in a model */
	l->entry[0] = (DlPackedWeight) {(const char *) l->weight - 1, NULL};
	l->entry[1] = (DlPackedWeight) {l->weight, l->packed};
	l->entry[2] = (DlPackedWeight) {(const char *) l->weight + 1, NULL};
	l->w.size = (backend->workspace_size + 63) / 64 * 64;
	l->w.memory = aligned_alloc(64, l->w.size);
	memset(l->w.memory, 0xff, l->w.size);	/* NaN: what is left over must not count */
	l->w.row_invariant = true;
	l->w.packed = l->entry;
	l->w.packed_count = 3;
}

static void
close_layer(Layer *l)
{
	free(l->x);
	free(l->weight);
	free(l->bias);
	free(l->packed);
	free(l->w.memory);
}

/* Room for the result of a layer, and a guard behind it; all 7. */
static float *
room(const Layer *l)
{
	float	   *y = malloc((size_t) (l->rows * l->out + GUARD) * sizeof(float));

	for (int64_t i = 0; i < l->rows * l->out + GUARD; i++)
		y[i] = 7;
	return y;
}

static bool
guarded(const Layer *l, const float *y)
{
	for (int64_t i = 0; i < GUARD; i++)
		if (y[l->rows * l->out + i] != 7)
			return false;
	return true;
}

/*
 * Sums of a layer against those in double, of inputs as they are, and rounded as the kernel should: the greatest
 * differences in units of the sum of magnitudes.
 */
static void
errors(const Layer *l, const float *sums, double *plain, double *exact)
{
	for (int64_t i = 0; i < l->rows; i++)
		for (int64_t j = 0; j < l->out; j++)
		{
			double		sum = l->bias[j];
			double		sum_rounded = l->bias[j];
			double		size = fabs(l->bias[j]);
			double		got = sums[i * l->out + j];

			for (int64_t k = 0; k < l->in; k++)
			{
				float		x = l->x[i * l->in + k];
				float		weight = l->weight[k * l->out + j];

				sum += (double) x * weight;
				sum_rounded += (double) value_of(bfloat16_round(x)) * value_of(bfloat16_round(weight));
				size += fabs((double) x * weight);
			}
			*plain = fmax(*plain, got == got ? fabs(got - sum) / size : INFINITY);
			*exact = fmax(*exact, got == got ? fabs(got - sum_rounded) / size : INFINITY);
		}
}

/*
 * Rounding to eight digits is off by at most 2^-8 of a number, so a product of two by 2^-7 and a little; the sums in float32
 * by 2^-24 of the magnitudes at each addition.
 */
#define PRODUCT_ERROR (0x1p-7 + 0x1p-16)
#define SUM_ERROR(in) ((double) ((in) + 4) * 0x1p-24)

typedef struct Tally
{
	int			cases;
	int			wrong;
	int			not_rounded;	/* sums that are too good to be of rounded inputs */
	int			unguarded;
	int			packed_differs;
	int			rows_differ;
	int			sums_differ;
} Tally;

/* With and without packed weights, pre-activations kept and not, all rows and each alone. */
static void
check_layer(const DlBackend *backend, int64_t rows, int64_t in, int64_t out, DlActivation activation, Tally *t)
{
	Layer		l;
	float	   *y;
	float	   *z;
	float	   *again;
	double		plain = 0;
	double		exact = 0;
	size_t		bytes = (size_t) (rows * out) * sizeof(float);

	open_layer(backend, rows, in, out, &l);
	y = room(&l);
	z = room(&l);
	again = room(&l);
	backend->dense(&l.w, rows, in, out, l.x, l.weight, l.bias, activation, z, y);
	errors(&l, z, &plain, &exact);
	if (plain > PRODUCT_ERROR + SUM_ERROR(in) || exact > SUM_ERROR(in))
	{
		t->wrong++;
		printf("# %s: %d rows, %d in, %d out: %g, rounded %g\n", backend->name, (int) rows, (int) in, (int) out, plain, exact);
	}
	t->not_rounded += in > 10 && rows * out > 10 && plain < 1e-5;
	t->unguarded += !guarded(&l, y) || !guarded(&l, z);

	l.w.packed_count = 0;
	backend->dense(&l.w, rows, in, out, l.x, l.weight, l.bias, activation, NULL, again);
	t->packed_differs += memcmp(y, again, bytes) != 0;
	t->unguarded += !guarded(&l, again);
	backend->activation(&l.w, activation, rows * out, z, z);
	t->sums_differ += memcmp(y, z, bytes) != 0;

	l.w.packed_count = 3;
	memset(again, 0, bytes);
	for (int64_t row = 0; row < rows; row += rows > 40 ? 13 : 1)
	{
		backend->dense(&l.w, 1, in, out, l.x + row * in, l.weight, l.bias, activation, NULL, again + row * out);
		t->rows_differ += memcmp(y + row * out, again + row * out, (size_t) out * sizeof(float)) != 0;
	}
	t->cases++;
	free(y);
	free(z);
	free(again);
	close_layer(&l);
}

static void
test_layers(const DlBackend *backend)
{
	static const int64_t ins[] = {1, 2, 3, 17, 28, 31, 32, 33, 65};
	static const int64_t outs[] = {16, 17, 31, 33, 48, 65, 130};
	static const int64_t large[][3] = {
		{40, 784, 70}, {193, 40, 33}, {200, 64, 64}, {385, 19, 20}, {3, 1024, 16}, {17, 1025, 40}, {33, 2100, 97}, {2, 3100, 50}
	};
	static const DlActivation activations[] = {DL_ACTIVATION_RELU, DL_ACTIVATION_IDENTITY, DL_ACTIVATION_TANH};
	Tally		t = {0};

	for (int64_t rows = 1; rows <= 17; rows++)
		for (size_t i = 0; i < sizeof(ins) / sizeof(ins[0]); i++)
			check_layer(backend, rows, ins[i], outs[(size_t) (rows + (int64_t) i) % 7], activations[(size_t) rows % 3], &t);
	for (int64_t rows = 31; rows <= 37; rows++)
		for (size_t i = 0; i < sizeof(outs) / sizeof(outs[0]); i++)
			check_layer(backend, rows, ins[(size_t) (rows + (int64_t) i) % 9], outs[i], activations[i % 3], &t);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		check_layer(backend, large[i][0], large[i][1], large[i][2], activations[i % 3], &t);
	ok(t.wrong == 0, "%s: %d layers are right (%d wrong)", backend->name, t.cases, t.wrong);
	ok(t.not_rounded == 0, "%s: inputs are rounded", backend->name);
	ok(t.unguarded == 0, "%s: nothing is written behind a result", backend->name);
	ok(t.packed_differs == 0, "%s: weights packed ahead give the same bits (%d differ)", backend->name, t.packed_differs);
	ok(t.rows_differ == 0, "%s: a row alone gives the same bits (%d differ)", backend->name, t.rows_differ);
	ok(t.sums_differ == 0, "%s: the pre-activations belong to the results (%d differ)", backend->name, t.sums_differ);
}

/* Without bias; narrow layers; NaN and infinity; giving up. */
static void
test_rest(const DlBackend *backend)
{
	const DlBackend *full = dl_backend_cpu();
	atomic_int	cancel = 1;
	Layer		l;
	float	   *y;
	float	   *want;

	open_layer(backend, 21, 50, 37, &l);
	y = room(&l);
	want = room(&l);
	backend->dense(&l.w, 21, 50, 37, l.x, l.weight, NULL, DL_ACTIVATION_IDENTITY, NULL, y);
	memset(l.bias, 0, 37 * sizeof(float));
	backend->dense(&l.w, 21, 50, 37, l.x, l.weight, l.bias, DL_ACTIVATION_IDENTITY, NULL, want);
	ok(memcmp(y, want, 21 * 37 * sizeof(float)) == 0, "%s: no bias is a bias of 0", backend->name);
	l.x[50] = NAN;
	l.x[100] = INFINITY;
	backend->dense(&l.w, 21, 50, 37, l.x, l.weight, NULL, DL_ACTIVATION_IDENTITY, NULL, y);
	ok(isnan(y[37]) && isnan(y[73]) && isinf(y[74]) && isinf(y[110]), "%s: NaN and infinity come through", backend->name);
	ok(memcmp(y, want, 37 * sizeof(float)) == 0 && memcmp(y + 111, want + 111, 18 * 37 * sizeof(float)) == 0,
	   "%s: and touch no other row", backend->name);
	y[0] = 7;
	l.w.cancel = &cancel;
	backend->dense(&l.w, 21, 50, 37, l.x, l.weight, NULL, DL_ACTIVATION_IDENTITY, NULL, y);
	ok(y[0] == 7, "%s: a cancelled layer gives up", backend->name);
	free(y);
	free(want);
	close_layer(&l);

	open_layer(backend, 9, 50, 15, &l);
	y = room(&l);
	want = room(&l);
	backend->dense(&l.w, 9, 50, 15, l.x, l.weight, l.bias, DL_ACTIVATION_GELU, NULL, y);
	full->dense(&l.w, 9, 50, 15, l.x, l.weight, l.bias, DL_ACTIVATION_GELU, NULL, want);
	ok(memcmp(y, want, 9 * 15 * sizeof(float)) == 0 && dl_cpu_bfloat16_bytes(50, 15) == 0,
	   "%s: layers of few outputs are computed in float32", backend->name);
	free(y);
	free(want);
	close_layer(&l);
}

#if defined(__x86_64__)

/* Bit 18 of the state in use, which XGETBV tells by number 1 where there are tiles. */
static bool
tiles_in_use(void)
{
	unsigned	low;
	unsigned	high;

	__asm__ volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (1));
	return (low & 1u << 18) != 0;
}

#else

static bool
tiles_in_use(void)
{
	return false;
}

#endif

static void
test_level(DlCpuBfloat16 level)
{
	const DlBackend *backend = dl_backend_cpu_bfloat16_level(level);

	if (backend == NULL)
	{
		for (int i = 0; i < 11; i++)
			skip(level == DL_CPU_AMX_BF16 ? "no amx_bf16 here" : "no avx512_bf16 here");
		return;
	}
	test_layers(backend);
	test_rest(backend);
}

int
main(void)
{
	DlBackend	lanes = *dl_backend_cpu();
	DlBackend	tiles = *dl_backend_cpu();
	const DlBackend *best = dl_backend_cpu_bfloat16();

	printf("# this processor: %s\n", best == NULL ? "no bfloat16" : best->name);
	test_rounding();
	emulated_lanes(&lanes);
	test_layers(&lanes);
	test_rest(&lanes);
	emulated_tiles(&tiles);
	test_layers(&tiles);
	test_rest(&tiles);
	ok(emulated_tiles_misused() == 0 && !emulated_tiles_held(), "tiles are used between configuring and releasing them only");
	for (int level = 0; level < DL_CPU_BFLOAT16_COUNT; level++)
		test_level((DlCpuBfloat16) level);
	if (dl_backend_cpu_bfloat16_level(DL_CPU_AMX_BF16) != NULL)
	{
		ok(best == dl_backend_cpu_bfloat16_level(DL_CPU_AMX_BF16), "tiles are preferred");
		ok(!tiles_in_use(), "no tile is left in use");
	}
	else
	{
		ok(best == dl_backend_cpu_bfloat16_level(DL_CPU_AVX512_BF16), "lanes are used where there are no tiles");
		skip("no amx_bf16 here");
	}
	return done_testing();
}
