/*
 * preparation_internal.h
 *    What fitting and applying a preparation share.
 */
#ifndef DL_DATA_PREPARATION_INTERNAL_H
#define DL_DATA_PREPARATION_INTERNAL_H

#include "data/preparation.h"

/* Columns that a category takes in numbers when it is one-hot. */
static inline int64_t
one_hot_width(const DlCategoryInput *category)
{
	return category->levels == 2 ? 1 : category->levels;
}

/* The level of a code, -1 for missing, unseen, dropped, or no code at all. */
static inline int32_t
dl_category_level(const DlCategoryInput *category, uint32_t word)
{
	return word < (uint32_t) category->code_count ? category->map[word] : -1;
}

/* The different values of a number column's training rows, while they are few and whole. */
typedef struct DlFewValues
{
	int32_t		count;
	bool		other;			/* there are more, or others */
	float		values[DL_MAX_ONE_HOT_INTEGERS];	/* as stored, ascending */
	int64_t		rows[DL_MAX_ONE_HOT_INTEGERS];	/* of each value */
} DlFewValues;

/* Takes words[0], words[stride], ...; offset: what stored numbers lack. */
extern void dl_few_values_add(DlFewValues *few, const uint32_t *words, int64_t stride, int64_t rows, double offset,
							  int32_t most);

/* The inputs that follow; result->count is 0 when there are none. */
extern DlStatus dl_few_values_inputs(DlArena *arena, const DlFewValues *few, int32_t word, DlIntegerInput *result,
									 DlError *error);

/*
 * The value below which a standard normal variable lies with probability p, 0 < p < 1:
 * Acklam's rational approximation (2003), relative error below 1.2e-9, that
 * is, exact to float.
 */
extern double dl_normal_quantile(double p);

/* Sorts count floats, none of them NaN, ascending; keys and other are scratch of count words each. */
extern void dl_sort_floats(float *values, uint32_t *keys, uint32_t *other, int64_t count);

/* The quantile p of count sorted values, linear between two of them; count > 0. */
extern double dl_quantile_of(const float *values, int64_t count, double p);

#endif							/* DL_DATA_PREPARATION_INTERNAL_H */
