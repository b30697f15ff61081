#!/bin/bash
# The rules of the source tree.  Prints what breaks them and fails then.
. "$(dirname "$0")/common.sh"

failed=0
complain()
{
	echo "$1"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/    /' | head -40
	failed=1
}

# none MESSAGE COMMAND...: the command, a search, must find nothing.
none()
{
	local message=$1 found

	shift
	found=$("$@" || true)
	[ -z "$found" ] || complain "$message" "$found"
}

rings=(core ops cpu nn data format model pg)
shopt -s nullglob globstar

# --- who may include what ----------------------------------------------------

allowed=(
	[0]='core'
	[1]='core|ops'
	[2]='core|cpu'
	[3]='core|ops|nn'
	[4]='core|data'
	[5]='core|nn|format'
	[6]='core|ops|cpu|nn|data|format|model'
	[7]='core|ops|cpu|nn|data|format|model|pg'
)
for i in "${!rings[@]}"; do
	ring=${rings[$i]}
	files=(src/$ring/*.[ch] src/$ring/*.inc)
	[ ${#files[@]} -gt 0 ] || continue
	none "src/$ring may include from src/{${allowed[$i]//|/,}} only:" \
		bash -c "grep -HnE '#include \"($(IFS='|'; echo "${rings[*]}"))/' \"\$@\" | grep -vE '#include \"(${allowed[$i]})/'" - "${files[@]}"
	# PostgreSQL's own headers are included in quotes too, but in src/pg only.
	[ "$ring" = pg ] ||
		none "src/$ring includes in quotes what is not of src/:" \
			bash -c "grep -HnE '#include \"' \"\$@\" | grep -vE '#include \"(${allowed[$i]})/'" - "${files[@]}"
done

sources=(src/**/*.[ch] src/**/*.inc gpu/**/*.cu gpu/**/*.[ch])
outside_pg=()
for file in "${sources[@]}"; do
	case $file in src/pg/*) ;; *) outside_pg+=("$file") ;; esac
done
none 'postgres.h outside src/pg:' grep -nE '#include.*(postgres(_fe)?|libpq-fe)\.h' "${outside_pg[@]}" /dev/null
none 'OpenBLAS outside src/cpu/blas.c:' \
	bash -c 'grep -HnE "cblas_|openblas_|libopenblas|cblas\.h" "$@" | grep -v "^src/cpu/blas\.c:"' - "${sources[@]}"
none 'PG_VERSION_NUM outside src/pg/compat.h:' \
	bash -c 'grep -Hn PG_VERSION_NUM "$@" | grep -v "^src/pg/compat\.h:"' - "${sources[@]}"
none 'src/pg/*.c without #include "pg/compat.h" (its functions would be hidden before version 16):' \
	grep -L '#include "pg/compat.h"' src/pg/*.c
none 'the library must not abort, exit or print:' \
	grep -nE '(^|[^_[:alnum:]])(abort|exit|_exit|printf|puts|perror|assert) ?\(' src/{core,ops,cpu,nn,data,format,model}/*.c /dev/null
none 'fast-math changes the whole process:' grep -nE 'ffast-math|Ofast' Makefile "${sources[@]}"

# --- size and wording ---------------------------------------------------------

code=("${sources[@]}" test/unit/*.[ch] test/fuzz/*.[ch] bench/*.[ch])
none 'files over 800 lines:' awk 'FNR == 801 {print FILENAME}' "${code[@]}"
none 'functions over 100 lines:' awk '
	FNR == 1 {start = 0}
	/^[[:alpha:]_].*\(/ {name = $0}
	/^\{/ {start = FNR}
	/^\}/ {
		if (start && $0 == "}" && FNR - start > 101)
			print FILENAME ":" start ": " FNR - start - 1 " lines: " name
		start = 0
	}' "${code[@]}"

text=("${code[@]}" Makefile README.md CHANGELOG.md src/sql/**/*.sql sql/*.sql expected/*.out docs/**/*.md \
	test/**/*.{sh,pl,sql,spec,py} bench/**/*.{sh,sql,py} examples/*.{sql,md} .ci/run)
kept=()
for file in "${text[@]}"; do
	[ ! -f "$file" ] || kept+=("$file")
done
none 'unfinished work:' grep -nwE 'TO[D]O|FIX[M]E|XX[X]' "${kept[@]}"
none 'paths or hosts of one machine:' grep -nE '(^|[^[:alnum:].])/wor[k]/|\.intern[a]l\b|/home/[a-z]' "${kept[@]}"
none 'spaces at the end of a line:' grep -nE '[[:space:]]+$' "${sources[@]}" /dev/null

# --- SQL -----------------------------------------------------------------------

parts=(src/sql/*.sql)
none 'the script replaces nothing, skips nothing and lends no rights:' \
	bash -c 'grep -HniE "CREATE +OR +REPLACE|IF +NOT +EXISTS|SECURITY +DEFINER" "$@" | grep -vE "^[^:]*:[0-9]+: *--"' - "${parts[@]}"
for file in sql/*.sql; do
	[ -f "expected/$(basename "$file" .sql).out" ] || complain "$file has no expected/$(basename "$file" .sql).out"
done
for file in expected/*.out; do
	name=$(basename "$file" .out)
	[ -f "sql/$name.sql" ] || [ -f "sql/${name%_[0-9]}.sql" ] || complain "$file has no sql/$name.sql"
done

# --- every header compiles alone, the extension compiles with clang too ------------

flags=(-std=gnu11 -Wall -Wextra -Werror -Wvla -Wno-unused-parameter -Isrc -fsyntax-only)
server_headers=(-D_GNU_SOURCE -isystem "$("$PG_CONFIG" --includedir-server)")
for header in src/**/*.h; do
	extra=()
	case $header in
		src/pg/*) extra=("${server_headers[@]}" -include postgres.h) ;;
		# parts of one file that is compiled several times
		*/template_*.h) continue ;;
		*/simd_avx512.h) extra=(-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma) ;;
		*/simd_avx2.h) extra=(-mavx2 -mfma) ;;
	esac
	output=$(gcc "${flags[@]}" -Wno-unused-function "${extra[@]}" -x c "$header" 2>&1) ||
		complain "$header does not compile alone:" "$output"
done
if command -v clang >/dev/null; then
	for file in src/pg/*.c; do
		output=$(clang "${flags[@]}" -fvisibility=hidden "${server_headers[@]}" "$file" 2>&1) ||
			complain "$file does not compile with clang:" "$output"
	done
else
	complain 'clang is missing: run "make setup"'
fi

# --- symbols -------------------------------------------------------------------------

if [ -f deep_learning.so ]; then
	symbols=$(nm -D --defined-only deep_learning.so | awk '{print $NF}')
	none 'exported symbols that are neither dl_* nor the server'\''s:' \
		grep -vE '^(dl_[[:alnum:]_]+|pg_finfo_dl_[[:alnum:]_]+|Pg_magic_func|_PG_init|_init|_fini)$' <<<"$symbols"
	while read -r name; do
		grep -qx "$name" <<<"$symbols" || complain "$name has a pg_finfo but is not exported"
	done < <(sed -n 's/^pg_finfo_//p' <<<"$symbols")
else
	complain 'deep_learning.so is not built'
fi

[ "$failed" -eq 0 ] && echo "lint: ${#sources[@]} source files follow the rules"
exit "$failed"
