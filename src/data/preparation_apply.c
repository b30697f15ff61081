/*
 * preparation_apply.c
 *    Records to inputs.  Called for every row that is trained on or scored, so it
 *    takes no memory, no locks, and branches little.
 *
 * Whatever the bits of a word, every number that comes out is finite: NaN is
 * missing and becomes 0, and a scaled value is limited to +-1e6 (as stored,
 * without scaling: +-1e12), far beyond any training value and far from where the sums of a
 * network overflow.  Each number is computed alone and in the same way on every path, so a row
 * gives the same bits in any batch.
 */
#include <math.h>
#include <string.h>

#include "data/preparation_internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCALED_LIMIT 1e6f
#define STORED_LIMIT 1e12f

static inline float
limit_of(DlScaling scaling)
{
	return scaling == DL_SCALING_NONE ? STORED_LIMIT : SCALED_LIMIT;
}

static inline float
word_number(uint32_t word)
{
	float		number;

	memcpy(&number, &word, sizeof(number));
	return number;
}

/* NaN, also that of infinity times 0, gives 0. */
static inline float
scale_linear(float x, float center, float scale, float limit)
{
	float		y = (x - center) * scale;

	if (y != y)
		return 0;
	return y > limit ? limit : y < -limit ? -limit : y;
}

/* Holzmueller, Grinsztajn and Steinwart, 2024: close to y near 0, within +-3. */
static inline float
clip_smoothly(float y)
{
	float		third = y * (1.0f / 3.0f);

	return y / sqrtf(1.0f + third * third);
}

/* Positions of quantiles equal to x are averaged; between two quantiles it is linear. */
static float
scale_quantile(const DlNumberInput *number, float x)
{
	const float *quantiles = number->quantiles;
	int32_t		count = number->quantile_count;
	int32_t		low = 0;		/* the first that is not below x */
	int32_t		high = 0;		/* the first above x */
	double		position;

	if (x != x || count == 0)
		return 0;
	for (int32_t left = count; low < left;)
	{
		int32_t		middle = low + (left - low) / 2;

		if (quantiles[middle] < x)
			low = middle + 1;
		else
			left = middle;
	}
	high = low;
	for (int32_t left = count; high < left;)
	{
		int32_t		middle = high + (left - high) / 2;

		if (quantiles[middle] <= x)
			high = middle + 1;
		else
			left = middle;
	}
	if (high > low)
		position = ((double) low + (double) (high - 1)) / 2;
	else if (low == 0)
		position = 0;
	else if (low == count)
		position = count - 1;
	else
		position = low - 1 + ((double) x - quantiles[low - 1]) / ((double) quantiles[low] - quantiles[low - 1]);

	/* the ends: 0.5 / count, that is +-3.29 for 1,000 quantiles */
	if (!(position >= 0 && position <= count - 1))
		return 0;
	return (float) dl_normal_quantile((position + 0.5) / count);
}

static inline float
scale_number(const DlNumberInput *number, float x)
{
	float		y;

	if (number->scaling == DL_SCALING_QUANTILE)
		return scale_quantile(number, x);
	y = scale_linear(x, number->center, number->scale, limit_of(number->scaling));
	return number->scaling == DL_SCALING_ROBUST ? clip_smoothly(y) : y;
}

static inline void
scale_numbers(const DlNumberInput *inputs, int32_t count, const uint32_t *features, float *numbers)
{
	for (int32_t i = 0; i < count; i++)
		numbers[i] = scale_number(&inputs[i], word_number(features[inputs[i].word]));
}

/* Numbers in consecutive words, all scaled alike. */
static inline void
scale_contiguous(const DlPreparation *preparation, const uint32_t *words, float *numbers)
{
	const float *centers = preparation->centers;
	const float *scales = preparation->scales;
	int32_t		count = preparation->number_count;
	bool		robust = preparation->numbers[0].scaling == DL_SCALING_ROBUST;
	float		limit = limit_of(preparation->numbers[0].scaling);
	int32_t		i = 0;

#ifdef __SSE2__
	__m128		highest = _mm_set1_ps(limit);
	__m128		lowest = _mm_set1_ps(-limit);
	__m128		one = _mm_set1_ps(1.0f);
	__m128		one_third = _mm_set1_ps(1.0f / 3.0f);

	for (; i + 4 <= count; i += 4)
	{
		__m128		x = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *) (words + i)));
		__m128		y = _mm_mul_ps(_mm_sub_ps(x, _mm_loadu_ps(centers + i)), _mm_loadu_ps(scales + i));
		__m128		number = _mm_cmpord_ps(y, y);

		y = _mm_and_ps(_mm_max_ps(_mm_min_ps(y, highest), lowest), number);
		if (robust)
		{
			__m128		third = _mm_mul_ps(y, one_third);

			y = _mm_div_ps(y, _mm_sqrt_ps(_mm_add_ps(one, _mm_mul_ps(third, third))));
		}
		_mm_storeu_ps(numbers + i, y);
	}
#endif
	for (; i < count; i++)
	{
		float		y = scale_linear(word_number(words[i]), centers[i], scales[i], limit);

		numbers[i] = robust ? clip_smoothly(y) : y;
	}
}

/* What the target says of the levels: scaled already. */
static inline void
apply_levels(const DlPreparation *preparation, const uint32_t *words, float *numbers)
{
	for (int32_t i = 0; i < preparation->category_count; i++)
	{
		const DlCategoryInput *category = &preparation->categories[i];
		int64_t		row = dl_category_level(category, words[category->word]) + 1;

		for (int32_t k = 0; k < category->level_numbers; k++)
			*numbers++ = category->level_values[row * category->level_numbers + k];
	}
}

static inline void
apply_integers(const DlPreparation *preparation, const uint32_t *words, float *one_hot)
{
	for (int32_t i = 0; i < preparation->integer_count; i++)
	{
		const DlIntegerInput *integer = &preparation->integers[i];
		float		x = word_number(words[integer->word]);

		for (int32_t k = 0; k < integer->count; k++)
			*one_hot++ = x == integer->values[k] ? 1.0f : 0.0f;
	}
}

static inline float *
apply_categories(const DlPreparation *preparation, const uint32_t *words, float *one_hot, int32_t *codes)
{
	for (int32_t i = 0; i < preparation->category_count; i++)
	{
		const DlCategoryInput *category = &preparation->categories[i];
		int32_t		level = dl_category_level(category, words[category->word]);

		if (!category->one_hot)
			*codes++ = level + 1;
		else if (category->levels == 2)
			*one_hot++ = level < 0 ? 0.0f : level == 0 ? -1.0f : 1.0f;
		else
		{
			for (int32_t k = 0; k < category->levels; k++)
				*one_hot++ = k == level ? 1.0f : 0.0f;
		}
	}
	return one_hot;
}

void
dl_preparation_apply(const DlPreparation *preparation, int64_t rows, const uint32_t *features, int64_t stride,
					 float *numbers, int32_t *codes)
{
	int32_t		plain_count = preparation->plain_count;
	int32_t		text_count = preparation->number_count - plain_count;
	int64_t		continuous = preparation->continuous;
	int32_t		indicator_count = preparation->indicator_count;

	for (int64_t row = 0; row < rows; row++)
	{
		float	   *one_hot;

		if (preparation->contiguous)
			scale_contiguous(preparation, features + preparation->numbers[0].word, numbers);
		else
		{
			scale_numbers(preparation->numbers, plain_count, features, numbers);
			if (text_count > 0)
				scale_numbers(preparation->numbers + plain_count, text_count, features, numbers + continuous);
		}
		if (continuous > plain_count)
			apply_levels(preparation, features, numbers + plain_count);
		for (int32_t i = 0; i < indicator_count; i++)
		{
			float		x = word_number(features[preparation->indicator_words[i]]);

			numbers[continuous + text_count + i] = x != x ? 1.0f : 0.0f;
		}
		one_hot = numbers != NULL ? numbers + continuous + text_count + indicator_count : NULL;
		if (preparation->category_count > 0)
			one_hot = apply_categories(preparation, features, one_hot, codes);
		if (preparation->integer_count > 0)
			apply_integers(preparation, features, one_hot);
		features += stride;
		if (numbers != NULL)
			numbers += preparation->inputs;
		if (codes != NULL)
			codes += preparation->embedded;
	}
}
