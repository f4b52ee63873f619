#!/usr/bin/env bash
# Run a command with a throw-away S3 server beside it.
#
#     scripts/s3.sh COMMAND [ARGUMENT...]
#
# The server is moto, on a free port of the loopback interface, in an environment of
# its own (.venv-s3). It holds one empty bucket. TRAILKEEPER_TEST_S3 tells the command
# its address (s3://bucket), and the variables that the tools of Amazon read say how
# it is reached. When the command ends, however it ends, the server is stopped; the
# exit code is the command's.
#
# Where the server cannot be installed, the command runs without it: that is said
# loudly, and its tests say that they skip; with TRAILKEEPER_REQUIRE_S3=1 it is an
# error (as in CI).
set -euo pipefail
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/say.sh
source "$here/say.sh"
# shellcheck source=scripts/server.sh
source "$here/server.sh"
(($#)) || die "usage: scripts/s3.sh COMMAND [ARGUMENT...]"

environment=$here/../.venv-s3
bucket=trailkeeper-tests

# What a developer has set for buckets of theirs is not for the tests.
for name in "${!AWS_@}"; do unset "$name"; done
unset TRAILKEEPER_TEST_S3

if ! "$here/make_venv.sh" "$environment" 3.11 --requirement "$here/../requirements/s3.txt"; then
    loud "NOT TESTED on S3: its server could not be installed." \
        "It comes from PyPI: pip install --requirement requirements/s3.txt"
    if ((${TRAILKEEPER_REQUIRE_S3:-0})); then exit 1; fi
    exec "$@"
fi

server=
folder=$(mktemp -d "${TMPDIR:-/tmp}/trailkeeper-s3.XXXXXX")
# shellcheck disable=SC2329 # called by the trap
stop_server() {
    if [[ $server ]] && kill -INT "$server" 2>/dev/null; then
        for _ in {1..50}; do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$server" || true
        wait "$server" || true
    fi 2>/dev/null
}
trap remove_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Makes the bucket: it answers before it can be asked anything else.
is_answering() {
    "$environment/bin/python" - "http://127.0.0.1:$1/$bucket" <<'END'
import sys, urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="PUT"), timeout=60)
except OSError:
    sys.exit(1)
END
}

for attempt in 1 2 3; do
    port=$(free_port)
    # A process in the background is started deaf to an interrupt. One line for each request
    # would be more than anybody reads.
    "$environment/bin/python" -c '
import logging, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import main
main(["--host", "127.0.0.1", "--port", sys.argv[1]])' "$port" >"$folder/server.log" 2>&1 &
    server=$!
    for _ in {1..300}; do
        if is_answering "$port"; then break 2; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done
    stop_server || true
    ((attempt < 3)) || die "the S3 server did not start" "$(tail -n 20 "$folder/server.log")"
done

export TRAILKEEPER_TEST_S3=s3://$bucket AWS_ENDPOINT_URL=http://127.0.0.1:$port \
    AWS_ALLOW_HTTP=true AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=trailkeeper \
    AWS_SECRET_ACCESS_KEY=not-a-secret
status=0
"$@" || status=$?
exit "$status"
