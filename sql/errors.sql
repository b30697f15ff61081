-- Wrong input: each case a clear error with its SQLSTATE, and the session goes on.
-- An SQLSTATE XX000 anywhere in here is a bug.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
CREATE SCHEMA errors_test;
SET search_path = errors_test;
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '

-- What a statement answers: SQLSTATE, message, detail, hint; long lists of what is valid are cut.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n    ', state || ' ' || left(message, 200), 'DETAIL ' || NULLIF(left(detail, 200), ''),
					 'HINT ' || NULLIF(left(hint, 200), ''));
END;
$$;
-- the same for dl.train with these arguments; what is not said is fine
CREATE FUNCTION train(arguments text) RETURNS text LANGUAGE sql AS $$
SELECT errors_test.attempt(format('SELECT dl.train(quiet => true, %s)', arguments))
$$;

CREATE TYPE level AS ENUM ('one', 'two');
CREATE TABLE good AS
SELECT sin(i) AS x, cos(i) AS z, sin(i) + cos(i) AS y, i % 2 = 0 AS b, ('{a,b,c}'::text[])[1 + i % 3] AS c, i % 3 AS n,
	   ARRAY[sin(i), cos(i)] AS p, ARRAY[i % 2 = 0, i % 3 = 0] AS l
FROM generate_series(1, 100) AS i;
SELECT task FROM dl.train('errors_good', 'SELECT x, z, y FROM good', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT task FROM dl.train('errors_class', 'SELECT x, z, c FROM good', 'c', network => 'dense(4)', epochs => 1, quiet => true);
SELECT task FROM dl.train('errors_mixed', 'SELECT x, c, p, date ''2026-01-01'' + n AS d, y FROM good', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT task FROM dl.train('errors_labels', 'SELECT x, l FROM good', 'l', network => 'dense(4)', epochs => 1, quiet => true);

\echo -- arguments that must not be NULL, and names
SELECT train($$model => NULL, query => 'good', target => 'y'$$);
SELECT train($$model => 'e', query => NULL, target => 'y'$$);
SELECT train($$model => 'e', query => 'good', target => NULL$$);
SELECT train($$model => '', query => 'good', target => 'y'$$);
SELECT train($$model => repeat('n', 10000), query => 'good', target => 'y'$$);

\echo -- the query
SELECT train($$model => 'e', query => '', target => 'y'$$);
SELECT train($$model => 'e', query => '  -- nothing', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT 1 AS x; SELECT 2 AS x', target => 'x'$$);
SELECT train($$model => 'e', query => 'INSERT INTO good DEFAULT VALUES', target => 'y'$$);
SELECT train($$model => 'e', query => 'INSERT INTO good DEFAULT VALUES RETURNING x, y', target => 'y'$$);
SELECT train($$model => 'e', query => 'WITH d AS (DELETE FROM errors_test.good RETURNING *) SELECT * FROM d', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y INTO copied FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'DROP TABLE errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'COPY errors_test.good TO STDOUT', target => 'y'$$);
SELECT train($$model => 'e', query => 'EXPLAIN SELECT 1', target => 'y'$$);
SELECT train($$model => 'e', query => 'ROLLBACK', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good FOR UPDATE', target => 'y', epochs => 1, network => 'dense(2)'$$);
SELECT train($$model => 'e', query => 'SELEC x FROM good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM no_such_table', target => 'y'$$);
SELECT train($$model => 'e', query => 'no_such_table', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT no_such_column, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, $1 AS y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y / (x - x) AS y FROM errors_test.good', target => 'y'$$);
CREATE TABLE short_lived AS SELECT x, y FROM good;
DROP TABLE short_lived;
SELECT train($$model => 'e', query => 'errors_test.short_lived', target => 'y'$$);
SELECT count(*) AS rows_left FROM good;

\echo -- columns
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'price'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'Y'$$);
SELECT train($$model => 'e', query => 'SELECT y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, z AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'y', split_column => 'part'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'y', split_key => 'k'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'y', weight_column => 'w'$$);
SELECT train($$model => 'e', query => 'SELECT x, z, y FROM errors_test.good', target => 'y', weight_column => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, z, y FROM errors_test.good', target => 'y', split_key => 'z', weight_column => 'z'$$);
SELECT train($$model => 'e', query => 'SELECT x, z, c, y FROM errors_test.good', target => 'y', split_key => 'z', split_column => 'c'$$);
SELECT train($$model => 'e', query => 'SELECT x, c, y FROM errors_test.good', target => 'y', split_column => 'c'$$);
SELECT train($$model => 'e', query => 'SELECT x, NULL::text AS part, y FROM errors_test.good', target => 'y', split_column => 'part'$$);
SELECT train($$model => 'e', query => 'SELECT x, ''train'' AS part, y FROM errors_test.good', target => 'y', split_column => 'part', epochs => 1, network => 'dense(2)'$$);
SELECT train($$model => 'e', query => 'SELECT x, ''test'' AS part, y FROM errors_test.good', target => 'y', split_column => 'part'$$);
SELECT train($$model => 'e', query => 'SELECT x, p AS part, y FROM errors_test.good', target => 'y', split_column => 'part'$$);
SELECT train($$model => 'e', query => 'SELECT x, p AS k, y FROM errors_test.good', target => 'y', split_key => 'k'$$);
SELECT train($$model => 'e', query => 'SELECT x, c AS w, y FROM errors_test.good', target => 'y', weight_column => 'w'$$);
SELECT train($$model => 'e', query => 'SELECT x, NULL::real AS w, y FROM errors_test.good', target => 'y', weight_column => 'w'$$);
SELECT train($$model => 'e', query => 'SELECT x, -1 AS w, y FROM errors_test.good', target => 'y', weight_column => 'w'$$);
SELECT train($$model => 'e', query => 'SELECT x, ''NaN''::real AS w, y FROM errors_test.good', target => 'y', weight_column => 'w'$$);
SELECT train($$model => 'e', query => 'SELECT x, 0 AS w, y FROM errors_test.good', target => 'y', weight_column => 'w', epochs => 1, network => 'dense(2)'$$);

\echo -- types that cannot be learned from
SELECT t AS type, train(format($$model => 'e', query => 'SELECT NULL::%s AS f, y FROM errors_test.good', target => 'y'$$, t))
FROM unnest('{interval,time,money,json,jsonb,xml,bytea,point,text[],bit,int4range,tsvector,errors_test.good,dl.model,dl.network}'::text[]) AS t;
SELECT train($$model => 'e', query => 'SELECT ''unknown'' AS f, y FROM errors_test.good', target => 'y', epochs => 1, network => 'dense(2)'$$);
SELECT train($$model => 'e', query => 'SELECT ROW(1, 2) AS f, y FROM errors_test.good', target => 'y'$$);
SELECT t AS type, train(format($$model => 'e', query => 'SELECT x, NULL::%s AS t FROM errors_test.good', target => 't'$$, t))
FROM unnest('{date,timestamptz,interval,jsonb,text[],bytea}'::text[]) AS t;

\echo -- values that cannot be learned from
CREATE TABLE nothing (x real, y real);
SELECT train($$model => 'e', query => 'errors_test.nothing', target => 'y'$$);
INSERT INTO nothing SELECT i FROM generate_series(1, 20) AS i;
SELECT train($$model => 'e', query => 'errors_test.nothing', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT NULL::real AS a, NULL::text AS b, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT NULL::real[] AS a, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT 1 AS a, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT row_number() OVER () AS id, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT md5(x::text) AS code, y FROM errors_test.good', target => 'y'$$);
SELECT attempt('SELECT dl.fit(y, ROW(y)) FROM errors_test.good');
SET deep_learning.training_memory = '1MB';
SELECT train($$model => 'e', query => 'SELECT repeat(md5((i / 3)::text), 5) AS code, i AS y FROM generate_series(1, 30000) AS i', target => 'y'$$) LIKE '53200 %training_memory%';
RESET deep_learning.training_memory;
SELECT train($$model => 'e', query => 'SELECT i / 3 || repeat(''-'', 1000) AS code, sin(i) AS y FROM generate_series(1, 54000) AS i', target => 'y', epochs => 1, network => 'dense(2)'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good', target => 'y', epochs => 1, network => 'dense(9000) > dense(9000)'$$);
SELECT train($$model => 'e', query => 'SELECT x, 1 AS y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, true AS y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, ''same'' AS y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good LIMIT 1', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, y FROM errors_test.good LIMIT 2', target => 'y', epochs => 1, network => 'dense(2)'$$);
SELECT v AS value, train(format($$model => 'e', query => 'SELECT CASE WHEN x > 0 THEN x ELSE ''%s''::float8 END AS x, y FROM errors_test.good', target => 'y'$$, v))
FROM unnest('{Infinity,-Infinity,NaN,1e300}'::text[]) AS v;
SELECT v AS value, train(format($$model => 'e', query => 'SELECT x, CASE WHEN x > 0 THEN y ELSE ''%s''::float8 END AS y FROM errors_test.good', target => 'y'$$, v))
FROM unnest('{Infinity,-Infinity,NaN,1e300}'::text[]) AS v;
SELECT train($$model => 'e', query => 'SELECT ''NaN''::numeric AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT 1e400::numeric AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT ''infinity''::date AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT ''-infinity''::timestamptz AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT ARRAY[x, ''Infinity''] AS x, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, md5(x::text) AS y FROM errors_test.good UNION ALL SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i', target => 'y'$$);

\echo -- arrays
SELECT train($$model => 'e', query => 'SELECT CASE WHEN x > 0 THEN ARRAY[1, 2] ELSE ARRAY[1, 2, 3] END AS a, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT ''{}''::real[] AS a, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT ARRAY[[1, 2], [3, 4]] AS a, y FROM errors_test.good', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT x, ARRAY[[1, 2], [3, 4]] AS a FROM errors_test.good', target => 'a'$$);
SELECT train($$model => 'e', query => 'SELECT x, CASE WHEN x > 0 THEN ARRAY[1, 2] ELSE ARRAY[1] END AS a FROM errors_test.good', target => 'a'$$);
SELECT train($$model => 'e', query => 'SELECT x, ARRAY[x, NULL] AS a FROM errors_test.good', target => 'a'$$);
SELECT train($$model => 'e', query => 'SELECT x, ARRAY[1, 2] AS a FROM errors_test.good', target => 'a', task => 'multilabel'$$);
SELECT train($$model => 'e', query => 'SELECT array_fill(1.0::real, ARRAY[1000000]) AS a, y FROM errors_test.good LIMIT 3', target => 'y'$$);
SELECT train($$model => 'e', query => 'SELECT array_fill(1.0::real, ARRAY[40000]) AS a, array_fill(1.0::real, ARRAY[40000]) AS b, y FROM errors_test.good LIMIT 3', target => 'y'$$);
-- an array of a gigabyte cannot even be made; the session survives it
SELECT train($$model => 'e', query => 'SELECT array_fill(1.0::real, ARRAY[300000000]) AS a, y FROM errors_test.good LIMIT 1', target => 'y'$$);
-- 1,600 columns, the most that a table has, and the most that a query has
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('c' || i || ' real', ', ') FROM generate_series(1, 1600) AS i) || ')'; END; $$;
INSERT INTO wide (c1, c2, c1600) SELECT sin(i), cos(i), i % 7 FROM generate_series(1, 40) AS i;
SELECT train($$model => 'e', query => 'errors_test.wide', target => 'c1600', epochs => 1, network => 'dense(2)'$$);
SELECT attempt('SELECT dl.predict(''e'', w) FROM errors_test.wide w LIMIT 1');
SELECT train(format($$model => 'e', query => 'SELECT %s, y FROM errors_test.good', target => 'y', epochs => 1, network => 'dense(2)'$$,
					(SELECT string_agg(format('x * %s AS c%s', i, i), ', ') FROM generate_series(1, 1663) AS i)));
SELECT train(format($$model => 'e', query => 'SELECT %s, y FROM errors_test.good', target => 'y'$$,
					(SELECT string_agg(format('x * %s AS c%s', i, i), ', ') FROM generate_series(1, 1664) AS i)));

\echo -- options
SELECT o AS option, train(format($$model => 'e', query => 'SELECT x, z, y FROM errors_test.good', target => 'y', %s$$, o))
FROM unnest(ARRAY[
	$$task => 'regresion'$$, $$task => ''$$, $$task => 'multilabel'$$, $$task => 'binary'$$,
	$$epochs => 0$$, $$epochs => -1$$, $$batch_size => 0$$, $$batch_size => 2000000000$$,
	$$learning_rate => -1$$, $$learning_rate => 'NaN'$$, $$learning_rate => 'Infinity'$$,
	$$optimizer => 'adm'$$, $$early_stopping => -1$$, $$validation => -0.1$$, $$validation => 1$$, $$test => 1.5$$,
	$$validation => 0.5, test => 0.5$$, $$validation => 0.6, test => 0.5$$,
	$$device => 'tpu'$$, $$device => 'gpu'$$, $$matmul_precision => 'low'$$,
	$$options => '{"epoch": 3}'$$, $$options => '{"": 3}'$$, $$options => '[]'$$, $$options => '3'$$, $$options => '"text"'$$, $$options => 'null'$$,
	$$options => '{"epochs": "three"}'$$, $$options => '{"epochs": 1.5}'$$, $$options => '{"epochs": {"a": 1}}'$$, $$options => '{"epochs": [1]}'$$,
	$$options => '{"weight_decay": 101}'$$, $$options => '{"warm_up": 1}'$$, $$options => '{"epochs": true}'$$, $$options => '{"epochs": 1e400}'$$, $$options => '{"nesterov": "perhaps"}'$$, $$options => '{"seed": 1e30}'$$,
	$$options => '{"loss": "mean"}'$$, $$options => '{"loss": "cross_entropy"}'$$, $$options => '{"schedule": "linear"}'$$,
	$$options => '{"scaling": "log"}'$$, $$options => '{"class_weight": "heavy"}'$$, $$options => '{"beta1": 1}'$$,
	$$options => '{"loss": "quantile", "loss_parameter": 2}'$$, $$options => '{"momentum": 1}'$$, $$options => '{"threads": -1}'$$,
	$$options => '{"quiet": true}'$$, $$options => '{"model": "other"}'$$]) AS o;
SELECT target, task, train(format($$model => 'e', query => 'SELECT x, z, %1$s FROM errors_test.good', target => '%1$s', task => '%2$s', epochs => 1, network => 'dense(2)'$$, target, task))
FROM (VALUES ('c', 'regression'), ('c', 'binary'), ('c', 'multilabel'), ('n', 'binary'), ('b', 'multilabel'), ('p', 'multiclass'),
			 ('p', 'binary'), ('p', 'multilabel'), ('l', 'binary')) AS s(target, task);

\echo -- networks
SELECT n AS network, train(format($$model => 'e', query => 'SELECT x, z, y FROM errors_test.good', target => 'y', epochs => 1, network => %L$$, n))
FROM unnest(ARRAY['', ' ', 'dense', 'dense(', 'dense()', 'dense(0)', 'dense(-3)', 'dense(8', 'dense(8))', 'dense(8, rellu)', 'dense(8, relu) >',
				  '> dense(8)', 'dense(8) dense(8)', 'dens(8)', 'dropout(1.5)', 'dropout(nan)', 'dense(99999999999)', 'dense(2147483647)', 'dense(8, 8, 8)',
				  'residual(dense(8)', 'residual(dense(3, relu) > dense(5, relu))', 'concat()', 'dense(8); DROP TABLE good', 'dense(''8'')', 'dense(8, activation => )', 'größe(8)', '𝕕ense(8)',
				  'dense(1.5)', 'layer_norm(', 'dense(1000000) > dense(1000000)']) AS n;
SELECT attempt('SELECT ''dense(8, rellu)''::dl.network');
SELECT attempt(format('SELECT %L::dl.network', repeat('residual(', 100000) || 'dense(1)' || repeat(')', 100000)));

\echo -- bytes of a model
CREATE TABLE bytes AS SELECT dl.get('errors_good')::bytea AS b, length(dl.get('errors_good')::bytea) AS n;
SELECT attempt('SELECT ''''::bytea::dl.model');
SELECT attempt('SELECT ''\x00''::bytea::dl.model');
SELECT attempt('SELECT ''\xffffffffffffffff''::bytea::dl.model');
SELECT attempt('SELECT ''not a model''::dl.model');
SELECT attempt('SELECT ''''::dl.model');
SELECT attempt('SELECT NULL::bytea::dl.model');
-- truncated at every 97th byte, and one byte too many
SELECT count(*) > 10 AS lengths, count(*) FILTER (WHERE attempt(format('SELECT substr(b, 1, %s)::dl.model FROM errors_test.bytes', length)) NOT SIMILAR TO '(22P03|22023|22000|0A000|54000)%') AS accepted_or_other
FROM bytes, generate_series(0, n - 1, 97) AS length;
SELECT attempt('SELECT (b || ''\x00'')::dl.model FROM errors_test.bytes');
-- a flipped bit anywhere: refused, or a model that works or is refused when it scores; never anything worse
SELECT count(*) > 100 AS flips,
	   count(*) FILTER (WHERE a NOT SIMILAR TO '(no error|22P03|22023|22000|0A000|54000|22003|42703|2202E)%') AS other,
	   count(*) FILTER (WHERE a LIKE '22P03%') > 50 AS many_refused
FROM bytes, generate_series(0, n * 8 - 1, 211) AS bit,
	 attempt(format('SELECT dl.predict(set_bit(b, %1$s, 1 - get_bit(b, %1$s))::dl.model, 0.5, 0.5) FROM errors_test.bytes', bit)) AS a;
SELECT regexp_replace(attempt(format('SELECT %L::dl.model', left(dl.get('errors_good')::text, 500))), '\d+ bytes are \d+', 'N bytes are M');
SELECT attempt('SELECT dl.put(''errors_put'', NULL)');
SELECT attempt('SELECT dl.put(NULL, dl.get(''errors_good''))');

\echo -- scoring
SELECT attempt('SELECT dl.predict(''no_such_model'', 1)');
SELECT attempt('SELECT dl.predict(NULL, 1)');
SELECT attempt('SELECT dl.predict(NULL::text, 1)');
SELECT attempt('SELECT dl.predict(NULL::dl.model, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'')');
SELECT attempt('SELECT dl.predict(''errors_good'', 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', 1, 2, 3)');
SELECT attempt('SELECT dl.predict(''errors_good'', VARIADIC ARRAY[1, 2, 3])');
SELECT attempt('SELECT dl.predict(''errors_good'', VARIADIC ARRAY[''a'', ''b''])');
SELECT attempt('SELECT dl.predict(''errors_good'', VARIADIC 3)');
SELECT attempt('SELECT dl.predict(''errors_good'', ROW(1, 2, 3))');
SELECT attempt('SELECT dl.predict(''errors_good'', s) FROM (SELECT 1 AS x) AS s');
SELECT attempt('SELECT dl.predict(''errors_good'', ''abc'', 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', ''abc''::text, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', date ''2026-01-01'', 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', ''{}''::jsonb, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', ''NaN''::real, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', ''Infinity''::real, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', 1e300, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', 1e300::double precision, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', 1e400::numeric, 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', ARRAY[1], 1)');
SELECT attempt('SELECT dl.predict(''errors_good'', dl.get(''errors_good''), 1)');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, 2, ARRAY[1, 2], date ''2026-01-01'')');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ARRAY[1, 2, 3], date ''2026-01-01'')');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ARRAY[[1, 2]], date ''2026-01-01'')');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ''{1,2'', date ''2026-01-01'')');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ARRAY[1, 2], ''yesterday or so'')');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ARRAY[1, 2], ''infinity''::date)');
SELECT attempt('SELECT dl.predict(''errors_mixed'', 1, ''a'', ARRAY[1, 2], 20260101)');
SELECT attempt('SELECT dl.predict(''errors_class'', 1, 2)');
SELECT attempt('SELECT dl.classify(''errors_good'', 1, 2)');
SELECT attempt('SELECT dl.probabilities(''errors_good'', 1, 2)');
SELECT attempt('SELECT dl.classify(''errors_labels'', 1)');
SELECT attempt('PREPARE untyped AS SELECT dl.predict(''errors_good'', $1, $2)');
SELECT attempt('SELECT dl.embed(''errors_good'', 1)');

\echo -- evaluation
SELECT attempt('SELECT * FROM dl.evaluate(''no_such_model'')');
SELECT attempt('SELECT * FROM dl.evaluate(NULL::text)');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', NULL)');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, y FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z, y FROM errors_test.good WHERE false'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z, NULL::real AS y FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z, c AS y FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z, ''''NaN''''::real AS y FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''SELECT x, z, p AS y FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_class'', ''SELECT x, z, ''''new'''' AS c FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_class'', ''SELECT x, z, p AS c FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_class'', ''SELECT x, z, c FROM errors_test.good WHERE c = ''''a'''''')') AS one_class_is_fine;
SELECT attempt('SELECT * FROM dl.evaluate(''errors_labels'', ''SELECT x, ARRAY[1, NULL] AS l FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_labels'', ''SELECT x, ARRAY[1, 7] AS l FROM errors_test.good'')');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'', ''DELETE FROM errors_test.good'')');

\echo -- the registry
SELECT attempt('SELECT dl.get(''no_such_model'')');
SELECT attempt('SELECT dl.get(''errors_good'', 99)');
SELECT attempt('SELECT dl.get(''errors_good'', 0)');
SELECT attempt('SELECT dl.deploy(''errors_good'', 99)');
SELECT attempt('SELECT dl.rollback(''errors_good'')');
SELECT attempt('SELECT dl.drop_model(''no_such_model'')');
SELECT attempt('SELECT dl.rename_model(''errors_good'', ''errors_class'')');
SELECT attempt('SELECT * FROM dl.summary(''no_such_model'')');
SELECT attempt('SELECT * FROM dl.history(''errors_good'', 99)');

\echo -- rights
CREATE ROLE errors_stranger;
GRANT USAGE ON SCHEMA errors_test TO errors_stranger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA errors_test TO errors_stranger;
SET ROLE errors_stranger;
SELECT train($$model => 'e2', query => 'errors_test.good', target => 'y'$$);
SELECT train($$model => 'errors_good', query => 'SELECT i AS x, sin(i) AS y FROM generate_series(1, 50) AS i', target => 'y'$$);
SELECT attempt('SELECT dl.predict(''errors_good'', 1, 2)');
SELECT attempt('SELECT * FROM dl.evaluate(''errors_good'')');
SELECT attempt('SELECT dl.get(''errors_good'')');
SELECT attempt('SELECT dl.drop_model(''errors_good'')');
SELECT attempt('SELECT * FROM dl.registry_model');
SELECT attempt('DELETE FROM dl.registry_version');
SELECT attempt('SET deep_learning.max_training_memory = ''64GB''');
RESET ROLE;
SELECT attempt('SELECT dl.grant_model(''errors_good'', ''no_such_role'', ''use'')');
SELECT attempt('SELECT dl.grant_model(''errors_good'', ''errors_stranger'', ''everything'')');
SELECT attempt('SELECT dl.set_owner(''errors_good'', ''no_such_role'')');
SELECT attempt('BEGIN');
BEGIN READ ONLY;
SELECT attempt('SELECT dl.train(''e'', ''SELECT x, y FROM errors_test.good'', ''y'', quiet => true)');
ROLLBACK;

\echo -- settings
SELECT attempt('SET deep_learning.threads = -1');
SELECT attempt('SET deep_learning.training_memory = ''1kB''');
SELECT attempt('SET deep_learning.training_worker = ''perhaps''');
SELECT attempt('SET deep_learning.no_such_setting = 1');

\echo -- the same errors reach the user when the session computes itself
SET deep_learning.training_worker = off;
SELECT train($$model => 'e', query => 'SELECT x, z, y FROM errors_test.good', target => 'y', network => 'residual(dense(3, relu) > dense(5, relu))'$$);
SELECT train($$model => 'e', query => 'SELECT x, 0 AS w, y FROM errors_test.good', target => 'y', weight_column => 'w', epochs => 1, network => 'dense(2)'$$);
SELECT train($$model => 'e', query => 'SELECT 1 AS a, y FROM errors_test.good', target => 'y'$$);
RESET deep_learning.training_worker;

\echo -- after all of them the session goes on
SELECT count(*) AS rows_left FROM good;
SELECT dl.predict('errors_good', 0.5, 0.5) IS NOT NULL AS scores;
SELECT rows FROM dl.train('errors_after', 'SELECT x, z, y FROM good', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT count(dl.drop_model(name)) > 4 AS dropped FROM dl.models WHERE name LIKE 'errors\_%' OR name = 'e';
DROP SCHEMA errors_test CASCADE;
DROP ROLE errors_stranger;
