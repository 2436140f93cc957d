"""The pre-norm transformer of CLIP (Radford et al., 2021), ImageBind and LanguageBind, and what reads their texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from .precision import Linear

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

END_OF_TEXT = 49407  # the largest id of CLIP's vocabulary, and the last token of every text


class Attention(nn.Module):
    """Multi-head self-attention; with `bias_kv`, every item also attends to one learned key and value."""

    def __init__(self, width: int, heads: int, *, bias_kv: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        if bias_kv:
            self.bias_k = nn.Parameter(torch.empty(1, 1, width))
            self.bias_v = nn.Parameter(torch.empty(1, 1, width))
        self.bias_kv = bias_kv

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 3 of [B, H, N, D / H]
        if self.bias_kv:
            k, v = (torch.cat([a, self._for_heads(b, len(x))], dim=2) for a, b in ((k, self.bias_k), (v, self.bias_v)))
        y = attend(q, k, v, causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))

    def _for_heads(self, bias: Tensor, batch: int) -> Tensor:
        """[1, 1, D] -> [B, H, 1, D / H]."""
        return bias.unflatten(-1, (self.heads, -1)).transpose(1, 2).expand(batch, -1, -1, -1)


def attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Tensor:
    """Scaled dot-product attention, [B, H, N, D] with keys and values [B, H, M, D].

    Uses torch's fused kernel, except in bfloat16 on a CPU, where it is as slow as in float32 and two matrix products
    take half the time.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # [B, H, N, M]
    if causal:
        scores += torch.full(scores.shape[-2:], -torch.inf, dtype=q.dtype).triu(1)
    return scores.softmax(dim=-1) @ v


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); the hidden layer is `hidden` wide, with the exact GELU.

    `eps` is that of the layer norms.
    """

    def __init__(self, width: int, hidden: int, heads: int, *, eps: float, bias_kv: bool = False) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps)
        self.attention = Attention(width, heads, bias_kv=bias_kv)
        self.norm_2 = nn.LayerNorm(width, eps)
        self.fc1 = Linear(width, hidden, gelu=True)
        self.fc2 = Linear(hidden, width)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        x = x + self.attention(self.norm_1(x), causal=causal)
        return x + self.fc2(self.fc1(self.norm_2(x)))


class TextStem(nn.Module):
    """Token ids [B, T], T at most 77 -> tokens [B, T, D]."""

    keep_float32 = ("words",)  # only the rows of the tokens in a batch are read

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.empty(shapes["stem.words"]))
        self.positions = nn.Parameter(torch.empty(shapes["stem.positions"]))  # [77, D] or [1, 77, D]

    def forward(self, ids: Tensor) -> Tensor:
        words = functional.embedding(ids, self.words).to(self.positions.dtype)
        return words + self.positions[..., : ids.shape[1], :]


def at_end(tokens: Tensor, ids: Tensor) -> Tensor:
    """The tokens [B, T, D] where the texts with these ids [B, T] end, [B, D]: at the first end token.

    It attends only to earlier tokens, so a batch is padded to its longest text and no further.
    """
    end = (ids == END_OF_TEXT).int().argmax(dim=1)
    return tokens[torch.arange(len(ids), device=ids.device), end]
