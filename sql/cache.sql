-- dl.cache: what is decoded, and who sees it.  The same with and without shared memory.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
CREATE ROLE regress_cache_owner;
CREATE ROLE regress_cache_user;
CREATE ROLE regress_cache_watcher;
GRANT pg_read_all_stats TO regress_cache_watcher;
RESET client_min_messages;

-- a parallel worker would decode what it scores with: let the session do it
SET max_parallel_workers = 0;

CREATE TABLE cache_rows AS SELECT (i % 7)::real AS a, (i * 37 % 11)::real AS b, (i % 7 + i % 3)::real AS y FROM generate_series(1, 300) AS i;
GRANT SELECT ON cache_rows TO regress_cache_owner, regress_cache_user;
SET ROLE regress_cache_owner;
SELECT version FROM dl.train('cache_small', 'cache_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"members": 1}');
SELECT version FROM dl.train('cache_large', 'cache_rows', 'y', network => 'dense(200, relu) > dense(200, relu)', epochs => 1, quiet => true, options => '{"members": 1}');
\c -
SET max_parallel_workers = 0;
SET ROLE regress_cache_owner;

-- nothing is decoded to look a model up
SELECT name, deployed FROM dl.models WHERE name LIKE 'cache\_%' ORDER BY name;
SELECT models FROM dl.cache WHERE models = 'cache_small 1';

-- small models are the session's own
SELECT dl.predict('cache_small', 1, 2) IS NOT NULL AS predicted;
SELECT models, shared, bytes > 0 AS bytes, sessions, hits, length(digest) AS digest, created_at <= now() AS created FROM dl.cache WHERE models = 'cache_small 1';
SELECT dl.predict('cache_small', 2, 2) IS NOT NULL AS predicted;
SELECT models, hits FROM dl.cache WHERE models = 'cache_small 1';

-- large ones have an entry, shared or not
SELECT dl.predict('cache_large', 1, 2) IS NOT NULL AS predicted;
SELECT models, bytes > 160000 AS bytes, sessions > 0 AS sessions FROM dl.cache WHERE models = 'cache_large 1';

-- the same content under another name and as a value is the same entry
SELECT dl.put('cache_again', dl.get('cache_large'));
SELECT dl.predict('cache_again', 1, 2) = dl.predict('cache_large', 1, 2) AS same, dl.predict(dl.get('cache_large'), 1, 2) = dl.predict('cache_large', 1, 2) AS value;
SELECT models, sessions > 0 AS sessions FROM dl.cache WHERE models LIKE 'cache_%' ORDER BY models;

-- what is rolled back is no name of it
BEGIN;
SELECT dl.rename_model('cache_again', 'cache_other');
SELECT models FROM dl.cache WHERE models LIKE '%cache_large%';
ROLLBACK;
SELECT models FROM dl.cache WHERE models LIKE '%cache_large%';
SELECT dl.drop_model('cache_again');
SELECT models FROM dl.cache WHERE models LIKE '%cache_large%';

-- without a right there are no names; a new session sees nothing at all
SET ROLE regress_cache_user;
SELECT count(models) FROM dl.cache;
\c -
SET max_parallel_workers = 0;
SET ROLE regress_cache_user;
SELECT count(*) FROM dl.cache;
SELECT dl.predict('cache_large', 1, 2);
SELECT count(*) FROM dl.cache;
RESET ROLE;
SELECT dl.grant_model('cache_large', 'regress_cache_user');
SET ROLE regress_cache_user;
SELECT dl.predict('cache_large', 1, 2) IS NOT NULL AS predicted;
SELECT models FROM dl.cache;
RESET ROLE;
SELECT dl.revoke_model('cache_large', 'regress_cache_user');
SET ROLE regress_cache_user;
SELECT dl.predict('cache_large', 1, 2);
SELECT count(models) FROM dl.cache;

-- statistics without names
SET ROLE regress_cache_watcher;
SELECT count(*) > 0 AS rows, count(models) AS names FROM dl.cache;
RESET ROLE;

-- the setting is the server's
SET deep_learning.shared_model_cache = 0;
SHOW deep_learning.shared_model_cache;
SELECT min_val, unit, context FROM pg_settings WHERE name = 'deep_learning.shared_model_cache';

SELECT dl.drop_model('cache_small'), dl.drop_model('cache_large');
DROP TABLE cache_rows;
DROP ROLE regress_cache_owner, regress_cache_user, regress_cache_watcher;
