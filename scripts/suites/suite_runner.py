"""Runs tests, and names those that failed."""

import os
import unittest
from pathlib import Path

from django.test.runner import DiscoverRunner


class Runner(DiscoverRunner):
    """Django's, which writes the names of the tests that failed into the file `SUITE_FAILED`."""

    def suite_result(
        self, suite: unittest.TestSuite, result: unittest.TestResult, **kwargs: object
    ) -> int:
        unsuccessful = [test for test, _ in [*result.failures, *result.errors]]
        # A part of a test that fails is told as the test.
        failed = {getattr(test, "test_case", test).id() for test in unsuccessful}
        failed.update(test.id() for test in result.unexpectedSuccesses)
        Path(os.environ["SUITE_FAILED"]).write_text("".join(f"{id_}\n" for id_ in sorted(failed)))
        return super().suite_result(suite, result, **kwargs)
