/*
 * fit_variants.c
 *    The networks for tables: the list, draws, and their texts.
 */
#include "model/fit_variants.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PERIODIC(spread, frequencies, size) .numbers = DL_NUMBERS_PERIODIC, .count = (frequencies), .width = (size), .sigma = (spread)
#define PIECEWISE(bins, size) .numbers = DL_NUMBERS_PIECEWISE, .count = (bins), .width = (size)
#define HIDDEN(number, function) .layers = (number), .units = 256, .activation = (function), .dropout = 0.15, .decay = NAN

static const DlFitVariant regression_variants[] = {
	{PERIODIC(0.5, 32, 8), HIDDEN(2, "mish"), .rate = 0.5, .from_data = true},
	{PIECEWISE(48, 16), HIDDEN(2, "relu"), .rate = 0.5, .from_data = true},
	{PERIODIC(2, 32, 8), HIDDEN(2, "mish"), .rate = 0.5, .from_data = true},
	{PERIODIC(2, 32, 8), HIDDEN(2, "mish"), .rate = 1, .from_data = true},
	{PERIODIC(0.5, 32, 8), HIDDEN(2, "mish"), .rate = 1},
	{PERIODIC(0.25, 32, 8), HIDDEN(3, "mish"), .rate = 1, .log_target = true},
	{PERIODIC(2, 16, 3), HIDDEN(2, "mish"), .rate = 0.5, .from_data = true, .log_target = true},
	{PIECEWISE(48, 16), HIDDEN(2, "relu"), .rate = 1, .from_data = true},
};

static const DlFitVariant class_variants[] = {
	{PERIODIC(0.02, 16, 3), HIDDEN(2, "selu"), .rate = 0.125, .from_data = true},
	{PERIODIC(0.02, 16, 3), HIDDEN(2, "selu"), .rate = 0.5, .from_data = true},
	{PERIODIC(0.02, 16, 3), HIDDEN(2, "silu"), .rate = 0.5},
	{PIECEWISE(48, 16), HIDDEN(2, "relu"), .rate = 0.25, .from_data = true},
	{HIDDEN(3, "selu"), .rate = 0.5},
	{PERIODIC(0.02, 16, 3), HIDDEN(2, "silu"), .rate = 0.25, .from_data = true},
	{HIDDEN(2, "selu"), .rate = 0.25, .from_data = true},
	{PERIODIC(0.1, 16, 3), HIDDEN(2, "selu"), .rate = 0.25, .from_data = true},
};

/* Arrays: without embeddings of numbers. */
static const DlFitVariant array_variants[] = {
	{HIDDEN(3, "mish"), .rate = 1},
	{HIDDEN(2, "silu"), .rate = 1, .from_data = true},
	{HIDDEN(3, "relu"), .rate = 1, .from_data = true},
	{HIDDEN(2, "mish"), .rate = 0.5},
};

/* It comes after so many others. */
#define NEIGHBOURS_AFTER 3

static const DlFitVariant regression_neighbours = {PERIODIC(0.2, 16, 8), .neighbours = 32, .rate = 1, .decay = NAN};
static const DlFitVariant class_neighbours = {PERIODIC(0.5, 16, 8), .neighbours = 32, .rate = 1, .decay = NAN};

#define COUNT(variants) ((int) (sizeof(variants) / sizeof((variants)[0])))

DlStatus
dl_fit_variants(DlArena *arena, const DlFitRequest *request, bool neighbours, DlFitVariant **result, int *count,
				DlError *error)
{
	bool		regression = request->task == DL_TASK_REGRESSION;
	const DlFitVariant *variants = regression ? regression_variants : class_variants;
	int			place = 0;

	*count = regression ? COUNT(regression_variants) : COUNT(class_variants);
	if (dl_fit_mostly_arrays(request))
	{
		variants = array_variants;
		*count = COUNT(array_variants);
	}
	DL_TRY(dl_arena_calloc(arena, (size_t) *count + 1, sizeof(DlFitVariant), result, error));
	for (int i = 0; i < *count; i++)
	{
		if (neighbours && i == NEIGHBOURS_AFTER)
			(*result)[place++] = regression ? regression_neighbours : class_neighbours;
		(*result)[place++] = variants[i];
	}
	*count = place;
	return DL_OK;
}

/* Of two significant digits, so that who writes the network down by hand has the same. */
static double
rounded(double value)
{
	double		power = pow(10, 1 - floor(log10(value)));

	return round(value * power) / power;
}

/* value times or divided by up to factor, as likely in each octave. */
static double
draw_near(DlRandom *random, double value, double factor)
{
	return rounded(value * pow(factor, 2 * dl_random_uniform(random) - 1));
}

#define DRAW(random, values) ((values)[dl_random_below(random, sizeof(values) / sizeof((values)[0]))])

static void
draw_numbers(DlFitVariant *variant, DlRandom *random)
{
	static const int frequencies[] = {16, 32, 48};
	static const int widths[] = {3, 8, 12};
	static const int bins[] = {16, 32, 48, 96};
	static const int bin_widths[] = {8, 16};

	switch (variant->numbers)
	{
		case DL_NUMBERS_PLAIN:
			break;
		case DL_NUMBERS_PERIODIC:
			variant->count = DRAW(random, frequencies);
			variant->width = DRAW(random, widths);
			variant->sigma = draw_near(random, variant->sigma, 3);
			break;
		case DL_NUMBERS_PIECEWISE:
			variant->count = DRAW(random, bins);
			variant->width = DRAW(random, bin_widths);
			break;
	}
}

DlFitVariant
dl_fit_draw_variant(const DlFitVariant *place, DlRandom *random)
{
	static const char *const activations[] = {"mish", "selu", "silu", "relu"};
	static const double dropouts[] = {0.05, 0.1, 0.15, 0.2, 0.3};
	static const int units[] = {256, 256, 384};
	static const int keys[] = {16, 32, 64};
	DlFitVariant result = *place;

	draw_numbers(&result, random);
	result.rate = draw_near(random, place->rate, 2);
	if (place->neighbours > 0)
	{
		result.neighbours = DRAW(random, keys);
		return result;
	}
	if (dl_random_below(random, 3) == 0)
		result.layers = 5 - place->layers;
	result.units = DRAW(random, units);
	if (dl_random_below(random, 2) == 0)
		result.activation = DRAW(random, activations);
	result.dropout = DRAW(random, dropouts);
	result.decay = draw_near(random, DL_FIT_DECAY, 3);
	result.from_data = place->from_data != (dl_random_below(random, 3) == 0);
	return result;
}

static int
write_numbers(const DlFitVariant *variant, char *text, size_t size)
{
	switch (variant->numbers)
	{
		case DL_NUMBERS_PLAIN:
			break;
		case DL_NUMBERS_PERIODIC:
			return snprintf(text, size, "periodic(frequencies => %d, width => %d, sigma => %g) > ", variant->count,
							variant->width, variant->sigma);
		case DL_NUMBERS_PIECEWISE:
			return snprintf(text, size, "piecewise(bins => %d, width => %d) > ", variant->count, variant->width);
	}
	return 0;
}

DlStatus
dl_fit_variant_text(DlArena *arena, const DlFitVariant *variant, int64_t rows, const char **result, DlError *error)
{
	const size_t size = 512;
	const char *start = variant->from_data ? ", init => data" : "";
	char	   *text;
	size_t		used;

	DL_TRY(dl_arena_calloc(arena, size, 1, &text, error));
	*result = text;
	used = (size_t) write_numbers(variant, text, size);
	if (variant->neighbours > 0)
	{
		snprintf(text + used, size - used, "embedding(8) > neighbours(%d, rows => %lld)", variant->neighbours, (long long) rows);
		return DL_OK;
	}
	used += (size_t) snprintf(text + used, size - used, "embedding(8) > scale");
	for (int i = 0; i < variant->layers; i++)
	{
		used += (size_t) snprintf(text + used, size - used, " > dense(%d, parametrization => ntk%s) > parametric(%s)",
								  variant->units, start, variant->activation);
		if (variant->dropout > 0)
			used += (size_t) snprintf(text + used, size - used, " > dropout(%g)", variant->dropout);
	}
	snprintf(text + used, size - used, " > output(parametrization => ntk%s)", start);
	return DL_OK;
}
