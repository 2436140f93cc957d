"""Batches of preprocessed items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def collate(tensors: Sequence[Tensor]) -> Tensor:
    """Stack items into a batch [B, ...]; one-dimensional integers (token ids) are padded with 0 to the longest."""
    first = tensors[0]
    if first.ndim == 1 and not first.is_floating_point():
        return pad_sequence(list(tensors), batch_first=True)
    return torch.stack(list(tensors))


def rows_by_length(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Rows of `texts` in batches of at most `size`, of similar length, which need the least padding."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
