/*
 * arguments.c
 *    Arguments of SQL functions that must not be NULL.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/arguments.h"
#include "pg/compat.h"

void
dl_argument_not_null(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of function dl.%s must not be NULL",
						name, get_func_name(fcinfo->flinfo->fn_oid))));
}

char *
dl_argument_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	dl_argument_not_null(fcinfo, number, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

int
dl_argument_version(FunctionCallInfo fcinfo, int number)
{
	int			version;

	if (PG_NARGS() <= number || PG_ARGISNULL(number))
		return 0;
	version = PG_GETARG_INT32(number);
	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("versions of a model begin with 1, got %d", version)));
	return version;
}
