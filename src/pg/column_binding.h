/*
 * column_binding.h
 *    How the columns of a model are read from values of given types, or from rows of a given
 *    type: found out once for a model and kept with it, for statements that score a row or two.
 */
#ifndef DL_PG_COLUMN_BINDING_H
#define DL_PG_COLUMN_BINDING_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "model/model.h"
#include "pg/column_source.h"

typedef struct DlColumnBinding
{
	struct DlColumnBinding *next;
	uint64		identifier;		/* of the row type; 0: values by position */
	const Oid  *types;			/* of the values */
	DlColumnRuns runs;
	bool		allocates;		/* reading a row may take memory */
} DlColumnBinding;

/*
 * The columns of a model that is pinned, as one value of each type; raises the errors of a wrong count or type. It lives
 * as long as the pin or the current context, whichever ends first.
 */
extern const DlColumnBinding *dl_column_binding(const DlModel *model, const Oid *types, int count);

/* The same as attributes of a row; identifier is what the type cache gives its type, 0 for a type that is not there. */
extern const DlColumnBinding *dl_column_binding_of_row(const DlModel *model, TupleDesc tupdesc, uint64 identifier);

#endif							/* DL_PG_COLUMN_BINDING_H */
