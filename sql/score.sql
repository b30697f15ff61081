--
-- Scoring in the executor: the same rows as row by row, wherever a call stands.
--
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
LOAD 'deep_learning';
SET search_path = score, public;
CREATE SCHEMA score;
CREATE TABLE t AS
	SELECT i AS id, (i * 7919 % 1000 / 1000.0)::real AS a, (i * 104729 % 1000 / 1000.0)::real AS b, i * 31 % 11 AS k,
		CASE WHEN i % 10 > 0 THEN (ARRAY['x', 'y', 'z'])[1 + i % 3] END AS c
	FROM generate_series(1, 5000) i;
ALTER TABLE t ADD y real;
UPDATE t SET y = a * 2 + sin(b * 6) + k * .1;
VACUUM ANALYZE t;
SELECT model, version, task FROM dl.train('score', 'SELECT a, b, k, c, y FROM t WHERE id <= 1000', target => 'y',
	network => 'dense(32, relu) > dense(16, relu)', epochs => 3, learning_rate => 1e-2, seed => 1, quiet => true);
CREATE TABLE small AS SELECT * FROM t WHERE id <= 300;
ALTER TABLE small ADD PRIMARY KEY (id);
VACUUM ANALYZE small;
CREATE TABLE models AS SELECT 'score'::text AS name, dl.get('score') AS model;
CREATE VIEW scores AS SELECT id, dl.predict('score', a, b, k, c) AS p FROM t;
CREATE TABLE parts (LIKE t) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (0, 1, 2, 3);
CREATE TABLE parts_2 (extra text, y real, id int, c text, b real, a real, k int);
ALTER TABLE parts_2 DROP extra;
ALTER TABLE parts ATTACH PARTITION parts_2 DEFAULT;
INSERT INTO parts SELECT * FROM t;
ANALYZE parts;

-- Runs a query both ways and compares; where the plan has the node, no row may be scored by itself.
CREATE FUNCTION compare_ways(label text, query text) RETURNS TABLE (what text, batched boolean, same boolean, n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	what := label;
	batched := false;
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		batched := batched OR line LIKE '%DeepLearningScore%';
	END LOOP;
	PERFORM set_config('deep_learning.require_batched_scoring', batched::text, true);
	EXECUTE 'CREATE TEMPORARY TABLE with_batches AS ' || query;
	PERFORM set_config('deep_learning.require_batched_scoring', 'off', true);
	PERFORM set_config('deep_learning.batched_scoring', 'off', true);
	EXECUTE 'CREATE TEMPORARY TABLE row_by_row AS ' || query;
	PERFORM set_config('deep_learning.batched_scoring', 'on', true);
	SELECT NOT EXISTS (SELECT o::text FROM with_batches o EXCEPT ALL SELECT o::text FROM row_by_row o) AND
		NOT EXISTS (SELECT o::text FROM row_by_row o EXCEPT ALL SELECT o::text FROM with_batches o),
		(SELECT count(*) FROM row_by_row)
	INTO same, n;
	DROP TABLE with_batches, row_by_row;
	RETURN NEXT;
END
$$;
CREATE TABLE places (number serial, what text, query text);
INSERT INTO places (what, query) VALUES
	('target list', 'SELECT id, dl.predict(''score'', a, b, k, c) FROM t'),
	('whole row', 'SELECT id, dl.predict(''score'', t) FROM t'),
	('row()', 'SELECT id, dl.predict(''score'', ROW(a,b,k,c)) FROM t'),
	('where', 'SELECT id FROM t WHERE dl.predict(''score'', t) > 1.5'),
	('where and list', 'SELECT id, dl.predict(''score'', t) FROM t WHERE dl.predict(''score'', t) > 1.5 AND id > 100'),
	('where or', 'SELECT id FROM t WHERE id < 100 OR dl.predict(''score'', t) > 1.5'),
	('where const first', 'SELECT id FROM t WHERE 1.5 < dl.predict(''score'', t)'),
	('having', 'SELECT k, count(*) FROM t GROUP BY k HAVING dl.predict(''score'', avg(a)::real, avg(b)::real, k, ''x'') > 1.2'),
	('having on max', 'SELECT k, max(dl.predict(''score'', t)) FROM t GROUP BY k HAVING max(dl.predict(''score'', t)) > 1.2'),
	('aggregate', 'SELECT k, sum(dl.predict(''score'', t)::numeric), avg(dl.predict(''score'', a,b,k,c)::numeric), count(*) FROM t GROUP BY k'),
	('aggregate filter', 'SELECT k, sum(dl.predict(''score'', t)::numeric) FILTER (WHERE c = ''x'') FROM t GROUP BY k'),
	('filter on score', 'SELECT k, count(*) FILTER (WHERE dl.predict(''score'', t) > 1.5) FROM t GROUP BY k'),
	('distinct aggregate', 'SELECT count(DISTINCT dl.predict(''score'', t)) FROM t'),
	('ordered aggregate', 'SELECT k, array_agg(id ORDER BY dl.predict(''score'', t), id) FROM small t GROUP BY k'),
	('order by', 'SELECT id FROM t ORDER BY dl.predict(''score'', t), id LIMIT 50'),
	('group by score', 'SELECT round(dl.predict(''score'', t)::numeric, 1), count(*) FROM t GROUP BY 1'),
	('grouping sets', 'SELECT k, c, sum(dl.predict(''score'', t)::numeric) FROM t GROUP BY GROUPING SETS ((k), (c), ())'),
	('distinct', 'SELECT DISTINCT round(dl.predict(''score'', t)::numeric, 2) FROM t'),
	('window', 'SELECT id, avg(dl.predict(''score'', t)::numeric) OVER (PARTITION BY k), rank() OVER (ORDER BY dl.predict(''score'', t)) FROM small t'),
	('window top', 'SELECT id, dl.predict(''score'', a, b, (row_number() OVER (ORDER BY id))::int, c) FROM small t'),
	('case', 'SELECT id, CASE WHEN k <> 0 THEN dl.predict(''score'', a/k, b, k, c) ELSE -1 END FROM t'),
	('case two', 'SELECT id, CASE k WHEN 0 THEN 0 WHEN 1 THEN dl.predict(''score'', t) ELSE dl.predict(''score'', a/k, b, k, c) END FROM t'),
	('coalesce', 'SELECT id, coalesce(NULLIF(k, 3)::float8, dl.predict(''score'', t)) FROM t'),
	('and', 'SELECT id, (k <> 0 AND dl.predict(''score'', a/k, b, k, c) > 1) FROM t'),
	('nested', 'SELECT id, dl.predict(''score'', dl.predict(''score'', t)::real, b, k, c) FROM t'),
	('nested where', 'SELECT id FROM t WHERE dl.predict(''score'', dl.predict(''score'', t)::real, b, k, c) > 2'),
	('two filters', 'SELECT id, dl.predict(''score'', b, a, k, c) FROM t WHERE dl.predict(''score'', t) > 1.5 AND dl.predict(''score'', a, a, k, c) > 1.2'),
	('cte', 'WITH s AS MATERIALIZED (SELECT id, dl.predict(''score'', t) p FROM t) SELECT * FROM s WHERE p > 1.5'),
	('cte inline', 'WITH s AS (SELECT * FROM t WHERE k > 2) SELECT id, dl.predict(''score'', s) FROM s'),
	('recursive', 'WITH RECURSIVE r AS (SELECT 1 AS i, 0::float8 p UNION ALL SELECT i + 1, dl.predict(''score'', i * .1::real, .5::real, i, ''x'') FROM r WHERE i < 20) SELECT * FROM r'),
	('subquery', 'SELECT * FROM (SELECT id, dl.predict(''score'', t) p FROM t OFFSET 0) s WHERE p > 1.5'),
	('subquery row', 'SELECT dl.predict(''score'', s) FROM (SELECT a, b, k, c FROM t GROUP BY a, b, k, c) s'),
	('scalar subquery', 'SELECT id, (SELECT max(dl.predict(''score'', s)) FROM small s WHERE s.k = t.k) FROM small t'),
	('exists', 'SELECT id FROM small t WHERE EXISTS (SELECT 1 FROM small s WHERE s.id < t.id AND dl.predict(''score'', s) > 1.9)'),
	('in', 'SELECT id FROM small t WHERE round(dl.predict(''score'', t)::numeric, 1) IN (SELECT round(dl.predict(''score'', s)::numeric, 1) FROM small s WHERE s.id < 10)'),
	('not in', 'SELECT id FROM small t WHERE id NOT IN (SELECT s.id FROM small s WHERE dl.predict(''score'', s) > 1)'),
	('lateral', 'SELECT t.id, l.p FROM small t, LATERAL (SELECT dl.predict(''score'', t.a, s.b, s.k, s.c) p FROM small s WHERE s.id = t.id + 1) l'),
	('lateral limit', 'SELECT t.id, l.p FROM small t, LATERAL (SELECT dl.predict(''score'', s) p FROM small s WHERE s.id > t.id ORDER BY s.id LIMIT 2) l'),
	('join list', 'SELECT t.id, dl.predict(''score'', t.a, s.b, t.k, s.c) FROM t JOIN small s USING (id)'),
	('join filter', 'SELECT t.id, s.id AS sid FROM small t JOIN small s ON dl.predict(''score'', t.a, s.b, t.k, s.c) > 2.2'),
	('join equal', 'SELECT t.id, s.id AS sid FROM small t JOIN small s ON round(dl.predict(''score'', t)::numeric, 2) = round(dl.predict(''score'', s)::numeric, 2)'),
	('left join', 'SELECT t.id, dl.predict(''score'', s) FROM small t LEFT JOIN small s ON s.id = t.id * 2'),
	('left join on', 'SELECT t.id, s.id AS sid FROM small t LEFT JOIN small s ON s.id = t.id AND dl.predict(''score'', t) > 1.5'),
	('semi join', 'SELECT id FROM small t WHERE EXISTS (SELECT 1 FROM small s WHERE s.k = t.k AND dl.predict(''score'', s.a, t.b, s.k, s.c) > 2)'),
	('union', 'SELECT id, dl.predict(''score'', t) FROM small t UNION SELECT id, dl.predict(''score'', s) FROM small s'),
	('union all', 'SELECT id, dl.predict(''score'', t) FROM small t UNION ALL SELECT id, dl.predict(''score'', s) FROM small s'),
	('except', 'SELECT dl.predict(''score'', t) FROM t EXCEPT SELECT dl.predict(''score'', s) FROM small s'),
	('view', 'SELECT * FROM scores WHERE p > 1.5'),
	('view sum', 'SELECT sum(p::numeric) FROM scores'),
	('values', 'SELECT dl.predict(''score'', v.a, v.b, v.k, v.c) FROM (VALUES (.1::real, .2::real, 3, ''x''), (.3, .4, 4, NULL)) v(a, b, k, c)'),
	('function scan', 'SELECT dl.predict(''score'', (i * .01)::real, .5::real, i, ''y'') FROM generate_series(1, 100) i'),
	('srf', 'SELECT id, generate_series(1, 2), dl.predict(''score'', t) FROM small t'),
	('srf arg', 'SELECT id, unnest(ARRAY[dl.predict(''score'', t), 1]) FROM small t'),
	('limit', 'SELECT id, dl.predict(''score'', t) FROM t ORDER BY id LIMIT 10'),
	('limit offset', 'SELECT id, dl.predict(''score'', t) FROM small t ORDER BY id LIMIT 10 OFFSET 20'),
	('index', 'SELECT id, dl.predict(''score'', t) FROM small t WHERE id = 7'),
	('tablesample', 'SELECT id, dl.predict(''score'', t) FROM t TABLESAMPLE SYSTEM (50) REPEATABLE (1)'),
	('by value', 'SELECT t.id, dl.predict(m.model, t) FROM models m, t'),
	('by name column', 'SELECT t.id, dl.predict(m.name, t) FROM models m, t'),
	('classify etc', 'SELECT id, dl.predict_array(''score'', t), dl.embed(''score'', a, b, k, c) FROM small t'),
	('ctid', 'SELECT ctid AS i, tableoid::regclass AS r, dl.predict(''score'', t) FROM small t'),
	('row back', 'SELECT t AS r, dl.predict(''score'', t) FROM small t'),
	('volatile argument', 'SELECT id, dl.predict(''score'', (a + 0 * random())::real, b, k, c) FROM small t'),
	('subplan argument', 'SELECT id, dl.predict(''score'', a, b, (SELECT count(*)::int FROM small s WHERE s.id < t.id), c) FROM small t'),
	('initplan argument', 'SELECT id, dl.predict(''score'', a, b, (SELECT max(k) FROM t), c) FROM small t'),
	('array', 'SELECT id, dl.predict(''score'', VARIADIC ARRAY[a, b, k, 1]::real[]) FROM small t WHERE false'),
	('partitions', 'SELECT id, dl.predict(''score'', p) FROM parts p'),
	('partitions, sum', 'SELECT k, sum(dl.predict(''score'', p)::numeric) FROM parts p GROUP BY k'),
	('left join on hash', 'SELECT t.id, s.id AS sid FROM small t LEFT JOIN small s ON s.id = round(dl.predict(''score'', t) * 100)'),
	('distinct on', 'SELECT DISTINCT ON (k) k, id, dl.predict(''score'', t) FROM t ORDER BY k, dl.predict(''score'', t) DESC, id'),
	('interval of a row', 'SELECT id, greatest(dl.predict(''score'', t), 1) AS g FROM small t'),
	('scored for a filter', 'SELECT k, sum(dl.predict(''score'', t)::numeric) FROM t WHERE dl.predict(''score'', t) > 1 GROUP BY k'),
	('no rows', 'SELECT dl.predict(''score'', t) FROM t WHERE false');
SELECT r.what, r.batched, r.same, r.n > 0 AS rows FROM places, LATERAL compare_ways(what, query) r ORDER BY number;

-- The same under other ways of planning and running.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT count(*), bool_and(r.same) FROM places p, LATERAL compare_ways(what, query) r;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;
SET jit_above_cost = 0;
SET enable_hashjoin = off;
SET enable_hashagg = off;
SELECT count(*), bool_and(r.same) FROM places p, LATERAL compare_ways(what, query) r;
RESET jit_above_cost;
RESET enable_hashjoin;
RESET enable_hashagg;
SET enable_nestloop = off;
SET enable_mergejoin = off;
SET deep_learning.batch_rows = 7;
SELECT count(*), bool_and(r.same) FROM places p, LATERAL compare_ways(what, query) r;
RESET deep_learning.batch_rows;
RESET enable_nestloop;
RESET enable_mergejoin;

-- EXPLAIN; what ANALYZE counts is the scorer's own.
EXPLAIN (COSTS OFF, VERBOSE) SELECT sum(dl.predict('score', t)) FROM t;
EXPLAIN (COSTS OFF) SELECT id, dl.predict('score', t) FROM t WHERE k > 3 AND dl.predict('score', t) > 1 ORDER BY 2 LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id, dl.predict('score', b, a, k, c) FROM t WHERE dl.predict('score', t) > 1.5;
EXPLAIN (COSTS OFF) SELECT sum(dl.predict('score', t)) FROM t WHERE dl.predict('score', t) > 1;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM t WHERE dl.predict('score', t) > -1000;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM t WHERE dl.predict('score', t) > -1000 LIMIT 3;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id, dl.predict('score', t) FROM t LIMIT 3;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
CREATE TEMPORARY TABLE explained (line text);
DO $$
DECLARE
	line text;
BEGIN
	FOR line IN EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT sum(dl.predict('score', t)) FROM t LOOP
		INSERT INTO explained VALUES (line);
	END LOOP;
END
$$;
SELECT sum(batches * rows)::int AS rows_of_all_workers
FROM (SELECT substring(line FROM 'Batches: (\d+)')::numeric AS batches, lead(substring(line FROM 'Rows per Batch: ([\d.]+)')::numeric) OVER () AS rows
	  FROM explained) e;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;
SET max_parallel_workers_per_gather = 0;
SET deep_learning.batched_scoring = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE dl.predict('score', t) > 0;
RESET deep_learning.batched_scoring;

-- A query that stops early has scored at most twice the rows that it needed.
CREATE FUNCTION scored_rows(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	line text;
	batches numeric;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		batches := coalesce(substring(line FROM 'Batches: (\d+)')::numeric, batches);
		IF line ~ 'Rows per Batch' THEN
			RETURN batches * substring(line FROM 'Rows per Batch: ([\d.]+)')::numeric;
		END IF;
	END LOOP;
END
$$;
CREATE TABLE in_order AS SELECT t.*, row_number() OVER (ORDER BY ctid) AS place, dl.predict('score', t) AS p FROM t;
SELECT lim, scored_rows(format('SELECT id FROM t WHERE dl.predict(''score'', t) > (SELECT max(p) - 0.3 FROM in_order) LIMIT %s', lim)) <=
	1.1 * greatest(lim, 2 * (SELECT place FROM in_order WHERE p > (SELECT max(p) - 0.3 FROM in_order) ORDER BY place LIMIT 1 OFFSET lim - 1)) AS few
FROM (VALUES (1), (3), (10)) l (lim);

-- An error comes with the row that has it, and where nobody asks for that row it does not come.
CREATE TABLE bad AS SELECT i AS id, CASE WHEN i = 10 THEN 'Infinity' ELSE .5 END::real AS a, .5::real AS b, i AS k,
	'x'::text AS c FROM generate_series(1, 100) i;
SELECT count(*) FROM (SELECT dl.predict('score', w) FROM bad w LIMIT 9) s;
SELECT dl.predict('score', w) FROM bad w LIMIT 10;
SELECT count(CASE WHEN id <> 10 THEN dl.predict('score', w) END) FROM bad w;
SELECT count(dl.predict('score', w)) FILTER (WHERE id <> 10) FROM bad w;
SELECT count(dl.predict('score', w)) FROM bad w WHERE id <> 10 OR dl.predict('score', w) > 0;
SELECT count(dl.predict('score', w)) FROM bad w WHERE id <> 10 AND dl.predict('score', w) > 0;
SELECT EXISTS (SELECT 1 FROM bad w WHERE dl.predict('score', w) > 0);
SELECT count(*) FROM (SELECT dl.predict('score', a, b, 1 / (id - 20), c) FROM bad LIMIT 5) s;
SELECT dl.predict(NULL::text, w) FROM bad w;
SELECT dl.predict('nobody', w) FROM bad w;
SELECT dl.predict('score', a, b) FROM bad w;
SELECT dl.classify('score', w) FROM bad w;

-- Cursors go where they could go.
BEGIN;
DECLARE plain CURSOR FOR SELECT id, dl.predict('score', t) > -1000 FROM t;
FETCH 3 FROM plain;
FETCH BACKWARD 2 FROM plain;
DECLARE scrolls SCROLL CURSOR FOR SELECT id, dl.predict('score', t) > -1000 FROM t ORDER BY id;
FETCH LAST FROM scrolls;
FETCH ABSOLUTE 2 FROM scrolls;
DECLARE forward NO SCROLL CURSOR FOR SELECT id, dl.predict('score', t) > -1000 FROM t;
FETCH 2 FROM forward;
DECLARE updates CURSOR FOR SELECT id, dl.predict('score', s) > -1000 FROM small s FOR UPDATE;
FETCH 2 FROM updates;
UPDATE small SET y = -1 WHERE CURRENT OF updates;
SELECT id FROM small WHERE y = -1;
DECLARE updates_too CURSOR FOR SELECT id, dl.predict('score', s) > -1000 FROM small s;
FETCH 3 FROM updates_too;
UPDATE small SET y = -2 WHERE CURRENT OF updates_too;
SELECT id FROM small WHERE y = -2;
ROLLBACK;

-- Statements that write.
CREATE TABLE scored (id int PRIMARY KEY, p float8);
SET deep_learning.require_batched_scoring = on;
INSERT INTO scored SELECT id, dl.predict('score', t) FROM t;
UPDATE scored SET p = dl.predict('score', t) FROM t WHERE t.id = scored.id AND t.id < 100;
DELETE FROM scored USING t WHERE t.id = scored.id AND dl.predict('score', t) > 1.5;
INSERT INTO scored SELECT id, dl.predict('score', t) FROM t ON CONFLICT (id) DO UPDATE SET p = excluded.p;
RESET deep_learning.require_batched_scoring;
SELECT count(*), bool_and(s.p = dl.predict('score', t)) FROM scored s JOIN t USING (id);

-- Each table below an Append is read by a node of its own.
CREATE TABLE many (LIKE t) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE many_%s PARTITION OF many FOR VALUES FROM (%s) TO (%s)', i, i * 500, i * 500 + 500) FROM generate_series(0, 9) i \gexec
CREATE TABLE many_10 (y real, extra text, id int, c text, b real, a real, k int);
ALTER TABLE many_10 DROP extra;
ALTER TABLE many ATTACH PARTITION many_10 DEFAULT;
INSERT INTO many SELECT * FROM t;
ANALYZE many;
EXPLAIN (COSTS OFF, VERBOSE) SELECT sum(dl.predict('score', a, b, k, c)) FROM parts;
EXPLAIN (COSTS OFF, VERBOSE) SELECT k, sum(dl.predict('score', p)), count(*) FILTER (WHERE dl.predict('score', p.a, p.b, p.k, p.c) > 1) FROM parts p GROUP BY k;
SELECT h.* FROM (VALUES
	('whole rows', 'SELECT k, sum(dl.predict(''score'', p)::numeric), max(y) FROM parts p GROUP BY k'),
	('two calls', 'SELECT sum(dl.predict(''score'', p)::numeric), count(*) FILTER (WHERE dl.predict(''score'', a, b, 0, c) > 1) FROM parts p'),
	('with CASE', 'SELECT sum(CASE WHEN k > 4 THEN dl.predict(''score'', a, b, k, c) END::numeric) FROM parts'),
	('a filter', 'SELECT sum(dl.predict(''score'', a, b, k, c)::numeric) FROM parts WHERE b > .3'),
	('a window', 'SELECT id, sum(dl.predict(''score'', a, b, k, c)::numeric) OVER (PARTITION BY c ORDER BY id) FROM parts'),
	('many tables', 'SELECT c, sum(dl.predict(''score'', many)::numeric), count(*) FROM many GROUP BY c'),
	('many tables, again', 'SELECT i, (SELECT sum(dl.predict(''score'', a, b, k, c)::numeric * i) FROM many WHERE many.id % 10 = i) FROM generate_series(1, 3) i'),
	('unions', 'SELECT sum(dl.predict(''score'', a, b, k, c)::numeric) FROM (SELECT * FROM t UNION ALL SELECT * FROM small) u'),
	('other types', 'SELECT sum(dl.predict(''score'', a, b, k, c)::numeric) FROM (SELECT a, b, k, c FROM t UNION ALL SELECT a + 1, b, k * 2, c FROM small) u'),
	('a model a row', 'SELECT sum(dl.predict(name, a, b, k, c)::numeric) FROM parts, models')) AS v (label, query),
	compare_ways(label, query) AS h;
SET deep_learning.require_batched_scoring = on;
SET plan_cache_mode = force_generic_plan;
PREPARE pruned(int) AS SELECT sum(dl.predict('score', many)) IS NOT NULL AS scored, count(*) FROM many WHERE id < $1;
EXPLAIN (COSTS OFF) EXECUTE pruned(0);
EXECUTE pruned(700);
EXECUTE pruned(10000);
RESET plan_cache_mode;
RESET deep_learning.require_batched_scoring;
DEALLOCATE pruned;

-- One row by its key is scored row by row, where a node would cost more than it saves.
CREATE TABLE keyed (id int PRIMARY KEY, first int, second int, late int UNIQUE DEFERRABLE, a real, b real, k int, c text, UNIQUE (first, second));
INSERT INTO keyed SELECT id, id / 10, id % 10, id, a, b, k, c FROM t WHERE id <= 500;
VACUUM ANALYZE keyed;
CREATE FUNCTION how_scored(label text, query text, OUT what text, OUT batched boolean, OUT same boolean, OUT n bigint) LANGUAGE plpgsql AS $$
BEGIN
	SELECT c.what, c.batched, c.same, c.n INTO what, batched, same, n FROM compare_ways(label, query) c;
END
$$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT h.* FROM (VALUES
	('by primary key', 'SELECT id, dl.predict(''score'', a, b, k, c) FROM keyed WHERE id = 7'),
	('the whole row', 'SELECT dl.predict(''score'', keyed) FROM keyed WHERE id = 8 AND a >= 0'),
	('by two columns', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE second = 3 AND first = 4'),
	('an aggregate', 'SELECT sum(dl.predict(''score'', a, b, k, c)) FROM keyed WHERE id = 7'),
	('a join', 'SELECT dl.predict(''score'', x.a, x.b, y.k, y.c) FROM keyed x JOIN keyed y ON y.first = x.k AND y.second = 1 WHERE x.id = 7'),
	('for each row', 'SELECT id, (SELECT dl.predict(''score'', keyed) FROM keyed WHERE id = s.id) FROM small s'),
	('a parameter', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE id = (SELECT 7)'),
	('no row', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE id = 7000'),
	('the same call twice', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE id = 7 AND dl.predict(''score'', a, b, k, c) > 0'),
	('half of the key', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE first = 4'),
	('several keys', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE id IN (7, 8, 9)'),
	('a range', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE id BETWEEN 7 AND 9'),
	('a key that may repeat', 'SELECT dl.predict(''score'', a, b, k, c) FROM keyed WHERE late = 7')) AS v (label, query),
	how_scored(label, query) AS h;
SET deep_learning.require_batched_scoring = on;
EXPLAIN (COSTS OFF) SELECT id, dl.predict('score', a, b, k, c) FROM keyed WHERE id = 7;
SELECT id FROM keyed WHERE id = 7 AND dl.predict('score', a, b, k, c) IS NOT NULL;
RESET deep_learning.require_batched_scoring;
-- How a model's columns are read is kept with it: by types and by rows, not across their changes.
CREATE TYPE keyed_row AS (c text, k int, a real, b real);
CREATE FUNCTION as_row(x keyed) RETURNS keyed_row LANGUAGE sql AS 'SELECT ROW(x.c, x.k, x.a, x.b)::keyed_row';
PREPARE by_types(int) AS SELECT dl.predict('score', a, b, k, c) = dl.predict('score', a::float8, b::float8, k::bigint, c::varchar) AS types,
	dl.predict('score', a, b, k, c) = dl.predict('score', keyed) AS row, dl.predict('score', a, b, k, c) = dl.predict('score', as_row(keyed)) AS type
	FROM keyed WHERE id = $1;
EXECUTE by_types(7);
EXECUTE by_types(8);
SELECT dl.predict('score', c, a, b, k) FROM keyed WHERE id = 7;
SELECT dl.predict('score', a, b, k) FROM keyed WHERE id = 7;
ALTER TYPE keyed_row RENAME ATTRIBUTE b TO d;
SELECT dl.predict('score', ROW(c, k, a, b)::keyed_row) FROM keyed WHERE id = 8;
ALTER TYPE keyed_row RENAME ATTRIBUTE d TO b;
SELECT dl.predict('score', ROW(c, k, a, b)::keyed_row) = dl.predict('score', keyed) AS same FROM keyed WHERE id = 8;
ALTER TABLE keyed DROP a;
ALTER TABLE keyed ADD a real DEFAULT 0.25;
SELECT dl.predict('score', keyed) = dl.predict('score', 0.25, b, k, c) AS same FROM keyed WHERE id = 7;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- Prepared statements: by another version, another user, and a generic plan.
SET plan_cache_mode = force_generic_plan;
PREPARE one(int) AS SELECT dl.predict('score', t) > 0 AS scored FROM t WHERE id = $1;
EXECUTE one(17);
PREPARE filtered(float8, int) AS SELECT count(*) > 0 AS some FROM (SELECT FROM t WHERE dl.predict('score', t) > $1 LIMIT $2) s;
EXECUTE filtered(1.5, 3);
EXECUTE filtered(NULL, NULL);
CREATE ROLE score_reader;
GRANT USAGE ON SCHEMA score TO score_reader;
GRANT SELECT ON t TO score_reader;
SET ROLE score_reader;
EXECUTE one(17);
RESET ROLE;
SELECT dl.grant_model('score', 'score_reader', 'use');
SET ROLE score_reader;
EXECUTE one(17);
RESET ROLE;
SELECT dl.revoke_model('score', 'score_reader', 'use');
SET ROLE score_reader;
EXECUTE one(17);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION dl.predict(text, "any") FROM PUBLIC;
SET ROLE score_reader;
EXECUTE one(17);
RESET ROLE;
GRANT EXECUTE ON FUNCTION dl.predict(text, "any") TO PUBLIC;
EXECUTE one(17);
SELECT dl.drop_model('score');
EXECUTE one(17);
RESET plan_cache_mode;
DROP SCHEMA score CASCADE;
DROP ROLE score_reader;
