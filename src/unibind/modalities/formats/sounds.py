"""Sound files to mono samples: through libsndfile, and through FFmpeg what libsndfile does not read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ...extras import import_extra
from ..limits import Limits
from ..segments import Segment
from ..source import Source

Decode = Callable[[Source, Limits], tuple[NDArray[np.float32], int, int]]  # samples [N], rate in Hz, channels

_BLOCK = 1 << 18  # frames decoded at a time
_MAX_CHANNELS = 64
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

    with soundfile.SoundFile(_opened(source)) as sound:
        if not 0 < sound.channels <= _MAX_CHANNELS or sound.samplerate <= 0:
            raise UnreadableError(f"{source.name} claims {sound.channels} channels at {sound.samplerate} Hz")
        if sound.frames == _UNKNOWN_FRAMES:  # libsndfile cannot read such a file to its end
            return with_ffmpeg(source, limits)
        _check_length(source, limits, sound.frames, sound.samplerate)
        recording = _Recording(sound.frames)
        for block in _blocks(sound):
            recording.add(block.mean(axis=1))
            _check_length(source, limits, recording.count, sound.samplerate)
        samples = recording.samples()
        if len(samples) < sound.frames and sound.format != "MP3":  # an MP3's length is an estimate
            raise UnreadableError(
                f"{source.name} is cut short: its header announces {sound.frames:,} samples, it has {len(samples):,}"
            )
        return samples, int(sound.samplerate), int(sound.channels)


def duration_s(source: Source, limits: Limits) -> float:
    """How long a sound file is, in seconds, by its header where it says so."""
    import soundfile

    try:
        with soundfile.SoundFile(_opened(source)) as sound:
            if sound.frames != _UNKNOWN_FRAMES:
                return float(sound.frames / sound.samplerate)
    except soundfile.LibsndfileError:
        pass
    samples, rate, _ = with_ffmpeg(source, limits)
    return len(samples) / rate


def segment_with_sndfile(source: Source, limits: Limits, segment: Segment) -> tuple[NDArray[np.float32], int, int]:
    """Samples, rate and channels of a segment; of a file that libsndfile does not read, all is decoded for it."""
    import soundfile

    try:
        with soundfile.SoundFile(_opened(source)) as sound:
            if sound.frames != _UNKNOWN_FRAMES and 0 < sound.channels <= _MAX_CHANNELS:
                rate = sound.samplerate
                first, last = (min(round(at * rate), sound.frames) for at in (segment.start_s, segment.end_s))
                _check_length(source, limits, last - first, rate)
                sound.seek(first)
                recording = _Recording(last - first)
                while recording.count < last - first:
                    block = sound.read(min(_BLOCK, last - first - recording.count), "float32", always_2d=True)
                    if not len(block):
                        break
                    recording.add(block.mean(axis=1))
                return recording.samples(), int(rate), int(sound.channels)
    except soundfile.LibsndfileError:
        pass
    samples, rate, channels = with_ffmpeg(source, limits)
    return samples[round(segment.start_s * rate) : round(segment.end_s * rate)], rate, channels


def _opened(source: Source) -> Any:
    return _InMemory(source.data) if source.path is None else _for_libsndfile(source.path)


def _for_libsndfile(path: Path) -> Path | bytes:
    """The path; as bytes where its name is not Unicode, which soundfile cannot encode."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def with_ffmpeg(source: Source, limits: Limits) -> tuple[NDArray[np.float32], int, int]:
    """Samples, rate and channels of the first sound track that FFmpeg finds."""
    av = import_extra("av", "reading this kind of sound file")

    with source.open() as file, av.open(file, options={"format_whitelist": _DEMUXERS}) as container:
        if not container.streams.audio:
            raise UnreadableError(f"{source.name} has no sound track; specify another file")
        stream = container.streams.audio[0]
        rate, channels = int(stream.rate), int(stream.channels)
        planar = av.AudioResampler(format="fltp", rate=rate)  # not to mono, which would keep the power, not the mean
        stated = float((stream.duration or 0) * (stream.time_base or 0)) * rate
        recording = _Recording(int(min(stated, limits.max_samples)))
        for frame in container.decode(stream):
            for piece in planar.resample(frame):
                recording.add(piece.to_ndarray().mean(axis=0))
                _check_length(source, limits, recording.count, rate)
        return recording.samples(), rate, channels


class _Recording:
    """Samples as they come, in one buffer of the stated length: an hour must not be in memory twice."""

    def __init__(self, stated: int) -> None:
        self._buffer, self.count = np.empty(max(stated, 1), np.float32), 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Append a block; a recording that is longer than stated gets more room."""
        end = self.count + len(block)
        if end > len(self._buffer):
            self._buffer.resize(end + end // 4, refcheck=False)
        self._buffer[self.count : end] = block
        self.count = end

    def samples(self) -> NDArray[np.float32]:
        """All of them [N]."""
        whole = self._buffer[: self.count]
        return whole if 2 * self.count > len(self._buffer) else whole.copy()


def _check_length(source: Source, limits: Limits, frames: int, rate: int) -> None:
    if frames > limits.max_seconds * rate or frames > limits.max_samples:
        raise LimitError(
            f"{source.name} lasts {frames / rate:,.0f} s, the limits allow {limits.max_seconds:,.0f} s and "
            f"{limits.max_samples:,} samples; raise them or cut it"
        )


def _blocks(sound: Any) -> Iterator[NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block
