/*
 * test_significance.c
 *    Tails of distributions against SciPy 1.17 (chi2.sf, special.kolmogorov, kstwo.sf, hypergeom).
 */
#include "tap.h"

#include "data/significance.h"

/* Relative, also where the value is tiny. */
static void
check(double got, double want, double tolerance, const char *name, double a, double b)
{
	ok(fabs(got - want) <= tolerance * want, "%s of %g, %g: %.15g, expected %.15g", name, a, b, got, want);
}

static void
test_chi_square(void)
{
	static const double cases[][3] = {
		{3.84, 1, 0.05004352124870519}, {0.5, 1, 0.47950012218695337}, {10, 10, 0.44049328506521257},
		{30, 10, 0.000856641210775301}, {1e-8, 2, 0.999999995}, {120, 20, 2.851507755552014e-16},
		{500, 400, 0.00048221275959343273}, {1000, 1, 1.7958327848007363e-219}, {7, 1, 0.008150971593502705},
		{1003000, 1000000, 0.017016772933266328}, {900000, 1000000, 1}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(dl_chi_square_tail(cases[i][0], cases[i][1]), cases[i][2], 1e-9, "chi-square", cases[i][0], cases[i][1]);
	ok(dl_chi_square_tail(0, 3) == 1 && dl_chi_square_tail(-1, 3) == 1, "all of it lies above 0");
	ok(dl_chi_square_tail(INFINITY, 3) == 0, "nothing lies above infinity");
	ok(isnan(dl_chi_square_tail(1, 0)) && isnan(dl_chi_square_tail(NAN, 1)), "no degree of freedom, no number");
}

static void
test_kolmogorov(void)
{
	static const double cases[][2] = {
		{0.1, 1}, {0.2, 0.999999999999495}, {0.4, 0.9971923267772983}, {0.6, 0.8642827790506042},
		{0.9, 0.3927307079406543}, {0.999, 0.27107316411506394}, {1, 0.26999967167735456},
		{1.2, 0.11224966667072497}, {1.36, 0.049485876755377876}, {1.63, 0.009846364888486529},
		{2, 0.0006709252557796953}, {3, 3.045995948942526e-08}, {5, 3.8574996959278356e-22}
	};

	/* the exact distribution of one sample of n m / (n + m) values, rounded, which the correction comes near */
	static const struct
	{
		int64_t		n;
		int64_t		m;
		double		d;
		double		p;
		double		tolerance;
	}			samples[] = {
		{100, 100, 0.2, 0.03143877776953241, 0.03}, {1000, 500, 0.05, 0.36381774664618793, 0.01},
		{50, 40, 0.3, 0.029817731971163774, 0.05}, {20, 20, 0.5, 0.00777741, 0.1},
		{100000, 5000, 0.02, 0.04371959863194674, 0.005}, {10, 12, 0.6, 0.03008, 0.3}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(dl_kolmogorov_tail(cases[i][0]), cases[i][1], 1e-12, "Kolmogorov", cases[i][0], 0);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		check(dl_kolmogorov_smirnov_p(samples[i].d, samples[i].n, samples[i].m), samples[i].p, samples[i].tolerance,
			  "Kolmogorov-Smirnov", (double) samples[i].n, (double) samples[i].m);
	ok(dl_kolmogorov_tail(0) == 1 && dl_kolmogorov_tail(-1) == 1, "all of it lies above 0");
	ok(dl_kolmogorov_smirnov_p(0, 5, 5) == 1, "no difference");
	ok(isnan(dl_kolmogorov_tail(NAN)) && isnan(dl_kolmogorov_smirnov_p(0.5, 0, 5)), "no number, no value");
}

static void
test_shares(void)
{
	static const struct
	{
		int64_t		a;
		int64_t		n;
		int64_t		b;
		int64_t		m;
		double		p;
	}			cases[] = {
		{0, 1000, 3, 100, 0.0014618356479064426}, {5, 100, 5, 100, 1}, {10, 1000, 9, 100, 2.5614078960342468e-05},
		{100, 1000, 30, 100, 3.760104915568261e-07}, {3, 5, 2, 4, 1}, {0, 10, 0, 10, 1},
		{2000, 100000, 35, 1000, 0.0028305765905481403}, {500000, 1000000, 5200, 10000, 7.169262881405344e-05},
		{10, 10, 8, 10, 0.4736842105263158}, {1000000, 100000000, 40, 10000, 1.2542822451279586e-11}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(dl_shares_p(cases[i].a, cases[i].n, cases[i].b, cases[i].m), cases[i].p, 1e-5, "shares", (double) cases[i].a,
			  (double) cases[i].b);
	ok(dl_shares_p(0, INT64_C(1) << 40, INT64_C(1) << 40, INT64_C(1) << 40) == 0, "all against none of many");
	ok(dl_shares_p(7, 7, 9, 9) == 1, "all of both");
	ok(isnan(dl_shares_p(0, 0, 1, 2)), "no rows");
}

int
main(void)
{
	test_chi_square();
	test_kolmogorov();
	test_shares();
	return done_testing();
}
