#!/bin/bash
# test/run.sh [STAGE]...    all of them without arguments; "long" for make test-long
#
# Each stage prints one line with its result and seconds; its output is in
# build/log/STAGE.log and is shown when it fails.  All stages run even when one
# failed; the exit status tells.
. "$(dirname "$0")/common.sh"
shopt -s nullglob

stages=(build unit lint regress regress_preloaded regress_modes pgtap isolation tap docs fuzz coverage cuda)
long_stages=(build clang fuzz_long delay_long mix_long cancel_long kill_long scripts_long)

server=test/server.sh
preload=shared_preload_libraries=deep_learning
pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
jobs=$(nproc)

# A stage ends with this status, and the reason on its last line, when there is nothing to run.
nothing()
{
	echo "$1"
	return 77
}

# The server resolves its own symbols when it loads the library; nothing resolves ours.
no_undefined_symbols()
{
	! nm -D --undefined-only deep_learning.so | grep -w 'dl_[[:alnum:]_]*'
}

stage_build()
{
	make -s -j"$jobs" all && no_undefined_symbols && install_extension
}

stage_unit()
{
	make -s -j"$jobs" unit-programs && test/unit.sh
}

stage_lint()
{
	make -s lint
}

# regress SETTING...: the regression tests on a server with these settings.
regress()
{
	local names=() file output=build/regress

	for file in sql/*.sql; do
		names+=("$(basename "$file" .sql)")
	done
	[ ${#names[@]} -gt 0 ] || { nothing 'no sql/*.sql'; return; }
	rm -rf "$output"
	mkdir -p "$output"
	$server "$@" -- "$pgxs/test/regress/pg_regress" --inputdir=. --outputdir="$output" --bindir="$(pg_bindir)" \
		--dbname=contrib_regression "${names[@]}" || {
		cat "$output/regression.diffs" 2>/dev/null
		return 1
	}
	echo "${#names[@]} tests"
}

stage_regress()
{
	regress
}

stage_regress_preloaded()
{
	regress "$preload"
}

# The same plans run in parallel workers, without constants, compiled.
stage_regress_modes()
{
	regress "$preload" force_parallel_mode=regress &&
		regress "$preload" plan_cache_mode=force_generic_plan &&
		regress "$preload" jit=on jit_above_cost=0
}

stage_pgtap()
{
	local files=(test/pgtap/*.sql)

	[ ${#files[@]} -gt 0 ] || { nothing 'no test/pgtap/*.sql'; return; }
	$server "$preload" -- bash -euc '
		psql -X -q -v ON_ERROR_STOP=1 -c "CREATE DATABASE pgtap"
		psql -X -q -v ON_ERROR_STOP=1 -d pgtap -c "CREATE EXTENSION pgtap" -c "CREATE EXTENSION deep_learning"
		exec pg_prove -d pgtap --set "examples=$PWD/examples" "$@"' - "${files[@]}"
}

stage_isolation()
{
	local names=() file output=build/isolation

	for file in test/isolation/specs/*.spec; do
		names+=("$(basename "$file" .spec)")
	done
	[ ${#names[@]} -gt 0 ] || { nothing 'no test/isolation/specs/*.spec'; return; }
	rm -rf "$output"
	mkdir -p "$output"
	$server "$preload" -- "$pgxs/test/isolation/pg_isolation_regress" --inputdir=test/isolation --outputdir="$output" \
		--bindir="$(pg_bindir)" --dbname=isolation_regression --load-extension=deep_learning "${names[@]}" || {
		cat "$output/regression.diffs" 2>/dev/null
		return 1
	}
}

# remove_servers DIRECTORY: removes it, and stops first what runs from there.
remove_servers()
{
	local file

	shopt -s globstar
	for file in "$1"/**/postmaster.pid; do
		as_server_user "$(pg_bindir)/pg_ctl" -D "${file%/*}" -m immediate -w -t 30 stop >/dev/null 2>&1 || true
	done
	rm -rf "$1"
}

# These tests start servers themselves, so they run as a user who may, in a copy.
# tap FILE...
tap()
{
	local files=("$@") file status=0 preload=()

	[ ${#files[@]} -gt 0 ] || { nothing 'no test/t/*.pl'; return; }
	copy=$(scratch_directory deep_learning_tap)
	trap 'remove_servers "$copy"' EXIT
	cp -r test examples "$copy/"
	if [ -n "${DL_DELAY:-}" ]; then
		${CC:-cc} -O1 -Wall -Wextra -Werror -shared -fPIC -o "$copy/delay.so" test/delay.c -ldl
		preload=(DL_DELAY="$DL_DELAY" LD_PRELOAD="$copy/delay.so")
	fi
	[ "$(id -u)" -ne 0 ] || chown -R "$server_user": "$copy"
	(
		cd "$copy/test"
		as_server_user env TESTDIR="$copy/test" TESTDATADIR="$copy/test/tmp_check" TESTLOGDIR="$copy/test/tmp_check/log" \
			PG_REGRESS="$pgxs/test/regress/pg_regress" PATH="$(pg_bindir):$PATH" PGPORT=65432 \
			DL_EXAMPLES="$copy/examples" DL_MIX_SECONDS="${DL_MIX_SECONDS:-}" DL_CANCELS="${DL_CANCELS:-}" \
			DL_KILLS="${DL_KILLS:-}" DL_SEED="${DL_SEED:-}" PGCTLTIMEOUT=180 "${preload[@]}" \
			prove -I "$pgxs/test/perl" -I "$copy/test/t" -j"${TAP_JOBS:-2}" --timer "${files[@]#test/}"
	) >"$copy/output" 2>&1 || status=$?
	cat "$copy/output"
	for file in $(sed -n 's/^t\/\([^ ]*\)\.pl *(Wstat.*/\1/p' "$copy/output"); do
		for file in "$copy/test/tmp_check/log/regress_log_$file" "$copy/test/tmp_check/log/$file"_*.log; do
			echo "--- $(basename "$file")"
			tail -40 "$file"
		done
	done
	grep -H 'not ok [0-9]' "$copy"/test/tmp_check/log/regress_log_* | sed 's|.*/regress_log_|failed: |' || true
	return "$status"
}

stage_tap()
{
	tap test/t/*.pl
}

# On servers whose processes are delayed at random. 002 is about time itself, and 018 has to catch processes that live for moments.
stage_delay_long()
{
	DL_DELAY=${DL_DELAY:-50} tap test/t/00[!2]*.pl test/t/01[0-7]*.pl
}

# Ten minutes of sessions that score, deploy, roll back and drop.
stage_mix_long()
{
	DL_MIX_SECONDS=${DL_MIX_SECONDS:-600} tap test/t/010_score_mix.pl
}

# A thousand of each kind of cancel and terminate, and what is dropped or shut down; on a machine that does nothing else, for it asserts times.
stage_cancel_long()
{
	TAP_JOBS=1 DL_CANCELS=${DL_CANCELS:-1000} tap test/t/015_interrupt.pl test/t/017_drop.pl
}

# Three hundred kill -9 under load.
stage_kill_long()
{
	DL_KILLS=${DL_KILLS:-300} tap test/t/018_kill.pl
}

stage_docs()
{
	$server "$preload" -- test/docs.sh
}

stage_fuzz()
{
	make -s -j"$jobs" fuzz-programs && test/fuzz.sh
}

stage_coverage()
{
	make -s -j"$jobs" coverage-programs && test/coverage.sh
}

stage_cuda()
{
	local files=(gpu/*.cu) nvcc file

	[ ${#files[@]} -gt 0 ] || { nothing 'no gpu/*.cu'; return; }
	nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
	[ -x "$nvcc" ] || { nothing 'no nvcc'; return; }
	mkdir -p build/gpu
	for file in "${files[@]}"; do
		"$nvcc" -O2 -Isrc -Xcompiler -fPIC -c -o "build/gpu/$(basename "$file" .cu).o" "$file" || return 1
	done
}

# The whole extension with the other compiler.
stage_clang()
{
	local copy status=0

	copy=$(mktemp -d)
	cp -r Makefile deep_learning.control src "$copy/"
	make -s -C "$copy" -j"$jobs" CC=clang all || status=$?
	rm -rf "$copy"
	return "$status"
}

stage_fuzz_long()
{
	make -s -j"$jobs" fuzz-programs && FUZZ_RUNS=${FUZZ_RUNS:-10000000} test/fuzz.sh
}

stage_scripts_long()
{
	local files=(test/long/*.sh) file

	[ ${#files[@]} -gt 0 ] || { nothing 'no test/long/*.sh'; return; }
	for file in "${files[@]}"; do
		echo "--- $file"
		"$file" || return 1
	done
}

if [ "${1:-}" = long ]; then
	stages=("${long_stages[@]}")
elif [ $# -gt 0 ]; then
	stages=("$@")
fi
for stage in "${stages[@]}"; do
	declare -F "stage_$stage" >/dev/null || { echo "there is no stage \"$stage\"" >&2; exit 2; }
done

# A stage is a process group of its own, so that all of it can be stopped.
set -m
running=
stop()
{
	[ -n "$running" ] || return 0
	kill -TERM -- "-$running" 2>/dev/null || true
	# its scripts stop their servers and clean up, which is worth waiting for
	for _ in {1..150}; do
		kill -0 -- "-$running" 2>/dev/null || return 0
		sleep 0.2
	done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p build/log
failed=()
begin=$SECONDS
for stage in "${stages[@]}"; do
	log=build/log/$stage.log
	since=$SECONDS
	status=0
	(set +m; trap 'exit 143' TERM; "stage_$stage") >"$log" 2>&1 </dev/null &
	running=$!
	wait "$running" || status=$?
	running=
	case $status in
		0) result=ok ;;
		77) result="nothing to do: $(tail -1 "$log")" ;;
		*) result=FAILED; failed+=("$stage") ;;
	esac
	printf '%-20s %4d s  %s\n' "$stage" $((SECONDS - since)) "$result"
	if [ "$result" = FAILED ]; then
		tail -200 "$log" | sed 's/^/    /'
		# nothing else means anything then
		[ "$stage" != build ] || break
	fi
done
echo "total $((SECONDS - begin)) s"
if [ ${#failed[@]} -gt 0 ]; then
	# once more at the very end, for who sees only that
	for stage in "${failed[@]}"; do
		grep -aE '^(failed: |not ok|test .*FAILED|.*: error: )' "build/log/$stage.log" | tail -10 | sed 's/^/    /' || true
	done
	echo "FAILED: ${failed[*]}"
	exit 1
fi
