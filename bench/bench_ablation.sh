#!/bin/bash
# What each part of the default for tables is worth: each off in turn, on real tables and on ones that trees like.
#
# One network (members 1) is compared with the same one without a part, and the average of all networks with one
# alone.  The figures are root mean squared errors and log losses on the test part, relative to the whole default (above 1 is
# worse), the geometric mean over the tables of a kind.  BENCH_TABLES chooses tables, BENCH_SEEDS (2) trainings of each are averaged.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tables_common.sh"
need_server

tables=${BENCH_TABLES:-housing bike_hour ames telco shoppers credit steps interactions useless rotated unrotated}
tables=${tables//,/ }
BENCH_SEEDS=${BENCH_SEEDS:-2}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

settings='"members": 1, "scaling": "quantile", "beta2": 0.95, "weight_decay": 0.02, "schedule": "coslog4", "anneal": true, "early_stopping": 0'

# network NUMBERS START ACTIVATION DROPOUT SCALE: the network of the list with these parts; "" leaves one out.
network()
{
	local numbers=$1 start=${2:+, init => $2} activation=$3 dropout=${4:+ > dropout($4)} scale=${5:+ > scale}

	echo "${numbers:+$numbers > }embedding(8)$scale > dense(256, parametrization => ntk$start) > $activation$dropout >" \
		"dense(256, parametrization => ntk$start) > $activation$dropout > output(parametrization => ntk$start)"
}

# loss QUERY TARGET ARGUMENTS: of the deciding metric on the test part, the mean over the seeds.
loss()
{
	local seed

	for seed in $(seq "$BENCH_SEEDS"); do
		sql "SELECT value FROM dl.train('bench_$table', \$q\$$1\$q\$, target => '$2', split_column => 'part', seed => $seed, quiet => true, $3)"
	done | awk '{s += $1; n++} END {printf "%.6g", s / n}'
}

# measure NAME ARGUMENTS: a line of the results of this table.
measure()
{
	echo "$1	$(loss "$query" "$target" "$2")" >>"$scratch/$table"
}

# One network with options in place of those of the settings: one NAME NETWORK OPTIONS RATE
one()
{
	measure "$1" "network => '$2', learning_rate => ${4:-$rate}, options => '{$settings${3:+, $3}}'"
}

ablate()
{
	local periodic activation

	if [ "$regression" = yes ]; then
		rate=0.1 periodic='periodic(frequencies => 32, width => 8, sigma => 0.5)' activation='parametric(mish)'
	else
		rate=0.02 periodic='periodic(frequencies => 16, width => 3, sigma => 0.02)' activation='parametric(selu)'
	fi
	measure 'the default' "effort => 'default'"
	measure 'no network of neighbours' "effort => 'default', options => '{\"neighbours\": false}'"
	one 'one network' "$(network "$periodic" data "$activation" 0.15 yes)"
	one 'scaling robust' "$(network "$periodic" data "$activation" 0.15 yes)" '"scaling": "robust"'
	one 'scaling standard' "$(network "$periodic" data "$activation" 0.15 yes)" '"scaling": "standard"'
	one 'no embedding of numbers' "$(network '' data "$activation" 0.15 yes)"
	one 'piecewise instead of periodic' "$(network 'piecewise(bins => 48, width => 16)' data "$activation" 0.15 yes)"
	one 'no start from the data' "$(network "$periodic" '' "$activation" 0.15 yes)"
	one 'no factors of inputs' "$(network "$periodic" data "$activation" 0.15 '')"
	one 'relu' "$(network "$periodic" data relu 0.15 yes)"
	one 'no dropout' "$(network "$periodic" data "$activation" '' yes)"
	one 'no weight decay' "$(network "$periodic" data "$activation" 0.15 yes)" '"weight_decay": 0'
	one 'decay and dropout constant' "$(network "$periodic" data "$activation" 0.15 yes)" '"anneal": false'
	one 'cosine schedule' "$(network "$periodic" data "$activation" 0.15 yes)" '"schedule": "cosine"'
	one 'constant rate' "$(network "$periodic" data "$activation" 0.15 yes)" '"schedule": "constant"'
	one 'beta2 0.999' "$(network "$periodic" data "$activation" 0.15 yes)" '"beta2": 0.999'
	one 'a plain MLP, adamw' 'mlp(256, 256, dropout => 0.15)' '"scaling": "standard", "beta2": 0.999, "weight_decay": 0.01, "schedule": "cosine"' 0.001
}

# synthetic NAME EXPRESSION COLUMNS: 6,000 rows of normal numbers x1.., y by the expression and a little noise.
synthetic()
{
	local list

	list=$(seq -f 'sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS x%g' "$3" | paste -sd,)
	psql -Xq -v ON_ERROR_STOP=1 <<-END
		\\o /dev/null
		SELECT setseed(0.25);
		CREATE TABLE bench_$1 AS SELECT *, $2 + 0.1 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS y,
			CASE i % 20 WHEN 0 THEN 'validation' WHEN 1 THEN 'validation' WHEN 2 THEN 'test' WHEN 3 THEN 'test' WHEN 4 THEN 'test' ELSE 'train' END AS part
			FROM (SELECT i, $list FROM generate_series(1, 6000) i) s;
		ALTER TABLE bench_$1 DROP i;
	END
	query="SELECT * FROM bench_$1" target=y regression=yes
}

steps='sign(x1 - 0.3) + 0.7 * sign(x2 + 0.5) * sign(x3) + 0.5 * floor(2 * x4)'
for table in $tables; do
	case $table in
		steps) synthetic steps "$steps" 4 ;;
		interactions) synthetic interactions 'x1 * x2 + sin(3 * x3) * x4 + abs(x5 - x1)' 5 ;;
		useless) synthetic useless "$steps" 30 ;;
		unrotated) synthetic unrotated 'sin(2 * x1) + 0.5 * sign(x2) + abs(x3)' 3 ;;
		rotated) synthetic rotated 'sin(2 * (x1 + x2 + x3) / sqrt(3)) + 0.5 * sign((x1 - x2) / sqrt(2)) + abs((x1 + x2 - 2 * x3) / sqrt(6))' 3 ;;
		*) load_table "$table" || continue ;;
	esac
	ablate
	default=$(awk -F'\t' 'NR == 1 {print $2}' "$scratch/$table")
	while IFS=$'\t' read -r name value; do
		ratio=$(calculate "$value / $default")
		report "$table" "$name" "$value" '' "$ratio"
		case $table in
			steps | interactions | useless | rotated | unrotated) kind='synthetic tables' ;;
			*) kind='real tables' ;;
		esac
		echo "$kind	$name	$ratio" >>"$scratch/ratios"
	done <"$scratch/$table"
done

# in the order of the first table
awk -F'\t' '
	!($1 FS $2 in n) {order[++count] = $1 FS $2}
	{n[$1 FS $2]++; s[$1 FS $2] += log($3)}
	END {for (i = 1; i <= count; i++) printf "%s\t%.3f\n", order[i], exp(s[order[i]] / n[order[i]])}' "$scratch/ratios" |
	while IFS=$'\t' read -r kind name value; do
		report "$kind" "$name" "$value" 'times'
	done
