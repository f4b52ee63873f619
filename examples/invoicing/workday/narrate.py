"""What the person in front of the terminal sees."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    company: str
    username: str
    user_agent: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role}, {self.company})"


def chapter(title: str) -> None:
    print(f"\n== {title}\n", flush=True)


def tell(clock: str, who: object, what: str) -> None:
    """Print one step: when (on the story's clock), who, what."""
    print(f"{clock}  {who!s:<26} {what}", flush=True)


def note(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(f"day.py: {text}", file=sys.stderr, flush=True)
