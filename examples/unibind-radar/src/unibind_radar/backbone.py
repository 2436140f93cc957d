"""The toy backbone: a map's echo from the slow, middle or fast cells, and the words that mean the same."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unibind.backbones import Contract
from unibind.modalities import Raw, check_modality

from . import CARD

WORDS = {"walker": 0, "car": 1, "drone": 2}  # slow, middle, fast
_OTHER = 3
_BANDS = (0.0, 0.3, 0.7, 1.01)  # of the largest speed


class RadarNet:
    """See `unibind.backbones.Backbone` for the protocol."""

    name, dim, license, logit_scale = CARD.name, 8, CARD.license, 10.0

    def __init__(self, modalities: Any = None, device: str = "cpu") -> None:
        self.modalities = tuple(check_modality(m, CARD.modalities) for m in modalities or CARD.modalities)
        self.device = device
        self.options: dict[str, Any] = {}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Word numbers [T] of a text, echo energies [3] of a radar map."""
        if modality == "text":
            words = raw.text.lower().replace(".", " ").split()  # type: ignore[attr-defined]
            return torch.tensor([1 + WORDS.get(word, _OTHER) for word in words])
        power = 10 ** (raw.power / 10)  # type: ignore[attr-defined]
        speeds = np.abs(np.linspace(-1, 1, power.shape[1]))
        bands = [power[:, (speeds >= a) & (speeds < b)].sum() for a, b in pairwise(_BANDS)]
        return torch.tensor(bands, dtype=torch.float32)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Unit vectors float32 [B, 8]."""
        z = torch.zeros(len(batch), self.dim)
        if modality == "text":
            for axis in range(self.dim):
                z[:, axis] = (batch == axis + 1).sum(dim=1) * (0.1 if axis == _OTHER else 1.0)
        else:
            z[:, : batch.shape[1]] = batch
        return torch.nn.functional.normalize(z, dim=1)

    def contract(self, modality: str) -> Contract:
        """One space for both modalities."""
        return Contract(space="radar_net@1", backbone=self.name, modality=modality, weights="1")
