/*
 * split.c
 *    Deals rows into parts: by hash, by a column, or, for small tables,
 *    stratified.
 *
 * Memory beyond the result: a byte a row, and the hashes and classes of fewer than
 * DL_SPLIT_STRATIFY rows; both malloc's and freed here.
 *
 * Stratified: rows of equal hash are a group, which is never cut.  A stratum is the groups of a
 * class; a group of several classes (one split key with several) belongs to the rarest of
 * them.  Strata are dealt from the smallest to the largest, each with what is missing to
 * the share of all rows up to it, so the rounding of small classes is made good by
 * larger ones.  The first group of a stratum always trains.  Nothing depends
 * on the order of rows or on the numbers of classes, but for classes that
 * have the same groups.
 */
#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/size.h"

#define SPLIT_STREAM UINT64_C(0x73706c6974)
#define BATCH_BYTES ((size_t) 256 << 10)

static const char *const part_names[] = {"train", "validation", "test"};

/* Of the deal of small tables. */
typedef struct Item
{
	uint64_t	hash;			/* mixed with the seed */
	uint32_t	row;
	int32_t		class;			/* index into classes */
	int32_t		code;
} Item;

typedef struct Class
{
	int32_t		code;
	int64_t		rows;
	uint64_t	first_hash;
} Class;

typedef struct Group
{
	uint64_t	hash;
	int32_t		stratum;		/* rank of its class: smallest classes first */
	int32_t		first;			/* items first .. first+size-1 */
	int32_t		size;
	DlPart		part;
	bool		reserved;		/* represents its class in training */
} Group;

/* Calls visit for the rows first .. first+count-1 at a time; records are stride words apart. */
typedef DlStatus (*Visit) (void *context, int64_t first, int64_t count, const uint32_t *records, DlError *error);

static DlStatus
scan_rows(const DlDataset *dataset, Visit visit, void *context, DlError *error)
{
	int64_t		rows = dl_dataset_rows(dataset);
	size_t		record_bytes = (size_t) dl_dataset_words(dataset) * sizeof(uint32_t);
	int64_t		most = record_bytes < BATCH_BYTES ? (int64_t) (BATCH_BYTES / record_bytes) : 1;
	uint32_t   *buffer = NULL;
	DlStatus	status = DL_OK;

	for (int64_t first = 0; first < rows && status == DL_OK;)
	{
		const uint32_t *record = dl_dataset_record(dataset, first);
		int64_t		count = 1;

		if (record == NULL)
		{
			count = rows - first < most ? rows - first : most;
			if (buffer == NULL)
				buffer = malloc((size_t) most * record_bytes);
			if (buffer == NULL)
			{
				status = dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
				break;
			}
			status = dl_dataset_scan(dataset, first, count, buffer, error);
			record = buffer;
		}
		if (status == DL_OK)
			status = visit(context, first, count, record, error);
		first += count;
	}
	free(buffer);
	return status;
}

typedef struct Assignment
{
	const DlSplitSettings *settings;
	int32_t		words;
	uint64_t	seed;
	int8_t	   *parts;
	int64_t		count[3];
	Item	   *items;			/* stratified only, else NULL */
} Assignment;

static uint64_t
record_hash(uint64_t seed, const uint32_t *record)
{
	uint64_t	hash;

	memcpy(&hash, record + DL_RECORD_HASH, sizeof(hash));
	return dl_hash_mix(seed, hash);
}

static DlStatus
visit_by_column(void *context, int64_t first, int64_t count, const uint32_t *records, DlError *error)
{
	Assignment *assignment = context;

	for (int64_t i = 0; i < count; i++)
	{
		int32_t		part = (int32_t) records[(size_t) i * (size_t) assignment->words + DL_RECORD_PART];

		if (part < DL_PART_TRAIN || part > DL_PART_TEST)
		{
			dl_error_set(error, DL_ERROR_DATA, "row %lld does not say its part in the split column",
						 (long long) (first + i + 1));
			dl_error_hint(error, "Valid values are \"%s\", \"%s\" and \"%s\".", part_names[0], part_names[1],
						  part_names[2]);
			return DL_ERROR_DATA;
		}
		assignment->parts[first + i] = (int8_t) part;
		assignment->count[part]++;
	}
	return DL_OK;
}

static DlStatus
visit_by_hash(void *context, int64_t first, int64_t count, const uint32_t *records, DlError *error)
{
	Assignment *assignment = context;
	double		test = assignment->settings->test;
	double		both = test + assignment->settings->validation;

	(void) error;
	for (int64_t i = 0; i < count; i++)
	{
		uint64_t	hash = record_hash(assignment->seed, records + (size_t) i * (size_t) assignment->words);
		double		u = (double) (hash >> 11) * 0x1.0p-53;
		DlPart		part = u < test ? DL_PART_TEST : u < both ? DL_PART_VALIDATION : DL_PART_TRAIN;

		assignment->parts[first + i] = (int8_t) part;
		assignment->count[part]++;
	}
	return DL_OK;
}

static DlStatus
visit_small(void *context, int64_t first, int64_t count, const uint32_t *records, DlError *error)
{
	Assignment *assignment = context;

	(void) error;
	for (int64_t i = 0; i < count; i++)
	{
		const uint32_t *record = records + (size_t) i * (size_t) assignment->words;
		Item	   *item = &assignment->items[first + i];

		item->hash = record_hash(assignment->seed, record);
		item->row = (uint32_t) (first + i);
		item->code = assignment->settings->classes ? (int32_t) record[DL_RECORD_TARGET] : 0;
	}
	return DL_OK;
}

static int
compare_codes(const void *a, const void *b)
{
	int32_t		x = ((const Item *) a)->code;
	int32_t		y = ((const Item *) b)->code;

	return (x > y) - (x < y);
}

static int
compare_items(const void *a, const void *b)
{
	const Item *x = a;
	const Item *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

/* Rarest first. */
static int
compare_classes(const void *a, const void *b)
{
	const Class *x = a;
	const Class *y = b;

	if (x->rows != y->rows)
		return x->rows < y->rows ? -1 : 1;
	if (x->first_hash != y->first_hash)
		return x->first_hash < y->first_hash ? -1 : 1;
	return (x->code > y->code) - (x->code < y->code);
}

static int
compare_groups(const void *a, const void *b)
{
	const Group *x = a;
	const Group *y = b;

	if (x->stratum != y->stratum)
		return x->stratum < y->stratum ? -1 : 1;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Gives each item the rank of its class among classes[], which has room for count. */
static void
rank_classes(Item *items, int32_t count, Class *classes)
{
	int32_t		n = 0;

	qsort(items, (size_t) count, sizeof(Item), compare_codes);
	for (int32_t i = 0; i < count; i++)
	{
		if (n == 0 || classes[n - 1].code != items[i].code)
			classes[n++] = (Class) {.code = items[i].code, .rows = 0, .first_hash = UINT64_MAX};
		classes[n - 1].rows++;
		if (items[i].hash < classes[n - 1].first_hash)
			classes[n - 1].first_hash = items[i].hash;
	}
	qsort(classes, (size_t) n, sizeof(Class), compare_classes);
	for (int32_t i = 0; i < count; i++)
	{
		items[i].class = 0;
		while (classes[items[i].class].code != items[i].code)
			items[i].class++;
	}
}

/* Groups in the order of strata, and within them of hashes; returns how many. */
static int32_t
form_groups(Item *items, int32_t count, Group *groups)
{
	int32_t		n = 0;

	qsort(items, (size_t) count, sizeof(Item), compare_items);
	for (int32_t i = 0; i < count; i++)
	{
		if (n == 0 || groups[n - 1].hash != items[i].hash)
			groups[n++] = (Group) {.hash = items[i].hash, .stratum = items[i].class, .first = i, .part = DL_PART_TRAIN};
		groups[n - 1].size++;
		if (items[i].class < groups[n - 1].stratum)
			groups[n - 1].stratum = items[i].class;
	}
	qsort(groups, (size_t) n, sizeof(Group), compare_groups);
	return n;
}

/* Moves groups of a stratum that train to part until it has need rows, or as nearly as they allow. */
static int64_t
deal_part(Group *groups, int32_t count, DlPart part, int64_t need)
{
	int64_t		dealt = 0;
	Group	   *nearest = NULL;

	for (int32_t i = 0; i < count; i++)
	{
		if (groups[i].part == DL_PART_TRAIN && !groups[i].reserved && dealt + groups[i].size <= need)
		{
			groups[i].part = part;
			dealt += groups[i].size;
		}
	}
	/* what is left is larger than what is missing: one of them may still come nearer */
	for (int32_t i = 0; i < count; i++)
	{
		if (groups[i].part == DL_PART_TRAIN && !groups[i].reserved && groups[i].size < 2 * (need - dealt) &&
			(nearest == NULL || groups[i].size < nearest->size))
			nearest = &groups[i];
	}
	if (nearest != NULL)
	{
		nearest->part = part;
		dealt += nearest->size;
	}
	return dealt;
}

static void
deal_groups(const DlSplitSettings *settings, Group *groups, int32_t count)
{
	int64_t		rows = 0;
	int64_t		test = 0;
	int64_t		validation = 0;

	for (int32_t first = 0; first < count;)
	{
		int32_t		end = first;

		for (; end < count && groups[end].stratum == groups[first].stratum; end++)
			rows += groups[end].size;
		groups[first].reserved = true;
		test += deal_part(groups + first, end - first, DL_PART_TEST,
						  (int64_t) floor(settings->test * (double) rows + 0.5) - test);
		validation += deal_part(groups + first, end - first, DL_PART_VALIDATION,
								(int64_t) floor(settings->validation * (double) rows + 0.5) - validation);
		first = end;
	}
}

static DlStatus
split_stratified(const DlDataset *dataset, Assignment *assignment, DlError *error)
{
	int32_t		rows = (int32_t) dl_dataset_rows(dataset);
	Class	   *classes = calloc((size_t) rows, sizeof(Class));
	Group	   *groups = calloc((size_t) rows, sizeof(Group));
	DlStatus	status;

	assignment->items = calloc((size_t) rows, sizeof(Item));
	if (classes == NULL || groups == NULL || assignment->items == NULL)
		status = dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	else
		status = scan_rows(dataset, visit_small, assignment, error);
	if (status == DL_OK)
	{
		int32_t		group_count;

		rank_classes(assignment->items, rows, classes);
		group_count = form_groups(assignment->items, rows, groups);
		deal_groups(assignment->settings, groups, group_count);
		for (int32_t g = 0; g < group_count; g++)
		{
			for (int32_t i = 0; i < groups[g].size; i++)
				assignment->parts[assignment->items[groups[g].first + i].row] = (int8_t) groups[g].part;
			assignment->count[groups[g].part] += groups[g].size;
		}
	}
	free(classes);
	free(groups);
	free(assignment->items);
	return status;
}

static DlStatus
collect_rows(DlArena *arena, const Assignment *assignment, int64_t rows, DlSplit *result, DlError *error)
{
	int64_t		at[3] = {0, 0, 0};

	for (int part = 0; part < 3; part++)
	{
		size_t		bytes;

		if (!dl_size_mul((size_t) assignment->count[part], sizeof(uint32_t), &bytes))
			return dl_error_set(error, DL_ERROR_LIMIT, "%lld rows are too many", (long long) rows);
		DL_TRY(dl_arena_alloc(arena, bytes, &result->rows[part], error));
		result->count[part] = assignment->count[part];
	}
	for (int64_t row = 0; row < rows; row++)
	{
		int			part = assignment->parts[row];

		result->rows[part][at[part]++] = (uint32_t) row;
	}
	return DL_OK;
}

static DlStatus
check_settings(const DlSplitSettings *settings, DlError *error)
{
	/* written so that NaN fails */
	if (settings->by_column ||
		(settings->validation >= 0 && settings->test >= 0 && settings->validation + settings->test < 1))
		return DL_OK;
	dl_error_set(error, DL_ERROR_INVALID, "shares of %g for validation and %g for the test leave no rows to train on",
				 settings->validation, settings->test);
	dl_error_hint(error, "Neither may be negative, and together they must be less than 1.");
	return DL_ERROR_INVALID;
}

static DlStatus
check_training(const DlSplitSettings *settings, const DlSplit *split, DlError *error)
{
	if (split->count[DL_PART_TRAIN] > 0)
		return DL_OK;
	dl_error_set(error, DL_ERROR_DATA, "no rows are left to train on");
	dl_error_detail(error, "%lld rows are for validation and %lld for the test.",
					(long long) split->count[DL_PART_VALIDATION], (long long) split->count[DL_PART_TEST]);
	dl_error_hint(error, settings->by_column ? "At least one row must be of the part \"train\"." :
				  "All rows have the same contents or the same split key: use another split key, "
				  "or smaller shares for validation and test.");
	return DL_ERROR_DATA;
}

DlStatus
dl_split_make(DlArena *arena, const DlDataset *dataset, const DlSplitSettings *settings, DlSplit *result, DlError *error)
{
	int64_t		rows = dl_dataset_rows(dataset);
	Assignment	assignment = {.settings = settings, .words = dl_dataset_words(dataset)};
	DlStatus	status;

	memset(result, 0, sizeof(*result));
	DL_TRY(check_settings(settings, error));
	if (rows == 0)
		return dl_error_set(error, DL_ERROR_DATA, "there are no rows to train on");

	assignment.seed = dl_hash_mix(SPLIT_STREAM, settings->seed);
	assignment.parts = malloc((size_t) rows);
	if (assignment.parts == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	if (settings->by_column)
		status = scan_rows(dataset, visit_by_column, &assignment, error);
	else if (rows < DL_SPLIT_STRATIFY)
		status = split_stratified(dataset, &assignment, error);
	else
		status = scan_rows(dataset, visit_by_hash, &assignment, error);
	if (status == DL_OK)
		status = collect_rows(arena, &assignment, rows, result, error);
	free(assignment.parts);
	DL_TRY(status);
	return check_training(settings, result, error);
}
