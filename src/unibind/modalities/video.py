"""Videos: MP4, MOV, Matroska, WebM and AVI through FFmpeg; frames are decoded on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from .formats.video_frames import VideoFile, probe
from .limits import Limits
from .messages import Part, RenderOptions, duration, picture_parts, text_part
from .segments import Segment, SegmentReader
from .source import Source
from .spec import FileFormat, ModalitySpec

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@runtime_checkable
class FrameSource(Protocol):
    """Decodes the frames of a video that are asked for, and no others."""

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames displayed at the given times, uint8 [T, H, W, 3], upright sRGB."""
        ...


@dataclass(frozen=True, eq=False)
class Video:
    """A clip: `duration_s` seconds at about `fps` frames per second, `width` x `height` pixels, decoded on demand."""

    source: FrameSource
    duration_s: float
    fps: float
    width: int
    height: int
    modality: ClassVar[str] = "video"

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames displayed at the given times (seconds from the start), uint8 [T, H, W, 3]."""
        return self.source.frames(np.asarray(timestamps_s, np.float64))

    def summary(self) -> dict[str, Any]:
        """Duration in seconds, frames per second, width and height in pixels."""
        return {
            "duration_s": round(self.duration_s, 4),
            "fps": round(self.fps, 3),
            "width": self.width,
            "height": self.height,
        }


def _read(source: Source, limits: Limits) -> Video:
    """Open a video; its first frame is decoded to make sure that it can be."""
    facts = probe(source, limits)
    return Video(VideoFile(source, limits.max_frame_pixels), facts.duration_s, facts.fps, facts.width, facts.height)


@dataclass(frozen=True)
class _Excerpt:
    """Frames of a longer video, with times from the start of the excerpt."""

    source: FrameSource
    start_s: float

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        return self.source.frames(timestamps_s + self.start_s)


def _duration(source: Source, limits: Limits) -> float:
    return probe(source, _of_any_length(limits)).duration_s


def _read_segment(source: Source, limits: Limits, segment: Segment) -> Video:
    whole = _read(source, _of_any_length(limits))
    duration = min(segment.end_s, whole.duration_s) - segment.start_s
    if duration <= 0:
        raise UnreadableError(f"{source.name} is over before {segment.start_s:g} s; encode it again")
    return replace(whole, source=_Excerpt(whole.source, segment.start_s), duration_s=duration)


def _of_any_length(limits: Limits) -> Limits:
    return replace(limits, max_seconds=inf)


_COLUMNS, _ROWS = 3, 2  # of frames in a picture


def _picture(raw: Video, size: tuple[int, int]) -> Picture:
    """Six evenly spaced frames with their times in `size` (width, height), left to right, then the next row."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    from ..preprocess.clips import even_moments

    width, height = size[0] // _COLUMNS, size[1] // _ROWS
    moments = even_moments(raw.duration_s, _COLUMNS * _ROWS)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, (frame, moment) in enumerate(zip(raw.frames(moments), moments, strict=True)):
        left, top = (i % _COLUMNS) * width, (i // _COLUMNS) * height
        sheet.paste(ImageOps.pad(Image.fromarray(frame), (width - 2, height - 2), color="white"), (left, top))
        label = f"{moment:.1f} s"
        pen.rectangle((left, top, left + font.getlength(label) + 6, top + 15), fill="white")
        pen.text((left + 3, top + 1), label, "#333333", font)
    return sheet


_MOTION_FRAMES = 16


def _motion(raw: Video, size: int) -> list[Picture]:
    """Evenly spaced frames, `size` pixels high."""
    from PIL import Image

    from ..preprocess.clips import even_moments

    width = max(1, round(size * raw.width / raw.height))
    frames = raw.frames(even_moments(raw.duration_s, _MOTION_FRAMES))
    return [Image.fromarray(frame).resize((width, size)) for frame in frames]


def _message(raw: Video, options: RenderOptions) -> list[Part]:
    from PIL import Image

    from ..preprocess.clips import even_moments

    moments = even_moments(raw.duration_s, options.frames)
    words = f"A silent video, {duration(raw.duration_s)} long, as frames in their order."
    frames = [
        (f"at {moment:.3g} s", Image.fromarray(frame))
        for moment, frame in zip(moments, raw.frames(moments), strict=True)
    ]
    return [text_part(words), *picture_parts(frames, options)]


SPEC = ModalitySpec(
    name="video",
    raw_types=(Video,),
    formats=(
        FileFormat("MP4", (".mp4", ".m4v"), _read, lambda head: head[4:8] == b"ftyp"),
        FileFormat("MOV", (".mov",), _read),
        FileFormat("Matroska or WebM", (".mkv", ".webm"), _read, lambda head: head.startswith(b"\x1aE\xdf\xa3")),
        FileFormat("AVI", (".avi",), _read, lambda head: head[8:12] == b"AVI "),
        FileFormat("MPEG, FLV or OGG", (), _read, also=(".flv", ".mpeg", ".mpg", ".ogv", ".ts", ".wmv"), fallback=True),
    ),
    picture=_picture,
    picture_ratio=1.5,
    motion=_motion,
    message=_message,
    segments=SegmentReader(_duration, _read_segment),
    column_names=("clip",),
    prompt_phrase="silent videos of some seconds",
    aspects=("motion", "looks", "parts", "context"),
    templates=(
        "a video of a {}.",
        "a short clip of a {}.",
        "a film that shows a {}.",
        "a moving picture of a {}.",
        "a {} in motion.",
    ),
)
