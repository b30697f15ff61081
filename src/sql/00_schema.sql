\echo Use "CREATE EXTENSION deep_learning" to load this file. \quit

-- Everything of the extension is in a schema that it creates itself, so that
-- nobody can have put anything there before; every name below is qualified.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA dl;
GRANT USAGE ON SCHEMA dl TO PUBLIC;
COMMENT ON SCHEMA dl IS 'deep learning: training, scoring and keeping models';

