#!/bin/bash
# bench/run.sh [NAME]...
#
# Runs bench/bench_NAME.sh, all of them without a name, on a throw-away server
# with the extension preloaded.  Each prints its own table, with the peer that
# it ran beside, and skips with a reason what is not there to compare with.
. "$(dirname "$0")/../test/common.sh"

shopt -s nullglob
scripts=()
if [ $# -gt 0 ]; then
	for name in "$@"; do
		script=bench/bench_$name.sh
		[ -f "$script" ] || { echo "there is no $script" >&2; exit 2; }
		scripts+=("$script")
	done
else
	scripts=(bench/bench_*.sh)
fi
[ ${#scripts[@]} -gt 0 ] || { echo "bench/ has no benchmark (bench_NAME.sh)" >&2; exit 1; }

echo "One of them alone: make bench BENCH=NAME"
echo "Processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -1), $(nproc) processors"
install_extension
for script in "${scripts[@]}"; do
	echo
	echo "== $(basename "$script" .sh)"
	test/server.sh shared_preload_libraries=deep_learning shared_buffers=2GB max_wal_size=8GB -- bash "$script"
done
