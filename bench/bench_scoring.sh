#!/bin/bash
# Scoring inside the executor: batches against the plain sum of the same columns, against the
# functions called row by row, and against reading the rows out.
#
# BENCH_ROWS (5000000) rows of 8 columns, BENCH_WINDOWS (5) rounds of all statements in turn,
# BENCH_CASES (all): a pattern of the cases to run (eight, wide, arrays, workers, keys, peer, python).
. "$(dirname "$0")/common.sh"
need_server

rows=${BENCH_ROWS:-5000000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

wanted()
{
	[[ $1 =~ ${BENCH_CASES:-.} ]]
}

# make_table NAME ROWS COLUMNS: of reals, normal enough for timing.
make_table()
{
	local list='' i

	for i in $(seq 0 $(($3 - 1))); do
		list+="${list:+, }(random() + random() + random() - 1.5)::real AS c$i"
	done
	sql "CREATE UNLOGGED TABLE $1 AS SELECT $list FROM generate_series(1, $2)"
	sql "VACUUM ANALYZE $1"
}

# make_model NAME NETWORK TABLE [FEATURES]: trained on few rows, which does for timing.
make_model()
{
	sql "SELECT dl.train('$1', 'SELECT ${4:-*}, random()::real AS y FROM $3 LIMIT 5000', target => 'y', network => '$2',
		epochs => 1, learning_rate => 1e-3, quiet => true, options => '{\"members\": 1, \"scaling\": \"standard\"}')" >/dev/null
}

# scored_by MODEL: the device of a model of arrays, which says whether it has the instructions of the model's precision.
scored_by()
{
	sql "LOAD 'deep_learning'; EXPLAIN (ANALYZE, VERBOSE) SELECT count(dl.classify('$1', a)) FROM bench_arrays WHERE ctid < '(10,0)'" |
		sed -n 's/^ *Device: //p'
}

# add NAME STATEMENT [SETTING=VALUE]...
names=() statements=()
add()
{
	local name=$1 statement=$2 setting before='' after=''

	shift 2
	for setting in "$@"; do
		before+="SET ${setting%%=*} = ${setting#*=};"
		after+="RESET ${setting%%=*};"
	done
	names+=("$name")
	statements+=("$(printf '\\timing off\n%s\n\\timing on\n%s;\n\\timing off\n%s' "$before" "$statement" "$after")")
}

# A round is one session: every statement once, in turn.  What it reads first, it pays for mapping the buffers.
run_rounds()
{
	rm -f "$scratch"/[0-9]*
	{
		echo '\o /dev/null'
		printf '%s\n' "${statements[0]}" "${statements[@]}"
	} >"$scratch/round"
	for _ in $(seq "$BENCH_WINDOWS"); do
		psql -Xq -v ON_ERROR_STOP=1 -f "$scratch/round" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n +2 >"$scratch/times"
		for i in "${!statements[@]}"; do
			sed -n "$((i + 1))p" "$scratch/times" >>"$scratch/$i"
		done
	done
}

# report_rounds LABEL ROWS BASE: times a row, and as multiples of statement number BASE.
report_rounds()
{
	local base i time

	run_rounds
	base=$(median <"$scratch/$3")
	for i in "${!names[@]}"; do
		time=$(median <"$scratch/$i")
		report "$1" "${names[i]}" "$(calculate "$time * 1e6 / $2")" ns/row \
			"$(calculate "$2 / $time * 1e-3") million rows/s; $(calculate "$time / $base") of ${names[$3]}"
	done
	names=() statements=()
}

# in_proportion NANOSECONDS MULTIPLY_ADDS: a time of a row asked for where a core does 118 billion multiply-adds a second
# (AVX-512 at its full rate), on this processor: the multiply-adds take longer, all else does not.
in_proportion()
{
	calculate "$1 + $2 * (2 / $rate - 1 / 118)"
}

# report_limit LABEL NAME NANOSECONDS MULTIPLY_ADDS
report_limit()
{
	report "$1" "asked for $2" "$3" ns/row "in proportion to $rate GFLOP/s: $(in_proportion "$3" "$4")"
}

# result NUMBER ROWS: nanoseconds a row of a statement of the last rounds.
result()
{
	calculate "$(median <"$scratch/$1") * 1e6 / $2"
}

rate=$(build/bench/peak | json_field gflops)
by_row=deep_learning.batched_scoring=off
eight=$(columns c 0 7)
call="dl.predict('bench_small', $eight)"
if wanted 'eight workers peer'; then
	make_table bench_eight "$rows" 8
	make_model bench_small 'dense(64, relu) > dense(64, relu)' bench_eight
fi

if wanted eight; then
	sql 'CREATE UNLOGGED TABLE bench_one AS SELECT 1::real AS one'
	sql 'VACUUM ANALYZE bench_one'
	add 'sum of the columns' "SELECT sum(${eight//,/ + }) FROM bench_eight"
	add 'predict' "SELECT sum($call) FROM bench_eight"
	add 'predict, a filter below' "SELECT sum($call) FROM bench_eight WHERE c0 > -10"
	add 'predict, a join below' "SELECT sum($call) FROM bench_eight, bench_one WHERE c0 > -10 * one"
	add 'sum, a join below' "SELECT sum(${eight//,/ + }) FROM bench_eight, bench_one WHERE c0 > -10 * one"
	add 'predict, whole row' "SELECT sum(dl.predict('bench_small', bench_eight)) FROM bench_eight"
	add 'count(*) WHERE predict > 0.9' "SELECT count(*) FROM bench_eight WHERE $call > 0.9"
	add 'predict, row by row' "SELECT sum($call) FROM bench_eight" "$by_row"
	label="$rows rows, 8-64-64-1" network=4672
	report_rounds "$label" "$rows" 0
	report_limit "$label" 'predict' "$(calculate "1.2 * $(result 0 "$rows")")" $network
	report_limit "$label" 'a filter below' "$(calculate "1.4 * $(result 0 "$rows")")" $network
	report_limit "$label" 'a join below' "$(calculate "1.4 * $(result 4 "$rows")")" $network
	report_limit "$label" 'whole row' "$(calculate "1.3 * $(result 0 "$rows")")" $network
fi

wide=$(columns c 0 27)
if wanted 'wide python'; then
	make_table bench_wide 1000000 28
	make_model bench_wide 'dense(64, relu) > dense(64, relu)' bench_wide
fi

if wanted wide; then
	add 'sum of the columns' "SELECT sum(${wide//,/ + }) FROM bench_wide"
	add 'sum of the last column' 'SELECT sum(c27) FROM bench_wide'
	add 'predict' "SELECT sum(dl.predict('bench_wide', $wide)) FROM bench_wide"
	add 'predict, whole row' "SELECT sum(dl.predict('bench_wide', bench_wide)) FROM bench_wide"
	add 'predict, row by row' "SELECT sum(dl.predict('bench_wide', $wide)) FROM bench_wide" "$by_row"
	report_rounds '1000000 rows, 28-64-64-1' 1000000 0
	report_limit '1000000 rows, 28-64-64-1' 'predict, 6 million rows/s' 166.7 5952
	report_limit '1000000 rows, 28-64-64-1' 'row by row, 3 million rows/s' 333.3 5952
fi

if wanted arrays; then
	sql "CREATE UNLOGGED TABLE bench_arrays AS
		SELECT (SELECT array_agg(random()::real) FROM generate_series(1, 784) k WHERE i > 0) AS a FROM generate_series(1, 20000) i"
	sql 'INSERT INTO bench_arrays SELECT a FROM bench_arrays, generate_series(1, 9)'
	sql 'VACUUM ANALYZE bench_arrays'
	for precision in highest medium; do
		sql "SELECT dl.train('bench_image_$precision', 'SELECT a, (random() * 9)::int::text AS y FROM bench_arrays LIMIT 2000', target => 'y',
			network => 'dense(512, relu) > dense(512, relu)', epochs => 1, learning_rate => 1e-3, matmul_precision => '$precision', quiet => true,
			options => '{\"members\": 1, \"scaling\": \"standard\"}')" >/dev/null
	done
	add 'sum of an element' 'SELECT sum(a[784]) FROM bench_arrays'
	add 'classify' "SELECT count(dl.classify('bench_image_highest', a)) FROM bench_arrays"
	add "classify at medium ($(scored_by bench_image_medium))" "SELECT count(dl.classify('bench_image_medium', a)) FROM bench_arrays"
	add 'classify, row by row' "SELECT count(dl.classify('bench_image_highest', a)) FROM bench_arrays" "$by_row"
	add 'classify at medium, row by row' "SELECT count(dl.classify('bench_image_medium', a)) FROM bench_arrays" "$by_row"
	report_rounds '200000 rows, 784-512-512-10' 200000 0
fi

if wanted workers; then
	two='max_parallel_workers_per_gather=2 parallel_leader_participation=off min_parallel_table_scan_size=0 parallel_setup_cost=0 parallel_tuple_cost=0'
	add 'predict' "SELECT sum($call) FROM bench_eight"
	add 'predict, two workers' "SELECT sum($call) FROM bench_eight" $two
	add 'sum of the columns, two workers' "SELECT sum(${eight//,/ + }) FROM bench_eight" $two
	report_rounds "$rows rows, 8-64-64-1" "$rows" 0
fi

# What a user would run instead: the rows out by COPY, PyTorch, the predictions back by COPY.
if wanted peer && peer_is_there peer_torch.py torch numpy psycopg; then
	dsn="host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"
	for _ in $(seq "$BENCH_WINDOWS"); do
		sql_milliseconds "CREATE TABLE bench_back AS SELECT $call AS p FROM bench_eight" >>"$scratch/back.ours"
		sql 'DROP TABLE bench_back'
		sql_milliseconds "SELECT sum($call) FROM bench_eight" >>"$scratch/sum.ours"
		"$DL_PYTHON" "$DL_BENCH_PEERS/peer_torch.py" score --dsn "$dsn" --query "SELECT $eight FROM bench_eight" --hidden 64,64 --columns 8 \
			--write-back --threads "$(nproc)" | json_field seconds | awk '{print $1 * 1000}' >>"$scratch/back.torch"
	done
	theirs=$(median <"$scratch/back.torch")
	report "$rows rows, 8-64-64-1" 'COPY, PyTorch, COPY back' "$(calculate "$theirs * 1e6 / $rows")" ns/row "$(nproc) threads"
	report_limit "$rows rows, 8-64-64-1" 'a 14th of it' "$(calculate "$theirs * 1e6 / $rows / 14")" 4672
	for way in sum back; do
		time=$(median <"$scratch/$way.ours")
		report "$rows rows, 8-64-64-1" "$([ $way = sum ] && echo 'sum(predict)' || echo 'CREATE TABLE AS')" \
			"$(calculate "$time * 1e6 / $rows")" ns/row "PyTorch / ours $(calculate "$theirs / $time")"
	done
fi

# What a user would run inside the server: a function in PL/Python that calls PyTorch, on fewer rows.
python_rows=20000
make_python()
{
	if ! "$DL_PYTHON" -c 'import torch' 2>/dev/null; then
		echo "  No peer: $DL_PYTHON has no module torch (DL_PYTHON says which Python to take)."
		return 1
	fi
	"$DL_PYTHON" bench/peer_plpython.py bench_torch --columns 28 --hidden 64,64 >"$scratch/python.sql" &&
		psql -Xq -v ON_ERROR_STOP=1 -f "$scratch/python.sql" -c "SELECT bench_torch($wide) FROM bench_wide LIMIT 1" \
			>/dev/null 2>"$scratch/python.err" && return
	echo "  No peer: $(sed -n 's/^.*ERROR: *//p' "$scratch/python.err" | head -1) (needs plpython3u of ${DL_PYTHON}'s version, and its torch readable by the server)."
	return 1
}
if wanted python && make_python; then
	ours="SELECT sum(dl.predict('bench_wide', $wide)) FROM bench_wide"
	{
		printf '\\o /dev/null\nSELECT bench_torch(%s) FROM bench_wide LIMIT 1;\n%s;\n' "$wide" "$ours"
		printf '\\timing on\nSELECT sum(bench_torch(%s)) FROM (SELECT * FROM bench_wide LIMIT %s) s;\n%s;\n' "$wide" "$python_rows" "$ours"
		printf 'SET %s;\n%s;\n' "$by_row" "$ours"
	} >"$scratch/round"
	for _ in $(seq "$BENCH_WINDOWS"); do
		psql -Xq -v ON_ERROR_STOP=1 -f "$scratch/round" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >"$scratch/times"
		sed -n 1p "$scratch/times" >>"$scratch/row.torch"
		sed -n 2p "$scratch/times" >>"$scratch/batch.ours"
		sed -n 4p "$scratch/times" >>"$scratch/row.ours"
	done
	theirs=$(calculate "$(median <"$scratch/row.torch") * 1e6 / $python_rows")
	report '28-64-64-1, a call a row' 'PL/Python with PyTorch' "$theirs" ns/row "$python_rows rows, 1 thread"
	for way in batch row; do
		time=$(calculate "$(median <"$scratch/$way.ours") * 1e6 / 1000000")
		report '28-64-64-1, a call a row' "$([ $way = batch ] && echo predict || echo 'predict, row by row')" "$time" ns/row \
			"PL/Python / ours $(calculate "$theirs / $time")"
	done
fi

# report_of_plain WAY MEASURE: beside the statement without the call.
report_of_plain()
{
	local ratio

	ratio=$(paste "$scratch/$1.tps" "$scratch/plain.tps" | awk '{print $1 / $2}' | median)
	report "one row by key, $clients clients" "$2" "$(median <"$scratch/$1.tps")" tps "$ratio of the row alone, the median of pairs"
}

# One row by its key, prepared: transactions a second with the call, and without.
if wanted keys; then
	sql "CREATE UNLOGGED TABLE bench_points AS SELECT i AS id, $(columns 'random()::real AS c' 0 27) FROM generate_series(1, 100000) i"
	sql 'ALTER TABLE bench_points ADD PRIMARY KEY (id)'
	sql 'VACUUM ANALYZE bench_points'
	make_model bench_point 'dense(64, relu) > dense(64, relu)' bench_points "$wide"
	printf '\\set id random(1, 100000)\nSELECT %s FROM bench_points WHERE id = :id;\n' "$wide" >"$scratch/plain.sql"
	printf "\\\\set id random(1, 100000)\nSELECT %s, dl.predict('bench_point', %s) FROM bench_points WHERE id = :id;\n" "$wide" "$wide" >"$scratch/scored.sql"
	printf '\\set id random(1, 100000)\nSELECT %s, num_nonnulls(%s) FROM bench_points WHERE id = :id;\n' "$wide" "$wide" >"$scratch/counted.sql"
	# in turn, one right after the other: what else the machine does changes more than what is measured
	for clients in 1 8 32; do
		for way in plain counted scored; do : >"$scratch/$way.tps"; done
		for _ in $(seq $((4 * BENCH_WINDOWS))); do
			for way in plain counted scored; do
				pgbench -n -M prepared -c "$clients" -j 2 -T 1 -f "$scratch/$way.sql" 2>/dev/null |
					sed -n 's/^tps = \([0-9.]*\).*/\1/p' >>"$scratch/$way.tps"
			done
		done
		report "one row by key, $clients clients" 'the row alone' "$(median <"$scratch/plain.tps")" tps
		report_of_plain counted 'with num_nonnulls of 28 columns'
		report_of_plain scored 'with predict, 28-64-64-1'
	done
fi
