# Cancel and terminate at random moments of a training, from before its first row to its commit, in sessions and in jobs:
# how soon each ends, that it ends as it should, and that nothing is left behind.
#
# DL_CANCELS says how many of each kind; then the times are those that are asked of an idle machine.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Leftover;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(sleep time);
use Training;

my $long = $ENV{DL_CANCELS} ? 1 : 0;
my $count = $ENV{DL_CANCELS} || 20;
my ($most_median, $most) = $long ? (20, 200) : (200, 5000);
my @phases = qw(reading encoding training evaluating storing);

srand($ENV{DL_SEED} || 1);
my $node = new_server('interrupt', shared_preload_libraries => 'deep_learning', max_worker_processes => 16, shared_buffers => '64MB',
	'deep_learning.job_restarts' => 0, dynamic_shared_memory_type => 'mmap');
make_rows($node, 'rows', 2000);

# strike: waits until a training has come to a phase, if one is given, then for a time, then does it; says when, to whom, and in which phase.
# watch: when each phase of an undisturbed training began, in seconds.
$node->safe_psql('postgres', q{
	CREATE FUNCTION costly(real) RETURNS real LANGUAGE sql AS $$ SELECT (sum(g) * 0 + $1)::real FROM generate_series(1, 150) AS g $$;
	CREATE FUNCTION phase_of(session integer, job bigint) RETURNS text LANGUAGE sql VOLATILE
		AS $$ SELECT phase FROM dl.list_progress() AS p WHERE p.pid = $1 OR p.job = $2 $$;
	CREATE FUNCTION worker_of(job bigint) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
	BEGIN
		PERFORM pg_stat_clear_snapshot();
		RETURN (SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'deep_learning job ' || job AND backend_type = 'deep_learning job');
	END $$;
	CREATE FUNCTION reached(session integer, job bigint, phase text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
		SELECT coalesce(array_position(ARRAY['reading', 'encoding', 'training', 'evaluating', 'storing'], phase_of(session, job))
			>= array_position(ARRAY['reading', 'encoding', 'training', 'evaluating', 'storing'], phase), false) $$;
	CREATE FUNCTION strike(way text, session integer, job bigint, after text, delay double precision) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
	DECLARE
		victim integer := session;
		phase text;
		limit_time timestamptz := clock_timestamp() + '20 s';
		at double precision;
	BEGIN
		IF after IS NOT NULL THEN
			WHILE NOT reached(session, job, after) AND clock_timestamp() < limit_time LOOP
				EXIT WHEN job IS NOT NULL AND (SELECT state NOT IN ('queued', 'running') FROM dl.job j WHERE j.id = strike.job);
				PERFORM pg_sleep(0.0003);
			END LOOP;
		END IF;
		PERFORM pg_sleep(delay);
		WHILE victim IS NULL AND way <> 'dl.cancel' AND clock_timestamp() < limit_time LOOP
			victim := worker_of(job);
			EXIT WHEN (SELECT state NOT IN ('queued', 'running') FROM dl.job j WHERE j.id = strike.job);
		END LOOP;
		IF victim IS NULL THEN
			victim := worker_of(job);
		END IF;
		phase := coalesce(phase_of(session, job), 'no phase');
		at := extract(epoch FROM clock_timestamp());
		IF way = 'dl.cancel' THEN
			PERFORM dl.cancel(job);
		ELSIF way = 'pg_cancel_backend' THEN
			PERFORM pg_cancel_backend(victim);
		ELSE
			PERFORM pg_terminate_backend(victim);
		END IF;
		RETURN concat_ws('|', phase, at, coalesce(victim, 0));
	END $$;
	CREATE FUNCTION watch(session integer, job bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
	DECLARE
		begun double precision := extract(epoch FROM clock_timestamp());
		seen text := '';
		last text := '';
		phase text;
	BEGIN
		LOOP
			phase := coalesce(phase_of(session, job), '');
			IF phase <> last THEN
				seen := seen || phase || ' ' || extract(epoch FROM clock_timestamp()) - begun || E'\n';
				last := phase;
				EXIT WHEN phase = '';
			END IF;
			EXIT WHEN extract(epoch FROM clock_timestamp()) > begun + 60;
		END LOOP;
		RETURN seen;
	END $$;
});

my $control = Session->new($node);
my $arguments = q('SELECT costly(a) AS a, b, c, a * b AS d, y FROM rows', 'y', network => 'dense(500, relu) > dense(500, relu)',
	epochs => 2, early_stopping => 0, quiet => true) =~ s/\s+/ /gr;
my $session = Session->new($node);
my $train = "SELECT 'trained ' || version FROM dl.train('struck', $arguments)";

# How long the phases are, and all of it, in seconds.
sub lengths
{
	my ($seen) = @_;
	my @times = map { [ split / / ] } grep { length } split /\n/, $seen;
	my %length = (all => $times[-1][-1]);
	$length{ $times[$_][0] } = $times[ $_ + 1 ][1] - $times[$_][1] for 0 .. $#times - 1;
	note(join ', ', map { sprintf '%s %.0f ms', $_, 1000 * ($length{$_} // 0) } @phases, 'all');
	return \%length;
}

$session->ask($train) =~ /trained/ or die 'no training';
$session->send($train);
my $in_session = lengths($control->ask('SELECT watch(' . $session->pid . ', NULL)'));
like($session->answer, qr/^trained/, 'an undisturbed training');
# a job that waits keeps the scheduler
my $waiting = $control->ask("SELECT dl.submit('waits', 'rows', 'y', not_before => 'infinity')");
my $submit = "SELECT dl.submit('struck', $arguments)";
my $undisturbed = $control->ask($submit);
my $in_job = lengths($control->ask("SELECT watch(NULL, $undisturbed)"));
is($control->ask("SELECT dl.wait($undisturbed)"), 'succeeded', 'an undisturbed job');

# Every other one anywhere; else in one of the phases, in turn.
sub moment
{
	my ($number, $length) = @_;
	return ('NULL', rand($length->{all})) if $number % 2;
	my $phase = $phases[ ($number / 2) % @phases ];
	return ("'$phase'", rand($length->{$phase} // 0.001) * 0.8);
}

# Milliseconds from a time to the end of a process.
sub gone_after
{
	my ($pid, $since) = @_;
	sleep 0.001 while -d "/proc/$pid" && time() < $since + 60;
	return 1000 * (time() - $since);
}

# Each gives the phase, how it ended, and milliseconds, undefined where there was nothing to interrupt.

sub interrupt_session
{
	my ($way, $number) = @_;
	my ($phase, $delay) = moment($number, $in_session);
	my $setting = $number % 4 < 2 ? 'on' : 'off';
	$session = Session->new($node) if $session->{dead};
	$session->ask("SET deep_learning.training_worker = $setting");
	my $pid = $session->pid;
	$session->send("$train;\nSELECT 'ended ' || extract(epoch FROM clock_timestamp())");
	my ($hit, $at) = split /\|/, $control->ask("SELECT strike('$way', $pid, NULL, $phase, $delay)");
	my $took;
	if ($way eq 'pg_terminate_backend')
	{
		$took = gone_after($pid, $at);
		my $text = $session->answer;
		# psql notices when it has something to say
		$text .= $session->ask('SELECT 1') unless $session->{dead};
		return ($hit, 'too late', undef) if $text =~ /trained/;
		return ($hit, $text =~ /FATAL:  terminating connection due to administrator command/ ? 'terminated' : $text, $took);
	}
	my $text = $session->answer;
	return ($hit, 'too late', undef) if $text =~ /trained/;
	$took = 1000 * ($1 - $at) if $text =~ /^ended ([\d.]+)/m;
	return ($hit, $text =~ /ERROR:  canceling statement due to user request/ ? 'cancelled' : $text, $took);
}

sub interrupt_job
{
	my ($way, $number) = @_;
	my ($phase, $delay) = moment($number, $in_job);
	my $id = $control->ask($submit);
	my ($hit, $at, $pid) = split /\|/, $control->ask("SELECT strike('$way', NULL, $id, $phase, $delay)");
	my $took = $pid ? gone_after($pid, $at) : undef;
	my $state = '';
	# a worker that is terminated before it has the job leaves it in the queue
	my $known = sub { $state = $control->ask("SELECT state FROM dl.job WHERE id = $id"); return $state ne 'running'; };
	my $in_time = wait_for(10, $known);
	if ($state eq 'queued' || !$in_time)
	{
		$control->ask("SELECT dl.cancel($id)");
		$control->ask("SELECT dl.wait($id)");
		return ($hit, $in_time && $hit eq 'no phase' ? 'stayed in the queue' : "left $state in $hit", $took);
	}
	return ($hit, 'too late', undef) if $state eq 'succeeded';
	return ($hit, $state, $took);
}

my %kinds = (
	'session, pg_cancel_backend' => [ \&interrupt_session, 'pg_cancel_backend', [ 'cancelled', 'too late' ] ],
	'session, pg_terminate_backend' => [ \&interrupt_session, 'pg_terminate_backend', [ 'terminated', 'too late' ] ],
	'job, dl.cancel' => [ \&interrupt_job, 'dl.cancel', [ 'cancelled', 'too late' ] ],
	'job, pg_cancel_backend' => [ \&interrupt_job, 'pg_cancel_backend', [ 'cancelled', 'too late' ] ],
	'job, pg_terminate_backend' => [ \&interrupt_job, 'pg_terminate_backend', [ 'interrupted', 'too late', 'stayed in the queue' ] ],
);
my %all_phases;

for my $kind (sort keys %kinds)
{
	my ($function, $way, $right) = @{ $kinds{$kind} };
	my %right = map { $_ => 1 } @$right;
	my (@took, %ends, %hits, %worst, @wrong);
	$control->ask("SELECT dl.drop_model('struck')");
	# some come too late
	for (my $number = 1; @took < $count && $number <= 3 * $count; $number++)
	{
		my ($hit, $end, $took) = $function->($way, $number);
		$hits{$hit}++;
		$ends{$end}++;
		push @wrong, "$end (in $hit)" unless $right{$end};
		next unless defined $took;
		push @took, $took;
		$worst{$hit} = $took if $took > ($worst{$hit} // 0);
	}
	is_deeply(\@wrong, [], "$kind: each ends as it should");
	my @sorted = sort { $a <=> $b } @took;
	my $text = sprintf '%s: %d measured, median %.1f ms, 99 %% %.1f ms, worst %.1f ms', $kind, scalar @took, median(@took),
	  $sorted[ int(@sorted * 0.99) ], $sorted[-1];
	my $where = join ', ', map { sprintf '%s %d (worst %.0f ms)', $_, $hits{$_} // 0, $worst{$_} // 0 } @phases, 'no phase';
	my $how = join ', ', map { "$_ $ends{$_}" } sort keys %ends;
	$long ? diag("$text; $where; $how") : note("$text; $where; $how");
	cmp_ok(median(@took), '<=', $most_median, "$kind: the median");
	cmp_ok($sorted[-1], '<=', $most, "$kind: the worst");
	$all_phases{$_} += $hits{$_} // 0 for @phases;
	is($control->ask('SELECT 1'), '1', "$kind: others go on");
}
for my $phase (@phases)
{
	note("$phase: $all_phases{$phase}");
	cmp_ok($all_phases{$phase}, '>', 0, "$phase was hit") if $long;
}

# Rows in temporary files: they go as well.
make_rows($node, 'many', 100000);
my $endless = q('many', 'y', network => 'dense(16, relu)', epochs => 1000000, early_stopping => 0, quiet => true);
for my $setting ('on', 'off')
{
	for my $way ('pg_cancel_backend', 'pg_terminate_backend')
	{
		$session = Session->new($node) if $session->{dead};
		$session->ask("SET deep_learning.training_memory = '1MB'; SET deep_learning.training_worker = $setting");
		$session->send("SELECT dl.train('on_disk', $endless)");
		ok(wait_for(60, sub { temporary_files($node) }), "a training with a temporary file, worker $setting");
		$control->ask("SELECT $way(" . $session->pid . ')');
		like($session->answer, qr/canceling statement|terminating connection/, "is ended by $way");
		ok(wait_for(60, sub { !temporary_files($node) }), 'the file is gone');
	}
}
for my $way ('dl.cancel', 'pg_terminate_backend')
{
	my $id = $control->ask("SET deep_learning.training_memory = '1MB'; SELECT dl.submit('on_disk', $endless)");
	ok(wait_for(60, sub { temporary_files($node) }), 'a job with a temporary file');
	$control->ask($way eq 'dl.cancel' ? "SELECT dl.cancel($id)" : "SELECT pg_terminate_backend(worker_of($id))");
	ok(wait_for(60, sub { !temporary_files($node) }), "is ended by $way, and the file is gone");
}

# The session that was cancelled so often still trains; its threads are gone.
$session = Session->new($node) if $session->{dead};
like($session->ask($train), qr/^trained/, 'a session trains as before');
is($session->ask(q(SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task'))), '1', 'and has no thread left');

# One that is under way shows what its shared memory looks like; the one before may not have left yet.
wait_for(60, sub { workers($node) == 0 });
$session->send('SET deep_learning.training_worker = on; ' . start_training('rows'));
my $trainer;
ok(wait_for(60, sub { $trainer = $control->ask(q(SELECT max(p.pid) FROM pg_stat_activity AS p WHERE backend_type = 'deep_learning trainer' AND query = 'training'));
	$trainer }), 'a training with a trainer');
is(learn_segments($node, $trainer), 1, 'has a segment of shared memory');
$control->ask('SELECT pg_cancel_backend(' . $session->pid . ')');
like($session->answer, qr/canceling statement/, 'is cancelled');
$control->ask("SELECT dl.cancel($waiting)");
is_deeply([ left_over($node) ], [], 'nothing is left behind');
$_->quit for ($session, $control);
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|leak/, 'nothing crashed, nothing leaked');
done_testing();
