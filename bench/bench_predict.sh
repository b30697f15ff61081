#!/bin/bash
# Scoring row by row in one session: no parallel query, the table cached; no JIT but where it says so.
#
# BENCH_ROWS (1000000) rows, BENCH_WINDOWS (5) rounds of all statements in turn.
. "$(dirname "$0")/common.sh"
need_server

rows=${BENCH_ROWS:-1000000}
make_numbers bench_numbers "$rows"
# Not by dropping y: a scan of a table with a dropped column copies every row once more.
sql "CREATE UNLOGGED TABLE bench_rows AS SELECT $(columns c 0 27) FROM bench_numbers"
sql 'DROP TABLE bench_numbers'
sql 'VACUUM ANALYZE bench_rows'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# make_model NAME NETWORK: trained on few rows, which does for timing.
make_model()
{
	sql "SELECT dl.train('$1', 'SELECT *, tanh(c0 + c1 + c2 + c3)::real AS y FROM bench_rows LIMIT 5000', target => 'y',
		network => '$2', epochs => 1, learning_rate => 1e-3, quiet => true, options => '{\"members\": 1, \"scaling\": \"standard\"}')" >/dev/null
}
make_model bench_64 'dense(64, relu) > dense(64, relu)'
make_model bench_256 'dense(256, relu) > dense(256, relu)'
sql "CREATE TABLE bench_model AS SELECT dl.get('bench_64') AS model"
sql "CREATE UNLOGGED TABLE bench_arrays AS SELECT ARRAY[$(columns c 0 27)] AS a FROM bench_rows"
sql 'VACUUM ANALYZE bench_arrays'

list=$(columns c 0 27)
names=() statements=()
add()
{
	names+=("$1")
	statements+=("$2")
}
add 'count(*)' 'SELECT count(*) FROM bench_rows'
add 'sum of the last column' 'SELECT sum(c27) FROM bench_rows'
add 'sum of all columns' "SELECT sum(${list//,/ + }) FROM bench_rows"
add 'predict, 28-64-64-1' "SELECT sum(dl.predict('bench_64', $list)) FROM bench_rows"
add 'predict, model a value' "SELECT sum(dl.predict(model, $list)) FROM bench_model, bench_rows"
add 'predict, whole row' "SELECT sum(dl.predict('bench_64', bench_rows)) FROM bench_rows"
add 'predict, ARRAY[...]' "SELECT sum(dl.predict('bench_64', VARIADIC ARRAY[$list])) FROM bench_rows"
add 'count(*), real[] column' 'SELECT count(a[28]) FROM bench_arrays'
add 'predict, real[] column' "SELECT sum(dl.predict('bench_64', VARIADIC a)) FROM bench_arrays"
add 'predict, 28-256-256-1' "SELECT sum(dl.predict('bench_256', $list)) FROM bench_rows"
# The last, for it stays on.
add 'predict, 28-64-64-1, jit = on' $'\\timing off\nSET jit = on;\n\\timing on\n'"SELECT sum(dl.predict('bench_64', $list)) FROM bench_rows"

# A round is one session; what it reads first, it pays for mapping the buffers.
{
	echo '\o /dev/null'
	echo 'SET deep_learning.batched_scoring = off;'
	echo 'SELECT sum(c27) FROM bench_rows; SELECT count(a[28]) FROM bench_arrays;'
	echo '\timing on'
	printf '%s;\n' "${statements[@]}"
} >"$scratch/round"
for _ in $(seq "$BENCH_WINDOWS"); do
	psql -Xq -v ON_ERROR_STOP=1 -f "$scratch/round" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >"$scratch/times"
	for i in "${!statements[@]}"; do
		sed -n "$((i + 1))p" "$scratch/times" >>"$scratch/$i"
	done
done

label="$rows rows"
for i in "${!statements[@]}"; do
	time=$(median <"$scratch/$i")
	report "$label" "${names[i]}" "$(calculate "$time * 1e6 / $rows")" ns/row \
		"$(calculate "$rows / $time * 1e-3") million rows/s; best $(calculate "$rows / $(least <"$scratch/$i") * 1e-3")"
done
# What the server needs to bring 28 columns to a function is in the sum of the last column.
report "$label" 'share that is ours' "$(calculate "100 * (1 - $(median <"$scratch/1") / $(median <"$scratch/3"))")" % \
	'of predict, 28-64-64-1: all above the sum of the last column'
build/bench/kernels row | while read -r line; do
	echo "  $line"
done
