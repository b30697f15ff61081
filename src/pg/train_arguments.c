/*
 * train_arguments.c
 *    The arguments of dl.train and of dl.submit, which begins with the same ones.
 *
 * Options first, arguments after: what is said by name in the call itself wins.
 */
#include "pg/train_arguments.h"

#include "pg/compat.h"
#include "utils/builtins.h"
#include "utils/float.h"

typedef enum ArgumentType
{
	ARGUMENT_TEXT,
	ARGUMENT_INTEGER,
	ARGUMENT_BIGINT,
	ARGUMENT_REAL
} ArgumentType;

typedef struct Argument
{
	int			number;
	ArgumentType type;
	const char *option;
} Argument;

/* The arguments of dl.train after model, query and target that are options by name. */
static const Argument argument_table[] = {
	{3, ARGUMENT_TEXT, "task"},
	{4, ARGUMENT_TEXT, "network"},
	{5, ARGUMENT_INTEGER, "epochs"},
	{6, ARGUMENT_INTEGER, "batch_size"},
	{7, ARGUMENT_REAL, "learning_rate"},
	{8, ARGUMENT_TEXT, "optimizer"},
	{9, ARGUMENT_INTEGER, "early_stopping"},
	{10, ARGUMENT_REAL, "validation"},
	{11, ARGUMENT_REAL, "test"},
	{12, ARGUMENT_TEXT, "split_column"},
	{13, ARGUMENT_TEXT, "split_key"},
	{14, ARGUMENT_TEXT, "weight_column"},
	{15, ARGUMENT_BIGINT, "seed"},
	{16, ARGUMENT_TEXT, "effort"},
	{17, ARGUMENT_REAL, "max_seconds"},
	{18, ARGUMENT_TEXT, "optimize"},
	{19, ARGUMENT_REAL, "prediction_interval"},
	{20, ARGUMENT_TEXT, "device"},
	{21, ARGUMENT_TEXT, "matmul_precision"},
};

#define ARGUMENT_QUIET 22
#define ARGUMENT_OPTIONS 23

static char *
argument_text(FunctionCallInfo fcinfo, const Argument *a)
{
	Datum		value = PG_GETARG_DATUM(a->number);

	switch (a->type)
	{
		case ARGUMENT_TEXT:
			return TextDatumGetCString(value);
		case ARGUMENT_INTEGER:
			return psprintf("%d", DatumGetInt32(value));
		case ARGUMENT_BIGINT:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case ARGUMENT_REAL:
			return float8out_internal(DatumGetFloat8(value));
	}
	return NULL;
}

static const char *
required_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

void
dl_train_arguments(FunctionCallInfo fcinfo, DlTrainRun *run)
{
	run->name = required_text(fcinfo, 0, "model");
	run->query = required_text(fcinfo, 1, "query");
	run->target = required_text(fcinfo, 2, "target");
	run->quiet = !PG_ARGISNULL(ARGUMENT_QUIET) && PG_GETARG_BOOL(ARGUMENT_QUIET);
	dl_train_options_init(&run->options);
	if (!PG_ARGISNULL(ARGUMENT_OPTIONS))
		dl_train_options_set_jsonb(&run->options, PG_GETARG_JSONB_P(ARGUMENT_OPTIONS));
	for (int i = 0; i < (int) lengthof(argument_table); i++)
		if (!PG_ARGISNULL(argument_table[i].number))
			dl_train_options_set(&run->options, argument_table[i].option, argument_text(fcinfo, &argument_table[i]));
}
