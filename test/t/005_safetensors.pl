# A model's bytes as others see them: Python's safetensors package, where it is there, reads
# the same tensors, and a forward pass in NumPy (test/model_forward.py) gives the same predictions.
# DL_PYTHON names a Python that has numpy and safetensors; python3 otherwise.
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Training;

my $python = $ENV{DL_PYTHON} // 'python3';
my $program = "$FindBin::RealBin/../model_forward.py";
if (system("$python -c 'import numpy' 2>/dev/null") != 0)
{
	plan skip_all => "$python has no numpy; DL_PYTHON may name one that has";
}
my $safetensors = system("$python -c 'import safetensors' 2>/dev/null") == 0;
plan skip_all => "no $program" unless -f $program;

my $tolerance = 1e-5;
# of the default for regression: its fast waves, of frequencies above 1, multiply the rounding of float32
my $tolerance_of_waves = 1e-4;
my $node = new_server('safetensors');
$node->safe_psql('postgres', q(
	CREATE TYPE size AS ENUM ('small', 'large');
	CREATE TABLE samples AS
	SELECT sin(i)::real AS a, CASE WHEN i % 7 <> 0 THEN cos(i * 1.7) * 1000 + 5000 END AS b, (i * 37 % 1000)::bigint * 1000003 AS n,
		   CASE WHEN i % 11 <> 0 THEN (ARRAY['red', 'grün', 'b,l"ue', ' '])[1 + i % 4] END AS color,
		   ('{small,large}'::size[])[1 + i % 2] AS size, 'code ' || i % 60 AS code, i % 3 = 0 AS flag,
		   CASE WHEN i % 17 <> 0 THEN (ARRAY['AB-', 'cd ', '12/', 'Ünit '])[1 + i % 4] || i * 37 % 1009 || ' ' || md5(i::text) || '; Größe ' || i % 9 END AS title,
		   CASE WHEN i % 13 <> 0 THEN date '2020-01-01' + i * 3 % 2000 END AS day,
		   timestamp '2020-01-01' + (i * 7919) % 90000 * interval '17 minutes' AS moment, ARRAY[i % 5, i % 7, sin(i)]::real[] AS list, i % 12 + 1 AS month,
		   sin(i) * 3 + i % 4 AS y, sin(i) + cos(i) > 0 AS yes, ('{one,two,three}'::text[])[1 + (i * 7) % 3] AS class,
		   ARRAY[sin(i), cos(i) * 10] AS pair, ARRAY[i % 2 = 0, i % 3 = 0, sin(i) > 0] AS labels
	FROM generate_series(1, 600) AS i));
# booleans as text, as the program wants them
my $features = 'a, b, n, title, color, size, code, flag, day, moment, list, month';
my $printed = 'a, b, n, title, color, size, code, flag::text AS flag, day, moment, list, month';

my $dump_tensors = q(
import hashlib, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    for name in sorted(f.keys()):
        t = f.get_tensor(name)
        print(name, "x".join(map(str, t.shape)), hashlib.md5(t.tobytes()).hexdigest()));

# What stands in the file, read by this test's own few lines.
sub tensors
{
	my ($bytes) = @_;
	my $length = unpack('Q<', $bytes);
	my $header = decode_json(substr($bytes, 8, $length));
	my @lines;
	for my $name (sort grep { $_ ne '__metadata__' } keys %$header)
	{
		my ($from, $to) = @{ $header->{$name}{data_offsets} };
		push @lines, join(' ', $name, join('x', @{ $header->{$name}{shape} }), md5_hex(substr($bytes, 8 + $length + $from, $to - $from)));
	}
	return join("\n", @lines);
}

my $directory = $PostgreSQL::Test::Utils::tmp_check;
sub compare
{
	my ($name, $target, $query, $arguments) = @_;
	$node->safe_psql('postgres', "SELECT dl.train('$name', 'SELECT $features, $target FROM samples', '$target', seed => 1, quiet => true, $arguments)");
	my $bytes = pack('H*', $node->safe_psql('postgres', "SELECT encode(dl.get('$name')::bytea, 'hex')"));
	append_to_file("$directory/$name.safetensors", $bytes);
	$node->safe_psql('postgres', "COPY (SELECT $printed FROM samples) TO '$directory/$name.csv' (FORMAT csv, HEADER)");

	SKIP:
	{
		skip "$python has no safetensors; DL_PYTHON may name one that has", 2 unless $safetensors;
		my ($out, $err) = run_command([ $python, '-c', $dump_tensors, "$directory/$name.safetensors" ]);
		is($out, tensors($bytes), "$name: the same tensors") or diag $err;
		cmp_ok(scalar(split /\n/, $out), '>', 1, "$name: which are several");
	}

	my ($out, $err) = run_command([ $python, $program, "$directory/$name.safetensors", "$directory/$name.csv" ]);
	my @python = map { [ split /,/ ] } split /\n/, $out;
	my @server = map { [ split /,/ ] } split /\n/, $node->safe_psql('postgres', $query);
	is(scalar(@python), 600, "$name: NumPy predicts each row") or diag $err;
	my $worst = 0;
	for my $row (0 .. $#server)
	{
		for my $k (0 .. $#{ $server[$row] })
		{
			my ($here, $there) = ($server[$row][$k], $python[$row][$k] // 'nan');
			my $difference = abs($here - $there) / (abs($here) > 1 ? abs($here) : 1);
			$worst = $difference unless $difference <= $worst;
		}
	}
	cmp_ok($worst, '<', $name eq 'default_regression' ? $tolerance_of_waves : $tolerance, "$name: the same predictions");
	note("$name: greatest difference $worst");
}

my $array = sub { "SELECT array_to_string(dl.predict_array('$_[0]', $features), ',') FROM samples" };
my $small = q(network => 'dense(16, relu) > dense(8, tanh)', epochs => 4);
compare('regression', 'y', "SELECT dl.predict('regression', $features) FROM samples", $small);
compare('binary', 'yes', "SELECT dl.predict('binary', $features) FROM samples", $small);
compare('multiclass', 'class', $array->('multiclass'), $small);
compare('pair', 'pair', $array->('pair'), $small);
compare('labels', 'labels', $array->('labels'), $small);
compare('blocks', 'y', "SELECT dl.predict('blocks', $features) FROM samples",
	q(network => 'dense(16, gelu) > batch_norm() > residual(dense(16, silu) > dropout(0.2)) > layer_norm() > concat(dense(4, selu), dense(4, elu)) > mish()', epochs => 3));
compare('quantile', 'y', "SELECT dl.predict('quantile', $features) FROM samples", qq($small, options => '{"scaling": "quantile", "one_hot": 2}'));
compare('means', 'y', "SELECT dl.predict('means', $features) FROM samples", qq($small, options => '{"scaling": "robust", "target_means": true}'));
compare('integers', 'yes', "SELECT dl.predict('integers', $features) FROM samples", qq($small, options => '{"one_hot_integers": 12}'));
compare('robust', 'class', $array->('robust'), qq($small, options => '{"scaling": "robust", "class_weight": "balanced"}'));
compare('members', 'y', "SELECT dl.predict('members', $features) FROM samples", qq($small, options => '{"members": 3}'));
compare('piecewise', 'y', "SELECT dl.predict('piecewise', $features) FROM samples",
	q(network => 'piecewise(bins => 10, width => 5) > dense(16, mish, parametrization => ntk, init => data)', epochs => 6, learning_rate => 0.01));
compare('neighbours', 'y', "SELECT dl.predict('neighbours', $features) FROM samples",
	q(network => 'periodic(sigma => 0.5) > neighbours(8, rows => 100)', epochs => 6, learning_rate => 0.01));
compare('default_regression', 'y', "SELECT dl.predict('default_regression', $features) FROM samples", 'epochs => 3');
compare('default_class', 'class', $array->('default_class'), 'epochs => 3');

$node->stop;
done_testing();
