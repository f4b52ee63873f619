"""Medians and spread: what a shared machine lets one say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

__all__ = ["Spread", "median", "spread_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with the quartiles around it, and the least value."""

    median: float
    low: float
    high: float
    least: float

    def __str__(self) -> str:
        return f"{self.median:,.1f} ({self.low:,.1f} to {self.high:,.1f})"


def spread_of(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    if len(values) == 1:
        low = high = values[0]
    else:
        low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), low=low, high=high, least=min(values))
