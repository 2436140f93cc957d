"""Sound files to mono samples: through libsndfile, and through FFmpeg what libsndfile does not read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ...extras import import_extra
from ..limits import Limits
from ..source import Source

Decode = Callable[[Source, Limits], tuple[NDArray[np.float32], int, int]]  # samples [N], rate in Hz, channels

_BLOCK = 1 << 18  # frames decoded at a time
_MAX_CHANNELS = 64
_CHUNKED: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}  # byte order of the size
_OPEN_ENDED = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that streaming writers leave in such a header
_UNKNOWN_FRAMES = (1 << 63) - 1  # libsndfile's length of a FLAC whose header leaves it open
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,aac,flac,matroska,webm"


class _InMemory(io.BytesIO):
    """Bytes for libsndfile, which seeks before the start of damaged ones."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek; a position before the start becomes the start."""
        return super().seek(max(offset, 0) if whence == io.SEEK_SET else offset, whence)


def with_sndfile(source: Source, limits: Limits) -> tuple[NDArray[np.float32], int, int]:
    """Samples, rate and channels of a file that libsndfile reads."""
    import soundfile

    _check_claimed_size(source)
    with soundfile.SoundFile(_InMemory(source.data) if source.path is None else source.path) as sound:
        if not 0 < sound.channels <= _MAX_CHANNELS or sound.samplerate <= 0:
            raise UnreadableError(f"{source.name} claims {sound.channels} channels at {sound.samplerate} Hz")
        if sound.frames == _UNKNOWN_FRAMES:  # libsndfile cannot read such a file to its end
            return with_ffmpeg(source, limits)
        _check_length(source, limits, sound.frames, sound.samplerate)
        samples = np.concatenate([np.empty(0, np.float32), *(block.mean(axis=1) for block in _blocks(sound))])
        if len(samples) < sound.frames and sound.format != "MP3":  # an MP3's length is an estimate
            raise UnreadableError(
                f"{source.name} is cut short: its header announces {sound.frames:,} samples, it has {len(samples):,}"
            )
        return samples, int(sound.samplerate), int(sound.channels)


def with_ffmpeg(source: Source, limits: Limits) -> tuple[NDArray[np.float32], int, int]:
    """Samples, rate and channels of the first sound track that FFmpeg finds."""
    av = import_extra("av", "reading this kind of sound file")

    with source.open() as file, av.open(file, options={"format_whitelist": _DEMUXERS}) as container:
        if not container.streams.audio:
            raise UnreadableError(f"{source.name} has no sound track; specify another file")
        stream = container.streams.audio[0]
        rate, channels = int(stream.rate), int(stream.channels)
        planar = av.AudioResampler(format="fltp", rate=rate)  # not to mono, which would keep the power, not the mean
        blocks, count = [np.empty(0, np.float32)], 0
        for frame in container.decode(stream):
            for piece in planar.resample(frame):
                blocks.append(piece.to_ndarray().mean(axis=0))
                count += len(blocks[-1])
                _check_length(source, limits, count, rate)
        return np.concatenate(blocks), rate, channels


def _check_claimed_size(source: Source) -> None:
    """Refuse a WAV or AIFF whose header announces more bytes than the file has."""
    order = _CHUNKED.get(source.head[:4])
    if order is None:
        return
    claimed = int.from_bytes(source.head[4:8], order)
    if claimed not in _OPEN_ENDED and claimed + 8 > source.size + 1:  # some writers forget the padding byte
        raise UnreadableError(
            f"{source.name} is cut short: its header announces {claimed + 8:,} bytes, it has {source.size:,}"
        )


def _check_length(source: Source, limits: Limits, frames: int, rate: int) -> None:
    if frames > limits.max_seconds * rate or frames > limits.max_samples:
        raise LimitError(
            f"{source.name} lasts {frames / rate:,.0f} s, the limits allow {limits.max_seconds:,.0f} s and "
            f"{limits.max_samples:,} samples; raise them or cut it"
        )


def _blocks(sound: Any) -> Iterator[NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block
