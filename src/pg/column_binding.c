/*
 * column_binding.c
 *    How the columns of a model are read from values of given types.
 *
 * Bindings are kept with the decoded model, as many as MOST of each, and never changed: several calls
 * use one at a time.  Only types of the system itself are in them, for what others mean may
 * change (ALTER TYPE), and no literals, whose reading is of the call.
 */
#include "pg/column_binding.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/model_cache.h"

#define MOST 8

/* What a binding is made of and found by. */
typedef struct Key
{
	const DlModel *model;
	const Oid  *types;			/* by position; else NULL */
	TupleDesc	tupdesc;
	uint64		identifier;
} Key;

static bool
is_kept(const Key *key)
{
	int			count = key->types != NULL ? key->model->column_count : key->tupdesc->natts;

	if (key->types == NULL && key->identifier == 0)
		return false;
	for (int i = 0; i < count; i++)
	{
		Oid			type = key->types != NULL ? key->types[i] : TupleDescAttr(key->tupdesc, i)->atttypid;

		if (type >= FirstNormalObjectId || type == UNKNOWNOID)
			return false;
	}
	return true;
}

static bool
is_for(const DlColumnBinding *binding, const Key *key)
{
	if (binding->identifier != key->identifier)
		return false;
	return key->identifier != 0 ||
		memcmp(binding->types, key->types, sizeof(Oid) * (Size) key->model->column_count) == 0;
}

/* In the current context. */
static DlColumnBinding *
create_binding(const Key *key)
{
	DlColumnBinding *binding = palloc0(sizeof(DlColumnBinding));
	int			count = key->model->column_count;
	DlColumnSource *sources = palloc0(sizeof(DlColumnSource) * (Size) Max(count, 1));

	if (key->types == NULL)
		dl_column_sources_match(key->model, key->tupdesc, sources);
	else
	{
		for (int i = 0; i < count; i++)
			dl_column_source_set(&sources[i], &key->model->columns[i], key->types[i], i);
		binding->types = memcpy(palloc(sizeof(Oid) * (Size) Max(count, 1)), key->types, sizeof(Oid) * (Size) count);
	}
	for (int i = 0; i < count; i++)
		binding->allocates = binding->allocates || sources[i].allocates;
	binding->identifier = key->identifier;
	dl_column_runs_set(&binding->runs, sources, count);
	return binding;
}

static const DlColumnBinding *
find_or_create(const Key *key)
{
	DlModelKeep *keep = dl_model_cache_keep(key->model);
	DlColumnBinding *binding;
	MemoryContext old;
	int			kept = 0;

	for (binding = keep->bindings; binding != NULL && (key->types != NULL || key->identifier != 0); binding = binding->next)
	{
		if (is_for(binding, key))
			return binding;
		kept++;
	}
	binding = create_binding(key);
	if (kept == MOST || !is_kept(key))
		return binding;

	/* It was made once, so now this raises no error but that of memory. */
	old = MemoryContextSwitchTo(dl_model_cache_keep_context(key->model));
	binding = create_binding(key);
	MemoryContextSwitchTo(old);
	binding->next = keep->bindings;
	keep->bindings = binding;
	dl_model_cache_keep_grew(key->model);
	return binding;
}

const DlColumnBinding *
dl_column_binding(const DlModel *model, const Oid *types, int count)
{
	Key			key = {.model = model,.types = types};

	if (count != model->column_count)
		dl_column_sources_wrong_count(model, count);
	return find_or_create(&key);
}

const DlColumnBinding *
dl_column_binding_of_row(const DlModel *model, TupleDesc tupdesc, uint64 identifier)
{
	Key			key = {.model = model,.tupdesc = tupdesc,.identifier = identifier};

	return find_or_create(&key);
}
