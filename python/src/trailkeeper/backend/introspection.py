"""What `inspectdb` and the like may ask of the trail."""

from typing import Any

from django.db.backends.base.introspection import (
    BaseDatabaseIntrospection,
    FieldInfo,
    TableInfo,
)

TABLE = "events"
# By the beginning of the Arrow type's name.
FIELD_BY_ARROW_TYPE = (
    ("Bool", "BooleanField"),
    ("Int", "BigIntegerField"),
    ("UInt", "BigIntegerField"),
    ("Float", "FloatField"),
    ("Decimal", "DecimalField"),
    ("Timestamp", "DateTimeField"),
    ("Date", "DateField"),
    ("Time", "TimeField"),
    ("Binary", "BinaryField"),
    ("LargeBinary", "BinaryField"),
)


class DatabaseIntrospection(BaseDatabaseIntrospection):
    def get_field_type(self, data_type: str, description: FieldInfo) -> str:
        for beginning, field in FIELD_BY_ARROW_TYPE:
            if data_type.startswith(beginning):
                return field
        return "TextField"

    def get_table_list(self, cursor: Any) -> list[TableInfo]:
        return [TableInfo(TABLE, "t")]

    def get_table_description(self, cursor: Any, table_name: str) -> list[FieldInfo]:
        quoted = self.connection.ops.quote_name(table_name)
        cursor.execute(f"SELECT * FROM {quoted} LIMIT 0")
        info: Any = FieldInfo  # the stubs have types that no driver of Django gives
        return [info(*column[:6], True, None, None) for column in cursor.description]

    def get_sequences(self, cursor: Any, table_name: str, table_fields: Any = ()) -> list[Any]:
        return []

    def get_relations(self, cursor: Any, table_name: str) -> dict[str, Any]:
        return {}

    def get_constraints(self, cursor: Any, table_name: str) -> dict[str, Any]:
        return {
            "event_id": {
                "columns": ["event_id"],
                "primary_key": True,
                "unique": True,
                "foreign_key": None,
                "check": False,
                "index": False,
            }
        }
