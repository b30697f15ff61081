#!/bin/bash
# Runs every SQL block of README.md and docs/*.md (```sql), page by page, in a
# database of its own, against the server that the environment names.  The last
# statement of a block marked "```sql error" must fail, all others must not.
# A page that does not create the extension itself finds it created.
. "$(dirname "$0")/common.sh"

shopt -s nullglob
pages=(docs/*.md)
[ ! -f README.md ] || pages=(README.md "${pages[@]}")
[ ${#pages[@]} -gt 0 ] || { echo "there are no pages" >&2; exit 1; }
if [ $# -gt 0 ]; then
	pages=("$@")
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The blocks of a page as one psql script.
page_script()
{
	awk '
		/^ *```/ && inside {
			if (fails) {
				print "\\if :ERROR"
				print "\\else"
				print "\\warn " FILENAME " line " start ": this block is to fail, but did not"
				print "\\set ON_ERROR_STOP on"
				print "DO $$ BEGIN RAISE EXCEPTION $m$no error$m$; END $$;"
				print "\\endif"
			}
			inside = 0
			next
		}
		/^ *```sql( error)? *$/ {
			inside = 1
			start = FNR
			fails = /error/
			print "\\set ON_ERROR_STOP " (fails ? "off" : "on")
			print "\\echo --- " FILENAME " line " start
			next
		}
		/^ *```/ {other = !other}
		inside {print}
	' "$1"
}

failed=0
count=0
number=0
for page in "${pages[@]}"; do
	script=$scratch/page.sql
	page_script "$page" >"$script"
	blocks=$(grep -c '^\\echo --- ' "$script" || true)
	[ "$blocks" -gt 0 ] || continue
	count=$((count + blocks))
	number=$((number + 1))
	database=docs_$number
	createdb "$database"
	grep -qi 'CREATE EXTENSION.*deep_learning' "$script" ||
		psql -X -q -d "$database" -c 'CREATE EXTENSION deep_learning'
	if ! psql -X -q -d "$database" -v examples="$PWD/examples" -f "$script" >"$scratch/output" 2>&1; then
		failed=1
		echo "$page: FAILED; the output ends with"
		tail -30 "$scratch/output" | sed 's/^/    /'
	fi
	dropdb --force "$database"
done
echo "$count blocks of $number pages were run"
exit "$failed"
