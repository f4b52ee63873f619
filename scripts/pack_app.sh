#!/usr/bin/env bash
# The app's wheel, packed from today's files into .venv/wheels, beside the engine's that
# `make setup` built. Both are abi3: they serve every Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
rm -f .venv/wheels/trailkeeper-*.whl
cd python
"$root/.venv/bin/maturin" build --quiet --locked --profile dev \
    --interpreter "$root/.venv/bin/python" --auditwheel skip --out "$root/.venv/wheels"
