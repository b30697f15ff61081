# Training runs in a background worker, or in the session when there is none, with
# the same result to the byte; and what it says while it runs.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $node = new_server('worker');
make_rows($node, 'rows_to_learn', 2000);

# While it trains, another session sees the worker.
my ($out, $err) = ('', '');
my $psql = start_psql($node, start_training('rows_to_learn'), \$out, \$err);
ok(wait_for(60, sub { workers($node) == 1 }), 'a background worker trains');
is($node->safe_psql('postgres', "SELECT datname IS NULL FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer'"),
	't', 'it has no database');
like($node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%endless%' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"),
	qr/^t$/, 'cancelled');
$psql->finish;
like($err, qr/canceling statement due to user request/, 'the session was told');
ok(wait_for(60, sub { workers($node) == 0 }), 'the worker is gone');

sub train
{
	my ($name, $before, $arguments) = @_;
	$before //= '';
	$arguments //= '';
	return $node->safe_psql('postgres',
		"$before SELECT version FROM dl.train('$name', 'rows_to_learn', 'y', network => 'dense(32, relu) > dropout(0.1) > dense(16, relu)', "
		  . "epochs => 8, seed => 42, quiet => true, options => '{\"threads\": 2}' $arguments)");
}
sub trained_on
{
	my ($name) = @_;
	return $node->safe_psql('postgres', "SELECT trained_on FROM dl.versions WHERE name = '$name' ORDER BY version DESC LIMIT 1");
}

train('w1');
train('w2');
is(trained_on('w1'), 'worker', 'trained_on says worker');
train('s1', 'SET deep_learning.training_worker = off;');
train('s2', 'SET deep_learning.training_worker = off;');
is(trained_on('s1'), 'session', 'trained_on says session');
for my $pair ([ 'w1', 'w2' ], [ 's1', 's2' ], [ 'w1', 's1' ])
{
	is($node->safe_psql('postgres', "SELECT dl.get('$pair->[0]')::bytea = dl.get('$pair->[1]')::bytea"),
		't', "same bytes: $pair->[0] and $pair->[1]");
}
train('w3', '', ', validation => 0.3');
is($node->safe_psql('postgres', "SELECT dl.get('w1') = dl.get('w3')"), 'f', 'and not all models are the same');

# No slot is free.
for my $slots (0, 1)
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $slots");
	$node->restart;
	train("slots$slots");
	# the logical replication launcher takes the only one
	is(trained_on("slots$slots"), 'session', "max_worker_processes = $slots: the session computes");
	is($node->safe_psql('postgres', "SELECT dl.get('slots$slots') = dl.get('w1')"), 't', 'the same bytes');
}
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
train('after');
is(trained_on('after'), 'worker', 'with slots again, a worker');

# Progress and notices go to the user, unless quiet.
my ($status, $stdout, $stderr) = $node->psql('postgres',
	"SELECT 1 FROM dl.train('loud', 'SELECT row_number() OVER () AS id, 7 AS constant, md5(a::text) AS code, ''INV-'' || 5000 - row_number() OVER () AS invoice, * FROM rows_to_learn', 'y', network => 'dense(8)', epochs => 3)");
is($status, 0, 'trains loudly') or diag $stderr;
like($stderr, qr/epoch 3\/3 \[#{20}\] loss [-\d.e+]+, rmse [-\d.e+]+.* rows\/s, .* left/, 'a progress line at the end');
like($stderr, qr/column "id" looks like an identifier and is left out/, 'a sequence is left out');
like($stderr, qr/column "code" looks like an identifier and is left out\nDETAIL:  Its values are hexadecimal/, 'hashes are left out');
like($stderr, qr/column "invoice" looks like an identifier and is left out\nDETAIL:  Its values differ only in a number/, 'numbered codes are left out');
like($stderr, qr/NOTICE:.*"?constant"?/, 'a constant column is named');
is($node->safe_psql('postgres', "SELECT string_agg(c ->> 'name', ',') FROM jsonb_array_elements(dl.metadata('loud') -> 'columns') AS c WHERE c ->> 'name' IN ('id', 'code', 'invoice')"),
	'', 'and is no column of the model');
($status, $stdout, $stderr) = $node->psql('postgres',
	"SELECT 1 FROM dl.train('loud', 'SELECT row_number() OVER () AS id, 7 AS constant, * FROM rows_to_learn', 'y', network => 'dense(8)', epochs => 3, quiet => true)");
is($stderr, '', 'quiet says nothing');

$node->stop;
done_testing();
