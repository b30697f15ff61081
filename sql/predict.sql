-- Scoring row by row: every way to pass a row, and every function.
-- Answers are compared with each other, to the bit, never printed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
CREATE SCHEMA predict_test;
SET search_path = predict_test;

CREATE TABLE houses AS
SELECT i AS id, (i * 7 % 200 + 30)::real AS area, (i % 6 + 1)::smallint AS rooms, ('{old,new,ruin}'::text[])[1 + i % 3] AS state,
	   date '2020-01-01' + i % 900 AS built, i % 4 = 0 AS garden,
	   (i * 7 % 200 + 30) * 0.01 + i % 6 + CASE i % 3 WHEN 1 THEN 2 ELSE 0 END AS price,
	   ('{cheap,fair,dear}'::text[])[1 + i % 3] AS class
FROM generate_series(1, 300) AS i;

SELECT task FROM dl.train('predict_price', 'SELECT area, rooms, state, built, garden, price FROM houses', 'price',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);
SELECT task FROM dl.train('predict_garden', 'SELECT area, rooms, state, garden FROM houses', 'garden',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);
SELECT task FROM dl.train('predict_class', 'SELECT area, rooms, state, class FROM houses', 'class',
						  network => 'dense(8, relu)', epochs => 60, learning_rate => 0.02, batch_size => 32, early_stopping => 0, seed => 1,
						  quiet => true);
SELECT task FROM dl.train('predict_pair', 'SELECT area, rooms, ARRAY[price, area] AS pair FROM houses', 'pair',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);
SELECT task FROM dl.train('predict_labels', 'SELECT area, rooms, state, ARRAY[garden, area > 100, rooms > 3] AS labels FROM houses', 'labels',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);
SELECT task FROM dl.train('predict_vector', 'SELECT ARRAY[area, rooms] AS features, price FROM houses', 'price',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);
SELECT task FROM dl.train('predict_numbers', 'SELECT area, rooms, price FROM houses', 'price',
						  network => 'dense(8, relu)', epochs => 5, seed => 1, quiet => true);

-- One answer for a row, however it is passed.
CREATE TABLE answers AS
SELECT id, dl.predict('predict_price', area, rooms, state, built, garden) AS answer FROM houses;
SELECT count(*), count(answer), count(DISTINCT answer) > 100 AS they_differ FROM answers;
SELECT way, count(*) FILTER (WHERE p IS NOT DISTINCT FROM answer) AS same, count(*) AS rows
FROM houses h JOIN answers USING (id),
	 LATERAL (VALUES
		('whole row', dl.predict('predict_price', h)),
		('row of values', dl.predict('predict_price', ROW(area, rooms, state, built, garden))),
		('by value', dl.predict(dl.get('predict_price'), area, rooms, state, built, garden)),
		('by value, whole row', dl.predict(dl.get('predict_price'), h)),
		('other types', dl.predict('predict_price', area::numeric, rooms::bigint, state::varchar, built::timestamp, garden)),
		('casts', dl.predict('predict_price', area::double precision, rooms::real, state::name, built::timestamp, garden::text))) AS w(way, p)
GROUP BY way ORDER BY way COLLATE "C";
SELECT bool_and(dl.predict_array('predict_price', h) = ARRAY[answer::real]) AS same_as_array FROM houses h JOIN answers USING (id);
-- other order, extra columns, a subquery, a view, a composite variable
SELECT count(*) FILTER (WHERE dl.predict('predict_price', s) = answer) AS same
FROM (SELECT 'more' AS more, garden, built, state, id, rooms, area FROM houses) AS s JOIN answers USING (id);
CREATE VIEW houses_view AS SELECT state, rooms, area, built, garden, id FROM houses;
SELECT count(*) FILTER (WHERE dl.predict('predict_price', v) = answer) AS same FROM houses_view v JOIN answers USING (id);
CREATE TYPE house AS (garden boolean, built date, state text, rooms integer, area double precision);
SELECT count(*) FILTER (WHERE dl.predict('predict_price', ROW(garden, built, state, rooms, area)::house) = answer) AS same
FROM houses JOIN answers USING (id);
CREATE TABLE altered (gone integer, state text, area real, rooms integer, built date);
INSERT INTO altered SELECT 1, state, area, rooms, built FROM houses WHERE id = 7;
ALTER TABLE altered DROP COLUMN gone, ADD COLUMN garden boolean DEFAULT false;
SELECT dl.predict('predict_price', a) = (SELECT answer FROM answers WHERE id = 7) AS same FROM altered a;

-- VARIADIC, and literals without a type.
SELECT dl.predict('predict_numbers', VARIADIC ARRAY[100.5, 3]) = dl.predict('predict_numbers', 100.5, 3) AS numeric_array,
	   dl.predict('predict_numbers', VARIADIC ARRAY[100.5, 3]::real[]) = dl.predict('predict_numbers', 100.5, 3) AS real_array,
	   dl.predict('predict_numbers', VARIADIC '{100.5,3}'::float8[]) = dl.predict('predict_numbers', 100.5, 3) AS literal_array,
	   dl.predict('predict_numbers', VARIADIC NULL::float8[]) IS NULL AS null_array,
	   dl.predict('predict_numbers', VARIADIC ARRAY[NULL, 3]::real[]) = dl.predict('predict_numbers', NULL, 3) AS null_element;
SELECT dl.predict('predict_price', '100.5', '3', 'old', '2021-03-04', 'true') =
	   dl.predict('predict_price', 100.5::real, 3, 'old'::text, date '2021-03-04', true) AS literals;
SELECT dl.predict('predict_vector', '{100.5,3}') = dl.predict('predict_vector', ARRAY[100.5, 3]) AS array_literal,
	   dl.predict('predict_vector', ARRAY[100.5, 3]::real[]) = dl.predict('predict_vector', ARRAY[100.5, 3]) AS real_array,
	   dl.predict('predict_vector', ARRAY[NULL, 3]::real[]) IS NOT NULL AS with_null,
	   dl.predict('predict_vector', NULL::real[]) IS NOT NULL AS all_null;

-- NULLs: an answer for a missing column, none for a missing row.
SELECT dl.predict('predict_price', NULL, NULL, NULL, NULL, NULL) IS NOT NULL AS all_null,
	   dl.predict('predict_price', 100, 3, 'never seen', '2021-03-04', false)
	   = dl.predict('predict_price', 100, 3, NULL, '2021-03-04', false) AS unseen_is_as_missing;
SELECT count(*) AS rows, count(dl.predict('predict_price', h)) AS answers, count(h.id) AS houses
FROM generate_series(296, 305) AS g(id) LEFT JOIN houses h USING (id);
SELECT dl.predict('predict_price', NULL::houses) IS NULL AS p, dl.classify('predict_class', NULL::houses) IS NULL AS c,
	   dl.probabilities('predict_class', NULL::houses) IS NULL AS j, dl.embed('predict_class', NULL::houses) IS NULL AS e,
	   dl.predict_array('predict_pair', NULL::houses) IS NULL AS a;

-- Classes.
SELECT count(*) FILTER (WHERE dl.classify('predict_class', h) = class) > 280 AS learned FROM houses h;
SELECT bool_and(dl.classify('predict_class', h) = (SELECT key FROM jsonb_each_text(dl.probabilities('predict_class', h))
												   ORDER BY value::float8 DESC LIMIT 1)) AS most_likely
FROM houses h WHERE id < 50;
SELECT array_agg(k ORDER BY k COLLATE "C") AS labels, abs(sum(p::float8) - 1) < 1e-5 AS one
FROM jsonb_each_text(dl.probabilities('predict_class', 100, 3, 'old')) AS j(k, p);
SELECT bool_and(dl.probabilities('predict_garden', h) ? 'true' AND
				abs((dl.probabilities('predict_garden', h) ->> 'true')::float8 - dl.predict('predict_garden', h)) < 1e-12) AS same,
	   bool_and(dl.classify('predict_garden', h) = CASE WHEN dl.predict('predict_garden', h) > 0.5 THEN 'true' ELSE 'false' END) AS class
FROM houses h;
SELECT cardinality(dl.predict_array('predict_class', 100, 3, 'old')) AS classes,
	   cardinality(dl.predict_array('predict_pair', 100, 3)) AS values,
	   cardinality(dl.predict_array('predict_labels', 100, 3, 'old')) AS labels,
	   cardinality(dl.embed('predict_price', h)) AS hidden, cardinality(dl.embed(dl.get('predict_class'), 100, 3, 'old')) AS hidden_too
FROM houses h WHERE id = 1;
SELECT key FROM jsonb_each(dl.probabilities('predict_labels', 100, 3, 'old')) ORDER BY key;
SELECT bool_and(0 <= p AND p <= 1) FROM unnest(dl.predict_array('predict_labels', 100, 3, 'old')) AS p;

-- A function that does not fit the task says which one does.
CREATE FUNCTION attempt(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN QUERY SELECT NULL, 'no error', NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN NEXT;
END;
$$;
SELECT a.* FROM unnest(ARRAY[
	$$SELECT dl.predict('predict_class', 100, 3, 'old')$$, $$SELECT dl.predict('predict_pair', 100, 3)$$,
	$$SELECT dl.predict('predict_labels', 100, 3, 'old')$$, $$SELECT dl.classify('predict_price', h) FROM predict_test.houses h$$,
	$$SELECT dl.classify('predict_pair', 100, 3)$$, $$SELECT dl.probabilities('predict_price', h) FROM predict_test.houses h$$]) AS s,
	LATERAL attempt(s) AS a;

-- Prepared statements, generic plans too.
PREPARE score (real, smallint, text, date, boolean) AS SELECT dl.predict('predict_price', $1, $2, $3, $4, $5) AS p;
CREATE FUNCTION score(h houses) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
	RETURN dl.predict('predict_price', h.area, h.rooms, h.state, h.built, h.garden);
END;
$$;
SET plan_cache_mode = force_generic_plan;
CREATE TEMPORARY TABLE prepared_1 AS EXECUTE score(37, 2, 'new', '2020-01-02', false);
CREATE TEMPORARY TABLE prepared_2 AS EXECUTE score(44, 3, 'ruin', '2020-01-03', false);
SELECT p = (SELECT answer FROM answers WHERE id = 1) AS same FROM prepared_1;
SELECT p = (SELECT answer FROM answers WHERE id = 2) AS same FROM prepared_2;
SELECT count(*) FILTER (WHERE score(h) = answer) AS same FROM houses h JOIN answers USING (id);
PREPARE score_row AS SELECT dl.predict('predict_price', $1::predict_test.house) IS NOT NULL;
EXECUTE score_row(ROW(true, '2020-01-01', 'old', 3, 100));
PREPARE score_by_name(text) AS SELECT dl.predict($1, 100.0, 3) IS NOT NULL;
EXECUTE score_by_name('predict_numbers');
RESET plan_cache_mode;

-- A name is looked up again when it means something else: in a loop, in a
-- prepared statement, after a rename, and after a rollback.
CREATE FUNCTION retrain(runs integer) RETURNS TABLE (run integer, version integer, fresh boolean, changed boolean) LANGUAGE plpgsql AS $$
DECLARE
	before double precision;
	after double precision;
BEGIN
	FOR i IN 1 .. runs LOOP
		SELECT t.version INTO retrain.version
		FROM dl.train('predict_loop', format('SELECT area, rooms, price * %s AS price FROM houses', i), 'price',
					  network => 'dense(8, relu)', epochs => 2, seed => i, quiet => true) AS t;
		PERFORM dl.deploy('predict_loop', retrain.version);
		after := dl.predict('predict_loop', 100.0, 3);
		run := i;
		fresh := after = dl.predict(dl.get('predict_loop', retrain.version), 100.0, 3);
		changed := after IS DISTINCT FROM before;
		before := after;
		RETURN NEXT;
	END LOOP;
END;
$$;
SELECT * FROM retrain(4);
PREPARE latest AS SELECT dl.predict('predict_loop', 100.0, 3) = dl.predict(dl.get('predict_loop'), 100.0, 3) AS fresh,
						 dl.predict('predict_loop', 100.0, 3) = dl.predict(dl.get('predict_loop', 1), 100.0, 3) AS first;
EXECUTE latest;
SELECT dl.deploy('predict_loop', 1);
EXECUTE latest;
BEGIN;
SELECT dl.deploy('predict_loop', 3);
EXECUTE latest;
ROLLBACK;
EXECUTE latest;
BEGIN;
SELECT dl.rename_model('predict_loop', 'predict_elsewhere');
SELECT dl.rename_model('predict_numbers', 'predict_loop');
SELECT dl.predict('predict_loop', 100.0, 3) = dl.predict(dl.get('predict_elsewhere'), 100.0, 3) AS must_be_another;
ROLLBACK;
EXECUTE latest;
-- the name differs from row to row
SELECT bool_and(dl.predict(name, 100.0, 3) = dl.predict(dl.get(name), 100.0, 3)) AS each_its_own, count(DISTINCT dl.predict(name, 100.0, 3)) AS answers
FROM unnest('{predict_loop,predict_numbers,predict_loop,predict_numbers}'::text[]) AS name;
-- in PL/pgSQL, which keeps an expression while its variables change
CREATE FUNCTION score_with(name text) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
	RETURN dl.predict(name, 100.0, 3);
END;
$$;
CREATE FUNCTION score_with(model dl.model) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
	RETURN dl.predict(model, 100.0, 3);
END;
$$;
SELECT name, score_with(name) = dl.predict(dl.get(name), 100.0, 3) AS by_name, score_with(dl.get(name)) = dl.predict(dl.get(name), 100.0, 3) AS by_value
FROM unnest('{predict_loop,predict_numbers,predict_loop}'::text[]) AS name;

-- The type of the rows changes within a statement: altered, or another record each time.
CREATE TABLE changing (gone text, area real, rooms integer);
CREATE FUNCTION change(step integer) RETURNS changing LANGUAGE plpgsql AS $$
DECLARE
	result changing;
BEGIN
	IF step = 2 THEN
		ALTER TABLE changing DROP COLUMN gone, ALTER COLUMN area TYPE text, ALTER COLUMN rooms TYPE bigint;
		ALTER TABLE changing RENAME COLUMN area TO width;
		ALTER TABLE changing ADD COLUMN area numeric;
	END IF;
	EXECUTE 'SELECT c.* FROM (VALUES (1)) AS v LEFT JOIN changing c ON false' INTO result;
	result.area := 100;
	result.rooms := 3;
	RETURN result;
END;
$$;
SELECT step, dl.predict('predict_numbers', change(step)) = dl.predict('predict_numbers', 100.0, 3) AS same FROM generate_series(1, 3) AS step;
CREATE FUNCTION some_record(i integer) RETURNS record LANGUAGE plpgsql AS $$
BEGIN
	CASE i % 3
		WHEN 0 THEN RETURN ROW(100.0, '3', 'old');
		WHEN 1 THEN RETURN ROW('100'::numeric, 3, 'old'::text);
		ELSE RETURN ROW(100::real, 3::numeric, 'old'::name);
	END CASE;
END;
$$;
SELECT bool_and(dl.classify('predict_class', some_record(i)) = dl.classify('predict_class', 100, 3, 'old')) AS same,
	   bool_and(dl.embed('predict_class', some_record(i)) = dl.embed('predict_class', 100, 3, 'old')) AS same_too FROM generate_series(1, 9) AS i;

-- A call site that outlives errors: the CHECK of a domain, in a variable.
CREATE DOMAIN checked AS house CHECK (VALUE IS NULL OR dl.predict('predict_numbers', (VALUE).area, (VALUE).rooms, (VALUE).state) IS NOT NULL);
DO $$
DECLARE
	variable checked;
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			variable.rooms := i;
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE NOTICE '%', SQLERRM;
		END;
	END LOOP;
END;
$$;

-- Rights are those of the user at the moment of the call.
CREATE ROLE predict_stranger;
GRANT USAGE ON SCHEMA predict_test TO predict_stranger;
CREATE FUNCTION switching() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		IF i = 2 THEN
			SET ROLE predict_stranger;
		ELSE
			RESET ROLE;
		END IF;
		BEGIN
			PERFORM dl.predict('predict_numbers', 100.0, 3);
			RETURN NEXT format('%s: scored', i);
		EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
			RETURN NEXT format('%s: %s %s', i, SQLSTATE, SQLERRM);
		END;
	END LOOP;
END;
$$;
SELECT switching();
RESET ROLE;
SELECT dl.grant_model('predict_numbers', 'predict_stranger', 'use');
SELECT switching();
RESET ROLE;
SELECT dl.revoke_model('predict_numbers', 'predict_stranger');

-- Models as values: in a table, many of them, NULL, compressed or not.
CREATE TABLE shelf (id integer, model dl.model);
INSERT INTO shelf SELECT v.version, dl.get('predict_loop', v.version) FROM dl.versions v WHERE name = 'predict_loop';
SELECT count(*) AS models, count(DISTINCT dl.predict(model, 100.0, 3)) AS answers FROM shelf;
SELECT count(*) AS rows, count(DISTINCT dl.predict(s.model, h.area, h.rooms)) > 100 AS many
FROM shelf s CROSS JOIN houses h;
SELECT bool_and(dl.predict(s.model, h.area, h.rooms) = dl.predict(dl.get('predict_loop', s.id), h.area, h.rooms)) AS same
FROM shelf s JOIN houses h ON h.id % 4 + 1 = s.id;
-- where none is kept in memory, the next may be decoded to where the last one was
SELECT task FROM dl.train('predict_wide', 'SELECT area, rooms, price FROM houses', 'price', network => 'dense(300, relu) > dense(300, relu)',
						  epochs => 1, seed => 1, quiet => true, options => '{"members": 1}');
INSERT INTO shelf VALUES (0, dl.get('predict_wide'));
CREATE TEMPORARY TABLE of_shelf AS SELECT id, model, dl.predict(model, 100.0, 3) AS p, cardinality(dl.embed(model, 100.0, 3)) AS e FROM shelf;
SET deep_learning.model_cache = 0;
SELECT count(*) AS rows, count(*) FILTER (WHERE dl.predict(model, 100.0, 3) = p) AS same
FROM (SELECT * FROM generate_series(0, 99) AS i JOIN of_shelf ON id = i * i % 5 ORDER BY i) AS s;
SELECT count(*) AS rows, count(*) FILTER (WHERE cardinality(dl.embed(model, 100.0, 3)) = e) AS same
FROM (SELECT * FROM generate_series(0, 99) AS i JOIN of_shelf ON id = i * i % 5 ORDER BY i) AS s;
RESET deep_learning.model_cache;
DELETE FROM shelf WHERE id = 0;
SELECT dl.predict(model::bytea::dl.model, 100.0, 3) = dl.predict(model, 100.0, 3) AS through_bytea,
	   dl.predict(model::text::dl.model, 100.0, 3) = dl.predict(model, 100.0, 3) AS through_text
FROM shelf WHERE id = 2;

-- A parallel plan gives the same.
CREATE TABLE big AS SELECT area, rooms FROM houses, generate_series(1, 50);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(dl.predict('predict_numbers', area, rooms)) FROM big;
CREATE TEMPORARY TABLE sums (s double precision);
INSERT INTO sums SELECT round(sum(dl.predict('predict_numbers', area, rooms)::numeric), 3) FROM big;
SET max_parallel_workers_per_gather = 0;
INSERT INTO sums SELECT round(sum(dl.predict('predict_numbers', area, rooms)::numeric), 3) FROM big;
SELECT count(DISTINCT s) AS sums FROM sums;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- dl.evaluate: what training measured, and a query's rows.
SELECT metric, rows, value IS NOT NULL AS known FROM dl.evaluate('predict_price');
SELECT metric, rows FROM dl.evaluate('predict_class', 'houses');
SELECT metric, rows FROM dl.evaluate('predict_garden', 'SELECT *, 1 AS more FROM houses WHERE id <= 100');
SELECT metric, rows FROM dl.evaluate('predict_pair', 'SELECT area, rooms, ARRAY[price, area] AS pair FROM houses LIMIT 10');
SELECT metric, rows FROM dl.evaluate('predict_labels', 'SELECT area, rooms, state, ARRAY[garden, area > 100, rooms > 3] AS labels FROM houses');
SELECT e.metric, abs(e.value - (SELECT CASE e.metric WHEN 'rmse' THEN sqrt(avg(d * d)) ELSE avg(abs(d)) END
								FROM (SELECT dl.predict('predict_price', h) - price AS d FROM houses h) AS s)) < 1e-6 AS as_computed_here
FROM dl.evaluate('predict_price', 'houses') AS e WHERE e.metric IN ('rmse', 'mae');
SELECT e.value = (SELECT avg((dl.classify('predict_class', h) = class)::integer)::float8 FROM houses h) AS accuracy_as_computed_here
FROM dl.evaluate(dl.get('predict_class'), 'houses') AS e WHERE e.metric = 'accuracy';
-- rows without a target do not count
SELECT DISTINCT rows FROM dl.evaluate('predict_price', 'SELECT area, rooms, state, built, garden, NULLIF(price, price * (id % 2)) AS price FROM houses');

SET client_min_messages = warning;
SELECT count(dl.drop_model(name)) AS dropped FROM dl.models WHERE name LIKE 'predict\_%';
DROP SCHEMA predict_test CASCADE;
DROP ROLE predict_stranger;
