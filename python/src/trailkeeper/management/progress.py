"""How far a long command is, on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper

__all__ = ["Progress"]

#: Seconds between two lines.
INTERVAL: Final = 0.2


class Progress:
    """One line that is written over and over; nothing where the output is not a terminal.

    Args:
        output: where to; `stderr` of the command.
    """

    def __init__(self, output: OutputWrapper) -> None:
        self._output = output
        self._width = 0
        self._shown_at = 0.0

    def show(self, text: str) -> None:
        """Shows `text`, unless the line was written just now."""
        now = time.monotonic()
        if self._output.isatty() and now - self._shown_at >= INTERVAL:
            self._shown_at = now
            self._write(text)

    def clear(self) -> None:
        """Takes the line away."""
        if self._width:
            self._write("")
            self._output.write("\r", ending="")
            self._width = 0

    def _write(self, text: str) -> None:
        self._output.write("\r" + text.ljust(self._width), ending="")
        self._output.flush()
        self._width = len(text)
