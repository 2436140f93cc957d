"""Texts cut to what a text tower reads, at the ends of sentences where that can be."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable

import torch

from ..backbones import Backbone
from ..errors import UnknownNameError
from ..modalities.text import Text

Fits = Callable[[str], bool]

_ENDS = (
    (re.compile(r"(?<=[.!?…])\s+(?=[^\sa-z])"), ""),  # of sentences
    (re.compile(r"[,;:]\s"), "."),  # of clauses
    (re.compile(r"\s+"), "."),  # of words
)


def shortened(text: str, fits: Fits) -> str:
    """The text, or as many whole sentences of its beginning as fit; where not even one does, clauses, else words."""
    if fits(text):
        return text
    for boundary, end in _ENDS:
        places = [match.start() for match in boundary.finditer(text)]
        count = bisect_left(places, True, key=lambda place: not fits(text[:place] + end))
        if count:
            return text[: places[count - 1]] + end
    return text


def fits_context(backbone: Backbone) -> Fits:
    """Whether a backbone's text tower reads a text to its end: one more word changes what it is given.

    That takes no knowledge of how texts are cut and padded; a text that fills the last place counts as too long.
    Raises UnknownNameError for a backbone without a text tower.
    """
    if "text" not in backbone.modalities:
        raise UnknownNameError(f"modality of {backbone.name}:", "text", backbone.modalities)

    def fits(text: str) -> bool:
        given, longer = (backbone.preprocess("text", Text(t)) for t in (text, f"{text} also"))
        return not torch.equal(given, longer)

    return fits
