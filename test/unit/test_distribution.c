/*
 * test_distribution.c
 *    Edges, counts and what few digits they have; the population stability index and both
 *    statistics against NumPy and SciPy; verdicts.
 */
#include "tap.h"

#include <stdlib.h>

#include "core/random.h"
#include "data/distribution.h"

#define MOST 20000

static DlArena *arena;
static DlError error;

/* The reference of count numbers, offset 0. */
static DlDistribution
reference_of(const float *values, int64_t count)
{
	static float sample[MOST];
	static uint32_t keys[2 * MOST];
	DlDistribution result;

	memcpy(sample, values, (size_t) count * sizeof(float));
	ok(dl_distribution_of_sample(arena, sample, keys, keys + MOST, count, 0, &result, &error) == DL_OK, "edges");
	dl_distribution_add_numbers(&result, values, count);
	dl_distribution_finish(&result);
	return result;
}

static DlDrift
compare_numbers(const DlDistribution *then, const float *values, int64_t count)
{
	DlDistribution now;
	DlDrift		drift;

	dl_distribution_like(arena, then, &now, &error);
	dl_distribution_add_numbers(&now, values, count);
	dl_distribution_compare(&now, &drift);
	return drift;
}

static void
test_numbers(void)
{
	static float then[2000];
	static float now[1000];
	static const double edges[] = {0.1, 0.1999, 0.3, 0.4, 0.5, 0.6, 0.7009, 0.8, 0.9008};
	DlDistribution reference;
	DlDrift		drift;
	int64_t		sum = 0;

	for (int i = 0; i < 2000; i++)
		then[i] = (float) ((double) (i * 7919 % 10007) / 10007);
	for (int i = 0; i < 1000; i++)
		now[i] = (float) ((double) (i * INT64_C(104729) % 10007) / 10007 * 0.8 + 0.3);
	reference = reference_of(then, 2000);
	ok(reference.count == 9, "nine edges");
	for (int i = 0; i <= reference.count; i++)
	{
		ok(reference.bins[i] == 200, "a tenth in bin %d: %d", i, (int) reference.bins[i]);
		sum += reference.bins[i];
	}
	ok(sum == reference.rows && reference.rows == 2000 && reference.missing == 0, "all are counted");
	is_close(reference.mean, 0.50038475, 1e-6, "mean");
	is_close(reference.deviation, 0.28881383, 1e-6, "deviation");
	ok((float) reference.low == 0 && reference.high < 1, "range");

	for (int i = 0; i < 9; i++)
		is_close(reference.edges[i], edges[i], 1e-12, "an edge of few digits at a decile");

	/* numpy with the same edges, and the range's end; ks_2samp, at all values, gives 0.3 */
	drift = compare_numbers(&reference, now, 1000);
	is_close(drift.psi, 2.317534247793991, 1e-9, "population stability index");
	is_close(drift.statistic, 0.299, 1e-12, "Kolmogorov-Smirnov at the edges");
	is_close(drift.unseen, 0.124, 1e-12, "share out of range");
	ok(drift.p_value < 1e-40 && drift.verdict == DL_DRIFT_DRIFTED, "drifted");

	/* against itself */
	drift = compare_numbers(&reference, then, 2000);
	ok(drift.psi == 0 && drift.statistic == 0 && drift.p_value == 1 && drift.unseen == 0, "nothing against itself");
	ok(drift.verdict == DL_DRIFT_STABLE, "stable");
}

/* Where values are few the statistic is exact: ks_2samp gives the same. */
static void
test_few_values(void)
{
	static float then[1200];
	static float now[500];
	static const double counts[] = {197, 198, 201, 202, 202, 200};
	DlDistribution reference;
	DlDrift		drift;

	for (int i = 0; i < 1200; i++)
		then[i] = (float) (i * 7919 % 10007 % 6);
	for (int i = 0; i < 500; i++)
		now[i] = fminf(5, (float) (i * INT64_C(104729) % 10007 % 7));
	reference = reference_of(then, 1200);
	ok(reference.count == 5, "an edge between each two values");
	for (int i = 0; i <= reference.count; i++)
		ok((double) reference.bins[i] == counts[i], "bin %d", i);
	drift = compare_numbers(&reference, now, 500);
	is_close(drift.statistic, 0.11533333333333333, 1e-12, "statistic of ks_2samp");
}

static void
test_digits(void)
{
	static float values[1000];
	DlDistribution reference;

	for (int i = 0; i < 1000; i++)
		values[i] = (float) (i % 40) / 10 + 100;
	reference = reference_of(values, 1000);
	for (int i = 0; i < reference.count; i++)
		is_close(reference.edges[i] * 10, nearbyint(reference.edges[i] * 10), 0, "one digit behind the point is enough");
	ok(reference.low == 100 && reference.high == 103.9, "range in few digits: %.17g", reference.high);
	ok((float) reference.high == values[39], "which is the same number");

	/* next to each other: no shorter number stands between them */
	values[0] = 16777215;
	values[1] = 16777216;
	reference = reference_of(values, 2);
	ok(reference.count == 1 && reference.bins[0] == 1 && reference.bins[1] == 1, "neighbours are told apart");
	values[0] = 1e-42f;
	values[1] = -3e38f;
	reference = reference_of(values, 2);
	ok(reference.count == 1 && reference.bins[0] == 1 && (float) reference.low == -3e38f && (float) reference.high == 1e-42f,
	   "the ends of floats");
}

static void
test_missing(void)
{
	static float values[400];
	float		nothing[3] = {NAN, NAN, NAN};
	DlDistribution reference;
	DlDrift		drift;

	for (int i = 0; i < 400; i++)
		values[i] = i % 4 == 0 ? NAN : (float) (i % 7);
	reference = reference_of(values, 400);
	ok(reference.missing == 100 && reference.rows == 400, "missing ones are counted");
	for (int i = 0; i < 400; i++)
		values[i] = i % 4 == 2 || i % 4 == 0 ? NAN : (float) (i % 7);
	drift = compare_numbers(&reference, values, 400);
	ok(drift.p_value > 0.5 && drift.chance < 1e-9 && drift.verdict != DL_DRIFT_STABLE,
	   "values as they were, but more are missing: index %.3f", drift.psi);
	drift = compare_numbers(&reference, nothing, 3);
	ok(isnan(drift.statistic) && isnan(drift.p_value) && isnan(drift.unseen) && drift.psi > 1, "nothing but missing ones");
	drift = compare_numbers(&reference, nothing, 0);
	ok(isnan(drift.psi) && drift.verdict == DL_DRIFT_STABLE, "no rows");

	reference = reference_of(nothing, 3);
	ok(isnan(reference.low) && isnan(reference.mean) && reference.count == 0, "a reference of missing ones");
	drift = compare_numbers(&reference, values, 400);
	ok(isnan(drift.statistic) && drift.psi > 0.5, "against which numbers are new");
}

static void
test_constant(void)
{
	static float values[500];
	DlDistribution reference;
	DlDrift		drift;

	for (int i = 0; i < 500; i++)
		values[i] = 3;
	reference = reference_of(values, 500);
	ok(reference.count == 0 && reference.bins[0] == 500 && reference.deviation == 0, "a constant has one bin");
	values[0] = 4;
	drift = compare_numbers(&reference, values, 500);
	ok(drift.verdict == DL_DRIFT_STABLE, "one other value: %g", drift.psi);
	for (int i = 0; i < 100; i++)
		values[i] = i % 2 == 0 ? 2 : 4;
	drift = compare_numbers(&reference, values, 500);
	is_close(drift.unseen, 0.2, 1e-12, "a fifth is out of range");
	is_close(drift.statistic, 0.1, 1e-12, "a tenth below it");
	ok(drift.verdict == DL_DRIFT_DRIFTED, "drifted");
}

/* 200 samples of what has not changed, of 30 to 3,000 rows. */
static void
test_false_alarms(void)
{
	static float values[3000];
	DlDistribution reference;
	DlRandom	random;
	int			alarms = 0;
	int			low = 0;

	dl_random_seed(&random, 11, 0);
	for (int i = 0; i < 3000; i++)
		values[i] = (float) dl_random_normal(&random);
	reference = reference_of(values, 3000);
	for (int k = 0; k < 200; k++)
	{
		int64_t		count = k % 2 == 0 ? 30 : 3000;
		DlDrift		drift;

		for (int64_t i = 0; i < count; i++)
			values[i] = (float) dl_random_normal(&random);
		drift = compare_numbers(&reference, values, count);
		alarms += drift.verdict != DL_DRIFT_STABLE;
		low += drift.p_value < 0.05;
	}
	ok(alarms == 0, "no alarm without a change: %d", alarms);
	ok(low <= 20, "p-values below 0.05 in at most a twentieth of them, or chance: %d of 200", low);
}

static DlDrift
compare_codes(const DlDistribution *then, const int32_t *codes, int64_t count)
{
	DlDistribution now;
	DlDrift		drift;

	dl_distribution_like(arena, then, &now, &error);
	dl_distribution_add_codes(&now, codes, count);
	dl_distribution_compare(&now, &drift);
	return drift;
}

/* chi2_contingency(correction = False) of the same table. */
static void
test_codes(void)
{
	static const int64_t frequencies[] = {150, 500, 300, 50};
	static const int64_t counts[] = {70, 200, 180, 50};
	static int32_t codes[500];
	DlDistribution reference;
	DlDrift		drift;
	int			n = 0;

	for (int32_t k = 0; k < 4; k++)
		for (int64_t i = 0; i < counts[k]; i++)
			codes[n++] = k;
	ok(dl_distribution_of_codes(arena, frequencies, 4, 0, NULL, 1, &reference, &error) == DL_OK, "levels");
	ok(reference.count == 4 && reference.levels[0] == 1 && reference.levels[3] == 3 && reference.rows == 1000,
	   "the most frequent first");
	drift = compare_codes(&reference, codes, 500);
	is_close(drift.statistic, 23.62012987012987, 1e-12, "chi-square");
	is_close(drift.p_value * 1e5, 2.998299778177404, 1e-9, "its p-value");
	is_close(drift.psi, 0.06860093628192501, 1e-12, "population stability index");
	ok(drift.verdict == DL_DRIFT_STABLE, "certain, but small: stable");
	for (int i = 0; i < 500; i++)
		codes[i] = i % 10 == 0 ? DL_CODE_UNSEEN : i % 10 == 1 ? DL_CODE_MISSING : i % 2;
	drift = compare_codes(&reference, codes, 500);
	is_close(drift.unseen, 50.0 / 450, 1e-12, "share of unseen ones, of those that are there");
	ok(drift.verdict == DL_DRIFT_DRIFTED, "drifted");
	drift = compare_codes(&reference, codes, 0);
	ok(isnan(drift.psi) && isnan(drift.p_value), "no rows");
	drift = compare_codes(&reference, codes, 3);
	ok(isnan(drift.p_value) && drift.verdict == DL_DRIFT_STABLE, "too few rows to say");
}

/* Names, of which each is met a few times: new ones are what one must expect. */
static void
test_many_levels(void)
{
	static int64_t frequencies[3000];
	static int32_t known[3000];
	static int32_t codes[2000];
	DlDistribution reference;
	DlDrift		drift;
	DlRandom	random;

	dl_random_seed(&random, 5, 0);
	for (int i = 0; i < 3000; i++)
		frequencies[dl_random_below(&random, 3000)]++;
	for (int i = 0; i < 3000; i++)
		known[i] = frequencies[i] > 0 ? i : -1;
	dl_distribution_of_codes(arena, frequencies, 3000, 0, known, 1, &reference, &error);
	ok(reference.count == DL_DISTRIBUTION_LEVELS && reference.rows == 3000, "the most frequent are kept");
	ok(reference.unseen > 1000 && reference.unseen < 1200, "what was met once says how much is new: %d",
	   (int) reference.unseen);
	for (int i = 0; i < 2000; i++)
	{
		codes[i] = (int32_t) dl_random_below(&random, 3000);
		if (known[codes[i]] < 0)
			codes[i] = DL_CODE_UNSEEN;
	}
	drift = compare_codes(&reference, codes, 2000);
	ok(drift.unseen > 0.3 && drift.verdict == DL_DRIFT_STABLE, "a third is unseen, as expected: index %.3f", drift.psi);

	for (int i = 0; i < 2000; i++)
		codes[i] = known[i] < 0 ? 7 : i;
	drift = compare_codes(&reference, codes, 2000);
	ok(drift.unseen == 0 && drift.verdict == DL_DRIFT_STABLE, "none is unseen among the rows of training: index %.3f", drift.psi);

	/* of which levels some were dropped: those are as unknown as unseen ones */
	known[0] = -1;
	dl_distribution_of_codes(arena, frequencies, 3000, 7, known, 2, &reference, &error);
	ok(reference.rows == 3007 && reference.missing == 7 && reference.unseen > 1500, "with a least number of rows");
}

int
main(void)
{
	dl_arena_create(0, &arena, NULL);
	test_numbers();
	test_few_values();
	test_digits();
	test_missing();
	test_constant();
	test_false_alarms();
	test_codes();
	test_many_levels();
	is_text(dl_drift_verdict_name(DL_DRIFT_MODERATE), "moderate", "the name of a verdict");
	dl_arena_destroy(arena);
	return done_testing();
}
