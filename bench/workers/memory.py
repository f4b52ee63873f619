"""One Django process of the project, as a server's worker is: what it holds in memory."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from harness import project
from harness.answers import answer

#: Saves in one transaction: enough that the database's syncs do not take the time.
BATCH = 100

invoice: Any = None


def prepare() -> None:
    """Makes the tables and the invoice, in a process that is not measured."""
    project.create_tables()
    project.make_invoice()


def start() -> None:
    """Loads all that a server loads before its first request, and asks the database once."""
    global invoice
    django.setup()
    from billing.models import Invoice
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    get_wsgi_application()
    import_module(settings.ROOT_URLCONF)
    invoice = Invoice.objects.get()


def write(*, events: int) -> None:
    """Saves the invoice so many times, a hundred in a transaction."""
    from django.db import transaction

    for first in range(0, events, BATCH):
        with transaction.atomic():
            for turn in range(first, min(first + BATCH, events)):
                project.edit(invoice, turn + 1)
                invoice.save()


def write_in_one(*, events: int) -> dict[str, int]:
    """Saves it as many times in one transaction, and measures before its end."""
    from django.db import transaction

    with transaction.atomic():
        for turn in range(events):
            project.edit(invoice, -turn)
            invoice.save()
        return usage()


def read() -> int:
    """Reads the latest events of the invoice: the first read loads the engine."""
    import trailkeeper

    return len(list(trailkeeper.history(invoice)[:20]))


def drain() -> None:
    """Waits until all is in the store; a drainer of this process brings it there."""
    from trailkeeper import drainer

    drainer.flush(timeout=600)


def usage() -> dict[str, int]:
    """KiB in use now: resident, and the share of this process where pages are shared."""
    gc.collect()
    found = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in {"Rss", "Pss"}:
            found[name.lower()] = int(value.split()[0])
    return found


def recorded() -> int:
    """How much the audit package has recorded so far."""
    return project.recorded(os.environ["INVOICING_AUDIT"])


answer(prepare, start, write, write_in_one, read, drain, usage, recorded)
