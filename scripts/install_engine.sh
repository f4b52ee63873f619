#!/usr/bin/env bash
# Build the wheel of the engine and install it into .venv.
#
# The dev profile and the target folder are those of `cargo test`, so what the one
# compiled the other finds. Only pyo3-ffi, pyo3 and the crates over them depend on
# maturin's own environment variables; scripts/cargo.sh sets those too.
#
# A wheel rather than `maturin develop`, because a second environment installs it
# too; stored rather than deflated, because packing this library takes longer than
# linking it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

step "engine: build and install the wheel (the first time this compiles DataFusion)"
rm -f .venv/wheels/trailkeeper_engine-*.whl
.venv/bin/maturin build --locked --profile dev \
    --manifest-path crates/bindings/Cargo.toml --interpreter "$PWD/.venv/bin/python" \
    --auditwheel skip --compression-method stored --out .venv/wheels
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-index --no-deps --force-reinstall .venv/wheels/trailkeeper_engine-*.whl
