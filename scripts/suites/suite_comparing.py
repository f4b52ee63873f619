"""Compares tables and trail after each test of an application."""

import tempfile
import unittest
from collections.abc import Iterator

import suite_runner
from django.apps import apps
from django.conf import settings
from django.db import connections, models
from django.test import TestCase, TransactionTestCase

from trailkeeper import spool
from trailkeeper.capture.registry import is_tracked
from trailkeeper.conf import settings as trail_settings
from trailkeeper.testing import assert_no_drift


def _tests(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests(test)
        else:
            yield test


def _compare(models: list[type[models.Model]], aliases: list[str]) -> None:
    # After an error nothing can be read, and everything will be rolled back.
    readable = [alias for alias in aliases if not connections[alias].needs_rollback]
    assert_no_drift(models=models, databases=readable)


def _forget() -> None:
    """Begins a trail of its own for what comes."""
    folder = tempfile.mkdtemp(dir=settings.FOLDER)
    settings.TRAILKEEPER.update(STORE=f"{folder}/trail", SPOOL=f"{folder}/spool")
    trail_settings.reset()
    spool.reset()


class Runner(suite_runner.Runner):
    """Fails a test if a row or a link is not what the trail says when the test is over: before
    Django takes its rows away.

    Each class has a trail of its own, and so has each test after which Django empties the tables:
    it does that by raw SQL.
    """

    def build_suite(self, *args: object, **kwargs: object) -> unittest.TestSuite:
        suite = super().build_suite(*args, **kwargs)
        self._watch([test for test in _tests(suite) if isinstance(test, TransactionTestCase)])
        return suite

    def _watch(self, tests: list[TransactionTestCase]) -> None:
        # Models that tests make for themselves later have no tables.
        watched = [
            model
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed and not model._meta.proxy and is_tracked(model)
        ]
        # The first cleanup that is asked for is the last that is done.
        for test_class in {type(test) for test in tests}:
            test_class.addClassCleanup(_forget)
        for test in tests:
            if not isinstance(test, TestCase):
                test.addCleanup(_forget)
            test.addCleanup(_compare, watched, sorted(test._validate_databases()))
