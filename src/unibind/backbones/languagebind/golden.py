"""The golden check of LanguageBind's towers: tiny models with generated weights, against the released code.

`golden.json` contains the configurations of the tiny models, the names and shapes of their weights, shapes of inputs,
and the outputs of the released code at unit length. `origin` says with which versions they were recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._shared.checkpoint import Checkpoint, Shape
from .._shared.device import resolve_device
from .._shared.golden import rule_normal, rule_weight
from ..spec import GoldenCheck
from .checkpoint import PICTURES, TEXTS, locate
from .loading import TowerFile, load_tower
from .repositories import tower_size

ALLOWED = 1e-4


class GeneratedWeights(Checkpoint):
    """Weights by rule, as if they were in a file; the logit scale, which changes no output, is 0."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.path, self.metadata, self.shapes = Path("generated weights"), {}, dict(shapes)
        self.dtypes = dict.fromkeys(shapes, torch.float32)

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors by name."""
        return dict(self.stream(names))

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Tensors, one at a time."""
        for name in names:
            shape = self.shapes[name]
            yield name, torch.from_numpy(rule_weight(name, shape)) if shape else torch.zeros(())


def golden() -> dict[str, Any]:
    """Contents of `golden.json`."""
    return dict(json.loads((Path(__file__).parent / "golden.json").read_text()))


def tiny_config(kind: str) -> dict[str, Any]:
    """The configuration of one of the tiny models, as its repository's `config.json` would have it."""
    recorded = golden()
    facts = recorded["models"][kind]
    return {
        "model_type": f"LanguageBind{facts['modality'].capitalize()}",
        "projection_dim": recorded["projection_dim"],
        "text_config": recorded["text_config"],
        "vision_config": recorded["vision_config"] | facts["config"],
    }


def tiny_weights(kind: str) -> GeneratedWeights:
    """The weights of one of the tiny models, under their public names."""
    recorded = golden()
    return GeneratedWeights(
        {n: tuple(s) for n, s in (recorded["text_shapes"] | recorded["models"][kind]["shapes"]).items()}
    )


def golden_checks() -> list[GoldenCheck]:
    """One check per tiny model, and one of texts, on the default device."""
    recorded = golden()
    texts = recorded["texts"]
    ids = torch.zeros(len(texts["ids"]), max(map(len, texts["ids"])), dtype=torch.long)
    for row, given in zip(ids, texts["ids"], strict=True):
        row[: len(given)] = torch.tensor(given)
    checks = [_check("text", "image", TEXTS, ids, texts["output"])]
    for kind, facts in recorded["models"].items():
        x = torch.from_numpy(rule_normal(f"input.{facts['modality']}", tuple(facts["input"])))
        frames_first = x.transpose(1, 2) if x.ndim == 5 else x
        checks.append(_check(kind, kind, PICTURES, frames_first, facts["output"]))
    return checks


def _check(what: str, kind: str, tower: str, x: Tensor, expected: list[list[float]]) -> GoldenCheck:
    config, weights = tiny_config(kind), tiny_weights(kind)
    vision, device = config["vision_config"], resolve_device(None)
    file = TowerFile(tower, weights, locate(weights.shapes)[0][tower], vision["lora_alpha"] / max(vision["lora_r"], 1))
    section = "text_config" if tower == TEXTS else "vision_config"
    module = load_tower(file, tower_size(config[section], "generated weights"), precision="float32", device=device)
    with torch.inference_mode():
        output = module(x.to(device)).cpu().numpy()
    return GoldenCheck(f"languagebind {what}", float(np.abs(output - np.array(expected, np.float32)).max()), ALLOWED)
