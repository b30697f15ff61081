/*
 * model_value.c
 *    Values of dl.model as arguments of a function that is called for many
 *    rows.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/model_cache.h"
#include "pg/model_value.h"

/*
 * The value id of a toast pointer is a counter that goes on even where a
 * transaction is undone, and it names the toast table: two values never share one while a query
 * can see them.
 */
static bool
same_value(const struct varlena *seen, const struct varlena *value)
{
	Size		size = VARSIZE_ANY(value);

	return VARSIZE_ANY(seen) == size &&
		(!VARATT_IS_EXTERNAL(value) || VARATT_IS_EXTERNAL_ONDISK(value)) &&
		memcmp(seen, value, size) == 0;
}

static struct varlena *
copy_value(const struct varlena *value, MemoryContext context)
{
	Size		size = VARSIZE_ANY(value);

	return memcpy(MemoryContextAlloc(context, size), value, size);
}

const DlModel *
dl_model_argument(DlModelArgument *argument, Datum value, bool constant, MemoryContext parent)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	struct varlena *flat;
	DlModelArgument next = {0};

	if (argument->model != NULL && (constant || same_value(argument->seen, raw)))
		return argument->model;

	/* The last model goes after the next one came, so that two of them never have one address. */
	next.context = AllocSetContextCreate(parent, "dl.model argument", ALLOCSET_SMALL_SIZES);
	flat = pg_detoast_datum_packed(raw);
	next.model = dl_model_cache_get(VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), next.context);
	if (flat != raw)
		pfree(flat);
	if (!constant)
		next.seen = copy_value(raw, next.context);
	if (argument->context != NULL)
		MemoryContextDelete(argument->context);
	*argument = next;
	return next.model;
}

char *
dl_model_text(const char *text, Size length)
{
	char	   *converted = pg_any_to_server(text, (int) length, PG_UTF8);

	return converted == text ? pnstrdup(text, length) : converted;
}
