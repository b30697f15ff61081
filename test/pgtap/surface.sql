-- The surface of the extension: what is there is commented, labelled as the script
-- says, runs with the caller's rights, and stands in the schema dl.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();

CREATE VIEW pg_temp.members AS
	SELECT classid, objid, classid::regclass::text AS kind, (pg_identify_object(classid, objid, 0)).*
	FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'deep_learning');
CREATE VIEW pg_temp.functions AS
	SELECT p.* FROM pg_proc p JOIN pg_temp.members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

SELECT cmp_ok(count(*)::integer, '>', 40, 'the extension has functions') FROM pg_temp.functions;
SELECT cmp_ok(count(*)::integer, '>', 5, 'and relations') FROM pg_temp.members WHERE kind = 'pg_class';

-- Comments.
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE obj_description(oid, 'pg_proc') IS NULL$$, 'every function has a comment');
SELECT is_empty($$SELECT identity FROM pg_temp.members WHERE kind IN ('pg_namespace', 'pg_cast', 'pg_operator', 'pg_type')
				  AND type <> 'array' AND obj_description(objid, kind) IS NULL
				  AND NOT EXISTS (SELECT FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid = objid AND c.relkind <> 'c')
				  AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typarray = objid)$$,
				'every schema, type, cast and operator has one');
SELECT is_empty($$SELECT identity FROM pg_temp.members WHERE kind = 'pg_class' AND type IN ('table', 'view')
				  AND obj_description(objid, kind) IS NULL$$, 'every table and view has one');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions
				  WHERE obj_description(oid, 'pg_proc') ~ '(TO[D]O|FIX[M]E|XX[X])' OR length(obj_description(oid, 'pg_proc')) > 300$$,
				'comments are short and final');

-- How functions run.
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE prosecdef$$, 'no function is SECURITY DEFINER');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE proconfig IS NOT NULL$$, 'no function needs a search_path or another setting');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE prolang NOT IN (SELECT oid FROM pg_language WHERE lanname IN ('c', 'internal'))$$,
				'all functions are C, so none can be led astray by a search_path');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE prokind = 'f' AND probin <> '$libdir/deep_learning'$$, 'and of this library');
SELECT set_eq($$SELECT DISTINCT proparallel::text || provolatile::text FROM pg_temp.functions WHERE proname IN ('predict', 'classify', 'probabilities', 'predict_array', 'embed')
				AND proargtypes[0] = 'text'::regtype$$, ARRAY['ss'], 'scoring by name is STABLE and PARALLEL SAFE');
SELECT set_eq($$SELECT DISTINCT proparallel::text || provolatile::text FROM pg_temp.functions WHERE proname IN ('predict', 'classify', 'probabilities', 'predict_array', 'embed')
				AND proargtypes[0] = 'dl.model'::regtype$$, ARRAY['si'], 'scoring by value is IMMUTABLE and PARALLEL SAFE');
SELECT is(count(*)::integer, 10, 'five scoring functions by name and by value') FROM pg_temp.functions
	WHERE proname IN ('predict', 'classify', 'probabilities', 'predict_array', 'embed');
SELECT set_eq($$SELECT DISTINCT proname::text FROM pg_temp.functions WHERE provolatile = 'v' AND prokind = 'f'$$,
			  $$SELECT unnest('{train,fit_transition,fit_final,evaluate,drift,performance,deploy,rollback,put,drop_model,rename_model,set_owner,grant_model,revoke_model,create_function,submit,wait,cancel,retry,drop_job,schedule,unschedule,run_now,run_due}'::text[])$$,
			  'what trains, runs a query or changes the registry is VOLATILE, nothing else');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE provolatile = 'v' AND prokind = 'f' AND proparallel <> 'u'$$,
				'and PARALLEL UNSAFE');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE provolatile = 'i' AND prokind = 'f' AND proparallel <> 's'$$, 'IMMUTABLE functions are PARALLEL SAFE');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE provolatile = 'i' AND proargtypes::oid[] && ARRAY['text'::regtype::oid]
				  AND proname NOT LIKE 'network%'$$, 'nothing IMMUTABLE looks a name up');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions p WHERE proleakproof$$, 'none claims to be leakproof');
SELECT set_eq($$SELECT DISTINCT proname::text FROM pg_temp.functions WHERE prosupport <> 0$$,
			  $$SELECT unnest('{predict,classify,probabilities,predict_array,embed,predict_interval}'::text[])$$, 'the planner asks what scoring costs, nothing else');
SELECT is(count(*)::integer, 12, 'by name and by value') FROM pg_temp.functions WHERE prosupport = 'dl.scoring_support'::regproc;

-- Every C function exists: its body can be loaded.
CREATE FUNCTION pg_temp.exists_in_library(symbol text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FUNCTION pg_temp.probe() RETURNS void LANGUAGE c AS %L, %L', '$libdir/deep_learning', symbol);
	DROP FUNCTION pg_temp.probe();
	RETURN true;
EXCEPTION WHEN undefined_function THEN
	RETURN false;
END $$;
SELECT is_empty($$SELECT oid::regprocedure FROM pg_temp.functions WHERE prokind = 'f' AND NOT pg_temp.exists_in_library(prosrc)$$, 'every C function exists');
SELECT ok(NOT pg_temp.exists_in_library('dl_sql_no_such_function'), 'and the check can tell');

-- Where things are.  Operators are the one exception: pg_catalog, so that they are found under any search_path.
SELECT is_empty($$SELECT kind, identity FROM pg_temp.members WHERE schema IS NOT NULL AND schema <> 'dl' AND kind <> 'pg_operator'$$, 'no object stands outside the schema dl');
SELECT is_empty($$SELECT identity FROM pg_temp.members WHERE kind = 'pg_operator' AND NOT EXISTS (
					  SELECT FROM pg_operator o WHERE o.oid = objid AND 'dl.model'::regtype IN (o.oprleft, o.oprright))$$,
				'operators are about dl.model');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'dl'::regnamespace AND relkind IN ('r', 'v', 'S', 'f', 'm', 'p')
				  AND c.oid NOT IN (SELECT objid FROM pg_temp.members)$$, 'nothing in dl is not of the extension');

-- Rights.
SELECT isnt_empty($$SELECT FROM pg_temp.members WHERE kind = 'pg_class' AND type = 'table'$$, 'there are tables');
SELECT is_empty($$SELECT identity, privilege FROM pg_temp.members, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
				  WHERE kind = 'pg_class' AND type = 'table' AND has_table_privilege('public', objid, privilege)$$, 'PUBLIC has no right on a table of the registry');
SELECT is_empty($$SELECT identity, attname FROM pg_temp.members JOIN pg_attribute a ON attrelid = objid WHERE kind = 'pg_class' AND type = 'table' AND attacl IS NOT NULL$$,
				'nor on a column');
SELECT is_empty($$SELECT identity, privilege FROM pg_temp.members, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS privilege
				  WHERE kind = 'pg_class' AND type = 'sequence' AND has_sequence_privilege('public', objid, privilege)$$, 'nor on a sequence');
SELECT ok(has_schema_privilege('public', 'dl', 'USAGE'), 'PUBLIC may use the schema');
SELECT ok(NOT has_schema_privilege('public', 'dl', 'CREATE'), 'but not create in it');
SELECT is_empty($$SELECT identity FROM pg_temp.members WHERE kind = 'pg_class' AND type = 'view' AND NOT has_table_privilege('public', objid, 'SELECT')$$,
				'PUBLIC may read the views, which filter by rights');
SELECT is_empty($$SELECT identity, privilege FROM pg_temp.members, unnest('{INSERT,UPDATE,DELETE}'::text[]) AS privilege
				  WHERE kind = 'pg_class' AND type = 'view' AND has_table_privilege('public', objid, privilege)$$, 'and only read');
SELECT is_empty($$SELECT identity FROM pg_temp.members WHERE kind = 'pg_class' AND type IN ('table', 'sequence')
				  AND NOT objid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'deep_learning')::oid[])$$, 'pg_dump takes all tables and sequences along');

-- Settings.
SELECT dl.network_out('dense(1)') \g /dev/null
SELECT is_empty($$SELECT name FROM pg_settings WHERE name LIKE 'deep_learning.%' AND (short_desc = '' OR category <> 'Customized Options')$$, 'settings are described');
SELECT set_eq($$SELECT name FROM pg_settings WHERE name LIKE 'deep_learning.%' AND context = 'superuser'$$, ARRAY['deep_learning.max_training_memory'],
			  'what lifts a limit belongs to superusers');

-- Dropped and created again, with models in it, and with another schema first in the search_path.
CREATE TABLE rows_to_learn AS SELECT sin(i) AS x, cos(i) AS y FROM generate_series(1, 50) AS i;
SELECT lives_ok($$SELECT dl.train('surface', 'rows_to_learn', 'y', network => 'dense(4)', epochs => 1, quiet => true)$$, 'a model is trained');
CREATE TEMPORARY TABLE before AS SELECT kind, identity FROM pg_temp.members;
SELECT lives_ok('DROP EXTENSION deep_learning CASCADE', 'the extension is dropped with its models');
SELECT hasnt_schema('dl');
SELECT is_empty($$SELECT oid::regoperator FROM pg_operator WHERE oprcode = 0 AND oid >= 16384$$, 'no operator is left over');
CREATE SCHEMA first;
CREATE FUNCTION first.format_type(oid, integer) RETURNS text LANGUAGE sql AS $$ SELECT 'stolen' $$;
SET LOCAL search_path = first, public;
SELECT lives_ok('CREATE EXTENSION deep_learning', 'and created again');
SET LOCAL search_path = public;
SELECT is_empty('SELECT name FROM dl.models', 'without models');
CREATE VIEW pg_temp.members_again AS
	SELECT classid::regclass::text AS kind, (pg_identify_object(classid, objid, 0)).identity
	FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'deep_learning');
SELECT set_eq('SELECT kind, identity FROM pg_temp.members_again', 'SELECT kind, identity FROM before', 'with the same objects');
SELECT lives_ok($$SELECT dl.train('surface', 'rows_to_learn', 'y', network => 'dense(4)', epochs => 1, quiet => true)$$, 'and it trains again in the same session');
SELECT throws_ok('CREATE EXTENSION deep_learning SCHEMA public', '42710', NULL, 'it is there once');

SELECT * FROM finish();
ROLLBACK;
