"""ZIP archives (NPZ, torch files), whose directory is measured before Python builds an object for every member."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

from ...errors import LimitError, UnreadableError
from ..limits import Limits

_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LONGEST_END = 22 + (1 << 16)  # the record at the end and its comment
_SIZE_64 = 56 + 20  # the 64-bit record and its locator, which come before
_LONGEST_ENTRY = 512


def opened_archive(stream: IO[bytes], name: str, limits: Limits) -> zipfile.ZipFile:
    """The archive; raises LimitError for more members than `limits` allow, UnreadableError for some that overlap."""
    directory = _directory_size(stream, name)
    if directory > limits.max_parts * _LONGEST_ENTRY:
        raise LimitError(
            f"{name} has an archive directory of {directory:,} bytes, more than {limits.max_parts:,} members take; "
            "store fewer"
        )
    archive = zipfile.ZipFile(stream)
    if len(archive.filelist) > limits.max_parts:
        raise LimitError(
            f"{name} has {len(archive.filelist):,} members, the limits allow {limits.max_parts:,}; store fewer"
        )
    packed = sum(member.compress_size for member in archive.filelist)
    if packed > stream.seek(0, os.SEEK_END):
        raise UnreadableError(f"{name} claims {packed:,} bytes of members, more than it has: they overlap")
    return archive


def _directory_size(stream: IO[bytes], name: str) -> int:
    """Bytes of the directory, as the record at the end of the file states it (the larger of the two, if there are)."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LONGEST_END - _SIZE_64))
    tail = stream.read()
    stream.seek(0)
    end = tail.rfind(_END)
    if end < 0 or end + 22 > len(tail):
        raise UnreadableError(f"{name} is cut short: it has no archive directory at its end; copy it again")
    (stated,) = struct.unpack_from("<I", tail, end + 12)
    record = end - _SIZE_64
    if record >= 0 and tail[record : record + 4] == _END_64 and tail[end - 20 : end - 16] == _LOCATOR_64:
        stated = max(stated if stated != 0xFFFFFFFF else 0, *struct.unpack_from("<Q", tail, record + 40))
    return int(stated)
