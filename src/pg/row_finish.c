/*
 * row_finish.c
 *    Which columns are identifiers by their look.
 */
#include "pg/row_internal.h"

#include "pg/compat.h"

/* Fewer rows than this say nothing about a column. */
#define FEWEST_ROWS 20

void
dl_row_sequence_add(DlSequenceCheck *check, int64 value)
{
	if (check->count == 0)
	{
		check->minimum = check->maximum = value;
		check->ascending = check->descending = true;
	}
	else
	{
		check->ascending = check->ascending && value > check->previous;
		check->descending = check->descending && value < check->previous;
		check->minimum = Min(check->minimum, value);
		check->maximum = Max(check->maximum, value);
	}
	check->previous = value;
	check->sum += (uint64) value;
	check->squares += (uint64) value * (uint64) value;
	check->count++;
}

/* Sum and sum of squares of minimum .. minimum+n-1, modulo 2^64. */
static bool
is_permutation(const DlSequenceCheck *check)
{
	uint64		sum = 0;
	uint64		squares = 0;

	if ((uint64) check->maximum - (uint64) check->minimum != (uint64) check->count - 1)
		return false;
	for (int64 i = 0; i < check->count; i++)
	{
		uint64		value = (uint64) check->minimum + (uint64) i;

		sum += value;
		squares += value * value;
	}
	return sum == check->sum && squares == check->squares;
}

/*
 * Integers: each value once, and either without a gap in any order, or in
 * order with few gaps (as a serial column has after deletions).
 */
static bool
is_sequence(const DlSequenceCheck *check, int64 rows)
{
	uint64		span;

	if (check->count != rows || rows < FEWEST_ROWS)
		return false;
	span = (uint64) check->maximum - (uint64) check->minimum;
	if ((check->ascending || check->descending) && span < (uint64) rows * 2)
		return true;
	return is_permutation(check);
}

bool
dl_row_is_identifier(const DlRowEncoder *e, const DlAttribute *a)
{
	if (a->abandoned)
		return true;
	if (a->column.kind == DL_COLUMN_CATEGORY)
		return a->present >= FEWEST_ROWS && dl_vocabulary_size(a->column.vocabulary) > a->present * 0.95;
	if (a->column.kind == DL_COLUMN_NUMBER && a->type.source <= DL_INPUT_INT8)
		return is_sequence(&a->sequence, e->rows);
	return false;
}
