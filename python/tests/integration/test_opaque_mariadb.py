"""Raw SQL of MariaDB: routines."""

import pytest
from django.db import connection
from tests.integration.raw_sql import execute, in_autocommit, told
from tests.shop.models import Tag

pytestmark = [
    pytest.mark.drift("raw SQL is told, and not row by row"),
    pytest.mark.skipif(connection.vendor != "mysql", reason="MariaDB's own ways"),
]


@pytest.fixture
def routine(transactional_db):
    """A procedure that gives all tags a name."""
    execute("CREATE PROCEDURE close_month(IN n varchar(50)) UPDATE shop_tag SET name = n")
    yield
    execute("DROP PROCEDURE close_month")


@in_autocommit
@pytest.mark.usefixtures("routine")
def test_routines_are_told_without_a_table(tags, committed):
    committed()
    execute("CALL close_month('secret')")
    with connection.cursor() as cursor:
        cursor.callproc("close_month", ["hidden"])
    assert set(Tag.objects.values_list("name", flat=True)) == {"hidden"}
    call, proc = committed()
    assert told([call, proc]) == [("opaque", None, None, "call", None)] * 2
    assert call["data"]["statement"] == "CALL close_month(?)"
    assert proc["data"]["statement"] == "CALL close_month(?)"
