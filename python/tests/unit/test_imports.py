"""The package can be imported where nothing is ready yet: in the settings of a project."""

import subprocess
import sys
from pathlib import Path

import pytest

import trailkeeper

SCRIPT = """
from django.conf import settings
settings.configure(INSTALLED_APPS=["trailkeeper"], SECRET_KEY="x")
import sys
import trailkeeper
{statement}
import django
django.setup()
unused = {{"celery", "hijack", "rest_framework", "django_tenants", "trailkeeper_engine"}}
print(sorted(unused & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "statement",
    [*(f"trailkeeper.{name}" for name in trailkeeper.__all__), "import trailkeeper.middleware"],
)
def test_importing_has_no_effects_and_needs_nothing(statement, tmp_path):
    source = str(Path(trailkeeper.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement)],
        env={"PYTHONPATH": source},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert list(tmp_path.iterdir()) == []
