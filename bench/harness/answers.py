"""The worker's side: answers the calls of `harness.remote.Worker`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["answer"]


def answer(*functions: Callable[..., Any]) -> None:
    """Answers calls of `functions` by their names, until the parent closes the pipe."""
    # What anybody prints goes to stderr: stdout belongs to the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    by_name = {function.__name__: function for function in functions}
    for line in sys.stdin:
        request = json.loads(line)
        result = by_name[request["call"]](**request["arguments"])
        out.write(json.dumps(result) + "\n")
        out.flush()
