"""The golden check of mini: its towers on inputs by rule, against what they gave where they were trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ...modalities.text import Text
from .._shared.golden import GoldenCheck, rule_normal
from . import MODALITIES, Mini

ALLOWED = 1e-3  # convolutions differ in their last bits from machine to machine
TEXT = "a photo of a folding chair"
SHAPES = {
    "image": (1, 3, 96, 96),
    "audio": (1, 1, 64, 198),
    "point_cloud": (1, 512, 3),
    "thermal": (1, 2, 64, 64),
    "video": (1, 6, 3, 48, 48),
    "event": (1, 6, 2, 48, 48),
}
_KEPT = 64  # numbers of each embedding


def embeddings() -> dict[str, list[float]]:
    """The first numbers of each tower's embedding of its input by rule."""
    backbone = Mini()
    batches = {m: torch.from_numpy(rule_normal(f"input.{m}", shape)) for m, shape in SHAPES.items()}
    batches["text"] = backbone.preprocess("text", Text(TEXT))[None]
    return {m: backbone.encode(m, batches[m])[0, :_KEPT].tolist() for m in MODALITIES}


def golden_checks() -> list[GoldenCheck]:
    """One check a modality."""
    held = json.loads((Path(__file__).parent / "golden.json").read_text())
    return [
        GoldenCheck(f"mini {m}", float(np.abs(np.subtract(found, held[m])).max()), ALLOWED)
        for m, found in embeddings().items()
    ]
