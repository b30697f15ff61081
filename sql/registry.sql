-- The registry: versions, deployment, names, and what a transaction undoes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

CREATE TEMP TABLE points AS
	SELECT (i % 7)::real AS a, (i * 37 % 11)::real AS b, ((i % 7) * 2 + (i * 37 % 11) * 0.5)::real AS y
	FROM generate_series(1, 1200) AS i;

-- the first version is deployed, another only when it is better on the same rows
SELECT model, version, deployed FROM dl.train('points', 'points', 'y', network => 'dense(8, relu)', epochs => 2, quiet => true, options => '{"members": 1}');
SELECT model, version, deployed FROM dl.train('points', 'points', 'y', network => 'dense(8, relu)', epochs => 40, quiet => true, options => '{"members": 1}');
SELECT model, version, deployed FROM dl.train('points', 'points', 'y', network => 'dense(8, relu)', epochs => 2, quiet => true, options => '{"members": 1}');
SELECT name, version, deployed, task, target, rows, skipped, epochs, metric, metric_part, value > 0 AS value, bytes > 0 AS bytes,
	   seconds >= 0 AS seconds, trained_on IN ('worker', 'session') AS trained_on, created_by = current_user AS created_by
FROM dl.versions WHERE name = 'points' ORDER BY version;
SELECT name, owner = current_user AS owner, task, target, deployed, versions, metric, rows, privilege FROM dl.models WHERE name = 'points';
SELECT v.value < w.value AS better FROM dl.versions v, dl.versions w
WHERE v.name = 'points' AND w.name = 'points' AND v.version = 2 AND w.version = 1;

-- the same training gives the same bytes
SELECT dl.get('points', 1) = dl.get('points', 3) AS same, dl.get('points') = dl.get('points', 2) AS deployed, dl.get('points', 1) = dl.get('points', 2) AS other;

-- deployments are a stack
SELECT dl.deploy('points', 3);
SELECT dl.deploy('points', 3);
SELECT dl.rollback('points');
SELECT dl.rollback('points');
SELECT dl.rollback('points');
SELECT deployed FROM dl.models WHERE name = 'points';
SELECT dl.deploy('points', 4);
SELECT dl.deploy('points', 0);
SELECT dl.deploy('points', NULL);
SELECT dl.deploy(NULL, 1);
SELECT dl.rollback(NULL);

-- the name means the deployed version, at once
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 1), 3, 4) AS first;
SELECT dl.deploy('points', 2);
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 2), 3, 4) AS second;
BEGIN;
SELECT dl.deploy('points', 1);
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 1), 3, 4) AS first;
SAVEPOINT before;
SELECT dl.deploy('points', 2);
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 2), 3, 4) AS second;
ROLLBACK TO before;
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 1), 3, 4) AS first;
ROLLBACK;
SELECT dl.predict('points', 3, 4) = dl.predict(dl.get('points', 2), 3, 4) AS second;
CREATE FUNCTION pg_temp.both() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	score float8[];
BEGIN
	FOR i IN 1..2 LOOP
		PERFORM dl.deploy('points', i);
		score[i] := dl.predict('points', 3, 4);
	END LOOP;
	RETURN score[1] = dl.predict(dl.get('points', 1), 3, 4) AND score[2] = dl.predict(dl.get('points', 2), 3, 4);
END $$;
SELECT pg_temp.both();

-- a query whose model is deployed anew, or dropped, while it runs
SELECT count(DISTINCT dl.predict('points', a, b) IS NOT NULL), sum(dl.deploy('points', (random() * 2)::integer + 1)) > 0 AS deployed
FROM points WHERE a = 1 AND b = 1;
SELECT dl.deploy('points', 2);
DO $$
DECLARE
	score float8;
	rows integer := 0;
BEGIN
	FOR score IN SELECT dl.predict('points', a, b) FROM points LOOP
		IF rows = 0 THEN
			PERFORM dl.drop_model('points');
		END IF;
		rows := rows + 1;
	END LOOP;
END $$;
SELECT deployed FROM dl.models WHERE name = 'points';

-- put: versions from values
SELECT dl.put('copy', dl.get('points', 1));
SELECT dl.put('copy', dl.get('points', 2));
SET client_min_messages = warning;
SELECT dl.put('copy', dl.get('points', 1));
RESET client_min_messages;
SELECT version, deployed, trained_on, seconds FROM dl.versions WHERE name = 'copy' ORDER BY version;
SELECT dl.put('copy', NULL);
SELECT dl.put(NULL, dl.get('points'));
SELECT dl.put('', dl.get('points'));
SELECT dl.put(E'a\nb', dl.get('points'));
SELECT dl.put(repeat('x', 256), dl.get('points'));
SELECT dl.put(repeat('x', 255), dl.get('points'));
SELECT dl.drop_model(repeat('x', 255));

-- other rows: both are measured on the new ones
SELECT model, version, deployed FROM dl.train('copy', 'SELECT a, b, y + 0.25 AS y FROM points WHERE a <> 3', 'y', network => 'dense(8, relu)',
											 epochs => 2, quiet => true, options => '{"members": 1}');

-- a value that is measured otherwise is not compared
SELECT version FROM dl.train('classes', 'SELECT a, b, a > b AS greater FROM points', 'greater', network => 'dense(4, relu)', epochs => 1, quiet => true, options => '{"members": 1}');
SELECT dl.put('classes', dl.get('points'));
SELECT name, value FROM dl.summary('classes') WHERE part = 'model' AND name IN ('classes', 'dl.predict gives');

-- unknown names, versions
SELECT dl.get('point');
SELECT dl.rename_model('points', 'p');
SELECT dl.get('q');	-- one letter resembles nothing
SELECT dl.rename_model('p', 'points');
SELECT dl.get('points', 9);
SELECT dl.get('points', -1);
SELECT dl.get(NULL);
SELECT * FROM dl.summary('poinst');
SELECT * FROM dl.summary(NULL::text);
SELECT * FROM dl.history('entirely different');
SELECT dl.metadata('points', 7);
SELECT epoch FROM dl.history('points', 1);

-- dropping
SELECT dl.drop_model('points', 2);
SELECT dl.drop_model('points', 3);
SELECT dl.drop_model('points', 3);
SET client_min_messages = warning;
SELECT dl.put('points', dl.get('points', 1));
RESET client_min_messages;
SELECT version FROM dl.versions WHERE name = 'points' ORDER BY version;
SELECT dl.drop_model('copy');
SELECT dl.drop_model('copy');
SELECT dl.drop_model(NULL);

-- names
SELECT dl.rename_model('points', 'classes');
SELECT dl.rename_model('points', '');
SELECT dl.rename_model('points', NULL);
SELECT dl.rename_model('points', 'Pünktchen');
SELECT name FROM dl.models WHERE name IN ('points', 'Pünktchen');
SELECT dl.rename_model('Pünktchen', 'points');

-- nothing stays behind
BEGIN;
SELECT version FROM dl.train('passing', 'points', 'y', network => 'dense(2)', epochs => 1, quiet => true, options => '{"members": 1}');
SELECT dl.predict('passing', 1, 2) IS NOT NULL AS scored;
ROLLBACK;
SELECT dl.predict('passing', 1, 2);
BEGIN;
SELECT dl.drop_model('points');
SELECT count(*) FROM dl.models WHERE name = 'points';
SELECT dl.predict('points', 1, 2);
ROLLBACK;
SELECT dl.predict('points', 1, 2) IS NOT NULL AS scored;
BEGIN READ ONLY;
SELECT dl.deploy('points', 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT dl.put('points', dl.get('points'));
ROLLBACK;
BEGIN READ ONLY;
SELECT dl.predict('points', 1, 2) IS NOT NULL AS scored;
COMMIT;

-- rights of roles are in test/pgtap; arguments
SELECT dl.grant_model('points', 'public');
SELECT dl.grant_model('points', 'public', 'read');
SELECT name, role, privilege, grantor = current_user AS grantor FROM dl.grants WHERE name = 'points';
SELECT dl.revoke_model('points', 'public', 'read');
SELECT name, role, privilege FROM dl.grants WHERE name = 'points';
SELECT dl.revoke_model('points', 'public');
SELECT dl.revoke_model('points', 'public');
SELECT count(*) FROM dl.grants WHERE name = 'points';
SELECT dl.grant_model('points', 'public', 'write');
SELECT dl.grant_model('points', 'public', NULL);
SELECT dl.grant_model('points', NULL);
SELECT dl.grant_model('points', 'no such role');
SELECT dl.grant_model('no such model', 'public');
SELECT dl.set_owner('points', 'no such role');
SELECT dl.set_owner('points', NULL);

-- a cap of nothing still lets a query use what it needs
SET deep_learning.model_cache = 0;
SELECT count(dl.predict('points', a, b)) FROM points;
SELECT bool_and(dl.predict('points', a, b) = dl.predict(dl.get('points'), a, b)) AS same FROM points WHERE a = 1 AND b = 2;
RESET deep_learning.model_cache;

SELECT dl.drop_model('points'), dl.drop_model('classes');
SELECT count(*) FROM dl.registry_chunk c WHERE NOT EXISTS (SELECT FROM dl.registry_model m WHERE m.id = c.model_id);
