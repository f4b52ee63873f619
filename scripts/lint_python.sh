#!/usr/bin/env bash
# ruff over every Python file, mypy over the app, shellcheck over the scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

folders=()
for folder in python examples bench scripts; do
    if [[ -d $folder ]]; then folders+=("$folder"); fi
done

step "ruff: ${folders[*]}"
.venv/bin/ruff check --quiet "${folders[@]}"
.venv/bin/ruff format --quiet --check "${folders[@]}"

step "mypy: python/src"
(cd python && ../.venv/bin/mypy --no-error-summary)

step "shellcheck"
.venv/bin/shellcheck --external-sources scripts/*.sh .ci/run
