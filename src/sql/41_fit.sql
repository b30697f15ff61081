-- Training as an aggregate: one model a group, a model is a value.

CREATE FUNCTION dl.fit_transition(internal, target "any", features "any") RETURNS internal
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dl_sql_fit_transition';
COMMENT ON FUNCTION dl.fit_transition(internal, "any", "any") IS 'part of the aggregate dl.fit';

CREATE FUNCTION dl.fit_transition(internal, target "any", features "any", options jsonb) RETURNS internal
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dl_sql_fit_transition';
COMMENT ON FUNCTION dl.fit_transition(internal, "any", "any", jsonb) IS 'part of the aggregate dl.fit';

CREATE FUNCTION dl.fit_final(internal) RETURNS dl.model
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
AS 'MODULE_PATHNAME', 'dl_sql_fit_final';
COMMENT ON FUNCTION dl.fit_final(internal) IS 'part of the aggregate dl.fit';

-- The size of a state makes the planner sort into groups, so that one grows at a time.
CREATE AGGREGATE dl.fit(target "any", features "any") (
	SFUNC = dl.fit_transition,
	STYPE = internal,
	SSPACE = 4194304,
	FINALFUNC = dl.fit_final,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE dl.fit("any", "any") IS
	'trains a model to predict target from features (a row, an array or one column), one for each group';

CREATE AGGREGATE dl.fit(target "any", features "any", options jsonb) (
	SFUNC = dl.fit_transition,
	STYPE = internal,
	SSPACE = 4194304,
	FINALFUNC = dl.fit_final,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE dl.fit("any", "any", jsonb) IS
	'trains a model to predict target from features (a row, an array or one column), one for each group; options: a JSON object such as {"network": "linear", "epochs": 20}, with the names of the arguments of dl.train';
