/*
 * row_finish.c
 *    Which columns are identifiers by their look.
 */
#include "pg/row_internal.h"

#include "pg/compat.h"

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
bool
dl_row_is_sequence(const DlSequenceCheck *check, int64 rows)
{
	uint64		span;

	if (check->count != rows || rows < DL_FEWEST_ROWS)
		return false;
	span = (uint64) check->maximum - (uint64) check->minimum;
	if ((check->ascending || check->descending) && span < (uint64) rows * 2)
		return true;
	return is_permutation(check);
}

const char *
dl_row_identifier(const DlRowEncoder *e, const DlAttribute *a)
{
	if (a->abandoned || (a->column.kind == DL_COLUMN_CATEGORY && a->present >= DL_FEWEST_ROWS &&
						 dl_vocabulary_size(a->column.vocabulary) > a->present * 0.95))
		return "Almost every row has a value of its own.";
	if (a->column.kind == DL_COLUMN_NUMBER && a->type.source <= DL_INPUT_INT8 && dl_row_is_sequence(&a->sequence, e->rows))
		return "Its values are a sequence of integers.";
	return dl_row_text_identifier(a);
}
