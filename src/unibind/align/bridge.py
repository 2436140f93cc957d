"""Bridges: bring a tower from outside the anchor space into it from texts alone, if its model has a text tower.

Both text towers embed the same descriptions, so every description is a pair of vectors, and a linear map between the
two spaces is fitted to the pairs (as between the words of two languages, Mikolov et al. 2013, arXiv 1309.4168). The
tower's items are then mapped as its texts are. Items do not lie where texts do: each modality has its own offset (Liang
et al. 2022, arXiv 2203.02053). As in "Connect, Collapse, Corrupt" (Zhang et al., ICLR 2024, arXiv 2401.08567), the
offset is removed by subtracting means, and the map is made robust to noise. The mean of the items needs unlabeled
items; without any, the offset stays.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ..affine import AffineMap
from ..backbones import Backbone, Contract, create_backbone
from ..backbones._shared.bridge_file import Bridge, BridgeEndpoints
from ..backbones.composed.table import Part, Parts
from ..contrastive import symmetric_info_nce
from ..data.embeddings import Vectors, unit
from ..data.encode import embed
from ..data.intake import read_manifest
from ..data.store import Store
from ..errors import ContractError, UnibindError, UnknownNameError
from ..files import check_output
from ..knowledge import KnowledgeBase, KnowledgeSource
from ..modalities import ANCHOR
from ..modalities.text import Text
from .ridge import PENALTIES, Ridge

_MIN_TEXTS = 20  # with fewer texts the holdout figures mean nothing

Pairs = tuple[Vectors, Vectors]  # the same texts in the tower's space [M, D_in] and in the anchor space [M, D_out]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class BridgeConfig:
    """How a bridge is fitted.

    A fraction `holdout_fraction` of the texts selects the ridge penalty and the step to stop at; a second one of the
    same size measures the result. Since items are not texts, the map must tolerate noise: `noise` is its variance, in
    units of the texts' mean variance. The selecting texts, and those of the `steps` of contrastive refinement, are
    perturbed by it. The recall of clean texts would select a map that is too sharp for items; see
    docs/how-to/combine-encoders.md.
    """

    holdout_fraction: float = 0.1
    noise: float = 4.0
    steps: int = 200
    batch_size: int = 256
    lr: float = 1e-3
    logit_scale: float = 20.0
    check_every: int = 10
    patience: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FittedMap:
    """A fitted map and its measurements: `recall` maps method -> {k -> recall@k of the measuring texts}.

    Methods are `padded` (no map) and `procrustes` (rotation only), both controls, `ridge`, and `refined`.
    `holdout_count` is the number of measuring texts. `gap` is the distance between the means of items and texts in the
    tower's own space; None if no items were given.
    """

    map: AffineMap
    recall: dict[str, dict[int, float]]
    penalty: float
    best_step: int
    holdout_count: int
    gap: float | None


@dataclass(frozen=True, eq=False)
class BuiltBridge:
    """A bridge that was written to `path`."""

    modality: str
    path: Path
    bridge: Bridge


# --- the map -------------------------------------------------------------------------------------------------------


def fit_map(
    own: Vectors, anchor: Vectors, items: Vectors | None = None, config: BridgeConfig | None = None
) -> FittedMap:
    """Fit the map from `own` [M, D_in] to `anchor` [M, D_out], the embeddings of the same M distinct texts.

    `items` [N, D_in] are unlabeled items of the tower; if given, their mean is moved to the mean of the texts. Raises
    UnibindError for fewer than 20 texts.
    """
    config = config or BridgeConfig()
    if len(own) < _MIN_TEXTS:
        raise UnibindError(
            f"a bridge needs at least {_MIN_TEXTS} distinct texts, not {len(own)}; use a larger knowledge base"
        )
    train_rows, selection_rows, test_rows = _split(len(own), config)
    train, test = (own[train_rows], anchor[train_rows]), (own[test_rows], anchor[test_rows])
    selection = _perturbed(own[selection_rows], _noise_std(train[0], config), config), anchor[selection_rows]
    solver = Ridge(*train)
    penalty = max(PENALTIES, key=lambda p: _recall(solver.fit(p)(selection[0]), selection[1])[1])
    fitted, best_step = solver.fit(penalty), 0
    recall = {
        "padded": _recall(*test),
        "procrustes": _recall(_rotated(train, test[0]), test[1]),
        "ridge": _recall(fitted(test[0]), test[1]),
    }
    if config.steps:
        fitted, best_step = _refine(fitted, train, selection, config)
        recall["refined"] = _recall(fitted(test[0]), test[1])
    gap = None
    if items is not None:
        offset = items.mean(axis=0) - train[0].mean(axis=0)
        gap = float(np.linalg.norm(offset))
        fitted = AffineMap(fitted.weight, fitted.bias - fitted.weight @ offset)
    return FittedMap(fitted, recall, penalty, best_step, len(test_rows), gap)


def _split(count: int, config: BridgeConfig) -> tuple[Rows, Rows, Rows]:
    """Rows to fit on, to select with, and to measure on."""
    order = np.random.default_rng(config.seed).permutation(count)
    holdout = max(2, round(config.holdout_fraction * count))
    return order[2 * holdout :], order[:holdout], order[holdout : 2 * holdout]


def _noise_std(texts: Vectors, config: BridgeConfig) -> float:
    """Standard deviation of the noise that a map of these texts must tolerate."""
    return float(np.sqrt(config.noise * texts.var(axis=0).mean()))


def _perturbed(vectors: Vectors, std: float, config: BridgeConfig) -> Vectors:
    return vectors + np.random.default_rng(config.seed).normal(0, std, vectors.shape).astype(np.float32)


def _recall(mapped: Vectors, anchor: Vectors, ks: tuple[int, ...] = (1, 5)) -> dict[int, float]:
    """Fraction of texts whose anchor vector is among the k nearest to their mapped one; narrow vectors are padded."""
    width = max(mapped.shape[1], anchor.shape[1])
    mapped, anchor = (np.pad(v, ((0, 0), (0, width - v.shape[1]))) for v in (mapped, anchor))
    similarity = mapped @ unit(anchor).T
    nearer = (similarity >= np.diag(similarity)[:, None]).sum(axis=1) - 1
    return {k: float(np.mean(nearer < k)) for k in ks}


def _rotated(train: Pairs, own: Vectors) -> Vectors:
    """Texts [N, D_in] under the best rotation about the means (orthogonal Procrustes, Schoenemann 1966), [N, D_out]."""
    mean_own, mean_anchor = train[0].mean(axis=0), train[1].mean(axis=0)
    u, _, v = np.linalg.svd((train[1] - mean_anchor).T @ (train[0] - mean_own), full_matrices=False)
    return (own - mean_own) @ (u @ v).T + mean_anchor


def _refine(start: AffineMap, train: Pairs, selection: Pairs, config: BridgeConfig) -> tuple[AffineMap, int]:
    """Symmetric InfoNCE over the training pairs, starting from a map: the state with the best recall@1 on the
    selecting pairs, and its step.
    """
    generator = torch.Generator().manual_seed(config.seed)
    layer = nn.Linear(start.dim_in, start.dim_out)
    layer.load_state_dict({"weight": torch.from_numpy(start.weight), "bias": torch.from_numpy(start.bias)})
    optimizer = torch.optim.AdamW(layer.parameters(), lr=config.lr, weight_decay=0.0)
    x, y = torch.from_numpy(train[0]), functional.normalize(torch.from_numpy(train[1]), dim=-1)
    noise_std = _noise_std(train[0], config)

    def recall_at_1() -> float:
        with torch.no_grad():
            return _recall(layer(torch.from_numpy(selection[0])).numpy(), selection[1])[1]

    best, best_recall, best_step = copy.deepcopy(layer.state_dict()), recall_at_1(), 0
    for step in range(1, config.steps + 1):
        rows = torch.randperm(len(x), generator=generator)[: config.batch_size]
        noise = noise_std * torch.randn(len(rows), x.shape[1], generator=generator)
        mapped = functional.normalize(layer(x[rows] + noise), dim=-1)
        loss = symmetric_info_nce(mapped, y[rows], config.logit_scale)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % config.check_every == 0 or step == config.steps:
            if recall_at_1() > best_recall:
                best, best_recall, best_step = copy.deepcopy(layer.state_dict()), recall_at_1(), step
            elif step - best_step >= config.patience * config.check_every:
                break
    return AffineMap(best["weight"].numpy(), best["bias"].numpy()), best_step


# --- the bridges of a composed backbone ----------------------------------------------------------------------------


def build_bridges(
    parts: Parts,
    knowledge: KnowledgeSource,
    *,
    modalities: Collection[str] | None = None,
    items: Path | None = None,
    split: str | None = None,
    config: BridgeConfig | None = None,
    device: str | None = None,
    force: bool = False,
) -> list[BuiltBridge]:
    """Fit and write the bridge of every part that names a bridge file (only of `modalities`, if given).

    The maps are fitted on the texts of `knowledge`, which is whatever `KnowledgeBase.open` takes. `items` is a store or
    manifest with unlabeled items of those modalities, and `split` selects which of them to use. Raises UnibindError if
    no part names a bridge, for a bridge file that exists (unless `force` is set), for a part without its own text
    tower, and for a part that is already in the anchor space.
    """
    bridged = {m: p for m, p in parts.items() if p.bridge is not None}
    for modality in modalities or ():
        if modality not in bridged:
            raise UnknownNameError("modality with a bridge:", modality, bridged or ["none"])
    if not bridged:
        raise UnibindError('no table names a bridge; add bridge = "NAME.safetensors" to each table that needs one')
    bridged = {m: p for m, p in bridged.items() if not modalities or m in modalities}
    for part in bridged.values():
        check_output(str(part.bridge), force=force)
    config, base = config or BridgeConfig(), KnowledgeBase.open(knowledge)
    texts = [Text(text) for text in dict.fromkeys(d.text for d in base.descriptions)]
    anchor = _backbone(parts[ANCHOR], [ANCHOR], device)
    anchor_vectors = embed(texts, anchor)
    built = []
    for modality, part in bridged.items():
        backbone = _with_text_tower(modality, part, anchor.contract(ANCHOR), device)
        item_vectors = None if items is None else _items_in_own_space(items, backbone, modality, split)
        fitted = fit_map(embed(texts, backbone), anchor_vectors, item_vectors, config)
        provenance = {
            "texts_read_by": {"own": backbone.contract(ANCHOR).weights, "anchor": anchor.contract(ANCHOR).weights},
            **_record(fitted, base, 0 if item_vectors is None else len(item_vectors), len(texts), config),
        }
        endpoints = BridgeEndpoints.of(backbone.contract(modality), anchor.contract(ANCHOR))
        bridge = Bridge(fitted.map, endpoints, provenance)
        assert part.bridge is not None
        bridge.save(part.bridge)
        built.append(BuiltBridge(modality, part.bridge, bridge))
    return built


def _backbone(part: Part, modalities: list[str], device: str | None) -> Backbone:
    return create_backbone(part.backbone, modalities=modalities, **{"device": device, **part.options})


def _with_text_tower(modality: str, part: Part, anchor: Contract, device: str | None) -> Backbone:
    """The part's backbone together with its own text tower."""
    alone = _backbone(part, [modality], device)
    if alone.contract(modality).shares_space(anchor):
        raise UnibindError(f"[{modality}] is already in the anchor space and needs no bridge; remove its bridge line")
    try:
        backbone = _backbone(part, [modality, ANCHOR], device)
    except UnibindError as error:
        raise UnibindError(
            f"{part.backbone} has no text tower ({error}), so [{modality}] cannot be bridged from texts; "
            "remove its bridge line and fit it on labeled items"
        ) from error
    own, texts = backbone.contract(modality), backbone.contract(ANCHOR)
    if not own.shares_space(texts):
        raise UnibindError(
            f"the text tower of {part.backbone} is in the space {texts.space}, but its {modality} tower is in "
            f"{own.space}; fit it on labeled items instead"
        )
    return backbone


def _items_in_own_space(source: Path, backbone: Backbone, modality: str, split: str | None) -> Vectors:
    """Items [N, D_in] in the backbone's own space: from a store without a bridge, or encoded from a manifest."""
    if Store.is_at(source):
        stored = Store.open(source).vectors(modality=modality, split=split)
        backbone.contract(modality).check_comparable(
            replace(stored.contract, anchor=None), here=f"the vectors of {backbone.name}", there=f"those of {source}"
        )
        vectors = stored.vectors[:, : backbone.dim]  # the rest is padding
    else:
        items = [i for i in read_manifest(source) if i.modality == modality and split in (None, i.split)]
        vectors = embed([Path(str(item.uri)) for item in items], backbone, modality=modality)
    if not len(vectors) or vectors.shape[1] != backbone.dim:
        raise ContractError(
            f"{source} has no {modality} items{f' of the split {split}' if split else ''} that {backbone.name} can "
            "use; choose a store or manifest with such items"
        )
    return vectors


def _record(
    fitted: FittedMap, knowledge: KnowledgeBase, items: int, texts: int, config: BridgeConfig
) -> Mapping[str, Any]:
    """How the bridge was made, for the header of its file; the keys of recall are strings, for JSON."""
    return {
        "knowledge": knowledge.fingerprint,
        "texts": texts,
        "holdout_count": fitted.holdout_count,
        "recall": {method: {f"@{k}": v for k, v in by_k.items()} for method, by_k in fitted.recall.items()},
        "penalty": fitted.penalty,
        "best_step": fitted.best_step,
        "items": items,
        "gap": fitted.gap,
        "config": asdict(config),
    }
