# Background jobs on a server that preloads the library: whatever dies, jobs go on without anybody asking, on a
# promoted standby too.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $primary = PostgreSQL::Test::Cluster->new('launcher');
$primary->init(allows_streaming => 1, extra => [ '--locale=C.UTF-8', '-E', 'UTF8' ]);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'deep_learning'\nrestart_after_crash = on\nmax_worker_processes = 12\n");
$primary->start;
my $node = $primary;

# Nothing that is asked here starts anything: the tables are read themselves.
sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub processes { return ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning $_[0]'"); }
sub pid_of { return ask("SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'deep_learning $_[0]'"); }
# The launcher's, which only look whether there is something to do, may have left before they are killed.
sub scheduler_that_stays { return ask(q(SELECT pid FROM pg_locks WHERE locktype = 'object' AND classid = 4294966530 AND database = (SELECT oid FROM pg_database WHERE datname = 'postgres'))); }

sub state
{
	my ($status, $answer) = $node->psql('postgres', "SELECT state || ' ' || attempts FROM dl.job WHERE id = $_[0]");
	return $answer // '';
}

sub is_ready
{
	return wait_for(60, sub { my ($status, $answer) = $node->psql('postgres', 'SELECT 1'); defined $status && $status == 0 && $answer eq '1' });
}

ask('CREATE EXTENSION deep_learning');
make_rows($node, 'rows', 2000);
ok(wait_for(60, sub { processes('launcher') == 1 }), 'the launcher is there');
ok(wait_for(60, sub { processes('scheduler') == 0 }), 'and no scheduler, where there is nothing to do');

my $endless = q('rows', 'y', network => 'dense(64, relu)', epochs => 1000000, early_stopping => 0);
my $id = ask("SELECT dl.submit('endless', $endless)");
ok(wait_for(60, sub { state($id) eq 'running 1' }), 'a job runs');
ok(wait_for(60, sub { processes('scheduler') == 1 }), 'a scheduler is there');

my $pid = pid_of('scheduler');
ask("SELECT pg_terminate_backend($pid)");
ok(wait_for(60, sub { my $new = pid_of('scheduler'); $new && $new != $pid }), 'a scheduler that is terminated is started again');
is(state($id), 'running 1', 'the job did not notice');
$pid = pid_of('launcher');
ask("SELECT pg_terminate_backend($pid)");
ok(wait_for(60, sub { my $new = pid_of('launcher'); $new && $new != $pid }), 'so is the launcher');
ask('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type IN (\'deep_learning job\', \'deep_learning scheduler\')');
ok(wait_for(10, sub { state($id) eq 'running 2' }), 'a job that is terminated together with the scheduler is started again');

my $attempt = 2;
for my $kind ('job', 'scheduler', 'launcher')
{
	my $killed = $kind eq 'scheduler' ? scheduler_that_stays() : pid_of($kind);
	$killed =~ /^\d+$/ or die "no $kind";
	kill 'KILL', $killed;
	wait_for(60, sub { !kill 0, $killed });
	ok(is_ready(), "kill -9 of the $kind restarts the server");
	$attempt++;
	ok(wait_for(10, sub { state($id) eq "running $attempt" && processes('job') == 1 }), 'the job runs again within ten seconds');
	ok(wait_for(60, sub { processes('launcher') == 1 && processes('scheduler') == 1 }), 'with one launcher and one scheduler');
}
for my $mode ('fast', 'immediate')
{
	$node->stop($mode);
	$node->start;
	$attempt++;
	ok(wait_for(10, sub { state($id) eq "running $attempt" && processes('job') == 1 }), "so it does after a stop, $mode");
}
is(ask("SELECT count(*) FROM dl.job_log WHERE job = $id AND message = 'the worker of the job was lost'"), $attempt - 1, 'its log has all of it');

# A database that is dropped by force: the scheduler is not started in what is not there.
ask('CREATE DATABASE other');
ask("CREATE EXTENSION deep_learning; CREATE TABLE rows AS SELECT cos(i) AS a, sin(i) AS y FROM generate_series(1, 1000) AS i", 'other');
ask("SELECT dl.submit('endless', $endless)", 'other');
ok(wait_for(60, sub { processes('job') == 2 }), 'a job runs in another database');
ask('DROP DATABASE other WITH (FORCE)');
ok(wait_for(60, sub { processes('job') == 1 && processes('scheduler') == 1 }), 'which is dropped by force');
ask("SELECT dl.cancel($id)");
ok(wait_for(60, sub { processes('job') == 0 && processes('scheduler') == 0 }), 'all jobs have ended, and so has the scheduler');

# No worker is free for a moment.
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->restart;
ok(wait_for(60, sub { processes('launcher') == 1 }), 'the launcher, and one more worker');
$id = ask("SELECT dl.submit('short', 'rows', 'y', network => 'dense(4)', epochs => 1)");
ok(wait_for(60, sub { ask("SELECT waiting_for FROM dl.job WHERE id = $id") =~ /a free background worker: max_worker_processes is 3/ }), 'a job waits for a worker, and says so');
$node->append_conf('postgresql.conf', 'max_worker_processes = 12');
$node->restart;
ok(wait_for(60, sub { state($id) eq 'succeeded 1' }), 'with more it runs, without anybody asking');

# A standby.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$id = ask("SELECT dl.submit('carried', $endless)");
ok(wait_for(60, sub { state($id) eq 'running 1' }), 'a job runs on the primary');
$primary->wait_for_catchup($standby);
$node = $standby;
is(state($id), 'running 1', 'the standby knows of it');
is(processes('launcher'), '0', 'and has no launcher');
my ($status, $out, $err) = $node->psql('postgres', "SELECT dl.submit('m', 'rows', 'y')");
like($err, qr/cannot execute dl.submit\(\) in a read-only transaction/, 'no job can be submitted there');
is(ask(q(SELECT count(dl.predict('short', r)) FROM rows AS r)), '2000', 'scoring works');
is(ask("SELECT state FROM dl.jobs WHERE id = $id"), 'interrupted', 'there is no worker of the job here');
$primary->stop('immediate');
$standby->promote;
ok(wait_for(60, sub { processes('launcher') == 1 }), 'promotion starts the launcher');
ok(wait_for(60, sub { state($id) eq 'running 2' }), 'and the job goes on');
ask("SELECT dl.cancel($id)");
ok(wait_for(60, sub { state($id) eq 'cancelled 2' }), 'it can be cancelled');
$standby->stop('fast');
done_testing();
