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

static void
remember(DlModelArgument *argument, const struct varlena *value)
{
	Size		size = VARSIZE_ANY(value);

	argument->seen = MemoryContextAlloc(argument->context, size);
	memcpy(argument->seen, value, size);
}

const DlModel *
dl_model_argument(DlModelArgument *argument, Datum value, bool constant, MemoryContext parent)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	struct varlena *flat;
	const DlModel *model;

	if (argument->model != NULL && (constant || same_value(argument->seen, raw)))
		return argument->model;

	if (argument->context == NULL)
		argument->context = AllocSetContextCreate(parent, "dl.model argument", ALLOCSET_SMALL_SIZES);
	argument->model = NULL;
	MemoryContextReset(argument->context);

	flat = pg_detoast_datum_packed(raw);
	model = dl_model_cache_get(VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), argument->context);
	if (flat != raw)
		pfree(flat);
	if (!constant)
		remember(argument, raw);
	argument->model = model;
	return model;
}

char *
dl_model_text(const char *text, Size length)
{
	char	   *converted = pg_any_to_server(text, (int) length, PG_UTF8);

	return converted == text ? pnstrdup(text, length) : converted;
}
