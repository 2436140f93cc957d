"""CLIP's byte-pair tokenizer (Radford et al., 2021), as the text towers of ImageBind and LanguageBind need it."""

from __future__ import annotations

import html
import re
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...extras import import_extra

MAX_TOKENS = 77
_PURPOSE = "CLIP's tokenizer"
# Where the packaged tokenizer would insert its special tokens; a space after "<" changes no other token.
_SPECIAL = re.compile(r"<(?=(?:start|end)_of_text>)")


class Tokenizer:
    """Turns a text into token ids int64 [T], T at most 77: start token, text, end token.

    Texts are cleaned as in CLIP's tokenizer: encoding repaired (ftfy), HTML entities resolved twice, white space
    collapsed, lower case. A long text is truncated before the end token, where the text tower is read. A text that
    contains the name of a special token does not get that token.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {}  # a worker reads the vocabulary from the package again

    def __call__(self, text: str) -> Tensor:
        """Token ids [T]. Raises MissingExtraError without the extra `imagebind`."""
        words = self._pairs.encode(self._clean(text))[: MAX_TOKENS - 2]
        return torch.tensor([self._pairs.start_of_text(), *words, self._pairs.end_of_text()], dtype=torch.long)

    def _clean(self, text: str) -> str:
        whole = html.unescape(html.unescape(self._repaired(text)))
        plain = re.sub(r"\s+", " ", whole.strip()).strip().lower()
        return _SPECIAL.sub("< ", plain)

    def _repaired(self, text: str) -> str:
        return import_extra("ftfy", _PURPOSE).fix_text(text)

    @cached_property
    def _pairs(self) -> Any:
        return import_extra("instant_clip_tokenizer", _PURPOSE).Tokenizer()
