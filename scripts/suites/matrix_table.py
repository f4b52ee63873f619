"""Prints what each combination of `scripts/test_matrix.sh` gave.

matrix_table.py FOLDER COMBINATION...
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    report = folder / f"{name}.xml"
    if report.exists():
        suite = next(ElementTree.parse(report).iter("testsuite"))
        count = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        failed = count["failures"] + count["errors"]
        passed = count["tests"] - failed - count["skipped"]
        told = f"{passed} passed, {failed} failed, {count['skipped']} skipped"
    elif (folder / f"{name}.log").exists():
        told = "not here, or it did not start: see its .log"
    else:
        told = "not run"
    print(f"{name:<24} {told}")
