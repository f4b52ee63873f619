#!/usr/bin/env python3
"""Compare docs/guide/write-paths.md with what `make test-matrix` ran.

    scripts/check_writes.py FOLDER

FOLDER has the results, one file for each combination that ran: `3.13-6.1-sqlite.xml`. A test must
have passed on each database and with each Django that the page has it for, and must not have failed
with any Python; where the page does not have it, it must have been skipped. Combinations of which
there is no result are left alone.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "write-paths.md"
DATABASES = ("sqlite", "postgresql", "mariadb")
DJANGOS = ("5.2", "6.0", "6.1")

#: Of each combination of Django and database, and each test, how its cases ended.
Outcomes = dict[tuple[str, str], dict[str, set[str]]]


def claims() -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Each test that the page names, and the versions of Django it names for each database."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        test = re.fullmatch(r"`(\w+)\.py::(\w+)`", cells[1]) if len(cells) == 5 else None
        if test:
            versions = [set(DJANGOS) if cell == "all" else set(cell.split()) for cell in cells[2:]]
            yield ".".join(test.groups()), dict(zip(DATABASES, versions, strict=True))


def outcomes(folder: Path) -> Outcomes:
    """What the reports in `folder` say."""
    found: Outcomes = defaultdict(lambda: defaultdict(set))
    for report in sorted(folder.glob("*.xml")):
        _, django, database = report.stem.split("-")
        for case in ElementTree.parse(report).iter("testcase"):
            ended = {child.tag for child in case} & {"failure", "error", "skipped"} or {"passed"}
            module = case.get("classname", "").rpartition(".")[2]
            name = case.get("name", "").partition("[")[0]
            found[django, database][f"{module}.{name}"] |= ended
    return found


def contradictions(folder: Path) -> Iterator[str]:
    """What the page says and the results do not."""
    for (django, database), tests in outcomes(folder).items():
        for test, versions in claims():
            ended = tests.get(test, set())
            if ended & {"failure", "error"}:
                yield f"{test}: failed on {database} with Django {django}"
            elif django in versions[database] and "passed" not in ended:
                yield f"{test}: did not run on {database} with Django {django}"
            elif django not in versions[database] and "passed" in ended:
                yield f"{test}: runs on {database} with Django {django}, and the page says no"


def main() -> int:
    folder = Path(sys.argv[1])
    found = list(contradictions(folder))
    for line in found:
        print(line)
    combinations = len(outcomes(folder))
    print(f"{PAGE.name}: {len(list(claims()))} tests in {combinations} Djangos and databases")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
