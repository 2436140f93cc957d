"""Sounds, mixed down to one channel: WAV, FLAC, OGG, MP3 and AIFF through libsndfile; M4A and AAC through FFmpeg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from .colormap import inferno
from .formats.sounds import Decode, duration_s, segment_with_sndfile, with_ffmpeg, with_sndfile
from .limits import Limits
from .messages import HEARD_HZ, Part, RenderOptions, duration, picture_part, sound_part, text_part, wav_file
from .segments import Segment, SegmentReader
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


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
        """Duration in seconds."""
        return len(self.samples) / self.rate

    def summary(self) -> dict[str, Any]:
        """Duration in seconds, rate in Hz, channels of the file, peak level."""
        return {
            "duration_s": round(self.duration_s, 4),
            "rate_hz": self.rate,
            "channels": self.channels,
            "peak": round(float(max(self.samples.max(), -self.samples.min())), 4),
        }


_FASTEST_HZ = 1_000_000  # recorders of ultrasound reach half of it
_LOUDEST = 1e6  # times full scale; converters of real numbers overshoot a little


def _read(source: Source, limits: Limits, decode: Decode) -> Audio:
    """Read a recording at its own rate, its channels averaged; the whole file or nothing.

    Raises LimitError for more seconds or samples than `limits` allow, UnreadableError where it is cut short or
    contains numbers that are not finite.
    """
    samples, rate, channels = decode(source, limits)
    if not len(samples):
        raise UnreadableError(f"{source.name} contains no samples; record it again")
    if rate > _FASTEST_HZ:
        raise UnreadableError(f"{source.name} claims {rate:,} samples per second; it is damaged, or not a sound")
    if not -_LOUDEST <= samples.min() <= samples.max() <= _LOUDEST:  # also catches NaN
        raise UnreadableError(f"{source.name} contains samples that are not finite, or far too large; export it again")
    return Audio(samples, rate, channels)


def _by_sndfile(source: Source, limits: Limits) -> Audio:
    return _read(source, limits, with_sndfile)


def _by_ffmpeg(source: Source, limits: Limits) -> Audio:
    return _read(source, limits, with_ffmpeg)


def _read_segment(source: Source, limits: Limits, segment: Segment) -> Audio:
    return _read(source, limits, lambda source, limits: segment_with_sndfile(source, limits, segment))


def _from_samples(item: object) -> Audio | None:
    """A mapping of `array` [N] or [channels, N] and `sampling_rate` in Hz, as data sets hold decoded sounds."""
    if not isinstance(item, Mapping) or not {"array", "sampling_rate"} <= item.keys():
        return None
    samples = np.atleast_2d(np.asarray(item["array"], np.float32))
    return Audio(samples.mean(axis=0), int(item["sampling_rate"]), len(samples))


# --- showing -------------------------------------------------------------------------------------------------------

_PICTURE_RATIO = 1.5
_BINS, _FLOOR = 96, 9.0  # mel bands; nepers below the loudest that are shown
_SHOWN_S = 30.0  # of a long recording
_PLAYED_S, _PLAYED_HZ = 10.0, 24_000  # of a sound inside a page, which grows by 48 kB for each second


def _picture(raw: Audio, size: tuple[int, int]) -> Picture:
    """A mel spectrogram in `size` (width, height) with seconds and kilohertz at its edges: loud is light.

    Only the first 30 s of a long sound are shown.
    """
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    left, bottom = 34, 18
    samples = raw.samples[: round(_SHOWN_S * raw.rate)]
    sheet = Image.new("RGB", size, "white")
    spectrogram = Image.fromarray(_spectrogram(samples, raw.rate))
    sheet.paste(spectrogram.resize((width - left, height - bottom)), (left, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for share in (0, 0.25, 0.5, 0.75):
        label = f"{share * len(samples) / raw.rate:.2g} s"
        pen.text((left + share * (width - left), height - bottom + 3), label, "#333333", font)
    for kilohertz in (0.5, 1, 2, 4, 8, 16):
        place = _mel(kilohertz * 1000) / _mel(raw.rate / 2)
        if place < 0.97:
            pen.text((2, (1 - place) * (height - bottom) - 6), f"{kilohertz:g} k", "#333333", font)
    return sheet


def _spectrogram(samples: NDArray[np.float32], rate: int) -> NDArray[np.uint8]:
    """Colors uint8 [bins, T, 3] of the log mel energies, high frequencies on top."""
    import torch

    from ..preprocess.filterbank import log_mel

    padded = np.pad(samples, (0, max(0, round(rate * 0.025) - len(samples))))
    energies = log_mel(torch.from_numpy(padded), rate, bins=_BINS).numpy().T[::-1]
    return inferno((energies - energies.max() + _FLOOR) / _FLOOR)


def _mel(hertz: float) -> float:
    return 1127 * float(np.log1p(hertz / 700))


def _sound(raw: Audio) -> bytes:
    """The first 10 s as a WAV file of at most 24 kHz."""
    from ..preprocess.clips import resampled

    rate = min(raw.rate, _PLAYED_HZ)
    return wav_file(resampled(raw.samples[: round(_PLAYED_S * raw.rate)], raw.rate, rate), rate)


def _message(raw: Audio, options: RenderOptions) -> list[Part]:
    from ..preprocess.clips import resampled
    from .pictures import picture

    samples = raw.samples[: round(_SHOWN_S * raw.rate)]
    cut = "" if raw.duration_s <= _SHOWN_S else ", of which the first 30 s follow"
    words = f"A sound recording, {duration(raw.duration_s)} long{cut}. {_loudness(samples, raw.rate)}"
    if options.sound:
        return [text_part(words), sound_part(resampled(samples, raw.rate, HEARD_HZ))]
    legend = "Its spectrogram: time goes to the right, pitch upwards (k are kilohertz), light is loud, black is silent."
    side = round(options.side * _PICTURE_RATIO)
    return [text_part(f"{words} {legend}"), picture_part(picture(raw, options.side), side)]


def _loudness(samples: NDArray[np.float32], rate: int) -> str:
    """Level of a sound in words: mean and peak in decibels of full scale, and when it is loudest."""
    peak = float(np.abs(samples).max())
    if peak < 1e-5:
        return "It is silent."
    power = samples.astype(np.float64) ** 2
    mean_db, peak_db = 10 * np.log10(power.mean()), 20 * np.log10(peak)
    loudness = "loud" if mean_db >= -18 else "of middle loudness" if mean_db >= -35 else "quiet"
    window = max(1, rate // 10)
    steps = np.add.reduceat(power, np.arange(0, len(power), window))
    quiet = float(np.mean(steps < steps.max() / 1000))  # 30 dB below the loudest step
    return (
        f"It is {loudness} ({mean_db:.0f} dB of full scale on average, {peak_db:.0f} dB at its peak), loudest "
        f"{steps.argmax() * window / rate:.1f} s after the start, and quiet {100 * quiet:.0f} % of the time."
    )


SPEC = ModalitySpec(
    name="audio",
    raw_types=(Audio,),
    formats=(
        FileFormat("WAV", (".wav",), _by_sndfile, lambda head: head.startswith(b"RIFF") and head[8:12] == b"WAVE"),
        FileFormat("FLAC", (".flac",), _by_sndfile, lambda head: head.startswith(b"fLaC")),
        FileFormat("OGG", (".ogg", ".opus"), _by_sndfile, lambda head: head.startswith(b"OggS")),
        FileFormat("MP3", (".mp3",), _by_sndfile, lambda head: head.startswith(b"ID3")),
        FileFormat("AIFF", (".aiff", ".aif"), _by_sndfile, lambda head: head.startswith(b"FORM")),
        FileFormat("M4A", (".m4a",), _by_ffmpeg, lambda head: head[4:8] == b"ftyp", also=(".mp4",)),
        FileFormat("AAC", (".aac",), _by_ffmpeg),
        FileFormat("other formats of libsndfile", (), _by_sndfile, also=(".au", ".caf", ".snd", ".w64"), fallback=True),
    ),
    picture=_picture,
    picture_ratio=_PICTURE_RATIO,
    sound=_sound,
    message=_message,
    segments=SegmentReader(duration_s, _read_segment),
    column_names=("sound", "wav"),
    prompt_phrase="sound recordings, where nothing is seen",
    aspects=("sound", "motion", "context"),
    templates=(
        "the sound of a {}.",
        "a recording of a {}.",
        "this is the sound of a {}.",
        "one can hear a {}.",
        "a noise that comes from a {}.",
    ),
    from_object=_from_samples,
)
