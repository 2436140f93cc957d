"""Thermal pictures: counts in 8 or 16 bits, temperatures in TIFF, FLIR's radiometric JPEG."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from ..errors import LimitError, MissingExtraError, UnibindError, UnreadableError
from . import image
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Thermal:
    """A thermal picture: `values` float32 [H, W], degrees Celsius if `celsius`, else counts normalized to [0, 1]."""

    values: NDArray[np.float32]
    celsius: bool
    modality: ClassVar[str] = "thermal"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        require(
            self.values.dtype == np.float32 and self.values.ndim == 2 and self.values.size > 0,
            f"a Thermal takes float32 [H, W], not {self.values.dtype} {list(self.values.shape)}",
        )

    def summary(self) -> dict[str, Any]:
        """Width, height, unit, smallest, mean and largest value."""
        return {
            "width": self.values.shape[1],
            "height": self.values.shape[0],
            "unit": "celsius" if self.celsius else "normalized counts",
            "min": round(float(self.values.min()), 3),
            "mean": round(float(self.values.mean()), 3),
            "max": round(float(self.values.max()), 3),
        }


_FLIR = b"FLIR\x00"
_TIFF = (b"II*\x00", b"MM\x00*")
# what a TIFF's description may say of its unit: degrees Celsius = value * scale + offset
_UNITS = {"celsius": (1.0, 0.0), "kelvin": (1.0, -273.15), "centikelvin": (0.01, -273.15)}


def read(source: Source, limits: Limits, *, scale: float | None = None, offset: float = 0.0) -> Thermal:
    """Read a thermal picture, in degrees Celsius where they can be known, else as counts over their largest possible.

    With `scale` (and `offset`) they are value * scale + offset. Otherwise: FLIR radiometric JPEGs carry them; a TIFF
    may say its unit in a JSON description ({"unit": "celsius" | "kelvin" | "centikelvin"}). Raises
    MissingExtraError for a radiometric JPEG without the extra `thermal`.
    """
    linear = None if scale is None else (scale, offset)
    if _FLIR in source.head and source.head.startswith(b"\xff\xd8\xff") and linear is None:
        return Thermal(_finite(_flir(source, limits), source), celsius=True)
    values, description = field(source, limits)
    linear = linear or _unit(description)
    if linear is not None:
        return Thermal(_finite(values * linear[0] + linear[1], source), celsius=True)
    return Thermal(_finite(_normalized(values), source), celsius=False)


def field(source: Source, limits: Limits) -> tuple[NDArray[Any], str]:
    """Numbers [H, W] of a picture of one channel, as its file has them, and a TIFF's description."""
    return _tiff(source, limits) if source.head.startswith(_TIFF) else (_picture(source, limits), "")


def _normalized(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Integers over the largest of their type; real numbers over their own range."""
    if np.issubdtype(counts.dtype, np.integer):
        return counts / np.iinfo(counts.dtype).max
    alive = np.where(np.isfinite(counts), counts, np.nan).astype(np.float64)
    if np.isnan(alive).all():
        return alive
    low, high = np.nanmin(alive), np.nanmax(alive)
    return (alive - low) / max(high - low, 1e-12)


def _finite(values: NDArray[Any], source: Source) -> NDArray[np.float32]:
    """float32, dead pixels (not finite) set to the median; refused where more than half are dead."""
    values = values.astype(np.float32)
    dead = ~np.isfinite(values)
    if dead.mean() > 0.5:
        raise UnreadableError(f"{source.name}: more than half of its pixels are not finite; export it again")
    if dead.any():
        values[dead] = np.median(values[~dead])
    return values


def _picture(source: Source, limits: Limits) -> NDArray[Any]:
    """Counts of a picture [H, W], turned upright by its EXIF tag: 16 bits as they are, anything else as 8-bit gray."""
    with image.opened(source, limits) as picture:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):
            return np.asarray(upright).astype(np.uint16)
        return np.asarray(upright.convert("L"))


def _tiff(source: Source, limits: Limits) -> tuple[NDArray[Any], str]:
    """Values [H, W] of the first page, and its description."""
    import tifffile

    with source.open() as file, tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        shape = page.shape
        if math.prod(shape) > limits.max_pixels:
            raise LimitError(f"{source.name} claims {shape} pixels, more than the limits allow; raise them")
        if page.dtype is None or page.dtype.kind not in "uif":
            raise UnreadableError(f"{source.name}: a TIFF of {page.dtype} is no picture of measurements")
        values = page.asarray()
        description = str(page.description)
    if values.ndim == 3 and values.shape[-1] in (3, 4):
        values = values[..., :3].mean(axis=-1).astype(values.dtype)
    if values.ndim != 2 or not values.size:
        raise UnreadableError(
            f"{source.name}: a TIFF of measurements is one picture [H, W], this one is {list(values.shape)}"
        )
    return values, description


def _unit(description: str) -> tuple[float, float] | None:
    """Scale and offset to Celsius where a description tells the unit."""
    try:
        said = json.loads(description)
        return _UNITS.get(str(said.get("unit"))) if isinstance(said, dict) else None
    except ValueError:
        return None


def _flir(source: Source, limits: Limits) -> NDArray[Any]:
    try:
        import flyr
    except ImportError:
        raise MissingExtraError(f"{source.name} is a radiometric JPEG; reading its temperatures", "thermal") from None
    with image.opened(source, limits):  # the size of the visible picture is checked before anything is decoded
        pass
    with source.open() as file:
        data = file.read()
    try:
        return np.asarray(flyr.unpack(io.BytesIO(data)).celsius)
    except UnibindError:
        raise
    except Exception as error:
        raise UnreadableError(
            f"{source.name} promises FLIR temperatures that cannot be read ({type(error).__name__}); "
            "copy it from the camera again"
        ) from error


def _sniff(head: bytes) -> bool:
    """Surely thermal: FLIR's segment, or a TIFF of one channel with 16 bits or real numbers."""
    if head.startswith(b"\xff\xd8\xff"):
        return _FLIR in head
    if not head.startswith(_TIFF):
        return False
    directory = int.from_bytes(head[4:8], "little" if head.startswith(b"II") else "big")
    if not 8 <= directory < len(head):  # tifffile would log what it misses
        return False
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(head)) as tiff:
            page: Any = tiff.pages[0]
            return page.samplesperpixel == 1 and page.dtype is not None and page.dtype.itemsize > 1
    except Exception:  # the directory reaches past the head, or this is no TIFF after all
        return False


READER = Reader(
    modality="thermal",
    suffixes=(".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"),
    read=read,
    sniff=_sniff,
)
