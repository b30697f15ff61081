#!/bin/bash
# Runs the unit tests that "make unit-programs" has built: all of them with
# AddressSanitizer and UBSan, those of the kernels also as they are shipped.
. "$(dirname "$0")/common.sh"

shopt -s nullglob
programs=()
for source in test/unit/test_*.c; do
	name=$(basename "$source" .c)
	for program in "build/asan/unit/$name" "build/release/unit/$name"; do
		[ ! -x "$program" ] || programs+=("$program")
	done
done
[ ${#programs[@]} -gt 0 ] || { echo "there are no unit tests" >&2; exit 1; }

# a request that is too large must fail as malloc would
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
exec prove --exec '' -j2 --timer "${programs[@]}"
