"""Showing items to multimodal models: any raw item as content parts of OpenAI's chat protocol.

Models see pictures and read words; some hear. What a modality is and where its numbers lie is said in words before the
pictures, for colors that stand for temperatures or moments mean nothing to whoever is not told.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as Picture
from PIL import ImageOps

from ...errors import UnibindError, UnknownNameError
from ...modalities import pictures as drawing
from ...modalities._drawing_point_cloud import seen_from
from ...modalities.audio import Audio
from ...modalities.depth import Depth
from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.imu import Imu
from ...modalities.point_cloud import PointCloud
from ...modalities.spec import Raw
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import even_moments, resampled
from ...preprocess.pictures import event_picture

Part = dict[str, Any]
Captioned = tuple[str, Picture.Image]

_SMALLEST = 224  # pixels of the longer side; smaller pictures are enlarged, some models refuse them
_THINNEST = 32  # pixels of the shorter side; white is added to thinner ones, for the same reason
_MOST_PIXELS = 1536  # of the longer side of a sheet of several pictures
_QUALITY = 88
_HEARD_HZ, _HEARD_S = 16_000, 30.0  # what is sent of a sound
_SHORTEST_HEARD_S = 0.1
_SIDES = (
    ("from the front", 0, 0),
    ("from the right", 90, 0),
    ("from above", 0, 90),
    ("from the front, right and above", 40, 25),
    ("from behind, left and above", 220, 25),
)  # azimuth and elevation in degrees


@dataclass(frozen=True)
class RenderOptions:
    """How items are shown.

    Pictures have at most `side` pixels on their longer side; videos and event recordings are shown at `frames`
    moments. `sound` sends sounds as such, for servers that hear; else they are drawn. `one_picture` puts all views and
    frames of an item on one sheet, for servers that take one picture a request.
    """

    side: int = 512
    frames: int = 6
    sound: bool = False
    one_picture: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes at which nothing can be seen, and more frames than a request can hold."""
        if not 64 <= self.side <= 4096:
            raise UnibindError(f"pictures are shown with 64 to 4096 pixels a side, not {self.side}")
        if not 1 <= self.frames <= 32:
            raise UnibindError(f"recordings are shown at 1 to 32 moments, not {self.frames}")


def show(raw: Raw, manner: RenderOptions | None = None) -> list[Part]:
    """An item as content parts of a user's message: words first, then pictures with their captions, or a sound.

    Raises UnknownNameError for a modality that is not shown (a text is read as it is).
    """
    if raw.modality not in _SHOWN:
        raise UnknownNameError("modality to show", raw.modality, _SHOWN)
    return _SHOWN[raw.modality](raw, manner or RenderOptions())


# --- one function a modality ---------------------------------------------------------------------------------------


def _image(raw: Image, manner: RenderOptions) -> list[Part]:
    return [_picture(Picture.fromarray(raw.pixels), manner.side)]


def _thermal(raw: Thermal, manner: RenderOptions) -> list[Part]:
    low, mean, high = (float(v) for v in (raw.values.min(), raw.values.mean(), raw.values.max()))
    if raw.celsius:
        numbers = f"Temperatures go from {low:.1f} °C to {high:.1f} °C, {mean:.1f} °C on average."
    else:
        numbers = "The camera gave no degrees: colors only say what is warmer than what."
    words = "A thermal picture in false colors: black and violet are cold, orange is warm, light yellow is hottest."
    return [_text(f"{words} {numbers}"), _picture(drawing.draw(raw, manner.side), manner.side)]


def _event(raw: Events | EventFrame, manner: RenderOptions) -> list[Part]:
    if isinstance(raw, EventFrame):
        words = "A recording of an event camera, drawn as one picture: colors mark pixels that became brighter or "
        return [_text(f"{words}darker, which moving edges do."), _picture(Picture.fromarray(raw.pixels), manner.side)]
    words = (
        f"A recording of an event camera, {_seconds(raw.duration_s)} long, as pictures of the edges that moved, first "
        "all of it and then slice of time after slice of time: yellow where pixels became brighter, cyan where darker, "
        "green or white where both, black where nothing changed."
    )
    parts = [("the whole recording", raw), *_slices(raw, manner.frames - 1)]
    drawn = [(when, Picture.fromarray(event_picture(part))) for when, part in parts]
    return [_text(words), *_pictures(drawn, manner)]


def _slices(raw: Events, count: int) -> list[tuple[str, Events]]:
    """Equal slices of time that hold events, each with its begin and end in words."""
    edges = np.linspace(0, int(raw.t[-1]) + 1, count + 1)
    cuts = np.searchsorted(raw.t, edges)
    slices = []
    for first, last, begin, end in zip(cuts[:-1], cuts[1:], edges[:-1], edges[1:], strict=True):
        if first < last:
            part = slice(first, last)
            events = Events(raw.t[part], raw.x[part], raw.y[part], raw.p[part], raw.width, raw.height)
            slices.append((f"{begin / 1e6:.3g} s to {end / 1e6:.3g} s", events))
    return slices


def _video(raw: Video, manner: RenderOptions) -> list[Part]:
    moments = even_moments(raw.duration_s, manner.frames)
    words = f"A silent video, {_seconds(raw.duration_s)} long, as frames in their order."
    frames = [
        (f"at {moment:.3g} s", Picture.fromarray(frame))
        for moment, frame in zip(moments, raw.frames(moments), strict=True)
    ]
    return [_text(words), *_pictures(frames, manner)]


def _point_cloud(raw: PointCloud, manner: RenderOptions) -> list[Part]:
    width, height, depth = (raw.xyz.max(axis=0).astype(float) - raw.xyz.min(axis=0)).tolist()
    colors = "in their own colors" if raw.rgb is not None else "the nearer, the darker"
    words = (
        f"A three-dimensional scan of one thing: {len(raw.xyz)} points on its surface, {colors}, seen from several "
        f"sides. Its box measures {width:.3g} by {height:.3g} by {depth:.3g} (right, up, towards the viewer; which way "
        "is up in truth is not known)."
    )
    views = [(title, seen_from(raw, azimuth, elevation, manner.side)) for title, azimuth, elevation in _SIDES]
    return [_text(words), *_pictures(views, manner)]


def _audio(raw: Audio, manner: RenderOptions) -> list[Part]:
    heard = raw.samples[: round(_HEARD_S * raw.rate)]
    whole = raw.duration_s <= _HEARD_S
    words = f"A sound recording, {_seconds(raw.duration_s)} long{'' if whole else ', of which the first 30 s follow'}."
    words += f" {_loudness(heard, raw.rate)}"
    if manner.sound:
        return [_text(words), _sound(resampled(heard, raw.rate, _HEARD_HZ))]
    drawn = "Its spectrogram: time goes to the right, pitch upwards (k are kilohertz), light is loud, black is silent."
    return [_text(f"{words} {drawn}"), _picture(drawing.draw(raw, manner.side), round(manner.side * 1.5))]


def _depth(raw: Depth, manner: RenderOptions) -> list[Part]:
    facts = raw.summary()
    words = "A depth picture: light is near the camera, dark is far, gray is unknown."
    if facts["nearest_m"] is not None:
        words += f" Distances go from {facts['nearest_m']:.2f} m to {facts['farthest_m']:.2f} m."
    return [_text(words), _picture(drawing.draw(raw, manner.side), manner.side)]


def _imu(raw: Imu, manner: RenderOptions) -> list[Part]:
    facts = raw.summary()
    words = (
        f"Readings of an inertial sensor that is worn or carried, {_seconds(facts['duration_s'])} long: acceleration "
        f"above (at most {facts['largest_acceleration']:.3g} m/s^2, gravity of 9.8 with it), rotation below (at most "
        f"{facts['largest_rotation']:.3g} rad/s); x is red, y green, z blue, time goes to the right."
    )
    return [_text(words), _picture(drawing.draw(raw, manner.side), round(manner.side * 1.5))]


_SHOWN: dict[str, Callable[[Any, RenderOptions], list[Part]]] = {
    "image": _image,
    "audio": _audio,
    "point_cloud": _point_cloud,
    "thermal": _thermal,
    "video": _video,
    "event": _event,
    "depth": _depth,
    "imu": _imu,
}
SHOWN = tuple(_SHOWN)


# --- parts ---------------------------------------------------------------------------------------------------------


def _text(words: str) -> Part:
    return {"type": "text", "text": words}


def _pictures(captioned: Sequence[Captioned], manner: RenderOptions) -> list[Part]:
    """Pictures, each after its caption; or all of them on one sheet."""
    if not manner.one_picture or len(captioned) == 1:
        return [part for title, picture in captioned for part in (_text(f"{title}:"), _picture(picture, manner.side))]
    columns = int(np.ceil(np.sqrt(len(captioned))))
    side = min(manner.side, _MOST_PIXELS // columns)
    fitted = [_fitted(picture, side) for _, picture in captioned]
    sheet = drawing.grid(fitted, columns, [title for title, _ in captioned])
    return [_text("All in one picture, to be read row by row:"), _picture(sheet, _MOST_PIXELS)]


def _picture(picture: Picture.Image, side: int) -> Part:
    """A picture as a JPEG in a data URL."""
    buffer = io.BytesIO()
    _fitted(picture, side).save(buffer, format="JPEG", quality=_QUALITY)
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_base64(buffer.getvalue())}"}}


def _fitted(picture: Picture.Image, side: int) -> Picture.Image:
    """At most `side` pixels on the longer side; small pictures enlarged, thin ones on white."""
    longer = max(picture.size)
    wanted = min(max(longer, min(_SMALLEST, side)), side)
    if longer != wanted:
        size = (max(1, round(s * wanted / longer)) for s in picture.size)
        picture = picture.resize((next(size), next(size)), Picture.Resampling.LANCZOS)
    if min(picture.size) < _THINNEST:
        width, height = (max(s, _THINNEST) for s in picture.size)
        picture = ImageOps.pad(picture, (width, height), color="white")
    return picture


def _sound(samples: np.ndarray) -> Part:
    """A mono sound at 16 kHz as a WAV file of 16 bits; very short ones are followed by silence."""
    samples = np.pad(samples, (0, max(0, round(_SHORTEST_HEARD_S * _HEARD_HZ) - len(samples))))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_HEARD_HZ)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return {"type": "input_audio", "input_audio": {"data": _base64(buffer.getvalue()), "format": "wav"}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# --- words ---------------------------------------------------------------------------------------------------------


def _seconds(duration_s: float) -> str:
    return f"{duration_s * 1000:.0f} ms" if duration_s < 1 else f"{duration_s:.1f} s"


def _loudness(samples: np.ndarray, rate: int) -> str:
    """Level of a sound: mean and peak in decibels of full scale, and when it is loudest."""
    peak = float(np.abs(samples).max())
    if peak < 1e-5:
        return "It is silent."
    power = samples.astype(np.float64) ** 2
    mean_db, peak_db = 10 * np.log10(power.mean()), 20 * np.log10(peak)
    loudness = "loud" if mean_db >= -18 else "of middle loudness" if mean_db >= -35 else "quiet"
    window = max(1, rate // 10)
    steps = np.add.reduceat(power, np.arange(0, len(power), window))
    quiet = float(np.mean(steps < steps.max() / 1000))  # 30 dB below
    return (
        f"It is {loudness} ({mean_db:.0f} dB of full scale on average, {peak_db:.0f} dB at its peak), loudest "
        f"{steps.argmax() * window / rate:.1f} s after the start, and quiet {100 * quiet:.0f} % of the time."
    )
