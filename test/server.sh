#!/bin/bash
# test/server.sh [SETTING=VALUE]... -- COMMAND [ARGUMENT]...
#
# Runs a command with a throw-away PostgreSQL server beside it.  The command
# finds the server through PGHOST and PGPORT, as its superuser "postgres"; it
# runs as whoever called, in the directory that was current.  The server
# listens on a socket in its own directory only, and is stopped and removed
# when the command ends, however that happens.  Exit status: the command's.
caller_directory=$PWD
. "$(dirname "$0")/common.sh"

bindir=$(pg_bindir)
settings=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	settings+=("$1")
	shift
done
[ $# -gt 1 ] || { sed -n 's/^# \(test\/server.sh.*\)/usage: \1/p' "$0" >&2; exit 2; }
shift

child=
directory=$(scratch_directory deep_learning)

finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [ -n "$child" ]; then
		kill -TERM "$child" 2>/dev/null || true
	fi
	if [ -f "$directory/data/postmaster.pid" ]; then
		as_server_user "$bindir/pg_ctl" -D "$directory/data" -m immediate -w -t 30 stop >/dev/null 2>&1 || true
	fi
	if [ -n "${DL_SERVER_LOG:-}" ] && [ -f "$directory/log" ]; then
		cp "$directory/log" "$DL_SERVER_LOG"
	fi
	rm -rf "$directory"
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$directory"
if ! as_server_user "$bindir/initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
	>initdb.log 2>&1; then
	cat initdb.log >&2
	exit 1
fi
{
	echo "listen_addresses = ''"
	echo "unix_socket_directories = '$directory'"
	echo "unix_socket_permissions = 0777"
	echo "port = 5432"
	echo "fsync = off"
	echo "max_worker_processes = 16"
	echo "log_min_messages = warning"
	for setting in "${settings[@]}"; do
		echo "${setting%%=*} = '${setting#*=}'"
	done
} >settings.conf
cat settings.conf >>data/postgresql.conf
touch log
[ "$(id -u)" -ne 0 ] || chown "$server_user": log
if ! as_server_user "$bindir/pg_ctl" -D data -l log -w -t 180 start >/dev/null 2>&1; then
	cat log >&2
	exit 1
fi

export PGHOST=$directory PGPORT=5432 PGUSER=postgres PGDATABASE=postgres DL_SERVER_DIRECTORY=$directory
unset PGSERVICE PGPASSWORD PGOPTIONS PGHOSTADDR
PATH=$bindir:$PATH
cd "$caller_directory"

# In the background, so that a signal to this script is served at once.
"$@" <&0 &
child=$!
status=0
wait "$child" || status=$?
child=
if [ "$status" -ne 0 ] && grep -aqE 'PANIC|terminated by signal|TRAP:' "$directory/log"; then
	echo "--- from the server's log:" >&2
	grep -aE -B2 -A2 'PANIC|terminated by signal|TRAP:' "$directory/log" | tail -40 >&2
fi
exit "$status"
