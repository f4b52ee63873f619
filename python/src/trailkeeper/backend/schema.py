from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from trailkeeper.backend.read_only import refuse_write


class DatabaseSchemaEditor(BaseDatabaseSchemaEditor):
    """Refuses from the start: the engine alone makes the table."""

    __init__ = refuse_write
