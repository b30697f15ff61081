/*
 * score_batch.c
 *    The rows of one batch: columns of the child that are handed on.
 */
#include "pg/score_batch.h"

#include "utils/datum.h"
#include "utils/memutils.h"

#include "pg/compat.h"

/* Pieces grow from one to the other: most statements are for few rows. */
#define FIRST_PIECE ((Size) 1024)
#define LAST_PIECE ((Size) 64 * 1024)

void
dl_score_batch_init(DlScoreBatch *batch, int columns, MemoryContext context)
{
	memset(batch, 0, sizeof(*batch));
	batch->context = context;
	batch->count = columns;
	batch->piece_bytes = FIRST_PIECE;
	batch->columns = MemoryContextAllocZero(context, sizeof(DlForwarded) * (Size) Max(columns, 1));
}

/* One piece of memory for all of them. */
static void
make_columns(DlScoreBatch *batch, int room)
{
	Size		count = (Size) batch->count;
	Datum	   *values;
	bool	   *nulls;

	if (batch->values != NULL)
		pfree(batch->values);
	values = MemoryContextAllocHuge(batch->context, Max((sizeof(Datum) + sizeof(bool)) * count * (Size) room, 1));
	nulls = (bool *) (values + count * (Size) room);
	batch->values = values;
	for (Size i = 0; i < count; i++)
	{
		batch->columns[i].values = values + i * (Size) room;
		batch->columns[i].nulls = nulls + i * (Size) room;
	}
}

void
dl_score_batch_begin(DlScoreBatch *batch, int room)
{
	batch->rows = 0;
	batch->bytes = 0;
	batch->piece_left = 0;
	if (batch->data != NULL)
		MemoryContextReset(batch->data);
	if (room <= batch->room)
		return;
	make_columns(batch, room);
	batch->room = room;
}

static char *
take(DlScoreBatch *batch, Size bytes)
{
	char	   *result;

	bytes = MAXALIGN(bytes);
	if (bytes > batch->piece_left && bytes > batch->piece_bytes / 4)
		return MemoryContextAlloc(batch->data, bytes);
	if (bytes > batch->piece_left)
	{
		batch->piece = MemoryContextAlloc(batch->data, batch->piece_bytes);
		batch->piece_left = batch->piece_bytes;
		batch->piece_bytes = Min(2 * batch->piece_bytes, LAST_PIECE);
	}
	result = batch->piece;
	batch->piece += bytes;
	batch->piece_left -= bytes;
	return result;
}

static Datum
copy_value(DlScoreBatch *batch, const DlForwarded *column, Datum value)
{
	Pointer		from = DatumGetPointer(value);
	Size		bytes;

	if (batch->data == NULL)
		batch->data = AllocSetContextCreate(batch->context, "dl score batch", ALLOCSET_DEFAULT_SIZES);

	/* values in the memory of a function are flattened */
	if (column->length == -1 && VARATT_IS_EXTERNAL_EXPANDED(from))
	{
		MemoryContext old = MemoryContextSwitchTo(batch->data);
		Datum		flat = datumCopy(value, false, -1);

		MemoryContextSwitchTo(old);
		batch->bytes += VARSIZE_ANY(DatumGetPointer(flat));
		return flat;
	}
	bytes = datumGetSize(value, false, column->length);
	batch->bytes += bytes;
	return PointerGetDatum(memcpy(take(batch, bytes), from, bytes));
}

void
dl_score_batch_keep(DlScoreBatch *batch, TupleTableSlot *slot)
{
	int			row = batch->rows++;

	slot_getsomeattrs(slot, batch->last_column);
	for (int i = 0; i < batch->count; i++)
	{
		DlForwarded *column = &batch->columns[i];
		bool		isnull = slot->tts_isnull[column->source - 1];
		Datum		value = slot->tts_values[column->source - 1];

		column->nulls[row] = isnull;
		column->values[row] = isnull || column->by_value ? value : copy_value(batch, column, value);
	}
}
