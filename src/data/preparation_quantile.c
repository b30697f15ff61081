/*
 * preparation_quantile.c
 *    Sorting samples, quantiles of them, and quantiles of the normal
 *    distribution.
 *
 * Pure functions: no state, no memory.
 */
#include <math.h>
#include <string.h>

#include "data/preparation_internal.h"

/* The bits of a float, with those of negative ones turned over, ascend as it does; three rounds of 11 bits. */
void
dl_sort_floats(float *values, uint32_t *keys, uint32_t *other, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &values[i], sizeof(bits));
		keys[i] = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
	}
	for (int shift = 0; shift < 32; shift += 11)
	{
		int64_t		starts[2049] = {0};
		uint32_t   *swap = keys;

		for (int64_t i = 0; i < count; i++)
			starts[((keys[i] >> shift) & 2047) + 1]++;
		for (int digit = 0; digit < 2048; digit++)
			starts[digit + 1] += starts[digit];
		for (int64_t i = 0; i < count; i++)
			other[starts[(keys[i] >> shift) & 2047]++] = keys[i];
		keys = other;
		other = swap;
	}
	for (int64_t i = 0; i < count; i++)
	{
		uint32_t	bits = keys[i] & 0x80000000u ? keys[i] & 0x7fffffffu : ~keys[i];

		memcpy(&values[i], &bits, sizeof(bits));
	}
}

double
dl_quantile_of(const float *values, int64_t count, double p)
{
	double		position = p * (double) (count - 1);
	int64_t		below = (int64_t) position;

	if (below >= count - 1)
		return values[count - 1];
	return values[below] + (position - (double) below) * ((double) values[below + 1] - values[below]);
}

/* Numerator and denominator by Horner's rule, the highest power first. */
static double
polynomial(const double *coefficients, int count, double x)
{
	double		y = coefficients[0];

	for (int i = 1; i < count; i++)
		y = y * x + coefficients[i];
	return y;
}

double
dl_normal_quantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
	1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
	6.680131188771972e+01, -1.328068155288572e+01, 1};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
	-2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00};
	static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
	3.754408661907416e+00, 1};
	double		tail = p < 0.5 ? p : 1 - p;
	double		q;

	if (tail < 0.02425)
	{
		q = sqrt(-2 * log(tail));
		q = polynomial(c, 6, q) / polynomial(d, 5, q);
		return p < 0.5 ? q : -q;
	}
	q = p - 0.5;
	return q * polynomial(a, 6, q * q) / polynomial(b, 6, q * q);
}
