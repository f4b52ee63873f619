"""Comparing live tables with the trail: drift made by psql, other services, or a defect.

`drift()` yields what differs, as `Drift`; `Reconciliation` is the same with its counts, and can
write down what it finds. `manage.py trailkeeper reconcile` is its command, and
`trailkeeper.testing` asks it after a test.

# Guarantees

- Nothing is reported that a second look, a moment later, does not show again: a row that changes
  between the reading of the table and that of the trail is looked at until it stands still.
- A value that the trail does not know is not compared, and counted in `not_comparable`. A masked
  value is compared by its mask.
- Memory holds one page of rows and what the trail knows of them.
- Nothing is written to the application's database.
"""

from trailkeeper.reconcile.drift import Drift, Kind
from trailkeeper.reconcile.reconciliation import Reconciliation, drift

__all__ = ["Drift", "Kind", "Reconciliation", "drift"]
