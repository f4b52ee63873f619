"""Models that say themselves what is recorded of them."""

from django.db import models

import trailkeeper
from trailkeeper.policy.hooks import Draft


def keeps(draft: Draft) -> bool:
    """Vetoes what a robot does."""
    return draft.after is None or draft.after.get("author") != "robot"


def adds(draft: Draft) -> dict[str, int]:
    return {"lines": len((draft.after or {}).get("text", "").splitlines())}


class Organisation(models.Model):
    name = models.CharField(max_length=50)


class Entry(models.Model):
    """Keeps what changed, hides two fields, and one field is not looked at."""

    title = models.CharField(max_length=50)
    text = models.TextField(blank=True)
    author = models.CharField(max_length=50, blank=True)
    diagnosis = models.CharField(max_length=50, blank=True)
    payload = models.JSONField(default=dict, blank=True)
    search = models.JSONField(default=list, blank=True)
    related = models.ManyToManyField("self", symmetrical=False, blank=True)
    labels = models.ManyToManyField(Organisation, blank=True)

    class Trail:
        level = "changed"
        fields = {
            "diagnosis": "metadata",
            "payload": "metadata",
            "search": "none",
            "related": "metadata",
            "labels": "none",
        }

    def __str__(self) -> str:
        return self.title


@trailkeeper.trail(level="metadata")
class Visit(models.Model):
    """Only that it happened."""

    who = models.CharField(max_length=50)
    what = models.CharField(max_length=50, blank=True)

    def __str__(self) -> str:
        return f"{self.who}: {self.what}"


@trailkeeper.trail(level="none")
class Scratch(models.Model):
    """Not tracked, by its own word."""

    text = models.CharField(max_length=50)


class Asked(models.Model):
    """Its changes are shown to callables first."""

    author = models.CharField(max_length=50)
    text = models.TextField(blank=True)
    friends = models.ManyToManyField("self", symmetrical=False, blank=True)

    class Trail:
        veto = "tests.ledger.models.keeps"

        @staticmethod
        def enrich(draft: Draft) -> dict[str, int]:
            return adds(draft)


class Tenanted(models.Model):
    """A row names its tenant."""

    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.SET_NULL)
    text = models.CharField(max_length=50)

    class Trail:
        tenant = "organisation"
        unchanged = "record"
