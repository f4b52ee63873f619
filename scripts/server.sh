# shellcheck shell=bash
# A throw-away server beside a command: what scripts/postgres.sh, scripts/mariadb.sh and
# scripts/s3.sh share. Sourced, never run.
#
# The server lives in a new temporary folder, listens on a free port of the
# loopback interface only, takes a password made for this run, and runs as an
# unprivileged user where we are root. However the command ends, `stop_server` is
# called, which the script defines, and the folder is removed.

# Debian's packages, as root: PACKAGE...
install_packages() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    step "installing Debian's packages: $*"
    local -a apt=(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" update >/dev/null &&
        DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "$@" \
            >/dev/null
}

# Says that the command is not run, and ends the script: DATABASE REQUIRED PACKAGE...
not_tested() {
    loud "NOT TESTED on $1: no server was found, and none could be installed." \
        "On Debian, as root: apt-get install ${*:3}"
    exit "$2"
}

# Makes the server's folder and its password: DATABASE USER. Sets `folder`,
# `password` and `as_server`, the words before a command that the server's user
# runs: USER, or nobody where there is no such user.
make_folder() {
    local parent=${TMPDIR:-/tmp} user=$2
    as_server=()
    if [[ $(id -u) == 0 ]]; then
        # Neither server runs as root. The other user must be able to reach the
        # folder, which is not so in a private TMPDIR.
        id "$user" >/dev/null 2>&1 || user=nobody
        as_server=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
        parent=/tmp
    fi
    folder=$(mktemp -d "$parent/trailkeeper-$1.XXXXXX")
    trap remove_server EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # shellcheck disable=SC2034 # for the script
    password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
    if ((${#as_server[@]})); then chown "$user:" "$folder"; fi
}

# shellcheck disable=SC2329 # called by the trap
remove_server() {
    stop_server || true
    rm -rf "$folder"
}

# A file that only the server's user reads: NAME, and its text as standard input.
write_secret() (cd "$folder" && umask 077 && as_server_user tee "$folder/$1" >/dev/null)

# A command as the server's user, in the server's folder.
as_server_user() (cd "$folder" && exec "${as_server[@]}" "$@")

# The port is free when asked for; should another take it first, ask again.
free_port() {
    python3 -c '
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])'
}

# Runs the command beside the server, and ends the script with its exit code:
# URL COMMAND [ARGUMENT...]
run_beside() {
    local status=0
    export TRAILKEEPER_TEST_DATABASE_URL=$1
    "${@:2}" || status=$?
    exit "$status"
}
