-- Models that are scored in another precision: what is computed, and what EXPLAIN says of it.
-- Not every processor multiplies bfloat16; the answers below are the same on all.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
CREATE SCHEMA precision_test;
SET search_path = precision_test;

CREATE TABLE points AS
SELECT i AS id, sin(i * 0.7)::real AS a, cos(i * 1.3)::real AS b, sin(i * 2.9)::real AS c, cos(i * 0.11)::real AS d FROM generate_series(1, 3000) AS i;
CREATE VIEW labelled AS
SELECT a, b, c, d, CASE WHEN a * b > 0.2 THEN 'red' WHEN c + d > 0.5 THEN 'green' ELSE 'blue' END AS colour FROM points;

CREATE FUNCTION train(level text, network dl.network DEFAULT 'dense(160, relu) > dense(130, gelu)') RETURNS text LANGUAGE sql AS $$
	SELECT task FROM dl.train('precision_' || level || CASE WHEN network::text ~ '160' THEN '' ELSE '_narrow' END, 'precision_test.labelled', 'colour',
							  network => network, epochs => 15, batch_size => 64, learning_rate => 3e-3, quiet => true, matmul_precision => level,
							  options => '{"members": 1, "scaling": "standard", "threads": 1}') $$;
SELECT train('highest'), train('high'), train('medium'), train('medium', 'dense(15, relu) > dense(15, relu)');
-- large enough to be shared by sessions, where that is possible
SELECT octet_length(dl.get('precision_medium')::bytea) > 65536 AS large, value FROM dl.summary('precision_medium') WHERE name = 'matmul_precision';

-- Device and precision, as a query that ran had them.
CREATE FUNCTION ran(query text) RETURNS TABLE (device text, level text) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN QUERY SELECT jsonb_path_query_first(plan, '$.**."Device"') #>> '{}', jsonb_path_query_first(plan, '$.**."Precision"') #>> '{}';
END $$;
CREATE FUNCTION of_model(name text) RETURNS TABLE (device text, level text) LANGUAGE sql AS $$
	SELECT * FROM ran(format('SELECT sum((dl.probabilities(%L, a, b, c, d)->>%L)::float8) FROM precision_test.points', name, 'red')) $$;
CREATE TABLE here AS SELECT level = 'medium' AS medium FROM of_model('precision_medium');

SELECT model, m.level FROM unnest('{precision_highest,precision_high,precision_medium_narrow}'::text[]) AS model, of_model(model) AS m ORDER BY 1;
SELECT level IN ('highest', 'medium') AS known, (level = 'medium') = (device ~ '_bf16$') AS device_has_it FROM of_model('precision_medium');
SELECT level = CASE WHEN medium THEN 'mixed' ELSE 'highest' END AS both
FROM here, ran($$SELECT count(dl.classify('precision_high', a, b, c, d)), count(dl.classify('precision_medium', a, b, c, d)) FROM precision_test.points$$);

-- What only parallel workers used is shown as well.
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
ALTER TABLE points SET (parallel_workers = 2);
CREATE FUNCTION in_workers(query text) RETURNS TABLE (workers text, models text, level text) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	RETURN QUERY SELECT jsonb_path_query_first(plan, '$.**."Workers Planned"') #>> '{}', jsonb_path_query_first(plan, '$.**."Models"') #>> '{}',
		jsonb_path_query_first(plan, '$.**."Precision"') #>> '{}';
END $$;
SELECT workers, models, w.level = CASE WHEN medium AND name = 'medium' THEN 'medium' ELSE 'highest' END AS right_level
FROM here, unnest('{highest,medium}'::text[]) AS name,
	 in_workers(format('SELECT count(dl.classify(%L, a, b, c, d)) FROM precision_test.points', 'precision_' || name)) AS w ORDER BY name;
ALTER TABLE points RESET (parallel_workers);
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;

-- The same weights: what differs is how they are multiplied.
CREATE TABLE batched AS
SELECT id, (dl.probabilities('precision_highest', a, b, c, d)->>'red')::float8 AS highest, (dl.probabilities('precision_high', a, b, c, d)->>'red')::float8 AS high,
	   (dl.probabilities('precision_medium', a, b, c, d)->>'red')::float8 AS medium
FROM points;
SELECT count(*) AS rows, bool_and(highest = high) AS high_is_highest, max(abs(medium - highest)) < 0.05 AS medium_is_near,
	   (count(*) FILTER (WHERE medium <> highest) > 0) = (SELECT medium FROM here) AS medium_is_something_else
FROM batched;
SELECT abs(m.value - h.value) < 0.01 AS accuracy_is_near, h.value > 0.8 AS it_learnt
FROM dl.evaluate('precision_medium', 'precision_test.labelled') AS m(name, value), dl.evaluate('precision_highest', 'precision_test.labelled') AS h(name, value)
WHERE m.name = 'accuracy' AND h.name = 'accuracy';

-- Row by row, and in batches of any size: the same bits at each precision.
SET deep_learning.batched_scoring = off;
SELECT count(*) AS rows, count(*) FILTER (WHERE (dl.probabilities('precision_medium', a, b, c, d)->>'red')::float8 IS DISTINCT FROM medium
										   OR (dl.probabilities('precision_highest', a, b, c, d)->>'red')::float8 IS DISTINCT FROM highest) AS differ
FROM points JOIN batched USING (id);
RESET deep_learning.batched_scoring;
SET deep_learning.batch_rows = 7;
SELECT count(*) FILTER (WHERE (dl.probabilities('precision_medium', a, b, c, d)->>'red')::float8 IS DISTINCT FROM medium) AS differ FROM points JOIN batched USING (id);
RESET deep_learning.batch_rows;
SELECT count(*) FILTER (WHERE (dl.probabilities(dl.get('precision_medium'), a, b, c, d)->>'red')::float8 IS DISTINCT FROM medium) AS differ
FROM points JOIN batched USING (id) WHERE id <= 20;
SELECT bool_and(dl.embed('precision_medium', a, b, c, d) = dl.embed('precision_high', a, b, c, d)) = NOT (SELECT medium FROM here) AS embeddings_too FROM points;

SELECT count(dl.drop_model(name)) FROM unnest('{precision_highest,precision_high,precision_medium,precision_medium_narrow}'::text[]) AS name;
SET client_min_messages = warning;
DROP SCHEMA precision_test CASCADE;
