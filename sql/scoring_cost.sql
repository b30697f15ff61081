-- What the planner thinks that scoring costs, and the plans that follow from it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
-- EXPLAIN shows plans as they are without workers that are there for their own sake.
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
CREATE SCHEMA scoring_cost;
SET search_path = scoring_cost;

-- Wide enough rows that workers are considered.
CREATE TABLE points AS
SELECT i AS id, (i % 97)::real AS a, (i % 31)::real AS b, (i % 97 + i % 31)::real AS y, repeat('x', 400) AS filler FROM generate_series(1, 30000) AS i;
CREATE TABLE few AS SELECT a, b, y FROM points WHERE id <= 200;
VACUUM ANALYZE points;

CREATE FUNCTION train(name text, network dl.network) RETURNS text LANGUAGE sql AS $$
	SELECT task FROM dl.train(name, 'scoring_cost.few', 'y', network => network, epochs => 1, learning_rate => 1e-3, quiet => true,
							  options => '{"members": 1, "scaling": "standard"}') $$;
SELECT train('cost_small', 'dense(8, relu)'), train('cost_middle', 'dense(64, relu) > dense(64, relu)'), train('cost_large', 'dense(600, relu) > dense(600, relu)');

-- Cost of an expression on a row of points, in units of cpu_operator_cost.
CREATE FUNCTION cost(expression text) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	without json;
BEGIN
	EXECUTE format('EXPLAIN (FORMAT json) SELECT %s FROM scoring_cost.points', expression) INTO plan;
	EXECUTE 'EXPLAIN (FORMAT json) SELECT id FROM scoring_cost.points' INTO without;
	RETURN round(((plan->0->'Plan'->>'Total Cost')::numeric - (without->0->'Plan'->>'Total Cost')::numeric)
				 / 30000 / current_setting('cpu_operator_cost')::numeric, 2);
END $$;
SET max_parallel_workers_per_gather = 0;

-- by name and by value, whatever the answer and however the row is passed
SELECT cost($$dl.predict('cost_small', a, b)$$) BETWEEN 2 AND 20 AS small, cost($$dl.predict('cost_middle', a, b)$$) BETWEEN 20 AND 50 AS tens,
	   cost($$dl.predict('cost_large', a, b)$$) BETWEEN 1000 AND 3000 AS thousands;
SELECT function, cost(format($$dl.%s('cost_middle', points)$$, function)) = expected AS row,
	   cost(format($$dl.%s('cost_middle', ROW(a, b))$$, function)) = expected AS anonymous,
	   cost(format($$dl.%s(%L::dl.model, a, b)$$, function, dl.get('cost_middle'))) = expected AS value
FROM unnest('{predict,classify,probabilities,predict_array,embed,predict_interval}'::text[]) AS function,
	 cost($$dl.predict('cost_middle', a, b)$$) AS expected;
SELECT p.oid::regprocedure FROM pg_proc p WHERE prosupport = 'dl.scoring_support'::regproc ORDER BY 1;
CREATE FUNCTION pinned() RETURNS dl.model IMMUTABLE LANGUAGE sql AS $$ SELECT dl.get('cost_middle', 1) $$;
SELECT cost('dl.predict(pinned(), a, b)') = cost($$dl.predict('cost_middle', a, b)$$) AS function_of_a_version;
SELECT cost($$dl.predict('cost_middle', a, b) + dl.predict('cost_middle', b, a)$$) BETWEEN 40 AND 100 AS two_calls;

-- the deployed version; a rollback undoes it
BEGIN;
SELECT dl.put('cost_small', dl.get('cost_large'));
SELECT dl.deploy('cost_small', 2);
SELECT cost($$dl.predict('cost_small', a, b)$$) = cost($$dl.predict('cost_large', a, b)$$) AS as_deployed;
ROLLBACK;
SELECT cost($$dl.predict('cost_small', a, b)$$) BETWEEN 2 AND 20 AS as_before;

-- not known: what CREATE FUNCTION says, and no error before the query runs
SELECT cost($$dl.predict('cost_nothing', a, b)$$) AS unknown, cost($$dl.predict(filler, a, b)$$) AS not_constant, cost($$dl.predict(NULL::text, a, b)$$) AS of_null,
	   cost(format('dl.predict(%L, a, b)', repeat('x', 300))) AS too_long, cost($$dl.predict(NULL::dl.model, a, b)$$) AS null_value,
	   cost($$dl.predict((SELECT dl.get('cost_middle')), a, b)$$) BETWEEN 1000 AND 1100 AS of_a_subquery;
PREPARE by_name(text) AS SELECT dl.predict($1, a, b) FROM points;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE by_name('cost_nothing');
RESET plan_cache_mode;

-- nobody without a right learns the size, and whoever gets one does, at once
CREATE ROLE cost_user;
GRANT USAGE ON SCHEMA scoring_cost TO cost_user;
GRANT SELECT ON points TO cost_user;
SET ROLE cost_user;
SELECT cost($$dl.predict('cost_large', a, b)$$) = cost($$dl.predict('cost_nothing', a, b)$$) AS hidden,
	   cost($$dl.predict('cost_small', a, b)$$) = cost($$dl.predict('cost_nothing', a, b)$$) AS hidden_too;
RESET ROLE;
SELECT dl.grant_model('cost_large', 'cost_user');
SET ROLE cost_user;
SELECT cost($$dl.predict('cost_large', a, b)$$) BETWEEN 1000 AND 3000 AS shown;
RESET ROLE;
SELECT dl.revoke_model('cost_large', 'cost_user');
SET ROLE cost_user;
SELECT cost($$dl.predict('cost_large', a, b)$$) = cost($$dl.predict('cost_nothing', a, b)$$) AS hidden_again;
RESET ROLE;
DROP OWNED BY cost_user;
DROP ROLE cost_user;

-- plans are the same with and without batches
CREATE TEMP TABLE batched AS SELECT cost($$dl.predict('cost_middle', a, b)$$) AS middle;
SET deep_learning.batched_scoring = off;
SELECT cost($$dl.predict('cost_middle', a, b)$$) = middle AS same FROM batched;
RESET deep_learning.batched_scoring;

-- Filters: cheap ones come first, then the smaller network, wherever they stand.
CREATE FUNCTION slow(real) RETURNS boolean IMMUTABLE LANGUAGE plpgsql COST 300 AS $$ BEGIN RETURN $1 > 3; END $$;
SET deep_learning.batched_scoring = off;
EXPLAIN (COSTS OFF) SELECT id FROM points WHERE dl.predict('cost_large', a, b) > 1 AND slow(b) AND dl.predict('cost_small', a, b) > 1 AND a < 50;
RESET deep_learning.batched_scoring;
EXPLAIN (COSTS OFF) SELECT id FROM points WHERE dl.predict('cost_large', a, b) > 1 AND slow(b) AND dl.predict('cost_small', a, b) > 1 AND a < 50;

-- Behind LIMIT: also the smallest network is not run for rows that nobody gets.
EXPLAIN (COSTS OFF) SELECT id, dl.predict('cost_small', a, b) FROM points ORDER BY y, id LIMIT 3;

-- Workers: for a large network they are worth it, for a small one they are not.
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT id, dl.predict('cost_large', a, b) FROM points;
EXPLAIN (COSTS OFF) SELECT id, dl.predict('cost_small', a, b) FROM points;
EXPLAIN (COSTS OFF) SELECT id FROM points WHERE dl.predict('cost_large', a, b) > 50;
EXPLAIN (COSTS OFF) SELECT sum(dl.predict('cost_large', a, b)) FROM points;
-- a worker that plans a query of its own
CREATE FUNCTION in_worker(real, real) RETURNS double precision STABLE PARALLEL SAFE COST 100000 LANGUAGE plpgsql AS
	$$ BEGIN RETURN (SELECT max(dl.predict('cost_large', a, b)) FROM scoring_cost.few WHERE a = $1 AND b = $2); END $$;
EXPLAIN (COSTS OFF) SELECT count(in_worker(a, b)) FROM points WHERE id <= 50;
SET parallel_leader_participation = off;
SELECT count(in_worker(a, b)) FROM points WHERE id <= 50;
RESET parallel_leader_participation;
SET max_parallel_workers_per_gather = 0;

-- The nodes: each costs what is below it, and its scoring.
CREATE FUNCTION nodes(query text) RETURNS TABLE (node text, rows double precision, operators double precision) LANGUAGE plpgsql AS $$
DECLARE
	line json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO line;
	line := line->0->'Plan';
	WHILE line IS NOT NULL LOOP
		node := line->>'Node Type';
		rows := line->>'Plan Rows';
		operators := ((line->>'Total Cost')::float8 - coalesce((line->'Plans'->0->>'Total Cost')::float8, 0)) / current_setting('cpu_operator_cost')::float8;
		RETURN NEXT;
		line := line->'Plans'->0;
	END LOOP;
END $$;
SELECT node, rows, round((operators / 30000 / cost($$dl.predict('cost_large', a, b)$$))::numeric, 1) AS scorings
FROM nodes($$SELECT id, dl.predict('cost_large', a, b) FROM scoring_cost.points$$);
SELECT node, rows, round((operators / 30000 / cost($$dl.predict('cost_large', a, b)$$))::numeric, 1) AS scorings
FROM nodes($$SELECT id FROM scoring_cost.points WHERE dl.predict('cost_large', a, b) > 50$$);
SELECT node, rows, round((operators / 30000 / cost($$dl.predict('cost_large', a, b)$$))::numeric, 1) AS scorings
FROM nodes($$SELECT id FROM scoring_cost.points WHERE dl.predict('cost_large', a, b) BETWEEN 50 AND 60$$);
SELECT node, rows, round((operators / 30000 / cost($$dl.predict('cost_large', a, b)$$))::numeric, 1) AS scorings
FROM nodes($$SELECT id FROM scoring_cost.points WHERE dl.classify('cost_large', a, b) = 'x'$$);
SELECT node, rows, round((operators / 30000 / cost($$dl.predict('cost_large', a, b)$$))::numeric, 1) AS scorings
FROM nodes($$SELECT id, dl.predict('cost_large', b, a) FROM scoring_cost.points WHERE dl.predict('cost_large', a, b) > 50$$);
SELECT node, rows, operators >= 0 AS adds, operators / 30000 > 1000 AS scores
FROM nodes($$SELECT sum(dl.predict('cost_large', a, b)) FROM scoring_cost.points$$);

SET client_min_messages = warning;
DROP SCHEMA scoring_cost CASCADE;
SELECT dl.drop_model(name) FROM (VALUES ('cost_small'), ('cost_middle'), ('cost_large')) AS m(name);
