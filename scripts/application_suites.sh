#!/usr/bin/env bash
# The own tests of well-known Django applications, with Trailkeeper installed and watching all models.
#
#     scripts/application_suites.sh [NAME...]     these, or all of requirements/suites.txt
#
# The tests are those of the sdists. They run on the database that TRAILKEEPER_TEST_DATABASE_URL
# names, or on SQLite: once without Trailkeeper and once with it, when tables and trail are compared
# after each test. A test that fails only with it fails the script, and so does an event that was
# dropped. docs/guide/suites.md tells more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/say.sh
source scripts/say.sh

root=$PWD
python=$root/.venv/bin/python

# Of each application: the folder of its sdist that its tests import from, its settings, its tests.
declare -A folder_of=([django-reversion]=tests [django-safedelete]=. [django-taggit]=.)
declare -A settings_of=(
    [django-reversion]=test_project.settings
    [django-safedelete]=safedelete.tests.settings
    [django-taggit]=tests.settings
)
declare -A tests_of=(
    [django-reversion]=test_app.tests
    [django-safedelete]=safedelete.tests
    [django-taggit]=tests
)

# The sdist, unpacked: REQUIREMENT FOLDER.
unpack() {
    [[ ! -d $2 ]] || return 0
    step "the tests of $1"
    rm -rf "$2.part" && mkdir -p "$2.part"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary "${1%%==*}" --dest "$2.part" "$1"
    tar -xzf "$2.part"/*.tar.gz -C "$2.part" --strip-components=1
    rm "$2.part"/*.tar.gz
    mv "$2.part" "$2"
}

# The tests of one application: NAME FOLDER WATCHED FAILED LOG.
run_tests() (
    cd "$2/${folder_of[$1]}"
    export SUITE_SETTINGS=${settings_of[$1]} SUITE_WATCHED=$3 SUITE_FAILED=$4
    export PYTHONPATH=$root/scripts/suites:$root/python/src:$2:$2/${folder_of[$1]}
    exec "$python" -W ignore -m django test --settings=suite_application --noinput "${tests_of[$1]}" \
        >"$5" 2>&1
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
while IFS= read -r requirement; do
    name=${requirement%%==*}
    (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
    folder=$root/.venv/suites/${requirement/==/-}
    unpack "$requirement" "$folder"
    step "the own tests of $requirement"
    # Without Trailkeeper they may fail: what fails then is not ours.
    run_tests "$name" "$folder" 0 "$work/without" "$work/log" || true
    [[ -f $work/without ]] || die "they did not run" "$(tail -n 20 "$work/log")"
    watched=0
    run_tests "$name" "$folder" 1 "$work/with" "$work/log" || watched=$?
    [[ -f $work/with ]] || die "they did not run with Trailkeeper" "$(tail -n 20 "$work/log")"
    grep -E '^(Ran|trailkeeper:|dropped:) ' "$work/log" || true
    broken=$(comm -13 "$work/without" "$work/with")
    # 3 is the code of suite_report.
    if [[ -n $broken ]] || ((watched == 3)); then
        cat "$work/log"
        loud "$name: with Trailkeeper, and not without:" "${broken:-events were dropped}"
        status=1
    elif [[ -s $work/without ]]; then
        printf 'fails without Trailkeeper too: %s\n' "$(paste -sd' ' "$work/without")"
    fi
    rm -f "$work/with" "$work/without"
done < <(grep -v '^#' requirements/suites.txt)
exit "$status"
