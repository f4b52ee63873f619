"""The two wheels are one release."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def test_app_needs_the_engine_of_its_own_version() -> None:
    version = toml("Cargo.toml")["workspace"]["package"]["version"]
    assert (
        f"trailkeeper-engine=={version}" in toml("python/pyproject.toml")["project"]["dependencies"]
    )


def test_both_wheels_take_the_version_of_the_workspace() -> None:
    for path in ("python/pyproject.toml", "crates/bindings/pyproject.toml"):
        assert toml(path)["project"]["dynamic"] == ["version"]
    for crate in ("recorder", "bindings"):
        assert toml(f"crates/{crate}/Cargo.toml")["package"]["version"] == {"workspace": True}
