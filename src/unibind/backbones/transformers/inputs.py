"""From texts to token ids, through the model's own tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...errors import UnibindError
from ...modalities.text import Text
from .._shared.processor_inputs import ProcessorInput
from .._shared.repository import Repository

# Files that contain a tokenizer's vocabulary, for all supported architectures.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)


class TextInput(ProcessorInput):
    """Token ids plus one, int64 [T]: 0 then marks the padding of a batch, whatever token 0 means to the model.

    `token_ids` undoes the shift. Longer texts are truncated to `max_tokens` and keep their end token. With `fill`, the
    tokenizer pads every text to `max_tokens`, for models that read their last position.
    """

    def __init__(self, repository: Repository, max_tokens: int, *, fill: bool = False) -> None:
        self.fill = fill
        super().__init__(repository)
        self.max_tokens = min(max_tokens, int(self.processor.model_max_length))

    def _read(self) -> Any:
        from transformers import AutoTokenizer

        if not any((self.repository.folder / name).is_file() for name in _VOCABULARIES):
            raise UnibindError(  # transformers would create a tokenizer without a vocabulary
                f"{self.repository.folder} has no tokenizer; it needs tokenizer.json or the files of its vocabulary"
            )
        return AutoTokenizer.from_pretrained(self.repository.folder, local_files_only=True, trust_remote_code=False)

    def __call__(self, raw: Text) -> Tensor:
        """The shifted token ids of one text, [T]."""
        padding = "max_length" if self.fill else False
        ids = self.processor(raw.text, truncation=True, max_length=self.max_tokens, padding=padding)["input_ids"]
        return torch.tensor(ids, dtype=torch.long) + 1

    @property
    def parameters(self) -> dict[str, Any]:
        """The maximum length, and whether all texts are padded to it."""
        return {"max_tokens": self.max_tokens, "fill": self.fill}


def token_ids(batch: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask (1: a token), both int64 [B, T], of a batch of `TextInput`s padded with 0."""
    mask = batch > 0
    return torch.where(mask, batch - 1, pad), mask.long()
