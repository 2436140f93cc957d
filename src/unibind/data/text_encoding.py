"""The text of a file in UTF-8 or UTF-16, with or without a byte order mark."""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator
from pathlib import Path

from ..errors import UnibindError

_HEAD = 4096  # bytes by which UTF-16 without a mark is recognized
_SURROGATE = re.compile("[\ud800-\udfff]")


def decoded(path: Path) -> str:
    """The text of a file; bytes that are not UTF-8 become lone surrogates, which `undecodable` finds.

    Raises UnibindError for text that says it is UTF-16 and is not.
    """
    data = path.read_bytes()
    encoding = _encoding(data)
    try:
        return data.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "strict")
    except UnicodeDecodeError as error:
        raise UnibindError(f"{path} is not UTF-16 text (byte {error.start}); save it as UTF-8") from error


def decoded_lines(path: Path, newline: str = "\n") -> Generator[str]:
    """The lines of a file as `decoded` gives its text, one in memory at a time; `newline` is that of `open`."""
    with path.open("rb") as file:
        encoding = _encoding(file.read(_HEAD))
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    with path.open(encoding=encoding, errors=errors, newline=newline) as file:
        try:
            yield from file
        except UnicodeDecodeError as error:
            raise UnibindError(f"{path} is not UTF-16 text ({error.reason}); save it as UTF-8") from error


def undecodable(text: str) -> bool:
    """Whether a text has bytes that could not be decoded."""
    return _SURROGATE.search(text) is not None


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = data[:_HEAD]
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.8 * len(zeros):  # the upper halves of Latin letters
            return encoding
    return "utf-8-sig"
