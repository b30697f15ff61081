# A psql that stays open: several of them are sessions side by side.
package Session;

use strict;
use warnings;

use IPC::Run ();
use Time::HiRes qw(sleep time);
use Training qw(process_ends);

# Session->new(node, database, user)
sub new
{
	my ($class, $node, $database, $user) = @_;
	# of one statement
	my $timer = IPC::Run::timeout(240);
	my $self = bless { in => '', out => '', err => '', asked => 0, timer => $timer }, $class;
	my @command = ('psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($database // 'postgres'));
	push @command, '-U', $user if defined $user;
	$self->{run} = IPC::Run::start(\@command, '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $timer);
	$self->{pid} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

sub pid { return $_[0]->{pid}; }

# Sends statements; answer() waits for what they print.
sub send
{
	my ($self, $sql) = @_;
	$self->{asked}++;
	$self->{timer}->start;
	($self->{out}, $self->{err}) = ('', '');
	$self->{in} .= "$sql;\n\\echo end of answer $self->{asked}\n\\warn end of errors $self->{asked}\n";
	$self->{run}->pump_nb;
}

sub answered
{
	my ($self) = @_;
	return 1 if $self->{dead};
	eval { $self->{run}->pump_nb; 1 } or $self->{dead} = 1;
	$self->{dead} = 1 if !$self->{run}->pumpable;
	return $self->{dead} || ($self->{out} =~ /end of answer $self->{asked}\n/ && $self->{err} =~ /end of errors $self->{asked}\n/);
}

# Output, or what was an error.
sub answer
{
	my ($self) = @_;
	my $end = time() + 180;
	until ($self->answered)
	{
		die "no answer: $self->{out}$self->{err}" if time() > $end;
		sleep 0.002;
	}
	my $text = $self->{out} . $self->{err};
	$text =~ s/end of (answer|errors) \d+\n//g;
	chomp $text;
	return $text;
}

sub ask
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->answer;
}

sub quit
{
	my ($self) = @_;
	$self->{timer}->start;
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	process_ends($self->{pid});
}

1;
