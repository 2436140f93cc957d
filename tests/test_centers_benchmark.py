"""The script that measures selection and scoring: its plain loop does the same as the library."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from unibind.align.selection import STRATEGIES


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    yield importlib.import_module("centers")
    sys.modules.pop("centers", None)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_plain_loop_selects_the_same_centers(script, strategy):
    arguments = Namespace(categories=6, texts=30, width=16, samples=20, k=5, strategy=strategy, plain=True)
    found = script.measure(arguments)
    assert found["largest difference"] < 1e-6
    assert found["plain scoring"].keys() == found["scoring"].keys() == {str(s) for s in script.SCORINGS}
    assert found["peak_gb"] > 0
