"""After the day: what the trail knows about it, by the commands a user has."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import django

from workday.narrate import note
from workday.project import EXAMPLE, Project, StepFailedError
from workday.scenario import PASSWORD, PAYMENT_REFERENCES, Outcome

AS_OF_FIELDS = ["status", "amount_paid", "paid_on", "po_reference", "terms"]


def deliver() -> None:
    """Bring what the server's workers left in the spool into the table."""
    django.setup()
    import trailkeeper

    trailkeeper.flush()


def show_then_and_now(outcome: Outcome) -> None:
    """Print a few fields of the star invoice as they were at noon, and as they are."""
    import trailkeeper

    from billing.models import Invoice

    now = Invoice.objects.get(pk=outcome.star_id)
    then = trailkeeper.as_of(now, outcome.noon)
    note(">>> then = trailkeeper.as_of(invoice, noon)")
    note(f"{'field':<14} {'at noon':<28} now")
    for name in AS_OF_FIELDS:
        note(f"{name:<14} {getattr(then, name)!s:<28} {getattr(now, name)!s}")
    if (then.status, now.status) != (Invoice.Status.SENT, Invoice.Status.PAID):
        raise StepFailedError("the invoice was sent at noon and is paid now, says the scenario")


def show_payments() -> None:
    """Print the payments that the trail knows: the refused one was never made."""
    import trailkeeper

    booked = trailkeeper.events().filter(model="billing.payment", action="create")
    references = sorted(event.after["reference"] for event in booked)
    note('>>> trailkeeper.events().filter(model="billing.payment", action="create")')
    note(f"references: {', '.join(references)}")
    if references != PAYMENT_REFERENCES:
        raise StepFailedError(f"the payments of the day are {', '.join(PAYMENT_REFERENCES)}")


def run(project: Project, *arguments: str) -> None:
    """Run `trailkeeper` on the day's store, and show both the command and its output."""
    command = [_shown(_trailkeeper()), *arguments, "--store", os.path.relpath(project.trail)]
    note(f"$ {shlex.join(command)}")
    status = subprocess.run([_trailkeeper(), *command[1:]], check=False).returncode
    if status != 0:
        raise StepFailedError(f"trailkeeper {arguments[0]} ended with status {status}")


def suggest(project: Project) -> None:
    """Print what to open next."""
    trailkeeper, python = _shown(_trailkeeper()), _shown(sys.executable)
    store = shlex.quote(os.path.relpath(project.trail))
    manage = shlex.quote(os.path.relpath(EXAMPLE / "manage.py"))
    query = "SELECT tenant, action, count(*) FROM events GROUP BY 1, 2 ORDER BY 1, 3 DESC"
    note(f"{trailkeeper} events --store {store} --tenant acme")
    note(f'{trailkeeper} sql "{query}" --store {store}')
    note(f"{python} {manage} trailkeeper status")
    note(f"INVOICING_DEBUG=1 {python} {manage} runserver")
    note(f"    then http://127.0.0.1:8000/admin/ as carol, password {PASSWORD}")


def _trailkeeper() -> str:
    """The command that was installed beside this Python, or the one on the path."""
    beside = Path(sys.executable).with_name("trailkeeper")
    found = str(beside) if beside.exists() else shutil.which("trailkeeper")
    if found is None:
        raise StepFailedError("the command `trailkeeper` is not installed: run `make setup`")
    return found


def _shown(program: str) -> str:
    """`program` as a person would type it from the current folder."""
    path, here = Path(program), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else program
