# Sourced by run.sh and the scripts bench_NAME.sh, which are started from anywhere.
. "$(dirname "${BASH_SOURCE[0]}")/../test/common.sh"

BENCH_WINDOWS=${BENCH_WINDOWS:-5}
BENCH_COMPILE=${BENCH_COMPILE:-1}
BENCH_RESULTS=${BENCH_RESULTS:-$PWD/build/bench/results.json}
DL_BENCH_PEERS=${DL_BENCH_PEERS:-../shared/bench}
DL_DATA=${DL_DATA:-../shared/data}
DL_PYTHON=${DL_PYTHON:-python3}
export BENCH_RESULTS

bench_name=$(basename "$0" .sh)
bench_name=${bench_name#bench_}
mkdir -p "$(dirname "$BENCH_RESULTS")"

# need_server ARGUMENT...: starts this script again beside a throw-away server, unless it runs beside one.
need_server()
{
	if [ -z "${DL_SERVER_DIRECTORY:-}" ]; then
		exec test/server.sh shared_preload_libraries=deep_learning shared_buffers=1GB max_wal_size=8GB \
			autovacuum=off jit=off max_parallel_workers_per_gather=0 -- bash "$0" "$@"
	fi
	psql -XAtq -c 'CREATE EXTENSION IF NOT EXISTS deep_learning'
}

# report CASE MEASURE VALUE UNIT [NOTE]: one line of the results.
report()
{
	printf '{"bench": "%s", "case": "%s", "measure": "%s", "value": %s, "unit": "%s", "note": "%s"}\n' \
		"$bench_name" "$1" "$2" "${3:-null}" "$4" "${5:-}" >>"$BENCH_RESULTS"
	printf '  %-26s %-34s %12s %-9s %s\n' "$1" "$2" "${3:-none}" "$4" "${5:-}"
}

# json_field NAME: of the one JSON line on standard input.
json_field()
{
	sed -n 's/.*"'"$1"'": *"\{0,1\}\([^,"}]*\).*/\1/p' | tail -1
}

# The numbers on standard input, a line each.
median()
{
	sort -g | awk '{v[NR] = $1} END {if (NR > 0) printf "%.6g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

least()
{
	sort -g | head -1
}

# calculate EXPRESSION: of awk.
calculate()
{
	awk "BEGIN {printf \"%.5g\", $1}"
}

# peer_is_there SCRIPT MODULE...: otherwise says why not.
peer_is_there()
{
	local script=$1 module

	shift
	if [ ! -f "$DL_BENCH_PEERS/$script" ]; then
		echo "  No peer: $DL_BENCH_PEERS/$script is not there (DL_BENCH_PEERS says where to look)."
		return 1
	fi
	for module in "$@"; do
		if ! "$DL_PYTHON" -c "import $module" 2>/dev/null; then
			echo "  No peer: $DL_PYTHON has no module $module (DL_PYTHON says which Python to take)."
			return 1
		fi
	done
}

# sql STATEMENT: its result, unaligned.
sql()
{
	psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

# sql_milliseconds STATEMENT [SETTING]: its time as psql sees it; the result is thrown away.
sql_milliseconds()
{
	psql -Xq -v ON_ERROR_STOP=1 <<-END | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
		${2:-}
		\\o /dev/null
		\\timing on
		$1;
	END
}

# Numbers with a comma between: $1, first $2, last $3.
columns()
{
	seq -f "$1%g" "$2" "$3" | paste -sd,
}

# make_numbers TABLE ROWS: 28 standard normal columns c0.. and y = tanh(c0 + c1 + c2 + c3), all real, cached.
make_numbers()
{
	local normal='(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::real'
	local list='' i

	for i in $(seq 0 27); do
		list+="${list:+, }$normal AS c$i"
	done
	psql -Xq -v ON_ERROR_STOP=1 <<-END
		\\o /dev/null
		SELECT setseed(0.5);
		CREATE UNLOGGED TABLE $1 AS SELECT *, tanh(c0 + c1 + c2 + c3)::real AS y
			FROM (SELECT $list FROM generate_series(1, $2)) s;
	END
	sql "VACUUM ANALYZE $1"
	sql "SELECT sum(c27) FROM $1" >/dev/null
}
