"""The golden checks of photo, on generated inputs.

`golden.json` has logits of the package `efficientnet-lite-pytorch` 0.1.0 (PyTorch 2.13, CPU, float32), for which the
weights were converted, and the leading values of this backbone's own embedding of a picture.
`benchmarks/photo_speed.py` compares all logits where that package is installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...modalities.image import Image
from .._shared.device import resolve_device
from .._shared.golden import rule_normal
from .._shared.precision import exact_float32
from ..spec import GoldenCheck
from .efficientnet import SIZE, load_network
from .model import Photo

LOGITS_ALLOWED, EMBEDDING_ALLOWED = 1e-4, 1e-3
RECORDED = 64  # leading values of a vector
_IMAGE = "image"


def network_input() -> torch.Tensor:
    """Noise [2, 3, 224, 224]."""
    return torch.from_numpy(rule_normal("input.photo", (2, 3, SIZE, SIZE)))


def picture() -> NDArray[np.uint8]:
    """A picture [300, 400, 3] of 8 x 6 colored tiles."""
    tiles = rule_normal("picture.photo", (6, 8, 3))
    return np.kron((128 + 64 * tiles).clip(0, 255), np.ones((50, 50, 1))).astype(np.uint8)


def logits() -> NDArray[np.float32]:
    """The leading logits of `network_input`, on the default device: [2, RECORDED]."""
    device = resolve_device(None)
    with torch.inference_mode(), exact_float32():
        return np.asarray(load_network().to(device)(network_input().to(device))[:, :RECORDED].cpu())


def embedding() -> NDArray[np.float32]:
    """The leading values of the embedding of `picture`, on the default device: [RECORDED]."""
    backbone = Photo()
    return np.asarray(backbone.encode(_IMAGE, backbone.preprocess(_IMAGE, Image(picture()))[None])[0, :RECORDED])


def golden_checks() -> list[GoldenCheck]:
    """One check of the network against the reference, and one of the whole tower."""
    recorded: dict[str, Any] = json.loads((Path(__file__).parent / "golden.json").read_text())
    return [
        GoldenCheck("photo logits", float(np.abs(logits() - np.float32(recorded["logits"])).max()), LOGITS_ALLOWED),
        GoldenCheck(
            "photo image", float(np.abs(embedding() - np.float32(recorded["embedding"])).max()), EMBEDDING_ALLOWED
        ),
    ]
