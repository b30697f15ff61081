-- churn.sql: will a customer leave?  Two classes, columns of several types.
--
-- Makes 4,000 customers up (setseed: always the same), trains a network to tell who
-- leaves, compares it with what is known to be behind the data, finds the customers
-- to call, and shows what the model makes of one of them.  Some seconds:
--     psql -f examples/churn.sql
-- Creates the extension where it is missing, and the tables churn_customers and (temporary) one.
\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

BEGIN;
SELECT setseed(0.2026) \gset
CREATE TABLE churn_customers AS
SELECT i AS id,
	   (18 + 60 * random())::int AS age,
	   (ARRAY['basic', 'basic', 'plus', 'pro'])[1 + floor(4 * random())::int] AS plan,
	   date '2020-01-01' + floor(2000 * random())::int AS since,
	   CASE WHEN random() < 0.9 THEN round((150 * random() ^ 2)::numeric, 2) END AS spent,	-- unknown for a tenth
	   floor(5 * random() ^ 3)::int AS complaints,
	   random() < 0.4 AS newsletter
FROM generate_series(1, 4000) i;

-- What is behind it: the probability that a customer leaves, which the model is to find.
ALTER TABLE churn_customers ADD truth double precision, ADD churned boolean;
UPDATE churn_customers SET truth = 1 / (1 + exp(
	1.5 - 1.2 * complaints + CASE plan WHEN 'pro' THEN 1.5 WHEN 'plus' THEN 0.5 ELSE -0.3 END
	- (date '2026-01-01' - since) / -900.0 * CASE WHEN newsletter THEN 1 ELSE 0.3 END - abs(age - 45) / 15.0));
UPDATE churn_customers SET churned = random() < truth;
COMMIT;

\echo
\echo 'Train.  truth and id are not selected: the model must not see the first, and the second says nothing.'
SELECT * FROM dl.train('churn',
	'SELECT age, plan, since, spent, complaints, newsletter, churned FROM churn_customers',
	target => 'churned', network => 'mlp(32, 32, dropout => 0.1)', epochs => 40, learning_rate => 0.003);

\echo
\echo 'On customers that it was not trained on:'
SELECT metric, round(value::numeric, 3) AS value, rows FROM dl.evaluate('churn');

\echo
\echo 'Are 30 of 100 customers of whom it says 30 % really leaving?  (All customers, also those it learnt from.)'
SELECT width_bucket(p, 0, 1, 5) * 20 - 20 || ' to ' || width_bucket(p, 0, 1, 5) * 20 || ' %' AS predicted,
	   count(*) AS customers, round(100 * avg(churned::int)) || ' %' AS left, round(100 * avg(truth)::numeric) || ' %' AS truth
FROM (SELECT churned, truth, dl.predict('churn', c) AS p FROM churn_customers c) s
GROUP BY width_bucket(p, 0, 1, 5)
ORDER BY width_bucket(p, 0, 1, 5);

\echo
\echo 'Whom to call first: customers that are there, by risk times what they spend.'
SELECT id, plan, since, spent, complaints, round(risk::numeric, 2) AS risk
FROM (SELECT c.*, dl.predict('churn', c) AS risk FROM churn_customers c WHERE NOT churned) s
ORDER BY risk * spent DESC NULLS LAST
LIMIT 5;

\echo
\echo 'What if this customer had no complaints, or another plan?'
CREATE TEMP TABLE one AS SELECT * FROM churn_customers WHERE complaints > 2 AND plan = 'basic' ORDER BY id LIMIT 1;
SELECT what, round(dl.predict('churn', o.age, w.plan, o.since, o.spent, w.complaints, o.newsletter)::numeric, 2) AS risk
FROM one o, LATERAL (VALUES ('as it is', o.plan, o.complaints), ('no complaints', o.plan, 0), ('plan pro', 'pro', o.complaints)) w (what, plan, complaints);
