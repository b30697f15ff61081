-- What is special to tables: several networks, effort, time, thresholds and prediction intervals.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS deep_learning;
RESET client_min_messages;
CREATE SCHEMA tables_test;
SET search_path = tables_test;

CREATE TABLE houses AS
SELECT i AS id, area, age, CASE i % 3 WHEN 0 THEN 'north' WHEN 1 THEN 'south' ELSE 'west' END AS side,
	   exp(0.5 * area - 0.3 * age + 0.05 * sin(i * 3.7)) AS price, sin(i * 7.1) + area > 1 AS sold
FROM (SELECT i, 2 + sin(i * 1.3) AS area, 1 + cos(i * 2.1) AS age FROM generate_series(1, 900) i) s;

-- without a network several are trained; all are rows of dl.trials
SELECT model, task, metric, value < 1 AS good FROM dl.train('price', 'houses', 'price', epochs => 10, quiet => true);
SELECT count(*), count(DISTINCT (network, learning_rate)), bool_and(measure > 0 AND epochs = 10 AND best_epoch BETWEEN 1 AND 10),
	   round(sum(weight)::numeric, 6) AS weight, bool_and((weight > 0) = (state = 'member')) FROM dl.trials('price');
SELECT bool_and(target IN ('value', 'logarithm')) FROM dl.trials('price');
SELECT sum(substring(value FROM 'trained (\d+) time')::int) FILTER (WHERE name = 'network') = max(substring(value FROM '^\d+')::int) FILTER (WHERE name = 'networks') AS as_many
FROM dl.summary('price') WHERE part = 'model';
SELECT (SELECT count(*) FROM dl.trials(dl.get('price'))) = (SELECT count(*) FROM dl.trials('price', 1)) AS same;
-- one keeps training rows, where that is not forbidden
SELECT model FROM dl.train('price_forgetting', 'houses', 'price', epochs => 1, quiet => true, options => '{"neighbours": false}');
SELECT name, bool_or(network ~ 'neighbours') AS neighbours FROM (VALUES ('price'), ('price_forgetting')) v(name), dl.trials(name) GROUP BY name ORDER BY name;

-- effort
SELECT count(*) FROM dl.train('price_fast', 'houses', 'price', effort => 'fast', quiet => true), dl.trials('price_fast');
SELECT model FROM dl.train('price_best', 'houses', 'price', effort => 'best', epochs => 1, quiet => true);
SELECT count(*) AS trials, count(*) FILTER (WHERE weight > 0) <= 30 AS limited FROM dl.trials('price_best');
SELECT dl.train('x', 'houses', 'price', effort => 'much');

-- time
SELECT seconds < 4 AS in_time FROM dl.train('price_time', 'houses', 'price', epochs => 100000, max_seconds => 1, quiet => true);
SELECT state, count(*) > 0 AS some FROM dl.trials('price_time') WHERE state <> 'not kept' GROUP BY state ORDER BY state;
SELECT dl.train('x', 'houses', 'price', max_seconds => 0);

-- prediction intervals
SELECT model FROM dl.train('price_interval', 'houses', 'price', effort => 'fast', prediction_interval => 0.8, quiet => true);
SELECT count(*), bool_and(p.low < p.value AND p.value < p.high) AS around,
	   avg((h.price BETWEEN p.low AND p.high)::int) BETWEEN 0.7 AND 0.95 AS holds
FROM houses h, dl.predict_interval('price_interval', h) p;
SELECT bool_and(p = dl.predict_interval(dl.get('price_interval'), h.area, h.age, h.side, h.sold)) AS same,
	   bool_and(p.value = dl.predict('price_interval', h)) AS same_value
FROM houses h, dl.predict_interval('price_interval', h) p WHERE id < 50;
SELECT dl.predict_interval('price_interval', NULL::houses);
SELECT dl.predict_interval('price_fast', h) FROM houses h LIMIT 1;
SELECT dl.train('x', 'houses', 'sold', prediction_interval => 0.9);
SELECT dl.train('x', 'houses', 'price', prediction_interval => 0.9, validation => 0);
SELECT dl.train('x', 'houses', 'price', prediction_interval => 1.5);
SELECT dl.train('x', 'SELECT * FROM houses LIMIT 60', 'price', prediction_interval => 0.99, quiet => true);

-- thresholds
SELECT model FROM dl.train('sold', 'SELECT area, age, side, sold FROM houses', 'sold', effort => 'fast', quiet => true);
SELECT model FROM dl.train('sold_f1', 'SELECT area, age, side, sold FROM houses', 'sold', effort => 'fast', optimize => 'f1', quiet => true);
SELECT bool_and(dl.classify('sold', h) = (dl.predict('sold', h) > 0.5)::text) FROM houses h;
SELECT t.threshold <> 0.5 AS chosen, bool_and(dl.classify('sold_f1', h) = (dl.predict('sold_f1', h) > t.threshold)::text)
FROM houses h, (SELECT (dl.metadata('sold_f1') -> 'target' ->> 'threshold')::float8 AS threshold) t GROUP BY t.threshold;
SELECT name, value ~ '^above 0\.\d+' AS shown FROM dl.summary('sold_f1') WHERE name = 'dl.classify gives true';
SELECT dl.predict_interval('sold', h) FROM houses h LIMIT 1;
SELECT dl.train('x', 'houses', 'price', optimize => 'f1');
SELECT dl.train('x', 'houses', 'sold', optimize => 'profit');

-- as an aggregate
SELECT side, m IS NOT NULL AS fitted, (SELECT count(*) FROM dl.trials(m)) AS trials
FROM (SELECT side, dl.fit(price, (area, age), '{"effort": "fast", "prediction_interval": 0.8}') AS m FROM houses GROUP BY side) s ORDER BY side;

SELECT count(dl.drop_model(name)) FROM dl.models WHERE name LIKE 'price%' OR name LIKE 'sold%';
SET client_min_messages = warning;
DROP SCHEMA tables_test CASCADE;
