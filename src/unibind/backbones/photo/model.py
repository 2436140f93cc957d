"""The backbone `photo`: a classifier of photographs as a tower in the space of a sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...modalities import ANCHOR, check_modality
from ...modalities.spec import Raw
from ...modalities.text import Text
from ...preprocess.images import central_square
from .._shared.checkpoints import load_weights
from .._shared.class_mixture import ClassMixture
from .._shared.device import resolve_device
from .._shared.file_digest import file_digest
from .._shared.minilm import WIDTH, Tokenizer, load_text_tower, text_contract
from .._shared.picture_inputs import PICTURE_INPUTS, check_frames, embed_pictures
from .._shared.precision import DTYPES, resolve_precision, to_precision
from .._shared.towers import FrozenTowers, check_item, select_modalities
from ..contract import Contract
from . import LICENSE, MODALITIES, SPEC
from .efficientnet import CLASSES, MEAN, SIZE, STD, EfficientNetLite0, load_network, weights_file

CLASS_VECTORS = Path(__file__).parent / "class_vectors.safetensors"
TEMPERATURE = 1.0  # of the class probabilities
KEPT = 10  # classes in a mixture: on poor pictures, many improbable ones would outweigh the probable
CROP = 0.875  # of the short side, as the classifier was evaluated
_PICTURES = "pictures"  # the tower of all modalities but text
_PER_THREAD = 4  # pictures that go through it together on a CPU: what they become stays in its caches
_tokenize = Tokenizer()


class Photo:
    """The backbone `photo`; see `unibind.backbones.Backbone` for the protocol.

    `modalities` limits what may be used; each tower is read when it is first needed. `precision` is "float32",
    "bfloat16" or "auto", and `frames` the number of frames taken from a video. With `compile`, towers are compiled when
    they are first used.

    Raises UnibindError if the package with the image tower's weights is not installed.
    """

    name = SPEC.card.name
    dim = WIDTH
    license = LICENSE
    logit_scale = 35.0  # lowest negative log-likelihood on photographs, see `benchmarks/photos.py`

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
        frames: int = 8,
    ) -> None:
        self.modalities = select_modalities(modalities, MODALITIES)
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, DTYPES)
        self.frames = check_frames(frames)
        self.options: Mapping[str, Any] = {"precision": self.precision, "frames": self.frames}
        self._towers = FrozenTowers(self._load, self.device, compile=compile)
        if self.modalities != (ANCHOR,):
            weights_file()  # is installed

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into its tower's input: token ids int64 [T], or pictures uint8 [F, 224, 224, 3]."""
        check_item(modality, raw, self.modalities)
        if modality == ANCHOR:
            return _tokenize(cast(Text, raw).text)
        pictures = PICTURE_INPUTS[modality].pictures(raw, self.frames)
        return torch.from_numpy(np.stack([central_square(picture, SIZE, CROP) for picture in pictures]))

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, 384], unit length, on the CPU."""
        if check_modality(modality, self.modalities) == ANCHOR:
            return self._towers.embed(ANCHOR, batch)
        on_cpu = torch.device(self.device).type == "cpu"
        return self._towers.embed(_PICTURES, batch, chunk=_PER_THREAD * torch.get_num_threads() if on_cpu else None)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean."""
        texts = text_contract(self.precision)
        if check_modality(modality, self.modalities) == ANCHOR:
            return texts
        weights = f"{file_digest(weights_file())}+{file_digest(CLASS_VECTORS)}"
        preprocessing = PICTURE_INPUTS[modality].parameters(self.frames) | {
            "size": SIZE,
            "crop": CROP,
            "mean": MEAN,
            "std": STD,
            "resize": "bicubic, antialiased",
            "temperature": TEMPERATURE,
            "kept": KEPT,
        }
        return Contract(texts.space, self.name, modality, weights, preprocessing, self.precision)

    def _load(self, tower: str) -> nn.Module:
        if tower == ANCHOR:
            return load_text_tower(self.precision, self.device)
        vectors = load_weights(CLASS_VECTORS, {"class_vectors": (CLASSES, WIDTH)})["class_vectors"]
        module = PictureTower(load_network(), ClassMixture(vectors, temperature=TEMPERATURE, kept=KEPT))
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        return to_precision(module, self.precision, self.device)


class PictureTower(nn.Module):
    """Pictures uint8 [B, F, 224, 224, 3] -> embeddings float32 [B, 384], unit length.

    Convolutions run in the layout of pictures, channels last, which is the fast one, above all in bfloat16. Bytes after
    normalization are exact in bfloat16.
    """

    def __init__(self, network: EfficientNetLite0, mixture: ClassMixture) -> None:
        super().__init__()
        self.network = network
        self.mixture = mixture

    def forward(self, batch: Tensor) -> Tensor:
        """Mean over the pictures of each item."""
        return functional.normalize(embed_pictures(self._embed, batch), dim=-1)

    def _embed(self, pictures: Tensor) -> Tensor:  # [B, H, W, 3] -> [B, D]
        x = pictures.permute(0, 3, 1, 2).to(self.network.stem.weight.dtype, memory_format=torch.channels_last)
        return self.mixture(self.network(x.sub_(MEAN).div_(STD)))  # type: ignore[no-any-return]
