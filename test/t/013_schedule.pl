# Schedules on a server that preloads the library: they outlive a crash, and what was missed is made good. And pg_cron
# as the one who says when.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $libraries = `pg_config --pkglibdir`;
chomp $libraries;
my $cron = -e "$libraries/pg_cron.so";
my $node = PostgreSQL::Test::Cluster->new('schedule');
$node->init(extra => [ '--locale=C.UTF-8', '-E', 'UTF8' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . ($cron ? 'pg_cron,' : '') . "deep_learning'\nmax_worker_processes = 16\n");
$node->append_conf('postgresql.conf', "cron.use_background_workers = on\n") if $cron;
$node->start;

sub ask { return $node->safe_psql('postgres', $_[0]); }

ask('CREATE EXTENSION deep_learning');
make_rows($node, 'rows', 500);
ask(q(SELECT dl.train('m', 'rows', 'y', network => 'dense(4)', epochs => 1, quiet => true)));
ask('CREATE EXTENSION pg_cron') if $cron;
ask(q(SELECT cron.schedule('nightly', '* * * * *', $$SELECT dl.submit('by_cron', 'rows', 'y', network => 'dense(4)', epochs => 1)$$))) if $cron;

# A time that passes while the server is down.
my ($status, $out, $err) = $node->psql('postgres',
	q(SELECT dl.schedule('m', every => '1 day', start => clock_timestamp() + interval '10 seconds') > now(),
	         dl.schedule('m', every => '1 day', start => clock_timestamp() + interval '10 seconds') > now()));
is("$out$err", 't|t', 'nothing to warn of where the library is preloaded');
is(ask('SELECT count(*), count(last_run) FROM dl.schedules'), '1|0', 'a schedule, which has not run');
$node->stop('immediate');
my $later = time() + 11;
ok(wait_for(60, sub { time() >= $later }), 'its time passes while there is no server');
$node->start;
ok(wait_for(60, sub { ask('SELECT count(*) FROM dl.retraining r JOIN dl.job j ON j.id = r.last_job WHERE j.state = \'succeeded\'') == 1 }),
	'it is made good after the start, without anybody asking');
is(ask(q(SELECT kind || ' ' || requested_by FROM dl.jobs WHERE model = 'm')), 'retrain schedule', 'by a job of the schedule');
is(ask(q(SELECT count(*) FROM dl.versions WHERE name = 'm')), '2', 'which has trained');
ok(wait_for(60, sub { ask('SELECT next_run > now() + interval \'22 hours\' FROM dl.schedules') eq 't' }), 'the next run is a day later');
is(ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning scheduler' AND datname = 'postgres'"), '1', 'the scheduler stays while there is a schedule');

# A dump takes schedules along.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-e', 'deep_learning', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
ask("SELECT dl.unschedule('m')");
ok(wait_for(60, sub { ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning scheduler'") == 0 }), 'and leaves without');
ask('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restored');
is($node->safe_psql('copy', 'SELECT model, every FROM dl.schedules'), 'm|1 day', 'the schedule is there');
$node->safe_psql('copy', "SELECT dl.unschedule('m')");

SKIP:
{
	skip 'pg_cron is not installed', 2 unless $cron;
	ok(wait_for(180, sub { ask(q(SELECT count(*) > 0 FROM dl.jobs WHERE model = 'by_cron' AND state = 'succeeded')) eq 't' }), 'pg_cron submits a job, which trains');
	is(ask(q(SELECT string_agg(DISTINCT status, ' ') FROM cron.job_run_details WHERE status NOT IN ('running', 'starting') AND return_message IS DISTINCT FROM 'server restarted')), 'succeeded', 'pg_cron had no trouble');
	ask(q(SELECT cron.unschedule('nightly')));
}
$node->stop('fast');
done_testing();
