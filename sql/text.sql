-- Texts that are nearly unique to a row: what they become, and that scoring
-- reads them as training did.
CREATE SCHEMA text_test;
SET search_path = text_test;
SET client_min_messages = warning;

CREATE TABLE items AS
SELECT i, CASE WHEN i % 10 < 7 THEN 'train' WHEN i % 10 < 8 THEN 'validation' ELSE 'test' END AS part,
	   substr(md5(i || 'a'), 1, 4) || ' ' || substr(md5(i || 'b'), 1, 5) || CASE WHEN h % 4 = 0 THEN ' Leather ' ELSE (ARRAY[' Linen ', ' Cotton ', ' Suede '])[1 + h % 3] END || substr(md5(i || 'c'), 1, 3) AS title,
	   (ARRAY['AB', 'CD', 'ef', 'ZZ'])[1 + h / 4 % 4] || '-' || h % 100003 || '/' || h / 7 % 90 AS code,
	   sin(i) AS x, (h % 4 = 0)::int * 2 + sin(i) / 10 AS by_word, (h / 4 % 4 = 3)::int * 2 + sin(i) / 10 AS by_prefix
FROM generate_series(1, 1500) AS i, LATERAL (SELECT ('x' || substr(md5(i || 'h'), 1, 7))::bit(28)::int AS h) AS hash;

CREATE FUNCTION train(name text, query text, target text, options text DEFAULT '') RETURNS SETOF record LANGUAGE plpgsql AS
$$BEGIN
	RETURN QUERY EXECUTE format('SELECT * FROM dl.train(%L, %L, target => %L, network => ''dense(16, relu)'', learning_rate => 0.01, seed => 1 %s)', name, query, target, options);
END$$;

\echo -- a word within, and a prefix
SELECT value < 0.35 AS learnt FROM train('by_word', 'SELECT title, x, by_word, part FROM items', 'by_word', ', epochs => 60, split_column => ''part''') AS t(model text, version int, task text, "rows" bigint, skipped bigint, epochs int, metric text, value float8, deployed boolean, seconds float8);
SELECT value < 0.3 AS learnt FROM train('by_prefix', 'SELECT code, x, by_prefix, part FROM items', 'by_prefix', ', epochs => 60, split_column => ''part''') AS t(model text, version int, task text, "rows" bigint, skipped bigint, epochs int, metric text, value float8, deployed boolean, seconds float8);
SELECT stddev(by_word) > 0.8 AND stddev(by_prefix) > 0.8 AS constant_is_worse FROM items WHERE part = 'test';
SELECT name, value FROM dl.summary('by_word') WHERE part = 'column';
SELECT name, value FROM dl.summary('by_prefix') WHERE part = 'column';
SELECT c ->> 'kind' AS kind, c -> 'words' AS words, c -> 'buckets' AS buckets, c -> 'hash' AS hash, c -> 'vocabulary' AS prefixes
FROM jsonb_array_elements(dl.metadata('by_prefix') -> 'columns') AS c WHERE c ->> 'name' = 'code';

\echo -- scoring reads texts as training did
SELECT abs((SELECT value FROM dl.evaluate('by_word') WHERE metric = 'rmse') -
		   (SELECT value FROM dl.evaluate('by_word', 'SELECT title, x, by_word FROM text_test.items WHERE part = ''test''') WHERE metric = 'rmse')) < 1e-8 AS same;
SELECT abs((SELECT value FROM dl.evaluate('by_prefix') WHERE metric = 'rmse') -
		   (SELECT value FROM dl.evaluate('by_prefix', 'SELECT code::varchar(50) AS code, x, by_prefix FROM text_test.items WHERE part = ''test''') WHERE metric = 'rmse')) < 1e-8 AS same;
SELECT dl.predict('by_word', 'abc Leather x', 0) = dl.predict('by_word', 'abc Leather x'::text, 0) AND
	   dl.predict('by_word', 'abc Leather x', 0) = dl.predict('by_word', 'abc Leather x'::char(60), 0) AND
	   dl.predict('by_word', 'abc Leather x', 0) = dl.predict('by_word', 'ABC leather X'::name, 0) AS same;
SELECT dl.predict('by_word', '3f2a 77b10 leather c0d', 0) - dl.predict('by_word', '3f2a 77b10 linen c0d', 0) > 0.8 AS word,
	   dl.predict('by_prefix', 'zz-4711/12', 0) - dl.predict('by_prefix', 'CD-4711/12', 0) > 1 AS prefix;
SELECT dl.predict('by_word', NULL, 0) BETWEEN -1 AND 3 AS missing, dl.predict('by_word', '', 0) BETWEEN -1 AND 3 AS empty,
	   dl.predict('by_word', repeat('leather ', 131072), 0) BETWEEN -1 AND 3 AS long,
	   dl.predict('by_word', repeat('ab cd ', 800) || repeat('x', 99999), 0) = dl.predict('by_word', repeat('ab cd ', 800) || repeat('y', 99999), 0) AS bounded;

\echo -- NULL, empty and long texts in training
SELECT skipped, task FROM train('holes', 'SELECT CASE WHEN i % 5 = 0 THEN NULL WHEN i % 7 = 0 THEN '''' WHEN i = 8 THEN repeat(title, 50000) ELSE title END AS title, by_word FROM items', 'by_word', ', epochs => 2') AS t(model text, version int, task text, "rows" bigint, skipped bigint, epochs int, metric text, value float8, deployed boolean, seconds float8);
SELECT name, value FROM dl.summary('holes') WHERE part = 'column';

\echo -- identifiers carry nothing, codes and names might
SELECT count(*) FROM dl.train('ids', $$SELECT x, by_word AS y, md5(i::text) AS hash, upper(md5(i::text)::uuid::text) AS uuid, 'INV-2026-' || to_char(i, 'FM00000') AS in_order,
	'no. ' || i * 7 % 1501 || ' a' AS permuted, md5(i::text)::uuid AS real_uuid, (ARRAY['A', 'B'])[1 + i % 2] || i AS two_series, 'C' || i * i AS gaps, substr(md5(i::text), 1, 9) AS short_hash, substr(translate(md5(i::text), 'abcdef', '123456'), 1, 16) AS card,
	md5((i / 2)::text) AS repeated, md5((i / 10)::text) AS often_repeated FROM items ORDER BY i$$, target => 'y', network => 'dense(2)', epochs => 1, quiet => true);
SELECT part, name, value FROM dl.summary('ids') WHERE part IN ('column', 'left out') ORDER BY part, name;

\echo -- rows in an unlucky order
CREATE FUNCTION kinds(query text) RETURNS TABLE (name text, kind text, size int) LANGUAGE plpgsql AS
$$BEGIN
	EXECUTE format('SELECT dl.train(''kinds'', %L, target => ''y'', network => ''dense(2)'', epochs => 1, batch_size => 4096, quiet => true)', query);
	RETURN QUERY SELECT c ->> 'name', c ->> 'kind', jsonb_array_length(c -> 'vocabulary') FROM jsonb_array_elements(dl.metadata('kinds') -> 'columns') AS c;
	PERFORM dl.drop_model('kinds');
END$$;
SELECT * FROM kinds($$SELECT 'customer ' || i % 24000 || chr(97 + i % 5) AS c, sin(i) AS y FROM generate_series(0, 59999) AS i$$);
SELECT * FROM kinds($$SELECT 'customer ' || i % 30001 || chr(97 + i % 5) AS c, sin(i) AS y FROM generate_series(0, 59999) AS i$$);
SELECT * FROM kinds($$SELECT CASE WHEN i > 25000 THEN chr(104 + i % 3) || md5(i::text) END AS t, CASE WHEN i > 25000 THEN 'c' || i % 3 END AS c, CASE WHEN i % 3 = 0 THEN chr(104 + i % 3) || md5(i::text) ELSE '' END AS rare,
	sin(i) AS y FROM generate_series(0, 39999) AS i$$);
SELECT * FROM kinds($$SELECT chr(97 + i % 3) || i AS t, sin(i) AS y FROM generate_series(1, 19) AS i$$);
SELECT * FROM kinds($$SELECT chr(97 + i % 3) || i AS t, ARRAY[i] AS a, sin(i) AS y FROM generate_series(1, 20) AS i$$);
SELECT * FROM kinds($$SELECT chr(97 + i % 3) || i AS t, CASE WHEN i > 30000 THEN ARRAY[sin(i), 1] END AS a, sin(i) AS y FROM generate_series(1, 30010) AS i$$);

\echo -- memory: values of a column of texts are not collected, and rows go to files
SET deep_learning.training_memory = '1MB';
SELECT * FROM kinds($$SELECT chr(97 + i % 26) || repeat(md5(i::text), 9) AS t, sin(i) AS y FROM generate_series(1, 30000) AS i$$);
RESET deep_learning.training_memory;
SELECT * FROM kinds($$SELECT (ARRAY['red ', 'blue '])[1 + i % 2] || repeat(md5(i::text) || ' ', 2000) AS t, sin(i) AS y FROM generate_series(1, 300) AS i$$);

\echo -- as an aggregate, and a second training that is compared with the first
SELECT g, dl.predict(model, '1a2b 3c4d5 leather abc', 0) - dl.predict(model, '1a2b 3c4d5 linen abc', 0) > 0.5 AS learnt
FROM (SELECT i % 2 AS g, dl.fit(by_word, (title, x), '{"network": "dense(16, relu)", "epochs": 60, "learning_rate": 0.01, "seed": 1}') AS model FROM items GROUP BY 1) AS models ORDER BY g;
SELECT version, deployed FROM train('by_prefix', 'SELECT code, x, by_prefix, part FROM items ORDER BY code DESC', 'by_prefix', ', epochs => 1, split_column => ''part'', quiet => true') AS t(model text, version int, task text, "rows" bigint, skipped bigint, epochs int, metric text, value float8, deployed boolean, seconds float8);

\echo -- databases of other encodings
SELECT dl.get('by_word')::text AS model, dl.predict('by_word', convert_from('\x436166e9204c656174686572', 'LATIN1'), 0) AS predicted \gset
SELECT current_database() AS database \gset
CREATE DATABASE text_test_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
CREATE DATABASE text_test_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
\c text_test_latin1
SET client_min_messages = warning;
CREATE EXTENSION deep_learning;
CREATE FUNCTION bytes(bytea) RETURNS text LANGUAGE sql AS $$SELECT convert_from($1, 'LATIN1')$$;
SELECT dl.predict(:'model'::dl.model, bytes('\x436166e9204c656174686572'), 0) = :predicted AS same;
\c text_test_ascii
SET client_min_messages = warning;
CREATE EXTENSION deep_learning;
CREATE FUNCTION bytes(bytea) RETURNS text LANGUAGE sql AS $$SELECT convert_from($1, 'SQL_ASCII')$$;
SELECT count(*) FROM dl.train('bytes', $$SELECT bytes(decode('e9' || to_hex(97 + i % 5) || 'ff', 'hex') || i::text::bytea || '\xfe') AS t, bytes('\xff'::bytea || (i % 3)::text::bytea) AS c, sin(i) AS y FROM generate_series(1, 100) AS i$$,
	target => 'y', network => 'dense(2)', epochs => 1, quiet => true);
SELECT name, value FROM dl.summary('bytes') WHERE part = 'column';
SELECT dl.predict('bytes', bytes('\xe961ff31fe'), bytes('\xff31')) IS NOT NULL AS scored, dl.get('bytes')::bytea::dl.model = dl.get('bytes') AS same;
\c :database
DROP DATABASE text_test_latin1;
DROP DATABASE text_test_ascii;
SET client_min_messages = warning;
SELECT dl.drop_model(name) FROM (VALUES ('by_word'), ('by_prefix'), ('holes'), ('ids')) AS names (name);
DROP SCHEMA text_test CASCADE;
