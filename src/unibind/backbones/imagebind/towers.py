"""ImageBind's towers: a stem that makes tokens, a transformer, and a projection of one token into the shared space.

Widths follow from the shapes of the weights. Layers and heads are given by `SIZES`: the shapes do not determine the
heads, and a file without one of the layers is damaged, not smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UnibindError
from .._shared.transformer import Block, Shapes, TextStem, at_end
from .points import EPS, PointTower


class Size(NamedTuple):
    """What the shapes of a tower's weights do not determine."""

    layers: int
    heads: int


TOWERS = ("vision", "text", "audio", "thermal", "depth", "imu", "point_cloud")

SIZES = {  # of imagebind_huge
    "vision": Size(32, 16),
    "text": Size(24, 16),
    "audio": Size(12, 12),
    "thermal": Size(12, 12),
    "depth": Size(12, 8),
    "imu": Size(6, 8),
}


class PictureStem(nn.Module):
    """Patches of pictures [B, C, H, W], or of clips of two frames [B, C, 2, H, W] -> tokens [B, 1 + N, D].

    `patch` has the shape [D, C, k, k], or [D, C, 2, k, k] if the tower also takes clips. A picture is then a clip of
    two equal frames, so its patches are multiplied by the sum of both frames' weights.
    """

    def __init__(self, shapes: Shapes, *, stride: int | None = None, norm: bool = True) -> None:
        super().__init__()
        self.patch = nn.Parameter(torch.empty(shapes["stem.patch"]))
        self.stride = stride or self.patch.shape[-1]
        self.class_token = nn.Parameter(torch.empty(shapes["stem.class_token"]))
        self.positions = nn.Parameter(torch.empty(shapes["stem.positions"]))
        self.norm = nn.LayerNorm(self.patch.shape[0]) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        patch: Tensor = self.patch
        if patch.ndim == 5 and x.ndim == 4:
            patch = patch.sum(dim=2)
        elif patch.ndim == 5:
            x, patch = x.flatten(1, 2), patch.flatten(1, 2)  # the frames become channels
        tokens = functional.conv2d(x.to(patch.dtype), patch, stride=self.stride).flatten(2).transpose(1, 2)
        return _with_class_token(self.norm(tokens), self.class_token) + self.positions


class MotionStem(nn.Module):
    """Samples of an inertial sensor [B, 6, T], cut into windows -> tokens [B, 1 + N, D]."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.patch = nn.Parameter(torch.empty(shapes["stem.patch"]))  # [D, 6 * window]
        self.class_token = nn.Parameter(torch.empty(shapes["stem.class_token"]))
        self.positions = nn.Parameter(torch.empty(shapes["stem.positions"]))
        self.norm = nn.LayerNorm(self.patch.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        window = self.patch.shape[1] // x.shape[1]
        windows = x.unfold(-1, window, window).transpose(1, 2).flatten(2)  # [B, N, 6 * window]
        tokens = self.norm(functional.linear(windows.to(self.patch.dtype), self.patch))
        return _with_class_token(tokens, self.class_token) + self.positions


def _with_class_token(tokens: Tensor, class_token: Tensor) -> Tensor:
    return torch.cat([class_token.expand(len(tokens), -1, -1), tokens], dim=1)


class Tower(nn.Module):
    """One tower: items [B, ...] -> [B, out], unit length, float32.

    A text is read at its end token (see `at_end`), everything else at the class token. The released model multiplies
    its embeddings by min(exp(log_logit_scale), 100); this tower does not.
    """

    def __init__(self, spec: TowerSpec, shapes: Shapes, size: Size) -> None:
        super().__init__()
        width, hidden = shapes["norm_out.weight"][0], shapes["blocks.0.fc1.weight"][0]
        self.causal = spec.causal
        self.stem = spec.stem(shapes)
        self.norm_in = nn.LayerNorm(width, EPS) if spec.norm_in else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(width, hidden, size.heads, eps=EPS, bias_kv=spec.bias_kv) for _ in range(size.layers)
        )
        self.norm_out = nn.LayerNorm(width, EPS)
        self.project = nn.Linear(width, shapes["project.weight"][0], bias=False)
        if spec.scaled:
            self.log_logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm_in(self.stem(x))  # [B, N, D]
        for block in self.blocks:
            tokens = block(tokens, causal=self.causal)
        return functional.normalize(self.project(self.norm_out(self._read(tokens, x))).float(), dim=-1)

    def _read(self, tokens: Tensor, x: Tensor) -> Tensor:
        """The token that represents each item, [B, D]."""
        return at_end(tokens, x) if self.causal else tokens[:, 0]


@dataclass(frozen=True)
class TowerSpec:
    """How one kind of tower is built; `scaled` ones have a logit scale."""

    stem: Callable[[Shapes], nn.Module]
    bias_kv: bool = True
    norm_in: bool = False
    causal: bool = False
    scaled: bool = True


TOWER_SPECS = {
    "vision": TowerSpec(partial(PictureStem, norm=False), bias_kv=False, norm_in=True, scaled=False),
    "text": TowerSpec(TextStem, bias_kv=False, causal=True),
    "audio": TowerSpec(partial(PictureStem, stride=10)),  # overlapping patches of 16 x 16
    "thermal": TowerSpec(PictureStem),
    "depth": TowerSpec(PictureStem),
    "imu": TowerSpec(MotionStem),
}


def build_tower(tower: str, shapes: Shapes, size: Size | None = None) -> nn.Module:
    """Build a tower on the meta device, with widths from the shapes of its weights (named as in `checkpoint`).

    Raises UnibindError if a shape that determines a width is missing.
    """
    try:
        with torch.device("meta"):
            if tower == "point_cloud":
                return PointTower(shapes["project.weight"][0])
            return Tower(TOWER_SPECS[tower], shapes, size or SIZES[tower])
    except KeyError as error:
        raise UnibindError(f"the weights of the {tower} tower lack {error.args[0]}; download the file again") from None
