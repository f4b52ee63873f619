#!/usr/bin/env bash
# All Python tests: the app on SQLite, PostgreSQL and MariaDB, a sample of Django's
# own tests on the first two, those of an application, the example project, the scripts themselves, and the app again on Django 6 where a Python 3.12 is found.
#
#     scripts/test_python.sh [PYTEST-ARGUMENT...]
#
# The arguments go to the runs of the app's suite.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh
root=$PWD

# Runs pytest in a folder of the repository: environment, folder, arguments.
run_pytest() (cd "$2" && "$root/$1/bin/python" -m pytest "${@:3}")

# The app on servers, which work on one core while the tests wait on the other.
on_servers() {
    step "app on PostgreSQL, Django 5.2"
    (cd python && "$root/scripts/postgres.sh" "$root/.venv/bin/python" -m pytest "$@")

    step "app on MariaDB, Django 5.2"
    if scripts/install_mysqlclient.sh .venv; then
        (cd python && "$root/scripts/mariadb.sh" "$root/.venv/bin/python" -m pytest "$@")
    else
        loud "NOT TESTED on MariaDB: its driver for Python could not be compiled." \
            "It needs the headers of Python and MariaDB: on Debian, libmariadb-dev and pkg-config"
        ((${TRAILKEEPER_REQUIRE_MARIADB:-0} == 0)) || exit 1
    fi

    scripts/postgres.sh scripts/django_suite.sh
}

without_servers() {
    step "app on SQLite, Django 5.2"
    run_pytest .venv python "$@"

    scripts/django_suite.sh
    scripts/application_suites.sh django-safedelete

    step "example: invoicing"
    run_pytest .venv examples/invoicing

    step "scripts"
    run_pytest .venv scripts

    if scripts/find_python.sh 3.12 >/dev/null; then
        scripts/make_django6.sh
        step "app on SQLite, Django 6"
        run_pytest .venv-django6 python "$@"
    else
        loud "NOT TESTED on Django 6: it needs Python 3.12 or newer, and none was found."
    fi
}

# What a developer has set for a project of theirs is not for the tests.
unset TRAILKEEPER_TEST_DATABASE_URL TRAILKEEPER_URL

# shellcheck disable=SC2329 # called by the trap
stop() {
    local group
    for group in "${groups[@]}"; do
        kill -- "-$group" 2>/dev/null && wait "$group" || true
    done
    rm -f "$log"
}

log=$(mktemp)
groups=()
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
echo "==> the tests on PostgreSQL and MariaDB run meanwhile, and are shown behind those on SQLite"
# Each in a process group of its own, to be ended as a whole; in the background, so that the
# first failure of one ends it, and not the other.
set -m
(on_servers "$@") >"$log" 2>&1 &
groups+=("$!")
(without_servers "$@") &
groups+=("$!")
set +m

status=0
wait "${groups[1]}" || status=$?
wait "${groups[0]}" || status=$?
cat "$log"
((status == 0)) || die "tests have failed: see above"
