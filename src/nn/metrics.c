/*
 * metrics.c
 *    Measures of quality.  Sums are in double precision and in the order of
 *    the rows; what has to be sorted or counted takes memory from malloc and
 *    gives it back before it returns.
 */
#include "nn/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/size.h"

/* Rows that are sorted between looks at stop. */
#define SORT_ROWS 32768

DlStatus
dl_stop_check(DlStop stop, DlError *error)
{
	if (stop.asked != NULL && stop.asked(stop.context))
		return dl_error_set(error, DL_ERROR_CANCELLED, "measuring was cancelled");
	return DL_OK;
}

static double
weight_of(const float *weight, int64_t row)
{
	return weight != NULL ? (double) weight[row] : 1;
}

/*
 * --- regression ----------------------------------------------------------------
 */

static double
squared(double difference, double unused)
{
	(void) unused;
	return difference * difference;
}

static double
absolute(double difference, double unused)
{
	(void) unused;
	return fabs(difference);
}

/* difference: target less prediction. */
static double
pinball(double difference, double q)
{
	return difference >= 0 ? q * difference : (q - 1) * difference;
}

/* Weighted mean over rows and columns of a function of the differences; NaN without rows. */
static double
mean_difference(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight,
				double (*function) (double difference, double parameter), double parameter)
{
	double		sum = 0;
	double		weights = 0;

	for (int64_t i = 0; i < n; i++)
	{
		double		row = 0;
		double		w = weight_of(weight, i);

		for (int64_t j = i * columns; j < (i + 1) * columns; j++)
			row += function((double) target[j] - (double) predicted[j], parameter);
		sum += w * row;
		weights += w;
	}
	return weights > 0 ? sum / (weights * (double) columns) : NAN;
}

double
dl_metric_rmse(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight)
{
	return sqrt(mean_difference(n, columns, predicted, target, weight, squared, 0));
}

double
dl_metric_mae(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight)
{
	return mean_difference(n, columns, predicted, target, weight, absolute, 0);
}

double
dl_metric_quantile_loss(int64_t n, int64_t columns, double q, const float *predicted, const float *target,
						const float *weight)
{
	return mean_difference(n, columns, predicted, target, weight, pinball, q);
}

/* 1 - residual / total sum of squares of one column; NaN where the target is constant. */
static double
r2_of_column(int64_t n, int64_t columns, int64_t column, const float *predicted, const float *target,
			 const float *weight)
{
	double		mean = 0;
	double		weights = 0;
	double		residual = 0;
	double		total = 0;
	bool		constant = true;

	for (int64_t i = 0; i < n; i++)
	{
		/* rounding of the mean would hide it in the sum of squares */
		if (target[i * columns + column] != target[column])
			constant = false;
		mean += weight_of(weight, i) * (double) target[i * columns + column];
		weights += weight_of(weight, i);
	}
	mean /= weights;
	for (int64_t i = 0; i < n; i++)
	{
		double		t = (double) target[i * columns + column];
		double		d = t - (double) predicted[i * columns + column];

		residual += weight_of(weight, i) * d * d;
		total += weight_of(weight, i) * (t - mean) * (t - mean);
	}
	return total > 0 && !constant ? 1 - residual / total : NAN;
}

double
dl_metric_r2(int64_t n, int64_t columns, const float *predicted, const float *target, const float *weight)
{
	double		sum = 0;

	for (int64_t j = 0; j < columns; j++)
		sum += r2_of_column(n, columns, j, predicted, target, weight);
	return sum / (double) columns;
}

/*
 * --- classes -------------------------------------------------------------------
 */

static int64_t
most_likely(const float *probability, int64_t classes)
{
	int64_t		best = 0;

	for (int64_t k = 1; k < classes; k++)
		if (probability[k] > probability[best])
			best = k;
	return best;
}

double
dl_metric_accuracy(int64_t n, int64_t classes, const float *probability, const int32_t *target, const float *weight)
{
	double		right = 0;
	double		weights = 0;

	for (int64_t i = 0; i < n; i++)
	{
		double		w = weight_of(weight, i);

		if (most_likely(probability + i * classes, classes) == target[i])
			right += w;
		weights += w;
	}
	return weights > 0 ? right / weights : NAN;
}

double
dl_metric_log_loss(int64_t n, int64_t classes, const float *probability, const int32_t *target, const float *weight)
{
	double		sum = 0;
	double		weights = 0;

	for (int64_t i = 0; i < n; i++)
	{
		double		p = (double) probability[i * classes + target[i]];
		double		w = weight_of(weight, i);

		/* a float32 probability cannot tell less than this from 0 */
		if (p < (double) FLT_EPSILON)
			p = (double) FLT_EPSILON;
		sum -= w * log(p);
		weights += w;
	}
	return weights > 0 ? sum / weights : NAN;
}

/* Weights of the rows of a class: predicted as it, being it, and both. */
typedef struct ClassCount
{
	double		predicted;
	double		actual;
	double		both;
} ClassCount;

static DlConfusion
scores_of(const ClassCount *count)
{
	DlConfusion scores = {0, 0, 0};

	if (count->predicted > 0)
		scores.precision = count->both / count->predicted;
	if (count->actual > 0)
		scores.recall = count->both / count->actual;
	scores.f1 = 2 * count->both / (count->predicted + count->actual);
	return scores;
}

/* Mean over the classes from first on that occur in target or prediction; NaN when none does. */
static DlConfusion
average_scores(const ClassCount *counts, int64_t first, int64_t classes)
{
	DlConfusion sum = {0, 0, 0};
	double		occurring = 0;

	for (int64_t k = first; k < classes; k++)
	{
		DlConfusion scores;

		if (counts[k].predicted + counts[k].actual <= 0)
			continue;
		scores = scores_of(&counts[k]);
		sum.precision += scores.precision;
		sum.recall += scores.recall;
		sum.f1 += scores.f1;
		occurring++;
	}
	if (occurring == 0)
		return (DlConfusion) {NAN, NAN, NAN};
	return (DlConfusion) {sum.precision / occurring, sum.recall / occurring, sum.f1 / occurring};
}

DlStatus
dl_metric_confusion(int64_t n, int64_t classes, const float *probability, const int32_t *target,
					const float *weight, DlConfusion *result, DlError *error)
{
	ClassCount *counts = calloc((size_t) classes, sizeof(ClassCount));

	if (counts == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory for counts of %lld classes", (long long) classes);
	for (int64_t i = 0; i < n; i++)
	{
		int64_t		predicted = most_likely(probability + i * classes, classes);
		double		w = weight_of(weight, i);

		counts[predicted].predicted += w;
		counts[target[i]].actual += w;
		if (predicted == target[i])
			counts[predicted].both += w;
	}
	*result = average_scores(counts, classes == 2 ? 1 : 0, classes);
	free(counts);
	return DL_OK;
}

/*
 * --- area under the ROC curve ----------------------------------------------------
 */

typedef struct ScoredRow
{
	float		score;
	float		weight;
	bool		positive;
} ScoredRow;

static int
compare_scores(const void *a, const void *b)
{
	float		x = ((const ScoredRow *) a)->score;
	float		y = ((const ScoredRow *) b)->score;

	return (x > y) - (x < y);
}

/* Two sorted neighbours of from, begin .. middle and middle .. end, into the same place of to. */
static DlStatus
merge(const ScoredRow *from, ScoredRow *to, int64_t begin, int64_t middle, int64_t end, DlStop stop, DlError *error)
{
	int64_t		left = begin;
	int64_t		right = middle;

	for (int64_t i = begin; i < end; i++)
	{
		if (i % SORT_ROWS == 0)
			DL_TRY(dl_stop_check(stop, error));
		to[i] = right == end || (left < middle && from[left].score <= from[right].score) ? from[left++] : from[right++];
	}
	return DL_OK;
}

/* By score; in pieces, so that it can be stopped.  spare has room for as many rows; *sorted is one of the two. */
static DlStatus
sort_scores(ScoredRow *rows, ScoredRow *spare, int64_t n, DlStop stop, ScoredRow **sorted, DlError *error)
{
	for (int64_t begin = 0; begin < n; begin += SORT_ROWS)
	{
		DL_TRY(dl_stop_check(stop, error));
		qsort(rows + begin, (size_t) (n - begin < SORT_ROWS ? n - begin : SORT_ROWS), sizeof(ScoredRow), compare_scores);
	}
	for (int64_t width = SORT_ROWS; width < n; width *= 2)
	{
		ScoredRow  *from = rows;

		for (int64_t begin = 0; begin < n; begin += 2 * width)
			DL_TRY(merge(rows, spare, begin, begin + width < n ? begin + width : n,
						 begin + 2 * width < n ? begin + 2 * width : n, stop, error));
		rows = spare;
		spare = from;
	}
	*sorted = rows;
	return DL_OK;
}

/* Pairs of a positive and a negative row in which the positive one scores higher; ties are half. */
static double
area(const ScoredRow *rows, int64_t n)
{
	double		below = 0;		/* weight of the negative rows with a lower score */
	double		positives = 0;
	double		pairs = 0;

	for (int64_t i = 0; i < n;)
	{
		double		positive = 0;
		double		negative = 0;
		float		score = rows[i].score;

		for (; i < n && rows[i].score == score; i++)
			*(rows[i].positive ? &positive : &negative) += (double) rows[i].weight;
		pairs += positive * (below + negative / 2);
		below += negative;
		positives += positive;
	}
	return below > 0 && positives > 0 ? pairs / (below * positives) : NAN;
}

DlStatus
dl_metric_roc_auc(int64_t n, const float *score, const int32_t *positive, const float *weight,
				  DlStop stop, double *result, DlError *error)
{
	ScoredRow  *rows;
	ScoredRow  *sorted;
	size_t		bytes;
	DlStatus	status;

	*result = NAN;
	for (int64_t i = 0; i < n; i++)
		if (isnan(score[i]))
			return DL_OK;
	if (n <= 0)
		return DL_OK;
	if (!dl_size_mul((size_t) n, 2 * sizeof(ScoredRow), &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%lld rows are too many to be sorted", (long long) n);
	rows = malloc(bytes);
	if (rows == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory for sorting %lld rows", (long long) n);
	for (int64_t i = 0; i < n; i++)
		rows[i] = (ScoredRow) {score[i], weight != NULL ? weight[i] : 1, positive[i] != 0};
	status = sort_scores(rows, rows + n, n, stop, &sorted, error);
	if (status == DL_OK)
		*result = area(sorted, n);
	free(rows);
	return status;
}
