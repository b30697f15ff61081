# The cache that sessions share, when they are cancelled, end or are killed while they build or use an entry; on a
# standby; and where the system has no shared memory to give.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Session;
use Training;

my $network = q(network => 'dense(256, relu) > dense(256, relu)', epochs => 1, quiet => true, options => '{"members": 1}');
my $scores = q(SELECT md5(string_agg(float8send(dl.predict('wide', a, b, c))::text, ',' ORDER BY a, b, c)) FROM some_rows);
my $cache = 'SELECT models, sessions, hits FROM dl.cache WHERE shared';

my $node = new_server('cache_crash', shared_preload_libraries => 'deep_learning', dynamic_shared_memory_type => 'mmap', restart_after_crash => 'on');
make_rows($node, 'some_rows', 300);
$node->safe_psql('postgres', "SELECT dl.train('wide', 'some_rows', 'y', $network)");
my $expected = $node->safe_psql('postgres', $scores);

sub segments
{
	my $directory = $node->data_dir . '/pg_dynshmem';
	return scalar(grep { /^mmap\./ } PostgreSQL::Test::Utils::slurp_dir($directory));
}

# What sessions that end leave goes a moment later.
sub segments_become
{
	my ($count, $name) = @_;
	wait_for(60, sub { segments() == $count });
	is(segments(), $count, $name);
}

sub waits_for
{
	my ($session, $what) = @_;
	my $pid = $session->pid;
	return wait_for(60, sub { $node->safe_psql('postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid") eq $what });
}

# A server whose cache is empty, and where nobody can read the bytes of models.
sub hold_bytes
{
	$node->restart;
	my $holder = Session->new($node);
	$holder->ask('BEGIN; LOCK TABLE dl.registry_chunk IN ACCESS EXCLUSIVE MODE');
	return $holder;
}

# One builds, the others wait for it; each that is stopped leaves the work to the next.
my $holder = hold_bytes();
$node->safe_psql('postgres', $cache);
my $own = segments();
my @sessions = map { Session->new($node) } 1 .. 4;
my $builder = shift @sessions;
$builder->send($scores);
ok(waits_for($builder, 'Lock'), 'a session builds');
$_->send($scores) for @sessions;
is(scalar(grep { waits_for($_, 'Extension') } @sessions), 3, 'others wait for it');
is($node->safe_psql('postgres', $cache), '', 'nothing is there yet');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $builder->pid . ')');
like($builder->answer, qr/canceling statement/, 'it is cancelled');

# The one that has gone on to build.
sub next_builder
{
	my $found;
	wait_for(60, sub { ($found) = grep { $node->safe_psql('postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE pid = " . $_->pid) eq 'Lock' } @sessions }) or die 'nobody builds';
	@sessions = grep { $_ != $found } @sessions;
	return $found;
}
my $next = next_builder();
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $next->pid . ')');
like($next->answer, qr/terminating connection/, 'the next is terminated');
$next = next_builder();
ok(waits_for($sessions[0], 'Extension'), 'one builds, one waits');
$holder->ask('COMMIT');
is($next->answer, $expected, 'the last builder has its answer');
is($sessions[0]->answer, $expected, 'and so has who waited');
is($builder->ask($scores), $expected, 'and who was cancelled');
is($node->safe_psql('postgres', $cache), 'wide 1|3|2', 'all from one entry');
segments_become($own + 1, 'and one segment');
$_->quit for $holder, $builder, $next, @sessions;

# Bytes that are damaged are an error for each, and nothing is left of the attempt.
my $damage = q(UPDATE dl.registry_chunk SET data = set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 1));
$node->safe_psql('postgres', $damage);
$holder = hold_bytes();
@sessions = map { Session->new($node) } 1 .. 3;
$_->send($scores) for @sessions;
wait_for(60, sub { $node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND backend_type = 'client backend')) eq '2' }) or die 'nobody waits';
$holder->ask('COMMIT');
like($_->answer, qr/is damaged/, 'damage is an error') for @sessions;
is($node->safe_psql('postgres', $cache), '', 'and nothing is in the cache');
$node->safe_psql('postgres', $damage);
is($_->ask($scores), $expected, 'repaired, it is used') for @sessions;
is($node->safe_psql('postgres', $cache), 'wide 1|3|2', 'by all');
$_->quit for $holder, @sessions;

# Killed, the server starts again.
sub checkpointer
{
	my ($status, $pid) = $node->psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'));
	return $status == 0 ? $pid : '';
}
# Not before the postmaster has noticed: until then the server of before answers.
sub comes_back
{
	my ($session) = @_;
	my $before = checkpointer();
	kill 'KILL', $session->pid;
	eval { $session->answer };
	return wait_for(60, sub { my $pid = checkpointer(); $pid ne '' && $pid ne $before });
}
$holder = hold_bytes();
$builder = Session->new($node);
my $other = Session->new($node);
$builder->send($scores);
waits_for($builder, 'Lock') or die 'it does not build';
$other->send($scores);
waits_for($other, 'Extension') or die 'it does not wait';
ok(comes_back($builder), 'a session that is killed while it builds: the server is there again');
is($node->safe_psql('postgres', $cache), '', 'with an empty cache');
segments_become($own, 'and no segment of before');
is($node->safe_psql('postgres', $scores), $expected, 'the model is found and shared');
is($node->safe_psql('postgres', $cache), 'wide 1|0|0', 'again');
my $user = Session->new($node);
my $second = Session->new($node);
$second->ask("BEGIN; DECLARE c CURSOR FOR SELECT dl.predict('wide', a, b, c) FROM some_rows; FETCH 1 FROM c");
$user->ask("BEGIN; DECLARE c CURSOR FOR SELECT dl.predict('wide', a, b, c) FROM some_rows; FETCH 1 FROM c");
is($node->safe_psql('postgres', $cache), 'wide 1|2|2', 'two use it');
ok(comes_back($user), 'one is killed: the server is there again');
is($node->safe_psql('postgres', $cache), '', 'with an empty cache');
segments_become($own, 'and no segment of before');
is($node->safe_psql('postgres', $scores), $expected, 'and the model');
$node->stop('fast');
is(scalar(grep { /^mmap\./ } PostgreSQL::Test::Utils::slurp_dir($node->data_dir . '/pg_dynshmem')), 0, 'a server that stops leaves nothing');
$_->quit for $holder, $builder, $other, $user, $second;

# A standby.
my $primary = PostgreSQL::Test::Cluster->new('cache_primary');
$primary->init(allows_streaming => 1, extra => [ '--locale=C.UTF-8', '-E', 'UTF8', '--no-sync', '--wal-segsize=1' ]);
$primary->append_conf('postgresql.conf', 'shared_preload_libraries = deep_learning');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION deep_learning');
make_rows($primary, 'some_rows', 300);
$primary->safe_psql('postgres', "SELECT dl.train('wide', 'some_rows', 'y', $network)");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('cache_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
@sessions = map { Session->new($standby) } 1 .. 2;
is($_->ask($scores), $primary->safe_psql('postgres', $scores), 'a session of a standby scores as the primary does') for @sessions;
is($sessions[0]->ask($cache), 'wide 1|2|1', 'and shares the model');
$primary->safe_psql('postgres', "SELECT dl.train('wide', 'some_rows', 'y', seed => 2, $network); SELECT dl.deploy('wide', 2)");
$primary->wait_for_catchup($standby);
my $deployed = $primary->safe_psql('postgres', $scores);
isnt($deployed, $expected, 'another version is deployed');
is($_->ask($scores), $deployed, 'a session of the standby uses it at its next statement') for @sessions;
is($sessions[0]->ask(q(SELECT sessions FROM dl.cache WHERE models = 'wide 2')), '2', 'and shares it');
$primary->safe_psql('postgres', q(SELECT dl.drop_model('wide')));
$primary->wait_for_catchup($standby);
like($sessions[0]->ask($scores), qr/model "wide" does not exist/, 'and no longer, when it is dropped');
$standby->promote;
is($sessions[1]->ask("SELECT version FROM dl.train('wide', 'some_rows', 'y', $network)"), '1', 'once promoted, it trains');
is($sessions[0]->ask($scores), $sessions[1]->ask($scores), 'and shares');
$_->quit for @sessions;
$standby->stop;
$primary->safe_psql('postgres', q(SELECT dl.train('wide', 'some_rows', 'y', network => 'dense(800, relu) > dense(800, relu)', epochs => 1, quiet => true, options => '{"members": 1}')));
$primary->safe_psql('postgres', "SELECT dl.train('narrow', 'some_rows', 'y', $network)");
my $large = $primary->safe_psql('postgres', $scores);
$primary->stop;

# No file may grow beyond 2 MB now, and those of shared memory are files.
my ($directory, $log) = ($primary->data_dir, $primary->logfile);
system("bash -c \"ulimit -f 2048; pg_ctl -w -D '$directory' -l '$log' start\" >/dev/null") == 0 or die 'it does not start';
$primary->_update_pid(1);
@sessions = map { Session->new($primary) } 1 .. 3;
is($_->ask($scores), $large, 'without memory to share, a session scores') for @sessions;
is($sessions[0]->ask('SELECT models, shared FROM dl.cache'), 'wide 1|f', 'with a copy');
is($sessions[1]->ask("SELECT dl.predict('narrow', 1, 2, 3) IS NULL; SELECT shared FROM dl.cache WHERE models = 'narrow 1'"), "f\nt", 'a smaller model is shared');
my @lines = slurp_file($log) =~ /sessions cannot share a model: .*/g;
is(scalar(@lines), 1, 'one line of the log tells') or diag(join("\n", @lines));
like($lines[0], qr/could not resize shared memory segment .*: File too large/, 'why') if @lines;
$_->quit for @sessions;
$primary->stop;
done_testing();
