# dl.progress: what trainings are at, in sessions and in jobs, and who may see it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Training;

my $node = new_server('progress', shared_preload_libraries => 'deep_learning');
make_rows($node, 'rows', 20000);
sub ask { return $node->safe_psql('postgres', $_[0]); }

sub ask_as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $out . $err;
}

ask('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_read_all_stats; CREATE ROLE member LOGIN IN ROLE alice; GRANT SELECT ON rows TO PUBLIC');
my $endless = q('rows', 'y', network => 'dense(64, relu)', epochs => 1000000, early_stopping => 0, batch_size => 16);

# A session and a job, side by side.
my $session = Session->new($node, 'postgres', 'alice');
$session->send("SELECT dl.train('sessions', $endless, quiet => true)");
my $job = ask_as('bob', "SELECT dl.submit('jobs', $endless)");
ok(wait_for(60, sub { ask('SELECT count(*) FROM dl.progress WHERE epoch > 0') eq '2' }), 'both are seen');
is(ask("SELECT job, model, owner, phase, member, members, epochs, rows, metric, device FROM dl.progress WHERE model = 'jobs'"),
	"$job|jobs|bob|training|1|1|1000000|20000|rmse|cpu", 'a job');
is(ask("SELECT job, model, owner, phase FROM dl.progress WHERE model = 'sessions'"), '|sessions|alice|training', 'a session');
is(ask("SELECT pid FROM dl.progress WHERE model = 'sessions'"), $session->pid, 'with its own pid');
is(ask("SELECT p.pid = j.pid FROM dl.progress p JOIN dl.jobs j ON j.id = p.job"), 't', 'as has the job');
is(ask(q(SELECT bool_and(training_loss > 0 AND validation_loss > 0 AND value > 0 AND rows_per_second > 0 AND memory > 0 AND elapsed >= '0'
	AND time_left > '0' AND batch BETWEEN 0 AND batches AND batches > 100) FROM dl.progress)), 't', 'numbers are there');
my $batch = ask("SELECT epoch * batches + batch FROM dl.progress WHERE model = 'jobs'");
ok(wait_for(60, sub { ask("SELECT epoch * batches + batch FROM dl.progress WHERE model = 'jobs'") > $batch }), 'and grow');

# Who sees what.
is(ask_as($_->[0], 'SELECT string_agg(model, \',\' ORDER BY model) FROM dl.progress'), $_->[1], "$_->[0]: " . ($_->[1] || 'nothing'))
	for ([ 'alice', 'sessions' ], [ 'member', 'sessions' ], [ 'bob', 'jobs' ], [ 'watcher', 'jobs,sessions' ], [ ask('SELECT current_user'), 'jobs,sessions' ]);
ask('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION deep_learning');
is($node->safe_psql('other', 'SELECT count(*) FROM dl.progress'), '0', 'another database has its own');

# In other words.
like(ask("SELECT query FROM pg_stat_activity WHERE backend_type = 'deep_learning job'"), qr/^job $job: training model "jobs"$/, 'pg_stat_activity says it too');
is(ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer'"), '1', 'the session has a trainer');

# However a training ends, its row goes.
ask("SELECT dl.cancel($job)");
ok(wait_for(60, sub { ask("SELECT count(*) FROM dl.progress WHERE model = 'jobs'") eq '0' }), 'cancelled: the job is gone');
ask('SELECT pg_cancel_backend(' . $session->pid . ')');
like($session->answer, qr/canceling statement/, 'the session is told');
is(ask('SELECT count(*) FROM dl.progress'), '0', 'cancelled: the session is gone');
$session->send("SELECT dl.train('sessions', $endless, quiet => true)");
ok(wait_for(60, sub { ask('SELECT count(*) FROM dl.progress') eq '1' }), 'a session again');
ask('SELECT pg_terminate_backend(' . $session->pid . ')');
ok(wait_for(60, sub { ask('SELECT count(*) FROM dl.progress') eq '0' }), 'terminated: it is gone');
ask(q(DO $$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM dl.train('many', 'SELECT * FROM rows LIMIT 50', 'y', network => 'dense(2)', epochs => 1, quiet => true); END LOOP; END $$));
is(ask('SELECT count(*) FROM dl.progress'), '0', 'and after more trainings than there are slots, in one transaction');

# Phases: reading, from a query that waits for a lock in the middle.
my $holder = Session->new($node);
$holder->ask('CREATE FUNCTION wait_here(real) RETURNS real LANGUAGE plpgsql VOLATILE AS $f$ BEGIN IF $1 > 0.999 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN $1; END $f$; SELECT pg_advisory_lock(7)');
my $reader = Session->new($node);
$reader->send(q(SELECT model FROM dl.train('read', 'SELECT wait_here(a) AS a, b, y FROM rows', 'y', network => 'dense(4)', epochs => 1, quiet => true)));
ok(wait_for(60, sub { ask("SELECT phase FROM dl.progress WHERE model = 'read'") eq 'reading' }), 'reading');
is(ask("SELECT epoch IS NULL AND batch IS NULL AND training_loss IS NULL AND time_left IS NULL FROM dl.progress WHERE model = 'read'"), 't', 'what is not known yet is NULL');
$holder->quit;
is($reader->answer, 'read', 'it goes on');
$node->stop;
done_testing();
