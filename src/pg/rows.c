/*
 * rows.c
 *    Results of functions that return a set.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/execnodes.h"

#include "pg/compat.h"
#include "pg/rows.h"

void
dl_rows_begin(FunctionCallInfo fcinfo, DlRows *rows)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (info == NULL || !IsA(info, ReturnSetInfo) || (info->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &rows->descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rows->descriptor = BlessTupleDesc(CreateTupleDescCopy(rows->descriptor));
	rows->store = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = rows->store;
	info->setDesc = rows->descriptor;
	MemoryContextSwitchTo(old);
}

void
dl_rows_put(DlRows *rows, const Datum *values, const bool *nulls)
{
	tuplestore_putvalues(rows->store, rows->descriptor, (Datum *) values, (bool *) nulls);
}
