"""Depth pictures: 16-bit PNG in millimeters, TIFF and NPY. No file is taken for one by its ending alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from .colormap import inferno, thinned
from .formats.arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .formats.measurements import measurements
from .limits import Limits
from .messages import Part, RenderOptions, picture_part, text_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class Depth:
    """A depth picture: `values` float32 [H, W] in meters from the camera, 0 where unknown."""

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
            "depths must be finite and not negative; set unknown depths to 0",
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


def _read_picture(source: Source, limits: Limits, *, scale: float | None = None) -> Depth:
    """Read a picture of depths; see `_meters` for `scale`."""
    return _meters(measurements(source, limits)[0], scale, source.name)


def _read_array(source: Source, limits: Limits, *, scale: float | None = None) -> Depth:
    """Read an array of depths [H, W]; see `_meters` for `scale`."""
    values = next(iter(arrays_of(source, limits).values()))
    if values.ndim != 2 or not values.size or values.dtype.kind not in "uif":
        raise UnreadableError(f"{source.name} is {values.dtype} {list(values.shape)}; depths are numbers [H, W]")
    return _meters(values, scale, source.name)


def _meters(values: NDArray[Any], scale: float | None, name: str) -> Depth:
    """Depths in meters: the numbers of the file times `scale`.

    By default integers are millimeters, as depth cameras write them (SUN RGB-D writes eighths of a millimeter: `scale`
    is 1 / 8000), and real numbers are meters. Values that are negative or not finite are unknown and become 0. Raises
    UnreadableError for 8-bit numbers without a `scale`: such a picture shows depths, but its unit is lost.
    """
    if scale is None:
        if values.dtype == np.uint8:
            raise UnreadableError(f"{name} has 8 bits, so its unit is unknown; read it with scale=meters per step")
        scale = 1e-3 if np.issubdtype(values.dtype, np.integer) else 1.0
    with np.errstate(over="ignore"):
        meters = values.astype(np.float32)
        meters *= np.float32(scale)
    meters[~((meters > 0) & (meters <= _FARTHEST))] = 0  # also catches NaN
    return Depth(meters)


_UNKNOWN_GRAY = 128
_FARTHEST = 1e6  # meters


def _picture(raw: Depth, size: tuple[int, int]) -> Picture:
    """False colors, near light and far dark, unknown gray, in `size` (width, height); the range is written below."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    width, height = size
    values = thinned(raw.values, max(size))
    known = values > 0
    low, high = (float(v) for v in np.percentile(values[known], (1, 99))) if known.any() else (0.0, 0.0)
    colors = inferno(1 - (values - low) / max(high - low, 1e-6))
    colors[~known] = _UNKNOWN_GRAY
    sheet = Image.new("RGB", size, "white")
    sheet.paste(ImageOps.pad(Image.fromarray(colors), (width, height - 18), color="white"), (0, 0))
    ImageDraw.Draw(sheet).text((4, height - 16), f"{low:.2f} m to {high:.2f} m", "#333333", ImageFont.load_default(12))
    return sheet


def _message(raw: Depth, options: RenderOptions) -> list[Part]:
    from .pictures import picture

    facts = raw.summary()
    words = "A depth picture: light is near the camera, dark is far, gray is unknown."
    if facts["nearest_m"] is not None:
        words += f" Distances go from {facts['nearest_m']:.2f} m to {facts['farthest_m']:.2f} m."
    return [text_part(words), picture_part(picture(raw, options.side), options.side)]


SPEC = ModalitySpec(
    name="depth",
    raw_types=(Depth,),
    formats=(
        FileFormat("NPY or NPZ", (), _read_array, lambda head: head.startswith((NPY_MAGIC, ZIP_MAGIC))),
        FileFormat("PNG or TIFF", (), _read_picture, also=(".png", ".tif", ".tiff"), fallback=True),
    ),
    picture=_picture,
    message=_message,
    prompt_phrase="depth pictures, where only distances to the camera are seen",
    aspects=("shape", "parts", "context"),
    templates=(
        "a depth map of a {}.",
        "a depth image of a {}.",
        "a range image of a {}.",
        "a {} seen by a depth camera.",
        "the distances to the surface of a {}.",
    ),
)
