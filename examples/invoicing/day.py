#!/usr/bin/env python
"""Play a day of work in the invoicing example, then read its audit trail.

    python day.py

Starts from an empty database and an empty trail each time, takes seconds, and
exits with 1 at the first step that does not go as the scenario says.
"""

import sys
from http.client import HTTPException

from workday import scenario, trail
from workday.client import UnexpectedAnswerError
from workday.narrate import chapter, complain, note
from workday.project import Project, StepFailedError
from workday.server import WORKERS, Server


def main() -> int:
    try:
        _day()
    except (StepFailedError, UnexpectedAnswerError, HTTPException, OSError) as error:
        complain(str(error))
        return 1
    return 0


def _day() -> None:
    project = Project()
    chapter("Before opening")
    project.start_afresh()
    project.manage("migrate", "--verbosity", "0")
    note(project.manage("seed", "--password", scenario.PASSWORD))

    server = Server(project)
    with server:
        note(f"gunicorn with {WORKERS} workers serves {server.url}")
        chapter("The day")
        outcome = scenario.play(project, server)
    requests, workers = server.answered()
    note(f"\nThe server has stopped: {requests} requests, answered by {workers} workers.")

    if not project.has_trail:
        note("No trail to show: INVOICING_AUDIT is not trailkeeper.")
        return
    trail.deliver()
    chapter(f"The history of {outcome.star_number}")
    trail.run(project, "history", "billing.invoice", str(outcome.star_id))
    chapter("The same invoice at noon")
    trail.show_then_and_now(outcome)
    chapter("The payment that was rolled back")
    trail.show_payments()
    chapter("The store, and its proof")
    trail.run(project, "stats")
    note("")
    trail.run(project, "verify")
    chapter("What to open next")
    trail.suggest(project)


if __name__ == "__main__":
    sys.exit(main())
