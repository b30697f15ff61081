-- dl.create_function: functions of SQL whose arguments are the columns of a model.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
-- EXPLAIN shows plans as they are without workers that are there for their own sake.
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
CREATE SCHEMA create_function;
SET search_path = create_function;

CREATE TYPE mood AS ENUM ('sad', 'fine', 'glad');
CREATE DOMAIN share AS double precision CHECK (VALUE BETWEEN 0 AND 1);
CREATE TABLE visits AS
SELECT i AS id, (20 + i % 50)::smallint AS age, ('{free,plus,pro}'::text[])[1 + i % 3] AS plan, date '2024-01-01' + i % 300 AS since,
	   (i % 90)::numeric(10, 2) AS spent, (i % 7 / 10.0)::share AS share, ('{sad,fine,glad}'::mood[])[1 + i % 3] AS mood,
	   timestamptz '2024-01-01 12:00+00' + i * interval '1 hour' AS at, ARRAY[i % 5, i % 3]::real[] AS pair, ('{a,bb}'::varchar(4)[])[1 + i % 2] AS code,
	   ('{x,y}'::char(3)[])[1 + i % 2] AS letter, i % 4 = 0 AS member, i % 90 + i % 7 * 10 + i % 3 AS value, i % 3 = 0 OR i % 7 > 4 AS gone
FROM generate_series(1, 400) AS i;
CREATE FUNCTION train(name text, query text, target text, options jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT task FROM dl.train(name, query, target, network => 'dense(8, relu)', epochs => 2, seed => 1, quiet => true,
							  options => '{"members": 1}'::jsonb || options) $$;
SELECT train('function_churn', 'SELECT age, plan, since, gone FROM visits', 'gone');
SELECT train('function_types', 'SELECT age, spent, share, mood, at, pair, code, letter, member, value FROM visits', 'value');
SELECT train('function_class', 'SELECT age, spent, plan FROM visits', 'plan');
SELECT train('function_pair', 'SELECT age, spent, pair FROM visits', 'pair');
SELECT train('function_interval', 'SELECT age, spent, value FROM visits', 'value', '{"prediction_interval": 0.8}');

-- The columns of the model, in order, and what its task asks for.
SELECT dl.create_function('function_churn', 'create_function.predict_churn');
SELECT dl.create_function('function_types', 'predict_types');
SELECT dl.create_function('function_class', 'predict_class');
SELECT dl.create_function('function_pair', 'predict_pair');
SELECT oid::regprocedure, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result, provolatile, proparallel, prosecdef, proisstrict,
	   obj_description(oid, 'pg_proc') AS comment
FROM pg_proc WHERE pronamespace = 'create_function'::regnamespace AND proname LIKE 'predict%' ORDER BY proname;
SELECT pg_get_functiondef('predict_churn'::regproc);

-- The same answers, by position and by name; NULLs and literals as ever.
SELECT count(*) FILTER (WHERE predict_churn(age, plan, since) = dl.predict('function_churn', v)) AS same,
	   count(*) FILTER (WHERE predict_churn(since => since, age => age, plan => plan) = dl.predict('function_churn', v)) AS by_name,
	   count(*) FILTER (WHERE predict_types(age, spent, share, mood, at, pair, code, letter, member) = dl.predict('function_types', v)) AS types,
	   count(*) FILTER (WHERE predict_class(age, spent) = dl.classify('function_class', v)) AS class,
	   count(*) FILTER (WHERE predict_pair(age, spent) = dl.predict_array('function_pair', v)) AS pair
FROM visits v;
SELECT predict_churn('33', 'plus', '2024-05-01') = dl.predict('function_churn', 33, 'plus', date '2024-05-01') AS literals,
	   predict_churn(NULL, 'new', NULL) = dl.predict('function_churn', NULL, 'new', NULL) AS nulls;
PREPARE score AS SELECT predict_churn($1, $2, $3) = dl.predict('function_churn', 33, 'plus', date '2024-05-01') AS parameters_have_types;
EXECUTE score(33, 'plus', '2024-05-01');

-- All kinds, and those that do not fit.
SELECT kind, dl.create_function('function_churn', 'churn_' || kind, kind => kind)
FROM unnest('{predict,classify,probabilities,predict_array,embed}'::text[]) AS kind;
SELECT dl.create_function('function_interval', 'range', kind => 'predict_interval');
SELECT count(*) FILTER (WHERE churn_classify(age, plan, since) = dl.classify('function_churn', v)) AS classify,
	   count(*) FILTER (WHERE churn_probabilities(age, plan, since) = dl.probabilities('function_churn', v)) AS probabilities,
	   count(*) FILTER (WHERE churn_predict_array(age, plan, since) = dl.predict_array('function_churn', v)) AS predict_array,
	   count(*) FILTER (WHERE churn_embed(age, plan, since) = dl.embed('function_churn', v)) AS embed,
	   count(*) FILTER (WHERE range(age, spent) = dl.predict_interval('function_interval', v)) AS predict_interval
FROM visits v;
SELECT count(*) AS in_from FROM visits AS v, range(v.age, v.spent) AS r WHERE r.low < r.high AND r.value = dl.predict('function_interval', v);
\set VERBOSITY default
SELECT dl.create_function('function_churn', 'f', kind => 'regress');
SELECT dl.create_function('function_class', 'f', kind => 'predict');
SELECT dl.create_function('function_pair', 'f', kind => 'predict');
SELECT dl.create_function('function_churn', 'f', kind => 'predict_interval');
SELECT dl.create_function('function_types', 'f', kind => 'predict_interval');
SELECT dl.create_function('function_types', 'f', kind => 'classify');
SELECT dl.create_function('function_types', 'f', kind => 'probabilities');

-- Scored in batches, wherever a call of dl.predict would be.
SET deep_learning.require_batched_scoring = on;
EXPLAIN (COSTS OFF) SELECT id, predict_churn(age, plan, since) FROM visits;
EXPLAIN (COSTS OFF) SELECT plan, avg(predict_churn(age, plan, since)) FROM visits WHERE predict_types(age, spent, share, mood, at, pair, code, letter, member) > 10 GROUP BY plan;
EXPLAIN (COSTS OFF) SELECT id FROM visits ORDER BY churn_classify(plan => plan, age => age, since => since), id LIMIT 3;
SELECT count(predict_churn(age, plan, since)), count(predict_types(age, spent, share, mood, at, pair, code, letter, member)), count(predict_class(age, spent)) FROM visits;
CREATE VIEW scored AS SELECT id, predict_churn(age, plan, since) AS risk FROM visits;
SELECT count(*) FROM scored WHERE risk IS NOT NULL;
CREATE FUNCTION total() RETURNS double precision LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT sum(predict_churn(age, plan, since)) FROM visits); END $$;
SELECT total() > 0 AS in_plpgsql;
RESET deep_learning.require_batched_scoring;

-- There already.
SELECT dl.create_function('function_churn', 'predict_churn');
SELECT dl.create_function('function_churn', 'predict_churn', replace => true);
SELECT dl.create_function('function_class', 'predict_pair', kind => 'probabilities', replace => true);
SELECT dl.create_function('function_class', 'predict_pair', kind => 'predict_array', replace => true);
SELECT obj_description('predict_pair'::regproc, 'pg_proc'), predict_pair(30::smallint, 20) = dl.predict_array('function_class', 30, 20) AS the_new_one;

-- Names of every sort.
CREATE SCHEMA "Odd ""schema";
CREATE TABLE "odd ' table" AS
SELECT (i % 9)::real AS "select", i % 7 AS "Mixed Case", i % 5 AS "it's", (i % 3)::text AS "say ""x""", i % 4 AS "out", i % 6 AS "größe\", i % 2 AS "inout", i % 8 AS "$1", i AS y FROM generate_series(1, 300) AS i;
SELECT train('it''s "odd" \ größer', '"odd '' table"', 'y');
SELECT dl.create_function('it''s "odd" \ größer', '"Odd ""schema"."pre ''dict""\ $1"');
SELECT proname, pronargs, proargnames, obj_description(oid, 'pg_proc') FROM pg_proc WHERE pronamespace = '"Odd ""schema"'::regnamespace;
SET standard_conforming_strings = off;
SELECT dl.create_function('it''s "odd" \\ größer', 'odd_name');
RESET standard_conforming_strings;
SELECT count(*) FILTER (WHERE "Odd ""schema"."pre 'dict""\ $1"("select", "Mixed Case", "it's", "say ""x""", "out", "größe\", "inout", "$1") =
							  dl.predict('it''s "odd" \ größer', t)) AS same,
	   count(*) FILTER (WHERE odd_name("select", "Mixed Case", "it's", "say ""x""", "out", "größe\", "inout", "$1") = dl.predict('it''s "odd" \ größer', t)) AS odd_name
FROM "odd ' table" AS t;

-- Types by the path of the training, and never in the place of PostgreSQL's own.
CREATE SCHEMA elsewhere;
CREATE DOMAIN elsewhere.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN elsewhere.mood AS pg_catalog.text CHECK (false);
SET search_path = elsewhere, pg_catalog;
SELECT create_function.train('function_path', 'SELECT age, plan, share, mood, value FROM create_function.visits', 'value');
SELECT dl.create_function('function_types', 'create_function.predict_types_again');
SELECT dl.create_function('function_path', 'create_function.predict_path');
SET search_path = pg_catalog;
SELECT dl.create_function('function_types', 'create_function.predict_types_anywhere');
SET search_path = create_function;
-- types that are gone
CREATE SCHEMA brief;
CREATE TYPE brief.colour AS ENUM ('red', 'green');
CREATE TABLE painted AS SELECT ('{red,green}'::brief.colour[])[1 + i % 2] AS colour, i % 10 AS size, i % 10 + i % 2 AS value FROM generate_series(1, 100) AS i;
SELECT train('function_gone', 'painted', 'value');
SET client_min_messages = warning;
DROP SCHEMA brief CASCADE;
RESET client_min_messages;
SELECT dl.create_function('function_gone', 'predict_gone');
SELECT predict_gone('red', 3) = dl.predict('function_gone', 'red', 3) AS same;

-- As many columns as a function takes, and more.
DO $$
DECLARE
	list text;
BEGIN
	SELECT string_agg(format('((i * %s) %% 17)::real AS c%s', k, k), ', ') INTO list FROM generate_series(1, 101) AS k;
	EXECUTE format('CREATE TABLE wide AS SELECT %s, i %% 17 AS y FROM generate_series(1, 60) AS i', list);
END $$;
SELECT train('function_wide', 'wide', 'y');
SELECT dl.create_function('function_wide', 'predict_wide');
ALTER TABLE wide DROP COLUMN c101;
SELECT train('function_100', 'wide', 'y');
SELECT dl.create_function('function_100', 'predict_100') IS NOT NULL AS created;
ALTER TABLE wide DROP COLUMN c100;
SELECT train('function_99', 'wide', 'y');
SELECT dl.create_function('function_99', 'predict_99') IS NOT NULL AS created;
SELECT proname, pronargs, pg_get_functiondef(oid) LIKE '%ROW(c1,%' AS as_row FROM pg_proc WHERE proname IN ('predict_100', 'predict_99') ORDER BY 1;
SELECT format('SELECT count(*) FILTER (WHERE predict_99(%s) = dl.predict(''function_99'', w)) AS n99 FROM wide w', string_agg('c' || k, ', ' ORDER BY k))
FROM generate_series(1, 99) AS k \gexec
SET deep_learning.require_batched_scoring = on;
SELECT format('SELECT count(*) FILTER (WHERE predict_100(%s, 1) = dl.predict(''function_100'', s)) AS n100 FROM (SELECT *, 1 AS c100 FROM wide) s', string_agg('c' || k, ', ' ORDER BY k))
FROM generate_series(1, 99) AS k \gexec
RESET deep_learning.require_batched_scoring;

-- The model changes: its name, its columns, its end.
SELECT dl.rename_model('function_churn', 'function_leaving');
SELECT predict_churn(33::smallint, 'plus', '2024-05-01');
SELECT dl.create_function('function_leaving', 'predict_churn', replace => true);
SELECT predict_churn(33::smallint, 'plus', '2024-05-01') = dl.predict('function_leaving', 33, 'plus', date '2024-05-01') AS renamed;
SELECT train('function_leaving', 'SELECT age, plan, gone FROM visits', 'gone');
SELECT dl.deploy('function_leaving', 2);
SELECT predict_churn(33::smallint, 'plus', '2024-05-01');
SELECT dl.create_function('function_leaving', 'predict_churn', replace => true);
SELECT predict_churn(33::smallint, 'plus') = dl.predict('function_leaving', 33, 'plus') AS other_columns;
SELECT dl.drop_model('function_leaving');
SELECT predict_churn(33::smallint, 'plus');

-- What is none.
SELECT dl.create_function('function_nothing', 'f');
SELECT dl.create_function('function_types', 'no_schema.f');
SELECT dl.create_function('function_types', 'a b');
SELECT dl.create_function('function_types', '');
SELECT dl.create_function(NULL, 'f');
SELECT dl.create_function('function_types', NULL);
SELECT dl.create_function('function_types', 'f', replace => NULL);
BEGIN READ ONLY;
SELECT dl.create_function('function_types', 'f');
ROLLBACK;

-- The extension does not go without them.
\set VERBOSITY terse
DROP EXTENSION deep_learning;

SET client_min_messages = warning;
DROP SCHEMA create_function, elsewhere, "Odd ""schema" CASCADE;
SELECT count(dl.drop_model(name)) FROM dl.models WHERE name LIKE 'function%' OR name LIKE 'it''s%';
