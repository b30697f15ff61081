# Checkpoints: a job that is interrupted in any way goes on from its last one, and ends in the same bytes as if undisturbed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Training;

my $node = new_server('resume', shared_preload_libraries => 'deep_learning', restart_after_crash => 'on', 'deep_learning.threads' => 2);
make_rows($node, 'rows', 10000);

# The answer, waited for while the server recovers from a crash.
sub ask
{
	my ($query) = @_;
	my ($status, $answer);
	wait_for(60, sub { ($status, $answer) = $node->psql('postgres', $query); $status == 0 }) or die "no answer to: $query";
	return $answer;
}

sub state { return ask("SELECT state FROM dl.job WHERE id = $_[0]"); }
sub attempts { return ask("SELECT attempts FROM dl.job WHERE id = $_[0]"); }
sub checkpoint_of { return ask("SELECT coalesce(max(xmin::text::bigint), 0) FROM dl.job_checkpoint WHERE job = $_[0]"); }
sub is_over { return state($_[0]) =~ /succeeded|failed|cancelled|interrupted/; }
sub ends { my ($id) = @_; return wait_for(300, sub { is_over($id) }); }

# Interrupts job id by way as soon as it has a new checkpoint, and waits until it is tried again.
sub interrupt
{
	my ($id, $way) = @_;
	my $before = checkpoint_of($id);
	wait_for(60, sub { checkpoint_of($id) > $before || is_over($id) }) or return 0;
	my $pid = ask("SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE application_name = 'deep_learning job $id'");
	return 0 if $pid == 0;
	my $attempts = attempts($id);
	if ($way eq 'terminate') { ask("SELECT pg_terminate_backend($pid)"); }
	elsif ($way eq 'kill') { kill 'KILL', $pid; }
	else { $node->stop($way); $node->start; }
	return wait_for(60, sub { attempts($id) > $attempts || is_over($id) }) && attempts($id) > $attempts;
}

my %trainings = (
	one => q('rows', 'y', network => 'dense(64, relu) > dropout(0.1) > dense(64, relu)', early_stopping => 0, seed => 5, quiet => true),
	several => q('SELECT * FROM rows LIMIT 3000', 'y', network => 'dense(32, relu)', early_stopping => 0, seed => 7, quiet => true, options => '{"members": 4}'),
);

# As many epochs as this machine, idle, needs that long for: so many that a training lasts until it is interrupted.
sub epochs_for
{
	my ($seconds, $kind) = @_;
	my ($taken) = sort { $a <=> $b } map { ask("SELECT seconds FROM dl.train('probe', $trainings{$kind}, epochs => 200)") } 1 .. 3;
	return int(200 * $seconds / $taken);
}

# An interruption takes some ten questions, which a busy machine answers slowly.
my $asked = time();
ask('SELECT 1') for 1 .. 5;
my $patience = 6 + 8 * (time() - $asked);

my (%same, %epochs);
for my $kind (sort keys %trainings)
{
	$epochs{$kind} = epochs_for($patience, $kind);
	$trainings{$kind} .= ", epochs => $epochs{$kind}";
	ask("SELECT dl.train('$kind', $trainings{$kind})");
	$same{$kind} = ask("SELECT md5(dl.get('$kind')::bytea)");
}
for my $way ('terminate', 'kill', 'immediate', 'fast')
{
	for my $kind (sort keys %trainings)
	{
		my $id = ask("SET deep_learning.checkpoint_interval = 0; SELECT dl.submit('${kind}_$way', $trainings{$kind})");
		wait_for(60, sub { state($id) eq 'running' });
		my $times = 0;
		$times += interrupt($id, $way) for 1 .. 2;
		cmp_ok($times, '>', 0, "$kind, $way: interrupted $times times");
		ok(ends($id), 'it ends');
		is(state($id), 'succeeded', 'well');
		is(ask("SELECT md5(dl.get('${kind}_$way')::bytea)"), $same{$kind}, 'in the same bytes as undisturbed');
		is(ask("SELECT count(*) FROM dl.job_log WHERE job = $id AND message LIKE 'the training goes on after%'"),
			ask("SELECT attempts - 1 FROM dl.jobs WHERE id = $id"), 'it went on each time');
		is(ask("SELECT count(*) FROM dl.job_checkpoint WHERE job = $id"), '0', 'and keeps no checkpoint then');
		next if $kind ne 'one';
		cmp_ok(ask("SELECT min(epoch) FROM dl.history($id) WHERE attempt = 2"), '>', 1, 'it did not start over');
		# a worker that has to wait while it writes loses what no longer fits into its memory
		cmp_ok(ask("SELECT count(DISTINCT epoch) FROM dl.history($id) WHERE attempt = (SELECT attempts FROM dl.jobs WHERE id = $id) OR epoch < (SELECT min(epoch) FROM dl.history($id) WHERE attempt = (SELECT attempts FROM dl.jobs WHERE id = $id))"),
			'>=', 0.9 * $epochs{one}, 'the curve has no gap but for what was lost');
	}
}

# Other rows: what was learnt of the old ones is no use.
my $id = ask("SET deep_learning.checkpoint_interval = 0; SELECT dl.submit('changed', $trainings{one})");
ok(wait_for(60, sub { checkpoint_of($id) > 0 }), 'a job has a checkpoint');
ask('UPDATE rows SET y = y + 1 WHERE a > 0.999');
interrupt($id, 'terminate');
ok(ends($id), 'it ends');
is(ask("SELECT count(*) FROM dl.job_log WHERE job = $id AND message LIKE '%other rows%so the training starts over'"), '1', 'it says that it started over');
is(ask("SELECT min(epoch) FROM dl.history($id) WHERE attempt = 2"), '1', 'and did');
ask("SELECT dl.train('changed_same', $trainings{one})");
is(ask("SELECT dl.get('changed')::bytea = dl.get('changed_same')::bytea"), 't', 'the model is that of the new rows');

# A warm start begins with what was deployed at its first attempt, whatever is deployed meanwhile.
my $short = $trainings{one} =~ s/epochs => \d+/epochs => 3/r;
my $warm = "$trainings{one}, options => '{\"warm_start\": true}'";
ask("SELECT dl.train('$_', $short)") for 'calm', 'warm';
ask("SELECT dl.train('calm', $warm)");
ask("SELECT dl.train('warm', $short, learning_rate => 0.02)");
ask("SELECT dl.deploy('warm', 1)");
$id = ask("SET deep_learning.checkpoint_interval = 0; SELECT dl.submit('warm', $warm)");
ok(wait_for(60, sub { checkpoint_of($id) > 0 }), 'a job that starts warm has a checkpoint');
ask("SELECT dl.deploy('warm', 2)");
ok(interrupt($id, 'kill'), 'another version is deployed, and it is interrupted');
ok(ends($id), 'it ends');
cmp_ok(ask("SELECT min(epoch) FROM dl.history($id) WHERE attempt = 2"), '>', 1, 'it did not start over');
like(ask("SELECT dl.metadata('warm', 3) -> 'record' ->> 'choices'"), qr/weights: 1 of 1 networks begins with those of version 1/, 'it began with the version of then');
is(ask("SELECT md5(dl.get('warm', 3)::bytea)"), ask("SELECT md5(dl.get('calm', 2)::bytea)"), 'and ends in the same bytes');

# With a limit of time it goes on with the time that is left.
for my $way ('terminate', 'kill')
{
	my $limit = 8;
	$id = ask("SET deep_learning.checkpoint_interval = 0; SELECT dl.submit('limited_$way', 'rows', 'y', network => 'dense(64, relu)', epochs => 1000000, "
		  . "early_stopping => 0, max_seconds => $limit, quiet => true)");
	ok(interrupt($id, $way), "with max_seconds, $way: interrupted");
	ok(ends($id), 'it ends');
	is(state($id), 'succeeded', 'well');
	cmp_ok(ask("SELECT min(epoch) FROM dl.history($id) WHERE attempt = 2"), '>', 1, 'it did not start over');
	my $left = ask("SELECT substring(message FROM 'with ([0-9.]+) of $limit seconds left') FROM dl.job_log WHERE job = $id AND message LIKE 'the training goes on after%'");
	cmp_ok($left, '<', $limit, "it went on with $left seconds");
	cmp_ok(ask("SELECT result ->> 'seconds' FROM dl.job WHERE id = $id"), '<', $left + 2, 'and took no more');
}

# None are wanted.
$id = ask("SET deep_learning.checkpoint_interval = -1; SELECT dl.submit('without', $trainings{one})");
ok(wait_for(60, sub { ask("SELECT count(*) > 5 FROM dl.history($id)") eq 't' }), 'a job without checkpoints');
is(checkpoint_of($id), '0', 'has none');
ask("SELECT dl.cancel($id)");
$node->stop;
done_testing();
