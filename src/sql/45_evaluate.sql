-- Measures of quality: what training measured, and on the rows of any query.

CREATE FUNCTION dl.evaluate(model text)
RETURNS TABLE (metric text, value double precision, rows bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 ROWS 6
AS 'MODULE_PATHNAME', 'dl_sql_evaluate';
COMMENT ON FUNCTION dl.evaluate(text) IS
	'the metrics of a model on the rows that its training held out';

CREATE FUNCTION dl.evaluate(model text, query text)
RETURNS TABLE (metric text, value double precision, rows bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 6
AS 'MODULE_PATHNAME', 'dl_sql_evaluate';
COMMENT ON FUNCTION dl.evaluate(text, text) IS
	'the metrics of a model on the rows of a query, which must have the target';

CREATE FUNCTION dl.evaluate(model dl.model)
RETURNS TABLE (metric text, value double precision, rows bigint)
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 6
AS 'MODULE_PATHNAME', 'dl_sql_evaluate_value';
COMMENT ON FUNCTION dl.evaluate(dl.model) IS
	'the metrics of a model value on the rows that its training held out';

CREATE FUNCTION dl.evaluate(model dl.model, query text)
RETURNS TABLE (metric text, value double precision, rows bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 6
AS 'MODULE_PATHNAME', 'dl_sql_evaluate_value';
COMMENT ON FUNCTION dl.evaluate(dl.model, text) IS
	'the metrics of a model value on the rows of a query, which must have the target';
