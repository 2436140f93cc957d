"""CLIP's byte-pair tokens (Radford et al., 2021), as ImageBind's text tower reads them."""

from __future__ import annotations

import html
import re
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...errors import MissingExtraError

MAX_TOKENS = 77
# The names at which the packaged tokenizer puts its special tokens; a space after "<" changes no other token.
_SPECIAL = re.compile(r"<(?=(?:start|end)_of_text>)")


class Tokenizer:
    """A text to token ids int64 [T], T at most 77: start token, text, end token.

    Texts are cleaned as CLIP's tokenizer cleans them: encoding mended (ftfy), HTML entities resolved twice, white space
    collapsed, lower case. What does not fit is cut before the end token, at which the text tower is read. A text that
    spells the name of a special token does not get that token.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {}  # the vocabulary is in the package: a worker makes it anew

    def __call__(self, text: str) -> Tensor:
        """Token ids [T]. Raises MissingExtraError without the extra `imagebind`."""
        words = self._pairs.encode(self._clean(text))[: MAX_TOKENS - 2]
        return torch.tensor([self._pairs.start_of_text(), *words, self._pairs.end_of_text()], dtype=torch.long)

    def _clean(self, text: str) -> str:
        whole = html.unescape(html.unescape(self._mended(text)))
        plain = re.sub(r"\s+", " ", whole.strip()).strip().lower()
        return _SPECIAL.sub("< ", plain)

    def _mended(self, text: str) -> str:
        try:
            import ftfy
        except ImportError:
            raise MissingExtraError("the tokenizer of ImageBind", "imagebind") from None
        return ftfy.fix_text(text)

    @cached_property
    def _pairs(self) -> Any:
        try:
            from instant_clip_tokenizer import Tokenizer
        except ImportError:
            raise MissingExtraError("the tokenizer of ImageBind", "imagebind") from None
        return Tokenizer()
