"""From raw items to tower inputs, through the model's own processors.

An input remembers its folder and reads its processor again after unpickling, so that a worker process receives a path
and not a vocabulary.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...errors import UnibindError
from ...modalities.spec import Raw
from ...modalities.text import Text
from .._shared.picture_inputs import PICTURE_INPUTS
from .._shared.repository import Repository, reading

# The settings of an image processor that decide its output, by the names that all versions of transformers use.
_PICTURE_PARAMETERS = (
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor"),
    *("do_normalize", "image_mean", "image_std", "do_pad", "pad_size"),
)

# Files that contain a tokenizer's vocabulary, for all supported architectures.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)


class ProcessorInput:
    """Base of inputs that use one processor of a folder, which is read at once, and again after unpickling."""

    def __init__(self, repository: Repository) -> None:
        self.repository = Repository(repository.folder)
        _ = self.processor  # a damaged one raises here, not in a worker

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "processor"}

    @cached_property
    def processor(self) -> Any:
        """The tokenizer, feature extractor or image processor."""
        with reading("the processor", self.repository.folder):
            return self._read()

    def _read(self) -> Any:
        raise NotImplementedError

    def __call__(self, raw: Any) -> Tensor:
        """The tensor of one raw item, without a batch axis."""
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, Any]:
        """The preprocessing parameters in the contract, as JSON."""
        raise NotImplementedError


class ImageProcessorInput(ProcessorInput):
    """Pictures [F, 3, H, W] of an item of `modality` (see `picture_inputs`), resized and normalized by Pillow.

    torchvision is not used: it rounds differently when it resizes, and may not be installed.
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
        pictures = PICTURE_INPUTS[self.modality].pictures(raw, self.frames)
        out = self.processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
        return out["pixel_values"]  # type: ignore[no-any-return]

    @property
    def parameters(self) -> dict[str, Any]:
        """How the item becomes pictures, and the settings of the processor."""
        settings = self.processor.to_dict()
        relevant = {name: _plain(settings[name]) for name in _PICTURE_PARAMETERS if settings.get(name) is not None}
        return PICTURE_INPUTS[self.modality].parameters(self.frames) | relevant


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


def _plain(value: Any) -> Any:
    """A processor's setting as JSON: sizes become mappings without empty entries, enumerations become numbers."""
    if hasattr(value, "items"):
        return {k: v for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [float(v) for v in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
