-- dl.create_function: with whose rights it makes a function, and with whose rights that runs.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();

CREATE ROLE dl_owner;
CREATE ROLE dl_user;
CREATE ROLE dl_nobody;
CREATE SCHEMA dl_open;
CREATE SCHEMA dl_closed;
GRANT USAGE ON SCHEMA dl_open, dl_closed TO PUBLIC;
GRANT CREATE ON SCHEMA dl_open TO PUBLIC;

-- The state of a statement run by a role, all of it undone: '' or an SQLSTATE.
CREATE FUNCTION pg_temp.attempt(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE statement;
	RAISE EXCEPTION 'undo' USING ERRCODE = 'DL000';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN 'DL000' THEN '' ELSE SQLSTATE END;
END $$;

CREATE TABLE dl_rows AS SELECT (i % 7)::real AS a, (i % 5)::real AS b, (i % 7 + i % 5)::real AS y FROM generate_series(1, 300) AS i;
GRANT SELECT ON dl_rows TO PUBLIC;
SET LOCAL ROLE dl_owner;
SELECT isnt_empty($$SELECT * FROM dl.train('typed', 'public.dl_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"members": 1}')$$, 'a model');
SELECT dl.grant_model('typed', 'dl_user');
RESET ROLE;

-- who may make one: whoever may use the model and may create in the schema
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'dl_open.f')$$), '', 'its owner may');
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl.create_function('typed', 'dl_open.f')$$), '', 'whoever may use it may');
SELECT is(pg_temp.attempt('dl_nobody', $$SELECT dl.create_function('typed', 'dl_open.f')$$), '42501', 'nobody else may');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'dl_closed.f')$$), '42501', 'nor where one may not create');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'pg_catalog.f')$$), '42501', 'nor among the functions of PostgreSQL');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'dl.f')$$), '42501', 'nor among those of the extension');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'pg_temp.f')$$), '', 'for the session it may be');

-- whose it is, and with whose rights it runs
SET LOCAL ROLE dl_user;
SELECT lives_ok($$SELECT dl.create_function('typed', 'dl_open.predict_typed')$$, 'made by a user');
RESET ROLE;
SELECT is(proowner::regrole::text, 'dl_user', 'it is his') FROM pg_proc WHERE oid = 'dl_open.predict_typed'::regproc;
SELECT ok(NOT prosecdef AND proconfig IS NULL AND NOT proleakproof, 'it lends no rights') FROM pg_proc WHERE oid = 'dl_open.predict_typed'::regproc;
SELECT is(obj_description('dl_open.predict_typed'::regproc, 'pg_proc'), 'dl.predict of the model "typed"', 'its comment names the model');
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl_open.predict_typed(1, 2)$$), '', 'who may use the model calls it');
SELECT is(pg_temp.attempt('dl_nobody', $$SELECT dl_open.predict_typed(1, 2)$$), '42501', 'who may not gets an error');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'dl_open.predict_typed')$$), '42723', 'it is there already');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.create_function('typed', 'dl_open.predict_typed', replace => true)$$), '42501', 'only its owner replaces it');
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl.create_function('typed', 'dl_open.predict_typed', replace => true)$$), '', 'who may');
SET LOCAL ROLE dl_owner;
SELECT dl.revoke_model('typed', 'dl_user');
RESET ROLE;
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl_open.predict_typed(1, 2)$$), '42501', 'a right that is taken away is missed at the next call');

SELECT * FROM finish();
ROLLBACK;
