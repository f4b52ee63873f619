"""A throw-away PostgreSQL server for as long as a block runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from harness.paths import ROOT

__all__ = ["server"]


@contextmanager
def server() -> Iterator[str | None]:
    """The server's URL without a database; None where no server can be had."""
    holder = subprocess.Popen(
        [
            ROOT / "scripts" / "postgres.sh",
            "bash",
            "-c",
            'echo "$TRAILKEEPER_TEST_DATABASE_URL"; cat >/dev/null',
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        line = ""
        for line in holder.stdout:
            if line.startswith("postgres://"):
                break
        yield line.strip().removesuffix("/postgres") if line.startswith("postgres://") else None
    finally:
        holder.stdin.close()
        holder.wait()
