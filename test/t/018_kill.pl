# kill -9 of whatever there is, under a load of jobs that keep checkpoints and sessions that train, score, deploy and roll back: committed
# models are there as they were committed, what was not committed is not, and every job ends in the bytes of an undisturbed training.
#
# DL_KILLS says how many kills.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Leftover;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Training;

my @kinds = ('job', 'trainer', 'scheduler', 'launcher', 'backend', 'postmaster');
my $kills = $ENV{DL_KILLS} || @kinds;
my $long = $ENV{DL_KILLS} ? 1 : 0;

srand($ENV{DL_SEED} || 1);
my $node = new_server('kill', shared_preload_libraries => 'deep_learning', restart_after_crash => 'on', max_worker_processes => 20,
	max_connections => 40, shared_buffers => '64MB', 'deep_learning.threads' => 1, 'deep_learning.job_restarts' => 1000,
	'deep_learning.max_jobs' => 2, log_statement => 'none', log_min_messages => 'warning');
make_rows($node, 'rows', 2000);
$node->safe_psql('postgres', q{
	CREATE TABLE committed (name text, version int, md5 text, PRIMARY KEY (name, version));
	CREATE TABLE truth (name text PRIMARY KEY, version int);
	CREATE FUNCTION md5_of(name text, version int) RETURNS text LANGUAGE sql AS $$ SELECT md5(dl.get(name, version)::bytea) $$;
});

# The answer, waited for while the server recovers.
sub ask
{
	my ($query) = @_;
	my ($status, $answer, $error);
	wait_for(120, sub { ($status, $answer, $error) = $node->psql('postgres', $query); $status == 0 }) or die "no answer to: $query: $error";
	return $answer;
}

my %trainings = (
	one => q('rows', 'y', network => 'dense(64, relu) > dropout(0.1) > dense(64, relu)', early_stopping => 0, seed => 5, quiet => true),
	several => q('SELECT * FROM rows LIMIT 500', 'y', network => 'dense(32, relu)', early_stopping => 0, seed => 7, quiet => true, options => '{"members": 3}'),
);
my %same;
for my $kind (sort keys %trainings)
{
	# so that this machine, idle, takes some seconds
	my $taken = ask("SELECT seconds FROM dl.train('probe', $trainings{$kind}, epochs => 100)");
	$trainings{$kind} .= ', epochs => ' . (20 + int(100 * 3 / $taken));
	ask("SELECT dl.train('same', $trainings{$kind})");
	$same{$kind} = ask("SELECT md5_of('same', NULL)");
	ask("SELECT dl.drop_model('same')");
}

# --- the load

my $clients = 4;
my $small = q('SELECT * FROM rows LIMIT 200', 'y', network => 'dense(8, relu)', epochs => 2, quiet => true);
ask("SELECT dl.train('kept', $small, seed => $_); SELECT dl.deploy('kept', $_); INSERT INTO committed VALUES ('kept', $_, md5_of('kept', $_))") for 1 .. 3;
ask("SELECT dl.deploy('kept', 1); SELECT dl.deploy('kept', 2); INSERT INTO truth VALUES ('kept', 2)");

my %scripts = (
	# what is committed is written down together with it; a few old versions are dropped, together with what was written down
	train => [ 3, qq{\\set seed random(1, 1000000)
		BEGIN;
		SELECT version FROM dl.train('mix_' || :client_id, $small, seed => :seed) \\gset
		INSERT INTO committed VALUES ('mix_' || :client_id, :version, md5_of('mix_' || :client_id, :version));
		SELECT dl.drop_model(v.name, v.version) FROM dl.versions v WHERE v.name = 'mix_' || :client_id AND v.version < :version - 8 AND NOT v.deployed;
		DELETE FROM committed c WHERE c.name = 'mix_' || :client_id AND NOT EXISTS (SELECT FROM dl.versions v WHERE v.name = c.name AND v.version = c.version);
		COMMIT;} ],
	score => [ 6, q{SELECT 1 / (count(dl.predict('kept', r)) = 2000)::int FROM rows r;} ],
	deploy => [ 2, q{\set version random(1, 3)
		BEGIN; UPDATE truth SET version = :version WHERE name = 'kept'; SELECT dl.deploy('kept', :version); COMMIT;} ],
	rollback => [ 1, q{\set version random(1, 3)
		BEGIN; SELECT FROM truth WHERE name = 'kept' FOR UPDATE; SELECT dl.deploy('kept', :version); SELECT dl.deploy('kept', :version % 3 + 1);
		UPDATE truth SET version = dl.rollback('kept') WHERE name = 'kept'; COMMIT;} ],
);
my @files;
for my $name (sort keys %scripts)
{
	my ($weight, $sql) = @{ $scripts{$name} };
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$name.sql";
	append_to_file($file, join("\n", grep { length } map { s/^\s+//r } split /\n/, $sql) . "\n");
	push @files, '-f', "$file\@$weight";
}

my ($bench, $bench_out, $bench_err);
sub start_load
{
	($bench_out, $bench_err) = ('', '');
	$bench = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 1, '-T', 100000, @files, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$bench_out, '2>', \$bench_err);
}

# All its clients lose their connection; what else they say is wrong.
my @gone = map { qr/$_/ } ('terminating connection', 'server closed the connection', 'connection to server', 'could not create connection', 'no connection to the server', 'could not (send|receive) data',
	'the database system is', 'This probably means', 'before or while processing', '^HINT:', '^DETAIL:', 'Run was aborted', 'aborted in command', 'perhaps the (server|backend) died',
	'client \d+ aborted');
sub stop_load
{
	eval { $bench->finish };
	return grep { my $line = $_; /\S/ && !grep { $line =~ $_ } @gone } split /\n/, $bench_err;
}

sub load_runs
{
	eval { $bench->pump_nb };
	return $bench->pumpable;
}

my (%jobs, %acknowledged, $submitted, $ended);
$submitted = $ended = 0;

sub submit_jobs
{
	my @kinds_of_jobs = sort keys %trainings;
	while (keys %jobs < 3)
	{
		my $kind = $kinds_of_jobs[ $submitted++ % @kinds_of_jobs ];
		my $id = ask("SET deep_learning.checkpoint_interval = 0; SELECT dl.submit('job_$submitted', $trainings{$kind})");
		$jobs{$id} = [ $kind, "job_$submitted" ];
	}
}

# Takes note of jobs that have ended; what was wrong.
sub look_at_jobs
{
	my @wrong;
	for my $id (sort { $a <=> $b } keys %jobs)
	{
		my ($kind, $model) = @{ $jobs{$id} };
		my $state = ask("SELECT state FROM dl.job WHERE id = $id");
		next if $state eq 'queued' || $state eq 'running';
		push @wrong, "job $id ended as $state: " . ask("SELECT concat_ws(' ', sqlstate, message) FROM dl.job WHERE id = $id") if $state ne 'succeeded';
		if ($state eq 'succeeded')
		{
			push @wrong, "the model of job $id is another" if ask("SELECT md5_of('$model', NULL)") ne $same{$kind};
			push @wrong, "job $id has checkpoints" if ask("SELECT count(*) FROM dl.job_checkpoint WHERE job = $id") ne '0';
			push @wrong, "job $id stored several versions" if ask("SELECT count(*) FROM dl.versions WHERE name = '$model'") ne '1';
			ask("SELECT dl.drop_model('$model')");
		}
		delete $jobs{$id};
		$ended++;
	}
	return @wrong;
}

# Changes when a job has got further.
sub checkpoints { return ask(q(SELECT coalesce(string_agg(job || '.' || trial || '.' || xmin, ','), '') || (SELECT count(*) FROM dl.job WHERE state = 'succeeded') FROM dl.job_checkpoint)) }

sub pid_of
{
	my ($kind) = @_;
	return postmaster_pid($node) if $kind eq 'postmaster';
	return ask(q(SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1), 0))) if $kind eq 'backend';
	return ask("SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE backend_type = 'deep_learning $kind' ORDER BY random() LIMIT 1), 0)");
}

sub children
{
	my ($parent) = @_;
	return grep { (eval { slurp_file("/proc/$_/stat") } // '') =~ /\) \S $parent / } map { m{(\d+)$} } glob '/proc/[0-9]*';
}

sub lives { return (eval { slurp_file("/proc/$_[0]/stat") } // '') =~ /\) [^ZX] /; }

# A commit of our own, of which we were told: it must be there for good.
sub commit_one
{
	my $seed = int(rand(1000000));
	my $answer = ask("SELECT version, md5_of('told', version) FROM dl.train('told', $small, seed => $seed)");
	my ($version, $md5) = split /\|/, $answer;
	$acknowledged{$version} = $md5;
	return unless keys %acknowledged > 10;
	my $deployed = ask(q(SELECT version FROM dl.versions WHERE name = 'told' AND deployed));
	my ($oldest) = grep { $_ != $deployed } sort { $a <=> $b } keys %acknowledged;
	ask("SELECT dl.drop_model('told', $oldest)");
	delete $acknowledged{$oldest};
}

# What is not as it was committed.
sub check_models
{
	my @wrong = split /\n/, ask(q{
		SELECT 'lost: ' || c.name || ' ' || c.version FROM committed c WHERE NOT EXISTS (SELECT FROM dl.versions v WHERE v.name = c.name AND v.version = c.version)
		UNION ALL SELECT 'not committed: ' || v.name || ' ' || v.version FROM dl.versions v
			WHERE (v.name = 'kept' OR v.name LIKE 'mix%') AND NOT EXISTS (SELECT FROM committed c WHERE v.name = c.name AND v.version = c.version)
		UNION ALL SELECT 'other bytes: ' || c.name || ' ' || c.version FROM committed c WHERE md5_of(c.name, c.version) <> c.md5
		UNION ALL SELECT 'deployed: ' || t.name FROM truth t WHERE NOT EXISTS (SELECT FROM dl.versions v WHERE v.name = t.name AND v.version = t.version AND v.deployed)});
	my %there = map { split /\|/ } split /\n/, ask(q(SELECT version, md5_of('told', version) FROM dl.versions WHERE name = 'told'));
	for my $version (keys %acknowledged)
	{
		push @wrong, "told, but not there: $version" if ($there{$version} // '') ne $acknowledged{$version};
	}
	return @wrong;
}

# --- kill

my (@recovered, @checked, %killed, @going);
my @order;
for my $number (1 .. $kills)
{
	@order = sort { $a->[1] <=> $b->[1] } map { [ $_, rand ] } @kinds unless @order;
	my $kind = (shift @order)->[0];
	my @wrong;

	start_load();
	submit_jobs();
	commit_one();
	# one comes at any time, the next when a job has got further than where it was interrupted
	my $before = checkpoints();
	if ($number % 2)
	{
		wait_for(60, sub { @wrong = (@wrong, look_at_jobs()); submit_jobs(); checkpoints() ne $before })
		  or push @wrong, 'no job gets further: ' . ask(q(SELECT string_agg(concat_ws(' ', id, state, attempts, waiting_for), '; ') FROM dl.job WHERE state <> 'succeeded'));
	}
	sleep rand($number % 2 ? 0.3 : 1.5);
	my $pid = 0;
	wait_for(60, sub {
		@wrong = (@wrong, look_at_jobs());
		submit_jobs();
		$pid = pid_of($kind);
		return 0 unless $pid;
		return 1 if $kind eq 'postmaster';
		# it may have ended since, and then nobody notices
		return kill('KILL', $pid) && wait_for(10, sub { !load_runs() });
	}) or $pid = 0;
	if (!$pid)
	{
		fail("kill -9 $number: $kind") or diag join "\n", 'it was not there to be killed', @wrong;
		last;
	}
	if ($kind eq 'postmaster')
	{
		my @left = children($pid);
		$node->kill9;
		my $since = time();
		my ($last, %titles) = ('');
		$titles{$_} = (eval { slurp_file("/proc/$_/cmdline") } // '') =~ s/\0+$//r for @left;
		wait_for(60, sub { @left = grep { lives($_) } @left; $last = join ', ', map { $titles{$_} } @left if @left; !@left })
		  or push @wrong, "processes outlive the postmaster: $last";
		push @going, 1000 * (time() - $since);
		note(sprintf 'without the postmaster: %.0f ms, the last: %s', $going[-1], $last);
		@wrong = (@wrong, stop_load());
		# whoever adopted it may take a moment to bury it, and PostgreSQL takes a pid that is there for a server
		wait_for(60, sub { !kill 0, $pid });
		$node->start;
	}
	else
	{
		@wrong = (@wrong, stop_load());
	}
	$killed{$kind}++;
	my $since = time();
	ask('SELECT 1');
	push @recovered, 1000 * (time() - $since);
	@wrong = (@wrong, check_models());
	@wrong = (@wrong, look_at_jobs());
	ok(!@wrong, "kill -9 $number: $kind") or diag join "\n", @wrong;
}
is(join(' ', map { "$_ " . ($killed{$_} // 0) } sort keys %killed), join(' ', map { "$_ " . int($kills / @kinds) } sort @kinds), 'as many of each') if $kills % @kinds == 0;

# --- in peace

my @wrong;
ok(wait_for(300, sub { @wrong = (@wrong, look_at_jobs()); !%jobs }), 'every job ends');
is_deeply(\@wrong, [], 'well');
is_deeply([ check_models() ], [], 'and the models are there');
is(ask(q(SELECT count(*) FROM dl.job WHERE state <> 'succeeded')), '0', 'no job is left');
my $resumed = ask(q(SELECT count(*) || ' times, ' || count(DISTINCT job) || ' jobs' FROM dl.job_log WHERE message LIKE 'the training goes on after%'));
is_deeply([ left_over($node) ], [], 'nothing is left behind');
my $figures = sprintf '%d kills (%s); %d jobs, resumed %s; %d versions of models looked at in the end; the server answers after %.0f ms (median), %.0f ms (worst); without their postmaster processes end within %.0f ms',
  $kills, join(', ', map { "$_ $killed{$_}" } sort keys %killed), $ended, $resumed, ask('SELECT count(*) FROM committed') + keys %acknowledged,
  median(@recovered), (sort { $b <=> $a } @recovered)[0], (sort { $b <=> $a } @going, 0)[0];
$long ? diag($figures) : note($figures);
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing else crashed');
done_testing();
