# Background jobs on a server that does not preload the library: whose rights a job has, what happens when its worker is lost,
# limits, and full worker slots.  DROP of what a job stands on: 017_drop.pl.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Training;

my $node = new_server('jobs', restart_after_crash => 'on', max_worker_processes => 6, 'deep_learning.max_jobs' => 2);
make_rows($node, 'rows', 2000);

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub ask_as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $out . $err;
}

my $endless = q('rows', 'y', network => 'dense(64, relu)', epochs => 1000000, early_stopping => 0);
sub submit { return ask("SELECT dl.submit('$_[0]', " . ($_[1] // $endless) . ')', $_[2]); }
sub state { return ask("SELECT state FROM dl.jobs WHERE id = $_[0]", $_[1]); }
sub job_pid { return ask("SELECT pid FROM dl.jobs WHERE id = $_[0]", $_[1]); }
sub runs { my @of = @_; return wait_for(60, sub { state(@of) eq 'running' && job_pid(@of) }); }
sub processes { return ask(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'deep_learning%')); }
sub log_of { return ask("SELECT level || ' ' || message FROM dl.job_log WHERE job = $_[0]"); }

# --- notifications

my $listener = Session->new($node);
$listener->ask('LISTEN deep_learning_jobs');
my $id = submit('noticed', q('rows', 'y', network => 'dense(4)', epochs => 1));
is(ask("SELECT dl.wait($id)"), 'succeeded', 'a job succeeds');
my $heard = '';
my $states = qr/"id": $id, "state": "queued".*"id": $id, "state": "running".*"id": $id, "state": "succeeded"/s;
ok(wait_for(60, sub { ($heard .= $listener->ask('SELECT 1')) =~ $states }), 'each change was notified') or diag($heard);
$listener->quit;
ok(wait_for(60, sub { processes() == 0 }), 'when there is nothing to do, no process is left');

# --- rights

ask(q(
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN IN ROLE alice; CREATE ROLE owner LOGIN SUPERUSER;
	CREATE TABLE secret AS SELECT * FROM rows;
	CREATE TABLE hers AS SELECT * FROM rows;
	ALTER TABLE hers OWNER TO alice;
	CREATE TABLE seen (who text, session text, super text);
	GRANT INSERT, SELECT ON seen TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO alice, bob;
	CREATE FUNCTION who(real) RETURNS real LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO public.seen VALUES (current_user, session_user, current_setting('is_superuser')); RETURN $1; END $$));
sub job_of
{
	my ($role, $query, $more) = @_;
	my $job = ask_as($role, "SELECT dl.submit('model_$role', \$q\$$query\$q\$, 'y', network => 'dense(4)', epochs => 1" . ($more // '') . ')');
	return $job unless $job =~ /^\d+$/;
	ask_as($role, "SELECT dl.wait($job)");
	return ask("SELECT state || coalesce(' ' || sqlstate, '') FROM dl.jobs WHERE id = $job");
}
is(job_of('alice', 'SELECT who(a) AS a, y FROM hers LIMIT 100'), 'succeeded', 'a job of an ordinary role');
is(ask('SELECT DISTINCT who, session, super FROM seen'), 'alice|alice|off', 'runs as that role, in every way');
is(ask(q(SELECT owner FROM dl.models WHERE name = 'model_alice')), 'alice', 'and the model is hers');
like(job_of('alice', 'SELECT * FROM secret'), qr/failed 42501/, 'she reads nothing that is not hers');

# What is called within a job with more rights than the caller had stays without them.
my @attempts = (
	[ 'RESET ROLE', 'RESET ROLE' ], [ 'RESET SESSION AUTHORIZATION', 'RESET SESSION AUTHORIZATION' ], [ 'SET ROLE', 'SET ROLE postgres' ],
	[ 'SET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION postgres' ], [ 'COPY PROGRAM', q(COPY public.seen FROM PROGRAM 'echo a b c')],
	[ 'COPY TO a file', q(COPY public.seen TO '/tmp/dl_stolen') ], [ 'pg_read_file', q(PERFORM pg_read_file('PG_VERSION')) ],
	[ 'the queue', 'UPDATE dl.job SET owner = 10' ], [ 'a new row', q(INSERT INTO dl.job (kind, model, arguments, settings, owner, owner_name, cluster, requested_by) VALUES ('train', 'm', '{}', '{}', 10, 'postgres', 1, 'x')) ],
	[ 'the log', 'DELETE FROM dl.job_event' ], [ 'a role', 'ALTER ROLE alice SUPERUSER' ], [ 'ALTER SYSTEM', q(ALTER SYSTEM SET deep_learning.max_jobs = 100) ],
	[ 'another table', 'PERFORM count(*) FROM public.secret' ], [ 'a trigger', 'CREATE TRIGGER t BEFORE INSERT ON dl.job FOR EACH ROW EXECUTE FUNCTION public.attempt()' ],
	[ 'a setting', q(SET deep_learning.max_training_memory = '100GB') ], [ 'a function of ours', 'ALTER FUNCTION dl.cancel(bigint) SECURITY DEFINER' ],
);
for my $attempt (@attempts)
{
	my ($name, $statement) = @$attempt;
	ask('TRUNCATE seen');
	ask_as('alice', "CREATE OR REPLACE FUNCTION public.attempt() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RETURN NULL; END \$\$;"
		. "CREATE OR REPLACE FUNCTION public.try(real) RETURNS real LANGUAGE plpgsql AS \$f\$ BEGIN\n"
		. "BEGIN $statement; EXCEPTION WHEN OTHERS THEN INSERT INTO public.seen VALUES ('refused', SQLSTATE, ''); END;\n"
		. "PERFORM public.who(\$1); RETURN \$1; END \$f\$");
	my $end = job_of('alice', 'SELECT try(a) AS a, y FROM hers LIMIT 5');
	is(ask("SELECT count(*) FROM seen WHERE who NOT IN ('alice', 'refused') OR super = 'on'"), '0', "$name: no other rights ($end)");
	is(ask(q(SELECT count(*) > 0 FROM seen WHERE who = 'alice' AND super = 'off')), 't', "$name: was tried")
		unless $end =~ /^failed/;
}
is(ask(q(SELECT rolsuper FROM pg_roles WHERE rolname = 'alice')), 'f', 'alice is what she was');
is(ask('SELECT count(*) FROM secret'), '2000', 'and so is the table');

# Whose jobs can be seen, cancelled and retried.
$id = ask_as('alice', "SELECT dl.submit('waits', 'hers', 'y', not_before => now() + interval '1 day')");
for my $case ([ 'alice', 1 ], [ 'carol', 1 ], [ 'bob', 0 ], [ 'owner', 1 ])
{
	my ($role, $may) = @$case;
	my $missing = qr/job $id does not exist/;
	is(ask_as($role, "SELECT count(*) FROM dl.jobs WHERE id = $id"), $may, "$role: dl.jobs");
	is(ask_as($role, "SELECT count(*) FROM dl.job_log WHERE job = $id"), $may, "$role: dl.job_log");
	like(ask_as($role, "SELECT count(*) FROM dl.history($id)"), $may ? qr/^0$/ : $missing, "$role: dl.history");
	like(ask_as($role, "SELECT dl.wait($id, '0')"), $may ? qr/^queued$/ : $missing, "$role: dl.wait");
	like(ask_as($role, "BEGIN; SELECT dl.cancel($id); ROLLBACK"), $may ? qr/^t$/ : $missing, "$role: dl.cancel");
	like(ask_as($role, "BEGIN; SELECT dl.cancel($id); SELECT dl.retry($id); ROLLBACK"), $may ? qr/^t$/ : $missing, "$role: dl.retry");
}
is(state($id), 'queued', 'what was rolled back did not happen');
ask("SELECT dl.cancel($id)");

# A role that changes between submit and start.
for my $case ([ 'ALTER ROLE bob NOLOGIN', '28000', 'cannot log in' ], [ 'DROP ROLE bob', '28000', 'does not exist' ])
{
	my ($change, $sqlstate, $message) = @$case;
	my $session = Session->new($node, 'postgres', 'bob');
	$session->ask('BEGIN');
	my $job = $session->ask("SELECT dl.submit('model_bob', 'SELECT i AS a, i AS y FROM generate_series(1, 100) AS i', 'y')");
	ask($change =~ /DROP/ ? "REVOKE CREATE ON SCHEMA public FROM bob; $change" : $change);
	$session->ask('COMMIT');
	ok(wait_for(60, sub { state($job) eq 'failed' }), "$change: the job fails");
	like(ask("SELECT sqlstate || ' ' || message FROM dl.jobs WHERE id = $job"), qr/^$sqlstate .*$message/, 'and says why');
	$session->quit;
	ask('ALTER ROLE bob LOGIN') unless $change =~ /DROP/;
}

# --- limits

my @jobs = map { submit("many_$_") } 1 .. 3;
ok(runs($jobs[0]) && runs($jobs[1]), 'two jobs run');
ok(wait_for(60, sub { ask("SELECT waiting_for FROM dl.jobs WHERE id = $jobs[2]") =~ /deep_learning.max_jobs is 2/ }), 'the third waits, and says for what');
my $urgent = ask("SELECT dl.submit('urgent', $endless, priority => 1)");
is(ask("SELECT dl.cancel($jobs[0])"), 't', 'one is cancelled');
ok(runs($urgent), 'the one of greater priority starts');
is(state($jobs[2]), 'queued', 'before the other');
$node->append_conf('postgresql.conf', 'deep_learning.max_jobs = 4');
$node->reload;
ok(runs($jobs[2]), 'more may run after the setting was changed');
$node->append_conf('postgresql.conf', 'deep_learning.max_jobs_per_role = 3');
$node->reload;
my $fourth = submit('fourth');
ok(wait_for(60, sub { ask("SELECT waiting_for FROM dl.jobs WHERE id = $fourth") =~ /max_jobs_per_role is 3/ }), 'a role has a limit of its own');

# --- a worker that is lost

my $pid = job_pid($urgent);
ask("SELECT pg_terminate_backend($pid)");
ok(wait_for(60, sub { my $new = job_pid($urgent); $new && $new != $pid }), 'a job whose worker is terminated is started again');
like(log_of($urgent), qr/warning the worker of the job was lost/, 'and its log says so');
is(ask("SELECT attempts FROM dl.jobs WHERE id = $urgent"), '2', 'it is the second attempt');
$pid = ask(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'deep_learning scheduler'));
ask("SELECT pg_terminate_backend($pid)");
ok(wait_for(60, sub { ask("SELECT count(*) FROM dl.jobs"); my $new = ask(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'deep_learning scheduler')); $new && $new != $pid }),
	'so is the scheduler, when somebody looks');

# a cancel that the worker has not written down yet would be lost in the crash
for my $job ($jobs[1], $jobs[2], $fourth)
{
	ask("SELECT dl.cancel($job)");
	is(ask("SELECT dl.wait($job)"), 'cancelled', "job $job is cancelled");
}
($pid = job_pid($urgent)) =~ /^\d+$/ or die 'no worker';
kill 'KILL', $pid;
wait_for(60, sub { !kill 0, $pid });
ok(wait_for(60, sub { my ($status, $answer) = $node->psql('postgres', 'SELECT 1'); defined $status && $status == 0 && $answer eq '1' }), 'kill -9 restarts the server');
ok(wait_for(10, sub { my ($status, $answer) = $node->psql('postgres', "SELECT attempts FROM dl.job WHERE id = $urgent AND state = 'running'"); ($answer // '') eq '3' }),
	'and the job is started again within ten seconds, without anybody asking');
# a scheduler that is told to stop while it looks could still find the job lost
$node->stop('immediate');
$node->start;
is(ask("SELECT state FROM dl.job WHERE id = $urgent"), 'running', 'after a restart nobody has looked yet');
is(state($urgent), 'interrupted', 'dl.jobs knows better');
ok(runs($urgent), 'and starts a scheduler, which starts the job');
is(ask("SELECT dl.cancel($urgent)"), 't', 'it is cancelled');
is(ask("SELECT dl.wait($urgent)"), 'cancelled', 'it ends');
ok(wait_for(60, sub { processes() == 0 }), 'no process is left');

# --- no worker slot is free

$node->append_conf('postgresql.conf', "max_worker_processes = 0");
$node->restart;
my ($status, $out, $err) = $node->psql('postgres', "SELECT dl.submit('no_slot', 'rows', 'y', network => 'dense(4)', epochs => 1)");
like($err, qr/no background worker is free, so the job waits/, 'without a worker slot dl.submit says so');
$id = $out;
like(ask("SELECT waiting_for FROM dl.jobs WHERE id = $id"), qr/max_worker_processes is 0/, 'dl.jobs too');
is(ask("SELECT dl.wait($id, '0.2 s')"), 'queued', 'the job waits, and so does nobody for ever');
$node->append_conf('postgresql.conf', "max_worker_processes = 8");
$node->restart;
is(ask("SELECT dl.wait($id)"), 'succeeded', 'with some it runs');

# --- another database

ask('CREATE DATABASE other');
ask('CREATE EXTENSION deep_learning', 'other');
$id = submit('here');
ok(runs($id), 'a job runs');
is(ask("SELECT count(*) FROM dl.jobs", 'other'), '0', 'another database has its own');
ask("SELECT dl.cancel($id)");
ask("SELECT dl.wait($id)");
ok(wait_for(60, sub { processes() == 0 }), 'it ends');
$node->stop;
done_testing();
