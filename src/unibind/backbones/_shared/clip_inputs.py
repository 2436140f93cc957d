"""How CLIP reads texts and pictures (Radford et al., 2021), as the towers of ImageBind and LanguageBind do."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...modalities.text import Text
from .clip_tokenizer import MAX_TOKENS, Tokenizer

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of channels in [0, 1]
_tokenize = Tokenizer()


@dataclass(frozen=True)
class TextInput:
    """Token ids [T], T <= max_tokens; a longer text keeps its end token."""

    max_tokens: int = MAX_TOKENS

    def __call__(self, raw: Text) -> Tensor:
        """The token ids of a text."""
        return _tokenize(raw.text)
