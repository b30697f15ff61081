# What must not be left behind when all trainings of a server have ended, however they did.
package Leftover;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Training;

our @EXPORT = qw(left_over learn_segments postmaster_pid);

my $size;

sub postmaster_pid
{
	my ($node) = @_;
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# The segments of shared memory that a process has mapped, by name; of a server whose dynamic_shared_memory_type is mmap, where they are
# files of its own.
sub mapped
{
	my ($pid) = @_;
	my %found = map { m{/(mmap\.\d+)$}m ? ($1 => 1) : () } split /\n/, slurp_file("/proc/$pid/maps");
	return sort keys %found;
}

# How large the segment of a training is, from one that is under way: that is how a lost one is known.
sub learn_segments
{
	my ($node, $trainer) = @_;
	my %common = map { $_ => 1 } mapped(postmaster_pid($node));
	my @own = grep { !$common{$_} } mapped($trainer);
	$size = -s $node->data_dir . "/pg_dynshmem/$own[0]" if @own;
	return scalar @own;
}

sub segments
{
	my ($node) = @_;
	return () unless defined $size;
	return grep { (-s $_ // 0) == $size } glob $node->data_dir . '/pg_dynshmem/mmap.*';
}

my @questions = (
	[ process => q(SELECT backend_type || ' ' || pid FROM pg_stat_activity WHERE backend_type LIKE 'deep_learning%' AND backend_type <> 'deep_learning launcher') ],
	[ lock => q(SELECT pid || ' ' || classid FROM pg_locks WHERE locktype = 'advisory' OR (locktype = 'object' AND classid::bigint > 4294900000)) ],
	[ progress => 'SELECT pid || \' \' || phase FROM dl.progress' ],
	[ job => q(SELECT id || ' ' || state FROM dl.job WHERE state IN ('queued', 'running')) ],
	[ checkpoint => q(SELECT DISTINCT job FROM dl.job_checkpoint WHERE job NOT IN (SELECT id FROM dl.job WHERE state = 'interrupted')) ],
);

# One line for each thing; waits for what takes a moment to go.
sub left_over
{
	my ($node) = @_;
	my @found;
	wait_for(60, sub {
		@found = ();
		for my $question (@questions)
		{
			my ($what, $sql) = @$question;
			push @found, map { "$what: $_" } split /\n/, $node->safe_psql('postgres', $sql);
		}
		push @found, map { "temporary file: $_" } temporary_files($node);
		push @found, map { "shared memory: $_" } segments($node);
		return !@found;
	});
	return @found;
}

1;
