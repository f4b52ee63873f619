from collections.abc import Iterable

from django.db.backends.base.client import BaseDatabaseClient

from trailkeeper.backend.dbapi import NotSupportedError


class DatabaseClient(BaseDatabaseClient):
    def runshell(self, parameters: Iterable[str]) -> None:
        raise NotSupportedError("use `trailkeeper sql` to query the trail from a shell")
