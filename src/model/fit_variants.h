/*
 * fit_variants.h
 *    The networks for tables: the list, and draws from the space about it;
 *    private to fit.
 *
 * RealMLP (Holzmueller et al., 2024), and one that looks at neighbours (Ye et al., 2024).  Each network differs from
 * the others in what its numbers become, how its layers start or how it is trained, so that its errors differ, and the
 * average is better than any.  docs/benchmarks.md has what each part is worth.
 */
#ifndef DL_MODEL_FIT_VARIANTS_H
#define DL_MODEL_FIT_VARIANTS_H

#include "core/random.h"
#include "model/fit_internal.h"

/* Weight decay of the networks for tables, where a variant has none of its own. */
#define DL_FIT_DECAY 0.02

/* What becomes of numbers at the input. */
typedef enum DlNumbers
{
	DL_NUMBERS_PLAIN,
	DL_NUMBERS_PERIODIC,
	DL_NUMBERS_PIECEWISE
} DlNumbers;

typedef struct DlFitVariant
{
	DlNumbers	numbers;
	int			count;			/* frequencies, or bins */
	int			width;			/* of what a number becomes */
	double		sigma;			/* of the frequencies */
	int			neighbours;		/* elements of a key: a layer of neighbours in the place of hidden layers; or 0 */
	int			layers;			/* hidden */
	int			units;			/* of each */
	const char *activation;
	double		dropout;
	double		rate;			/* factor of the learning rate */
	double		decay;			/* weight decay; NaN: the usual one */
	bool		from_data;		/* init => data */
	bool		log_target;		/* where logarithms suit */
} DlFitVariant;

/* Of a list. */
#define DL_FIT_MOST_VARIANTS 9

/* The list for the request, the most useful first, with neighbours or without. */
extern DlStatus dl_fit_variants(DlArena *arena, const DlFitRequest *request, bool neighbours, DlFitVariant **result,
								int *count, DlError *error);

/* One near to place of the list, with settings drawn at random; the same random numbers give the same. */
extern DlFitVariant dl_fit_draw_variant(const DlFitVariant *place, DlRandom *random);

/* Its text in the network language.  rows: that neighbours may keep. */
extern DlStatus dl_fit_variant_text(DlArena *arena, const DlFitVariant *variant, int64_t rows, const char **result,
									DlError *error);

#endif							/* DL_MODEL_FIT_VARIANTS_H */
