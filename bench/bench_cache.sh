#!/bin/bash
# Finding a model by name, the arithmetic apart, and the memory that many sessions on one model take
# (proportional set size: what several processes share counts once).
#
# BENCH_SESSIONS (100) sessions; BENCH_MODELS ("4 64 250") megabytes.  A row that is NULL as a whole is
# answered by NULL once the model is found and all is ready to score, without any arithmetic.
. "$(dirname "$0")/common.sh"
sessions=${BENCH_SESSIONS:-100}
if [ -z "${DL_SERVER_DIRECTORY:-}" ]; then
	exec test/server.sh shared_preload_libraries=deep_learning shared_buffers=1GB max_wal_size=8GB autovacuum=off jit=off \
		max_parallel_workers_per_gather=0 "max_connections=$((sessions + 20))" deep_learning.shared_model_cache=1GB -- bash "$0" "$@"
fi
sql 'CREATE EXTENSION deep_learning'
sql 'CREATE TABLE pair AS SELECT i::real AS a, (i % 7)::real AS b, sin(i)::real AS y FROM generate_series(1, 300) i'
sql 'CREATE TYPE two AS (a real, b real)'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# make_model MEGABYTES: two hidden layers of one width, trained hardly at all.  No output of tanh is 0, so scoring reads all weights.
make_model()
{
	local width

	width=$(calculate "int(sqrt($1 * 1e6 / 4))")
	sql "SET deep_learning.training_memory = '4GB'; SET deep_learning.threads = 1;
		SELECT dl.train('mb_$1', 'pair', 'y', network => 'dense($width, tanh) > dense($width, tanh)', epochs => 1,
			quiet => true, options => '{\"members\": 1}')" >/dev/null
}

# set_cache SIZE: of the shared cache, from the next session on.
set_cache()
{
	sql "ALTER SYSTEM SET deep_learning.shared_model_cache = '$1'"
	sql 'SELECT pg_reload_conf()' >/dev/null
	sleep 0.5
}

# fresh MODEL [BEFORE]: milliseconds of its first statement in new sessions, after the statement BEFORE.
fresh()
{
	for _ in $(seq $((BENCH_WINDOWS * 4))); do
		psql -Xq -v ON_ERROR_STOP=1 <<-END | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
			\\o /dev/null
			${2:-}
			\\timing on
			SELECT dl.predict('$1', NULL::two);
		END
	done | median
}

# later MODEL: nanoseconds of a call after the first of a statement.
later()
{
	local calls=1000000 statements=''

	for _ in $(seq "$BENCH_WINDOWS"); do
		statements+="SELECT count(NULL::two) FROM generate_series(1, $calls);
			SELECT count(dl.predict('$1', NULL::two)) FROM generate_series(1, $calls);"
	done
	psql -Xq -v ON_ERROR_STOP=1 <<-END | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >"$scratch/times"
		\\o /dev/null
		$statements
		\\timing on
		$statements
	END
	calculate "($(awk 'NR % 2 == 0' "$scratch/times" | median) - $(awk 'NR % 2 == 1' "$scratch/times" | median)) * 1e6 / $calls"
}

sql "SELECT dl.train('tiny', 'pair', 'y', network => 'dense(4)', epochs => 1, quiet => true, options => '{\"members\": 1}')" >/dev/null
report 'a model of 4 kB' 'first statement of a session' "$(fresh tiny)" ms 'all of it; the server reads its catalogs'
for megabytes in ${BENCH_MODELS:-4 64 250}; do
	label="a model of $megabytes MB"
	make_model "$megabytes"
	sql "SELECT dl.predict('mb_$megabytes', 1, 2)" >/dev/null
	report "$label" 'first statement of a session' "$(fresh "mb_$megabytes")" ms 'all of it; to reach: 2'
	report "$label" 'the same after another model' "$(fresh "mb_$megabytes" "SELECT dl.predict('tiny', NULL::two);")" ms 'the catalogs have been read'
	report "$label" 'later calls of a statement' "$(later "mb_$megabytes")" ns 'to reach: 1000'
	set_cache 0
	report "$label" 'first statement, not shared' "$(BENCH_WINDOWS=1 fresh "mb_$megabytes")" ms
	set_cache 1GB
done

sql "CREATE TABLE texts AS SELECT 'text ' || i % 100000 AS t, i % 100000 % 7 AS y FROM generate_series(1, 200000) i"
sql "SELECT dl.train('texts', 'texts', 'y', network => 'dense(16, relu)', epochs => 1, quiet => true, options => '{\"members\": 1, \"max_levels\": 0}')" >/dev/null
report 'a category of 100,000 texts' 'first statement of a session' "$(fresh texts)" ms "$(sql "SELECT bytes FROM dl.models WHERE name = 'texts'") bytes"
set_cache 0
report 'a category of 100,000 texts' 'first statement, not shared' "$(BENCH_WINDOWS=1 fresh texts)" ms
set_cache 1GB

# memory STATEMENT COUNT: kilobytes (proportional set size) of so many sessions that have run it.
memory()
{
	local clients=() pids pid

	for _ in $(seq "$2"); do
		psql -Xq -c "$1" -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
		clients+=($!)
	done
	until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" -eq "$2" ]; do
		sleep 0.2
	done
	pids=$(sql "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	for pid in $pids; do
		cat "/proc/$pid/smaps_rollup"
	done | awk '/^Pss:/ {sum += $2} END {print sum}'
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
	wait "${clients[@]}" || true
}

make_model 100
bytes=$(sql "SELECT bytes FROM dl.models WHERE name = 'mb_100'")
few=$((sessions < 10 ? sessions : 10))

# copies STATEMENT COUNT: what sessions that have scored take more than those that ran the statement, in models.
copies()
{
	calculate "($(memory "SELECT dl.predict('mb_100', 1, 2)" "$2") - $(memory "$1" "$2")) * 1024 / $bytes"
}
report "$sessions sessions" 'copies of a model of 100 MB' "$(copies 'SELECT a + b FROM pair LIMIT 1' "$sessions")" copies \
	'more than sessions that have read a table; to reach: 1.2'
report "$sessions sessions" 'the same' "$(copies "SELECT dl.predict('tiny', 1, 2)" "$sessions")" copies 'more than sessions with a model of 4 kB'
set_cache 0
report "$few sessions, not shared" 'copies of a model of 100 MB' "$(copies 'SELECT a + b FROM pair LIMIT 1' "$few")" copies
