#!/usr/bin/env bash
# Run a command with a throw-away MariaDB server beside it.
#
#     scripts/mariadb.sh COMMAND [ARGUMENT...]
#
# The server is one of the loopback interface, in a temporary folder, as
# scripts/server.sh says. TRAILKEEPER_TEST_DATABASE_URL tells the command where it
# is. When the command ends, however it ends, the server is stopped and the folder
# removed; the exit code is the command's.
#
# As root, Debian's package is installed when no server is found. Where none can
# be had, the command is not run: that is said loudly, and the exit code is 0, or
# 1 with TRAILKEEPER_REQUIRE_MARIADB=1.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/say.sh
source "$here/say.sh"
# shellcheck source=scripts/server.sh
source "$here/server.sh"
(($#)) || die "usage: scripts/mariadb.sh COMMAND [ARGUMENT...]"

# The server is in /usr/sbin, which the PATH of a user need not have.
PATH=$PATH:/usr/sbin
# The programs alone: `mariadb-server` would start a server on the usual port.
packages=(mariadb-server-core mariadb-client-core)

# `mariadb-install-db` needs the last, which is in the client's package.
has_programs() {
    command -v mariadbd && command -v mariadb-install-db && command -v my_print_defaults
} >/dev/null

if ! has_programs && ! { install_packages "${packages[@]}" && has_programs; }; then
    not_tested MariaDB "${TRAILKEEPER_REQUIRE_MARIADB:-0}" "${packages[@]}"
fi

server=
# shellcheck disable=SC2329 # called when the script ends
stop_server() {
    if [[ $server ]]; then
        kill -KILL "$server"
        wait "$server"
    fi 2>/dev/null
}

# Waits for the server's greeting: it listens before it answers.
is_answering() {
    kill -0 "$server" 2>/dev/null && python3 - "$1" <<'END'
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as server:
        sys.exit(not server.recv(1))
except OSError:
    sys.exit(1)
END
}

make_folder mariadb mysql
as_server_user mariadb-install-db --no-defaults --datadir="$folder/data" --skip-test-db \
    --auth-root-authentication-method=socket >"$folder/install.log" 2>&1 ||
    die "mariadb-install-db failed" "$(<"$folder/install.log")"
write_secret init.sql <<END
CREATE USER trailkeeper@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL ON *.* TO trailkeeper@'127.0.0.1';
CREATE DATABASE trailkeeper;
END

# As Debian configures it, where it matters: utf8mb4; and in UTC. A value of the
# tests has 20 MB. Nothing here outlives the run: it need not survive a crash.
for attempt in 1 2 3; do
    port=$(free_port)
    # One process, so that what is killed is the server.
    {
        cd "$folder" && exec "${as_server[@]}" mariadbd --no-defaults --datadir="$folder/data" \
            --init-file="$folder/init.sql" --pid-file="$folder/pid" --socket="$folder/socket" \
            --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --skip-log-bin \
            --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
            --default-time-zone=+00:00 --max-connections=200 --max-allowed-packet=256M \
            --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-use-native-aio=0
    } >"$folder/server.log" 2>&1 &
    server=$!
    for _ in {1..300}; do
        if is_answering "$port"; then break 2; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done
    stop_server || true
    ((attempt < 3)) || die "the MariaDB server did not start" \
        "$(tail -n 20 "$folder/server.log")"
done

run_beside "mysql://trailkeeper:$password@127.0.0.1:$port/trailkeeper" "$@"
