"""The demo: files of seven modalities become one space, are classified, searched, fitted and reported."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import heptad
from ._version import __version__
from .align.problem import FitConfig
from .backbones import Backbone
from .data.embeddings import Embeddings
from .data.encode import encode_items
from .data.intake import read_manifest
from .data.opening import open_backbone
from .data.store import Store
from .errors import UnibindError
from .evaluate.evaluation import Evaluation
from .evaluate.parts import TEST, split_of
from .evaluate.protocols import evaluate
from .evaluate.report import ExplainedItem, Search, write_report
from .extras import check_all_extras
from .files import OutputKind, check_output, write_whole
from .fitting import fit
from .heptad.showcase import EXPLAINED, GALLERIES, NEXT_QUERY, QUERY, QUERY_LABEL
from .json_files import read_json
from .knowledge import KnowledgeBase, KnowledgeSource
from .knowledge.embedding import embed_descriptions
from .modalities.text import Text
from .model import UniBind
from .progress import progress_stages
from .retrieval.conditions import Comparison

_SHOWN = 5  # results of a search before and after the fit
_BACKBONE = "mini"  # has the flaw that a fit corrects
_MARK = "demo.json"
DEMO = OutputKind("a demo", marks=(_MARK, "store"), resumable=True)


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    evaluation: Evaluation
    report: Path
    model: Path
    store: Path
    data: Path

    def next_search(self) -> str:
        """A command line that searches the demo's store, and finds the same kind of object in every modality."""
        paths = {"--store": self.store, "--model": self.model, "--html": self.report.with_name("search.html")}
        options = [word for option, path in paths.items() for word in (option, str(path))]
        return shlex.join(["unibind", "search", NEXT_QUERY, "--per-modality", "1", "-k", "7", *options])


def run_demo(
    out: str | Path,
    *,
    per_category: int = 12,
    seed: int = 0,
    workers: int = 2,
    knowledge: KnowledgeSource | None = None,
    backbone: Backbone | str | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    command: str | None = None,
) -> Demo:
    """Generate Heptad, encode it, fit, measure and report under `out`.

    `per_category` is the number of test objects per category; the training split has twice as many, the validation
    split half as many (at least 2). `knowledge` defaults to the packaged base, and `backbone` to mini. Only the
    backbone's modalities take part. `command` is the command line that the report names. Raises UnibindError, before
    anything is generated, where the base lacks one of Heptad's categories or `out` has a demo with other settings.
    """
    check_all_extras("the demo")
    out = Path(out)
    check_output(out, kind=DEMO)
    encoder = open_backbone(backbone or _BACKBONE, weights=weights, precision=precision, device=device, options=options)
    base = KnowledgeBase.open(knowledge or "heptad")
    _check_categories(base)
    splits = {"train": 2 * per_category, "val": max(2, per_category // 2), "test": per_category}
    _claim(out, {"unibind": __version__, "per_category": splits, "seed": seed, "backbone": encoder.name})
    with progress_stages(progress) as stage:
        total = sum(splits.values()) * len(heptad.CATEGORIES)
        advance = stage("generating objects", total)
        manifest = heptad.make(out / "heptad", splits, seed=seed, workers=workers, progress=advance)
        items = [item for item in read_manifest(manifest) if item.modality in encoder.modalities]
        store = Store.open_or_create(out / "store")
        encode_items(items, encoder, store, workers=workers, progress=stage("encoding files", len(items)))

        base = base.without_items(store.non_train_ids())
        advance = stage("embedding the knowledge base", 1)
        texts = embed_descriptions(base, encoder)
        advance(1)
        config = FitConfig(seed=seed)
        advance_fit = stage("fitting heads", config.progress_steps * (len(store.modalities()) - 1))
        model = fit(
            store,
            knowledge=base,
            backbone=encoder,
            config=config,
            texts=texts,
            progress=lambda modality, step: advance_fit(1),
        )
        advance = stage("measuring and reporting", 2)
        title = f"Heptad: {len(store.modalities())} modalities, one space"
        evaluation = evaluate(encoder, store, knowledge=base, texts=texts, fitted=model, title=title, seed=seed)
        model.save_pretrained(out / "model", measured=evaluation.summary())
        advance(1)
        report = _report(out, evaluation, store, encoder, model, command)
        advance(1)
    return Demo(evaluation, report, out / "model", out / "store", manifest)


def _report(
    out: Path, evaluation: Evaluation, store: Store, backbone: Backbone, model: UniBind, command: str | None
) -> Path:
    before = split_of(store, TEST)
    after = {m: model.project(e) for m, e in before.items()}
    bare, tested = UniBind(backbone), Comparison("split", "=", TEST)
    searches = [
        Search(
            QUERY,
            QUERY_LABEL,
            gallery,
            *(
                found.search(Text(QUERY), store, modalities=[gallery], where=tested, k=_SHOWN)
                for found in (bare, model)
            ),
        )
        for gallery in GALLERIES
        if gallery in before and before[gallery].contract.in_anchor_space
    ]
    explanations = [_explained(model, after[m], label) for m, label in EXPLAINED if m in after]
    return write_report(out, evaluation, searches=searches, explanations=explanations, command=command)


def _explained(model: UniBind, stored: Embeddings, label: str) -> ExplainedItem:
    """The prediction for the first test item of a label."""
    row = stored.labels.index(label)
    uri = str(stored.uris[row])
    prediction = model.classify_vectors(stored.vectors[row : row + 1], [stored.modality], [uri])[0]
    return ExplainedItem(uri, label, prediction)


def _check_categories(base: KnowledgeBase) -> None:
    missing = [category for category in heptad.CATEGORIES if category not in set(base.categories)]
    if missing:
        raise UnibindError(
            f"the knowledge base lacks {len(missing)} of the demo's categories, such as {missing[0]}; describe them too"
        )


def _claim(out: Path, run: dict[str, Any]) -> None:
    """Mark `out` as this run's; raises UnibindError where it has another run's, whose embeddings would be reused."""
    mark = out / _MARK
    existing = read_json(mark, "remove it") if mark.is_file() else None
    if existing != run and (existing is not None or (out / "store").exists()):
        raise UnibindError(f"{out} has a demo with other settings; choose another folder with --out, or remove it")
    write_whole(mark, json.dumps(run))
