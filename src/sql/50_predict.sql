-- Scoring; the executor batches these calls where it can.  By name: the deployed version, STABLE.  By value: IMMUTABLE.
-- COST is what the planner assumes where the support function does not know the model.

CREATE FUNCTION dl.scoring_support(internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dl_sql_scoring_support';
COMMENT ON FUNCTION dl.scoring_support(internal) IS 'tells the planner what scoring costs, by the size of the model';

CREATE FUNCTION dl.predict(model text, VARIADIC columns "any") RETURNS double precision
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict';
COMMENT ON FUNCTION dl.predict(text, VARIADIC "any") IS
	'the predicted value of one row; for two classes, the probability of true or of the greater label. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.predict(model dl.model, VARIADIC columns "any") RETURNS double precision
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict';
COMMENT ON FUNCTION dl.predict(dl.model, VARIADIC "any") IS
	'the predicted value of one row; for two classes, the probability of true or of the greater label. model: a value; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.classify(model text, VARIADIC columns "any") RETURNS text
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_classify';
COMMENT ON FUNCTION dl.classify(text, VARIADIC "any") IS
	'the class of one row: the most likely one, or with two classes by the threshold that optimize chose in training. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.classify(model dl.model, VARIADIC columns "any") RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_classify';
COMMENT ON FUNCTION dl.classify(dl.model, VARIADIC "any") IS
	'the class of one row: the most likely one, or with two classes by the threshold that optimize chose in training. model: a value; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.probabilities(model text, VARIADIC columns "any") RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_probabilities';
COMMENT ON FUNCTION dl.probabilities(text, VARIADIC "any") IS
	'the probability of each class, or of each label by its number, for one row. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.probabilities(model dl.model, VARIADIC columns "any") RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_probabilities';
COMMENT ON FUNCTION dl.probabilities(dl.model, VARIADIC "any") IS
	'the probability of each class, or of each label by its number, for one row. model: a value; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.predict_array(model text, VARIADIC columns "any") RETURNS real[]
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict_array';
COMMENT ON FUNCTION dl.predict_array(text, VARIADIC "any") IS
	'all predicted values of one row, or the probabilities of its classes or labels. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.predict_array(model dl.model, VARIADIC columns "any") RETURNS real[]
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict_array';
COMMENT ON FUNCTION dl.predict_array(dl.model, VARIADIC "any") IS
	'all predicted values of one row, or the probabilities of its classes or labels. model: a value; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.embed(model text, VARIADIC columns "any") RETURNS real[]
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_embed';
COMMENT ON FUNCTION dl.embed(text, VARIADIC "any") IS
	'the last hidden layer for one row, of several networks that of the first; casts to the type vector of pgvector. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.embed(model dl.model, VARIADIC columns "any") RETURNS real[]
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_embed';
COMMENT ON FUNCTION dl.embed(dl.model, VARIADIC "any") IS
	'the last hidden layer for one row, of several networks that of the first; casts to the type vector of pgvector. model: a value; columns: all of the model in the order of training, or one row, matched by names';

CREATE TYPE dl.prediction AS (
	value double precision,
	low   double precision,
	high  double precision
);
COMMENT ON TYPE dl.prediction IS 'what dl.predict_interval returns: the predicted value, and the interval that holds the true one with the probability that prediction_interval said in training';

CREATE FUNCTION dl.predict_interval(model text, VARIADIC columns "any") RETURNS dl.prediction
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict_interval';
COMMENT ON FUNCTION dl.predict_interval(text, VARIADIC "any") IS
	'the predicted value of one row and its prediction interval, of a model trained with prediction_interval. model: the name of a model, which means its deployed version; columns: all of the model in the order of training, or one row, matched by names';

CREATE FUNCTION dl.predict_interval(model dl.model, VARIADIC columns "any") RETURNS dl.prediction
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT dl.scoring_support
AS 'MODULE_PATHNAME', 'dl_sql_predict_interval';
COMMENT ON FUNCTION dl.predict_interval(dl.model, VARIADIC "any") IS
	'the predicted value of one row and its prediction interval, of a model trained with prediction_interval. model: a value; columns: all of the model in the order of training, or one row, matched by names';
