"""What the engine's SQL can do, told to Django.

The engine cannot run, and raises `NotSupportedError` for:

- a scalar subquery that depends on the outer row, unless it is an aggregate joined by
  equality; with a slice (`Subquery(qs.filter(x=OuterRef("x"))[:1])`), never;
- `Exists()` and `IN (subquery)` outside `filter()` and `exclude()`; a slice in them, if it
  depends on the outer row or, for `Exists()`, skips rows;
- look-arounds and back-references in `regex`;
- `Collate()`, JSON functions, hashes (`MD5()` and the like), mathematical functions
  (`Abs()`, `Round()` and the like), `order_by("?")`.

`select_for_update()` has no effect, as on SQLite: nothing that is read can change.
"""

from django.db.backends.base.features import BaseDatabaseFeatures


class DatabaseFeatures(BaseDatabaseFeatures):
    # Writing: nothing of it.
    supports_transactions = False
    uses_savepoints = False
    atomic_transactions = False
    has_bulk_insert = False
    supports_ignore_conflicts = False
    supports_foreign_keys = False
    can_create_inline_fk = False
    indexes_foreign_keys = False
    can_introspect_foreign_keys = False
    can_introspect_default = False
    supports_sequence_reset = False
    supports_tablespaces = False
    can_clone_databases = True  # nothing is cloned: every process reads the same trail
    test_db_allows_multiple_connections = True

    # Types: text, 64-bit integers, doubles, decimals, times; a duration is an integer of
    # microseconds, because that is what Django can convert without a driver's help.
    has_native_uuid_field = False
    has_native_duration_field = False
    supports_temporal_subtraction = True
    supports_json_field = False
    has_json_object_function = False
    supports_primitives_in_json_field = False
    can_introspect_json_field = False
    supports_collation_on_charfield = False
    supports_collation_on_textfield = False
    supports_unlimited_charfield = True

    # Queries: the engine speaks the dialect of PostgreSQL here.
    nulls_order_largest = True
    can_distinct_on_fields = True
    supports_aggregate_filter_clause = True
    supports_aggregate_order_by_clause = True
    supports_over_clause = True
    supports_slicing_ordering_in_compound = True
    greatest_least_ignores_nulls = True
    # Regular expressions run in linear time, so they have neither.
    supports_regex_backreferencing = False
    # Django writes (a, b) IN (...) as AND and OR instead, which prunes by statistics.
    supports_tuple_lookups = False
    supports_explaining_query_execution = True
    supported_explain_formats = {"INDENT", "TREE"}  # noqa: RUF012 (as declared by Django)
