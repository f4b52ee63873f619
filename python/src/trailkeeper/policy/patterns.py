"""Patterns that name models and fields in settings."""

from __future__ import annotations

import re

__all__ = ["pattern_matches"]


def pattern_matches(pattern: str, name: str) -> bool:
    """Whether a pattern with `*` and `?` matches a lower-case dotted name."""
    regex = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, name) is not None
