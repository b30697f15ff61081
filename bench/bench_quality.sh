#!/bin/bash
# How well dl.train does with no option given, beside trees and scikit-learn's network.
#
# BENCH_TABLES chooses among: iris digits housing bike_hour ames bank telco
# shoppers credit (all).  DL_DATA has the files, examples/ those of iris and digits.
. "$(dirname "$0")/common.sh"
need_server

tables=${BENCH_TABLES:-iris digits housing bike_hour ames bank telco shoppers credit}
tables=${tables//,/ }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# folds TABLE TARGET COLUMNS: each fold once the test part, the others train; the share of all rows classified rightly.
folds()
{
	local table=$1 target=$2 columns=$3 fold right total started mean

	psql -Xq -v ON_ERROR_STOP=1 -v examples="$PWD/examples" -f "examples/$table.sql"
	started=$(date +%s.%N)
	for fold in $(sql "SELECT DISTINCT fold FROM $table ORDER BY 1"); do
		sql "SELECT dl.train('bench_$table', 'SELECT $columns, $target, CASE fold WHEN $fold THEN ''test'' ELSE ''train'' END AS part
			FROM $table', target => '$target', split_column => 'part', quiet => true)" >/dev/null
		# the version just trained, which need not be the deployed one
		sql "SELECT count(*) FILTER (WHERE dl.classify(m, t) = t.$target) || ' ' || count(*) FROM $table t,
			(SELECT dl.get('bench_$table', max(version)) AS m FROM dl.versions WHERE name = 'bench_$table') s WHERE fold = $fold"
	done >"$scratch/folds"
	total=$(awk '{s += $2} END {print s}' "$scratch/folds")
	right=$(awk '{s += $1} END {print s}' "$scratch/folds")
	mean=$(awk '{s += $1 / $2; n++} END {printf "%.3f", 100 * s / n}' "$scratch/folds")
	report "$table" 'accuracy, mean of folds' "$mean" % "$right of $total rows, $(wc -l <"$scratch/folds") folds"
	report "$table" 'all trainings' "$(calculate "$(date +%s.%N) - $started")" s
}

# The types of a table of comma-separated values, from what stands in it: "name" type, ...
column_types()
{
	awk -F, '
	NR == 1 {for (i = 1; i <= NF; i++) name[i] = $i; n = NF; next}
	{
		for (i = 1; i <= n; i++)
			if ($i != "") {
				if ($i !~ /^-?[0-9]+$/) integer_not[i] = 1
				if ($i !~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/) number_not[i] = 1
				if ($i !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/) date_not[i] = 1
				if ($i !~ /^([Tt]rue|[Ff]alse)$/) boolean_not[i] = 1
			}
	}
	END {
		for (i = 1; i <= n; i++) {
			type = "text"
			if (!boolean_not[i]) type = "boolean"
			if (!date_not[i]) type = "date"
			if (!number_not[i]) type = "double precision"
			if (!integer_not[i]) type = "bigint"
			printf "%s\"%s\" %s", (i > 1 ? ", " : ""), name[i], type
		}
	}' "$1"
}

# The split of peer_gbdt.py, by the number of the row.
add_part()
{
	awk -F, -v OFS=, '
	NR == 1 {print $0, "part"; next}
	{h = ((NR - 2) * 2654435761) % 4294967296 / 4294967296; print $0, h < 0.7 ? "train" : h < 0.85 ? "validation" : "test"}' "$1"
}

# peers FILE TARGET TASK DIVIDE: what they reach on the test part.
peers()
{
	local line name metric

	if ! peer_is_there peer_gbdt.py sklearn lightgbm xgboost pandas; then
		echo "  (shared/data/README.md has a table of what they reach.)"
		return 0
	fi
	"$DL_PYTHON" "$DL_BENCH_PEERS/peer_gbdt.py" "$1" --target "$2" --task "$3" --divide "$4" | while read -r line; do
		name=$(json_field peer <<<"$line")
		for metric in rmse auc log_loss accuracy; do
			if grep -q "\"$metric\"" <<<"$line"; then
				report "$table" "$name, $metric" "$(json_field "$metric" <<<"$line")" '' "$(json_field seconds <<<"$line") s"
			fi
		done
	done
}

# compare FILE TARGET TASK [DIVIDE]: a table of DL_DATA.
compare()
{
	local file=$1 target=$2 task=$3 divide=${4:-1} csv=$scratch/$table.csv query seconds metric value

	if [ ! -f "$file" ]; then
		echo "  $table: $file is not there (DL_DATA says where to look)."
		return 0
	fi
	case $file in
		*.xz) xz -dc "$file" >"$csv" ;;
		*) add_part "$file" >"$csv" ;;
	esac
	sql "CREATE TABLE bench_$table ($(column_types "$csv"))"
	psql -Xq -v ON_ERROR_STOP=1 -c "\\copy bench_$table FROM '$csv' CSV HEADER"
	query="SELECT $(sql "SELECT string_agg(CASE WHEN attname = '$target' AND $divide <> 1
			THEN format('%I / %s AS %I', attname, $divide, attname) ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'bench_$table'::regclass AND attnum > 0 AND attname <> 'id'") FROM bench_$table"
	seconds=$(sql "SELECT seconds FROM dl.train('bench_$table', \$q\$$query\$q\$, target => '$target',
		split_column => 'part', quiet => true)")
	sql "SELECT replace(replace(metric, 'roc_auc', 'auc'), ' ', '_') || ' ' || value FROM dl.evaluate('bench_$table')
		WHERE metric IN ('rmse', 'roc_auc', 'log_loss', 'accuracy')" | while read -r metric value; do
		report "$table" "dl.train, $metric" "$(calculate "$value")" '' "$seconds s"
	done
	peers "$file" "$target" "$task" "$divide"
}

for table in $tables; do
	case $table in
		iris) folds iris species 'sepal_length, sepal_width, petal_length, petal_width' ;;
		digits) folds digits digit pixels ;;
		housing) compare "$DL_DATA/california_housing.csv" median_house_value regression 1e5 ;;
		bike_hour) compare "$DL_DATA/tables/bike_hour.csv.xz" cnt regression ;;
		ames) compare "$DL_DATA/tables/ames.csv.xz" sale_price regression ;;
		bank) compare "$DL_DATA/tables/bank.csv.xz" y classification ;;
		telco) compare "$DL_DATA/tables/telco.csv.xz" churn classification ;;
		shoppers) compare "$DL_DATA/tables/shoppers.csv.xz" revenue classification ;;
		credit) compare "$DL_DATA/tables/credit.csv.xz" default classification ;;
		*) echo "  There is no table \"$table\"." >&2; exit 2 ;;
	esac
done
