"""Deterministic Hypothesis examples, and tests that need sample files are skipped where the files are missing."""

import os

import pytest
from hypothesis import settings

from tests.helpers.reference import SAMPLES

os.environ["UNIBIND_CACHE"] = ""  # no test depends on what another one has embedded

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


def pytest_collection_modifyitems(items):
    if SAMPLES.is_dir():
        return
    skip = pytest.mark.skip(reason=f"needs the sample files in {SAMPLES}")
    for item in items:
        if item.get_closest_marker("reference"):
            item.add_marker(skip)
