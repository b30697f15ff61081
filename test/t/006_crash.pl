# A training worker that is killed by a signal: as with any process that may touch
# shared memory, the server restarts itself.  Committed models and rows are there again,
# the training is not, and nothing is left behind.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $node = new_server('crash', restart_after_crash => 'on', 'deep_learning.training_memory' => '1MB');
make_rows($node, 'many', 100000);
$node->safe_psql('postgres', q(SELECT dl.train('kept', 'many', 'y', network => 'dense(8, relu)', epochs => 1, seed => 1, quiet => true)));
my $query = q(SELECT md5(string_agg(float8send(dl.predict('kept', m))::text, ',' ORDER BY a, b, c)) FROM (SELECT * FROM many LIMIT 1000) AS m);
my $before = $node->safe_psql('postgres', $query);
my $bytes = $node->safe_psql('postgres', q(SELECT md5(dl.get('kept')::bytea)));

# The worker of a training may outlive its answer by a moment.
sub no_worker { wait_for(60, sub { workers($node) == 0 }) or die 'a worker is left'; }

no_worker();
my ($out, $err) = ('', '');
my $psql = start_psql($node, start_training('many'), \$out, \$err);
ok(wait_for(60, sub { workers($node) == 1 && temporary_files($node) }), 'a worker trains from a temporary file');
my $worker = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer'));
kill 'KILL', $worker;
eval { $psql->finish };
like($err, qr/server closed the connection|terminating connection|connection to server was lost/, 'the session that trained was dropped');

ok(wait_for(60, sub { my ($status, $answer) = $node->psql('postgres', 'SELECT 1'); defined $status && $status == 0 && $answer eq '1' }),
	'the server is there again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM many'), '100000', 'rows are there');
is($node->safe_psql('postgres', q(SELECT md5(dl.get('kept')::bytea))), $bytes, 'the model is there');
is($node->safe_psql('postgres', $query), $before, 'its predictions are the same');
is($node->safe_psql('postgres', q(SELECT count(*) FROM dl.models WHERE name = 'endless')), '0', 'the training that was cut off left no model');
is(scalar(temporary_files($node)), 0, 'and no temporary file');
is(workers($node), 0, 'and no worker');
is($node->safe_psql('postgres', q(SELECT version FROM dl.train('kept', 'many', 'y', network => 'dense(4)', epochs => 1, quiet => true))), '2', 'training works again');

# The postmaster itself: workers notice and end.
no_worker();
$psql = start_psql($node, start_training('many'), \$out, \$err);
ok(wait_for(60, sub { workers($node) == 1 }), 'a worker trains');
$worker = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer'));
$node->stop('immediate');
ok(wait_for(60, sub { !-d "/proc/$worker" }), 'it ends when the server is stopped at once');
eval { $psql->finish };
$node->start;
is($node->safe_psql('postgres', $query) eq '', '', 'and the models are there after recovery');
$node->stop;
done_testing();
