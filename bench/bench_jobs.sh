#!/bin/bash
# What a background job and the progress that it shows cost: the same training in a session and as a job, and in a session of a
# server without preloading, where before PostgreSQL 17 there is no dl.progress.
#
# BENCH_ROWS (200000) rows of 28 columns, 28-64-64-1, one thread; BENCH_WINDOWS (5) rounds of the three in turn.
. "$(dirname "$0")/common.sh"
need_server
if [ -z "${BENCH_PRELOADED:-}" ]; then
	# a second server beside the first one
	BENCH_PRELOADED="host=$PGHOST port=$PGPORT" exec env -u DL_SERVER_DIRECTORY test/server.sh shared_buffers=1GB max_wal_size=8GB autovacuum=off jit=off \
		max_parallel_workers_per_gather=0 -- bash "$0" "$@"
fi
plain="host=$PGHOST port=$PGPORT"
preloaded=$BENCH_PRELOADED

rows=${BENCH_ROWS:-200000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
arguments="'bench', 'bench_rows', target => 'y', network => 'dense(64, relu) > dense(64, relu)', epochs => 100, batch_size => 256, early_stopping => 0,
	learning_rate => 1e-3, quiet => true, options => '{\"members\": 1, \"threads\": 1}'"

# on SERVER STATEMENT
on()
{
	psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

for server in "$plain" "$preloaded"; do
	on "$server" 'CREATE EXTENSION IF NOT EXISTS deep_learning'
	on "$server" "CREATE UNLOGGED TABLE bench_rows AS SELECT $(columns 'random()::real AS c' 0 27), random()::real AS y FROM generate_series(1, $rows)"
	on "$server" 'VACUUM ANALYZE bench_rows'
	on "$server" "SELECT dl.train($arguments)" >/dev/null
done
for _ in $(seq "$BENCH_WINDOWS"); do
	on "$plain" "SELECT seconds FROM dl.train($arguments)" >>"$scratch/plain"
	on "$preloaded" "SELECT seconds FROM dl.train($arguments)" >>"$scratch/session"
	job=$(on "$preloaded" "SELECT dl.submit($arguments)")
	on "$preloaded" "SELECT dl.wait($job)" >/dev/null
	on "$preloaded" "SELECT result ->> 'seconds' FROM dl.job WHERE id = $job" >>"$scratch/job"
done

session=$(median <"$scratch/session")
least=$(least <"$scratch/session")
label="$rows rows, 28-64-64-1"
for way in plain session job; do
	case $way in
		plain) name='a session, not preloaded' ;;
		session) name='a session, preloaded' ;;
		job) name='a job' ;;
	esac
	time=$(median <"$scratch/$way")
	report "$label" "$name" "$time" s "$(calculate "$time / $session") of a session, preloaded; best of each $(calculate "$(least <"$scratch/$way") / $least")"
done
