# Models survive pg_dump and COPY: the same models, rights and predictions, to the bit.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $node = new_server('source');
make_rows($node, 'rows_to_learn', 1000);
$node->safe_psql('postgres', q(
	CREATE ROLE "An Owner";
	CREATE ROLE analyst;
	CREATE ROLE missing;
	GRANT SELECT ON rows_to_learn TO "An Owner", missing;
	SELECT dl.train('plain', 'rows_to_learn', 'y', network => 'dense(16, relu)', epochs => 3, seed => 1, quiet => true);
	SELECT dl.train('plain', 'rows_to_learn', 'y', network => 'dense(8, relu)', epochs => 3, seed => 2, quiet => true);
	SELECT dl.deploy('plain', 1);
	SET ROLE "An Owner";
	SELECT dl.train('with ''quotes'' and ünïcode', 'SELECT a, b, c > 50 AS big, CASE WHEN c > 30 THEN ''größer'' ELSE ''it''''s less'' END AS t FROM rows_to_learn',
					't', network => 'dense(16, relu) > batch_norm()', epochs => 3, seed => 1, quiet => true);
	SELECT dl.grant_model('with ''quotes'' and ünïcode', 'analyst', 'read');
	SET ROLE missing;
	SELECT dl.train('orphan', 'rows_to_learn', 'y', network => 'dense(4)', epochs => 1, quiet => true);
	RESET ROLE;
	CREATE TABLE shelf (id integer, model dl.model);
	INSERT INTO shelf SELECT version, dl.get('plain', version) FROM dl.versions WHERE name = 'plain';
	INSERT INTO shelf VALUES (3, NULL), (4, dl.get('with ''quotes'' and ünïcode'));
	CREATE INDEX ON shelf USING hash (model);
	CREATE SCHEMA a_schema;
	CREATE TABLE a_schema.generated (a float8, b float8, c float8, model dl.model,
		p float8 GENERATED ALWAYS AS (dl.predict(model, a, b, c)) STORED);
	INSERT INTO a_schema.generated SELECT a, b, c, dl.get('plain') FROM rows_to_learn;
	SELECT dl.create_function('plain', 'a_schema.predict_plain');
	SELECT dl.create_function('with ''quotes'' and ünïcode', 'a_schema."what ''class"', kind => 'classify');
	CREATE VIEW a_schema.typed AS SELECT a, b, c, a_schema.predict_plain(a, b, c) AS p FROM public.rows_to_learn;
	CREATE MATERIALIZED VIEW a_schema.scored AS SELECT a, b, c, dl.predict('plain', r) AS p FROM public.rows_to_learn r;
	CREATE VIEW big_ones AS SELECT id FROM shelf WHERE model = ANY (SELECT model FROM shelf WHERE id = 4);));

my $target = PostgreSQL::Test::Cluster->new('target');
$target->init(extra => [ '--locale=C.UTF-8', '-E', 'UTF8', '--no-sync' ]);
$target->start;
$target->safe_psql('postgres', 'CREATE ROLE analyst; CREATE ROLE more; CREATE ROLE "An Owner"');

my $file = $PostgreSQL::Test::Utils::tmp_check . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr('postgres') ], 'pg_dump');
$target->psql('postgres', 'DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=0', '-d', $target->connstr('postgres'), '-f', $file ], 'psql restores it');

my @same = (
	[ 'models', 'SELECT name, task, target, deployed, versions, metric, value, rows, bytes FROM dl.models ORDER BY name' ],
	[ 'versions', 'SELECT name, version, deployed, task, rows, skipped, epochs, metric, value, bytes, trained_on FROM dl.versions ORDER BY 1, 2' ],
	[ 'bytes of all models', 'SELECT name, version, md5(dl.get(name, version)::bytea) FROM dl.versions ORDER BY 1, 2' ],
	[ 'predictions by name', q(SELECT md5(string_agg(float8send(dl.predict('plain', r))::text, ',' ORDER BY a, b, c)) FROM rows_to_learn r) ],
	[ 'probabilities', q(SELECT md5(string_agg(float8send(dl.predict('with ''quotes'' and ünïcode', a, b, c > 50))::text, ',' ORDER BY a, b, c)) FROM rows_to_learn r) ],
	[ 'classes', q(SELECT string_agg(DISTINCT dl.classify('with ''quotes'' and ünïcode', a, b, c > 50), ',') FROM rows_to_learn r) ],
	[ 'a column of models', 'SELECT id, md5(model::bytea), dl.model_hash(model) FROM shelf ORDER BY id' ],
	[ 'a generated column', 'SELECT md5(string_agg(float8send(p)::text, \',\' ORDER BY a, b, c)) FROM a_schema.generated' ],
	[ 'a materialized view', 'SELECT md5(string_agg(float8send(p)::text, \',\' ORDER BY a, b, c)) FROM a_schema.scored' ],
	[ 'a function of a model', 'SELECT md5(string_agg(float8send(p)::text, \',\' ORDER BY a, b, c)) FROM a_schema.typed' ],
	[ 'a function of odd names', q(SELECT string_agg(DISTINCT a_schema."what 'class"(a, b, c > 50), ',') FROM rows_to_learn) ],
	[ 'functions and their comments', q(SELECT oid::regprocedure, pg_get_functiondef(oid), obj_description(oid, 'pg_proc')
		FROM pg_proc WHERE pronamespace = 'a_schema'::regnamespace ORDER BY oid::regprocedure::text) ],
	[ 'a view that compares models', 'SELECT id FROM big_ones' ],
	[ 'equality with the registry', q(SELECT count(*) FROM shelf WHERE model = dl.get('plain', 1)) ],
	[ 'grants', 'SELECT name, role, privilege FROM dl.grants ORDER BY 1, 2' ]);
for my $case (@same)
{
	my ($name, $query) = @$case;
	my $expected = $node->safe_psql('postgres', $query);
	isnt($expected, '', "$name: there is something to compare");
	is($target->safe_psql('postgres', $query), $expected, "$name: as before");
}

# Several jobs load the tables in any order, the largest first.
my $archive = $PostgreSQL::Test::Utils::tmp_check . '/dump.custom';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $archive, '-d', $node->connstr('postgres') ], 'pg_dump -Fc');
$target->safe_psql('postgres', 'CREATE DATABASE jobs TEMPLATE template0; CREATE ROLE missing');
command_ok([ 'pg_restore', '-j', '4', '-d', $target->connstr('jobs'), $archive ], 'pg_restore with several jobs');
is($target->safe_psql('jobs', $_->[1]), $node->safe_psql('postgres', $_->[1]), "$_->[0]: as before, with several jobs") for @same;
$target->safe_psql('postgres', 'DROP DATABASE jobs; DROP ROLE missing');

my $owners = q(SELECT name, coalesce(owner::text, '-') FROM dl.models ORDER BY name COLLATE "C");
is($target->safe_psql('postgres', $owners), "orphan|-\nplain|" . $node->safe_psql('postgres', 'SELECT current_user') . "\nwith 'quotes' and ünïcode|An Owner",
	'owners are found by name, one is missing here');
is($target->safe_psql('postgres', q(SET ROLE analyst; SELECT string_agg(name, ',') FROM dl.models)), q(with 'quotes' and ünïcode),
	'a grant holds for the role of that name');
is($target->safe_psql('postgres', q(SELECT version FROM dl.train('plain', 'rows_to_learn', 'y', network => 'dense(4)', epochs => 1, quiet => true))),
	'3', 'training goes on with the next version');

# COPY, text and binary.
for my $format ('text', 'binary', 'csv')
{
	my $copy = $PostgreSQL::Test::Utils::tmp_check . "/copy.$format";
	$node->safe_psql('postgres', "COPY shelf TO '$copy' (FORMAT $format)");
	is($node->safe_psql('postgres', "CREATE TABLE copied_$format (id integer, model dl.model); COPY copied_$format FROM '$copy' (FORMAT $format);
			SELECT count(*), count(*) FILTER (WHERE s.model IS NOT DISTINCT FROM c.model) FROM shelf s JOIN copied_$format c USING (id)"),
		'4|4', "COPY (FORMAT $format) there and back");
}
# a damaged copy is refused
my $damaged = $PostgreSQL::Test::Utils::tmp_check . '/copy.binary';
my $content = slurp_file($damaged);
my $at = index($content, '__metadata__');
cmp_ok($at, '>', 0, 'the header is in the binary copy');
substr($content, $at, 1) = 'X';
open(my $handle, '>:raw', $damaged) or die;
print $handle $content;
close $handle;
my ($status, undef, $stderr) = $node->psql('postgres', "COPY copied_binary FROM '$damaged' (FORMAT binary)");
isnt($status, 0, 'a damaged binary copy is refused');
like($stderr, qr/model bytes/, 'and why') or diag $stderr;
$node->stop;
$target->stop;
done_testing();
