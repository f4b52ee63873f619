#!/usr/bin/env bash
# The app's tests on every Python that this machine has, with every Django that we support.
#
#     scripts/test_matrix.sh [PYTEST-ARGUMENT...]
#
# Each Python has one environment with the wheels, which are built once; each Django one folder,
# which any Python may have on its path. SQLite is tested in every combination; PostgreSQL and
# MariaDB with every Django on the newest Python that has it. At the end stands a table, and the
# script fails if a combination failed. What is not here is said, and fails nothing.
#
# MATRIX names combinations, to run only these: MATRIX='3.13-6.1-sqlite 3.13-6.1-mariadb'.
# The results stay in .venv-matrix/results, where scripts/check_writes.py reads them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

root=$PWD
home=$root/.venv-matrix
results=$home/results
pythons=(3.11 3.12 3.13)
mapfile -t djangos < <(grep -oP '^Django==\K.*' requirements/matrix.txt)
mkdir -p "$results"

# Of a version, the part that combinations are called by: 6.1.3 is 6.1.
short() { cut -d. -f1,2 <<<"$1"; }

# A folder with one Django and nothing else: VERSION. Other versions of it go away.
install_django() {
    local folder
    folder=$home/django-$(short "$1")
    [[ -d $folder/Django-$1.dist-info || -d $folder/django-$1.dist-info ]] && return
    rm -rf "$folder"
    # It is for other Pythons than the one that fetches it.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
        --ignore-requires-python --target "$folder" "Django==$1"
}

# Whether a Django supports a Python: DJANGO PYTHON.
supports() {
    local metadata=("$home/django-$1"/[Dd]jango-*.dist-info/METADATA)
    .venv/bin/python - "${metadata[0]}" "$2" <<'END'
import sys
from email.parser import HeaderParser
from pathlib import Path

from packaging.specifiers import SpecifierSet

needs = HeaderParser().parsestr(Path(sys.argv[1]).read_text())["Requires-Python"]
sys.exit(f"{sys.argv[2]}.99" not in SpecifierSet(needs))
END
}

# The environment of one Python, with the wheels: PYTHON.
make_environment() {
    local python
    python=$(scripts/find_python.sh "$1" exactly) || return 1
    PYTHON=$python scripts/make_venv.sh "$home/python-$1" "$1" --requirement requirements/test.txt
    "$home/python-$1/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-index --no-deps --force-reinstall .venv/wheels/*.whl
}

# One combination: PYTHON DJANGO DATABASE PYTEST-ARGUMENT...
run_one() (
    name=$1-$2-$3
    python=$home/python-$1/bin/python
    beside=()
    case $3 in
        postgresql) beside=("$root/scripts/postgres.sh") ;;
        mariadb)
            "$root/scripts/install_mysqlclient.sh" "$home/python-$1" >"$results/$name.log" 2>&1 || return 0
            beside=("$root/scripts/mariadb.sh")
            ;;
    esac
    step "Python $1, Django $2, $3"
    export PYTHONPATH=$home/django-$2
    cd python
    "${beside[@]}" "$python" -m pytest --quiet --junit-xml="$results/$name.xml" "${@:4}" \
        >"$results/$name.log" 2>&1
)

is_wanted() { [[ -z ${MATRIX:-} || " $MATRIX " == *" $1 "* ]]; }

unset TRAILKEEPER_TEST_DATABASE_URL TRAILKEEPER_URL
scripts/pack_app.sh
for django in "${djangos[@]}"; do install_django "$django"; done

names=()
here=()
for python in "${pythons[@]}"; do
    if make_environment "$python"; then here=("$python" "${here[@]}"); fi
done
for django in "${djangos[@]}"; do
    django=$(short "$django")
    servers=(postgresql mariadb)
    # The newest first: on it the servers are tested too.
    for python in "${here[@]}"; do
        if supports "$django" "$python"; then
            for database in sqlite "${servers[@]}"; do names+=("$python-$django-$database"); done
            servers=()
        fi
    done
done

status=0
for name in "${names[@]}"; do
    is_wanted "$name" || continue
    rm -f "$results/$name".*
    IFS=- read -r python django database <<<"$name"
    if ! run_one "$python" "$django" "$database" "$@"; then
        status=1
        tail -n 15 "$results/$name.log" || true
    fi
done

step "the matrix"
for python in "${pythons[@]}"; do
    [[ " ${here[*]} " == *" $python "* ]] || printf '%-24s not here\n' "Python $python"
done
.venv/bin/python scripts/suites/matrix_table.py "$results" "${names[@]}"
# A part of the tests says nothing of the others.
(($#)) || scripts/check_writes.py "$results" || status=1
exit "$status"
