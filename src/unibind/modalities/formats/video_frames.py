"""Frames of video files through FFmpeg: only the frames asked for are decoded and kept."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnibindError, UnreadableError
from ...extras import import_extra
from ..limits import Limits
from ..source import Source, decoding
from .images import check_pixels

# Playlists and other formats that could point FFmpeg at further files or addresses are deliberately missing.
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg"
_DEFAULT_FPS = 25.0  # where a file does not state its frame rate
_REORDERED = 32  # packets within which a frame's neighbors in time are; H.264 and HEVC allow 16
_MOST_BYTES = 512 << 20  # of the frames that are kept
_TOLERANCE_S = 1e-6  # times closer than this are equal


@dataclass(frozen=True)
class VideoFacts:
    """Duration in seconds, frames per second, width and height in pixels as displayed."""

    duration_s: float
    fps: float
    width: int
    height: int


def probe(source: Source, limits: Limits) -> VideoFacts:
    """Facts of a video from its headers; its first frame is decoded to make sure that it can be.

    Raises LimitError for one that is too long or too large, UnreadableError for one that is cut short.
    """
    with _opened(source, limits.max_frame_pixels) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else _DEFAULT_FPS
        if any(entry.pos + entry.size > source.size for entry in stream.index_entries):
            raise UnreadableError(f"{source.name} is cut short: it lists frames beyond its end; copy it again")
        width, height = stream.width, stream.height
        allowed = min(limits.max_pixels, limits.max_frame_pixels)
        check_pixels(width, height, source.name, replace(limits, max_pixels=allowed))
        first = next(container.decode(stream), None)
        if first is None:
            raise UnreadableError(f"{source.name} has no frame that can be decoded; is it cut short?")
        if round(first.rotation / 90) % 2:
            width, height = height, width
        duration = _duration(container, stream, fps)
    if duration > limits.max_seconds:
        raise LimitError(
            f"{source.name} lasts {duration:,.0f} s, the limits allow {limits.max_seconds:,.0f} s; "
            "raise them (--max-seconds) or cut it"
        )
    return VideoFacts(duration, fps, width, height)


@dataclass(frozen=True)
class VideoFile:
    """Frames of one file on demand. It keeps the source, not an open file, so it can be pickled."""

    source: Source
    max_pixels: int = Limits.max_frame_pixels

    def frames(self, timestamps_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Frames displayed at the given times in seconds from the start, uint8 [T, H, W, 3], upright.

        Frames that would take more than 512 MiB together are scaled down by a whole number until they do not.
        Times before the first frame give the first, times past the end the last. The decoder runs forward once and
        jumps to a key frame wherever one lies between two wanted frames. Raises UnibindError for no times or times that
        are not finite, UnreadableError where the file cannot be decoded.
        """
        if not len(timestamps_s) or not np.isfinite(timestamps_s).all():
            raise UnibindError(f"the times of frames of {self.source.name} must be finite seconds, at least one")
        order = np.argsort(timestamps_s, kind="stable")
        out: NDArray[np.uint8] | None = None
        with _opened(self.source, self.max_pixels) as (container, stream):
            displayed = self._displayed(container, stream, [float(timestamps_s[i]) for i in order])
            for place, pixels in zip(order, displayed, strict=True):
                if out is None:
                    out = np.empty((len(order), *pixels.shape), np.uint8)
                out[place] = pixels
        assert out is not None  # there is at least one time, and a file without frames was refused
        return out

    def _displayed(self, container: Any, stream: Any, times: list[float]) -> Iterator[NDArray[np.uint8]]:
        """Pixels of the frame displayed at each of the ascending times."""
        base, keys = float(stream.time_base), _key_times(stream)
        start = (stream.start_time or 0) * base
        moments = [time + start for time in times]
        decoder = _decoded(container, stream, moments)
        upcoming = next(decoder, None)
        if upcoming is None:
            raise UnreadableError(f"{self.source.name} has no frame that can be decoded; is it cut short?")
        current, pixels = upcoming, None
        for moment in moments:
            if upcoming is not None and _key_before(keys, moment) > _time(upcoming, base):
                decoder, upcoming = _jump(container, stream, keys, moment, moments)
            frame = current
            while upcoming is not None and _time(upcoming, base) <= moment + _TOLERANCE_S:
                frame, upcoming = upcoming, next(decoder, None)
            if frame is not current or pixels is None:
                current, pixels = frame, _upright(frame, len(times))
            yield pixels


@contextmanager
def _opened(source: Source, max_pixels: int) -> Iterator[tuple[Any, Any]]:
    """FFmpeg's container and its first video stream, whose decoder refuses larger frames, wherever they come."""
    av = import_extra("av", "reading video")

    with (
        decoding(source, "video frames"),
        source.open() as file,
        av.open(file, options={"format_whitelist": _DEMUXERS}) as container,
    ):
        if not container.streams.video:
            raise UnreadableError(f"{source.name} has no pictures in it; is it a sound file?")
        stream = container.streams.video[0]
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        yield container, stream


def _upright(frame: Any, count: int) -> NDArray[np.uint8]:
    """Pixels [H, W, 3] of a decoded frame, one of `count`, rotated by its display matrix."""
    shrink = ceil(sqrt(3 * frame.width * frame.height * count / _MOST_BYTES))
    if shrink > 1:
        frame = frame.reformat(max(1, frame.width // shrink), max(1, frame.height // shrink), "rgb24")
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90) % 4))


def _jump(
    container: Any, stream: Any, keys: list[float], time: float, moments: list[float]
) -> tuple[Iterator[Any], Any]:
    """A decoder from a key frame at or before a time, and its first frame.

    Where that frame turns out to be too late, the key frame before it is tried.
    """
    base = float(stream.time_base)
    for place in range(bisect_right(keys, time + _TOLERANCE_S) - 1, -1, -1):
        container.seek(round(keys[place] / base), stream=stream, backward=True)
        decoder = _decoded(container, stream, moments)
        first = next(decoder, None)
        if first is not None and _time(first, base) <= time + _TOLERANCE_S:
            break
    return decoder, first


def _decoded(container: Any, stream: Any, moments: list[float]) -> Iterator[Any]:
    """Frames from the container's position on, in display order.

    A frame that is displayed at none of the (ascending) moments, and that no other frame is predicted from, is skipped
    where the decoder can: half of the work in a typical H.264 film.
    """
    base = float(stream.time_base)
    queue: deque[Any] = deque()
    near: deque[int] = deque(maxlen=2 * _REORDERED)  # times of the surrounding packets, as ticks
    for packet in container.demux(stream):
        queue.append(packet)
        if packet.pts is not None:
            near.append(packet.pts)
        if len(queue) > _REORDERED:
            yield from _decode(stream, queue.popleft(), near, base, moments)
    while queue:
        yield from _decode(stream, queue.popleft(), near, base, moments)


def _decode(stream: Any, packet: Any, near: Iterable[int], base: float, moments: list[float]) -> Iterable[Any]:
    needed = True
    if packet.pts is not None:
        until = min((pts for pts in near if pts > packet.pts), default=inf)
        place = bisect_left(moments, packet.pts * base - _TOLERANCE_S)
        needed = place < len(moments) and moments[place] + _TOLERANCE_S < until * base
    stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
    frames: Iterable[Any] = packet.decode()
    return frames


def _time(frame: Any, base: float) -> float:
    return float("-inf") if frame.pts is None else frame.pts * base


def _key_times(stream: Any) -> list[float]:
    """Times at which the key frames are displayed, in seconds, as far as the container lists them.

    Some containers list decoding times, which are earlier by a constant: the first is displayed at the start.
    """
    base = float(stream.time_base)
    listed = sorted(entry.timestamp for entry in stream.index_entries if entry.is_keyframe)
    early = max((stream.start_time or 0) - listed[0], 0) if listed else 0
    return [(timestamp + early) * base for timestamp in listed]


def _key_before(keys: list[float], time: float) -> float:
    """Time of the last key frame at or before a time; minus infinity if there is none."""
    place = bisect_right(keys, time + _TOLERANCE_S)
    return keys[place - 1] if place else float("-inf")


def _duration(container: Any, stream: Any, fps: float) -> float:
    """Seconds as the stream or the container states them, else from the last packet's time; nothing is decoded."""
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
