"""Files that were cut off: refused, or read to the same content; never silently to less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unibind.errors import UnibindError
from unibind.modalities.reading import read

from .seeds import SEEDS, seed

# These formats say nowhere how long they are: a cut between two records cannot be seen.
OPEN_ENDED = {
    "imu.csv", "points.xyz", "text.txt", "mesh.obj", "events.es", "evt2.raw", "evt3.raw", "events.dat", "events.bin",
    "film.ts",
}  # fmt: skip
CUTS = (0.2, 0.45, 0.7, 0.9, 0.985)


def content(path: Path, modality: str) -> list[bytes]:
    """Everything that was read, frames of a video included."""
    raw = read(path, modality)
    parts = [value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode() for value in vars(raw).values()]
    if modality == "video":
        return [raw.frames(np.linspace(0, raw.duration_s, 5)).tobytes()]
    return parts


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SEEDS if name not in OPEN_ENDED])
def test_a_cut_file_is_refused_or_whole(name: str, tmp_path: Path) -> None:
    modality, data, path = SEEDS[name][0], seed(name), tmp_path / name
    path.write_bytes(data)
    whole, refused = content(path, modality), 0
    for size in [*(int(len(data) * cut) for cut in CUTS), len(data) - 1]:
        path.write_bytes(data[:size])
        try:
            assert content(path, modality) == whole, f"{name} is read without its last {len(data) - size} bytes"
        except UnibindError:
            refused += 1
    assert refused >= 2
