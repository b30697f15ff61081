-- Scoring in batches where a plan stops early, or is run again: no error, row or
-- lock that row by row there would not be.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
LOAD 'deep_learning';
RESET client_min_messages;
CREATE SCHEMA score_attack;
SET search_path = score_attack;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE points AS
SELECT i AS id, i * 0.01::real AS a, i % 7 AS k, CASE WHEN i = 40 THEN 0 ELSE i END AS divisor, i * 0.02 + i % 7 AS y
FROM generate_series(1, 300) AS i;
ANALYZE points;
SELECT task FROM dl.train('score_attack', 'SELECT a, k, y FROM points', 'y',
						  network => 'dense(4, relu)', epochs => 1, seed => 1, quiet => true);

-- How many nodes score in batches, and whether the rows are those of scoring row by row.
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	nodes int := 0;
	batched text;
	plain text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		nodes := nodes + (line LIKE '%DeepLearningScore%')::int;
	END LOOP;
	EXECUTE format('SELECT string_agg(q::text, E''\n'') FROM (%s) AS q', query) INTO batched;
	SET LOCAL deep_learning.batched_scoring = off;
	EXECUTE format('SELECT string_agg(q::text, E''\n'') FROM (%s) AS q', query) INTO plain;
	SET LOCAL deep_learning.batched_scoring = on;
	RETURN nodes || CASE WHEN batched IS NOT DISTINCT FROM plain THEN ' same' ELSE ' differs' END;
END
$$;

-- Instruments of a table that the node reads anew for each outer row.
CREATE FUNCTION explain_analyze(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) ' || query LOOP
		CONTINUE WHEN line !~ 'Scan';
		RETURN NEXT regexp_replace(line, 'actual time=\S+', 'actual');
	END LOOP;
END
$$;
SELECT explain_analyze('SELECT id, (SELECT max(dl.predict(''score_attack'', s.a, s.k)) FROM points s WHERE s.k = t.k) FROM points t WHERE id <= 20');

CREATE FUNCTION explain_verbose(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query;
END
$$;

-- CASE's value, and the elements of an array that WHEN converts, are different things.
SELECT compare($$
	SELECT id, CASE k::int8 WHEN (list::int8[])[1] + 1 THEN dl.predict('score_attack', a, k) END
	FROM (SELECT *, ARRAY[k - 1, id] AS list FROM points OFFSET 0) AS p$$);
SELECT compare($$
	SELECT id, CASE k::int8 WHEN (list::int8[])[1] THEN dl.predict('score_attack', a, k) END
	FROM (SELECT *, ARRAY[k, id]::numeric[] AS list FROM points OFFSET 0) AS p$$);

-- A guard has few conditions, so that many WHENs do not cost their number squared.
SELECT format('SELECT id, CASE %s END FROM points', string_agg(format('WHEN k * 50 + id %% 50 = %s THEN dl.predict(''score_attack'', a, k + %s)', i, i), ' ')) AS query
FROM generate_series(0, 349) AS i \gset
SELECT compare(:'query');
SELECT count(*) FROM regexp_matches((SELECT string_agg(line, ' ') FROM explain_verbose(:'query') AS line), '\(dl.predict', 'g');

-- A model that a later row needs is looked for when that row is asked for.
CREATE FUNCTION fetch_rows(query text, count int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
BEGIN
	OPEN c NO SCROLL FOR EXECUTE query;
	FOR i IN 1..count LOOP
		FETCH c INTO r;
	END LOOP;
	RETURN r.id;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT fetch_rows($$SELECT id, CASE WHEN id = 30 THEN dl.predict('no_such', a, k) END FROM points$$, n) FROM (VALUES (29), (30)) AS v(n);
SELECT fetch_rows($$SELECT id, CASE WHEN id = 30 THEN dl.predict(NULL::text, a, k) END FROM points$$, n) FROM (VALUES (29), (30)) AS v(n);
SELECT fetch_rows($$SELECT id, dl.predict(CASE WHEN id = 30 THEN 'no_such' ELSE 'score_attack' END, a, k) FROM points$$, n)
FROM (VALUES (29), (30)) AS v(n);

-- Nothing that stops early reads on to row 40.
SELECT compare($$
	WITH s AS MATERIALIZED (SELECT dl.predict('score_attack', (1 / divisor)::real, k) AS p FROM points)
	SELECT EXISTS (SELECT 1 FROM s WHERE p IS NOT NULL) AS found$$);
SELECT compare($$
	SELECT * FROM (SELECT id, max(dl.predict('score_attack', (1 / divisor)::real, k)) OVER w AS m, count(*) OVER w AS n
				   FROM points WINDOW w AS (ROWS UNBOUNDED PRECEDING)) AS s WHERE n <= 3$$);

-- Nor does it lock rows.
BEGIN;
SELECT count(*) FROM (SELECT * FROM (SELECT * FROM points WHERE dl.predict('score_attack', a, k) IS NOT NULL FOR UPDATE) AS p
					  WHERE dl.predict('score_attack', k, k) IS NOT NULL LIMIT 5) AS q;
SELECT count(*) AS locked FROM points WHERE xmax::text::bigint = txid_current() % (1::bigint << 32);
ROLLBACK;

-- Workers' counters are in EXPLAIN.
CREATE FUNCTION counted(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF) ' || query LOOP
		IF line ~ 'Batches:' THEN
			RETURN line !~ 'Batches: 0$';
		END IF;
	END LOOP;
END
$$;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SELECT counted('SELECT sum(dl.predict(''score_attack'', a, k)) FROM points');

-- A caller that asks for some rows only gets no error of later ones; a blocking node reads all the same.
SET max_parallel_workers_per_gather = 0;
CREATE TABLE zeros AS SELECT i AS id, .5::real AS a, 40 - i AS k FROM generate_series(1, 200) i;
CREATE FUNCTION lazy() RETURNS SETOF float8 LANGUAGE sql STABLE AS 'SELECT dl.predict(''score_attack'', a, 1 / k) FROM zeros';
SELECT count(*) FROM (SELECT lazy() LIMIT 39) s;
SELECT count(*) FROM (SELECT lazy() LIMIT 40) s;
DO $$
DECLARE
	first float8;
	most float8;
BEGIN
	SELECT dl.predict('score_attack', a, 1 / k) INTO first FROM zeros;
	SELECT max(dl.predict('score_attack', a, 1 / (k - 1000))) INTO most FROM zeros;
	RAISE NOTICE '% %', first IS NOT NULL, most IS NOT NULL;
END
$$;
-- A row that is NULL as a whole is NULL, whatever the function.
SELECT dl.classify('score_attack', z) FROM (VALUES (1)) v (i) LEFT JOIN zeros z ON z.id = -1;
SELECT dl.classify('score_attack', z) FROM zeros z;

SET client_min_messages = warning;
DROP SCHEMA score_attack CASCADE;
SELECT dl.drop_model('score_attack');
