"""Readings of inertial sensors (IMUs): CSV and NPY. No file is taken for one by its ending alone."""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .formats.arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .limits import Limits
from .messages import Part, RenderOptions, duration, picture_part, text_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class Imu:
    """Readings of an inertial sensor: `values` float32 [6, N], acceleration x, y, z in m/s^2 and rotation x, y, z in
    rad/s, at `rate` readings per second.
    """

    values: NDArray[np.float32]
    rate: float
    modality: ClassVar[str] = "imu"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and numbers that are not finite."""
        require(
            self.values.dtype == np.float32
            and self.values.ndim == 2
            and len(self.values) == 6
            and self.values.size > 6,
            f"an Imu takes float32 [6, N] with N of 2 and more, not {self.values.dtype} {list(self.values.shape)}",
        )
        require(bool(np.isfinite(self.values).all()), "an Imu must not contain NaN or infinite readings")
        require(self.rate > 0, f"an Imu's rate must be positive, not {self.rate}")

    def summary(self) -> dict[str, Any]:
        """Duration in seconds, rate in Hz, largest acceleration in m/s^2 and rotation in rad/s."""
        largest = np.linalg.norm(self.values.reshape(2, 3, -1), axis=1).max(axis=1)
        return {
            "duration_s": round(self.values.shape[1] / self.rate, 4),
            "rate_hz": self.rate,
            "largest_acceleration": round(float(largest[0]), 3),
            "largest_rotation": round(float(largest[1]), 3),
        }


# --- reading -------------------------------------------------------------------------------------------------------

_CHANNELS = 6
_LARGEST = 1e6  # m/s^2 and rad/s
_MIN_RATE_HZ = 1.0  # a lower rate means that times are in milliseconds


def _read_csv(source: Source, limits: Limits, *, rate: float | None = None) -> Imu:
    """Read six columns, or seven whose first is the time in seconds, with or without a header; see `_imu`."""
    return _imu(_table(source, limits), rate, source.name)


def _read_array(source: Source, limits: Limits, *, rate: float | None = None) -> Imu:
    """Read an array [N, 6], [N, 7] whose first column is the time in seconds, or [6, N]; see `_imu`.

    [6, 6] and [6, 7] are refused: either axis could be the time.
    """
    values = next(iter(arrays_of(source, limits).values()))
    if values.ndim != 2 or values.dtype.kind not in "uif" or _CHANNELS not in (len(values), *_widths(values)):
        raise UnreadableError(f"{source.name} is {values.dtype} {list(values.shape)}; IMU readings are numbers [N, 6]")
    if len(values) == _CHANNELS and _CHANNELS in _widths(values):
        raise UnreadableError(
            f"{source.name} is {list(values.shape)}, which may be meant either way; save more readings, as [N, 6]"
        )
    rows = values if _CHANNELS in _widths(values) else values.T
    return _imu(rows.astype(np.float64), rate, source.name)


def _imu(rows: NDArray[np.float64], rate: float | None, name: str) -> Imu:
    """Readings of rows [N, 6] (acceleration x, y, z in m/s^2, rotation x, y, z in rad/s) or [N, 7] with time first.

    `rate` in Hz is required without times; with them it defaults to the mean over the recording. Raises
    UnreadableError for times that decrease or are not in seconds, and for an unknown rate.
    """
    if len(rows) < 2:
        raise UnreadableError(f"{name} has {len(rows)} readings; at least two are needed")
    if rate is None:
        if rows.shape[1] == _CHANNELS:
            raise UnreadableError(f"{name} has no times; add them as first column in seconds, or read it with rate=Hz")
        rate = _mean_rate(rows[:, 0], name)
    elif rows.shape[1] > _CHANNELS:
        _check_times(rows[:, 0], name)
    readings = np.ascontiguousarray(rows[:, -_CHANNELS:].T, np.float32)
    if not (np.abs(readings) <= _LARGEST).all():  # also catches NaN
        raise UnreadableError(f"{name} has readings that no sensor gives (NaN, or above {_LARGEST:,.0f}); export again")
    return Imu(readings, rate)


def _mean_rate(times: NDArray[np.float64], name: str) -> float:
    """Readings per second of increasing times in seconds."""
    _check_times(times, name)
    rate = (len(times) - 1) / float(times[-1] - times[0])
    if rate < _MIN_RATE_HZ:
        raise UnreadableError(f"{name}: its first column gives {rate:.2g} readings per second; write times in seconds")
    return rate


def _check_times(times: NDArray[np.float64], name: str) -> None:
    if not (times[-1] > times[0] and (np.diff(times) >= 0).all()):
        raise UnreadableError(f"{name}: the times in its first column do not increase; sort the rows, or remove it")


def _widths(values: NDArray[Any]) -> tuple[int, int]:
    """Numbers of columns with and without a time before them."""
    return values.shape[1], values.shape[1] - 1


def _table(source: Source, limits: Limits) -> NDArray[np.float64]:
    """Rows of numbers [N, 6 or 7]; a header is skipped."""
    values, width = array("d"), 0
    for number, cells in enumerate(csv.reader(source.lines(limits)), start=1):
        if not cells:
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if number == 1:
                continue
            raise UnreadableError(f"{source.name} line {number}: {cells[:7]} are not all numbers") from None
        if len(row) not in (_CHANNELS, _CHANNELS + 1) or len(row) != (width or len(row)):
            raise UnreadableError(
                f"{source.name} line {number} has {len(row)} columns; IMU readings have 6, or 7 with time"
            )
        values.extend(row)
        width = len(row)
        if len(values) > min(limits.max_events * width, limits.max_unpacked // values.itemsize):
            raise LimitError(f"{source.name} has more than {len(values) // width - 1:,} readings; raise the limits")
    return np.array(values).reshape(-1, width or 1)


# --- showing -------------------------------------------------------------------------------------------------------

_PICTURE_RATIO = 1.5
_COLORS = ("#c0392b", "#1e8449", "#2471a3")  # x, y, z


def _picture(raw: Imu, size: tuple[int, int]) -> Picture:
    """Curves in `size` (width, height), acceleration above rotation; each half is scaled to its labeled maximum."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    columns = np.linspace(0, raw.values.shape[1] - 1, width).round().astype(int)
    for half, unit in enumerate(("m/s^2", "rad/s")):
        curves = raw.values[3 * half : 3 * half + 3, columns]
        largest = max(float(np.abs(curves).max()), 1e-9)
        middle, reach = (2 * half + 1) * height / 4, height / 4 - 8
        pen.line([(0, middle), (width, middle)], "#cccccc")
        for curve, color in zip(curves, _COLORS, strict=True):
            pen.line([(x, middle - y / largest * reach) for x, y in enumerate(curve)], color)
        pen.text((4, middle - reach - 6), f"{largest:.3g} {unit}", "#333333", font)
    return sheet


def _message(raw: Imu, options: RenderOptions) -> list[Part]:
    from .pictures import picture

    facts = raw.summary()
    words = (
        f"Readings of an inertial sensor that is worn or carried, {duration(facts['duration_s'])} long: acceleration "
        f"above (at most {facts['largest_acceleration']:.3g} m/s^2, gravity of 9.8 with it), rotation below (at most "
        f"{facts['largest_rotation']:.3g} rad/s); x is red, y green, z blue, time goes to the right."
    )
    return [text_part(words), picture_part(picture(raw, options.side), round(options.side * _PICTURE_RATIO))]


SPEC = ModalitySpec(
    name="imu",
    raw_types=(Imu,),
    formats=(
        FileFormat("NPY or NPZ", (), _read_array, lambda head: head.startswith((NPY_MAGIC, ZIP_MAGIC))),
        FileFormat("CSV", (), _read_csv, also=(".csv",), fallback=True),
    ),
    picture=_picture,
    picture_ratio=_PICTURE_RATIO,
    message=_message,
    prompt_phrase="recordings of accelerations and rotations of a sensor that is worn or carried",
    aspects=("motion", "events"),
    templates=(
        "the motion of a {}.",
        "accelerometer readings of a {}.",
        "the accelerations and rotations of a {}.",
        "a {} recorded by a motion sensor.",
        "inertial sensor data of a {}.",
    ),
)
