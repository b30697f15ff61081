-- dl.model: a trained network as a value (src/pg/model_type.c).

CREATE TYPE dl.model;

CREATE FUNCTION dl.model_in(cstring) RETURNS dl.model
AS 'MODULE_PATHNAME', 'dl_sql_model_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_in(cstring) IS 'I/O';

CREATE FUNCTION dl.model_out(dl.model) RETURNS cstring
AS 'MODULE_PATHNAME', 'dl_sql_model_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_out(dl.model) IS 'I/O';

CREATE FUNCTION dl.model_recv(internal) RETURNS dl.model
AS 'MODULE_PATHNAME', 'dl_sql_model_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_recv(internal) IS 'I/O';

CREATE FUNCTION dl.model_send(dl.model) RETURNS bytea
AS 'MODULE_PATHNAME', 'dl_sql_model_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_send(dl.model) IS 'I/O';

-- Weights hardly compress: out of line as they are, so that a slice can be read alone.
CREATE TYPE dl.model (
	INPUT = dl.model_in,
	OUTPUT = dl.model_out,
	RECEIVE = dl.model_recv,
	SEND = dl.model_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = external
);
COMMENT ON TYPE dl.model IS 'a trained network with all that scoring needs';

CREATE FUNCTION dl.model_from_bytea(bytea) RETURNS dl.model
AS 'MODULE_PATHNAME', 'dl_sql_model_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION dl.model_from_bytea(bytea) IS 'the bytes of a model (a safetensors file), validated, as a value';

CREATE CAST (dl.model AS bytea) WITHOUT FUNCTION;
COMMENT ON CAST (dl.model AS bytea) IS 'a model as a safetensors file';
CREATE CAST (bytea AS dl.model) WITH FUNCTION dl.model_from_bytea(bytea);
COMMENT ON CAST (bytea AS dl.model) IS 'a safetensors file that deep_learning wrote, validated';

CREATE FUNCTION dl.model_eq(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_eq(dl.model, dl.model) IS 'implementation of = operator';

CREATE FUNCTION dl.model_ne(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_ne(dl.model, dl.model) IS 'implementation of <> operator';

CREATE FUNCTION dl.model_lt(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_lt(dl.model, dl.model) IS 'implementation of < operator';

CREATE FUNCTION dl.model_le(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_le(dl.model, dl.model) IS 'implementation of <= operator';

CREATE FUNCTION dl.model_ge(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_ge(dl.model, dl.model) IS 'implementation of >= operator';

CREATE FUNCTION dl.model_gt(dl.model, dl.model) RETURNS boolean
AS 'MODULE_PATHNAME', 'dl_sql_model_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_gt(dl.model, dl.model) IS 'implementation of > operator';

CREATE FUNCTION dl.model_cmp(dl.model, dl.model) RETURNS integer
AS 'MODULE_PATHNAME', 'dl_sql_model_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_cmp(dl.model, dl.model) IS 'less-equal-greater: by length, then by bytes';

CREATE FUNCTION dl.model_hash(dl.model) RETURNS integer
AS 'MODULE_PATHNAME', 'dl_sql_model_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_hash(dl.model) IS 'hash';

CREATE FUNCTION dl.model_hash_extended(dl.model, bigint) RETURNS bigint
AS 'MODULE_PATHNAME', 'dl_sql_model_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.model_hash_extended(dl.model, bigint) IS 'hash';

-- In pg_catalog, so that they are found under any search_path, also where no
-- name can be qualified (IN, NULLIF, IS DISTINCT FROM, a view in a dump).  The type is
-- new, so nothing that exists can be meant.
CREATE OPERATOR pg_catalog.= (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pg_catalog.= (dl.model, dl.model) IS 'equal';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (dl.model, dl.model) IS 'not equal';

CREATE OPERATOR pg_catalog.< (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_lt,
	COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (dl.model, dl.model) IS 'less than';

CREATE OPERATOR pg_catalog.<= (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_le,
	COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (dl.model, dl.model) IS 'less than or equal';

CREATE OPERATOR pg_catalog.>= (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_ge,
	COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (dl.model, dl.model) IS 'greater than or equal';

CREATE OPERATOR pg_catalog.> (
	LEFTARG = dl.model, RIGHTARG = dl.model, FUNCTION = dl.model_gt,
	COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (dl.model, dl.model) IS 'greater than';

CREATE OPERATOR FAMILY dl.model_ops USING btree;
CREATE OPERATOR CLASS dl.model_ops
	DEFAULT FOR TYPE dl.model USING btree FAMILY dl.model_ops AS
	OPERATOR 1 pg_catalog.< (dl.model, dl.model),
	OPERATOR 2 pg_catalog.<= (dl.model, dl.model),
	OPERATOR 3 pg_catalog.= (dl.model, dl.model),
	OPERATOR 4 pg_catalog.>= (dl.model, dl.model),
	OPERATOR 5 pg_catalog.> (dl.model, dl.model),
	FUNCTION 1 dl.model_cmp(dl.model, dl.model);

CREATE OPERATOR FAMILY dl.model_ops USING hash;
CREATE OPERATOR CLASS dl.model_ops
	DEFAULT FOR TYPE dl.model USING hash FAMILY dl.model_ops AS
	OPERATOR 1 pg_catalog.= (dl.model, dl.model),
	FUNCTION 1 dl.model_hash(dl.model),
	FUNCTION 2 dl.model_hash_extended(dl.model, bigint);

