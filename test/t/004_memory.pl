# Rows beyond deep_learning.training_memory go to temporary files: it trains, the
# session's temp_file_limit holds, and the files are gone afterwards.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $node = new_server('memory', log_temp_files => 0, fsync => 'off');
make_rows($node, 'many', 200000);

sub train
{
	my ($settings, $name) = @_;
	my ($status, $out, $err) = $node->psql('postgres',
		"$settings SELECT rows FROM dl.train('$name', 'many', 'y', network => 'dense(8, relu)', epochs => 2, seed => 1, quiet => true)");
	return ($status, $out, $err);
}

for my $where ('on', 'off')
{
	my $set = "SET deep_learning.training_worker = $where;";
	# what the last one logs as it ends is no longer of interest
	wait_for(60, sub { workers($node) == 0 });
	my $before = -s $node->logfile;
	my ($status, $out, $err) = train("$set SET deep_learning.training_memory = '1GB';", "roomy_$where");
	is($out, '200000', "worker $where: trains in memory") or diag $err;
	unlike(slurp_file($node->logfile, $before), qr/temporary file/, "worker $where: without a temporary file");

	$before = -s $node->logfile;
	($status, $out, $err) = train("$set SET deep_learning.training_memory = '1MB';", "tight_$where");
	is($out, '200000', "worker $where: trains from a temporary file") or diag $err;
	# a worker removes and logs it when it ends, which may be after the answer
	ok(wait_for(60, sub { slurp_file($node->logfile, $before) =~ /temporary file: .* size [1-9]\d{5,}/ }), "worker $where: which the server logged");
	ok(wait_for(60, sub { !temporary_files($node) }), "worker $where: and which is gone");
	is($node->safe_psql('postgres', "SELECT abs(t.value - r.value) < 0.2 FROM dl.versions t, dl.versions r WHERE t.name = 'tight_$where' AND r.name = 'roomy_$where'"),
		't', "worker $where: it learned about as well as in memory");

	($status, $out, $err) = train("$set SET deep_learning.training_memory = '1MB'; SET temp_file_limit = '2MB';", "limited_$where");
	isnt($status, 0, "worker $where: temp_file_limit holds");
	like($err, qr/temporary file size exceeds temp_file_limit \(2048kB\)/, "worker $where: and is named");
	ok(wait_for(60, sub { !temporary_files($node) }), "worker $where: no file is left after the error");
	is($node->safe_psql('postgres', "SELECT count(*) FROM dl.models WHERE name = 'limited_$where'"), '0', "worker $where: no model either");
}

# A user's setting counts up to the superuser's bound.
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; GRANT SELECT ON many TO plain');
$node->append_conf('postgresql.conf', "deep_learning.max_training_memory = '1MB'");
$node->restart;
my $before = -s $node->logfile;
my ($status, $out, $err) = train("SET ROLE plain; SET deep_learning.training_memory = '1GB';", 'bounded');
is($out, '200000', 'trains within the bound') or diag $err;
ok(wait_for(60, sub { slurp_file($node->logfile, $before) =~ /temporary file: / }), 'max_training_memory holds for a greater training_memory');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');
done_testing();
