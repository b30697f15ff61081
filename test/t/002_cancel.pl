# A training ends within 100 ms of a timeout or the client's death, wherever it is, and leaves nothing behind: no worker, no
# temporary file, no thread.  Cancel and terminate: 015_interrupt.pl; a shutdown: 017_drop.pl.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Training;

srand(1);
my $node = new_server('cancel', max_connections => 30, shared_buffers => '64MB');
make_rows($node, 'small', 20000);

# A query that hands out its rows slowly, from the first on, so that the training is still reading.
$node->safe_psql('postgres', q(
	CREATE FUNCTION slowly(i integer) RETURNS real LANGUAGE plpgsql VOLATILE AS
	$$ BEGIN IF i % 50 = 0 THEN PERFORM pg_sleep(0.002); END IF; RETURN sin(i); END; $$;
	CREATE VIEW slow AS SELECT slowly(i) AS a, i::real / 7 AS b, cos(i) AS y FROM (SELECT generate_series(1, 10000000) AS i) AS s));

my $running = "query LIKE '%endless%' AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()";

# The process id of the session that trains, once it does.
sub training_session
{
	my ($in_worker) = @_;
	my $pid = '';
	wait_for(60, sub { $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $running"); $pid ne '' })
	  or die 'no training started';
	wait_for(60, sub { workers($node) > 0 }) or die 'no worker started' if $in_worker;
	return $pid;
}

sub clean
{
	my ($what) = @_;
	ok(wait_for(60, sub { workers($node) == 0 }), "$what: no worker is left");
	ok(wait_for(60, sub { !temporary_files($node) }), "$what: no temporary file is left");
}

# A statement that reaches its timeout, measured inside the session, which goes on: its SQLSTATE, milliseconds beyond the timeout, and threads left.
sub time_out
{
	my ($statement, $settings) = @_;
	my $limit = 200 + int(rand(300));
	my $output = $node->safe_psql('postgres', qq(
		$settings;
		SELECT set_config('test.since', extract(epoch FROM clock_timestamp())::text, false) IS NOT NULL;
		SET statement_timeout = $limit;
		\\set ON_ERROR_STOP off
		\\set VERBOSITY sqlstate
		$statement;
		\\echo :LAST_ERROR_SQLSTATE
		RESET statement_timeout;
		SELECT round(1000 * (extract(epoch FROM clock_timestamp())::numeric - current_setting('test.since')::numeric) - $limit);
		SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task');), on_error_stop => 0);
	return (split /\n/, $output)[ -3 .. -1 ];
}

# It ends within 100 ms, beyond what any statement takes that computes on a machine as busy as this one.
sub ends_in_time
{
	my ($what, $statement, $settings) = @_;
	my (@late, @plain);
	for my $run (1 .. 5)
	{
		my ($state, $late, $threads) = time_out($statement, $settings // 'SELECT');
		is($state, '57014', "timeout, $what: query_canceled");
		is($threads, 1, "timeout, $what: no thread is left in the session");
		push @late, $late;
		push @plain, (time_out('SELECT count(*) FROM generate_series(1, 1000) a, generate_series(1, 1000000) b', 'SELECT'))[1];
	}
	cmp_ok(median(@late), '<', 100 + (sort { $b <=> $a } @plain)[0], "timeout, $what: ends within 100 ms (median)") or diag "@late; a plain query: @plain";
	note("milliseconds: @late; a plain query: @plain");
}

for my $in_worker (1, 0)
{
	my $setting = $in_worker ? 'on' : 'off';
	ends_in_time("$_, worker $setting", start_training($_), "SET deep_learning.training_worker = $setting") for 'small', 'slow';
	clean("timeout, worker $setting");
}

# A cancel that is caught inside a function: the session's own threads end with the statement that failed, not later.
$node->safe_psql('postgres', q(
	CREATE FUNCTION tasks() RETURNS bigint LANGUAGE sql AS $f$ SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task') $f$;
	CREATE FUNCTION caught(way text) RETURNS text LANGUAGE plpgsql AS $f$
	DECLARE
		result dl.training;
	BEGIN
		BEGIN
			IF way = 'perform' THEN
				PERFORM dl.train('caught', 'small', 'y', network => 'dense(128)', epochs => 100000, early_stopping => 0, quiet => true);
			ELSE
				result := dl.train('caught', 'small', 'y', network => 'dense(128)', epochs => 100000, early_stopping => 0, quiet => true);
			END IF;
		EXCEPTION WHEN query_canceled THEN
			RETURN SQLSTATE || ' ' || tasks();
		END;
		RETURN 'no error';
	END; $f$;));
for my $way ('perform', 'assignment')
{
	is($node->safe_psql('postgres', "SET deep_learning.training_worker = off; SET statement_timeout = 2000; SELECT caught('$way')"),
		'57014 1', "a cancel that is caught leaves no thread ($way)");
	is($node->safe_psql('postgres', "SET statement_timeout = 2000; SELECT caught('$way')"), '57014 1', "the same with a worker ($way)");
	clean("caught, $way");
}

# What only scores: a large network, rows without end, and the measuring of all of them at the end.
$node->safe_psql('postgres', q(
	SELECT dl.train('watched', 'SELECT a, b, y FROM small', 'y', network => 'dense(2000, relu) > dense(2000, relu)', epochs => 1, quiet => true);
	SELECT dl.train('sided', 'SELECT a, b, y > 0 AS side FROM small', 'side', network => 'linear', epochs => 1, quiet => true)));
for my $case (
	[ 'drift', "SELECT count(*) FROM dl.drift('watched', 'SELECT s.* FROM small s, generate_series(1, 1000000)')" ],
	[ 'drift of a small model', "SELECT count(*) FROM dl.drift('sided', 'SELECT s.*, y > 0 AS side FROM small s, generate_series(1, 1000000)')" ],
	[ 'performance', "SELECT count(*) FROM dl.performance('watched', 'SELECT s.* FROM small s, generate_series(1, 1000000)')" ],
	[ 'performance of many days', "SELECT count(*) FROM dl.performance('sided', 'SELECT s.*, y > 0 AS side, date ''2026-01-01'' + n AS day FROM small s, generate_series(1, 20000) n', 'day')" ])
{
	ends_in_time(@$case);
}

# The client dies: the server notices by itself.
for my $in_worker (1, 0)
{
	my $setting = $in_worker ? 'on' : 'off';
	for my $table ('small', 'slow')
	{
		my ($out, $err) = ('', '');
		my $psql = start_psql($node, "SET deep_learning.training_worker = $setting; " . start_training($table), \$out, \$err);
		my $pid = training_session($in_worker);
		sleep(0.1 + rand(0.3));
		kill 'KILL', $psql->{KIDS}[0]{PID};
		my $since = time();
		ok(wait_for(60, sub { !-d "/proc/$pid" }), "client killed, $table, worker $setting: the session ends");
		# looked for every 100 ms while it computes
		cmp_ok(time() - $since, '<', 5, "client killed, $table, worker $setting: soon");
		eval { $psql->finish };
		clean("client killed, $table, worker $setting");
	}
}

is($node->safe_psql('postgres', "SELECT rows FROM dl.train('works', 'small', 'y', network => 'dense(4)', epochs => 1, quiet => true)"),
	'20000', 'training still works');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');
done_testing();
