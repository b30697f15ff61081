/*
 * distribution.h
 *    What is remembered of how a variable was distributed, and how far another
 *    sample of it is from that.
 *
 * A distribution of numbers has bins between edges that are about the deciles of the sample it was made
 * from; the counts of the bins are exact for all values added. Values are as a record stores them, without their
 * offset. One of codes has the most frequent levels. A sample is compared with a reference: it
 * has the edges or levels of that, and counts besides what lies outside of the reference's range.
 *
 * Numbers that are NaN are missing. Counting is one pass in bounded memory; all arrays live in the arena given.
 */
#ifndef DL_DATA_DISTRIBUTION_H
#define DL_DATA_DISTRIBUTION_H

#include "data/column.h"

#define DL_DISTRIBUTION_BINS 10
#define DL_DISTRIBUTION_LEVELS 20
#define DL_DISTRIBUTION_MOST 64	/* edges or levels that one may have */
#define DL_DISTRIBUTION_SAMPLE 10000	/* values that edges are taken from are enough */
#define DL_CODE_UNSEEN ((int32_t) -2)	/* beside DL_CODE_MISSING */

typedef struct DlDistribution
{
	bool		codes;			/* else numbers */
	int64_t		rows;			/* missing ones too */
	int64_t		missing;
	int32_t		count;			/* edges, or levels */

	/* numbers */
	double		offset;			/* added to all below gives the variable's own units; what is counted lacks it */
	double	   *edges;			/* ascending, as floats too */
	int64_t    *bins;			/* [count + 1]: values above the edge before, and at most their own */
	double		low;			/* NaN without values */
	double		high;
	double		mean;
	double		deviation;

	/* codes */
	int32_t    *levels;			/* the most frequent codes first */
	int64_t    *frequencies;	/* of each level */

	/*
	 * codes: of DL_CODE_UNSEEN.  In a reference, how many of its rows the others would not have known: those of
	 * levels that were seen just often enough (Good and Turing's estimate of what is still unseen).
	 */
	int64_t		unseen;

	/* while counting */
	const struct DlDistribution *reference;
	int64_t		under;			/* below the reference's low */
	int64_t		over;
	double		squares;		/* sum of squared distances from the mean */
} DlDistribution;

/* A distribution of numbers with edges from a sorted sample without NaN; count may be 0. */
extern DlStatus dl_distribution_of_numbers(DlArena *arena, const float *sorted, int64_t count, double offset,
										   DlDistribution *result, DlError *error);

/* Sorts values, then the same; keys and other are scratch of count words each. */
extern DlStatus dl_distribution_of_sample(DlArena *arena, float *values, uint32_t *keys, uint32_t *other, int64_t count,
										  double offset, DlDistribution *result, DlError *error);

/*
 * A finished distribution of codes 0..codes-1 by their frequencies.  known: which codes count as seen, -1 for those that
 * do not (NULL: all); least: rows from which on a level is known.
 */
extern DlStatus dl_distribution_of_codes(DlArena *arena, const int64_t *frequencies, int32_t codes, int64_t missing,
										 const int32_t *known, int64_t least, DlDistribution *result, DlError *error);

/* Nothing counted yet, to be compared with reference, which must outlive it. */
extern DlStatus dl_distribution_like(DlArena *arena, const DlDistribution *reference, DlDistribution *result,
									 DlError *error);

extern void dl_distribution_add_numbers(DlDistribution *distribution, const float *values, int64_t count);
extern void dl_distribution_add_codes(DlDistribution *distribution, const int32_t *codes, int64_t count);

/* After the last number: the deviation, and what is remembered in as few digits as say the same. */
extern void dl_distribution_finish(DlDistribution *distribution);

/*
 * The number that stands for a value of a column: itself, of a date its day, of an array the mean of its elements,
 * of a text log(1 + bytes).  From the features of rows records, stride words apart; not for categories.
 */
extern void dl_column_numbers(const DlColumn *column, const uint32_t *features, int64_t stride, int64_t rows,
							  float *values);

typedef enum DlDriftVerdict
{
	DL_DRIFT_STABLE,
	DL_DRIFT_MODERATE,
	DL_DRIFT_DRIFTED
} DlDriftVerdict;

#define DL_DRIFT_MODERATE_PSI 0.1
#define DL_DRIFT_DRIFTED_PSI 0.25
#define DL_DRIFT_CHANCE 0.001

typedef struct DlDrift
{
	double		psi;			/* population stability index; NaN without rows */
	double		statistic;		/* Kolmogorov-Smirnov of numbers, chi-square of codes; NaN: too few rows */
	double		p_value;
	double		unseen;			/* share of values outside of the range, or of no known level */
	double		chance;			/* the least p-value of the statistic, the share missing, the share unseen */
	DlDriftVerdict verdict;		/* by the index; stable where chance is not below DL_DRIFT_CHANCE */
} DlDrift;

/*
 * A sample against its reference.  The Kolmogorov-Smirnov statistic is the greatest distance of the two distribution functions
 * at the edges and at both ends of the reference's range: exact there, so at most the one of all values.
 */
extern void dl_distribution_compare(const DlDistribution *sample, DlDrift *result);
extern const char *dl_drift_verdict_name(DlDriftVerdict verdict);

#endif							/* DL_DATA_DISTRIBUTION_H */
