-- What "make demo" shows.  Run it against any server with the extension installed:
--     psql -q < examples/demo.sql
\if :{?examples}
\else
	\set examples examples
\endif
\set ON_ERROR_STOP on
\pset linestyle unicode
\pset border 2
\pset footer off
\set VERBOSITY terse
\timing off

\echo
\echo '=== 1. Install it, load Fisher''s iris (150 flowers, 3 species) =================='
\echo
CREATE EXTENSION IF NOT EXISTS deep_learning;
\i :examples/iris.sql

\echo '=== 2. Train a network from a query; nothing but the target is said ============='
\echo
SELECT * FROM dl.train('iris',
	'SELECT sepal_length, sepal_width, petal_length, petal_width, species FROM iris',
	target => 'species');

\echo '=== 3. How good is it on rows that it has not learnt from? ======================'
\echo
SELECT * FROM dl.evaluate('iris');

\echo '=== 4. Score rows in a SELECT =================================================='
\echo
SELECT petal_length, petal_width, species, dl.classify('iris', i) AS classified,
	   round((p ->> 'setosa')::numeric, 3) AS setosa,
	   round((p ->> 'versicolor')::numeric, 3) AS versicolor,
	   round((p ->> 'virginica')::numeric, 3) AS virginica
FROM iris i, dl.probabilities('iris', i) p
WHERE fold = 1
ORDER BY md5(i::text)
LIMIT 10;

SELECT species, count(*) AS flowers,
	   count(*) FILTER (WHERE dl.classify('iris', i) = species) AS right
FROM iris i
GROUP BY species
ORDER BY species;

\echo '=== 5. Images: 1,797 handwritten digits; a fifth validates, a fifth tests ========'
\echo
\i :examples/digits.sql
SELECT * FROM dl.train('digits',
	$$SELECT pixels, digit, CASE WHEN fold = 1 THEN 'test' WHEN fold = 2 THEN 'validation' ELSE 'train' END AS part
	  FROM digits$$,
	target => 'digit', split_column => 'part');
SELECT * FROM dl.evaluate('digits');

\echo 'One of them, as it looks and as the network reads it:'
\echo
\pset tuples_only on
\pset format unaligned
SELECT string_agg(CASE WHEN pixel > 11 THEN '##' WHEN pixel > 5 THEN '++' WHEN pixel > 1 THEN '..' ELSE '  ' END,
				  '' ORDER BY place)
FROM digits, unnest(pixels) WITH ORDINALITY AS p (pixel, place)
WHERE id = (SELECT min(id) FROM digits WHERE fold = 1 AND digit = '3')
GROUP BY (place - 1) / 8
ORDER BY (place - 1) / 8;
\pset format aligned
\pset tuples_only off
SELECT id, digit, dl.classify('digits', d) AS classified
FROM digits d
WHERE id = (SELECT min(id) FROM digits WHERE fold = 1 AND digit = '3');

\echo 'What it gets wrong among the rows of the test part:'
\echo
SELECT digit, classified, count(*)
FROM (SELECT digit, dl.classify('digits', d) AS classified FROM digits d WHERE fold = 1) s
WHERE digit <> classified
GROUP BY digit, classified
ORDER BY count(*) DESC, digit, classified;

\echo '=== 6. A model is a value: one for each group, by an aggregate =================='
\echo
CREATE TABLE petals AS
SELECT species, dl.fit(petal_width, (sepal_length, sepal_width, petal_length)) AS model
FROM iris
WHERE fold > 1
GROUP BY species;

SELECT i.species, count(*) AS flowers,
	   round(avg(petal_width)::numeric, 2) AS "mean width",
	   round(avg(abs(petal_width - dl.predict(model, sepal_length, sepal_width, petal_length)))::numeric, 2)
	   AS "mean error of the model"
FROM iris i JOIN petals USING (species)
WHERE fold = 1
GROUP BY i.species
ORDER BY i.species;

\echo '=== 7. What there is ==========================================================='
\echo
SELECT * FROM dl.models;

\echo 'That was all on a server that is thrown away again.  README.md goes on from here.'
