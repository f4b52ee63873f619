#!/usr/bin/env bash
# A second environment, .venv-django6: a newer Python and Django 6 with the wheels
# of both packages, as a user gets them. The engine's is the one that `make setup`
# built: abi3, so it serves every Python. The app's is packed from today's files,
# which also shows that none is missing from the package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

venv=.venv-django6

step "$venv: install the wheels"
scripts/make_venv.sh "$venv" 3.12 --requirement requirements/django6.txt
scripts/pack_app.sh
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-index --no-deps --force-reinstall .venv/wheels/*.whl
