/*
 * preparation.h
 *    From the features of a record to the inputs of a network, fitted on the
 *    training rows.
 *
 * numbers = [continuous..., words of texts..., indicators of missing..., one-hot...]
 *   continuous: scaled; missing becomes 0, which is the training mean (or median); after
 *               the numbers, what target means say of categories (preparation_target.h)
 *   texts:      the float words of DL_COLUMN_TEXT, scaled in their own way; no numbers to embed
 *   indicator:  1 where missing, only for words that were missing in some training row and
 *               not in all; once for words of a column that are always missing together
 *   one-hot:    of categories with at most one_hot levels; two levels: one column -1/+1;
 *               missing and unseen: all zeros.  Then of integers with few values, which
 *               are continuous inputs too
 * codes = one for each category with more levels: 0 is missing or unseen, 1.. are the
 *   levels kept.  Levels are kept by frequency in the training rows.  The prefix of a text is a category.
 * Words that never vary in the training rows give no input.
 */
#ifndef DL_DATA_PREPARATION_H
#define DL_DATA_PREPARATION_H

#include <stdatomic.h>

#include "data/column.h"
#include "data/dataset.h"

typedef enum DlScaling
{
	DL_SCALING_STANDARD,		/* (x - mean) / deviation */
	DL_SCALING_ROBUST,			/* (x - median) s, s = 1/(q75-q25), else 2/(max-min); then x/sqrt(1+(x/3)^2) */
	DL_SCALING_QUANTILE,		/* to a normal distribution by up to 1,000 quantiles, linear between */
	DL_SCALING_NONE				/* (x - offset), as stored */
} DlScaling;

extern const char *dl_scaling_name(DlScaling scaling);
extern bool dl_scaling_by_name(const char *name, DlScaling *result);

/* One scaled input: value = (word - center) * scale, then by kind. */
typedef struct DlNumberInput
{
	int32_t		word;			/* within the features */
	DlScaling	scaling;
	float		center;			/* of stored words, that is, without the column's offset */
	float		scale;
	bool		missing_seen;	/* has an indicator */
	bool		of_text;		/* stands behind the continuous ones */
	int32_t		quantile_count; /* DL_SCALING_QUANTILE only */
	const float *quantiles;		/* ascending stored values */
} DlNumberInput;

/* One category. */
typedef struct DlCategoryInput
{
	int32_t		word;
	int32_t		column;			/* index of its DlColumn */
	int32_t		levels;			/* kept, without missing */
	bool		one_hot;
	bool		missing_seen;
	int32_t		code_count;		/* size of map: the vocabulary at training */
	const int32_t *map;			/* vocabulary code -> level 0..levels-1, or -1 when not kept */
	int32_t		level_numbers;	/* continuous inputs that the level gives; embedded ones only, else 0 */
	const float *level_values;	/* [levels + 1, level_numbers], scaled; the first row: missing or unseen */
} DlCategoryInput;

/* A number of few values, whose values are one-hot inputs besides: 1 where the word equals the value. */
typedef struct DlIntegerInput
{
	int32_t		word;
	int32_t		count;
	const float *values;		/* ascending, as stored */
} DlIntegerInput;

typedef struct DlPreparation
{
	int32_t		number_count;
	DlNumberInput *numbers;
	int32_t		category_count;
	DlCategoryInput *categories;
	int32_t		integer_count;
	DlIntegerInput *integers;

	/* derived by dl_preparation_finish() from the above: */
	int32_t		plain_count;	/* the first so many numbers; the others are words of texts */
	int64_t		continuous;		/* plain_count and the categories' level_numbers */
	int64_t		inputs;			/* width of numbers: continuous, words of texts, indicators, one-hot columns */
	int32_t		embedded;		/* width of codes */
	int64_t    *embedded_levels;	/* of each code column, the 0 for missing included */
	bool		contiguous;		/* numbers are words w, w+1, ...: the fast path */
	const float *centers;		/* [number_count], for the fast path */
	const float *scales;
	int32_t		indicator_count;
	const int32_t *indicator_words; /* of the numbers with missing_seen, in their order */
} DlPreparation;

typedef struct DlPreparationSettings
{
	DlScaling	scaling;
	int32_t		one_hot;		/* most levels that become one-hot; 8 */
	int32_t		max_levels;		/* most levels kept of a category; 0: no limit */
	int32_t		min_count;		/* levels rarer than this in the training rows are not kept; 1 */
	int32_t		one_hot_integers;	/* most values of whole numbers that become one-hot inputs besides; 0: none */
} DlPreparationSettings;

#define DL_MAX_ONE_HOT_INTEGERS 100

typedef enum DlPreparationNoticeKind
{
	DL_NOTICE_CONSTANT,			/* the column never varies (or is all NULL) in the training rows */
	DL_NOTICE_LEVELS			/* levels were dropped for max_levels or min_count */
} DlPreparationNoticeKind;

/*
 * What the user should hear of; may be NULL.  count: values seen (0: all NULL) of a
 * constant column, else levels dropped.
 */
typedef void (*DlPreparationNotice) (void *context, DlPreparationNoticeKind kind, const char *column, int64_t count);

/*
 * Fits on rows (ascending row numbers, the training part).  Means in double;
 * quantiles from a sample of at most 100,000 rows drawn by seed.  DL_ERROR_DATA
 * when no column is left.  Arrays of the result live in arena.  cancel may be NULL.
 */
extern DlStatus dl_preparation_fit(DlArena *arena, const DlColumn *columns, int32_t column_count,
								   const DlRecordLayout *layout, DlDataset *dataset, const uint32_t *rows,
								   int64_t row_count, const DlPreparationSettings *settings, uint64_t seed,
								   DlPreparationNotice notice, void *notice_context, const atomic_int *cancel,
								   DlPreparation *result, DlError *error);

/* Sets the derived members; after fit it is done, after decoding a model the caller does it. */
extern DlStatus dl_preparation_finish(DlArena *arena, DlPreparation *preparation, DlError *error);

/*
 * features [rows, stride words] to numbers [rows, inputs] and codes [rows,
 * embedded] (either may be NULL when its width is 0).  Codes outside a map are unseen.
 * No word, whatever its bits, makes this read or write out of bounds.
 */
extern void dl_preparation_apply(const DlPreparation *preparation, int64_t rows, const uint32_t *features,
								 int64_t stride, float *numbers, int32_t *codes);

#endif							/* DL_DATA_PREPARATION_H */
