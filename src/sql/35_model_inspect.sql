-- Looking inside a model (src/pg/model_inspect.c): of a value, and of a version in
-- the registry, the deployed one when none is named.

CREATE FUNCTION dl.metadata(model dl.model) RETURNS jsonb
AS 'MODULE_PATHNAME', 'dl_sql_metadata' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION dl.metadata(dl.model) IS 'all of a model but its weights, as one document; by name it needs the right read';

CREATE FUNCTION dl.metadata(model text, version integer DEFAULT NULL) RETURNS jsonb
AS 'MODULE_PATHNAME', 'dl_sql_metadata_name' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION dl.metadata(text, integer) IS 'all of a model but its weights, as one document; by name it needs the right read';

CREATE FUNCTION dl.summary(model dl.model, OUT part text, OUT name text, OUT value text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_summary' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 50;
COMMENT ON FUNCTION dl.summary(dl.model) IS 'task, layers and sizes, columns, rows, settings, what was chosen and why, metrics';

CREATE FUNCTION dl.summary(model text, version integer DEFAULT NULL, OUT part text, OUT name text, OUT value text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_summary_name' LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 50;
COMMENT ON FUNCTION dl.summary(text, integer) IS 'task, layers and sizes, columns, rows, settings, what was chosen and why, metrics';

CREATE FUNCTION dl.history(
	model dl.model, OUT epoch integer, OUT learning_rate double precision, OUT training_loss double precision,
	OUT validation_loss double precision, OUT measure double precision, OUT best boolean
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_history' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 50;
COMMENT ON FUNCTION dl.history(dl.model) IS 'the learning curve of the network (of several, of the one with the greatest weight), a row an epoch; measure: the deciding metric on the validation rows, or the training loss where there are none; best: the epoch whose weights were kept';

CREATE FUNCTION dl.history(
	model text, version integer DEFAULT NULL, OUT epoch integer, OUT learning_rate double precision,
	OUT training_loss double precision, OUT validation_loss double precision, OUT measure double precision,
	OUT best boolean
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_history_name' LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 50;
COMMENT ON FUNCTION dl.history(text, integer) IS 'the learning curve of the network (of several, of the one with the greatest weight), a row an epoch; measure: the deciding metric on the validation rows, or the training loss where there are none; best: the epoch whose weights were kept';


CREATE FUNCTION dl.trials(
	model dl.model, OUT trial integer, OUT network text, OUT fold integer, OUT target text, OUT learning_rate double precision,
	OUT weight_decay double precision, OUT label_smoothing double precision, OUT epochs integer, OUT best_epoch integer,
	OUT measure double precision, OUT weight double precision, OUT state text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_trials' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION dl.trials(dl.model) IS 'the networks that were trained, a row each; fold: of the rows of small tables, left out in its training; measure: the deciding metric of this network alone on the validation rows, or those of its fold; weight: its share of the model, 0 where it is not kept; state: member, not kept, diverged, no time';

CREATE FUNCTION dl.trials(
	model text, version integer DEFAULT NULL, OUT trial integer, OUT network text, OUT fold integer, OUT target text,
	OUT learning_rate double precision, OUT weight_decay double precision, OUT label_smoothing double precision,
	OUT epochs integer, OUT best_epoch integer, OUT measure double precision, OUT weight double precision,
	OUT state text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_trials_name' LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION dl.trials(text, integer) IS 'the networks that were trained, a row each; fold: of the rows of small tables, left out in its training; measure: the deciding metric of this network alone on the validation rows, or those of its fold; weight: its share of the model, 0 where it is not kept; state: member, not kept, diverged, no time';
