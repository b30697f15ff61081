-- retrain.sql: new versions, deployed only if they are better; and the way back.
--
-- Demand for ice cream by temperature and weekday.  The first model is poor, a second is
-- better and deployed, a third is worse and only stored.  Then the world changes,
-- and training on new rows brings a model that is better on them.  Some seconds:
--     psql -f examples/retrain.sql
-- Creates the extension where it is missing, and the table ice_cream.
\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

SELECT setseed(0.6) \gset
CREATE TABLE ice_cream AS
SELECT date '2023-01-01' + i AS day, round((15 - 12 * cos(i * 2 * pi() / 365) + 6 * (random() - 0.5))::numeric, 1) AS temperature,
	   to_char(date '2023-01-01' + i, 'Dy') AS weekday, 0::double precision AS sold
FROM generate_series(0, 1199) i;
UPDATE ice_cream SET sold = round(greatest(temperature - 8, 0) ^ 1.7 * CASE WHEN weekday IN ('Sat', 'Sun') THEN 2 ELSE 1 END + 5 * random());

\echo
\echo '1. A first version is always deployed.'
SELECT version, metric, value, deployed FROM dl.train('ice cream',
	'SELECT temperature, weekday, sold FROM ice_cream', target => 'sold', network => 'linear', epochs => 20, quiet => true);

\echo
\echo '2. A better one takes its place ...'
SELECT version, metric, value, deployed FROM dl.train('ice cream',
	'SELECT temperature, weekday, sold FROM ice_cream', target => 'sold',
	network => 'dense(32, relu) > dense(32, relu)', epochs => 60, learning_rate => 0.01, quiet => true);

\echo
\echo '3. ... a worse one does not.'
SELECT version, metric, value, deployed FROM dl.train('ice cream',
	'SELECT temperature, weekday, sold FROM ice_cream', target => 'sold', network => 'dense(2, relu)', epochs => 10, quiet => true);

SELECT version, deployed, metric, round(value::numeric, 2) AS value, metric_part FROM dl.versions WHERE name = 'ice cream' ORDER BY version;

\echo
\echo '4. A second shop: everybody buys half of it there.  The deployed model does not know yet.'
UPDATE ice_cream SET sold = round(sold / 2);
SELECT metric, round(value::numeric, 2) AS value FROM dl.evaluate('ice cream', 'SELECT temperature, weekday, sold FROM ice_cream');

\echo
\echo '5. Train again.  The rows are others, so the deployed version is measured on the new held-out rows; the notice says how it did.'
SELECT version, metric, value, deployed FROM dl.train('ice cream',
	'SELECT temperature, weekday, sold FROM ice_cream', target => 'sold',
	network => 'dense(32, relu) > dense(32, relu)', epochs => 60, learning_rate => 0.01);

\echo
\echo '6. Back to the version before, and forth again; in a transaction, so that nobody sees the way.'
BEGIN;
SELECT dl.rollback('ice cream') AS "deployed version", round(dl.predict('ice cream', 25, 'Sun')) AS sold;
SELECT dl.deploy('ice cream', 4) AS "deployed version";
SELECT round(dl.predict('ice cream', 25, 'Sun')) AS sold;
COMMIT;

\echo
\echo '7. Versions that nobody needs.'
SELECT version, dl.drop_model('ice cream', version) FROM dl.versions WHERE name = 'ice cream' AND version = 3;
SELECT name, deployed, versions, metric, round(value::numeric, 2) AS value FROM dl.models WHERE name = 'ice cream';
