"""Evaluating a store: open what is named, measure, and write the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..backbones import Backbone
from ..data.opening import open_backbone, open_store
from ..data.store import Store
from ..errors import UnibindError
from ..extras import check_extra
from ..files import check_output
from ..knowledge import KnowledgeBase
from ..knowledge.embedding import embed_descriptions
from ..model import UniBind
from .protocols import Evaluation, evaluate, split_of
from .report import REPORT, write_report


def evaluate_store(
    store: Store | str | Path,
    *,
    model: UniBind | str | Path | None = None,
    knowledge: KnowledgeBase | str | Path | None = None,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
) -> Evaluation:
    """Measure a store without and, if `model` is given, with a fitted model; write a report to `out`, if given.

    `knowledge` defaults to that of the model, otherwise to the packaged base. Descriptions of items outside the
    training split are left out, because they give away the labels. The backbone is that of the model, otherwise the
    given one, otherwise the one that encoded the store. Raises UnibindError if the model has another backbone than the
    given one, and what `evaluate` raises.
    """
    if out is not None:
        check_extra("report", "the report")
        check_output(out, kind=REPORT, force=True)
    opened = open_store(store)
    overrides: dict[str, Any] = {"weights": weights, "precision": precision, "device": device}
    if isinstance(model, str | Path):
        model = UniBind.from_pretrained(model, **overrides, **(options or {}))
    if model is None:
        encoder = open_backbone(backbone, store=opened, options=options, **overrides)
    else:
        encoder = model.backbone
        name = backbone if backbone is None or isinstance(backbone, str) else backbone.name
        if name not in (None, encoder.name):
            raise UnibindError(f"the model was fitted on {encoder.name}, not on {name}; leave out the backbone")
    base = _knowledge(knowledge, model).without_items(opened.non_train_ids())
    evaluation = evaluate(encoder, opened, embed_descriptions(base, encoder), fitted=model, seed=seed)
    if out is not None:
        before = split_of(opened, "test")
        after = None if model is None else {m: model.project(e) for m, e in before.items()}
        write_report(Path(out), evaluation, before=before, after=after)
    return evaluation


def _knowledge(knowledge: KnowledgeBase | str | Path | None, model: UniBind | None) -> KnowledgeBase:
    if knowledge is not None:
        return KnowledgeBase.open(knowledge)
    return model.knowledge if model is not None and model.knowledge is not None else KnowledgeBase.load("heptad")
