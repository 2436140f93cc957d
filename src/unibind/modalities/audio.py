"""Sounds, mixed down to one channel: WAV, FLAC, OGG, MP3 and AIFF through libsndfile; M4A, AAC and a FLAC that was
streamed through FFmpeg."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Audio:
    """A mono recording: `samples` float32 [N] in [-1, 1] full scale, `rate` in Hz."""

    samples: NDArray[np.float32]
    rate: int
    channels: int = 1  # of the file, before the mix-down
    modality: ClassVar[str] = "audio"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        require(
            self.samples.dtype == np.float32 and self.samples.ndim == 1 and self.samples.size > 0,
            f"an Audio takes float32 [samples], not {self.samples.dtype} {list(self.samples.shape)}",
        )
        require(self.rate > 0, f"an Audio's rate must be positive, not {self.rate}")

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


_BLOCK = 1 << 18  # frames decoded at a time
_MAX_CHANNELS = 64
_BY_FFMPEG = (".m4a", ".aac", ".mp4")
_CHUNKED: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}  # byte order of the size
_OPEN_ENDED = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that streaming writers leave in such a header
_UNKNOWN_FRAMES = (1 << 63) - 1  # what libsndfile says of a FLAC whose header leaves its length open
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,aac,flac,matroska,webm"


class _InMemory(io.BytesIO):
    """Bytes for libsndfile, which asks damaged ones for places before their start."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, or to the start where it would lie before that."""
        return super().seek(max(offset, 0) if whence == io.SEEK_SET else offset, whence)


def read(source: Source, limits: Limits) -> Audio:
    """Read a recording at its own rate, its channels averaged; the whole file or nothing.

    Raises LimitError for more seconds or samples than `limits` allow, UnreadableError where it is cut short or holds
    numbers that are not finite.
    """
    if source.suffix in _BY_FFMPEG or source.head[4:8] == b"ftyp":
        samples, rate, channels = _with_ffmpeg(source, limits)
    else:
        samples, rate, channels = _with_sndfile(source, limits)
    if not len(samples):
        raise UnreadableError(f"{source.name} holds no samples; record it again")
    if not np.isfinite(samples).all():
        raise UnreadableError(f"{source.name} holds samples that are not finite; export it again")
    return Audio(samples, rate, channels)


def _check(source: Source, limits: Limits, frames: int, rate: int) -> None:
    if frames > limits.max_seconds * rate or frames > limits.max_samples:
        raise LimitError(
            f"{source.name} lasts {frames / rate:,.0f} s, the limits allow {limits.max_seconds:,.0f} s and "
            f"{limits.max_samples:,} samples; raise them or cut it"
        )


def _with_sndfile(source: Source, limits: Limits) -> tuple[NDArray[np.float32], int, int]:
    import soundfile

    order = _CHUNKED.get(source.head[:4])
    if order is not None:
        claimed = int.from_bytes(source.head[4:8], order)
        if claimed not in _OPEN_ENDED and claimed + 8 > source.size + 1:  # some writers forget the padding byte
            raise UnreadableError(f"{source.name} is cut short: {claimed + 8:,} bytes promised, {source.size:,} there")
    with soundfile.SoundFile(_InMemory(source.data) if source.path is None else source.path) as sound:
        if not 0 < sound.channels <= _MAX_CHANNELS or sound.samplerate <= 0:
            raise UnreadableError(f"{source.name} claims {sound.channels} channels at {sound.samplerate} Hz")
        if sound.frames == _UNKNOWN_FRAMES:  # libsndfile cannot read such a file to its end
            return _with_ffmpeg(source, limits)
        _check(source, limits, sound.frames, sound.samplerate)
        samples = np.concatenate([np.empty(0, np.float32), *(block.mean(axis=1) for block in _blocks(sound))])
        if len(samples) < sound.frames and sound.format != "MP3":  # an MP3's length is an estimate
            raise UnreadableError(
                f"{source.name} is cut short: {sound.frames:,} samples promised, {len(samples):,} there"
            )
        return samples, int(sound.samplerate), int(sound.channels)


def _blocks(sound: object) -> Iterator[NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):  # type: ignore[attr-defined]
        yield block


def _with_ffmpeg(source: Source, limits: Limits) -> tuple[NDArray[np.float32], int, int]:
    import av

    with source.open() as file, av.open(file, options={"format_whitelist": _DEMUXERS}) as container:
        if not container.streams.audio:
            raise UnreadableError(f"{source.name} has no sound track; name another file")
        stream = container.streams.audio[0]
        rate, channels = int(stream.rate), int(stream.channels)
        planar = av.AudioResampler(format="fltp", rate=rate)  # not to mono: that would keep the power, not the mean
        blocks, count = [np.empty(0, np.float32)], 0
        for frame in container.decode(stream):
            for piece in planar.resample(frame):
                blocks.append(piece.to_ndarray().mean(axis=0))
                count += len(blocks[-1])
                _check(source, limits, count, rate)
        return np.concatenate(blocks), rate, channels


def _sniff(head: bytes) -> bool:
    return head.startswith((b"fLaC", b"OggS", b"ID3")) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE")


READER = Reader(
    modality="audio",
    suffixes=(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".m4a", ".aac"),
    read=read,
    sniff=_sniff,
)
