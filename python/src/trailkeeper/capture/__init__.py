"""Recording what the application writes.

Each module wraps one mechanism of Django and lists what it wraps: `transactions` follows commits
and rollbacks, `mysql` those that MariaDB makes by itself, `instances` what instances were loaded
with, `bulk` what they have after `bulk_update`, `deletes` which of them are deleted, `compilers`
the statements of the ORM, `cursors` those that pass it by; `triggers` hears of migrations.
`install()` puts all of them in place.
"""

from __future__ import annotations

from trailkeeper.capture import (
    bulk,
    compilers,
    cursors,
    deletes,
    instances,
    mysql,
    transactions,
    triggers,
)

__all__ = ["install", "uninstall"]


def install() -> None:
    """Starts capture; a second call changes nothing."""
    transactions.install()
    mysql.install()
    instances.install()
    bulk.install()
    deletes.install()
    compilers.install()
    cursors.install()
    triggers.connect()


def uninstall() -> None:
    """Puts all that was wrapped back as Django has it."""
    triggers.disconnect()
    cursors.uninstall()
    compilers.uninstall()
    deletes.uninstall()
    bulk.uninstall()
    instances.uninstall()
    mysql.uninstall()
    transactions.uninstall()
