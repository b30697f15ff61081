/* The fast CPU backend: accuracy of its elementary functions, dropout, denormal numbers and not-a-number. */
#include <float.h>
#include <stdlib.h>

#include "core/random.h"
#include "cpu/cpu.h"
#include "tap.h"

#define COUNT 4001

static float inputs[COUNT];
static float outputs[COUNT];
static float slopes[COUNT];

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double
softplus(double x)
{
	return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double
normal_cdf(double x)
{
	return 0.5 * erfc(-x * sqrt(0.5));
}

/* The functions in double, and their derivatives by central differences of them. */
static double
exact(DlActivation f, double x)
{
	const double lambda = 1.0507009873554804934;
	const double alpha = 1.6732632423543772848;

	switch (f)
	{
		case DL_ACTIVATION_RELU:
			return fmax(x, 0);
		case DL_ACTIVATION_LEAKY_RELU:
			return x < 0 ? 0.01 * x : x;
		case DL_ACTIVATION_ELU:
			return x < 0 ? expm1(x) : x;
		case DL_ACTIVATION_SELU:
			return lambda * (x < 0 ? alpha * expm1(x) : x);
		case DL_ACTIVATION_GELU:
			return x * normal_cdf(x);
		case DL_ACTIVATION_SILU:
			return x * sigmoid(x);
		case DL_ACTIVATION_MISH:
			return x * tanh(softplus(x));
		case DL_ACTIVATION_TANH:
			return tanh(x);
		case DL_ACTIVATION_SIGMOID:
			return sigmoid(x);
		case DL_ACTIVATION_SOFTPLUS:
			return softplus(x);
		default:
			return x;
	}
}

static double
exact_slope(DlActivation f, double x)
{
	double		h = 1e-4;

	return (8 * (exact(f, x + h) - exact(f, x - h)) - (exact(f, x + 2 * h) - exact(f, x - 2 * h))) / (12 * h);
}

/* Functions from -range to range: relative errors, in units of the larger of |f| and floor. */
static void
test_activation(const DlBackend *backend, DlActivation f, double range, double floor)
{
	DlWorkspace w = {.size = 0};
	double		worst = 0;
	double		worst_slope = 0;
	static float ones[COUNT];

	for (int i = 0; i < COUNT; i++)
	{
		inputs[i] = (float) (range * (2.0 * i / (COUNT - 1) - 1) + 1e-3);
		ones[i] = 1;
	}
	backend->activation(&w, f, COUNT, inputs, outputs);
	backend->activation_backward(&w, f, COUNT, inputs, outputs, ones, false, slopes);
	for (int i = 0; i < COUNT; i++)
	{
		double		want = exact(f, inputs[i]);
		double		error = fabs(outputs[i] - want) / fmax(fabs(want), floor);

		worst = error <= worst ? worst : error;
		if (fabs(inputs[i]) < 3e-4)
			continue;
		error = fabs(slopes[i] - exact_slope(f, inputs[i])) / fmax(fabs(exact_slope(f, inputs[i])), 1e-2);
		worst_slope = error <= worst_slope ? worst_slope : error;
	}
	ok(worst < 2e-6 && worst_slope < 2e-5, "%s: %s within %g: error %.2g, of the derivative %.2g", backend->name,
	   dl_activation_name(f), range, worst, worst_slope);
}

/* Far out nothing overflows, and NaN passes through. */
static void
test_extremes(const DlBackend *backend)
{
	DlWorkspace w = {.size = 0};

	for (int f = 0; f < DL_ACTIVATION_COUNT; f++)
	{
		float		x[5] = {-3e38f, -200, 200, 3e38f, NAN};
		float		y[5];
		bool		right = true;

		backend->activation(&w, f, 5, x, y);
		for (int i = 0; i < 4; i++)
		{
			double		want = fmin(fmax(exact(f, x[i]), -FLT_MAX), FLT_MAX);

			right = right && fabs(y[i] - want) <= 1e-5 * fmax(1, fabs(want));
		}
		ok(right && isnan(y[4]), "%s: %s far out: %g %g %g %g, of NaN %g", backend->name, dl_activation_name(f),
		   y[0], y[1], y[2], y[3], y[4]);
	}
}

/* cos(2 pi f x + a) for arguments up to several hundred. */
static void
test_cosine(const DlBackend *backend)
{
	enum
	{
		ROWS = 501, FREQUENCIES = 37
	};
	static float cosines[ROWS * FREQUENCIES];
	static float y[ROWS * 2];
	float		frequency[FREQUENCIES];
	float		phase[FREQUENCIES];
	float		weight[FREQUENCIES] = {0};
	float		bias = 0.25f;
	DlWorkspace w = {.memory = aligned_alloc(64, (backend->workspace_size + 63) / 64 * 64), .size = backend->workspace_size};
	double		worst = 0;

	for (int i = 0; i < ROWS; i++)
		inputs[i] = (float) (8.0 * (2.0 * i / (ROWS - 1) - 1));
	for (int f = 0; f < FREQUENCIES; f++)
	{
		frequency[f] = (float) (f - 18) * 0.61803f;
		phase[f] = (float) (f % 7 - 3);
	}
	weight[5] = 1;
	backend->periodic(&w, ROWS, 1, FREQUENCIES, 1, inputs, 1, frequency, phase, weight, &bias, cosines, y);
	for (int i = 0; i < ROWS; i++)
	{
		for (int f = 0; f < FREQUENCIES; f++)
		{
			double		want = cos(2 * M_PI * (double) frequency[f] * inputs[i] + phase[f]);
			double		error = fabs(cosines[i * FREQUENCIES + f] - want);

			worst = error <= worst ? worst : error;
		}
	}
	ok(worst < 1e-6, "%s: cosine up to %.0f: error %.2g", backend->name, 2 * M_PI * 18 * 0.61803 * 8, worst);
	ok(y[0] == inputs[0] && y[1] == cosines[5] + bias, "%s: a periodic embedding is x and its cosines' sum", backend->name);
	free(w.memory);
}

static void
test_dropout(void)
{
	enum
	{
		N = 100003
	};
	float	   *x = malloc(N * sizeof(float));
	float	   *mask = malloc(N * sizeof(float));
	float	   *y = malloc(N * sizeof(float));
	float	   *first = NULL;
	DlWorkspace w = {.size = 0};

	for (int i = 0; i < N; i++)
		x[i] = (float) (i + 1);
	for (int level = DL_CPU_PLAIN; level <= (int) dl_cpu_detect(); level++)
	{
		const DlBackend *backend = dl_backend_cpu_level(level);
		DlRandom	random;
		int			dropped = 0;
		int			together = 0;
		int			near16 = 0;
		bool		right = true;

		dl_random_seed(&random, 7, 3);
		backend->dropout(&w, &random, 0.3, N, x, mask, y);
		for (int i = 0; i < N; i++)
		{
			dropped += mask[i] == 0;
			together += i > 0 && mask[i] == 0 && mask[i - 1] == 0;
			near16 += i >= 16 && mask[i] == 0 && mask[i - 16] == 0;
			right = right && (mask[i] == 0 || fabs(mask[i] - 1 / 0.7) < 1e-6) && y[i] == x[i] * mask[i];
		}
		ok(right, "%s: a mask is 0 or 1/(1-p), and y = x mask", backend->name);
		ok(abs(dropped - 30001) < 700, "%s: %d of %d dropped at 0.3", backend->name, dropped, N);
		ok(abs(together - 9000) < 500 && abs(near16 - 9000) < 500, "%s: neighbours are independent (%d, %d)",
		   backend->name, together, near16);
		if (first == NULL)
		{
			first = malloc(N * sizeof(float));
			memcpy(first, mask, N * sizeof(float));
		}
		ok(memcmp(first, mask, N * sizeof(float)) == 0, "%s: the same mask on every level", backend->name);
		backend->dropout(&w, &random, 0.3, N, x, mask, y);
		ok(memcmp(first, mask, N * sizeof(float)) != 0, "%s: the next mask is another", backend->name);
		dl_random_seed(&random, 7, 3);
		memcpy(y, x, N * sizeof(float));
		backend->dropout(&w, &random, 0.3, N, y, mask, y);
		ok(memcmp(first, mask, N * sizeof(float)) == 0 && y[1] == x[1] * mask[1], "%s: repeatable, and in place", backend->name);
		backend->dropout(&w, &random, 0, 100, x, mask, y);
		ok(memcmp(x, y, 100 * sizeof(float)) == 0, "%s: p = 0 drops nothing", backend->name);
	}
	free(x);
	free(mask);
	free(y);
	free(first);
}

/* The processor's handling of denormal numbers stays as it was. */
static void
test_denormal(const DlBackend *backend)
{
	volatile float tiny = 1e-40f;
	float		x = 2e-40f;
	float		y = 0;
	DlWorkspace w = {.size = 0};

	backend->scale(&w, 1, 0.5, &x, false, &y);
	ok(y > 0 && tiny * 0.5f > 0, "%s: denormal numbers are kept", backend->name);
}

int
main(void)
{
	for (int level = DL_CPU_PLAIN; level <= (int) dl_cpu_detect(); level++)
	{
		const DlBackend *backend = dl_backend_cpu_level(level);

		for (int f = 0; f < DL_ACTIVATION_COUNT; f++)
		{
			test_activation(backend, f, 1, 1e-6);
			test_activation(backend, f, 12, 1e-3);
			test_activation(backend, f, 80, 1);
		}
		test_extremes(backend);
		test_cosine(backend);
		test_denormal(backend);
	}
	test_dropout();
	return done_testing();
}
