#!/bin/bash
# Runs the fuzz targets that "make fuzz-programs" has built, all at once, each
# for FUZZ_SECONDS, or for FUZZ_RUNS executions when that is set.  It starts
# from the corpus in test/fuzz/corpus/TARGET; what is found goes to build/fuzz.
. "$(dirname "$0")/common.sh"

limit=(-max_total_time="${FUZZ_SECONDS:-60}")
[ -z "${FUZZ_RUNS:-}" ] || limit=(-runs="$FUZZ_RUNS")

shopt -s nullglob
targets=(test/fuzz/fuzz_*.c)
[ ${#targets[@]} -gt 0 ] || { echo "there are no fuzz targets" >&2; exit 1; }

declare -A running
stop()
{
	for name in "${!running[@]}"; do
		kill "${running[$name]}" 2>/dev/null || true
	done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for source in "${targets[@]}"; do
	name=$(basename "$source" .c)
	seeds=test/fuzz/corpus/${name#fuzz_}
	[ -d "$seeds" ] || { echo "$name has no corpus in $seeds" >&2; exit 1; }
	mkdir -p "build/fuzz/found/$name" "build/fuzz/crash"
	dictionary=()
	[ ! -f "test/fuzz/${name#fuzz_}.dict" ] || dictionary=(-dict="test/fuzz/${name#fuzz_}.dict")
	"build/fuzz/target/$name" "${limit[@]}" "${dictionary[@]}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crash/$name-" "build/fuzz/found/$name" "$seeds" \
		>"build/fuzz/$name.log" 2>&1 &
	running[$name]=$!
done

failed=0
for name in "${!running[@]}"; do
	if wait "${running[$name]}"; then
		executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")
		echo "$name: $executions executions, nothing found"
	else
		failed=1
		echo "$name: FAILED, build/fuzz/$name.log ends with"
		tail -40 "build/fuzz/$name.log"
	fi
	unset "running[$name]"
done
exit "$failed"
