/*
 * predict.c
 *    The scoring functions: dl.predict, dl.classify, dl.probabilities,
 *    dl.predict_array, dl.embed, dl.predict_interval, row by row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/predict_call.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(dl_sql_predict);
PG_FUNCTION_INFO_V1(dl_sql_classify);
PG_FUNCTION_INFO_V1(dl_sql_probabilities);
PG_FUNCTION_INFO_V1(dl_sql_predict_array);
PG_FUNCTION_INFO_V1(dl_sql_embed);
PG_FUNCTION_INFO_V1(dl_sql_predict_interval);

static void
wrong_function(const char *function, const DlModel *model, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s cannot be used with a model of task \"%s\"%s", function, dl_task_name(model->task),
					model->task == DL_TASK_REGRESSION && model->outputs > 1 ? " and several values" : ""),
			 errhint("%s", hint)));
}

Datum
dl_sql_predict(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);

	if (call == NULL)
		PG_RETURN_NULL();
	if (call->model->task == DL_TASK_MULTICLASS)
		wrong_function("dl.predict", call->model, "Use dl.classify for the most likely class, or dl.probabilities.");
	if (call->width != 1)
		wrong_function("dl.predict", call->model, "Use dl.predict_array.");
	dl_predict_score(call);
	PG_RETURN_FLOAT8(call->results[0]);
}

static Datum
label_datum(const DlModel *model, int32_t class)
{
	size_t		length;
	const char *text = dl_vocabulary_text(model->labels, class, &length);

	return CStringGetTextDatum(dl_model_text(text, length));
}

static int32_t
most_likely(const DlPredictCall *call)
{
	int32_t		best = 0;

	if (call->width == 1)
		return call->results[0] > call->model->threshold;
	for (int32_t k = 1; k < call->width; k++)
		if (call->results[k] > call->results[best])
			best = k;
	return best;
}

Datum
dl_sql_classify(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);

	if (call == NULL)
		PG_RETURN_NULL();
	if (call->model->labels == NULL)
		wrong_function("dl.classify", call->model, call->model->task == DL_TASK_REGRESSION && call->width == 1 ?
					   "Use dl.predict." : "Use dl.predict_array.");
	dl_predict_score(call);
	PG_RETURN_DATUM(label_datum(call->model, most_likely(call)));
}

static void
push_probability(JsonbParseState **state, const char *label, Size length, double probability)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, label);
	value.val.string.len = (int) length;
	pushJsonbValue(state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(probability)));
	pushJsonbValue(state, WJB_VALUE, &value);
}

Datum
dl_sql_probabilities(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);
	JsonbParseState *state = NULL;
	int32_t		count;

	if (call == NULL)
		PG_RETURN_NULL();
	if (call->model->task == DL_TASK_REGRESSION)
		wrong_function("dl.probabilities", call->model, call->width == 1 ? "Use dl.predict." : "Use dl.predict_array.");
	dl_predict_score(call);
	count = call->model->labels == NULL ? call->width : dl_vocabulary_size(call->model->labels);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int32_t k = 0; k < count; k++)
	{
		double		p = call->model->task != DL_TASK_BINARY ? call->results[k] :
			k == 1 ? call->results[0] : 1 - call->results[0];

		if (call->model->labels == NULL)
		{
			char	   *number = psprintf("%d", k + 1);

			push_probability(&state, number, strlen(number), p);
		}
		else
		{
			size_t		length;
			const char *text = dl_vocabulary_text(call->model->labels, k, &length);
			char	   *label = dl_model_text(text, length);

			push_probability(&state, label, strlen(label), p);
		}
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static ArrayType *
real_array(const Datum *values, int count)
{
	return construct_array(unconstify(Datum *, values), count, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
}

Datum
dl_sql_predict_array(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);
	Datum	   *values;

	if (call == NULL)
		PG_RETURN_NULL();
	dl_predict_score(call);
	values = palloc(sizeof(Datum) * (Size) call->width);
	for (int32_t k = 0; k < call->width; k++)
		values[k] = Float4GetDatum((float4) call->results[k]);
	PG_RETURN_ARRAYTYPE_P(real_array(values, call->width));
}

Datum
dl_sql_embed(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);
	Datum	   *values;
	float	   *hidden;
	int32_t		width;
	DlError		error;

	if (call == NULL)
		PG_RETURN_NULL();
	width = dl_model_hidden_width(call->model);
	hidden = palloc(sizeof(float) * (Size) width);
	values = palloc(sizeof(Datum) * (Size) width);
	DL_CHECK(dl_scorer_embed(call->scorer, 1, call->features, call->model->feature_words, hidden, &error), &error);
	for (int32_t k = 0; k < width; k++)
		values[k] = Float4GetDatum(hidden[k]);
	PG_RETURN_ARRAYTYPE_P(real_array(values, width));
}

Datum
dl_sql_predict_interval(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};
	double		low;
	double		high;

	if (call == NULL)
		PG_RETURN_NULL();
	if (call->model->task != DL_TASK_REGRESSION || call->width != 1)
		wrong_function("dl.predict_interval", call->model, call->model->task == DL_TASK_REGRESSION ?
					   "Use dl.predict_array." : "Use dl.probabilities.");
	dl_predict_score(call);
	if (!dl_model_interval(call->model, call->results[0], &low, &high))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model was trained without prediction intervals"),
				 errhint("Train it with prediction_interval => 0.9, for example.")));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dl.predict_interval must return a row");
	values[0] = Float8GetDatum(call->results[0]);
	values[1] = Float8GetDatum(low);
	values[2] = Float8GetDatum(high);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}
