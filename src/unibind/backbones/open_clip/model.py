"""open_clip: CLIP models of the OpenCLIP project, through its own library.

Pictures are resized here with Pillow from the model's preprocessing configuration, by the steps of open_clip's
inference transform, so workers need no torchvision. Texts are padded to the context length by open_clip's tokenizers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ...errors import MissingExtraError, UnibindError, UnknownNameError
from ...modalities import check_modality
from ...modalities.spec import Raw
from ...modalities.text import Text
from ...preprocess.images import to_tensor
from .._shared.picture_inputs import DRAWINGS, embed_pictures
from .._shared.precision import resolve_precision
from ..contract import Contract
from ..spec import Card, License

CARD = Card(
    name="open_clip:ARCH/TAG",
    summary="CLIP models of the OpenCLIP project",
    modalities=("text", *DRAWINGS),
    dim=None,
    license=None,
    weights="fetched by open_clip on first use",
    extra="open_clip",
)

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_INTERPOLATIONS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def _shortest(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    short = min(picture.size)
    return picture.resize((picture.width * size // short, picture.height * size // short), interpolation)


def _longest(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    ratio = max(picture.size) / size
    return picture.resize((max(1, round(picture.width / ratio)), max(1, round(picture.height / ratio))), interpolation)


def _squash(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    return picture.resize((size, size), interpolation)


_RESIZES: Mapping[str, Callable[[Image.Image, int, Image.Resampling], Image.Image]] = {
    "shortest": _shortest,
    "longest": _longest,
    "squash": _squash,
}


@dataclass(frozen=True)
class PictureTransform:
    """open_clip's inference transform of pictures: resize, crop or pad the middle square, normalize."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str
    fill_color: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PictureTransform:
        """From a model's `visual.preprocess_cfg`; raises UnibindError for a picture that is not square."""
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else size
        if height != width:
            raise UnibindError(f"this open_clip model takes pictures of {height} x {width}; choose one for squares")
        interpolation = config.get("interpolation") or "bicubic"
        return cls(
            size=int(height),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=interpolation if interpolation in _INTERPOLATIONS else "bicubic",  # "random": in training
            resize_mode=config.get("resize_mode") or "shortest",
            fill_color=config.get("fill_color", 0),
        )

    def __call__(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pictures uint8 [F, H, W, 3] -> float32 [F, 3, size, size]."""
        squares = [np.asarray(self._square(Image.fromarray(picture))) for picture in pixels]
        return to_tensor(np.stack(squares), self.mean, self.std)

    def _square(self, picture: Image.Image) -> Image.Image:
        resized = _RESIZES[self.resize_mode](picture, self.size, _INTERPOLATIONS[self.interpolation])
        width, height = max(resized.width, self.size), max(resized.height, self.size)
        canvas = Image.new("RGB", (width, height), (self.fill_color,) * 3)
        canvas.paste(resized, ((width - resized.width) // 2, (height - resized.height) // 2))
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return canvas.crop((left, top, left + self.size, top + self.size))


class TextTransform:
    """Texts to token ids int64 [context], by the architecture's own tokenizer, read again in every process."""

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture

    def __getstate__(self) -> dict[str, Any]:
        return {"architecture": self.architecture}

    @cached_property
    def _tokenizer(self) -> Any:
        return _library().get_tokenizer(self.architecture)

    def __call__(self, raw: Text) -> Tensor:
        """One text's ids."""
        return self._tokenizer([raw.text])[0].long()  # type: ignore[no-any-return]


class OpenClip:
    """The backbone `open_clip`; see `unibind.backbones.Backbone` for the protocol.

    `logit_bias` is None but for models with a sigmoid loss, whose probability of a pair is
    sigmoid(logit_scale * cosine + logit_bias). open_clip reads whole models; a tower not asked for is dropped at once.
    """

    license = License("unknown", commercial=False)  # differs from tag to tag, and open_clip does not tell

    def __init__(
        self,
        architecture: str,
        tag: str,
        modalities: Sequence[str] | None = None,
        *,
        device: str = "cpu",
        precision: str = "float32",
        frames: int = 8,
    ) -> None:
        self.name = f"open_clip:{architecture}/{tag}"
        self.architecture = architecture
        self.modalities = tuple(check_modality(m, CARD.modalities) for m in (modalities or CARD.modalities))
        self.device = device
        self.precision = resolve_precision(precision, device)
        if self.precision not in _PRECISIONS:
            raise UnibindError(f"open_clip models run in {' or '.join(_PRECISIONS)}, not in {self.precision}")
        if frames < 1:
            raise UnibindError(f"a video needs at least 1 frame, not {frames}")
        self.frames = frames
        self.options: Mapping[str, Any] = {"precision": self.precision, "frames": frames}

        library = _library()
        model = library.create_model_from_pretrained(architecture, pretrained=tag, return_transform=False)
        self.dim = int(library.get_model_config(architecture)["embed_dim"])
        self.logit_scale = model.logit_scale.exp().item()
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else bias.item()
        self.pictures = PictureTransform.from_config(model.visual.preprocess_cfg)
        self.texts = TextTransform(architecture)
        self._fingerprints = _fingerprints(model)
        self._model: Any = self._frozen(model)

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes only preprocess: the model stays behind."""
        return self.__dict__ | {"_model": None}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Token ids [context] of a text, pictures [F, 3, size, size] of everything else."""
        check_modality(modality, self.modalities)
        if raw.modality != modality:
            raise UnibindError(f"the {modality} tower was given {raw.modality}; name the item's own modality")
        drawing = DRAWINGS.get(modality)
        return self.pictures(drawing.draw(raw, self.frames)) if drawing else self.texts(raw)  # type: ignore[arg-type]

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, dim], unit length, on the CPU."""
        check_modality(modality, self.modalities)
        if self._model is None:
            raise UnibindError(f"this copy of {self.name} only preprocesses; encode where it was made")
        model, batch = self._model.eval(), batch.to(self.device)  # frozen, whatever has been called since
        with torch.inference_mode():
            if modality in DRAWINGS:
                z = embed_pictures(model.encode_image, batch.to(_PRECISIONS[self.precision]))
            else:
                z = model.encode_text(batch)
            z = nn.functional.normalize(z.float(), dim=-1).cpu()
        return z.clone()  # an ordinary tensor, so that a head may be trained on it

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of a modality's embeddings; the tag does not, its weights do."""
        check_modality(modality, self.modalities)
        backbone = f"open_clip:{self.architecture}"
        drawn = DRAWINGS[modality].parameters(self.frames) | asdict(self.pictures) if modality in DRAWINGS else {}
        return Contract(
            space=f"{backbone}@{self._fingerprints['text']}",
            backbone=backbone,
            modality=modality,
            weights=self._fingerprints["image" if modality in DRAWINGS else "text"],
            preprocessing=drawn,
            precision=self.precision,
        )

    def _frozen(self, model: nn.Module) -> nn.Module:
        """The model without the tower that no modality needs, in its precision, on its device."""
        seen, read = bool(set(self.modalities) & DRAWINGS.keys()), "text" in self.modalities
        for name, _ in list(model.named_children()):
            if not (seen if name == _VISUAL else read):
                setattr(model, name, None)
        return model.to(device=self.device, dtype=_PRECISIONS[self.precision]).requires_grad_(False)


_VISUAL = "visual"  # the image tower's name in all open_clip models; everything else is the text tower's


def create(
    argument: str | None = None,
    *,
    modalities: Sequence[str] | None = None,
    device: str = "cpu",
    precision: str = "float32",
    frames: int = 8,
) -> OpenClip:
    """Factory for `create_backbone("open_clip:ARCH/TAG")`.

    `precision` is "float32", "bfloat16" or "auto"; `frames` how many a video is seen by. Raises MissingExtraError where
    open_clip or torchvision cannot be imported, UnknownNameError for an architecture or tag that open_clip lacks.
    """
    architecture, _, tag = (argument or "").partition("/")
    if not architecture or not tag:
        raise UnibindError("open_clip needs an architecture and a tag of weights: write open_clip:ARCH/TAG")
    library = _library()
    if architecture not in library.list_models():
        raise UnknownNameError("open_clip architecture", architecture, library.list_models())
    tags = library.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise UnknownNameError(f"tag of {architecture}", tag, tags)
    return OpenClip(architecture, tag, modalities, device=device, precision=precision, frames=frames)


def _library() -> Any:
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError, AttributeError):  # a torchvision of another torch fails in all these ways
        what = f"the backbone open_clip (open_clip_torch, and the torchvision made for torch {torch.__version__})"
        raise MissingExtraError(what, "open_clip") from None


def _fingerprints(model: nn.Module) -> dict[str, str]:
    """Of each tower's weights; the temperature and the bias belong to neither."""
    from .._shared.checkpoints import fingerprint

    towers: dict[str, list[tuple[str, Tensor]]] = {"image": [], "text": []}
    for name, tensor in model.state_dict().items():
        if not name.startswith("logit_"):
            towers["image" if name.startswith(_VISUAL + ".") else "text"].append((name, tensor))
    return {tower: fingerprint(tensors) for tower, tensors in towers.items()}
