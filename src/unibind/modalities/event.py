"""Event-camera recordings: AEDAT4, DAT, EVT2/EVT3 RAW, ES, 40-bit ATIS BIN, NPY/NPZ, and rendered event frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .formats import event_arrays, event_files
from .formats.event_files import Decode, Recording
from .formats.images import JPEG_MAGIC, PNG_MAGIC, check_pixels, read_rgb
from .limits import Limits
from .messages import Part, RenderOptions, duration, picture_part, picture_parts, text_part
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class Events:
    """An event-camera recording: times `t` int64 [N] in microseconds from the first event (sorted), pixel columns
    `x` and rows `y` int32 [N], polarity `p` bool [N] (True: brighter), sensor `width` and `height` in pixels.
    """

    t: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    p: NDArray[np.bool_]
    width: int
    height: int
    modality: ClassVar[str] = "event"

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths, an empty recording, and pixels outside the sensor."""
        n = len(self.t)
        require(
            n > 0 and len(self.x) == n and len(self.y) == n and len(self.p) == n,
            f"Events need equal, non-zero counts of t, x, y, p, not {n}, {len(self.x)}, {len(self.y)}, {len(self.p)}",
        )
        inside = self.x.min() >= 0 and self.y.min() >= 0 and self.x.max() < self.width and self.y.max() < self.height
        require(bool(inside), f"Events lie outside the {self.width} x {self.height} sensor")

    @property
    def duration_s(self) -> float:
        """Time from the first to the last event in seconds."""
        return float(self.t[-1] - self.t[0]) / 1e6

    def summary(self) -> dict[str, Any]:
        """Number of events, duration in seconds, share of brighter events, sensor size in pixels."""
        return {
            "events": len(self.t),
            "duration_s": round(self.duration_s, 6),
            "brighter_share": round(float(self.p.mean()), 4),
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, eq=False)
class EventFrame:
    """An event recording that was already rendered as a picture: `pixels` uint8 [H, W, 3]."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "event"

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0], "rendered": True}


# --- reading -------------------------------------------------------------------------------------------------------

_COLUMNS = ("t", "x", "y", "p")
_MAX_SPAN = 100 * 366 * 86_400 * 1_000_000  # us, a century


def _read_frame(source: Source, limits: Limits) -> EventFrame:
    """Read a picture as a rendered event frame."""
    return EventFrame(read_rgb(source, limits))


def _read(
    decode: Decode, source: Source, limits: Limits, *, width: int | None = None, height: int | None = None
) -> Events:
    """Read a recording, sorted by time and starting at 0 us.

    `width` and `height` (pixels) replace the sensor size of the file; where neither states it, the smallest sensor
    that contains all events is assumed. Raises LimitError for more events or pixels than `limits` allow,
    UnreadableError for a recording that is empty, cut short, or has events outside its sensor.
    """
    with decode(source, limits) as recording:
        packets = list(_bounded(recording, limits.max_events, source.name))
    if not packets:
        raise UnreadableError(f"{source.name} contains no events")
    columns = {name: np.concatenate([packet[name] for packet in packets]) for name in _COLUMNS}
    del packets  # the largest recordings must not be in memory twice while they are sorted
    columns["t"] = _from_start(columns["t"], source.name)
    if (columns["t"][1:] < columns["t"][:-1]).any():
        order = np.argsort(columns["t"], kind="stable")
        for name in _COLUMNS:
            columns[name] = columns[name][order]
    width, height = _sensor(columns["x"], columns["y"], recording.sensor, (width, height), source.name)
    check_pixels(width, height, source.name, limits)
    x, y = (columns[axis].astype(np.int32, copy=False) for axis in "xy")
    return Events(columns["t"], x, y, columns["p"] > 0, width, height)


def _read_arrays(
    source: Source, limits: Limits, *, width: int | None = None, height: int | None = None, time_unit: str = "us"
) -> Events:
    """Read a recording from arrays whose times are in `time_unit` (us, ms, s or ns); see `_read`."""
    decode = partial(event_arrays.decode, time_unit=time_unit)
    return _read(decode, source, limits, width=width, height=height)


def _bounded(recording: Recording, max_events: int, name: str) -> Iterator[NDArray[Any]]:
    """The packets that are not empty; LimitError as soon as they have too many events in all."""
    count = 0
    for packet in recording.packets:
        count += len(packet)
        if count > max_events:
            raise LimitError(f"{name} has more than the {max_events:,} events that the limits allow; raise them")
        if len(packet):
            yield packet


def _from_start(t: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Times from the earliest one, int64; the clocks of cameras are often uint64."""
    t = t if t.dtype == np.uint64 else t.astype(np.int64)
    if int(t.max()) - int(t.min()) > _MAX_SPAN:
        raise UnreadableError(f"{name} spans more than a century: its times are damaged, or not in microseconds")
    return (t - t.min()).astype(np.int64)


def _sensor(
    x: NDArray[Any],
    y: NDArray[Any],
    recorded: tuple[int, int] | None,
    given: tuple[int | None, int | None],
    name: str,
) -> tuple[int, int]:
    """Width and height: as given, else as recorded, else the smallest that contain every event."""
    smallest = int(x.max()) + 1, int(y.max()) + 1
    width, height = (a or b for a, b in zip(given, recorded or smallest, strict=True))
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        raise UnreadableError(
            f"{name}: {int(outside.sum()):,} of {len(x):,} events lie outside the {width} x {height} sensor"
        )
    return width, height


# --- showing -------------------------------------------------------------------------------------------------------

_STRIP = 0.12  # height of the strip of rates, as a share of the picture's
_FAINTEST = 0.25  # strength of the faintest mark, so that a single event remains visible


def _picture(raw: Events | EventFrame, size: tuple[int, int]) -> Picture:
    """The recording in `size` (width, height) as one frame, red for brighter and blue for darker, above its rate.

    The strip below shows the rate of events over time. An EventFrame is shown as it is.
    """
    from PIL import Image, ImageOps

    from ..preprocess.events import BRIGHTER, DARKER, event_frames

    if isinstance(raw, EventFrame):
        return ImageOps.pad(Image.fromarray(raw.pixels), size, color="white")
    width, height = size
    strip = max(8, round(height * _STRIP))
    counts = event_frames(raw, 1, height - strip, width)[0].numpy()
    marks = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * counts, 0)
    frame = _inked(marks[BRIGHTER], marks[DARKER])
    return Image.fromarray(np.concatenate([frame, _rate_strip(raw, width, strip)]))


def _rate_strip(events: Events, width: int, height: int) -> NDArray[np.uint8]:
    """Rates over time, left to right: brighter events upwards and darker ones downwards from the middle."""
    middle = height // 2
    span = int(events.t[-1] - events.t[0]) + 1
    column = ((events.t - events.t[0]) / span * width).astype(int).clip(max=width - 1)
    rates = np.stack([np.bincount(column[events.p == sign], minlength=width) for sign in (True, False)])
    bars = np.ceil(rates / rates.max() * (middle - 1))
    rows = np.arange(height)[:, None]
    up, down = (rows < middle) & (middle - rows <= bars[0]), (rows > middle) & (rows - middle <= bars[1])
    strip = _inked(up.astype(float), down.astype(float))
    strip[middle] = 200
    return strip


def _inked(brighter: NDArray[np.floating], darker: NDArray[np.floating]) -> NDArray[np.uint8]:
    """White paper [H, W, 3] with red ink for `brighter` and blue ink for `darker`, both in 0..1."""
    absorbed = brighter[..., None] * [0, 1, 1] + darker[..., None] * [1, 1, 0]
    return (255 * (1 - absorbed.clip(max=1))).astype(np.uint8)


_MOTION_SLICES = 16


def _motion(raw: Events | EventFrame, size: int) -> list[Picture]:
    """Slices of time as the picture shows them, red for brighter and blue for darker; none of a rendered frame."""
    from PIL import Image

    from ..preprocess.events import BRIGHTER, DARKER, event_frames

    if isinstance(raw, EventFrame):
        return []
    width = max(1, round(size * raw.width / raw.height))
    slices = event_frames(raw, _MOTION_SLICES, size, width).numpy()
    return [Image.fromarray(_inked(counts[BRIGHTER], counts[DARKER])) for counts in slices]


def _message(raw: Events | EventFrame, options: RenderOptions) -> list[Part]:
    from PIL import Image

    from ..preprocess.pictures import event_picture

    if isinstance(raw, EventFrame):
        words = "A recording of an event camera, drawn as one picture: colors mark pixels that became brighter or "
        picture = picture_part(Image.fromarray(raw.pixels), options.side)
        return [text_part(f"{words}darker, which moving edges do."), picture]
    words = (
        f"A recording of an event camera, {duration(raw.duration_s)} long, as pictures of the edges that moved, first "
        "all of it and then slice of time after slice of time: yellow where pixels became brighter, cyan where darker, "
        "green or white where both, black where nothing changed."
    )
    slices = [("the whole recording", raw), *_slices(raw, options.frames - 1)]
    pictures = [(when, Image.fromarray(event_picture(part))) for when, part in slices]
    return [text_part(words), *picture_parts(pictures, options)]


def _slices(raw: Events, count: int) -> Sequence[tuple[str, Events]]:
    """Equal slices of time that contain events, each with its start and end in words."""
    edges = np.linspace(0, int(raw.t[-1]) + 1, count + 1)
    cuts = np.searchsorted(raw.t, edges)
    slices = []
    for first, last, start, end in zip(cuts[:-1], cuts[1:], edges[:-1], edges[1:], strict=True):
        if first < last:
            part = slice(first, last)
            events = Events(raw.t[part], raw.x[part], raw.y[part], raw.p[part], raw.width, raw.height)
            slices.append((f"{start / 1e6:.3g} s to {end / 1e6:.3g} s", events))
    return slices


SPEC = ModalitySpec(
    name="event",
    raw_types=(Events, EventFrame),
    formats=(
        FileFormat("AEDAT4", (".aedat4",), partial(_read, event_files.aedat4), event_files.is_aedat4),
        FileFormat("Prophesee EVT", (".raw",), partial(_read, event_files.evt), event_files.is_evt),
        FileFormat("Prophesee DAT", (".dat",), partial(_read, event_files.dat), event_files.is_dat),
        FileFormat("Event Stream", (".es",), partial(_read, event_files.es), event_files.is_es),
        FileFormat("ATIS", (".bin",), partial(_read, event_files.atis)),
        FileFormat("NPZ or NPY", (".npz", ".npy"), _read_arrays, event_arrays.is_array_file),
        FileFormat(
            "rendered frame (PNG or JPEG)", (), _read_frame, lambda head: head.startswith((PNG_MAGIC, JPEG_MAGIC))
        ),
    ),
    picture=_picture,
    motion=_motion,
    message=_message,
    prompt_phrase="recordings of an event camera, which sees only edges that move and lights that change",
    aspects=("events", "motion", "shape"),
    templates=(
        "an event camera recording of a {}.",
        "an event image of a {}.",
        "the moving edges of a {}.",
        "a {} seen by an event camera.",
        "brightness changes of a {}.",
    ),
)
