"""A second file format of the modality, as another package could add it: one row."""

import io

import numpy as np

from unibind.modalities import FileFormat
from unibind.modalities.limits import Limits
from unibind.modalities.source import Source

from .modality import Radar


def read_csv(source: Source, limits: Limits) -> Radar:
    """A `.rcsv` file: one row of comma-separated powers per range, speeds within 10 m/s."""
    with source.open() as file:
        text = file.read(limits.max_pixels).decode()
    return Radar(np.loadtxt(io.StringIO(text), np.float32, delimiter=",", ndmin=2), max_speed=10.0)


FORMAT = FileFormat("radar CSV", (".rcsv",), read_csv, modality="radar")
