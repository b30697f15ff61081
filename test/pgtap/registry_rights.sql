-- Rights on models: who may do what, what others learn, and what a hostile
-- search_path, a dropped role or direct SQL on the tables can do.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();

CREATE ROLE dl_owner;
CREATE ROLE dl_member;
CREATE ROLE dl_admin;
CREATE ROLE dl_reader;
CREATE ROLE dl_user;
CREATE ROLE dl_nobody;
CREATE ROLE dl_super SUPERUSER;
CREATE ROLE dl_team;
GRANT dl_owner TO dl_member;
GRANT dl_team TO dl_user, dl_owner;

-- The state of a statement run by a role, all of it undone: '' or an SQLSTATE.
CREATE FUNCTION pg_temp.attempt(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE statement;
	RAISE EXCEPTION 'undo' USING ERRCODE = 'DL000';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN 'DL000' THEN '' ELSE SQLSTATE END;
END $$;

CREATE TABLE dl_rows AS
	SELECT (i % 7)::real AS a, (i % 5)::real AS b, (i % 7 + i % 5)::real AS y FROM generate_series(1, 300) AS i;
GRANT SELECT ON dl_rows TO PUBLIC;
SET LOCAL ROLE dl_owner;
SELECT isnt_empty($$SELECT * FROM dl.train('shared', 'public.dl_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"members": 1}')$$,
				  'an ordinary role trains');
SELECT dl.put('shared', dl.get('shared'));
SELECT dl.put('private', dl.get('shared'));
SELECT dl.grant_model('shared', 'dl_admin', 'admin'), dl.grant_model('shared', 'dl_reader', 'read'), dl.grant_model('shared', 'dl_team');
RESET ROLE;

CREATE TEMP TABLE holder (role name, privilege integer);
INSERT INTO holder VALUES ('dl_nobody', 0), ('dl_user', 1), ('dl_reader', 2), ('dl_admin', 3), ('dl_owner', 4), ('dl_member', 4), ('dl_super', 4);
GRANT SELECT ON holder TO PUBLIC;

-- every function, every level
CREATE TEMP TABLE statement (needed integer, text text);
INSERT INTO statement VALUES
	(1, $$SELECT dl.predict('shared', 1, 2)$$),
	(1, $$SELECT dl.predict_array('shared', 1, 2)$$),
	(1, $$SELECT dl.embed('shared', 1, 2)$$),
	(1, $$SELECT * FROM dl.summary('shared')$$),
	(1, $$SELECT * FROM dl.summary('shared', 2)$$),
	(1, $$SELECT * FROM dl.history('shared')$$),
	(2, $$SELECT dl.get('shared')$$),
	(2, $$SELECT dl.get('shared', 2)$$),
	(2, $$SELECT dl.metadata('shared')$$),
	(2, $$SELECT dl.put('stolen', dl.get('shared'))$$),
	(3, $$SELECT dl.deploy('shared', 2)$$),
	(3, $$SELECT dl.drop_model('shared', 2)$$),
	(3, $$SELECT dl.put('shared', dl.get('shared'))$$),
	(3, $$SELECT dl.train('shared', 'public.dl_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"members": 1}')$$),
	(3, $$SELECT dl.deploy('shared', 2), dl.rollback('shared')$$),
	(3, $$SELECT dl.grant_model('shared', 'dl_nobody')$$),
	(3, $$SELECT dl.grant_model('shared', 'public', 'read')$$),
	(3, $$SELECT dl.revoke_model('shared', 'dl_reader')$$),
	(3, $$SELECT dl.revoke_model('shared', 'dl_team', 'use')$$),
	(4, $$SELECT dl.grant_model('shared', 'dl_nobody', 'admin')$$),
	(4, $$SELECT dl.revoke_model('shared', 'dl_admin')$$),
	(4, $$SELECT dl.revoke_model('shared', 'dl_admin', 'admin')$$),
	(4, $$SELECT dl.rename_model('shared', 'other')$$),
	(4, $$SELECT dl.drop_model('shared')$$),
	(4, $$SELECT dl.set_owner('shared', 'dl_owner')$$);
SELECT is(pg_temp.attempt(role, text), CASE WHEN privilege >= needed THEN '' ELSE '42501' END, role || ': ' || text)
FROM statement, holder ORDER BY needed, text, privilege, role;

-- who may be made the owner: a role that the caller belongs to
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.set_owner('shared', 'dl_team')$$), '', 'to a role that I belong to');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.set_owner('shared', 'dl_reader')$$), '42501', 'not to a role that I do not belong to');
SELECT is(pg_temp.attempt('dl_super', $$SELECT dl.set_owner('shared', 'dl_reader')$$), '', 'a superuser to any');

-- another's name
SELECT is(pg_temp.attempt('dl_nobody', $$SELECT dl.train('private', 'public.dl_rows', 'y', epochs => 1, quiet => true)$$), '42501', 'another''s name is taken');
SELECT is(pg_temp.attempt('dl_reader', $$SELECT dl.put('private', dl.get('shared'))$$), '42501', 'another''s name is taken by put');
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.rename_model('shared', 'private')$$), '42710', 'two models of one name');

-- what an error says
SET LOCAL ROLE dl_user;
SELECT throws_ok($$SELECT dl.predict('private', 1, 2)$$, '42501', 'permission denied for model "private"');
SELECT throws_ok($$SELECT dl.drop_model('shared')$$, '42501', 'must be owner of model "shared"');
SELECT throws_ok($$SELECT dl.predict('privat', 1, 2)$$, '42704', 'model "privat" does not exist');
CREATE FUNCTION pg_temp.hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;
SELECT unalike(pg_temp.hint($$SELECT dl.predict('privat', 1, 2)$$), '%private%', 'a hint names no model without a right on it');
SELECT alike(pg_temp.hint($$SELECT dl.predict('share', 1, 2)$$), '%"shared"%', 'but one with');
RESET ROLE;

-- the views
CREATE FUNCTION pg_temp.seen(who name, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text) FROM (%s) AS r', query) INTO result;
	RESET ROLE;
	RETURN result;
END $$;
SELECT is(pg_temp.seen('dl_nobody', 'SELECT name FROM dl.models'), NULL, 'models: nothing without a right');
SELECT is(pg_temp.seen('dl_user', 'SELECT name, owner, privilege FROM dl.models'), '(shared,dl_owner,use)', 'models: use by membership');
SELECT is(pg_temp.seen('dl_reader', 'SELECT name, owner, privilege FROM dl.models'), '(shared,dl_owner,read)', 'models: read');
SELECT is(pg_temp.seen('dl_member', 'SELECT name, owner, privilege FROM dl.models'),
		  '(private,dl_owner,owner) (shared,dl_owner,owner)', 'models: a member of the owner');
SELECT is(pg_temp.seen('dl_super', 'SELECT name FROM dl.models WHERE name IN (''private'', ''shared'')'), '(private) (shared)', 'models: a superuser');
SELECT is(pg_temp.seen('dl_nobody', 'SELECT name FROM dl.versions'), NULL, 'versions: nothing without a right');
SELECT is(pg_temp.seen('dl_user', 'SELECT name, version, deployed FROM dl.versions'), '(shared,1,t) (shared,2,f)', 'versions: of what one may use');
SELECT is(pg_temp.seen('dl_reader', 'SELECT name FROM dl.grants'), NULL, 'grants: nothing for a reader');
SELECT is(pg_temp.seen('dl_admin', 'SELECT role, privilege, grantor FROM dl.grants'),
		  '(dl_admin,admin,dl_owner) (dl_reader,read,dl_owner) (dl_team,use,dl_owner)', 'grants: all for an administrator');

-- a function in a query sees no row that its caller may not see
CREATE TABLE dl_leak (name text);
GRANT ALL ON dl_leak TO PUBLIC;
CREATE FUNCTION public.dl_leak(name text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	INSERT INTO public.dl_leak VALUES (name);
	RETURN true;
END $$;
SET LOCAL ROLE dl_user;
SELECT lives_ok($$SELECT * FROM dl.models WHERE public.dl_leak(name)$$);
SELECT lives_ok($$SELECT * FROM dl.versions WHERE public.dl_leak(name)$$);
RESET ROLE;
SELECT is_empty($$SELECT * FROM dl_leak WHERE name <> 'shared'$$, 'rows are filtered before any condition');

-- no direct access to the tables, or to a sequence
SELECT is(pg_temp.attempt(role, format(command, relation)), '42501', role || ': ' || format(command, relation))
FROM (VALUES ('dl_nobody'::name), ('dl_owner')) AS who (role),
	 (SELECT oid::regclass FROM pg_class WHERE relnamespace = 'dl'::regnamespace AND relname LIKE 'registry%' AND relkind = 'r') AS what (relation),
	 unnest(ARRAY['SELECT FROM %s', 'INSERT INTO %s DEFAULT VALUES', 'DELETE FROM %s', 'TRUNCATE %s', 'LOCK %s',
				  'ALTER TABLE %s DISABLE TRIGGER ALL', 'CREATE TRIGGER t BEFORE INSERT ON %s EXECUTE FUNCTION suppress_redundant_updates_trigger()']) AS command;
SELECT is(pg_temp.attempt('dl_owner', $$SELECT nextval('dl.registry_model_id')$$), '42501', 'the sequence');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'dl'::regnamespace AND prosecdef$$, 'no SECURITY DEFINER function');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'dl'::regnamespace
				  AND c.relname LIKE 'registry%' AND a.grantee <> c.relowner$$, 'nobody has rights on the tables');
SELECT is(pg_temp.attempt('dl_nobody', 'CREATE TABLE dl.mine ()'), '42501', 'nobody creates anything in the schema');

-- the user of a function of somebody else is its owner
CREATE FUNCTION public.dl_score() RETURNS float8 LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN RETURN dl.predict('private', 1, 2); END$$;
ALTER FUNCTION public.dl_score() OWNER TO dl_owner;
SELECT is(pg_temp.attempt('dl_nobody', 'SELECT public.dl_score()'), '', 'as the owner of a SECURITY DEFINER function');
CREATE FUNCTION public.dl_score_invoker() RETURNS float8 LANGUAGE plpgsql AS $$BEGIN RETURN dl.predict('private', 1, 2); END$$;
SELECT public.dl_score_invoker();
SELECT is(pg_temp.attempt('dl_nobody', 'SELECT public.dl_score_invoker()'), '42501', 'a function that another user has warmed up asks again');
PREPARE score AS SELECT dl.predict('private', 1, 2);
EXECUTE score;
SELECT is(pg_temp.attempt('dl_nobody', 'EXECUTE score'), '42501', 'so does a prepared statement');
SET LOCAL ROLE dl_user;
SELECT lives_ok($$SELECT dl.predict('shared', 1, 2)$$);
RESET ROLE;
REVOKE dl_team FROM dl_user;
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl.predict('shared', 1, 2)$$), '42501', 'no membership, no right');
GRANT dl_team TO dl_user;
SELECT dl.revoke_model('shared', 'dl_team');
SELECT is(pg_temp.attempt('dl_user', $$SELECT dl.predict('shared', 1, 2)$$), '42501', 'no grant, no right');
SELECT dl.grant_model('shared', 'public');
SELECT is(pg_temp.attempt('dl_nobody', $$SELECT dl.predict('shared', 1, 2)$$), '', 'public is everybody');
SELECT dl.revoke_model('shared', 'public');

-- after an error the session is who it was, with its own settings
SET LOCAL search_path = public;
SELECT pg_temp.attempt('dl_owner', $$SELECT dl.drop_model('shared', 99)$$);
SELECT pg_temp.attempt('dl_owner', $$SELECT dl.deploy('shared', 99)$$);
SELECT is(current_setting('search_path'), 'public', 'search_path is restored');
SELECT is(current_user, session_user, 'the user is restored');

-- look-alikes of all that the internal SQL uses, ahead in the search_path of a superuser
GRANT CREATE ON SCHEMA public TO dl_nobody;
SET LOCAL ROLE dl_nobody;
DO $$
DECLARE
	kind text;
	operator text;
	routine text;
	body CONSTANT text := $body$BEGIN RAISE EXCEPTION 'a look-alike was used'; END$body$;
BEGIN
	FOREACH kind IN ARRAY ARRAY['bigint', 'integer', 'text', 'name', 'oid', 'bytea'] LOOP
		FOREACH operator IN ARRAY ARRAY['=', '<>', '+', '>', '>=', '<='] LOOP
			routine := format('public.%I', 'trap ' || operator || kind);
			EXECUTE format('CREATE FUNCTION %s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', routine, kind, kind, body);
			EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s)', operator, kind, kind, routine);
		END LOOP;
		EXECUTE format('CREATE FUNCTION public.trap_state(bigint, %s) RETURNS bigint LANGUAGE plpgsql AS %L', kind, body);
		EXECUTE format('CREATE AGGREGATE public.count(%s) (SFUNC = public.trap_state, STYPE = bigint)', kind);
	END LOOP;
	EXECUTE format('CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS %L', body);
	EXECUTE format('CREATE FUNCTION public.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS %L', body);
	EXECUTE format('CREATE FUNCTION public.max(integer) RETURNS integer LANGUAGE plpgsql AS %L', body);
	CREATE TABLE public.registry_model (id bigint, name text);
	CREATE TABLE public.registry_version (model_id bigint);
	CREATE TABLE public.pg_roles (rolname name);
END $$;
RESET ROLE;
CREATE TEMP TABLE registry_model (id bigint, name text);
CREATE TEMP TABLE registry_grant (model_id bigint);
CREATE FUNCTION pg_temp.trapped(statement text) RETURNS text LANGUAGE plpgsql SET search_path = pg_temp, public, pg_catalog AS $$
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SELECT is(pg_temp.trapped('SELECT 1 OPERATOR(public.=) 1'), 'a look-alike was used', 'the trap works');
SELECT is(pg_temp.trapped('SELECT 1 WHERE 1 = 1'), 'a look-alike was used', 'also without a name');
SELECT is(pg_temp.trapped(text), NULL, 'look-alikes: ' || text) FROM unnest(ARRAY[
	$$SELECT dl.put('trapped', dl.get('shared'))$$,
	$$SELECT dl.put('trapped', dl.get('shared'))$$,
	$$SELECT dl.deploy('trapped', 2)$$,
	$$SELECT dl.rollback('trapped')$$,
	$$SELECT dl.rename_model('trapped', 'free')$$,
	$$SELECT dl.grant_model('free', 'dl_user')$$,
	$$SELECT dl.revoke_model('free', 'dl_user')$$,
	$$SELECT dl.set_owner('free', 'dl_owner')$$,
	$$SELECT dl.predict('free', 1, 2)$$,
	$$SELECT dl.metadata('free')$$,
	$$SELECT * FROM dl.summary('free')$$,
	$$SELECT * FROM dl.history('free')$$,
	$$SELECT * FROM dl.models$$,
	$$SELECT * FROM dl.versions$$,
	$$SELECT * FROM dl.grants$$,
	$$SELECT dl.train('free', 'public.dl_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{"members": 1}')$$,
	$$SELECT dl.drop_model('free', 2)$$,
	$$SELECT dl.drop_model('free')$$]) AS text;

-- a role that is renamed keeps what it has; one that is dropped loses it to the superuser
ALTER ROLE dl_owner RENAME TO dl_renamed;
SELECT is(pg_temp.attempt('dl_renamed', $$SELECT dl.deploy('shared', 2)$$), '', 'a renamed owner');
SELECT is(pg_temp.seen('dl_renamed', 'SELECT DISTINCT owner FROM dl.models'), '(dl_renamed)', 'has its new name');
CREATE ROLE dl_owner;
SELECT is(pg_temp.attempt('dl_owner', $$SELECT dl.predict('shared', 1, 2)$$), '42501', 'a new role of the old name has nothing');
DROP ROLE dl_owner;
CREATE ROLE dl_ghost;
SELECT dl.set_owner('private', 'dl_ghost'), dl.grant_model('private', 'dl_reader');
DROP ROLE dl_ghost;
SELECT is((SELECT owner FROM dl.models WHERE name = 'private'), NULL, 'a dropped owner');
SELECT is(pg_temp.attempt('dl_super', $$SELECT dl.drop_model('private')$$), '', 'leaves the model to the superuser');
SELECT is(pg_temp.attempt('dl_reader', $$SELECT dl.predict('private', 1, 2)$$), '', 'and its grants as they are');
SELECT is(pg_temp.attempt('dl_renamed', $$SELECT dl.predict('private', 1, 2)$$), '42501', 'others have nothing');
CREATE ROLE dl_ghost;
SELECT is(pg_temp.attempt('dl_ghost', $$SELECT dl.predict('private', 1, 2)$$), '42501', 'a new role of that name neither');

-- as if restored from another cluster: names count
UPDATE dl.registry_model SET cluster = cluster - 1, owner = 1;
UPDATE dl.registry_grant SET cluster = cluster - 1, role = (role::bigint + 1000000)::oid WHERE role <> 0;
SELECT is(pg_temp.attempt('dl_ghost', $$SELECT dl.drop_model('private')$$), '', 'restored elsewhere: the owner by name');
SELECT is(pg_temp.attempt('dl_reader', $$SELECT dl.get('shared')$$), '', 'restored elsewhere: a grant by name');
SELECT dl.revoke_model('shared', 'dl_reader');
SELECT is_empty($$SELECT * FROM dl.grants WHERE name = 'shared' AND role = 'dl_reader'$$, 'restored elsewhere: it can be revoked');
SELECT is(pg_temp.attempt('dl_renamed', $$SELECT dl.get('shared')$$), '42501', 'restored elsewhere: an oid is nothing');
SELECT dl.set_owner('shared', 'dl_renamed');
SELECT is(pg_temp.attempt('dl_renamed', $$SELECT dl.drop_model('shared')$$), '', 'restored elsewhere: set_owner gives an owner of this cluster');

SELECT * FROM finish();
ROLLBACK;
