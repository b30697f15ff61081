-- Retraining by itself: when it is time, whether it is due, what is deployed, who may.  The clock is moved by
-- dl.run_due(), far ahead of the real one, so that the scheduler does not join in.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS deep_learning;
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';
CREATE TABLE sales AS
SELECT i AS number, timestamptz '2098-01-01 00:00+00' + i * interval '1 day' AS at, (i % 20)::real AS price, 20.0 - i % 20 AS amount
FROM generate_series(1, 400) AS i;
SELECT version, deployed
FROM dl.train('sales', 'SELECT number, at, price, amount FROM sales', target => 'amount', network => 'dense(16, relu)', epochs => 60, early_stopping => 0,
			  learning_rate => 0.05, seed => 5, quiet => true);

-- Runs what is due at a time; waits for it, and tells what came of it.
CREATE TEMPORARY TABLE submitted (model text, job bigint);
CREATE FUNCTION run_due(moment timestamptz) RETURNS SETOF text LANGUAGE sql AS $$
	DELETE FROM submitted;
	INSERT INTO submitted SELECT * FROM dl.run_due(moment) RETURNING model;
$$;
CREATE FUNCTION outcome() RETURNS TABLE (state text, message text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dl.wait(s.job) FROM submitted s;
	RETURN QUERY SELECT j.state, regexp_replace(j.message, '[0-9]+\.[0-9]+(e-[0-9]+)?', 'N', 'g') FROM submitted s JOIN dl.jobs j ON j.id = s.job;
END
$$;

-- A condition that does not hold costs the look only.
SELECT dl.schedule('sales', every => '1 day', at => '03:00', when_rows => 100, start => '2099-01-01 03:00');
SELECT run_due('2099-01-01 02:59:59');
SELECT * FROM outcome();
SELECT run_due('2099-01-01 03:00');
SELECT * FROM outcome();
SELECT model, owner = current_user AS mine, every, at, time_zone, when_rows, when_drift, only_if_better, training_window, warm_start, keep_versions, catch_up, next_run, last_run,
	   last_state, failures
FROM dl.schedules;

-- The world changes, and enough rows say so: the new version is better on the same held-out rows.
INSERT INTO sales SELECT i, timestamptz '2098-01-01 00:00+00' + i * interval '1 day', (i % 20), (i % 20) * 3 FROM generate_series(401, 900) AS i;
SELECT run_due('2099-01-02 03:00');
SELECT * FROM outcome();
SELECT version, deployed, rows, trained_on FROM dl.versions WHERE name = 'sales' ORDER BY version;

-- Drift of a column, by the population stability index.
SELECT dl.schedule('sales', every => '1 day', when_drift => 0.25, start => '2099-02-01 00:00', keep_versions => 2);
SELECT run_due('2099-02-01 00:00');
SELECT * FROM outcome();
UPDATE sales SET price = price + 30 WHERE number % 2 = 0;
SELECT run_due('2099-02-02 00:00');
SELECT * FROM outcome();
SELECT version, deployed FROM dl.versions WHERE name = 'sales' ORDER BY version;
SELECT deployed AS before FROM dl.models WHERE name = 'sales' \gset

-- A worse one, of rows that tell little, is not deployed; it is where that was said, and can be taken back.
SELECT dl.schedule('sales', every => '1 month', at => '00:00', training_window => 'number BETWEEN 850 AND 880', start => '2099-03-01 00:00');
SELECT run_due('2099-03-01 00:00');
SELECT state, message ~ 'stored, not deployed: .* is not better than' AS told FROM outcome();
SELECT deployed = :before AS kept FROM dl.models WHERE name = 'sales';
SELECT dl.schedule('sales', every => '1 month', at => '00:00', training_window => 'number BETWEEN 850 AND 880', only_if_better => false, start => '2099-03-01 00:00');
SELECT run_due('2099-03-01 00:00');
SELECT state, message ~ 'deployed: only_if_better is false; .* is not better than' AS told FROM outcome();
SELECT deployed = :before AS kept, dl.metadata('sales') -> 'record' ->> 'rows' AS rows FROM dl.models WHERE name = 'sales';
SELECT dl.rollback('sales') = :before AS back;
-- an interval is before now, of the column that is a time: all of these rows are in the future
SELECT dl.schedule('sales', every => '1 day', training_window => '90 days', when_rows => 1000, start => '2099-04-01 00:00');
SELECT run_due('2099-04-01 00:00');
SELECT * FROM outcome();

-- Local time: a day is a day where clocks change, and a time that a day does not have comes an hour later on that day only.
CREATE FUNCTION slots(first timestamptz, count integer) RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
DECLARE
	slot timestamptz := first;
BEGIN
	FOR i IN 1 .. count LOOP
		PERFORM dl.run_due(slot);
		SELECT next_run INTO slot FROM dl.schedules WHERE model = 'sales';
		RETURN NEXT slot;
	END LOOP;
END
$$;
SELECT dl.schedule('sales', every => '1 day', at => '02:30', when_rows => 100000, start => '2099-03-27 02:30');
SELECT * FROM slots('2099-03-27 02:30', 4);
SELECT dl.schedule('sales', every => '1 day', when_rows => 100000, start => '2099-10-24 02:30');
SELECT * FROM slots('2099-10-24 02:30', 3);
SELECT dl.schedule('sales', every => '6 hours', when_rows => 100000, start => '2099-10-24 20:00');
SELECT * FROM slots('2099-10-24 20:00', 3);
SELECT dl.schedule('sales', every => '1 month', at => '12:00', when_rows => 100000, start => '2099-01-31 12:00', time_zone => 'UTC');
SELECT * FROM slots('2099-01-31 12:00+00', 3);
-- missed: one run for all of them, or none
SELECT dl.schedule('sales', every => '1 hour', when_rows => 100000, start => '2099-05-01 00:00');
SELECT count(*) FROM dl.jobs WHERE state IN ('queued', 'running') AND dl.wait(id) = '';
SELECT model FROM dl.run_due('2099-05-03 12:30');
SELECT next_run FROM dl.schedules;
SELECT count(*) FROM dl.jobs WHERE state IN ('queued', 'running') AND dl.wait(id) = '';
SELECT dl.schedule('sales', every => '1 hour', when_rows => 100000, start => '2099-05-01 00:00', catch_up => false);
SELECT model FROM dl.run_due('2099-05-03 12:30');
SELECT next_run FROM dl.schedules;
SELECT model FROM dl.run_due('2099-05-03 13:04');
SELECT count(*) FROM dl.jobs WHERE state IN ('queued', 'running') AND dl.wait(id) = '';

-- A run that fails is tried again, the later the more often; success ends that.
ALTER TABLE sales RENAME TO sales_away;
SELECT dl.unschedule('sales'), dl.unschedule('sales');
ALTER TABLE sales_away RENAME TO sales;
SELECT dl.schedule('sales', every => '1 day', at => '03:00', when_rows => 100000, start => '2099-06-01 03:00');
ALTER TABLE sales RENAME TO sales_away;
SELECT run_due('2099-06-01 03:00');
SELECT * FROM outcome();
SELECT run_due('2099-06-01 03:01');
SELECT last_state, last_message, failures, date_trunc('minute', next_run) AS next_run FROM dl.schedules;
SELECT run_due('2099-06-01 03:06');
SELECT * FROM outcome();
SELECT run_due('2099-06-01 03:07');
SELECT failures, date_trunc('minute', next_run) AS next_run FROM dl.schedules;
ALTER TABLE sales_away RENAME TO sales;
SELECT run_due('2099-06-01 03:17');
SELECT * FROM outcome();
SELECT run_due('2099-06-01 03:20');
SELECT failures, next_run FROM dl.schedules;

-- At once, whatever the conditions say.
SELECT dl.run_now('sales') AS job \gset
SELECT dl.wait(:job);
SELECT kind, message ~ 'version' AS trained FROM dl.jobs WHERE id = :job;
SELECT last_job = :job AS known FROM dl.schedules;

-- The scheduler does the same by itself.
SELECT dl.schedule('sales', every => '1 day', when_rows => 100000, start => clock_timestamp() - interval '1 hour') < now() AS past;
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN (SELECT next_run > clock_timestamp() FROM dl.schedules);
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SELECT dl.wait(last_job), next_run > now() AS later FROM dl.schedules;

-- Whose: rights are those on the model, and nobody's schedules are touched or seen by others.
CREATE ROLE schedule_reader LOGIN;
CREATE ROLE schedule_admin LOGIN;
CREATE ROLE schedule_group NOLOGIN;
SELECT dl.grant_model('sales', 'schedule_reader', 'read'), dl.grant_model('sales', 'schedule_admin', 'admin'), dl.grant_model('sales', 'schedule_group', 'admin');
SELECT dl.schedule('sales', every => '1 day', when_rows => 100000, start => '2099-07-01 00:00');
SET ROLE schedule_reader;
SELECT * FROM dl.schedules;
SELECT dl.schedule('sales', every => '1 day');
SELECT dl.unschedule('sales');
SELECT dl.run_now('sales');
SELECT * FROM dl.run_due('2099-07-01 00:00');
SELECT * FROM dl.retraining;
SET ROLE schedule_group;
SELECT dl.schedule('sales', every => '1 day');
SET ROLE schedule_admin;
SELECT * FROM dl.run_due('2099-07-01 00:00');
-- the job has his rights, too: first it may not read the rows, then not train the model
SELECT dl.schedule('sales', every => '1 day', start => '2099-08-01 00:00');
SELECT model, owner FROM dl.schedules;
RESET ROLE;
SELECT run_due('2099-08-01 00:00');
SELECT * FROM outcome();
GRANT SELECT ON sales TO schedule_admin;
SELECT dl.revoke_model('sales', 'schedule_admin');
SELECT run_due('2099-08-01 00:01');
SELECT run_due('2099-08-01 00:06');
SELECT * FROM outcome();
SELECT sqlstate, count(*) FROM dl.jobs WHERE owner = 'schedule_admin' GROUP BY sqlstate;

-- Nobody is made to run what another has written: who may administer the model could deploy a version with a query of his.
SELECT dl.grant_model('sales', 'schedule_admin', 'admin');
SELECT dl.schedule('sales', every => '1 day', start => '2099-09-01 00:00');
CREATE SCHEMA trap AUTHORIZATION schedule_admin;
SET ROLE schedule_admin;
CREATE FUNCTION trap.spring() RETURNS real LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'schedule_admin' THEN
		RAISE EXCEPTION 'sprung as %', current_user;
	END IF;
	RETURN 1;
END
$$;
SELECT dl.deploy('sales', version) > 0 AS deployed
FROM dl.train('sales', 'SELECT number * trap.spring() AS n, price, amount FROM sales', 'amount', network => 'dense(4)', epochs => 1, quiet => true);
RESET ROLE;
SELECT run_due('2099-09-01 00:00');
SELECT state, regexp_replace(message, '[0-9]+', 'N') AS message FROM outcome();
DO $$
BEGIN
	PERFORM dl.run_now('sales');
EXCEPTION WHEN insufficient_privilege THEN
	RAISE INFO '%', regexp_replace(sqlerrm, '[0-9]+', 'N');
END
$$;
DO $$
BEGIN
	PERFORM dl.put('sales', dl.get('sales'));
	PERFORM dl.deploy('sales', max(version)) FROM dl.versions WHERE name = 'sales';
	PERFORM dl.schedule('sales', every => '1 day');
EXCEPTION WHEN insufficient_privilege THEN
	RAISE INFO '%', regexp_replace(sqlerrm, '[0-9]+', 'N');
END
$$;
-- a query of his own he may
SET ROLE schedule_admin;
SELECT dl.run_now('sales') AS job \gset
SELECT dl.wait(:job);
RESET ROLE;
SELECT dl.rollback('sales') > 0 AS back;

-- A warm start: with the weights of the deployed version.
CREATE TABLE warm AS SELECT i AS number, (i * 7 % 61)::real AS x, chr(97 + i * 5 % 12) AS k, NULL::double precision AS y FROM generate_series(1, 1500) AS i;
UPDATE warm SET y = x / 10 + ascii(k) % 5 + (ascii(k) % 3) * x / 30;
CREATE FUNCTION weights(model text) RETURNS text LANGUAGE sql AS $$
	SELECT substring(dl.metadata(model) -> 'record' ->> 'choices' FROM 'weights: [^\n]*')
$$;
SELECT version, deployed FROM dl.train('warm', 'SELECT x, k, y FROM warm', target => 'y', network => 'embedding(4) > dense(12, tanh)', epochs => 10, learning_rate => 0.02, quiet => true);
SELECT weights('warm');
SELECT dl.schedule('warm', every => '1 day', warm_start => true, only_if_better => false, start => '2099-10-01 00:00');
SELECT warm_start FROM dl.schedules WHERE model = 'warm';
SELECT run_due('2099-10-01 00:00');
SELECT state, message ~ 'deployed' AS deployed FROM outcome();
SELECT weights('warm'), dl.metadata('warm') -> 'record' ->> 'options_given' AS options;
SELECT a.value > 2 * b.value AS better FROM dl.versions a, dl.versions b WHERE (a.name, a.version, b.name, b.version) = ('warm', 1, 'warm', 2);
-- a rate that learns nothing leaves its predictions, though a value is new and others are found elsewhere
SELECT number, dl.predict('warm', w) AS value INTO warm_before FROM warm w ORDER BY number LIMIT 100;
INSERT INTO warm SELECT 2000 + i, i, 'new', 3 FROM generate_series(1, 30) AS i;
SELECT dl.deploy('warm', version) FROM dl.train('warm', 'SELECT k, x, y FROM (SELECT * FROM warm ORDER BY number DESC) AS w', target => 'y',
	network => 'embedding(4) > dense(12, tanh)', epochs => 1, learning_rate => 1e-9, options => '{"warm_start": true}', quiet => true);
SELECT weights('warm'), max(abs(dl.predict('warm', w) - b.value)) < 0.001 AS the_same FROM warm w JOIN warm_before b USING (number);
-- where it cannot be, training begins afresh, and the log says why
ALTER TABLE warm ADD z real DEFAULT 1;
UPDATE warm SET z = number % 17;
SELECT dl.deploy('warm', version) FROM dl.train('warm', 'SELECT x, k, y FROM warm', target => 'y', network => 'dense(4)', epochs => 1, options => '{"warm_start": true}', quiet => true);
SELECT weights('warm');
CREATE VIEW warmer AS SELECT x, k, y FROM warm;
SELECT dl.deploy('warm', version) FROM dl.train('warm', 'SELECT * FROM warmer', target => 'y', network => 'dense(4)', epochs => 1, quiet => true);
CREATE OR REPLACE VIEW warmer AS SELECT x, k, y, z FROM warm;
SELECT run_due('2099-10-02 00:00');
SELECT state FROM outcome();
SELECT level, message, detail FROM dl.job_log WHERE job = (SELECT job FROM submitted WHERE model = 'warm') AND level = 'notice' AND message ~ 'afresh';
SELECT weights('warm');
-- the schedule says it, and not what the version was trained with
SELECT dl.schedule('warm', every => '1 day', only_if_better => false, start => '2099-10-03 00:00');
SELECT run_due('2099-10-03 00:00');
SELECT state FROM outcome();
SELECT weights('warm'), dl.metadata('warm') -> 'record' ->> 'options_given' AS options;
SELECT version FROM dl.train('warmest', 'SELECT x, k, y FROM warm', target => 'y', network => 'dense(4)', epochs => 1, options => '{"warm_start": true}', quiet => true);
SELECT weights('warmest');
SELECT dl.fit(w.y, w, '{"warm_start": true}') FROM warm w;
SELECT dl.drop_model('warm'), dl.drop_model('warmest');

-- What cannot be.
SELECT dl.schedule('sales');
SELECT dl.schedule(NULL, every => '1 day');
SELECT dl.schedule('no_such_model', every => '1 day');
SELECT dl.schedule('sales', every => '59 s');
SELECT dl.schedule('sales', every => '-1 day');
SELECT dl.schedule('sales', every => '36 hours', at => '03:00');
SELECT dl.schedule('sales', every => '1 day', when_rows => 0);
SELECT dl.schedule('sales', every => '1 day', when_drift => 'NaN');
SELECT dl.schedule('sales', every => '1 day', keep_versions => 0);
SELECT dl.schedule('sales', every => '1 day', time_zone => 'Mars/Olympus');
SELECT dl.schedule('sales', every => '1 day', start => 'infinity');
SELECT dl.schedule('sales', every => '1 day', training_window => 'no_such_column > 1');
SELECT dl.put('fitted', dl.fit(s.amount, s, '{"network": "dense(4)", "epochs": 1}')) FROM sales s;
SELECT dl.schedule('fitted', every => '1 day');
BEGIN READ ONLY;
SELECT dl.schedule('sales', every => '1 day');
ROLLBACK;
BEGIN;
SELECT dl.unschedule('sales');
ROLLBACK;
SELECT dl.rename_model('sales', 'sold');
SELECT model FROM dl.schedules;
SELECT dl.drop_model('sold');
SELECT count(*) FROM dl.retraining;
DROP SCHEMA trap CASCADE;
DROP OWNED BY schedule_admin, schedule_reader, schedule_group;
DROP ROLE schedule_admin, schedule_reader, schedule_group;
