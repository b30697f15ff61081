/*
 * retrain.c
 *    What a retraining asks and does beside training: whether it is due, with
 *    which query and options, and what becomes of the versions.
 *
 * It trains what the deployed version was trained with: its query and the options that were given, under the settings that the
 * query had then, with its weights where the schedule says so. All else is chosen from the rows anew.  The seed stays, so a row goes to the same part as
 * before, by its contents: what the new version is tested on the deployed one has not been trained on either.
 *
 * A query is run with the rights of whoever retrains, so it must be his own, or a superuser's: otherwise
 * whoever may administer a model could have others run what he likes.  The same holds for the training_window of a schedule.
 */
#include "pg/schedule.h"

#include <math.h>

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/numeric.h"

#include "pg/compat.h"
#include "pg/query.h"
#include "pg/registry_internal.h"

static JsonbValue *
argument(Jsonb *arguments, const char *key, enum jbvType type, JsonbValue *buffer)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&arguments->root, key, (int) strlen(key), buffer);

	return value != NULL && value->type == type ? value : NULL;
}

/* NaN where it is not there. */
static double
number_argument(Jsonb *arguments, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = argument(arguments, key, jbvNumeric, &buffer);

	return value == NULL ? NAN : DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

static void
set(const char *name, const char *value, GucAction action)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, action, true, WARNING, false);
}

static void
count_row(void *context, const Datum *values, const bool *nulls)
{
	(void) values;
	(void) nulls;
	++*(int64 *) context;
}

static void
count_begin(void *context, TupleDesc tupdesc)
{
	(void) tupdesc;
	*(int64 *) context = 0;
}

static int64
count_rows(const DlTrainRun *run)
{
	int64		count = 0;
	DlQueryReceiver receiver = {&count, count_begin, count_row};

	dl_query_run(dl_train_run_query(run), &receiver);
	return count;
}

/* The greatest population stability index of what dl.drift does not call stable; 0 where all is. */
static double
greatest_drift(const DlTrainRun *run)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(run->name), CStringGetTextDatum(dl_train_run_query(run))};
	double		result = 0;
	bool		null = true;
	Datum		value = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not ask for the drift");
	if (SPI_execute_with_args("SELECT pg_catalog.max(d.psi) FROM dl.drift($1, $2) AS d WHERE d.verdict OPERATOR(pg_catalog.<>) 'stable'", 2, types, values, NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed == 1)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	if (!null)
		result = DatumGetFloat8(value);
	SPI_finish();
	return result;
}

/* Either condition makes it due, and so does none. */
static char *
not_due(const DlTrainRun *run, const DlTrainRecord *record, Jsonb *arguments)
{
	double		when_rows = number_argument(arguments, "when_rows");
	double		when_drift = number_argument(arguments, "when_drift");
	StringInfoData reason;

	if (isnan(when_rows) && isnan(when_drift))
		return NULL;
	initStringInfo(&reason);
	appendStringInfoString(&reason, "not due");
	if (!isnan(when_rows))
	{
		int64		more = count_rows(run) - record->rows - record->skipped;

		if ((double) more >= when_rows)
			return NULL;
		appendStringInfo(&reason, ": " INT64_FORMAT " rows more than version %d was trained on, when_rows is %.0f", more,
						 run->deployed.version, when_rows);
	}
	if (!isnan(when_drift))
	{
		double		drift = greatest_drift(run);

		if (drift >= when_drift)
			return NULL;
		appendStringInfoString(&reason, isnan(when_rows) ? ": " : "; ");
		if (drift == 0)
			appendStringInfoString(&reason, "dl.drift finds all stable");
		else
			appendStringInfo(&reason, "the greatest population stability index is %.3g, when_drift is %g", drift, when_drift);
	}
	return reason.data;
}

/* The options of the version, with the window of the schedule where it has one; a warm start is the schedule's alone. */
static void
take_options(const DlTrainRecord *record, Jsonb *arguments, DlTrainOptions *options)
{
	JsonbValue	buffer;
	JsonbValue	warm_buffer;
	JsonbValue *window = argument(arguments, "training_window", jbvString, &buffer);
	JsonbValue *warm_start = argument(arguments, "warm_start", jbvBool, &warm_buffer);
	Datum		given = DirectFunctionCall1(jsonb_in, CStringGetDatum(record->options_given));

	dl_train_options_init(options);
	given = DirectFunctionCall2(jsonb_delete, given, CStringGetTextDatum("warm_start"));
	dl_train_options_set_jsonb(options, DatumGetJsonbP(given));
	if (warm_start != NULL && warm_start->val.boolean)
		dl_train_options_set(options, "warm_start", "true");
	if (window != NULL)
		dl_train_options_set(options, "training_window", pnstrdup(window->val.string.val, window->val.string.len));
}

/* Raises 42501 unless the current user may run the query of a version: he trained it himself, or a superuser did. */
static void
check_author(const char *model, const DlRegistryDeployed *deployed)
{
	DlRegistrySection section;
	char	   *author = NULL;
	bool		imported = true;
	Oid			role = InvalidOid;

	dl_registry_enter(&section, NULL);
	if (DL_REGISTRY_RUN("SELECT created_by, trained_on = 'import', created_by_role, cluster FROM dl.registry_version "
						"WHERE model_id = $1 AND version = $2",
						SPI_OK_SELECT, DL_ARG_INT8(deployed->id), DL_ARG_INT4(deployed->version)) == 1)
	{
		bool		null;

		author = MemoryContextStrdup(section.memory, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
		imported = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null));
		role = dl_registry_role(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &null)), author,
								dl_registry_int8(4, &null));
	}
	dl_registry_leave(&section);
	if (!imported && OidIsValid(role) && (role == GetUserId() || superuser_arg(role)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the query of version %d of model \"%s\" cannot be run with the rights of role \"%s\"",
					deployed->version, model,
					GetUserNameFromId(GetUserId(), false)),
			 imported || author == NULL ? errdetail("It was stored with dl.put, so nobody here has written the query.") :
			 errdetail("It was trained by \"%s\".", author),
			 errhint("Train a version with dl.train as the role that is to retrain it.")));
}

const DlTrainRecord *
dl_retrain_load(const char *model, Jsonb *arguments, GucAction action, DlTrainRun *run)
{
	const DlTrainRecord *record;

	dl_registry_check_store(model);
	if (!dl_registry_deployed(model, CurrentMemoryContext, &run->deployed))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", model)));
	record = &run->deployed.model->record;
	if (record->query[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" cannot be trained again by itself, for it was not trained from a query", model),
				 errdetail("Version %d comes from dl.fit.", run->deployed.version),
				 errhint("Train a version with dl.train.")));
	check_author(model, &run->deployed);
	set("search_path", record->search_path, action);
	set("TimeZone", record->timezone, action);
	set("DateStyle", record->datestyle, action);
	run->name = model;
	run->asked = true;
	run->model_id = run->deployed.id;
	run->query = pstrdup(record->query);
	run->target = pstrdup(run->deployed.model->target);
	run->where = "job";
	take_options(record, arguments, &run->options);
	return record;
}

char *
dl_retrain_prepare(const char *model, Jsonb *arguments, DlTrainRun *run)
{
	const DlTrainRecord *record = dl_retrain_load(model, arguments, GUC_ACTION_SET, run);

	return not_due(run, record, arguments);
}

/* Versions beyond the newest so many, but never the deployed one. */
static void
drop_old_versions(const char *model, int keep)
{
	DlRegistrySection section;
	DlRegistryRow row;

	dl_registry_enter(&section, "a job");
	dl_registry_lock(&section, model, DL_RIGHT_ADMIN, &row);
	dl_registry_drop_old(&row, keep);
	dl_registry_leave(&section);
}

void
dl_retrain_finish(const char *model, Jsonb *arguments, DlRegistryStored *stored)
{
	JsonbValue	buffer;
	JsonbValue *better = argument(arguments, "only_if_better", jbvBool, &buffer);
	double		keep = number_argument(arguments, "keep_versions");

	if (better != NULL && !better->val.boolean && !stored->deployed)
	{
		DlRegistrySection section;
		DlRegistryRow row;

		dl_registry_enter(&section, "a job");
		dl_registry_lock(&section, model, DL_RIGHT_ADMIN, &row);
		dl_registry_set_deployed(&section, row.id, stored->version);
		dl_registry_changed();
		dl_registry_leave(&section);
		stored->deployed = true;
		stored->deployed_version = stored->version;
		stored->reason = psprintf("only_if_better is false; %s", stored->reason);
	}
	if (!isnan(keep))
		drop_old_versions(model, (int) keep);
}
