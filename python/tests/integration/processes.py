"""Forked processes, for tests of several at once."""

import os
import sys
from collections.abc import Callable

from django.db import connections


def fork(work: Callable[[], object]) -> int:
    """Runs `work()` in a child, which exits with 0 or, if that raises, with 1; gives its number."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        sys.stderr.write(f"child: {error!r}\n")
    finally:
        os._exit(code)
