"""Whether a recording is all there, by what its container states of its own length; nothing is decoded.

Decoders play what is left of a file that was cut off, and say nothing. Containers without a statement of their length
(live Matroska, raw event words, tables of numbers) are read as they are.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Literal

from ...errors import UnreadableError
from ..source import Source

Order = Literal["little", "big"]
Check = Callable[[IO[bytes], int], str | None]  # the file and its size -> what is missing

_OPEN_ENDED = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that streaming writers leave in a header
_MOST_CHUNKS = 1 << 16  # looked at
_LAST_PAGES = 1 << 17  # bytes, two pages of the largest size
_END_OF_STREAM = 4
_PACK, _PROGRAM_END = b"\0\0\1\xba", b"\0\0\1\xb9"


def check_complete(source: Source) -> None:
    """Raise UnreadableError for a file that states that it is longer than it is, or ends in the middle of a part."""
    for recognizes, missing in _CHECKS:
        if recognizes(source.head):
            with source.open() as file:
                reason = missing(file, source.size)
            if reason is not None:
                raise UnreadableError(f"{source.name} is cut short: {reason}; copy it again")
            return


def _beyond(what: str, end: int, size: int) -> str | None:
    return f"{what} ends at byte {end:,}, the file at {size:,}" if end > size else None


# --- chunks and boxes ----------------------------------------------------------------------------------------------


def _riff(file: IO[bytes], size: int, order: Order) -> str | None:
    """RIFF and FORM: the whole, and the chunks in it."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        length = int.from_bytes(head[4:8], order)
        if len(head) < 8 or not head[:4].isascii() or not head[:4].decode().isprintable():
            return None
        is_list = head[:4] in (b"RIFF", b"FORM")
        allowed = size + is_list  # the whole counts the last padding byte, which some writers forget
        if length not in _OPEN_ENDED and (reason := _beyond(f"its {_name(head)} chunk", at + 8 + length, allowed)):
            return reason
        # within the outer chunk the next one follows its type; otherwise the next follows the padded content
        at += 12 if is_list else 8 + length + length % 2
    return None


def _boxes(file: IO[bytes], size: int) -> str | None:
    """MP4 and MOV: the boxes of the file."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return "it ends within the header of a box" if head else None
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            return None
        at += length
        if reason := _beyond(f"its {_name(head[4:])} box", at, size):
            return reason
    return None


def _caf(file: IO[bytes], size: int) -> str | None:
    """Apple's Core Audio Format."""
    at = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        length = int.from_bytes(head[4:12], "big", signed=True)
        if len(head) < 12 or length < 0:
            return None
        at += 12 + length
        if reason := _beyond(f"its {_name(head)} chunk", at, size):
            return reason
    return None


def _au(file: IO[bytes], size: int) -> str | None:
    start, length = struct.unpack(">4xII", file.read(12))
    return None if length in _OPEN_ENDED else _beyond("its sound", start + length, size)


def _name(head: bytes) -> str:
    return repr(head[:4].decode("ascii", "replace"))


# --- Matroska ------------------------------------------------------------------------------------------------------

_SEGMENT = 0x18538067


def _matroska(file: IO[bytes], size: int) -> str | None:
    """The elements of the file, and those of a segment of unknown length, as live recordings have them."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        if not head:
            return None
        identity, start = _vint(head, 0, keep_marker=True)
        length, start = _vint(head, start, keep_marker=False)
        if identity is None or length is None:
            return "it ends within the header of an element" if len(head) < 12 else None
        is_open = length == (1 << 7 * (start - _vint(head, 0, keep_marker=True)[1])) - 1
        if identity == _SEGMENT and is_open:
            at += start
            continue
        if is_open:
            return None
        at += start + length
        if reason := _beyond("its Matroska element", at, size):
            return reason
    return None


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """A number of variable length and the place after it; the count of leading zero bits is that of further bytes."""
    if at >= len(data) or not data[at]:
        return None, at
    width = 9 - data[at].bit_length()
    if at + width > len(data):
        return None, at
    value = int.from_bytes(data[at : at + width], "big")
    return (value if keep_marker else value & ((1 << 7 * width) - 1)), at + width


# --- pages, tags and frames ----------------------------------------------------------------------------------------


def _ogg(file: IO[bytes], size: int) -> str | None:
    """The last page must be whole and say that the stream ends."""
    file.seek(max(0, size - _LAST_PAGES))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or page + 27 > len(tail):
        return "it ends within a page"
    lengths = tail[page + 27 : page + 27 + tail[page + 26]]
    if page + 27 + tail[page + 26] + sum(lengths) > len(tail):
        return "it ends within a page"
    return None if tail[page + 5] & _END_OF_STREAM else "its last page does not end the stream"


def _flv(file: IO[bytes], size: int) -> str | None:
    """The size that writers note in the metadata, and the last tag, which is followed by its size."""
    head = file.read(4096)
    place = head.find(b"filesize\x00")
    if 0 <= place <= len(head) - 17:
        (claimed,) = struct.unpack_from(">d", head, place + 9)
        if claimed > size:
            return f"it states {claimed:,.0f} bytes and has {size:,}"
    file.seek(-4, os.SEEK_END)
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 13:
        return "it does not end with a whole tag"
    file.seek(size - 4 - length)
    tag = file.read(4)
    return None if int.from_bytes(tag[1:], "big") == length - 11 else "it does not end with a whole tag"


def _transport_stream(file: IO[bytes], size: int) -> str | None:
    return "it ends within a packet of 188 bytes" if size % 188 else None


def _program_stream(file: IO[bytes], size: int) -> str | None:
    """The packets of the last pack must be whole."""
    file.seek(max(0, size - _LAST_PAGES))
    tail = file.read()
    at = tail.rfind(_PACK)
    while 0 <= at < len(tail):
        code = tail[at : at + 4]
        if code == _PACK:
            head = tail[at + 4 : at + 14].ljust(10, b"\0")
            at += 14 + (head[9] & 7) if head[0] >> 6 == 1 else 12  # of MPEG 2, of MPEG 1
        elif code == _PROGRAM_END:
            return None
        elif code.startswith(b"\0\0\1") and len(code) == 4:
            at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
        else:
            return None if len(code) == 4 else "it ends within the header of a packet"
    return "it ends within a packet" if at > len(tail) else None


def _mp3(file: IO[bytes], size: int) -> str | None:
    """Every frame must be whole, and there must be as many as the first one announces (Xing, Info or VBRI)."""
    start = _after_id3(file)
    file.seek(start)
    announced = _announced_frames(file.read(256))
    count, end = 0, start
    for count, end in enumerate(_frame_ends(file, start, size, _mp3_frame), start=1):  # noqa: B007
        pass
    if reason := _beyond("its last frame", end, size):
        return reason
    stopped_early = size - end > _LONGEST_TAGS  # something else follows: nothing can be said about the count
    if announced is not None and count < announced and not stopped_early:
        return f"it announces {announced:,} frames and has {count:,}"
    return None


def _adts(file: IO[bytes], size: int) -> str | None:
    ends = list(_frame_ends(file, 0, size, _adts_frame))
    return _beyond("its last frame", ends[-1], size) if ends else None


_LONGEST_TAGS = 1 << 16  # bytes after the last frame
_MP3_KBIT = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_MP3_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _frame_ends(file: IO[bytes], at: int, size: int, length_of: Callable[[bytes], int]) -> Iterator[int]:
    """Where each of the frames in a row ends; the last may end beyond the file."""
    while at < size:
        file.seek(at)
        length = length_of(file.read(7))
        if not length:
            return
        at += length
        yield at


def _mp3_frame(head: bytes) -> int:
    """Bytes of a frame of layer III; 0 where there is none, or its length is not stated."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, kbit, hertz, padding = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or not 0 < kbit < 15 or hertz == 3:
        return 0
    return (144 if version == 3 else 72) * 1000 * _MP3_KBIT[version == 3][kbit] // _MP3_HZ[version][hertz] + padding


def _adts_frame(head: bytes) -> int:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


def _after_id3(file: IO[bytes]) -> int:
    """Where the sound starts: after the tag in front of it, if there is one."""
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _announced_frames(frame: bytes) -> int | None:
    for tag in (b"Xing", b"Info"):
        place = frame.find(tag, 4, 64)
        if 0 <= place <= len(frame) - 12 and frame[place + 7] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big")
    return int.from_bytes(frame[50:54], "big") if frame[36:40] == b"VBRI" else None


_CHECKS: tuple[tuple[Callable[[bytes], bool], Check], ...] = (
    (lambda head: head.startswith(b"RIFF"), partial(_riff, order="little")),
    (lambda head: head.startswith(b"FORM"), partial(_riff, order="big")),
    (lambda head: head.startswith(b"OggS"), _ogg),
    (lambda head: head.startswith(b"\x1aE\xdf\xa3"), _matroska),
    (lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), _boxes),
    (lambda head: head.startswith(b"caff"), _caf),
    (lambda head: head.startswith(b".snd") and len(head) >= 12, _au),
    (lambda head: head.startswith(b"FLV\x01"), _flv),
    (lambda head: head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G", _transport_stream),
    (lambda head: head.startswith(_PACK), _program_stream),
    (lambda head: head.startswith(b"ID3") or _mp3_frame(head[:4]) > 0, _mp3),
    (lambda head: _adts_frame(head[:7]) > 0, _adts),
)
