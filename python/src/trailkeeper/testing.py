"""For tests of a project: the trail must say what the tables say.

```python
class InvoiceTests(trailkeeper.testing.NoDriftMixin, TestCase): ...


@pytest.fixture(autouse=True)  # with pytest-django
def no_drift(db):
    yield
    trailkeeper.testing.assert_no_drift()
```

It is to run before the test's rows are gone: `NoDriftMixin` stands before `TestCase`, the fixture
asks for `db`. Rows that came before the test, such as those of `setUpTestData`, were recorded if
the trail is kept from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from django.db import DEFAULT_DB_ALIAS

from trailkeeper.reconcile import drift
from trailkeeper.tables.selection import Names

__all__ = ["NoDriftMixin", "assert_no_drift"]

#: How much of what was found a failure shows.
SHOWN: Final = 20


def assert_no_drift(
    *, models: Names | None = None, databases: Iterable[str] = (DEFAULT_DB_ALIAS,)
) -> None:
    """Fails if a row or a link is not what the trail says.

    Args:
        models: which, as classes or labels of models or apps; all tracked ones by default.
        databases: the aliases of the databases to compare.

    Raises:
        AssertionError: with the first of what was found.
    """
    names = None if models is None else list(models)
    found = [
        f"{alias}: {drifted}"
        for alias in databases
        for drifted in islice(drift(models=names, using=alias), SHOWN)
    ]
    if found:
        raise AssertionError("The trail does not say what the tables say:\n" + "\n".join(found))


class NoDriftMixin:
    """For a `TestCase`: asks `assert_no_drift` after each test, before its rows are gone."""

    #: What is compared; all tracked models by default.
    drift_models: Names | None = None
    #: The test's own.
    databases: Iterable[str]

    def setUp(self) -> None:
        """Arranges for the question; cleanups run before Django's own rollback."""
        super().setUp()  # type: ignore[misc]
        self.addCleanup(self._assert_no_drift)  # type: ignore[attr-defined]

    def _assert_no_drift(self) -> None:
        assert_no_drift(models=self.drift_models, databases=self.databases)
