#!/bin/bash
# Lines of the validators (src/format/*valid*.c) that the fuzz targets reach
# with their seed corpus alone; fails below 90 percent.
. "$(dirname "$0")/common.sh"

least=90
profile=build/coverage/profile
rm -rf "$profile"
mkdir -p "$profile"
shopt -s nullglob
validators=(src/format/*valid*.c)
[ ${#validators[@]} -gt 0 ] || { echo "src/format has no validator" >&2; exit 1; }

tool()
{
	local name=$1

	shift
	if command -v "$name-14" >/dev/null; then "$name-14" "$@"; else "$name" "$@"; fi
}

objects=()
for source in test/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	LLVM_PROFILE_FILE=$profile/$name.profraw "build/coverage/target/$name" -runs=0 \
		"test/fuzz/corpus/${name#fuzz_}" >"build/coverage/$name.log" 2>&1 ||
		{ tail -40 "build/coverage/$name.log"; exit 1; }
	objects+=(-object "build/coverage/target/$name")
done
[ ${#objects[@]} -gt 0 ] || { echo "there are no fuzz targets" >&2; exit 1; }

tool llvm-profdata merge -o "$profile/all.profdata" "$profile"/*.profraw
tool llvm-cov export -summary-only "${objects[@]:1}" -instr-profile="$profile/all.profdata" "${validators[@]}" \
	>"$profile/summary.json"
python3 - "$profile/summary.json" "$least" <<'PYTHON'
import json, sys

files = [f for f in json.load(open(sys.argv[1]))["data"][0]["files"] if "valid" in f["filename"].split("/")[-1]]
least = float(sys.argv[2])
if not files:
    sys.exit("no validator is linked into a fuzz target")
covered = sum(f["summary"]["lines"]["covered"] for f in files)
count = sum(f["summary"]["lines"]["count"] for f in files)
percent = 100.0 * covered / count
print("%d of %d lines of the validators reached by the corpus: %.1f %%" % (covered, count, percent))
if percent < least:
    sys.exit("at least %g %% are wanted; llvm-cov show tells which are missing" % least)
PYTHON
