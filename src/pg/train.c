/*
 * train.c
 *    dl.train(): from a query to a version in the registry.
 *
 * Order: check what can be checked (rights, options), read the rows into the
 * training, train, store.  Everything happens in the caller's transaction, so
 * ROLLBACK leaves nothing behind.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/train_arguments.h"
#include "pg/train_run.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(dl_sql_train);

static Datum
result_row(FunctionCallInfo fcinfo, const DlTrainRun *run, const DlRegistryStored *stored)
{
	const DlFitResult *fit = &run->result.fit;
	Datum		values[10];
	bool		nulls[10] = {false};
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dl.train must return a row");
	values[0] = CStringGetTextDatum(run->name);
	values[1] = Int32GetDatum(stored->version);
	values[2] = CStringGetTextDatum(dl_task_name(run->request.task));
	values[3] = Int64GetDatum(fit->rows);
	values[4] = Int64GetDatum(run->request.skipped);
	values[5] = Int32GetDatum(fit->epochs);
	values[6] = CStringGetTextDatum(fit->metric);
	values[7] = Float8GetDatum(fit->value);
	nulls[7] = isnan(fit->value);
	values[8] = BoolGetDatum(stored->deployed);
	values[9] = Float8GetDatum(rint(run->seconds * 1000) / 1000);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* DROP EXTENSION does not wait for functions that run. */
static void
check_extension(FunctionCallInfo fcinfo, const DlTrainRun *run)
{
	AcceptInvalidationMessages();
	if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" is not stored, because the extension was dropped while it was trained", run->name)));
}

Datum
dl_sql_train(PG_FUNCTION_ARGS)
{
	DlTrainRun *run = palloc0(sizeof(DlTrainRun));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dl train", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	DlRegistryStored stored;
	Datum		result;

	PreventCommandIfReadOnly("dl.train()");
	PreventCommandIfParallelMode("dl.train()");
	old = MemoryContextSwitchTo(context);
	dl_train_arguments(fcinfo, run);
	dl_train_run_begin(run);
	dl_train_run_read(run, true);
	dl_train_run_compute(run, NULL);
	check_extension(fcinfo, run);
	dl_train_run_store(run, &stored);
	MemoryContextSwitchTo(old);
	result = result_row(fcinfo, run, &stored);
	MemoryContextDelete(context);
	return result;
}
