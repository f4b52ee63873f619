#!/usr/bin/env bash
# Make or update a virtual environment.
#
#     scripts/make_venv.sh FOLDER MAJOR.MINOR PIP-ARGUMENT...
#
# MAJOR.MINOR is the oldest Python that will do; the rest goes to `pip install`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

folder=$1 oldest=$2
shift 2

# A folder left by an interrupted run, or by a Python that is gone, is made anew.
if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(scripts/find_python.sh "$oldest") || die "no Python $oldest or newer was found" \
        "install one, or name it: make PYTHON=/path/to/python3 ..."
    step "$folder with $("$python" --version)"
    rm -rf "$folder"
    "$python" -m venv "$folder" || die "$python cannot make a virtual environment" \
        "on Debian: apt-get install python3-venv"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
