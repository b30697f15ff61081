-- Training: dl.train and the row that it returns.

CREATE TYPE dl.training AS (
	model    text,
	version  integer,
	task     text,
	rows     bigint,
	skipped  bigint,
	epochs   integer,
	metric   text,
	value    double precision,
	deployed boolean,
	seconds  double precision
);
COMMENT ON TYPE dl.training IS 'what dl.train returns: rows with a target, rows skipped for want of one, epochs run, and value, that of metric on held-out rows (dl.versions.metric_part says which)';

CREATE FUNCTION dl.train(
	model            text,
	query            text,
	target           text,
	task             text DEFAULT NULL,
	network          text DEFAULT NULL,
	epochs           integer DEFAULT NULL,
	batch_size       integer DEFAULT NULL,
	learning_rate    double precision DEFAULT NULL,
	optimizer        text DEFAULT NULL,
	early_stopping   integer DEFAULT NULL,
	validation       double precision DEFAULT NULL,
	test             double precision DEFAULT NULL,
	split_column     text DEFAULT NULL,
	split_key        text DEFAULT NULL,
	weight_column    text DEFAULT NULL,
	seed             bigint DEFAULT NULL,
	effort           text DEFAULT NULL,
	max_seconds      double precision DEFAULT NULL,
	optimize         text DEFAULT NULL,
	prediction_interval double precision DEFAULT NULL,
	device           text DEFAULT NULL,
	matmul_precision text DEFAULT NULL,
	quiet            boolean DEFAULT false,
	options          jsonb DEFAULT '{}'
) RETURNS dl.training
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
AS 'MODULE_PATHNAME', 'dl_sql_train';
COMMENT ON FUNCTION dl.train(text, text, text, text, text, integer, integer, double precision, text, integer, double precision, double precision, text, text, text, bigint, text, double precision, text, double precision, text, text, boolean, jsonb) IS
	'trains a network on the rows of a query (a SELECT, or the name of a table) to predict its column target, and stores it as a new version of model; an argument that is NULL is chosen from the data';
