# Sourced by the benchmarks of tables, after common.sh; they have a directory $scratch.

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

# load_table NAME: a table of DL_DATA as bench_NAME; sets file, target, task, regression, divide and query, false when it is not there.
load_table()
{
	local name=$1 csv=$scratch/$1.csv

	divide=1 task=regression file=$DL_DATA/tables/$1.csv.xz
	case $name in
		housing) file=$DL_DATA/california_housing.csv target=median_house_value divide=1e5 ;;
		bike_hour) target=cnt ;;
		ames) target=sale_price ;;
		bank) target=y task=classification ;;
		telco) target=churn task=classification ;;
		shoppers) target=revenue task=classification ;;
		credit) target=default task=classification ;;
		*) echo "  There is no table \"$name\"." >&2; return 1 ;;
	esac
	if [ "$task" = regression ]; then regression=yes; else regression=no; fi
	if [ ! -f "$file" ]; then
		echo "  $name: $file is not there (DL_DATA says where to look)."
		return 1
	fi
	case $file in
		*.xz) xz -dc "$file" >"$csv" ;;
		*) add_part "$file" >"$csv" ;;
	esac
	sql "CREATE TABLE bench_$name ($(column_types "$csv"))"
	psql -Xq -v ON_ERROR_STOP=1 -c "\\copy bench_$name FROM '$csv' CSV HEADER"
	query="SELECT $(sql "SELECT string_agg(CASE WHEN attname = '$target' AND $divide <> 1
			THEN format('%I / %s AS %I', attname, $divide, attname) ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'bench_$name'::regclass AND attnum > 0 AND attname <> 'id'") FROM bench_$name"
}
