"""Small files that claim a lot: refused in one sentence, in little memory, and long before the deadline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .attacks import ATTACKS
from .running import Reader

READ = {"materials.obj", "groups.obj", "polygon.obj", "continued.obj"}  # what they repeat costs nothing now


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name: str, reader: Reader, tmp_path: Path) -> None:
    modality, make = ATTACKS[name]
    path = tmp_path / name
    path.write_bytes(make())
    outcome = reader.outcome(path, modality)
    assert outcome.fault is None
    assert outcome.verdict == ("read" if name in READ else "refused"), outcome.detail
    path.unlink()
