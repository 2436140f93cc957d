"""Truncating texts to the context length of a text tower, at sentence ends where possible."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable

from ..backbones import Backbone
from ..errors import UnknownNameError
from ..modalities import ANCHOR
from ..modalities.text import Text

FitsContext = Callable[[str], bool]

_BOUNDARIES = (
    (re.compile(r"(?<=[.!?…])\s+(?=[^\sa-z])"), ""),  # sentences
    (re.compile(r"[,;:]\s"), "."),  # clauses
    (re.compile(r"\s+"), "."),  # words
)


def truncated(text: str, fits: FitsContext) -> str:
    """The text, or as many of its first sentences as fit; where not even one fits, clauses, and then words."""
    if fits(text):
        return text
    for boundary, ending in _BOUNDARIES:
        cuts = [match.start() for match in boundary.finditer(text)]
        count = bisect_left(cuts, True, key=lambda cut: not fits(text[:cut] + ending))
        if count:
            return text[: cuts[count - 1]] + ending
    return text


def fits_context(backbone: Backbone) -> FitsContext:
    """A function that returns whether a backbone's text tower reads a text to its end.

    It does where appending a word changes the tower's input, whatever its tokenizer does about truncation and padding;
    a text that fills the last position counts as too long. Raises UnknownNameError for a backbone without a text tower.
    """
    if ANCHOR not in backbone.modalities:
        raise UnknownNameError(f"modality of {backbone.name}:", ANCHOR, backbone.modalities)

    def fits(text: str) -> bool:
        import torch

        short, longer = (backbone.preprocess(ANCHOR, Text(t)) for t in (text, f"{text} also"))
        return not torch.equal(short, longer)

    return fits
