"""A worker: one variant in a process of its own, asked line by line.

The parent writes a call as one line of JSON and waits for the answer, so only one
worker runs at a time and their rounds can be interleaved.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from harness.paths import BENCH, PROJECT, PYTHON

__all__ = ["Worker", "WorkerFailedError", "has_engine", "project_environment"]


class WorkerFailedError(Exception):
    """A worker has stopped, or could not answer; its own words are on stderr."""


class Worker:
    """A process of `bench/workers/`.

    Args:
        script: its file name there.
        environment: what it gets on top of this process's environment.
    """

    def __init__(self, script: str, environment: Mapping[str, str] | None = None) -> None:
        self.script = script
        path = os.pathsep.join([str(BENCH), str(PROJECT)])
        inherited = {name: os.environ[name] for name in os.environ if name != "TRAILKEEPER_URL"}
        self.process = subprocess.Popen(
            [PYTHON, BENCH / "workers" / script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**inherited, "PYTHONHASHSEED": "0", **(environment or {}), "PYTHONPATH": path},
        )

    def call(self, name: str, **arguments: Any) -> Any:
        """Runs one function of the worker and gives its answer.

        Raises:
            WorkerFailedError: if there is none.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailedError(f"{self.script} stopped in {name}()")
        return json.loads(line)

    def close(self) -> None:
        """Ends the worker, as a process ends that has finished."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def project_environment(
    variant: str, home: Path, database: str = "", *, drain: str = "none"
) -> dict[str, str]:
    """The environment of a worker that runs the invoicing project.

    Args:
        variant: the audit package: a value of `INVOICING_AUDIT`.
        home: folder of its database, trail and spool.
        database: `:memory:`, a URL, or empty for a SQLite file in `home`.
        drain: Trailkeeper's `DRAIN`.
    """
    return {
        "DJANGO_SETTINGS_MODULE": "harness.settings",
        "INVOICING_AUDIT": variant,
        "INVOICING_HOME": str(home),
        "INVOICING_DATABASE_URL": database,
        "BENCH_DRAIN": drain,
    }


def has_engine() -> bool:
    """Whether the engine is installed where the workers run."""
    found = (
        "import importlib.util as i; raise SystemExit(i.find_spec('trailkeeper_engine') is None)"
    )
    return subprocess.run([PYTHON, "-c", found], check=False).returncode == 0
