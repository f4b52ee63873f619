"""Reads the history of invoices from django-simple-history's table."""

from __future__ import annotations

import time

from harness import project
from harness.answers import answer

objects = 0


def prepare(*, rows: int, versions: int) -> None:
    """Fills the table with so many rows, so many of each invoice, as time goes by."""
    global objects
    project.create_tables()
    invoice = project.make_invoice()
    objects = max(rows // versions, 1)
    from billing.models import Invoice
    from django.db import connection

    model = Invoice.history.model
    table = model._meta.db_table
    given = {
        "history_id": "1000000 + n",
        invoice._meta.pk.column: f"1000 + mod(n, {objects})",
        "history_date": "timestamptz '2026-01-01' + n * interval '1 second'",
    }
    columns = [field.column for field in model._meta.concrete_fields]
    values = ", ".join(given.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {values} FROM '
            f'(SELECT * FROM "{table}" LIMIT 1) one, generate_series(1, %s) n',
            [rows],
        )
        cursor.execute(f'VACUUM ANALYZE "{table}"')


def ask(*, rounds: int) -> list[float]:
    """Milliseconds of each history of an invoice."""
    from billing.models import Invoice

    taken = []
    for turn in range(rounds + 200):
        key = 1000 + (turn * 7919) % objects
        start = time.perf_counter_ns()
        found = list(Invoice.history.filter(id=key).order_by("-history_date"))
        if turn >= 200:
            taken.append((time.perf_counter_ns() - start) / 1e6)
        if not found:
            raise SystemExit(f"invoice {key} has no history")
    return taken


answer(prepare, ask)
