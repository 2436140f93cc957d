"""FLIR's radiometric JPEG: raw counts of the sensor and the camera's calibration, as degrees Celsius.

The APP1 segments named "FLIR" together make one FFF file: a header, a directory of records, and the records. Layout:
https://exiftool.org/TagNames/FLIR.html. Counts become temperatures by the usual equation of infrared thermography
(Minkina and Dudzik, "Infrared thermography: errors and uncertainties", 2009, with the water vapor polynomial that
FLIR's cameras use): the sensor sees what the object radiates and reflects, and what air and window add and take away.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits

_SEGMENT = b"FLIR\x00"
_RAW_DATA, _CAMERA_INFO = 0x01, 0x20  # types of records
_ENTRY = 32  # bytes of a record's entry in the directory
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_ZERO_KELVIN = -273.15


@dataclass(frozen=True)
class Calibration:
    """What the camera's record states; temperatures in kelvin, the distance in meters."""

    emissivity: float
    distance: float
    reflected: float
    air: float
    window: float
    window_transmission: float
    humidity: float
    r1: float
    b: float
    f: float
    alpha1: float
    alpha2: float
    beta1: float
    beta2: float
    x: float
    o: float
    r2: float


# Position and type of each number of the calibration in the camera's record, in the order of its fields.
_PLACES = (
    (0x20, "f"), (0x24, "f"), (0x28, "f"), (0x2C, "f"), (0x30, "f"), (0x34, "f"), (0x3C, "f"), (0x58, "f"),
    (0x5C, "f"), (0x60, "f"), (0x70, "f"), (0x74, "f"), (0x78, "f"), (0x7C, "f"), (0x80, "f"), (0x308, "i"),
    (0x30C, "f"),
)  # fmt: skip


def read_flir(jpeg: bytes, name: str, limits: Limits) -> NDArray[np.float32]:
    """Degrees Celsius [H, W] of a radiometric JPEG; counts that no temperature gives become NaN.

    Raises UnreadableError where its records are missing, cut short or damaged, and LimitError for more records or
    pixels than `limits` allow.
    """
    records = _records(_fff(jpeg, name), name, limits)
    if missing := {_RAW_DATA, _CAMERA_INFO} - records.keys():
        what = " and ".join("counts" if kind == _RAW_DATA else "calibration" for kind in sorted(missing))
        raise UnreadableError(f"{name} announces FLIR temperatures, but has no {what}; copy it from the camera again")
    return _celsius(_counts(records[_RAW_DATA], name, limits), _calibration(records[_CAMERA_INFO], name))


def _fff(jpeg: bytes, name: str) -> bytes:
    """The FFF file that the JPEG's FLIR segments make together; each states its number and that of the last."""
    parts: dict[int, bytes] = {}
    last, at = 0, 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] not in (0xDA, 0xD9):  # up to the picture
        size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + size]
        if jpeg[at + 1] == 0xE1 and body.startswith(_SEGMENT) and len(body) >= 8:
            parts[body[6]], last = body[8:], body[7]
        at += 2 + size
    if sorted(parts) != list(range(last + 1)):
        raise UnreadableError(
            f"{name} has {len(parts)} of {last + 1} parts of its FLIR temperatures; copy it from the camera again"
        )
    return b"".join(parts[number] for number in sorted(parts))


def _records(fff: bytes, name: str, limits: Limits) -> dict[int, bytes]:
    """The first record of each type."""
    if not fff.startswith((b"FFF\x00", b"AFF\x00")) or len(fff) < 64:
        raise UnreadableError(f"{name} announces FLIR temperatures, but has no FLIR file in it")
    order = ">" if 100 <= int.from_bytes(fff[20:24], "big") < 200 else "<"  # by the version
    start, count = struct.unpack_from(f"{order}II", fff, 24)
    if count > limits.max_parts:
        raise LimitError(f"{name} claims {count:,} FLIR records, the limits allow {limits.max_parts:,}; raise them")
    if start + count * _ENTRY > len(fff):
        raise UnreadableError(f"{name} is cut short: its directory of FLIR records reaches beyond its end")
    records: dict[int, bytes] = {}
    for entry in range(start, start + count * _ENTRY, _ENTRY):
        kind, offset, size = struct.unpack_from(f"{order}H10xII", fff, entry)
        if kind in (_RAW_DATA, _CAMERA_INFO) and kind not in records:
            if offset + size > len(fff):
                raise UnreadableError(f"{name} is cut short: a FLIR record reaches beyond its end")
            records[kind] = fff[offset : offset + size]
    return records


def _counts(record: bytes, name: str, limits: Limits) -> NDArray[np.float64]:
    """The sensor's counts [H, W]: 16-bit numbers, or a 16-bit PNG."""
    if len(record) < 32:
        raise UnreadableError(f"{name} has a damaged record of FLIR counts; copy it from the camera again")
    order = _order(record)
    width, height = struct.unpack_from(f"{order}HH", record, 2)
    if not 0 < width * height <= limits.max_pixels:
        raise LimitError(f"{name} claims {width} x {height} FLIR counts; the limits allow 1 to {limits.max_pixels:,}")
    body = record[32:]
    if body.startswith(_PNG_MAGIC):
        counts = _png(body, (width, height), name)
    elif len(body) >= 2 * width * height:
        counts = np.frombuffer(body, f"{order}u2", width * height).reshape(height, width)
    else:
        raise UnreadableError(f"{name} is cut short: it announces {width} x {height} FLIR counts, and has fewer")
    return counts.astype(np.float64)


def _png(data: bytes, size: tuple[int, int], name: str) -> NDArray[Any]:
    """Counts of a PNG. The cameras write the lower byte of each first, against the PNG standard."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        if picture.size != size or not picture.mode.startswith("I"):
            raise UnreadableError(f"{name} has FLIR counts of {picture.size}, mode {picture.mode}; it is damaged")
        return np.asarray(picture).astype(np.uint16).byteswap()


def _calibration(record: bytes, name: str) -> Calibration:
    if len(record) < _PLACES[-1][0] + 4:
        raise UnreadableError(f"{name} has a damaged FLIR calibration; copy it from the camera again")
    order = _order(record)
    numbers = [struct.unpack_from(order + kind, record, place)[0] for place, kind in _PLACES]
    stated = dict(zip((field.name for field in fields(Calibration)), numbers, strict=True))
    if stated["humidity"] > 2:  # per cent in some cameras
        stated["humidity"] /= 100
    positive = ("emissivity", "window_transmission", "reflected", "air", "window", "r1", "r2", "b")
    if not all(map(math.isfinite, numbers)) or any(stated[key] <= 0 for key in positive) or stated["distance"] < 0:
        raise UnreadableError(f"{name} has an impossible FLIR calibration; copy it from the camera again")
    return Calibration(**stated)


def _order(record: bytes) -> str:
    """Byte order of a record; its first number is small in the right one."""
    return "<" if int.from_bytes(record[:2], "little") < 256 else ">"


def _celsius(counts: NDArray[np.float64], camera: Calibration) -> NDArray[np.float32]:
    air_celsius = camera.air + _ZERO_KELVIN
    water = camera.humidity * math.exp(
        1.5587 + 0.06939 * air_celsius - 0.00027816 * air_celsius**2 + 0.00000068455 * air_celsius**3
    )
    reach = math.sqrt(camera.distance / 2)  # half of the way lies before the window, half behind it
    through = camera.x * math.exp(-reach * (camera.alpha1 + camera.beta1 * math.sqrt(water))) + (
        1 - camera.x
    ) * math.exp(-reach * (camera.alpha2 + camera.beta2 * math.sqrt(water)))
    window, emissivity = camera.window_transmission, camera.emissivity

    def radiation(kelvin: float) -> float:
        return camera.r1 / (camera.r2 * (math.exp(camera.b / kelvin) - camera.f)) - camera.o

    of_object = (
        counts / (emissivity * through**2 * window)
        - radiation(camera.reflected) * (1 - emissivity) / emissivity
        - radiation(camera.air) * (1 - through) / (emissivity * through)
        - radiation(camera.window) * (1 - window) / (emissivity * through * window)
        - radiation(camera.air) * (1 - through) / (emissivity * through**2 * window)
    )
    with np.errstate(all="ignore"):
        kelvin = camera.b / np.log(camera.r1 / (camera.r2 * (of_object + camera.o)) + camera.f)
    return (kelvin + _ZERO_KELVIN).astype(np.float32)
