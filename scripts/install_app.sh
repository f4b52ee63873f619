#!/usr/bin/env bash
# Build the recorder and install the Django app into .venv, editable: a change to
# a Python file needs no new build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

step "trailkeeper: build the recorder and install the app"
root=$PWD
cd python
PIP_QUIET=1 VIRTUAL_ENV=$root/.venv "$root/.venv/bin/maturin" develop --quiet --locked --profile dev
