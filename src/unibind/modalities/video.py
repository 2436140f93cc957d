"""Videos: MP4, MKV, WebM, AVI and MOV through FFmpeg; only the frames asked for are decoded and kept."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnibindError, UnreadableError
from .limits import Limits
from .reading import decoding
from .source import Source
from .spec import Reader


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


# Playlists and other formats that could point FFmpeg at further files or addresses are not among them.
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg"
_GUESSED_FPS = 25.0
_REORDERED = 32  # packets among which a frame's neighbors in time are; H.264 and HEVC allow 16
_SAME = 1e-6  # seconds that are no difference


@contextmanager
def _opened(source: Source) -> Iterator[tuple[Any, Any]]:
    """FFmpeg's container and its first video stream."""
    import av

    with (
        decoding(source, "video"),
        source.open() as file,
        av.open(file, options={"format_whitelist": _DEMUXERS}) as container,
    ):
        if not container.streams.video:
            raise UnreadableError(f"{source.name} has no pictures in it; is it a sound file?")
        yield container, container.streams.video[0]


def _upright(frame: Any) -> NDArray[np.uint8]:
    """Pixels [H, W, 3] of a decoded frame, turned as its display matrix says."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90) % 4))


@dataclass(frozen=True)
class VideoFile:
    """Frames of one file on demand; holds the source, no open file, so it can be pickled."""

    source: Source

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames shown at the given times in seconds from the start, uint8 [T, H, W, 3], upright.

        Times before the first frame give the first, times past the end the last. The decoder runs forwards once and
        jumps to a key frame wherever one lies between two wanted frames. Raises UnibindError for no times or times that
        are not numbers, UnreadableError where the file cannot be decoded.
        """
        if not len(timestamps_s) or not np.isfinite(timestamps_s).all():
            raise UnibindError(f"the times of frames of {self.source.name} must be finite seconds, at least one")
        wanted = np.argsort(timestamps_s, kind="stable")
        found: list[NDArray[np.uint8]] = []
        with _opened(self.source) as (container, stream):
            for frame in self._shown(container, stream, [float(timestamps_s[i]) for i in wanted]):
                found.append(frame)
            out = np.empty((len(found), *found[0].shape), np.uint8)
            out[wanted] = found
        return out

    def _shown(self, container: Any, stream: Any, times: list[float]) -> Iterator[NDArray[np.uint8]]:
        """Pixels of the frame shown at each of the ascending times."""
        base, keys = float(stream.time_base), _key_times(stream)
        start = (stream.start_time or 0) * base
        moments = [time + start for time in times]
        decoder = _decoded(container, stream, moments)
        ahead = next(decoder, None)
        if ahead is None:
            raise UnreadableError(f"{self.source.name} holds no frame that can be decoded; is it cut short?")
        held, pixels = ahead, None
        for time in times:
            if ahead is not None and _key_before(keys, time + start) > _time(ahead, base):
                decoder, ahead = self._jumped(container, stream, keys, time + start, moments)
            shown = held
            while ahead is not None and _time(ahead, base) <= time + start + _SAME:
                shown, ahead = ahead, next(decoder, None)
            if shown is not held or pixels is None:
                held, pixels = shown, _upright(shown)
            yield pixels

    @staticmethod
    def _jumped(
        container: Any, stream: Any, keys: list[float], time: float, moments: list[float]
    ) -> tuple[Iterator[Any], Any]:
        """A decoder from a key frame at or before a time, and its first frame.

        Where the frame is too late after all, the key before it is tried.
        """
        base = float(stream.time_base)
        for place in range(bisect_right(keys, time + _SAME) - 1, -1, -1):
            container.seek(round(keys[place] / base), stream=stream, backward=True)
            decoder = _decoded(container, stream, moments)
            first = next(decoder, None)
            if first is not None and _time(first, base) <= time + _SAME:
                break
        return decoder, first


def _decoded(container: Any, stream: Any, moments: list[float]) -> Iterator[Any]:
    """Frames from where the container stands, in the order they are shown.

    A frame that is on show at none of the (ascending) moments, and that no other frame is predicted from, is passed
    over, where the decoder can: half of the work in a usual H.264 film.
    """
    base = float(stream.time_base)
    ahead: deque[Any] = deque()
    near: deque[int] = deque(maxlen=2 * _REORDERED)  # times of the packets around, as ticks
    for packet in container.demux(stream):
        ahead.append(packet)
        if packet.pts is not None:
            near.append(packet.pts)
        if len(ahead) > _REORDERED:
            yield from _decode(stream, ahead.popleft(), near, base, moments)
    while ahead:
        yield from _decode(stream, ahead.popleft(), near, base, moments)


def _decode(stream: Any, packet: Any, near: Iterable[int], base: float, moments: list[float]) -> Iterable[Any]:
    wanted = True
    if packet.pts is not None:
        until = min((pts for pts in near if pts > packet.pts), default=inf)
        place = bisect_left(moments, packet.pts * base - _SAME)
        wanted = place < len(moments) and moments[place] + _SAME < until * base
    stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
    frames: Iterable[Any] = packet.decode()
    return frames


def _time(frame: Any, base: float) -> float:
    return float("-inf") if frame.pts is None else frame.pts * base


def _key_times(stream: Any) -> list[float]:
    """Times at which the key frames are shown, in seconds, as far as the container lists them.

    Some list when frames are decoded, which is earlier by the same span for all: the first is shown at the start.
    """
    base = float(stream.time_base)
    listed = sorted(entry.timestamp for entry in stream.index_entries if entry.is_keyframe)
    early = max((stream.start_time or 0) - listed[0], 0) if listed else 0
    return [(timestamp + early) * base for timestamp in listed]


def _key_before(keys: list[float], time: float) -> float:
    """The last key frame at or before a time; the beginning of time where there is none."""
    place = bisect_right(keys, time + _SAME)
    return keys[place - 1] if place else float("-inf")


def read(source: Source, limits: Limits) -> Video:
    """Open a video; its first frame is decoded to see that it can be. Raises LimitError for one too long or large."""
    with _opened(source) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else _GUESSED_FPS
        if any(entry.pos + entry.size > source.size for entry in stream.index_entries):
            raise UnreadableError(f"{source.name} is cut short: it lists frames behind its end; copy it again")
        width, height = stream.width, stream.height
        if width * height > limits.max_pixels:
            raise LimitError(f"{source.name} has {width} x {height} pixels, more than the limits allow; raise them")
        first = next(container.decode(stream), None)
        if first is None:
            raise UnreadableError(f"{source.name} holds no frame that can be decoded; is it cut short?")
        if round(first.rotation / 90) % 2:
            width, height = height, width
        duration = _duration(container, stream, fps)
    if duration > limits.max_seconds:
        raise LimitError(
            f"{source.name} lasts {duration:,.0f} s, the limits allow {limits.max_seconds:,.0f} s; "
            "raise them (--max-seconds) or cut it"
        )
    return Video(VideoFile(source), duration, fps, width, height)


def _duration(container: Any, stream: Any, fps: float) -> float:
    """Seconds, as the stream or the container says it, else from the last packet's time; nothing is decoded."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / 1e6
    container.seek(0)
    last, count = 0.0, 0
    for packet in container.demux(stream):
        if packet.size:
            count += 1
            if packet.pts is not None:
                last = max(last, float(packet.pts * stream.time_base))
    start = float((stream.start_time or 0) * stream.time_base)
    return max(last - start, (count - 1) / fps) + 1 / fps


READER = Reader(
    modality="video",
    suffixes=(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"),
    read=read,
    sniff=lambda head: head[4:8] == b"ftyp" or head.startswith(b"\x1aE\xdf\xa3") or head[8:12] == b"AVI ",
)
