-- per_group.sql: one model for each group, by the aggregate dl.fit.
--
-- Homes in four regions, each with prices of its own making.  Trains a small network
-- for each region in one SELECT, keeps the models in a table, measures them, and
-- scores new homes by a join.  Some seconds:
--     psql -f examples/per_group.sql
-- Creates the extension where it is missing, and the tables group_homes and group_models.
\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

SELECT setseed(0.4) \gset
CREATE TABLE group_homes AS
SELECT i AS id, (ARRAY['north', 'south', 'east', 'west'])[1 + i % 4] AS region,
	   (30 + 150 * random())::int AS area, (1 + 5 * random())::int AS rooms, (80 * random())::int AS age
FROM generate_series(1, 4000) i;
ALTER TABLE group_homes ADD price double precision;
UPDATE group_homes SET price = round(
	CASE region WHEN 'north' THEN 2.0 * area - age WHEN 'south' THEN 3.5 * area + 0.02 * (age - 40) ^ 2
				WHEN 'east' THEN 1.5 * area + 12 * rooms ELSE 4.0 * area * exp(-age / 100.0) END + 10 * (random() - 0.5));

\echo
\echo 'Train: one model a region.  Homes with a number that 9 divides are kept for later.'
CREATE TABLE group_models AS
SELECT h.region, count(*) AS homes,
	   dl.fit(h.price, f, '{"network": "dense(32, relu) > dense(16, relu)", "epochs": 60, "learning_rate": 0.01, "batch_size": 32}') AS model
FROM group_homes h, LATERAL (SELECT h.area, h.rooms, h.age) f		-- a row with names, so that rows are scored by name
WHERE h.id % 9 > 0
GROUP BY h.region;
ALTER TABLE group_models ADD PRIMARY KEY (region);

\echo
\echo 'What training measured on the rows that it held out, region by region:'
SELECT g.region, g.homes, round(e.value::numeric, 1) AS rmse, octet_length(g.model::bytea) AS bytes
FROM group_models g, dl.evaluate(g.model) e
WHERE e.metric = 'rmse'
ORDER BY g.region;

\echo
\echo 'On the homes that were kept, each scored by the model of its region:'
SELECT region, count(*) AS homes, round(avg(price)) AS "mean price",
	   round(avg(abs(price - dl.predict(g.model, h)))::numeric, 1) AS "mean error"
FROM group_homes h JOIN group_models g USING (region)
WHERE h.id % 9 = 0
GROUP BY region
ORDER BY region;

\echo
\echo 'The same home in every region:'
SELECT region, round(dl.predict(model, 100, 4, 30)) AS price FROM group_models ORDER BY region;

\echo
\echo 'One of them gets a name:'
SELECT dl.put('prices in the north', model) AS version FROM group_models WHERE region = 'north';
SELECT round(dl.predict('prices in the north', 100, 4, 30)) AS price;
