/*
 * create_function.c
 *    dl.create_function: an ordinary function of SQL for one model, whose
 *    arguments are the model's columns, by their names and types.
 *
 * Its body is one call of a scoring function, so that the planner takes it apart and the
 * call is scored in batches.  It is made by CREATE FUNCTION, as the current user.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "pg/arguments.h"
#include "pg/column_source.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "pg/registry.h"
#include "pg/score_function.h"

PG_FUNCTION_INFO_V1(dl_sql_create_function);

#define SCHEMA_PREFIX 3			/* of "dl.predict" */

static const char *const result_types[DL_SCORE_KINDS] = {
	[DL_SCORE_PREDICT] = "pg_catalog.float8",
	[DL_SCORE_CLASSIFY] = "pg_catalog.text",
	[DL_SCORE_PROBABILITIES] = "pg_catalog.jsonb",
	[DL_SCORE_PREDICT_ARRAY] = "pg_catalog.float4[]",
	[DL_SCORE_EMBED] = "pg_catalog.float4[]",
	[DL_SCORE_PREDICT_INTERVAL] = "dl.prediction",
};

typedef struct NewFunction
{
	char	   *model_name;
	const DlModel *model;
	DlScoreKind kind;
	Oid			schema;
	char	   *name;
	char	   *qualified;		/* quoted */
	oidvector  *types;			/* of the columns */
	char	   *type_list;
} NewFunction;

/* ---- the types of columns ---- */

/* The type of that name under a search_path; InvalidOid: there is none. */
static Oid
type_under(const char *search_path, const TypeName *name)
{
	int			nest_level = NewGUCNestLevel();
	Oid			type = InvalidOid;

	if (set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, DEBUG1, false) > 0)
		type = LookupTypeNameOid(NULL, name, true);
	AtEOXact_GUC(false, nest_level);
	return type;
}

/* Where a model comes from a place that has types which are not here. */
static Oid
plain_type(const DlColumn *column)
{
	switch (column->kind)
	{
		case DL_COLUMN_NUMBER:
			return FLOAT8OID;
		case DL_COLUMN_DATE:
			return DATEOID;
		case DL_COLUMN_TIMESTAMP:
			return strstr(column->type, "with time zone") != NULL ? TIMESTAMPTZOID : TIMESTAMPOID;
		case DL_COLUMN_ARRAY:
			return get_array_type(FLOAT8OID);
		default:
			return TEXTOID;
	}
}

/* A domain's constraints are about what is stored; a row that breaks them can be scored. */
static Oid
without_domains(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (OidIsValid(element) && getBaseType(element) != element)
		return get_array_type(getBaseType(element));
	return base;
}

/*
 * A model says by name what type a column had.  A name that PostgreSQL itself has means that type, whatever
 * stands first in the path of the training; others are looked up as the training did.
 */
static Oid
column_type(const DlModel *model, const DlColumn *column)
{
	char	   *text = dl_model_text(column->type, strlen(column->type));
	TypeName   *name = dl_type_name_compat(text);
	Oid			type = type_under("pg_catalog, pg_temp", name);

	if (!OidIsValid(type))
		type = type_under(dl_model_text(model->record.search_path, strlen(model->record.search_path)), name);
	if (!OidIsValid(type))
		type = LookupTypeNameOid(NULL, name, true);
	if (OidIsValid(type))
		return without_domains(type);
	type = plain_type(column);
	ereport(NOTICE,
			(errmsg("type %s of column \"%s\" does not exist, %s is taken instead", text,
					dl_model_text(column->name, strlen(column->name)), format_type_be(type))));
	return type;
}

static void
set_types(NewFunction *f)
{
	const DlModel *model = f->model;
	Oid			types[FUNC_MAX_ARGS];
	StringInfoData list;

	if (model->column_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has no columns, so there is nothing to pass to a function", f->model_name)));
	if (model->column_count > FUNC_MAX_ARGS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("model \"%s\" has %d columns, a function has at most %d arguments", f->model_name,
						model->column_count, FUNC_MAX_ARGS),
				 errhint("Score whole rows, whose columns are matched by name: %s(%s, row).", dl_score_functions[f->kind].name,
						 quote_literal_cstr(f->model_name))));
	initStringInfo(&list);
	for (int i = 0; i < model->column_count; i++)
	{
		DlColumnSource source;

		types[i] = column_type(model, &model->columns[i]);
		dl_column_source_set(&source, &model->columns[i], types[i], i);
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", format_type_be_qualified(types[i]));
	}
	f->types = buildoidvector(types, model->column_count);
	f->type_list = list.data;
}

/* ---- kinds ---- */

/* What a user of the model wants to know first. */
static DlScoreKind
usual_kind(const DlModel *model)
{
	if (model->task == DL_TASK_MULTICLASS)
		return DL_SCORE_CLASSIFY;
	return dl_model_result_width(model) == 1 ? DL_SCORE_PREDICT : DL_SCORE_PREDICT_ARRAY;
}

static DlScoreKind
kind_by_name(const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int kind = 0; kind < DL_SCORE_KINDS; kind++)
	{
		const char *known = dl_score_functions[kind].name + SCHEMA_PREFIX;

		if (strcmp(name, known) == 0)
			return kind;
		appendStringInfo(&names, "%s\"%s\"", kind == 0 ? "" : kind == DL_SCORE_KINDS - 1 ? " and " : ", ", known);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized kind \"%s\" of a function", name),
			 errhint("The kinds are %s.", names.data)));
	return DL_SCORE_PREDICT;
}

/* ---- names ---- */

static void
set_name(NewFunction *f, text *name)
{
	f->schema = QualifiedNameGetCreationNamespace(textToQualifiedNameList(name), &f->name);
	f->qualified = quote_qualified_identifier(get_namespace_name(f->schema), f->name);
}

static Oid
find_function(const NewFunction *f)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(f->name), PointerGetDatum(f->types),
						   ObjectIdGetDatum(f->schema));
}

/* Functions of the same name with other arguments stay, as CREATE FUNCTION leaves them: perhaps of another version of the model. */
static void
notice_others(const NewFunction *f, Oid self)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(f->name));

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc other = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (other->pronamespace == f->schema && other->oid != self)
			ereport(NOTICE,
					(errmsg("function %s has the same name and other arguments, and stays", format_procedure(other->oid)),
					 errhint("Drop it when it is of no use any more: DROP FUNCTION %s.", format_procedure_qualified(other->oid))));
	}
	ReleaseSysCacheList(list);
}

/* ---- the statements ---- */

/* A call has one argument more than the function: where that is too many, the columns are passed as a row. */
static char *
call_text(const NewFunction *f)
{
	int			columns = f->model->column_count;
	bool		row = columns + 1 > FUNC_MAX_ARGS;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s(%s::pg_catalog.text, %s", dl_score_functions[f->kind].name, quote_literal_cstr(f->model_name),
					 row ? "ROW(" : "");
	for (int i = 0; i < columns; i++)
		appendStringInfo(&text, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoString(&text, row ? "))" : ")");
	return text.data;
}

static char *
create_text(const NewFunction *f, bool replace)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "CREATE %sFUNCTION %s(", replace ? "OR REPLACE " : "", f->qualified);
	for (int i = 0; i < f->model->column_count; i++)
	{
		const char *name = f->model->columns[i].name;

		appendStringInfo(&text, "%s%s %s", i > 0 ? ", " : "", quote_identifier(dl_model_text(name, strlen(name))),
						 format_type_be_qualified(f->types->values[i]));
	}
	appendStringInfo(&text, ") RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE %s", result_types[f->kind],
					 dl_sql_body_compat(call_text(f)));
	return text.data;
}

static char *
comment_text(const NewFunction *f)
{
	return psprintf("COMMENT ON FUNCTION %s(%s) IS %s", f->qualified, f->type_list,
					quote_literal_cstr(psprintf("%s of the model \"%s\"", dl_score_functions[f->kind].name, f->model_name)));
}

static void
run(const char *statement)
{
	int			code = SPI_execute(statement, false, 0);

	if (code != SPI_OK_UTILITY)
		elog(ERROR, "SPI gave %s for: %s", SPI_result_code_string(code), statement);
}

static void
create(const NewFunction *f, bool replace)
{
	char	   *statement = create_text(f, replace);
	char	   *comment = comment_text(f);

	SPI_connect();
	run(statement);
	run(comment);
	SPI_finish();
	CommandCounterIncrement();
}

Datum
dl_sql_create_function(PG_FUNCTION_ARGS)
{
	NewFunction f = {.model_name = dl_argument_text(fcinfo, 0, "model")};
	bool		replace;
	Oid			existing;
	Oid			created;

	dl_argument_not_null(fcinfo, 1, "function");
	dl_argument_not_null(fcinfo, 3, "replace");
	replace = PG_GETARG_BOOL(3);
	if (!PG_ARGISNULL(2))
		f.kind = kind_by_name(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	f.model = dl_registry_model(f.model_name, 0, DL_RIGHT_USE, CurrentMemoryContext);
	if (PG_ARGISNULL(2))
		f.kind = usual_kind(f.model);
	dl_score_functions[f.kind].check(f.model);
	set_name(&f, PG_GETARG_TEXT_PP(1));
	set_types(&f);

	existing = find_function(&f);
	if (OidIsValid(existing) && !replace)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FUNCTION),
				 errmsg("function %s already exists", format_procedure(existing)),
				 errhint("Say replace => true to make it anew, or drop it first.")));
	create(&f, replace);
	created = find_function(&f);
	notice_others(&f, created);
	PG_RETURN_OID(created);
}
