/*
 * model_use.c
 *    Which model a call of a scoring function means, over many rows.
 *
 * A model found by name is looked up again only when the registry says that
 * something changed, or when the user or the name is another.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/model_use.h"

void
dl_model_use_init(DlModelUse *use, MemoryContext parent, Oid type, bool constant)
{
	memset(use, 0, sizeof(*use));
	use->parent = parent;
	use->context = AllocSetContextCreate(parent, "dl predict model", ALLOCSET_DEFAULT_SIZES);
	use->by_value = type != TEXTOID;
	use->constant = constant;
}

static void
forget(DlModelUse *use)
{
	use->ready = false;
	use->model = NULL;
	MemoryContextReset(use->context);
}

static bool
same_name(const DlModelUse *use, Datum name)
{
	text	   *packed = DatumGetTextPP(name);
	Size		length = VARSIZE_ANY_EXHDR(packed);

	return strlen(use->name) == length && memcmp(use->name, VARDATA_ANY(packed), length) == 0;
}

static char *
name_of(Datum value, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *name = TextDatumGetCString(value);

	MemoryContextSwitchTo(old);
	return name;
}

bool
dl_model_use_find(DlModelUse *use, Datum value)
{
	const DlModel *model;

	if (use->by_value)
	{
		model = dl_model_argument(&use->argument, value, use->constant, use->parent);
		if (use->ready && likely(model == use->model))
			return false;
		forget(use);
		use->model = model;
		return true;
	}
	if (use->ready && likely(dl_registry_current(&use->handle)) && (use->constant || same_name(use, value)))
		return false;
	forget(use);
	use->name = name_of(value, use->context);
	dl_registry_open(use->name, 0, DL_RIGHT_USE, use->context, &use->handle);
	use->model = use->handle.model;
	return true;
}

void
dl_model_use_null(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("model must not be NULL")));
}
