"""Depth pictures: 16-bit PNG in millimetres, TIFF and NPY. No file is taken for one by its name alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from ..modality import Depth
from . import Reader, thermal
from ._arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .limits import Limits
from .source import Source


def read(source: Source, limits: Limits, *, scale: float | None = None) -> Depth:
    """Read a depth picture in metres: numbers of the file times `scale`.

    By default whole numbers are millimetres, as depth cameras write them (SUN RGB-D has eighths of them: `scale` is
    1 / 8000), and real numbers metres. What is not finite
    or below zero is unknown, and becomes 0. Raises UnreadableError for 8-bit pictures without a `scale`: they are
    drawings of a depth, in a unit that is lost.
    """
    values = _values(source, limits)
    if scale is None:
        if values.dtype == np.uint8:
            raise UnreadableError(
                f"{source.name} has 8 bits, so its unit is not known; read it with scale=metres a step"
            )
        scale = 1e-3 if np.issubdtype(values.dtype, np.integer) else 1.0
    metres = values.astype(np.float32) * np.float32(scale)
    return Depth(np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0)))


def _values(source: Source, limits: Limits) -> NDArray[Any]:
    if not source.head.startswith((NPY_MAGIC, ZIP_MAGIC)):
        return thermal.field(source, limits)[0]
    values = next(iter(arrays_of(source, limits.max_pixels * 8).values()))
    if values.ndim != 2 or not values.size or values.dtype.kind not in "uif":
        raise UnreadableError(f"{source.name} holds {values.dtype} {list(values.shape)}; a depth is numbers [H, W]")
    return values


READER = Reader(modality="depth", suffixes=(), read=read, sniff=lambda head: False)
