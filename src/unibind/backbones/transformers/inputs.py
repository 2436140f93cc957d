"""From raw items to tower inputs, through the model's own processors.

An input keeps the folder it came from and reads its processor there again after pickling, so that a worker process is
sent a path and not a vocabulary.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...errors import UnibindError
from ...modalities.spec import Raw
from ...modalities.text import Text
from .._shared.picture_inputs import DRAWINGS
from .repository import Repository, reading

# What of an image processor decides its output, under the names that all versions of transformers use.
_PICTURE_PARAMETERS = (
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor"),
    *("do_normalize", "image_mean", "image_std", "do_pad", "pad_size"),
)

# Files that hold a tokenizer's vocabulary, of all supported architectures.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)


class ProcessorInput:
    """Base of inputs that use one processor of a folder, read at once and again after unpickling."""

    def __init__(self, repository: Repository) -> None:
        self.repository = Repository(repository.folder)
        _ = self.processor  # a broken one is an error here, not in a worker

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "processor"}

    @cached_property
    def processor(self) -> Any:
        """The transformers object that does the work."""
        with reading("the processor", self.repository.folder):
            return self._read()

    def _read(self) -> Any:
        raise NotImplementedError

    def __call__(self, raw: Any) -> Tensor:
        """One raw item's tensor, without batch axis."""
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the tensor's values, JSON: the input's part of the contract."""
        raise NotImplementedError


class PictureInput(ProcessorInput):
    """Pictures [F, 3, H, W] of an item of `modality` (see `picture_inputs`), resized and normalized by Pillow.

    Never by torchvision, which resizes with other roundings and need not be installed.
    """

    def __init__(self, repository: Repository, modality: str, frames: int) -> None:
        self.modality = modality
        self.frames = frames
        super().__init__(repository)

    def _read(self) -> Any:
        import transformers

        by_pillow = {"backend": "pil"} if int(transformers.__version__.split(".")[0]) >= 5 else {"use_fast": False}
        return transformers.AutoImageProcessor.from_pretrained(
            self.repository.folder, local_files_only=True, trust_remote_code=False, **by_pillow
        )

    def __call__(self, raw: Raw) -> Tensor:
        """One item's pictures [F, 3, H, W]."""
        pictures = DRAWINGS[self.modality].draw(raw, self.frames)
        out = self.processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
        return out["pixel_values"]  # type: ignore[no-any-return]

    @property
    def parameters(self) -> dict[str, Any]:
        """The drawing, and the processor's sizes, mean and so on."""
        facts = self.processor.to_dict()
        kept = {name: _plain(facts[name]) for name in _PICTURE_PARAMETERS if facts.get(name) is not None}
        return DRAWINGS[self.modality].parameters(self.frames) | kept


class TextInput(ProcessorInput):
    """Token ids plus one, int64 [T]: 0 is then free for the padding of batches, whatever token 0 means to the model.

    `token_ids` undoes the shift. Longer texts are cut to `max_tokens` and keep their end token. With `fill` every text
    is padded to `max_tokens` by the tokenizer, for models that read their last position.
    """

    def __init__(self, repository: Repository, max_tokens: int, *, fill: bool = False) -> None:
        self.fill = fill
        super().__init__(repository)
        self.max_tokens = min(max_tokens, int(self.processor.model_max_length))

    def _read(self) -> Any:
        from transformers import AutoTokenizer

        if not any((self.repository.folder / name).is_file() for name in _VOCABULARIES):
            raise UnibindError(  # transformers would make a tokenizer without words
                f"{self.repository.folder} has no tokenizer; it needs tokenizer.json or the files of its vocabulary"
            )
        return AutoTokenizer.from_pretrained(self.repository.folder, local_files_only=True, trust_remote_code=False)

    def __call__(self, raw: Text) -> Tensor:
        """One text's shifted ids [T]."""
        padding = "max_length" if self.fill else False
        ids = self.processor(raw.text, truncation=True, max_length=self.max_tokens, padding=padding)["input_ids"]
        return torch.tensor(ids, dtype=torch.long) + 1

    @property
    def parameters(self) -> dict[str, Any]:
        """The longest text, and whether all are padded to it."""
        return {"max_tokens": self.max_tokens, "fill": self.fill}


def token_ids(batch: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask (1: a token), both int64 [B, T], of a batch of `TextInput`s padded with 0."""
    kept = batch > 0
    return torch.where(kept, batch - 1, pad), kept.long()


def _plain(value: Any) -> Any:
    """JSON of a processor's setting: sizes are mappings without their empty entries, enumerations are numbers."""
    if hasattr(value, "items"):
        return {k: v for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [float(v) for v in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
