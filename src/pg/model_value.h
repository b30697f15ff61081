/*
 * model_value.h
 *    Values of the SQL type dl.model as arguments: a varlena whose data are
 *    the bytes of a model (model.h), validated whole when the value was made.
 */
#ifndef DL_PG_MODEL_VALUE_H
#define DL_PG_MODEL_VALUE_H

#include "model/model.h"

/*
 * One argument of one call site, over many rows.  Starts as zeros, lives as
 * long as parent below.
 */
typedef struct DlModelArgument
{
	const DlModel *model;		/* of the last value; NULL at first */
	MemoryContext context;		/* pins the model, holds the copy; another with each new value */
	struct varlena *seen;		/* the last value as it came: a toast pointer, or an inline value */
} DlModelArgument;

/*
 * The decoded model of value, pinned until the next call with another value
 * or the end of parent.  A value that is stored out of line is recognised by its toast
 * pointer, without being read; any other by its bytes.  constant: the caller knows
 * that all calls pass the same value.  Another model has another address than the last one had.
 */
extern const DlModel *dl_model_argument(DlModelArgument *argument, Datum value, bool constant, MemoryContext parent);

/* Text of a model (UTF-8) in the server's encoding, palloc'd; an error where it has no such characters. */
extern char *dl_model_text(const char *text, Size length);

#endif							/* DL_PG_MODEL_VALUE_H */
