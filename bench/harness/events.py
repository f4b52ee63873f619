"""A year of invoicing as events, written by the recorder itself.

The models' own schemas encode the values, so an event here has the fields and the
form that capture gives it. What happens is drawn from a seed: requests of a few
hundred users, each a transaction (an invoice drafted, changed, sent, paid; a price
list imported) followed by the request's own event; now and then a login.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from billing.models import Invoice

from harness.objects import TENANTS, Objects, Row
from trailkeeper._recorder import Context, Recorder, Transaction

__all__ = ["fill"]

NOTE: Final = b'{"database": "default"}'
USERS: Final = 8  # of each tenant
#: Invoices that people still work on; older ones are left alone.
OPEN: Final = 5_000

AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
)


def fill(spool: str, events: int, seed: int) -> dict[str, int]:
    """Writes `events` events into a new spool; gives how many there are of each kind."""
    return _Company(Recorder(spool, 1 << 40), seed).work(events)


class _Company:
    """All tenants, and what happens in them."""

    def __init__(self, recorder: Recorder, seed: int) -> None:
        self.recorder = recorder
        self.random = Random(seed)
        self.objects = Objects(self.random)
        self.counter = Counter[str]()
        self.invoices = [self.objects.invoice() for _ in range(50)]
        self.sessions = {user: self.random.randbytes(16).hex() for user in range(TENANTS * USERS)}

    def work(self, events: int) -> dict[str, int]:
        """Serves requests until so many events are written."""
        actions: list[Callable[[Transaction, Context], None]] = [
            self._draft, self._change, self._pay, self._import, self._look,
        ]  # fmt: skip
        while (left := events - self.counter.total()) > 0:
            self.objects.now += timedelta(seconds=self.random.expovariate(1 / 20))
            user = self.random.randrange(TENANTS * USERS)
            action = self.random.choices(actions, weights=[16, 50, 14, 1, 19])[0]
            context = Context(self._request(user, action.__name__.strip("_")))
            transaction = Transaction(self.recorder)
            action(transaction, context)
            if len(transaction) and len(transaction) <= left - 1:
                self.counter["change"] += len(transaction)
                transaction.prepare(NOTE)
                transaction.commit()
            self._single(
                context, "request", "request", http_status=200, duration_us=self._duration()
            )
            if self.random.random() < 0.02 and self.counter.total() < events:
                target = {
                    "model": "accounts.user",
                    "object_id": str(user),
                    "object_label": f"User {user}",
                }
                self._single(context, "auth", "login", **target)
        return dict(self.counter)

    def _single(self, context: Context, kind: str, action: str, **items: Any) -> None:
        transaction = Transaction(self.recorder)
        transaction.event(context, {"kind": kind, "action": action, "outcome": "success", **items})
        transaction.complete()
        self.counter[kind] += 1

    def _request(self, user: int, path: str) -> dict[str, Any]:
        return {
            "actor_type": "user",
            "actor_id": str(user),
            "actor_label": f"User {user}",
            "tenant": f"tenant-{user // USERS}",
            "source": "django:invoicing",
            "request_id": self.random.randbytes(8).hex(),
            "session": self.sessions[user],
            "ip": f"10.{user % 7}.{user // 7 % 250}.{user % 250}",
            "user_agent": AGENTS[user % len(AGENTS)],
            "http_method": "GET" if path == "look" else "POST",
            "http_route": f"/api/invoices/<pk>/{path}/",
            "http_path": f"/api/invoices/{self.random.randrange(10_000)}/{path}/",
        }

    def _duration(self) -> int:
        return int(self.random.lognormvariate(10.3, 0.5))

    # What happens in a request.

    def _draft(self, transaction: Transaction, context: Context) -> None:
        invoice = self.objects.invoice()
        self._write(transaction, context, "create", invoice)
        for line in invoice.lines:
            self._write(transaction, context, "create", line)
        total = Decimal(self.random.randrange(1_000, 900_000)) / 100
        tax = (total / 5).quantize(Decimal("0.01"))
        self._update(
            transaction,
            context,
            invoice,
            subtotal=total - tax,
            tax=tax,
            total=total,
            updated_at=self.objects.now,
        )
        if len(self.invoices) < OPEN:
            self.invoices.append(invoice)
        else:
            self.invoices[self.random.randrange(OPEN)] = invoice

    def _change(self, transaction: Transaction, context: Context) -> None:
        invoice = self.random.choice(self.invoices)
        status = self.random.choice([*Invoice.Status.values])
        changes: list[dict[str, Any]] = [
            {"status": status, "sent_at": self.objects.now},
            {"notes": f"{self.objects.text(1, 4)} {self.random.randrange(10**6)}"},
            {
                "due_date": self.objects.day(30),
                "po_reference": f"PO-{self.random.randrange(100_000)}",
            },
            {"discount_percent": Decimal(self.random.randrange(0, 1500)) / 100},
            {"status": status, "validated_by_id": self.random.randrange(TENANTS * USERS)},
        ]
        for change in self.random.sample(changes, self.random.choice([1, 1, 2, 3])):
            self._update(transaction, context, invoice, **change, updated_at=self.objects.now)
        if self.random.random() < 0.3:
            line = self.random.choice(invoice.lines)
            self._update(transaction, context, line, quantity=Decimal(self.random.randrange(1, 60)))

    def _pay(self, transaction: Transaction, context: Context) -> None:
        invoice = self.random.choice(self.invoices)
        payment = self.objects.payment(invoice)
        self._write(transaction, context, "create", payment)
        paid = {
            "amount_paid": payment.values["amount"],
            "status": "paid",
            "paid_on": self.objects.day(0),
        }
        self._update(transaction, context, invoice, **paid, updated_at=self.objects.now)

    def _import(self, transaction: Transaction, context: Context) -> None:
        for product in self.random.sample(self.objects.products, 40):
            price = Decimal(self.random.randrange(100, 90_000)) / 100
            self._update(transaction, context, product, unit_price=price)

    def _look(self, transaction: Transaction, context: Context) -> None:
        """A page that is only read."""

    def _write(self, transaction: Transaction, context: Context, action: Any, row: Row) -> None:
        key, after = str(row.values["id"]), row.state()
        schema = row.tracker.schema
        transaction.change(schema, context, action, key, row.label, None, after, "default")

    def _update(self, transaction: Transaction, context: Context, row: Row, **changes: Any) -> None:
        before = row.state()
        row.values.update(changes)
        key, after = str(row.values["id"]), row.state()
        schema = row.tracker.schema
        transaction.change(schema, context, "update", key, row.label, before, after, "default")
