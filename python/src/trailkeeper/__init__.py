"""Trailkeeper: the audit trail of a Django platform.

Add `"trailkeeper"` to `INSTALLED_APPS` and `"trailkeeper.middleware.TrailkeeperMiddleware"` to
`MIDDLEWARE`. From then on every write through Django's ORM, every login and every request is
recorded outside the application's database.

- `history(invoice)`: the events of one object. `events()`: all of them. Both are QuerySets.
- `as_of(invoice, time)`: the object as it was.
- `record("invoice.validated", target=invoice)`: an event of the application's own.
- `access(invoice)`: somebody has read it.
- `with context(actor=..., reason=...)`: who acts and why, outside of requests.
- `Thread(target=carried(work))`: the same context on another thread; `carry()` and `resume()`: in
  another process.
- `class Trail` in a model, or the decorator `trail(...)`: how much of it is recorded.
- `with disabled(reason=...)`: nothing is recorded in the block, but that it was so.
- `flush()`: waits until all that has been committed is in the store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

# Not lazily: once the package of the same name is imported, Python would give that instead of the
# function.
from trailkeeper.history import as_of, events, history

if TYPE_CHECKING:
    from trailkeeper.accesses import access
    from trailkeeper.carrying import carried, carry, resume
    from trailkeeper.drainer import flush
    from trailkeeper.layers import context
    from trailkeeper.policy.declaration import trail
    from trailkeeper.policy.disabling import disabled
    from trailkeeper.recording import record

__all__ = [
    "__version__",
    "access",
    "as_of",
    "carried",
    "carry",
    "context",
    "disabled",
    "events",
    "flush",
    "history",
    "record",
    "resume",
    "trail",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "access": "trailkeeper.accesses",
    "carried": "trailkeeper.carrying",
    "carry": "trailkeeper.carrying",
    "context": "trailkeeper.layers",
    "disabled": "trailkeeper.policy.disabling",
    "flush": "trailkeeper.drainer",
    "record": "trailkeeper.recording",
    "resume": "trailkeeper.carrying",
    "trail": "trailkeeper.policy.declaration",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'trailkeeper' has no attribute {name!r}")
    return getattr(import_module(home), name)
