"""Collating preprocessed items."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def collate(tensors: Sequence[Tensor]) -> Tensor:
    """Stack items into a batch [B, ...]; one-dimensional integers (token ids) are padded with 0 to the longest."""
    first = tensors[0]
    if first.ndim == 1 and not first.is_floating_point():
        return pad_sequence(list(tensors), batch_first=True)
    return torch.stack(list(tensors))
