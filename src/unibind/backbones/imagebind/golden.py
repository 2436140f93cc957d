"""The golden check of ImageBind's towers: a tiny model with generated weights, against the reference implementation.

`golden.json` contains the shapes of the tiny model's weights and inputs, and the outputs of the reference (PyTorch
2.11, CPU, float32) at unit length. The point tower's output was recorded from this implementation, in a version that
differed from the reference by at most 3e-5 on two point clouds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._shared.device import resolve_device
from .._shared.golden import rule_normal, rule_weight
from .._shared.pooling import pool
from .._shared.precision import exact_float32
from ..spec import GoldenCheck
from .checkpoint import locate
from .towers import Size, build_tower

ALLOWED = 1e-4
_TINY = Size(layers=2, heads=4)
_CLIPPED = ("video", "audio")


def golden() -> dict[str, Any]:
    """Contents of `golden.json`."""
    return dict(json.loads((Path(__file__).parent / "golden.json").read_text()))


def tiny_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Generated weights under their public names; logit scales and counters, which change no output, are zero."""
    return {
        name: torch.from_numpy(rule_weight(name, shape)) if shape else torch.zeros(()) for name, shape in shapes.items()
    }


def golden_checks() -> list[GoldenCheck]:
    """One check per modality with golden outputs, on the default device."""
    recorded, device = golden(), resolve_device(None)
    towers: dict[str, nn.Module] = {}
    shapes = {name: tuple(shape) for name, shape in recorded["shapes"].items()}
    located, _ = locate(shapes)
    checks = []
    for modality, facts in recorded["modalities"].items():
        tower = facts["tower"]
        if tower not in towers:
            towers[tower] = _tiny_tower(tower, located[tower], shapes).to(device)
        difference = _difference(modality, facts, towers[tower], device)
        checks.append(GoldenCheck(f"imagebind {modality}", difference, ALLOWED))
    return checks


def _tiny_tower(tower: str, names: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> nn.Module:
    module = build_tower(tower, {ours: shapes[public] for ours, public in names.items()}, _TINY)
    state = tiny_state({public: shapes[public] for public in names.values()})
    module.load_state_dict({ours: state[public] for ours, public in names.items()}, assign=True)
    return module.eval()


def _difference(modality: str, facts: dict[str, Any], tower: nn.Module, device: str) -> float:
    shape = tuple(facts["input"])
    x = torch.tensor(facts["ids"]) if "ids" in facts else torch.from_numpy(rule_normal(f"input.{modality}", shape))
    output = _embedding(modality, tower, x.to(device))
    return float(np.abs(output - np.array(facts["output"], np.float32)).max())


def _embedding(modality: str, tower: nn.Module, x: Tensor) -> NDArray[np.float32]:
    with torch.inference_mode(), exact_float32():
        z = pool(tower(x.flatten(0, 1)).unflatten(0, x.shape[:2]), "mean") if modality in _CLIPPED else tower(x)
    return np.asarray(z.cpu())
