/*
 * distribution_compare.c
 *    How far a sample is from its reference: the population stability index, the
 *    Kolmogorov-Smirnov and the chi-square statistic, and the verdict.
 */
#include <math.h>

#include "data/distribution.h"
#include "data/significance.h"

#define MOST_CELLS (DL_DISTRIBUTION_MOST + 4)
#define LEAST_SHARE 0.0001		/* of a cell that is empty on one side, or half a row if that is more */
#define LEAST_EXPECTED 5		/* rows in a cell of the chi-square test, on both sides (Cochran, 1954) */

/* The same cut of both sides into cells. */
typedef struct Cells
{
	int			count;
	double		then[MOST_CELLS];
	double		now[MOST_CELLS];
	double		then_rows;
	double		now_rows;
} Cells;

static void
add_cell(Cells *cells, int64_t then, int64_t now)
{
	cells->then[cells->count] = (double) then;
	cells->now[cells->count++] = (double) now;
	cells->then_rows += (double) then;
	cells->now_rows += (double) now;
}

/* What lies outside of the reference's range has cells of its own. */
static void
cut_numbers(const DlDistribution *then, const DlDistribution *now, Cells *cells)
{
	add_cell(cells, 0, now->under);
	for (int32_t i = 0; i <= then->count; i++)
		add_cell(cells, then->bins[i], now->bins[i] - (i == 0 ? now->under : 0) - (i == then->count ? now->over : 0));
	add_cell(cells, 0, now->over);
}

/* More of the values are unseen than the reference lets expect. Fewer is no change: rows of the training have none. */
static bool
more_unseen(const DlDistribution *then, const DlDistribution *now)
{
	return (double) now->unseen * (double) (then->rows - then->missing) >
		(double) then->unseen * (double) (now->rows - now->missing);
}

static void
cut_codes(const DlDistribution *then, const DlDistribution *now, Cells *cells)
{
	bool		apart = more_unseen(then, now);
	int64_t		then_rest = then->rows - then->missing - then->unseen;
	int64_t		now_rest = now->rows - now->missing - now->unseen;

	for (int32_t i = 0; i < then->count; i++)
	{
		add_cell(cells, then->frequencies[i], now->frequencies[i]);
		then_rest -= then->frequencies[i];
		now_rest -= now->frequencies[i];
	}
	add_cell(cells, then_rest + (apart ? 0 : then->unseen), now_rest + (apart ? 0 : now->unseen));
	if (apart)
		add_cell(cells, then->unseen, now->unseen);
}

static double
floored_share(double rows, double all)
{
	return fmax(rows / all, fmax(LEAST_SHARE, 0.5 / all));
}

static double
stability_index(const Cells *cells)
{
	double		sum = 0;

	if (cells->then_rows == 0 || cells->now_rows == 0)
		return NAN;
	for (int i = 0; i < cells->count; i++)
		if (cells->then[i] > 0 || cells->now[i] > 0)
		{
			double		then = floored_share(cells->then[i], cells->then_rows);
			double		now = floored_share(cells->now[i], cells->now_rows);

			sum += (now - then) * log(now / then);
		}
	return sum;
}

/* Cells in which too few rows are to be expected count as one. */
static void
pool_cells(const Cells *cells, Cells *pooled)
{
	double		least = fmin(cells->then_rows, cells->now_rows) / (cells->then_rows + cells->now_rows);
	double		then = 0;
	double		now = 0;

	*pooled = (Cells) {.then_rows = cells->then_rows, .now_rows = cells->now_rows};
	for (int i = 0; i < cells->count; i++)
		if ((cells->then[i] + cells->now[i]) * least >= LEAST_EXPECTED)
		{
			pooled->then[pooled->count] = cells->then[i];
			pooled->now[pooled->count++] = cells->now[i];
		}
		else
		{
			then += cells->then[i];
			now += cells->now[i];
		}
	if (then + now == 0)
		return;
	if ((then + now) * least < LEAST_EXPECTED && pooled->count > 0)
	{
		int			smallest = 0;

		for (int i = 1; i < pooled->count; i++)
			if (pooled->then[i] + pooled->now[i] < pooled->then[smallest] + pooled->now[smallest])
				smallest = i;
		pooled->then[smallest] += then;
		pooled->now[smallest] += now;
		return;
	}
	pooled->then[pooled->count] = then;
	pooled->now[pooled->count++] = now;
}

/* Of homogeneity, of two samples. */
static void
chi_square(const Cells *cells, double *statistic, double *p_value)
{
	Cells		pooled;
	double		all = cells->then_rows + cells->now_rows;
	double		sum = 0;

	*statistic = NAN;
	*p_value = NAN;
	if (cells->then_rows == 0 || cells->now_rows == 0)
		return;
	pool_cells(cells, &pooled);
	if (pooled.count < 2)
		return;
	for (int i = 0; i < pooled.count; i++)
	{
		double		both = pooled.then[i] + pooled.now[i];
		double		distance = pooled.now[i] - both * (cells->now_rows / all);

		sum += distance * distance * all * all / (both * cells->now_rows * cells->then_rows);
	}
	*statistic = sum;
	*p_value = dl_chi_square_tail(sum, pooled.count - 1);
}

/* The cells ascend, so that their sums are the distribution functions at the edges. */
static void
kolmogorov_smirnov(const Cells *cells, double *statistic, double *p_value)
{
	double		then = 0;
	double		now = 0;
	double		most = 0;

	*statistic = NAN;
	*p_value = NAN;
	if (cells->then_rows == 0 || cells->now_rows == 0)
		return;
	for (int i = 0; i < cells->count; i++)
	{
		then += cells->then[i];
		now += cells->now[i];
		most = fmax(most, fabs(then / cells->then_rows - now / cells->now_rows));
	}
	*statistic = most;
	*p_value = dl_kolmogorov_smirnov_p(most, (int64_t) cells->then_rows, (int64_t) cells->now_rows);
}

static DlDriftVerdict
verdict(const DlDrift *drift)
{
	if (!(drift->psi >= DL_DRIFT_MODERATE_PSI) || !(drift->chance < DL_DRIFT_CHANCE))
		return DL_DRIFT_STABLE;
	return drift->psi >= DL_DRIFT_DRIFTED_PSI ? DL_DRIFT_DRIFTED : DL_DRIFT_MODERATE;
}

void
dl_distribution_compare(const DlDistribution *now, DlDrift *result)
{
	const DlDistribution *then = now->reference;
	int64_t		values = now->rows - now->missing;
	int64_t		unseen = now->codes ? now->unseen : now->under + now->over;
	Cells		cells = {0};

	*result = (DlDrift) {.unseen = values > 0 ? (double) unseen / (double) values : NAN};
	if (now->codes)
	{
		cut_codes(then, now, &cells);
		chi_square(&cells, &result->statistic, &result->p_value);
	}
	else
	{
		cut_numbers(then, now, &cells);
		kolmogorov_smirnov(&cells, &result->statistic, &result->p_value);
	}
	add_cell(&cells, then->missing, now->missing);
	result->psi = stability_index(&cells);

	/* fmin passes over NaN */
	result->chance = fmin(result->p_value, dl_shares_p(then->missing, then->rows, now->missing, now->rows));
	if (!now->codes || more_unseen(then, now))
		result->chance = fmin(result->chance, dl_shares_p(then->unseen, then->rows - then->missing, unseen, values));
	result->verdict = verdict(result);
}

const char *
dl_drift_verdict_name(DlDriftVerdict verdict)
{
	static const char *const names[] = {
		[DL_DRIFT_STABLE] = "stable",[DL_DRIFT_MODERATE] = "moderate",[DL_DRIFT_DRIFTED] = "drifted",
	};

	return names[verdict];
}
