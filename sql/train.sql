-- dl.train: what it accepts, what it infers, what it stores.
-- Floats and durations are compared, never printed; quiet => true because progress lines have both.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
CREATE SCHEMA train_test;
SET search_path = train_test;

CREATE TYPE grade AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN share AS percent;
CREATE DOMAIN triple AS real[] CHECK (cardinality(VALUE) = 3);

-- One column of each type that can be learned from; y depends on some of them.
CREATE TABLE everything AS
SELECT ((i * 7) % 100)::smallint AS a_smallint,
	   ((i * 13) % 997)::integer AS an_integer,
	   ((i * 31)::bigint % 1009) * 1000000000000 AS a_bigint,
	   ((i * 3) % 101)::real / 10 AS a_real,
	   sin(i) AS a_double,
	   ((i * 17) % 1000)::numeric / 7 AS a_numeric,
	   i % 3 = 0 AS a_boolean,
	   ('{red,green,blue}'::text[])[1 + i % 3] AS a_text,
	   ('{a,bb,ccc,dddd}'::text[])[1 + i % 4]::varchar(10) AS a_varchar,
	   ('{x,yy}'::text[])[1 + i % 2]::char(5) AS a_char,
	   ('{low,middle,high}'::grade[])[1 + (i * 5) % 3] AS an_enum,
	   md5((i % 5)::text)::uuid AS a_uuid,
	   ('10.0.0.' || i % 6)::inet AS an_inet,
	   date '2026-01-01' + (i * 11) % 700 AS a_date,
	   timestamp '2026-01-01 00:00' + (i * 7919) % 50000 * interval '1 minute' AS a_timestamp,
	   timestamptz '2026-01-01 00:00+00' + (i * 104729) % 50000 * interval '1 minute' AS a_timestamptz,
	   ARRAY[i % 5, (i * 3) % 7, (i * 5) % 11]::integer[] AS an_integer_array,
	   ARRAY[cos(i), sin(2 * i)] AS a_double_array,
	   ARRAY[i % 2 = 0, i % 7 = 0] AS a_boolean_array,
	   ((i * 23) % 100)::percent AS a_domain,
	   ((i * 29) % 100)::share AS a_domain_over_domain,
	   ARRAY[i % 3, i % 4, i % 5]::triple AS a_domain_over_array,
	   (i % 3)::double precision * 2 + sin(i) AS y
FROM generate_series(1, 400) AS i;

SELECT model, version, task, rows, skipped, epochs, metric, value < 0.8 AS good, deployed, seconds > 0 AS took_time
FROM dl.train('train_everything', 'everything', target => 'y', network => 'dense(16, relu)', epochs => 60,
			  early_stopping => 0, seed => 1, quiet => true);
SELECT c.ordinality, c.value ->> 'name' AS name, c.value ->> 'type' AS type
FROM jsonb_array_elements(dl.metadata('train_everything') -> 'columns') WITH ORDINALITY AS c;

-- Each type alone, with NULLs: nothing depends on what stands beside it.
CREATE FUNCTION train_alone(column_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result dl.training;
BEGIN
	SELECT * INTO STRICT result
	FROM dl.train('train_alone', format('SELECT CASE WHEN row_number() OVER () %% 9 <> 0 THEN %1$I END AS %1$I, y FROM everything',
										column_name),
				  target => 'y', network => 'dense(8, relu)', epochs => 2, seed => 1, quiet => true);
	RETURN format('%s %s %s', result.task, result.rows, result.skipped);
END;
$$;
SELECT attname, train_alone(attname)
FROM pg_attribute WHERE attrelid = 'everything'::regclass AND attnum > 0 AND attname <> 'y' ORDER BY attnum;
SELECT count(*) > 15 AS versions_of_many_types FROM dl.versions WHERE name = 'train_alone';
SELECT dl.drop_model('train_alone');

-- pgvector's type is known by its name and its layout.  Where it is not installed,
-- a type of our own stands in: the bytes of a bytea are those of a vector.
CREATE TYPE vector;
SET client_min_messages = warning;
CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
RESET client_min_messages;
CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, LIKE = bytea);
-- dimensions (int16), unused (int16), then float4 values, in this machine's order: 1.0 is 0000803f, 2.0 is 00000040
CREATE TABLE embedded AS
SELECT CASE i % 3 WHEN 0 THEN '\x020000000000803f00000040' WHEN 1 THEN '\x02000000000000400000803f'
				  ELSE '\x0200000000000000000080bf' END::vector AS v, i % 3 AS y
FROM generate_series(1, 120) AS i;
SELECT task, rows, value < 0.4 AS good
FROM dl.train('train_vector', 'embedded', target => 'y', network => 'dense(16, relu)', epochs => 200, early_stopping => 0, seed => 1,
			  quiet => true);
SELECT dl.predict('train_vector', '\x020000000000803f00000040'::vector) < dl.predict('train_vector', '\x0200000000000000000080bf'::vector)
	AS ordered;

-- The task, by the target's type and values.
CREATE TABLE targets AS
SELECT sin(i) AS x, cos(i) AS z,
	   sin(i) > 0 AS t_boolean,
	   CASE WHEN sin(i) > 0 THEN 'up' ELSE 'down' END AS t_text_of_two,
	   (ARRAY['a', 'b', 'c'])[1 + floor(sin(i) * 1.4999 + 1.5)::integer] AS t_text,
	   ('{low,middle,high}'::grade[])[1 + floor(sin(i) * 1.4999 + 1.5)::integer] AS t_enum,
	   CASE WHEN sin(i) > 0 THEN 5 ELSE 2 END AS t_two_integers,
	   CASE WHEN sin(i) > 0 THEN 0.5 ELSE -0.5 END AS t_two_numerics,
	   floor(sin(i) * 1.4999 + 1.5)::integer AS t_three_integers,
	   sin(i) + cos(i) AS t_double,
	   ARRAY[sin(i), cos(i)] AS t_array,
	   ARRAY[sin(i) > 0, cos(i) > 0] AS t_boolean_array,
	   date '2026-01-01' AS t_date
FROM generate_series(1, 300) AS i;

CREATE FUNCTION train_target(target text, task text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result dl.training;
BEGIN
	SELECT * INTO STRICT result
	FROM dl.train('train_target_' || train_target.target, format('SELECT x, z, %I FROM targets', train_target.target), target => train_target.target,
				  task => train_target.task, network => 'dense(16, relu)', epochs => 100, learning_rate => 0.02,
				  batch_size => 32, early_stopping => 0, seed => 1, quiet => true);
	RETURN format('%s %s %s', result.task, result.metric, CASE WHEN result.value < 0.4 THEN 'good' ELSE 'bad' END);
END;
$$;
SELECT attname, train_target(attname)
FROM pg_attribute WHERE attrelid = 'targets'::regclass AND attnum > 2 AND attname <> 't_date' ORDER BY attnum;
SELECT name, task, target FROM dl.models WHERE name LIKE 'train\_target\_%' ORDER BY name COLLATE "C";
-- what the classes are called, in their order
SELECT s.model, dl.metadata('train_target_' || s.model) -> 'target' -> 'labels' AS labels
FROM unnest('{t_boolean,t_text_of_two,t_text,t_enum,t_two_integers,t_two_numerics}'::text[]) AS s(model);
-- the same, said
SELECT target, task, train_target(target, task)
FROM (VALUES ('t_boolean', 'regression'), ('t_boolean', 'multiclass'), ('t_two_integers', 'regression'),
			 ('t_three_integers', 'multiclass'), ('t_array', 'regression'), ('t_text_of_two', 'binary')) AS s(target, task);

-- Rows without a target are counted, not used.
CREATE TABLE gaps AS
SELECT CASE WHEN i % 3 <> 0 THEN sin(i) END AS x, CASE WHEN i % 5 <> 0 THEN 'c' || i % 4 END AS c,
	   CASE WHEN i % 4 <> 0 THEN sin(i) + i % 4 END AS y
FROM generate_series(1, 400) AS i;
SELECT rows, skipped FROM dl.train('train_gaps', 'gaps', 'y', network => 'dense(8, relu)', epochs => 2, quiet => true);
SELECT rows, skipped FROM dl.versions WHERE name = 'train_gaps';

-- Columns that say something about rows are no features.
CREATE TABLE roles AS
SELECT sin(i) AS x, cos(i) AS z, sin(i) * 2 AS y, 'key ' || i / 4 AS k, 1 + i % 3 AS w,
	   CASE i % 10 WHEN 0 THEN 'test' WHEN 1 THEN 'Validation' ELSE 'train' END AS part
FROM generate_series(1, 400) AS i;
SELECT rows, skipped
FROM dl.train('train_roles', 'SELECT x, z, y, part, w FROM roles', target => 'y', split_column => 'part', weight_column => 'w',
			  network => 'dense(8, relu)', epochs => 2, quiet => true);
SELECT c.value ->> 'name' AS feature FROM jsonb_array_elements(dl.metadata('train_roles') -> 'columns') AS c;
SELECT metric, rows FROM dl.evaluate('train_roles') ORDER BY metric COLLATE "C";
SELECT rows, skipped
FROM dl.train('train_key', 'SELECT x, z, y, k FROM roles', target => 'y', split_key => 'k', test => 0.3, validation => 0.2,
			  network => 'dense(8, relu)', epochs => 2, quiet => true);
SELECT c.value ->> 'name' AS feature FROM jsonb_array_elements(dl.metadata('train_key') -> 'columns') AS c;
-- rows of one key stay together, so the test part is a multiple of a key's rows
SELECT DISTINCT rows BETWEEN 60 AND 180 AS about_three_tenths FROM dl.evaluate('train_key');

-- A weight of 0 is a row that teaches nothing: the poisoned half does not show.
CREATE TABLE poisoned AS
SELECT sin(i) AS x, CASE WHEN i % 2 = 0 THEN sin(i) ELSE 100 * cos(i * 3) END AS y, (i % 2 = 0)::integer AS w,
	   CASE WHEN i % 8 = 0 THEN 'test' WHEN i % 16 = 4 THEN 'validation' ELSE 'train' END AS part
FROM generate_series(1, 800) AS i;
SELECT value < 0.3 AS good
FROM dl.train('train_weights', 'poisoned', 'y', split_column => 'part', weight_column => 'w', network => 'dense(16, relu)', epochs => 100,
			  learning_rate => 0.02, batch_size => 32, early_stopping => 0, seed => 1, quiet => true);
SELECT value > 0.3 AS bad
FROM dl.train('train_no_weights', 'SELECT x, y, part FROM poisoned', 'y', split_column => 'part', network => 'dense(16, relu)',
			  epochs => 100, learning_rate => 0.02, batch_size => 32, early_stopping => 0, seed => 1, quiet => true);

-- A window: a condition, or the time before now of the column that tells times.
CREATE TABLE timed AS SELECT i::real AS x, i % 7 + 0.5 AS y, now() - i * interval '1 day' AS at FROM generate_series(1, 300) i;
SELECT rows, version FROM dl.train('train_window', 'timed', 'y', network => 'dense(4)', epochs => 1, quiet => true,
								   options => '{"training_window": "99.5 days"}');
SELECT rows, version FROM dl.train('train_window', 'SELECT x, y FROM timed; ', 'y', network => 'dense(4)', epochs => 1, quiet => true,
								   options => '{"training_window": "x BETWEEN 101 AND 250 -- the middle"}');
SELECT dl.train('train_window', 'SELECT x, y FROM timed', 'y', options => '{"training_window": "1 year"}');
SELECT dl.train('train_window', 'SELECT *, at::date AS day FROM timed', 'y', options => '{"training_window": "P1Y"}');
SELECT dl.fit(t.y, t, '{"training_window": "x > 1"}') FROM timed t;

-- Options: as arguments, as one document, and both (then the argument holds).
SELECT epochs
FROM dl.train('train_options', 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', quiet => true,
			  options => '{"epochs": 3, "early_stopping": 0, "optimizer": "sgd", "momentum": 0.9, "nesterov": true, "schedule": "cosine",
						   "warm_up": 0.1, "scaling": "quantile", "loss": "huber", "gradient_clip": 1, "seed": 7, "device": "cpu",
						   "matmul_precision": "highest", "threads": 1, "weight_decay": null}');
SELECT epochs
FROM dl.train('train_options', 'SELECT x, z, y FROM roles', 'y', epochs => 2, network => 'dense(8, relu)', early_stopping => 0,
			  quiet => true, options => '{"epochs": 9}');
-- What was asked for stays with the model, and trains the same again.
SELECT version, dl.metadata('train_options', version) -> 'record' ->> 'options_given' AS given
FROM dl.versions WHERE name = 'train_options' ORDER BY version;
SELECT t.model, dl.metadata(t.model) -> 'record' ->> 'options_given' = dl.metadata('train_options', 1) -> 'record' ->> 'options_given' AS same_options,
	   dl.get(t.model) = dl.get('train_options', 1) AS same_model
FROM dl.train('train_given', 'SELECT x, z, y FROM roles', 'y', quiet => true,
			  options => (dl.metadata('train_options', 1) -> 'record' ->> 'options_given')::jsonb) t;
SELECT o.optimizer, t.epochs, t.value < 2 AS sane
FROM unnest('{sgd,rmsprop,adam,adamw}'::text[]) AS o(optimizer),
	 LATERAL dl.train('train_' || o.optimizer, 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', epochs => 3, early_stopping => 0,
					  optimizer => o.optimizer, learning_rate => 0.001, batch_size => 32, quiet => true) AS t;
SELECT o.loss, t.metric, t.value < 2 AS sane
FROM unnest('{mse,mae,huber,quantile}'::text[]) AS o(loss),
	 LATERAL dl.train('train_' || o.loss, 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', epochs => 3, quiet => true,
					  options => jsonb_build_object('loss', o.loss)) AS t;
-- losses of different quantiles do not compare by their values
SELECT version, metric FROM dl.train('train_quantile', 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', epochs => 3,
									 options => '{"loss": "quantile", "loss_parameter": 0.25, "members": 1}', quiet => true);
SELECT metric FROM dl.evaluate(dl.get('train_quantile', 2), 'SELECT x, z, y FROM roles');
SELECT o.schedule, t.epochs
FROM unnest('{constant,step,cosine,one_cycle}'::text[]) AS o(schedule),
	 LATERAL dl.train('train_' || o.schedule, 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', epochs => 4, early_stopping => 0,
					  quiet => true, options => jsonb_build_object('schedule', o.schedule)) AS t;
SELECT epochs FROM dl.train('train_auto', 'SELECT x, z, y FROM roles', 'y', network => 'dense(8, relu)', epochs => 3, early_stopping => 0, quiet => true,
							options => '{"learning_rate": "auto"}');

-- Networks with every kind of part, and with no network given.
SELECT n.network, t.epochs
FROM (VALUES ('dense(8, relu)'), ('dense(8, relu) > dropout(0.1) > dense(4, tanh)'),
			 ('dense(8, relu) > batch_norm() > residual(dense(8, relu))'),
			 ('dense(8, gelu) > layer_norm()'), ('concat(dense(4, relu), dense(4, sigmoid))')) AS n(network),
	 LATERAL dl.train('train_network', 'SELECT x, z, y FROM roles', 'y', network => n.network, epochs => 2, early_stopping => 0, quiet => true) AS t;
SELECT task, value < 0.5 AS good FROM dl.train('train_default', 'SELECT x, z, y FROM roles', 'y', seed => 1, quiet => true);

-- What a query may be.
SELECT rows FROM dl.train('train_source', 'gaps', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'train_test.gaps', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', '  "gaps" ', 'y', network => 'dense(4)', epochs => 1, quiet => true);
CREATE VIEW gaps_view AS SELECT * FROM gaps WHERE x > 0;
SELECT rows FROM dl.train('train_source', 'gaps_view', 'y', network => 'dense(4)', epochs => 1, quiet => true);
CREATE TABLE "Mixed Case" AS SELECT x AS "An X", y AS "The Y" FROM gaps;
SELECT rows FROM dl.train('train_source', '"Mixed Case"', 'The Y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'WITH w AS (SELECT x, y FROM gaps WHERE y > 0) SELECT * FROM w;', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'SELECT sin(v) AS x, v % 5 AS y FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)) AS s(v)', 'y',
						  network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'SELECT g.x, r.z, g.y FROM gaps g JOIN roles r ON g.x = r.x ORDER BY random()', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'SELECT x, y FROM gaps UNION ALL SELECT x, y FROM roles', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'TABLE gaps', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT rows FROM dl.train('train_source', 'VALUES (1.5, 3), (2.5, 4), (3.5, 5), (4.25, 6), (5, 7), (6.125, 8), (7, 9), (8.5, 10)', 'column2', network => 'dense(4)', epochs => 1, quiet => true);
CREATE TABLE parted (x real, y real) PARTITION BY RANGE (x);
CREATE TABLE parted_low (gone integer, y real, x real);
ALTER TABLE parted_low DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_low FOR VALUES FROM (MINVALUE) TO (0);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (0) TO (MAXVALUE);
INSERT INTO parted SELECT sin(i), cos(i) FROM generate_series(1, 100) AS i;
SELECT rows FROM dl.train('train_source', 'parted', 'y', network => 'dense(4)', epochs => 1, quiet => true);

-- Rows that only this session, or only this transaction, can see; and ROLLBACK.
CREATE TEMPORARY TABLE mine AS SELECT sin(i) AS x, cos(i) AS y FROM generate_series(1, 50) AS i;
SELECT rows FROM dl.train('train_temporary', 'mine', 'y', network => 'dense(4)', epochs => 1, quiet => true);
BEGIN;
CREATE TABLE soon AS SELECT sin(i) AS x, cos(i) AS y FROM generate_series(1, 60) AS i;
INSERT INTO soon SELECT sin(i), cos(i) FROM generate_series(61, 75) AS i;
SELECT rows FROM dl.train('train_uncommitted', 'soon', 'y', network => 'dense(4)', epochs => 1, quiet => true);
SELECT count(*) FROM dl.models WHERE name = 'train_uncommitted';
SELECT dl.predict('train_uncommitted', 0.5) IS NOT NULL AS scored_inside;
SAVEPOINT s;
SELECT version FROM dl.train('train_uncommitted', 'soon', 'y', network => 'dense(4)', epochs => 1, quiet => true);
ROLLBACK TO s;
SELECT max(version) FROM dl.versions WHERE name = 'train_uncommitted';
ROLLBACK;
SELECT count(*) FROM dl.models WHERE name = 'train_uncommitted';
SELECT dl.predict('train_uncommitted', 0.5);
-- rows that the training query itself may not see: those after it began
INSERT INTO mine SELECT t.rows, t.epochs FROM dl.train('train_temporary', 'mine', 'y', network => 'dense(4)', epochs => 1, quiet => true) AS t RETURNING x;

-- Retraining: a version is deployed only when it is better on the same rows.
CREATE TABLE again AS SELECT sin(i) AS x, cos(i) AS z, sin(i) * cos(i) AS y FROM generate_series(1, 600) AS i;
SELECT version, deployed FROM dl.train('train_again', 'again', 'y', network => 'dense(32, relu)', epochs => 40, early_stopping => 0, seed => 3, quiet => true);
SELECT version, deployed FROM dl.train('train_again', 'again', 'y', network => 'dense(1)', epochs => 1, learning_rate => 1e-6, seed => 3, quiet => true);
SELECT version, deployed FROM dl.train('train_again', 'again', 'y', network => 'dense(64, relu) > dense(32, relu)', epochs => 150, early_stopping => 0, seed => 3, quiet => true);
SELECT version, deployed, rows FROM dl.versions WHERE name = 'train_again' ORDER BY version;

-- Same rows, seed and settings: the same bytes; another seed: other bytes.
SELECT version FROM dl.train('train_same', 'again', 'y', network => 'dense(8, relu)', epochs => 3, seed => 11, quiet => true);
SELECT version FROM dl.train('train_same', 'again', 'y', network => 'dense(8, relu)', epochs => 3, seed => 11, quiet => true);
SELECT version FROM dl.train('train_same', 'again', 'y', network => 'dense(8, relu)', epochs => 3, seed => 12, quiet => true);
SELECT dl.get('train_same', 1) = dl.get('train_same', 2) AS same, dl.get('train_same', 1) = dl.get('train_same', 3) AS other_seed;

-- The stored record.
SELECT count(*) AS epochs, bool_and(training_loss > 0) AS losses, count(*) FILTER (WHERE best) AS best FROM dl.history('train_same', 1);
SELECT count(*) > 10 AS many_lines, count(*) FILTER (WHERE value IS NULL) AS empty FROM dl.summary('train_same');

SELECT s.value FROM dl.train('train_seed', 'again', 'y', network => 'linear', epochs => 1, seed => -5, quiet => true) AS t, dl.summary(t.model) AS s
WHERE s.name = 'seed';

SELECT s.name, s.value FROM dl.train('train_asked', 'SELECT x, y > 0 AS positive FROM again', 'positive', network => 'linear', epochs => 1, batch_size => 32, learning_rate => 0.01,
							 quiet => true, options => '{"scaling": "quantile", "class_weight": "balanced"}') AS t, dl.summary(t.model) AS s
WHERE part = 'chosen';

-- A value of type dl.network is a text to dl.train, and to what compares and groups.
CREATE TABLE networks (network dl.network UNIQUE);
INSERT INTO networks VALUES ('dense(4, relu)'), ('linear');
INSERT INTO networks VALUES ('dense(4, activation => relu)');
SELECT n.network, t.version FROM networks n, dl.train('train_typed', 'again', 'y', network => n.network, epochs => 1, quiet => true) AS t
WHERE n.network = 'linear'::dl.network;

SELECT dl.predict(dl.fit(y, x, '{"network": "linear", "epochs": 1}'), 1, 2) FROM again;

-- Target means beside the embedding of a category of many values.
CREATE TABLE shops AS SELECT 'shop ' || i * 7 % 40 AS shop, sin(i) AS x, i * 7 % 40 / 5 + sin(i) AS y FROM generate_series(1, 600) AS i;
SELECT s.part, s.name, s.value FROM dl.train('train_means', 'shops', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"target_means": true}') AS t, dl.summary(t.model) AS s
WHERE s.name IN ('shop', 'target_means');
SELECT s.part, s.name, s.value FROM dl.train('train_means', 'shops', 'y', network => 'dense(4)', epochs => 1, quiet => true) AS t, dl.summary(dl.get('train_means', t.version)) AS s
WHERE s.name IN ('shop', 'target_means');
SELECT dl.predict('train_means', 'a new shop', 0) = dl.predict('train_means', NULL, 0) AS as_missing;

-- Whole numbers of few values.
SELECT s.part, s.name, s.value FROM dl.train('train_integers', 'SELECT i % 7 AS weekday, i % 2 AS two, sin(i) AS x, i % 7 = 3 AS y FROM generate_series(1, 300) AS i', 'y',
	network => 'linear', epochs => 1, quiet => true, options => '{"one_hot_integers": 7}') AS t, dl.summary(t.model) AS s
WHERE part = 'column';

-- NULL where an argument has a default means the default.
SELECT rows FROM dl.train('train_null', 'gaps', 'y', task => NULL, network => 'dense(4)', epochs => 1, batch_size => NULL, learning_rate => NULL,
						  optimizer => NULL, early_stopping => NULL, validation => NULL, test => NULL, split_column => NULL, seed => NULL,
						  device => NULL, matmul_precision => NULL, quiet => true, options => NULL);

SELECT count(dl.drop_model(name)) > 20 AS dropped FROM dl.models WHERE name LIKE 'train\_%';
SET client_min_messages = warning;
DROP SCHEMA train_test CASCADE;
