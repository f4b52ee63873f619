#!/usr/bin/env bash
# Install the driver for MariaDB that Django documents into an environment: FOLDER.
#
# There is no binary wheel for Linux: it is compiled, in seconds, with the headers
# of MariaDB's client, which Debian's package brings where we are root. Exits 1
# where that cannot be done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh
source scripts/server.sh

venv=$1
if ! pkg-config --exists libmariadb 2>/dev/null; then
    install_packages libmariadb-dev pkg-config || exit 1
fi
step "$venv: mysqlclient"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement requirements/mariadb.txt
