"""The example as a project on disk: its folders, its database, its commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from invoicing.database import parse_database_url

EXAMPLE = Path(__file__).resolve().parent.parent


class StepFailedError(Exception):
    """A step of the day did not do what it should."""


class Project:
    """Where the day takes place: as the environment says, or in `var/`."""

    def __init__(self) -> None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "invoicing.settings")
        self.home = Path(os.environ.get("INVOICING_HOME", EXAMPLE / "var")).resolve()
        self.trail = self.home / "trail"
        self.has_trail = os.environ.get("INVOICING_AUDIT", "trailkeeper") == "trailkeeper"

    def start_afresh(self) -> None:
        """Remove what an earlier day left in the home folder, and only that.

        A database named by `INVOICING_DATABASE_URL` is somebody's: it has to be
        empty, and is never emptied from here.
        """
        for name in ["db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "access.log", "server.log"]:
            (self.home / name).unlink(missing_ok=True)
        for name in ["trail", "spool"]:
            shutil.rmtree(self.home / name, ignore_errors=True)
        self.home.mkdir(parents=True, exist_ok=True)
        url = os.environ.get("INVOICING_DATABASE_URL")
        if url and not _is_empty_database(url):
            raise StepFailedError(
                "the database of INVOICING_DATABASE_URL is not empty: name a new one"
            )

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` with `arguments` and return what it printed."""
        done = subprocess.run(
            [sys.executable, str(EXAMPLE / "manage.py"), *arguments],
            cwd=EXAMPLE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StepFailedError(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


def _is_empty_database(url: str) -> bool:
    entry = parse_database_url(url)
    if entry["ENGINE"].endswith("sqlite3"):
        return not Path(entry["NAME"]).exists()
    import psycopg

    with psycopg.connect(
        dbname=entry["NAME"],
        user=entry["USER"],
        password=entry["PASSWORD"],
        host=entry["HOST"],
        port=entry["PORT"],
    ) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
        return connection.execute(query).fetchone() == (0,)
