/*
 * significance.h
 *    How likely a difference between two samples is by chance alone.
 *
 * Pure functions in double precision: no state, no memory.
 */
#ifndef DL_DATA_SIGNIFICANCE_H
#define DL_DATA_SIGNIFICANCE_H

#include <stdint.h>

/*
 * The probability that a chi-square variable of that many degrees of freedom exceeds x: the regularised upper
 * incomplete gamma function Q(degrees / 2, x / 2).  NaN without a degree of freedom.
 */
extern double dl_chi_square_tail(double x, double degrees);

/* The probability that Kolmogorov's variable, the limit of sqrt(n) D, exceeds x. */
extern double dl_kolmogorov_tail(double x);

/*
 * p-value of the two-sample Kolmogorov-Smirnov statistic d of samples of n and m values, by the limit
 * with Stephens' (1970) correction for small samples; conservative where values repeat.  NaN when a sample is empty.
 */
extern double dl_kolmogorov_smirnov_p(double d, int64_t n, int64_t m);

/*
 * Two-sided p-value of a out of n against b out of m: Fisher's exact test, as twice the smaller tail of the
 * hypergeometric distribution.  NaN when n or m is 0.
 */
extern double dl_shares_p(int64_t a, int64_t n, int64_t b, int64_t m);

#endif							/* DL_DATA_SIGNIFICANCE_H */
