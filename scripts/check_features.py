#!/usr/bin/env python3
"""See that the wheels and the tests share their builds of the heavy libraries.

Cargo unites features over the packages of one command, those of test
dependencies included. One feature more of one small crate deep under DataFusion,
and `cargo test` compiles all of DataFusion a second time beside the one that the
wheel was built with: ten minutes for nothing, on every fresh machine.

    check_features.py ARGUMENT...

compares the engine's wheel with the tests that `cargo test ARGUMENT...` builds.
Exits 0 when they agree, 1 with one line for each package that would be built twice.
"""

import subprocess
import sys

WHEEL = ("--package", "trailkeeper-bindings", "--edges", "normal,build")
HEAVY_ROOTS = ("datafusion", "deltalake-core", "parquet")


def built_twice(wheel: set[str], tests: set[str], heavy: set[str]) -> list[str]:
    """Return the builds of `heavy` packages that `wheel` has and `tests` has not.

    A build is a line `name version features`, a package its first two words.
    """
    return sorted(build for build in wheel - tests if _package_of(build) in heavy)


def _package_of(build: str) -> str:
    return " ".join(build.split()[:2])


def _tree(*arguments: str) -> set[str]:
    output = subprocess.run(
        ["cargo", "tree", "--locked", "--prefix", "none", "--format", "{p} {f}", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    lines = (line.removesuffix("(*)").strip() for line in output.splitlines())
    return {line for line in lines if line}


def main(arguments: list[str]) -> int:
    """Compare the wheel with the tests that `arguments` select."""
    roots = [argument for root in HEAVY_ROOTS for argument in ("--package", root)]
    heavy = {_package_of(build) for build in _tree(*roots, "--edges", "normal,build")}
    tests = _tree(*arguments, "--edges", "normal,build,dev")
    twice = built_twice(_tree(*WHEEL), tests, heavy)
    for build in twice:
        print(f"check-features: the tests build another than the wheel's {build}", file=sys.stderr)
    return 1 if twice else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
