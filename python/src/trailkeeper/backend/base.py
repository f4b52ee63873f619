"""The `DatabaseWrapper` that Django loads for the alias."""

from typing import ClassVar

from django.db.backends.base.base import BaseDatabaseWrapper

from trailkeeper.backend import dbapi
from trailkeeper.backend.client import DatabaseClient
from trailkeeper.backend.creation import DatabaseCreation
from trailkeeper.backend.features import DatabaseFeatures
from trailkeeper.backend.introspection import DatabaseIntrospection
from trailkeeper.backend.operations import DatabaseOperations
from trailkeeper.backend.schema import DatabaseSchemaEditor


class DatabaseWrapper(BaseDatabaseWrapper):
    vendor = "trailkeeper"
    display_name = "Trailkeeper"

    # Used by CAST alone: no table is ever made from them.
    data_types = {  # noqa: RUF012 (as declared by Django)
        "AutoField": "integer",
        "BigAutoField": "bigint",
        "BigIntegerField": "bigint",
        "BinaryField": "bytea",
        "BooleanField": "boolean",
        "CharField": "varchar",
        "DateField": "date",
        "DateTimeField": "timestamp",
        "DecimalField": "numeric(%(max_digits)s, %(decimal_places)s)",
        "DurationField": "bigint",
        "FileField": "varchar",
        "FilePathField": "varchar",
        "FloatField": "double precision",
        "GenericIPAddressField": "varchar",
        "IPAddressField": "varchar",
        "IntegerField": "integer",
        "OneToOneField": "integer",
        "PositiveBigIntegerField": "bigint",
        "PositiveIntegerField": "integer",
        "PositiveSmallIntegerField": "smallint",
        "SlugField": "varchar",
        "SmallAutoField": "smallint",
        "SmallIntegerField": "smallint",
        "TextField": "text",
        "TimeField": "time",
        "UUIDField": "varchar",
    }
    operators: ClassVar[dict[str, str]] = {
        "exact": "= %s",
        "iexact": "= UPPER(%s)",
        "contains": "LIKE %s",
        "icontains": "LIKE UPPER(%s)",
        "regex": "~ %s",
        "iregex": "~* %s",
        "gt": "> %s",
        "gte": ">= %s",
        "lt": "< %s",
        "lte": "<= %s",
        "startswith": "LIKE %s",
        "endswith": "LIKE %s",
        "istartswith": "LIKE UPPER(%s)",
        "iendswith": "LIKE UPPER(%s)",
    }
    # For a right-hand side that is an expression: what LIKE would read as a sign is
    # escaped by the engine.
    pattern_esc = r"REPLACE(REPLACE(REPLACE({}, '\', '\\'), '%%', '\%%'), '_', '\_')"
    pattern_ops: ClassVar[dict[str, str]] = {
        "contains": "LIKE '%%' || {} || '%%'",
        "icontains": "LIKE '%%' || UPPER({}) || '%%'",
        "startswith": "LIKE {} || '%%'",
        "istartswith": "LIKE UPPER({}) || '%%'",
        "endswith": "LIKE '%%' || {}",
        "iendswith": "LIKE '%%' || UPPER({})",
    }

    Database = dbapi
    SchemaEditorClass = DatabaseSchemaEditor
    client_class = DatabaseClient
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    introspection_class = DatabaseIntrospection
    ops_class = DatabaseOperations

    def connect(self) -> None:
        """Make ready for queries, without telling anybody.

        Receivers of `connection_created` configure databases of the project with SQL
        of their own; this is not one of those.
        """
        self.connection = dbapi.Connection()
        self.autocommit = True
        self.run_on_commit = []

    def ensure_connection(self) -> None:
        # Without the base's guard against databases in tests that asked for none: pytest-django
        # has it there, and the trail is not one of the databases it means.
        if self.connection is None:
            self.connect()

    def get_database_version(self) -> tuple[int, ...]:
        return (1,)

    def create_cursor(self, name: str | None = None) -> dbapi.Cursor:
        return dbapi.Cursor()

    def is_usable(self) -> bool:
        return True

    def _set_autocommit(self, autocommit: bool) -> None:
        """Every query stands alone, inside `atomic()` too."""
