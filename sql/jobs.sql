-- Background jobs: the queue, who may do what, how jobs end.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
\set VERBOSITY terse
CREATE TABLE job_rows AS
SELECT sin(i)::real AS a, cos(i * 1.7)::real AS b, NULLIF(i % 50, 0)::real AS c, sin(i) + cos(i * 0.3) AS y FROM generate_series(1, 400) AS i;

-- a job gives the same model as dl.train, byte for byte
SELECT dl.submit('job_first', 'job_rows', 'y', network => 'dense(8, relu)', epochs => 4, seed => 1) AS id \gset
SELECT dl.wait(:id);
SELECT state, kind, model, owner = current_user AS mine, pid, priority, epoch, epochs, attempts, version, waiting_for, sqlstate, message
FROM dl.jobs WHERE id = :id;
SELECT started >= submitted AND ended >= started AS in_order FROM dl.jobs WHERE id = :id;
SELECT model, version FROM dl.train('job_same', 'job_rows', 'y', network => 'dense(8, relu)', epochs => 4, seed => 1, quiet => true);
SELECT dl.get('job_first')::bytea = dl.get('job_same')::bytea AS same;
SELECT trained_on FROM dl.versions WHERE name = 'job_first';
SELECT attempt, member, h.epoch, h.best, h.training_loss = m.training_loss AS same_loss, h.measure = m.measure AS same_measure
FROM dl.history(:id) AS h JOIN dl.history('job_first') AS m USING (epoch) ORDER BY epoch;

-- all arguments arrive
CREATE VIEW job_rows_parts AS
SELECT a, b, c, y > 0 AS y, 1 AS w, CASE WHEN a > 0.9 THEN 'test' WHEN b > 0.8 THEN 'validation' ELSE 'train' END AS part FROM job_rows;
SELECT dl.submit('job_full', 'job_rows_parts', 'y', task => 'binary',
	network => 'dense(4)', epochs => 3, batch_size => 32, learning_rate => 0.0001, optimizer => 'sgd', early_stopping => 2,
	split_column => 'part', weight_column => 'w', seed => -9007199254740993, effort => 'fast', max_seconds => 1000.5,
	optimize => 'f1', matmul_precision => 'highest', quiet => true, options => '{"momentum": 0.5, "epochs": 7, "scaling": "robust"}') AS id \gset
SELECT dl.wait(:id);
SELECT model, version FROM dl.train('job_full_same', 'job_rows_parts', 'y', task => 'binary',
	network => 'dense(4)', epochs => 3, batch_size => 32, learning_rate => 0.0001, optimizer => 'sgd', early_stopping => 2,
	split_column => 'part', weight_column => 'w', seed => -9007199254740993, effort => 'fast', max_seconds => 1000.5,
	optimize => 'f1', matmul_precision => 'highest', quiet => true, options => '{"momentum": 0.5, "epochs": 7, "scaling": "robust"}');
SELECT dl.get('job_full')::bytea = dl.get('job_full_same')::bytea AS same;

-- notices are in the log
SELECT dl.submit('job_notice', 'SELECT a, b, 5 AS constant, y FROM job_rows', 'y', network => 'dense(4)', epochs => 2) AS id \gset
SELECT dl.wait(:id);
SELECT level, regexp_replace(message, 'process \d+', 'process N') AS message FROM dl.job_log WHERE job = :id;

-- what can be known is said at once
SELECT dl.submit(NULL, 'job_rows', 'y');
SELECT dl.submit('job_bad', 'no_such_table', 'y');
SELECT dl.submit('job_bad', 'job_rows', 'y', network => 'dens(4)');
SELECT dl.submit('job_bad', 'job_rows', 'y', options => '{"epoch": 1}');
SELECT dl.submit('job_bad', 'DELETE FROM job_rows RETURNING *', 'y');
SELECT dl.submit('job_bad', 'SELECT 1; SELECT 2', 'y');
SELECT dl.submit('job_bad', 'SELECT * FROM job_rows', 'y', device => 'gpu');
CREATE TEMPORARY TABLE job_temporary AS SELECT * FROM job_rows;
SELECT dl.submit('job_bad', 'SELECT * FROM job_temporary', 'y');
BEGIN READ ONLY;
SELECT dl.submit('job_bad', 'job_rows', 'y');
ROLLBACK;

-- what cannot is kept with the job
SELECT dl.submit('job_bad', 'SELECT a, 1 / (a::integer * 0) AS b, y FROM job_rows', 'y') AS id \gset
SELECT dl.wait(:id);
SELECT state, sqlstate, message, detail, hint, version FROM dl.jobs WHERE id = :id;
SELECT level, message, context FROM dl.job_log WHERE job = :id AND level = 'error';
SELECT dl.submit('job_bad', 'job_rows', 'no_such_column') AS id \gset
SELECT dl.wait(:id);
SELECT state, sqlstate, message, detail, hint FROM dl.jobs WHERE id = :id;
CREATE FUNCTION job_refuse(real) RETURNS real LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'refused' USING ERRCODE = 'DL123', DETAIL = 'the detail', HINT = 'the hint';
END $$;
SELECT dl.submit('job_bad', 'SELECT job_refuse(a) AS a, y FROM job_rows', 'y', network => 'dense(4)', epochs => 1) AS id \gset
SELECT dl.wait(:id);
SELECT state, sqlstate, message, detail, hint FROM dl.jobs WHERE id = :id;
SELECT context LIKE '%job_refuse%' AS has_context FROM dl.job_log WHERE job = :id AND level = 'error';
SELECT count(*) FROM dl.models WHERE name = 'job_bad';

-- again
CREATE OR REPLACE FUNCTION job_refuse(real) RETURNS real LANGUAGE sql AS 'SELECT $1';
SELECT dl.retry(:id);
SELECT dl.wait(:id);
SELECT state, sqlstate, message, detail, hint, attempts FROM dl.jobs WHERE id = :id;
SELECT dl.retry(:id);
SELECT dl.retry(123456789);

-- with the transaction
BEGIN;
SELECT dl.submit('job_rolled_back', 'job_rows', 'y') AS id \gset
SELECT state FROM dl.jobs WHERE id = :id;
SAVEPOINT s;
SELECT dl.wait(:id);
ROLLBACK TO s;
SELECT dl.cancel(:id);
ROLLBACK;
SELECT count(*) FROM dl.jobs WHERE id = :id;
SELECT dl.wait(:id);
BEGIN;
CREATE TABLE job_new_rows AS SELECT * FROM job_rows;
SELECT dl.submit('job_new', 'job_new_rows', 'y', network => 'dense(4)', epochs => 1) AS id \gset
SELECT state, waiting_for FROM dl.jobs WHERE id = :id;
COMMIT;
SELECT dl.wait(:id);

-- later, and cancelled
SELECT dl.submit('job_later', 'job_rows', 'y', not_before => now() + interval '1 day', priority => 3) AS id \gset
SELECT dl.wait(:id, '0');
DO $$ BEGIN FOR i IN 1 .. 1000 LOOP EXIT WHEN (SELECT waiting_for FROM dl.jobs WHERE model = 'job_later') LIKE 'its time%'; PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT state, priority, waiting_for, pid FROM dl.jobs WHERE id = :id;
SELECT dl.cancel(:id);
SELECT dl.cancel(:id);
SELECT dl.cancel(123456789);
SELECT dl.cancel(NULL);
SELECT dl.wait(NULL);
SELECT dl.wait(:id), state, message = 'cancelled by ' || current_user AS by_me FROM dl.jobs WHERE id = :id;

-- one that runs
SELECT dl.submit('job_endless', 'job_rows', 'y', network => 'dense(64, relu)', epochs => 1000000, early_stopping => 0) AS id \gset
DO $$ BEGIN FOR i IN 1 .. 3000 LOOP EXIT WHEN (SELECT epoch FROM dl.jobs WHERE model = 'job_endless') > 0; PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT state, pid = (SELECT a.pid FROM pg_stat_activity a WHERE backend_type = 'deep_learning job') AS pid, epoch > 0 AS learns FROM dl.jobs WHERE id = :id;
SELECT application_name = 'deep_learning job ' || :id AS named, usename = current_user AS as_me, datname = current_database() AS here
FROM pg_stat_activity WHERE backend_type = 'deep_learning job';
SELECT count(*) > 0 AS grows FROM dl.history(:id);
SELECT dl.cancel(:id);
SELECT dl.wait(:id);
SELECT state, sqlstate, message, version FROM dl.jobs WHERE id = :id;
SELECT count(*) FROM dl.models WHERE name = 'job_endless';

-- settings of the session that submitted it
CREATE SCHEMA job_schema;
CREATE TABLE job_schema.job_hidden AS SELECT * FROM job_rows;
SET search_path = job_schema, public;
SET TimeZone = 'Asia/Tokyo';
SELECT dl.submit('job_path', 'SELECT a, b, current_setting(''TimeZone'') = ''Asia/Tokyo'' AS tokyo, y FROM job_hidden', 'y', network => 'dense(4)', epochs => 1, quiet => true) AS id \gset
RESET TimeZone;
RESET search_path;
SELECT dl.wait(:id);
SELECT dl.metadata('job_path') -> 'record' ->> 'search_path' AS search_path, dl.metadata('job_path') -> 'record' ->> 'timezone' AS time_zone;

-- a job that has ended is removed by hand; or by the scheduler, long after its end
SELECT dl.submit('job_gone', 'job_rows', 'y', network => 'dense(4)', epochs => 2, quiet => true) AS gone \gset
SELECT dl.wait(:gone);
BEGIN;
SELECT dl.submit('job_gone', 'job_rows', 'y', network => 'dense(4)', epochs => 2, not_before => 'infinity', quiet => true) AS waiting \gset
DO $$
BEGIN
	PERFORM dl.drop_job(max(id)) FROM dl.jobs;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RAISE INFO '%', regexp_replace(sqlerrm, '[0-9]+', 'N');
END
$$;
ROLLBACK;
SELECT dl.drop_job(:gone);
SELECT (SELECT count(*) FROM dl.jobs WHERE id = :gone), (SELECT count(*) FROM dl.job_event WHERE job = :gone), (SELECT count(*) FROM dl.job_epoch WHERE job = :gone),
	   (SELECT count(*) FROM dl.versions WHERE name = 'job_gone') AS versions;
SHOW deep_learning.job_retention;
SELECT dl.submit('job_gone', 'job_rows', 'y', network => 'dense(4)', epochs => 2, quiet => true) AS old \gset
SELECT dl.submit('job_gone', 'job_rows', 'y', network => 'dense(4)', epochs => 2, quiet => true) AS young \gset
SELECT dl.wait(:old), dl.wait(:young);
UPDATE dl.job SET ended_at = now() - interval '31 days' WHERE id = :old;
UPDATE dl.job SET ended_at = now() - interval '29 days' WHERE id = :young;
SELECT dl.submit('job_gone', 'job_rows', 'y', network => 'dense(4)', epochs => 2, quiet => true) AS id \gset
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM dl.job WHERE ended_at < now() - interval '30 days 12 hours');
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SELECT dl.wait(:id);
SELECT id = :young AS young, state FROM dl.jobs WHERE id IN (:old, :young);
SELECT (SELECT count(*) FROM dl.job_event WHERE job = :old) AS lines, (SELECT count(*) FROM dl.job_epoch WHERE job = :old) AS epochs;

-- the tables are nobody's
CREATE ROLE regress_job_nobody LOGIN;
CREATE ROLE regress_job_group;
SET ROLE regress_job_nobody;
SELECT count(*) FROM dl.job;
INSERT INTO dl.job_event (job, level, message) VALUES (1, 'info', 'mine');
UPDATE dl.jobs SET owner = current_user;
SELECT count(*) FROM dl.jobs;
SELECT count(*) FROM dl.job_log;
SELECT dl.cancel(:id);
SELECT dl.retry(:id);
SELECT dl.drop_job(:id);
SELECT dl.wait(:id);
SELECT * FROM dl.history(:id::bigint);
SELECT dl.submit('job_path', 'SELECT 1 AS a, 2 AS y', 'y');
SET ROLE regress_job_group;
SELECT dl.submit('job_group', 'SELECT 1 AS a, 2 AS y', 'y');
RESET ROLE;
DROP ROLE regress_job_nobody, regress_job_group;

SELECT count(dl.drop_model(name)::text) AS dropped FROM dl.models WHERE name LIKE 'job\_%';
DROP VIEW job_rows_parts;
DROP TABLE job_rows, job_new_rows, job_schema.job_hidden;
DROP SCHEMA job_schema;
DROP FUNCTION job_refuse;
