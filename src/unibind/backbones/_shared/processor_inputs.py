"""From raw items to tower inputs, through the processors of a model's folder.

An input remembers its folder and reads its processor again after unpickling, so that a worker process receives a path
and not a vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from torch import Tensor

from ...modalities.spec import Raw
from .picture_inputs import PICTURE_INPUTS
from .repository import Repository, quiet, reading

# The settings of an image processor that decide its output, by the names that all versions of transformers use.
PICTURE_PARAMETERS = (
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor"),
    *("do_normalize", "image_mean", "image_std", "do_pad", "pad_size"),
    *("crop_pct", "offset", "rescale_offset", "include_top", "do_flip_channel_order", "do_color_quantize"),
)


class ProcessorInput(ABC):
    """Base of inputs that use one processor of a folder, which is read at once, and again after unpickling."""

    def __init__(self, repository: Repository) -> None:
        self.repository = Repository(repository.folder)
        _ = self.processor  # a damaged one raises here, not in a worker

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "processor"}

    @cached_property
    def processor(self) -> Any:
        """The tokenizer, feature extractor or image processor."""
        with reading("the processor", self.repository.folder), quiet():
            return self._read()

    @abstractmethod
    def _read(self) -> Any: ...

    @abstractmethod
    def __call__(self, raw: Any) -> Tensor:
        """The tensor of one raw item, without a batch axis."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """The preprocessing parameters in the contract, as JSON."""


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
        relevant = {name: _plain(settings[name]) for name in PICTURE_PARAMETERS if settings.get(name) is not None}
        return PICTURE_INPUTS[self.modality].parameters(self.frames) | relevant


def _plain(value: Any) -> Any:
    """A processor's setting as JSON: sizes become mappings without empty entries, enumerations become numbers."""
    if hasattr(value, "items"):
        return {k: v for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [float(v) for v in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
