#!/usr/bin/env python3
"""Compare the workspace's dependencies with the picture they must have.

The picture is section "Direction of dependencies" of the house style: which
crate may know which, which crate alone may know a heavy library, and what must
never be linked into the wheel that every Django process loads. The tables below
are that picture; a crate or an edge that is not in them fails.

Exits 0 when the dependencies match, 1 with one line for each that does not.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "trailkeeper-"

# Each crate and the workspace crates that it may depend on.
MAY_DEPEND_ON: dict[str, frozenset[str]] = {
    "event": frozenset(),
    "merkle": frozenset(),
    "spool": frozenset(),
    "sql": frozenset(),
    "store": frozenset({"event"}),
    "engine": frozenset({"store", "merkle", "spool", "event"}),
    "cli": frozenset({"engine"}),
    "recorder": frozenset({"event", "spool", "sql"}),
    "bindings": frozenset({"engine", "cli"}),
    "testkit": frozenset({"event"}),
}

# Crates that only tests may depend on.
TESTS_ONLY = frozenset({"testkit"})

# A library and the crates that may depend on it directly, tests included.
ONLY_IN: dict[str, frozenset[str]] = {
    "axum": frozenset(),
    "clap": frozenset({"cli"}),
    "datafusion": frozenset({"store"}),
    "deltalake": frozenset(),
    "deltalake-core": frozenset({"store"}),
    "pyo3": frozenset({"recorder", "bindings"}),
    "sqlparser": frozenset({"sql"}),
}

# The same, but tests are free: they forge files and fail on purpose.
ONLY_IN_EXCEPT_TESTS: dict[str, frozenset[str]] = {
    # The edges turn rows into text and Python values.
    "arrow": frozenset({"event", "store", "engine", "cli", "bindings"}),
    "object_store": frozenset({"store", "testkit"}),
    "parquet": frozenset({"store"}),
    "tokio": frozenset({"store", "engine"}),
}

# Families of crates, by the first words of their names, that must not be linked
# into a crate built alone with its default features.
HEAVY = ("arrow", "datafusion", "deltalake", "object_store", "parquet")
ASYNC_OR_NETWORK = ("async-std", "futures", "hyper", "mio", "reqwest", "smol", "tokio")
NEVER_LINKED_INTO: dict[str, tuple[str, ...]] = {
    "event": HEAVY + ASYNC_OR_NETWORK,
    "merkle": HEAVY + ASYNC_OR_NETWORK,
    "spool": HEAVY + ASYNC_OR_NETWORK,
    "sql": HEAVY + ASYNC_OR_NETWORK,
    "recorder": HEAVY + ASYNC_OR_NETWORK,
}


def check_edges(metadata: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the direct dependencies in `cargo metadata`."""
    members = set(metadata["workspace_members"])
    problems: list[str] = []
    for package in metadata["packages"]:
        if package["id"] not in members:
            continue
        crate = package["name"].removeprefix(PREFIX)
        if crate not in MAY_DEPEND_ON:
            problems.append(f"{crate}: not in the picture; give it a place there first")
            continue
        for dependency in package["dependencies"]:
            problem = _problem_of_edge(crate, dependency["name"], dependency["kind"])
            if problem:
                problems.append(f"{crate} -> {dependency['name']}: {problem}")
    return problems


def check_linked(crate: str, linked: Iterable[str]) -> list[str]:
    """Return which of the packages `linked` into `crate` must not be there."""
    forbidden = NEVER_LINKED_INTO[crate]
    return [
        f"{crate}: links {name}, and must stay free of it"
        for name in sorted(set(linked))
        if any(
            name == family or name.startswith((f"{family}-", f"{family}_")) for family in forbidden
        )
    ]


def _problem_of_edge(crate: str, dependency: str, kind: str | None) -> str | None:
    is_test = kind == "dev"
    if dependency.startswith(PREFIX):
        other = dependency.removeprefix(PREFIX)
        if other in TESTS_ONLY:
            return None if is_test else "for tests only"
        if other not in MAY_DEPEND_ON[crate]:
            return "points the wrong way"
        return None
    allowed = ONLY_IN.get(dependency)
    if allowed is None and not is_test:
        allowed = ONLY_IN_EXCEPT_TESTS.get(dependency)
    if allowed is not None and crate not in allowed:
        return f"only {_names(allowed)} may depend on it"
    return None


def _names(crates: frozenset[str]) -> str:
    return " and ".join(sorted(crates)) or "a crate yet to be written"


def _cargo(*arguments: str) -> str:
    return subprocess.run(
        ["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _linked_into(crate: str) -> set[str]:
    # `cargo metadata` unites the features of the whole workspace, and with them
    # `event` has Arrow. `cargo tree -p` resolves the crate as its wheel is built.
    tree = _cargo(
        "tree", "--locked", "--package", PREFIX + crate,
        "--edges", "normal", "--prefix", "none", "--format", "{p}",
    )  # fmt: skip
    return {line.split()[0] for line in tree.splitlines() if line.strip()}


def main() -> int:
    """Check the workspace of the current directory."""
    problems = check_edges(
        json.loads(_cargo("metadata", "--locked", "--no-deps", "--format-version", "1"))
    )
    for crate in NEVER_LINKED_INTO:
        problems += check_linked(crate, _linked_into(crate))
    for problem in problems:
        print(f"check-layers: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
