-- A model in use: are the rows still those it was trained on, and is it as good as it was?

CREATE FUNCTION dl.drift(model text, query text)
RETURNS TABLE (
	part           text,
	name           text,
	kind           text,
	rows           bigint,
	psi            double precision,
	statistic      text,
	value          double precision,
	p_value        double precision,
	nulls_trained  double precision,
	nulls          double precision,
	unseen         double precision,
	verdict        text,
	change         text
)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'dl_sql_drift';
COMMENT ON FUNCTION dl.drift(text, text) IS
	'how far the rows of a query are from those that a model was trained on: a row for each column, for the target where the query has it, and for the predictions; needs the right read';

CREATE FUNCTION dl.drift(model dl.model, query text)
RETURNS TABLE (
	part           text,
	name           text,
	kind           text,
	rows           bigint,
	psi            double precision,
	statistic      text,
	value          double precision,
	p_value        double precision,
	nulls_trained  double precision,
	nulls          double precision,
	unseen         double precision,
	verdict        text,
	change         text
)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'dl_sql_drift_value';
COMMENT ON FUNCTION dl.drift(dl.model, text) IS
	'how far the rows of a query are from those that a model value was trained on: a row for each column, for the target where the query has it, and for the predictions';

CREATE FUNCTION dl.performance(model text, query text, time_column text DEFAULT NULL, bucket interval DEFAULT '1 day')
RETURNS TABLE (period timestamptz, rows bigint, metric text, value double precision, held_out double precision)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'dl_sql_performance';
COMMENT ON FUNCTION dl.performance(text, text, text, interval) IS
	'the metrics of a model on the rows of a query, which must have the target, for each period of time_column, beside held_out: those that training measured on rows it held out';

CREATE FUNCTION dl.performance(model dl.model, query text, time_column text DEFAULT NULL, bucket interval DEFAULT '1 day')
RETURNS TABLE (period timestamptz, rows bigint, metric text, value double precision, held_out double precision)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'dl_sql_performance_value';
COMMENT ON FUNCTION dl.performance(dl.model, text, text, interval) IS
	'the metrics of a model value on the rows of a query, which must have the target, for each period of time_column, beside held_out: those that training measured on rows it held out';
