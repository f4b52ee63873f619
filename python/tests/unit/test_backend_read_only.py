import pytest
from django.db.utils import NotSupportedError

from trailkeeper.backend.read_only import require_reading


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  select 1",
        "(SELECT 1) UNION (SELECT 2)",
        "-- delete\n/* insert */ SELECT 1",
        "WITH a AS (SELECT 'delete') SELECT * FROM a",
        "EXPLAIN ANALYZE SELECT 'insert', \"update\" FROM events",
        "VALUES (1)",
        "SHOW TABLES",
    ],
)
def test_reading_is_allowed(sql: str) -> None:
    require_reading(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO events VALUES (1)",
        "  /* x */ update events set a = 1",
        "DELETE FROM events",
        "COPY events TO 'x'",
        "CREATE TABLE a (b int)",
        "DROP TABLE events",
        "TRUNCATE events",
        "SET a = 1",
        "WITH a AS (SELECT 1) INSERT INTO events SELECT * FROM a",
        "EXPLAIN ANALYZE DELETE FROM events",
        "BEGIN",
        "",
        "%s",
        "'SELECT'",
    ],
)
def test_everything_else_is_refused(sql: str) -> None:
    with pytest.raises(NotSupportedError, match="the trail is read-only"):
        require_reading(sql)
