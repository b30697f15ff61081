-- Decoded models in memory (src/pg/model_cache.h, src/pg/shared_cache.h).

CREATE FUNCTION dl.list_cache(
	OUT models text, OUT digest text, OUT shared boolean, OUT bytes bigint, OUT sessions integer, OUT hits bigint,
	OUT created_at timestamptz
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_cache' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 50;
COMMENT ON FUNCTION dl.list_cache() IS 'the rows of dl.cache';

CREATE VIEW dl.cache AS SELECT * FROM dl.list_cache();
COMMENT ON VIEW dl.cache IS 'decoded models in memory: those that all sessions share, and this session''s own. Shows what you may use, all of it to members of pg_read_all_stats';
COMMENT ON COLUMN dl.cache.models IS 'names and versions in this database that have this content and that you may use; NULL: none';
COMMENT ON COLUMN dl.cache.digest IS 'of the content: the same bytes are there once';
COMMENT ON COLUMN dl.cache.shared IS 'whether all sessions use this one; otherwise it is this session''s alone';
COMMENT ON COLUMN dl.cache.bytes IS 'memory that it takes';
COMMENT ON COLUMN dl.cache.sessions IS 'sessions and parallel workers that keep it at hand; 0: it may be evicted';
COMMENT ON COLUMN dl.cache.hits IS 'how often it was found here';
COMMENT ON COLUMN dl.cache.created_at IS 'when it was decoded';

GRANT SELECT ON dl.cache TO PUBLIC;
