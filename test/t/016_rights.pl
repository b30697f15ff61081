# Whose rights jobs, schedules and models have, on a server that preloads the library: a matrix of every function and view against
# every kind of role, and numbered attempts to run something with another's rights, to read what is his, or to keep his jobs from running.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Training;

# the superuser's name, whoever runs the test
$ENV{PGUSER} = 'postgres';
my $node = new_server('rights', shared_preload_libraries => 'deep_learning', max_worker_processes => 16, 'deep_learning.max_jobs' => 6);
my $training = q(network => 'dense(4)', epochs => 1);
my $endless = q(network => 'dense(512, relu) > dense(512, relu)', epochs => 1000000, early_stopping => 0);

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Statements of one session; output and errors.
sub ask_as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-q', '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return join("\n", grep { $_ ne '' } $out, $err);
}

sub state { return ask("SELECT state || coalesce(' ' || sqlstate, '') FROM dl.jobs WHERE id = $_[0]"); }
sub ended { my $id = $_[0]; ask("SELECT dl.wait($id, '180 s')"); return state($id); }
sub runs { my $id = $_[0]; return wait_for(60, sub { ask("SELECT pid FROM dl.jobs WHERE id = $id AND state = 'running'") ne '' }); }

# mallory attacks.  alice, whose role carol is a member of, and the superuser have what he is after; he may administer some of their models.
ask(q(
	CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN IN ROLE alice; CREATE ROLE mallory LOGIN;
	CREATE ROLE uma LOGIN; CREATE ROLE rita LOGIN; CREATE ROLE adam LOGIN; CREATE ROLE sam LOGIN; CREATE ROLE stan LOGIN IN ROLE pg_read_all_stats;
	CREATE SCHEMA alice AUTHORIZATION alice; GRANT USAGE ON SCHEMA alice TO PUBLIC;
	CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC;
	CREATE TABLE public.rows AS SELECT sin(i)::real AS a, sin(i) + cos(i) AS y, '2024-01-01'::date + i AS day FROM generate_series(1, 300) AS i;
	CREATE TABLE alice.rows AS SELECT * FROM public.rows; ALTER TABLE alice.rows OWNER TO alice;
	CREATE TABLE mallory.rows AS SELECT * FROM public.rows; ALTER TABLE mallory.rows OWNER TO mallory;
	GRANT SELECT ON public.rows TO PUBLIC;
	CREATE TABLE alice.diary (line text); INSERT INTO alice.diary VALUES ('dear diary'); ALTER TABLE alice.diary OWNER TO alice;
	CREATE TABLE public.caught (who text, session text, super text); GRANT SELECT, INSERT ON public.caught TO PUBLIC));
ask_as('alice', "SET search_path = alice; SELECT dl.train('vault', 'alice.rows', 'y', $training, quiet => true), dl.train('shared', 'alice.rows', 'y', $training, quiet => true);"
	. "SELECT dl.put('vault', dl.get('vault')), dl.grant_model('vault', 'uma'), dl.grant_model('vault', 'rita', 'read'), dl.grant_model('vault', 'adam', 'admin'),"
	. "dl.grant_model('shared', 'mallory', 'admin'), dl.schedule('vault', every => '1 day')");
ask("SELECT dl.train('official', 'public.rows', 'y', $training, quiet => true), dl.grant_model('official', 'mallory', 'admin')");

# --- the matrix

my $running = ask_as('alice', "SELECT dl.submit('endless', 'alice.rows', 'y', $endless)");
my $waiting = ask_as('alice', "SELECT dl.submit('waits', 'alice.rows', 'y', not_before => 'infinity')");
my $over = ask_as('alice', "SELECT dl.submit('over', 'alice.rows', 'y', not_before => 'infinity')");
ask("SELECT dl.cancel($over)");
ok(runs($running), 'a job of alice runs');
ok(wait_for(60, sub { ask('SELECT count(*) FROM dl.progress') > 0 }), 'and shows its progress');

# kind of right => what each role gets: '' or an SQLSTATE.  Statements that show rows divide by their number, so 22012 is: sees nothing.
my @roles = qw(alice carol uma rita adam sam stan postgres);
sub right { my @who = @_; return { map { my $role = $_; $role => (grep { $_ eq $role } @who) ? '' : '42501' } @roles }; }
sub shows { my @who = @_; return { map { my $role = $_; $role => (grep { $_ eq $role } @who) ? '' : '22012' } @roles }; }
my @owners = qw(alice carol postgres);
my %kind = (
	use => right(@owners, qw(adam rita uma)),
	# the right is there, the model is not one that it can be asked of
	use_of_class => { %{ right() }, map { $_ => '42809' } @owners, qw(adam rita uma) },
	use_of_interval => { %{ right() }, map { $_ => '55000' } @owners, qw(adam rita uma) },
	read => right(@owners, qw(adam rita)),
	admin => right(@owners, 'adam'),
	owner => right(@owners),
	author => right('alice'),
	job => { map { my $role = $_; $role => (grep { $_ eq $role } @owners) ? '' : '42704' } @roles },
	shows_use => shows(@owners, qw(adam rita uma)),
	shows_admin => shows(@owners, 'adam'),
	shows_job => shows(@owners),
	shows_progress => shows(@owners, 'stan'),
	shows_cache => shows(@owners, qw(adam rita uma)),
);
my @matrix = (
	# what it is, the right that it needs, a statement
	[ 'dl.models', 'shows_use', q(SELECT 1 / count(*) FROM dl.models WHERE name = 'vault') ],
	[ 'dl.versions', 'shows_use', q(SELECT 1 / count(*) FROM dl.versions WHERE name = 'vault') ],
	[ 'dl.grants', 'shows_admin', q(SELECT 1 / count(*) FROM dl.grants WHERE name = 'vault') ],
	[ 'dl.jobs', 'shows_job', "SELECT 1 / count(*) FROM dl.jobs WHERE id = $waiting" ],
	[ 'dl.job_log', 'shows_job', "SELECT 1 / count(*) FROM dl.job_log WHERE job = $waiting" ],
	[ 'dl.schedules', 'shows_job', q(SELECT 1 / count(*) FROM dl.schedules WHERE model = 'vault') ],
	[ 'dl.progress', 'shows_progress', "SELECT 1 / count(*) FROM dl.progress WHERE job = $running" ],
	[ 'dl.cache', 'shows_cache', q(SELECT 1 / count(*) FROM dl.cache WHERE models LIKE '%vault%') ],
	[ 'dl.list_models()', 'shows_use', q(SELECT 1 / count(*) FROM dl.list_models() WHERE name = 'vault') ],
	[ 'dl.list_versions()', 'shows_use', q(SELECT 1 / count(*) FROM dl.list_versions() WHERE name = 'vault') ],
	[ 'dl.list_grants()', 'shows_admin', q(SELECT 1 / count(*) FROM dl.list_grants() WHERE name = 'vault') ],
	[ 'dl.list_jobs()', 'shows_job', "SELECT 1 / count(*) FROM dl.list_jobs() WHERE id = $waiting" ],
	[ 'dl.list_job_log()', 'shows_job', "SELECT 1 / count(*) FROM dl.list_job_log() WHERE job = $waiting" ],
	[ 'dl.list_schedules()', 'shows_job', q(SELECT 1 / count(*) FROM dl.list_schedules() WHERE model = 'vault') ],
	[ 'dl.list_progress()', 'shows_progress', "SELECT 1 / count(*) FROM dl.list_progress() WHERE job = $running" ],
	[ 'dl.list_cache()', 'shows_cache', q(SELECT 1 / count(*) FROM dl.list_cache() WHERE models LIKE '%vault%') ],
	[ 'dl.predict(text,"any")', 'use', q(SELECT dl.predict('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.predict_array(text,"any")', 'use', q(SELECT dl.predict_array('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.embed(text,"any")', 'use', q(SELECT dl.embed('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.classify(text,"any")', 'use_of_class', q(SELECT dl.classify('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.probabilities(text,"any")', 'use_of_class', q(SELECT dl.probabilities('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.predict_interval(text,"any")', 'use_of_interval', q(SELECT dl.predict_interval('vault', 1::real, '2024-01-01'::date)) ],
	[ 'dl.create_function(text,text,text,boolean)', 'use', q(SELECT dl.create_function('vault', 'pg_temp.scores')) ],
	[ 'dl.evaluate(text)', 'use', q(SELECT * FROM dl.evaluate('vault')) ],
	[ 'dl.evaluate(text,text)', 'use', q(SELECT * FROM dl.evaluate('vault', 'public.rows')) ],
	[ 'dl.performance(text,text,text,interval)', 'use', q(SELECT * FROM dl.performance('vault', 'public.rows')) ],
	[ 'dl.summary(text,integer)', 'use', q(SELECT * FROM dl.summary('vault')) ],
	[ 'dl.history(text,integer)', 'use', q(SELECT * FROM dl.history('vault')) ],
	[ 'dl.trials(text,integer)', 'use', q(SELECT * FROM dl.trials('vault')) ],
	[ 'dl.get(text,integer)', 'read', q(SELECT dl.get('vault')) ],
	[ 'dl.metadata(text,integer)', 'read', q(SELECT dl.metadata('vault')) ],
	[ 'dl.drift(text,text)', 'read', q(SELECT * FROM dl.drift('vault', 'public.rows')) ],
	[ 'dl.put(text,dl.model)', 'admin', q(SELECT dl.put('vault', dl.get('vault'))) ],
	[ 'dl.deploy(text,integer)', 'admin', q(SELECT dl.deploy('vault', 2)) ],
	[ 'dl.rollback(text)', 'admin', q(SELECT dl.deploy('vault', 2), dl.rollback('vault')) ],
	[ 'dl.drop_model(text,integer)', 'admin', q(SELECT dl.drop_model('vault', 2)) ],
	[ 'dl.drop_model(text,integer)', 'owner', q(SELECT dl.drop_model('vault')) ],
	[ 'dl.rename_model(text,text)', 'owner', q(SELECT dl.rename_model('vault', 'cellar')) ],
	[ 'dl.set_owner(text,text)', 'owner', q(SELECT dl.set_owner('vault', 'alice')) ],
	[ 'dl.grant_model(text,text,text)', 'admin', q(SELECT dl.grant_model('vault', 'sam')) ],
	[ 'dl.grant_model(text,text,text)', 'owner', q(SELECT dl.grant_model('vault', 'sam', 'admin')) ],
	[ 'dl.revoke_model(text,text,text)', 'admin', q(SELECT dl.revoke_model('vault', 'uma')) ],
	[ 'dl.revoke_model(text,text,text)', 'owner', q(SELECT dl.revoke_model('vault', 'adam')) ],
	[ 'dl.train', 'admin', "SELECT dl.train('vault', 'public.rows', 'y', $training, quiet => true)" ],
	[ 'dl.submit', 'admin', "SELECT dl.submit('vault', 'public.rows', 'y', $training)" ],
	[ 'dl.schedule', 'author', q(SELECT dl.schedule('vault', every => '1 day')) ],
	[ 'dl.unschedule(text)', 'admin', q(SELECT dl.unschedule('vault')) ],
	[ 'dl.run_now(text)', 'author', q(SELECT dl.run_now('vault')) ],
	[ 'dl.run_due(timestamp with time zone)', 'shows_job', q(SELECT 1 / count(*) FROM dl.run_due(now() + '3 days') WHERE model = 'vault') ],
	[ 'dl.wait(bigint,interval)', 'job', "SELECT dl.wait($waiting, '0')" ],
	[ 'dl.cancel(bigint)', 'job', "SELECT dl.cancel($waiting)" ],
	[ 'dl.retry(bigint)', 'job', "SELECT dl.retry($over)" ],
	[ 'dl.drop_job(bigint)', 'job', "SELECT dl.drop_job($over)" ],
	[ 'dl.history(bigint)', 'job', "SELECT * FROM dl.history($running)" ],
);

# Every function that takes a name or a number, or nothing, and every view; not those that work on a value which the caller has.
my @surface = split /\n/, ask(q(
	SELECT CASE WHEN pronargs > 10 THEN 'dl.' || proname ELSE oid::regprocedure::text END FROM pg_proc
	WHERE pronamespace = 'dl'::regnamespace AND
		(pronargs = 0 OR proargtypes[0] NOT IN ('dl.model'::regtype, 'dl.network'::regtype, 'internal'::regtype, 'cstring'::regtype, 'bytea'::regtype, '"any"'::regtype))
	UNION SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'dl'::regnamespace AND relkind IN ('v', 'm')));
my %walked = map { $_->[0] => 1 } @matrix;
is(join(' ', grep { !$walked{$_} } @surface), '', 'the matrix has every function and view that asks for a right');
my %exists = map { $_ => 1 } @surface;
is(join(' ', grep { !$exists{$_} } sort keys %walked), '', 'and nothing that is not there');
is(ask(q(SELECT string_agg(c.oid::regclass::text, ' ') FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.relnamespace = 'dl'::regnamespace AND c.relkind NOT IN ('v', 'i') AND a.grantee <> c.relowner)), '', 'nobody has rights on a table or a sequence');

# In a session of the role, undone.
ask(q(CREATE FUNCTION public.undone(statement text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE statement;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'DL000';
	EXCEPTION WHEN OTHERS THEN
		RETURN CASE SQLSTATE WHEN 'DL000' THEN '' ELSE SQLSTATE END;
	END $$));
for my $role (@roles)
{
	my $script = join(";\n", map { "SELECT 'is ' || public.undone(\$q\$$_->[2]\$q\$)" } @matrix);
	# what it may use is in the cache
	my @answers = ask_as($role, "SET client_min_messages = error; SELECT public.undone(\$\$SELECT dl.predict('vault', 1::real, '2024-01-01'::date)\$\$); $script") =~ /^is (.*)$/mg;
	my @wrong;
	for my $i (0 .. $#matrix)
	{
		my ($what, $kind, $statement) = @{ $matrix[$i] };
		my $expected = $kind{$kind}{$role};
		push @wrong, "$statement: got '" . ($answers[$i] // 'nothing') . "', expected '$expected'" if !defined $answers[$i] || $answers[$i] ne $expected;
	}
	is(join("\n", @wrong), '', "$role: " . @matrix . ' statements of the matrix');
}

# --- attempts, numbered as they come

my $number = 0;

# Nothing ran with the rights of anybody but mallory, and what others have is as it was.
my $witness = q(SELECT (SELECT count(*) FROM alice.diary), (SELECT count(*) FROM alice.rows),
	(SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolsuper), pg_has_role('mallory', 'alice', 'MEMBER'),
	(SELECT count(*) FROM pg_proc WHERE pronamespace = 'dl'::regnamespace AND prosecdef),
	(SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'dl'::regnamespace AND c.relkind NOT IN ('v', 'i') AND a.grantee <> c.relowner));
my $before = ask($witness);
sub attempt
{
	my ($name, $answer, $expected) = @_;
	$number++;
	like($answer, $expected, "attempt $number: $name") if defined $expected;
	is(ask(q(SELECT string_agg(DISTINCT concat_ws(' ', who, session, super), ', ') FROM public.caught
		WHERE (who, session, super) <> ('mallory', 'mallory', 'off'))), '', "attempt $number: $name: nothing of mallory's ran with other rights");
	is(ask($witness), $before, "attempt $number: $name: all is as it was");
	ask('TRUNCATE public.caught');
}

# The trap: says who it runs as, and takes what it can.
ask_as('mallory', q(
	CREATE FUNCTION mallory.caught() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.caught VALUES (current_user, session_user, current_setting('is_superuser'));
		BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN INSERT INTO alice.diary VALUES ('mallory was here'); EXCEPTION WHEN OTHERS THEN NULL; END;
	END $$;
	CREATE PROCEDURE mallory.called() LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.caught(); COMMIT; END $$;
	CREATE FUNCTION mallory.trap(x real) RETURNS real LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.caught(); RETURN x; END $$));

# What a job's query does by a function: each is run by mallory's job, and in his session.
my $refused = '42501';
my @statements = (
	[ 'RESET ROLE', '' ], [ 'RESET SESSION AUTHORIZATION', '' ], [ 'SET ROLE NONE', '' ], [ 'SET SESSION AUTHORIZATION DEFAULT', '' ],
	[ 'SET ROLE alice', $refused ], [ 'SET LOCAL ROLE postgres', $refused ], [ 'SET SESSION AUTHORIZATION alice', $refused ],
	[ q(SELECT set_config('role', 'alice', false)), $refused ], [ q(SELECT set_config('session_authorization', 'postgres', true)), $refused ],
	[ q(SELECT set_config('is_superuser', 'on', false)), '55P02' ],
	[ q(DO $d$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXECUTE 'SET ROLE postgres'; END $d$), $refused ],
	[ 'COMMIT', '0A000' ], [ 'DISCARD ALL', '25001' ],
	[ q(COPY public.caught FROM PROGRAM 'echo postgres postgres on'), $refused ], [ q(COPY public.caught TO PROGRAM 'cat'), $refused ],
	[ q(COPY public.caught TO '/tmp/stolen'), $refused ], [ q(COPY public.caught FROM '/etc/passwd'), $refused ],
	[ q(SELECT pg_read_file('PG_VERSION')), $refused ], [ q(SELECT lo_import('/etc/passwd')), $refused ], [ q(SELECT pg_ls_dir('.')), $refused ],
	[ 'ALTER ROLE mallory SUPERUSER', $refused ], [ q(ALTER ROLE mallory SET session_authorization = 'alice'), '' ], [ q(ALTER ROLE mallory SET role = 'alice'), '' ],
	[ q(ALTER ROLE alice SET search_path = mallory), $refused ], [ q(ALTER DATABASE postgres SET search_path = mallory), $refused ],
	[ 'ALTER SYSTEM SET deep_learning.max_jobs = 100', '25001' ], [ 'SET deep_learning.max_jobs = 100', '55P02' ],
	[ 'SET deep_learning.job_restarts = 100', '55P02' ], [ q(SET deep_learning.max_training_memory = '100GB'), $refused ],
	[ 'SET session_replication_role = replica', $refused ], [ q(LOAD 'deep_learning'), $refused ], [ 'GRANT alice TO mallory', $refused ],
	[ 'REASSIGN OWNED BY alice TO mallory', $refused ], [ q(CREATE FUNCTION mallory.main() RETURNS void LANGUAGE c AS 'deep_learning', 'dl_job_main'), $refused ],
	[ 'CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION mallory.event()', $refused ], [ 'CREATE EXTENSION file_fdw', $refused ],
	[ 'SELECT count(*) FROM alice.rows', $refused ], [ 'WITH w AS (DELETE FROM alice.diary RETURNING line) SELECT count(*) FROM w', $refused ],
	[ 'UPDATE dl.job SET owner = 10', $refused ], [ q(INSERT INTO dl.job (kind, model, arguments, settings, owner, owner_name, cluster, requested_by)
		VALUES ('train', 'm', '{}', '{}', 10, 'postgres', 1, 'x')), $refused ], [ 'DELETE FROM dl.job_event', $refused ], [ 'TRUNCATE dl.job', $refused ],
	[ 'LOCK dl.job', $refused ], [ 'SELECT * FROM dl.job FOR UPDATE', $refused ], [ 'WITH w AS (UPDATE dl.job SET state = $$queued$$ RETURNING id) SELECT count(*) FROM w', $refused ],
	[ 'CREATE TRIGGER t BEFORE UPDATE ON dl.job FOR EACH ROW EXECUTE FUNCTION mallory.event_row()', $refused ],
	[ 'CREATE RULE r AS ON INSERT TO dl.job DO ALSO SELECT mallory.caught()', $refused ], [ 'CREATE INDEX ON dl.job (mallory.stable(id))', $refused ],
	[ 'CREATE POLICY p ON dl.job USING (mallory.stable(id) > 0)', $refused ], [ 'ALTER TABLE dl.job ALTER priority SET DEFAULT mallory.stable(1)', $refused ],
	[ 'ALTER TABLE dl.job ADD CHECK (mallory.stable(id) > 0) NOT VALID', $refused ], [ 'CREATE STATISTICS mallory.s ON id, model FROM dl.job', $refused ],
	[ 'CREATE TABLE mallory.child () INHERITS (dl.job)', $refused ], [ 'ANALYZE dl.job', '' ],
	[ 'SELECT * FROM dl.job_checkpoint', $refused ], [ q(INSERT INTO dl.job_checkpoint VALUES (1, 0, 0, 0, '')), $refused ], [ 'SELECT * FROM dl.job_epoch', $refused ],
	[ 'UPDATE dl.retraining SET owner = 10', $refused ], [ q(UPDATE dl.registry_version SET created_by = 'postgres', created_by_role = 10), $refused ],
	[ 'SELECT data FROM dl.registry_chunk', $refused ], [ 'UPDATE dl.registry_model SET owner_name = current_user', $refused ], [ q(SELECT nextval('dl.job_id')), $refused ],
	[ 'CREATE FUNCTION dl.drift(x text, y text, z text) RETURNS integer LANGUAGE sql AS $$SELECT 1$$', $refused ], [ 'CREATE OR REPLACE VIEW dl.jobs AS SELECT 1', $refused ],
	[ 'ALTER FUNCTION dl.cancel(bigint) SECURITY DEFINER', $refused ], [ 'CREATE OPERATOR pg_catalog.= (LEFTARG = text, RIGHTARG = oid, FUNCTION = mallory.equal)', $refused ],
	[ 'CREATE CAST (jsonb AS oid) WITH FUNCTION mallory.cast_of(jsonb) AS IMPLICIT', $refused ],
	[ 'CREATE OPERATOR CLASS mallory.c DEFAULT FOR TYPE text USING btree AS STORAGE text', $refused ],
	[ q(CREATE COLLATION pg_catalog.mine (locale = 'C')), $refused ], [ 'CREATE TYPE mallory.base (INPUT = int4in, OUTPUT = int4out)', $refused ],
	[ "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'object' AND classid = 4294966529 AND pid <> pg_backend_pid() AND objid = $running", $refused ],
	[ "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'object' AND classid = 4294966530", $refused ],
	[ "SELECT dl.cancel($running)", '42704' ], [ "SELECT dl.retry($over)", '42704' ], [ "SELECT dl.drop_job($over)", '42704' ], [ "SELECT dl.wait($running, '0')", '42704' ], [ "SELECT * FROM dl.history($running)", '42704' ],
	[ "SELECT 1 / count(*) FROM dl.progress WHERE job = $running", '22012' ], [ "SELECT 1 / count(*) FROM dl.jobs WHERE owner <> 'mallory'", '22012' ],
	[ q(SELECT dl.rename_model('shared', 'mine')), $refused ], [ q(SELECT dl.set_owner('shared', 'mallory')), $refused ], [ q(SELECT dl.drop_model('shared')), $refused ],
	[ q(SELECT dl.grant_model('vault', 'mallory', 'admin')), $refused ], [ q(SELECT dl.grant_model('shared', 'mallory', 'admin')), $refused ], [ q(SELECT dl.get('vault')), $refused ],
	[ q(SELECT dl.run_now('shared')), $refused ], [ q(SELECT dl.schedule('shared', every => '1 hour')), $refused ], [ q(SELECT dl.unschedule('vault')), $refused ],
);
my $values = join(",\n", map { "($_, \$s\$$statements[$_][0]\$s\$)" } 0 .. $#statements);
my $setup = ask_as('mallory', "CREATE TABLE mallory.attempt (number integer, statement text); INSERT INTO mallory.attempt VALUES $values;"
	. q(CREATE TABLE mallory.outcome (place text, number integer, sqlstate text, who text);
	CREATE FUNCTION mallory.event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.caught(); END $$;
	CREATE FUNCTION mallory.event_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.caught(); RETURN NEW; END $$;
	CREATE FUNCTION mallory.stable(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM mallory.caught(); RETURN 1; END $$;
	CREATE FUNCTION mallory.equal(text, oid) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.caught() IS NULL';
	CREATE FUNCTION mallory.cast_of(jsonb) RETURNS oid LANGUAGE sql AS 'SELECT mallory.caught(); SELECT 10::oid';
	CREATE FUNCTION mallory.attempts(place text) RETURNS real LANGUAGE plpgsql AS $$
	DECLARE
		a record;
	BEGIN
		FOR a IN SELECT * FROM mallory.attempt ORDER BY number LOOP
			BEGIN
				EXECUTE a.statement;
				PERFORM mallory.caught();
				INSERT INTO mallory.outcome VALUES (place, a.number, '', current_user);
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO mallory.outcome VALUES (place, a.number, SQLSTATE, current_user);
			END;
			PERFORM mallory.caught();
		END LOOP;
		RETURN 0;
	END $$));
is($setup, '', 'the attempts are prepared');
my $attempts = ask_as('mallory', "SET client_min_messages = error; SELECT dl.submit('m', \$q\$SELECT a + CASE WHEN row_number() OVER () = 1 THEN mallory.attempts('job') ELSE 0 END AS a, y FROM mallory.rows\$q\$, 'y', $training)");
is(ended($attempts), 'succeeded', 'the job of all attempts succeeds');
like(ask_as('mallory', q(SET client_min_messages = error; SELECT mallory.attempts('session'))), qr/^0/, 'and they were made in a session');
for my $i (0 .. $#statements)
{
	my ($statement, $sqlstate) = @{ $statements[$i] };
	$statement =~ s/\s+/ /g;
	$number++;
	is(ask("SELECT string_agg(place || ' ' || sqlstate || ' ' || who, ', ' ORDER BY place) FROM mallory.outcome WHERE number = $i"),
		"job $sqlstate mallory, session $sqlstate mallory", "attempt $number: $statement");
}
$number--;
attempt('the statements above, after all of them');

# Settings of a role that name another role count for nothing when its worker connects.
my $evil = 'SELECT mallory.trap(a) AS a, y FROM mallory.rows';
sub submit_as
{
	my ($role, $model, $query, $more) = @_;
	my $answer = ask_as($role, "SET client_min_messages = error; SELECT dl.submit('$model', \$q\$$query\$q\$, 'y', " . ($more // $training) . ')');
	return $answer =~ /^(\d+)$/m ? $1 : die $answer;
}
my $id = submit_as('mallory', 'm', $evil);
attempt('ALTER ROLE ... SET role and session_authorization before a job', ended($id), qr/^succeeded$/);
ask('ALTER ROLE mallory RESET ALL');
ask('GRANT alice TO sam; ALTER ROLE sam SET role = alice');
$id = ask("SET SESSION AUTHORIZATION sam; SELECT dl.submit('sams', 'public.rows', 'y', $training)");
attempt('a role that becomes another when it connects has no jobs under a false name', ended($id), qr/^failed/);
ask('REVOKE alice FROM sam; ALTER ROLE sam RESET ALL');

# What is no SELECT is no query: of a training, a job, an evaluation.
for my $query ('RESET ROLE', 'SELECT 1; RESET ROLE', q(COPY public.caught FROM PROGRAM 'echo x'), 'DO $d$ BEGIN PERFORM mallory.caught(); END $d$',
	'WITH w AS (INSERT INTO public.caught VALUES (1, 1, 1) RETURNING 1 AS a) SELECT a, a AS y FROM w', 'SELECT 1 AS a, 2 AS y INTO mallory.into', 'CREATE TABLE mallory.into AS SELECT 1 AS a, 2 AS y',
	'EXPLAIN ANALYZE SELECT mallory.caught()', 'CALL mallory.called()', 'SET ROLE postgres', 'EXECUTE p', 'DECLARE c CURSOR FOR SELECT 1', 'alice.rows; SELECT 1')
{
	my $answers = ask_as('mallory', "SELECT dl.submit('m', \$q\$$query\$q\$, 'y'); SELECT dl.train('m', \$q\$$query\$q\$, 'y'); SELECT dl.evaluate('m', \$q\$$query\$q\$);"
		. "SELECT dl.drift('m', \$q\$$query\$q\$); SELECT dl.performance('m', \$q\$$query\$q\$)");
	my @errors = $answers =~ /ERROR:  (\w+)/g;
	attempt("as a query: $query", join(' ', @errors), qr/^((22023|42601) ?){5}$/);
}
attempt('a statement behind a window', ask_as('mallory', q(SELECT dl.schedule('m', every => '1 day', training_window => 'true); RESET ROLE; SELECT (1'))), qr/ERROR:  (22023|42601)/);

# At the end of the transaction, and after it: triggers that wait, a cursor that is held, settings and tables that stay in the session.
ask_as('mallory', q(
	CREATE TABLE mallory.late (x real);
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mallory.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.event_row();
	CREATE FUNCTION mallory.later(x real) RETURNS real LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO mallory.late VALUES (x); PERFORM pg_advisory_unlock_all(); RETURN x; END $$;
	CREATE FUNCTION mallory.held() RETURNS real LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT mallory.caught()'; RETURN 0; END $$;
	CREATE FUNCTION mallory.stays() RETURNS real LANGUAGE plpgsql AS $$ BEGIN
		CREATE TEMP TABLE job (id bigint, state text, attempts integer); CREATE TEMP TABLE registry_model AS SELECT 1 AS id, 'm' AS name;
		CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT mallory.caught(); SELECT pg_catalog.now()';
		PERFORM set_config('search_path', 'mallory, pg_temp, pg_catalog', false);
		RETURN 0; END $$));
attempt('a deferred trigger of a table that the query writes', ended(submit_as('mallory', 'm', 'SELECT mallory.later(a) AS a, y FROM mallory.rows')), qr/^succeeded$/);
attempt('a cursor that outlives the transaction', ended(submit_as('mallory', 'm', 'SELECT a + CASE WHEN row_number() OVER () = 1 THEN mallory.held() ELSE 0 END AS a, y FROM mallory.rows')), qr/^(succeeded|failed 0A000)$/);

# Look-alikes of what statements of ours use: operators, functions, aggregates, tables, types, before pg_catalog in the search_path.
ask_as('mallory', q(
	DO $d$ DECLARE kind text; operator text; name text; BEGIN
		FOREACH kind IN ARRAY ARRAY['bigint', 'integer', 'text', 'name', 'oid', 'timestamptz', 'double precision', 'xid'] LOOP
			FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-', '*'] LOOP
				EXECUTE format('CREATE FUNCTION mallory.%I(x %s, y %s) RETURNS boolean LANGUAGE plpgsql AS %L', 'trap ' || operator || kind, kind, kind, 'BEGIN PERFORM mallory.caught(); RETURN true; END');
				EXECUTE format('CREATE OPERATOR mallory.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = mallory.%I)', operator, kind, kind, 'trap ' || operator || kind);
			END LOOP;
			EXECUTE format('CREATE FUNCTION mallory.state(x bigint, y %s) RETURNS bigint LANGUAGE sql AS %L', kind, 'SELECT mallory.caught(); SELECT 1::bigint');
			FOREACH name IN ARRAY ARRAY['max', 'min', 'count', 'sum'] LOOP
				EXECUTE format('CREATE AGGREGATE mallory.%I(%s) (SFUNC = mallory.state, STYPE = bigint)', name, kind);
			END LOOP;
		END LOOP;
	END $d$;
	CREATE FUNCTION mallory.arrow(jsonb, text) RETURNS text LANGUAGE sql AS $$SELECT mallory.caught(); SELECT '1'$$;
	CREATE OPERATOR mallory.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = mallory.arrow);
	CREATE FUNCTION mallory.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT mallory.caught(); SELECT pg_catalog.now()';
	CREATE FUNCTION mallory.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT mallory.caught(); SELECT pg_catalog.now()';
	CREATE FUNCTION mallory.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT mallory.caught(); SELECT 1::bigint';
	CREATE FUNCTION mallory.length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT mallory.caught(); SELECT 1';
	CREATE FUNCTION mallory.pg_has_role(oid, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.caught(); SELECT true';
	CREATE FUNCTION mallory.date_bin(interval, timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT mallory.caught(); SELECT $2';
	CREATE DOMAIN mallory.bigint AS pg_catalog.int8 CHECK (mallory.stable(VALUE) > 0);
	CREATE DOMAIN mallory.int8 AS pg_catalog.int8 CHECK (mallory.stable(VALUE) > 0);
	CREATE DOMAIN mallory.bool AS pg_catalog.bool CHECK (mallory.stable(1) > 0);
	CREATE DOMAIN mallory.interval AS pg_catalog.interval CHECK (mallory.stable(1) > 0);
	CREATE TABLE mallory.job (id pg_catalog.int8); CREATE TABLE mallory.retraining (id pg_catalog.int8);
	CREATE VIEW mallory.jobs AS SELECT mallory.caught(); CREATE VIEW mallory.pg_roles AS SELECT mallory.caught(); CREATE VIEW mallory.pg_proc AS SELECT mallory.caught()));
attempt('the look-alikes work where they are called', ask_as('mallory', q(SET search_path = mallory, pg_catalog; SELECT 1 = 1, now() IS NULL)), qr/t\|f/);
attempt('a search_path and temporary tables that the query leaves behind',
	ended(submit_as('mallory', 'm', 'SELECT a + CASE WHEN row_number() OVER () = 1 THEN mallory.stays() ELSE 0 END AS a, y FROM mallory.rows')), qr/^succeeded$/);
my $path = 'SET search_path = mallory, pg_catalog; SET client_min_messages = error';
for my $role ('alice', 'postgres')
{
	my $mine = "of_$role";
	attempt("look-alikes, $role: dl.train", ask_as($role, "$path; SELECT dl.train('$mine', 'public.rows', 'y', $training, quiet => true) IS NOT NULL"), qr/^t$/);
	my $job = ask_as($role, "$path; SELECT dl.submit('$mine', 'public.rows', 'y', $training)");
	attempt("look-alikes, $role: dl.submit", $job, qr/^\d+$/);
	attempt("look-alikes, $role: its worker", ended($job), qr/^succeeded$/);
	attempt("look-alikes, $role: dl.wait", ask_as($role, "$path; SELECT dl.wait($job, '1 s')"), qr/^succeeded$/);
	attempt("look-alikes, $role: the views", ask_as($role, "$path; SELECT FROM dl.jobs; SELECT FROM dl.job_log; SELECT FROM dl.schedules; SELECT FROM dl.progress; SELECT FROM dl.models;"
		. "SELECT FROM dl.versions; SELECT FROM dl.grants; SELECT FROM dl.cache; SELECT FROM dl.history($job)"), qr/^(?!.*ERROR)/s);
	attempt("look-alikes, $role: dl.schedule", ask_as($role, "$path; SELECT dl.schedule('$mine', every => '1 day', when_rows => 1, when_drift => 0.1, training_window => '100 years')"), qr/^\d{4}-/);
	attempt("look-alikes, $role: dl.run_due", ask_as($role, "$path; SELECT pg_catalog.count(job) FROM dl.run_due((SELECT pg_catalog.max(next_run) FROM dl.schedules WHERE model OPERATOR(pg_catalog.=) '$mine'))"), qr/^\d+$/);
	$job = ask("SELECT last_job FROM dl.schedules WHERE model = '$mine'");
	attempt("look-alikes, $role: what a schedule asks before it trains", ended($job), qr/^succeeded$/);
	$job = ask_as($role, "$path; SELECT dl.run_now('$mine')");
	attempt("look-alikes, $role: dl.run_now", $job, qr/^\d+$/);
	attempt("look-alikes, $role: a retraining", ended($job), qr/^succeeded$/);
	attempt("look-alikes, $role: dl.cancel, dl.retry, dl.unschedule", ask_as($role, "$path; SELECT dl.cancel($job), dl.unschedule('$mine')"), qr/^f\|t$/);
	attempt("look-alikes, $role: dl.drift, dl.performance, dl.evaluate, dl.summary", ask_as($role, "$path; SELECT FROM dl.drift('$mine', 'public.rows');"
		. "SELECT FROM dl.performance('$mine', 'public.rows', 'day'); SELECT FROM dl.evaluate('$mine', 'public.rows'); SELECT FROM dl.summary('$mine')"), qr/^(?!.*ERROR)/s);
	attempt("look-alikes, $role: dl.deploy, dl.rollback, dl.rename_model, dl.drop_model", ask_as($role, "$path; SELECT dl.deploy('$mine', 1), dl.rename_model('$mine', 'other'), dl.drop_model('other')"), qr/^1\|\|$/);
}

# --- queries and conditions of somebody else, in models and schedules that mallory may administer

my $cannot = qr/ERROR:  42501: .*cannot be (run|used) with the rights of role/;
sub versions { my ($role, $model) = @_; return ask_as($role, "SELECT max(version) FROM dl.versions WHERE name = '$model'"); }
ask_as('mallory', "SELECT dl.train('evil', \$\$$evil\$\$, 'y', $training, quiet => true)");
for my $case ([ 'shared', 'alice' ], [ 'official', 'postgres' ])
{
	my ($model, $victim) = @$case;
	# a schedule with a condition of mallory's, made while a version is deployed whose query he may run; then the victim's own again
	ask_as('mallory', "SELECT dl.train('$model', 'SELECT * FROM mallory.rows', 'y', $training, quiet => true)");
	my $version = versions('mallory', $model);
	ask_as('mallory', "SELECT dl.deploy('$model', $version)");
	attempt("$model: a schedule of mallory's for his own version",
		ask_as('mallory', "SELECT dl.schedule('$model', every => '1 day', training_window => 'mallory.trap(a) IS NOT NULL')"), qr/^\d{4}-/);
	ask_as('mallory', "SELECT dl.deploy('$model', 1)");
	attempt("$model: dl.run_now by $victim of a schedule with a condition of mallory's", ask_as($victim, "SELECT dl.run_now('$model')"), $cannot);
	attempt("$model: dl.schedule by $victim of a version of his own is his own", ask_as($victim, "BEGIN; SELECT dl.schedule('$model', every => '1 day'); SELECT dl.run_now('$model') > 0; ROLLBACK"), qr/^\d{4}-.*\nt$/);
	my $due = ask_as('postgres', "SELECT job FROM dl.run_due(now() + '3 days') WHERE model = '$model'");
	attempt("$model: dl.run_due by a superuser runs it with mallory's rights", ask("SELECT owner FROM dl.jobs WHERE id = $due"), qr/^mallory$/);
	attempt("$model: and the job", ended($due), $victim eq 'alice' ? qr/^failed 42501$/ : qr/^succeeded$/);

	# versions of mallory's, trained by him or put
	ask_as('mallory', "SELECT dl.unschedule('$model'), dl.train('$model', \$\$$evil\$\$, 'y', $training, quiet => true)");
	$version = versions('mallory', $model);
	ask_as('mallory', "SELECT dl.deploy('$model', $version)");
	attempt("$model: dl.run_now by $victim of a version of mallory's", ask_as($victim, "SELECT dl.run_now('$model')"), $cannot);
	attempt("$model: dl.schedule by $victim of a version of mallory's", ask_as($victim, "SELECT dl.schedule('$model', every => '1 day')"), $cannot);
	$version = ask_as('mallory', "SET client_min_messages = error; SELECT dl.put('$model', dl.get('evil'))");
	ask_as('mallory', "SELECT dl.deploy('$model', $version)");
	attempt("$model: dl.run_now by $victim of a version that mallory put", ask_as($victim, "SELECT dl.run_now('$model')"), $cannot);
	attempt("$model: dl.run_now by mallory of a version that he put", ask_as('mallory', "SELECT dl.run_now('$model')"), $cannot);

	# a schedule of the victim's, under which mallory puts his version in place
	ask_as('mallory', "SELECT dl.deploy('$model', 1)");
	ask_as($victim, "SELECT dl.schedule('$model', every => '1 day', catch_up => true)");
	ask_as('mallory', "SELECT dl.deploy('$model', $version)");
	$due = ask_as('postgres', "SELECT job FROM dl.run_due(now() + '3 days') WHERE model = '$model'");
	attempt("$model: a version of mallory's under a schedule of $victim", ended($due), qr/^failed 42501$/);
	attempt("$model: what the job of another says is not in dl.schedules", ask_as('mallory', 'SELECT count(*) FROM dl.schedules'), qr/^0$/);
	ask_as($victim, "SELECT dl.unschedule('$model'), dl.deploy('$model', 1)");
}

# Names: of models, of roles.
attempt('dl.put of his own to a name of alice', ask_as('mallory', q(SELECT dl.put('vault', dl.get('evil')))), qr/ERROR:  42501/);
attempt('a name of alice for his own', ask_as('mallory', q(SELECT dl.rename_model('evil', 'vault'))), qr/ERROR:  42710/);
attempt('alice as the owner of his own', ask_as('mallory', q(SELECT dl.set_owner('evil', 'alice'))), qr/ERROR:  42501/);
attempt('a superuser as the owner of his own', ask_as('mallory', q(SELECT dl.set_owner('evil', 'postgres'))), qr/ERROR:  42501/);
$id = ask_as('alice', "SELECT dl.submit('fresh', 'alice.rows', 'y', $training, not_before => 'infinity')");
ask_as('mallory', q(SELECT dl.put('fresh', dl.get('evil')), dl.grant_model('fresh', 'alice', 'admin')));
ask("UPDATE dl.job SET not_before = NULL WHERE id = $id");
attempt('a model of the name under which a job of alice will store one', ended($id), qr/^failed 42501$/);
attempt('of which mallory has nothing', ask_as('mallory', q(SELECT count(*) FROM dl.versions WHERE name = 'fresh')), qr/^1$/);
my $session = Session->new($node, 'postgres', 'alice');
$session->ask('BEGIN');
$session->ask('SELECT dl.drop_model(\'shared\')');
ask_as('alice', q(SELECT 1));
attempt('to slip in after a drop', ask_as('mallory', q(SET lock_timeout = '100ms'; SELECT dl.put('shared', dl.get('evil')))), qr/ERROR:  55P03/);
$session->ask('ROLLBACK');
$session->quit;
ask_as('mallory', q{CREATE TABLE mallory.names AS SELECT a AS "a"" float8); SELECT mallory.caught(); --", y FROM mallory.rows});
ask_as('mallory', "SELECT dl.train('x''); SELECT mallory.caught(); --', 'mallory.names', 'y', $training, quiet => true), dl.grant_model('x''); SELECT mallory.caught(); --', 'public')");
attempt('names of a model and its columns in a function that a superuser has made',
	ask_as('postgres', q{BEGIN; SELECT dl.create_function('x''); SELECT mallory.caught(); --', 'public.of_mallory'); SELECT count(public.of_mallory(1)); ROLLBACK}), qr/of_mallory.*\n1$/);

ask('CREATE ROLE mole LOGIN; GRANT USAGE, CREATE ON SCHEMA mallory TO mole');
ask("SET SESSION AUTHORIZATION mole; SELECT dl.train('moles', \$\$SELECT mallory.trap(a) AS a, y FROM public.rows\$\$, 'y', $training, quiet => true)");
ask('TRUNCATE public.caught');
ask(q(SELECT dl.set_owner('moles', 'postgres'); REVOKE ALL ON SCHEMA mallory FROM mole; DROP ROLE mole; CREATE ROLE mole LOGIN SUPERUSER));
$before = ask($witness);
attempt('the query of a role that is gone, now that a superuser has its name', ask(q(SELECT public.undone($$SELECT dl.run_now('moles')$$))), qr/^42501$/);
attempt('nor for the new role itself', ask_as('mole', q(SELECT dl.run_now('moles'))), $cannot);
ask('ALTER ROLE mole RENAME TO vole; ALTER ROLE mallory RENAME TO mole; ALTER ROLE vole RENAME TO mallory');
$before = ask($witness);
attempt('the query of a role that was renamed, now that a superuser has its name', ask_as('postgres', q(SELECT dl.deploy('official', 4); SELECT dl.run_now('official'))), $cannot);
ask('ALTER ROLE mallory RENAME TO vole; ALTER ROLE mole RENAME TO mallory; DROP ROLE vole');
ask(q(SELECT dl.deploy('official', 1)));
$before = ask($witness);

# Between dl.submit and the start.
sub between
{
	my ($name, $change, $back, $expected) = @_;
	ask('CREATE ROLE eve LOGIN IN ROLE alice; GRANT CREATE ON SCHEMA public TO eve');
	ask("SET SESSION AUTHORIZATION eve; SELECT dl.submit('eves', 'SELECT * FROM alice.rows', 'y', $training, not_before => now() + '1 hour')");
	my $job = ask(q(SELECT max(id) FROM dl.jobs WHERE model = 'eves'));
	ask($change);
	$before = ask($witness);
	ask("UPDATE dl.job SET not_before = NULL WHERE id = $job");
	attempt($name, ended($job) . ' ' . ask("SELECT message FROM dl.jobs WHERE id = $job"), $expected);
	ask($back);
	ask('DROP OWNED BY eve; DROP ROLE eve') if ask(q(SELECT count(*) FROM pg_roles WHERE rolname = 'eve'));
	ask(q(SELECT dl.drop_model('eves'))) if ask(q(SELECT count(*) FROM dl.models WHERE name = 'eves'));
	$before = ask($witness);
}
between('its role loses a membership', 'REVOKE alice FROM eve', 'SELECT 1', qr/^failed 42501 permission denied for table rows/);
between('its role may no longer log in', 'ALTER ROLE eve NOLOGIN', 'SELECT 1', qr/^failed 28000 .*cannot log in/);
between('its role may no longer connect', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC', qr/^failed 28000 .*may not connect/);
between('its role is dropped', 'DROP OWNED BY eve; DROP ROLE eve', 'SELECT 1', qr/^failed 28000 .*does not exist/);
between('its role is dropped and there is a new one of that name', 'DROP OWNED BY eve; DROP ROLE eve; CREATE ROLE eve LOGIN SUPERUSER', 'SELECT 1', qr/^failed 28000 .*does not exist/);
between('its role is renamed and a superuser has its name', 'ALTER ROLE eve RENAME TO adam2; CREATE ROLE eve LOGIN SUPERUSER; REVOKE alice FROM adam2',
	'DROP ROLE eve; ALTER ROLE adam2 RENAME TO eve', qr/^failed 42501 permission denied for table rows/);

# Jobs that others start for mallory without knowing are mallory's.
ask_as('mallory', "CREATE FUNCTION mallory.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS \$f\$ SELECT dl.submit('m', \$\$$evil\$\$, 'y', $training) \$f\$;"
	. 'CREATE FUNCTION mallory.immutable(real) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN mallory.definer2($1); END $$;'
	. "CREATE FUNCTION mallory.definer2(real) RETURNS bigint LANGUAGE sql AS \$f\$ SELECT dl.submit('m', \$\$$evil\$\$, 'y', $training) \$f\$; CREATE TABLE mallory.one AS SELECT 1::real AS a;"
	. 'CREATE INDEX one_index ON mallory.one (mallory.immutable(a)); CREATE MATERIALIZED VIEW mallory.view AS SELECT mallory.definer2(a) AS job FROM mallory.one');
ask('SELECT dl.cancel(id) FROM dl.jobs WHERE owner = \'mallory\' AND state IN (\'queued\', \'running\')');
ask('TRUNCATE public.caught');
$id = ask('SELECT mallory.definer()');
attempt('a function of his with SECURITY DEFINER that a superuser calls', ended($id) . ' ' . ask("SELECT owner FROM dl.jobs WHERE id = $id"), qr/^succeeded mallory$/);
my $last = ask('SELECT max(id) FROM dl.jobs');
ask_as('postgres', 'SET client_min_messages = error; REINDEX INDEX mallory.one_index; REFRESH MATERIALIZED VIEW mallory.view; ANALYZE mallory.one');
attempt('an index and a materialized view of his that a superuser maintains', ask("SELECT coalesce(string_agg(DISTINCT owner, ','), 'mallory') FROM dl.jobs WHERE id > $last"), qr/^mallory$/);
ended($_) for split /\n/, ask("SELECT id FROM dl.jobs WHERE id > $last");
attempt('and their jobs', '', undef);

# --- to stop the jobs of others, fake them, or have more than one's share

$session = Session->new($node, 'postgres', 'mallory');
$session->ask("SET application_name = 'deep_learning job $running'");
$session->ask("SELECT pg_advisory_lock($running), pg_advisory_lock(-767, $running), pg_advisory_lock(-766, 0), pg_advisory_lock(g) FROM generate_series(1, 300) AS g");
$id = ask_as('alice', "SELECT dl.submit('of_alice', 'alice.rows', 'y', $training)");
attempt('advisory locks on the numbers of jobs', ended($id), qr/^succeeded$/);
attempt('the application_name of a worker: dl.jobs', ask("SELECT pid <> " . $session->pid . " FROM dl.jobs WHERE id = $running"), qr/^t$/);
$session->ask(qq(NOTIFY deep_learning_jobs, '{"id": $waiting, "state": "succeeded"}'));
attempt('a forged notification', ask("SELECT dl.wait($waiting, '0')"), qr/^queued$/);
attempt('a worker of alice', ask_as('mallory', 'SELECT pg_terminate_backend(' . ask("SELECT pid FROM dl.jobs WHERE id = $running") . ')'), qr/ERROR:  42501/);
ask('GRANT pg_signal_backend TO mallory');
for my $process ('launcher', 'scheduler')
{
	attempt("the $process, by a member of pg_signal_backend",
		ask_as('mallory', 'SELECT pg_terminate_backend(' . ask("SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'deep_learning $process'") . ')'), qr/ERROR:  42501/);
}
ask('REVOKE pg_signal_backend FROM mallory');
is(ask_as('alice', "SELECT dl.cancel($running)"), 't', 'alice cancels her job');
attempt('whose application_name a session of mallory has', ended($running) . ' ' . $session->ask('SELECT 1'), qr/^cancelled 57014 1$/);
$session->quit;

attempt('a schedule with a time zone that there is not', ask_as('mallory', q(SELECT dl.schedule('evil', every => '1 day', start => now(), time_zone => 'Nowhere'))), qr/ERROR:  22023/);
attempt('a schedule beyond the end of time', ask_as('mallory', q(SELECT dl.schedule('evil', every => '200000 years', start => now()))), qr/ERROR:  22023/);
attempt('a schedule that overflows', ask_as('mallory', q(SELECT dl.schedule('evil', every => '2562047788 hours', start => now()))), qr/ERROR:  22023/);
attempt('a schedule from the beginning of time', ask_as('mallory', q(SELECT dl.schedule('evil', every => '1 minute', start => '4713-01-01 BC') IS NOT NULL, dl.unschedule('evil'))), qr/^t\|t$/);
attempt('dl.run_due at the end of time', ask_as('mallory', q(SELECT dl.run_due('infinity'))), qr/ERROR:  22023/);
ask_as('mallory', q(SELECT dl.schedule('evil', every => '1 day', start => now() + interval '1 hour')));
# as a dump from elsewhere may have it
ask(q(UPDATE dl.retraining SET time_zone = 'Nowhere', first_run = now() - interval '1 day', next_run = now() WHERE model_id = (SELECT id FROM dl.registry_model WHERE name = 'evil')));
$id = ask_as('alice', "SELECT dl.submit('of_alice', 'alice.rows', 'y', $training)");
attempt('a schedule whose time zone is gone', ended($id), qr/^succeeded$/);
ok(wait_for(60, sub { ask(q(SELECT next_run > now() + '50 minutes' AND failures = 1 FROM dl.schedules WHERE model = 'evil')) eq 't' }), 'is put off');
ask_as('mallory', q(SELECT dl.unschedule('evil')));

# A role's share: one job.
$node->append_conf('postgresql.conf', 'deep_learning.max_jobs_per_role = 1');
$node->reload;
ask_as('mallory', 'CREATE FUNCTION mallory.hides() RETURNS real LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_unlock_all(); PERFORM pg_advisory_xact_lock_shared(4711); RETURN 0; END $$');
$session = Session->new($node, 'postgres', 'postgres');
$session->ask('SELECT pg_advisory_lock(4711)');
my $hides = 'SELECT a + CASE WHEN row_number() OVER () = 1 THEN mallory.hides() ELSE 0 END AS a, y FROM mallory.rows';
my @hidden = map { submit_as('mallory', "hidden_$_", $hides) } 1 .. 3;
ok(wait_for(60, sub { ask('SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND objid = 4711 AND NOT granted') > 0 }), 'a job of mallory lets go of its locks');
wait_for(60, sub { my $state = ask("SELECT state || coalesce(waiting_for, '') FROM dl.jobs WHERE id = $hidden[1]"); $state =~ /per_role/ || $state eq 'running' });
attempt('pg_advisory_unlock_all(), to be no longer counted', ask("SELECT state || ' ' || coalesce(waiting_for, '') FROM dl.jobs WHERE id = $hidden[1]"), qr/^queued .*max_jobs_per_role is 1/);
attempt('nor to be lost', ask("SELECT state || ' ' || attempts FROM dl.jobs WHERE id = $hidden[0]"), qr/^running 1$/);
$id = ask_as('alice', "SELECT dl.submit('of_alice', 'alice.rows', 'y', $training)");
attempt('to take the place of others', ended($id), qr/^succeeded$/);

# As many as the scheduler looks at, before all others; those whose time has not come, and those that wait for his share.
ask_as('mallory', "SELECT dl.submit('late_' || i, 'mallory.rows', 'y', priority => 2147483647, not_before => CASE WHEN i % 2 = 0 THEN timestamptz 'infinity' END) FROM generate_series(1, 2100) AS i");
$id = ask_as('alice', "SELECT dl.submit('of_alice', 'alice.rows', 'y', $training)");
attempt('2100 jobs of the greatest priority before those of others', ended($id), qr/^succeeded$/);
ask(q(SELECT dl.cancel(id) FROM dl.jobs WHERE owner = 'mallory' AND state IN ('queued', 'running')));
$session->ask('SELECT pg_advisory_unlock_all()');
$session->quit;

# A database's defaults.
ask('ALTER DATABASE postgres SET default_transaction_read_only = on; ALTER DATABASE postgres SET default_transaction_isolation = serializable');
ask(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'deep_learning scheduler'));
$id = ask_as('alice', "SET default_transaction_read_only = off; SELECT dl.submit('of_alice', 'alice.rows', 'y', $training)");
is(ended($id), 'succeeded', 'jobs run where transactions are read-only by default');
ask('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET ALL');

cmp_ok($number, '>=', 60, "$number attempts");
is(ask(q(SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper)), 'postgres', 'mallory is what he was');
done_testing();
