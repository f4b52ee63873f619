#!/usr/bin/env bash
# Run a command with a throw-away PostgreSQL server beside it.
#
#     scripts/postgres.sh COMMAND [ARGUMENT...]
#
# The server is one of the loopback interface, in a temporary folder, as
# scripts/server.sh says. TRAILKEEPER_TEST_DATABASE_URL tells the command where it
# is. When the command ends, however it ends, the server is stopped and the folder
# removed; the exit code is the command's.
#
# As root, Debian's package is installed when no server is found. Where none can
# be had, the command is not run: that is said loudly, and the exit code is 0, or
# 1 with TRAILKEEPER_REQUIRE_POSTGRES=1 (as in CI).
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/say.sh
source "$here/say.sh"
# shellcheck source=scripts/server.sh
source "$here/server.sh"
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

install_server() {
    # The package would create and start a server of its own on the usual port.
    local switch=/etc/postgresql-common/createcluster.d/trailkeeper-tests.conf failed=0
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$(dirname "$switch")"
        echo 'create_main_cluster = false' >"$switch"
    fi
    install_packages postgresql || failed=1
    rm -f "$switch"
    return "$failed"
}

if ! programs=$(find_programs) && ! { install_server && programs=$(find_programs); }; then
    not_tested PostgreSQL "${TRAILKEEPER_REQUIRE_POSTGRES:-0}" postgresql
fi

# shellcheck disable=SC2329 # called when the script ends
stop_server() {
    if [[ -f $folder/data/postmaster.pid ]]; then
        run pg_ctl stop --silent --mode immediate --pgdata "$folder/data"
    fi
}
run() { as_server_user "$programs/$1" "${@:2}"; }

make_folder postgres postgres
write_secret password <<<"$password"
run initdb --pgdata "$folder/data" --username trailkeeper --pwfile "$folder/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$folder/initdb.log" 2>&1 ||
    die "initdb failed" "$(<"$folder/initdb.log")"

# Nothing here outlives the run: it need not survive a crash.
for attempt in 1 2 3; do
    port=$(free_port)
    if run pg_ctl start --silent --wait --timeout 60 --pgdata "$folder/data" \
        --log "$folder/server.log" --options "-p $port -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories=$folder -c max_connections=200 -c timezone=UTC \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off"; then
        break
    fi
    ((attempt < 3)) || die "the PostgreSQL server did not start" \
        "$(tail -n 20 "$folder/server.log")"
done

run_beside "postgres://trailkeeper:$password@127.0.0.1:$port/postgres" "$@"
