"""Depth pictures: 16-bit PNG in millimeters, TIFF and NPY. No file is taken for one by its name alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from . import thermal
from .formats.arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Depth:
    """A depth picture: `values` float32 [H, W] in meters from the camera, 0 where nothing is known."""

    values: NDArray[np.float32]
    modality: ClassVar[str] = "depth"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and depths that are negative or not finite."""
        require(
            self.values.dtype == np.float32 and self.values.ndim == 2 and self.values.size > 0,
            f"a Depth takes float32 [H, W], not {self.values.dtype} {list(self.values.shape)}",
        )
        require(
            bool(np.isfinite(self.values).all() and self.values.min() >= 0),
            "a Depth holds meters of 0 and more; set unknown depths to 0",
        )

    def summary(self) -> dict[str, Any]:
        """Width, height, share of known depths, nearest and farthest of them in meters."""
        known = self.values[self.values > 0]
        return {
            "width": self.values.shape[1],
            "height": self.values.shape[0],
            "known_share": round(len(known) / self.values.size, 4),
            "nearest_m": round(float(known.min()), 3) if len(known) else None,
            "farthest_m": round(float(known.max()), 3) if len(known) else None,
        }


def read(source: Source, limits: Limits, *, scale: float | None = None) -> Depth:
    """Read a depth picture in meters: numbers of the file times `scale`.

    By default whole numbers are millimeters, as depth cameras write them (SUN RGB-D has eighths of them: `scale` is
    1 / 8000), and real numbers meters. What is not finite
    or below zero is unknown, and becomes 0. Raises UnreadableError for 8-bit pictures without a `scale`: they are
    drawings of a depth, in a unit that is lost.
    """
    values = _values(source, limits)
    if scale is None:
        if values.dtype == np.uint8:
            raise UnreadableError(
                f"{source.name} has 8 bits, so its unit is not known; read it with scale=meters a step"
            )
        scale = 1e-3 if np.issubdtype(values.dtype, np.integer) else 1.0
    meters = values.astype(np.float32) * np.float32(scale)
    return Depth(np.where(np.isfinite(meters) & (meters > 0), meters, np.float32(0)))


def _values(source: Source, limits: Limits) -> NDArray[Any]:
    if not source.head.startswith((NPY_MAGIC, ZIP_MAGIC)):
        return thermal.field(source, limits)[0]
    values = next(iter(arrays_of(source, limits.max_pixels * 8).values()))
    if values.ndim != 2 or not values.size or values.dtype.kind not in "uif":
        raise UnreadableError(f"{source.name} holds {values.dtype} {list(values.shape)}; a depth is numbers [H, W]")
    return values


READER = Reader(modality="depth", suffixes=(), read=read, sniff=lambda head: False)
