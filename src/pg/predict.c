/*
 * predict.c
 *    The scoring functions, called row by row: dl.predict, dl.classify,
 *    dl.probabilities, dl.predict_array, dl.embed, dl.predict_interval.
 *
 * In most statements a node of the executor (score_node.c) scores in their
 * place; both make their answers by score_function.c.
 */
#include "postgres.h"

#include "funcapi.h"

#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/predict_call.h"
#include "pg/score_function.h"
#include "pg/settings.h"

PG_FUNCTION_INFO_V1(dl_sql_predict);
PG_FUNCTION_INFO_V1(dl_sql_classify);
PG_FUNCTION_INFO_V1(dl_sql_probabilities);
PG_FUNCTION_INFO_V1(dl_sql_predict_array);
PG_FUNCTION_INFO_V1(dl_sql_embed);
PG_FUNCTION_INFO_V1(dl_sql_predict_interval);

static TupleDesc
row_type(FunctionCallInfo fcinfo)
{
	TupleDesc	type;

	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a scoring function has no row type");
	return BlessTupleDesc(type);
}

static void
refuse_row_by_row(const DlScoreFunction *function)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s was called row by row", function->name),
			 errdetail("deep_learning.require_batched_scoring is on."),
			 errhint("EXPLAIN (VERBOSE) shows where rows are scored in batches.")));
}

static Datum
score(FunctionCallInfo fcinfo, DlScoreKind kind)
{
	const DlScoreFunction *function = &dl_score_functions[kind];
	DlPredictCall *call = dl_predict_call(fcinfo);

	if (unlikely(dl_setting_require_batched_scoring()))
		refuse_row_by_row(function);
	if (call == NULL)
		PG_RETURN_NULL();
	function->check(call->model);
	dl_predict_score(call);
	return function->answer(call->model, call->results, function->composite ? row_type(fcinfo) : NULL);
}

/* Without the steps through the table, for it is called the most. */
Datum
dl_sql_predict(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);

	if (unlikely(dl_setting_require_batched_scoring()))
		refuse_row_by_row(&dl_score_functions[DL_SCORE_PREDICT]);
	if (call == NULL)
		PG_RETURN_NULL();
	if (unlikely(call->model->task == DL_TASK_MULTICLASS || call->width != 1))
		dl_score_functions[DL_SCORE_PREDICT].check(call->model);
	dl_predict_score(call);
	PG_RETURN_FLOAT8(call->results[0]);
}

Datum
dl_sql_classify(PG_FUNCTION_ARGS)
{
	return score(fcinfo, DL_SCORE_CLASSIFY);
}

Datum
dl_sql_probabilities(PG_FUNCTION_ARGS)
{
	return score(fcinfo, DL_SCORE_PROBABILITIES);
}

Datum
dl_sql_predict_array(PG_FUNCTION_ARGS)
{
	return score(fcinfo, DL_SCORE_PREDICT_ARRAY);
}

Datum
dl_sql_embed(PG_FUNCTION_ARGS)
{
	DlPredictCall *call = dl_predict_call(fcinfo);
	float	   *hidden;
	DlError		error;

	if (unlikely(dl_setting_require_batched_scoring()))
		refuse_row_by_row(&dl_score_functions[DL_SCORE_EMBED]);
	if (call == NULL)
		PG_RETURN_NULL();
	hidden = palloc(sizeof(float) * (Size) dl_model_hidden_width(call->model));
	DL_CHECK(dl_scorer_embed(call->scorer, 1, call->features, call->model->feature_words, hidden, &error), &error);
	return dl_score_functions[DL_SCORE_EMBED].answer(call->model, hidden, NULL);
}

Datum
dl_sql_predict_interval(PG_FUNCTION_ARGS)
{
	return score(fcinfo, DL_SCORE_PREDICT_INTERVAL);
}
