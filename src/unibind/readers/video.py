"""Videos: MP4, MKV, WebM, AVI and MOV through FFmpeg; only the frames asked for are decoded and kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnibindError, UnreadableError
from ..modality import Video
from . import Reader, decoding
from .limits import Limits
from .source import Source

# Playlists and other formats that could point FFmpeg at further files or addresses are not among them.
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg"
_GUESSED_FPS = 25.0


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
        decoder = container.decode(stream)
        ahead = next(decoder, None)
        if ahead is None:
            raise UnreadableError(f"{self.source.name} holds no frame that can be decoded; is it cut short?")
        held, pixels = ahead, None
        for time in times:
            if ahead is not None and _key_before(keys, time + start) > _time(ahead, base):
                decoder, ahead = self._jumped(container, stream, keys, time + start)
            shown = held
            while ahead is not None and _time(ahead, base) <= time + start + 1e-6:
                shown, ahead = ahead, next(decoder, None)
            if shown is not held or pixels is None:
                held, pixels = shown, _upright(shown)
            yield pixels

    @staticmethod
    def _jumped(container: Any, stream: Any, keys: list[float], time: float) -> tuple[Iterator[Any], Any]:
        """A decoder from a key frame at or before a time, and its first frame.

        Some containers list the times of decoding, which are earlier than those of showing: where the frame is too
        late after all, the key before it is tried.
        """
        base = float(stream.time_base)
        for place in range(bisect_right(keys, time + 1e-6) - 1, -1, -1):
            container.seek(round(keys[place] / base), stream=stream, backward=True)
            decoder = container.decode(stream)
            first = next(decoder, None)
            if first is not None and _time(first, base) <= time + 1e-6:
                break
        return decoder, first


def _time(frame: Any, base: float) -> float:
    return float("-inf") if frame.pts is None else frame.pts * base


def _key_times(stream: Any) -> list[float]:
    """Times of the key frames in seconds, as far as the container lists them."""
    base = float(stream.time_base)
    return sorted(entry.timestamp * base for entry in stream.index_entries if entry.is_keyframe)


def _key_before(keys: list[float], time: float) -> float:
    """The last key frame at or before a time; the beginning of time where there is none."""
    place = bisect_right(keys, time + 1e-6)
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
