"""A wrong edge must fail, or the picture is only a picture."""

from typing import Any

import check_layers
import pytest


def metadata_of(crate: str, dependency: str, kind: str | None = None) -> dict[str, Any]:
    """What cargo would say of a workspace with one crate and one dependency."""
    name = check_layers.PREFIX + crate
    package = {"id": name, "name": name, "dependencies": [{"name": dependency, "kind": kind}]}
    return {"workspace_members": [name], "packages": [package]}


@pytest.mark.parametrize(
    ("crate", "dependency", "kind"),
    [
        ("event", "trailkeeper-spool", None),
        ("store", "trailkeeper-engine", None),
        ("store", "trailkeeper-merkle", "dev"),
        ("cli", "trailkeeper-store", None),
        ("recorder", "trailkeeper-engine", "build"),
        ("engine", "trailkeeper-testkit", None),
        ("engine", "datafusion", "dev"),
        ("engine", "parquet", None),
        ("spool", "tokio", None),
        ("cli", "pyo3", None),
        ("bindings", "axum", None),
    ],
)
def test_wrong_edge_is_reported(crate: str, dependency: str, kind: str | None) -> None:
    problems = check_layers.check_edges(metadata_of(crate, dependency, kind))
    assert len(problems) == 1
    assert problems[0].startswith(f"{crate} -> {dependency}: ")


@pytest.mark.parametrize(
    ("crate", "dependency", "kind"),
    [
        ("engine", "trailkeeper-store", None),
        ("engine", "trailkeeper-testkit", "dev"),
        ("engine", "parquet", "dev"),
        ("recorder", "pyo3", None),
        ("store", "datafusion", None),
        ("spool", "thiserror", None),
    ],
)
def test_edge_of_the_picture_passes(crate: str, dependency: str, kind: str | None) -> None:
    assert check_layers.check_edges(metadata_of(crate, dependency, kind)) == []


def test_crate_without_a_place_is_reported() -> None:
    problems = check_layers.check_edges(metadata_of("utils", "thiserror"))
    assert problems == ["utils: not in the picture; give it a place there first"]


def test_dependency_of_another_workspace_is_not_judged() -> None:
    metadata = metadata_of("event", "tokio") | {"workspace_members": []}
    assert check_layers.check_edges(metadata) == []


@pytest.mark.parametrize("name", ["tokio", "tokio-util", "arrow-array", "datafusion-common"])
def test_heavy_library_in_the_recorder_is_reported(name: str) -> None:
    problems = check_layers.check_linked("recorder", ["pyo3", name, "sha2"])
    assert problems == [f"recorder: links {name}, and must stay free of it"]


def test_name_that_only_begins_alike_is_free() -> None:
    assert check_layers.check_linked("recorder", ["arrowhead", "smolstr", "miow"]) == []
