"""What the page of write paths claims is compared with what ran."""

import check_writes
import pytest

PAGE = """
| Write | Test | SQLite | PostgreSQL | MariaDB |
| --- | --- | --- | --- | --- |
| `save()` | `test_rows.py::test_save` | all | 6.1 | - |
"""


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Writes what one combination gave: `inside` the element of the one test."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(check_writes, "PAGE", page)

    def write(combination, inside="", test="test_save[x]"):
        case = (
            f'<testcase classname="tests.integration.test_rows" name="{test}">{inside}</testcase>'
        )
        (tmp_path / f"{combination}.xml").write_text(f"<testsuites>{case}</testsuites>")
        return list(check_writes.contradictions(tmp_path))

    return write


@pytest.mark.parametrize(
    ("combination", "inside"),
    [
        ("3.13-5.2-sqlite", ""),
        ("3.13-6.1-postgresql", ""),
        ("3.13-5.2-postgresql", "<skipped/>"),
        ("3.13-6.1-mariadb", "<skipped/>"),
    ],
)
def test_what_ran_as_the_page_says_is_right(report, combination, inside):
    assert report(combination, inside) == []


@pytest.mark.parametrize(
    ("combination", "inside", "found"),
    [
        ("3.13-5.2-sqlite", "<failure/>", "failed on sqlite with Django 5.2"),
        ("3.13-5.2-sqlite", "<skipped/>", "did not run on sqlite with Django 5.2"),
        ("3.13-5.2-mariadb", "", "runs on mariadb with Django 5.2, and the page says no"),
        ("3.13-5.2-mariadb", "<error/>", "failed on mariadb with Django 5.2"),
    ],
)
def test_what_contradicts_the_page_is_found(report, combination, inside, found):
    assert report(combination, inside) == [f"test_rows.test_save: {found}"]


def test_a_test_that_is_gone_is_found(report):
    (found,) = report("3.13-5.2-sqlite", test="test_another")
    assert "did not run" in found


def test_the_page_itself_is_understood():
    claims = list(check_writes.claims())
    assert len(claims) > 45
    assert all(versions for _, by_database in claims for versions in by_database.values())
