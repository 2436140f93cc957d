"""What containers state of their own length, on the smallest files that state it."""

from __future__ import annotations

import struct

import pytest

from tests.fuzz.seeds import film, seed, sound
from unibind.errors import UnreadableError
from unibind.modalities.formats.completeness import check_complete
from unibind.modalities.source import Source


def is_complete(data: bytes) -> bool:
    try:
        check_complete(Source("x", data=data))
    except UnreadableError as error:
        assert "cut short" in str(error)
        return False
    return True


def riff(*chunks: tuple[bytes, bytes], claimed: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) if claimed is None else claimed) + body


def test_riff() -> None:
    whole = riff((b"fmt ", bytes(16)), (b"data", bytes(7)))
    assert is_complete(whole)
    assert is_complete(whole[:-1])  # the padding byte, which some writers forget
    assert not is_complete(whole[:-2])
    assert not is_complete(riff((b"fmt ", bytes(16)), (b"data", bytes(8)))[:-1])
    assert is_complete(whole + b"\0" * 9)
    for claimed in (0, 0x7FFFFFFF, 0xFFFFFFFF):  # streams
        assert is_complete(riff((b"fmt ", bytes(16)), (b"data", bytes(8)), claimed=claimed))


def test_boxes() -> None:
    box = struct.pack(">I4s", 16, b"ftyp") + bytes(8)
    large = struct.pack(">I4sQ", 1, b"mdat", 24) + bytes(8)
    assert is_complete(box + large)
    assert not is_complete(box + large[:-1])
    assert not is_complete(box + large[:5])
    assert is_complete(box + struct.pack(">I4s", 0, b"mdat") + bytes(3))  # up to the end, wherever that is


def test_matroska_of_unknown_length() -> None:
    header = b"\x1aE\xdf\xa3\x82ab"
    cluster = b"\x1fC\xb6u\x84abcd"
    live = header + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff" + cluster
    assert is_complete(live)
    assert not is_complete(live[:-1])
    assert is_complete(header + b"\x18S\x80g\x89" + cluster)
    assert not is_complete(header + b"\x18S\x80g\x90" + cluster)
    assert is_complete(film("matroska", "libx264", live="1"))


def test_ogg_without_its_last_page() -> None:
    data = sound("OGG", "VORBIS")
    assert is_complete(data)
    assert not is_complete(data[: data.rfind(b"OggS")])
    assert not is_complete(data[:-1])


def mp3_frames(count: int, announced: int | None = None) -> bytes:
    """Frames of 128 kbit/s at 44.1 kHz, of 417 bytes each; the first announces how many follow."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    first = bytearray(frame)
    if announced is not None:
        first[36:48] = b"Xing" + struct.pack(">II", 1, announced)
    return bytes(first) + frame * count


def test_mp3() -> None:
    assert is_complete(mp3_frames(10, announced=10))
    assert is_complete(mp3_frames(10))
    assert not is_complete(mp3_frames(8, announced=10))
    assert not is_complete(mp3_frames(10)[:-1])
    assert is_complete(b"ID3\x03\0\0\0\0\x02\x01" + bytes(257) + mp3_frames(10, announced=10) + b"TAG" + bytes(125))
    assert not is_complete(b"ID3\x03\0\0\0\0\x02\x01" + bytes(257) + mp3_frames(8, announced=10))
    assert is_complete(mp3_frames(3, announced=10) + bytes(1 << 17))  # something else follows: nothing can be said


@pytest.mark.parametrize("name", ["sound.aac", "film.flv", "sound.au", "sound.caf", "film.ts", "film.mpg"])
def test_other_containers(name: str) -> None:
    assert is_complete(seed(name))
    assert not is_complete(seed(name)[:-5])


def test_files_of_other_formats_are_left_alone() -> None:
    assert is_complete(b"\xff\xfeh\0i\0")
    assert is_complete(b"G")
    assert is_complete(b"")
