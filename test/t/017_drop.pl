# What is dropped or shut down while sessions and jobs train: how long it takes, what is refused, and that all ends cleanly;
# on servers that preload the library and that do not.
#
# With DL_CANCELS the times are those that are asked of an idle machine.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Leftover;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time);
use Training;

my $long = $ENV{DL_CANCELS} ? 1 : 0;
my $times = $long ? 10 : 2;
my $endless = q('rows', 'y', network => 'dense(64, relu)', epochs => 1000000, early_stopping => 0, quiet => true);
my ($node, $how);

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub ask_as { return $node->safe_psql('postgres', $_[1], extra_params => [ '-U', $_[0] ]); }

# Output and errors.
sub try
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $out . $err;
}

# The processes of jobs and trainings; of all databases.
sub processes { return ask(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'deep_learning%' AND backend_type <> 'deep_learning launcher')); }
sub trainers { return ask(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'deep_learning trainer' AND query = 'training')); }
sub trains { return ask("SELECT query FROM pg_stat_activity WHERE application_name = 'deep_learning job $_[0]'") =~ /training/; }

# A session and a job that train, for good.
sub start_both
{
	my ($database, $role) = @_;
	my $session = Session->new($node, $database, $role);
	$session->send("SELECT dl.train('of_session', $endless)");
	my @as = defined $role ? ('-U', $role) : ();
	my $id = $node->safe_psql($database, "SELECT dl.submit('of_job', $endless)", extra_params => \@as);
	ok(wait_for(60, sub { trainers() == 1 && trains($id) }), "$how: a session and a job train in $database");
	return ($session, $id);
}

# A session that trains, in the midst of its rows, until the other quits.
sub start_and_hold
{
	my ($model, $role) = @_;
	my $holder = Session->new($node);
	$holder->ask('SELECT pg_advisory_lock(7)');
	my $session = Session->new($node, 'postgres', $role);
	$session->send("SELECT model FROM dl.train('$model', 'SELECT wait_here(a) AS a, y FROM rows', 'y', network => 'dense(4)', epochs => 1, quiet => true)");
	ok(wait_for(60, sub { ask(q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)) eq '1' }), "$how: a session trains");
	return ($session, $holder);
}

sub stop_both
{
	my ($session, $id) = @_;
	ask("SELECT dl.cancel($id)");
	ask('SELECT pg_cancel_backend(' . $session->pid . ')');
	$session->answer;
	$session->quit;
	return wait_for(60, sub { processes() == 0 });
}

# asked: of an idle machine, in milliseconds.
sub takes
{
	my ($what, $asked, @took) = @_;
	my $worst = (sort { $b <=> $a } @took)[0];
	my $text = sprintf '%s, %s: %.0f ms (median of %d), %.0f ms (worst)', $what, $how, median(@took), scalar @took, $worst;
	$long ? diag($text) : note($text);
	cmp_ok($worst, '<', $long ? $asked : 30 * $asked, "$how: $what");
}

sub milliseconds
{
	my ($code) = @_;
	my $since = time();
	$code->();
	return 1000 * (time() - $since);
}

sub make_database
{
	my ($name) = @_;
	ask("CREATE DATABASE $name");
	ask('CREATE EXTENSION deep_learning; CREATE TABLE rows AS SELECT cos(i) AS a, sin(i) AS y FROM generate_series(1, 1000) AS i', $name);
}

# What is left in the server's directory of a training.
sub ends_cleanly
{
	my ($what) = @_;
	is_deeply([ left_over($node) ], [], "$how: $what: nothing is left behind");
}

sub drop_database
{
	my @both = start_both('postgres');
	my @took;
	for (1 .. $times)
	{
		ask('CREATE DATABASE empty');
		push @took, milliseconds(sub { ask('DROP DATABASE empty') });
	}
	takes('DROP DATABASE of another database', 500, @took);
	is(trainers(), '1', "$how: the session still trains");
	ok(trains($both[1]), "$how: so does the job");
	ok(stop_both(@both), "$how: they end");

	@took = ();
	for my $time (1 .. $times)
	{
		make_database('busy');
		my ($session) = start_both('busy');
		if ($time == 1)
		{
			my $refused = try('DROP DATABASE busy');
			like($refused, qr/database "busy" is being accessed by other users/, "$how: its own database is not dropped");
			like($refused, qr/There are \d+ other sessions using the database/, "$how: other sessions are why");
			like($refused, qr/HINT:  Background jobs of deep_learning are among them: .*dl\.cancel.*FORCE/, "$how: and what to do about it") if $how eq 'preloaded';
			is(trainers(), '1', "$how: and train on");
		}
		push @took, milliseconds(sub { ask('DROP DATABASE busy WITH (FORCE)') });
		like($session->answer, qr/terminating connection/, "$how: by force its sessions end");
		ok(wait_for(60, sub { processes() == 0 }), "$how: and its jobs");
	}
	takes('DROP DATABASE of its own database, by force', 1000, @took);
}

sub drop_role
{
	my @took;
	for (1 .. $times)
	{
		ask('CREATE ROLE dave LOGIN; GRANT SELECT ON rows TO dave');
		my ($session, $id) = start_both('postgres', 'dave');
		ask('REVOKE SELECT ON rows FROM dave');
		push @took, milliseconds(sub { ask('DROP ROLE dave'); wait_for(60, sub { !trains($id) }) });
		ok(wait_for(60, sub { ask("SELECT state FROM dl.jobs WHERE id = $id") eq 'failed' }), "$how: the job of a role that is dropped fails");
		like(ask("SELECT message FROM dl.jobs WHERE id = $id"), qr/role/, "$how: and says why");
		ask('SELECT pg_cancel_backend(' . $session->pid . ')');
		like($session->answer, qr/canceling statement/, "$how: its session trains on, and can be cancelled");
		$session->quit;
		ok(wait_for(60, sub { processes() == 0 }), "$how: all has ended");
	}
	takes('DROP ROLE, and the end of its job', 2000, @took);

	# What the session trains cannot be stored.
	ask('CREATE ROLE erin LOGIN; GRANT SELECT ON rows TO erin');
	my ($session, $holder) = start_and_hold('of_erin', 'erin');
	ask('REVOKE SELECT ON rows FROM erin; DROP ROLE erin');
	$holder->quit;
	like($session->answer, qr/ERROR:  model "of_erin" is not stored, because the role that trained it was dropped/, "$how: a role that was dropped stores nothing");
	$session->quit;
	is(ask(q(SELECT count(*) FROM dl.models WHERE name = 'of_erin')), '0', "$how: nothing is there");
	ends_cleanly('DROP ROLE');
}

sub drop_extension
{
	my (@took, @all);
	for (1 .. $times)
	{
		my $id = ask("SELECT dl.submit('of_job', $endless)");
		ok(wait_for(60, sub { trains($id) }), "$how: a job trains");
		my $since = time();
		push @took, milliseconds(sub { ask('DROP EXTENSION deep_learning') });
		ok(wait_for(60, sub { processes() == 0 }), "$how: DROP EXTENSION ends it, and the scheduler");
		push @all, 1000 * (time() - $since);
		ask('CREATE EXTENSION deep_learning');
		is(ask('SELECT count(*) FROM dl.jobs'), '0', "$how: a new one has no jobs");
	}
	takes('DROP EXTENSION while a job trains', 2000, @took);
	takes('the end of all jobs after it', 2000, @all);

	# A scheduler that looks at the queue all the time, and a job that starts: nobody waits for ever.
	my @errors;
	for (1 .. 10 * $times)
	{
		my $session = Session->new($node);
		my $id = ask("SELECT dl.submit('of_job', $endless)");
		my $scheduler;
		wait_for(60, sub { $scheduler = ask(q(SELECT max(pid) FROM pg_stat_activity WHERE backend_type LIKE 'deep_learning scheduler%' AND datname = 'postgres')) });
		$session->send('DROP EXTENSION deep_learning');
		kill 'HUP', $scheduler until $session->answered;
		push @errors, $session->answer;
		$session->quit;
		ask('CREATE EXTENSION IF NOT EXISTS deep_learning');
		wait_for(60, sub { processes() == 0 });
	}
	is(join("\n", grep { $_ ne '' } @errors), '', "$how: DROP EXTENSION while the scheduler is at work");

	@took = ();
	for my $again (0, 1)
	{
		my ($session, $holder) = start_and_hold('kept_apart');
		push @took, milliseconds(sub { ask('DROP EXTENSION deep_learning') });
		ask('CREATE EXTENSION deep_learning') if $again;
		$holder->quit;
		my $why = $again ? 'model "kept_apart" is not stored, because the extension was dropped while it was trained'
		  : "table dl.registry_model does not exist\nHINT:  The extension is installed by CREATE EXTENSION deep_learning";
		like($session->answer, qr/ERROR:  $why/, "$how: what a session trained is not stored" . ($again ? ', in a new one neither' : ''));
		$session->quit;
		ask('CREATE EXTENSION IF NOT EXISTS deep_learning');
	}
	takes('DROP EXTENSION while a session trains', 2000, @took);
	ends_cleanly('DROP EXTENSION');
}

sub shut_down
{
	my %took;
	for my $mode (map { ('fast', 'immediate') } 1 .. $times)
	{
		my ($session) = start_both('postgres');
		my @children = ask('SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()') =~ /\d+/g;
		push @{ $took{$mode} }, milliseconds(sub { $node->stop($mode) });
		ok(wait_for(60, sub { !grep { -d "/proc/$_" } @children }), "$how: no process survives a shutdown, $mode");
		like($session->answer, qr/terminating connection/, "$how: the session was told");
		$node->start;
		my $id = ask('SELECT max(id) FROM dl.job');
		ok(wait_for(60, sub { ask("SELECT state FROM dl.job WHERE id = $id") eq 'running' || ask("SELECT count(*) FROM dl.jobs WHERE id = $id AND state = 'running'") }), "$how: the job goes on");
		is(ask("SELECT dl.cancel($id)"), 't', "$how: until it is cancelled");
		ok(wait_for(60, sub { processes() == 0 }), "$how: then nothing is left");
	}
	takes('shutdown, fast', 2000, @{ $took{fast} });
	takes('shutdown, immediate', 5000, @{ $took{immediate} });
	ends_cleanly('shutdown');
}

for my $library ('', 'deep_learning')
{
	$how = $library ? 'preloaded' : 'not preloaded';
	$node = new_server($library ? 'preloaded' : 'plain', shared_preload_libraries => $library, max_worker_processes => 12);
	make_rows($node, 'rows', 2000);
	ask(q(CREATE FUNCTION wait_here(real) RETURNS real LANGUAGE plpgsql VOLATILE AS $f$
		BEGIN IF $1 > 0.999 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN $1; END $f$));
	drop_database();
	drop_role();
	drop_extension();
	shut_down();
	$node->stop;
	unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|leak/, "$how: nothing crashed, nothing leaked");
}
done_testing();
