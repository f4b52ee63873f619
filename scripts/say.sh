# shellcheck shell=bash
# How the scripts talk: sourced, never run.

# One line for each step, so that a failure has a heading.
step() { printf '==> %s\n' "$*"; }

# Something that should have been checked was not: nobody may overlook it.
loud() {
    printf '\n%s\n' '************************************************************************' >&2
    printf '*** %s\n' "$@" >&2
    printf '%s\n\n' '************************************************************************' >&2
}

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '       %s\n' "$@" >&2; fi
    exit 1
}
