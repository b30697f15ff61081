/*
 * fit_repeats.c
 *    Whether the rows of a table repeat: the same features, whatever the target.
 */
#include <stdlib.h>

#include "model/fit_internal.h"

typedef struct Hashes
{
	const DlFitSource *source;
	uint64_t   *items;
} Hashes;

static DlStatus
take_row(void *context, int64_t position, const uint32_t *record, DlError *error)
{
	const Hashes *hashes = context;
	const DlRecordLayout *layout = &hashes->source->layout;

	(void) error;
	hashes->items[position] = dl_hash_bytes(1, record + layout->feature_word,
											(size_t) layout->feature_words * sizeof(uint32_t));
	return DL_OK;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

DlStatus
dl_fit_repeats(DlArena *arena, const DlFitSource *source, const atomic_int *cancel, double *share, DlError *error)
{
	int64_t		count = source->row_count;
	int64_t		repeated = 0;
	Hashes		hashes = {.source = source};

	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(uint64_t), &hashes.items, error));
	DL_TRY(dl_fit_visit(source, cancel, take_row, &hashes, error));
	qsort(hashes.items, (size_t) count, sizeof(uint64_t), compare_hashes);
	for (int64_t i = 0; i < count; i++)
		repeated += (i > 0 && hashes.items[i] == hashes.items[i - 1]) ||
			(i + 1 < count && hashes.items[i] == hashes.items[i + 1]);
	*share = count > 0 ? (double) repeated / (double) count : 0;
	return DL_OK;
}
