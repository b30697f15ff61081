-- A model in use: dl.drift finds what has changed and nothing else, dl.performance shows
-- the metrics over time.
CREATE SCHEMA drift_test;
SET search_path = drift_test;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
SET TimeZone = 'Europe/Berlin';
SET DateStyle = ISO;

-- Fisher's irises
CREATE TABLE iris (sepal_length real, sepal_width real, petal_length real, petal_width real, species text, fold int);
\copy iris FROM 'examples/iris.csv' (FORMAT csv, HEADER)
CREATE VIEW learnt AS SELECT sepal_length, sepal_width, petal_length, petal_width, species, CASE WHEN fold < 4 THEN 'train' ELSE 'test' END AS part FROM iris;
SELECT task FROM dl.train('iris', 'learnt', 'species', network => 'dense(16, tanh)', epochs => 60, learning_rate => 0.02, split_column => 'part', quiet => true);

\echo -- the same flowers: nothing has changed
SELECT part, name, kind, rows, statistic, p_value > 0.05 AS chance, nulls_trained, nulls, unseen < 0.1 AS seen, verdict
FROM dl.drift('iris', 'SELECT * FROM drift_test.iris WHERE fold > 3');

\echo -- another place, where sepals are longer: that column alone, and no one knows yet what they are
SELECT part, name, kind, rows, round(psi::numeric, 2) AS psi, round(value::numeric, 3) AS value, p_value < 0.001 AS certain, round(unseen::numeric, 2) AS unseen, verdict, change
FROM dl.drift('iris', 'SELECT sepal_length + 1 AS sepal_length, sepal_width, petal_length, petal_width FROM drift_test.iris')
WHERE part = 'column';

\echo -- and the predictions, where one species is gone
SELECT part, name, kind, statistic, verdict, change FROM dl.drift('iris', $$SELECT * FROM drift_test.iris WHERE species <> 'setosa'$$) WHERE part <> 'column';

\echo -- every kind of column, one of which changes at a time
CREATE TABLE base AS
SELECT i, sin(i) * 10 AS x, ('{web,shop,phone}'::text[])[1 + i * 7 % 11 % 3] AS channel, 'item ' || ('x' || substr(md5(i::text), 1, 7))::bit(28)::int % 1000 AS item, i * 13 % 17 < 5 AS flag, date '2025-01-01' + i * 37 % 365 AS day,
	   timestamptz '2025-01-01 00:00+00' + i * 37 % 365 * interval '1 day 3 hours' AS at, substr(md5(i::text), 1, 8 + i % 9) || ' text ' || i AS note, ARRAY[cos(i), sin(2 * i), NULL] AS three,
	   CASE WHEN i % 10 > 0 THEN cos(i * 3) END AS gaps
FROM generate_series(1, 3000) AS i;
ALTER TABLE base ADD y float8;
UPDATE base SET y = x + CASE channel WHEN 'web' THEN 5 ELSE 0 END + coalesce(gaps, 0);
SELECT task FROM dl.train('every', 'SELECT x, channel, item, flag, day, at, note, three, gaps, y FROM base', 'y', network => 'dense(8, relu)', epochs => 8, learning_rate => 0.02, quiet => true);
CREATE FUNCTION changed(query text) RETURNS TABLE (part text, name text, kind text, statistic text, verdict text, nulls numeric, unseen numeric, change text) LANGUAGE sql AS $$
SELECT part, name, kind, statistic, verdict, nulls::numeric(4, 2), unseen::numeric(4, 2), change FROM dl.drift('every', query) AS d WHERE verdict <> 'stable'
$$;
SELECT part, name, kind, rows, statistic, verdict, nulls_trained::numeric(3, 2), nulls::numeric(3, 2) FROM dl.drift('every', 'base');
SELECT * FROM changed('SELECT * FROM base WHERE i % 7 = 0');
SELECT part, name, kind, statistic, verdict FROM changed('SELECT x * 1.5 + 4 AS x, channel, item, flag, day, at, note, three, gaps FROM base');
SELECT * FROM changed($$SELECT x, CASE WHEN i % 4 = 0 THEN 'fax' ELSE channel END AS channel, item, flag, day, at, note, three, gaps FROM base$$) WHERE part = 'column';
SELECT * FROM changed($$SELECT x, CASE WHEN i % 4 > 0 THEN 'web' ELSE channel END AS channel, item, flag, day, at, note, three, gaps FROM base$$) WHERE part = 'column';
SELECT * FROM changed($$SELECT x, channel, item, flag, day, at, note, three, CASE WHEN i % 5 > 1 THEN gaps END AS gaps FROM base$$) WHERE part = 'column';
SELECT * FROM changed('SELECT x, channel, item, flag OR i % 3 = 0 AS flag, day + 120 AS day, at, note, three, gaps FROM base') WHERE part = 'column';
SELECT * FROM changed($$SELECT x, channel, item, flag, day, at + interval '200 days' AS at, note || ' and more' AS note, ARRAY[three[1] + 1, three[2], NULL] AS three, gaps FROM base$$) WHERE part = 'column';
SELECT * FROM changed('SELECT NULL::float8 AS x, channel, item, flag, day, at, note, three, gaps FROM base') WHERE part = 'column';
-- a column of many values: new ones are nothing new, but not so many
SELECT name, unseen::numeric(4, 2), verdict FROM dl.drift('every', $$SELECT x, channel, 'item ' || ('x' || substr(md5(i || 'later'), 1, 7))::bit(28)::int % 1000 AS item, flag, day, at, note, three, gaps FROM base$$) WHERE name = 'item';
SELECT name, unseen::numeric(4, 2), verdict FROM dl.drift('every', $$SELECT x, channel, 'item ' || ('x' || substr(md5(i || 'later'), 1, 7))::bit(28)::int % 1300 AS item, flag, day, at, note, three, gaps FROM base$$) WHERE name = 'item';
-- the target, where it is known
SELECT part, name, rows, verdict FROM dl.drift('every', 'SELECT * , CASE WHEN i % 2 = 0 THEN y + 8 END AS z FROM base') WHERE part = 'target';
SELECT part, name, rows, statistic, nulls, verdict FROM dl.drift('every', 'SELECT x, channel, item, flag, day, at, note, three, gaps, CASE WHEN i % 2 = 0 THEN y + 8 END AS y FROM base') WHERE part = 'target';
-- few rows are no proof
SELECT bool_and(verdict = 'stable') AS stable FROM dl.drift('every', 'SELECT * FROM base WHERE i IN (17, 130, 2222, 512, 99)');

\echo -- the statistics against what SQL counts
CREATE VIEW more_web AS SELECT x, CASE WHEN i % 9 = 0 THEN 'web' ELSE channel END AS channel, item, flag, day, at, note, three, gaps FROM base;
WITH learnt AS (SELECT m -> 'columns' -> 1 -> 'vocabulary' AS vocabulary, m -> 'statistics' -> 'columns' -> 1 AS s FROM dl.metadata('every') AS m),
	 was AS (SELECT vocabulary ->> level::int AS channel, (s -> 'counts' ->> (n - 1)::int)::float8 AS rows
			 FROM learnt, jsonb_array_elements_text(s -> 'levels') WITH ORDINALITY AS l (level, n)),
	 now AS (SELECT channel, count(*)::float8 AS rows FROM more_web GROUP BY channel),
	 both_rows AS (SELECT was.rows AS a, now.rows AS b, sum(was.rows) OVER () AS n, sum(now.rows) OVER () AS m FROM was JOIN now USING (channel)),
	 counted AS (SELECT sum((b / m - a / n) * ln((b / m) / (a / n))) AS psi, sum((b - (a + b) * m / (n + m)) ^ 2 / ((a + b) * m / (n + m)) + (a - (a + b) * n / (n + m)) ^ 2 / ((a + b) * n / (n + m))) AS chi
				 FROM both_rows)
SELECT abs(d.psi - c.psi) < 1e-9 AS psi, abs(d.value - chi) < 1e-6 AS chi_square, abs(d.p_value / exp(-chi / 2) - 1) < 1e-6 AS p_of_two_degrees
FROM counted AS c, dl.drift('every', 'more_web') AS d WHERE d.name = 'channel';
WITH learnt AS (SELECT m -> 'statistics' -> 'columns' -> 0 AS s FROM dl.metadata('every') AS m),
	 was AS (SELECT (s ->> 'high')::float8 + (s ->> 'offset')::float8 AS edge, 1 AS below FROM learnt UNION ALL
			 SELECT edge + (s ->> 'offset')::float8 AS edge, sum((s -> 'counts' ->> (n - 1)::int)::float8) OVER (ORDER BY n) / (s ->> 'rows')::float8 AS below
			 FROM learnt, LATERAL (SELECT edge::float8, n FROM jsonb_array_elements_text(s -> 'edges') WITH ORDINALITY AS l (edge, n)) AS l)
SELECT abs(max(abs(below - (SELECT avg((x + 2 <= edge)::int) FROM base))) - (SELECT value FROM dl.drift('every', 'SELECT x + 2 AS x, channel, item, flag, day, at, note, three, gaps FROM base') WHERE name = 'x')) < 0.002 AS kolmogorov_smirnov
FROM was;

\echo -- by value, by name, and as a table
SELECT count(*) AS rows, bool_and(v = n) AS same FROM dl.drift(dl.get('every'), 'base') AS v JOIN dl.drift('every', 'TABLE base') AS n USING (part, name);
SELECT count(*) FROM (SELECT dl.fit(y, (x, flag), '{"network": "linear", "epochs": 2}') AS model FROM base) AS m, dl.drift(m.model, 'SELECT x AS f1, flag AS f2 FROM base') WHERE verdict = 'stable';
SELECT part, name, kind FROM dl.drift((SELECT dl.fit(ARRAY[y, x], (gaps, flag), '{"network": "linear", "epochs": 2}') FROM base), 'SELECT gaps AS f1, flag AS f2 FROM base');
-- a model as they were before there were statistics
CREATE FUNCTION without_statistics(model dl.model) RETURNS dl.model LANGUAGE sql AS $$
SELECT overlay(model::bytea PLACING 'statistiks'::bytea FROM position('statistics'::bytea IN model::bytea))::dl.model
$$;
SELECT dl.predict(without_statistics(dl.get('every')), b) = dl.predict('every', b) AS scores_the_same FROM base AS b WHERE i = 5;
SELECT * FROM dl.drift(without_statistics(dl.get('every')), 'base');
SELECT count(*) FROM dl.performance(without_statistics(dl.get('every')), 'base');
SELECT dl.put('old', without_statistics(dl.get('every')));
SELECT * FROM dl.drift('old', 'base');

\echo -- the same training gives the same statistics
SELECT task FROM dl.train('again', 'SELECT x, channel, item, flag, day, at, note, three, gaps, y FROM base', 'y', network => 'dense(8, relu)', epochs => 8, learning_rate => 0.02, quiet => true);
SELECT dl.get('every') = dl.get('again') AS same_bytes;
-- a few hundred bytes a column
SELECT length(dl.metadata('every') ->> 'statistics') / 12 BETWEEN 100 AND 300 AS small;

\echo -- errors
SELECT * FROM dl.drift('no such model', 'base');
SELECT * FROM dl.drift('every', 'SELECT x, channel FROM base');
SELECT * FROM dl.drift('every', 'SELECT x::text AS x, channel, item, flag, day, at, note, three, gaps FROM base');
SELECT * FROM dl.drift('every', 'SELECT * FROM base WHERE false');
SELECT * FROM dl.drift('every', $$SELECT 'infinity'::float8 AS x, channel, item, flag, day, at, note, three, gaps FROM base$$);
SELECT * FROM dl.drift('every', 'SELECT x, channel, item, flag, day, at, note, three, gaps, channel AS y FROM base');
SELECT * FROM dl.drift('every', 'DELETE FROM base');
SELECT * FROM dl.drift('every', NULL);
SELECT * FROM dl.drift(NULL::dl.model, 'base');
CREATE ROLE drift_monitor;
GRANT USAGE ON SCHEMA drift_test TO drift_monitor;
SELECT dl.grant_model('every', 'drift_monitor', 'use');
SET ROLE drift_monitor;
SELECT * FROM dl.drift('every', 'base');
SELECT * FROM dl.performance('every', 'base');
RESET ROLE;
SELECT dl.grant_model('every', 'drift_monitor', 'read');
GRANT SELECT ON base TO drift_monitor;
ALTER TABLE base ENABLE ROW LEVEL SECURITY;
CREATE POLICY a_third ON base FOR SELECT TO drift_monitor USING (i <= 1000);
SET ROLE drift_monitor;
SELECT DISTINCT rows FROM dl.drift('every', 'base');
SELECT DISTINCT rows FROM dl.performance('every', 'base');
RESET ROLE;
ALTER TABLE base DISABLE ROW LEVEL SECURITY;

\echo -- performance: without a time all rows at once, as dl.evaluate has it
SELECT p.period, p.rows, p.metric, p.value = e.value AS evaluated, p.held_out = t.value AS held_out
FROM dl.performance('every', 'base') AS p JOIN dl.evaluate('every', 'base') AS e USING (metric) JOIN dl.evaluate('every') AS t USING (metric);
-- decay: from the fifth month on the price is another
CREATE VIEW sold AS SELECT i, x, channel, item, flag, day, at, at::timestamp AS plain, note, three, gaps, y + CASE WHEN day >= '2025-05-01' THEN 10 ELSE 0 END AS y FROM base;
SELECT period, rows, metric, value > 2 * held_out AS decayed FROM dl.performance('every', 'sold', 'day', '1 month') WHERE metric = 'rmse';
SELECT period, rows, abs(value - (SELECT sqrt(avg((y - dl.predict('every', s)) ^ 2)) FROM sold AS s WHERE date_trunc('month', s.day) = p.period)) < 1e-4 AS right
FROM dl.performance('every', 'sold', time_column => 'day', bucket => '1 month') AS p WHERE metric = 'rmse' LIMIT 3;
SELECT count(*) AS weeks, bool_and(extract(isodow FROM period) = 1 AND period = date_trunc('week', period)) AS mondays, sum(rows) AS rows FROM dl.performance('every', 'sold', 'day', '7 days') WHERE metric = 'mae';
SELECT count(*) AS days, bool_and(period = date_trunc('day', period)) AS midnights, sum(rows) AS rows FROM dl.performance('every', 'sold', 'at') WHERE metric = 'mae';
SELECT count(*) AS quarters, bool_and(period = date_trunc('quarter', period)) AS right FROM dl.performance('every', 'sold', 'plain', '3 months') WHERE metric = 'mae';
SELECT count(DISTINCT date_trunc('hour', at)) = (SELECT count(*) FROM dl.performance('every', 'sold', 'at', '1 hour') WHERE metric = 'mae') AS hours FROM sold;
-- the clocks change: a day of 23 hours is one day; hours are hours
SELECT period, rows FROM dl.performance('every', $$SELECT s.*, timestamptz '2025-03-29 12:00+01' + i * interval '1 hour' AS t FROM drift_test.sold AS s WHERE i <= 47$$, 't') WHERE metric = 'mae';
SELECT count(*), max(rows) FROM dl.performance('every', $$SELECT s.*, timestamptz '2025-10-25 12:00+02' + i * interval '1 hour' AS t FROM drift_test.sold AS s WHERE i <= 48$$, 't', '1 hour') WHERE metric = 'mae';
-- before the origin, and without a time
SELECT period, rows, metric FROM dl.performance('every', $$SELECT s.*, CASE WHEN i % 2 = 0 THEN date '1899-12-31' + i END AS d FROM drift_test.sold AS s WHERE i <= 20$$, 'd', '1 year') WHERE metric = 'mae';
SELECT period, rows FROM dl.performance('every', $$SELECT s.*, date '0044-03-15 BC' AS d FROM drift_test.sold AS s WHERE i <= 20$$, 'd', '10 days') WHERE metric = 'mae';
-- classes
SELECT period, rows, metric, round(value::numeric, 1) AS value FROM dl.performance('iris', 'SELECT *, date ''2026-01-01'' + fold AS day FROM drift_test.iris', 'day', '2 days') WHERE metric IN ('accuracy', 'f1');

\echo -- errors of performance
SELECT * FROM dl.performance('every', 'sold', 'when');
SELECT * FROM dl.performance('every', 'sold', 'x');
SELECT * FROM dl.performance('every', 'sold', 'day', '0 days');
SELECT * FROM dl.performance('every', 'sold', 'day', '-1 month');
SELECT * FROM dl.performance('every', 'sold', 'day', '1 month 1 day');
SELECT * FROM dl.performance('every', 'sold', 'day', '2147483647 days');
SELECT * FROM dl.performance('every', 'sold', 'day', NULL);
SELECT * FROM dl.performance('every', $$SELECT s.*, 'infinity'::date AS d FROM drift_test.sold AS s$$, 'd');
SELECT * FROM dl.performance('every', 'SELECT x, channel FROM drift_test.base');
SELECT * FROM dl.performance('every', 'SELECT * FROM drift_test.base WHERE false');
SELECT * FROM dl.performance('iris', $$SELECT *, 'rose' AS species FROM drift_test.iris$$);

\echo -- cancelled in the middle of a pass that would take hours
SET statement_timeout = '200ms';
SELECT count(*) FROM dl.drift('every', 'SELECT b.* FROM base AS b, generate_series(1, 100000000)');
SELECT count(*) FROM dl.performance('iris', 'SELECT b.* FROM drift_test.iris AS b, generate_series(1, 3000000)');
RESET statement_timeout;

SELECT dl.drop_model(name) FROM dl.models WHERE name IN ('iris', 'every', 'again', 'old') ORDER BY name;
DROP SCHEMA drift_test CASCADE;
DROP ROLE drift_monitor;
