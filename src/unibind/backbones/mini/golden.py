"""The golden check of mini: its towers on generated inputs, against the outputs recorded where they were trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ...modalities import ANCHOR
from ...modalities.text import Text
from .._shared.golden import rule_normal
from ..spec import GoldenCheck
from .model import Mini

ALLOWED = 1e-3  # convolutions differ in their last bits between machines
TEXT = "a photo of a folding chair"
SHAPES = {
    "image": (1, 3, 96, 96),
    "audio": (1, 1, 64, 198),
    "point_cloud": (1, 512, 3),
    "thermal": (1, 2, 64, 64),
    "video": (1, 6, 3, 48, 48),
    "event": (1, 6, 2, 48, 48),
}
_RECORDED = 64  # leading values of each embedding that golden.json contains


def embeddings() -> dict[str, list[float]]:
    """The leading values of every tower's embedding of its generated input, on the default device."""
    backbone = Mini()
    batches = {m: torch.from_numpy(rule_normal(f"input.{m}", shape)) for m, shape in SHAPES.items()}
    batches[ANCHOR] = backbone.preprocess(ANCHOR, Text(TEXT))[None]
    return {m: backbone.encode(m, batches[m])[0, :_RECORDED].tolist() for m in backbone.modalities}


def golden_checks() -> list[GoldenCheck]:
    """One check per modality."""
    recorded = json.loads((Path(__file__).parent / "golden.json").read_text())
    return [
        GoldenCheck(f"mini {m}", float(np.abs(np.subtract(values, recorded[m])).max()), ALLOWED)
        for m, values in embeddings().items()
    ]
