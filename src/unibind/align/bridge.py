"""Bridges: a foreign tower joins the anchor's space by texts alone, where its model has a text tower too.

Both text towers read the same descriptions, so every description is a pair of vectors, and a linear map between the
two spaces is found from pairs (as between two languages' words, Mikolov et al. 2013, arXiv 1309.4168). The tower's
items then go over the map that its texts went over. Items do not lie where texts do: each modality has an offset of
its own (Liang et al. 2022, arXiv 2203.02053). As in "Connect, Collapse, Corrupt" (Zhang et al., ICLR 2024, arXiv
2401.08567) the offset is removed by means, and the map is made to bear noise. The mean of items needs unlabeled items;
without any, the offset stays.
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
from ..data.embeddings import Vectors, unit
from ..data.encode import embed
from ..data.manifest import read_manifest
from ..data.store import Store
from ..errors import ContractError, UnibindError, UnknownNameError
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..modalities.text import Text
from .ridge import PENALTIES, Ridge

_FEWEST = 20  # texts: below, held-out figures mean nothing


@dataclass(frozen=True)
class BridgeConfig:
    """How a bridge is fitted.

    A share `held_out` of the texts chooses the ridge penalty and the step to stop at, another such share only
    measures. `noise` is what the map must bear, as items are no texts, in units of the texts' mean variance: texts that
    choose, and those of the `steps` of contrastive refinement, are moved by as much. Recall of clean texts would choose
    a map too fine for items: see docs/composed.md.
    """

    held_out: float = 0.1
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
    """z = weight x + bias, and what was measured: `recall` maps method -> {k -> recall@k of held-out texts}.

    Methods: `padded` (no map: a control), `procrustes` (a rotation only: another), `ridge`, and `refined`. `gap` is
    the distance from the items' mean to the texts', in the tower's own space; None where no items were given.
    """

    weight: Vectors
    bias: Vectors
    recall: dict[str, dict[int, float]]
    penalty: float
    best_step: int
    held_out: int
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
    """Fit the map from `own` [M, D_in] to `anchor` [M, D_out], the embeddings of the same M unlike texts.

    `items` [N, D_in] are unlabeled items of the tower, whose mean is then brought to the texts' mean. Raises
    UnibindError for fewer than 20 texts.
    """
    config = config or BridgeConfig()
    if len(own) < _FEWEST:
        raise UnibindError(
            f"a bridge needs {_FEWEST} unlike texts or more, not {len(own)}; name a larger knowledge base"
        )
    train, choose, test = _split(len(own), config)
    spread = _spread(own[train], config)
    noise = np.random.default_rng(config.seed).normal(0, spread, (len(choose), own.shape[1])).astype(np.float32)
    chooser = own[choose] + noise, anchor[choose]
    solver = Ridge(own[train], anchor[train])
    penalty = max(PENALTIES, key=lambda p: _recall(_moved(chooser[0], *solver.map(p)), chooser[1])[1])
    weight, bias = solver.map(penalty)
    recall = {
        "padded": _recall(own[test], anchor[test]),
        "procrustes": _recall(_rotated(own, anchor, train, test), anchor[test]),
        "ridge": _recall(_moved(own[test], weight, bias), anchor[test]),
    }
    best_step = 0
    if config.steps:
        weight, bias, best_step = _refine(weight, bias, (own[train], anchor[train]), chooser, config)
        recall["refined"] = _recall(_moved(own[test], weight, bias), anchor[test])
    gap = None
    if items is not None:
        offset = items.mean(axis=0) - own[train].mean(axis=0)
        gap, bias = float(np.linalg.norm(offset)), bias - weight @ offset
    return FittedMap(weight, bias, recall, penalty, best_step, len(test), gap)


def _spread(texts: Vectors, config: BridgeConfig) -> float:
    """Standard deviation of the noise that a map of these texts must bear."""
    return float(np.sqrt(config.noise * texts.var(axis=0).mean()))


def _split(count: int, config: BridgeConfig) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows to fit on, to choose by, and to measure."""
    order = np.random.default_rng(config.seed).permutation(count)
    some = max(2, round(config.held_out * count))
    return order[2 * some :], order[:some], order[some : 2 * some]


def _recall(mapped: Vectors, anchor: Vectors, ks: tuple[int, ...] = (1, 5)) -> dict[int, float]:
    """Share of texts whose own anchor vector is among the k nearest to their mapped one; narrow vectors are padded."""
    width = max(mapped.shape[1], anchor.shape[1])
    mapped, anchor = (np.pad(v, ((0, 0), (0, width - v.shape[1]))) for v in (mapped, anchor))
    similarity = mapped @ unit(anchor).T
    nearer = (similarity >= np.diag(similarity)[:, None]).sum(axis=1) - 1
    return {k: float(np.mean(nearer < k)) for k in ks}


def _moved(vectors: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    return vectors @ weight.T + bias


def _rotated(own: Vectors, anchor: Vectors, train: NDArray[np.intp], test: NDArray[np.intp]) -> Vectors:
    """The test texts by the best rotation about the means (orthogonal Procrustes, Schoenemann 1966), [N, D_out]."""
    mean_own, mean_anchor = own[train].mean(axis=0), anchor[train].mean(axis=0)
    u, _, v = np.linalg.svd((anchor[train] - mean_anchor).T @ (own[train] - mean_own), full_matrices=False)
    return (own[test] - mean_own) @ (u @ v).T + mean_anchor


def _refine(
    weight: Vectors,
    bias: Vectors,
    pairs: tuple[Vectors, Vectors],
    chooser: tuple[Vectors, Vectors],
    config: BridgeConfig,
) -> tuple[Vectors, Vectors, int]:
    """Symmetric InfoNCE over the pairs, from the closed-form map on; the state with the best recall@1 on `chooser`."""
    generator = torch.Generator().manual_seed(config.seed)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    optimizer = torch.optim.AdamW(layer.parameters(), lr=config.lr, weight_decay=0.0)
    x, y = torch.from_numpy(pairs[0]), functional.normalize(torch.from_numpy(pairs[1]), dim=-1)
    spread = _spread(pairs[0], config)

    def score() -> float:
        with torch.no_grad():
            return _recall(layer(torch.from_numpy(chooser[0])).numpy(), chooser[1])[1]

    best, best_score, best_step = copy.deepcopy(layer.state_dict()), score(), 0
    for step in range(1, config.steps + 1):
        rows = torch.randperm(len(x), generator=generator)[: config.batch_size]
        noise = spread * torch.randn(len(rows), x.shape[1], generator=generator)
        logits = config.logit_scale * functional.normalize(layer(x[rows] + noise), dim=-1) @ y[rows].T
        truth = torch.arange(len(rows))
        loss = (functional.cross_entropy(logits, truth) + functional.cross_entropy(logits.T, truth)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % config.check_every == 0 or step == config.steps:
            if score() > best_score:
                best, best_score, best_step = copy.deepcopy(layer.state_dict()), score(), step
            elif step - best_step >= config.patience * config.check_every:
                break
    return best["weight"].numpy(), best["bias"].numpy(), best_step


# --- the bridges of a composed backbone ----------------------------------------------------------------------------


def build_bridges(
    parts: Parts,
    knowledge: KnowledgeBase,
    *,
    modalities: Collection[str] | None = None,
    items: Path | None = None,
    split: str | None = None,
    config: BridgeConfig | None = None,
    device: str | None = None,
) -> list[BuiltBridge]:
    """Make and write the bridge of every part that names one (of `modalities`, where given).

    `items` is a store or manifest with unlabeled items of the modalities, `split` which of them to use. Raises
    UnibindError where no part names a bridge, and for a part without a text tower of its own or in the anchor's space.
    """
    wanted = {m: p for m, p in parts.items() if p.bridge is not None}
    for modality in modalities or ():
        if modality not in wanted:
            raise UnknownNameError("modality with a bridge:", modality, wanted or ["none"])
    if not wanted:
        raise UnibindError('no table names a bridge; write bridge = "NAME.safetensors" into those that should have one')
    texts = [Text(text) for text in dict.fromkeys(d.text for d in knowledge.descriptions)]
    anchor = _made(parts[ANCHOR], [ANCHOR], device)
    anchor_vectors = embed(texts, anchor)
    built = []
    for modality, part in wanted.items():
        if modalities and modality not in modalities:
            continue
        reader = _reader(modality, part, anchor.contract(ANCHOR), device)
        found = None if items is None else _own_items(items, reader, modality, split)
        fitted = fit_map(embed(texts, reader), anchor_vectors, found, config)
        made = {
            "texts_read_by": {"own": reader.contract(ANCHOR).weights, "anchor": anchor.contract(ANCHOR).weights},
            **_facts(fitted, knowledge, 0 if found is None else len(found), len(texts), config or BridgeConfig()),
        }
        ends = BridgeEndpoints.of(reader.contract(modality), anchor.contract(ANCHOR))
        bridge = Bridge(AffineMap(fitted.weight, fitted.bias), ends, made)
        assert part.bridge is not None
        bridge.save(part.bridge)
        built.append(BuiltBridge(modality, part.bridge, bridge))
    return built


def _made(part: Part, modalities: list[str], device: str | None) -> Backbone:
    return create_backbone(part.backbone, modalities=modalities, **{"device": device, **part.options})


def _reader(modality: str, part: Part, anchor: Contract, device: str | None) -> Backbone:
    """The part's backbone with its own text tower."""
    bare = _made(part, [modality], device)
    if bare.contract(modality).shares_space(anchor):
        raise UnibindError(f"[{modality}] is in the space of the anchor and needs no bridge; take that line out")
    try:
        reader = _made(part, [modality, ANCHOR], device)
    except UnibindError as error:
        raise UnibindError(
            f"{part.backbone} has no text tower ({error}), so [{modality}] cannot be bridged by texts; "
            "take its bridge out and fit it on labeled items"
        ) from error
    own, texts = reader.contract(modality).space, reader.contract(ANCHOR).space
    if own != texts:
        raise UnibindError(
            f"the text tower of {part.backbone} is in {texts}, not in {modality}'s {own}; fit it instead"
        )
    return reader


def _own_items(source: Path, backbone: Backbone, modality: str, split: str | None) -> Vectors:
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
            f"{source} has no {modality} items{f' of the split {split}' if split else ''} that {backbone.name} could "
            "take; name a store or manifest that has"
        )
    return vectors


def _facts(
    fitted: FittedMap, knowledge: KnowledgeBase, items: int, texts: int, config: BridgeConfig
) -> Mapping[str, Any]:
    """What the file says of how the bridge was made; recall keys as text, for JSON."""
    return {
        "knowledge": knowledge.fingerprint,
        "texts": texts,
        "held_out": fitted.held_out,
        "recall": {method: {f"@{k}": v for k, v in found.items()} for method, found in fitted.recall.items()},
        "penalty": fitted.penalty,
        "best_step": fitted.best_step,
        "items": items,
        "gap": fitted.gap,
        "config": asdict(config),
    }
