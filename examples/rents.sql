-- rents.sql: what should a flat cost?  A table with nothing but its target given.
--
-- Makes 3,000 flats up (setseed: always the same), with gaps and a few wild rows.  Trains
-- several networks in the time allowed, shows them, asks how sure the average is, finds flats that are too
-- cheap or too dear, and keeps a small model for scoring many rows.  A quarter of a minute:
--     psql -f examples/rents.sql
-- Creates the extension where it is missing, and the table rent_flats.
\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

SELECT setseed(0.11) \gset
CREATE TABLE rent_flats AS
SELECT i AS id, (20 + 130 * random() ^ 1.5)::int AS area, (1 + 4 * random())::int AS rooms,
	   'district ' || 1 + floor(30 * random() ^ 2)::int AS district,
	   CASE WHEN random() < 0.85 THEN date '1900-01-01' + floor(45000 * random())::int END AS built,	-- unknown for some
	   (ARRAY['gas', 'oil', 'district heating', 'heat pump'])[1 + floor(4 * random())::int] AS heating,
	   floor(6 * random())::int AS floor, random() < 0.4 AS lift,
	   CASE WHEN random() < 0.2 THEN 'test' WHEN random() < 0.2 THEN 'validation' ELSE 'train' END AS part
FROM generate_series(1, 3000) i;
ALTER TABLE rent_flats ADD rent double precision;
UPDATE rent_flats SET rent = round(area * (12 + 5 * sin(substr(district, 10)::int * 2.1)
	+ CASE WHEN built > '2000-01-01' THEN 4 WHEN built < '1930-01-01' THEN 2 ELSE 0 END
	+ CASE WHEN floor > 2 AND NOT lift THEN -2.5 ELSE 0.3 * floor END) * (0.9 + 0.2 * random())
	* CASE WHEN id % 300 = 7 THEN 6 ELSE 1 END);	-- ten castles

\echo
\echo 'Train, in at most 15 seconds.  It takes the columns as they are.'
SELECT model, rows, metric, round(value::numeric, 1) AS value, seconds::int FROM dl.train('rent',
	'SELECT area, rooms, district, built, heating, floor, lift, rent, part FROM rent_flats',
	target => 'rent', split_column => 'part', max_seconds => 15, prediction_interval => 0.9, quiet => true);

\echo
\echo 'What was trained: numbers seen in different ways, each with its error on the validation rows and its share of the model.'
SELECT trial, split_part(network, ' >', 1) AS "first layer", target, round(measure::numeric, 1) AS rmse, round(weight::numeric, 2) AS weight, state
FROM dl.trials('rent') ORDER BY measure;

\echo
\echo 'Do nine of ten rents of flats that it has not seen lie in their intervals?'
SELECT round(100 * avg((rent BETWEEN p.low AND p.high)::int), 1) || ' %' AS within,
	   round(avg(p.high - p.low)) AS "mean width", round(avg(rent)) AS "mean rent"
FROM rent_flats f, dl.predict_interval('rent', f) p
WHERE part = 'test';

\echo
\echo 'The cheapest and the dearest for what they are:'
(SELECT id, area, district, rent, round(p.low) AS low, round(p.value) AS expected, round(p.high) AS high
 FROM rent_flats f, dl.predict_interval('rent', f) p WHERE rent < p.low ORDER BY rent / p.value LIMIT 3)
UNION ALL
(SELECT id, area, district, rent, round(p.low), round(p.value), round(p.high)
 FROM rent_flats f, dl.predict_interval('rent', f) p WHERE rent > p.high ORDER BY rent / p.value DESC LIMIT 3);

\echo
\echo 'One network alone is smaller and faster, for many rows:'
SELECT count(*) AS trained FROM dl.train('rent_fast',
	'SELECT area, rooms, district, built, heating, floor, lift, rent, part FROM rent_flats',
	target => 'rent', split_column => 'part', effort => 'fast', quiet => true);
SELECT name, round(value::numeric, 1) AS rmse, bytes FROM dl.models WHERE name LIKE 'rent%' ORDER BY name;
