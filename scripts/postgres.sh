#!/usr/bin/env bash
# Run a command with a throw-away PostgreSQL server beside it.
#
#     scripts/postgres.sh COMMAND [ARGUMENT...]
#
# The server lives in a new temporary folder, listens on a free port of the
# loopback interface only, takes a password made for this run, and runs as an
# unprivileged user where we are root. TRAILKEEPER_TEST_DATABASE_URL tells the
# command where it is. When the command ends, however it ends, the server is
# stopped and the folder removed; the exit code is the command's.
#
# As root, Debian's package is installed when no server is found. Where none can
# be had, the command is not run: that is said loudly, and the exit code is 0, or
# 1 with TRAILKEEPER_REQUIRE_POSTGRES=1 (as in CI).
set -euo pipefail
# shellcheck source=scripts/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"
(($#)) || die "usage: scripts/postgres.sh COMMAND [ARGUMENT...]"

find_programs() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort --version-sort | tail -n 1)
    if [[ -x $newest ]]; then
        dirname "$newest"
    elif command -v postgres >/dev/null && command -v initdb >/dev/null; then
        dirname "$(command -v postgres)"
    else
        return 1
    fi
}

install_package() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    step "installing PostgreSQL (Debian's package)"
    export DEBIAN_FRONTEND=noninteractive
    # The package would create and start a server of its own on the usual port.
    local switch=/etc/postgresql-common/createcluster.d/trailkeeper-tests.conf
    local -a apt=(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
    mkdir -p "$(dirname "$switch")"
    echo 'create_main_cluster = false' >"$switch"
    local failed=0
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends postgresql; } \
        >/dev/null || failed=1
    rm -f "$switch"
    return "$failed"
}

if ! programs=$(find_programs) && ! { install_package && programs=$(find_programs); }; then
    loud "NOT TESTED on PostgreSQL: no server was found, and none could be installed." \
        "On Debian, as root: apt-get install postgresql"
    exit "${TRAILKEEPER_REQUIRE_POSTGRES:-0}"
fi

# PostgreSQL refuses to run as root. Its folder must be one that the other user
# can reach, which a private TMPDIR is not.
as_server=()
parent=${TMPDIR:-/tmp}
if [[ $(id -u) == 0 ]]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as_server=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
    parent=/tmp
fi

folder=$(mktemp -d "$parent/trailkeeper-postgres.XXXXXX")
# shellcheck disable=SC2329 # called by the trap
stop() {
    if [[ -f $folder/data/postmaster.pid ]]; then
        (cd "$folder" && "${as_server[@]}" "$programs/pg_ctl" stop --silent --mode immediate \
            --pgdata "$folder/data") || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
(umask 077 && echo "$password" >"$folder/password")
if [[ $(id -u) == 0 ]]; then chown -R "$user" "$folder"; fi

run() (cd "$folder" && "${as_server[@]}" "$programs/$1" "${@:2}")

run initdb --pgdata "$folder/data" --username trailkeeper --pwfile "$folder/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$folder/initdb.log" 2>&1 ||
    die "initdb failed" "$(<"$folder/initdb.log")"

# Nothing here outlives the run: it need not survive a crash. The port is free
# when asked for; should another take it first, ask again.
for attempt in 1 2 3; do
    port=$(python3 -c '
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])')
    if run pg_ctl start --silent --wait --timeout 60 --pgdata "$folder/data" \
        --log "$folder/server.log" --options "-p $port -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories=$folder -c max_connections=200 -c timezone=UTC \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off"; then
        break
    fi
    ((attempt < 3)) || die "the PostgreSQL server did not start" \
        "$(tail -n 20 "$folder/server.log")"
done

export TRAILKEEPER_TEST_DATABASE_URL="postgres://trailkeeper:$password@127.0.0.1:$port/postgres"
status=0
"$@" || status=$?
exit "$status"
