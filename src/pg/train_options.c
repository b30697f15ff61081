/*
 * train_options.c
 *    The options of a training by name.
 *
 * One table gives each option its type and its place; arguments of dl.train come
 * through it as well, so that an option means the same wherever it is said.
 */
#include "pg/train_options.h"

#include <math.h>

#include "pg/compat.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/numeric.h"

typedef enum OptionKind
{
	OPTION_INTEGER,				/* int32 between low and high */
	OPTION_BIGINT,				/* int64 */
	OPTION_REAL,				/* double between low and high */
	OPTION_RATE,				/* the same, or "auto" for 0 */
	OPTION_BOOLEAN,				/* int32 0 or 1 */
	OPTION_TEXT,				/* char * */
	OPTION_NAME					/* int32, by one of the functions below */
} OptionKind;

typedef bool (*NameLookup) (const char *name, int32_t *result);

typedef struct Option
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* in DlTrainOptions */
	double		low;
	double		high;
	NameLookup	lookup;
	const char *(*names) (void);
} Option;

static bool
find_loss(const char *name, int32_t *result)
{
	DlLoss		value;
	bool		found = dl_loss_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static bool
find_optimizer(const char *name, int32_t *result)
{
	DlOptimizer value;
	bool		found = dl_optimizer_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static bool
find_schedule(const char *name, int32_t *result)
{
	DlSchedule	value;
	bool		found = dl_schedule_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static bool
find_scaling(const char *name, int32_t *result)
{
	DlScaling	value;
	bool		found = dl_scaling_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static bool
find_class_weight(const char *name, int32_t *result)
{
	*result = strcmp(name, "balanced") == 0 ? DL_CLASS_WEIGHT_BALANCED : DL_CLASS_WEIGHT_NONE;
	return strcmp(name, "balanced") == 0 || strcmp(name, "none") == 0;
}

static bool
find_effort(const char *name, int32_t *result)
{
	DlEffort	value;
	bool		found = dl_effort_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static bool
find_optimize(const char *name, int32_t *result)
{
	DlOptimize	value;
	bool		found = dl_optimize_by_name(name, &value);

	*result = (int32_t) value;
	return found;
}

static const char *
scaling_names(void)
{
	return "standard, robust, quantile, none";
}

static const char *
class_weight_names(void)
{
	return "none, balanced";
}

#define PLACE(member) offsetof(DlTrainOptions, member)

/* Alphabetical. */
static const Option option_table[] = {
	{"anneal", OPTION_BOOLEAN, PLACE(fit.anneal), 0, 1, NULL, NULL},
	{"batch_size", OPTION_INTEGER, PLACE(fit.batch_size), 1, 1048576, NULL, NULL},
	{"beta1", OPTION_REAL, PLACE(fit.beta1), 0, 0.999999, NULL, NULL},
	{"beta2", OPTION_REAL, PLACE(fit.beta2), 0, 0.9999999, NULL, NULL},
	{"class_weight", OPTION_NAME, PLACE(fit.class_weight), 0, 0, find_class_weight, class_weight_names},
	{"device", OPTION_TEXT, PLACE(device), 0, 0, NULL, NULL},
	{"early_stopping", OPTION_INTEGER, PLACE(fit.early_stopping), 0, 1000000, NULL, NULL},
	{"effort", OPTION_NAME, PLACE(fit.effort), 0, 0, find_effort, dl_effort_names},
	{"epochs", OPTION_INTEGER, PLACE(fit.epochs), 1, 1000000, NULL, NULL},
	{"gradient_clip", OPTION_REAL, PLACE(fit.gradient_clip), 0, 1e9, NULL, NULL},
	{"label_smoothing", OPTION_REAL, PLACE(fit.label_smoothing), 0, 0.999, NULL, NULL},
	{"learning_rate", OPTION_RATE, PLACE(fit.learning_rate), 0, 100, NULL, NULL},
	{"loss", OPTION_NAME, PLACE(fit.loss), 0, 0, find_loss, dl_loss_names},
	{"loss_parameter", OPTION_REAL, PLACE(fit.loss_parameter), 0, 1e9, NULL, NULL},
	{"matmul_precision", OPTION_TEXT, PLACE(matmul_precision), 0, 0, NULL, NULL},
	{"max_levels", OPTION_INTEGER, PLACE(fit.max_levels), 0, 10000000, NULL, NULL},
	{"max_seconds", OPTION_REAL, PLACE(fit.max_seconds), 0.001, 1e9, NULL, NULL},
	{"members", OPTION_INTEGER, PLACE(fit.members), 1, DL_MODEL_MAX_MEMBERS, NULL, NULL},
	{"min_count", OPTION_INTEGER, PLACE(fit.min_count), 1, 1000000000, NULL, NULL},
	{"momentum", OPTION_REAL, PLACE(fit.momentum), 0, 0.99999, NULL, NULL},
	{"neighbours", OPTION_BOOLEAN, PLACE(fit.neighbours), 0, 1, NULL, NULL},
	{"nesterov", OPTION_BOOLEAN, PLACE(fit.nesterov), 0, 1, NULL, NULL},
	{"network", OPTION_TEXT, PLACE(fit.network), 0, 0, NULL, NULL},
	{"one_hot", OPTION_INTEGER, PLACE(fit.one_hot), 0, 1000, NULL, NULL},
	{"one_hot_integers", OPTION_INTEGER, PLACE(fit.one_hot_integers), 0, DL_MAX_ONE_HOT_INTEGERS, NULL, NULL},
	{"optimize", OPTION_NAME, PLACE(fit.optimize), 0, 0, find_optimize, dl_optimize_names},
	{"optimizer", OPTION_NAME, PLACE(fit.optimizer), 0, 0, find_optimizer, dl_optimizer_names},
	{"prediction_interval", OPTION_REAL, PLACE(fit.prediction_interval), 0.01, 0.999, NULL, NULL},
	{"scaling", OPTION_NAME, PLACE(fit.scaling), 0, 0, find_scaling, scaling_names},
	{"schedule", OPTION_NAME, PLACE(fit.schedule), 0, 0, find_schedule, dl_schedule_names},
	{"seed", OPTION_BIGINT, PLACE(fit.seed), 0, 0, NULL, NULL},
	{"split_column", OPTION_TEXT, PLACE(split_column), 0, 0, NULL, NULL},
	{"split_key", OPTION_TEXT, PLACE(split_key), 0, 0, NULL, NULL},
	{"step_epochs", OPTION_INTEGER, PLACE(fit.step_epochs), 1, 1000000, NULL, NULL},
	{"step_factor", OPTION_REAL, PLACE(fit.step_factor), 1e-9, 1, NULL, NULL},
	{"target_means", OPTION_BOOLEAN, PLACE(fit.target_means), 0, 1, NULL, NULL},
	{"task", OPTION_TEXT, PLACE(task), 0, 0, NULL, NULL},
	{"test", OPTION_REAL, PLACE(fit.test), 0, 0.9, NULL, NULL},
	{"threads", OPTION_INTEGER, PLACE(fit.threads), 0, 1024, NULL, NULL},
	{"training_window", OPTION_TEXT, PLACE(training_window), 0, 0, NULL, NULL},
	{"validation", OPTION_REAL, PLACE(fit.validation), 0, 0.9, NULL, NULL},
	{"warm_start", OPTION_BOOLEAN, PLACE(fit.warm_start), 0, 1, NULL, NULL},
	{"warm_up", OPTION_REAL, PLACE(fit.warm_up), 0, 0.999, NULL, NULL},
	{"weight_column", OPTION_TEXT, PLACE(weight_column), 0, 0, NULL, NULL},
	{"weight_decay", OPTION_REAL, PLACE(fit.weight_decay), 0, 100, NULL, NULL},
};

StaticAssertDecl(lengthof(option_table) <= DL_TRAIN_OPTIONS, "DlTrainOptions has room for all options");

void
dl_train_options_init(DlTrainOptions *options)
{
	memset(options, 0, sizeof(*options));
	dl_fit_options_init(&options->fit);
}

static const Option *
find_option(const char *name)
{
	StringInfoData names;

	for (int i = 0; i < (int) lengthof(option_table); i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(option_table); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", option_table[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%s\"", name),
			 errhint("Valid options are: %s.", names.data)));
	return NULL;
}

static void
wrong_value(const Option *o, const char *value, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", o->name, value),
			 errhint("%s", wanted)));
}

static double
parse_number(const Option *o, const char *value, bool whole)
{
	char	   *end;
	double		number;
	char	   *range = psprintf("It must be %s between %.9g and %.9g.", whole ? "a whole number" : "a number", o->low, o->high);

	errno = 0;
	number = strtod(value, &end);
	if (end == value || *end != '\0' || isnan(number) || (whole && number != floor(number)) ||
		number < o->low || number > o->high)
		wrong_value(o, value, range);
	return number;
}

static int64
parse_bigint(const Option *o, const char *value)
{
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (end == value || *end != '\0' || errno != 0)
		wrong_value(o, value, "It must be a whole number of the range of bigint.");
	return (int64) number;
}

static int32_t
parse_boolean(const Option *o, const char *value)
{
	bool		result;

	if (!parse_bool(value, &result))
		wrong_value(o, value, "It must be true or false.");
	return result;
}

void
dl_train_options_set(DlTrainOptions *options, const char *name, const char *value)
{
	const Option *o = find_option(name);
	void	   *place = (char *) options + o->offset;

	switch (o->kind)
	{
		case OPTION_INTEGER:
			*(int32_t *) place = (int32_t) parse_number(o, value, true);
			break;
		case OPTION_BIGINT:
			*(int64_t *) place = parse_bigint(o, value);
			break;
		case OPTION_RATE:
			*(double *) place = strcmp(value, "auto") == 0 ? 0 : parse_number(o, value, false);
			break;
		case OPTION_REAL:
			*(double *) place = parse_number(o, value, false);
			break;
		case OPTION_BOOLEAN:
			*(int32_t *) place = parse_boolean(o, value);
			break;
		case OPTION_TEXT:
			*(char **) place = pstrdup(value);
			break;
		case OPTION_NAME:
			if (!o->lookup(value, (int32_t *) place))
				wrong_value(o, value, psprintf("Valid values are: %s.", o->names()));
			break;
	}
	options->said[o - option_table] = pstrdup(value);
}

char *
dl_train_options_json(const DlTrainOptions *options)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < (int) lengthof(option_table); i++)
	{
		const Option *o = &option_table[i];
		const char *said = options->said[i];

		if (said == NULL)
			continue;
		appendStringInfo(&json, "%s\"%s\": ", json.len > 1 ? ", " : "", o->name);
		if (o->kind == OPTION_INTEGER || o->kind == OPTION_BIGINT)
			appendStringInfo(&json, INT64_FORMAT, o->kind == OPTION_BIGINT ? parse_bigint(o, said) :
							 (int64) parse_number(o, said, true));
		else if (o->kind == OPTION_REAL || (o->kind == OPTION_RATE && strcmp(said, "auto") != 0))
			appendStringInfoString(&json, float8out_internal(parse_number(o, said, false)));
		else if (o->kind == OPTION_BOOLEAN)
			appendStringInfoString(&json, parse_boolean(o, said) ? "true" : "false");
		else
			escape_json(&json, said);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

void
dl_train_options_set_jsonb(DlTrainOptions *options, Jsonb *document)
{
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example: '{\"epochs\": 20}'.")));
	it = JsonbIteratorInit(&document->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		switch (value.type)
		{
			case jbvNull:
				(void) find_option(key);
				break;
			case jbvString:
				dl_train_options_set(options, key, pnstrdup(value.val.string.val, value.val.string.len));
				break;
			case jbvNumeric:
				dl_train_options_set(options, key, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric))));
				break;
			case jbvBool:
				dl_train_options_set(options, key, value.val.boolean ? "true" : "false");
				break;
			default:
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option \"%s\" must not be an array or an object", find_option(key)->name),
						 errhint("Values are numbers, texts, true or false.")));
		}
	}
}

static void
check_choice(const char *option, const char *value, const char *const *choices, const char *list)
{
	for (; value != NULL && *choices != NULL; choices++)
		if (strcmp(*choices, value) == 0)
			return;
	if (value != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", option, value),
				 errhint("Valid values are: %s.", list)));
}

void
dl_train_options_check(DlTrainOptions *options)
{
	static const char *const devices[] = {"auto", "cpu", "gpu", NULL};
	static const char *const precisions[] = {"highest", "high", "medium", NULL};

	check_choice("device", options->device, devices, "auto, cpu");
	check_choice("matmul_precision", options->matmul_precision, precisions, "highest, high, medium");
	if (options->device != NULL && strcmp(options->device, "gpu") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("device \"gpu\" is not available in this version"),
				 errhint("Use device => 'auto' or 'cpu'.")));
	if (options->fit.validation + options->fit.test >= 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("validation and test together take %g of the rows, nothing is left to train on",
						options->fit.validation + options->fit.test),
				 errhint("Their sum must be below 1.")));
}
