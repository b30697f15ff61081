#!/bin/bash
# bench/run.sh [NAME,NAME...]
#
# Runs bench/bench_NAME.sh, all of them without a name, and prints what they
# reported as one table at the end.  The same is in build/bench/results.json, a
# JSON object a line.  docs/benchmarks.md says what is measured and how to read it.
. "$(dirname "$0")/common.sh"

shopt -s nullglob
scripts=()
if [ $# -gt 0 ]; then
	IFS=', ' read -ra names <<<"$*"
	for name in "${names[@]}"; do
		script=bench/bench_$name.sh
		[ -f "$script" ] || { echo "there is no $script" >&2; exit 2; }
		scripts+=("$script")
	done
else
	scripts=(bench/bench_*.sh)
fi

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -1)
load=$(cut -d' ' -f1 /proc/loadavg)
echo "One of them alone: make bench BENCH=NAME"
echo "Processor: $processor, $(nproc) processors; load $load"
if awk -v load="$load" 'BEGIN {exit !(load > 0.3)}'; then
	echo "Something else is running: times and ratios are not to be trusted."
fi
install_extension
: >"$BENCH_RESULTS"
bench_name=machine
report "$processor" processors "$(nproc)" '' "load $load before"

failed=()
for script in "${scripts[@]}"; do
	echo
	echo "== $(basename "$script" .sh)"
	bash "$script" || failed+=("$script")
done

echo
echo '== results'
sed 's/^{"bench": "\(.*\)", "case": "\(.*\)", "measure": "\(.*\)", "value": \(.*\), "unit": "\(.*\)", "note": "\(.*\)"}$/\1\t\2\t\3\t\4\t\5\t\6/' \
	"$BENCH_RESULTS" | awk -F'\t' '{printf "%-11s %-26s %-34s %12s %-9s %s\n", $1, $2, $3, $4, $5, $6}'
if [ ${#failed[@]} -gt 0 ]; then
	echo "failed: ${failed[*]}" >&2
	exit 1
fi
