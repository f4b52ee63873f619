#!/usr/bin/env bash
# The environment of the benchmarks, .venv-bench: the peers, and both packages as
# wheels that are optimised as a release is.
#
# The first time this compiles DataFusion with all optimisations, which takes far
# longer than `make setup`. `--recorder` leaves the engine out: `bench/save.py` can
# run without it, and what needs it says that it was not measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

root=$PWD
venv=.venv-bench
wheels=$root/$venv/wheels

build() {
    "$root/.venv/bin/maturin" build --quiet --locked --auditwheel skip \
        --interpreter "$root/$venv/bin/python" --out "$wheels" "$@"
}

scripts/make_venv.sh "$venv" 3.11 --requirement requirements/bench.txt
rm -rf "$wheels" "$venv/release.sha256"

step "$venv: build the recorder (release) and the app"
(cd python && build --profile recorder)
if [[ ${1:-} != --recorder ]]; then
    step "$venv: build the engine (release; the first time this compiles DataFusion)"
    build --release --manifest-path crates/bindings/Cargo.toml --compression-method stored
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-index --no-deps --force-reinstall "$wheels"/*.whl
# By which the report knows that it measures these, and not what somebody put there since.
find "$root/$venv"/lib/python3*/site-packages/trailkeeper* -name '*.so' \
    -exec sha256sum {} + >"$venv/release.sha256"
