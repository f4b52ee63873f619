from dataclasses import dataclass
from decimal import Decimal

from billing.totals import totals_of


@dataclass
class Line:
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal


def test_each_line_is_rounded_half_up_before_the_sum() -> None:
    line = Line(Decimal("0.5"), Decimal("0.01"), Decimal(0))
    assert totals_of([line, line], discount_percent=Decimal(0)).total == Decimal("0.02")


def test_discount_is_taken_off_before_tax() -> None:
    line = Line(Decimal(1), Decimal("100.00"), Decimal(20))
    sums = totals_of([line], discount_percent=Decimal(10))
    assert (sums.subtotal, sums.tax, sums.total) == (
        Decimal("90.00"),
        Decimal("18.00"),
        Decimal("108.00"),
    )


def test_no_lines_sum_to_nothing() -> None:
    assert totals_of([], discount_percent=Decimal(0)).total == 0
