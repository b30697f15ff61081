# Sourced by the scripts of this directory, which are started from anywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8
PG_CONFIG=${PG_CONFIG:-pg_config}

pg_bindir()
{
	"$PG_CONFIG" --bindir
}

# as_root COMMAND...: directly or through sudo.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "This needs root: run it as root, or install sudo. ($*)" >&2
		return 1
	fi
}

# PostgreSQL's programs refuse to run as root; then they run as this user.
server_user=postgres

# as_server_user COMMAND...: the same user, unless that is root.
as_server_user()
{
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid="$server_user" --regid="$server_user" --init-groups -- env HOME=/nonexistent "$@"
	else
		"$@"
	fi
}

# scratch_directory NAME: a new directory that the server's user can write.
scratch_directory()
{
	local directory

	directory=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
	if [ "$(id -u)" -eq 0 ]; then
		chown "$server_user": "$directory"
	fi
	echo "$directory"
}

# Installs what "make all" has built; says nothing unless it fails.
install_extension()
{
	local log

	log=$(make -s -j2 all 2>&1) || { echo "$log"; return 1; }
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
		log=$(make -s install 2>&1) || { echo "$log"; return 1; }
	else
		log=$(as_root make -s install PG_CONFIG="$PG_CONFIG" 2>&1) || { echo "$log"; return 1; }
	fi
}
