import pytest

from invoicing.database import parse_database_url


def test_postgres_url_is_taken_apart() -> None:
    entry = parse_database_url("postgres://ann:p%40ss@db.example:6432/shop")
    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert [entry[key] for key in ["USER", "PASSWORD", "HOST", "PORT", "NAME"]] == [
        "ann",
        "p@ss",
        "db.example",
        "6432",
        "shop",
    ]


def test_path_is_a_sqlite_file() -> None:
    entry = parse_database_url("/data/shop.sqlite3")
    assert (entry["ENGINE"], entry["NAME"]) == (
        "django.db.backends.sqlite3",
        "/data/shop.sqlite3",
    )


def test_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        parse_database_url("mysql://localhost/shop")
