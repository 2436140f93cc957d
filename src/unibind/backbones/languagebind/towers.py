"""LanguageBind's towers (Zhu et al., ICLR 2024): CLIP's, with attention between the frames of a video.

Widths follow from the shapes of the weights, layers and heads from the repository's configuration.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._shared.transformer import Attention, Block, Shapes, TextStem, at_end

FRAME_POSITIONS = "blocks.0.time.positions"  # only towers of videos have it


class Size(NamedTuple):
    """What the shapes of a tower's weights do not determine; `eps` is that of the layer norms."""

    layers: int
    heads: int
    eps: float


class PictureStem(nn.Module):
    """Patches of pictures [B, F, 3, H, W] -> tokens [B * F, 1 + N, D], each picture by itself.

    The class token is [D], or [F, D] where every frame has its own.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.patch = nn.Parameter(torch.empty(shapes["stem.patch"]))  # [D, 3, k, k]
        self.class_token = nn.Parameter(torch.empty(shapes["stem.class_token"]))
        self.positions = nn.Parameter(torch.empty(shapes["stem.positions"]))  # [1 + N, D]

    def forward(self, x: Tensor) -> Tensor:
        pictures = x.flatten(0, 1).to(self.patch.dtype)
        tokens = functional.conv2d(pictures, self.patch, stride=self.patch.shape[-1]).flatten(2).transpose(1, 2)
        first = self.class_token.expand(*x.shape[:2], -1).flatten(0, 1)[:, None]  # [B * F, 1, D]
        return torch.cat([first, tokens], dim=1) + self.positions


class TimeAttention(nn.Module):
    """Attention between frames, for tokens [B * F, N, D]: every token attends to those at its place in all frames."""

    def __init__(self, width: int, heads: int, frames: int, eps: float) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(1, frames, width))
        self.norm = nn.LayerNorm(width, eps)
        self.attention = Attention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        frames, tokens = self.positions.shape[1], x.shape[1]
        x = x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)  # [B * N, F, D]
        if frames > 1:
            x = x + self.positions
        x = x + self.attention(self.norm(x))
        return x.unflatten(0, (-1, tokens)).transpose(1, 2).flatten(0, 1)


class VideoBlock(Block):
    """Attention between frames, then a block within each frame."""

    def __init__(self, width: int, hidden: int, heads: int, *, frames: int, eps: float) -> None:
        super().__init__(width, hidden, heads, eps=eps)
        self.time = TimeAttention(width, heads, frames, eps)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        return super().forward(self.time(x), causal=causal)


class PictureTower(nn.Module):
    """Pictures [B, 3, H, W], or videos [B, F, 3, H, W] -> [B, out], unit length, float32.

    Each frame is read at its class token, and a video is the mean of its frames. Spectrograms are pictures too.
    """

    def __init__(self, shapes: Shapes, size: Size) -> None:
        super().__init__()
        width, hidden = shapes["norm_out.weight"][0], shapes["blocks.0.fc1.weight"][0]
        self.stem = PictureStem(shapes)
        self.norm_in = nn.LayerNorm(width, size.eps)
        self.blocks = nn.ModuleList(_block(shapes, width, hidden, size) for _ in range(size.layers))
        self.norm_out = nn.LayerNorm(width, size.eps)
        self.project = nn.Linear(width, shapes["project.weight"][0], bias=False)

    def forward(self, x: Tensor) -> Tensor:
        frames = x if x.ndim == 5 else x[:, None]
        tokens = self.norm_in(self.stem(frames))
        for block in self.blocks:
            tokens = block(tokens)
        pooled = self.norm_out(tokens[:, 0]).unflatten(0, frames.shape[:2]).mean(dim=1)
        return functional.normalize(self.project(pooled).float(), dim=-1)


def _block(shapes: Shapes, width: int, hidden: int, size: Size) -> Block:
    if FRAME_POSITIONS in shapes:
        return VideoBlock(width, hidden, size.heads, frames=shapes[FRAME_POSITIONS][1], eps=size.eps)
    return Block(width, hidden, size.heads, eps=size.eps)


class TextTower(nn.Module):
    """Token ids [B, T], T at most 77 -> [B, out], unit length, float32; a text is read at its end token."""

    def __init__(self, shapes: Shapes, size: Size) -> None:
        super().__init__()
        width, hidden = shapes["norm_out.weight"][0], shapes["blocks.0.fc1.weight"][0]
        self.stem = TextStem(shapes)
        self.blocks = nn.ModuleList(Block(width, hidden, size.heads, eps=size.eps) for _ in range(size.layers))
        self.norm_out = nn.LayerNorm(width, size.eps)
        self.project = nn.Linear(width, shapes["project.weight"][0], bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        tokens = self.stem(ids)
        for block in self.blocks:
            tokens = block(tokens, causal=True)
        return functional.normalize(self.project(self.norm_out(at_end(tokens, ids))).float(), dim=-1)
