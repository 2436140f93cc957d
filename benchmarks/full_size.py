"""The towers of every backbone at the size of the public models: with their weights if they are at hand, else random.

Random weights cost the same time as trained ones. Left out are `open_clip` unless it is installed, `composed` and
`starter`, which have no towers of their own, and `sentence_transformers`, whose library moves its inputs itself: its
models are those of `transformers`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unibind.backbones import create_backbone
from unibind.backbones._shared.class_mixture import ClassMixture
from unibind.backbones._shared.precision import DTYPES, to_precision
from unibind.backbones._shared.towers import FrozenTowers

TEXT_TOKENS = 24  # of every text: a description of some 15 words
BOTH = ("float32", "bfloat16")

# width, hidden layer, stem and positions of ImageBind-huge: what decides the shapes of a tower
IMAGEBIND: Mapping[str, tuple[int, int, dict[str, tuple[int, ...]]]] = {
    "vision": (1280, 5120, {"stem.patch": (1280, 3, 2, 14, 14), "stem.positions": (1, 257, 1280)}),
    "text": (1024, 4096, {"stem.words": (49408, 1024), "stem.positions": (1, 77, 1024)}),
    "audio": (768, 3072, {"stem.patch": (768, 1, 16, 16), "stem.positions": (1, 229, 768)}),
    "thermal": (768, 3072, {"stem.patch": (768, 1, 16, 16), "stem.positions": (1, 197, 768)}),
    "depth": (384, 1536, {"stem.patch": (384, 1, 16, 16), "stem.positions": (1, 197, 384)}),
    "imu": (512, 2048, {"stem.patch": (512, 48), "stem.positions": (1, 251, 512)}),
}

Load = Callable[[str, str], nn.Module]  # (precision, device) -> the tower


@dataclass(frozen=True)
class Subject:
    """A tower to measure, in the `precisions` that its backbone runs it in; `item` is one input, without a batch.

    `chunk` is how many items the backbone embeds at once (None: all). `usual` ones are also measured compiled.
    """

    backbone: str
    tower: str
    load: Load
    item: Tensor
    precisions: tuple[str, ...] = BOTH
    chunk: Callable[[str], int] | None = None
    usual: bool = False

    def batch(self, count: int) -> Tensor:
        """A batch of equal items."""
        return self.item.expand(count, *self.item.shape).contiguous()


def subjects(layers: int | None = None) -> Iterator[tuple[str, Callable[[], list[Subject]]]]:
    """Every backbone with a function that lists its towers; `layers` instead of all of a random tower's."""
    yield "mini", _mini
    yield "photo", _photo
    yield "imagebind", lambda: _imagebind(layers)
    yield "languagebind", lambda: _languagebind(layers)
    yield "transformers", lambda: _transformers(layers)
    yield "classifier", lambda: _classifier(layers)
    if importlib.util.find_spec("open_clip") is not None:
        yield "open_clip", _open_clip


def randomize(tower: nn.Module, device: str = "cpu") -> nn.Module:
    """Put a tower on a device, in float32 and evaluation mode, with random weights of the scale of trained ones."""
    tower = tower.to_empty(device=device).eval().requires_grad_(False)
    generator = torch.Generator(device).manual_seed(0)
    for name, weight in tower.named_parameters():
        if weight.ndim >= 2 and name.endswith(("weight", "patch")):
            weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
        elif "norm" in name and name.endswith("weight"):
            weight.fill_(1)
        else:
            weight.normal_(0, 0.02, generator=generator)
    for name, buffer in tower.named_buffers():
        if buffer.is_floating_point():
            buffer.fill_(1 if name.endswith("running_var") else 0)
    return tower


def _built(name: str, tower: str) -> Load:
    """The tower of a backbone that brings its weights."""

    def load(precision: str, device: str) -> nn.Module:
        towers: FrozenTowers = create_backbone(name, precision=precision, device=device)._towers
        return towers[tower]

    return load


def _random(build: Callable[[], nn.Module]) -> Load:
    return lambda precision, device: to_precision(randomize(build(), device), precision, device)


def _text(words: int) -> Tensor:
    return torch.randint(1, words, (TEXT_TOKENS,), generator=torch.Generator().manual_seed(0))


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# --- backbones that bring their weights ------------------------------------------------------------------------------


def _mini() -> list[Subject]:
    from unibind.backbones.mini.golden import SHAPES as INPUTS

    towers = [Subject("mini", m, _built("mini", m), _noise(*shape[1:]), ("float32",)) for m, shape in INPUTS.items()]
    return [Subject("mini", "text", _built("mini", "text"), _text(30_000), usual=True), *towers]


def _photo() -> list[Subject]:
    picture = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return [Subject("photo", "pictures", _built("photo", "pictures"), picture, usual=True)]


# --- random weights --------------------------------------------------------------------------------------------------


def imagebind_tower(tower: str, layers: int | None) -> nn.Module:
    """A tower of ImageBind-huge's size, or with fewer layers, on the meta device."""
    from unibind.backbones.imagebind.towers import SIZES, Size, build_tower

    if tower == "point_cloud":
        return build_tower(tower, {"project.weight": (1024, 512)})
    width, hidden, stem = IMAGEBIND[tower]
    shapes = stem | {
        "stem.class_token": (1, 1, width),
        "norm_out.weight": (width,),
        "blocks.0.fc1.weight": (hidden, width),
        "project.weight": (1024, width),
    }
    return build_tower(tower, shapes, Size(layers or SIZES[tower].layers, SIZES[tower].heads))


def _imagebind(layers: int | None) -> list[Subject]:
    from unibind.backbones.imagebind.model import chunk_size

    inputs = {
        "vision": _noise(3, 224, 224),
        "text": _clip_text(),
        "audio": _noise(1, 128, 204),
        "thermal": _noise(1, 224, 224),
        "depth": _noise(1, 224, 224),
        "imu": _noise(6, 2000),
        "point_cloud": _noise(8192, 3),
    }

    return [
        Subject(
            "imagebind",
            tower,
            _random(lambda tower=tower: imagebind_tower(tower, layers)),
            item,
            ("float32",) if tower == "point_cloud" else BOTH,
            lambda device, tower=tower: chunk_size(tower, device),
        )
        for tower, item in inputs.items()
    ]


def _languagebind(layers: int | None) -> list[Subject]:
    from unibind.backbones.languagebind.model import chunk_size
    from unibind.backbones.languagebind.towers import FRAME_POSITIONS, PictureTower, Size, TextTower

    def shapes(width: int, stem: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        ends = {"norm_out.weight": (width,), "blocks.0.fc1.weight": (4 * width, width), "project.weight": (768, width)}
        return {**stem, **ends}

    def pictures(tokens: int, **frames: tuple[int, ...]) -> nn.Module:
        stem = {"stem.patch": (1024, 3, 14, 14), "stem.class_token": (1024,), "stem.positions": (tokens, 1024)}
        with torch.device("meta"):
            return PictureTower(shapes(1024, stem) | frames, Size(layers or 24, 16, 1e-5))

    def texts() -> nn.Module:
        stem = {"stem.words": (49408, 768), "stem.positions": (77, 768)}
        with torch.device("meta"):
            return TextTower(shapes(768, stem), Size(layers or 12, 12, 1e-5))

    towers = {
        "image": (lambda: pictures(257), _noise(3, 224, 224)),  # thermal and depth are as large
        "video": (lambda: pictures(257, **{FRAME_POSITIONS: (1, 8, 1024)}), _noise(8, 3, 224, 224)),
        "audio": (lambda: pictures(1 + 8 * 74), _noise(3, 112, 1036)),
        "text": (texts, _clip_text()),
    }
    return [
        Subject("languagebind", name, _random(build), item, chunk=lambda device, name=name: chunk_size(name, device))
        for name, (build, item) in towers.items()
    ]


def _clip_text() -> Tensor:
    from unibind.backbones._shared.transformer import END_OF_TEXT

    ids = _text(END_OF_TEXT)
    ids[-1] = END_OF_TEXT
    return ids


def _in_dtype(build: Callable[[], nn.Module]) -> Load:
    """A tower around a model of transformers, with the library's random weights."""

    def load(precision: str, device: str) -> nn.Module:
        torch.manual_seed(0)
        with torch.device(device):
            return build().eval().requires_grad_(False).to(DTYPES[precision])

    return load


def _transformers(layers: int | None) -> list[Subject]:
    import transformers as library

    from unibind.backbones.transformers.clap import AudioTower
    from unibind.backbones.transformers.family import PictureTower, TextTower

    cut = {"num_hidden_layers": layers} if layers else {}

    def clip_image() -> nn.Module:
        model = library.CLIPVisionModelWithProjection(library.CLIPVisionConfig(**cut))
        return PictureTower(model, lambda out: out.image_embeds)

    def clip_text() -> nn.Module:
        model = library.CLIPTextModelWithProjection(library.CLIPTextConfig(**cut))
        return TextTower(model, 1, lambda out, mask: out.text_embeds)

    def siglip_image() -> nn.Module:
        return PictureTower(library.SiglipVisionModel(library.SiglipVisionConfig(**cut)), lambda out: out.pooler_output)

    def dinov2() -> nn.Module:
        config = library.Dinov2Config(image_size=224, patch_size=14, **cut)
        return PictureTower(library.Dinov2Model(config), lambda out: out.last_hidden_state[:, 0])

    def clap_audio() -> nn.Module:
        return AudioTower(library.ClapAudioModelWithProjection(library.ClapAudioConfig()))

    picture = _noise(1, 3, 224, 224)
    return [
        Subject("transformers", "CLIP ViT-B/32 image", _in_dtype(clip_image), picture, usual=True),
        Subject("transformers", "CLIP ViT-B/32 text", _in_dtype(clip_text), _text(49_000)),
        Subject("transformers", "SigLIP B/16 image", _in_dtype(siglip_image), picture),
        Subject("transformers", "DINOv2 B/14 image", _in_dtype(dinov2), picture),
        Subject("transformers", "CLAP HTSAT audio", _in_dtype(clap_audio), _noise(1, 1001, 64)),
    ]


class _Mixed(nn.Module):
    """A classifier and the mixture of its classes, as the backbone `classifier` runs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.mixture = model, ClassMixture(torch.randn(model.config.num_labels, 384))

    def forward(self, batch: Tensor) -> Tensor:
        logits = self.model(batch.to(next(self.model.parameters()).dtype)).logits
        return self.mixture(logits.float())


def _classifier(layers: int | None) -> list[Subject]:
    from transformers import ASTConfig, ASTForAudioClassification

    cut: dict[str, Any] = {"num_hidden_layers": layers} if layers else {}

    def load(precision: str, device: str) -> nn.Module:
        torch.manual_seed(0)
        with torch.device(device):
            model = _Mixed(ASTForAudioClassification(ASTConfig(num_labels=527, **cut)))
        model.model.to(DTYPES[precision])
        return model.eval().requires_grad_(False)

    return [Subject("classifier", "AST audio", load, _noise(1024, 128))]


def _open_clip() -> list[Subject]:
    import open_clip

    from unibind.backbones.open_clip.model import ImageTower

    build = _in_dtype(lambda: ImageTower(open_clip.create_model("ViT-B-32")))
    return [Subject("open_clip", "ViT-B-32 image", build, _noise(1, 3, 224, 224))]
