"""The order of the versions of an object."""

from typing import Final

from django.db.models import F

__all__ = ["NEWEST_FIRST", "OLDEST_FIRST"]

# Of two versions of an object, the statement's time tells which is newer: it is taken
# under the row's lock. An event that is not yet in the store has no `seq`: it is newer
# than those that are.
NEWEST_FIRST: Final = (
    F("occurred_at").desc(),
    F("position").desc(),
    F("seq").desc(nulls_first=True),
)
OLDEST_FIRST: Final = (
    F("occurred_at").asc(),
    F("position").asc(),
    F("seq").asc(nulls_last=True),
)
