-- dl.network: the text of a network, checked and canonical (src/pg/network_type.c).

CREATE TYPE dl.network;

CREATE FUNCTION dl.network_in(cstring) RETURNS dl.network
AS 'MODULE_PATHNAME', 'dl_sql_network_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.network_in(cstring) IS 'I/O';

CREATE FUNCTION dl.network_out(dl.network) RETURNS cstring
AS 'MODULE_PATHNAME', 'dl_sql_network_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.network_out(dl.network) IS 'I/O';

CREATE FUNCTION dl.network_recv(internal) RETURNS dl.network
AS 'MODULE_PATHNAME', 'dl_sql_network_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.network_recv(internal) IS 'I/O';

CREATE FUNCTION dl.network_send(dl.network) RETURNS bytea
AS 'MODULE_PATHNAME', 'dl_sql_network_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION dl.network_send(dl.network) IS 'I/O';

-- Laid out as text is: the cast to text needs no function.
CREATE TYPE dl.network (
	INPUT = dl.network_in,
	OUTPUT = dl.network_out,
	RECEIVE = dl.network_recv,
	SEND = dl.network_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended,
	CATEGORY = 'S',
	COLLATABLE = true
);
COMMENT ON TYPE dl.network IS 'a network as layers joined by ">", such as dense(64, relu) > dropout(0.1)';

-- Implicit, so that a network is taken where dl.train wants a text, and compares and groups as text does.
CREATE CAST (dl.network AS text) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (dl.network AS text) IS 'the canonical text of a network';
CREATE CAST (text AS dl.network) WITH INOUT;
COMMENT ON CAST (text AS dl.network) IS 'a network from its text, checked';
