"""A fixed sample of damaged files; `python -m tests.fuzz` reads as many more as one has time for."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import mutants
from .mutations import mutated
from .running import Reader, faults
from .seeds import SEEDS, seed

MUTANTS = 3  # of every seed file


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    assert faults(mutants("corpus", MUTANTS), tmp_path) == []


@pytest.mark.slow
def test_every_seed_is_valid(tmp_path: Path) -> None:
    with Reader() as reader:
        for name, (modality, _) in SEEDS.items():
            path = tmp_path / name
            path.write_bytes(seed(name))
            outcome = reader.outcome(path, modality)
            assert (outcome.verdict, outcome.fault) == ("read", None), (name, outcome.detail)


def test_mutants_depend_on_their_seed_alone() -> None:
    data = bytes(range(256)) * 4
    assert mutated(data, "a") == mutated(data, "a") != mutated(data, "b")
    assert sum(mutated(data, str(number)) != data for number in range(50)) >= 48


@pytest.mark.slow
def test_the_reader_tells_hangs_crashes_and_faults(tmp_path: Path) -> None:
    """The harness itself: a reader that hangs, one that kills its process, one that raises, one that is greedy."""
    package = tmp_path / "bad"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        "import os, time\nimport unibind.modalities.reading as reading\n"
        "def read(path, modality):\n"
        "    name = path.name\n"
        "    if name == 'hang': time.sleep(3600)\n"
        "    if name == 'crash': os.abort()\n"
        "    if name == 'greed': reading.kept = bytearray(1500 << 20)\n"
        "    raise KeyError(name)\n"
        "reading.read = read\n"
    )
    with Reader(extra_path=package) as reader:
        found = {name: reader.outcome(tmp_path / name, "image") for name in ("crash", "raise", "greed")}
        reader.deadline_s = 1
        found["hang"] = reader.outcome(tmp_path / "hang", "image")
    assert [outcome.verdict for outcome in found.values()] == ["crashed", "raised", "raised", "hung"]
    assert all(outcome.fault is not None for outcome in found.values())
    assert "KeyError" in found["raise"].detail
    assert found["greed"].peak_mb > 1400
