"""Settings for the tests of an application: its own, on our database, with Trailkeeper or without.

The environment says whose settings they are (`SUITE_SETTINGS`) and whether Trailkeeper watches
(`SUITE_WATCHED`).
"""

import os
import tempfile
from importlib import import_module
from pathlib import Path

from suite_database import database

_theirs = vars(import_module(os.environ["SUITE_SETTINGS"]))
globals().update({name: value for name, value in _theirs.items() if name.isupper()})

DATABASES = {
    alias: database("" if alias == "default" else f"_{alias}") for alias in _theirs["DATABASES"]
}
TEST_RUNNER = "suite_runner.Runner"

if os.environ["SUITE_WATCHED"] == "1":
    from suite_report import report_at_exit

    TEST_RUNNER = "suite_comparing.Runner"
    FOLDER = Path(tempfile.mkdtemp(prefix="trailkeeper-suite-"))
    TRAILKEEPER = {
        "STORE": str(FOLDER / "trail"),
        "SPOOL": str(FOLDER / "spool"),
        "DRAIN": "none",
    }
    INSTALLED_APPS = [*_theirs["INSTALLED_APPS"], "trailkeeper"]
    report_at_exit(FOLDER)
