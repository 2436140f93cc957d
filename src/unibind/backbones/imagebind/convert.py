"""Splits the released checkpoints of ImageBind, Point-Bind and UniBind into one safetensors file per tower."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...affine import AffineMap
from ...errors import UnibindError, UnknownNameError
from .._shared.checkpoints import Checkpoint, open_checkpoint
from . import LICENSE
from .checkpoint import locate
from .loading import TowerFile
from .model import TOWER_OF

_HEAD = re.compile(r"mlp_for_(\w+)\.(weight|bias)")
_MODALITIES = {"point": "point_cloud"}  # name in UniBind -> our name


@dataclass(frozen=True)
class Released:
    """The content of checkpoints: towers by name, and UniBind's fitted maps by modality.

    A map [D] -> [D] applies to the embedding of the released model, which is scaled (see `ImageBind.logit_scales`).
    """

    towers: dict[str, TowerFile]
    maps: dict[str, AffineMap]


def open_released(paths: Iterable[Path]) -> Released:
    """Open imagebind_huge.pth, UniBind's pretrained_weights.pt, or checkpoints that UniBind has fitted.

    Reads names and shapes, and the fitted maps. Raises UnibindError for entries that belong to no tower or are not
    float32, if there is no tower, and if two files contain different towers or maps for one modality.
    """
    towers: dict[str, TowerFile] = {}
    maps: dict[str, AffineMap] = {}
    for path in paths:
        checkpoint = open_checkpoint(path)
        heads = {match: name for name in checkpoint.shapes if (match := _HEAD.fullmatch(name))}
        for tower, file in _towers(checkpoint, checkpoint.shapes.keys() - set(heads.values())).items():
            if tower in towers and towers[tower].fingerprint != file.fingerprint:
                raise UnibindError(
                    f"{towers[tower].checkpoint.path} and {path} contain different {tower} towers; "
                    "convert them separately"
                )
            towers.setdefault(tower, file)
        for modality, fitted in _maps(checkpoint, heads).items():
            if modality in maps:
                raise UnibindError(f"{path} contains a second map for {modality}; convert one fit at a time")
            maps[modality] = fitted
    if not towers:
        raise UnibindError("these files contain no tower of ImageBind; pass imagebind_huge.pth, for example")
    return Released(towers, maps)


def _towers(checkpoint: Checkpoint, names: Iterable[str]) -> dict[str, TowerFile]:
    located, unknown = locate(sorted(names))
    if unknown:
        raise UnibindError(
            f"{checkpoint.path} has {len(unknown)} entries that belong to no tower, such as {unknown[0]}; "
            "choose an ImageBind, Point-Bind or UniBind checkpoint"
        )
    for name in (name for names in located.values() for name in names.values()):
        if checkpoint.dtypes[name].is_floating_point and checkpoint.dtypes[name] != torch.float32:
            raise UnibindError(
                f"{checkpoint.path} contains {name} in {checkpoint.dtypes[name]}, which has lost precision; "
                "choose the original file in float32"
            )
    return {tower: TowerFile(tower, checkpoint, names) for tower, names in located.items()}


def _maps(checkpoint: Checkpoint, heads: Mapping[re.Match[str], str]) -> dict[str, AffineMap]:
    tensors = checkpoint.mapped(heads.values())
    parts: dict[str, dict[str, Tensor]] = {}
    for match, name in heads.items():
        modality = _MODALITIES.get(match[1], match[1])
        if modality not in TOWER_OF or modality == "text":
            raise UnknownNameError(f"modality of {name} in {checkpoint.path}:", modality, TOWER_OF)
        parts.setdefault(modality, {})[match[2]] = tensors[name].float()
    for modality, part in parts.items():
        shapes = {name: list(tensor.shape) for name, tensor in part.items()}
        width = max((max(shape, default=0) for shape in shapes.values()), default=0)
        if shapes != {"weight": [width, width], "bias": [width]}:
            raise UnibindError(
                f"{checkpoint.path} contains a map for {modality} with {shapes} instead of weight [D, D] and bias [D]; "
                "download the file again"
            )
    return {modality: AffineMap(part["weight"].numpy(), part["bias"].numpy()) for modality, part in parts.items()}


def write_towers(
    towers: Mapping[str, TowerFile], folder: Path, progress: Callable[[str, int], None] = lambda *_: None
) -> dict[str, str]:
    """Write `<tower>.safetensors` with this package's names; returns the fingerprint of each tower.

    Weights keep their type, and are never all in memory at once. `progress(tower, count)` is called before each of the
    `count` towers is written.
    """
    from safetensors.torch import save_file

    anchor = {"space": towers["text"].fingerprint} if "text" in towers else {}
    for name, file in towers.items():
        progress(name, len(towers))
        metadata = {
            "format": "pt",
            "tower": name,
            "fingerprint": file.fingerprint,
            "source": file.checkpoint.path.name,
            "license": LICENSE.spdx,
        }
        path = folder / f"{name}.safetensors"
        save_file(file.mapped(file.names), path, metadata | anchor)
        path.chmod(0o644)
    return {name: file.fingerprint for name, file in towers.items()}
