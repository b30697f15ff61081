# One copy of a model for all sessions: who shares, who may see it, and what goes when there is no room.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Session;
use Training;

# Segments are files of the data directory, so that they can be counted.
my $node = new_server('cache', shared_preload_libraries => 'deep_learning', dynamic_shared_memory_type => 'mmap', max_parallel_workers => 4);
make_rows($node, 'some_rows', 300);

sub train
{
	my ($name, $seed, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SELECT version FROM dl.train('$name', 'some_rows', 'y', network => 'dense(256, relu) > dense(256, relu)', "
		  . "epochs => 1, seed => $seed, quiet => true, options => '{\"members\": 1}')");
}

my $own_segments = 0;

sub segments
{
	my $directory = $node->data_dir . '/pg_dynshmem';
	return scalar(grep { /^mmap\./ } PostgreSQL::Test::Utils::slurp_dir($directory)) - $own_segments;
}
# What sessions that end leave goes a moment later.
sub segments_become
{
	my ($count, $name) = @_;
	wait_for(60, sub { segments() == $count });
	is(segments(), $count, $name);
}

# From version 17 on, the table of the cache is in one itself.
$node->safe_psql('postgres', 'SELECT FROM dl.cache');
$own_segments = segments();

sub set_cache
{
	my ($size) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET deep_learning.shared_model_cache = '$size'");
	$node->reload;
	wait_for(60, sub { $node->safe_psql('postgres', "LOAD 'deep_learning'; SELECT setting = pg_size_bytes('$size') / 1024 FROM (SELECT setting::bigint FROM pg_settings WHERE name = 'deep_learning.shared_model_cache') s") eq 't' })
	  or die 'the setting did not arrive';
}

my $sum = 'SELECT md5(string_agg(float8send(dl.predict(%s, a, b, c))::text, \',\' ORDER BY a, b, c)) FROM some_rows';
my $columns = 'SELECT models, shared, sessions, hits FROM dl.cache WHERE shared';
set_cache(0);
train('wide', 1);
is($node->safe_psql('postgres', 'SELECT count(*) FROM dl.cache WHERE shared'), '0', 'turned off, nothing is shared');
segments_become(0, 'and no memory is taken');
my $expected = $node->safe_psql('postgres', sprintf($sum, "'wide'"));
set_cache('1GB');

# Sessions.
my @sessions = map { Session->new($node) } 1 .. 3;
is($sessions[0]->ask(sprintf($sum, "'wide'")), $expected, 'the session that decodes for all scores as one by itself');
is($sessions[0]->ask($columns), 'wide 1|t|1|0', 'one entry');
is($_->ask(sprintf($sum, "'wide'")), $expected, 'others score the same') for @sessions[ 1, 2 ];
is($sessions[0]->ask($columns), 'wide 1|t|3|2', 'they found it');
segments_become(1, 'all in one segment');
is($sessions[1]->ask("SELECT c.bytes BETWEEN v.bytes AND v.bytes + 100000 FROM dl.cache c, dl.versions v WHERE shared AND name = 'wide'"), 't', 'which takes as much as the model');
is($sessions[2]->ask('SELECT count(*) FROM dl.cache WHERE NOT shared'), '0', 'no session has a copy');
is($sessions[2]->ask("SELECT dl.predict(dl.get('wide'), a, b, c) = dl.predict('wide', a, b, c) FROM some_rows LIMIT 1"), 't', 'a value with the same content');
is($sessions[0]->ask('SELECT models, sessions FROM dl.cache'), 'wide 1|3', 'is the same entry');

# On the way out.
$sessions[2]->quit;
ok(wait_for(60, sub { $sessions[0]->ask('SELECT sessions FROM dl.cache') eq '2' }), 'a session that ends is one less');
$sessions[0]->ask('BEGIN; DECLARE c CURSOR FOR ' . "SELECT dl.predict('wide', a, b, c) FROM some_rows; FETCH 1 FROM c");
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $sessions[0]->pid . ')');
ok(wait_for(60, sub { $sessions[1]->ask('SELECT sessions FROM dl.cache') eq '1' }), 'so is one that is terminated while it scores');
like($sessions[1]->ask("BEGIN; SELECT dl.predict('wide', a, b, c) / (c - c) FROM some_rows"), qr/division by zero/, 'an error while it is in use');
is($sessions[1]->ask('ROLLBACK; SELECT sessions FROM dl.cache'), '1', 'leaves the entry as it was');
$sessions[1]->quit;
ok(wait_for(60, sub { $node->safe_psql('postgres', 'SELECT sessions FROM dl.cache') eq '0' }), 'it stays without sessions');
segments_become(1, 'in its segment');

# Parallel workers map it too.
my $parallel = Session->new($node);
$parallel->ask('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; ALTER TABLE some_rows SET (parallel_workers = 2); SET parallel_leader_participation = off');
my $alone = $node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; SELECT count(*), min(dl.predict('wide', a, b, c)), max(dl.predict('wide', a, b, c)) FROM some_rows");
is($parallel->ask("SELECT count(*), min(dl.predict('wide', a, b, c)), max(dl.predict('wide', a, b, c)) FROM some_rows"), $alone, 'workers score the same');
like($parallel->ask("EXPLAIN (COSTS OFF) SELECT count(*), min(dl.predict('wide', a, b, c)) FROM some_rows"), qr/Workers Planned: 2/, 'and there are workers');
is($parallel->ask('SELECT count(*) FROM dl.cache'), '1', 'with the one entry');
$parallel->quit;
segments_become(1, 'and its one segment');

# Another database.
my $file = $node->basedir . '/wide.model';
$node->safe_psql('postgres', "COPY (SELECT dl.get('wide')) TO '$file'");
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', "CREATE EXTENSION deep_learning; CREATE TABLE stored (model dl.model); COPY stored FROM '$file'; SELECT dl.put('same', model) FROM stored");
my $first = Session->new($node);
my $second = Session->new($node, 'other');
$first->ask("SELECT dl.predict('wide', 1, 2, 3)");
is($second->ask("SELECT dl.predict('same', 1, 2, 3)"), $node->safe_psql('postgres', "SELECT dl.predict('wide', 1, 2, 3)"), 'another database shares it');
is($second->ask('SELECT models, sessions FROM dl.cache'), 'same 1|2', 'under the name that it has there');
segments_become(1, 'still one segment');
$second->quit;

# Rights.
$node->safe_psql('postgres', 'CREATE ROLE guest LOGIN; CREATE ROLE watcher LOGIN; GRANT pg_read_all_stats TO watcher; GRANT SELECT ON some_rows TO guest');
my $guest = Session->new($node, 'postgres', 'guest');
is($guest->ask('SELECT count(*) FROM dl.cache'), '0', 'who may not use a model does not see it');
like($guest->ask("SELECT dl.predict('wide', 1, 2, 3)"), qr/permission denied for model "wide"/, 'nor use it, although it is there');
$first->ask("SELECT dl.grant_model('wide', 'guest')");
is($guest->ask(sprintf($sum, "'wide'")), $expected, 'once granted, it is used');
is($guest->ask('SELECT models, sessions FROM dl.cache'), 'wide 1|2', 'and seen');
$first->ask("SELECT dl.revoke_model('wide', 'guest')");
like($guest->ask("SELECT dl.predict('wide', 1, 2, 3)"), qr/permission denied/, 'REVOKE holds at the next statement');
like($guest->ask("SELECT dl.get('wide')"), qr/permission denied/, 'for its bytes as well');
is($guest->ask('SELECT models FROM dl.cache'), '', 'its name is gone too');
is($node->safe_psql('postgres', 'SELECT coalesce(models, $$no name$$), shared FROM dl.cache', extra_params => [ '-U', 'watcher' ]), 'no name|t', 'who may read all statistics sees sizes, but no names');
$guest->quit;

# What transactions do.
my $writer = Session->new($node);
$writer->ask("BEGIN; SELECT dl.train('wide', 'some_rows', 'y', network => 'dense(256, relu) > dense(256, relu)', epochs => 1, seed => 2, quiet => true, options => '{\"members\": 1}')");
my $two = $writer->ask("SELECT dl.deploy('wide', 2); " . sprintf($sum, "'wide'"));
$two =~ s/^2\n//;
isnt($two, $expected, 'a new version, not committed');
is($first->ask(sprintf($sum, "'wide'")), $expected, 'is not what others score with');
is($first->ask("SELECT bool_or(models = 'wide 1'), bool_or(models = 'wide 2') FROM dl.cache"), 't|f', 'or see');
$writer->ask('ROLLBACK');
is($writer->ask(sprintf($sum, "'wide'")), $expected, 'after ROLLBACK, neither is it here');
is(train('wide', 2), '2', 'the same again');
$node->safe_psql('postgres', q(SELECT dl.deploy('wide', 2)));
is($first->ask(sprintf($sum, "'wide'")), $two, 'committed and deployed, all use it');
$node->safe_psql('postgres', q(SELECT dl.rollback('wide')));
is($first->ask(sprintf($sum, "'wide'")), $expected, 'until it is rolled back');

# Names that were looked up a moment ago, under snapshots of different ages.
my $one_row = q(SELECT dl.predict('wide', 1, 2, 3));
my ($old, $new) = ($first->ask($one_row), '');
is($first->ask($one_row), $old, 'the same statement again');
$first->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; ' . $one_row);
$node->safe_psql('postgres', q(SELECT dl.deploy('wide', 2)));
is($first->ask($one_row), $old, 'a transaction with one snapshot stays with one version');
$first->ask('COMMIT');
$new = $first->ask($one_row);
isnt($new, $old, 'and finds the other one after it');
$first->ask("BEGIN; DECLARE c CURSOR FOR SELECT dl.predict('wide', 1, 2, 3) FROM generate_series(1, 3); $one_row");
$node->safe_psql('postgres', q(SELECT dl.rollback('wide')));
is($first->ask($one_row), $old, 'a statement sees what was deployed before it');
is($first->ask('FETCH 1 FROM c'), $new, 'a cursor what was deployed when it was opened');
is($first->ask($one_row), $old, 'the next statement does again');
is($first->ask('FETCH 1 FROM c'), $new, 'and the cursor does');
is($first->ask("COMMIT; BEGIN; SELECT dl.deploy('wide', 2); $one_row"), "2\n$new", 'a transaction sees what it deploys');
is($writer->ask($one_row), $old, 'others do not');
is($first->ask("ROLLBACK; $one_row"), $old, 'nor does it when that is undone');
is($first->ask("BEGIN; SAVEPOINT s; SELECT dl.deploy('wide', 2); $one_row; ROLLBACK TO s; $one_row; COMMIT; $one_row"), "2\n$new\n$old\n$old", 'also of a savepoint');
is($first->ask("BEGIN ISOLATION LEVEL SERIALIZABLE; $one_row; COMMIT"), $old, 'a serializable transaction');
$first->ask('SET ROLE guest');
like($first->ask($one_row), qr/permission denied/, 'another user');
$first->ask("RESET ROLE; VACUUM FULL dl.registry_model");
is($first->ask($one_row), $old, 'a table of models that was written anew');
$writer->ask("BEGIN; SELECT dl.drop_model('wide')");
is($first->ask(sprintf($sum, "'wide'")), $expected, 'a model that another session drops is there until it commits');
$writer->ask('ROLLBACK');
is($writer->ask(sprintf($sum, "'wide'")), $expected, 'or for ever');
$writer->ask("SELECT dl.rename_model('wide', 'gone')");
like($first->ask("SELECT dl.predict('wide', 1, 2, 3)"), qr/model "wide" does not exist/, 'a name that is gone finds nothing in the cache');
$writer->ask("SELECT dl.rename_model('gone', 'wide')");
$_->quit for $first, $writer;

# Room for three.
train("model_$_", $_ + 10) for 1 .. 6;
set_cache('900kB');
my @sums = map { $node->safe_psql('postgres', sprintf($sum, "'model_$_'")) } 1 .. 6;
is(scalar(keys %{ { map { $_ => 1 } @sums } }), 6, 'six models that differ');
my $fits = 'SELECT count(*), sum(bytes) <= 900 * 1024 FROM dl.cache WHERE shared';
is($node->safe_psql('postgres', $fits), '3|t', 'only so many stay as fit');
is($node->safe_psql('postgres', 'SELECT string_agg(models, \',\' ORDER BY models) FROM dl.cache'), 'model_4 1,model_5 1,model_6 1', 'those that were used last');
segments_become(3, 'the memory of the others went back');
my $reader = Session->new($node);
$reader->ask("BEGIN; DECLARE c CURSOR FOR SELECT dl.predict('model_4', a, b, c) FROM some_rows; FETCH 1 FROM c");
is(join(' ', map { $node->safe_psql('postgres', sprintf($sum, "'model_$_'")) } 1 .. 6), join(' ', @sums), 'with one in use, the others come and go');
is($node->safe_psql('postgres', q(SELECT sessions FROM dl.cache WHERE models = 'model_4 1')), '1', 'it stays');
is($reader->ask('MOVE ALL FROM c; COMMIT; ' . sprintf($sum, "'model_4'")), $sums[3], 'and goes on');
$reader->quit;

# No room: all that is there is in the hands of sessions.
my @holders = map { my $s = Session->new($node); $s->ask("SELECT dl.predict('model_$_', 1, 2, 3)"); $s } 1 .. 3;
my $fourth = Session->new($node);
is($fourth->ask(sprintf($sum, "'model_4'")), $sums[3], 'a model without room is scored with');
is($fourth->ask(q(SELECT shared, sessions FROM dl.cache WHERE models = 'model_4 1')), 'f|1', 'from a copy of the session');
is($node->safe_psql('postgres', $fits), '3|t', 'the others keep theirs');
$holders[0]->ask("SELECT dl.predict('model_1', 1, 2, 3)");
is($holders[0]->ask('SELECT 1'), '1', 'a session that used its model a moment ago');
is($node->safe_psql('postgres', q(SELECT sessions FROM dl.cache WHERE models = 'model_1 1')), '1', 'does not give it up');
sleep 11;
is($node->safe_psql('postgres', sprintf($sum, "'model_5'")), $sums[4], 'a while later there is still no room');
$holders[0]->ask('SELECT 1');
is($node->safe_psql('postgres', q(SELECT sessions FROM dl.cache WHERE models = 'model_1 1')), '0', 'a session that did not use its model lets go of it');
is($node->safe_psql('postgres', sprintf($sum, "'model_5'")), $sums[4], 'so the next model');
is($node->safe_psql('postgres', q(SELECT shared FROM dl.cache WHERE models = 'model_5 1')), 't', 'finds room');
is($node->safe_psql('postgres', $fits), '3|t', 'in place of that one');
is($holders[0]->ask(sprintf($sum, "'model_1'")), $sums[0], 'which can be used again');
$holders[1]->quit;
ok(wait_for(60, sub { $node->safe_psql('postgres', q(SELECT sessions FROM dl.cache WHERE models = 'model_2 1')) eq '0' }), 'room for one more');
$node->safe_psql('postgres', q(SELECT dl.predict('model_4', 1, 2, 3)));
is($fourth->ask(sprintf($sum, "'model_4'")), $sums[3], 'and a session with a copy');
is($fourth->ask(q(SELECT shared FROM dl.cache WHERE models = 'model_4 1')), 't', 'changes over to the shared one');
$_->quit for $fourth, @holders[ 0, 2 ];

# Lower, and off.
set_cache('300kB');
$node->safe_psql('postgres', q(SELECT dl.predict('model_6', 1, 2, 3)));
is($node->safe_psql('postgres', 'SELECT models FROM dl.cache'), 'model_6 1', 'a lower cap holds');
set_cache('100kB');
is($node->safe_psql('postgres', q(SELECT dl.predict('model_1', 1, 2, 3); SELECT shared FROM dl.cache WHERE models = 'model_1 1')) =~ s/.*\n//r, 'f', 'a model above it is not shared');
set_cache(0);
is($node->safe_psql('postgres', sprintf($sum, "'model_1'")), $sums[0], 'turned off, sessions score');
like($node->safe_psql('postgres', q(SELECT dl.predict('model_1', 1, 2, 3); SELECT shared FROM dl.cache WHERE models = 'model_1 1')), qr/f$/, 'with copies');

# Weights in bfloat16 lie beside the others, where the processor multiplies it.
$node->safe_psql('postgres', "SELECT version FROM dl.train('medium', 'some_rows', 'y', network => 'dense(256, relu) > dense(256, relu)', epochs => 1, seed => 1, "
	  . "matmul_precision => 'medium', quiet => true, options => '{\"members\": 1}')");
my $rounded = $node->safe_psql('postgres', sprintf($sum, "'medium'"));
set_cache('1GB');
@sessions = map { Session->new($node) } 1 .. 2;
is($_->ask(sprintf($sum, "'medium'")), $rounded, 'at medium, too, sessions that share score as one with a copy') for @sessions;
is($sessions[0]->ask("$columns AND models = 'medium 1'"), 'medium 1|t|2|1', 'from one entry');
is($sessions[1]->ask("SELECT c.bytes > 1.4 * v.bytes FROM dl.cache c, dl.versions v WHERE models = 'medium 1' AND name = 'medium'"), $rounded eq $expected ? 'f' : 't', 'with the weights in both forms where they are used');
$_->quit for @sessions;
$node->stop;
ok(-s $node->logfile && slurp_file($node->logfile) !~ /leak|TRAP|PANIC|cannot share/, 'nothing leaked');

# Without preloading.
my $plain = new_server('cache_plain');
make_rows($plain, 'some_rows', 300);
is($plain->safe_psql('postgres', q(SELECT version FROM dl.train('wide', 'some_rows', 'y', network => 'dense(256, relu) > dense(256, relu)', epochs => 1, seed => 1, quiet => true, options => '{"members": 1}'))), '1', 'without preloading');
my $one = Session->new($plain);
my $more = Session->new($plain);
is($one->ask(sprintf($sum, "'wide'")), $expected, 'scores are the same');
is($more->ask(sprintf($sum, "'wide'")), $expected, 'in each session');
my $named = $plain->pg_version >= 17;
is($more->ask('SELECT models, shared, sessions, hits FROM dl.cache'), $named ? 'wide 1|t|2|2' : 'wide 1|f|1|0', 'which has a copy of its own, before version 17');
is($more->ask("SELECT dl.predict('wide', 1, 2, 3) IS NULL; SELECT hits FROM dl.cache"), $named ? "f\n3" : "f\n1", 'that it uses again');
$_->quit for $one, $more;
$plain->stop;
done_testing();
