-- Networks that start from the data, or keep some: init => data, piecewise embeddings, and neighbours.
-- Answers are compared with each other, to the bit, never printed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
CREATE SCHEMA network_data_test;
SET search_path = network_data_test;

-- A staircase of a, in a table whose other columns have few values, missing ones and wild ones.
CREATE TABLE stairs AS
SELECT sin(i) * 10 AS a, i % 3 AS few, CASE WHEN i % 4 <> 0 THEN cos(i) END AS missing,
	   CASE WHEN i % 200 = 0 THEN 1e9 ELSE cos(i * 1.7) END AS wild, ('{red,green,blue}'::text[])[1 + i % 3] AS color,
	   floor(sin(i) * 5) + i % 3 AS y
FROM generate_series(1, 2000) AS i;

CREATE TABLE networks (name text, network text);
INSERT INTO networks VALUES
	('init', 'dense(32, mish, parametrization => ntk, init => data) > dropout(0.1) > output(parametrization => ntk, init => data)'),
	('piecewise', 'piecewise(bins => 20, width => 6) > dense(16, relu)'),
	('both', 'realmlp(32, numbers => piecewise, init => data)'),
	('neighbours', 'periodic(sigma => 0.5) > neighbours(8, rows => 500)');
SELECT n.name, t.task
FROM networks n, dl.train('from_' || n.name, 'stairs', 'y', network => n.network, epochs => 20, learning_rate => 0.01, seed => 3, quiet => true) t
ORDER BY n.name;
SELECT name, value FROM dl.summary('from_piecewise') WHERE part = 'layer';
SELECT part, name, value FROM dl.summary('from_neighbours') WHERE part = 'layer' OR name ~ 'kept|parameters';

-- The same seed gives the same bytes, another seed others.
SELECT n.name, dl.get('again_' || n.name) = dl.get('from_' || n.name) AS same, dl.get('other_' || n.name) = dl.get('from_' || n.name) AS other
FROM networks n,
	 dl.train('again_' || n.name, 'stairs', 'y', network => n.network, epochs => 20, learning_rate => 0.01, seed => 3, quiet => true) t,
	 dl.train('other_' || n.name, 'stairs', 'y', network => n.network, epochs => 20, learning_rate => 0.01, seed => 4, quiet => true) u
ORDER BY n.name;

-- One answer, in a batch and for a row alone; missing and unseen values, and such as lie far out.
CREATE TABLE asked AS
SELECT a, few, missing, wild, color FROM stairs WHERE y < 3
UNION ALL VALUES (NULL::float8, NULL::int, NULL::float8, NULL::float8, NULL::text), (1e30, -7, -1e30, 0, 'pink'), (-1e30, 100, 0, -1e30, '');
CREATE FUNCTION alone(model text, r asked) RETURNS float8 LANGUAGE plpgsql AS
$$ BEGIN RETURN dl.predict(model, r.a, r.few, r.missing, r.wild, r.color); END $$;
SELECT n.name, count(*) FILTER (WHERE dl.predict('from_' || n.name, r.a, r.few, r.missing, r.wild, r.color) = alone('from_' || n.name, r)) = count(*) AS same,
	   bool_and(dl.predict('from_' || n.name, r.a, r.few, r.missing, r.wild, r.color) BETWEEN -6 AND 7) AS in_range
FROM networks n, asked r GROUP BY n.name ORDER BY n.name;

-- Through bytes and back.
SELECT n.name, dl.get('from_' || n.name)::bytea::dl.model = dl.get('from_' || n.name) AS same FROM networks n ORDER BY n.name;

-- It learns: curves follow what a line cannot.
SELECT c.value < l.value / 5 AS better
FROM dl.train('from_curves', 'SELECT a, abs(a) AS y FROM stairs', 'y', network => 'piecewise', epochs => 60, learning_rate => 0.05, seed => 1, quiet => true) c,
	 dl.train('from_line', 'SELECT a, abs(a) AS y FROM stairs', 'y', network => 'linear', epochs => 60, learning_rate => 0.05, seed => 1, quiet => true) l;

-- Mistakes.
DO $$
DECLARE
	network text;
BEGIN
	FOREACH network IN ARRAY ARRAY['piecewise > periodic', 'neighbours > relu', 'neighbours > output', 'neighbours(rows => 0)', 'residual(neighbours)', 'dense(4, init => he)', 'piecewise(bins => 0)', 'realmlp(numbers => 3)'] LOOP
		BEGIN
			PERFORM network::dl.network;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', network, SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;

SET client_min_messages = warning;
SELECT count(dl.drop_model(name)) FROM dl.models WHERE name ~ '^(from|again|other)_';
DROP SCHEMA network_data_test CASCADE;
