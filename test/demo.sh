#!/bin/bash
# Builds, installs, and shows the extension at work on a throw-away server.
. "$(dirname "$0")/common.sh"

echo "Building and installing."
install_extension
exec test/server.sh shared_preload_libraries=deep_learning -- \
	psql -X -q -v ON_ERROR_STOP=1 -v examples="$PWD/examples" <examples/demo.sql
