-- dl.model as a type: its forms, casts, order, and what is refused.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;

CREATE TEMP TABLE fruit AS
	SELECT (i % 5) * 1.5 AS weight, CASE WHEN i % 3 = 0 THEN 'green' ELSE 'red' END AS colour,
		   CASE WHEN i % 5 + i % 3 > 3 THEN 'apple' ELSE 'berry' END AS kind
	FROM generate_series(1, 240) AS i;
SELECT version FROM dl.train('fruit', 'fruit', 'kind', network => 'dense(6, relu)', epochs => 2, quiet => true,
							 options => '{"members": 1}');
SELECT version FROM dl.train('fruit numbers', 'fruit', 'weight', network => 'dense(4, tanh) > dropout(0.5)', epochs => 2, quiet => true,
							 options => '{"members": 1}');
CREATE TEMP TABLE models AS
	SELECT name, dl.get(name) AS model FROM dl.models WHERE name IN ('fruit', 'fruit numbers');

-- the column of a type that is stored out of line, uncompressed, aligned as bytea
SELECT typlen, typalign, typstorage, typcategory FROM pg_type WHERE oid = 'dl.model'::regtype;

-- text: a head that can be read, then base64; back to the bit
SELECT name, model::text ~ '^dl\.model 1, [0-9]+ bytes, base64 [A-Za-z0-9+/]+=*$' AS form,
	   split_part(model::text, ' ', 3)::integer = octet_length(model::bytea) AS length,
	   model::text::dl.model = model AS lossless
FROM models ORDER BY name;

-- bytes: the cast out is free, the one in validates; send and recv
SELECT name, model::bytea::dl.model = model AS cast, dl.model_send(model) = model::bytea AS send
FROM models ORDER BY name;
SELECT castfunc = 0 AS free FROM pg_cast WHERE castsource = 'dl.model'::regtype AND casttarget = 'bytea'::regtype;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/model_type.copy'
\set out '\\copy models TO ' :'file' ' WITH (FORMAT binary)'
\set in '\\copy received FROM ' :'file' ' WITH (FORMAT binary)'
CREATE TEMP TABLE received (LIKE models);
:out
:in
SELECT count(*) FROM models JOIN received USING (name, model);

-- order, equality, hashing: by content, under any search_path
SET search_path = pg_temp;
SELECT a.name, b.name, a.model = b.model AS eq, a.model <> b.model AS ne,
	   (a.model < b.model) = (b.model > a.model) AND (a.model <= b.model) = (b.model >= a.model) AS consistent,
	   dl.model_hash(a.model) = dl.model_hash(b.model) AS hash,
	   dl.model_hash_extended(a.model, 1) = dl.model_hash_extended(b.model, 1) AS hash_extended,
	   dl.model_cmp(a.model, b.model) = 0 AS cmp
FROM models a, models b ORDER BY 1, 2;
RESET search_path;
SELECT count(DISTINCT model), count(*) FROM (SELECT model FROM models UNION ALL SELECT model FROM received) AS both_tables;
SET enable_sort = off;
SELECT count(*) FROM (SELECT model FROM models UNION SELECT model FROM received) AS both_tables;
RESET enable_sort;
SELECT model IN (SELECT model FROM received) AS among FROM models;

-- a value that was compressed is the same value
ALTER TABLE received ALTER COLUMN model SET STORAGE EXTENDED;
TRUNCATE received;
INSERT INTO received SELECT name, model::text::dl.model FROM models;
SELECT name, models.model = received.model AS equal,
	   dl.model_hash(models.model) = dl.model_hash(received.model) AS hash
FROM models JOIN received USING (name) ORDER BY name;

-- inside
SELECT s.* FROM models, dl.summary(model) AS s
WHERE models.name = 'fruit' AND s.part IN ('model', 'layer', 'column') AND s.name <> 'parameters';
SELECT s.* FROM models, dl.summary(model) AS s
WHERE models.name = 'fruit numbers' AND s.part IN ('model', 'layer', 'column');
SELECT h.epoch, h.learning_rate > 0 AS rate, h.training_loss > 0 AS loss, h.validation_loss > 0 AS validation
FROM models, dl.history(model) AS h WHERE models.name = 'fruit' ORDER BY 1;
SELECT count(*) FILTER (WHERE best) AS best FROM dl.history('fruit');
SELECT dl.metadata(model) ->> 'task' AS task, dl.metadata(model) = dl.metadata(name) AS same FROM models ORDER BY name;
SELECT count(*) FROM (SELECT * FROM dl.summary('fruit') EXCEPT SELECT s.* FROM models, dl.summary(model) AS s WHERE models.name = 'fruit') AS difference;

-- NULL is NULL
SELECT NULL::dl.model IS NULL AS "null", NULL::dl.model::bytea IS NULL AS bytea, dl.metadata(NULL::dl.model) IS NULL AS metadata;
SELECT count(*) FROM dl.summary(NULL::dl.model);
SELECT count(*) FROM dl.history(NULL::dl.model);

-- text that is no model
SELECT ''::dl.model;
SELECT 'a model'::dl.model;
SELECT 'dl.model 2, 4 bytes, base64 AAAAAA=='::dl.model;
SELECT 'dl.model 1, bytes, base64 AAAAAA=='::dl.model;
SELECT 'dl.model 1, 04 bytes, base64 AAAAAA=='::dl.model;
SELECT 'dl.model 1, 4 bytes AAAAAA=='::dl.model;
SELECT 'dl.model 1, 5 bytes, base64 AAAAAA=='::dl.model;
SELECT 'dl.model 1, 4 bytes, base64 AAA AA=='::dl.model;
SELECT 'dl.model 1, 4 bytes, base64 AA%AAA=='::dl.model;
SELECT 'dl.model 1, 9999999999 bytes, base64 AAAAAA=='::dl.model;
SELECT 'dl.model 1, 4 bytes, base64 AAAAAA=='::dl.model;

-- bytes that are no model
SELECT ''::bytea::dl.model;
SELECT '\x0000000000000000'::bytea::dl.model;
SELECT '\x02000000000000007b7d'::bytea::dl.model;
SELECT repeat('x', 1000)::bytea::dl.model;

-- every length but the whole is refused, and no flipped bit harms the session
CREATE FUNCTION pg_temp.state(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bytes::dl.model;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT pg_temp.state(substring(model::bytea FOR n)) AS state, count(*) > 100 AS many
FROM models, generate_series(0, octet_length(model::bytea) - 1, 13) AS n WHERE name = 'fruit' GROUP BY 1;
SELECT pg_temp.state(model::bytea || '\x00') AS longer FROM models WHERE name = 'fruit';
SELECT DISTINCT pg_temp.state(set_bit(model::bytea, n, 1 - get_bit(model::bytea, n))) IN ('accepted', '22P03', '54000', '0A000') AS clean
FROM models, generate_series(0, octet_length(model::bytea) * 8 - 1, 149) AS n WHERE name = 'fruit';
SELECT DISTINCT pg_temp.state(set_bit(model::bytea, n, 1 - get_bit(model::bytea, n))) <> 'accepted' AS refused
FROM models, generate_series(0, 63) AS n WHERE name = 'fruit';

-- a value for each row, from a table and computed: each is recognised for what it is
SELECT m.name, count(DISTINCT dl.metadata(m.model) ->> 'task'), bool_and(dl.predict_array(m.model, f) = dl.predict_array(m.name, f)) AS same
FROM fruit AS f CROSS JOIN (SELECT * FROM models UNION ALL SELECT name, model::bytea::dl.model FROM models) AS m
GROUP BY m.name ORDER BY m.name;

SELECT dl.drop_model('fruit'), dl.drop_model('fruit numbers');
