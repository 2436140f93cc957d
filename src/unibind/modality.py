"""The modalities and their raw types: what a reader returns and a backbone's preprocessing takes.

A raw value is a small frozen dataclass over numpy arrays in physical units. It knows its modality, so code never
guesses one from an array's shape. `summary()` gives the facts a person would ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import UnibindError, UnknownNameError

MODALITIES = ("image", "text", "audio", "point_cloud", "thermal", "video", "event")
EXTRA_MODALITIES = ("depth", "imu")  # that some backbones know beside the seven


def check_modality(name: str, known: tuple[str, ...] = MODALITIES + EXTRA_MODALITIES) -> str:
    """Return `name` if it is a known modality; raise UnknownNameError otherwise."""
    if name not in known:
        raise UnknownNameError("modality", name, known)
    return name


@runtime_checkable
class Raw(Protocol):
    """One decoded item."""

    modality: ClassVar[str]

    def summary(self) -> dict[str, Any]:
        """Plain facts about the item (sizes, units, durations, counts), JSON-serialisable."""
        ...


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UnibindError(message)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: `pixels` uint8 [H, W, 3], sRGB, upright."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        _require(
            self.pixels.dtype == np.uint8 and self.pixels.ndim == 3 and self.pixels.shape[2] == 3,
            f"an Image takes uint8 [H, W, 3], not {self.pixels.dtype} {list(self.pixels.shape)}",
        )

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}


@dataclass(frozen=True, eq=False)
class Text:
    """A text: any Unicode string that is not blank."""

    text: str
    modality: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        """Refuse a blank text."""
        _require(bool(self.text.strip()), "a Text must hold at least one visible character")

    def summary(self) -> dict[str, Any]:
        """Counts of characters and words."""
        return {"characters": len(self.text), "words": len(self.text.split())}


@dataclass(frozen=True, eq=False)
class Audio:
    """A mono recording: `samples` float32 [N] in [-1, 1] full scale, `rate` in Hz."""

    samples: NDArray[np.float32]
    rate: int
    channels: int = 1  # of the file, before the mix-down
    modality: ClassVar[str] = "audio"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        _require(
            self.samples.dtype == np.float32 and self.samples.ndim == 1 and self.samples.size > 0,
            f"an Audio takes float32 [samples], not {self.samples.dtype} {list(self.samples.shape)}",
        )
        _require(self.rate > 0, f"an Audio's rate must be positive, not {self.rate}")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def summary(self) -> dict[str, Any]:
        """Length in seconds, rate in Hz, channels of the file, peak level."""
        return {
            "duration_s": round(self.duration_s, 4),
            "rate_hz": self.rate,
            "channels": self.channels,
            "peak": round(float(np.abs(self.samples).max()), 4),
        }


@runtime_checkable
class FrameSource(Protocol):
    """Decodes the frames of a video that are asked for, and no others."""

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames shown at the given times, uint8 [T, H, W, 3], upright sRGB."""
        ...


@dataclass(frozen=True, eq=False)
class Video:
    """A clip: `duration_s` seconds at about `fps` frames a second, `width` x `height` pixels, decoded on demand."""

    source: FrameSource
    duration_s: float
    fps: float
    width: int
    height: int
    modality: ClassVar[str] = "video"

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames shown at the given times (seconds from the start), uint8 [T, H, W, 3]."""
        return self.source.frames(np.asarray(timestamps_s, np.float64))

    def summary(self) -> dict[str, Any]:
        """Length in seconds, frames a second, width and height."""
        return {
            "duration_s": round(self.duration_s, 4),
            "fps": round(self.fps, 3),
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, eq=False)
class Thermal:
    """A thermal picture: `values` float32 [H, W], degrees Celsius if `celsius`, else counts normalised to [0, 1]."""

    values: NDArray[np.float32]
    celsius: bool
    modality: ClassVar[str] = "thermal"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        _require(
            self.values.dtype == np.float32 and self.values.ndim == 2 and self.values.size > 0,
            f"a Thermal takes float32 [H, W], not {self.values.dtype} {list(self.values.shape)}",
        )

    def summary(self) -> dict[str, Any]:
        """Width, height, unit, smallest, mean and largest value."""
        return {
            "width": self.values.shape[1],
            "height": self.values.shape[0],
            "unit": "celsius" if self.celsius else "normalised counts",
            "min": round(float(self.values.min()), 3),
            "mean": round(float(self.values.mean()), 3),
            "max": round(float(self.values.max()), 3),
        }


@dataclass(frozen=True, eq=False)
class Events:
    """An event-camera recording: times `t` int64 [N] in microseconds from the first event (sorted), pixel columns
    `x` and rows `y` int32 [N], polarity `p` bool [N] (True: brighter), sensor `width` and `height` in pixels."""

    t: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    p: NDArray[np.bool_]
    width: int
    height: int
    modality: ClassVar[str] = "event"

    def __post_init__(self) -> None:
        """Refuse arrays of unlike length, an empty recording, or pixels outside the sensor."""
        n = len(self.t)
        _require(
            n > 0 and len(self.x) == n and len(self.y) == n and len(self.p) == n,
            f"Events need equal, non-zero counts of t, x, y, p, not {n}, {len(self.x)}, {len(self.y)}, {len(self.p)}",
        )
        inside = self.x.min() >= 0 and self.y.min() >= 0 and self.x.max() < self.width and self.y.max() < self.height
        _require(bool(inside), f"Events lie outside the {self.width} x {self.height} sensor")

    @property
    def duration_s(self) -> float:
        """Time from the first to the last event in seconds."""
        return float(self.t[-1] - self.t[0]) / 1e6

    def summary(self) -> dict[str, Any]:
        """Count of events, length in seconds, share of brighter events, sensor size."""
        return {
            "events": len(self.t),
            "duration_s": round(self.duration_s, 6),
            "brighter_share": round(float(self.p.mean()), 4),
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, eq=False)
class EventFrame:
    """An event recording that somebody has already drawn as a picture: `pixels` uint8 [H, W, 3]."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "event"

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0], "drawn": True}


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in space: `xyz` float32 [N, 3] in the file's own unit, optional colour `rgb` uint8 [N, 3]."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = None
    modality: ClassVar[str] = "point_cloud"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and points that are not finite."""
        _require(
            self.xyz.dtype == np.float32 and self.xyz.ndim == 2 and self.xyz.shape[1] == 3 and len(self.xyz) > 0,
            f"a PointCloud takes float32 [N, 3], not {self.xyz.dtype} {list(self.xyz.shape)}",
        )
        _require(bool(np.isfinite(self.xyz).all()), "a PointCloud must not hold NaN or infinite coordinates")
        _require(self.rgb is None or self.rgb.shape == self.xyz.shape, "a PointCloud's rgb must be [N, 3] like its xyz")

    def summary(self) -> dict[str, Any]:
        """Count of points, size of the bounding box, whether there is colour."""
        extent = (self.xyz.max(0).astype(float) - self.xyz.min(0)).tolist()
        return {"points": len(self.xyz), "extent": [round(e, 4) for e in extent], "colour": self.rgb is not None}


@dataclass(frozen=True, eq=False)
class Depth:
    """A depth picture: `values` float32 [H, W] in metres from the camera, 0 where nothing is known."""

    values: NDArray[np.float32]
    modality: ClassVar[str] = "depth"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and depths that are negative or not finite."""
        _require(
            self.values.dtype == np.float32 and self.values.ndim == 2 and self.values.size > 0,
            f"a Depth takes float32 [H, W], not {self.values.dtype} {list(self.values.shape)}",
        )
        _require(
            bool(np.isfinite(self.values).all() and self.values.min() >= 0),
            "a Depth holds metres of 0 and more; set unknown depths to 0",
        )

    def summary(self) -> dict[str, Any]:
        """Width, height, share of known depths, nearest and farthest of them in metres."""
        known = self.values[self.values > 0]
        return {
            "width": self.values.shape[1],
            "height": self.values.shape[0],
            "known_share": round(len(known) / self.values.size, 4),
            "nearest_m": round(float(known.min()), 3) if len(known) else None,
            "farthest_m": round(float(known.max()), 3) if len(known) else None,
        }


@dataclass(frozen=True, eq=False)
class Imu:
    """Readings of an inertial sensor: `values` float32 [6, N], acceleration x, y, z in m/s^2 and rotation x, y, z in
    rad/s, at `rate` readings a second."""

    values: NDArray[np.float32]
    rate: float
    modality: ClassVar[str] = "imu"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and numbers that are not finite."""
        _require(
            self.values.dtype == np.float32
            and self.values.ndim == 2
            and len(self.values) == 6
            and self.values.size > 6,
            f"an Imu takes float32 [6, N] with N of 2 and more, not {self.values.dtype} {list(self.values.shape)}",
        )
        _require(bool(np.isfinite(self.values).all()), "an Imu must not hold NaN or infinite readings")
        _require(self.rate > 0, f"an Imu's rate must be positive, not {self.rate}")

    def summary(self) -> dict[str, Any]:
        """Length in seconds, rate, largest acceleration and rotation."""
        size = np.linalg.norm(self.values.reshape(2, 3, -1), axis=1).max(axis=1)
        return {
            "duration_s": round(self.values.shape[1] / self.rate, 4),
            "rate_hz": self.rate,
            "largest_acceleration": round(float(size[0]), 3),
            "largest_rotation": round(float(size[1]), 3),
        }
