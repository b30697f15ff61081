# What the tests of this directory share: servers, tables to train on, and what is
# left over after a training.
package Training;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

# psql, with two differences. The server's process outlives it by a moment, and with it all that it holds: here both are
# gone on return. And a server that is down may be gone before psql has taken the query: that is a failure to connect,
# and no end of the test.
{
	no warnings 'redefine';
	my $psql = \&PostgreSQL::Test::Cluster::psql;
	my $file = PostgreSQL::Test::Utils::tempdir_short() . '/pid';
	*PostgreSQL::Test::Cluster::psql = sub {
		my ($self, $database, $query, %parameters) = @_;
		unlink $file;
		my @result = eval { $psql->($self, $database, "\\o $file \\\\ SELECT pg_backend_pid(); \\o \\\\ $query", %parameters) };
		if ($@)
		{
			die $@ if $parameters{on_error_die} || $@ !~ /Broken pipe/;
			@result = (2, '', $@);
		}
		process_ends(slurp_file($file)) if -s $file;
		return wantarray ? @result : $result[0];
	};
}

our @EXPORT = qw(new_server make_rows start_training wait_for process_ends workers temporary_files threads median start_psql);

# A server with the extension and a table "rows" in its database "postgres".
sub new_server
{
	my ($name, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--locale=C.UTF-8', '-E', 'UTF8', '--no-sync', defined $ENV{PGUSER} ? ('-U', $ENV{PGUSER}) : () ]);
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION deep_learning');
	return $node;
}

sub make_rows
{
	my ($node, $table, $count) = @_;
	$node->safe_psql('postgres',
		"CREATE TABLE $table AS SELECT sin(i)::real AS a, cos(i * 1.7)::real AS b, (i % 101)::real AS c, sin(i * 0.3) + cos(i) AS y "
		  . "FROM generate_series(1, $count) AS i");
}

# A training that takes far longer than any test waits.
sub start_training
{
	my ($table, %more) = @_;
	my $arguments = join('', map { ", $_ => $more{$_}" } sort keys %more);
	return "SELECT version FROM dl.train('endless', '$table', 'y', network => 'dense(128, relu) > dense(128, relu)', "
	  . "epochs => 100000, early_stopping => 0, quiet => true$arguments);";
}

# Polls until the code is true; false after the seconds.
sub wait_for
{
	my ($seconds, $code) = @_;
	my $end = time() + $seconds;
	while (1)
	{
		return 1 if $code->();
		return 0 if time() > $end;
		sleep 0.005;
	}
}

# Waits for the end of a process of the server, given its id; without one, for nothing.
sub process_ends
{
	my ($pid) = @_;
	return $pid !~ /^\d+$/ || wait_for(60, sub { !kill(0, $pid) });
}

sub workers
{
	my ($node) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer'");
}

sub temporary_files
{
	my ($node) = @_;
	my $directory = $node->data_dir . '/base/pgsql_tmp';
	return () unless -d $directory;
	return grep { !/^\.\.?$/ } PostgreSQL::Test::Utils::slurp_dir($directory);
}

# Threads of a process, its main one included.
sub threads
{
	my ($pid) = @_;
	my @tasks = grep { /^\d+$/ } PostgreSQL::Test::Utils::slurp_dir("/proc/$pid/task");
	return scalar @tasks;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ int(@sorted / 2) ];
}

# A psql of our own that runs a script; its process id is known, so that it can be killed.
sub start_psql
{
	my ($node, $script, $out, $err) = @_;
	my @command = ('psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres'), '-c', $script);
	return IPC::Run::start(\@command, '<', \undef, '>', $out, '2>', $err);
}

1;
