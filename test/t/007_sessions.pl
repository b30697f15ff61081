# Sessions that work on one model at once: who waits for whom, and what each finds then.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $node = new_server('sessions');
make_rows($node, 'some_rows', 300);
$node->safe_psql('postgres', q(
	SELECT dl.train('shared', 'some_rows', 'y', network => 'dense(4)', epochs => 1, quiet => true);
	CREATE TABLE kept AS SELECT dl.get('shared') AS model));

# Runs statement while another session holds the model, which then does first; gives what the statement printed.
sub behind
{
	my ($first, $statement) = @_;
	my ($holder_out, $holder_err, $out, $err) = ('', '', '', '');
	my $in = "BEGIN; SELECT 1 FROM dl.registry_model WHERE name = 'shared' FOR NO KEY UPDATE;\n";
	my $holder = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$holder_out, '2>', \$holder_err, IPC::Run::timeout(60));
	wait_for(60, sub { $holder->pump_nb; $holder_out =~ /1/ }) or die "no lock: $holder_err";
	my $waiting = start_psql($node, $statement, \$out, \$err);
	wait_for(60, sub { $node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE NOT granted') > 0 }) or die "nobody waits: $out$err";
	$in = "$first COMMIT;\n\\q\n";
	$holder->finish;
	$waiting->finish;
	chomp($out, $err);
	return $out . $err;
}

is(behind(q(SELECT dl.drop_model('shared');), q(SELECT dl.put('shared', model) FROM kept)), '1', 'a model that is dropped is stored anew');
is($node->safe_psql('postgres', 'SELECT name, versions, deployed FROM dl.models'), 'shared|1|1', 'and is there');
is(behind(q(SELECT dl.rename_model('shared', 'other');), q(SELECT dl.put('shared', model) FROM kept)), '1', 'so is one that is renamed');
is($node->safe_psql('postgres', 'SELECT name, versions, deployed FROM dl.models ORDER BY name'), "other|1|1\nshared|1|1", 'both are there');
like(behind(q(SELECT dl.drop_model('shared');), q(SELECT dl.deploy('shared', 1))), qr/ERROR:  model "shared" does not exist/, 'there is nothing to deploy');
$node->stop;
done_testing();
