"""Which machine, how busy, and which versions: a figure without them says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from harness.paths import PYTHON, ROOT

__all__ = ["describe", "is_release", "load", "now", "versions"]

PACKAGES = (
    "Django",
    "django-easy-audit",
    "django-simple-history",
    "psycopg",
    "trailkeeper",
    "trailkeeper-engine",
)


def describe() -> list[str]:
    """The machine, a line for each fact."""
    memory = _field("/proc/meminfo", "MemTotal").split()[0]
    return [
        f"CPU: {_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        f"memory: {int(memory) / (1 << 20):.0f} GiB",
        f"kernel: {platform.system()} {platform.release()}",
    ]


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def now() -> str:
    """The time, UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def versions() -> list[str]:
    """What was measured: Python, the packages, the commit."""
    script = (
        "import platform, sqlite3, sys\n"
        "from importlib import metadata\n"
        "print('Python', platform.python_version())\n"
        "print('SQLite', sqlite3.sqlite_version)\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        print(name, metadata.version(name))\n"
        "    except metadata.PackageNotFoundError:\n"
        "        print(name, '(not installed as a package)')\n"
    )
    found = _output([str(PYTHON), "-c", script, *PACKAGES]).splitlines()
    commit = _output(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return [*found, f"commit {commit or 'unknown'}"]


def is_release() -> bool:
    """Whether the native modules are those that `scripts/make_bench.sh` has built and installed."""
    sums = PYTHON.parents[1] / "release.sha256"
    command = ["sha256sum", "--check", "--status", str(sums)]
    return sums.exists() and subprocess.run(command, check=False).returncode == 0


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0 unknown"


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
