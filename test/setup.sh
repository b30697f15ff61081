#!/bin/bash
# test/setup.sh build|all
#
# Installs the Debian packages that are missing, for building and running
# (build) or for the tests too (all).  Does nothing, and needs no root, when all
# are there.  Leaves no server running.
. "$(dirname "$0")/common.sh"

build=(gcc make libc6-dev postgresql-15 postgresql-server-dev-15 libjansson-dev libopenblas0-pthread)
tests=(clang-14 clang libclang-rt-14-dev llvm-14 perl libipc-run-perl postgresql-15-pgtap postgresql-15-cron
	libtap-parser-sourcehandler-pgtap-perl python3 python3-numpy)

case ${1:-} in
	build) wanted=("${build[@]}") ;;
	all) wanted=("${build[@]}" "${tests[@]}") ;;
	*) echo "usage: test/setup.sh build|all" >&2; exit 2 ;;
esac

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${wanted[@]}"; do
	installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

log=$(mktemp)
no_cluster=/etc/postgresql-common/createcluster.d/deep_learning.conf

finish()
{
	rm -f "$log"
	[ ! -e "$no_cluster" ] || as_root rm -f "$no_cluster"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

quietly()
{
	if ! as_root "$@" >"$log" 2>&1; then
		cat "$log" >&2
		echo "could not run: $*" >&2
		exit 1
	fi
}

echo "Installing ${#missing[@]} packages: ${missing[*]}"

# Debian's server package makes a cluster and starts it unless told not to,
# which is for the time of this installation only.
if ! installed postgresql-15; then
	quietly mkdir -p "${no_cluster%/*}"
	quietly sh -c "echo 'create_main_cluster = false' >$no_cluster"
fi
if ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then
	quietly apt-get -q update
fi

get=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends
	-o Dpkg::Options::=--force-confold install "${missing[@]}")
if ! as_root "${get[@]}" >"$log" 2>&1; then
	# the lists may be older than the archive
	quietly apt-get -q update
	quietly "${get[@]}"
fi
