from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.limits import Limits
from unibind.modalities.reading import read

FORMATS = {"WAV": "PCM_16", "AIFF": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}
LOSSLESS = ["WAV", "AIFF", "FLAC"]


def tone(rate: int = 16_000, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def recorded(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype or FORMATS[kind])
    return buffer.getvalue()


def wav(channels: int = 1, rate: int = 16_000, bits: int = 16, data: bytes = b"\0\0" * 8, claimed: int = -1) -> bytes:
    """A WAV with any claims in its header."""
    size = len(data) if claimed < 0 else claimed
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body) - len(data) + size & 0xFFFFFFFF) + body


def m4a(path: Path, samples: np.ndarray, rate: int, **options: str) -> Path:
    """AAC in MP4; `samples` are [channels, N]."""
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout=layout)
        frame.rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def loudest(samples: np.ndarray, rate: int) -> float:
    """Frequency of the strongest part in hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_keeps_rate_pitch_and_level(kind: str) -> None:
    audio = read(recorded(tone(), kind=kind), "audio")
    assert (audio.rate, audio.channels) == (16_000, 1)
    assert abs(audio.duration_s - 0.5) < (0.001 if kind != "MP3" else 0.15)  # MP3 pads whole frames
    assert abs(loudest(audio.samples, 16_000) - 440) < 5
    assert abs(np.abs(audio.samples).max() - 0.5) < 0.05


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_rates_are_kept(rate: int) -> None:
    audio = read(recorded(tone(rate, 0.1), rate), "audio")
    assert (audio.rate, len(audio.samples)) == (rate, round(rate * 0.1))


@pytest.mark.parametrize("kind", LOSSLESS)
def test_channels_are_averaged(kind: str) -> None:
    stereo = np.array([[0.5, 0.25], [0.5, -0.5], [-0.25, 0.0]])
    audio = read(recorded(stereo, kind=kind), "audio")
    assert audio.samples.tolist() == [0.375, 0.0, -0.125]
    assert audio.channels == 2


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_sample_types_of_wav(subtype: str) -> None:
    audio = read(recorded(np.array([0.5, -0.5, 0.0]), subtype=subtype), "audio")
    assert np.abs(audio.samples - [0.5, -0.5, 0.0]).max() < 0.02


@pytest.mark.parametrize("channels", [1, 2])
def test_m4a_by_ffmpeg(channels: int, tmp_path: Path) -> None:
    path = m4a(tmp_path / "voice.m4a", np.stack([tone(44_100)] * channels), 44_100)
    audio = read(path)
    assert (audio.rate, audio.channels) == (44_100, channels)
    assert abs(audio.duration_s - 0.5) < 0.05
    assert abs(loudest(audio.samples, 44_100) - 440) < 5
    assert abs(np.abs(audio.samples[4000:16000]).max() - 0.5) < 0.05


def test_channels_of_m4a_are_averaged(tmp_path: Path) -> None:
    left = tone(44_100)
    audio = read(m4a(tmp_path / "voice.m4a", np.stack([left, np.zeros_like(left)]), 44_100))
    assert abs(np.abs(audio.samples[4000:16000]).max() - 0.25) < 0.03


def test_m4a_is_recognized_by_its_bytes(tmp_path: Path) -> None:
    data = m4a(tmp_path / "voice.m4a", tone(44_100)[None], 44_100).read_bytes()
    (tmp_path / "voice.wav").write_bytes(data)
    assert read(data, "audio").rate == read(tmp_path / "voice.wav").rate == 44_100


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_truncated_m4a_is_refused(options: dict[str, str], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 44_100 * 2))
    path = m4a(tmp_path / "voice.m4a", noise, 44_100, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableError, match=r"voice\.m4a"):
        read(path)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_recording_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    data = recorded(np.random.default_rng(0).uniform(-0.5, 0.5, 8000), kind=kind)
    path = tmp_path / f"cut.{kind.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UnreadableError, match=rf"cut\.{kind.lower()}"):
        read(path)


def test_a_streamed_wav_without_a_size_is_read() -> None:
    data = bytearray(wav(data=struct.pack("<3h", 16384, 0, -16384)))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert read(bytes(data), "audio").samples.tolist() == [0.5, 0.0, -0.5]


def flac_of_open_length(samples: np.ndarray) -> bytes:
    """A FLAC as a stream's writer leaves it: the 36 bits that count its samples are 0."""
    data = bytearray(recorded(samples, kind="FLAC"))
    at = 4 + 4 + 13  # marker, block header, and what stands before the count in STREAMINFO
    data[at] &= 0xF0
    data[at + 1 : at + 5] = bytes(4)
    return bytes(data)


def test_a_streamed_flac_without_a_length_is_read() -> None:
    samples = np.round(tone(seconds=20) * 32768) / 32768  # longer than one block
    assert np.array_equal(read(flac_of_open_length(samples), "audio").samples, samples.astype(np.float32))


def test_a_flac_without_a_length_is_limited_while_it_is_read() -> None:
    with pytest.raises(LimitError, match="lasts 5 s, the limits allow 5 s"):
        read(flac_of_open_length(tone(seconds=20)), "audio", limits=Limits(max_seconds=5))


@pytest.mark.parametrize(
    "header",
    [
        {"channels": 0},
        {"channels": 65_535},
        {"rate": 0},
        {"bits": 0},
        {"bits": 7_777},
        {"claimed": 2_000_000_000},
        {"rate": 0xFFFFFFFF},
        {"data": b""},
    ],
)
def test_an_absurd_header_is_refused(header: dict[str, int]) -> None:
    with pytest.raises(UnreadableError, match="the given bytes"):
        read(wav(**header), "audio")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(value: float) -> None:
    samples = np.array([0.1, value, 0.2], np.float32)
    with pytest.raises(UnreadableError, match="not finite"):
        read(recorded(samples, subtype="FLOAT"), "audio")


@pytest.mark.parametrize("limits", [Limits(max_seconds=0.4), Limits(max_samples=7_999)])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3"])
def test_a_long_recording_is_refused(limits: Limits, kind: str) -> None:
    data = recorded(tone(seconds=0.5), kind=kind)
    with pytest.raises(LimitError, match=r"lasts .* the limits allow"):
        read(data, "audio", limits=limits)


def test_a_long_m4a_is_refused(tmp_path: Path) -> None:
    path = m4a(tmp_path / "voice.m4a", tone(44_100, 1.5)[None], 44_100)
    with pytest.raises(LimitError, match=r"voice\.m4a lasts"):
        read(path, limits=Limits(max_seconds=1.0))


@pytest.mark.parametrize("name", ["song.wav", "song.mp3", "song.m4a"])
def test_a_text_is_not_a_sound(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("not a sound at all\n" * 20)
    with pytest.raises(UnreadableError, match=rf"{name}"):
        read(tmp_path / name)


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(list(FORMATS)),
    place=st.floats(0, 1, exclude_max=True),
    patch=st.binary(min_size=1, max_size=12),
    near_start=st.booleans(),
)
def test_damaged_files_raise_only_our_error(kind: str, place: float, patch: bytes, near_start: bool) -> None:
    data = bytearray(recorded(tone(seconds=0.1), kind=kind))
    at = int(place * (64 if near_start else len(data)))
    data[at : at + len(patch)] = patch
    try:
        audio = read(bytes(data), "audio", limits=Limits(max_seconds=60))
    except UnibindError as error:
        assert "the given bytes" in str(error) or "Audio" in str(error)
    else:
        assert np.isfinite(audio.samples).all()
