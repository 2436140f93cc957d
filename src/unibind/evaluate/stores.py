"""Evaluating a store: open what is named, measure, and write the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..api import open_model
from ..backbones import Backbone
from ..data.duplicates import refuse_leaks
from ..data.opening import open_store
from ..data.store import Store
from ..extras import check_extra
from ..files import check_output
from ..knowledge import KnowledgeBase, KnowledgeSource
from ..model import UniBind
from .evaluation import Evaluation
from .protocols import evaluate
from .report import REPORT, write_report


def evaluate_store(
    store: Store | str | Path,
    *,
    model: UniBind | str | Path | None = None,
    knowledge: KnowledgeSource | None = None,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    full: bool = False,
    allow_duplicates: bool = False,
    out: str | Path | None = None,
    command: str | None = None,
) -> Evaluation:
    """Measure a store without and, if `model` is given, with a fitted model; write a report to `out`, if given.

    `knowledge` defaults to that of the model; where there is none either, the labels of the store stand for their
    classes, by name. The backbone is that of the model, otherwise the given one, otherwise the one that encoded the
    store. Descriptions of items outside the training split are left out, because they give away the labels. `full` is
    as for `evaluate`; `command` is the command line that the page names. Raises UnibindError if the model has another
    backbone than the given one, or the same content is in several splits (unless `allow_duplicates`), and what
    `evaluate` raises.
    """
    if out is not None:
        check_extra("report", "the report")
        check_output(out, kind=REPORT, force=True)
    opened = open_store(store)
    refuse_leaks(opened, allow=allow_duplicates)
    opened_model = open_model(
        model,
        store=opened,
        backbone=backbone,
        weights=weights,
        precision=precision,
        device=device,
        options=options,
    )
    evaluation = evaluate(
        opened_model.backbone,
        opened,
        knowledge=None if knowledge is None else KnowledgeBase.open(knowledge),
        fitted=None if model is None else opened_model,
        seed=seed,
        full=full,
    )
    if out is not None:
        write_report(Path(out), evaluation, command=command)
    return evaluation
