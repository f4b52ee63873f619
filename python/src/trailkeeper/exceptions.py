"""What Trailkeeper raises."""

from __future__ import annotations

__all__ = [
    "ConflictError",
    "CorruptDataError",
    "InternalError",
    "InvalidRequestError",
    "NotFoundError",
    "RecordingError",
    "TrailkeeperError",
    "UnavailableError",
]


class TrailkeeperError(Exception):
    """Base class of all errors of Trailkeeper."""


class InvalidRequestError(TrailkeeperError):
    """The request is wrong: correct it."""


class NotFoundError(TrailkeeperError):
    """There is nothing of that name: stop looking."""


class ConflictError(TrailkeeperError):
    """Somebody else got in between: read again, then retry."""


class UnavailableError(TrailkeeperError):
    """The trail cannot be reached now: retry later."""


class CorruptDataError(TrailkeeperError):
    """The bytes are not those written: alert a person, never retry."""


class InternalError(TrailkeeperError):
    """A defect in Trailkeeper: report it."""


class RecordingError(TrailkeeperError):
    """An event could not be recorded, and `ON_FAILURE` is `"raise"`.

    Raised before the database commits, so that the application's write fails with its event.
    """
