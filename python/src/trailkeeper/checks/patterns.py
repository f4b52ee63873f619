"""Patterns: of models, of fields, of paths, and what each gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from trailkeeper.checks.said import listed, meant
from trailkeeper.policy.patterns import pattern_matches

__all__ = ["check_paths", "check_patterns", "check_shares"]


def check_patterns(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks that patterns are texts, and that each matches something."""
    all_models = apps.get_models(include_auto_created=True)
    labels = [model._meta.label_lower for model in all_models]
    fields = [
        f"{model._meta.label_lower}.{field.name}"
        for model in all_models
        for field in model._meta.concrete_fields
    ]
    known = {"INCLUDE": labels, "EXCLUDE": labels, "MASK": fields, "ACCESS": labels}
    for key, names in known.items():
        kind, example = ("field", "billing.*.iban") if key == "MASK" else ("model", "billing.*")
        for pattern in listed(value, key):
            if not isinstance(pattern, str):
                yield Error(
                    f"TRAILKEEPER[{key!r}] takes patterns such as {example!r}, not {pattern!r}.",
                    hint="Write each pattern as a text, with * and ? for what may differ.",
                    id="trailkeeper.E007",
                )
            elif not any(pattern_matches(pattern, name) for name in names):
                shape = "app_label.modelname" + ".fieldname" * (key == "MASK")
                yield Warning(
                    f"TRAILKEEPER[{key!r}] has {pattern!r}, which matches no {kind}.",
                    hint=f"{meant(pattern.lower(), names)}Patterns are matched against {shape!r}.",
                    id="trailkeeper.W001",
                )


def check_shares(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks how many of the reads each pattern of `ACCESS` records."""
    given = value.get("ACCESS", {})
    for pattern, share in given.items() if isinstance(given, dict) else ():
        is_number = isinstance(share, (int, float)) and not isinstance(share, bool)
        if not is_number or not 0 <= share <= 1:
            yield Error(
                f"TRAILKEEPER['ACCESS'] gives {pattern!r} the share {share!r}, which is no number "
                "from 0 to 1.",
                hint="1.0 records every read of these models, 0.01 one in a hundred, 0 none.",
                id="trailkeeper.E012",
            )


def check_paths(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks the regular expressions for paths."""
    for pattern in listed(value, "EXCLUDE_PATHS"):
        try:
            # Matched against a path, so that a pattern for bytes is refused.
            re.compile(pattern).search("/")
        except (re.error, TypeError) as error:
            yield Error(
                f"TRAILKEEPER['EXCLUDE_PATHS'] has {pattern!r}, which is no regular expression: "
                f"{error}.",
                hint=r"Give one that is searched for in the path of a request, such as '^/health'.",
                id="trailkeeper.E008",
            )
