"""The golden check of ImageBind's towers: a tiny model with weights by rule against the reference's own outputs.

`golden.json` holds the tiny model's entries and inputs by shape, and what the reference implementation (PyTorch 2.11,
CPU, float32) made of them, brought to unit length. The point tower's output is our own, of a version whose outputs for
two clouds of the reference differed from its by no more than 3e-5.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._shared.golden import GoldenCheck, rule_normal, rule_weight
from .._shared.pooling import pool
from .checkpoint import locate
from .towers import Size, build_tower

ALLOWED = 1e-4
_TINY = Size(layers=2, heads=4)
_CLIPPED = ("video", "audio")


def golden() -> dict[str, Any]:
    """Contents of `golden.json`."""
    return dict(json.loads((Path(__file__).parent / "golden.json").read_text()))


def tiny_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Entries of a public checkpoint by rule; logit scales and counters, on which no output depends, are zero."""
    return {
        name: torch.from_numpy(rule_weight(name, shape)) if shape else torch.zeros(()) for name, shape in shapes.items()
    }


def golden_checks() -> list[GoldenCheck]:
    """One check a modality that has golden outputs."""
    held = golden()
    towers: dict[str, nn.Module] = {}
    shapes = {name: tuple(shape) for name, shape in held["shapes"].items()}
    located, _ = locate(shapes)
    checks = []
    for modality, facts in held["modalities"].items():
        tower = facts["tower"]
        if tower not in towers:
            towers[tower] = _tiny_tower(tower, located[tower], shapes)
        checks.append(GoldenCheck(f"imagebind {modality}", _difference(modality, facts, towers[tower]), ALLOWED))
    return checks


def _tiny_tower(tower: str, names: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> nn.Module:
    module = build_tower(tower, {ours: shapes[public] for ours, public in names.items()}, _TINY)
    state = tiny_state({public: shapes[public] for public in names.values()})
    module.load_state_dict({ours: state[public] for ours, public in names.items()}, assign=True)
    return module.eval()


def _difference(modality: str, facts: dict[str, Any], tower: nn.Module) -> float:
    shape = tuple(facts["input"])
    x = torch.tensor(facts["ids"]) if "ids" in facts else torch.from_numpy(rule_normal(f"input.{modality}", shape))
    found = _embedding(modality, tower, x)
    return float(np.abs(found - np.array(facts["output"], np.float32)).max())


def _embedding(modality: str, tower: nn.Module, x: Tensor) -> NDArray[np.float32]:
    with torch.inference_mode():
        z = pool(tower(x.flatten(0, 1)).unflatten(0, x.shape[:2]), "mean") if modality in _CLIPPED else tower(x)
    return np.asarray(z)
