"""Texts: UTF-8 files."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import LimitError, UnreadableError
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Text:
    """A text: any Unicode string that is not blank."""

    text: str
    modality: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        """Refuse a blank text."""
        require(bool(self.text.strip()), "a Text must hold at least one visible character")

    def summary(self) -> dict[str, Any]:
        """Counts of characters and words."""
        return {"characters": len(self.text), "words": len(self.text.split())}


def read(source: Source, limits: Limits) -> Text:
    """Read a text file in UTF-8, with or without a byte order mark; white space around it is dropped."""
    too_long = f"{source.name} holds more than the {limits.max_characters:,} characters allowed; split it"
    if source.size > 4 * limits.max_characters + len(BOM_UTF8):  # no character takes more bytes
        raise LimitError(too_long)
    with source.open() as file:
        data = file.read()
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{source.name} is not UTF-8 text (byte {error.start}); convert it") from None
    if not text or "\0" in text:
        raise UnreadableError(f"{source.name} holds no text; give a file of words")
    if len(text) > limits.max_characters:
        raise LimitError(too_long)
    return Text(text)


READER = Reader(modality="text", suffixes=(".txt",), read=read, sniff=lambda head: b"\0" not in head)
