"""The golden check of ImageBind's towers: a tiny model with weights by rule against the reference's own outputs.

`golden.json` holds the tiny model's entries and inputs by shape, and what the reference implementation (PyTorch 2.11,
CPU, float32) made of them, brought to unit length.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..golden import GoldenCheck, rule_normal, rule_weight
from ..pooling import pool
from .checkpoint import locate
from .towers import Size, build_tower

ALLOWED = 1e-4
_TINY = Size(layers=2, heads=4)
_CLIPPED = ("video", "audio")


def golden() -> dict[str, Any]:
    """Contents of `golden.json`."""
    return dict(json.loads((Path(__file__).parent / "golden.json").read_text()))


def tiny_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Entries of a public checkpoint by rule; logit scales, which no output here depends on, are zero."""
    return {
        name: torch.zeros(shape) if "log_logit_scale" in name else torch.from_numpy(rule_weight(name, shape))
        for name, shape in shapes.items()
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
    with torch.inference_mode():
        z = pool(tower(x.flatten(0, 1)).unflatten(0, shape[:2]), "mean") if modality in _CLIPPED else tower(x)
    return float(np.abs(z.numpy() - np.array(facts["output"], np.float32)).max())
