/*
 * model_use.h
 *    Which model a call of a scoring function means, over many rows: by name
 *    or by value, looked up again only when it may be another.
 */
#ifndef DL_PG_MODEL_USE_H
#define DL_PG_MODEL_USE_H

#include "model/model.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/registry.h"

typedef struct DlModelUse
{
	MemoryContext parent;
	MemoryContext context;		/* pins model, and holds all that depends on it; reset with each new model */
	bool		by_value;
	bool		constant;		/* all calls pass the same argument */
	bool		ready;			/* the caller has made what depends on model */
	char	   *name;
	DlRegistryHandle handle;
	DlModelArgument argument;
	const DlModel *model;
} DlModelUse;

/* type: of the argument, text or dl.model.  Lives as long as parent, which is the current context of no call. */
extern void dl_model_use_init(DlModelUse *use, MemoryContext parent, Oid type, bool constant);

/*
 * Finds the model that value, the argument of this row, means.  True when the caller must make anew what
 * depends on it, in use->context, and then set ready: the first time, with another model, and
 * after an error came in between.
 */
extern bool dl_model_use_find(DlModelUse *use, Datum value);

/* value of a name or model that is NULL is an error: 22004. */
extern void dl_model_use_null(void) pg_attribute_noreturn();

#endif							/* DL_PG_MODEL_USE_H */
