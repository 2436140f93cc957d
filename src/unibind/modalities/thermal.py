"""Thermal pictures: temperatures in TIFF, FLIR's radiometric JPEG, 8-bit and 16-bit counts."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from .colormap import inferno, thinned
from .formats.flir import read_flir
from .formats.images import JPEG_MAGIC, PNG_MAGIC
from .formats.measurements import gray_levels, is_tiff, opened_tiff, tiff_values
from .limits import Limits
from .messages import Part, RenderOptions, picture_part, text_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


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


# --- reading -------------------------------------------------------------------------------------------------------

_FLIR = b"FLIR\x00"
_HOTTEST = 1e6  # degrees
_BAND = 256  # rows
# Units that a TIFF's description may name: degrees Celsius = value * scale + offset.
_UNITS = {"celsius": (1.0, 0.0), "kelvin": (1.0, -273.15), "centikelvin": (0.01, -273.15)}


def _read_flir(source: Source, limits: Limits, *, scale: float | None = None, offset: float = 0.0) -> Thermal:
    """Read the temperatures of a radiometric JPEG; with `scale`, the visible picture's gray levels instead."""
    if scale is not None:
        return _read_picture(source, limits, scale=scale, offset=offset)
    return Thermal(_finite(read_flir(source.read_bytes(limits), source.name, limits), source), celsius=True)


def _read_tiff(source: Source, limits: Limits, *, scale: float | None = None, offset: float = 0.0) -> Thermal:
    """Read a TIFF, in degrees Celsius with `scale` (and `offset`), or where its JSON description names the unit
    ({"unit": "celsius" | "kelvin" | "centikelvin"}); otherwise as normalized counts.
    """
    values, description = tiff_values(source, limits)
    return _thermal(values, _unit(description) if scale is None else (scale, offset), source)


def _read_picture(source: Source, limits: Limits, *, scale: float | None = None, offset: float = 0.0) -> Thermal:
    """Read the counts of a picture: degrees Celsius with `scale` (and `offset`), else normalized."""
    return _thermal(gray_levels(source, limits), None if scale is None else (scale, offset), source)


def _thermal(values: NDArray[Any], unit: tuple[float, float] | None, source: Source) -> Thermal:
    scale, offset = _normalization(values) if unit is None else unit
    out = np.empty(values.shape, np.float32)
    for rows in range(0, len(values), _BAND):  # in double precision, a band at a time
        with np.errstate(over="ignore", invalid="ignore"):
            out[rows : rows + _BAND] = values[rows : rows + _BAND].astype(np.float64) * scale + offset
    return Thermal(_finite(out, source), celsius=unit is not None)


def _normalization(counts: NDArray[Any]) -> tuple[float, float]:
    """Scale and offset to [0, 1]: integers over the largest of their type, real numbers over their own range."""
    if np.issubdtype(counts.dtype, np.integer):
        return 1 / np.iinfo(counts.dtype).max, 0.0
    finite = counts[np.isfinite(counts)]
    if not finite.size:
        return 1.0, 0.0
    low, high = float(finite.min()), float(finite.max())
    scale = 1 / max(high - low, 1e-12)
    return scale, -low * scale


def _finite(values: NDArray[np.float32], source: Source) -> NDArray[np.float32]:
    """Dead pixels (not finite, or hotter than anything) set to the median; refused where most are dead."""
    dead = ~(np.abs(values) <= _HOTTEST)  # also catches NaN
    if dead.mean() > 0.5:
        raise UnreadableError(f"{source.name}: more than half of its pixels are not finite; export it again")
    if dead.any():
        values[dead] = np.median(values[~dead])
    return values


def _unit(description: str) -> tuple[float, float] | None:
    """Scale and offset to degrees Celsius where a TIFF's description names the unit."""
    try:
        facts = json.loads(description)
        return _UNITS.get(str(facts.get("unit"))) if isinstance(facts, dict) else None
    except ValueError:
        return None


def _is_flir(head: bytes) -> bool:
    return head.startswith(JPEG_MAGIC) and _FLIR in head


def _is_measured_tiff(head: bytes) -> bool:
    """Whether this is a TIFF of one channel with 16 bits or real numbers, which photographs never are."""
    if not is_tiff(head):
        return False
    directory = int.from_bytes(head[4:8], "little" if head.startswith(b"II") else "big")
    if not 8 <= directory < len(head):  # tifffile would log a warning
        return False
    try:
        with opened_tiff(io.BytesIO(head)) as tiff:
            page: Any = tiff.pages[0]
            return page.samplesperpixel == 1 and page.dtype is not None and page.dtype.itemsize > 1
    except Exception:  # the directory reaches beyond the head, or this is not a TIFF after all
        return False


# --- showing -------------------------------------------------------------------------------------------------------


def _picture(raw: Thermal, size: tuple[int, int]) -> Picture:
    """False colors, coldest dark and hottest light, in `size` (width, height); a bar labels the scale."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    width, height = size
    bar = 62
    values = thinned(raw.values, max(size))
    low, high = (float(v) for v in np.percentile(values, (1, 99.8)))
    field = Image.fromarray(inferno((values - low) / max(high - low, 1e-6)))
    sheet = Image.new("RGB", size, "white")
    sheet.paste(ImageOps.pad(field, (width - bar, height), color="white"), (0, 0))
    ramp = inferno(np.linspace(1, 0, height - 24))[:, None].repeat(12, axis=1)
    sheet.paste(Image.fromarray(ramp), (width - bar + 6, 12))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for value, row in ((high, 8), ((low + high) / 2, height // 2 - 6), (low, height - 20)):
        label = f"{value:.1f} °C" if raw.celsius else f"{value:.2f}"
        pen.text((width - bar + 21, row), label, "#333333", font)
    return sheet


def _message(raw: Thermal, options: RenderOptions) -> list[Part]:
    from .pictures import picture

    low, mean, high = (float(v) for v in (raw.values.min(), raw.values.mean(), raw.values.max()))
    if raw.celsius:
        numbers = f"Temperatures go from {low:.1f} °C to {high:.1f} °C, {mean:.1f} °C on average."
    else:
        numbers = "The camera gave no degrees: colors only say what is warmer than what."
    words = "A thermal picture in false colors: black and violet are cold, orange is warm, light yellow is hottest."
    return [text_part(f"{words} {numbers}"), picture_part(picture(raw, options.side), options.side)]


SPEC = ModalitySpec(
    name="thermal",
    raw_types=(Thermal,),
    formats=(
        FileFormat("FLIR radiometric JPEG", (".jpg", ".jpeg"), _read_flir, _is_flir),
        FileFormat("radiometric TIFF", (".tif", ".tiff"), _read_tiff, _is_measured_tiff),
        FileFormat("TIFF", (), _read_tiff, is_tiff, also=(".tif", ".tiff")),
        FileFormat(
            "JPEG, PNG or BMP",
            (),
            _read_picture,
            lambda head: head.startswith((JPEG_MAGIC, PNG_MAGIC, b"BM")),
            also=(".png", ".jpg", ".jpeg", ".bmp"),
            fallback=True,
        ),
    ),
    picture=_picture,
    picture_ratio=1.15,
    message=_message,
    prompt_phrase="thermal pictures, where only temperatures are seen",
    aspects=("heat", "shape", "context"),
    templates=(
        "a thermal image of a {}.",
        "an infrared photo of a {}.",
        "a heat map of a {}.",
        "a {} seen by a thermal camera.",
        "a picture of the warmth of a {}.",
    ),
)
