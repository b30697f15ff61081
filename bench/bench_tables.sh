#!/bin/bash
# How well dl.train does with no option given, beside trees and scikit-learn's network: make bench-tables.
#
# BENCH_TABLES chooses among: iris cancer wine diabetes digits (five folds each), housing bike_hour ames
# bank telco shoppers credit (all).  BENCH_SEEDS (3) trainings of each are averaged; BENCH_EFFORT is the
# effort (default).  DL_DATA has the files, examples/ that of iris; cancer, wine, diabetes and
# digits come from scikit-learn, and need a DL_PYTHON that has it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tables_common.sh"
need_server

tables=${BENCH_TABLES:-iris cancer wine diabetes digits housing bike_hour ames bank telco shoppers credit}
tables=${tables//,/ }
BENCH_SEEDS=${BENCH_SEEDS:-3}
BENCH_EFFORT=${BENCH_EFFORT:-default}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# mean: of the numbers on standard input.
mean()
{
	awk '{s += $1; n++} END {printf "%.6g", s / n}'
}

# fold_results TABLE TARGET MEASURE: MEASURE of each fold of the table, which is once the test part, a line each.
fold_results()
{
	local table=$1 target=$2 measure=$3 fold columns

	columns=$(sql "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = '$table'::regclass AND attnum > 0 AND attname NOT IN ('fold', '$target')")
	for fold in $(sql "SELECT DISTINCT fold FROM $table ORDER BY 1"); do
		sql "SELECT dl.train('bench_$table', 'SELECT $columns, $target, CASE fold WHEN $fold THEN ''test'' ELSE ''train'' END AS part
			FROM $table', target => '$target', split_column => 'part', effort => '$BENCH_EFFORT', quiet => true)" >/dev/null
		# the version just trained, which need not be the deployed one
		sql "SELECT value FROM (SELECT dl.get('bench_$table', max(version)) AS m FROM dl.versions WHERE name = 'bench_$table') s,
			dl.evaluate(m) WHERE metric = '$measure'"
	done
}

# report_folds WHO MEASURE: mean and standard error of the numbers on standard input.
report_folds()
{
	local who=$1 measure=$2

	awk '{s += $1; q += $1 * $1; n++} END {m = s / n; printf "%.5g %.2g %d\n", m, sqrt((q / n - m * m) / (n - 1)), n}' |
		while read -r value error folds; do
			report "$table" "$who, $measure" "$value" '' "standard error $error, $folds folds"
		done
}

# folds TARGET MEASURE: a small table, five folds, ours and the peers.
folds()
{
	local target=$1 measure=$2 started

	started=$(date +%s.%N)
	fold_results "$table" "$target" "$measure" | report_folds dl.train "$measure"
	report "$table" 'all trainings' "$(calculate "$(date +%s.%N) - $started")" s
	if [ -f "$scratch/$table.peers" ]; then
		cut -d, -f1 "$scratch/$table.peers" | sort -u | while read -r peer; do
			grep "^$peer," "$scratch/$table.peers" | cut -d, -f2 | report_folds "$peer" "$measure"
		done
	fi
}

# small NAME TARGET MEASURE: a table of scikit-learn's, whose folds are stratified.
small()
{
	if ! "$DL_PYTHON" -c 'import sklearn, lightgbm, xgboost, pandas' 2>/dev/null; then
		echo "  $table: $DL_PYTHON has no scikit-learn, lightgbm, xgboost or pandas (DL_PYTHON says which Python to take)."
		return 0
	fi
	"$DL_PYTHON" bench/small_tables.py "$1" "$scratch/$1.csv" >"$scratch/$1.peers"
	sql "CREATE TABLE $1 ($(column_types "$scratch/$1.csv"))"
	psql -Xq -v ON_ERROR_STOP=1 -c "\\copy $1 FROM '$scratch/$1.csv' CSV HEADER"
	folds "$2" "$3"
}

# peers FILE TARGET TASK DIVIDE: what they reach on the test part.
peers()
{
	local line name metric

	if ! peer_is_there peer_gbdt.py sklearn lightgbm xgboost pandas; then
		echo "  (shared/data/README.md has a table of what they reach.)"
		return 0
	fi
	"$DL_PYTHON" "$DL_BENCH_PEERS/peer_gbdt.py" "$1" --target "$2" --task "$3" --divide "$4" --tuned | while read -r line; do
		name=$(json_field peer <<<"$line")
		for metric in rmse auc log_loss accuracy; do
			if grep -q "\"$metric\"" <<<"$line"; then
				report "$table" "$name, $metric" "$(json_field "$metric" <<<"$line")" '' "$(json_field seconds <<<"$line") s"
			fi
		done
	done
}

# calibration TARGET: the expected calibration error of the newest model's probabilities, by ten bins, on the test part.
calibration()
{
	sql "SELECT 'calibration ' || sum(abs(p - y)) / sum(n) FROM (
			SELECT sum(p) AS p, sum(y) AS y, count(*) AS n
			FROM (SELECT dl.predict(m, t) AS p, (\"$1\"::text = (dl.metadata(m) -> 'target' -> 'labels' ->> 1))::int AS y FROM bench_$table t,
				(SELECT dl.get('bench_$table', max(version)) AS m FROM dl.versions WHERE name = 'bench_$table') s WHERE part = 'test') r
			GROUP BY least(floor(p * 10), 9)) b"
}

# coverage TARGET DIVIDE: the share of the test part's values that lie within the newest model's intervals.
coverage()
{
	sql "SELECT 'coverage ' || avg((\"$1\" / $2 BETWEEN p.low AND p.high)::int) FROM bench_$table t,
		(SELECT dl.get('bench_$table', max(version)) AS m FROM dl.versions WHERE name = 'bench_$table') s, dl.predict_interval(m, t) p
		WHERE part = 'test'"
}

# train QUERY TARGET TASK DIVIDE: every seed once; "metric value" lines, and "seconds value".
train()
{
	local seed interval=NULL

	[ "$3" = classification ] || interval=0.9
	for seed in $(seq "$BENCH_SEEDS"); do
		sql "SELECT 'seconds ' || seconds FROM dl.train('bench_$table', \$q\$$1\$q\$, target => '$2', split_column => 'part',
			effort => '$BENCH_EFFORT', seed => $seed, prediction_interval => $interval, quiet => true)"
		if [ "$3" = classification ]; then
			calibration "$2"
		else
			coverage "$2" "$4"
		fi
		sql "SELECT replace(replace(metric, 'roc_auc', 'auc'), ' ', '_') || ' ' || value
			FROM (SELECT dl.get('bench_$table', max(version)) AS m FROM dl.versions WHERE name = 'bench_$table') s, dl.evaluate(m)
			WHERE metric IN ('rmse', 'roc_auc', 'log_loss', 'accuracy')"
	done
}

# compare: the table of DL_DATA that load_table() has made.
compare()
{
	local seconds metric

	load_table "$table" || return 0
	train "$query" "$target" "$task" "$divide" >"$scratch/$table.ours"
	seconds=$(awk '$1 == "seconds" {print $2}' "$scratch/$table.ours" | mean)
	for metric in rmse auc log_loss accuracy calibration coverage; do
		if grep -q "^$metric " "$scratch/$table.ours"; then
			report "$table" "dl.train, $metric" "$(awk -v m="$metric" '$1 == m {print $2}' "$scratch/$table.ours" | mean)" '' \
				"$seconds s, mean of $BENCH_SEEDS"
		fi
	done
	peers "$file" "$target" "$task" "$divide"
}

for table in $tables; do
	case $table in
		iris)
			psql -Xq -v ON_ERROR_STOP=1 -v examples="$PWD/examples" -f examples/iris.sql
			folds species accuracy
			;;
		digits) small digits digit accuracy ;;
		cancer) small cancer benign accuracy ;;
		wine) small wine class accuracy ;;
		diabetes) small diabetes progression rmse ;;
		housing | bike_hour | ames | bank | telco | shoppers | credit) compare ;;
		*) echo "  There is no table \"$table\"." >&2; exit 2 ;;
	esac
done
