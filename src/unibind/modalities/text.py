"""Texts: UTF-8 files, and strings."""

from __future__ import annotations

import re
import textwrap
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LimitError, UnreadableError
from .limits import Limits
from .source import Source
from .spec import FileFormat, ModalitySpec, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class Text:
    """A text: any Unicode string that is not blank; half of a surrogate pair, which no encoder takes, is replaced."""

    text: str
    modality: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        """Refuse a blank text."""
        require(bool(self.text.strip()), "a Text must have at least one visible character")
        object.__setattr__(self, "text", _HALF_OF_A_PAIR.sub("\ufffd", self.text))

    def summary(self) -> dict[str, Any]:
        """Numbers of characters and words."""
        return {"characters": len(self.text), "words": len(self.text.split())}


def _read(source: Source, limits: Limits) -> Text:
    """Read a text file in UTF-8, with or without a byte order mark; white space around the text is dropped."""
    too_long = f"{source.name} has more than the {limits.max_characters:,} characters that the limits allow; split it"
    if source.size > 4 * limits.max_characters + len(BOM_UTF8):  # no character takes more than four bytes
        raise LimitError(too_long)
    try:
        text = source.read_bytes(limits).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{source.name} is not UTF-8 text (byte {error.start}); convert it") from None
    if not text or "\0" in text:
        raise UnreadableError(f"{source.name} contains no text; specify a file of words")
    if len(text) > limits.max_characters:
        raise LimitError(too_long)
    return Text(text)


def _picture(raw: Text, size: tuple[int, int]) -> Picture:
    """The text as a card of `size` (width, height): wrapped, in the largest letters that let it fit, else cut off."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    margin = max(4, width // 16)
    card = Image.new("RGB", size, "#fbf7ec")
    pen = ImageDraw.Draw(card)
    for points in (height // 10, height // 14, height // 20, height // 28):
        font = ImageFont.load_default(max(8, points))
        letters = max(4, int((width - 2 * margin) / (0.52 * max(8, points))))
        wrapped = "\n".join(textwrap.wrap(raw.text[:4000], letters))
        bottom = pen.multiline_textbbox((margin, margin), wrapped, font)[3]
        if bottom <= height - margin:
            break
    pen.multiline_text((margin, margin), wrapped, "#3a3428", font)
    return card


SPEC = ModalitySpec(
    name="text",
    raw_types=(Text,),
    formats=(FileFormat("UTF-8 text", (".txt",), _read, fallback=True),),
    picture=_picture,
    prompt_phrase="texts that tell of it without naming it",
    aspects=("looks", "parts", "context", "sound"),
    templates=("{}.", "this is a {}.", "a text about a {}.", "a description of a {}.", "somebody mentions a {}."),
    from_string=Text,
)
