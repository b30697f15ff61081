-- An ordinary function of SQL for a model.

CREATE FUNCTION dl.create_function(model text, function text, kind text DEFAULT NULL, replace boolean DEFAULT false) RETURNS regprocedure
AS 'MODULE_PATHNAME', 'dl_sql_create_function' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.create_function(text, text, text, boolean) IS
	'makes a function of SQL whose arguments are the columns of a model. function: its name, with a schema or without; kind: predict, classify, probabilities, predict_array, embed or predict_interval, which the task decides when none is given; replace: whether it may be there';
