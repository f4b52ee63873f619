#!/usr/bin/env bash
# Print the path of a Python that is at least as new as asked for, or just that one.
#
#     scripts/find_python.sh 3.11 [exactly]
#
# Looks at $PYTHON, the interpreters on the PATH and those of pyenv, and takes
# the oldest that will do: what works there works on the newer ones. Exits 1
# without a word when there is none.
set -euo pipefail

wanted=${1:?usage: find_python.sh MAJOR.MINOR [exactly]}
pyenv=${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}

will_do() {
    # A shim of pyenv exists for versions that are not active, and then fails.
    "$1" -c "import sys; wanted, found = (${wanted/./, }), sys.version_info[:2]
sys.exit(found != wanted if '${2:-}' else found < wanted)" 2>/dev/null
}

candidates=()
[[ -n ${PYTHON:-} ]] && candidates+=("$PYTHON")
candidates+=(python3)
for minor in 11 12 13 14; do
    candidates+=("python3.$minor")
    for installed in "$pyenv"/versions/3."$minor"*/bin/python3; do
        candidates+=("$installed")
    done
done

for candidate in "${candidates[@]}"; do
    if will_do "$candidate" "${2:-}"; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
exit 1
