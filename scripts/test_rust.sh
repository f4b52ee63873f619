#!/usr/bin/env bash
# The Rust tests of one selection of packages, given as arguments of `cargo test`:
# with nextest where it is installed, else with cargo's own runner; then the
# examples in the documentation, which nextest does not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

step "Rust tests: $*"
if command -v cargo-nextest >/dev/null; then
    scripts/cargo.sh nextest run --locked "$@"
else
    scripts/cargo.sh test --locked --quiet --no-fail-fast "$@" --lib --bins --tests
fi
step "Rust examples in the documentation: $*"
scripts/cargo.sh test --locked --quiet --doc "$@"
