/*
 * significance.c
 *    Tails of the chi-square, Kolmogorov and hypergeometric distributions.
 */
#include "data/significance.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#define PI 3.14159265358979323846
#define MOST_TERMS 1000000		/* of a continued fraction, which has converged long before */
#define SMALL 1e-300			/* in the place of a denominator of 0 */

static double
log_gamma(double x)
{
	int			sign;

	return lgamma_r(x, &sign);
}

/* P(a, x) = x^a e^-x / Gamma(a + 1) (1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ...), for x below a + 1. */
static double
gamma_series(double a, double x, double factor)
{
	double		term = 1 / a;
	double		sum = term;

	for (double n = a + 1; term > sum * DBL_EPSILON / 4; n++)
	{
		term *= x / n;
		sum += term;
	}
	return factor * sum;
}

/* Q(a, x) by its continued fraction, evaluated from the front by Lentz's method; for x from a + 1 on. */
static double
gamma_fraction(double a, double x, double factor)
{
	double		b = x + 1 - a;
	double		c = 1 / SMALL;
	double		d = 1 / b;
	double		result = d;

	for (double i = 1; i < MOST_TERMS; i++)
	{
		double		numerator = -i * (i - a);
		double		change;

		b += 2;
		d = numerator * d + b;
		d = 1 / (fabs(d) < SMALL ? SMALL : d);
		c = b + numerator / c;
		c = fabs(c) < SMALL ? SMALL : c;
		change = c * d;
		result *= change;
		if (!(fabs(change - 1) > 4 * DBL_EPSILON))
			break;
	}
	return factor * result;
}

double
dl_chi_square_tail(double x, double degrees)
{
	double		a = degrees / 2;
	double		z = x / 2;
	double		factor;

	if (!(degrees > 0) || isnan(x))
		return NAN;
	if (z <= 0)
		return 1;
	if (isinf(z))
		return 0;
	factor = exp(a * log(z) - z - log_gamma(a));
	return z < a + 1 ? fmax(0, 1 - gamma_series(a, z, factor)) : gamma_fraction(a, z, factor);
}

/* Below 1 the distribution's other series (of the theta function) converges in a few terms, above it this one. */
double
dl_kolmogorov_tail(double x)
{
	double		sum = 0;

	if (isnan(x))
		return NAN;
	if (x <= 0)
		return 1;
	if (x < 1)
	{
		for (int k = 1; k <= 9; k += 2)
			sum += exp(-k * k * PI * PI / (8 * x * x));
		return 1 - sqrt(2 * PI) / x * sum;
	}
	for (int k = 1; k <= 6; k++)
		sum += (k % 2 == 1 ? 2 : -2) * exp(-2.0 * k * k * x * x);
	return sum;
}

double
dl_kolmogorov_smirnov_p(double d, int64_t n, int64_t m)
{
	double		root;

	if (n <= 0 || m <= 0 || isnan(d))
		return NAN;
	root = sqrt((double) n * (double) m / ((double) n + (double) m));
	return dl_kolmogorov_tail((root + 0.12 + 0.11 / root) * d);
}

static double
log_choose(double n, double k)
{
	return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1);
}

/* The terms fall from the first on, for it is beyond the mean; away from it in steps of one. */
static double
hypergeometric_tail(double k, double marked, double drawn, double all, bool upper)
{
	double		term = exp(log_choose(marked, k) + log_choose(all - marked, drawn - k) - log_choose(all, drawn));
	double		sum = term;

	while (term > sum * DBL_EPSILON / 4)
	{
		if (upper)
			term *= (marked - k) * (drawn - k) / ((k + 1) * (all - marked - drawn + k + 1));
		else
			term *= k * (all - marked - drawn + k) / ((marked - k + 1) * (drawn - k + 1));
		k += upper ? 1 : -1;
		sum += term;
	}
	return sum;
}

double
dl_shares_p(int64_t a, int64_t n, int64_t b, int64_t m)
{
	double		marked = (double) a + (double) b;
	double		all = (double) n + (double) m;
	double		mean;
	double		p;

	if (n <= 0 || m <= 0)
		return NAN;
	mean = marked * ((double) m / all);
	if ((double) b == mean)
		return 1;
	p = 2 * hypergeometric_tail((double) b, marked, (double) m, all, (double) b > mean);
	return p < 1 ? p : 1;
}
