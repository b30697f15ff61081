# Many sessions that score, deploy, roll back and drop at once: no answer is of another
# version than the one its snapshot sees, all rows of a query are of one, and no memory is lost.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $seconds = $ENV{DL_MIX_SECONDS} || 20;
my $node = new_server('score_mix', fsync => 'off', max_connections => 60, max_worker_processes => 16,
	session_preload_libraries => 'deep_learning', jit => 'off', log_min_messages => 'warning');
my $versions = 3;

# A prediction of regression stays within its training targets, so it tells which version made it.
$node->safe_psql('postgres', q{
	CREATE TABLE facts AS SELECT i AS id, (i % 100)::real AS a, (i * 7 % 31)::real AS b FROM generate_series(1, 2000) i;
	ALTER TABLE facts ADD PRIMARY KEY (id);
	CREATE TABLE truth (version int);
	INSERT INTO truth VALUES (1);
	ANALYZE facts;
	CREATE TABLE kept (version int, model dl.model);
});
$node->safe_psql('postgres', "SELECT dl.train('mix', 'SELECT a, b, ($_ * 10 + a / 100)::real AS y FROM facts', 'y', network => 'dense(8, relu)',
	epochs => 2, seed => $_, quiet => true); SELECT dl.deploy('mix', $_); INSERT INTO kept VALUES ($_, dl.get('mix', $_))") for 1 .. $versions;
$node->safe_psql('postgres', "SELECT dl.deploy('mix', 1); SELECT dl.put('gone', dl.get('mix', 1))");

my %scripts = (
	# one statement: the version that its snapshot sees, in all rows
	score => [8, q{SELECT 1 / (least_version = most_version AND least_version = version)::int FROM truth,
		(SELECT min(floor(p / 10)) AS least_version, max(floor(p / 10)) AS most_version FROM (SELECT dl.predict('mix', f) AS p FROM facts f) s) t;}],
	filter => [4, q{SELECT 1 / (count(*) = 2000)::int FROM truth, facts f WHERE dl.predict('mix', f) >= version * 10 AND dl.predict('mix', f) < version * 10 + 10;}],
	one => [8, q{\set id random(1, 2000)
		SELECT 1 / (floor(dl.predict('mix', f) / 10) = version)::int FROM truth, facts f WHERE id = :id;}],
	key => [4, q{\set id random(1, 2000)
		SELECT 1 / (floor(dl.predict('mix', f) / 10) = (SELECT version FROM truth))::int FROM facts f WHERE id = :id;}],
	# two statements of one snapshot
	repeat => [3, q{BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT sum(dl.predict('mix', f)) AS s FROM facts f \gset
		SELECT 1 / (sum(dl.predict('mix', f)) = :s)::int FROM facts f;
		COMMIT;}],
	values => [2, q{SELECT 1 / bool_and(floor(dl.predict(k.model, f) / 10) = k.version)::int FROM kept k, facts f;}],
	deploy => [2, qq{\\set version random(1, $versions)
		BEGIN; UPDATE truth SET version = :version; SELECT dl.deploy('mix', :version); COMMIT;}],
	undone => [1, qq{\\set version random(1, $versions)
		BEGIN; UPDATE truth SET version = :version; SELECT dl.deploy('mix', :version);
		SELECT 1 / (min(floor(dl.predict('mix', f) / 10)) = :version)::int FROM facts f; ROLLBACK;}],
	# a model that comes and goes: only its absence may be an error
	gone => [2, q{DO $$ BEGIN PERFORM sum(dl.predict('gone', f)) FROM facts f; EXCEPTION WHEN undefined_object THEN NULL; END $$;}],
	drop => [1, q{DO $$ BEGIN PERFORM dl.drop_model('gone'); EXCEPTION WHEN undefined_object THEN NULL; END $$;
		DO $$ BEGIN PERFORM dl.put('gone', (SELECT model FROM kept WHERE version = 1));
			EXCEPTION WHEN unique_violation OR duplicate_object OR insufficient_privilege THEN NULL; END $$;}],
);

my @files;
for my $name (sort keys %scripts)
{
	my ($weight, $sql) = @{$scripts{$name}};
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$name.sql";
	append_to_file($file, "$sql\n");
	push @files, '-f', "$file\@$weight";
}

# resident kilobytes of all sessions but this one
sub resident
{
	my $pids = $node->safe_psql('postgres', q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	my $sum = 0;
	for my $pid (split / /, $pids)
	{
		my $status = eval { slurp_file("/proc/$pid/status") } // '';
		$sum += $1 if $status =~ /^RssAnon:\s+(\d+) kB/m;
	}
	return $sum;
}

my ($out, $err) = ('', '');
my $bench = IPC::Run::start(['pgbench', '-n', '-c', '32', '-j', '2', '-T', $seconds, '--protocol', 'prepared', @files, '-h', $node->host, '-p', $node->port,
		'postgres'], '>', \$out, '2>', \$err);
my $start = time;
my $early = 0;
my $late = 0;
while (time < $start + $seconds - 1)
{
	select undef, undef, undef, 0.5;
	$bench->pump_nb;
	my $now = resident();
	$early = $now if $now > $early && time < $start + $seconds / 2;
	$late = $now if $now;
}
$bench->finish;
is($bench->full_result(0) >> 8, 0, 'pgbench ended well') or diag $err;
unlike($err, qr/ERROR|aborted/, 'no unexpected error and no stale answer') or diag $err;
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($transactions // 0, '>', 100, 'something was done');
note "$transactions transactions in $seconds s; anonymous memory of 32 sessions: $early kB, then $late kB";
ok($early > 0 && $late < $early * 1.2 + 20 * 1024, 'sessions do not grow');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|leak/, 'nothing crashed, nothing leaked');
done_testing();
