"""Test databases: the trail has none of its own, so there is nothing to create or destroy."""

from typing import Any

from django.db.backends.base.creation import BaseDatabaseCreation


class DatabaseCreation(BaseDatabaseCreation):
    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        return str(self.connection.settings_dict["NAME"])

    def destroy_test_db(self, *args: Any, **kwargs: Any) -> None:
        """The trail is not a test database."""

    def clone_test_db(self, *args: Any, **kwargs: Any) -> None:
        """Every process of a parallel run reads the trail that it was given."""

    def serialize_db_to_string(self) -> str:
        return "[]"
