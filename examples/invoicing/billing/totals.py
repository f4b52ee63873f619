"""The arithmetic of an invoice.

Each line is rounded to cents by itself, half up, before the sum: so the lines
on paper add up to the total on paper.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

CENT = Decimal("0.01")


class Line(Protocol):
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal


@dataclass(frozen=True)
class Totals:
    subtotal: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.tax


def totals_of(lines: Iterable[Line], *, discount_percent: Decimal) -> Totals:
    """Sum `lines`, each reduced by the discount before its tax."""
    kept = 1 - Decimal(discount_percent) / 100
    subtotal = tax = Decimal("0.00")
    for line in lines:
        net = _cents(line.quantity * line.unit_price * kept)
        subtotal += net
        tax += _cents(net * line.tax_rate / 100)
    return Totals(subtotal, tax)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
