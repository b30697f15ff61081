/*
 * row_reader.c
 *    Takes rows apart that come as one value.
 */
#include "pg/row_reader.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "pg/compat.h"

void
dl_row_reader_init(DlRowReader *reader, MemoryContext parent)
{
	memset(reader, 0, sizeof(*reader));
	reader->parent = parent;
}

/* A table's type may be altered between two rows; its entry in the type cache tells.  Types of records never change. */
static bool
same_type(const DlRowReader *reader, Oid type, int32 typmod)
{
	return type == reader->type && typmod == reader->typmod &&
		(reader->entry == NULL || reader->entry->tupDesc_identifier == reader->identifier);
}

static void
set_type(DlRowReader *reader, Oid type, int32 typmod)
{
	MemoryContext old;

	reader->type = InvalidOid;
	if (reader->context == NULL)
		reader->context = AllocSetContextCreate(reader->parent, "dl predict row type", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(reader->context);
	old = MemoryContextSwitchTo(reader->context);
	reader->tupdesc = lookup_rowtype_tupdesc_copy(type, typmod);
	reader->entry = type == RECORDOID ? NULL : lookup_type_cache(type, TYPECACHE_TUPDESC);
	reader->identifier = reader->entry == NULL ? 0 : reader->entry->tupDesc_identifier;
	reader->values = palloc(sizeof(Datum) * (Size) Max(reader->tupdesc->natts, 1));
	reader->nulls = palloc(sizeof(bool) * (Size) Max(reader->tupdesc->natts, 1));
	MemoryContextSwitchTo(old);
}

bool
dl_row_reader_read(DlRowReader *reader, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	bool		another = !same_type(reader, type, typmod);
	HeapTupleData tuple;

	if (unlikely(another))
	{
		set_type(reader, type, typmod);
		reader->typmod = typmod;
	}
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, reader->tupdesc, reader->values, reader->nulls);
	return another;
}

void
dl_row_reader_accept(DlRowReader *reader)
{
	reader->type = reader->tupdesc->tdtypeid;
}
