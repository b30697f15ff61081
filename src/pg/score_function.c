/*
 * score_function.c
 *    What each scoring function asks of a model, and its answer for a row.
 */
#include "pg/score_function.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "pg/compat.h"
#include "pg/model_value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

static void
wrong_function(const char *function, const DlModel *model, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s cannot be used with a model of task \"%s\"%s", function, dl_task_name(model->task),
					model->task == DL_TASK_REGRESSION && model->outputs > 1 ? " and several values" : ""),
			 errhint("%s", hint)));
}

static void
check_predict(const DlModel *model)
{
	if (model->task == DL_TASK_MULTICLASS)
		wrong_function("dl.predict", model, "Use dl.classify for the most likely class, or dl.probabilities.");
	if (dl_model_result_width(model) != 1)
		wrong_function("dl.predict", model, "Use dl.predict_array.");
}

static void
check_classify(const DlModel *model)
{
	if (model->labels == NULL)
		wrong_function("dl.classify", model, model->task == DL_TASK_REGRESSION && dl_model_result_width(model) == 1 ?
					   "Use dl.predict." : "Use dl.predict_array.");
}

static void
check_probabilities(const DlModel *model)
{
	if (model->task == DL_TASK_REGRESSION)
		wrong_function("dl.probabilities", model,
					   dl_model_result_width(model) == 1 ? "Use dl.predict." : "Use dl.predict_array.");
}

static void
check_any(const DlModel *model)
{
}

static void
check_interval(const DlModel *model)
{
	if (model->task != DL_TASK_REGRESSION || dl_model_result_width(model) != 1)
		wrong_function("dl.predict_interval", model, model->task == DL_TASK_REGRESSION ?
					   "Use dl.predict_array." : "Use dl.probabilities.");
	if (model->interval_level == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model was trained without prediction intervals"),
				 errhint("Train it with prediction_interval => 0.9, for example.")));
}

static Datum
answer_predict(const DlModel *model, const void *results, TupleDesc type)
{
	return Float8GetDatum(*(const double *) results);
}

static int32_t
most_likely(const DlModel *model, const double *results)
{
	int32_t		width = dl_model_result_width(model);
	int32_t		best = 0;

	if (width == 1)
		return results[0] > model->threshold;
	for (int32_t k = 1; k < width; k++)
		if (results[k] > results[best])
			best = k;
	return best;
}

static Datum
answer_classify(const DlModel *model, const void *results, TupleDesc type)
{
	size_t		length;
	const char *text = dl_vocabulary_text(model->labels, most_likely(model, results), &length);

	return CStringGetTextDatum(dl_model_text(text, length));
}

static void
push_probability(JsonbParseState **state, const char *label, double probability)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, label);
	value.val.string.len = (int) strlen(label);
	pushJsonbValue(state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(probability)));
	pushJsonbValue(state, WJB_VALUE, &value);
}

static Datum
answer_probabilities(const DlModel *model, const void *results, TupleDesc type)
{
	const double *p = results;
	bool		binary = model->task == DL_TASK_BINARY;
	int32_t		count = model->labels == NULL ? dl_model_result_width(model) : dl_vocabulary_size(model->labels);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int32_t k = 0; k < count; k++)
	{
		double		probability = !binary ? p[k] : k == 1 ? p[0] : 1 - p[0];
		size_t		length;
		const char *text;

		if (model->labels == NULL)
		{
			push_probability(&state, psprintf("%d", k + 1), probability);
			continue;
		}
		text = dl_vocabulary_text(model->labels, k, &length);
		push_probability(&state, dl_model_text(text, length), probability);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static Datum
answer_array(const DlModel *model, const void *results, TupleDesc type)
{
	const double *numbers = results;
	int32_t		width = dl_model_result_width(model);
	Datum	   *values = palloc(sizeof(Datum) * (Size) width);

	for (int32_t k = 0; k < width; k++)
		values[k] = Float4GetDatum((float4) numbers[k]);
	return PointerGetDatum(construct_array(values, width, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

static Datum
answer_embed(const DlModel *model, const void *results, TupleDesc type)
{
	const float *hidden = results;
	int32_t		width = dl_model_hidden_width(model);
	Datum	   *values = palloc(sizeof(Datum) * (Size) width);

	for (int32_t k = 0; k < width; k++)
		values[k] = Float4GetDatum(hidden[k]);
	return PointerGetDatum(construct_array(values, width, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

static Datum
answer_interval(const DlModel *model, const void *results, TupleDesc type)
{
	double		value = *(const double *) results;
	double		low;
	double		high;
	Datum		values[3];
	bool		nulls[3] = {false};

	dl_model_interval(model, value, &low, &high);
	values[0] = Float8GetDatum(value);
	values[1] = Float8GetDatum(low);
	values[2] = Float8GetDatum(high);
	return HeapTupleGetDatum(heap_form_tuple(type, values, nulls));
}

const DlScoreFunction dl_score_functions[DL_SCORE_KINDS] = {
	[DL_SCORE_PREDICT] = {"dl.predict", "dl_sql_predict", false, false, check_predict, answer_predict},
	[DL_SCORE_CLASSIFY] = {"dl.classify", "dl_sql_classify", false, false, check_classify, answer_classify},
	[DL_SCORE_PROBABILITIES] = {"dl.probabilities", "dl_sql_probabilities", false, false, check_probabilities,
	answer_probabilities},
	[DL_SCORE_PREDICT_ARRAY] = {"dl.predict_array", "dl_sql_predict_array", false, false, check_any, answer_array},
	[DL_SCORE_EMBED] = {"dl.embed", "dl_sql_embed", true, false, check_any, answer_embed},
	[DL_SCORE_PREDICT_INTERVAL] = {"dl.predict_interval", "dl_sql_predict_interval", false, true, check_interval,
	answer_interval},
};

/* What is known of functions: most are none of ours. */
typedef struct KnownFunction
{
	Oid			oid;			/* the key: first */
	const DlScoreFunction *function;
} KnownFunction;

static HTAB *known_functions;

static void
functions_changed(Datum argument, int cache, uint32 hash)
{
	HASH_SEQ_STATUS status;
	KnownFunction *known;

	hash_seq_init(&status, known_functions);
	while ((known = hash_seq_search(&status)) != NULL)
		hash_search(known_functions, &known->oid, HASH_REMOVE, NULL);
}

static void
create_known_functions(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(KnownFunction);
	control.hcxt = TopMemoryContext;
	known_functions = hash_create("deep_learning functions", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(PROCOID, functions_changed, (Datum) 0);
}

/* Only a superuser makes functions in C, and only ours link to these symbols of this library. */
static const DlScoreFunction *
look_up(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	const DlScoreFunction *found = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		bool		no_source;
		bool		no_library;
		Datum		source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &no_source);
		Datum		library = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &no_library);

		for (int i = 0; i < DL_SCORE_KINDS && !no_source && !no_library; i++)
			if (strcmp(TextDatumGetCString(source), dl_score_functions[i].symbol) == 0 &&
				strcmp(TextDatumGetCString(library), "$libdir/deep_learning") == 0)
				found = &dl_score_functions[i];
	}
	ReleaseSysCache(tuple);
	return found;
}

const DlScoreFunction *
dl_score_function(Oid oid)
{
	KnownFunction *known;
	const DlScoreFunction *function;

	if (oid < FirstNormalObjectId)
		return NULL;
	if (known_functions == NULL)
		create_known_functions();
	known = hash_search(known_functions, &oid, HASH_FIND, NULL);
	if (known != NULL)
		return known->function;
	function = look_up(oid);
	known = hash_search(known_functions, &oid, HASH_ENTER, NULL);
	known->function = function;
	return function;
}
